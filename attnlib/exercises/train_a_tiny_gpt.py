"""Exercises of train_a_tiny_gpt: softmax and attention backwards, a score for induction heads."""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise


def softmax_back(grad_weights, weights):
    """From the gradient of the weights to that of the scores, row by row. (n_q, n_k), (n_q, n_k)
    -> (n_q, n_k)
    """
    # (n_q, 1) the mean gradient, by shares
    mean = (grad_weights * weights).sum(axis=-1, keepdims=True)
    return weights * (grad_weights - mean)


def _rows(rng):
    return [
        (rng.normal(size=shape), softmax(rng.normal(0, 2, shape)))
        for shape in [(3, 4), (5, 5), (2, 7), (4, 3)]
    ]


softmax_backward = Exercise(
    softmax_back,
    title="Softmax, backwards",
    level=2,
    minutes=12,
    inputs=_rows,
    names=("grad_scores",),
    mistakes={
        "only the direct part is there: raising a score also lowers the shares of all others": (
            lambda g, w: w * g
        ),
        "the plain mean of the gradients was subtracted: it should be the mean weighted by the "
        "shares": lambda g, w: w * (g - g.mean(axis=-1, keepdims=True)),
        "the plain sum of the gradients was subtracted: it should be weighted by the shares": (
            lambda g, w: w * (g - g.sum(axis=-1, keepdims=True))
        ),
        "you have the slope of each share by its own score, w (1 − w), and nothing between "
        "different ones": (lambda g, w: g * w * (1 - w)),
        "the mean runs down the columns (axis 0): each row is a softmax of its own": lambda g, w: (
            w * (g - (g * w).sum(axis=0, keepdims=True))
        ),
        "the mean runs over the whole table: each row is a softmax of its own": (
            lambda g, w: w * (g - (g * w).sum())
        ),
        "the factor weights in front is missing": (
            lambda g, w: g - (g * w).sum(axis=-1, keepdims=True)
        ),
        "the gradient is handed on as it came": lambda g, w: g,
        "only what is taken away is there: the direct part, weights * grad_weights, is missing": (
            lambda g, w: -w * (g * w).sum(axis=-1, keepdims=True)
        ),
        "the factor weights stands before the first term only: it belongs to both": lambda g, w: (
            w * g - (g * w).sum(axis=-1, keepdims=True)
        ),
        "the weighted gradients were averaged: the shares already sum to 1, so add them up": (
            lambda g, w: w * (g - (g * w).mean(axis=-1, keepdims=True))
        ),
        "the mean was added: it is subtracted": (
            lambda g, w: w * (g + (g * w).sum(axis=-1, keepdims=True))
        ),
        "the weights were put through the softmax again: they are its result": (
            lambda g, w: softmax_back(g, softmax(w))
        ),
        "grad_weights is not used: this is only the slope w (1 − w)": lambda g, w: w * (1 - w),
        "the sign is turned around": lambda g, w: -softmax_back(g, w),
        "gradient and weights changed places": (
            lambda g, w: g * (w - (g * w).sum(axis=-1, keepdims=True))
        ),
    },
    hints=[
        (
            "The slope of softmax: that of weight i by score j is w_i (δ_ij − w_j). The gradient of"
            " score j adds up grad_i times that, over i."
        ),
        (
            "Σ_i grad_i w_i (δ_ij − w_j) = grad_j w_j − w_j Σ_i grad_i w_i. The last sum is one"
            " number for each row."
        ),
        (
            "weights * (grad_weights - mean), with mean = (grad_weights * weights).sum(axis=-1,"
            " keepdims=True)."
        ),
    ],
)


def attention_back(grad_output, q, k, v, weights):
    """All gradients of one head: output = weights v, weights = softmax(q kᵀ / √d). -> grad_q,
    grad_k, grad_v
    """
    grad_v = weights.T @ grad_output  # (n_k, d_v)
    grad_weights = grad_output @ v.T  # (n_q, n_k)
    grad_scores = softmax_back(grad_weights, weights) / np.sqrt(q.shape[-1])
    return grad_scores @ k, grad_scores.T @ q, grad_v  # (n_q, d), (n_k, d)


def _heads(rng):
    trials = []
    for n_q, n_k, d, d_v in [(3, 5, 6, 2), (4, 4, 3, 3), (2, 6, 8, 5), (5, 3, 2, 4)]:
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


def _divided(by):
    """attention_back with another number in the place of √d."""

    def wrong(grad_output, q, k, v, weights):
        grad_q, grad_k, grad_v = attention_back(grad_output, q, k, v, weights)
        scale = np.sqrt(q.shape[-1]) / by(q, k, v)
        return grad_q * scale, grad_k * scale, grad_v

    return wrong


