"""Exercises of notebook 14: softmax and attention backwards, and a score for induction heads."""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise


def softmax_back(grad_weights, weights):
    """From the gradient of the weights to that of the scores, row by row. (n_q, n_k), (n_q, n_k) -> (n_q, n_k)"""
    mean = (grad_weights * weights).sum(axis=-1, keepdims=True)        # (n_q, 1) the mean gradient, by shares
    return weights * (grad_weights - mean)


def _rows(rng):
    return [(rng.normal(size=shape), softmax(rng.normal(0, 2, shape))) for shape in [(3, 4), (5, 5), (2, 7), (4, 3)]]


softmax_backward = Exercise(
    softmax_back,
    title="Softmax, backwards",
    level=2,
    minutes=12,
    inputs=_rows,
    names=("grad_scores",),
    mistakes={
        "only the direct part is there: raising a score also lowers the shares of all others": lambda g, w: w * g,
        "the plain mean of the gradients was subtracted: it should be the mean weighted by the shares": lambda g, w: (
            w * (g - g.mean(axis=-1, keepdims=True))
        ),
        "the plain sum of the gradients was subtracted: it should be weighted by the shares": lambda g, w: (
            w * (g - g.sum(axis=-1, keepdims=True))
        ),
        "you have the slope of each share by its own score, w (1 − w), and nothing between different ones": lambda g, w: g * w * (1 - w),
        "the mean runs down the columns (axis 0): each row is a softmax of its own": lambda g, w: (
            w * (g - (g * w).sum(axis=0, keepdims=True))
        ),
        "the mean runs over the whole table: each row is a softmax of its own": lambda g, w: w * (g - (g * w).sum()),
        "the factor weights in front is missing": lambda g, w: g - (g * w).sum(axis=-1, keepdims=True),
        "the sign is turned around": lambda g, w: -softmax_back(g, w),
        "gradient and weights changed places": lambda g, w: g * (w - (g * w).sum(axis=-1, keepdims=True)),
    },
    hints=[
        "Notebook 02: the slope of weight i by score j is w_i (δ_ij − w_j). The gradient of score j adds up grad_i times that, over i.",
        "Σ_i grad_i w_i (δ_ij − w_j) = grad_j w_j − w_j Σ_i grad_i w_i. The last sum is one number for each row.",
        "weights * (grad_weights - mean), with mean = (grad_weights * weights).sum(axis=-1, keepdims=True).",
    ],
)


def attention_back(grad_output, q, k, v, weights):
    """All gradients of one head: output = weights v, weights = softmax(q kᵀ / √d). -> grad_q, grad_k, grad_v"""
    grad_v = weights.T @ grad_output                                   # (n_k, d_v)
    grad_weights = grad_output @ v.T                                   # (n_q, n_k)
    grad_scores = softmax_back(grad_weights, weights) / np.sqrt(q.shape[-1])
    return grad_scores @ k, grad_scores.T @ q, grad_v                  # (n_q, d), (n_k, d)


def _heads(rng):
    trials = []
    for n_q, n_k, d, d_v in [(3, 5, 4, 2), (4, 4, 3, 3), (2, 6, 8, 5), (5, 3, 2, 4)]:
        q, k, v = rng.normal(size=(n_q, d)), rng.normal(size=(n_k, d)), rng.normal(size=(n_k, d_v))
        trials.append((rng.normal(size=(n_q, d_v)), q, k, v, softmax(q @ k.T / np.sqrt(d))))
    return trials


def _backwards(between, scale_q=True, scale_k=True):
    """attention_back with another way from grad_weights to grad_scores, or without the scale."""

    def wrong(grad_output, q, k, v, weights):
        grad_scores, scale = between(grad_output @ v.T, weights), q.shape[-1] ** -0.5
        return (
            grad_scores @ k * (scale if scale_q else 1),
            grad_scores.T @ q * (scale if scale_k else 1),
            weights.T @ grad_output,
        )

    return wrong


def _with_grad_v(grad_v):
    def wrong(grad_output, q, k, v, weights):
        return (*attention_back(grad_output, q, k, v, weights)[:2], grad_v(grad_output, v, weights))

    return wrong


