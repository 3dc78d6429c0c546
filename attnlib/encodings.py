"""Positional encodings: attention does not see order, so it has to be told where a token is.

added to the tokens       sinusoidal, Sinusoidal, Learned
turning queries and keys  rotary_angles, rotate, Rotary
added to the scores       alibi, Alibi, t5_bias, T5Bias: a bias (h, n_q, n_k) for `bias=`

The classes are parts of a model, and `Positions` is what they share: a class of your own made from
it is an encoding too.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attnlib import _check, _guard
from attnlib.rope_scaling import attention_factor, checked, scaled_speeds

Layout = Literal["half", "interleaved"]  # which two numbers are a pair

# ---- what a model asks -------------------------------------------------------------------


class Positions:
    """No positions at all: the three questions a model asks its encoding, each left unanswered.

    An encoding is a class made from this one that answers one of them, or several:
    GPT(…, positions=Mine()). `held` tokens come before the n that are asked about: a cache has
    them. As in every layer, an array among the attributes is a parameter; what `added` or `bias`
    reads of it is trained once the class has a backward pass in training/gradients.py.
    """

    n_max = None  # how many tokens a text may have, None for no end
    pairs = False  # whether `turned` turns pairs of numbers: d_head must then be even

    def added(self, n, held=0):
        """What is added to n embedded tokens behind those held: (n, d_model), or None."""
        return None

    def turned(self, x, positions=None):
        """Queries or keys, turned by where they are: (..., n, d_head) -> (..., n, d_head).

        positions   (n,), or (b, n) for x (b, h, n, d_head); 0 … n-1 unless given
        """
        return x

    def bias(self, n_q, n_k=None):
        """What is added to the scores: (h, n_q, n_k), or None.

        n_k   n_q unless given; with n_k > n_q the queries are the last tokens
        """
        return None

    @property
    def turns(self):
        """Whether this class has its own `turned`: the attention layers are then handed it."""
        return type(self).turned is not Positions.turned

    def onto(self, x, held=0, positions=None):
        """Embedded tokens and what is added to them. (..., n, d_model) -> (..., n, d_model)

        positions   whole numbers (n,) or (b, n): those behind the tokens held unless given
        """
        n, held = (x.shape[-2], held) if positions is None else (int(positions.max()) + 1, 0)
        rows = self.added(n, held)  # (n, d_model)
        if self.n_max is not None and held + n > self.n_max:
            end = f"{type(self).__name__} takes {self.n_max} tokens, the text has {held + n}"
            raise ValueError(f"n must be at most {self.n_max - held}: {end}")
        if rows is None:
            return x
        rows, shape = np.asarray(rows, x.dtype), (n, x.shape[-1])
        rows = np.broadcast_to(_check.broadcasts("added(n, held)", rows, shape, "the rows'"), shape)
        return x + (rows if positions is None else rows[positions])


# ---- added to the tokens -----------------------------------------------------------------


def sinusoidal(n, d_model, *, base=10_000, layout: Layout = "interleaved") -> NDArray:
    """Positions as clock hands: pair i turns base^(-2i/d_model) radians per token. (n, d_model)

    base    the slowest hand needs nearly 2π·base tokens for one turn
    layout  "interleaved": columns sin cos sin cos …, as printed in the paper
            "half": all sines, then all cosines, as in the paper's own code

    PE(p, 2i) = sin(p / base^(2i/d_model)), PE(p, 2i+1) = cos(p / base^(2i/d_model)):
    Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    n, d_model, base = _guard.sinusoidal(n, d_model, base, layout)
    angles = np.arange(n)[:, None] * frequencies(d_model, base)  # (n, d_model / 2)
    sines, cosines = np.sin(angles), np.cos(angles)
    if layout == "half":
        return np.concatenate([sines, cosines], axis=-1)  # (n, d_model)
    return np.stack([sines, cosines], axis=-1).reshape(n, d_model)  # sin cos sin cos …


