"""NeuroMF: neural matrix factorisation."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from daskrec.data.blocks import Features
from daskrec.engine.arrays import Vector
from daskrec.engine.score import Scorer
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.weights import Weights, derived
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.torch_recommender import TorchRecommender
from daskrec.models.vector_frames import factor_frame, role_of
from daskrec.nn.inference.neuro_mf import NeuroMFScorer
from daskrec.nn.training.examples import Course
from daskrec.nn.training.neuro_mf import NeuroMFProblem, Shape
from daskrec.params import check_whole

_DEFAULT_DIM = 128


class NeuroMF(ItemVectorModel, TorchRecommender):
    """Neural matrix factorisation: a product of embeddings beside a perceptron on others.

    With embeddings p, q and biases b, and others of their own for the perceptron::

        gmf = (p_u + b_u) * (q_i + b_i)                        element by element
        mlp = ReLU(W_n ... ReLU(W_1 [p'_u + b'_u; q'_i + b'_i] + c_1) ... + c_n)
        relevance = sigmoid(w . [gmf; mlp] + c)

    The loss is the mean binary cross-entropy of the rows of the log, as ones, and of
    ``count_negative_sample`` pairs of the same user and an item drawn evenly for each of them,
    as zeros. Relevance in the log is not read; a repeated row counts again.

    Parameters
    ----------
    learning_rate, epochs
        Of Adam, and passes over the log.
    embedding_gmf_dim, embedding_mlp_dim
        Length of the embeddings of each branch; a branch without is left out. None (or 0) for
        both takes 128 for both.
    hidden_mlp_dims
        Widths of the hidden layers of the perceptron; without any, its embeddings go to the
        output as they are.
    l2_reg
        Penalty on the weights, divided by 100,000 (the batch of the original).
    count_negative_sample
        Pairs drawn for each row.
    factor, patience
        The learning rate is multiplied by ``factor`` when the loss of the validation has not
        become better for more than ``patience`` epochs.
    batch_size
        Log rows of a batch.
    exclude_positives
        Draw only pairs that are not in the log; as the original does, all are drawn.
    validation_share
        Share of the pairs whose loss is watched, and which are not learned from; 0 for none.
    early_stopping, seed, device, precision, data_parallel, checkpoint_path, checkpoint_steps
        As for ``MultVAE``.

    Attributes
    ----------
    history_
        A row an epoch; see ``TorchRecommender.history_``.

    Notes
    -----
    The weights kept are those of the epoch with the best loss of the validation. An epoch takes
    about 6 operations for each weight of the layers, and 12 for each number of the embeddings,
    for every row and every drawn pair; the first layer is a sum of a part of the user and one
    of the item, each made once in a batch. Memory: 16 to 20 bytes a weight (embeddings and
    biases of all users and items), 20 bytes for each of up to 33 million log rows at a time, 8
    bytes for each interaction with ``exclude_positives``, and the activations of 32,768 rows
    (131,072 on a GPU).

    Recommending: without hidden layers, an inner product a pair; with them, the first layer is
    made once a user and once an item, and the others take their operations for each pair. Only
    users and items of the training are served. ``get_features`` returns the embeddings of both
    branches, one after the other, with their biases added; ``get_nearest_items`` compares them.
    ``optimize`` searches ``learning_rate``, ``l2_reg`` and ``count_negative_sample``.

    References
    ----------
    X. He, L. Liao, H. Zhang, L. Nie, X. Hu and T.-S. Chua, Neural collaborative filtering,
    WWW 2017.
    """

    _search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"type": "loguniform", "args": [1e-4, 0.5]},
        "l2_reg": {"type": "loguniform", "args": [1e-9, 5]},
        "count_negative_sample": {"type": "int", "args": [1, 20]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "epochs": "int",
        "embedding_gmf_dim": "int",
        "embedding_mlp_dim": "int",
        "factor": "uniform",
        "patience": "int",
        "batch_size": "loguniform_int",
        "exclude_positives": "categorical",
    }

    def __init__(
        self,
        learning_rate: float = 0.05,
        epochs: int = 20,
        embedding_gmf_dim: int | None = None,
        embedding_mlp_dim: int | None = None,
        hidden_mlp_dims: Sequence[int] | None = None,
        l2_reg: float = 0,
        count_negative_sample: int = 1,
        factor: float = 0.2,
        patience: int = 3,
        *,
        batch_size: int = 100_000,
        exclude_positives: bool = False,
        validation_share: float = 0.1,
        early_stopping: int | None = None,
        seed: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        data_parallel: int = 1,
        checkpoint_path: str | None = None,
        checkpoint_steps: int | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.embedding_gmf_dim = embedding_gmf_dim
        self.embedding_mlp_dim = embedding_mlp_dim
        self.hidden_mlp_dims = hidden_mlp_dims
        self.l2_reg = l2_reg
        self.count_negative_sample = count_negative_sample
        self.factor = factor
        self.patience = patience
        self.batch_size = batch_size
        self.exclude_positives = exclude_positives
        self.validation_share = validation_share
        self.early_stopping = early_stopping
        self.seed = seed
        self.device = device
        self.precision = precision
        self.data_parallel = data_parallel
        self.checkpoint_path = checkpoint_path
        self.checkpoint_steps = checkpoint_steps
        self._check_params()

    def _check_params(self) -> None:
        self._check_training()
        check_whole("count_negative_sample", self.count_negative_sample, 1)
        for name in ("embedding_gmf_dim", "embedding_mlp_dim"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 0)
        if self.hidden_mlp_dims is not None:
            if isinstance(self.hidden_mlp_dims, str) or not hasattr(
                self.hidden_mlp_dims, "__len__"
            ):
                raise ValueError(
                    f"hidden_mlp_dims must be a list of widths, not {self.hidden_mlp_dims!r}"
                )
            for width in self.hidden_mlp_dims:
                check_whole("hidden_mlp_dims", width, 1)

    def _shape(self) -> Shape:
        """Return the network of the parameters."""
        gmf, mlp = self.embedding_gmf_dim or None, self.embedding_mlp_dim or None
        if gmf is None and mlp is None:
            gmf = mlp = _DEFAULT_DIM
        hidden = tuple(int(width) for width in self.hidden_mlp_dims or ())
        return Shape(gmf, mlp, hidden if mlp is not None else ())

    def _saved_params(self, params: dict[str, Any]) -> dict[str, Any]:
        widths = params["hidden_mlp_dims"]
        plain = None if widths is None else [int(width) for width in widths]
        return super()._saved_params(params) | {"hidden_mlp_dims": plain}

    def _problem(self, course: Course) -> NeuroMFProblem:
        drawn, excluded = int(self.count_negative_sample), bool(self.exclude_positives)
        return NeuroMFProblem(course, self._shape(), drawn, excluded, self.precision)

    def _scorer(self, features: Features) -> Scorer:
        return NeuroMFScorer.of(self._fitted.user_ids, self._weights, self.device)

    def _item_vectors(self) -> Shared[Vector]:
        _ = self._fitted
        return derived(self._weights, _vectors_of_items)

    def get_features(self, ids: Any) -> tuple[Any, int | None]:
        """Return the embeddings of users or of items.

        Parameters
        ----------
        ids
            A frame with a column of users or of items; with both, users are taken. Unknown ids
            have no rows, and a warning counts them.

        Returns
        -------
        frame
            Columns user and ``user_factors``, or item and ``item_factors``: lists of floats.
        length
            Of the vectors: ``embedding_gmf_dim + embedding_mlp_dim``.
        """
        fitted, role = self._fitted, role_of(ids)
        table = RowShards.of(_vectors(self._weights.get(), role))
        return factor_frame(fitted, ids, role, table), table.shards[0].get().shape[1]


def _vectors(weights: Weights, role: str) -> Vector:
    """Return the embeddings of a side, biases added: those of both branches side by side."""
    parts = [
        weights[f"{branch}.{role}_embedding.weight"] + weights[f"{branch}.{role}_biases.weight"]
        for branch in ("gmf", "mlp")
        if f"{branch}.{role}_embedding.weight" in weights
    ]
    return np.concatenate(parts, axis=1)


def _vectors_of_items(weights: Weights) -> Shared[Vector]:
    return Shared(_vectors(weights, "item"))