def _in_order(*order):
    return lambda *given: tuple(attention_back(*given)[i] for i in order)


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
        "the division by √d is missing: the scores were divided by it, so their gradient is, too": (
            _backwards(softmax_back, False, False)
        ),
        "grad_q lacks the division by √d": _backwards(softmax_back, scale_q=False),
        "grad_k lacks the division by √d": _backwards(softmax_back, scale_k=False),
        "the softmax was skipped: what arrives at the weights is not yet what arrives at the "
        "scores": _backwards(lambda g, w: g),
        "on the way through the softmax only the direct part is there: weights * grad_weights": (
            _backwards(lambda g, w: g * w)
        ),
        "on the way through the softmax you have w (1 − w), and nothing between different scores": (
            _backwards(lambda g, w: g * w * (1 - w))
        ),
        "the softmax was taken backwards down the columns, or over the whole table: each row is a "
        "softmax of its own": [
            _backwards(lambda g, w: w * (g - (g * w).sum(axis=0, keepdims=True))),
            _backwards(lambda g, w: w * (g - (g * w).sum())),
        ],
        "on the way through the softmax the plain mean or sum was subtracted: it should be "
        "weighted by the shares": [
            _backwards(lambda g, w: w * (g - g.mean(axis=-1, keepdims=True))),
            _backwards(lambda g, w: w * (g - g.sum(axis=-1, keepdims=True))),
        ],
        "on the way through the softmax the weighted gradients were averaged: the shares already "
        "sum to 1, so add them up": _backwards(
            lambda g, w: w * (g - (g * w).mean(axis=-1, keepdims=True))
        ),
        "on the way through the softmax the factor weights is missing in front of both terms, or "
        "of the second": [
            _backwards(lambda g, w: g - (g * w).sum(axis=-1, keepdims=True)),
            _backwards(lambda g, w: g * w - (g * w).sum(axis=-1, keepdims=True)),
        ],
        "on the way through the softmax the sign is turned around": _backwards(
            lambda g, w: -softmax_back(g, w)
        ),
        "the weights were put through the softmax again: they are its result": _backwards(
            lambda g, w: softmax_back(g, softmax(w))
        ),
        "you divide by d, not by √d": _divided(lambda q, k, v: q.shape[-1]),
        "you divide by d / 2: ** 1/2 halves, the root is ** 0.5": _divided(
            lambda q, k, v: q.shape[-1] / 2
        ),
        "you multiply by √d: the scores were divided by it, so their gradient is, too": _divided(
            lambda q, k, v: q.shape[-1] ** -0.5
        ),
        "you divide by the root of the width of v: it should be that of q": _divided(
            lambda q, k, v: np.sqrt(v.shape[-1])
        ),
        "you divide by the root of the number of keys: it should be the width of q": _divided(
            lambda q, k, v: np.sqrt(len(k))
        ),
        "grad_q and grad_k changed places": _in_order(1, 0, 2),
        "the three gradients stand in another order: return grad_q, grad_k, grad_v": [
            _in_order(*order) for order in [(2, 1, 0), (2, 0, 1), (0, 2, 1), (1, 2, 0)]
        ],
        "grad_v used the weights without turning them around: key j collects from all queries, so "
        "it is weights.T @ grad_output": _with_grad_v(lambda g, v, w: w @ g),
        "grad_v lacks the weights": _with_grad_v(
            lambda g, v, w: np.broadcast_to(g.sum(axis=0), v.shape)
        ),
    },
    hints=[
        (
            "Go backwards: output = weights @ v first, then the softmax, then scores = q @ k.T /"
            " √d. Each gradient has the shape of its array."
        ),
        "For a product C = A @ B: grad_A = grad_C @ B.T and grad_B = A.T @ grad_C.",
        (
            "grad_v = weights.T @ grad_output; grad_weights = grad_output @ v.T; then your softmax"
            " backwards gives grad_scores."
        ),
        "grad_q = grad_scores @ k / √d; grad_k = grad_scores.T @ q / √d.",
    ],
)


def score_of_induction(weights, ids):
    """The mean weight on tokens that follow an earlier copy of the query's token: (n, n) causal
    weights, ids (n,).
    """
    found = []
    for i in range(len(ids)):
        after = [j + 1 for j in range(i) if ids[j] == ids[i]]  # the places behind earlier copies
        if after:
            found.append(weights[i, after].sum())
    return np.mean(found)