class Sinusoidal(Positions):
    """`sinusoidal` as a part of a model: nothing to learn, and no last row.

    d_model, base, layout   as in `sinusoidal`
    """

    def __init__(self, d_model, *, base=10_000, layout="interleaved"):
        _, self.d_model, self.base = _guard.sinusoidal(1, d_model, base, layout)
        self.layout = layout

    def added(self, n, held=0):
        """The encodings of n positions from `held` on. (n, d_model)"""
        n, held = _guard.added(n, held)
        options = {"base": self.base, "layout": self.layout}
        return sinusoidal(held + n, self.d_model, **options)[held:]


class Learned(Positions):
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

    @property
    def n_max(self):
        """How many tokens a text may have: one per row."""
        return len(self.table)

    def added(self, n, held=0):
        """The encodings of n positions from `held` on. (n, d_model)"""
        n, held = _guard.added(n, held)
        end, rows = held + n, len(self.table)
        if end > rows:
            cliff = f"the learned table has {rows} rows, the text {end} tokens"
            raise ValueError(f"n must be at most {rows - held}: {cliff}")
        return self.table[held:end]

    def __call__(self, n, held=0):
        """As `added`."""
        return self.added(n, held)


# ---- turning queries and keys ------------------------------------------------------------


def rotary_angles(positions, d_head, *, base=10_000, scaling=None) -> NDArray:
    """How far rotary encoding turns each pair of numbers at each position, in radians.

    positions  (...) one number per token
    base       pair i turns base^(-2i/d_head) radians per token
    scaling    None, or a recipe for texts longer than the trained ones, named as in a published
               config: {"type": "linear" | "dynamic" | "yarn" | "llama3" | "longrope", …}; see
               attnlib/rope_scaling.py. "dynamic" and "longrope" ask how long the text is, and
               take the last position for it.
    returns    (..., d_head / 2)

    "yarn" and "longrope" also make q and k longer: that is `attention_factor`.

    RoFormer (Su et al. 2021), equation 15.
    """
    positions, d_head, base = _guard.rotary_angles(positions, d_head, base)
    speeds = frequencies(d_head, base)  # (d_head / 2,)
    if scaling is not None:
        n = positions.max(initial=0) + 1
        speeds = scaled_speeds(speeds, n, base=base, scaling=scaling)
    return positions[..., None] * speeds  # (..., d_head / 2)


def rotate(x, angles, *, layout: Layout) -> NDArray:
    """Turn each pair of numbers of x in its plane. (..., n, d_head)

    angles   (n, d_head / 2), or with leading axes that broadcast to those of x
    layout   which two numbers are a pair
             "interleaved": neighbours, 0 with 1, 2 with 3 …, as in the paper
             "half": 0 with d_head/2, 1 with d_head/2 + 1 …, as in Hugging Face's Llama
    returns  the shape and dtype of x

    RoFormer (Su et al. 2021), equation 34.
    """
    x, angles, half = _guard.rotate(x, angles, layout)
    if layout == "half":
        first, second = slice(0, half), slice(half, None)
    else:
        first, second = slice(0, None, 2), slice(1, None, 2)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    a, b = x[..., first], x[..., second]  # (..., n, d_head / 2)
    turned = np.empty_like(x)
    turned[..., first] = a * cos - b * sin
    turned[..., second] = a * sin + b * cos
    return turned


