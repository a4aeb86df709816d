"""The metrics as functions of a scene: one number a user and a depth.

Each takes a ``Scene`` and depths in ascending order, and returns an array of depths x users
of the scene. They are module-level functions, so that tasks carry them by name.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from daskrec.engine import ranking_values as values
from daskrec.engine.arrays import Vector
from daskrec.metrics.scene import Scene


def hit_rate(scene: Scene, ks: Vector) -> Vector:
    """Return 1 where any of the first k is in the truth."""
    return (_hits(scene, ks) > 0).astype(np.float64)


def precision(scene: Scene, ks: Vector) -> Vector:
    """Return the number of the first k that are in the truth, divided by k."""
    return _hits(scene, ks) / ks[:, None]


def recall(scene: Scene, ks: Vector) -> Vector:
    """Return the share of the truth that is among the first k."""
    return _hits(scene, ks) / np.maximum(scene.truth[1], 1)


def _hits(scene: Scene, ks: Vector) -> Vector:
    return values.hits_at(scene.lists.indptr, scene.truth[0], ks)


def mean_average_precision(scene: Scene, ks: Vector) -> Vector:
    """Return the average precision of the first k."""
    return values.average_precision(scene.lists.indptr, *scene.truth, ks)


def reciprocal_rank(scene: Scene, ks: Vector) -> Vector:
    """Return one divided by the rank of the first hit."""
    return values.reciprocal_rank(scene.lists.indptr, scene.truth[0], ks)


def ndcg(scene: Scene, ks: Vector) -> Vector:
    """Return the normalised discounted cumulative gain of the first k."""
    return values.discounted_gain(scene.lists.indptr, *scene.truth, ks)


def roc_auc(scene: Scene, ks: Vector) -> Vector:
    """Return the share of pairs of the first k that are in the right order."""
    return values.area_under_curve(scene.lists.indptr, scene.truth[0], ks)


def surprisal(scene: Scene, ks: Vector) -> Vector:
    """Return the sum of the weights of the first k, divided by k."""
    return values.mean_weight(scene.lists.indptr, scene.weights, ks)


def unexpectedness(scene: Scene, ks: Vector) -> Vector:
    """Return the share of k that is not among the other model's first k; 0 for no list."""
    shared = values.shared_at(scene.lists.indptr, scene.base_places, ks)
    return np.where(np.diff(scene.lists.indptr) > 0, 1.0 - shared / ks[:, None], 0.0)


def novelty(scene: Scene, ks: Vector) -> Vector:
    """Return the share of k that is not in the training of the user."""
    had = values.hits_at(scene.lists.indptr, scene.train[0], ks)
    return np.asarray(1.0 - had / ks[:, None])


def categorical_diversity(scene: Scene, ks: Vector) -> Vector:
    """Return the number of distinct categories of the first k, divided by k."""
    labels, count = scene.categories
    return values.distinct_at(scene.lists.indptr, labels, count, ks) / ks[:, None]


def by_user(scene: Scene, ks: Vector, function: Callable[..., Any]) -> Vector:
    """Call a function of Python for every user of the truth and every depth.

    It is called as ``function(k, pred, ground_truth)`` with lists of ids: what the user was
    recommended, best first, and the truth, sorted.
    """
    out = np.zeros((len(ks), scene.user_count))
    indptr, truth = scene.sets("truth")
    names = np.asarray(scene.items.values)
    lists = scene.lists
    for user in scene.users_of("truth"):
        pred = names[lists.items[lists.indptr[user] : lists.indptr[user + 1]]].tolist()
        relevant = names[np.unique(truth[indptr[user] : indptr[user + 1]])].tolist()
        for at, k in enumerate(ks):
            out[at, user] = float(function(int(k), pred, relevant))
    return out
