"""Neural models: seconds of an epoch beside RecBole's, and lists for all users."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from benchmarks.data import Dataset
from benchmarks.measure import Seconds, call, interleave
from benchmarks.recbole import ENVIRONMENT, Epochs, Peer, peer
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.models import MultVAE, NeuroMF

EPOCHS, K = 3, 10
_MOST_ROUNDS = 3  # the peer takes minutes
_HIDDEN, _LATENT, _DROPOUT, _ANNEAL = 600, 200, 0.5, 0.2
_DIM, _LAYERS = 64, [128, 64, 32]
_RATE = 1e-3
_PREDICT = Goal(seconds=10.0)
_SAME = 0.1  # apart may be the losses of the first epoch: first weights and draws differ


@dataclass(frozen=True)
class Training:
    """A training that both libraries do.

    Parameters
    ----------
    what
        Its name in the table.
    ours
        Makes our model, not fitted.
    theirs
        Class and parameters of RecBole.
    goal
        Of the ratio.
    """

    what: str
    ours: Callable[[], Any]
    theirs: dict[str, Any]
    goal: Goal


def mult_vae(batch: int) -> Training:
    """Return Mult-VAE in batches of so many users; the weight of the divergence is constant."""

    def ours() -> Any:
        return MultVAE(
            _RATE,
            EPOCHS,
            _LATENT,
            _HIDDEN,
            _DROPOUT,
            _ANNEAL,
            batch_size=batch,
            activation="tanh",
            validation_share=0.0,
            seed=0,
            device="cpu",
        )

    params = {
        "mlp_hidden_size": [_HIDDEN],
        "latent_dimension": 2 * _LATENT,  # means and variances
        "dropout_prob": _DROPOUT,
        "anneal_cap": _ANNEAL,
        "total_anneal_steps": 0,
        "learning_rate": _RATE,
        "train_batch_size": batch,
        "train_neg_sample_args": None,
    }
    what = f"MultVAE, an epoch, {batch} users a batch"
    return Training(what, ours, {"class": "MultiVAE", "params": params}, Goal(ratio=1.0))


def neuro_mf(batch: int, negatives: int) -> Training:
    """Return NeuMF in batches of so many rows of the log, and the pairs drawn for them."""

    def ours() -> Any:
        return NeuroMF(
            _RATE,
            EPOCHS,
            _DIM,
            _DIM,
            _LAYERS,
            count_negative_sample=negatives,
            batch_size=batch,
            exclude_positives=True,
            validation_share=0.0,
            seed=0,
            device="cpu",
        )

    params = {
        "mf_embedding_size": _DIM,
        "mlp_embedding_size": _DIM,
        "mlp_hidden_size": _LAYERS,
        "dropout_prob": 0.0,
        "learning_rate": _RATE,
        "train_batch_size": batch * (1 + negatives),  # it counts what is drawn too
        "train_neg_sample_args": {
            "distribution": "uniform",
            "sample_num": negatives,
            "alpha": 1.0,
            "dynamic": False,
            "candidate_num": 0,
        },
    }
    what = f"NeuroMF, an epoch, {batch} rows a batch, {negatives} drawn for each"
    return Training(what, ours, {"class": "NeuMF", "params": params}, Goal(ratio=1.5))


TRAININGS = (mult_vae(500), mult_vae(2048), neuro_mf(1024, 1), neuro_mf(8192, 4))


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("neural: seconds of an epoch, and lists for all users, 2 threads")
    log, turns = dataset.frame[["user_id", "item_id"]], min(rounds, _MOST_ROUNDS)
    try:
        with peer(log, {one.what: one.theirs for one in TRAININGS}) as recbole:
            for one in TRAININGS:
                _beside(table, one, log, recbole, turns)
    except (SystemExit, RuntimeError, OSError) as error:
        _alone(table, log, turns, error)
    for model in (TRAININGS[0].ours(), TRAININGS[-1].ours()):
        model.epochs = 1
        model.fit(log)
        seconds, _ = interleave([call(model.predict, log, K)], rounds)
        table.compare(
            f"{type(model).__name__}, predict, k = {K}, all users", seconds, goal=_PREDICT
        )
    table.notes.append(
        f"An epoch: the mean of all but the first of {EPOCHS}, trained from the start in every "
        "turn. Peer: RecBole 1.2.1 in a process of its own, its trainer's epoch with its own "
        "loader and without evaluation; the same log, sizes, batches, learning rate and number of "
        "drawn pairs, none of which is in the log. Results agree where the mean losses of the "
        f"first epoch are at most {_SAME:.0%} apart (other first weights, other draws, and "
        "the noise of RecBole's MultiVAE is a hundredth). Its environment is made for the run, or "
        f"kept in the folder that `{ENVIRONMENT}` names."
    )
    return table


def _ours(one: Training, log: pd.DataFrame) -> Epochs:
    """Train ours from the start."""
    model = one.ours().fit(log)
    history = model.history_
    return Epochs(
        history["seconds"].tolist(), history["loss"].tolist(), model.users_count, len(log)
    )


def _beside(
    table: SpeedTable, one: Training, log: pd.DataFrame, recbole: Peer, rounds: int
) -> None:
    """Train in turn; the first turn of each is a warm-up that does not count."""
    first = _ours(one, log), recbole.train(one.what, EPOCHS)
    seconds: tuple[Seconds, Seconds] = ([], [])
    for _ in range(rounds):
        gc.collect()
        seconds[0].append(_ours(one, log).later)
        seconds[1].append(recbole.train(one.what, EPOCHS).later)
    losses = [side.losses for side in first]
    table.compare(
        one.what,
        seconds,
        "RecBole",
        goal=one.goal,
        equal=abs(losses[0][0] / losses[1][0] - 1) <= _SAME,
        losses=losses,
        examples=[(side.users, side.rows) for side in first],
    )
    shown = ["; ".join(f"{loss:.4g}" for loss in side) for side in losses]
    table.notes.append(
        f"{one.what}: mean loss of epochs 1 to {EPOCHS} {shown[0]}; RecBole's {shown[1]}."
    )


def _alone(table: SpeedTable, log: pd.DataFrame, rounds: int, error: BaseException) -> None:
    """Show ours without the peer, which fails the goals, and say what happened to it."""
    shown = {row[0] for row in table.rows}
    for one in TRAININGS:
        if one.what not in shown:
            seconds = [_ours(one, log).later for _ in range(rounds)]
            table.compare(one.what, [seconds], f"RecBole: {error}", goal=one.goal)
