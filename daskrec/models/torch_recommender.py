"""The base of models that are networks: training, weights, history."""

import secrets
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from daskrec.data.blocks import Interactions
from daskrec.engine.arrays import Vector
from daskrec.engine.device import check_device
from daskrec.engine.shared import Shared
from daskrec.engine.weights import Weights
from daskrec.models.recommender import Recommender
from daskrec.nn import device as devices
from daskrec.nn.training import history
from daskrec.nn.training.checkpoint import best_weights, stored_seed
from daskrec.nn.training.examples import Course, usable_split
from daskrec.nn.training.problem import Problem
from daskrec.nn.training.run import Job, train
from daskrec.nn.training.source import Source, Split
from daskrec.nn.training.state import Plan
from daskrec.params import check_choice, check_number, check_whole

if TYPE_CHECKING:
    from daskrec.tuning.common import Common

_L2_SCALE = 100_000  # the original divides its penalty by the size of its batches


class TorchRecommender(Recommender):
    """A model that PyTorch trains. It is not used by itself.

    Batches come from blocks of the log, which are read when they are needed. Where there is a
    Dask client, the training runs on one of its workers, or on ``data_parallel`` of them.

    Attributes
    ----------
    history_
        What the training went through: see ``MultVAE`` and ``NeuroMF``.
    """

    _gpu_library: ClassVar[str | None] = "torch"

    # Parameters that may change between two parts of one training.
    _free_in_training: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "early_stopping", "device", "data_parallel", "checkpoint_path",
         "checkpoint_steps", "seed"}
    )  # fmt: skip
    _l2_scale: ClassVar[int] = _L2_SCALE
    _by_row: ClassVar[bool] = True  # examples are rows of the log, and not users

    learning_rate: float
    epochs: int
    l2_reg: float
    factor: float
    patience: int
    batch_size: int
    validation_share: float
    early_stopping: int | None
    seed: int | None
    device: str
    precision: str
    data_parallel: int
    checkpoint_path: str | None
    checkpoint_steps: int | None

    _weights: Shared[Weights]
    _history_rows: Shared[Vector]

    # ------------------------------------------------------------ what a model writes

    @abstractmethod
    def _problem(self, course: Course) -> Problem:
        """Return what is learned."""

    # ------------------------------------------------------------ training

    def _check_training(self) -> None:
        """Raise ValueError for parameters of the training that are not allowed."""
        for name in ("epochs", "batch_size", "data_parallel"):
            check_whole(name, getattr(self, name), 1)
        check_whole("patience", self.patience, 0)
        for name in ("early_stopping", "seed", "checkpoint_steps"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 0 if name == "seed" else 1)
        for name in ("learning_rate", "l2_reg", "factor", "validation_share"):
            check_number(name, getattr(self, name), 0.0)
        if not self.factor < 1:
            raise ValueError(f"factor must be a number below 1, not {self.factor!r}")
        if not self.validation_share < 1:
            raise ValueError(f"validation_share must be below 1, not {self.validation_share!r}")
        check_device(self.device)
        check_choice("precision", self.precision, devices.PRECISIONS)

    def fit(self, log: Any) -> Any:
        """Learn from a log; see ``Recommender.fit``.

        Raises
        ------
        ImportError
            PyTorch is not installed: ``pip install 'daskrec[neural]'``.
        LogError
            The log cannot be used.
        ArithmeticError
            The loss is no finite number any more: the learning rate is too large.
        ValueError
            ``checkpoint_path`` holds another training, or ``data_parallel`` exceeds the workers
            of the Dask client.
        """
        devices.require()
        return super().fit(log)

    def _fit(self, data: Interactions) -> None:
        self._train_network(data, self.checkpoint_path)

    def _fit_beside(self, data: Interactions, common: "Common") -> None:
        self._train_network(data, None)  # trials would share one folder

    def _train_network(self, data: Interactions, checkpoint_path: str | None) -> None:
        devices.require()
        seed = self._seed_of_training(checkpoint_path)
        source = Source.of(data)
        try:
            plan = Plan(
                float(self.learning_rate),
                int(self.epochs),
                self.l2_reg / self._l2_scale,
                float(self.factor),
                int(self.patience),
                self.early_stopping,
                self.checkpoint_steps,
            )
            about = self._about(source, seed) if checkpoint_path is not None else {}
            path = None if checkpoint_path is None else str(checkpoint_path)
            split = usable_split(source, Split(float(self.validation_share), seed), self._by_row)
            course = Course(source, split, int(self.batch_size), seed)
            job = Job(self._problem(course), plan, self.device, path, about)
            weights, rows = train(job, int(self.data_parallel))
        finally:
            source.release()
        self._weights = weights
        self._history_rows = Shared(rows)

    def _seed_of_training(self, checkpoint_path: str | None) -> int:
        """Return the seed: a new one where none is given, but that of a training to go on with."""
        if self.seed is not None:
            return int(self.seed)
        kept = None if checkpoint_path is None else stored_seed(checkpoint_path)
        return secrets.randbits(63) if kept is None else kept

    def _about(self, source: Source, seed: int) -> dict[str, Any]:
        """Say what is trained, for checkpoints."""
        params = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in self._saved_params(self.get_params()).items()
            if name not in self._free_in_training
        }
        return {
            "model": type(self).__name__,
            "seed": seed,
            "users": source.user_count,
            "items": source.item_count,
            "rows": source.row_count,
            "log": f"{source.digest():016x}",
            **params,
        }

    def _saved_params(self, params: dict[str, Any]) -> dict[str, Any]:
        path = params["checkpoint_path"]
        return params | {"checkpoint_path": None if path is None else str(path)}

    def load_model(self, path: Any) -> None:
        """Take the weights of a file or a folder of checkpoints in place of those of the fit.

        Parameters
        ----------
        path
            A safetensors file with weights of the same names and shapes, or a folder that
            ``checkpoint_path`` named, whose best weights are taken. Any path or fsspec URL.

        Raises
        ------
        NotFittedError
            The model is not fitted: its users and items are not known.
        ValueError
            The weights are of another network.
        """
        _ = self._fitted
        found = {name: tensor.numpy() for name, tensor in best_weights(path).items()}
        own = {name: array.shape for name, array in self._weights.get().items()}
        theirs = {name: array.shape for name, array in found.items()}
        if own != theirs:
            raise ValueError(f"{path} holds weights of {theirs}, and the model has {own}")
        arrays = {name: np.asarray(found[name], dtype=np.float32) for name in own}
        self._weights = Shared(Weights(arrays))

    # ------------------------------------------------------------ what is known of it

    @property
    def history_(self) -> pd.DataFrame:
        """Epochs of the training: a frame with a row each.

        Columns ``epoch`` (from 1), ``loss`` and ``val_loss`` (means over the examples; NaN
        without validation), ``learning_rate``, ``seconds`` of the training part, and ``rate``,
        examples a second.
        """
        _ = self._fitted
        return history.as_frame(self._history_rows.get())

    def plot_history(self) -> Any:
        """Draw the loss of training and validation by epoch.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ImportError
            plotly is not installed: ``pip install 'daskrec[viz]'``.
        """
        return history.plot(self.history_, f"{self}: loss by epoch")

    def _get_state(self) -> dict[str, Any]:
        return {"weights": self._weights, "history": self._history_rows}

    def _set_state(self, state: dict[str, Any]) -> None:
        self._weights = state["weights"]
        self._history_rows = state["history"]
