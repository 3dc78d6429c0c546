"""Answers to the exercises of relative_positions."""

import numpy as np

from attnlib import encodings, softmax

# ---- 07.alibi ------------------------------------------------------------------------------------


def bias_by_loops(slope, n):
    return [[-slope * abs(i - j) for j in range(n)] for i in range(n)]


def bias_by_diagonals(slope, n):
    bias = np.zeros((n, n), dtype=np.float32)
    for back in range(1, n):
        bias -= (
            slope
            * back
            * (np.eye(n, k=back, dtype=np.float32) + np.eye(n, k=-back, dtype=np.float32))
        )
    return bias


def bias_of_triangles(slope, n):
    back = np.arange(n)[:, None] - np.arange(n)
    return slope * (np.tril(-back) + np.triu(back))


def bias_of_smaller(slope, n):
    i, j = np.indices((n, n))
    return slope * (np.minimum(i, j) - np.maximum(i, j))


def table(rule):
    """A table of rule(slope, i - j)."""
    return lambda slope, n: rule(slope, np.arange(n)[:, None] - np.arange(n))


def causal(far):
    """As in a program for causal models, with the mask already inside."""
    return table(lambda slope, back: np.where(back >= 0, -slope * back, far))


def half_filled(slope, n):
    bias = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            bias[i, j] = -slope * (i - j)
    return bias


def whole_numbers(slope, n):
    bias = np.zeros((n, n), dtype=int)
    for i in range(n):
        for j in range(n):
            bias[i, j] = -slope * abs(i - j)
    return bias


def no_new_axis(slope, n):
    return -slope * np.abs(np.arange(n) - np.arange(n))


# ---- 07.turn -------------------------------------------------------------------------------------


