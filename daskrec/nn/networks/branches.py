"""The two branches of NeuroMF, forwards and backwards, over the distinct users of a batch.

A branch stands on tables of the distinct users and items of a batch, with what depends on one of
them alone worked out once: the weighted factors of a user, and the two halves of the first
hidden layer, ``W [u; i] = W_u u + W_i i``. Pairs come by in chunks of c users against S items
each. A chunk adds to the logits, then to the gradients of the tables; ``finish`` carries these
to the inputs. Written out by hand because a chunk fits in the cache only if it goes both
ways at once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from daskrec.nn.networks.layers import dense, product
from daskrec.nn.networks.pair_ops import (
    add_dots,
    add_rows,
    gather_relu,
    scatter_dots,
    scatter_masked,
)


class Gmf:
    """``sum_d weight_d user_d item_d``.

    Parameters
    ----------
    users, items
        (U, d) and (I, d): embeddings with their biases.
    weight
        (d,): part of the last layer.
    """

    def __init__(self, users: Tensor, items: Tensor, weight: Tensor) -> None:
        self._users, self._items, self._weight = users, items, weight
        self._weighted = users * weight
        self._d_users, self._d_items = torch.zeros_like(users), torch.zeros_like(items)

    def add_logits(self, logits: Tensor, users: Tensor, items: Tensor) -> None:
        """Add to the logits (c, S) of the users (c,) and items (c * S,) at these places."""
        add_dots(self._weighted, self._items, users, items, logits)

    def add_gradient(self, slopes: Tensor, users: Tensor, items: Tensor) -> None:
        """Take up the gradient (c, S) of the logits last added to."""
        tables = self._weighted, self._items
        scatter_dots(slopes, *tables, users, items, self._d_users, self._d_items)

    def finish(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of users, items and weight."""
        d_weight = (self._d_users * self._users).sum(0)
        return self._d_users.mul_(self._weight), self._d_items, d_weight


class Mlp:
    """Hidden layers with ReLU over a user's and an item's vector, and a weighted sum.

    Parameters
    ----------
    users, items
        (U, d) and (I, d): embeddings with their biases.
    layers
        Weights (out, in) and biases (out,) of the hidden layers; none is allowed.
    weight
        (width of the last hidden layer,) or, without one, (2 d,): part of the last layer.
    mixed
        Products in bfloat16.
    """

    def __init__(
        self,
        users: Tensor,
        items: Tensor,
        layers: Sequence[tuple[Tensor, Tensor]],
        weight: Tensor,
        mixed: bool,
    ) -> None:
        self._users, self._items, self._mixed = users, items, mixed
        self._weight, self._hidden, self._deep = weight, bool(layers), layers[1:]
        # Without a hidden layer the sum itself is one of a user's and an item's part.
        first = layers[0][0] if layers else weight[None]
        self._of_user, self._of_item = first.tensor_split([users.shape[1]], dim=1)
        self._left = dense(users, self._of_user, layers[0][1] if layers else None, mixed)
        self._right = dense(items, self._of_item, None, mixed)
        self._d_left, self._d_right = torch.zeros_like(self._left), torch.zeros_like(self._right)
        self._d_deep = [(torch.zeros_like(w), torch.zeros_like(b)) for w, b in self._deep]
        self._d_weight = torch.zeros_like(weight)

    def add_logits(self, logits: Tensor, users: Tensor, items: Tensor) -> None:
        """Add to the logits (c, S) of the users (c,) and items (c * S,) at these places."""
        if not self._hidden:
            logits += self._left.index_select(0, users)
            logits += self._right.index_select(0, items).view_as(logits)
            return
        value = gather_relu(self._left, self._right, users, items)
        self._values = [value]
        for weight, bias in self._deep:
            value = dense(value, weight, bias, self._mixed).relu_()
            self._values.append(value)
        logits += (value @ self._weight).view_as(logits)

    def add_gradient(self, slopes: Tensor, users: Tensor, items: Tensor) -> None:
        """Take up the gradient (c, S) of the logits last added to."""
        if not self._hidden:
            add_rows(self._d_right, items, slopes.reshape(-1, 1))
            add_rows(self._d_left, users, slopes.sum(1, keepdim=True))
            return
        flow = self._through_layers(slopes.reshape(-1, 1))
        scatter_masked(flow, self._values.pop(), users, items, self._d_left, self._d_right)

    def _through_layers(self, flow: Tensor) -> Tensor:
        """Carry the gradient of the logits, (n, 1), to the output of the first hidden layer."""
        value = self._values[-1]
        self._d_weight.addmv_(value.t(), flow[:, 0])
        flow = flow * self._weight
        deep = zip(reversed(self._deep), reversed(self._d_deep), strict=True)
        for (weight, _), (d_weight, d_bias) in deep:
            # A value after ReLU is 0 where its slope is; this is its last use.
            flow.mul_(self._values.pop().sign_())
            value = self._values[-1]
            d_bias += flow.sum(0)
            if self._mixed:
                d_weight += product(flow.t(), value, True)
            else:
                d_weight.addmm_(flow.t(), value)
            flow = product(flow, weight, self._mixed)
        return flow

    def finish(self) -> tuple[Tensor, Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the gradients of users, items, weight and layers."""
        left, right, mixed = self._d_left, self._d_right, self._mixed
        parts = [product(left.t(), self._users, mixed), product(right.t(), self._items, mixed)]
        first = torch.cat(parts, dim=1)
        d_users = product(left, self._of_user, mixed)
        d_items = product(right, self._of_item, mixed)
        if not self._hidden:
            return d_users, d_items, first[0], []
        return d_users, d_items, self._d_weight, [(first, left.sum(0)), *self._d_deep]
