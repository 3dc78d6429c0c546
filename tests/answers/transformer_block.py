"""Answers to the exercises of transformer_block."""

import numpy as np

from attnlib.layers import layer_norm


def norm_by_loops(x, gain, bias, eps):
    rows, d = [], x.shape[-1]
    for row in x.reshape(-1, d):
        mean = sum(row) / d
        variance = sum((number - mean) ** 2 for number in row) / d
        rows.append(
            [
                (number - mean) / (variance + eps) ** 0.5 * g + b
                for number, g, b in zip(row, gain, bias)
            ]
        )
    return np.array(rows).reshape(x.shape)


def norm_by_einsum(x, gain, bias, eps):
    d = x.shape[-1]
    centred = np.einsum("...i,ij->...j", x, np.eye(d) - 1 / d)
    root = np.sqrt(np.einsum("...i,...i->...", centred, centred) / d + eps)
    return np.einsum("...i,...,i->...i", centred, 1 / root, gain) + bias


def norm_by_squares(x, gain, bias, eps):
    """The variance is the mean of the squares minus the square of the mean."""
    mean = x.mean(-1)[..., None]
    return gain * (x - mean) * ((x**2).mean(-1)[..., None] - mean**2 + eps) ** -0.5 + bias


def norm_in_place(x, gain, bias, eps):
    out = x.copy()
    out -= out.mean(-1, keepdims=True)
    out /= np.sqrt(out.var(-1, keepdims=True) + eps)
    out *= gain
    out += bias
    return out


def centred(x, axis=-1):
    return x - x.mean(axis=axis, keepdims=True)


def root(x, eps, axis=-1):
    return np.sqrt(x.var(axis=axis, keepdims=True) + eps)


def centred_in_place(x, gain, bias, eps):
    x -= x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + eps) * gain + bias


def layer(W_up, b_up, W_down):
    return lambda: (np.array(W_up), np.array(b_up), np.array(W_down))


def unit_by_unit():
    W_up, b_up, W_down = np.zeros((2, 4)), np.zeros(4), np.zeros((4, 1))
    for unit, (a, b, bias, says) in enumerate(
        [(2, -2, -1, 1), (-2, 2, -1, 1), (1, 1, -2, 5), (-3, -3, 0, 2)]
    ):
        W_up[:, unit], b_up[unit], W_down[unit] = (a, b), bias, says
    return W_up, b_up, W_down


def line_by_line(x, attention, feed_forward, norm_1, norm_2):
    copy = norm_1(x)
    found = attention(copy)
    stream = x + found
    copy = norm_2(stream)
    return stream + feed_forward(copy)


def both_in_a_loop(x, attention, feed_forward, norm_1, norm_2):
    for one, norm in [(attention, norm_1), (feed_forward, norm_2)]:
        x = x + one(norm(x))
    return x


def on_a_copy(x, attention, feed_forward, norm_1, norm_2):
    stream = x.copy()
    stream += attention(norm_1(stream))
    stream += feed_forward(norm_2(stream))
    return stream


def changes_x(x, attention, feed_forward, norm_1, norm_2):
    x += attention(norm_1(x))
    x += feed_forward(norm_2(x))
    return x


def post_norm(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x + attention(x))
    return norm_2(x + feed_forward(x))


def post_norm_in_the_second_line(x, attention, feed_forward, norm_1, norm_2):
    x = x + attention(norm_1(x))
    return norm_2(x + feed_forward(x))


def norm_before_and_behind(x, attention, feed_forward, norm_1, norm_2):
    x = x + norm_1(attention(norm_1(x)))
    return x + norm_2(feed_forward(norm_2(x)))


def normed_once_for_both(x, attention, feed_forward, norm_1, norm_2):
    normed = norm_1(x)
    return normed + attention(normed) + feed_forward(norm_2(normed + attention(normed)))


def stream_normed_in_the_first_line(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x)
    x = x + attention(x)
    return x + feed_forward(norm_2(x))


def stream_normed_in_the_second_line(x, attention, feed_forward, norm_1, norm_2):
    x = x + attention(norm_1(x))
    x = norm_2(x)
    return x + feed_forward(x)


def stream_normed_in_both_lines(x, attention, feed_forward, norm_1, norm_2):
    x = norm_1(x)
    x = x + attention(x)
    x = norm_2(x)
    return x + feed_forward(x)