def turn_by_loops(x, angles):
    turned = np.zeros(x.shape)
    for p in range(len(x)):
        for i in range(x.shape[1] // 2):
            a, b = x[p, 2 * i : 2 * i + 2]
            turned[p, 2 * i] = a * np.cos(angles[p, i]) - b * np.sin(angles[p, i])
            turned[p, 2 * i + 1] = a * np.sin(angles[p, i]) + b * np.cos(angles[p, i])
    return turned


def turn_by_complex(x, angles):
    turned = (x[:, 0::2] + 1j * x[:, 1::2]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


def turn_by_view(x, angles):
    return (np.ascontiguousarray(x).view(complex) * np.exp(1j * angles)).view(float)


def turn_by_einsum(x, angles):
    R = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    return np.einsum("abni,nib->nia", R, x.reshape(len(x), -1, 2)).reshape(x.shape)


def turn_with_partners(x, angles):
    partners = np.stack([-x[:, 1::2], x[:, 0::2]], axis=-1).reshape(x.shape)
    return x * np.repeat(np.cos(angles), 2, axis=1) + partners * np.repeat(
        np.sin(angles), 2, axis=1
    )


def turn_polar(x, angles):
    """Length and direction, and the direction moved on."""
    length, direction = np.hypot(x[:, 0::2], x[:, 1::2]), np.arctan2(x[:, 1::2], x[:, 0::2])
    turned = np.empty(x.shape)
    turned[:, 0::2], turned[:, 1::2] = (
        length * np.cos(direction + angles),
        length * np.sin(direction + angles),
    )
    return turned


def turned(change, a_of=np.cos, b_of=np.sin):
    """As a learner writes it, with change(a, b, cos, sin) for the two new columns."""

    def answer(x, angles):
        result = np.zeros(x.shape)
        result[:, 0::2], result[:, 1::2] = change(
            x[:, 0::2], x[:, 1::2], np.cos(angles), np.sin(angles)
        )
        return result

    return answer


def in_the_input(x, angles):
    x[:, 0::2] = x[:, 0::2] * np.cos(angles) - x[:, 1::2] * np.sin(angles)
    x[:, 1::2] = x[:, 0::2] * np.sin(angles) + x[:, 1::2] * np.cos(angles)
    return x


def views(x, angles):
    """a and b are windows into x, and change with it."""
    a, b = x[:, 0::2], x[:, 1::2]
    x[:, 0::2] = a * np.cos(angles) - b * np.sin(angles)
    x[:, 1::2] = a * np.sin(angles) + b * np.cos(angles)
    return x


def at_once_in_the_input(x, angles):
    a, b = x[:, 0::2].copy(), x[:, 1::2].copy()
    x[:, 0::2], x[:, 1::2] = (
        a * np.cos(angles) - b * np.sin(angles),
        a * np.sin(angles) + b * np.cos(angles),
    )
    return x


def pair(x, angles):
    a, b = x[:, 0::2], x[:, 1::2]
    return a * np.cos(angles) - b * np.sin(angles), a * np.sin(angles) + b * np.cos(angles)


def rotate_half(x):
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([-b, a], axis=1)


def as_in_llama(x, angles, widen=lambda a: np.concatenate([a, a], axis=1)):
    return x * widen(np.cos(angles)) + rotate_half(x) * widen(np.sin(angles))


def swapped_partners(x):
    return np.stack([-x[:, 1::2], x[:, 0::2]], axis=-1).reshape(x.shape)


def added_hands(x, angles):
    x = x.copy()
    x[:, 0::2] += np.sin(angles)
    x[:, 1::2] += np.cos(angles)
    return x


# ---- 07.convert ----------------------------------------------------------------------------------


def convert_by_loop(W):
    new, half = np.zeros(W.shape), W.shape[1] // 2
    for i in range(half):
        new[:, i], new[:, i + half] = W[:, 2 * i], W[:, 2 * i + 1]
    return new


def convert_by_reshape(W):
    return W.reshape(len(W), -1, 2).swapaxes(1, 2).reshape(W.shape)


def convert_by_matrix(W):
    d = W.shape[1]
    return W @ np.eye(d)[:, [*range(0, d, 2), *range(1, d, 2)]]


def way_back(W):
    new = np.zeros(W.shape)
    new[:, 0::2], new[:, 1::2] = np.split(W, 2, axis=1)
    return new


def swap_in_place(W):
    """One after the other: later swaps move what earlier ones have put."""
    half = W.shape[1] // 2
    for i in range(half):
        W[:, [2 * i + 1, i + half]] = W[:, [i + half, 2 * i + 1]]
    return W


def first_swap_only(W):
    new, half = W.copy(), W.shape[1] // 2
    new[:, 1], new[:, half] = W[:, half], W[:, 1]
    return new


def in_place(W):
    W[:] = np.hstack([W[:, 0::2], W[:, 1::2]])
    return W


RIGHT = {
    "relative_positions.alibi": [
        bias_by_loops,
        bias_by_diagonals,
        bias_of_triangles,
        bias_of_smaller,
        table(lambda slope, back: -slope * np.abs(back)),
        table(lambda slope, back: -slope * np.sqrt(back**2)),
        table(lambda slope, back: np.where(back >= 0, -slope * back, slope * back)),
    ],
    "relative_positions.turn": [
        turn_by_loops,
        turn_by_complex,
        turn_by_view,
        turn_by_einsum,
        turn_with_partners,
        turn_polar,
        turned(lambda a, b, cos, sin: (cos * a - sin * b, cos * b + sin * a)),
        lambda x, angles: encodings.rotate(x, angles, layout="interleaved"),
    ],
    "relative_positions.convert": [
        convert_by_loop,
        convert_by_reshape,
        convert_by_matrix,
        lambda W: W[:, np.concatenate([np.arange(0, W.shape[1], 2), np.arange(1, W.shape[1], 2)])],
        lambda W: W[:, np.argsort(np.arange(W.shape[1]) % 2, kind="stable")],
        lambda W: np.concatenate([W.T[0::2], W.T[1::2]]).T,
    ],
}
WRONG = {
    "relative_positions.alibi": {
        "plus": (table(lambda slope, back: slope * np.abs(back)), "far words should lose"),
        "i - j": (table(lambda slope, back: -slope * back), "words ahead get a bonus"),
        "j - i": (table(lambda slope, back: slope * back), "words behind get a bonus"),
        "np.tril": (table(lambda slope, back: np.tril(-slope * back)), "words ahead lose nothing"),
        "for j in range(i)": (half_filled, "words ahead lose nothing"),
        "np.triu": (table(lambda slope, back: np.triu(slope * back)), "words behind lose nothing"),
        "-inf ahead": (causal(-np.inf), "the work of a mask"),
        "-1e9 ahead": (causal(-1e9), "the work of a mask"),
        "no slope": (table(lambda slope, back: -np.abs(back)), "not multiplied by the slope"),
        "squared": (table(lambda slope, back: -slope * back**2), "squared"),
        "/ slope": (table(lambda slope, back: -np.abs(back) / slope), "divided by the slope"),
        "+ 1": (table(lambda slope, back: -slope * (np.abs(back) + 1)), "its distance is 0"),
        "np.eye": (lambda slope, n: -slope * (1 - np.eye(n)), "subtracted once"),
        "- slope - distance": (
            table(lambda slope, back: -slope - np.abs(back)),
            "it should multiply it",
        ),
        "slope ** distance": (
            table(lambda slope, back: slope ** np.abs(back)),
            "is in an exponent",
        ),
        "-2.0 ** (-slope * distance)": (
            table(lambda slope, back: 2.0 ** (-slope * np.abs(back))),
            "is in an exponent",
        ),
        "np.exp": (
            table(lambda slope, back: np.exp(-slope * np.abs(back))),
            "a bias is added to the scores",
        ),
        "1 - slope * distance": (
            table(lambda slope, back: 1 - slope * np.abs(back)),
            "a bias is added to the scores",
        ),
        "softmax": (
            table(lambda slope, back: softmax(-slope * np.abs(back))),
            "the softmax comes later",
        ),
        "one row for all": (
            lambda slope, n: np.tile(slope * np.arange(n), (n, 1)),
            "every row is the same",
        ),
        "from the last word": (
            lambda slope, n: np.tile(-slope * np.arange(n)[::-1], (n, 1)),
            "every row is the same",
        ),
        "i only": (
            lambda slope, n: -slope * np.arange(n)[:, None] * np.ones(n),
            "every column is the same",
        ),
        "i + j": (
            lambda slope, n: -slope * np.add.outer(np.arange(n), np.arange(n)),
            "places are added",
        ),
        "i * j": (
            lambda slope, n: -slope * np.outer(np.arange(n), np.arange(n)),
            "places are multiplied",
        ),
        "/ n": (table(lambda slope, back: -slope * np.abs(back) / len(back)), "divided by n"),
        "np.log1p": (table(lambda slope, back: -slope * np.log1p(np.abs(back))), "logarithm"),
        "whole numbers": (whole_numbers, "made for whole numbers"),
        "zeros": (lambda slope, n: np.zeros((n, n)), "0 everywhere"),
        "a row": (lambda slope, n: -slope * np.arange(n), "bias should have the shape"),
        "no new axis": (no_new_axis, "bias should have the shape"),
        "all eight heads": (lambda slope, n: encodings.alibi(8, n), "bias should have the shape"),
        "for one distance": (lambda slope, n: -slope * n, "one number"),
        "the reverse": (
            lambda slope, n: -slope * (n - np.abs(np.arange(n)[:, None] - np.arange(n))),
            "the nearest lose most",
        ),
    },
    "relative_positions.turn": {
        "a cos + b sin, b cos - a sin": (
            turned(lambda a, b, cos, sin: (a * cos + b * sin, b * cos - a * sin)),
            "turns the other way",
        ),
        "-angles": (lambda x, angles: turn_by_complex(x, -angles), "turns the other way"),
        "both plus": (
            turned(lambda a, b, cos, sin: (a * cos + b * sin, a * sin + b * cos)),
            "both signs are plus",
        ),
        "both minus": (
            turned(lambda a, b, cos, sin: (a * cos - b * sin, b * cos - a * sin)),
            "both signs are minus",
        ),
        "rotate_half": (as_in_llama, "Llama's layout"),
        "x[:, : d // 2]": (
            lambda x, angles: encodings.rotate(x, angles, layout="half"),
            "Llama's layout",
        ),
        "rotate_half, np.repeat": (
            lambda x, angles: as_in_llama(x, angles, lambda a: np.repeat(a, 2, axis=1)),
            "repeated for neighbours",
        ),
        "np.tile": (
            lambda x, angles: (
                x * np.tile(np.cos(angles), 2) + swapped_partners(x) * np.tile(np.sin(angles), 2)
            ),
            "np.repeat, not np.tile",
        ),
        "np.concatenate": (
            lambda x, angles: np.concatenate(pair(x, angles), axis=1),
            "came back in halves",
        ),
        "np.stack(…, axis=1)": (
            lambda x, angles: np.stack(pair(x, angles), axis=1).reshape(x.shape),
            "came back in halves",
        ),
        "np.stack": (
            lambda x, angles: np.stack(pair(x, angles)).reshape(x.shape),
            "rows got mixed up",
        ),
        "np.stack, no reshape": (
            lambda x, angles: np.stack(pair(x, angles), axis=-1),
            "turned should have the shape",
        ),
        "the pair as it is": (pair, "turned should have the shape"),
        "into x, one after the other": (in_the_input, "the first line overwrote"),
        "a and b are views": (views, "the first line overwrote"),
        "into x": (at_once_in_the_input, "changes its input x"),
        "sin for cos": (
            turned(lambda a, b, cos, sin: (a * sin - b * cos, a * cos + b * sin)),
            "sine and cosine changed places",
        ),
        "b first": (
            turned(lambda a, b, cos, sin: (a * sin + b * cos, a * cos - b * sin)),
            "a and b changed places in the result",
        ),
        "degrees": (lambda x, angles: turn_by_complex(x, np.deg2rad(angles)), "radians"),
        "np.rad2deg": (lambda x, angles: turn_by_complex(x, np.rad2deg(angles)), "radians"),
        "2π · angles": (
            lambda x, angles: turn_by_complex(x, 2 * np.pi * angles),
            "already radians",
        ),
        "angles[:, :1]": (lambda x, angles: turn_by_complex(x, angles[:, :1]), "its first angle"),
        "angles[0]": (lambda x, angles: turn_by_complex(x, angles[0]), "each row has its own"),
        "twice": (
            lambda x, angles: turn_by_complex(turn_by_complex(x, angles), angles),
            "twice its angle",
        ),
        "only the first": (
            turned(lambda a, b, cos, sin: (a * cos - b * sin, b)),
            "both numbers change",
        ),
        "only the cosines": (turned(lambda a, b, cos, sin: (a * cos, b * cos)), "cosine alone"),
        "a cos, b sin": (
            turned(lambda a, b, cos, sin: (a * cos, b * sin)),
            "a rotation mixes the two",
        ),
        "x + angles": (
            lambda x, angles: x + np.repeat(angles, 2, axis=1),
            "were added to the numbers",
        ),
        "x + hands": (added_hands, "clock hands were added"),
        "x * angles": (
            lambda x, angles: x * np.repeat(angles, 2, axis=1),
            "multiplied by the angles",
        ),
        "x": (lambda x, angles: x, "nothing was turned"),
        "x * cos(angles)": (lambda x, angles: x * np.cos(angles), "raised ValueError"),
        "whole numbers": (
            lambda x, angles: turn_by_complex(x, angles).astype(int),
            "made for whole numbers",
        ),
    },
    "relative_positions.convert": {
        "the way back": (way_back, "this is the way back"),
        "reshape(d_in, 2, -1)": (
            lambda W: W.reshape(len(W), 2, -1).swapaxes(1, 2).reshape(W.shape),
            "this is the way back",
        ),
        "np.argsort(order)": (
            lambda W: W[:, np.argsort([*range(0, W.shape[1], 2), *range(1, W.shape[1], 2)])],
            "this is the way back",
        ),
        "rows": (lambda W: np.concatenate([W[0::2], W[1::2]]), "the rows were reordered"),
        "odd columns first": (
            lambda W: np.hstack([W[:, 1::2], W[:, 0::2]]),
            "the halves changed places",
        ),
        "np.vstack": (lambda W: np.vstack([W[:, 0::2], W[:, 1::2]]), "W should have the shape"),
        "np.vstack, reshape": (
            lambda W: np.vstack([W[:, 0::2], W[:, 1::2]]).reshape(W.shape),
            "the rows got mixed up",
        ),
        "reshape(-1, 2).T": (
            lambda W: W.reshape(-1, 2).T.reshape(W.shape),
            "the rows got mixed up",
        ),
        "reshape(2, -1)": (lambda W: W.reshape(2, -1).T.reshape(W.shape), "the rows got mixed up"),
        "order F": (lambda W: W.reshape(2, -1, order="F").reshape(W.shape), "reshape alone"),
        "each pair turned around": (
            lambda W: W.reshape(len(W), -1, 2)[..., ::-1].reshape(W.shape),
            "each pair was turned around",
        ),
        "W[:, ::-1]": (lambda W: W[:, ::-1], "in reverse"),
        "halves swapped": (
            lambda W: np.hstack(np.split(W, 2, axis=1)[::-1]),
            "the two halves of W changed places",
        ),
        "halves put together again": (
            lambda W: np.hstack(np.split(W, 2, axis=1)),
            "nothing has changed",
        ),
        "a minus": (
            lambda W: np.hstack([W[:, 0::2], -W[:, 1::2]]),
            "only the order of the columns",
        ),
        "rotate_half": (rotate_half, "nothing is turned here"),
        "columns 1 and d/2": (first_swap_only, "only columns 1 and d/2"),
        "swaps, one after the other": (swap_in_place, "swapped one pair after the other"),
        "even columns twice": (lambda W: np.hstack([W[:, 0::2], W[:, 0::2]]), "there twice"),
        "W[:, 0::2]": (lambda W: W[:, 0::2], "W should have the shape"),
        "a list of two": (lambda W: [W[:, 0::2], W[:, 1::2]], "W should have the shape"),
        "W.T": (lambda W: np.hstack([W[:, 0::2], W[:, 1::2]]).T, "W should have the shape"),
        "np.sort": (lambda W: np.sort(W, axis=1), "sorted by size"),
        "into W": (in_place, "changes its input W"),
        "the second half in reverse": (
            lambda W: np.hstack([W[:, 0::2], W[:, ::-2]]),
            "stands in reverse",
        ),
        "every third": (lambda W: np.hstack([W[:, k::3] for k in range(3)]), ""),
    },
}
