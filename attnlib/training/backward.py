"""Backward passes by hand: from the gradient of the output to the gradients of the inputs.

`grad_x` is the derivative of the loss by each number of x, so it has the shape of x. A function
<forward>_backward takes grad_output and what the forward pass read or computed. It remembers
nothing, and changes none of its arguments.
"""

from functools import partial

import numpy as np

from attnlib import _check, _guard
from attnlib._erfc import normal_tail
from attnlib._guard import repeat_kv
from attnlib.attention import attention_scores, log_softmax
from attnlib.encodings import Rotary, T5Bias, attention_factor, rotate
from attnlib.layers import FAR, SLOPE, gelu_bend, logistic

# ---- attention ---------------------------------------------------------------------------

ATTENTION = dict.fromkeys(["grad_output", "q", "k", "v", "weights"], _check.full)
ATTENTION |= dict.fromkeys(["scale", "softcap"], _check.positive)
BEND = {"grad_output": _check.full, "x": partial(_check.floats, axes="")}  # x may be infinite


@_guard.backward(_guard.softmax_backward, grad_weights="...", weights="...")
def softmax_backward(grad_weights, weights, axis=-1):
    """weights = softmax(x): a higher x_j takes share from all others, ∂w_i/∂x_j = w_i (δ_ij - w_j).

    grad_weights, weights  (...)
    returns                grad_x (...)
    """
    mean = np.vecdot(grad_weights, weights, axis=axis)  # of grad_weights, by shares
    return weights * (grad_weights - np.expand_dims(mean, axis))


