"""Where the features of the second stage come from, at the fit and at a later call."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from daskrec.scenarios.pair_features import Sources
from daskrec.scenarios.side import SideFeatures
from daskrec.scenarios.vectors import Vectors


class Setup(Protocol):
    """What is needed of a scenario."""

    first_level_models: list[Any]
    use_first_level_models_feat: list[bool]
    user_cat_features_list: Sequence[str] | None
    item_cat_features_list: Sequence[str] | None
    features_processor: Any


def read_sources(setup: Setup, user_features: Any, item_features: Any) -> Sources:
    """Return the sources of a scenario whose models are fitted."""
    users = items = None
    if user_features is not None:
        users = SideFeatures.read(user_features, "user", setup.user_cat_features_list or ())
    if item_features is not None:
        items = SideFeatures.read(item_features, "item", setup.item_cat_features_list or ())
    return Sources(
        setup.first_level_models,
        model_vectors(setup),
        users,
        items,
        users.names if users is not None else (),
        items.names if items is not None else (),
        setup.features_processor,
    )


def model_vectors(setup: Setup) -> list[Vectors | None]:
    """Return the vectors of models that are to use them."""
    asked = zip(setup.first_level_models, setup.use_first_level_models_feat, strict=True)
    return [Vectors.of(model) if used else None for model, used in asked]


def renewed(
    setup: Setup, sources: Sources | None, user_features: Any, item_features: Any
) -> Sources:
    """Return the sources of the fit with the features of a call, where it gives some."""
    assert sources is not None
    users, items = sources.users, sources.items
    if user_features is not None and users is not None:
        kept = setup.user_cat_features_list or ()
        users = SideFeatures.read(user_features, "user", kept, sources.user_names)
    if item_features is not None and items is not None:
        kept = setup.item_cat_features_list or ()
        items = SideFeatures.read(item_features, "item", kept, sources.item_names)
    return replace(sources, users=users, items=items)
