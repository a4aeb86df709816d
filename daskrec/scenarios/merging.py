"""Lists of one model completed by those of another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from daskrec.data import frames, ids
from daskrec.data.once import reading_once
from daskrec.data.output import Form
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Array, Arrays, Vector
from daskrec.params import check_whole
from daskrec.scenarios import routing

_GAP = 0.1  # what lies between the lowest score of the one and the highest of the other


@reading_once()
def fallback(base: Any, fill: Any, k: int, id_type: str | None = None) -> Any:
    """Complete recommendations with others, which come after them.

    Parameters
    ----------
    base
        Recommendations that are preferred: a frame of users, items and relevance.
    fill
        Recommendations that complete them; None returns ``base``. Where their highest
        relevance is not below the lowest of ``base``, all of them are moved down to 0.1
        below it. A pair of both has the relevance of ``base``.
    k
        Length of the lists.
    id_type
        Accepted for the sake of the original; the columns are recognised by their names.

    Returns
    -------
    frame
        In the kind and under the names of ``base``; lazy for a Dask frame, whose partitions
        hold users by hash. Rows are in order of user, relevance descending, item.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["user_idx", "item_idx", "relevance"]
    >>> base = pd.DataFrame([(1, 1, 1)], columns=columns)
    >>> fill = pd.DataFrame([(1, 1, 1), (1, 2, 2), (2, 1, 1)], columns=columns)
    >>> fallback(base, fill, k=2)
       user_idx  item_idx  relevance
    0         1         1        1.0
    1         1         2        0.9
    2         2         1       -0.1
    """
    if fill is None:
        return base
    check_whole("k", k, 0)
    first = Table.of(base, "base")
    if Table.of(fill, "fill").kind != first.kind:
        fill = _as_kind(fill, first)
    upper = routing.read_lists(base, "base")
    lower = routing.alike(routing.read_lists(fill, "fill"), upper)
    names = upper.names
    dtypes = first.dtypes(names[:2])
    example = first.empty if first.lazy else first.parts[0]
    found = frames.kind_named(first.part).arrays(example, names[:2])
    empty = {names[0]: found[names[0]][:0], names[1]: found[names[1]][:0], names[2]: np.empty(0)}
    form = Form(first.kind, first.part, empty, dtypes)
    return routing.finish(merged(upper, lower, None, k), form, None)


def _as_kind(frame: Any, like: Table) -> Any:
    """Return a frame in the kind of another."""
    table = Table.of(frame, "fill")
    columns = table.arrays(table.names)
    if table.lazy:
        columns = runtime.compute(columns, "reading fill")
    whole = frames.kind_named(like.part).build(routing.joined(columns), {})
    if not like.lazy:
        return whole
    empty = frames.kind_named(like.part).build({n: a[:0] for n, a in columns[0].items()}, {})
    return frames.kind_named(like.kind).assemble([runtime.task(routing.joined_frame, whole)], empty)


def merged(
    base: Table,
    fill: Table,
    bounds: Array | None,
    k: int | None,
    log: Table | None = None,
    threshold: int = 0,
) -> list[Any]:
    """Return columns of merged lists: arrays in memory, tasks for lazy tables.

    Parameters
    ----------
    base, fill
        Lists as ``routing.read_lists`` returns them.
    bounds
        Where lazy results are cut; None goes by hash.
    k
        Length of the lists; None keeps all.
    log, threshold
        Lists of ``base`` count for users of at least so many rows of a log alone.
    """
    if not base.lazy:
        first = base.parts[0]
        if log is not None:
            first = keep_frequent([first], [log.parts[0]], threshold)
        shift = _move([_least([first])], [_most(fill.parts[0])])
        return [merge_lists([first], [fill.parts[0]], shift, k)]
    if bounds is not None:
        bounds = routing.coarse(bounds, max(len(base.parts), len(fill.parts)))
    count = routing.buckets_for(base, fill, log)
    upper = routing.by_user(base.parts, bounds, count)
    lower = routing.by_user(fill.parts, bounds, count)
    if log is not None:
        rows = routing.by_user(log.parts, bounds, count)
        upper = [
            [runtime.task(keep_frequent, mine, theirs, threshold)]
            for mine, theirs in zip(upper, rows, strict=True)
        ]
    least = [runtime.task(_least, pieces) for pieces in upper]
    most = [runtime.task(_most, part) for part in fill.parts]
    shift = runtime.task(_move, least, most)
    return [runtime.task(merge_lists, *each, shift, k) for each in zip(upper, lower, strict=True)]


def _least(pieces: Sequence[Arrays]) -> float:
    return min(float(np.min(piece["relevance"], initial=np.inf)) for piece in pieces)


def _most(columns: Arrays) -> float:
    return float(np.max(columns["relevance"], initial=-np.inf))


def _move(least: Sequence[float], most: Sequence[float]) -> float:
    difference = max(most) - min(least)
    return difference + _GAP if np.isfinite(difference) and difference >= 0 else 0.0


def keep_frequent(lists: Sequence[Arrays], log: Sequence[Arrays], threshold: int) -> Arrays:
    """Return the lists of users with at least so many rows in a log."""
    held = routing.joined(lists)
    kept = np.flatnonzero(_frequent(held["user"], routing.joined(log)["user"], threshold))
    return {name: array.take(kept) for name, array in held.items()}


def merge_lists(
    base: Sequence[Arrays], fill: Sequence[Arrays], shift: float, k: int | None
) -> Arrays:
    """Merge the lists of some users.

    Parameters
    ----------
    base, fill
        Pieces of columns ``user, item, relevance``.
    shift
        Taken from the relevance of ``fill``.
    k
        Length of the lists.
    """
    first, second = routing.joined(base), routing.joined(fill)
    second = second | {"relevance": np.asarray(second["relevance"]) - shift}
    both = routing.joined([first, second])
    pairs = _pair_keys(both["user"], both["item"])
    _, places = np.unique(pairs, return_index=True)  # of equal pairs the first, of ``base``
    return routing.ranked({name: array.take(places) for name, array in both.items()}, k)


def _frequent(users: Array, log: Array, threshold: int) -> Vector:
    """Tell which users have at least so many rows in a log."""
    known, codes = ids.factorize(log)
    counts = np.bincount(codes, minlength=len(known))
    found = known.encode(users)
    return np.where(found >= 0, np.append(counts, 0)[found], 0) >= threshold


def _pair_keys(users: Array, items: Array) -> Vector:
    known, codes = ids.factorize(items)
    return ids.factorize(users)[1].astype(np.int64) * max(len(known), 1) + codes
