"""Scenarios on disk: a folder with a folder for each model inside, without pickle.

::

    scenario/
      manifest.json            format, class, parameters, and the checksums of the arrays
      main_model/ ...          the models, as ``daskrec.save`` writes them
      arrays/<name>/           what the scenario itself learned
"""

import datetime
import importlib
import json
from typing import Any

from daskrec import store
from daskrec.data.folders import Format, Manifest, open_manifest, read_shards, write_shards
from daskrec.data.ids import concat
from daskrec.engine.arrays import Array
from daskrec.errors import FormatError
from daskrec.scenarios import learned
from daskrec.scenarios.fallback_model import Fallback
from daskrec.scenarios.two_stages import TwoStagesScenario

FORMAT = Format("daskrec-scenario", 1, "a scenario")
_CLASSES: dict[str, Any] = {"Fallback": Fallback, "TwoStagesScenario": TwoStagesScenario}
_PLAIN = {
    "Fallback": ("threshold",),
    "TwoStagesScenario": (
        "use_first_level_models_feat",
        "second_model_params",
        "num_negatives",
        "negatives_type",
        "use_generated_features",
        "user_cat_features_list",
        "item_cat_features_list",
        "seed",
        "candidates_from",
        "num_candidates",
        "max_train_rows",
        "refit",
    ),
}


def save(scenario: Any, path: Any, overwrite: bool = False) -> None:
    """Save a fitted scenario to a folder.

    Parameters
    ----------
    scenario
        A fitted ``Fallback`` or ``TwoStagesScenario`` of models of daskrec.
    path
        Local path or fsspec URL.
    overwrite
        Replace what is there.

    Raises
    ------
    NotFittedError
        The scenario is not fitted.
    FileExistsError
        The path exists and ``overwrite`` is not set.
    ValueError
        A part of it is not daskrec's own, and could be kept by pickle alone.
    """
    _ = scenario._fitted
    arrays, facts = _learned(scenario)

    def fill(url: str) -> Manifest:
        found = _describe(scenario) | {"learned": facts}
        for name, model in _models(scenario).items():
            model.save(f"{url}/{name}")
        found["arrays"] = {
            name: write_shards(url, f"arrays/{name}", "array", [array])
            for name, array in arrays.items()
        }
        return found

    FORMAT.write(path, overwrite, fill)


def load(path: Any) -> Any:
    """Load a scenario that ``save`` wrote, or a model.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    FormatError
        The folder is neither, was written by a newer version, or is damaged.
    """
    _, manifest = open_manifest(path, FORMAT.what)
    if manifest.get("format") == store.FORMAT.name:
        return store.load_model(path)
    url, manifest = FORMAT.read(path)
    if manifest["class"] not in _CLASSES:
        raise FormatError(f"{path} holds a scenario of an unknown class {manifest['class']!r}")
    models = {name: load(f"{url}/{name}") for name in manifest["models"]}
    arrays: dict[str, Array] = {
        name: concat(read_shards(url, f"arrays/{name}", entry, path))
        for name, entry in manifest["arrays"].items()
    }
    if manifest["class"] == "Fallback":
        return Fallback(**models, **manifest["params"])
    return _two_stages(models, manifest, arrays)


def _models(scenario: Any) -> dict[str, Any]:
    if isinstance(scenario, Fallback):
        return {"main_model": scenario.main_model, "fallback_model": scenario.fallback_model}
    found = {f"model_{n:02d}": model for n, model in enumerate(scenario.first_level_models)}
    if scenario.fallback_model is not None:
        found["fallback_model"] = scenario.fallback_model
    return found


def _learned(scenario: Any) -> tuple[dict[str, Array], dict[str, Any]]:
    if isinstance(scenario, Fallback):
        return {}, {}
    return learned.collect(scenario)


def _describe(scenario: Any) -> dict[str, Any]:
    name = type(scenario).__name__
    if _CLASSES.get(name) is not type(scenario):
        raise ValueError(f"{name} is no scenario of daskrec: it cannot be saved")
    params = {key: getattr(scenario, key) for key in _PLAIN[name]}
    found = {
        "class": name,
        "models": list(_models(scenario)),
        "params": params,
    }
    if isinstance(scenario, TwoStagesScenario):
        params["second_model_params"] = dict(scenario.second_stage_model.params or {}) or None
        found["splitter"] = _describe_splitter(scenario.train_splitter)
    try:
        json.dumps(found)
    except TypeError as error:
        raise ValueError(f"parameters of {scenario} are no plain values: {error}") from error
    return found


def _describe_splitter(splitter: Any) -> dict[str, Any]:
    import daskrec.splitters

    name = type(splitter).__name__
    if getattr(daskrec.splitters, name, None) is not type(splitter):
        raise ValueError(
            f"train_splitter is a {name}, none of daskrec.splitters: it could be kept by pickle "
            "alone, which is not done; save the models by themselves"
        )
    params = {
        key: value.isoformat() if isinstance(value, datetime.date) else value
        for key, value in splitter.get_params().items()
    }
    return {"class": name, "params": params}


def _two_stages(
    models: dict[str, Any], manifest: dict[str, Any], arrays: dict[str, Array]
) -> TwoStagesScenario:
    last = models.pop("fallback_model", None)
    saved = manifest["splitter"]
    made = getattr(importlib.import_module("daskrec.splitters"), saved["class"], None)
    if not isinstance(made, type):
        raise FormatError(f"the scenario has a splitter of an unknown class {saved['class']!r}")
    scenario = TwoStagesScenario(
        train_splitter=made(**saved["params"]),
        first_level_models=[models[name] for name in sorted(models)],
        fallback_model=last,
        **manifest["params"],
    )
    learned.restore(scenario, arrays, manifest["learned"])
    return scenario
