"""The variational auto-encoder with a multinomial likelihood of MultVAE, and its loss.

Liang, Krishnan, Hoffman and Jebara, "Variational Autoencoders for Collaborative Filtering",
WWW 2018. A user's row is normalised, partly dropped, encoded to a Gaussian over a latent space,
drawn and decoded to a softmax over the items. Neither the rows nor the logits are ever held as
dense users x items: see ``sparse_layer`` and ``softmax_loss``.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from daskrec.nn.networks.draws import Noise, generator, lanes, normal_rows, unit, words
from daskrec.nn.networks.layers import dense, linear
from daskrec.nn.networks.softmax_loss import row_sums, rows_of_entries, softmax_loss
from daskrec.nn.networks.sparse_layer import SparseLinear

__all__ = ["Activation", "MultVAENet", "Noise", "Rows"]

Activation = Literal["relu", "tanh"]


@dataclass
class Rows:
    """Histories of users in CSR.

    Parameters
    ----------
    users
        int64 (B,): the users' codes, which are the keys of their draws.
    indptr
        int64 (B + 1,) from 0: where each row ends.
    indices
        int64 (entries,): item codes, different within a row.
    values
        float32 (entries,), 0 or above; None where all are 1.
    """

    users: Tensor
    indptr: Tensor
    indices: Tensor
    values: Tensor | None = None

    def __len__(self) -> int:
        return self.users.numel()

    def piece(self, start: int, stop: int) -> "Rows":
        """Return a range of the rows, as views of the entries."""
        first, last = self.indptr[start], self.indptr[stop]
        values = None if self.values is None else self.values[first:last]
        indptr = self.indptr[start : stop + 1] - first
        return Rows(self.users[start:stop], indptr, self.indices[first:last], values)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Rows":
        """Return the rows on a device."""
        parts = (self.users, self.indptr, self.indices, self.values)
        moved = (
            None if part is None else part.to(device, non_blocking=non_blocking) for part in parts
        )
        return Rows(*moved)  # type: ignore[arg-type]


class MultVAENet(nn.Module):
    """Encoder and decoder.

    Parameters
    ----------
    item_count, hidden_dim, latent_dim
        Widths: the encoder is items, hidden, 2 latent; the decoder latent, hidden, items.
    dropout
        Share of the entries of a row that training drops, in [0, 1).
    activation
        Of both hidden layers.
    seed
        Key of the initial weights: Xavier-normal, biases N(0, 0.001).
    mixed
        Products of dense layers in bfloat16; weights, softmax and sums stay as they are.

    Notes
    -----
    The state has the names and shapes of plain linear layers; ``encoder.0`` keeps its weights
    as their transpose, a parameter named ``table``. A batch takes about ``6 B items hidden``
    operations, and memory for the weights, their gradient and a tile of logits.
    """

    def __init__(
        self,
        item_count: int,
        hidden_dim: int,
        latent_dim: int,
        *,
        dropout: float = 0.3,
        activation: Activation = "relu",
        seed: int = 0,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        source = generator(seed, "mult_vae.weights")
        self.item_count, self.latent_dim = item_count, latent_dim
        self.dropout, self.activation, self.mixed = dropout, activation, mixed
        self.encoder = nn.ModuleList(
            [
                SparseLinear(item_count, hidden_dim, source),
                linear(hidden_dim, 2 * latent_dim, source),
            ]
        )
        self.decoder = nn.ModuleList(
            [linear(latent_dim, hidden_dim, source), linear(hidden_dim, item_count, source)]
        )

    def _activate(self, values: Tensor) -> Tensor:
        return values.relu_() if self.activation == "relu" else values.tanh_()

    @property
    def _output(self) -> nn.Linear:
        return cast(nn.Linear, self.decoder[1])

    def _dense(self, module: nn.Module, values: Tensor) -> Tensor:
        layer = cast(nn.Linear, module)
        return dense(values, layer.weight, layer.bias, self.mixed)

    def _values(self, rows: Rows) -> Tensor:
        kind = self._output.weight.dtype
        if rows.values is None:
            return torch.ones(rows.indices.numel(), dtype=kind, device=rows.indices.device)
        return rows.values.to(kind)

    def _inputs(
        self, rows: Rows, values: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the CSR of normalised rows, less the entries that are dropped."""
        indptr, indices = rows.indptr, rows.indices
        of = rows_of_entries(indptr, indices.numel())
        inverse = row_sums(values * values, indptr).sqrt_().clamp_(min=1e-12).reciprocal_()
        if noise is None or not self.dropout:
            return indptr, indices, inverse.index_select(0, of).mul_(values)
        starts = lanes(noise.stream("mult_vae.dropout"), rows.users)
        kept = unit(words(starts.index_select(0, of), indices)) >= self.dropout
        before = torch.cat([indptr[:1], kept.cumsum(0)])
        where = kept.nonzero()[:, 0]
        of, indices, values = (part.index_select(0, where) for part in (of, indices, values))
        inverse.div_(1.0 - self.dropout)
        return before[indptr], indices, inverse.index_select(0, of).mul_(values)

    def _encode(self, rows: Rows, values: Tensor, noise: Noise | None) -> tuple[Tensor, Tensor]:
        first, second = self.encoder
        hidden = first(*self._inputs(rows, values, noise))
        mean, log_variance = self._dense(second, self._activate(hidden)).chunk(2, dim=1)
        return mean, log_variance

    def means(self, rows: Rows) -> Tensor:
        """Return the latent means of users, (B, latent), without noise."""
        return self._encode(rows, self._values(rows), None)[0]

    def loss(self, rows: Rows, anneal: float, noise: Noise | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of a batch, summed over its users.

        ``-sum_j x_uj log softmax_uj + anneal * KL_u`` for a user u with the entries x_u, where
        ``KL_u = -1/2 sum(1 + log s^2 - m^2 - s^2)`` for the latent Gaussian N(m, s^2).

        Parameters
        ----------
        rows
            The users.
        anneal
            Weight of the KL term.
        noise
            Which entries are dropped (keyed by user and item) and which latent point is drawn
            (by user and latent index). None: nothing is dropped, and the latent is the mean.

        Returns
        -------
        loss, likelihood, divergence : Tensor
            Numbers: the loss, which can be differentiated once, and its two sums
            ``-sum x log softmax`` and ``sum KL``, which cannot. A loss is the sum of the losses
            of any pieces of its batch.
        """
        values = self._values(rows)
        mean, log_variance = self._encode(rows, values, noise)
        # A sum of terms near 0, of which the ones cancel.
        divergence = -0.5 * (1.0 + log_variance - mean.square() - log_variance.exp()).sum()
        latent = mean
        if noise is not None:
            drawn = normal_rows(noise.stream("mult_vae.latent"), rows.users, self.latent_dim)
            latent = mean + (0.5 * log_variance).exp() * drawn.to(mean.dtype)
        hidden = self._activate(self._dense(self.decoder[0], latent))
        output = self._output
        likelihood = softmax_loss(
            hidden, output.weight, output.bias, rows.indptr, rows.indices, values, mixed=self.mixed
        )
        loss = likelihood + anneal * divergence
        return loss, likelihood.detach(), divergence.detach()
