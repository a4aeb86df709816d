"""Fits and lists on a GPU: seconds beside the CPU's in the same run, and beside the floor.

    python -m benchmarks gpu                      # 138,000 users, 27,000 items, 2e7 rows
    python -m benchmarks gpu --rows 1e8 --users 1e6 --items 1e5 --only als lists

The log is generated, and encoded once for all fits. Every job is done once before it is timed.
"""

import argparse
import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import dask
import scipy.sparse as sp

from benchmarks import floors
from benchmarks.report import Table
from daskrec.data.blocks import Interactions
from daskrec.data.encode import encode_training
from daskrec.data.log import Log, read_log
from daskrec.data.transpose import matrix_of
from daskrec.datasets import synthetic
from daskrec.engine.backend import Backend, gpu
from daskrec.engine.device import device_number
from daskrec.engine.shared import Shared
from daskrec.models import EASE, KNN, SLIM, ALSWrap, MultVAE, NeuroMF
from daskrec.models.asked import Catalogue

RANKS = (64, 128, 256)
K, LIST_RANK = 10, 128
_ROUNDS = 3  # of ALS between the two fits whose difference is timed
_HIDDEN = 600
_DIM = 128


@dataclass(frozen=True)
class Job:
    """Something that is timed on both devices.

    Parameters
    ----------
    name, group
        In the table, and as ``--only`` takes it.
    run
        Does it and returns its seconds.
    need
        Operations and bytes that it cannot do without.
    on_cpu
        Whether the CPU does it too; what takes it minutes is left out.
    """

    name: str
    group: str
    run: Callable[[str], float]
    need: floors.Need
    on_cpu: bool = True


class _Bench:
    """One log, encoded."""

    def __init__(self, users: int, items: int, rows: int) -> None:
        self.frame = synthetic(users, items, rows, as_frame="pandas", timestamps=False, seed=0)
        self.log: Log = read_log(self.frame)
        self.data: Interactions = encode_training(self.log)
        self.size = floors.Size.of(self.data)

    def fitted(self, model: Any) -> Any:
        """Fit a model on the blocks, which are kept."""
        layout = self.log.layout
        catalogue = Catalogue(
            self.data.user_ids, Shared(self.data.item_ids), self.data.bounds, layout
        )
        model._train(self.data, catalogue)
        return model

    def fit(self, make: Callable[[], Any]) -> Callable[[str], float]:
        """Return a job: a fit."""
        return lambda device: _seconds(lambda: self.fitted(make()))

    def encoding(self) -> Callable[[str], float]:
        """Return a job: reading and encoding the log, in cuDF on a GPU where it is installed."""
        there = self.frame
        if importlib.util.find_spec("cudf") is not None:
            there = importlib.import_module("cudf").DataFrame(self.frame)

        def run(device: str) -> float:
            frame = self.frame if device == "cpu" else there
            return _seconds(lambda: encode_training(read_log(frame)))

        return run

    def als_round(self, rank: int) -> Callable[[str], float]:
        """Return a job: a round, by the difference of two fits."""

        def run(device: str) -> float:
            def fit(rounds: int) -> float:
                model = ALSWrap(rank, seed=0, iterations=rounds, solver="exact")
                return _seconds(lambda: self.fitted(model))

            return (fit(1 + _ROUNDS) - fit(1)) / _ROUNDS

        return run

    def lists(self) -> Callable[[str], float]:
        """Return a job: the best items of all users, by factors of a given rank."""
        model = self.fitted(ALSWrap(LIST_RANK, seed=0, iterations=1, solver="cg"))
        return lambda device: _seconds(lambda: model.predict(self.log, K))

    def epoch(self, make: Callable[..., Any]) -> Callable[[str], float]:
        """Return a job: an epoch after the first."""

        def run(device: str) -> float:
            model = self.fitted(make(epochs=3, seed=0, validation_share=0.0, device=device))
            return float(model.history_.seconds.iloc[1:].median())

        return run

    def jobs(self) -> list[Job]:
        """Return all jobs."""
        size, table = self.size, floors.gram(self.size)
        rounds = [
            Job(f"ALS, rank {r}, a round", "als", self.als_round(r), floors.als_round(size, r))
            for r in RANKS
        ]
        vae = self.epoch(lambda **how: MultVAE(1e-3, batch_size=500, **how))
        mf = self.epoch(lambda **how: NeuroMF(5e-3, **how))
        both = floors.plus(table, floors.inverse(size))
        return [
            Job("reading and encoding", "encode", self.encoding(), floors.encoding(size)),
            *rounds,
            Job("KNN(100), fit", "knn", self.fit(lambda: KNN(100)), table),
            Job("EASE, fit", "ease", self.fit(EASE), both),
            Job("SLIM, fit", "slim", self.fit(SLIM), both, on_cpu=False),
            Job("lists of all users", "lists", self.lists(), floors.lists(size, LIST_RANK)),
            Job("MultVAE, an epoch", "mult_vae", vae, floors.mult_vae(size, _HIDDEN), on_cpu=False),
            Job("NeuroMF, an epoch", "neuro_mf", mf, floors.neuro_mf(size, _DIM, 1), on_cpu=False),
        ]

    def peer_round(self, rank: int) -> float | None:
        """Return the seconds of a round of implicit on the GPU, where it has one."""
        if importlib.util.find_spec("implicit") is None:
            return None
        from implicit.gpu import HAS_CUDA

        if not HAS_CUDA:
            return None
        from implicit.gpu.als import AlternatingLeastSquares

        blocks = [matrix_of(part) for part in self.data.parts]
        parts = [
            sp.csr_matrix((b.values(), b.indices, b.indptr), shape=(len(b), b.width))
            for b in blocks
        ]
        matrix = sp.vstack(parts).tocsr()

        def fit(rounds: int) -> float:
            model = AlternatingLeastSquares(rank, iterations=rounds, random_state=0)
            return _seconds(lambda: model.fit(matrix, show_progress=False))

        fit(1)
        return median((fit(1 + _ROUNDS) - fit(1)) / _ROUNDS for _ in range(3))


