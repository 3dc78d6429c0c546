"""Exercises and a question of transformer_block: layer norm by hand, a feed-forward layer that
decides, a pre-norm block; where two heads must stand.
"""

import numpy as np

from attnlib.exercises import Exercise, Question

layers = Question(
    "transformer_block.layers",
    "choice",
    "One head reads the quality, another looks for the noun that fits. How must they stand, so that"
    " *it* finds *mat* when it was *soft*?",
    options=[
        (
            "side by side, in one layer",
            "Both ask at the same moment. What is in the two columns by then?",
        ),
        (
            "the noun in the first layer, the quality in the second",
            "When the noun is chosen, has anybody read the ending?",
        ),
        "the quality in the first layer, the noun in the second",
        ("in two layers, in either order", "What can the first of the two ask with?"),
    ],
    right="the quality in the first layer, the noun in the second",
    why="A head asks with what stands in the row of its word when its layer begins. What another"
    " head finds in the same layer, or later, is not there yet.",
)


def layer_norm_by_hand(x, gain, bias, eps):
    """Each row at mean 0 and variance 1, then times gain, plus bias. (..., d) -> (..., d)"""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)  # (..., 1)
    return centred / np.sqrt(variance + eps) * gain + bias


def _rows(rng):
    sizes = [((4, 5), 1, 1e-5), ((3, 8), 4, 1e-5), ((2, 3, 4), 1, 1e-2), ((5, 2), 2, 0.5)]
    return [
        (rng.normal(1, size, shape), rng.normal(1, 1, shape[-1]), rng.normal(0, 1, shape[-1]), eps)
        for shape, size, eps in sizes
    ]


def _normed(x, axis=-1, ddof=0, eps=0.0, outside=0.0, root=True, centre=True, spread="var"):
    """A layer norm without gain and bias, with one thing or another done differently."""
    centred = x - x.mean(axis=axis, keepdims=True) if centre else x
    if spread == "var":
        variance = x.var(axis=axis, ddof=ddof, keepdims=True)
    else:  # of the numbers themselves, or added up
        variance = (
            (x**2).mean(axis=axis, keepdims=True)
            if spread == "squares"
            else (centred**2).sum(axis=axis, keepdims=True)
        )
    return centred / ((np.sqrt(variance + eps) if root else variance + eps) + outside)


