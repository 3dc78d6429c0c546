"""Exercises of relative_positions: a bias for distance, a rotation by pairs, and from one pairing
to the other.
"""

import numpy as np

from attnlib.encodings import alibi_slopes
from attnlib.exercises import Exercise


def distance_bias(slope, n):
    """A score falls by `slope` per step of distance: entry (i, j) for query i and key j. (n, n)"""
    return -np.abs(np.arange(n)[:, None] - np.arange(n)) * slope


def _bias(rule):
    return lambda slope, n: rule(slope, np.arange(n)[:, None] - np.arange(n))


def _slopes(rng):
    """Four of a model's eight slopes, the largest among them: whole numbers, cut off, are then not
    all 0.
    """
    largest, *others = alibi_slopes(8)
    slopes = rng.permutation([largest, *rng.choice(others, 3, replace=False)])
    return [(float(slope), n) for slope, n in zip(slopes, (4, 5, 7, 3))]


alibi = Exercise(
    distance_bias,
    title="A bias for distance",
    level=1,
    minutes=6,
    inputs=_slopes,
    names=("bias",),
    mistakes={
        "the sign is turned around: far words should lose": _bias(lambda s, back: s * np.abs(back)),
        "words ahead get a bonus: the distance is |i − j|, without a sign": _bias(
            lambda s, back: -s * back
        ),
        "words behind get a bonus: the distance is |i − j|, without a sign": _bias(
            lambda s, back: s * back
        ),
        "the distance is not multiplied by the slope": _bias(lambda s, back: -np.abs(back)),
        "the distance was squared: it should fall in a line": _bias(lambda s, back: -s * back**2),
        "words ahead lose nothing: the distance counts in both directions, |i − j|": _bias(
            lambda s, back: -s * np.maximum(back, 0)
        ),
        "words behind lose nothing: the distance counts in both directions, |i − j|": _bias(
            lambda s, back: -s * np.maximum(-back, 0)
        ),
        "words ahead are blocked: that is the work of a mask; the bias is slope × distance in both "
        "directions": [
            _bias(lambda s, back, far=far: np.where(back >= 0, -s * back, far))
            for far in (-np.inf, -1e9, -1e4, np.nan)
        ],
        "every row is the same: only the place of the key is counted, not how far the query is "
        "from it": [
            lambda s, n: np.tile(s * np.arange(n), (n, 1)),
            lambda s, n: np.tile(-s * np.arange(n), (n, 1)),
            lambda s, n: np.tile(-s * np.arange(n)[::-1], (n, 1)),
        ],
        "every column is the same: only the place of the query is counted, not how far the key is "
        "from it": [lambda s, n: np.tile(-s * np.arange(n)[:, None], (1, n))],
        "places are added, i + j: the distance is their difference": (
            lambda s, n: -s * (np.arange(n)[:, None] + np.arange(n))
        ),
        "places are multiplied, i · j: the distance is their difference": (
            lambda s, n: -s * (np.arange(n)[:, None] * np.arange(n))
        ),
        "the nearest lose most: the distance is |i − j|, not n − |i − j|": (
            lambda s, n: distance_bias(s, n) * -1 - s * n
        ),
        "the bias is 0 everywhere": _bias(lambda s, back: 0.0 * back),
        "the digits after the point are lost: the array was made for whole numbers": _bias(
            lambda s, back: np.trunc(-s * np.abs(back))
        ),
        "the distance is in an exponent: it should multiply the slope": [
            _bias(lambda s, back: -(s ** np.abs(back))),
            _bias(lambda s, back: s ** np.abs(back)),
            _bias(lambda s, back: 2.0 ** (-s * np.abs(back))),
        ],
        "the slope is added to the distance: it should multiply it": [
            _bias(lambda s, back: -(s + np.abs(back))),
            _bias(lambda s, back: s - np.abs(back)),
        ],
        "the distance is divided by n: a step should cost the same in every text": [
            lambda s, n: distance_bias(s, n) / n,
            lambda s, n: distance_bias(s, n) / (n - 1),
        ],
        "the logarithm of the distance was taken: it should fall in a line": [
            _bias(lambda s, back: -s * np.log1p(np.abs(back))),
            _bias(lambda s, back: -s * np.log2(1 + np.abs(back))),
        ],
        "the distance is divided by the slope": _bias(lambda s, back: -np.abs(back) / s),
        "a word loses something for looking at itself: its distance is 0": _bias(
            lambda s, back: -s * (np.abs(back) + 1)
        ),
        "the slope is subtracted once, whatever the distance": _bias(
            lambda s, back: np.where(back == 0, 0.0, -s)
        ),
        "what you return would multiply the weights; a bias is added to the scores": [
            _bias(lambda s, back: np.exp(-s * np.abs(back))),
            _bias(lambda s, back: 1 - s * np.abs(back)),
            _bias(lambda s, back: 1 / (1 + s * np.abs(back))),
        ],
        "you return weights: the softmax comes later; the "
        "bias is added to the scores before it": _bias(
            lambda s, back: (
                np.exp(-s * np.abs(back)) / np.exp(-s * np.abs(back)).sum(axis=1, keepdims=True)
            )
        ),
    },
    hints=[
        "np.arange(n)[:, None] - np.arange(n) is the table of i − j.",
        "The distance is its size, np.abs(...).",
        "-slope * distance",
    ],
)


