"""Answers to the exercises of why_scale."""

import numpy as np

from attnlib import scaled_dot_product_attention, softmax


def pairs(d, rng, n=4000):
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def spread_by_loops(d, rng):
    dots = [float(rng.normal(size=d) @ rng.normal(size=d)) for _ in range(2500)]
    mean = sum(dots) / len(dots)
    return (sum((dot - mean) ** 2 for dot in dots) / len(dots)) ** 0.5


def every_with_every(d, rng):
    q, k = pairs(d, rng, 600)
    return (q @ k.T).std()


def own_random_numbers(d, rng):
    q, k = pairs(d, np.random.default_rng(), 3000)
    return np.std(np.einsum("nd,nd->n", q, k), ddof=1)


def one_pair(d, rng):
    return rng.normal(size=d) @ rng.normal(size=d)


def same_twice(d, rng):
    q = rng.normal(size=(4000, d))
    return (q * q).sum(axis=1).std()


def distances(d, rng):
    q, k = pairs(d, rng)
    return np.linalg.norm(q - k, axis=1).mean()


def of_pairs(f):
    return lambda d, rng: f(*pairs(d, rng))


def uniform(low, high):
    return lambda d, rng: (
        (rng.uniform(low, high, (4000, d)) * rng.uniform(low, high, (4000, d))).sum(axis=1).std()
    )


def head(x, W_q, W_k, divide=lambda scores, d: scores / d**0.5):
    q, k = x @ W_q, x @ W_k
    return softmax(divide(q @ k.T, q.shape[1]))


def repaired_by_loops(x, W_q, W_k):
    q, k = x @ W_q, x @ W_k
    weights = []
    for one in q:
        e = np.exp([one @ other / len(one) ** 0.5 for other in k])
        weights.append(e / e.sum())
    return weights


def slope_by_loops(w):
    n = len(w)
    return [[w[i] * (1 - w[i]) if i == j else -w[i] * w[j] for j in range(n)] for i in range(n)]


def slope_by_nudging(w, step=1e-5):
    scores, table = np.log(w), np.zeros((len(w), len(w)))
    for j in range(len(w)):
        up, down = scores.copy(), scores.copy()
        up[j] += step
        down[j] -= step
        table[:, j] = (softmax(up) - softmax(down)) / (2 * step)
    return table


def coarse_slope(w, step=1e-3):
    scores = np.log(w)
    return np.stack([(softmax(scores + step * one) - w) / step for one in np.eye(len(w))], axis=1)