def _texts(rng):
    trials = []
    for n, different in [(8, 4), (12, 5), (10, 3), (16, 9)]:
        ids = np.concatenate([rng.permutation(different)] * (n // different + 1))[:n]
        if different == 3:
            ids = rng.integers(0, 3, n)  # copies at any distance
            ids[:6] = [0, 1, 0, 2, 2, 1]  # also side by side
        scores = np.where(np.tri(n, dtype=bool), rng.normal(0, 2, (n, n)), -np.inf)
        trials.append((softmax(scores), ids))
    return trials


def _scored(places, counts="found"):
    """A score of other places. What counts: queries for which one is found, those with an earlier
    copy, or all.
    """

    def wrong(weights, ids):
        sums, n = [], len(ids)
        for i in range(n):
            keys = [j for j in places(i, ids) if 0 <= j < n]
            if keys or counts == "all" or (counts == "copies" and _earlier(i, ids)):
                sums.append(weights[i, keys].sum())
        return np.mean(sums) if sums else np.nan

    return wrong


def _by_query(one):
    """The mean over the queries that count, of one(weights on the tokens behind the earlier
    copies).
    """

    def wrong(weights, ids):
        behind = [
            weights[i, [j + 1 for j in _earlier(i, ids)]]
            for i in range(len(ids))
            if _earlier(i, ids)
        ]
        return np.mean(np.concatenate([np.atleast_1d(one(found)) for found in behind]))

    return wrong


def _with_later(weights, ids):
    sums = []
    for i in range(len(ids)):
        copies = [j for j in range(len(ids)) if j != i and ids[j] == ids[i]]
        if copies:
            sums.append(weights[i, [j + 1 for j in copies if j + 1 < len(ids)]].sum())
    return np.mean(sums)


def _largest(weights, ids):
    queries = [i for i in range(len(ids)) if _earlier(i, ids)]
    return np.mean([weights[i].argmax() - 1 in _earlier(i, ids) for i in queries])


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
        "you counted the earlier copies themselves: an induction head looks at the token behind "
        "them": _scored(_earlier),
        "you counted the token before each earlier copy: it should be the one behind": [
            _scored(lambda i, ids: [j - 1 for j in _earlier(i, ids)]),
            _scored(lambda i, ids: [j - 1 for j in _earlier(i, ids)], counts="copies"),
            # weights[i, -1]
            _scored(lambda i, ids: [(j - 1) % len(ids) for j in _earlier(i, ids)]),
        ],
        "all n queries count: only those whose token was there before do (and the query itself, j "
        "= i, is no earlier copy)": _scored(
            lambda i, ids: [j + 1 for j in _earlier(i, ids)], counts="all"
        ),
        "only the last earlier copy was counted: what follows any of them counts": _scored(
            lambda i, ids: [j + 1 for j in _earlier(i, ids)[-1:]]
        ),
        "only the first copy was counted: what follows any of them counts": _scored(
            lambda i, ids: [j + 1 for j in _earlier(i, ids)[:1]]
        ),
        "the weights behind several copies were averaged: for one query they are added up": [
            _by_query(np.mean),
            _by_query(lambda w: w),
        ],
        "only the largest of the weights was counted: for one query they are added up": _by_query(
            np.max
        ),
        "the sums were added up over the queries: return their mean": lambda w, ids: (
            score_of_induction(w, ids) * sum(bool(_earlier(i, ids)) for i in range(len(ids)))
        ),
        "queries whose token comes only later count, "
        "too: only those whose token stood earlier do": _with_later,
        "the first place counts as if it came behind the last token: ids[-1], or np.roll, goes "
        "around the end": _scored(lambda i, ids: [j for j in range(i + 1) if ids[j - 1] == ids[i]]),
        "a copy directly before the query was left out: what follows it is the query's own place, "
        "and counts": [
            _scored(lambda i, ids: [j + 1 for j in _earlier(i, ids) if j + 1 < i]),
            _scored(lambda i, ids: [j + 1 for j in _earlier(i, ids) if j + 1 < i], counts="copies"),
        ],
        "you counted how often the largest weight is on such a token: add up the weights": _largest,
        "rows and columns changed places: row i is the query": lambda w, ids: score_of_induction(
            w.T, ids
        ),
        "you looked one token back, which is the other score": [
            _scored(lambda i, ids: [i - 1]),
            _scored(lambda i, ids: [i - 1] if _earlier(i, ids) else []),
            _scored(lambda i, ids: [i - 1], counts="all"),
        ],
    },
    hints=[
        (
            "For each query i: at which earlier places j does the same token stand? The places of"
            " interest are j + 1."
        ),
        (
            "Add up the weights of row i at these places. Queries without an earlier copy do not"
            " count."
        ),
        "The score is the mean of these sums over the queries that count.",
    ],
)
