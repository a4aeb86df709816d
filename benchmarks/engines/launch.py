"""Jobs of engines as processes: started, watched, ended at their limit, kept for a later run."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import THREADS
from benchmarks.engines.environments import ENVIRONMENTS
from benchmarks.engines.watch import Watch

_ROOT = Path(__file__).parents[2]
_RECORD, _RESULT, _LOG = "record.json", "result.json", "log.txt"
_WORKER = "benchmarks.engines.worker"
HERE = Path(sys.executable)
_TAIL = 300  # characters of a log that a record keeps


def run(
    job: Mapping[str, Any],
    python: Path,
    folder: Path,
    *,
    limit: float,
    again: bool = False,
    module: str = _WORKER,
) -> dict[str, Any]:
    """Run a job, or return the record of an earlier run of the same job in the same folder.

    Parameters
    ----------
    job
        ``engine``, ``class``, ``params``, ``data`` (a prepared folder), ``log``, ``k``,
        ``rounds``, ``budget`` (seconds after which no more round begins), and where wanted
        ``least`` (rounds that there are all the same), ``warm`` (a small prepared folder),
        ``features``, ``options``, ``tune``, ``variables`` (of the environment).
    python
        The interpreter of the engine.
    folder
        Of the job: ``job.json``, ``result.json``, ``lists-<n>.parquet``, ``log.txt`` and
        ``record.json``.
    limit
        Seconds after which the job is ended.
    again
        Whether a job that failed before is run once more.
    module
        What runs in the process, with the path of the job.

    Returns
    -------
    dict
        What the worker found (see ``benchmarks.engines.worker``), ``peak`` (bytes of its tree of
        processes) and the ``job``; ``error`` where it failed.
    """
    job = {"threads": THREADS, **job}
    kept = folder / _RECORD
    if kept.is_file():
        record: dict[str, Any] = json.loads(kept.read_text())
        if record["job"] == job and not (again and "error" in record):
            return record
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps(job))
    load = os.getloadavg()[0]
    code, peak = _process(
        [str(python), "-W", "ignore", "-m", module, "job.json"], folder, job, limit
    )
    record = {"job": job, "peak": peak, "load_at_start": round(load, 2)}
    with suppress(OSError, ValueError):  # it ended before it wrote, or while it did
        record |= json.loads((folder / _RESULT).read_text())
    if code is None:
        record["error"] = f"ended at its limit of {limit:g} s"
    elif code and "error" not in record:
        record["error"] = f"exit code {code}: {_tail(folder / _LOG)}"
    shutil.rmtree(folder / "spark", ignore_errors=True)
    kept.write_text(json.dumps(record))
    return record


def _process(
    command: Sequence[str], folder: Path, job: Mapping[str, Any], limit: float
) -> tuple[int | None, int]:
    """Run a process; return its exit code (None: ended at the limit) and its peak."""
    variables = {**ENVIRONMENTS[job["engine"]].variables, **job.get("variables", {})}
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (
        (folder / _LOG).open("w") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
        Watch(process.pid) as watch,
    ):
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            return None, watch.peak
        finally:
            with suppress(ProcessLookupError):  # the JVM of Spark too
                os.killpg(process.pid, signal.SIGKILL)
    return code, watch.peak


def _tail(path: Path) -> str:
    return " ".join(path.read_text(errors="replace")[-_TAIL:].split())
