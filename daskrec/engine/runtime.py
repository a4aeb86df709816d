"""How work is run: the one place that knows whether a Dask client exists.

Work is a list of tasks (``task``) that is computed under whatever scheduler the user has:
threads when there is none, a ``Client`` of any kind, the synchronous scheduler. Tasks are
pure functions at module level with small arguments; large values are ``Shared`` handles.
"""

import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from dask.callbacks import Callback
from dask.delayed import Delayed
from dask.threaded import get as _threads

from daskrec import progress
from daskrec.engine import config, shared
from daskrec.engine.graph import task as task
from daskrec.engine.graph import tasks as tasks
from daskrec.engine.threads import cores, single_threaded_blas
from daskrec.errors import StorageError

logger = logging.getLogger("daskrec")

_FEW = 8  # large results that this process takes at a time


def _scheduler() -> Any:
    """Return the function that would run tasks now, or None for the default, threads.

    Asking Dask imports distributed, which takes longer than many a fit; who has not
    imported it has no client.
    """
    if "distributed" not in sys.modules and dask.config.get("scheduler", None) is None:
        return None
    return dask.base.get_scheduler()


def client() -> Any:
    """Return the Dask client that the user's tasks go to, or None."""
    owner = getattr(_scheduler(), "__self__", None)
    return owner if type(owner).__module__.startswith("distributed") else None


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Send tasks to a Dask scheduler, as long as the context lasts."""
    from distributed import Client

    with Client(address, timeout="10s"):
        yield


def in_process() -> bool:
    """Tell whether tasks run in this process, so that a reference is enough for them."""
    get = _scheduler()
    if get is None:
        return True
    owner = client()
    if owner is not None:
        return False
    pool = getattr(get, "func", get)  # a pool of the user's is a partial
    if pool is not get and "Process" in type(get.args[0].__self__).__name__:
        return False
    return getattr(pool, "__module__", "") in {"dask.local", "dask.threaded"}


def parallelism() -> int:
    """Return the number of tasks that can run at the same time."""
    owner = client()
    if owner is not None:
        return max(1, sum(int(threads) for threads in owner.nthreads().values()))
    get = _scheduler()
    if getattr(get, "__name__", "") == "get_sync":
        return 1
    if hasattr(get, "func") and len(get.args) > 1:
        return max(1, int(get.args[1]))
    return max(1, int(dask.config.get("num_workers", None) or dask.system.CPU_COUNT))


def storage() -> str | None:
    """Return the folder where tasks leave large results; None where a reference serves.

    Raises
    ------
    StorageError
        Workers run on several hosts and ``daskrec.storage-path`` names no folder that all
        of them see.
    """
    owner = client()
    if owner is not None and not config.get("storage-path"):
        hosts = {address.rsplit(":", 1)[0] for address in owner.nthreads()}
        if len(hosts) > 1:
            raise StorageError(
                f"the workers run on {len(hosts)} hosts: set daskrec.storage-path (Dask "
                "configuration) to a folder or an fsspec URL that all of them see"
            )
    return None if in_process() else shared.session_folder()


def compute(tasks: Sequence[Delayed], label: str) -> list[Any]:
    """Run tasks and return their results in order."""
    if not tasks:
        return []
    with _running(label, len(tasks)) as step:
        owner = client()
        if owner is not None:
            return list(owner.gather([future for _, future in _started(owner, tasks, step)]))
        return list(dask.compute(*tasks, optimize_graph=False, scheduler=_scheduler() or _threads))


def alone(function: Callable[..., Any], *args: Any, label: str) -> Any:
    """Call a function that takes a whole machine; where there are workers, on one of them.

    In this process it has all threads of BLAS, which tasks do not.
    """
    if in_process():
        return function(*args)
    return compute([task(function, *args)], label)[0]


def together(function: Callable[..., Any], count: int, *args: Any, label: str) -> list[Any]:
    """Call a function on several workers at the same time, so that the calls can talk.

    Parameters
    ----------
    function
        ``function(number, count, (host, port), *args)``, at module level; the port is a free one
        on the host of the first worker.
    count
        Number of workers, each a process of its own.
    args
        More arguments.
    label
        Of the progress bar.

    Returns
    -------
    list
        What the calls returned.

    Raises
    ------
    ValueError
        There is no client, or it has fewer workers.
    """
    owner = client()
    addresses = sorted(owner.nthreads()) if owner is not None else []
    if owner is None or len(addresses) < count:
        raise ValueError(
            f"{count} processes are to work together, but there are {len(addresses)} workers of a "
            "Dask client: start a cluster with as many"
        )
    storage()
    hosts = [address.rsplit(":", 1)[0].rpartition("/")[2] for address in addresses]

    def place(number: int, call: Delayed) -> Any:
        return owner.persist(
            call, workers=[addresses[number]], allow_other_workers=False, optimize_graph=False
        )

    with _running(label, count) as step:
        port = owner.gather(owner.futures_of(place(0, task(_free_port))))[0]
        address = (hosts[0], port)
        kept = [place(n, task(function, n, count, address, *args)) for n in range(count)]
        futures = [owner.futures_of(one)[0] for one in kept]
        try:
            _wait(owner, futures, step)
        except BaseException:
            owner.cancel(futures, force=True)
            raise
        return list(owner.gather(futures))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def own_threads() -> int:
    """Return the threads of the worker whose task asks; elsewhere, the cores of the process."""
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return int(get_worker().state.nthreads)
        except ValueError:  # no task of a worker
            pass
    return cores()


def persist(tasks: Sequence[Delayed], label: str) -> list[Any]:
    """Run tasks and keep their results where they are.

    In this process the results themselves come back; with a client, tasks whose results
    the workers hold, and make again when a worker is lost.
    """
    if in_process():
        return compute(tasks, label)
    storage()
    owner = client()
    if owner is None:  # another scheduler with processes of its own
        return list(dask.persist(*tasks, optimize_graph=False))
    with _running(label, len(tasks)) as step:
        return [kept for kept, _ in _started(owner, tasks, step)]


def _started(
    owner: Any, tasks: Sequence[Delayed], step: Callable[[], None]
) -> list[tuple[Delayed, Any]]:
    """Run tasks on workers to their end; raise the first error as the task raised it."""
    kept = dask.persist(*tasks, optimize_graph=False)
    futures = [owner.futures_of(one)[0] for one in kept]
    _wait(owner, futures, step)
    return list(zip(kept, futures, strict=True))


def _wait(owner: Any, futures: Sequence[Any], step: Callable[[], None]) -> None:
    from distributed import as_completed

    for future in as_completed(futures, loop=owner.loop):
        if future.status == "error":
            future.result()
        step()


@contextmanager
def _running(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Run a stage: one BLAS thread a task in this process, a bar, and quiet shuffles."""
    with ExitStack() as stack:
        step = stack.enter_context(progress.bar(label, total))
        if in_process():
            stack.enter_context(single_threaded_blas())
            stack.enter_context(_TaskCounter(step))
        stack.enter_context(quiet_shuffles())
        logger.debug("%s: %d tasks", label, total)
        yield step


