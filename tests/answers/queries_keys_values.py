"""Answers to the exercises of queries_keys_values."""

import numpy as np

from answers.common import shares
from attnlib import scaled_dot_product_attention, softmax


def by_loops(q, k, v):
    weights = np.zeros((len(q), len(k)))
    for i in range(len(q)):
        scores = [sum(q[i] * k[j]) / q.shape[1] ** 0.5 for j in range(len(k))]
        e = np.exp(np.array(scores) - max(scores))
        weights[i] = e / sum(e)
    return sum(weights[:, [j]] * v[[j]] for j in range(len(k))), weights


def by_einsum(q, k, v):
    scores = np.einsum("id,jd->ij", q, k) * q.shape[1] ** -0.5
    scores = (
        scores
        - np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True))
        - scores.max(1, keepdims=True)
    )
    return np.einsum("ij,jd->id", np.exp(scores), v), np.exp(scores)


def in_float32(q, k, v):
    q, k, v = (x.astype(np.float32) for x in (q, k, v))
    weights = softmax(q / np.float32(q.shape[1]) ** 0.5 @ k.T)
    return weights @ v, weights


def scaled_in_place(q, k, v):
    q = q.copy()
    q /= np.sqrt(q.shape[-1])
    scores = q @ k.T
    scores -= scores.max(axis=-1)[:, None]
    np.exp(scores, out=scores)
    scores /= scores.sum(-1)[:, None]
    return scores @ v, scores


def both(weights, v):
    return weights @ v, weights


def weights_of(q, k):
    return softmax(q @ k.T / np.sqrt(q.shape[-1]))


def scaled(q, k):
    return q @ k.T / np.sqrt(q.shape[-1])


