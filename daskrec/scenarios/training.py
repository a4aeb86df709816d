"""What the second stage learns from: candidates of the past, and which of them were taken."""

from typing import Any

import numpy as np
import pandas as pd

from daskrec.data import log as logs
from daskrec.data.ids import Ids
from daskrec.data.log import Layout
from daskrec.data.tables import Table
from daskrec.engine import runtime
from daskrec.engine.arrays import Arrays
from daskrec.errors import EmptyLogError
from daskrec.scenarios import candidates, pair_features, routing
from daskrec.scenarios.candidates import Wanted
from daskrec.scenarios.known import PLAIN
from daskrec.scenarios.pair_features import History, Sources
from daskrec.scenarios.reranker import TARGET
from daskrec.scenarios.two_stages_setup import TwoStagesSetup


def training_data(
    setup: TwoStagesSetup, first: Any, second: Any, sources: Sources, features: dict[str, Any]
) -> pd.DataFrame:
    """Return the candidates of sampled users with their features and targets.

    Parameters
    ----------
    setup
        The scenario, whose models are fitted.
    first, second
        The parts of the log.
    sources, features
        Where features of pairs come from, and features for models.

    Raises
    ------
    EmptyLogError
        The second part has no rows.
    """
    per_user = setup.num_negatives * len(setup._candidate_models())
    most = max(1, setup.max_train_rows // per_user)
    users = candidates.sample_users(second, most, setup.seed)
    if not len(users):
        raise EmptyLogError("the second part of the split log holds no rows")
    taken = candidates.pairs_of_users(second, users)
    pairs = _pairs(setup, first, users, taken, features)
    layout = logs.read_log(first, needs=PLAIN).layout
    # They are few enough for this process, whatever the log is.
    layout = Layout(layout.part, layout.names, layout.user, layout.item, layout.part)
    form = pair_features.form_of(layout, setup.first_level_models[0]._fitted)
    frame = pair_features.describe([pairs], form, sources, History(first, features))
    target: Arrays = {TARGET: candidates.among(pairs, taken).astype(np.int8)}
    names = (layout.names.user, layout.names.item)
    return pair_features.to_pandas(frame, form.part, names, target)


def _pairs(
    setup: TwoStagesSetup, first: Any, users: Ids, taken: Arrays, features: dict[str, Any]
) -> Arrays:
    drawn = setup.negatives_type == "random"
    models = [setup.random_model] if drawn else setup._candidate_models()
    fill = None if drawn else setup.fallback_model
    wanted = Wanted(first, setup.num_negatives, users, None, True, features)
    leading = setup.first_level_models[0]
    parts = candidates.propose(models, fill, wanted, candidates.cuts(leading, first))
    if Table.of(first).lazy:
        parts = runtime.compute(parts, "proposing candidates")
    pairs = routing.joined(parts)
    if not drawn:
        return pairs
    # Of random items, next to none is one that the user took.
    learned = np.flatnonzero(leading._fitted.item_ids.get().encode(taken["item"]) >= 0)
    positives = {name: array.take(learned) for name, array in taken.items()}
    return candidates.distinct(routing.joined([pairs, positives]))