class _TaskCounter(Callback):  # type: ignore[misc]
    """Move a bar for every task that a local scheduler has run."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        super().__init__(posttask=self._count)

    def _count(self, *_: Any) -> None:
        self._step()


@contextmanager
def quiet_shuffles() -> Iterator[None]:
    """Hold back the two warnings that distributed logs for every shuffle that it plans."""
    log = logging.getLogger("distributed.shuffle._scheduler_plugin")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def shuffle_method() -> str:
    """Return the shuffle that keeps its row order and its results: never the disk one."""
    return "tasks" if client() is None else "p2p"


def pieces(split: Sequence[Delayed], count: int) -> list[list[Delayed]]:
    """Turn tasks that each give ``count`` pieces over: for each number, the pieces of it.

    A piece travels as a task of its own, so that who needs it takes no more than it.
    """
    picked = tasks(_pick, [(one, number) for number in range(count) for one in split])
    return [picked[n * len(split) : (n + 1) * len(split)] for n in range(count)]


def _pick(given: Sequence[Any], number: int) -> Any:
    return given[number]


def reduce(parts: Sequence[Delayed], merge: Callable[[Any, Any], Any], label: str) -> Any:
    """Run tasks and merge their results pairwise in a fixed order, as ``tree_reduce`` does.

    Results are merged where they are made until few are left, so that large ones do not
    gather in this process. ``merge`` travels with the tasks.
    """
    level = list(parts)
    while len(level) > _FEW:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = tasks(merge, pairs) + level[len(level) - len(level) % 2 :]
    return tree_reduce(compute(level, label), merge)


def tree_reduce(parts: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """Merge results pairwise in a fixed order, whatever made them and when.

    Neighbours are merged first, so that the rounding of a sum depends only on the number
    of parts.
    """
    level = list(parts)
    while len(level) > 1:
        level = [
            merge(level[i], level[i + 1]) if i + 1 < len(level) else level[i]
            for i in range(0, len(level), 2)
        ]
    return level[0]