@_guard.backward(_guard.attention_backward, **ATTENTION)
def scaled_dot_product_attention_backward(
    grad_output, q, k, v, weights, *, scale=None, softcap=None
):
    """output = weights v, weights = softmax(scores), scores = scale · q kᵀ + bias: from the end.

    grad_output            (..., h, n_q, d_v)
    q k v scale softcap    as in the forward pass, which returned the weights; a mask is not asked
                           for: where it forbids, the weight is 0, and so is every gradient
    returns                grad_q, grad_k, grad_v, shaped as q, k, v, and grad_bias
                           (..., h, n_q, n_k); `sum_to` brings that to the bias's own shape

    Dao et al. 2022, "FlashAttention", appendix B.2.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)
    keys, values = repeat_kv(k, q, "k"), repeat_kv(v, q, "v")  # (..., h, n_k, d)
    grad_v = weights.mT @ grad_output  # (..., h, n_k, d_v)
    grad_weights = grad_output @ values.mT  # (..., h, n_q, n_k)
    grad_bias = softmax_backward(grad_weights, weights)  # (..., h, n_q, n_k)
    grad_scores = grad_bias
    if softcap is not None:
        capped = attention_scores(q, k, scale=scale, softcap=softcap)
        grad_scores = softcap_backward(grad_bias, capped, softcap)
    grad_q = scale * (grad_scores @ keys)  # (..., h, n_q, d)
    grad_k = scale * (grad_scores.mT @ q)  # (..., h, n_k, d)
    grad_k, grad_v = sum_groups(grad_k, k.shape), sum_groups(grad_v, v.shape)
    return sum_to(grad_q, q.shape), grad_k, grad_v, grad_bias


@_guard.backward(grad_capped="...", capped="...", softcap=_check.positive)
def softcap_backward(grad_capped, capped, softcap):
    """capped = c · tanh(score / c): the slope of tanh is 1 - tanh². (...) -> (...)"""
    return grad_capped * (1 - np.square(capped / softcap))


@_guard.backward(_guard.rotate_backward, grad_output=_check.full, angles=_check.full)
def rotate_backward(grad_output, angles, *, layout):
    """A rotation forward is a rotation by minus the angle backward. (..., n, d_head)"""
    return rotate(grad_output, -angles, layout=layout)


@_guard.backward(_guard.rotary_backward, grad_output=_check.full, rotary=_check.made(Rotary))
def rotary_backward(grad_output, rotary, positions):
    """output = rotary(x, positions), an `encodings.Rotary`. (..., n, d_head)"""
    angles = rotary.angles(positions, *grad_output.shape[-2:])  # (..., n, pairs)
    d = 2 * angles.shape[-1]  # the columns that were turned
    grad_x = rotate_backward(grad_output[..., :d], angles, layout=rotary.layout)
    turned = attention_factor(rotary.scaling) * grad_x
    return np.concatenate([turned, grad_output[..., d:]], axis=-1)


@_guard.backward(_guard.t5_bias_backward, grad_bias="h n_q n_k", t5=_check.made(T5Bias))
def t5_bias_backward(grad_bias, t5):
    """Each row of the table collects the gradients of the distances in its bucket.

    grad_bias  (h, n_q, n_k)
    t5         the `encodings.T5Bias`
    returns    grad_table (n_buckets, h)
    """
    _, n_q, n_k = grad_bias.shape
    return embedding_backward(np.moveaxis(grad_bias, 0, -1), t5.buckets(n_q, n_k), len(t5.table))


# ---- layers ------------------------------------------------------------------------------


@_guard.backward(grad_output="... d_out", x="... d_in", W="d_in d_out")
def linear_backward(grad_output, x, W):
    """output = x W + b.

    grad_output  (..., n, d_out);   x (..., n, d_in);   W (d_in, d_out)
    returns      grad_x (..., n, d_in), grad_W (d_in, d_out); that of b is sum_rows(grad_output)
    """
    rows, grad_rows = x.reshape(-1, x.shape[-1]), grad_output.reshape(-1, grad_output.shape[-1])
    return grad_output @ W.T, rows.T @ grad_rows


@_guard.backward(
    _guard.embedding_backward,
    grad_output="... d_model",
    ids=_check.whole,
    vocabulary=_check.integer,
)
def embedding_backward(grad_output, ids, vocabulary):
    """output = embedding[ids]: each row of the table collects the gradients of its tokens.

    grad_output  (..., n, d_model);   ids (..., n)
    returns      grad_embedding (vocabulary, d_model)
    """
    rows, ids = grad_output.reshape(-1, grad_output.shape[-1]), np.ravel(ids)
    order = np.argsort(ids, kind="stable")  # equal ids side by side
    tokens, starts = np.unique(ids[order], return_index=True)
    grad_embedding = np.zeros((vocabulary, rows.shape[-1]), rows.dtype)
    grad_embedding[tokens] = np.add.reduceat(rows[order], starts)  # one sum per run
    return grad_embedding


@_guard.backward(grad_output="... d", x="... d", gain="d", eps=_check.positive)
def layer_norm_backward(grad_output, x, gain=None, *, eps=1e-5):
    """output = gain · (x - mean) / spread + bias.

    A row's mean and its spread are fixed by the norm, so a push along either is lost: what is
    left of the gradient has no mean and no part in the direction of the normed row.

    returns  grad_x (..., d), grad_gain (d,), grad_bias (d,)

    Ba, Kiros and Hinton 2016, "Layer Normalization", equations 3 and 4.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + eps)
    normed = centred / spread  # (..., d)
    grad_normed = grad_output if gain is None else grad_output * gain
    along = (grad_normed * normed).mean(axis=-1, keepdims=True)  # (..., 1)
    grad_x = (grad_normed - grad_normed.mean(axis=-1, keepdims=True) - normed * along) / spread
    return grad_x, sum_rows(grad_output * normed), sum_rows(grad_output)


@_guard.backward(grad_output="... d", x="... d", gain="d", eps=_check.positive)
def rms_norm_backward(grad_output, x, gain=None, *, eps=1e-6):
    """output = gain · x / size, with size the root of the mean square.

    returns  grad_x (..., d), grad_gain (d,)

    Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", equation 4.
    """
    size = np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + eps)
    normed = x / size  # (..., d)
    grad_normed = grad_output if gain is None else grad_output * gain
    along = (grad_normed * normed).mean(axis=-1, keepdims=True)  # (..., 1)
    return (grad_normed - normed * along) / size, sum_rows(grad_output * normed)


@_guard.backward(_guard.bend, **BEND)
def relu_backward(grad_output, x):
    """The slope is 1 above 0 and 0 below. (...) -> (...)"""
    return grad_output * (x > 0)


