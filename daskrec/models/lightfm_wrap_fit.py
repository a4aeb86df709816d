"""Fitting LightFM in one process: matrices of features, and what is kept of the model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from daskrec import progress
from daskrec.data.features import FeatureBlock
from daskrec.engine.arrays import Vector
from daskrec.engine.csr import Csr
from daskrec.engine.score import Encoder
from daskrec.engine.shared import Shared
from daskrec.errors import LogError


class Side:
    """Features of one side of a fit.

    Parameters
    ----------
    role
        ``"user"`` or ``"item"``.
    ids
        The users, or the items, of the fit.
    blocks
        Handles on their features.
    order
        The columns in the order of their names.
    """

    def __init__(
        self, role: str, ids: Encoder, blocks: Sequence[Shared[FeatureBlock]], order: Vector
    ) -> None:
        self.role = role
        self.ids = ids
        self.blocks = list(blocks)
        self.order = order

    def read(self, trained: Vector) -> tuple[Vector, Vector]:
        """Return the codes of the ids with features that have interactions, and the features."""
        codes, values = [], []
        for block in self.blocks:
            mine = self.ids.encode(block.get().user_ids.values)
            kept = np.flatnonzero(trained[mine])
            codes.append(mine[kept])
            values.append(block.get().values[kept][:, self.order])
        found = np.concatenate(codes)
        if not len(found):
            raise LogError(
                f"features for {self.role}s from log are absent: {self.role}_features has no row "
                f"of a {self.role} of the log"
            )
        return found, np.concatenate(values)


def scaling_of(values: Vector) -> Vector:
    """Return the least value of each column, and what spans to the largest (1 where equal)."""
    low = values.min(axis=0)
    span = values.max(axis=0) - low
    return np.stack([low, np.where(span > 0, span, 1.0)])


def scaled(values: Vector, scaling: Vector) -> Vector:
    """Bring columns to 0 to 1 by the range of the fit; what lies beyond counts as its end."""
    found: Vector = np.clip((values - scaling[0]) / scaling[1], 0.0, 1.0).astype(np.float32)
    return found


def feature_matrix(side: Side | None, trained: Vector) -> tuple[Any, Vector | None]:
    """Return the matrix of weights that LightFM takes for one side, and its scaling.

    ``[identity | scaled features]``, each row divided by its sum; float32 CSR of scipy. An id
    without interactions has no part in it. None and None where the side has no features.
    """
    if side is None:
        return None, None
    from scipy.sparse import csr_matrix

    codes, values = side.read(trained)
    scaling = scaling_of(values)
    weights = scaled(values, scaling)
    count, width = len(trained), values.shape[1]
    own = np.flatnonzero(trained)
    sums = np.ones(count, dtype=np.float32)
    sums[codes] += weights.sum(axis=1)
    rows, columns = np.nonzero(weights)
    place = np.concatenate([own, codes[rows]])
    cells = np.concatenate([np.ones(len(own), dtype=np.float32), weights[rows, columns]])
    matrix = csr_matrix(
        (cells / sums[place], (place, np.concatenate([own, count + columns]))),
        shape=(count, count + width),
    )
    return matrix, scaling


def parts_of(vectors: Vector, biases: Vector, trained: Vector, featured: bool) -> list[Vector]:
    """Return tables of ``[vector, bias, weight]``: of the ids, and of the features if any.

    An id that was not trained weighs nothing where it has features to go by.
    """
    table = np.empty((len(vectors), vectors.shape[1] + 2), dtype=np.float32)
    table[:, :-2], table[:, -2], table[:, -1] = vectors, biases, 1
    if not featured:
        return [table]
    count = len(trained)
    own, features = table[:count], table[count:]
    own[~trained] = 0
    return [own, features]


def fit(
    matrix: Csr,
    sides: Mapping[str, Side | None],
    params: Mapping[str, Any],
    training: Mapping[str, int],
    folder: str | None,
) -> dict[str, Shared[Any]]:
    """Fit LightFM on all interactions; return what it has learned, by name.

    Parameters
    ----------
    matrix
        Users x items, float32 relevance; it is not changed.
    sides
        Features, by role.
    params
        Of ``LightFM``.
    training
        ``epochs`` and ``num_threads``.
    folder
        Where the arrays go; None for this process.

    Returns
    -------
    dict
        ``<role>_vectors``, and where a side has features ``<role>_feature_vectors`` and
        ``<role>_scaling``.
    """
    from scipy.sparse import coo_matrix

    rows = np.repeat(np.arange(len(matrix), dtype=np.int32), np.diff(matrix.indptr))
    trained = {
        "user": np.diff(matrix.indptr) > 0,
        "item": np.bincount(matrix.indices, minlength=matrix.width) > 0,
    }
    read = {role: feature_matrix(sides[role], trained[role]) for role in trained}
    model = library()(**params)
    model.fit(
        coo_matrix((matrix.values(), (rows, matrix.indices)), shape=(len(matrix), matrix.width)),
        user_features=read["user"][0],
        item_features=read["item"][0],
        verbose=progress.enabled(),
        **training,
    )
    learned = {
        "user": (model.user_embeddings, model.user_biases),
        "item": (model.item_embeddings, model.item_biases),
    }
    found: dict[str, Vector] = {}
    for role, (vectors, biases) in learned.items():
        scaling = read[role][1]
        parts = parts_of(vectors, biases, trained[role], scaling is not None)
        found[f"{role}_vectors"] = parts[0]
        if scaling is not None:
            found[f"{role}_feature_vectors"], found[f"{role}_scaling"] = parts[1], scaling
    return {name: Shared.stored(value, folder) for name, value in found.items()}


def library() -> Any:
    """Return the class of the library.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        from lightfm import LightFM
    except ImportError as error:
        raise ImportError(
            "LightFMWrap fits with lightfm-next, which is not installed: "
            "pip install 'daskrec[wrappers]'"
        ) from error
    return LightFM
