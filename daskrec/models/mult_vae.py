"""MultVAE: a variational auto-encoder of histories with a multinomial likelihood."""

from typing import Any, ClassVar, Literal

import numpy as np

from daskrec.data.blocks import Features, UserBlock
from daskrec.engine.arrays import Array, Vector
from daskrec.engine.shared import RowShards, Shared
from daskrec.engine.weights import Weights, derived
from daskrec.models.base import NO_FEATURES
from daskrec.models.item_vector import ItemVectorModel
from daskrec.models.torch_recommender import TorchRecommender
from daskrec.models.vector_frames import as_lists, factor_frame, finish, names_of, role_of
from daskrec.nn.inference.mult_vae import MultVAEScorer
from daskrec.nn.training.examples import Course
from daskrec.nn.training.mult_vae import MultVAEProblem, Shape
from daskrec.params import check_choice, check_number, check_whole


class MultVAE(ItemVectorModel, TorchRecommender):
    """Variational auto-encoder: a history is squeezed through a few numbers, and rebuilt.

    The history x of a user (numbers of log rows) is divided by its length, parts of it are
    dropped, and an encoder makes mean mu and variance sigma^2 of a Gaussian of it::

        h = act(W1 x / |x| + b1),    (mu, log sigma^2) = W2 h + b2,    z ~ N(mu, sigma^2)
        p = softmax(W4 act(W3 z + b3) + b4)

    and the loss is the mean over users of ``-sum_i x_i log p_i + anneal KL(N(mu, sigma^2) |
    N(0, 1))``. With ``anneal=0`` it is a denoising auto-encoder. The relevance of a
    recommendation is p, over all items, of z = mu and of a history that counts every item once.

    Parameters
    ----------
    learning_rate, epochs
        Of Adam, and passes over the users.
    latent_dim, hidden_dim
        Length of z, and of the layers before and after it.
    dropout
        Share of a history that is dropped in training.
    anneal
        Weight of the divergence KL.
    l2_reg
        Penalty on the weights, divided by 5,000 (the batch of the original).
    factor, patience
        The learning rate is multiplied by ``factor`` when the loss of the validation has not
        become better for more than ``patience`` epochs.
    batch_size
        Users of a batch.
    anneal_steps
        Number of batches in which the weight of the divergence rises from 0 to ``anneal``; 0
        keeps it as it is from the start. The validation always takes ``anneal``.
    activation
        ``"relu"``, as the original has it, or ``"tanh"``, as the paper has.
    validation_share
        Share of the users whose loss is watched, and who are not learned from; 0 for none.
    early_stopping
        Stop when the loss of the validation has not become better for so many epochs.
    seed
        Of first weights, order, dropout, noise and validation. With one, a device gives one
        answer, whatever the partitioning of the log. None draws another for each fit.
    device
        ``"auto"`` (what the setting ``daskrec.device`` says), ``"cpu"``, ``"cuda"`` or
        ``"cuda:1"``, both for training and for recommending; looked for where the work is done.
    precision
        Type of the numbers of products: ``"single"``, ``"mixed"`` (bfloat16 products, float32
        weights and sums), or ``"auto"``: mixed on a GPU.
    data_parallel
        Workers of the Dask client that train together, each on a part of every batch.
    checkpoint_path
        Folder (or fsspec URL) where the training is kept after each epoch; a ``fit`` of the
        same model on the same log goes on from there. None keeps nothing.
    checkpoint_steps
        Keep it after so many batches too.

    Attributes
    ----------
    history_
        A row an epoch; see ``TorchRecommender.history_``.

    Notes
    -----
    The weights kept are those of the epoch with the best loss of the validation (of the
    training, without one). An epoch takes ``6 users x items x hidden_dim`` operations for the
    last layer and few others: no matrix of users x items is ever made, and the first layer goes
    through the entries alone. Memory: 16 to 20 bytes a weight, of which there are about
    ``2 items x hidden_dim``; a tile of logits; and up to 33 million interactions (8 bytes each)
    at a time, so that a log which lies on workers may be larger than the memory of one.
    Recommending: ``2 items x hidden_dim`` operations a user. ``get_features`` of items returns
    the rows of W4, which ``get_nearest_items`` compares. ``optimize`` searches
    ``learning_rate``, ``dropout``, ``anneal`` and ``l2_reg``.

    References
    ----------
    D. Liang, R. G. Krishnan, M. D. Hoffman and T. Jebara, Variational autoencoders for
    collaborative filtering, WWW 2018.
    """

    can_predict_cold_users: ClassVar[bool] = True
    _needs_history: ClassVar[bool] = True
    _l2_scale: ClassVar[int] = 5_000
    _by_row: ClassVar[bool] = False
    _search_space: ClassVar[dict[str, Any]] = {
        "learning_rate": {"type": "loguniform", "args": [1e-4, 0.5]},
        "dropout": {"type": "uniform", "args": [0, 0.5]},
        "anneal": {"type": "uniform", "args": [0.2, 1]},
        "l2_reg": {"type": "loguniform", "args": [1e-9, 5]},
    }
    _search_on_request: ClassVar[dict[str, str]] = {
        "epochs": "int",
        "latent_dim": "int",
        "hidden_dim": "int",
        "factor": "uniform",
        "patience": "int",
        "batch_size": "loguniform_int",
        "anneal_steps": "int",
        "activation": "categorical",
    }

    def __init__(
        self,
        learning_rate: float = 0.01,
        epochs: int = 100,
        latent_dim: int = 200,
        hidden_dim: int = 600,
        dropout: float = 0.3,
        anneal: float = 0.1,
        l2_reg: float = 0,
        factor: float = 0.2,
        patience: int = 3,
        *,
        batch_size: int = 5000,
        anneal_steps: int = 0,
        activation: Literal["relu", "tanh"] = "relu",
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
        self.latent_dim = latent_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.anneal = anneal
        self.l2_reg = l2_reg
        self.factor = factor
        self.patience = patience
        self.batch_size = batch_size
        self.anneal_steps = anneal_steps
        self.activation = activation
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
        check_whole("latent_dim", self.latent_dim, 1)
        check_whole("hidden_dim", self.hidden_dim, 1)
        check_whole("anneal_steps", self.anneal_steps, 0)
        check_number("anneal", self.anneal, 0.0)
        check_number("dropout", self.dropout, 0.0)
        if not self.dropout < 1:
            raise ValueError(f"dropout must be a number below 1, not {self.dropout!r}")
        check_choice("activation", self.activation, ("relu", "tanh"))

    def _problem(self, course: Course) -> MultVAEProblem:
        shape = Shape(
            int(self.hidden_dim), int(self.latent_dim), float(self.dropout), self.activation
        )
        anneal, steps = float(self.anneal), int(self.anneal_steps)
        return MultVAEProblem(course, shape, anneal, steps, self.precision)

    def _scorer(self, features: Features) -> MultVAEScorer:
        learned = self._learned_with or self.get_params()
        return MultVAEScorer(self._weights, learned["activation"], self.device)

    def _item_vectors(self) -> Shared[Vector]:
        """Return the rows of the last layer, items x ``hidden_dim``."""
        _ = self._fitted
        return derived(self._weights, _last_layer)

    def get_features(self, ids: Any, log: Any = None) -> tuple[Any, int | None]:
        """Return the latent means of users, or the vectors of items.

        Parameters
        ----------
        ids
            A frame with a column of users or of items; with both, users are taken.
        log
            The histories of the users, of which the means are made. Users without one have
            no rows.

        Returns
        -------
        frame
            Columns user and ``user_factors`` (``latent_dim`` numbers), or item and
            ``item_factors`` (``hidden_dim`` numbers: the rows of the last layer). None for users
            where there is no ``log``.
        length
            Of the vectors.
        """
        fitted = self._fitted
        if role_of(ids) == "user":
            if log is None:
                return super().get_features(ids)
            return self._latent_frame(ids, log)
        vectors = self._item_vectors()
        table = RowShards([vectors], np.array([0, self.items_count]))
        return factor_frame(fitted, ids, "item", table), int(vectors.get().shape[1])

    def _latent_frame(self, ids: Any, log: Any) -> tuple[Any, int]:
        """Return the latent means of users whose histories a log holds."""
        fitted, asked = self._fitted, self._asked()
        chosen = asked.choose_users(ids)
        items = asked.choose_items(None)
        histories = asked.histories(asked.read_history(log), chosen, items.ids.get())
        asked.warn()
        names, scorer = names_of(fitted, "user")[::2], self._scorer(NO_FEATURES)
        tasks = histories.tasks(_latent_rows, scorer, names)
        length = len(self._weights.get()["encoder.1.bias"]) // 2
        return finish(fitted, tasks, fitted.some_users, "user"), length


def _last_layer(weights: Weights) -> Shared[Vector]:
    return Shared(np.ascontiguousarray(weights["decoder.1.weight"]))


def _latent_rows(
    block: UserBlock, scorer: MultVAEScorer, names: tuple[str, str]
) -> dict[str, Array]:
    rows, means = scorer.latent_means(block.matrix)
    return {names[0]: block.user_ids.decode(rows), names[1]: as_lists(means)}