@_guard.backward(_guard.bend, **BEND, approximate=_guard.approximate)
def gelu_backward(grad_output, x, *, approximate="none"):
    """x Φ(x) has the slope Φ(x) + x φ(x), where φ is the bell curve. (...) -> (...)"""
    x = np.clip(x, -FAR, FAR)  # the slope is 0 and 1 beyond
    if approximate == "tanh":
        t, slope = np.tanh(gelu_bend(x)), SLOPE * (1 + 3 * 0.044715 * x * x)
        return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)
    tail = normal_tail(np.abs(x))
    bell = np.exp(-0.5 * x * x) / (2 * np.pi) ** 0.5
    return grad_output * (np.where(x < 0, tail, 1 - tail) + x * bell)


@_guard.backward(_guard.bend, **BEND)
def silu_backward(grad_output, x):
    """x s(x), with s the logistic function, has the slope s (1 + x (1 - s)). (...) -> (...)"""
    x = np.clip(x, -FAR, FAR)
    s = logistic(x)
    return grad_output * (s * (1 + x * (1 - s)))


# ---- loss --------------------------------------------------------------------------------


@_guard.backward(logits=_guard.logits)
def cross_entropy(logits, targets, *, where=None):
    """How surprised the model is by the right answers: the mean of -log(share of the target).

    logits   (..., vocabulary)
    targets  (...) ids
    where    boolean (...): only these positions count, all unless given
    returns  loss, a number in nats, and grad_logits (..., vocabulary)
    """
    logits, targets, where = _checked_targets(logits, targets, where)
    picked = targets[..., None]  # (..., 1)
    log_shares = log_softmax(logits)  # (..., vocabulary)
    losses = -np.take_along_axis(log_shares, picked, axis=-1)[..., 0]  # (...)
    grad_logits = np.exp(log_shares)  # share - 1 at the target
    np.put_along_axis(grad_logits, picked, np.take_along_axis(grad_logits, picked, -1) - 1, -1)
    grad_logits *= where[..., None] / logits.dtype.type(where.sum())
    return float(losses[where].mean()), grad_logits


def _checked_targets(logits, targets, where):
    """The three as arrays that fit each other; `where` is all True unless given."""
    logits, targets = (
        _check.floats("logits", logits, "vocabulary"),
        _check.array("targets", targets),
    )
    if targets.dtype.kind not in "iu" or targets.shape != logits.shape[:-1]:
        found = f"got {targets.dtype} {targets.shape} for logits {logits.shape}"
        raise ValueError(f"targets must be whole numbers, one per position, {found}")
    if targets.size and not 0 <= targets.min() <= targets.max() < logits.shape[-1]:
        found = f"got {targets.min()} to {targets.max()}"
        raise ValueError(f"targets must lie between 0 and {logits.shape[-1] - 1}, {found}")
    where = np.ones(targets.shape, bool) if where is None else _check.array("where", where)
    if where.dtype != np.bool_ or where.shape != targets.shape or not where.any():
        wanted = f"boolean of the targets' shape {targets.shape}, with at least one True"
        true = int(where.sum()) if where.dtype == np.bool_ else "none"
        raise ValueError(f"where must be {wanted}, got {where.dtype} {where.shape}, {true} True")
    return logits, targets, where


# ---- undoing broadcasts ------------------------------------------------------------------


@_guard.backward(_guard.sum_to, gradient="...", shape=_check.shape)
def sum_to(gradient, shape):
    """What broadcasting copied, the gradient adds up: from its own shape back to `shape`."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] > 1)
    return gradient.sum(axis=stretched, keepdims=True)


@_guard.backward(_guard.sum_groups, gradient="...", shape=_check.shape)
def sum_groups(gradient, shape):
    """The same for grouped heads: a kv head adds up its query heads. (..., h, n, d) -> `shape`"""
    if len(shape) > 2 and 1 < shape[-3] < gradient.shape[-3]:
        groups = (*gradient.shape[:-3], shape[-3], -1, *gradient.shape[-2:])
        gradient = gradient.reshape(groups).sum(axis=-3)  # (..., h_kv, n, d)
    return sum_to(gradient, shape)


@_guard.backward(gradient="... d")
def sum_rows(gradient):
    """A row that every token shares, as a gain or a bias: (..., n, d) -> (d,)"""
    return gradient.reshape(-1, gradient.shape[-1]).sum(axis=0)
