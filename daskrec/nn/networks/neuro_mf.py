"""The network of NeuroMF: a factorisation and a perceptron side by side, and its loss.

He, Liao, Zhang, Nie, Hu and Chua, "Neural Collaborative Filtering", WWW 2017, with a bias beside
each embedding.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from daskrec.nn.networks.draws import Noise, generator
from daskrec.nn.networks.layers import bias_table, linear, table
from daskrec.nn.networks.negatives import Pairs, draw_negatives
from daskrec.nn.networks.pair_loss import Examples, add_gradient, pair_loss

__all__ = ["NeuroMFNet", "Noise", "Pairs"]


class _Branch(nn.Module):
    """Embeddings and biases of users and items, and hidden layers where there are any."""

    def __init__(
        self,
        user_count: int,
        item_count: int,
        width: int,
        hidden: Sequence[int] | None,
        source: torch.Generator,
    ) -> None:
        super().__init__()
        self.user_embedding = table(user_count, width, source)
        self.item_embedding = table(item_count, width, source)
        self.item_biases = bias_table(item_count)
        self.user_biases = bias_table(user_count)
        if hidden is not None:
            widths = [2 * width, *hidden]
            self.hidden_layers = nn.ModuleList([linear(a, b, source) for a, b in pairwise(widths)])

    def rows(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings of users and items, with their biases added."""
        return (
            self.user_embedding(users) + self.user_biases(users),
            self.item_embedding(items) + self.item_biases(items),
        )


class NeuroMFNet(nn.Module):
    """Two branches over a user and an item, and one layer over both.

    ``(p_u + b_u) * (q_i + b_i)`` beside ReLU layers over ``[p'_u + b'_u; q'_i + b'_i]``, and a
    linear layer of one output, the logit.

    Parameters
    ----------
    user_count, item_count
        Rows of the tables.
    embedding_gmf_dim, embedding_mlp_dim
        Width of the embeddings of a branch; None leaves the branch out.
    hidden_mlp_dims
        Widths of the hidden layers; None or empty for none.
    seed
        Key of the initial weights: Xavier-normal embeddings and layers, biases of layers
        N(0, 0.001), biases of users and items 0.
    mixed
        Products of the hidden layers in bfloat16; weights and sums stay as they are.

    Raises
    ------
    ValueError
        Both branches are left out.
    """

    def __init__(
        self,
        user_count: int,
        item_count: int,
        embedding_gmf_dim: int | None,
        embedding_mlp_dim: int | None,
        hidden_mlp_dims: Sequence[int] | None = None,
        *,
        seed: int = 0,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        if embedding_gmf_dim is None and embedding_mlp_dim is None:
            raise ValueError("give embedding_gmf_dim, embedding_mlp_dim or both")
        source = generator(seed, "neuro_mf.weights")
        self.item_count, self.mixed, width = item_count, mixed, 0
        self.gmf: _Branch | None = None
        self.mlp: _Branch | None = None
        if embedding_gmf_dim is not None:
            self.gmf = _Branch(user_count, item_count, embedding_gmf_dim, None, source)
            width += embedding_gmf_dim
        if embedding_mlp_dim is not None:
            hidden = list(hidden_mlp_dims or [])
            self.mlp = _Branch(user_count, item_count, embedding_mlp_dim, hidden, source)
            width += hidden[-1] if hidden else 2 * embedding_mlp_dim
        self.last_layer = linear(width, 1, source)

    def logits(self, users: Tensor, items: Tensor) -> Tensor:
        """Return the logits of pairs; the relevance is their sigmoid.

        Parameters
        ----------
        users, items
            int64 codes, of one shape.

        Returns
        -------
        Tensor
            Of the same shape.

        Notes
        -----
        The definition, pair by pair: for training and whole catalogues see ``loss`` and
        ``pair_loss``, which share the work of a user's and an item's pairs.
        """
        parts = []
        if self.gmf is not None:
            left, right = self.gmf.rows(users, items)
            parts.append(left * right)
        if self.mlp is not None:
            value = torch.cat(self.mlp.rows(users, items), dim=-1)
            for layer in self.mlp.hidden_layers:
                value = layer(value).relu()
            parts.append(value)
        logits: Tensor = self.last_layer(torch.cat(parts, dim=-1))
        return logits[..., 0]

    def loss(
        self,
        pairs: Pairs,
        negatives_per_positive: int,
        noise: Noise,
        exclude: Tensor | None = None,
    ) -> tuple[Tensor, int]:
        """Sum the binary cross-entropy of pairs and of items drawn against them.

        Parameters
        ----------
        pairs
            The positives.
        negatives_per_positive
            Items drawn uniformly, with replacement, against each; 0 for none.
        noise
            The pass; draws are keyed by it, the row's number and the number of the draw.
        exclude
            int64 ``user * item_count + item`` of all positive pairs, ascending: a draw that is
            one is drawn again, and left out after ``negatives.ATTEMPTS`` draws. None allows
            positives.

        Returns
        -------
        loss : Tensor
            A number, which can be differentiated once. A loss is the sum of the losses of any
            pieces of its batch.
        count : int
            The number of examples in it.
        """
        examples, count = self._examples(pairs, negatives_per_positive, noise, exclude)
        return pair_loss(dict(self.named_parameters()), examples, mixed=self.mixed), count

    def learn(
        self,
        pairs: Pairs,
        negatives_per_positive: int,
        noise: Noise,
        exclude: Tensor | None,
        factor: float,
    ) -> Tensor:
        """Add the gradient of ``factor`` times the loss to ``grad`` of the weights, in place.

        Parameters
        ----------
        pairs, negatives_per_positive, noise, exclude
            As for ``loss``.
        factor
            What the gradient is multiplied by.

        Returns
        -------
        Tensor
            The loss.

        Notes
        -----
        Memory for the rows of the batch and a chunk; the gradient of a table is that of the
        step before, which the caller has set to zero.
        """
        examples, _ = self._examples(pairs, negatives_per_positive, noise, exclude)
        return add_gradient(dict(self.named_parameters()), examples, factor, mixed=self.mixed)

    def _examples(
        self, pairs: Pairs, negatives: int, noise: Noise, exclude: Tensor | None
    ) -> tuple[Examples, int]:
        """Return pairs beside what is drawn against them, and the number of both that count."""
        drawn, valid = draw_negatives(pairs, negatives, self.item_count, noise, exclude)
        items = torch.cat([pairs.items[:, None], drawn], dim=1)
        count = items.numel()
        if valid is not None:
            count -= int((~valid).sum())
            valid = torch.cat([torch.ones_like(valid[:, :1]), valid], dim=1)
        return Examples(pairs.users, items, valid), count
