"""Frames whose rows are computed anew whenever they are read: read once by a call of many steps.

A frame of Spark is such a frame. Inside ``reading_once`` it is evaluated when the first step reads
it, with all of its columns, and the other steps see what was found.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

Memo: TypeAlias = dict[int, tuple[Any, Any]]  # frames by their identity, and what they hold

_memo: ContextVar[Memo | None] = ContextVar("daskrec-once", default=None)


@contextmanager
def reading_once(memo: Memo | None = None) -> Iterator[None]:
    """Evaluate each frame once, as long as a block or a decorated function runs.

    Parameters
    ----------
    memo
        What is kept beyond the block; by default nothing is. A block inside of another one
        shares what that one found.
    """
    if _memo.get() is not None:
        yield
        return
    token = _memo.set({} if memo is None else memo)
    try:
        yield
    finally:
        _memo.reset(token)


def evaluated(frame: Any, evaluate: Callable[[list[str]], Any], every: list[str]) -> Any | None:
    """Return what a frame holds, evaluated once; None outside of ``reading_once``."""
    memo = _memo.get()
    if memo is None:
        return None
    if id(frame) not in memo:
        memo[id(frame)] = frame, evaluate(every)  # the frame is kept, so that its identity is
    return memo[id(frame)][1]
