"""Pairs of a user and an item for training, and the items drawn against them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from daskrec.nn.networks.draws import Noise, below, lanes, words

ATTEMPTS = 8  # draws of a negative that may not be a positive, before it is left out


@dataclass
class Pairs:
    """Rows of a log: a user, and an item the user had to do with.

    Parameters
    ----------
    rows
        int64 (B,): number of each row in the whole log, which is the key of its draws.
    users, items
        int64 (B,): codes.
    """

    rows: Tensor
    users: Tensor
    items: Tensor

    def __len__(self) -> int:
        return self.rows.numel()

    def piece(self, start: int, stop: int) -> "Pairs":
        """Return a range of the pairs, as views."""
        return Pairs(self.rows[start:stop], self.users[start:stop], self.items[start:stop])

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Pairs":
        """Return the pairs on a device."""
        parts = (self.rows, self.users, self.items)
        return Pairs(*(part.to(device, non_blocking=non_blocking) for part in parts))


def is_positive(users: Tensor, items: Tensor, item_count: int, positives: Tensor) -> Tensor:
    """Tell which pairs are among the positives.

    Parameters
    ----------
    users, items
        int64 codes, of one shape.
    item_count
        Number of items of the catalogue.
    positives
        int64: ``user * item_count + item`` of every positive pair, ascending.
    """
    if not positives.numel():
        return torch.zeros_like(items, dtype=torch.bool)
    keys = users * item_count + items
    places = torch.searchsorted(positives, keys).clamp_(max=positives.numel() - 1)
    return positives[places] == keys


def draw_negatives(
    pairs: Pairs, count: int, item_count: int, noise: Noise, exclude: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Draw items uniformly against each pair, with replacement.

    Parameters
    ----------
    pairs
        B pairs.
    count
        Items drawn a pair.
    item_count
        Number of items of the catalogue.
    noise
        The pass; draw j of a row depends on it, the row's number and j alone.
    exclude
        ``positives`` of ``is_positive``: a draw that is one is drawn again. None: draws may be
        positives.

    Returns
    -------
    items : Tensor of int64, shape (B, count)
    valid : Tensor of bool, shape (B, count), or None
        False where ``ATTEMPTS`` draws were all positives, as they are for a user who has every
        item. None where all are valid.
    """
    stream = noise.stream("neuro_mf.negatives")
    draws = torch.arange(count, device=pairs.rows.device)
    items = below(words(lanes(stream, pairs.rows)[:, None], draws), item_count)
    if exclude is None:
        return items, None
    flat = items.view(-1)
    left = is_positive(pairs.users[:, None], items, item_count, exclude).view(-1).nonzero()[:, 0]
    for attempt in range(1, ATTEMPTS):
        if not left.numel():
            return items, None
        pair = left.div(count, rounding_mode="floor")
        # The number of draws of a row must not change what a draw is: no ``attempt * count``.
        key = (left - pair * count).add_(attempt << 32)
        again = below(words(lanes(stream, pairs.rows[pair]), key), item_count)
        flat[left] = again
        left = left[is_positive(pairs.users[pair], again, item_count, exclude)]
    if not left.numel():
        return items, None
    valid = torch.ones_like(flat, dtype=torch.bool)
    valid[left] = False
    return items, valid.view_as(items)
