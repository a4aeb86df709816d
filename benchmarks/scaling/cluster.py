"""Worker processes of one thread each, and what can be read from them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

VARIABLES = ("NUMBA", "OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")
_MEMORY = "9GiB"
_MESSAGES = 20_000  # that a worker remembers: what went between workers is read from them
_TASKS, _ROUNDS = 500, 3
_BYTES = 100_000_000


@contextmanager
def workers(count: int) -> Iterator[Any]:
    """Give a client of as many processes; their files go at the end."""
    import dask
    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="scaling-") as folder,
        dask.config.set({"distributed.admin.low-level-log-length": _MESSAGES}),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=_MEMORY,
            dashboard_address=":0",
            local_directory=folder,
            env={f"{name}_NUM_THREADS": "1" for name in VARIABLES},
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(_limit)
        most = client.submit(threads, pure=False).result()
        if most != 1:
            raise RuntimeError(f"a library has {most} threads in a worker that shall have one")
        yield client


def _limit() -> None:
    """Hold BLAS to one thread: it was loaded before the variables of the worker were set."""
    import numpy  # noqa: F401
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def threads() -> int:
    """Return the most threads that a library of this process takes."""
    import numba
    from threadpoolctl import threadpool_info

    found = [int(library["num_threads"]) for library in threadpool_info()]
    return max([int(numba.get_num_threads()), *found])


def moved(client: Any) -> dict[str, float]:
    """Return bytes so far: what workers sent each other, and what they wrote to files."""
    found = client.run(_counters)
    share = 1 - 1 / len(found)  # of what a shuffle sends, to other workers
    sent = sum(one["sent"] + share * one["shuffled"] for one in found.values())
    return {"sent": sent, "stored": sum(one["written"] for one in found.values())}


def _counters(dask_worker: Any) -> dict[str, float]:
    """Return counters of a worker: Dask's own, and the bytes that it wrote to files (Linux).

    What went over the wire is counted: Dask does not know how large a value of another library is.
    """
    sent = sum(
        message["compressed"] or 0
        for message in dask_worker.transfer_outgoing_log
        if message["who"] is not None  # the scheduler has no name
    )
    shuffled = sum(
        value for name, value in dask_worker.digests_total.items()
        if name[:1] == ("p2p",) and name[-3:] == ("background-comms", "process", "bytes")
    )  # fmt: skip
    lines = (line.split(":") for line in Path("/proc/self/io").read_text().splitlines())
    written = next(float(value) for name, value in lines if name == "write_bytes")
    return {"sent": float(sent), "shuffled": float(shuffled), "written": written}


def peak(client: Any) -> int:
    """Return the most bytes that one of the workers had resident so far."""
    from benchmarks import machine

    return int(max(client.run(machine.peak).values()))


def costs(client: Any) -> dict[str, float]:
    """Return what tasks and bytes cost between two workers, and what two processes gain.

    Returns
    -------
    dict
        ``task``: seconds for one of many small tasks. ``bandwidth``: bytes a second from a worker
        to another. ``products``, ``copies``: how many times as many operations of a product, and
        bytes of copies, two processes of one thread get done as one does.
    """
    from benchmarks import machine

    first, second = sorted(client.nthreads())
    return {
        "task": min(_task(client, number) for number in range(_ROUNDS)),
        "bandwidth": max(_bandwidth(client, first, second) for _ in range(_ROUNDS)),
        "products": _gain(client, machine.sgemm_rate, first),
        "copies": _gain(client, machine.copy_rate, first),
    }


def _task(client: Any, number: int) -> float:
    import dask

    tasks = [dask.delayed(_same)(n, dask_key_name=f"same-{number}-{n}") for n in range(_TASKS)]
    begin = perf_counter()
    client.gather(client.compute(tasks))
    return (perf_counter() - begin) / _TASKS


def _same(number: int) -> int:
    return number


def _bandwidth(client: Any, source: str, target: str) -> float:
    from distributed import wait

    made = client.submit(bytes, _BYTES, workers=[source], pure=False)
    wait(made)
    begin = perf_counter()
    client.submit(len, made, workers=[target], pure=False).result()
    return _BYTES / (perf_counter() - begin)


def _gain(client: Any, rate: Any, first: str) -> float:
    """Return the rates of both workers at the same time over the rate of one alone."""
    client.run(rate)  # libraries and memory are new to the workers
    turns = [
        (client.run(rate, workers=[first])[first], sum(client.run(rate).values()))
        for _ in range(_ROUNDS)
    ]
    alone, both = (max(side) for side in zip(*turns, strict=True))
    return float(both / alone)