norm = Exercise(
    layer_norm_by_hand,
    title="Layer norm by hand",
    level=2,
    minutes=12,
    inputs=_rows,
    names=("normed",),
    mistakes={
        "gain and bias are missing": lambda x, g, b, e: _normed(x, eps=e),
        "the bias is missing": lambda x, g, b, e: _normed(x, eps=e) * g,
        "the gain is missing": lambda x, g, b, e: _normed(x, eps=e) + b,
        "the bias is added before the gain multiplies: first times gain, then plus bias": (
            lambda x, g, b, e: (_normed(x, eps=e) + b) * g
        ),
        "gain and bias changed places": lambda x, g, b, e: _normed(x, eps=e) * b + g,
        "gain and bias came before the norm: first norm, then times gain, plus bias": (
            lambda x, g, b, e: _normed(x * g + b, eps=e)
        ),
        "you multiply by 1 + gain: here it is gain itself": (
            lambda x, g, b, e: _normed(x, eps=e) * (1 + g) + b
        ),
        "mean and variance were taken down the columns: that mixes the words; a norm stays within "
        "a row, axis=-1": [
            lambda x, g, b, e: _normed(x, axis=0, eps=e) * g + b,
            lambda x, g, b, e: _normed(x, axis=-2, eps=e) * g + b,
        ],
        "you took axis=1, the last axis of a table only: axis=-1 is always the last": (
            lambda x, g, b, e: _normed(x, axis=1, eps=e) * g + b
        ),
        "mean and variance were taken over all rows together: each row has its own": [
            lambda x, g, b, e: _normed(x, axis=None, eps=e) * g + b,
            lambda x, g, b, e: _normed(x, axis=(-2, -1), eps=e) * g + b,
        ],
        "the variance was taken over all rows together: each row has its own": [
            lambda x, g, b, e: (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var() + e) * g + b,
            lambda x, g, b, e: (
                (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1).mean() + e) * g + b
            ),
        ],
        "eps is added outside the root, to the spread: it belongs to the variance, inside": (
            lambda x, g, b, e: _normed(x, outside=e) * g + b
        ),
        "eps is missing": lambda x, g, b, e: _normed(x) * g + b,
        "you add 1e-5 whatever eps is: use eps": lambda x, g, b, e: _normed(x, eps=1e-5) * g + b,
        "you divide by the variance: its root is the spread": (
            lambda x, g, b, e: _normed(x, eps=e, root=False) * g + b
        ),
        "the variance is divided by d − 1 (ddof=1): layer norm divides by d": (
            lambda x, g, b, e: _normed(x, ddof=1, eps=e) * g + b
        ),
        "the squares were added up: the variance is their mean": (
            lambda x, g, b, e: _normed(x, spread="sum", eps=e) * g + b
        ),
        "the mean is not subtracted: this is RMSNorm": (
            lambda x, g, b, e: _normed(x, centre=False, spread="squares", eps=e) * g + b
        ),
        "the mean is not subtracted above the line": (
            lambda x, g, b, e: _normed(x, centre=False, eps=e) * g + b
        ),
        "the mean is not subtracted before squaring: the variance is the mean of centred ** 2": (
            lambda x, g, b, e: _normed(x, spread="squares", eps=e) * g + b
        ),
        "the mean is subtracted, but nothing is divided by the spread": (
            lambda x, g, b, e: (x - x.mean(axis=-1, keepdims=True)) * g + b
        ),
    },
    hints=[
        (
            "Everything happens along the last axis, with keepdims=True, so that each row keeps its"
            " own mean and variance."
        ),
        (
            "centred = x - mean; variance = the mean of centred ** 2; normed = centred /"
            " np.sqrt(variance + eps)."
        ),
        "Last: normed * gain + bias. Both are (d,) and are stretched over all rows.",
    ],
)


def one_but_not_both():
    """W_up, b_up, W_down of a layer that says 1 if exactly one of two features is there."""
    W_up = np.array([[1.0, -1.0], [-1.0, 1.0]])  # one unit for "a, not b", one for "b, not a"
    return W_up, np.zeros(2), np.ones((2, 1))


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def _one_fault(got):
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return "Return three arrays: W_up, b_up, W_down."
    try:
        W_up, b_up, W_down = (np.asarray(part) for part in got)
    except Exception:  # what a learner returns may be anything
        return "W_up, b_up and W_down must be arrays of numbers."
    if any(part.dtype.kind not in "biuf" for part in (W_up, b_up, W_down)):
        return "W_up, b_up and W_down must be arrays of numbers."
    misshapen = _misshapen(W_up, b_up, W_down)
    if misshapen:
        return misshapen
    if not all(np.isfinite(part).all() for part in (W_up, b_up, W_down)):
        return "There is NaN or infinity in your numbers."
    with np.errstate(all="ignore"):
        output = (np.maximum(CORNERS @ W_up + b_up, 0) @ W_down)[:, 0]  # (4,)
    if not np.isfinite(output).all():
        return "The numbers are too large: what comes out is not finite."
    wanted = np.array([0.0, 1.0, 1.0, 0.0])
    if np.allclose(output, wanted, atol=1e-6):
        return ""
    return f"The layer gives\n{_table(output, wanted)}\n{_cause(output, W_up, b_up)}"


def _misshapen(W_up, b_up, W_down):
    """Which of the three has the wrong shape, in words; empty if none has."""
    if W_up.ndim != 2 or len(W_up) != 2 or W_up.shape[1] == 0:
        return (
            f"W_up should have the shape (2, d_hidden): one row for each feature. Got {W_up.shape}."
        )
    hidden = W_up.shape[1]
    if b_up.shape not in ((hidden,), (1, hidden), ()):
        return (
            f"b_up should have the shape ({hidden},), one number for each hidden unit. Got"
            f" {b_up.shape}."
        )
    if W_down.shape != (hidden, 1):
        return f"W_down should have the shape ({hidden}, 1). Got {W_down.shape}."
    return ""


