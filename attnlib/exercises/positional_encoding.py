"""Exercises of positional_encoding: clock hands, a shift that is a rotation, what a distance is
worth.
"""

import numpy as np

from attnlib.exercises import Exercise


def _speeds(d, base):
    return float(base) ** (-np.arange(0, d, 2) / d)


# how hands are slowed down wrongly, in all three exercises
_OTHER_SPEEDS = {
    "the exponent is i/d: it should be 2i/d, so that the last hand is nearly 1/base": [
        lambda d, base: base ** (-np.arange(d // 2) / d)
    ],
    "the exponent is 4i/d: np.arange(0, d, 2) already counts in twos": [
        lambda d, base: base ** (-2 * np.arange(0, d, 2) / d)
    ],
    "the exponent is i / (d/2 − 1), so that the last hand is 1/base: here it is 2i/d": [
        lambda d, base: base ** -np.linspace(0, 1, d // 2),
        lambda d, base: base ** -(np.arange(d // 2) / np.array(d // 2 - 1)),  # d = 2: 0 / 0
    ],
    "the hands get faster, not slower: the position is divided by base^(2i/d)": [
        lambda d, base: 1 / _speeds(d, base)
    ],
    "all hands turn at the same speed: the exponent 2i/d is missing, or // has cut it to 0": [
        lambda d, base: np.ones(d // 2)
    ],
    "the speeds fall in a line: each should be slower by the same factor": [
        lambda d, base: 1 - np.arange(0, d, 2) / d
    ],
    "the base is always 10,000, but it is an argument": [lambda d, base: _speeds(d, 10_000)],
    "the angles are taken in degrees: here they are radians": [
        lambda d, base: np.deg2rad(_speeds(d, base))
    ],
    "the angles are multiplied by 2π: the first hand moves by 1 radian per word, not by a whole "
    "turn": [lambda d, base: 2 * np.pi * _speeds(d, base)],
}


def _with_other_speeds(make):
    """Words -> the functions that make(speeds) gives for each of the speeds above."""
    return {words: [make(speeds) for speeds in wrong] for words, wrong in _OTHER_SPEEDS.items()}


# ---- 1 · clock hands -----------------------------------------------------------------------------


def clock_hands(n, d, base):
    """Sinusoidal positions 0 … n-1, interleaved: sine and cosine of p / base^(2i/d). (n, d)"""
    speeds = base ** (-np.arange(0, d, 2) / d)  # (d / 2,) radians per token
    angles = np.arange(n)[:, None] * speeds  # (n, d / 2)
    encoding = np.empty((n, d))
    encoding[:, 0::2] = np.sin(angles)
    encoding[:, 1::2] = np.cos(angles)
    return encoding


def _hands(
    speeds=_speeds,
    first=0,
    halves=False,
    parts=(np.sin, np.cos),
    places=lambda places: places,
    cut=lambda angles: angles,
):
    """clock_hands with other speeds or places, or other columns."""

    def wrong(n, d, base):
        angles = cut(places(np.arange(n) + first)[:, None] * speeds(d, float(base)))
        both = np.stack([part(angles) for part in parts])  # (2, n, d / 2)
        return (both.transpose(1, 0, 2) if halves else both.transpose(1, 2, 0)).reshape(n, d)

    return wrong


def _flat(n, d, base):
    """Sines and cosines stacked in front, and reshaped."""
    angles = np.arange(n)[:, None] * _speeds(d, base)
    return np.stack([np.sin(angles), np.cos(angles)]).reshape(n, d)


def _scaled(power):
    """Rows that all have the length 1, as if divided by their length; or as much longer."""
    return lambda n, d, base: clock_hands(n, d, base) * (d / 2) ** -power


def _speed_per_column(factor):
    def wrong(n, d, base):
        angles = np.arange(n)[:, None] * float(base) ** (-factor * np.arange(d) / d)
        return np.where(np.arange(d) % 2, np.cos(angles), np.sin(angles))

    return wrong


def _trials(rng):
    """The number of words is odd: a table lying on its side has the wrong shape."""
    lengths, bases = rng.permutation([3, 5, 7, 9]), [10_000, *rng.integers(20, 200, 3)]
    return [(int(n), d, int(base)) for n, d, base in zip(lengths, (4, 6, 8, 2), bases)]


hands = Exercise(
    clock_hands,
    title="Clock hands",
    level=2,
    minutes=12,
    inputs=_trials,
    names=("encoding",),
    mistakes={
        "sine and cosine changed places: the even columns should be the sines": _hands(
            parts=(np.cos, np.sin)
        ),
        "all sines stand first, then all cosines: here they take turns, encoding[:, 0::2] and "
        "encoding[:, 1::2]": _hands(halves=True),
        "all cosines stand first, then all sines: here sine and cosine take turns": _hands(
            halves=True, parts=(np.cos, np.sin)
        ),
        "every column is a sine: the odd ones should be cosines": _hands(parts=(np.sin, np.sin)),
        "every column is a cosine: the even ones should be sines": _hands(parts=(np.cos, np.cos)),
        "the positions begin at 1: the first token stands at 0, where all hands point to 12": (
            _hands(first=1)
        ),
        "the positions run backwards: row 0 should be place 0": _hands(
            places=lambda places: places[::-1]
        ),
        "the hands turn to the left: the sines have a minus": _hands(
            parts=(lambda angles: -np.sin(angles), np.cos)
        ),
        "every column has a speed of its own: the columns 2i and 2i + 1 are one hand, and share "
        "the exponent 2i/d": [_speed_per_column(1), _speed_per_column(2)],
        "the cosines are missing: every odd column is 0": _hands(parts=(np.sin, np.zeros_like)),
        "the sines are missing: every even column is 0": _hands(parts=(np.zeros_like, np.cos)),
        "the rows got mixed up: stack sine and cosine along a new last axis before you reshape": (
            _flat
        ),
        "every row was made shorter or longer: nothing is divided or multiplied here": [
            _scaled(0.5),
            _scaled(-0.5),
        ],
        "the angles are cut to whole numbers: // instead of /": _hands(cut=np.floor),
        "the digits after the point are lost: the array was made for whole numbers": _hands(
            parts=(lambda angles: np.trunc(np.sin(angles)), lambda angles: np.trunc(np.cos(angles)))
        ),
        "you return the angles: their sines and cosines are missing": _hands(
            parts=(lambda angles: angles, lambda angles: angles)
        ),
        **_with_other_speeds(_hands),
    },
    hints=[
        "First the speeds, one for each pair: base ** (-np.arange(0, d, 2) / d).",
        (
            "angles = np.arange(n)[:, None] * speeds is (n, d / 2): how far each hand has turned at"
            " each position."
        ),
        "Make an empty (n, d) array, put the sines into [:, 0::2] and the cosines into [:, 1::2].",
    ],
)


# ---- 2 · a shift is a rotation -------------------------------------------------------------------


def shift_matrix(k, d, base):
    """R with encoding[p] @ R = encoding[p + k] for every p, interleaved sine and cosine. (d, d)"""
    R = np.zeros((d, d))
    for i, speed in zip(range(0, d, 2), base ** (-np.arange(0, d, 2) / d)):
        cos, sin = np.cos(k * speed), np.sin(k * speed)
        R[i : i + 2, i : i + 2] = [[cos, -sin], [sin, cos]]  # one block for each hand
    return R


def _shift_fault(got, k, d, base):
    """What is wrong with R: it is judged by what it does to 40 places."""
    try:
        R = np.asarray(got)
    except Exception:  # what a learner returns may be anything
        return f"R is not an array: return numbers, ({d}, {d})."
    if R.shape != (d, d):
        return (
            f"R should have the shape ({d}, {d}), but has the shape"
            f" {R.shape}{'' if R.shape else ', one number'}."
        )
    if R.dtype.kind not in "biuf":
        return f"R should hold numbers, got {R.dtype}."
    if not np.isfinite(R).all():
        return "There is NaN or infinity in R."
    encoding = clock_hands(40 + abs(k), d, base)
    before, after = (encoding[:40], encoding[k:]) if k >= 0 else (encoding[-k:], encoding[:40])
    with np.errstate(all="ignore"):
        off = np.abs(before @ R - after).max()
        if off < 1e-5:
            return ""
        said = (
            f"encoding[p] @ R is not encoding[p {'+' if k >= 0 else '−'} {abs(k)}]: they differ by"
            f" up to {off:.2g}."
        )
        if np.abs(R @ R.T - np.eye(d)).max() > 1e-5:
            return f"{said} R is no rotation, either: R @ R.T should be the identity."
    return (
        f"{said} R keeps all lengths, as a rotation does, but turns the hands wrongly. Look at one"
        " hand alone, d = 2."
    )


def _rotation(cos, sin):
    return [[cos, -sin], [sin, cos]]


def _blocks(
    block=_rotation, speeds=_speeds, angle=lambda k, speed: k * speed, step=2, rest=0.0, most=None
):
    """shift_matrix with other blocks, speeds or angles, with blocks elsewhere, or not with all of
    them.
    """

    def wrong(k, d, base):
        R = rest * np.eye(d)
        for i, speed in enumerate(speeds(d, float(base))[:most]):
            turn = angle(float(k), speed)
            R[step * i : step * i + 2, step * i : step * i + 2] = block(np.cos(turn), np.sin(turn))
        return R

    return wrong


def _halves(sign):
    def wrong(k, d, base):
        cos, sin = np.diag(np.cos(k * _speeds(d, base))), np.diag(np.sin(k * _speeds(d, base)))
        return np.block([[cos, -sign * sin], [sign * sin, cos]])

    return wrong


def _shifts(rng):
    """One word, a few, a few back, and more."""
    steps = rng.permutation([1, rng.integers(2, 6), -rng.integers(2, 6), rng.integers(6, 12)])
    return [
        (int(k), d, int(base))
        for k, d, base in zip(steps, (2, 4, 6, 8), [10_000, 10_000, *rng.integers(20, 200, 2)])
    ]


shift = Exercise(
    shift_matrix,
    title="A shift is a rotation",
    level=3,
    minutes=15,
    inputs=_shifts,
    names=("R",),
    fault=_shift_fault,
    mistakes={
        "R turns the other way: the row (sine, cosine) stands to the left of R, so the minus "
        "belongs to the other sine": _blocks(lambda cos, sin: [[cos, sin], [-sin, cos]]),
        "the sign of k is lost: with a negative k the hands turn back": _blocks(
            angle=lambda k, speed: abs(k) * speed
        ),
        "it is the matrix of one step, whatever k is": _blocks(angle=lambda k, speed: speed),
        "nothing happens for a negative k: the hands have to turn back": (
            lambda k, d, base: shift_matrix(max(k, 0), d, base)
        ),
        "it is one step too far: the angle is k · speed": lambda k, d, base: shift_matrix(
            k + 1, d, base
        ),
        "it is one step too few: the angle is k · speed": lambda k, d, base: shift_matrix(
            k - 1, d, base
        ),
        "R changes nothing": lambda k, d, base: np.eye(d),
        "both signs are plus: one of the two sines has a minus": _blocks(
            lambda cos, sin: [[cos, sin], [sin, cos]]
        ),
        "both signs are minus: only one of the two sines has one": _blocks(
            lambda cos, sin: [[cos, -sin], [-sin, cos]]
        ),
        "the minus stands at a cosine: that mirrors the hand; it belongs to a sine": [
            _blocks(lambda cos, sin: [[cos, sin], [sin, -cos]]),
            _blocks(lambda cos, sin: [[-cos, sin], [sin, cos]]),
        ],
        "sine and cosine changed places in the blocks: for k = 0 nothing may change, so the "
        "cosines stand on the diagonal": [
            _blocks(lambda cos, sin: [[sin, -cos], [cos, sin]]),
            _blocks(lambda cos, sin: [[sin, cos], [-cos, sin]]),
            _blocks(lambda cos, sin: [[sin, cos], [cos, -sin]]),
            _blocks(lambda cos, sin: [[-sin, cos], [cos, sin]]),
            _blocks(lambda cos, sin: [[sin, cos], [cos, sin]]),
        ],
        "only the cosines are there: that makes the hands shorter; the sines beside the diagonal "
        "turn them": _blocks(lambda cos, sin: [[cos, 0], [0, cos]]),
        "column i is paired with column i + d/2: here a hand is two neighbours, columns 2i and 2i "
        "+ 1": [_halves(1), _halves(-1)],
        "the blocks overlap: hand i has the rows and columns 2i and 2i + 1": _blocks(step=1),
        "only the first hand turns: there are d / 2 blocks": [
            _blocks(most=1),
            _blocks(most=1, rest=1.0),
        ],
        "the angle of a hand is not k · speed": [
            _blocks(angle=lambda k, speed: k + speed),
            _blocks(angle=lambda k, speed: speed**k),
            _blocks(angle=lambda k, speed: speed / k),
        ],
        "R moves columns: no column moves, the hands turn in their places": [
            lambda k, d, base: np.eye(d, k=k),
            lambda k, d, base: np.eye(d, k=-k),
            lambda k, d, base: np.roll(np.eye(d), k, axis=0),
            lambda k, d, base: np.roll(np.eye(d), k, axis=1),
        ],
        **_with_other_speeds(lambda speeds: _blocks(speeds=speeds)),
    },
    hints=[
        (
            "Take one hand: (sin a, cos a) shall become (sin (a + b), cos (a + b)), where b = k ·"
            " speed. Look up the addition formulas."
        ),
        (
            "sin(a + b) = sin a cos b + cos a sin b, and cos(a + b) = cos a cos b − sin a sin b."
            " Write it as (sin a, cos a) @ a 2 × 2 matrix."
        ),
        (
            "The block is [[cos b, −sin b], [sin b, cos b]], and it stands on the diagonal, once"
            " for each hand."
        ),
    ],
)


# ---- 3 · what a distance is worth ----------------------------------------------------------------


def worth(k, d, base):
    """The dot product of two sinusoidal encodings that stand k tokens apart."""
    return np.cos(k * base ** (-np.arange(0, d, 2) / d)).sum()


def _sum(each=np.cos, speeds=_speeds):
    return lambda k, d, base: each(k * speeds(d, float(base))).sum()


def _distances(rng):
    """One of them is 0, and the last one's dot product is negative."""
    apart = rng.permutation([0, 1, rng.integers(5, 12), rng.integers(20, 60)])
    trials = [
        (int(k), d, int(base))
        for k, d, base in zip(apart, (4, 8, 16, 6), [10_000, *rng.integers(20, 200, 3)])
    ]
    return [*trials, (int(rng.choice([2, 3, 4, 9])), 2, 10_000)]


distance = Exercise(
    worth,
    title="What a distance is worth",
    level=2,
    minutes=8,
    inputs=_distances,
    names=("dot product",),
    mistakes={
        "you added sines: sin a sin b + cos a cos b is cos(a − b)": _sum(np.sin),
        "you added a sine and a cosine for each hand: together they are one cosine, cos(a − b)": (
            _sum(lambda a: np.sin(a) + np.cos(a))
        ),
        "the cosines are squared: cos(a − b) is already a sum of two products": [
            _sum(lambda a: np.cos(a) ** 2),
            _sum(lambda a: np.cos(a) ** 2 - np.sin(a) ** 2),
        ],
        "you divided by the number of hands: that is the cosine similarity; the dot product adds "
        "the hands up": lambda k, d, base: worth(k, d, base) / (d / 2),
        "you divided by √d, as for scores: here it is the plain dot product": (
            lambda k, d, base: worth(k, d, base) / np.sqrt(d)
        ),
        "you divided by d: the dot product adds the hands up": (
            lambda k, d, base: worth(k, d, base) / d
        ),
        "every hand was counted twice: there are d / 2 hands": (
            lambda k, d, base: 2 * worth(k, d, base)
        ),
        "there are d hands, one for each column: two columns are one hand, so there are d / 2": [
            _sum(speeds=lambda d, base: base ** (-np.arange(d) / d)),
            _sum(speeds=lambda d, base: base ** (-2 * np.arange(d) / d)),
        ],
        "only the first hand is there: add up all of them": lambda k, d, base: np.cos(k),
        "only the last hand is there: add up all of them": lambda k, d, base: np.cos(
            k * _speeds(d, base)[-1]
        ),
        "the cosine is taken of the speeds' sum: each hand has a cosine of its own": (
            lambda k, d, base: np.cos(k * _speeds(d, base).sum())
        ),
        "the cosine is taken of the speeds' mean: each hand has a cosine of its own": [
            lambda k, d, base: np.cos(k * _speeds(d, base).mean()),
            lambda k, d, base: d / 2 * np.cos(k * _speeds(d, base).mean()),
        ],
        "the cosines are multiplied with each other: the dot product adds them up": (
            lambda k, d, base: np.cos(k * _speeds(d, base)).prod()
        ),
        "the distance stands outside of the cosine: it belongs to the angle, cos(k · speed)": [
            lambda k, d, base: k * np.cos(_speeds(d, base)).sum(),
            lambda k, d, base: np.cos(k) * np.cos(_speeds(d, base)).sum(),
        ],
        "the minus sign is lost: a dot product may be negative": [
            lambda k, d, base: abs(worth(k, d, base)),
            _sum(lambda a: abs(np.cos(a))),
        ],
        "it is how far the two rows lie apart: the dot product is asked": [
            lambda k, d, base: np.sqrt(max(d - 2 * worth(k, d, base), 0)),
            lambda k, d, base: d - 2 * worth(k, d, base),
        ],
        "it is 0 for every distance": lambda k, d, base: 0.0,
        "the distance is not used": lambda k, d, base: worth(1, d, base),
        "you returned d / 2, which is right only for distance 0": lambda k, d, base: d / 2,
        "you returned d: that is the number of columns; at distance 0 it is d / 2, one for each "
        "hand": (lambda k, d, base: d),
        "it is one step too far: the angle is k · speed": lambda k, d, base: worth(k + 1, d, base),
        "it is one step too few: the angle is k · speed": lambda k, d, base: worth(k - 1, d, base),
        **_with_other_speeds(lambda speeds: _sum(speeds=speeds)),
    },
    hints=[
        "One hand at angle a, the other at angle b: sin a sin b + cos a cos b = cos(a − b).",
        (
            "The difference of the angles of one hand is k · speed. So every hand gives cos(k ·"
            " speed)."
        ),
        "np.cos(k * speeds).sum(), with speeds = base ** (-np.arange(0, d, 2) / d).",
    ],
)
