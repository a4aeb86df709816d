"""Search spaces: which values a parameter may take, and which of them a call searches.

A model declares the parameters that are searched unless told otherwise (``_search_space``, in
the original's form: ``{"shrink": {"type": "int", "args": [0, 100]}}``), and further ones that
are searched where ``param_borders`` names them (``_search_on_request``: name to kind). Kinds
are ``uniform``, ``int``, ``loguniform``, ``loguniform_int`` and ``categorical``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

KINDS = {  # kind: whole numbers, on a scale of logarithms
    "uniform": (False, False),
    "int": (True, False),
    "loguniform": (False, True),
    "loguniform_int": (True, True),
}
CATEGORICAL = "categorical"


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high
        The borders.
    whole
        Whole numbers alone.
    log
        Even on a scale of logarithms.
    """

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def holds(self, value: Any) -> bool:
        """Tell whether a value lies inside."""
        if not _is_number(value) or not self.low <= value <= self.high:
            return False
        return not self.whole or float(value).is_integer()

    def spell(self, value: Any) -> int | float:
        """Return a value that lies inside, as an int or a float."""
        return int(value) if self.whole else float(value)

    @property
    def values(self) -> tuple[Any, ...]:
        """The only value, or none where there are more than can be listed."""
        return (self.spell(self.low),) if self.low == self.high else ()


@dataclass(frozen=True)
class Choice:
    """One of a few values: None, bools, numbers and strings."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Tell whether a value is among these."""
        return any(_same(kept, value) for kept in self.values)

    def spell(self, value: Any) -> Any:
        """Return the one of these that a value equals."""
        return next(kept for kept in self.values if _same(kept, value))


Domain: TypeAlias = Span | Choice


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it."""
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal; True is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


@dataclass(frozen=True)
class Search:
    """What one call searches.

    Parameters
    ----------
    free
        The parameters that are searched, and where.
    fixed
        The values of the other parameters of the space.
    start
        The current values of the free ones where they lie inside, else None.
    """

    free: Mapping[str, Domain]
    fixed: Mapping[str, Any]
    start: Mapping[str, Any] | None

    @classmethod
    def plan(cls, model: Any, borders: Mapping[str, Any] | None) -> "Search | None":
        """Return the search of a call; None where there is nothing to search.

        Parameters
        ----------
        model
            The model, for its space and its current parameters.
        borders
            ``param_borders`` of ``optimize``.

        Raises
        ------
        ValueError
            A name is not in the space, or borders are not what the kind takes.
        """
        known = {name: entry["type"] for name, entry in (model._search_space or {}).items()}
        space = {
            name: parse(name, entry["type"], entry["args"])
            for name, entry in (model._search_space or {}).items()
        }
        if borders is None:
            domains = space
        else:
            known |= model._search_on_request
            domains = _asked(model, known, borders)
        if not known:
            return None
        current = model.get_params()
        fixed = {name: _plain(current[name]) for name in space if name not in domains}
        fixed |= {n: domain.values[0] for n, domain in domains.items() if len(domain.values) == 1}
        free = {name: domain for name, domain in domains.items() if name not in fixed}
        inside = all(domain.holds(current[name]) for name, domain in domains.items())
        start = {name: domain.spell(current[name]) for name, domain in free.items() if inside}
        return cls(free, fixed, start if inside else None)

    def full(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters of a trial: the free ones as given, and the fixed ones."""
        return {**self.fixed, **values}


def _asked(model: Any, known: Mapping[str, str], borders: Any) -> dict[str, Domain]:
    """Return the domains that a caller gave."""
    if not isinstance(borders, Mapping):
        raise ValueError(f"param_borders must be a dict of names and lists, not {borders!r}")
    unknown = sorted(set(borders) - set(known), key=str)
    if unknown and known:
        raise ValueError(f"{model} cannot search {unknown}: it can search {sorted(known)}")
    return {name: parse(name, known[name], borders[name]) for name in borders if known}


def parse(name: str, kind: str, given: Any) -> Domain:
    """Turn borders into a domain.

    Parameters
    ----------
    name
        The parameter, for errors.
    kind
        One of the kinds of the head of this file.
    given
        A list: the two borders of a number, or the values of a choice.

    Raises
    ------
    ValueError
        The list is not what the kind takes.
    """
    if not isinstance(given, list | tuple):
        raise ValueError(f"borders of {name} must be a list, not {given!r}")
    if kind == CATEGORICAL:
        strange = [v for v in given if not isinstance(v, bool | int | float | str | None)]
        if not given or strange:
            raise ValueError(
                f"{name} takes a list of allowed values, which are None, bools, numbers or "
                f"strings, not {given!r}"
            )
        return Choice(tuple(given))
    if len(given) != 2 or not all(_is_number(value) and math.isfinite(value) for value in given):
        raise ValueError(f"{name} takes a lower and an upper border, two numbers, not {given!r}")
    low, high = given
    whole, log = KINDS[kind]
    if low > high:
        raise ValueError(f"the lower border of {name} is above the upper one: {given!r}")
    if whole and not all(float(value).is_integer() for value in given):
        raise ValueError(f"{name} takes whole numbers as borders, not {given!r}")
    if log and low <= 0 and low != high:
        raise ValueError(
            f"{name} is searched on a scale of logarithms: its borders must be above 0, "
            f"unlike {given!r}, or both the one value that it is to have"
        )
    return Span(float(low), float(high), whole, log)
