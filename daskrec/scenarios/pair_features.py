"""The features of pairs of a user and an item, from everything that the first stage knows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from daskrec.data import frames
from daskrec.data.log import Layout
from daskrec.data.output import Form
from daskrec.data.tables import Table, call
from daskrec.engine.arrays import Array, Arrays
from daskrec.errors import LogError
from daskrec.models.asked import Catalogue
from daskrec.scenarios import known, routing
from daskrec.scenarios.candidates import match
from daskrec.scenarios.composite import offer
from daskrec.scenarios.reranker import ITEM, RELEVANCE, USER
from daskrec.scenarios.side import SideFeatures
from daskrec.scenarios.vectors import Vectors


@dataclass(frozen=True)
class Sources:
    """Where features come from.

    Parameters
    ----------
    models
        The first-level models: each gives its relevance, ``rel_<i>_<Model>``.
    vectors
        For each model its vectors, ``m_<i>_uf_<d>``, ``m_<i>_if_<d>`` and their products
        ``m_<i>_fm_<d>``, or None.
    users, items
        Tables of features beside the log, or None.
    user_names, item_names
        The features of theirs that are used.
    processor
        Adds features to a frame with all of the above by ``transform``; or None.
    """

    models: Sequence[Any]
    vectors: Sequence[Vectors | None]
    users: SideFeatures | None = None
    items: SideFeatures | None = None
    user_names: Sequence[str] = ()
    item_names: Sequence[str] = ()
    processor: Any = None


@dataclass(frozen=True)
class History:
    """What models are asked with: the history of the users, and features.

    Parameters
    ----------
    log
        The log, or None.
    features
        ``user_features`` and ``item_features`` for models that take them.
    bounds
        Where lazy pairs were cut.
    """

    log: Any
    features: dict[str, Any] = field(default_factory=dict)
    bounds: Array | None = None


def form_of(layout: Layout, fitted: Catalogue) -> Form:
    """Return the form of pairs in the kind of a log, with ids as those of a fit."""
    users, items = fitted.empty_ids()
    names = layout.names
    dtypes = {names.user: layout.user, names.item: layout.item}
    return Form(layout.kind, layout.part, {names.user: users, names.item: items}, dtypes)


def describe(pairs: list[Any], form: Form, sources: Sources, history: History) -> Any:
    """Return a frame of pairs with all of their features.

    Parameters
    ----------
    pairs
        Columns ``user, item``: arrays in memory, else a task for each range of users.
    form
        Kind of the frame, and names and types of its two columns.
    sources, history
        Where features come from.

    Returns
    -------
    frame
        Of the kind of the form, with the pairs in their order; lazy for a lazy kind.
    """
    user, item = form.empty
    plain = Table(form.kind, form.part, [user, item], pairs)
    named = plain.map(_named, (user, item))
    frame = plain.build(named, form.empty, form.dtypes)
    scores = [_scores(model, frame, history, plain) for model in sources.models]
    names = tuple(f"rel_{n}_{model}" for n, model in enumerate(sources.models))
    parts = [
        call(plain.lazy, _features, part, list(mine), names, sources_in_tasks(sources))
        for part, *mine in zip(pairs, *scores, strict=True)
    ]
    blank = {"user": form.empty[user], "item": form.empty[item]}
    nothing = [[{**blank, "relevance": np.empty(0)}] for _ in names]
    empty = _features(blank, nothing, names, sources_in_tasks(sources))
    described = plain.build(
        [call(plain.lazy, _beside, a, b) for a, b in zip(named, parts, strict=True)],
        {**form.empty, **empty},
        form.dtypes,
    )
    return described if sources.processor is None else sources.processor.transform(described)


def sources_in_tasks(sources: Sources) -> Sources:
    """Return what tasks need of sources: no model and no processor travels."""
    return replace(sources, models=(), processor=None)


def _named(columns: Arrays, names: tuple[str, str]) -> Arrays:
    return {names[0]: columns["user"], names[1]: columns["item"]}


def _beside(left: Arrays, right: Arrays) -> Arrays:
    twice = sorted(set(left) & set(right))
    if twice:
        raise LogError(f"features have the names of other columns: {twice}; rename them")
    return {**left, **right}


def _scores(model: Any, frame: Any, history: History, like: Table) -> list[Any]:
    """Return for each part of the pairs the pieces of their scores."""
    pairs = known.served_pairs(model, frame)
    scored = offer(model.predict_pairs, pairs=pairs, log=history.log, **history.features)
    table = routing.read_lists(scored)
    if not like.lazy:
        return [[table.parts[0]]]
    assert history.bounds is not None
    return routing.by_user(table.parts, history.bounds, 1)


def _features(
    pairs: Arrays, scores: Sequence[Sequence[Arrays]], names: Sequence[str], sources: Any
) -> Arrays:
    """Return the features of a part."""
    out: Arrays = {}
    for name, pieces in zip(names, scores, strict=True):
        found = routing.joined(pieces)
        places = match(pairs, found)
        values = np.append(np.asarray(found["relevance"]), 0.0)  # no score counts 0
        out[name] = values[places]
    for number, vectors in enumerate(sources.vectors):
        if vectors is not None:
            out |= vectors.columns(pairs["user"], pairs["item"], number)
    for side, key, wanted in (
        (sources.users, "user", sources.user_names),
        (sources.items, "item", sources.item_names),
    ):
        if side is not None:
            out = _beside(out, side.columns(pairs[key], wanted))
    return out


def rank(frame: Any, form: Form, reranker: Any, k: int | None) -> list[Any]:
    """Return columns ``user, item, relevance`` of described pairs, best first."""
    table = Table.of(frame, "candidates")
    names = tuple(form.empty)[:2]
    return table.map(_rank, table.part, names, reranker, k)


def _rank(frame: Any, kind: str, names: tuple[str, str], reranker: Any, k: int | None) -> Arrays:
    data = to_pandas(frame, kind, names)
    ranked = reranker.predict(data, k)
    found = frames.kind_named("pandas").arrays(ranked, [USER, ITEM, RELEVANCE])
    scores = np.asarray(found[RELEVANCE]).astype(np.float64)
    return {"user": found[USER], "item": found[ITEM], "relevance": scores}


def to_pandas(
    frame: Any, kind: str, names: tuple[str, str], more: Arrays | None = None
) -> pd.DataFrame:
    """Return a described part as the frame that a re-ranker takes, with more columns."""
    held = frames.kind_named(kind)
    columns = held.arrays(frame, held.columns(frame))
    renamed = {{names[0]: USER, names[1]: ITEM}.get(n, str(n)): c for n, c in columns.items()}
    built: pd.DataFrame = frames.kind_named("pandas").build(renamed | (more or {}), {})
    return built
