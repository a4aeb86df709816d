"""What a two-stage scenario learned beside its models, as plain arrays and plain values."""

from collections.abc import Sequence
from typing import Any

from daskrec.data.folders import dtype_name, named_dtype
from daskrec.data.tables import Table
from daskrec.engine.arrays import Array
from daskrec.engine.shared import Shared
from daskrec.history_features import (
    ConditionalPopularityProcessor,
    HistoryBasedFeaturesProcessor,
    LogStatFeaturesProcessor,
)
from daskrec.history_features.categories import Categories
from daskrec.history_features.lookup import Facts, Lookup
from daskrec.history_features.shares import Shares, ShareTable
from daskrec.scenarios.pair_features import Sources
from daskrec.scenarios.reranker import BoostedTrees
from daskrec.scenarios.side import SideFeatures
from daskrec.scenarios.sources import model_vectors
from daskrec.scenarios.trees import Trees

Plain = dict[str, Any]


class Box:
    """Arrays by name, to be written or just read."""

    def __init__(self, arrays: dict[str, Array] | None = None) -> None:
        self.arrays: dict[str, Array] = {} if arrays is None else arrays

    def put(self, prefix: str, shards: Sequence[Shared[Any]]) -> list[list[str]]:
        """Put the arrays of handles in; return their names."""
        names = []
        for number, shard in enumerate(shards):
            held = shard.get().to_arrays()
            self.arrays |= {f"{prefix}-{number:05d}-{key}": array for key, array in held.items()}
            names.append(list(held))
        return names

    def get(self, prefix: str, made: Any, names: list[list[str]]) -> list[Shared[Any]]:
        """Return what ``put`` was given, for the names that it returned."""
        return [
            Shared(made.from_arrays({k: self.arrays[f"{prefix}-{n:05d}-{k}"] for k in keys}))
            for n, keys in enumerate(names)
        ]


def collect(scenario: Any) -> tuple[dict[str, Array], Plain]:
    """Return arrays by name, and plain values.

    Raises
    ------
    ValueError
        The re-ranker or the processor of features is not daskrec's own.
    """
    ranker, processor = scenario.second_stage_model, scenario.features_processor
    for name, part, own in (
        ("reranker", ranker, BoostedTrees),
        ("custom_features_processor", processor, HistoryBasedFeaturesProcessor),
    ):
        if part is not None and type(part) is not own:
            raise ValueError(
                f"{name} is a {type(part).__name__} of your own, which could be kept by pickle "
                "alone, and that is not done: save the models in first_level_models by "
                "themselves, and it as you see fit"
            )
    box, sources = Box(), scenario._sources
    assert ranker.trees_ is not None
    values: Plain = {
        "lengths": [scenario.first_level_user_len, scenario.first_level_item_len],
        "trees": box.put("trees", [ranker.trees_]),
        "features": ranker.feature_names_,
        "categories": {name: c.describe() for name, c in ranker.categories_.items()},
        "users": _put_side(box, "users", sources.users),
        "items": _put_side(box, "items", sources.items),
        "names": [list(sources.user_names), list(sources.item_names)],
        "processor": None if processor is None else _put_processor(box, processor),
    }
    return box.arrays, values


def restore(scenario: Any, arrays: dict[str, Array], values: Plain) -> None:
    """Give a scenario back what ``collect`` returned."""
    box = Box(arrays)
    scenario.first_level_user_len, scenario.first_level_item_len = values["lengths"]
    ranker = scenario.second_stage_model
    (ranker.trees_,) = box.get("trees", Trees, values["trees"])
    ranker.feature_names_ = values["features"]
    ranker.categories_ = {
        name: Categories.from_description(saved) for name, saved in values["categories"].items()
    }
    if values["processor"] is not None:
        _get_processor(box, scenario.features_processor, values["processor"])
    user_names, item_names = values["names"]
    scenario._sources = Sources(
        scenario.first_level_models,
        model_vectors(scenario),
        _get_side(box, "users", values["users"]),
        _get_side(box, "items", values["items"]),
        user_names,
        item_names,
        scenario.features_processor,
    )


def _put_lookup(box: Box, prefix: str, lookup: Lookup) -> Plain:
    return {"names": lookup.names, "shards": box.put(prefix, lookup.shards)}


def _get_lookup(box: Box, prefix: str, saved: Plain) -> Lookup:
    return Lookup(box.get(prefix, Facts, saved["shards"]), saved["names"])


def _put_side(box: Box, prefix: str, side: SideFeatures | None) -> Plain | None:
    if side is None:
        return None
    categories = {name: c.describe() for name, c in side.categories.items()}
    return _put_lookup(box, prefix, side.lookup) | {"categories": categories}


def _get_side(box: Box, prefix: str, saved: Plain | None) -> SideFeatures | None:
    if saved is None:
        return None
    categories = {n: Categories.from_description(c) for n, c in saved["categories"].items()}
    return SideFeatures(_get_lookup(box, prefix, saved), categories)


def _put_processor(box: Box, processor: HistoryBasedFeaturesProcessor) -> Plain:
    out: Plain = {}
    log = processor.log_processor
    if isinstance(log, LogStatFeaturesProcessor):
        assert log._users is not None
        assert log._items is not None
        out["log"] = {
            "kind": [log._like.kind, log._like.part],
            "ids": list(log._names),
            "dtypes": [dtype_name(dtype) for dtype in log._dtypes],
            "based": [log.calc_timestamp_based, log.calc_relevance_based],
            "users": _put_lookup(box, "log-users", log._users),
            "items": _put_lookup(box, "log-items", log._items),
        }
    for side in ("user", "item"):
        part = getattr(processor, f"{side}_cond_pop_proc")
        if isinstance(part, ConditionalPopularityProcessor):
            out[side] = _put_popularity(box, side, part)
    return out


def _get_processor(box: Box, processor: HistoryBasedFeaturesProcessor, saved: Plain) -> None:
    if "log" in saved:
        log, held = processor.log_processor, saved["log"]
        log._like = _table(held["kind"])
        log._names = tuple(held["ids"])
        log._dtypes = tuple(named_dtype(name) for name in held["dtypes"])
        log.calc_timestamp_based, log.calc_relevance_based = held["based"]
        log._users = _get_lookup(box, "log-users", held["users"])
        log._items = _get_lookup(box, "log-items", held["items"])
    for side in ("user", "item"):
        if side in saved:
            _get_popularity(box, side, getattr(processor, f"{side}_cond_pop_proc"), saved[side])
    processor.fitted = True


def _put_popularity(box: Box, side: str, part: ConditionalPopularityProcessor) -> Plain:
    assert part._tables is not None
    return {
        "kind": [part._like.kind, part._like.part],
        "entity": [part._entity, part.entity_name, dtype_name(part._dtype)],
        "tables": [
            {
                "name": name,
                "categories": table.categories.describe(),
                "shards": box.put(f"{side}-popularity-{n}", table.shards),
            }
            for n, (name, table) in enumerate(part._tables.items())
        ],
    }


def _get_popularity(
    box: Box, side: str, part: ConditionalPopularityProcessor, saved: Plain
) -> None:
    part._like = _table(saved["kind"])
    part._entity, part.entity_name, dtype = saved["entity"]
    part._dtype = named_dtype(dtype)
    part._tables = {
        held["name"]: ShareTable(
            box.get(f"{side}-popularity-{n}", Shares, held["shards"]),
            Categories.from_description(held["categories"]),
        )
        for n, held in enumerate(saved["tables"])
    }


def _table(kinds: list[str]) -> Table:
    kind, part = kinds
    return Table(kind, part, [], [])