def _table(output, wanted):
    return "\n".join(
        f"{int(a)} {int(b)} -> {y:.2f}, wanted {w:.0f}"
        for (a, b), y, w in zip(CORNERS, output, wanted)
    )


# What a layer may say for the four corners instead of 0, 1, 1, 0, and why.
SAYS = {
    (0, 0, 0, 1): "It looks as if it says 1 if both are there. Exactly one means: not both.",
    (0, 1, 1, 1): (
        "It looks as if it says yes if at least one is there. For both, take 1 more away: a unit"
        " that fires only then, with a minus."
    ),
    (0, 1, 1, 2): (
        "It looks as if it counts how many are there. For both, take 2 away: a unit that fires only"
        " then, with a minus."
    ),
    (1, 0, 0, 1): "It looks as if yes and no changed places.",
    (1, 0, 0, 0): "It looks as if it says 1 if neither is there.",
}


def _cause(output, W_up, b_up):
    """Why these four outputs are not 0, 1, 1, 0, in words."""
    reads = CORNERS @ W_up + b_up  # (4, d_hidden) what relu gets

    def says(*numbers):
        return np.allclose(output, numbers, atol=1e-6)

    for numbers, words in SAYS.items():
        if says(*numbers):
            return words
    if (reads <= 0).all():
        return "No hidden unit fires: what relu gets is never above 0."
    if W_up.shape[1] == 1:
        return (
            "One hidden unit can only say how far x lies on one side of a line. Exactly one needs"
            " two of them."
        )
    if np.allclose(reads, reads[:, :1]):
        return "The hidden units are all the same. Each column of W_up is one unit."
    if says(0, output[1], output[1], 0) and abs(output[1]) > 1e-6:
        return f"Only the size is off: W_down is {output[1]:.3g} times what it should be."
    if says(*output[[0, 0, 0, 0]]):
        return "The output is the same for all four inputs."
    if says(*output[[0, 0, 3, 3]]) or says(*output[[0, 3, 0, 3]]):
        return "The output depends on one of the two features only."
    if (reads >= 0).all():
        return (
            "No hidden unit is ever below 0, so relu bends nothing. A minus, in W_up or in b_up,"
            " gives it something to do."
        )
    if says(0, output[1], -output[1], 0):
        return "The two cases of exactly one come out with opposite signs. Both should be 1."
    return (
        "Look at one hidden unit at a time: for which of the four inputs does it fire, and how"
        " strongly?"
    )


exactly_one = Exercise(
    one_but_not_both,
    title="Exactly one",
    level=2,
    minutes=12,
    inputs=lambda rng: [()],
    names=("W_up", "b_up", "W_down"),
    fault=_one_fault,
    hints=[
        (
            "Which sum of the two features tells (1, 0) from (0, 0) and from (1, 1)? One unit is"
            " not enough; try one for each case."
        ),
        "relu(a − b) is 1 for (1, 0) and 0 for the other three.",
        "Two units, a − b and b − a, added up.",
    ],
)


def pre_norm_block(x, attention, feed_forward, norm_1, norm_2):
    """The stream behind a pre-norm block: each layer reads a normed copy, and adds to it."""
    x = x + attention(norm_1(x))
    return x + feed_forward(norm_2(x))


def _layers(rng):
    trials = []
    for n, d in [(4, 3), (5, 6), (3, 4)]:
        mix, W, gain, shift = (
            rng.random((n, n)),
            rng.normal(size=(d, d)),
            rng.normal(2, 0.2, d),
            rng.normal(size=d),
        )

        def attention(x, *, mix=mix):
            return mix @ x

        def feed_forward(x, *, W=W):
            return np.maximum(x @ W, 0)

        def norm_1(x, *, gain=gain):
            return gain * x / np.sqrt((x**2).mean(axis=-1, keepdims=True))

        def norm_2(x, *, shift=shift):
            return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(
                x.var(axis=-1, keepdims=True) + 1e-5
            ) + shift

        trials.append((rng.normal(0, 2, (n, d)), attention, feed_forward, norm_1, norm_2))
    return trials