def rotate_pairs(x, angles):
    """Turn each pair of neighbouring columns: x (n, d), angles (n, d / 2) in radians -> (n, d)"""
    a, b = x[:, 0::2], x[:, 1::2]  # (n, d / 2)
    turned = np.empty_like(x)
    turned[:, 0::2] = a * np.cos(angles) - b * np.sin(angles)
    turned[:, 1::2] = a * np.sin(angles) + b * np.cos(angles)
    return turned


def _columns(even, odd):
    """Two tables (n, d / 2), their columns in turns. (n, d)"""
    return np.stack([even, odd], axis=-1).reshape(len(even), -1)


def _turns(rng):
    return [
        (rng.normal(size=(n, d)), rng.uniform(-4, 4, (n, d // 2)))
        for n, d in [(3, 4), (4, 6), (2, 8), (5, 2)]
    ]


def _turned(sign=1, halves=False, minus=-1, plus=1, out_halves=False):
    def wrong(x, angles):
        d = x.shape[1]
        first, second = (
            (slice(None, d // 2), slice(d // 2, None))
            if halves
            else (slice(0, None, 2), slice(1, None, 2))
        )
        a, b, cos, sin = x[:, first], x[:, second], np.cos(angles), np.sin(sign * angles)
        turned = np.empty_like(x)
        if out_halves:
            first, second = slice(None, d // 2), slice(d // 2, None)
        turned[:, first], turned[:, second] = a * cos + minus * b * sin, plus * a * sin + b * cos
        return turned

    return wrong


def _mixed(pairing, stretch):
    """As x * cos + partner * sin, with the angles repeated one way and the partners found the other
    way.
    """

    def wrong(x, angles):
        d = x.shape[1]
        cos, sin = stretch(np.cos(angles)), stretch(np.sin(angles))
        if pairing == "halves":
            partner = np.hstack([-x[:, d // 2 :], x[:, : d // 2]])
        else:
            partner = np.stack([-x[:, 1::2], x[:, 0::2]], axis=-1).reshape(x.shape)
        return x * cos + partner * sin

    return wrong


def _in_place(x, angles):
    """The second line reads what the first has already written."""
    turned = x.copy()
    turned[:, 0::2] = turned[:, 0::2] * np.cos(angles) - turned[:, 1::2] * np.sin(angles)
    turned[:, 1::2] = turned[:, 0::2] * np.sin(angles) + turned[:, 1::2] * np.cos(angles)
    return turned


turn = Exercise(
    rotate_pairs,
    title="Rotate by pairs",
    level=2,
    minutes=12,
    inputs=_turns,
    names=("turned",),
    mistakes={
        "it turns the other way: a cos − b sin comes first": _turned(sign=-1),
        "column i is paired with column i + d/2 (Llama's layout): here neighbours are pairs": (
            _turned(halves=True)
        ),
        "both signs are plus: one of the two sines has a minus": _turned(minus=1),
        "both signs are minus: only the first has one": _turned(plus=-1),
        "the pairs are right, but they came back in "
        "halves: put them into [:, 0::2] and [:, 1::2]": _turned(out_halves=True),
        "the first line overwrote what the second still needs: keep a and b before you change "
        "anything": _in_place,
        "the angles stand in the wrong order beside the columns: each angle is needed twice in a "
        "row, np.repeat, not np.tile": _mixed("neighbours", lambda a: np.tile(a, 2)),
        "column i is paired with column i + d/2, and the angles are repeated for neighbours: here "
        "neighbours are pairs": _mixed("halves", lambda a: np.repeat(a, 2, axis=1)),
        "sine and cosine changed places: at angle 0 nothing may change": [
            lambda x, angles: rotate_pairs(x, np.pi / 2 - angles),
            lambda x, angles: rotate_pairs(x, angles - np.pi / 2),
        ],
        "a and b changed places in the result: a cos − b sin goes into [:, 0::2], a sin + b cos "
        "into [:, 1::2]": lambda x, angles: (
            rotate_pairs(x, angles).reshape(len(x), -1, 2)[:, :, ::-1].reshape(x.shape)
        ),
        "the rows got mixed up on the way back: stack the two along a new last axis before you "
        "reshape": lambda x, angles: np.stack(
            [rotate_pairs(x, angles)[:, 0::2], rotate_pairs(x, angles)[:, 1::2]]
        ).reshape(x.shape),
        "all pairs of a word turn by its first angle: each pair has one of its own": (
            lambda x, angles: rotate_pairs(x, np.broadcast_to(angles[:, :1], angles.shape))
        ),
        "all words turn by the angles of the first: each row has its own": lambda x, angles: (
            rotate_pairs(x, np.broadcast_to(angles[:1], angles.shape))
        ),
        "every pair is turned by twice its angle": lambda x, angles: rotate_pairs(x, 2 * angles),
        "every pair is turned by half its angle": lambda x, angles: rotate_pairs(x, angles / 2),
        "the second of each pair stays as it was: both numbers change": lambda x, angles: _columns(
            x[:, 0::2] * np.cos(angles) - x[:, 1::2] * np.sin(angles), x[:, 1::2]
        ),
        "the first of each pair is multiplied by the cosine, the second by the sine: a rotation "
        "mixes the two": lambda x, angles: _columns(
            x[:, 0::2] * np.cos(angles), x[:, 1::2] * np.sin(angles)
        ),
        "nothing was turned": lambda x, angles: x.copy(),
        "each column is multiplied by the cosine alone": (
            lambda x, angles: x * np.repeat(np.cos(angles), 2, axis=1)
        ),
        "the angles were added to the numbers: a rotation mixes the two numbers of a pair": (
            lambda x, angles: x + np.repeat(angles, 2, axis=1)
        ),
        "clock hands were added, as sinusoids are: here each pair of x is turned": [
            lambda x, angles: x + _columns(np.sin(angles), np.cos(angles)),
            lambda x, angles: x + _columns(np.cos(angles), np.sin(angles)),
        ],
        "the numbers were multiplied by the angles: a rotation needs their cosines and sines": (
            lambda x, angles: x * np.repeat(angles, 2, axis=1)
        ),
        "the digits after the point are lost: the array was made for whole numbers": (
            lambda x, angles: np.trunc(rotate_pairs(x, angles))
        ),
        "the angles are taken in degrees: np.cos and np.sin take radians, and radians are given": [
            lambda x, angles: rotate_pairs(x, np.deg2rad(angles)),
            lambda x, angles: rotate_pairs(x, np.rad2deg(angles)),
        ],
        "the angles are multiplied by 2π: they are already radians": lambda x, angles: rotate_pairs(
            x, 2 * np.pi * angles
        ),
    },
    hints=[
        (
            "a = x[:, 0::2] and b = x[:, 1::2] are the two numbers of each pair, (n, d / 2) each,"
            " like the angles."
        ),
        "A point (a, b) turned by an angle is (a cos − b sin, a sin + b cos).",
        "Make an empty array like x, and fill its columns [:, 0::2] and [:, 1::2].",
    ],
)


def _swap(W, one, other):
    W[:, [one, other]] = W[:, [other, one]]
    return W


def _one_by_one(W):
    W = W.copy()
    for i in range(W.shape[1] // 2):
        _swap(W, 2 * i + 1, W.shape[1] // 2 + i)
    return W


def neighbours_to_halves(W):
    """Columns of W_q or W_k for rotary in halves, from columns for neighbours as pairs. (d_in, d)
    -> (d_in, d)
    """
    return np.hstack([W[:, 0::2], W[:, 1::2]])


convert = Exercise(
    neighbours_to_halves,
    title="From one pairing to the other",
    level=2,
    minutes=8,
    inputs=lambda rng: [
        (rng.normal(size=(d_in, d)),) for d_in, d in [(3, 6), (5, 8), (4, 10), (2, 6)]
    ],
    names=("W",),
    mistakes={
        "this is the way back, from halves to neighbours": (
            lambda W: np.stack(np.split(W, 2, axis=1), axis=-1).reshape(W.shape)
        ),
        "the rows were reordered: a head's columns are what is paired": lambda W: np.vstack(
            [W[0::2], W[1::2]]
        ),
        "the halves changed places: the first of each pair goes into the first half": (
            lambda W: np.hstack([W[:, 1::2], W[:, 0::2]])
        ),
        "each pair was turned around": (
            lambda W: W.reshape(len(W), -1, 2)[:, :, ::-1].reshape(W.shape)
        ),
        "the columns were put in reverse": lambda W: W[:, ::-1].copy(),
        "the two halves of W changed places; the pairs are neighbours so far": lambda W: np.roll(
            W, W.shape[1] // 2, axis=1
        ),
        "nothing has changed": lambda W: W.copy(),
        "only columns 1 and d/2 changed places: every column has a new place, but the first and "
        "the last": lambda W: _swap(W.copy(), 1, W.shape[1] // 2),
        "columns were swapped one pair after the other: a later swap moves what an earlier one has "
        "put; fill a new array": _one_by_one,
        "the second half stands in reverse: pair i is columns i and i + d/2, in the same order": (
            lambda W: np.hstack([W[:, 0::2], W[:, 1::2][:, ::-1]])
        ),
        "a column is there twice, and others are lost": [
            lambda W: np.hstack([W[:, 0::2], W[:, 0::2]]),
            lambda W: np.hstack([W[:, 1::2], W[:, 1::2]]),
        ],
        "the rows got mixed up, as by np.vstack or .T before a reshape: np.hstack puts columns "
        "side by side": [
            lambda W: np.vstack([W[:, 0::2], W[:, 1::2]]).reshape(W.shape),
            lambda W: W.reshape(2, -1).T.reshape(W.shape),
        ],
        "the numbers were sorted by size: the columns go to new places as a whole": (
            lambda W: np.sort(W, axis=1)
        ),
        "signs changed: nothing is turned here, the columns only change their places": [
            lambda W: np.hstack([-W[:, W.shape[1] // 2 :], W[:, : W.shape[1] // 2]]),
            lambda W: _columns(-W[:, 1::2], W[:, 0::2]),
            lambda W: np.hstack([-W[:, 1::2], W[:, 0::2]]),
        ],
        "the signs of the second of each pair changed: only the order of the columns has to": (
            lambda W: np.hstack([W[:, 0::2], -W[:, 1::2]])
        ),
        "reshape alone does not reorder columns; it goes through W row by row": (
            lambda W: W.reshape(2, -1, order="F").reshape(W.shape)
        ),
    },
    hints=[
        "Neighbours: columns 0 and 1 are the first pair. Halves: columns 0 and d/2 are.",
        "So the first of each pair, columns 0, 2, 4 …, must come to stand in the first half.",
        "np.hstack([W[:, 0::2], W[:, 1::2]])",
    ],
)
