"""Answers to the exercises of positional_encoding."""

import numpy as np

from attnlib.encodings import rotary_angles, rotate, sinusoidal


def angles_of(n, d, base):
    return np.outer(np.arange(n), float(base) ** (-np.arange(0, d, 2) / d))


# ---- 06.hands ------------------------------------------------------------------------------------


def hands_by_loops(n, d, base):
    encoding = [[0.0] * d for _ in range(n)]
    for p in range(n):
        for i in range(d // 2):
            encoding[p][2 * i] = np.sin(p / base ** (2 * i / d))
            encoding[p][2 * i + 1] = np.cos(p / base ** (2 * i / d))
    return encoding


def hands_by_column(n, d, base):
    column = np.arange(d)
    angles = np.arange(n)[:, None] / base ** (2 * (column // 2) / d)
    return np.where(column % 2 == 0, np.sin(angles), np.cos(angles))


def hands_as_in_pytorch(n, d, base):
    encoding = np.zeros((n, d), dtype=np.float32)
    speeds = np.exp(np.arange(0, d, 2) * (-np.log(base) / d))
    encoding[:, 0::2] = np.sin(np.arange(n)[:, None] * speeds)
    encoding[:, 1::2] = np.cos(np.arange(n)[:, None] * speeds)
    return encoding


def hands_by_phase(n, d, base):
    """A cosine is a sine a quarter turn ahead."""
    return np.sin(np.repeat(angles_of(n, d, base), 2, axis=1) + np.tile([0, np.pi / 2], d // 2))


def hands_turned_on(n, d, base):
    """Each row is the one before it, turned."""
    rows = [np.tile([0.0, 1.0], d // 2)]
    for _ in range(n - 1):
        rows.append(rows[-1] @ shift_by_loops(1, d, base))
    return np.array(rows)


def written(exponent, first=np.sin, second=np.cos, start=0):
    """As a learner writes it, with the speeds base ** exponent(d)."""

    def answer(n, d, base):
        angles = np.arange(start, n + start)[:, None] * float(base) ** exponent(d)
        encoding = np.zeros((n, d))
        encoding[:, 0::2] = first(angles)
        encoding[:, 1::2] = second(angles)
        return encoding

    return answer


def right_exponent(d):
    return -np.arange(0, d, 2) / d


def side_by_side(n, d, base):
    angles = angles_of(n, d, base)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def stacked_flat(n, d, base):
    angles = angles_of(n, d, base)
    return np.stack([np.sin(angles), np.cos(angles)]).reshape(n, d)


def stacked_in_the_middle(n, d, base):
    angles = angles_of(n, d, base)
    return np.stack([np.sin(angles), np.cos(angles)], axis=1).reshape(n, d)


def speed_per_column(n, d, base):
    encoding = np.zeros((n, d))
    for p in range(n):
        for j in range(d):
            angle = p / base ** (j / d)
            encoding[p, j] = np.sin(angle) if j % 2 == 0 else np.cos(angle)
    return encoding


def two_j(n, d, base):
    encoding = np.zeros((n, d))
    for j in range(d):
        angles = np.arange(n) / base ** (2 * j / d)
        encoding[:, j] = np.cos(angles) if j % 2 else np.sin(angles)
    return encoding


def whole_numbers(n, d, base):
    encoding = np.zeros((n, d), dtype=int)
    encoding[:, 0::2] = np.sin(angles_of(n, d, base))
    encoding[:, 1::2] = np.cos(angles_of(n, d, base))
    return encoding


def a_line_too_few(n, d, base):
    encoding = np.zeros((n, d))
    encoding[:, 0::2] = np.sin(angles_of(n, d, base))
    return encoding


def negative_integer_power(n, d, base):
    return np.sin(np.arange(n)[:, None] * base ** -np.arange(0, d, 2))


# ---- 06.shift ------------------------------------------------------------------------------------


def shift_by_loops(k, d, base):
    R = [[0.0] * d for _ in range(d)]
    for i in range(d // 2):
        angle = k * base ** (-2 * i / d)
        R[2 * i][2 * i] = R[2 * i + 1][2 * i + 1] = np.cos(angle)
        R[2 * i + 1][2 * i] = np.sin(angle)
        R[2 * i][2 * i + 1] = -np.sin(angle)
    return R


def shift_by_diagonals(k, d, base):
    angles = k * base ** right_exponent(d)
    beside = np.zeros(d - 1)
    beside[::2] = np.sin(angles)
    return np.diag(np.repeat(np.cos(angles), 2)) - np.diag(beside, 1) + np.diag(beside, -1)


def shift_by_powers(k, d, base):
    """One step, k times; NumPy takes the inverse for a negative k."""
    return np.linalg.matrix_power(np.array(shift_by_loops(1, d, base)), k)


def shift_by_steps(k, d, base):
    R, step = np.eye(d), np.array(shift_by_loops(1, d, base))
    for _ in range(abs(k)):
        R = R @ step
    return R if k > 0 else R.T


def shift_fitted(k, d, base):
    """Not built but solved for, from places in front of 0 and behind it."""
    angles = np.arange(-20, 21)[:, None] * base ** right_exponent(d)
    before, after = (
        np.stack([np.sin(a), np.cos(a)], axis=-1).reshape(len(a), d)
        for a in (angles, angles + k * base ** right_exponent(d))
    )
    return np.linalg.lstsq(before, after)[0]


def shift_by_rotate(k, d, base):
    """The library's rotation, with the unit vectors: (sine, cosine) turns against (x, y)."""
    return rotate(np.eye(d), np.tile(rotary_angles(-k, d, base=base), (d, 1)), layout="interleaved")


def blocks(
    block,
    angle=lambda k, i, d, base: k * base ** (-2 * i / d),
    place=lambda i, d: [2 * i, 2 * i + 1],
):
    """The shift as a learner writes it, with other blocks, other angles, or elsewhere."""

    def answer(k, d, base):
        R = np.zeros((d, d))
        for i in range(d // 2):
            at = place(i, d)
            R[np.ix_(at, at)] = block(
                np.cos(angle(k, i, d, float(base))), np.sin(angle(k, i, d, float(base)))
            )
        return R

    return answer


def turned(cos, sin):
    return [[cos, -sin], [sin, cos]]


def one_block(k, d, base):
    R = np.eye(d)
    R[:2, :2] = turned(np.cos(k), np.sin(k))
    return R


def rows_instead(k, d, base):
    return sinusoidal(d + abs(k), d, base=base)[abs(k) :]


def small_block(k, d, base):
    return turned(np.cos(k), np.sin(k))


# ---- 06.distance ---------------------------------------------------------------------------------


def worth_of_rows(k, d, base):
    encoding = sinusoidal(k + 1, d, base=base)
    return encoding[0] @ encoding[k]


def worth_by_loop(k, d, base):
    total = 0.0
    for i in range(d // 2):
        total += np.cos(k / base ** (2 * i / d))
    return total


def worth_of_complex(k, d, base):
    return np.exp(1j * k * base ** right_exponent(d)).real.sum()


def worth_as_trace(k, d, base):
    return np.trace(np.array(shift_by_loops(k, d, base))) / 2


def index_too_far(k, d, base):
    encoding = sinusoidal(max(k, 1), d, base=base)
    return encoding[0] @ encoding[k]


def speeds(d, base):
    return float(base) ** right_exponent(d)


RIGHT = {
    "positional_encoding.hands": [
        hands_by_loops,
        hands_by_column,
        hands_as_in_pytorch,
        hands_by_phase,
        hands_turned_on,
        written(right_exponent),
        lambda n, d, base: sinusoidal(n, d, base=base),
    ],
    "positional_encoding.shift": [
        shift_by_loops,
        shift_by_diagonals,
        shift_by_powers,
        shift_by_steps,
        shift_fitted,
        shift_by_rotate,
        blocks(turned),
        lambda k, d, base: (
            blocks(turned, angle=lambda k, i, d, base: -k * base ** (-2 * i / d))(k, d, base).T
        ),
    ],
    "positional_encoding.distance": [
        worth_of_rows,
        worth_by_loop,
        worth_of_complex,
        worth_as_trace,
        lambda k, d, base: sum(np.cos(k * speed) for speed in speeds(d, base)),
        lambda k, d, base: np.cos(-k * speeds(d, base)).mean() * d / 2,
    ],
}
WRONG = {
    "positional_encoding.hands": {
        "cos, sin": (written(right_exponent, np.cos, np.sin), "sine and cosine changed places"),
        "np.concatenate([sin, cos], axis=1)": (side_by_side, "all sines stand first"),
        "np.stack([sin, cos], axis=1).reshape": (stacked_in_the_middle, "all sines stand first"),
        "np.stack([sin, cos]).reshape": (stacked_flat, "the rows got mixed up"),
        "all cosines, then all sines": (
            lambda n, d, base: np.roll(side_by_side(n, d, base), d // 2, axis=1),
            "all cosines stand first",
        ),
        "only sines": (written(right_exponent, np.sin, np.sin), "every column is a sine"),
        "only cosines": (written(right_exponent, np.cos, np.cos), "every column is a cosine"),
        "the cosines forgotten": (a_line_too_few, "the cosines are missing"),
        "i/d": (written(lambda d: -np.arange(d // 2) / d), "it should be 2i/d"),
        "4i/d": (written(lambda d: -2 * np.arange(0, d, 2) / d), "already counts in twos"),
        "np.linspace(0, 1, d // 2)": (
            written(lambda d: -np.linspace(0, 1, d // 2)),
            "so that the last hand is 1/base",
        ),
        "i / (d/2 - 1)": (
            written(lambda d: -np.arange(d // 2) / np.float64(d // 2 - 1)),
            "so that the last hand is 1/base",
        ),
        "2 * i // d": (written(lambda d: -(2 * np.arange(d // 2) // d)), "same speed"),
        "no exponent": (written(lambda d: np.zeros(d // 2)), "same speed"),
        "the minus of the exponent forgotten": (
            written(lambda d: np.arange(0, d, 2) / d),
            "faster, not slower",
        ),
        "1 - 2i/d": (lambda n, d, base: hands_of(n, 1 - np.arange(0, d, 2) / d), "in a line"),
        "10,000": (lambda n, d, base: hands_by_loops(n, d, 10_000), "but it is an argument"),
        "np.arange(1, n + 1)": (written(right_exponent, start=1), "begin at 1"),
        "np.arange(n)[::-1]": (lambda n, d, base: hands_by_loops(n, d, base)[::-1], "backwards"),
        "p / base ** (j / d)": (speed_per_column, "are one hand"),
        "p / base ** (2 * j / d)": (two_j, "are one hand"),
        "2 * np.pi * p * speeds": (
            lambda n, d, base: hands_of(n, 2 * np.pi * speeds(d, base)),
            "multiplied by 2π",
        ),
        "np.deg2rad": (lambda n, d, base: hands_of(n, np.deg2rad(speeds(d, base))), "degrees"),
        "p // base ** (2i/d)": (
            lambda n, d, base: hands_by_angles(np.arange(n)[:, None] // base ** -right_exponent(d)),
            "// instead of /",
        ),
        "np.zeros((n, d), dtype=int)": (whole_numbers, "made for whole numbers"),
        "angles, no sine": (
            lambda n, d, base: np.repeat(angles_of(n, d, base), 2, axis=1),
            "sines and cosines are missing",
        ),
        "-p": (written(right_exponent, lambda a: np.sin(-a)), "turn to the left"),
        "the shape (d, n)": (
            lambda n, d, base: np.array(hands_by_loops(n, d, base)).T,
            "encoding should have the shape",
        ),
        "the shape (n, d / 2)": (
            lambda n, d, base: np.sin(angles_of(n, d, base)),
            "encoding should have the shape",
        ),
        "two tables": (
            lambda n, d, base: (np.sin(angles_of(n, d, base)), np.cos(angles_of(n, d, base))),
            "encoding should have the shape",
        ),
        "a whole number to a negative power": (negative_integer_power, "negative integer powers"),
        "divided by √(d/2)": (
            lambda n, d, base: sinusoidal(n, d, base=base) / np.sqrt(d / 2),
            "made shorter or longer",
        ),
        "places 0 … n": (
            lambda n, d, base: hands_by_loops(n + 1, d, base),
            "encoding should have the shape",
        ),
        "rounded": (
            lambda n, d, base: np.round(hands_by_loops(n, d, base), 4),
            "more than rounding does",
        ),
    },
    "positional_encoding.shift": {
        "the other way": (
            blocks(lambda cos, sin: [[cos, sin], [-sin, cos]]),
            "turns the other way",
        ),
        "for R @ row": (
            lambda k, d, base: np.array(shift_by_loops(k, d, base)).T,
            "turns the other way",
        ),
        "-k": (lambda k, d, base: shift_by_loops(-k, d, base), "turns the other way"),
        "abs(k)": (lambda k, d, base: shift_by_loops(abs(k), d, base), "sign of k is lost"),
        "for _ in range(k): R = R @ step": (
            lambda k, d, base: shift_by_powers(max(k, 0), d, base),
            "the hands have to turn back",
        ),
        "section 5, copied": (
            lambda k, d, base: shift_by_loops(1, d, base),
            "one step, whatever k is",
        ),
        "np.eye(d)": (lambda k, d, base: np.eye(d), "changes nothing"),
        "np.eye(d, k=k)": (lambda k, d, base: np.eye(d, k=k), "no column moves"),
        "np.roll": (lambda k, d, base: np.roll(np.eye(d), k, axis=1), "no column moves"),
        "both plus": (blocks(lambda cos, sin: [[cos, sin], [sin, cos]]), "both signs are plus"),
        "both minus": (blocks(lambda cos, sin: [[cos, -sin], [-sin, cos]]), "both signs are minus"),
        "minus cosine": (blocks(lambda cos, sin: [[cos, sin], [sin, -cos]]), "mirrors the hand"),
        "sine on the diagonal": (
            blocks(lambda cos, sin: [[sin, cos], [cos, -sin]]),
            "cosines stand on the diagonal",
        ),
        "only cosines": (blocks(lambda cos, sin: [[cos, 0], [0, cos]]), "makes the hands shorter"),
        "blocks at i : i + 2": (
            blocks(turned, place=lambda i, d: [i, i + 1]),
            "the blocks overlap",
        ),
        "i with i + d/2": (blocks(turned, place=lambda i, d: [i, i + d // 2]), "two neighbours"),
        "one block": (one_block, "only the first hand turns"),
        "one speed": (blocks(turned, angle=lambda k, i, d, base: k), "same speed"),
        "i/d": (
            blocks(turned, angle=lambda k, i, d, base: k * base ** (-i / d)),
            "it should be 2i/d",
        ),
        "4i/d": (
            blocks(turned, angle=lambda k, i, d, base: k * base ** (-4 * i / d)),
            "already counts in twos",
        ),
        "base ** (2i/d)": (
            blocks(turned, angle=lambda k, i, d, base: k * base ** (2 * i / d)),
            "faster, not slower",
        ),
        "10,000": (
            blocks(turned, angle=lambda k, i, d, base: k * 10_000 ** (-2 * i / d)),
            "but it is an argument",
        ),
        "2πk · speed": (
            blocks(turned, angle=lambda k, i, d, base: 2 * np.pi * k * base ** (-2 * i / d)),
            "multiplied by 2π",
        ),
        "k + speed": (
            blocks(turned, angle=lambda k, i, d, base: k + base ** (-2 * i / d)),
            "is not k · speed",
        ),
        "speed ** k": (
            blocks(turned, angle=lambda k, i, d, base: base ** (-2 * i * k / d)),
            "is not k · speed",
        ),
        "(k + 1) · speed": (lambda k, d, base: shift_by_loops(k + 1, d, base), "one step too far"),
        "one block alone": (small_block, "R should have the shape"),
        "the rows from k on": (rows_instead, "R is no rotation"),
        "zeros": (lambda k, d, base: np.zeros((d, d)), "R is no rotation"),
        "complex numbers": (
            lambda k, d, base: np.diag(np.exp(1j * np.repeat(k * speeds(d, base), 2))),
            "R should hold numbers",
        ),
        "NaN": (lambda k, d, base: np.full((d, d), np.nan), "NaN or infinity"),
        "rounded": (lambda k, d, base: np.round(shift_by_loops(k, d, base), 3), "R is no rotation"),
        "any rotation": (
            lambda k, d, base: np.linalg.qr(np.random.default_rng(d).normal(size=(d, d)))[0],
            "keeps all lengths",
        ),
    },
    "positional_encoding.distance": {
        "np.sin": (lambda k, d, base: np.sin(k * speeds(d, base)).sum(), "you added sines"),
        "np.sin and np.cos": (
            lambda k, d, base: (np.sin(k * speeds(d, base)) + np.cos(k * speeds(d, base))).sum(),
            "a sine and a cosine",
        ),
        "squared": (lambda k, d, base: (np.cos(k * speeds(d, base)) ** 2).sum(), "squared"),
        "mean": (lambda k, d, base: np.cos(k * speeds(d, base)).mean(), "cosine similarity"),
        "/ d": (lambda k, d, base: np.cos(k * speeds(d, base)).sum() / d, "you divided by d:"),
        "/ √d": (lambda k, d, base: worth_by_loop(k, d, base) / d**0.5, "√d"),
        "each hand twice": (
            lambda k, d, base: np.repeat(np.cos(k * speeds(d, base)), 2).sum(),
            "twice",
        ),
        "d hands": (
            lambda k, d, base: sum(np.cos(k * base ** (-j / d)) for j in range(d)),
            "two columns are one hand",
        ),
        "d hands, 2j/d": (
            lambda k, d, base: sum(np.cos(k * base ** (-2 * j / d)) for j in range(d)),
            "two columns are one hand",
        ),
        "i/d": (
            lambda k, d, base: sum(np.cos(k * base ** (-i / d)) for i in range(d // 2)),
            "it should be 2i/d",
        ),
        "4i/d": (
            lambda k, d, base: np.cos(k * base ** (-2 * np.arange(0, d, 2) / d)).sum(),
            "already counts in twos",
        ),
        "base ** (2i/d)": (
            lambda k, d, base: np.cos(k / speeds(d, base)).sum(),
            "faster, not slower",
        ),
        "d/2 · cos(k)": (lambda k, d, base: d / 2 * np.cos(k), "same speed"),
        "cos(k)": (lambda k, d, base: np.cos(k), "only the first hand"),
        "the cosine of the sum": (
            lambda k, d, base: np.cos((k * speeds(d, base)).sum()),
            "the speeds' sum",
        ),
        "the product of the cosines": (
            lambda k, d, base: np.prod(np.cos(k * speeds(d, base))),
            "multiplied with each other",
        ),
        "k · cos(speed)": (
            lambda k, d, base: (k * np.cos(speeds(d, base))).sum(),
            "outside of the cosine",
        ),
        "abs": (lambda k, d, base: abs(worth_by_loop(k, d, base)), "minus sign is lost"),
        "the distance of the rows": (
            lambda k, d, base: np.linalg.norm(
                np.subtract(*sinusoidal(k + 1, d, base=base)[[0, k]])
            ),
            "how far",
        ),
        "encoding[k] @ encoding[k]": (
            lambda k, d, base: np.square(sinusoidal(k + 1, d, base=base)[k]).sum(),
            "you returned d / 2",
        ),
        "encoding[0] @ encoding[1]": (lambda k, d, base: worth_of_rows(1, d, base), "not used"),
        "encoding[1] @ encoding[k]": (
            lambda k, d, base: worth_by_loop(k - 1, d, base),
            "one step too few",
        ),
        "10,000": (lambda k, d, base: worth_by_loop(k, d, 10_000), "but it is an argument"),
        "degrees": (lambda k, d, base: np.cos(np.deg2rad(k * speeds(d, base))).sum(), "degrees"),
        "2πk": (
            lambda k, d, base: np.cos(2 * np.pi * k * speeds(d, base)).sum(),
            "multiplied by 2π",
        ),
        "not added up": (
            lambda k, d, base: np.cos(k * speeds(d, base)),
            "dot product should be one number",
        ),
        "the whole table": (
            lambda k, d, base: sinusoidal(k + 2, d, base=base) @ sinusoidal(k + 2, d, base=base).T,
            "should be one number",
        ),
        "index k of k rows": (index_too_far, "raised IndexError"),
        "d": (lambda k, d, base: d, "the number of columns"),
        "the sine of the first, the cosine of the other": (
            lambda k, d, base: (
                sinusoidal(k + 1, d, base=base)[0, 0::2] @ sinusoidal(k + 1, d, base=base)[k, 1::2]
            ),
            "0 for every distance",
        ),
    },
}


def hands_of(n, speeds):
    return hands_by_angles(np.arange(n)[:, None] * speeds)


def hands_by_angles(angles):
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(angles), -1)