def _post(x, a, f, n1, n2):
    x = n1(x + a(x))
    return n2(x + f(x))


def _normed_stream(first, second):
    """The stream itself is normed: before the first layer, before the second, or both."""

    def wrong(x, a, f, n1, n2):
        x = n1(x) if first else x
        x = x + a(x if first else n1(x))
        x = n2(x) if second else x
        return x + f(x if second else n2(x))

    return wrong


def _parallel(x, a, f, n1, n2):
    return x + a(n1(x)) + f(n2(x))


block = Exercise(
    pre_norm_block,
    title="A pre-norm block",
    level=1,
    minutes=6,
    inputs=_layers,
    names=("stream",),
    mistakes={
        "this is post-norm: the norms stand behind the plus": _post,
        "one of the two lines is post-norm: its norm stands behind the plus": [
            lambda x, a, f, n1, n2: n2(x + a(n1(x)) + f(x + a(n1(x)))),
            lambda x, a, f, n1, n2: n1(x + a(x)) + f(n2(n1(x + a(x)))),
        ],
        "there is one more norm at the end: a "
        "model has it behind its last block, not behind each": [
            lambda x, a, f, n1, n2: n1(pre_norm_block(x, a, f, n1, n2)),
            lambda x, a, f, n1, n2: n2(pre_norm_block(x, a, f, n1, n2)),
        ],
        "the stream itself was normed: only the copy that a layer reads is, x stays as it is": [
            _normed_stream(True, True),
            _normed_stream(True, False),
            _normed_stream(False, True),
        ],
        "the feed-forward layer reads the stream before attention: it should read what attention "
        "has added": _parallel,
        "there is no plus: layers add to the stream, they do not replace it": (
            lambda x, a, f, n1, n2: f(n2(a(n1(x))))
        ),
        "the second plus is missing": lambda x, a, f, n1, n2: f(n2(x + a(n1(x)))),
        "the first plus is missing": lambda x, a, f, n1, n2: a(n1(x)) + f(n2(a(n1(x)))),
        "the second line adds to the x from before: what attention has added is lost from the "
        "stream": lambda x, a, f, n1, n2: x + f(n2(x + a(n1(x)))),
        "x itself is not in the sum: what the layers add is there, but not the stream they add it "
        "to": lambda x, a, f, n1, n2: pre_norm_block(x, a, f, n1, n2) - x,
        "the norms are missing": lambda x, a, f, n1, n2: x + a(x) + f(x + a(x)),
        "norm_1 is missing": lambda x, a, f, n1, n2: x + a(x) + f(n2(x + a(x))),
        "norm_2 is missing": lambda x, a, f, n1, n2: x + a(n1(x)) + f(x + a(n1(x))),
        "norm_1 was used twice: the feed-forward layer reads through norm_2": (
            lambda x, a, f, n1, n2: pre_norm_block(x, a, f, n1, n1)
        ),
        "norm_2 was used twice: attention reads through norm_1": (
            lambda x, a, f, n1, n2: pre_norm_block(x, a, f, n2, n2)
        ),
        "the feed-forward layer is missing": lambda x, a, f, n1, n2: x + a(n1(x)),
        "attention is missing": lambda x, a, f, n1, n2: x + f(n2(x)),
        "the two norms changed places: norm_1 belongs to attention": (
            lambda x, a, f, n1, n2: pre_norm_block(x, a, f, n2, n1)
        ),
        "the feed-forward layer came first": [
            lambda x, a, f, n1, n2: pre_norm_block(x, f, a, n2, n1),
            lambda x, a, f, n1, n2: pre_norm_block(x, f, a, n1, n2),
        ],
        "what a layer writes was normed, not what it reads": (
            lambda x, a, f, n1, n2: x + n1(a(x)) + n2(f(x + n1(a(x))))
        ),
    },
    hints=[
        (
            "Each layer reads a normed copy, and adds what it finds to the stream. The norm never"
            " touches the stream itself."
        ),
        "Two lines, one for each layer: x = x + layer(norm(x)).",
        "The second line reads the x of the first.",
    ],
)
