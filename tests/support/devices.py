"""Scoring by numpy, and by torch as on a GPU but on this machine's CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import pytest

DEVICES = ["numpy", "torch"]


@contextmanager
def scored_by(device: str, scorer: Any, small: bool) -> Iterator[None]:
    """Score on one of ``DEVICES``.

    Parameters
    ----------
    device
        ``"numpy"`` or ``"torch"``.
    scorer
        The module of the scorer.
    small
        Take tiles of a few numbers.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "chosen_gpu", lambda asked: "cpu" if device == "torch" else None)
        if device == "torch":
            pytest.importorskip("torch")
            from daskrec.nn.inference import mult_vae_device, neuro_mf_device, ranking

            if small:
                patch.setattr(mult_vae_device, "tile_shape", lambda rows, columns: (2, 3))
                patch.setattr(neuro_mf_device, "tile_shape", lambda rows, columns: (2, 3))
                patch.setattr(neuro_mf_device, "TILE_BYTES", 100)
                patch.setattr(ranking, "TILE_BYTES", 100)
        elif small:
            patch.setattr(scorer, "_USERS", 2, raising=False)
        with dask.config.set({"daskrec.tile-bytes": 64 if small else "2 MiB"}):
            yield
