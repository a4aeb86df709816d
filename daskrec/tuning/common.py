"""What the fits of one search have in common."""

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar, cast

from daskrec.tuning.space import Domain, Span

T = TypeVar("T")


class Common:
    """Work that the trials of one search share, kept as long as the search runs.

    A model may make in its first fit what the later ones use again (``_fit_beside``). What it
    keeps must not depend on which trial made it, so that the order of trials does not matter.

    Parameters
    ----------
    free
        The parameters that differ between trials, and where they lie.
    """

    def __init__(self, free: Mapping[str, Domain]) -> None:
        self.free = free
        self._lock = threading.Lock()
        self._made: dict[Hashable, Any] = {}
        self._making: dict[Hashable, threading.Lock] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returned for a key, calling it once however many ask."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if key not in self._made:
                self._made[key] = make()
            return cast(T, self._made[key])

    def reach(self, name: str, value: Any) -> tuple[Any, Any]:
        """Return the least and the largest value of a parameter, a number, in the search.

        Parameters
        ----------
        name
            The parameter.
        value
            What it is where it is not searched.
        """
        domain = self.free.get(name)
        if isinstance(domain, Span):
            return domain.spell(domain.low), domain.spell(domain.high)
        values = (value,) if domain is None else domain.values
        return min(values), max(values)

    def release(self) -> None:
        """Let go of everything; what has a ``release`` of its own is told."""
        for made in self._made.values():
            if hasattr(made, "release"):
                made.release()
        self._made.clear()
