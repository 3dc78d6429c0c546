"""Exercises of notebook 08: layer norm by hand, a feed-forward layer that decides, a pre-norm block."""

import numpy as np

from attnlib.exercises import Exercise


def layer_norm_by_hand(x, gain, bias, eps):
    """Each row at mean 0 and variance 1, then times gain, plus bias. (..., d) -> (..., d)"""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)               # (..., 1)
    return centred / np.sqrt(variance + eps) * gain + bias


def _rows(rng):
    sizes = [((4, 5), 1, 1e-5), ((3, 8), 4, 1e-5), ((2, 3, 4), 1, 1e-2), ((5, 2), 2, 0.5)]
    return [(rng.normal(1, size, shape), rng.normal(1, 1, shape[-1]), rng.normal(0, 1, shape[-1]), eps) for shape, size, eps in sizes]


def _normed(x, axis=-1, ddof=0, eps=0.0, outside=0.0, root=True, centre=True):
    """A layer norm without gain and bias, with one thing or another done differently."""
    centred = x - x.mean(axis=axis, keepdims=True) if centre else x
    spread = x.var(axis=axis, ddof=ddof, keepdims=True) if centre else (x**2).mean(axis=axis, keepdims=True)
    return centred / ((np.sqrt(spread + eps) if root else spread + eps) + outside)


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
        "the bias is added before the gain multiplies: first times gain, then plus bias": lambda x, g, b, e: (_normed(x, eps=e) + b) * g,
        "mean and variance were taken down the columns (axis 0): that mixes the words; a norm stays within a row": lambda x, g, b, e: (
            _normed(x, axis=0, eps=e) * g + b
        ),
        "mean and variance were taken over the whole array: each row has its own": lambda x, g, b, e: _normed(x, axis=None, eps=e) * g + b,
        "eps is added outside the root, to the spread: it belongs to the variance, inside": lambda x, g, b, e: _normed(x, outside=e) * g + b,
        "eps is missing": lambda x, g, b, e: _normed(x) * g + b,
        "you divide by the variance: its root is the spread": lambda x, g, b, e: _normed(x, eps=e, root=False) * g + b,
        "the variance is divided by d − 1 (ddof=1): layer norm divides by d": lambda x, g, b, e: _normed(x, ddof=1, eps=e) * g + b,
        "the mean is not subtracted: this is RMSNorm": lambda x, g, b, e: _normed(x, centre=False, eps=e) * g + b,
        "the mean is subtracted, but nothing is divided by the spread": lambda x, g, b, e: (x - x.mean(axis=-1, keepdims=True)) * g + b,
    },
    hints=[
        "Everything happens along the last axis, with keepdims=True, so that each row keeps its own mean and variance.",
        "centred = x - mean; variance = the mean of centred ** 2; normed = centred / np.sqrt(variance + eps).",
        "Last: normed * gain + bias. Both are (d,) and are stretched over all rows.",
    ],
)


def one_but_not_both():
    """W_up, b_up, W_down of a layer that says 1 if exactly one of two features is there."""
    W_up = np.array([[1.0, -1.0], [-1.0, 1.0]])                        # one unit for "a, not b", one for "b, not a"
    return W_up, np.zeros(2), np.ones((2, 1))


CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def _one_fault(got):
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        return "Return three arrays: W_up, b_up, W_down."
    try:
        W_up, b_up, W_down = (np.asarray(part, float) for part in got)
    except (TypeError, ValueError):
        return "W_up, b_up and W_down must be arrays of numbers."
    if W_up.ndim != 2 or len(W_up) != 2 or W_up.shape[1] == 0:
        return f"W_up should have the shape (2, d_hidden): one row for each feature. Got {W_up.shape}."
    hidden = W_up.shape[1]
    if b_up.shape not in ((hidden,), (1, hidden), ()):
        return f"b_up should have the shape ({hidden},), one number for each hidden unit. Got {b_up.shape}."
    if W_down.shape != (hidden, 1):
        return f"W_down should have the shape ({hidden}, 1). Got {W_down.shape}."
    if not all(np.isfinite(part).all() for part in (W_up, b_up, W_down)):
        return "There is NaN or infinity in your numbers."
    output = (np.maximum(CORNERS @ W_up + b_up, 0) @ W_down)[:, 0]     # (4,)
    wanted = np.array([0.0, 1.0, 1.0, 0.0])
    if np.allclose(output, wanted, atol=1e-6):
        return ""
    table = "\n".join(f"{int(a)} {int(b)} -> {y:.2f}, wanted {w:.0f}" for (a, b), y, w in zip(CORNERS, output, wanted))
    if np.allclose(output, [0, 0, 0, 1], atol=1e-6):
        cause = "It looks as if it says 1 if both are there. Exactly one means: not both."
    elif np.allclose(output, [0, 1, 1, 1], atol=1e-6) or np.allclose(output, [0, 1, 1, 2], atol=1e-6):
        cause = "It looks as if it says yes if at least one is there. The case of both needs a unit of its own that takes it back."
    elif np.allclose(output, 1 - wanted, atol=1e-6):
        cause = "It looks as if yes and no changed places."
    elif np.allclose(output, output[0], atol=1e-6):
        cause = "The output does not depend on the input. Does any hidden unit fire?"
    elif hidden == 1:
        cause = "One hidden unit can only say how far x lies on one side of a line. Exactly one needs two of them."
    else:
        cause = "Look at one hidden unit at a time: for which of the four inputs does it fire, and how strongly?"
    return f"The layer gives\n{table}\n{cause}"


exactly_one = Exercise(
    one_but_not_both,
    title="Exactly one",
    level=2,
    minutes=12,
    inputs=lambda rng: [()],
    names=("W_up", "b_up", "W_down"),
    fault=_one_fault,
    hints=[
        "Which sum of the two features tells (1, 0) from (0, 0) and from (1, 1)? One unit is not enough; try one for each case.",
        "relu(a − b) is 1 for (1, 0) and 0 for the other three.",
        "Two units, a − b and b − a, added up.",
    ],
)


def pre_norm_block(x, attention, feed_forward, norm_1, norm_2):
    """The stream behind a pre-norm block: each layer reads a normed copy, and adds to the stream."""
    x = x + attention(norm_1(x))
    return x + feed_forward(norm_2(x))


def _layers(rng):
    trials = []
    for n, d in [(4, 3), (5, 6), (3, 4)]:
        mix, W, gain, shift = rng.random((n, n)), rng.normal(size=(d, d)), rng.normal(2, 0.2, d), rng.normal(size=d)

        def attention(x, mix=mix):
            return mix @ x

        def feed_forward(x, W=W):
            return np.maximum(x @ W, 0)

        def norm_1(x, gain=gain):
            return gain * x / np.sqrt((x**2).mean(axis=-1, keepdims=True))

        def norm_2(x, shift=shift):
            return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) + shift

        trials.append((rng.normal(0, 2, (n, d)), attention, feed_forward, norm_1, norm_2))
    return trials


def _post(x, a, f, n1, n2):
    x = n1(x + a(x))
    return n2(x + f(x))


def _normed_stream(x, a, f, n1, n2):
    x = n1(x)
    x = x + a(x)
    x = n2(x)
    return x + f(x)


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
        "the stream itself was normed: only the copy that a layer reads is, x stays as it is": _normed_stream,
        "the feed-forward layer reads the stream before attention: it should read what attention has added": _parallel,
        "there is no plus: layers add to the stream, they do not replace it": lambda x, a, f, n1, n2: f(n2(a(n1(x)))),
        "the second plus is missing": lambda x, a, f, n1, n2: f(n2(x + a(n1(x)))),
        "the first plus is missing": lambda x, a, f, n1, n2: a(n1(x)) + f(n2(a(n1(x)))),
        "the norms are missing": lambda x, a, f, n1, n2: x + a(x) + f(x + a(x)),
        "the two norms changed places: norm_1 belongs to attention": lambda x, a, f, n1, n2: pre_norm_block(x, a, f, n2, n1),
        "the feed-forward layer came first": lambda x, a, f, n1, n2: pre_norm_block(x, f, a, n2, n1),
        "what a layer writes was normed, not what it reads": lambda x, a, f, n1, n2: x + n1(a(x)) + n2(f(x + n1(a(x)))),
    },
    hints=[
        "Two lines, one for each layer: x = x + layer(norm(x)).",
        "The second line reads the x of the first.",
    ],
)
