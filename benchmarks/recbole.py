"""RecBole as a peer: a process of its own environment that trains epochs when asked."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import THREADS, environment
from benchmarks.measure import Seconds
from benchmarks.recbole_run import DATA

ENVIRONMENT = "DASKREC_RECBOLE"  # variable that names the folder of its environment
_ROOT = Path(__file__).parent.parent
# RecBole needs an older numpy and pandas, and of what it names only these for what is done here.
_NEEDED = (
    *("numpy<2", "pandas<3", "scipy<1.14", "scikit-learn<1.6", "setuptools<80"),
    *("tensorboard", "colorlog==4.7.2", "colorama==0.4.4", "texttable", "tabulate"),
    *("pyyaml", "tqdm", "psutil"),
)
_ITSELF = ("--no-deps", "recbole==1.2.1")


class Epochs(NamedTuple):
    """Epochs of a training from the start: seconds and mean loss of a batch of each."""

    seconds: Seconds
    losses: list[float]
    users: int
    rows: int

    @property
    def later(self) -> float:
        """Mean seconds of an epoch but the first, which holds what is done once."""
        return mean(self.seconds[1:] or self.seconds)


class Peer:
    """The process; see ``peer``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def train(self, model: str, epochs: int) -> Epochs:
        """Train a model of the job from the start.

        Raises
        ------
        RuntimeError
            The process ended.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        try:
            print(json.dumps({"model": model, "epochs": epochs}), file=asked, flush=True)
            line = answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"RecBole's process ended while it trained {model}: see above")
        return Epochs(**json.loads(line))


@contextmanager
def peer(log: pd.DataFrame, models: Mapping[str, dict[str, Any]]) -> Iterator[Peer]:
    """Start the process on a log, and end it.

    Parameters
    ----------
    log
        Columns user and item (the first two), a row an interaction.
    models
        For each name the ``class`` of RecBole and its ``params``.

    Raises
    ------
    SystemExit
        Its environment is not there and cannot be made.
    """
    given = os.environ.get(ENVIRONMENT)
    with (
        environment.folder(Path(given) if given else None) as place,
        environment.folder(None) as work,
    ):
        python = environment.make(place, (f"torch=={_torch()}", *_NEEDED), _ITSELF)
        (work / DATA).mkdir()
        rows = log.iloc[:, :2].set_axis(["user_id:token", "item_id:token"], axis=1)
        rows.to_csv(work / DATA / f"{DATA}.inter", sep="\t", index=False)
        job = work / "job.json"
        job.write_text(json.dumps({"threads": THREADS, "models": dict(models)}))
        with subprocess.Popen(
            [str(python), "-W", "ignore", "-m", "benchmarks.recbole_run", str(job)],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Peer(process)
            finally:
                assert process.stdin is not None
                process.stdin.close()  # its input ends, and so does it


def _torch() -> str:
    """Return the version of PyTorch here, without what says how it was built."""
    return version("torch").partition("+")[0]
