"""The fitted state of a model as plain arrays: what is saved, and what a pickle holds."""

from typing import Any

import numpy as np

from daskrec.data.folders import TYPES
from daskrec.data.history import History
from daskrec.data.ids import ShardedIds, concat
from daskrec.data.log import Layout
from daskrec.engine.shared import RowShards, Shared
from daskrec.models.asked import Catalogue

_STATE = "state/"


def collect(model: Any) -> dict[str, tuple[str, list[Any]]]:
    """Return everything that a fitted model holds: a word of ``TYPES`` and shards by name."""
    fitted = model._fitted
    found: dict[str, tuple[str, list[Any]]] = {
        "users": ("ids", [shard.get() for shard in fitted.user_ids.shards]),
        "items": ("ids", [fitted.item_ids.get()]),
        "bounds": ("array", [fitted.bounds]),
    }
    for name, value in model._get_state().items():
        if isinstance(value, RowShards):
            value = value.shards
        shards = value if isinstance(value, list) else [value]
        opened = [shard.get() for shard in shards]
        kind = next((w for w, made in TYPES.items() if made is type(opened[0])), "array")
        found[f"{_STATE}{name}"] = (kind, opened)
    if model._history is not None:
        found["history"] = ("block", [block.get() for block in model._history.blocks])
    return found


def restore(model: Any, layout: Layout, held: dict[str, list[Any]]) -> None:
    """Give a model the shards that ``collect`` returned, by name."""
    users = held["users"]
    firsts = [part.values[:1] for part in users[1:]]
    bounds = concat(firsts) if firsts else users[0].values[:0]
    sharded = ShardedIds([Shared(part) for part in users], bounds, _offsets(users))
    model._catalogue = Catalogue(sharded, Shared(held["items"][0]), held["bounds"][0], layout)
    if "history" in held:
        model._history = History([Shared(block) for block in held["history"]])
    state: dict[str, Any] = {}
    for name, values in held.items():
        if name.startswith(_STATE):
            short = name.removeprefix(_STATE)
            shards = [Shared(value) for value in values]
            if short not in model._sharded_state:
                state[short] = shards[0]
            elif isinstance(values[0], np.ndarray):
                state[short] = RowShards(shards, _offsets(values))
            else:
                state[short] = shards
    model._set_state(state)


def _offsets(shards: list[Any]) -> Any:
    return np.concatenate([[0], np.cumsum([len(shard) for shard in shards])])


def freeze(model: Any) -> dict[str, Any]:
    """Return what a pickle of a model holds: its arrays themselves, and no handle."""
    study = model._recorded_study()
    if model._catalogue is None:
        return {"params": model.get_params(), "study": study}
    held = {
        name: (kind, [value if TYPES[kind] is None else value.to_arrays() for value in shards])
        for name, (kind, shards) in collect(model).items()
    }
    layout, learned = model._fitted.layout, model._learned_with
    return {
        "params": model.get_params(),
        "layout": layout,
        "learned": learned,
        "held": held,
        "study": study,
    }


def thaw(model: Any, frozen: dict[str, Any]) -> None:
    """Make a model of what ``freeze`` returned."""
    for name, value in frozen["params"].items():
        setattr(model, name, value)
    model._check_params()
    if "held" in frozen:
        held = {
            name: [part if TYPES[kind] is None else TYPES[kind].from_arrays(part) for part in parts]
            for name, (kind, parts) in frozen["held"].items()
        }
        restore(model, frozen["layout"], held)
        model._learned_with = frozen["learned"]
    model._take_study(frozen.get("study"))