backward = Exercise(
    attention_back,
    title="Attention, backwards",
    level=3,
    minutes=25,
    inputs=_heads,
    names=("grad_q", "grad_k", "grad_v"),
    mistakes={
        "the division by √d is missing: the scores were divided by it, so their gradient is, too": _backwards(softmax_back, False, False),
        "grad_q lacks the division by √d": _backwards(softmax_back, scale_q=False),
        "grad_k lacks the division by √d": _backwards(softmax_back, scale_k=False),
        "the softmax was skipped: what arrives at the weights is not yet what arrives at the scores": _backwards(lambda g, w: g),
        "on the way through the softmax only the direct part is there: weights * grad_weights": _backwards(lambda g, w: g * w),
        "on the way through the softmax you have w (1 − w), and nothing between different scores": _backwards(lambda g, w: g * w * (1 - w)),
        "the softmax was taken backwards down the columns: each row is a softmax of its own": _backwards(
            lambda g, w: w * (g - (g * w).sum(axis=0, keepdims=True))
        ),
        "you divide by d, not by √d": lambda g, q, k, v, w: (
            attention_back(g, q, k, v, w)[0] / np.sqrt(q.shape[-1]),
            attention_back(g, q, k, v, w)[1] / np.sqrt(q.shape[-1]),
            w.T @ g,
        ),
        "grad_q and grad_k changed places": lambda g, q, k, v, w: (*attention_back(g, q, k, v, w)[1::-1], w.T @ g),
        "grad_v used the weights without turning them around: key j collects from all queries, so it is weights.T @ grad_output": (
            _with_grad_v(lambda g, v, w: w @ g)
        ),
        "grad_v lacks the weights": _with_grad_v(lambda g, v, w: np.broadcast_to(g.sum(axis=0), v.shape)),
    },
    hints=[
        "Go backwards: output = weights @ v first, then the softmax, then scores = q @ k.T / √d. Each gradient has the shape of its array.",
        "For a product C = A @ B: grad_A = grad_C @ B.T and grad_B = A.T @ grad_C.",
        "grad_v = weights.T @ grad_output; grad_weights = grad_output @ v.T; then your softmax backwards gives grad_scores.",
        "grad_q = grad_scores @ k / √d; grad_k = grad_scores.T @ q / √d.",
    ],
)


def score_of_induction(weights, ids):
    """The mean weight on tokens that follow an earlier copy of the query's token: (n, n) causal weights, ids (n,)."""
    found = []
    for i in range(len(ids)):
        after = [j + 1 for j in range(i) if ids[j] == ids[i]]          # the places behind earlier copies
        if after:
            found.append(weights[i, after].sum())
    return np.mean(found)


def _texts(rng):
    trials = []
    for n, different in [(8, 4), (12, 5), (10, 3), (16, 9)]:
        ids = np.concatenate([rng.permutation(different)] * (n // different + 1))[:n]
        if different == 3:
            ids = rng.integers(0, 3, n)                                # copies at any distance, also side by side
            ids[:4] = [0, 1, 0, 2]
        scores = np.where(np.tri(n, dtype=bool), rng.normal(0, 2, (n, n)), -np.inf)
        trials.append((softmax(scores), ids))
    return trials


def _scored(places, over_all=False):
    def wrong(weights, ids):
        sums, n = [], len(ids)
        for i in range(n):
            keys = [j for j in places(i, ids) if 0 <= j < n]
            if keys:
                sums.append(weights[i, keys].sum())
        return np.sum(sums) / n if over_all else np.mean(sums) if sums else np.nan

    return wrong


def _earlier(i, ids):
    return [j for j in range(i) if ids[j] == ids[i]]


score = Exercise(
    score_of_induction,
    title="A score for induction heads",
    level=2,
    minutes=12,
    inputs=_texts,
    names=("score",),
    mistakes={
        "you counted the earlier copies themselves: an induction head looks at the token behind them": _scored(_earlier),
        "you counted the token before each earlier copy: it should be the one behind": _scored(lambda i, ids: [j - 1 for j in _earlier(i, ids)]),
        "all n queries count: only those whose token was there before do (and the query itself, j = i, is no earlier copy)": _scored(
            lambda i, ids: [j + 1 for j in _earlier(i, ids)], over_all=True
        ),
        "only the last earlier copy was counted: what follows any of them counts": _scored(
            lambda i, ids: [j + 1 for j in _earlier(i, ids)[-1:]]
        ),
        "only the first copy was counted: what follows any of them counts": _scored(lambda i, ids: [j + 1 for j in _earlier(i, ids)[:1]]),
        "rows and columns changed places: row i is the query": lambda w, ids: score_of_induction(w.T, ids),
        "you looked one token back, which is the other score": _scored(lambda i, ids: [i - 1] if i else []),
    },
    hints=[
        "For each query i: at which earlier places j does the same token stand? The places of interest are j + 1.",
        "Add up the weights of row i at these places. Queries without an earlier copy do not count.",
        "The score is the mean of these sums over the queries that count.",
    ],
)
