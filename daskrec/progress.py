"""Progress bars on long work.

A bar is shown when standard error is a terminal, in the process of the user alone: never
in a worker and never in a file. The setting ``daskrec.progress`` (Dask's configuration) turns
bars off with False; True shows them in files and notebooks too.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from daskrec.engine import config

_active = threading.local()


def enabled() -> bool:
    """Tell whether bars are shown now."""
    if threading.current_thread() is not threading.main_thread():
        return False  # a task of a worker
    setting = config.get("progress")
    return sys.stderr.isatty() if setting == "auto" else bool(setting)


@contextmanager
def bar(label: str, total: int) -> Iterator[Callable[..., None]]:
    """Show one bar; yield the function that moves it.

    Parameters
    ----------
    label
        What is done, in a few words.
    total
        Number of steps.

    Yields
    ------
    function
        ``step()`` moves the bar a step; ``step(0, text)`` puts a text in the label's place.
    """
    if not enabled() or getattr(_active, "bar", False):
        yield lambda count=1, text=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    _active.bar = True
    try:
        console = Console(stderr=True)
        # What is transient never shows in a file.
        with Progress(*columns, console=console, transient=console.is_terminal) as progress:
            task = progress.add_task(label, total=total)

            def step(count: int = 1, text: str | None = None) -> None:
                progress.update(task, advance=count, description=text)

            yield step
    finally:
        _active.bar = False
