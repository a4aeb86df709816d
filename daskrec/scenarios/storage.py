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
import uuid
from typing import Any

import daskrec
from daskrec import store
from daskrec.data.ids import concat
from daskrec.engine.arrays import Array, open_folder
from daskrec.errors import FormatError
from daskrec.scenarios import learned
from daskrec.scenarios.fallback_model import Fallback
from daskrec.scenarios.two_stages import TwoStagesScenario

FORMAT = "daskrec-scenario"
VERSION = 1
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
    fs, target = open_folder(str(path))
    target = target.rstrip("/")
    if fs.exists(target) and not overwrite:
        raise FileExistsError(f"{path} exists: pass overwrite=True to replace it")
    beside = f"{target}.part-{uuid.uuid4().hex}"
    try:
        fs.makedirs(beside, exist_ok=True)
        root = fs.unstrip_protocol(beside)
        for name, model in _models(scenario).items():
            model.save(f"{root}/{name}")
        manifest = _describe(scenario) | {"learned": facts}
        manifest["arrays"] = {
            name: store._write(root, f"arrays/{name}", "array", [array])
            for name, array in arrays.items()
        }
        with fs.open(f"{beside}/manifest.json", "w") as sink:
            json.dump(manifest, sink, indent=1)
        old = f"{target}.old-{uuid.uuid4().hex}"
        if fs.exists(target):
            fs.mv(target, old, recursive=True)
        fs.mv(beside, target, recursive=True)
        if fs.exists(old):
            fs.rm(old, recursive=True)
    finally:
        if fs.exists(beside):
            fs.rm(beside, recursive=True)


def load(path: Any) -> Any:
    """Load a scenario that ``save`` wrote, or a model.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    FormatError
        The folder is neither, was written by a newer version, or is damaged.
    """
    fs, root = open_folder(str(path))
    root = root.rstrip("/")
    if not fs.exists(root):
        raise FileNotFoundError(f"no model is at {path}")
    manifest = _read_manifest(fs, root, path)
    if manifest.get("format") == store.FORMAT:
        return store.load(path)
    if manifest.get("format") != FORMAT or manifest.get("class") not in _CLASSES:
        raise FormatError(f"{path} is not a scenario saved by daskrec")
    if manifest["version"] > VERSION:
        raise FormatError(
            f"{path} has format {FORMAT} {manifest['version']}, written by daskrec "
            f"{manifest['daskrec']}; this version reads up to {VERSION}: install a newer daskrec"
        )
    url = fs.unstrip_protocol(root)
    models = {name: load(f"{url}/{name}") for name in manifest["models"]}
    arrays: dict[str, Array] = {
        name: concat(store._read(url, f"arrays/{name}", entry, path))
        for name, entry in manifest["arrays"].items()
    }
    if manifest["class"] == "Fallback":
        return Fallback(**models, **manifest["params"])
    return _two_stages(models, manifest, arrays)


def _read_manifest(fs: Any, root: str, path: Any) -> dict[str, Any]:
    try:
        with fs.open(f"{root}/manifest.json", "r") as source:
            manifest: dict[str, Any] = json.load(source)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError) as error:
        raise FormatError(f"{path} is not a scenario saved by daskrec: {error}") from error
    return manifest


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
        "format": FORMAT,
        "version": VERSION,
        "daskrec": daskrec.__version__,
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
