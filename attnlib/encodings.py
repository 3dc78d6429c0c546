"""Positional encodings: attention by itself does not see order, so the position is put into the token."""

import numpy as np

from attnlib import _check


def sinusoidal(n, d_model, *, base=10_000, layout="interleaved"):
    """Positions as clock hands: pair i turns by base^(-2i/d_model) radians per token. (n, d_model)

    base      the slowest hand needs nearly 2π·base tokens for one turn
    layout    "interleaved": columns sin cos sin cos …, as printed in the paper
              "half": all sines, then all cosines, as in the paper's own code

    PE(p, 2i) = sin(p / base^(2i/d_model)), PE(p, 2i+1) = cos(the same): Vaswani et al. 2017, section 3.5.
    """
    n, d_model = _check.integer("n", n), _check.integer("d_model", d_model, minimum=2)
    if d_model % 2:
        raise ValueError(f"d_model must be even, a sine and a cosine per hand, got {d_model}")
    _check.choice("layout", layout, ["interleaved", "half"])
    speed = _check.positive("base", base) ** (-np.arange(0, d_model, 2) / d_model)     # (d_model / 2,)
    angle = np.arange(n)[:, None] * speed                                              # (n, d_model / 2)
    hands = np.stack([np.sin(angle), np.cos(angle)])                                   # (2, n, d_model / 2)
    if layout == "interleaved":
        return hands.transpose(1, 2, 0).reshape(n, d_model)
    return hands.transpose(1, 0, 2).reshape(n, d_model)


class Learned:
    """A table with one row per position, filled by training: position p is row p.

    n_max     number of rows; there is no row for a later position, so a longer text raises ValueError
    d_model   width of a row
    rng       numpy Generator for the untrained table, default_rng(0) unless given

    `table` (n_max, d_model) is a plain array to read or replace. BERT (Devlin et al. 2019) and GPT-2 (2019) use 512 and 1,024 rows.
    """

    def __init__(self, n_max, d_model, rng=None):
        rng = np.random.default_rng(0) if rng is None else rng
        shape = _check.integer("n_max", n_max), _check.integer("d_model", d_model)
        self.table = rng.normal(0, shape[1] ** -0.5, shape)

    def __call__(self, n):
        """The encodings of positions 0 .. n-1. (n, d_model)"""
        n = _check.integer("n", n)
        if n > len(self.table):
            raise ValueError(f"the learned table has {len(self.table)} rows, one per position; a text of {n} tokens is too long for it")
        return self.table[:n]
