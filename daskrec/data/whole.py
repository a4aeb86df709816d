"""All interactions as one matrix in one process, for libraries that learn in no other way."""

from collections.abc import Callable, Sequence
from typing import Any

from daskrec.data.blocks import Interactions
from daskrec.data.transpose import matrix_of
from daskrec.engine import runtime
from daskrec.engine.csr import stack


def on_whole(data: Interactions, function: Callable[..., Any], *args: Any, label: str) -> Any:
    """Call ``function(matrix, *args)`` in one process, with all users x items as its matrix.

    Parameters
    ----------
    data
        The training data.
    function
        At module level. What it returns comes back to this process: large arrays by handles.
    args
        More arguments; lists may hold tasks and handles.
    label
        Of the progress bar.

    Notes
    -----
    In this process the function is called here, with the threads that the process has; the
    matrix of a log in memory is the one that its blocks are views of. With workers the blocks
    go to one of them, which has to hold all of them (8 bytes an interaction).
    """
    return runtime.alone(_on_blocks, list(data.parts), function, *args, label=label)


def _on_blocks(parts: Sequence[Any], function: Callable[..., Any], *args: Any) -> Any:
    return function(stack([matrix_of(part) for part in parts]), *args)
