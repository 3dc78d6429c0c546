"""Positional encodings: attention does not see order, so the position is put into the token."""

import numpy as np

from attnlib import _check


def sinusoidal(n, d_model, *, base=10_000, layout="interleaved"):
    """Positions as clock hands: pair i turns base^(-2i/d_model) radians per token. (n, d_model)

    base    the slowest hand needs nearly 2π·base tokens for one turn
    layout  "interleaved": columns sin cos sin cos …, as printed in the paper
            "half": all sines, then all cosines, as in the paper's own code

    PE(p, 2i) = sin(p / base^(2i/d_model)), PE(p, 2i+1) = cos(p / base^(2i/d_model)):
    Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    n, d_model = _check.integer("n", n), _check.integer("d_model", d_model, minimum=2)
    if d_model % 2:
        raise ValueError(f"d_model must be even, a sine and a cosine per hand, got {d_model}")
    _check.choice("layout", layout, ["interleaved", "half"])
    speeds = _check.positive("base", base) ** (-np.arange(0, d_model, 2) / d_model)
    angles = np.arange(n)[:, None] * speeds                            # (n, d_model / 2)
    hands = np.stack([np.sin(angles), np.cos(angles)])                 # (2, n, d_model / 2)
    if layout == "interleaved":
        return hands.transpose(1, 2, 0).reshape(n, d_model)
    return hands.transpose(1, 0, 2).reshape(n, d_model)


class Learned:
    """A table with one row per position, filled by training: position p is row p.

    n_max    number of rows; there is no row for a later position
    d_model  width of a row
    rng      numpy Generator for the untrained table, default_rng(0) unless given

    `table` (n_max, d_model) is a plain array to read or replace.
    BERT (Devlin et al. 2019) has 512 rows, GPT-2 (Radford et al. 2019) has 1,024.
    """

    def __init__(self, n_max, d_model, rng=None):
        n_max, d_model = _check.integer("n_max", n_max), _check.integer("d_model", d_model)
        self.table = _check.generator(rng).normal(0, d_model**-0.5, (n_max, d_model))

    def __call__(self, n):
        """The encodings of positions 0 … n-1. (n, d_model)"""
        n, rows = _check.integer("n", n), len(self.table)
        if n > rows:
            cliff = f"the learned table has {rows} rows, the text {n} tokens"
            raise ValueError(f"n must be at most {rows}: {cliff}")
        return self.table[:n]


def rotary_angles(positions, d_head, *, base=10_000):
    """How far rotary encoding turns each pair of numbers at each position, in radians.

    positions  (...) one number per token
    base       pair i turns base^(-2i/d_head) radians per token
    returns    (..., d_head / 2)

    RoFormer (Su et al. 2021), equation 15.
    """
    positions = _check.finite("positions", _check.floats("positions", positions, ""))
    d_head = _check.integer("d_head", d_head, minimum=2)
    if d_head % 2:
        raise ValueError(f"d_head must be even, so that its numbers form pairs, got {d_head}")
    speeds = _check.positive("base", base) ** (-np.arange(0, d_head, 2) / d_head)
    return positions[..., None] * speeds                               # (..., d_head / 2)


def rotate(x, angles, *, layout):
    """Turn each pair of numbers of x in its plane. (..., n, d_head)

    angles   (n, d_head / 2), or with leading axes that broadcast to those of x
    layout   which two numbers are a pair
             "interleaved": neighbours, 0 with 1, 2 with 3 …, as in the paper
             "half": 0 with d_head/2, 1 with d_head/2 + 1 …, as in Llama
    returns  the shape and dtype of x

    RoFormer (Su et al. 2021), equation 34.
    """
    x, angles = _check.floats("x", x, "n d_head"), _check.floats("angles", angles, "n pairs")
    if x.shape[-1] % 2:
        raise ValueError(f"x must have an even d_head, so that its numbers form pairs, got {x.shape}")
    _check.broadcasts("angles", angles, (*x.shape[:-1], x.shape[-1] // 2), "the pairs'")
    if _check.choice("layout", layout, ["half", "interleaved"]) == "half":
        first, second = slice(None, x.shape[-1] // 2), slice(x.shape[-1] // 2, None)
    else:
        first, second = slice(0, None, 2), slice(1, None, 2)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    a, b = x[..., first], x[..., second]                               # (..., n, d_head / 2)
    turned = np.empty_like(x)
    turned[..., first] = a * cos - b * sin
    turned[..., second] = a * sin + b * cos
    return turned