RIGHT = {
    "why_scale.spread": [
        spread_by_loops,
        every_with_every,
        own_random_numbers,
        lambda d, rng: np.sqrt(
            np.mean((rng.standard_normal((2000, d)) * rng.standard_normal((2000, d))).sum(1) ** 2)
        ),
        lambda d, rng: np.sqrt(
            np.var([rng.normal(size=d) @ rng.normal(size=d) for _ in range(6000)])
        ),
        of_pairs(lambda q, k: np.diag(q[:2000] @ k[:2000].T).std()),
        lambda d, rng: (
            (rng.normal(size=(2000, d)) * rng.normal(size=(2000, d)))
            .sum(axis=1)
            .std()
            .astype(np.float32)
        ),
    ],
    "why_scale.repair": [
        head,
        repaired_by_loops,
        lambda x, W_q, W_k: scaled_dot_product_attention(x @ W_q, x @ W_k, x)[1],
        lambda x, W_q, W_k: softmax(
            np.einsum("ia,ab,cb,jc->ij", x, W_q, W_k, x) * W_k.shape[-1] ** -0.5
        ),
        lambda x, W_q, W_k: softmax(
            (x @ W_q / W_q.shape[1] ** 0.25) @ (x @ W_k / W_k.shape[1] ** 0.25).T
        ),
    ],
    "why_scale.slope": [
        slope_by_loops,
        slope_by_nudging,
        lambda w: w[:, None] * (np.eye(len(w)) - w),
        lambda w: np.einsum("i,ij->ij", w, np.eye(len(w))) - w[:, None] @ w[None, :],
        lambda w: np.diag(w) @ (np.eye(len(w)) - np.ones((len(w), 1)) * w),
    ],
}
WRONG = {
    "why_scale.spread": {
        ".var()": (of_pairs(lambda q, k: (q * k).sum(axis=1).var()), "the variance"),
        ".mean()": (
            of_pairs(lambda q, k: (q * k).sum(axis=1).mean()),
            "the mean of the dot products",
        ),
        "(q * k).std()": (of_pairs(lambda q, k: (q * k).std()), "Measure the dot products"),
        "q.std()": (of_pairs(lambda q, k: q.std()), "Measure the dot products"),
        "spread / √d": (
            of_pairs(lambda q, k: (q * k).sum(axis=1).std() / q.shape[1] ** 0.5),
            "or you divided by √d",
        ),
        "(q * k).mean(axis=1).std()": (
            of_pairs(lambda q, k: (q * k).mean(axis=1).std()),
            "the dot product is their sum",
        ),
        "(q * k).sum(axis=0).std()": (
            of_pairs(lambda q, k: (q * k).sum(axis=0).std()),
            "over the pairs",
        ),
        "np.abs(dots).mean()": (
            of_pairs(lambda q, k: abs((q * k).sum(axis=1)).mean()),
            "the mean of the absolute values",
        ),
        "k = q": (same_twice, "of q with itself"),
        "np.linalg.norm(q - k)": (distances, "distance"),
        "np.linalg.norm(q, axis=1).mean()": (
            of_pairs(lambda q, k: np.linalg.norm(q, axis=1).mean()),
            "the mean length of q",
        ),
        "rng.random": (uniform(0, 1), "rng.normal"),
        "rng.uniform(-1, 1)": (uniform(-1, 1), "rng.normal"),
        "np.sqrt(d), without measuring": (lambda d, rng: np.sqrt(d), "measure"),
        "all dot products returned": (
            of_pairs(lambda q, k: (q * k).sum(axis=1)),
            "Return one number",
        ),
        "a text": (lambda d, rng: str(d**0.5), "Return one number"),
        "nan": (lambda d, rng: float("nan"), "not a number"),
        "one pair only": (one_pair, ""),
        "three columns only": (
            lambda d, rng: (
                (rng.normal(size=(4000, 3)) * rng.normal(size=(4000, 3))).sum(axis=1).std()
            ),
            "all d columns",
        ),
        "twice the spread": (of_pairs(lambda q, k: 2 * (q * k).sum(axis=1).std()), "too far off"),
    },
    "why_scale.repair": {
        "√d_model: x.shape[-1]": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(x.shape[-1])),
            "the bug is still there",
        ),
        "√d_model: W_q.shape[0]": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(W_q.shape[0])),
            "d_model",
        ),
        "d_model without the root": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / x.shape[-1]),
            "by d_model itself",
        ),
        "d_head without the root": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / d),
            "not by its square root",
        ),
        "scores / d ** 1/2": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / d**1 / 2),
            "** 1/2",
        ),
        "scores / (d ** 1/2)": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / (d**1 / 2)),
            "** 1/2",
        ),
        "√n": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(len(s))),
            "the number of tokens",
        ),
        "not divided": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s),
            "not divided at all",
        ),
        "multiplied by √d_head": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s * d**0.5),
            "you multiply",
        ),
        "√(d_model / d_head)": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(len(W_q) / d)),
            "the number of heads",
        ),
        "√ of all of q: q.size": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(len(s) * d)),
            "",
        ),
        "softmax(…, axis=0)": (
            lambda x, W_q, W_k: softmax((x @ W_q) @ (x @ W_k).T / np.sqrt(W_q.shape[1]), axis=0),
            "down the columns",
        ),
        "k @ q.T": (lambda x, W_q, W_k: head(x, W_k, W_q), "q and k changed places"),
        "softmax(…) / √d_head": (
            lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s) / W_q.shape[1] ** 0.5,
            "the weights are divided",
        ),
        "the scores returned": (
            lambda x, W_q, W_k: (x @ W_q) @ (x @ W_k).T / W_q.shape[1] ** 0.5,
            "without the softmax",
        ),
        "q.T @ k": (
            lambda x, W_q, W_k: softmax((x @ W_q).T @ (x @ W_k) / W_q.shape[1] ** 0.5),
            "has the shape",
        ),
    },
    "why_scale.slope": {
        "np.diag(w * (1 - w))": (lambda w: np.diag(w * (1 - w)), "only the diagonal"),
        "np.diag(w)": (lambda w: np.diag(w), "taken away is missing"),
        "-np.outer(w, w)": (lambda w: -np.outer(w, w), "lacks its + weights[i]"),
        "np.outer(w, w) - np.diag(w)": (
            lambda w: np.outer(w, w) - np.diag(w),
            "the sign is turned around",
        ),
        "np.diag(w) + np.outer(w, w)": (
            lambda w: np.diag(w) + np.outer(w, w),
            "the two parts are added",
        ),
        "np.eye(n) - np.outer(w, w)": (
            lambda w: np.eye(len(w)) - np.outer(w, w),
            "1 stands on the diagonal",
        ),
        "np.outer(w, 1 - w)": (lambda w: np.outer(w, 1 - w), "everywhere"),
        "slope of softmax(weights)": (
            lambda w: slope_by_loops(softmax(w)),
            "put through the softmax again",
        ),
        "w * (1 - w)": (lambda w: w * (1 - w), "the result is a table"),
        "np.diag(w) - w * w": (lambda w: np.diag(w) - w * w, "w * w took the place"),
        "np.diag(w) - w @ w": (lambda w: np.diag(w) - w @ w, "w @ w took the place"),
        "np.diag(w) - w * w.T": (lambda w: np.diag(w) - w * w.T, "w * w took the place"),
        "np.outer(w, w)": (lambda w: np.outer(w, w), ""),
        "nudged by too much": (coarse_slope, "off by up to"),
        "zeros where i is not j": (
            lambda w: np.where(np.eye(len(w)) > 0, slope_by_loops(w), 0),
            "only the diagonal",
        ),
    },
}
