"""Time weights: old interactions count less, and so do items that were last used long ago."""

from typing import Any, NamedTuple, cast

import numpy as np

from daskrec.data import ids as id_tools
from daskrec.data.ids import Ids
from daskrec.data.moments import DAY, as_numbers, is_number, per_second, read_times
from daskrec.data.reading import checked_parts, declared, fold, read_numbers
from daskrec.data.tables import Table, call, each
from daskrec.engine.arrays import Arrays, Vector
from daskrec.errors import LogError

KINDS = ("power", "exp", "linear")


def smoothe_time(log: Any, decay: float = 30, limit: float = 0.1, kind: str = "exp") -> Any:
    """Weigh the relevance of interactions by their age.

    The age of an interaction is the number of days between it and the last one of the log. An
    interaction of age ``decay`` has about half the weight of one of age 0::

        power   (age + 1) ** (ln 0.5 / ln decay)
        exp     0.5 ** (age / decay)
        linear  1 - 0.5 * age / decay

    Parameters
    ----------
    log
        A frame of any kind, or a path, with a column ``timestamp``: dates, texts of dates, or
        seconds since 1970. Without a column of relevance, one of ones is added.
    decay
        Days after which the weight is a half; above 0, and for ``power`` above 1.
    limit
        The lowest weight.
    kind
        ``"power"``, ``"exp"`` or ``"linear"``.

    Returns
    -------
    frame
        The log with a new relevance (float64), of the kind that came in; other columns, the
        times too, are as they were. Lazy for a Dask frame.

    Raises
    ------
    LogError
        A parameter is out of its range, or times or relevance are missing.

    Notes
    -----
    Two passes over the times.
    """
    _check(decay, kind)
    table = Table.of(log)
    time, relevance = table.role("timestamp"), table.find("relevance")
    name = relevance or "relevance"
    parts = table.arrays([time] if relevance is None else [time, relevance])
    times = each(table.lazy, _times, [(part, time, table.what) for part in parts])
    last = call(table.lazy, _last, each(table.lazy, _latest, [(part,) for part in times]))
    options = decay, limit, kind, name, table.what
    both = zip(parts, times, strict=True)
    weighed = each(table.lazy, _weigh, [(part, mine, last, *options) for part, mine in both])
    return table.assign(weighed, {name: np.empty(0)})


def get_item_recency(log: Any, decay: float = 30, limit: float = 0.1, kind: str = "exp") -> Any:
    """Weigh items by the mean time of their interactions.

    Parameters
    ----------
    log
        A frame of any kind, or a path, with columns of items and of times.
    decay, limit, kind
        As for ``smoothe_time``; the age of an item is the number of days between its mean time
        and the latest mean time of all.

    Returns
    -------
    frame
        One row an item, in the order of ids: the item, its mean ``timestamp`` (rounded down to
        a nanosecond, where times are dates), and its weight as ``relevance``. Of the kind that
        came in; one lazy partition for a Dask frame.

    Raises
    ------
    LogError
        A parameter is out of its range, or times or ids are missing.

    Notes
    -----
    The relevance of interactions plays no role. One pass over the log; the sums are exact for
    dates and whole seconds. The items are held by one task.
    """
    _check(decay, kind)
    table = Table.of(log)
    item, time = table.role("item"), table.role("timestamp")
    parts = checked_parts(table, (item,), (time,))
    sums = each(table.lazy, _sums, [(part, item, time) for part in parts])
    recency = call(
        table.lazy, _recency, fold(table.lazy, sums, _add), item, time, decay, limit, kind
    )
    empty = _form(table, item, time) if table.lazy else {}
    return table.build([recency], empty, table.dtypes([item]))


def _form(table: Table, item: str, time: str) -> Arrays:
    """Return the recency of no items, in the types that a lazy table declares."""
    form = declared(table, [item, time])
    kind = np.float64 if is_number(form[time]) else "datetime64[ns]"
    return {item: form[item], time: np.empty(0, dtype=kind), "relevance": np.empty(0)}


