"""Randomness by key on tensors: the draws of ``daskrec.engine.random``, on any device.

What a training step draws for an example (dropout, noise, negatives) is a pure function of
``(seed, epoch, example)``. The batch the example comes in, the process that trains it and the
device change nothing. The words are those of ``engine.random``, bit for bit: ``int64``
arithmetic wraps on every device, and a logical shift is an arithmetic one with the sign masked.
Nothing reads or writes a global generator.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from daskrec.engine import random as keyed

Keys: TypeAlias = Tensor | int

_WRAP = 1 << 64


def _signed(word: int) -> int:
    """Return a 64-bit word as the int64 of the same bits."""
    word %= _WRAP
    return word - _WRAP if word >> 63 else word


_GAMMA = _signed(int(keyed.GAMMA))
_MULTIPLY_1 = _signed(0xBF58476D1CE4E5B9)
_MULTIPLY_2 = _signed(0x94D049BB133111EB)


@dataclass(frozen=True)
class Noise:
    """Which draws a pass over the data makes.

    Parameters
    ----------
    seed
        Any integer: the seed of the training.
    epoch
        Number of the pass; another epoch draws anew.
    """

    seed: int
    epoch: int

    def stream(self, name: str) -> int:
        """Return the seed of one kind of draw of this pass, such as ``"dropout"``."""
        return keyed.stream(int(keyed.hash64(self.seed, self.epoch)), name)


def generator(seed: int, name: str) -> torch.Generator:
    """Make a generator of its own for the initial weights, on the CPU.

    Parameters
    ----------
    seed, name
        As in ``engine.random.stream``.
    """
    return torch.Generator().manual_seed(keyed.stream(seed, name))


def _shift(word: Tensor, bits: int, out: Tensor | None = None) -> Tensor:
    """Shift right without the sign."""
    shifted = torch.bitwise_right_shift(word, bits, out=out)
    return shifted.bitwise_and_((1 << (64 - bits)) - 1)


def _mix_(word: Tensor) -> Tensor:
    """Scramble words in place: ``engine.random.mix64``."""
    rest = torch.empty_like(word)
    word.bitwise_xor_(_shift(word, 30, rest)).mul_(_MULTIPLY_1)
    word.bitwise_xor_(_shift(word, 27, rest)).mul_(_MULTIPLY_2)
    return word.bitwise_xor_(_shift(word, 31, rest))


def lanes(seed: int, a: Tensor) -> Tensor:
    """Return the starts of the sequences of words of ``(seed, a)``.

    Parameters
    ----------
    seed
        Any integer, taken modulo 2**64.
    a
        int64 keys.

    Returns
    -------
    Tensor of int64
        For ``words``; with the shape of ``a``.
    """
    start = np.uint64((int(keyed.seed_word(seed)) + int(keyed.GAMMA)) % _WRAP)
    return _mix_((a * _GAMMA).add_(_signed(int(keyed.mix64(start)) + _GAMMA)))


def words(starts: Tensor, b: Keys) -> Tensor:
    """Return words ``b`` of sequences.

    Parameters
    ----------
    starts
        From ``lanes``.
    b
        int64 keys, broadcast against ``starts``.

    Returns
    -------
    Tensor of int64
        The bits of ``engine.random.hash64``.
    """
    steps = _signed(b * _GAMMA + _GAMMA) if isinstance(b, int) else (b * _GAMMA).add_(_GAMMA)
    return _mix_(starts + steps)


def hash64(seed: int, a: Tensor, b: Keys = 0) -> Tensor:
    """Hash keys to 64-bit words.

    Parameters
    ----------
    seed
        Any integer, taken modulo 2**64; see ``Noise.stream``.
    a, b
        int64 keys, broadcast against each other.

    Returns
    -------
    Tensor of int64
        With the broadcast shape; the bits of ``engine.random.hash64``.

    Notes
    -----
    About thirty passes over the keys, in place in two buffers.
    """
    return words(lanes(seed, a), b)


def unit(word: Tensor) -> Tensor:
    """Map words to single precision in the open interval (0, 1).

    Returns
    -------
    Tensor of float32
        Odd multiples of 2**-24: the first 23 bits and a half step, which no device rounds.
    """
    return _shift(word, 41).to(torch.float32).add_(0.5).mul_(2.0**-23)


def uniform(seed: int, a: Tensor, b: Keys = 0) -> Tensor:
    """Draw uniform numbers by key.

    Parameters
    ----------
    seed, a, b
        As in ``hash64``.

    Returns
    -------
    Tensor of float32
        Within 2**-23 of ``engine.random.uniform`` and the same on every device.
    """
    return unit(hash64(seed, a, b))


def below(word: Tensor, bound: int) -> Tensor:
    """Map words to whole numbers below a bound.

    Parameters
    ----------
    word
        From ``words`` or ``hash64``.
    bound
        From 1 to 2**31.

    Returns
    -------
    Tensor of int64
        In [0, bound). The probabilities of two numbers differ by ``bound / 2**32`` of them.

    Raises
    ------
    ValueError
        The bound is out of its range.
    """
    if not 1 <= bound <= 1 << 31:
        raise ValueError(f"need 1 <= bound <= 2**31, got {bound}")
    return _shift(_shift(word, 32).mul_(bound), 32)


def normal_rows(seed: int, keys: Tensor, count: int) -> Tensor:
    """Draw rows of standard normal numbers by key.

    Parameters
    ----------
    seed, keys
        As ``seed`` and ``a`` of ``hash64``; n keys.
    count
        Length of a row.

    Returns
    -------
    Tensor of float32, shape (n, count)
        ``engine.random.normal(seed, keys[:, None], range(count))`` to 1e-6 of single precision,
        on every device.

    Notes
    -----
    Box and Muller (1958): words 2k and 2k + 1 make the numbers 2k and 2k + 1.
    """
    pairs = (count + 1) // 2
    bits = words(lanes(seed, keys)[:, None], torch.arange(2 * pairs, device=keys.device))
    unit_interval = _shift(bits, 12).to(torch.float64).add_(0.5).mul_(2.0**-52)
    # Logarithms need the double precision: near 1 single precision has none of their digits.
    radius = unit_interval[:, 0::2].log().mul_(-2.0).sqrt_().to(torch.float32)
    angle = unit_interval[:, 1::2].mul_(2.0 * math.pi).to(torch.float32)
    rows = torch.stack([angle.cos().mul_(radius), angle.sin().mul_(radius)], dim=2)
    return rows.reshape(keys.numel(), 2 * pairs)[:, :count]
