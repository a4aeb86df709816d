"""Quality on users who were not in the training: MultVAE beside a plain reference of its paper."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import THREADS, held_out, vae_reference
from benchmarks.data import Dataset
from benchmarks.held_out import HeldOut, K
from benchmarks.report import Table
from daskrec.models import EASE, MultVAE, PopRec

EPOCHS, RISE = 100, 400
_SEEDS = (0, 1, 2, 3, 4)
_WITHIN, _ABOVE_POPULARITY = 0.003, 1.5
_NDCG = f"ndcg@{K}"
_FIGURES = (*(f"recall@{k}" for k in held_out.RECALL_AT), _NDCG)
_REFERENCE, _OURS, _POPULAR = "reference", "MultVAE", "PopRec"


def run(dataset: Dataset, rounds: int) -> Table:
    columns = ["model", *_FIGURES, f"{_NDCG} less the reference's", "fit, s", "goal", ""]
    table = Table(f"strong: users held out of ml-1m, {len(_SEEDS)} seeds", columns)
    folder = os.environ.get("DASKREC_DATA")
    if not folder:
        table.notes.append("DASKREC_DATA is not set: nothing was measured.")
        return table
    torch.set_num_threads(THREADS)
    log = held_out.read(Path(folder))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _CONTENDERS}
    for seed in _SEEDS:
        data = held_out.split(log, seed)
        for name, contender in _CONTENDERS.items():
            begin = perf_counter()
            lists = contender(data, seed)
            seconds = perf_counter() - begin
            recs = lists(data.test.given)
            found[name].append(held_out.measure(recs, data.test.truth) | {"seconds": seconds})
    _report(table, {name: pd.DataFrame(rows) for name, rows in found.items()})
    return table


_Lists = Callable[[pd.DataFrame], pd.DataFrame]


def _fitted(model: Any) -> Callable[[HeldOut, int], _Lists]:
    """Make a contender of a model of ours; its seed is that of the split."""

    def fit(data: HeldOut, seed: int) -> _Lists:
        if hasattr(model, "seed"):
            model.seed = seed
        model.fit(data.train)
        return lambda given: pd.DataFrame(model.predict(given, K))

    return fit


def _reference(data: HeldOut, seed: int) -> _Lists:
    return vae_reference.fit(data, seed, epochs=EPOCHS, rise=RISE).lists


OURS = MultVAE(
    vae_reference.RATE,
    EPOCHS,
    vae_reference.LATENT,
    vae_reference.HIDDEN,
    vae_reference.DROPOUT,
    vae_reference.CAP,
    batch_size=vae_reference.BATCH,
    activation="tanh",
    anneal_steps=RISE,
    validation_share=0.0,
)
_CONTENDERS: dict[str, Callable[[HeldOut, int], _Lists]] = {
    _REFERENCE: _reference,
    _OURS: _fitted(OURS),
    _POPULAR: _fitted(PopRec()),
    "EASE(500)": _fitted(EASE(500.0)),
}


def _report(table: Table, found: dict[str, pd.DataFrame]) -> None:
    """Add a row for each contender, and the verdict on ours."""
    reference, popular = found[_REFERENCE][_NDCG], found[_POPULAR][_NDCG].mean()
    for name, rows in found.items():
        means, apart = rows.mean(), rows[_NDCG] - reference
        low, high = interval(apart.to_list())
        passed = None
        if name == _OURS:
            passed = abs(apart.mean()) <= _WITHIN or apart.mean() > 0
            passed &= means[_NDCG] >= _ABOVE_POPULARITY * popular
        cells = [f"`{name}`", *(f"{means[figure]:.4f}" for figure in _FIGURES)]
        cells.append(
            "" if name == _REFERENCE else f"{apart.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        )
        goal = f"≥ -{_WITHIN}, ≥ {_ABOVE_POPULARITY} x PopRec" if name == _OURS else ""
        table.add(
            [*cells, f"{means['seconds']:.1f}", goal],
            {"model": name, "rounds": rows.to_dict("records"), "apart": apart.to_list()},
            passed,
        )
    table.notes.append(
        f"Ratings of {held_out.LEAST_RATING} and more; {held_out.HELD} users for validation and "
        f"as many for the test, another split for every seed, seeds of models the same. Four "
        "fifths of a held-out user's items are given. In brackets a 95 % interval of the paired "
        "difference (bootstrap over seeds). The reference keeps its best epoch on the validation "
        "users; ours does not see them."
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of a mean."""
    picks = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
    low, high = np.quantile(np.array(values)[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