def time_weights(ages: Vector, decay: float, limit: float, kind: str) -> Vector:
    """Return the weights of ages in days; parameters are those of ``smoothe_time``."""
    if kind == "power":
        weights = (ages + 1.0) ** (np.log(0.5) / np.log(decay))
    elif kind == "exp":
        weights = np.exp(ages * (np.log(0.5) / decay))
    else:
        weights = 1.0 - ages * (0.5 / decay)
    return cast(Vector, np.maximum(weights, limit))


def _check(decay: float, kind: str) -> None:
    if kind not in KINDS:
        raise LogError(f"parameter kind must be one of {list(KINDS)}, got {kind!r}")
    least = 1 if kind == "power" else 0
    if not decay > least:
        raise LogError(f"decay is {decay}: with kind={kind!r} it has to be above {least}")


def _times(columns: Arrays, name: str, what: str) -> Vector:
    return read_times(columns[name], name, what)


def _latest(times: Vector) -> Any:
    return as_numbers(times).max().item() if len(times) else None


def _last(latest: list[Any]) -> Any:
    return max((one for one in latest if one is not None), default=None)


def _weigh(
    columns: Arrays,
    times: Vector,
    last: Any,
    decay: float,
    limit: float,
    kind: str,
    name: str,
    what: str,
) -> Arrays:
    if len(times) == 0:
        return {name: np.empty(0)}
    ages = (last - as_numbers(times)) / (DAY * per_second(times))
    weights = time_weights(ages, decay, limit, kind)
    if name in columns:
        weights = weights * read_numbers(columns[name], name, what)
    return {name: weights}


class _Sums(NamedTuple):
    """The times of some items, as sums: whole seconds (or numbers), and nanoseconds."""

    ids: Ids
    counts: Vector
    whole: Vector
    rest: Vector
    dated: bool


def _sums(columns: Arrays, item: str, time: str) -> _Sums:
    times = np.asarray(columns[time])
    known, codes = id_tools.factorize(columns[item])
    numbers, dated = as_numbers(times), per_second(times) > 1
    # Sums of nanoseconds would leave 64 bits after nine rows.
    whole, rest = np.divmod(numbers, per_second(times)) if dated else (numbers, None)
    sums = np.zeros(len(known), dtype=whole.dtype)
    np.add.at(sums, codes, whole)
    rests = np.zeros(len(known), dtype=np.int64)
    if rest is not None:
        np.add.at(rests, codes, rest)
    return _Sums(known, np.bincount(codes, minlength=len(known)), sums, rests, dated)


def _add(left: _Sums, right: _Sums) -> _Sums:
    if len(left.ids) == 0 or len(right.ids) == 0:
        return right if len(left.ids) == 0 else left
    known = id_tools.union([left.ids, right.ids])
    places = [known.encode(side.ids.values) for side in (left, right)]

    def total(mine: Vector, theirs: Vector) -> Vector:
        both = np.zeros(len(known), dtype=np.result_type(mine, theirs))
        both[places[0]] += mine
        both[places[1]] += theirs
        return both

    return _Sums(
        known,
        total(left.counts, right.counts),
        total(left.whole, right.whole),
        total(left.rest, right.rest),
        left.dated,
    )


def _recency(sums: _Sums, item: str, time: str, decay: float, limit: float, kind: str) -> Arrays:
    if sums.dated:
        seconds, left = np.divmod(sums.whole, sums.counts)
        means = seconds * 10**9 + (left * 10**9 + sums.rest) // sums.counts
        ages = (means.max(initial=0) - means) / (DAY * 10**9)
        times = means.view("datetime64[ns]")
    else:
        times = means = sums.whole / sums.counts
        ages = (means.max(initial=means[0] if len(means) else 0) - means) / DAY
    weights = time_weights(ages, decay, limit, kind)
    return {item: sums.ids.values, time: times, "relevance": weights}