def old_x_in_the_second_line(x, attention, feed_forward, norm_1, norm_2):
    found = x + attention(norm_1(x))
    return x + feed_forward(norm_2(found))


def added_only(x, attention, feed_forward, norm_1, norm_2):
    found = attention(norm_1(x))
    return found + feed_forward(norm_2(x + found))


def one_more_norm(x, attention, feed_forward, norm_1, norm_2):
    return norm_2(both_in_a_loop(x, attention, feed_forward, norm_1, norm_2))


RIGHT = {
    "transformer_block.norm": [
        norm_by_loops,
        norm_by_einsum,
        norm_by_squares,
        norm_in_place,
        lambda x, g, b, e: layer_norm(x, g, b, eps=e),
        lambda x, g, b, e: ((x.T - x.mean(-1).T) / np.sqrt(x.var(-1) + e).T).T * g + b,
        lambda x, g, b, e: centred(x) / np.hypot(x.std(-1, keepdims=True), e**0.5) * g + b,
    ],
    "transformer_block.exactly_one": [
        layer([[1, 1], [1, 1]], [0, -1], [[1], [-2]]),  # at least one, minus twice both
        layer([[1, 0, 1], [0, 1, 1]], [0, 0, -1], [[1], [1], [-2]]),  # a + b, minus twice both
        # 1, minus neither, minus both
        layer([[0, -1, 1], [0, -1, 1]], [1, 1, -1], [[1], [-1], [-1]]),
        layer([[4.0, -0.5], [-4.0, 0.5]], [0.0, 0.0], [[0.25], [2.0]]),
        # two units that never fire
        layer([[1, -1, 1, -1], [-1, 1, 1, -1]], [[0, 0, -2, 0]], [[1], [1], [7], [-9]]),
        layer([[1, -1], [-1, 1]], 0, [[1], [1]]),
        unit_by_unit,
        lambda: [[[1, -1], [-1, 1]], [0, 0], [[1], [1]]],
    ],
    "transformer_block.block": [
        line_by_line,
        both_in_a_loop,
        on_a_copy,
        lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x + a(n1(x)))),
        lambda x, a, f, n1, n2: (lambda stream: stream + f(n2(stream)))(x + a(n1(x))),
        lambda x, a, f, n1, n2: np.add(found := np.add(a(n1(x)), x), f(n2(found))),
    ],
}
WRONG = {
    "transformer_block.norm": {
        "no gain, no bias": (
            lambda x, g, b, e: centred(x) / root(x, e),
            "gain and bias are missing",
        ),
        "no bias": (lambda x, g, b, e: centred(x) / root(x, e) * g, "the bias is missing"),
        "no gain": (lambda x, g, b, e: centred(x) / root(x, e) + b, "the gain is missing"),
        "(normed + bias) * gain": (
            lambda x, g, b, e: (centred(x) / root(x, e) + b) * g,
            "the bias is added before the gain",
        ),
        "norm of x * gain + bias": (
            lambda x, g, b, e: centred(x * g + b) / root(x * g + b, e),
            "gain and bias came before the norm",
        ),
        "normed * (1 + gain) + bias": (
            lambda x, g, b, e: centred(x) / root(x, e) * (1 + g) + b,
            "here it is gain itself",
        ),
        "normed / gain + bias": (
            lambda x, g, b, e: centred(x) / root(x, e) / g + b,
            "not right yet",
        ),
        "normed * bias + gain": (
            lambda x, g, b, e: centred(x) / root(x, e) * b + g,
            "gain and bias changed places",
        ),
        "axis=0": (lambda x, g, b, e: centred(x, 0) / root(x, e, 0) * g + b, "down the columns"),
        "axis=-2": (lambda x, g, b, e: centred(x, -2) / root(x, e, -2) * g + b, "down the columns"),
        "axis=1": (lambda x, g, b, e: centred(x, 1) / root(x, e, 1) * g + b, "always the last"),
        "x.mean() and x.var()": (
            lambda x, g, b, e: (x - x.mean()) / np.sqrt(x.var() + e) * g + b,
            "over all rows together",
        ),
        "axis=(-2, -1)": (
            lambda x, g, b, e: centred(x, (-2, -1)) / root(x, e, (-2, -1)) * g + b,
            "over all rows together",
        ),
        "no keepdims": (
            lambda x, g, b, e: (x - x.mean(-1)) / np.sqrt(x.var(-1) + e) * g + b,
            "raised ValueError",
        ),
        "x.var() for all rows": (
            lambda x, g, b, e: centred(x) / np.sqrt(x.var() + e) * g + b,
            "the variance was taken over all rows",
        ),
        "(centred ** 2).mean()": (
            lambda x, g, b, e: centred(x) / np.sqrt((centred(x) ** 2).mean() + e) * g + b,
            "the variance was taken over all rows",
        ),
        "np.std(x) + eps": (
            lambda x, g, b, e: centred(x) / (x.std(-1, keepdims=True) + e) * g + b,
            "eps is added outside the root",
        ),
        "np.sqrt(variance) + np.sqrt(eps)": (
            lambda x, g, b, e: centred(x) / (x.std(-1, keepdims=True) + e**0.5) * g + b,
            "",
        ),
        "np.std(x), no eps": (
            lambda x, g, b, e: centred(x) / x.std(-1, keepdims=True) * g + b,
            "eps is missing",
        ),
        "1e-5 for eps": (lambda x, g, b, e: centred(x) / root(x, 1e-5) * g + b, "whatever eps is"),
        "variance + eps, no root": (
            lambda x, g, b, e: centred(x) / (x.var(-1, keepdims=True) + e) * g + b,
            "you divide by the variance",
        ),
        "ddof=1": (
            lambda x, g, b, e: centred(x) / np.sqrt(x.var(-1, ddof=1, keepdims=True) + e) * g + b,
            "layer norm divides by d",
        ),
        "the squares added up": (
            lambda x, g, b, e: (
                centred(x) / np.sqrt((centred(x) ** 2).sum(-1, keepdims=True) + e) * g + b
            ),
            "the variance is their mean",
        ),
        "np.linalg.norm": (
            lambda x, g, b, e: x / (np.linalg.norm(x, axis=-1, keepdims=True) + e) * g + b,
            "not right yet",
        ),
        "x / root of the mean square": (
            lambda x, g, b, e: x / np.sqrt((x**2).mean(-1, keepdims=True) + e) * g + b,
            "this is RMSNorm",
        ),
        "x / root of the variance": (
            lambda x, g, b, e: x / root(x, e) * g + b,
            "not subtracted above the line",
        ),
        "centred / root of the mean square of x": (
            lambda x, g, b, e: centred(x) / np.sqrt((x**2).mean(-1, keepdims=True) + e) * g + b,
            "not subtracted before squaring",
        ),
        "only centred": (lambda x, g, b, e: centred(x) * g + b, "nothing is divided by the spread"),
        "the mean of abs": (
            lambda x, g, b, e: centred(x) / (abs(centred(x)).mean(-1, keepdims=True) + e) * g + b,
            "",
        ),
        "from 0 to 1": (
            lambda x, g, b, e: (
                (x - x.min(-1, keepdims=True)) / (np.ptp(x, axis=-1, keepdims=True) + e) * g + b
            ),
            "",
        ),
        "x -= the mean": (centred_in_place, "your function changes its input x"),
        "rounded": (lambda x, g, b, e: (centred(x) / root(x, e) * g + b).round(4), "off by up to"),
    },
    "transformer_block.exactly_one": {
        "identity, added up": (
            layer([[1, 0], [0, 1]], [0, 0], [[1], [1]]),
            "it counts how many are there",
        ),
        "a + b": (layer([[1], [1]], [0], [[1]]), "take 2 away"),
        "a + b, minus both once": (
            layer([[1, 1], [1, 1]], [0, -1], [[1], [-1]]),
            "take 1 more away",
        ),
        "both": (layer([[1], [1]], [-1], [[1]]), "it says 1 if both are there"),
        "neither": (layer([[-1], [-1]], [1], [[1]]), "neither is there"),
        "neither or both": (
            layer([[-1, 1], [-1, 1]], [1, -1], [[1], [1]]),
            "yes and no changed places",
        ),
        "all zeros": (
            layer(np.zeros((2, 2)), np.zeros(2), np.zeros((2, 1))),
            "No hidden unit fires",
        ),
        "all ones": (
            layer(np.ones((2, 2)), np.zeros(2), np.ones((2, 1))),
            "The hidden units are all the same",
        ),
        "units that never fire": (
            layer([[-1, -1], [-1, -1]], [0, 0], [[1], [1]]),
            "No hidden unit fires",
        ),
        "a bias too low": (layer([[1, -1], [-1, 1]], [-1, -1], [[1], [1]]), "No hidden unit fires"),
        "one unit, a - b": (layer([[1], [-1]], [0], [[1]]), "One hidden unit"),
        "a - b twice": (
            layer([[1, 1], [-1, -1]], [0, 0], [[1], [1]]),
            "Each column of W_up is one unit",
        ),
        "a - b minus b - a": (layer([[1, -1], [-1, 1]], [0, 0], [[1], [-1]]), "opposite signs"),
        "no bias for both": (
            layer([[1, 1], [1, 1]], [0, 0], [[1], [-2]]),
            "The hidden units are all the same",
        ),
        "a minus b behind the bend": (
            layer([[1, 0], [0, 1]], [0, 0], [[1], [-1]]),
            "relu bends nothing",
        ),
        "a only": (layer([[1, 0], [0, 1]], [0, 0], [[1], [0]]), "one of the two features only"),
        "b only, with a bend": (
            layer([[0, 0], [2, 1]], [-1, 0], [[1], [1]]),
            "one of the two features only",
        ),
        "twice as much": (layer([[2, -2], [-2, 2]], [0, 0], [[1], [1]]), "W_down is 2 times"),
        "a minus too many": (layer([[1, -1], [-1, 1]], [0, 0], [[-1], [-1]]), "W_down is -1 times"),
        "the two sizes differ": (
            layer([[2, -1], [-2, 1]], [0, 0], [[1], [1]]),
            "Look at one hidden unit at a time",
        ),
        "both taken away too often": (
            layer([[1, 1], [1, 1]], [0, -1], [[1], [-3]]),
            "Look at one hidden unit at a time",
        ),
        "a bias for everything": (
            layer([[1, -1], [-1, 1]], [1, 1], [[1], [1]]),
            "the same for all four inputs",
        ),
        "nothing behind the bend": (
            layer([[1, -1], [-1, 1]], [0, 0], [[0], [0]]),
            "the same for all four inputs",
        ),
        "W_up (d_hidden, 2)": (
            layer(np.ones((3, 2)), np.zeros(3), np.ones((3, 1))),
            "one row for each feature",
        ),
        "W_up (2,)": (layer([1, -1], [0], [[1]]), "one row for each feature"),
        "b_up (2, 1)": (
            layer([[1, -1], [-1, 1]], [[0], [0]], [[1], [1]]),
            "one number for each hidden unit",
        ),
        "b_up too long": (
            layer([[1, -1], [-1, 1]], [0, 0, 0], [[1], [1]]),
            "one number for each hidden unit",
        ),
        "W_down (2,)": (
            layer([[1, -1], [-1, 1]], [0, 0], [1, 1]),
            "W_down should have the shape (2, 1). Got (2,).",
        ),
        "W_down (1, 2)": (
            layer([[1, -1], [-1, 1]], [0, 0], [[1, 1]]),
            "W_down should have the shape (2, 1). Got (1, 2).",
        ),
        "no b_up": (lambda: (np.ones((2, 2)), np.ones((2, 1))), "Return three arrays"),
        "one array": (lambda: np.ones((3, 2, 2)), "Return three arrays"),
        "the four outputs": (lambda: [0, 1, 1, 0], "Return three arrays"),
        "rows of different length": (
            lambda: ([[1, -1], [1]], [0, 0], [[1], [1]]),
            "must be arrays of numbers",
        ),
        "texts": (
            lambda: ([["1", "-1"], ["-1", "1"]], [0, 0], [[1], [1]]),
            "must be arrays of numbers",
        ),
        "nothing in b_up yet": (
            lambda: ([[1, -1], [-1, 1]], None, [[1], [1]]),
            "must be arrays of numbers",
        ),
        "infinity": (layer([[np.inf, -1], [-1, 1]], [0, 0], [[1], [1]]), "NaN or infinity"),
        "1e300 twice": (layer([[1e300, -1], [-1, 1]], [0, 0], [[1e300], [1]]), "too large"),
    },
    "transformer_block.block": {
        "post-norm": (post_norm, "this is post-norm"),
        "post-norm in the second line": (
            post_norm_in_the_second_line,
            "one of the two lines is post-norm",
        ),
        "norms before and behind": (norm_before_and_behind, ""),
        "x = norm(x) first, in both lines": (
            stream_normed_in_both_lines,
            "the stream itself was normed",
        ),
        "x = norm_1(x) first": (stream_normed_in_the_first_line, "the stream itself was normed"),
        "the normed copy goes on": (normed_once_for_both, "the stream itself was normed"),
        "x = norm_2(x) in the second line": (
            stream_normed_in_the_second_line,
            "the stream itself was normed",
        ),
        "x + attention + feed-forward, side by side": (
            lambda x, a, f, n1, n2: x + a(n1(x)) + f(n2(x)),
            "the feed-forward layer reads the stream before attention",
        ),
        "one into the other": (lambda x, a, f, n1, n2: f(n2(a(n1(x)))), "there is no plus"),
        "no second plus": (
            lambda x, a, f, n1, n2: f(n2(x + a(n1(x)))),
            "the second plus is missing",
        ),
        "no first plus": (
            lambda x, a, f, n1, n2: a(n1(x)) + f(n2(a(n1(x)))),
            "the first plus is missing",
        ),
        "the old x in the second line": (old_x_in_the_second_line, "lost from the stream"),
        "only what was added": (
            added_only,
            "x itself is not in the sum: what the layers add is there",
        ),
        "no norms": (lambda x, a, f, n1, n2: x + a(x) + f(x + a(x)), "the norms are missing"),
        "no norm_1": (lambda x, a, f, n1, n2: x + a(x) + f(n2(x + a(x))), "norm_1 is missing"),
        "no norm_2": (lambda x, a, f, n1, n2: x + a(n1(x)) + f(x + a(n1(x))), "norm_2 is missing"),
        "norm_1 twice": (
            lambda x, a, f, n1, n2: both_in_a_loop(x, a, f, n1, n1),
            "norm_1 was used twice",
        ),
        "norm_2 twice": (
            lambda x, a, f, n1, n2: both_in_a_loop(x, a, f, n2, n2),
            "norm_2 was used twice",
        ),
        "norms swapped": (
            lambda x, a, f, n1, n2: both_in_a_loop(x, a, f, n2, n1),
            "the two norms changed places",
        ),
        "feed-forward first": (
            lambda x, a, f, n1, n2: both_in_a_loop(x, f, a, n1, n2),
            "the feed-forward layer came first",
        ),
        "feed-forward first, with its own norm": (
            lambda x, a, f, n1, n2: both_in_a_loop(x, f, a, n2, n1),
            "the feed-forward layer came first",
        ),
        "x + norm(layer(x))": (
            lambda x, a, f, n1, n2: x + n1(a(x)) + n2(f(x + n1(a(x)))),
            "what a layer writes was normed",
        ),
        "attention only": (
            lambda x, a, f, n1, n2: x + a(n1(x)),
            "the feed-forward layer is missing",
        ),
        "feed-forward only": (lambda x, a, f, n1, n2: x + f(n2(x)), "attention is missing"),
        "one more norm at the end": (one_more_norm, "behind its last block"),
        "minus for plus": (lambda x, a, f, n1, n2: x - a(n1(x)) - f(n2(x - a(n1(x)))), ""),
        "x doubled": (lambda x, a, f, n1, n2: x + both_in_a_loop(x, a, f, n1, n2), ""),
        "x += …": (changes_x, "your function changes its input x"),
        "both arrays returned": (
            lambda x, a, f, n1, n2: (x + a(n1(x)), both_in_a_loop(x, a, f, n1, n2)),
            "has the shape",
        ),
        "the layers added, not called": (lambda x, a, f, n1, n2: x + a + f, "raised TypeError"),
        "attention(x, norm_1)": (
            lambda x, a, f, n1, n2: x + a(x, n1),
            "takes 1 positional argument",
        ),
        "x @ layer": (lambda x, a, f, n1, n2: x @ a, "raised"),
    },
}
