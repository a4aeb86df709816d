"""Engines that are compared: each a module here, run as a process in an environment of its own.

An engine is a module with the functions of ``Engine``. It imports its library and what a scientific
Python brings (numpy, pandas, pyarrow, scipy), and nothing of daskrec but where it is daskrec.

::

    environments   what each engine installs, and its interpreter
    launch         starts a job, watches its memory, ends it at its limit, returns a record
    worker         what runs in the environment: loads, warms up, fits and predicts, with clocks
    clock          wall and CPU seconds of a process and of those that it started
    watch          the memory of such a tree of processes
"""

from pathlib import Path
from typing import Any, Protocol

USER, ITEM, RELEVANCE, TIME = "user_idx", "item_idx", "relevance", "timestamp"
LISTS = "lists-{}.parquet"  # of a round


class Engine(Protocol):
    """What the module of an engine has."""

    # Distributions whose versions are told.
    LIBRARIES: tuple[str, ...]

    def load(self, folder: Path, job: dict[str, Any]) -> Any:
        """Return a prepared log as the library takes it."""

    def fit(self, log: Any, job: dict[str, Any]) -> Any:
        """Return the fitted model of a job."""

    def predict(self, model: Any, log: Any, job: dict[str, Any]) -> Any:
        """Return lists of ``job["k"]`` items, computed to the last.

        They are for all users, or for those of ``users.parquet`` where the job has ``users``.
        """

    def frame(self, lists: Any) -> Any:
        """Return lists as a pandas frame of users, items and relevance; it is off the clock."""

    def tune(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the best parameters of a search; only engines that have one."""


class Running(Engine, Protocol):
    """What the module of an engine has besides, where something has to be started once."""

    def start(self, folder: Path, threads: int) -> None:
        """Start it, such as a session."""

    def stop(self) -> None:
        """End it."""
