"""Checkpoints: a training in a folder, from which it goes on after whatever ended it.

::

    folder/
      manifest.json                 what is trained, how far it came, and which files hold it
      weights-<epoch>-<step>.safetensors
      optimiser-<epoch>-<step>.safetensors
      best-<epoch>.safetensors      the weights of the best epoch

Files are written under new names; then the manifest is replaced, and only then old ones are
removed. So there is a whole checkpoint at every moment, whenever the process is killed.
"""

import dataclasses
import json
import os
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem

from daskrec.engine.arrays import open_folder
from daskrec.errors import FormatError
from daskrec.nn.device import require
from daskrec.nn.training.state import State, Tensors

if TYPE_CHECKING:
    import torch

_FORMAT, _VERSION = "daskrec-checkpoint", 1
_MANIFEST = "manifest.json"
_OURS = ("weights-", "optimiser-", "best-", f"{_MANIFEST}.part-")


class Checkpoints:
    """The checkpoints of one training.

    Parameters
    ----------
    path
        Folder: local, or an fsspec URL. It is made when it is not there.
    about
        What is trained, as plain values: model, parameters, log. A folder that holds another
        training is refused.

    Raises
    ------
    ValueError
        The folder holds the checkpoint of another training, or something else.
    FormatError
        It was written by a newer version.
    """

    def __init__(self, path: Any, about: Mapping[str, Any]) -> None:
        self.path = str(path)
        self.about = json.loads(json.dumps(dict(about)))
        self.fs, root = open_folder(self.path)
        self.root = root.rstrip("/")
        self.manifest = _read_manifest(self.path)
        if self.manifest is None:
            return
        theirs = self.manifest["about"]
        names = sorted(set(theirs) | set(self.about))
        other = [name for name in names if theirs.get(name) != self.about.get(name)]
        if other:
            said = ", ".join(
                f"{name} {theirs.get(name)!r} there, {self.about.get(name)!r} here"
                for name in other
            )
            raise ValueError(
                f"{self.path} holds the checkpoint of another training ({said}): name another "
                "checkpoint_path, or remove the folder"
            )

    def load(self) -> tuple[State, Tensors, Tensors, Tensors | None] | None:
        """Return state, weights, tensors of the optimiser and best weights; None at first."""
        if self.manifest is None:
            return None
        files = self.manifest["files"]
        read = {kind: self._read(name) for kind, name in files.items()}
        state = State(**self.manifest["state"])
        return state, read["weights"], read["optimiser"], read["best"]

    def save(self, state: State, weights: Tensors, optimiser: Tensors, best: Tensors) -> None:
        """Write a checkpoint, then remove the one before."""
        self.fs.makedirs(self.root, exist_ok=True)
        place = f"{state.epoch:06d}-{state.step:08d}"
        before = {} if self.manifest is None else self.manifest["files"]
        files = {
            "weights": f"weights-{place}.safetensors",
            "optimiser": f"optimiser-{place}.safetensors",
            "best": f"best-{state.best_epoch + 1:06d}.safetensors",
        }
        self._write(files["weights"], weights)
        self._write(files["optimiser"], optimiser)
        if state.best_epoch < 0:
            files["best"] = files["weights"]
        elif files["best"] != before.get("best"):
            self._write(files["best"], best)
        self.manifest = {
            "format": _FORMAT,
            "version": _VERSION,
            "about": self.about,
            "state": dataclasses.asdict(state),
            "files": files,
        }
        text = json.dumps(self.manifest, indent=1).encode()
        self._put(_MANIFEST, lambda part: self._fill(part, text))
        for path in self.fs.ls(self.root, detail=False):
            name = path.rpartition("/")[2]
            if name.startswith(_OURS) and name not in {_MANIFEST, *files.values()}:
                self.fs.rm(path)

    def _write(self, name: str, tensors: Tensors) -> None:
        library = require("safetensors.torch")
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        if isinstance(self.fs, LocalFileSystem):
            self._put(name, lambda part: library.save_file(plain, part))
        else:
            self._put(name, lambda part: self._fill(part, library.save(plain)))

    def _put(self, name: str, write: Callable[[str], None]) -> None:
        """Write a file whole, or not at all."""
        target = f"{self.root}/{name}"
        part = f"{target}.part-{uuid.uuid4().hex}"
        write(part)
        if isinstance(self.fs, LocalFileSystem):
            os.replace(part, target)
        else:
            self.fs.mv(part, target)

    def _fill(self, path: str, content: bytes) -> None:
        with self.fs.open(path, "wb") as sink:
            sink.write(content)

    def _read(self, name: str) -> Tensors:
        return read_tensors(f"{self.fs.unstrip_protocol(self.root)}/{name}")


def read_tensors(path: str) -> "dict[str, torch.Tensor]":
    """Read a safetensors file.

    Raises
    ------
    FormatError
        It is not there, or is damaged.
    """
    library = require("safetensors.torch")
    fs, inside = open_folder(path)
    found: dict[str, torch.Tensor]
    try:
        if isinstance(fs, LocalFileSystem):
            found = library.load_file(inside)
        else:
            with fs.open(inside, "rb") as source:
                found = library.load(source.read())
    except Exception as error:  # the library has an error of its own for what is damaged
        raise FormatError(f"{path} is no file of weights that can be read: {error}") from error
    return found


def best_weights(path: Any) -> "dict[str, torch.Tensor]":
    """Return weights from a safetensors file, or the best ones from a folder of checkpoints."""
    manifest = _read_manifest(str(path))
    if manifest is None:
        return read_tensors(str(path))
    fs, root = open_folder(str(path))
    name = manifest["files"]["best"]
    return read_tensors(f"{fs.unstrip_protocol(root.rstrip('/'))}/{name}")


def stored_seed(path: Any) -> int | None:
    """Return the seed of the training in a folder; None where there is none."""
    manifest = _read_manifest(str(path))
    return None if manifest is None else int(manifest["about"]["seed"])


def _read_manifest(path: str) -> dict[str, Any] | None:
    fs, root = open_folder(path)
    target = f"{root.rstrip('/')}/{_MANIFEST}"
    if not fs.exists(target):
        return None
    with fs.open(target, "r") as source:
        manifest: dict[str, Any] = json.load(source)
    if manifest.get("format") != _FORMAT:
        raise ValueError(
            f"{path} holds something else than checkpoints: name another checkpoint_path"
        )
    if manifest["version"] > _VERSION:
        raise FormatError(
            f"{path} was written by a newer daskrec (checkpoint format {manifest['version']}; this "
            f"one reads up to {_VERSION}): install a newer daskrec"
        )
    return manifest
