"""A plain reference of Mult-VAE: the recipe of Liang et al. (WWW 2018) on dense rows of PyTorch.

Items-600-200-600-items with tanh, rows of length one, dropout of a half on the input, Adam at
0.001 in batches of 500 users, and a weight of the divergence that rises linearly to 0.2. Of every
fifth epoch the best one on validation users is kept. Small data only: every row is dense.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.held_out import HeldOut, K, Users, measure
from benchmarks.protocols import ITEM, USER

HIDDEN, LATENT, DROPOUT, RATE, BATCH, CAP = 600, 200, 0.5, 1e-3, 500, 0.2
LOOK = 5  # epochs between two looks at the validation users


class Network(nn.Module):
    """Encoder and decoder."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(items, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2 * LATENT)
        )
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, items))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.trunc_normal_(layer.bias, std=0.001, a=-0.002, b=0.002)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of all items and the divergence of each user (0/1 rows)."""
        mean, log_variance = self.encoder(functional.normalize(rows)).chunk(2, dim=1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1)
        if self.training:
            mean = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(mean), divergence


class Fitted(NamedTuple):
    """The network of the best look, its items, and the validation's NDCG at every look."""

    network: Network
    items: Any
    curve: list[float]

    def lists(self, given: pd.DataFrame) -> pd.DataFrame:
        """Return the best items of users that they were not given, best first."""
        return _lists(self.network, self.items, given)


def fit(data: HeldOut, seed: int, *, epochs: int, rise: int) -> Fitted:
    """Train on the training users.

    Parameters
    ----------
    data
        Training log and validation users.
    seed
        Of everything that is drawn.
    epochs
        Number of epochs.
    rise
        Steps in which the weight of the divergence rises.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        items = np.unique(data.train[ITEM])
        network, best, curve = Network(len(items)), None, [0.0]
        for trained in _train(network, _rows(data.train, items), epochs, rise):
            found = _ndcg(trained, items, data.validation)
            if found > max(curve):
                best = deepcopy(trained)
            curve.append(found)
    return Fitted(best or network, items, curve[1:])


def _train(network: Network, rows: Tensor, epochs: int, rise: int) -> Iterator[Network]:
    """Train, and yield the network whenever the validation is to be looked at."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    step = 0
    for epoch in range(1, epochs + 1):
        network.train()
        for chosen in torch.split(torch.randperm(len(rows)), BATCH):
            batch = rows[chosen]
            logits, divergence = network(batch)
            likelihood = (functional.log_softmax(logits, dim=1) * batch).sum(dim=1)
            weight = min(CAP, CAP * step / rise) if rise else CAP
            loss = (weight * divergence - likelihood).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        if epoch % LOOK == 0 or epoch == epochs:
            yield network.eval()


def _rows(log: pd.DataFrame, items: Any) -> Tensor:
    """Return users, ascending, by items, 1 where the log has a row."""
    users, places = np.unique(log[USER], return_inverse=True)
    rows = torch.zeros(len(users), len(items))
    rows[torch.from_numpy(places), torch.from_numpy(np.searchsorted(items, log[ITEM]))] = 1
    return rows


def _ndcg(network: Network, items: Any, users: Users) -> float:
    return measure(_lists(network, items, users.given), users.truth)[f"ndcg@{K}"]


@torch.no_grad()
def _lists(network: Network, items: Any, given: pd.DataFrame) -> pd.DataFrame:
    rows = _rows(given, items)
    logits, _ = network.eval()(rows)
    best = logits.masked_fill(rows > 0, -torch.inf).topk(min(K, len(items))).indices.numpy()
    users = np.repeat(np.unique(given[USER]), best.shape[1])
    return pd.DataFrame({USER: users, ITEM: items[best.ravel()]})
