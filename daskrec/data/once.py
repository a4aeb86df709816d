"""Frames whose rows are computed anew whenever they are read, and what is left of reading them.

A frame of Spark is such a frame. Inside ``reading_once`` it is evaluated when the first step reads
it, with all of its columns, and the other steps see what was found. What was written on the way is
removed when the last reference to it goes; inside ``undone_on_failure`` also when a call fails,
whoever still holds its traceback.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias
from weakref import WeakMethod

Memo: TypeAlias = dict[int, tuple[Any, Any]]  # frames by their identity, and what they hold

_memo: ContextVar[Memo | None] = ContextVar("daskrec-once", default=None)
_undo: ContextVar[list[WeakMethod[Any]] | None] = ContextVar("daskrec-undo", default=None)


@contextmanager
def reading_once(memo: Memo | None = None) -> Iterator[None]:
    """Evaluate each frame once, as long as a block or a decorated function runs.

    Parameters
    ----------
    memo
        What is kept beyond the block; by default nothing is. A block inside of another one
        shares what that one found.
    """
    with undone_on_failure():
        if _memo.get() is not None:
            yield
            return
        token = _memo.set({} if memo is None else memo)
        try:
            yield
        finally:
            _memo.reset(token)


@contextmanager
def undone_on_failure() -> Iterator[None]:
    """Undo what ``on_failure`` was told of, if a block or a decorated function fails.

    A block inside of another one leaves that to the other, which may go on.
    """
    if _undo.get() is not None:
        yield
        return
    token = _undo.set([])
    try:
        yield
    except BaseException:
        for method in _undo.get() or ():
            undo = method()
            if undo is not None:
                undo()
        raise
    finally:
        _undo.reset(token)


def on_failure(undo: Callable[[], None]) -> None:
    """Name a method that undoes something; its object is not kept for that."""
    pending = _undo.get()
    if pending is not None:
        pending.append(WeakMethod(undo))


def evaluated(frame: Any, evaluate: Callable[[], Any]) -> Any | None:
    """Return what a frame holds, evaluated once; None outside of ``reading_once``."""
    memo = _memo.get()
    if memo is None:
        return None
    if id(frame) not in memo:
        memo[id(frame)] = frame, evaluate()  # the frame is kept, so that its identity is
    return memo[id(frame)][1]