class Rotary(Positions):
    """Rotary encoding with its options, for a layer: SelfAttention(…, rotary=Rotary()).

    base, scaling   as in `rotary_angles`
    layout          as in `rotate`
    partial         which share of the columns of a head turns, the first ones: with 0.25 a
                    quarter, as in GPT-NeoX (Black et al. 2022, section 2.1); 1 is all

    RoFormer (Su et al. 2021), section 3.2.
    """

    pairs = True

    def __init__(self, *, base=10_000, layout: Layout = "half", scaling=None, partial=1.0):
        checked(scaling)
        self.base, self.scaling = _check.positive("base", base), scaling
        self.partial = _guard.rotary_part(partial)
        self.layout = _check.choice("layout", layout, ["half", "interleaved"])

    def turned(self, x, positions=None):
        """Queries or keys, turned by their positions: (..., n, d_head) -> (..., n, d_head).

        positions   (n,), or (b, n) for x (b, h, n, d_head); 0 … n-1 unless given
        """
        x, positions = _guard.turned(x, positions)
        angles = self.angles(positions, *x.shape[-2:])  # (..., n, pairs)
        d = 2 * angles.shape[-1]  # the columns that turn
        turned = attention_factor(self.scaling) * rotate(x[..., :d], angles, layout=self.layout)
        return turned if d == x.shape[-1] else np.concatenate([turned, x[..., d:]], axis=-1)

    def __call__(self, x, positions=None):
        """As `turned`."""
        return self.turned(x, positions)

    def angles(self, positions, n, d_head):
        """The `rotary_angles` of n tokens: (n, pairs), or (b, 1, n, pairs)."""
        columns = _guard.turned_columns(self.partial, d_head)
        positions = np.asarray(np.arange(n) if positions is None else positions)
        if positions.ndim > 1:
            positions = positions[..., None, :]  # the same for every head
        return rotary_angles(positions, columns, base=self.base, scaling=self.scaling)


# ---- added to the scores -----------------------------------------------------------------


def alibi_slopes(n_heads) -> NDArray:
    """How much a head loses per step of distance: a geometric series. (n_heads,)

    2^(-8/h), 2^(-16/h) … 2^-8 where h is a power of two. Else the slopes of the next smaller
    power of two, then every other one of those of twice as many heads, as in the authors' code.

    ALiBi: Press, Smith and Lewis 2022, "Train Short, Test Long", section 3.
    """
    n_heads = _check.integer("n_heads", n_heads)
    power = 2 ** (n_heads.bit_length() - 1)  # at most n_heads
    slopes = 2 ** (-8 / power * np.arange(1, power + 1))
    between = 2 ** (-4 / power * np.arange(1, 2 * power, 2))
    return np.concatenate([slopes, between[: n_heads - power]])


def alibi(n_heads, n_q, n_k=None) -> NDArray:
    """A score falls in a line with the distance: -slope · |distance|. (n_heads, n_q, n_k)

    n_k   n_q unless given; with n_k > n_q the queries are the last tokens, as in `masks.causal`

    A bias for `bias=`. The paper uses it under a causal mask; here, ahead counts as behind.

    ALiBi: Press, Smith and Lewis 2022, "Train Short, Test Long", section 3.
    """
    return -alibi_slopes(n_heads)[:, None, None] * np.abs(behind(n_q, n_k))


class Alibi(Positions):
    """`alibi` as a part of a model: nothing to learn."""

    def __init__(self, n_heads):
        self.n_heads = _check.integer("n_heads", n_heads)

    def bias(self, n_q, n_k=None):
        """The bias of the scores. (n_heads, n_q, n_k)"""
        return alibi(self.n_heads, n_q, n_k)


def t5_bucket(distance, *, bidirectional, n_buckets=32, max_distance=128) -> NDArray:
    """In which drawer a distance lies: near ones have their own, far ones share. (...) -> (...)

    distance       (...) whole numbers: how many steps the key lies behind the query, i - j
                   (T5's own code counts the other way, j - i)
    bidirectional  True: the lower half of the buckets looks back, the upper half ahead
                   False: all look back, and every key ahead of the query is in bucket 0
    n_buckets      half of those of a direction hold one distance each, 0, 1, 2 …; the others
                   grow with the logarithm of the distance
    max_distance   from here on everything is in the last bucket
    returns        (...) whole numbers, 0 … n_buckets - 1

    T5: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.1, and
    `_relative_position_bucket` of its published code.
    """
    distance, buckets, exact = _guard.t5_bucket(distance, bidirectional, n_buckets, max_distance)
    first = np.where(distance < 0, buckets, 0) if bidirectional else 0
    steps = np.abs(distance) if bidirectional else np.maximum(distance, 0)
    growth = np.log(np.maximum(steps, exact) / exact) / np.log(max_distance / exact)
    far = exact + (growth * (buckets - exact)).astype(int)  # rounded down
    return first + np.where(steps < exact, steps, np.minimum(far, buckets - 1))


