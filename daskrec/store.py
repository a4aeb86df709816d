"""Saving and loading fitted models: one folder format for all of them, without pickle.

::

    model/
      manifest.json       format, class, parameters, names of columns, the trials of
                          ``optimize``, and the checksums of the arrays
      state/<name>/       arrays of the fitted state
      users/  items/      the ids

See ``daskrec.data.folders`` for what all saved folders have in common.
"""

import importlib
from typing import Any

import numpy as np

from daskrec.data.columns import Names
from daskrec.data.folders import (
    Format,
    Manifest,
    dtype_name,
    named_dtype,
    open_manifest,
    read_shards,
    write_shards,
)
from daskrec.data.log import Layout
from daskrec.errors import FormatError, NotFittedError
from daskrec.models.state import collect, restore

FORMAT = Format("daskrec-model", 1, "a model")
# What else is saved in folders, and who reads it.
_OTHERS = {
    "daskrec-scenario": "daskrec.scenarios.storage",
    "daskrec-indexer": "daskrec.preparation.saved",
}


def save(model: Any, path: Any, overwrite: bool = False) -> None:
    """Save a fitted model to a folder.

    Parameters
    ----------
    model
        A fitted model.
    path
        Local path or fsspec URL. The folder is written beside its place and renamed.
    overwrite
        Replace what is there.

    Raises
    ------
    NotFittedError
        The model is not fitted.
    FileExistsError
        The path exists and ``overwrite`` is not set.
    """
    if model._catalogue is None:
        raise NotFittedError(f"{model} is not fitted: there is nothing to save")

    def fill(url: str) -> Manifest:
        found = _describe(model)
        found["arrays"] = {
            name: write_shards(url, name, kind, shards)
            for name, (kind, shards) in collect(model).items()
        }
        return found

    FORMAT.write(path, overwrite, fill)


def load(path: Any) -> Any:
    """Load a model that ``save`` wrote; also a scenario, or an indexer.

    Parameters
    ----------
    path
        Local path or fsspec URL.

    Returns
    -------
    model
        A fitted model of the class that was saved. Local arrays are memory-mapped.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    FormatError
        The folder is no model, was written by a newer version, or is damaged.
    """
    _, manifest = open_manifest(path, FORMAT.what)
    reader = _OTHERS.get(str(manifest.get("format")))
    return load_model(path) if reader is None else importlib.import_module(reader).load(path)


def load_model(path: Any) -> Any:
    """Load a model alone; see ``load``."""
    url, manifest = FORMAT.read(path)
    arrays = {
        name: read_shards(url, name, entry, path) for name, entry in manifest["arrays"].items()
    }
    model = _model_class(manifest["class"], path)(**manifest["params"])
    restore(model, _layout(manifest["layout"]), arrays)
    model._learned_with = manifest["params"] | manifest.get("learned_with", {})
    model._take_study(manifest.get("study"))
    return model


def _model_class(name: str, path: Any) -> Any:
    """Return a class of ``daskrec.models`` by name, and nothing else."""
    found = getattr(importlib.import_module("daskrec.models"), name, None)
    if not (isinstance(found, type) and hasattr(found, "_set_state")):
        raise FormatError(f"{path} holds a model of an unknown class {name!r}")
    return found


def _describe(model: Any) -> Manifest:
    layout = model._fitted.layout
    names = layout.names
    return {
        "class": type(model).__name__,
        "params": _plain_params(model._saved_params(model.get_params())),
        "learned_with": _plain_params(model._saved_params(model._learned_with or {})),
        "study": model._recorded_study(),
        "layout": {
            "kind": layout.kind,
            "part": layout.part,
            "names": [names.user, names.item, names.relevance],
            "dtypes": [dtype_name(layout.user), dtype_name(layout.item)],
        },
    }


def _plain_params(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in params.items()
    }


def _layout(saved: dict[str, Any]) -> Layout:
    user, item = (named_dtype(name) for name in saved["dtypes"])
    return Layout(saved["kind"], Names(*saved["names"]), user, item, saved["part"])