RIGHT = {
    "queries_keys_values.attention": [
        by_loops,
        by_einsum,
        in_float32,
        scaled_in_place,
        scaled_dot_product_attention,
    ],
    "queries_keys_values.shuffled": [
        lambda w, order: w[np.ix_(order, order)],
        lambda w, order: np.eye(len(w))[order] @ w @ np.eye(len(w))[order].T,
        lambda w, order: [[w[a, b] for b in order] for a in order],
        lambda w, order: w.T[order].T[order],
    ],
}
WRONG = {
    "queries_keys_values.attention": {
        "k @ q.T": (
            lambda q, k, v: both(softmax(k @ q.T / np.sqrt(k.shape[-1])), v),
            "q and k changed places",
        ),
        "not divided": (lambda q, k, v: both(softmax(q @ k.T), v), "not divided by √d"),
        "not divided, plain exp": (
            lambda q, k, v: both(shares(np.exp(q @ k.T)), v),
            "not divided by √d",
        ),
        "/ d": (
            lambda q, k, v: both(softmax(q @ k.T / q.shape[-1]), v),
            "by d, not by its square root",
        ),
        "/ d, plain exp": (
            lambda q, k, v: both(shares(np.exp(q @ k.T / q.shape[-1])), v),
            "by d, not by its square root",
        ),
        "/ d ** 1/2": (lambda q, k, v: both(softmax(q @ k.T / q.shape[-1] ** 1 / 2), v), "** 1/2"),
        "* √d": (
            lambda q, k, v: both(softmax(q @ k.T * np.sqrt(q.shape[-1])), v),
            "multiplied by √d",
        ),
        "√n": (lambda q, k, v: both(softmax(q @ k.T / np.sqrt(len(k))), v), "the number of tokens"),
        "√n of the queries": (
            lambda q, k, v: both(softmax(q @ k.T / np.sqrt(q.shape[0])), v),
            "the number of tokens",
        ),
        "√d_v": (
            lambda q, k, v: both(softmax(q @ k.T / np.sqrt(v.shape[-1])), v),
            "the width of v",
        ),
        "axis=0": (
            lambda q, k, v: both(softmax(scaled(q, k), axis=0), v),
            "down the columns (axis 0)",
        ),
        "axis=0, plain exp": (
            lambda q, k, v: both(shares(np.exp(scaled(q, k)), axis=0), v),
            "down the columns (axis 0)",
        ),
        "one sum for the whole table": (
            lambda q, k, v: both(np.exp(scaled(q, k)) / np.exp(scaled(q, k)).sum(), v),
            "over the whole table",
        ),
        "one maximum and one sum": (
            lambda q, k, v: both(softmax(scaled(q, k).ravel()).reshape(len(q), len(k)), v),
            "over the whole table",
        ),
        "the scores as weights": (lambda q, k, v: both(scaled(q, k), v), "without the softmax"),
        "plain exp": (
            lambda q, k, v: both(shares(np.exp(scaled(q, k))), v),
            "exp of large scores overflows",
        ),
        "- scores.max()": (
            lambda q, k, v: both(shares(np.exp(scaled(q, k) - scaled(q, k).max())), v),
            "one maximum was subtracted",
        ),
        "- scores.mean(-1)": (
            lambda q, k, v: both(
                shares(np.exp(scaled(q, k) - scaled(q, k).mean(-1, keepdims=True))), v
            ),
            "overflows",
        ),
        "weights / √d": (
            lambda q, k, v: both(softmax(q @ k.T) / np.sqrt(q.shape[-1]), v),
            "the weights are divided by √d",
        ),
        "weights, output": (
            lambda q, k, v: (weights_of(q, k), weights_of(q, k) @ v),
            "the two results changed places",
        ),
        "only the output": (lambda q, k, v: weights_of(q, k) @ v, "2 things"),
        "only the weights": (lambda q, k, v: weights_of(q, k), "2 things"),
        "a sum without keepdims": (
            lambda q, k, v: both(np.exp(scaled(q, k)) / np.exp(scaled(q, k)).sum(-1), v),
            "raised ValueError",
        ),
        "weights @ k": (lambda q, k, v: (weights_of(q, k) @ k, weights_of(q, k)), "output"),
        "no division after exp": (
            lambda q, k, v: both(np.exp(scaled(q, k)), v),
            "nothing is divided",
        ),
        "no division after exp(scores - maximum)": (
            lambda q, k, v: both(np.exp(scaled(q, k) - scaled(q, k).max(-1, keepdims=True)), v),
            "nothing is divided",
        ),
        "a causal mask": (
            lambda q, k, v: both(softmax(scaled(q, k), where=np.tri(len(q), len(k)) > 0), v),
            "here everyone may look",
        ),
        "winner takes all": (lambda q, k, v: both(np.eye(len(k))[(q @ k.T).argmax(-1)], v), ""),
        "even weights": (lambda q, k, v: both(np.full((len(q), len(k)), 1 / len(k)), v), ""),
        "shares without exp": (lambda q, k, v: both(shares(q @ k.T), v), ""),
        "sigmoid": (lambda q, k, v: both(1 / (1 + np.exp(-scaled(q, k))), v), ""),
        "clipped scores": (lambda q, k, v: both(softmax(np.clip(scaled(q, k), -3, 3)), v), ""),
        "rounded": (lambda q, k, v: (weights_of(q, k) @ v, weights_of(q, k).round(2)), ""),
        "a little noise": (
            lambda q, k, v: (weights_of(q, k) @ v + 1e-4, weights_of(q, k)),
            "off by up to",
        ),
        "the width of the example": (lambda q, k, v: both(softmax(q @ k.T / np.sqrt(3)), v), ""),
        "2 ** instead of exp": (lambda q, k, v: both(softmax(scaled(q, k) * np.log(2)), v), ""),
        "NaN in the output": (
            lambda q, k, v: (weights_of(q, k) @ v * np.nan, weights_of(q, k)),
            "",
        ),
    },
    "queries_keys_values.shuffled": {
        "weights[order]": (lambda w, order: w[order], "only the rows moved"),
        "weights[:, order]": (lambda w, order: w[:, order], "only the columns moved"),
        "argsort(order)": (
            lambda w, order: w[np.argsort(order)][:, np.argsort(order)],
            "undone instead of applied",
        ),
        "assigned to weights[order, …]": (
            lambda w, order: [
                [w[list(order).index(i), list(order).index(j)] for j in range(len(w))]
                for i in range(len(w))
            ],
            "undone instead of applied",
        ),
        "weights[order, order]": (lambda w, order: w[order, order], "only the diagonal"),
        "transposed": (lambda w, order: w[order].T[order], "rows and columns changed places"),
        "nothing moved": (lambda w, order: w, "nothing moved"),
        "backwards": (lambda w, order: w[::-1, ::-1], ""),
        "sorted": (lambda w, order: np.sort(w[order][:, order], axis=-1), ""),
        "rows twice": (lambda w, order: w[order][order], ""),
        "columns undone": (lambda w, order: w[order][:, np.argsort(order)], ""),
        "order applied to the numbers": (lambda w, order: np.take(w, order), "has the shape"),
        "attention of the new order": (lambda w, order: softmax(w[order][:, order]), ""),
    },
}