def t5_bias(table, n_q, n_k=None, *, bidirectional, max_distance=128) -> NDArray:
    """A trained number for each bucket and head, added to the scores. (h, n_q, n_k)

    table   (n_buckets, h)
    n_k     n_q unless given; with n_k > n_q the queries are the last tokens, as in `alibi`
    bidirectional, max_distance   as in `t5_bucket`

    One table serves all layers. T5 itself does not divide its scores by √d: scale=1.

    T5: Raffel et al. 2020, section 2.1.
    """
    table = _guard.t5_bias(table)
    options = {"n_buckets": len(table), "max_distance": max_distance}
    buckets = t5_bucket(behind(n_q, n_k), bidirectional=bidirectional, **options)
    return np.moveaxis(table[buckets], -1, 0)  # (h, n_q, n_k)


class T5Bias(Positions):
    """The table of `t5_bias`, (n_buckets, n_heads): zeros at first, filled by training.

    bidirectional, n_buckets, max_distance   as in `t5_bucket`

    `table` is a plain array to read or replace.
    """

    def __init__(self, n_heads, *, bidirectional, n_buckets=32, max_distance=128):
        _guard.buckets(bidirectional, n_buckets, max_distance)
        max_distance = int(max_distance)
        self.bidirectional, self.max_distance = bidirectional, max_distance
        self.table = np.zeros((n_buckets, _check.integer("n_heads", n_heads)))

    def bias(self, n_q, n_k=None):
        """The bias of the scores. (n_heads, n_q, n_k)"""
        options = {"bidirectional": self.bidirectional, "max_distance": self.max_distance}
        return t5_bias(self.table, n_q, n_k, **options)

    def __call__(self, n_q, n_k=None):
        """As `bias`."""
        return self.bias(n_q, n_k)

    def buckets(self, n_q, n_k=None):
        """Which row of the table each pair of tokens reads. (n_q, n_k)"""
        options = {"bidirectional": self.bidirectional, "max_distance": self.max_distance}
        return t5_bucket(behind(n_q, n_k), n_buckets=len(self.table), **options)


# ---- by name -----------------------------------------------------------------------------


def positions_maker(
    positions, names, *, n_max, d_model, n_heads, rng, layout="interleaved", own=False
) -> Callable:
    """What the `positions` of a model stand for: () -> `Positions`. Anything else is refused.

    positions   one of `names`, None, or where `own` is True a `Positions`, which is handed back
    layout      of sinusoidal ones
    """
    _guard.positions(positions, names, Positions if own else None)
    if positions is None:
        return Positions
    if isinstance(positions, Positions):
        return lambda: positions
    makers = {
        "learned": lambda: Learned(n_max, d_model, rng),
        "sinusoidal": lambda: Sinusoidal(d_model, layout=layout),
        "rotary": Rotary,
        "alibi": lambda: Alibi(n_heads),
        "t5": lambda: T5Bias(n_heads, bidirectional=False),
    }
    return makers[positions]


# ---- shared ------------------------------------------------------------------------------


def frequencies(d, base=10_000) -> NDArray:
    """Radians per token of each pair, the fastest first: base^(-2i/d). (d / 2,)"""
    d, base = _guard.frequencies(d, base)
    return base ** (-np.arange(0, d, 2) / d)


def behind(n_q, n_k=None) -> NDArray:
    """How many steps key j lies behind query i; the last query is the last key. (n_q, n_k)"""
    n_q, n_k, offset = _guard.behind(n_q, n_k, None)
    return np.arange(n_q)[:, None] + offset - np.arange(n_k)