def main(arguments: list[str]) -> int:
    """Run the jobs and print a table."""
    options = _parser().parse_args(arguments)
    table = Table(
        f"gpu: {options.users} users, {options.items} items, {options.rows} rows",
        ["job", "GPU, s", "CPU, s", "CPU / GPU", "floor, s", "GPU / floor", ""],
    )
    with dask.config.set({"daskrec.dense-limit": "64 GiB"}):
        device = _device(options.device)
        bench = _Bench(options.users, options.items, options.rows)
        ceiling = None if device is None else _measured(device, table)
        for job in bench.jobs():
            if not options.only or job.group in options.only:
                _add(table, job, options, ceiling)
        if device is not None and (not options.only or "als" in options.only):
            _add_peer(table, bench)
    print(table)
    if options.json:
        options.json.write_text("".join(json.dumps(record) + "\n" for record in table.records))
    return 0


def _device(name: str) -> Backend | None:
    """Return the GPU of an option, before the log is made; None for the CPU alone."""
    if name == "cpu":
        return None
    try:
        return gpu(device_number(name))
    except (ImportError, RuntimeError) as error:
        raise SystemExit(f"{error} (--device cpu times the CPU alone)") from None


def _measured(device: Backend, table: Table) -> floors.Ceiling:
    with device.active():
        found = floors.ceiling(device)
    table.notes.append(
        f"{device.describe()}: {found.flops / 1e12:.1f} TFLOP/s in float32 (a product of 8192 x "
        f"8192), {found.bandwidth / 1e12:.2f} TB/s (a copy). Floor: operations by the one or bytes "
        "by the other, whichever takes longer (`floors.py`)."
    )
    return found


def _add(
    table: Table, job: Job, options: argparse.Namespace, ceiling: floors.Ceiling | None
) -> None:
    """Time a job on both devices, and add it."""
    found = {}
    if ceiling is not None:
        found["gpu"] = _timed(job, options.device, options.rounds)
    if ceiling is None or (job.on_cpu and not options.no_cpu):
        found["cpu"] = _timed(job, "cpu", 1 if ceiling else options.rounds)
    floor = None if ceiling is None else ceiling.seconds(job.need)
    on_gpu, on_cpu = found.get("gpu"), found.get("cpu")
    cells = [job.name, _shown(on_gpu), _shown(on_cpu), _quotient(on_cpu, on_gpu), _shown(floor)]
    table.add(
        [*cells, _quotient(on_gpu, floor)],
        {"job": job.name, "gpu": on_gpu, "cpu": on_cpu, "floor": floor},
        None,
    )
    print(" | ".join([*cells, _quotient(on_gpu, floor)]), flush=True)


def _add_peer(table: Table, bench: _Bench) -> None:
    for rank in RANKS:
        seconds = bench.peer_round(rank)
        if seconds is None:
            table.notes.append("implicit has no GPU here, or is not installed.")
            return
        name = f"implicit, CG on the GPU, rank {rank}, a round"
        table.add([name, _shown(seconds), "", "", "", ""], {"job": name, "gpu": seconds}, None)


def _timed(job: Job, device: str, rounds: int) -> float:
    with dask.config.set({"daskrec.device": device}):
        job.run(device)
        return median(job.run(device) for _ in range(rounds))


def _seconds(run: Callable[[], Any]) -> float:
    begin = perf_counter()
    run()
    return perf_counter() - begin


def _shown(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3g}"


def _quotient(above: float | None, below: float | None) -> str:
    return "" if not above or not below else f"{above / below:.3g}"


def _whole(text: str) -> int:
    return int(float(text))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--users", type=_whole, default=138_000)
    parser.add_argument("--items", type=_whole, default=27_000)
    parser.add_argument("--rows", type=_whole, default=20_000_000)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:<number>, or cpu alone")
    parser.add_argument("--rounds", type=int, default=3, help="timed, of each job (default 3)")
    parser.add_argument("--only", nargs="*", help="encode als knn ease slim lists ...")
    parser.add_argument("--no-cpu", action="store_true", help="leave the CPU out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write JSON lines there")
    return parser
