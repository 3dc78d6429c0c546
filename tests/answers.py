"""What learners may hand in: other right ways to write each exercise, and wrong ones with the words that they should meet.

RIGHT   exercise -> functions that must pass
WRONG   exercise -> what was done -> (the function, some words of the answer; "" where no name for the mistake is known)
"""

import numpy as np

from attnlib import merge_heads, scaled_dot_product_attention, softmax, split_heads, toy


def shares(e, axis=-1):
    """Rows that sum to 1, by hand."""
    return e / e.sum(axis=axis, keepdims=True)


# ---- 00 ----------------------------------------------------------------------------------------------------------


def real_shapes(h, n, d):
    q, k = np.ones((2, h, n, d))
    scores = q @ k.transpose(0, 2, 1)
    return scores.shape, scores.sum(axis=-1).shape, np.where(np.ones((n, n), bool), scores, -np.inf).shape


RIGHT = {
    "00.shapes": [
        real_shapes,
        lambda h, n, d: ([h, n, n], [h, n], [h, n, n]),
        lambda h, n, d: tuple(np.empty(s).shape for s in ((h, n, n), (h, n), (h, n, n))),
    ],
    "00.looks_most_at": [
        lambda w: [[max(range(len(row)), key=row.__getitem__) for row in head] for head in w.tolist()],
        lambda w: np.argsort(w, axis=2)[:, :, -1],
        lambda w: (w == w.max(-1, keepdims=True)).astype(int) @ np.arange(w.shape[-1]),
    ],
}
WRONG = {
    "00.shapes": {
        "the heads forgotten: (n, n), (n,), (n, n)": (lambda h, n, d: ((n, n), (n,), (n, n)), "the heads got lost"),
        "sums with keepdims: (h, n, 1)": (lambda h, n, d: ((h, n, n), (h, n, 1), (h, n, n)), "the row sums kept an axis"),
        "the first axis summed: (n, n)": (lambda h, n, d: ((h, n, n), (n, n), (h, n, n)), "the row sums were taken over the heads"),
        "q.T @ k: (h, d, d)": (lambda h, n, d: ((h, d, d), (h, d), (h, d, d)), "the width d is what is summed away"),
        "q * k: (h, n, d)": (lambda h, n, d: ((h, n, d), (h, n), (h, n, d)), "the width d is summed away"),
        "the shape of the mask: (n, n)": (lambda h, n, d: ((h, n, n), (h, n), (n, n)), "the mask took the axis"),
        "one sum for each head: (h,)": (lambda h, n, d: ((h, n, n), (h,), (h, n, n)), "one sum for each head"),
        "one too many axes: (1, h, n, n)": (lambda h, n, d: ((1, h, n, n), (h, n), (h, n, n)), ""),
        "only two of the three": (lambda h, n, d: ((h, n, n), (h, n)), "but returned 2."),
        "numbers for tuples: h * n * n": (lambda h, n, d: (h * n * n, h * n, h * n * n), "right is ("),
        "numbers of the example: (2, 3, 3)": (lambda h, n, d: ((2, 3, 3), (2, 3), (2, 3, 3)), ""),
        "arrays in place of shapes": (lambda h, n, d: ([np.ones((h, n, n))], [h, n], [h, n, n]), "you said"),
    },
    "00.looks_most_at": {
        "weights.argmax(axis=-2)": (lambda w: w.argmax(axis=-2), "largest of each column"),
        "weights.argmax(axis=0)": (lambda w: w.argmax(axis=0), "over the heads"),
        "weights.max(axis=-1)": (lambda w: w.max(axis=-1), "the largest weights, not the positions"),
        "weights.argmin(axis=-1)": (lambda w: w.argmin(axis=-1), "the smallest"),
        "weights.argmax(axis=-1) + 1": (lambda w: w.argmax(axis=-1) + 1, "NumPy counts from 0"),
        "weights.argmax()": (lambda w: w.argmax(), "one number"),
        "weights[0].argmax(-1)": (lambda w: w[0].argmax(-1), "has the shape"),
        "weights.argsort(-1)": (lambda w: w.argsort(-1), "has the shape"),
        "weights == weights.max(-1, keepdims=True)": (lambda w: w == w.max(-1, keepdims=True), "has the shape"),
        "weights.sum(0).argmax(-1)": (lambda w: w.sum(0).argmax(-1), "has the shape"),
        "weights.reshape(h, -1).argmax(-1)": (lambda w: w.reshape(len(w), -1).argmax(-1), "has the shape"),
    },
}


# ---- 01 ----------------------------------------------------------------------------------------------------------


def cosines_by_loops(x):
    table = []
    for a in x:
        row = []
        for b in x:
            both = sum(a * a) ** 0.5 * sum(b * b) ** 0.5
            row.append(sum(a * b) / both if both > 0 else 0.0)
        table.append(row)
    return table


def cosines_by_outer(x):
    lengths = np.linalg.norm(x, axis=1)
    both = np.outer(lengths, lengths)
    return np.divide(x @ x.T, both, out=np.zeros_like(both), where=both > 0)


def hypotenuses(x):
    """Without keepdims: the lengths stand in a row, and divide the columns."""
    return x @ x.T / np.linalg.norm(x, axis=1)


def guarded(lengths):
    return np.where(lengths == 0, 1, lengths)


def norms(x):
    return np.linalg.norm(x, axis=1, keepdims=True)


def softmax_by_rows(x):
    if x.ndim > 1:
        return np.stack([softmax_by_rows(row) for row in x])
    e = [np.exp(number - max(x)) for number in x]
    return np.array(e) / sum(e)


def softmax_by_logs(x):
    peak = x.max(-1, keepdims=True)
    return np.exp(x - (np.log(np.exp(x - peak).sum(-1, keepdims=True)) + peak))


def lookup_by_loops(query, keys, values, temperature):
    e = [np.exp(float(query @ key) / temperature) for key in keys]
    return [sum(w * value[c] for w, value in zip(e, values)) / sum(e) for c in range(values.shape[1])]


RIGHT |= {
    "01.alike": [
        cosines_by_loops,
        cosines_by_outer,
        lambda x: np.nan_to_num(x @ x.T / (norms(x) * norms(x).T)),
        lambda x: np.einsum("id,jd->ij", x / (norms(x) + 1e-12), x / (norms(x) + 1e-12)),
        lambda x: x @ x.T / np.maximum(norms(x) * norms(x).T, 1e-12),
    ],
    "01.survives": [
        softmax,
        softmax_by_rows,
        softmax_by_logs,
        lambda x: 1 / np.exp(x[..., None, :] - x[..., :, None]).sum(-1),
        lambda x: shares(2 ** ((x - x.max(-1, keepdims=True)) * np.log2(np.e))),
    ],
    "01.lookup": [
        lookup_by_loops,
        lambda q, k, v, t: scaled_dot_product_attention(q[None], k, v, scale=1 / t)[0][0],
        lambda q, k, v, t: np.einsum("n,nd->d", softmax((k * q).sum(1) / t), v),
        lambda q, k, v, t: (softmax(q @ k.T / t)[:, None] * v).sum(axis=0),
        lambda q, k, v, t: v.T @ shares(np.exp(k @ (q / t))),
    ],
}
WRONG |= {
    "01.alike": {
        "x @ x.T": (lambda x: x @ x.T, "not divided by the lengths"),
        "x @ x.T / lengths": (lambda x: x @ x.T / norms(x), "only one of the two lengths"),
        "x @ x.T / lengths, without keepdims": (hypotenuses, "only one of the two lengths"),
        "unit @ x.T": (lambda x: x / guarded(norms(x)) @ x.T, "only one of the two lengths"),
        "x @ unit.T": (lambda x: x @ (x / guarded(norms(x))).T, "only one of the two lengths"),
        "x @ x.T / lengths ** 2": (lambda x: x @ x.T / norms(x) ** 2, "the squared length of one row"),
        "x / (x ** 2).sum(1), then @": (
            lambda x: (x / guarded(norms(x) ** 2)) @ (x / guarded(norms(x) ** 2)).T,
            "the square root of the sum of squares",
        ),
        "unit = x / np.linalg.norm(x)": (lambda x: (x / np.linalg.norm(x)) @ (x / np.linalg.norm(x)).T, "over all rows at once"),
        "x @ x.T / np.linalg.norm(x)": (lambda x: x @ x.T / np.linalg.norm(x), "one length for all rows"),
        "norm(x, axis=0)": (
            lambda x: (x / np.linalg.norm(x, axis=0)) @ (x / np.linalg.norm(x, axis=0)).T,
            "down the columns (axis 0)",
        ),
        "norm(x, axis=1) without keepdims, x / it": (lambda x: x / np.linalg.norm(x, axis=1), "raised ValueError"),
        "no guard for a row of zeros": (lambda x: (x / norms(x)) @ (x / norms(x)).T, "a row of length 0 became NaN"),
        "no guard, by np.outer": (
            lambda x: x @ x.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(x, axis=1)),
            "a row of length 0 became NaN",
        ),
        "distances": (lambda x: np.linalg.norm(x[:, None] - x, axis=-1), "you returned distances"),
        "angles: np.arccos": (lambda x: np.arccos(np.clip(cosines_by_outer(x), -1, 1)), "you returned angles"),
        "absolute cosines": (lambda x: abs(cosines_by_outer(x)), "abs took the sign away"),
        "1 on the diagonal, also for the row of zeros": (
            lambda x: np.where(np.eye(len(x), dtype=bool), 1, cosines_by_outer(x)),
            "3 of 4 inputs right",
        ),
        "a small number below the line: + 0.01": (lambda x: x @ x.T / (norms(x) * norms(x).T + 0.01), ""),
        "lengths by abs: np.abs(x).sum(1)": (
            lambda x: x @ x.T / guarded(np.outer(abs(x).sum(1), abs(x).sum(1))),
            "the sum of the absolute values",
        ),
    },
    "01.survives": {
        "np.exp(x) / np.exp(x).sum(-1, keepdims=True)": (lambda x: shares(np.exp(x)), "overflows"),
        "np.exp(x) / np.exp(x).sum()": (lambda x: np.exp(x) / np.exp(x).sum(), "divided by one sum"),
        "one maximum and one sum": (lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(), "divided by one sum"),
        "row maximum, one sum": (
            lambda x: np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(),
            "divided by one sum",
        ),
        "np.exp(x) / np.exp(x).sum(0)": (lambda x: np.exp(x) / np.exp(x).sum(0), "down the columns (axis 0)"),
        "softmax(x, axis=0)": (lambda x: softmax(x, axis=0), "down the columns (axis 0)"),
        "x - x.max()": (lambda x: shares(np.exp(x - x.max())), "one maximum was subtracted"),
        "x - x.max(axis=0)": (lambda x: shares(np.exp(x - x.max(axis=0))), "maximum of each column"),
        "x - x.mean(-1)": (lambda x: shares(np.exp(x - x.mean(-1, keepdims=True))), "the mean was subtracted"),
        "x - x.min(-1)": (lambda x: shares(np.exp(x - x.min(-1, keepdims=True))), "the smallest number was subtracted"),
        "x / x.sum(-1)": (lambda x: x / x.sum(-1, keepdims=True), "without exp"),
        "x / x.max(-1), then exp": (lambda x: shares(np.exp(x / x.max(-1, keepdims=True))), "divided out instead of subtracted"),
        "no division": (lambda x: np.exp(x - x.max(-1, keepdims=True)), "nothing is divided by the sum"),
        "np.exp(-x)": (lambda x: shares(np.exp(-x + x.min(-1, keepdims=True))), "exp(−x)"),
        "one-hot": (lambda x: np.eye(x.shape[-1])[x.argmax(-1)], "a hard choice"),
        "np.clip(x, -700, 700)": (lambda x: shares(np.exp(np.clip(x, -700, 700))), "clip made different numbers equal"),
        "np.nan_to_num at the end": (lambda x: np.nan_to_num(shares(np.exp(x))), "nan_to_num hides"),
        "x.max(-1) without keepdims": (lambda x: shares(np.exp(x - x.max(-1))), "raised ValueError"),
        "the maximum only where it is above 0": (lambda x: shares(np.exp(x - np.maximum(x.max(-1, keepdims=True), 0))), ""),
        "float128": (lambda x: shares(np.exp(x.astype(np.longdouble))), ""),
        "logarithms": (lambda x: x - x.max(-1, keepdims=True) - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)), ""),
    },
    "01.lookup": {
        "softmax(keys @ query) @ values": (lambda q, k, v, t: softmax(k @ q) @ v, "the temperature is not used"),
        "keys @ query * temperature": (lambda q, k, v, t: softmax(k @ q * t) @ v, "multiplied by the temperature"),
        "softmax(keys @ query) / temperature": (lambda q, k, v, t: softmax(k @ q) / t @ v, "the weights are divided by the temperature"),
        "(keys @ query / temperature) @ values": (lambda q, k, v, t: (k @ q / t) @ v, "without the softmax"),
        "values[(keys @ query).argmax()]": (lambda q, k, v, t: v[(k @ q).argmax()], "hard look-up"),
        "values.mean(0)": (lambda q, k, v, t: v.mean(0), "plain mean"),
        "the weights returned": (lambda q, k, v, t: softmax(k @ q / t), "you returned the weights"),
        "softmax(values @ query)": (lambda q, k, v, t: softmax(v @ q / t) @ v, "the query is compared with the values"),
        "weights @ keys": (lambda q, k, v, t: softmax(k @ q / t) @ k, "the keys are mixed"),
        "-distance": (lambda q, k, v, t: softmax(-np.linalg.norm(k - q, axis=1) / t) @ v, "distances took the place"),
        "-distance ** 2": (lambda q, k, v, t: softmax(-((k - q) ** 2).sum(1) / t) @ v, "distances took the place"),
        "cosines": (lambda q, k, v, t: softmax(k @ q / norms(k)[:, 0] / np.linalg.norm(q) / t) @ v, "divided out the lengths"),
        "also divided by √d": (lambda q, k, v, t: softmax(k @ q / np.sqrt(len(q)) / t) @ v, "also divided by √d"),
        "divided by √d, no temperature": (lambda q, k, v, t: softmax(k @ q / np.sqrt(len(q))) @ v, "√d instead of the temperature"),
        "(weights * values).mean(0)": (lambda q, k, v, t: (softmax(k @ q / t)[:, None] * v).mean(0), "the weights already sum to 1"),
        "weights * values, not added": (lambda q, k, v, t: softmax(k @ q / t)[:, None] * v, "has the shape"),
        "keys.T @ query": (lambda q, k, v, t: softmax(k.T @ q / t) @ v, "raised ValueError"),
    },
}


# ---- 02 ----------------------------------------------------------------------------------------------------------


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
    return lambda d, rng: (rng.uniform(low, high, (4000, d)) * rng.uniform(low, high, (4000, d))).sum(axis=1).std()


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


RIGHT |= {
    "02.spread": [
        spread_by_loops,
        every_with_every,
        own_random_numbers,
        lambda d, rng: np.sqrt(np.mean((rng.standard_normal((2000, d)) * rng.standard_normal((2000, d))).sum(1) ** 2)),
        lambda d, rng: np.sqrt(np.var([rng.normal(size=d) @ rng.normal(size=d) for _ in range(6000)])),
        of_pairs(lambda q, k: np.diag(q[:2000] @ k[:2000].T).std()),
        lambda d, rng: (rng.normal(size=(2000, d)) * rng.normal(size=(2000, d))).sum(axis=1).std().astype(np.float32),
    ],
    "02.repair": [
        head,
        repaired_by_loops,
        lambda x, W_q, W_k: scaled_dot_product_attention(x @ W_q, x @ W_k, x)[1],
        lambda x, W_q, W_k: softmax(np.einsum("ia,ab,cb,jc->ij", x, W_q, W_k, x) * W_k.shape[-1] ** -0.5),
        lambda x, W_q, W_k: softmax((x @ W_q / W_q.shape[1] ** 0.25) @ (x @ W_k / W_k.shape[1] ** 0.25).T),
    ],
    "02.slope": [
        slope_by_loops,
        slope_by_nudging,
        lambda w: w[:, None] * (np.eye(len(w)) - w),
        lambda w: np.einsum("i,ij->ij", w, np.eye(len(w))) - w[:, None] @ w[None, :],
        lambda w: np.diag(w) @ (np.eye(len(w)) - np.ones((len(w), 1)) * w),
    ],
}
WRONG |= {
    "02.spread": {
        ".var()": (of_pairs(lambda q, k: (q * k).sum(axis=1).var()), "the variance"),
        ".mean()": (of_pairs(lambda q, k: (q * k).sum(axis=1).mean()), "the mean of the dot products"),
        "(q * k).std()": (of_pairs(lambda q, k: (q * k).std()), "Measure the dot products"),
        "q.std()": (of_pairs(lambda q, k: q.std()), "Measure the dot products"),
        "spread / √d": (of_pairs(lambda q, k: (q * k).sum(axis=1).std() / q.shape[1] ** 0.5), "or you divided by √d"),
        "(q * k).mean(axis=1).std()": (of_pairs(lambda q, k: (q * k).mean(axis=1).std()), "the dot product is their sum"),
        "(q * k).sum(axis=0).std()": (of_pairs(lambda q, k: (q * k).sum(axis=0).std()), "over the pairs"),
        "np.abs(dots).mean()": (of_pairs(lambda q, k: abs((q * k).sum(axis=1)).mean()), "the mean of the absolute values"),
        "k = q": (same_twice, "of q with itself"),
        "np.linalg.norm(q - k)": (distances, "distance"),
        "np.linalg.norm(q, axis=1).mean()": (of_pairs(lambda q, k: np.linalg.norm(q, axis=1).mean()), "the mean length of q"),
        "rng.random": (uniform(0, 1), "rng.normal"),
        "rng.uniform(-1, 1)": (uniform(-1, 1), "rng.normal"),
        "np.sqrt(d), without measuring": (lambda d, rng: np.sqrt(d), "measure"),
        "all dot products returned": (of_pairs(lambda q, k: (q * k).sum(axis=1)), "Return one number"),
        "a text": (lambda d, rng: str(d**0.5), "Return one number"),
        "nan": (lambda d, rng: float("nan"), "not a number"),
        "one pair only": (one_pair, ""),
        "three columns only": (lambda d, rng: (rng.normal(size=(4000, 3)) * rng.normal(size=(4000, 3))).sum(axis=1).std(), "all d columns"),
        "twice the spread": (of_pairs(lambda q, k: 2 * (q * k).sum(axis=1).std()), "too far off"),
    },
    "02.repair": {
        "√d_model: x.shape[-1]": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(x.shape[-1])), "the bug is still there"),
        "√d_model: W_q.shape[0]": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(W_q.shape[0])), "d_model"),
        "d_model without the root": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / x.shape[-1]), "by d_model itself"),
        "d_head without the root": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / d), "not by its square root"),
        "scores / d ** 1/2": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / d ** 1/2), "** 1/2"),
        "scores / (d ** 1/2)": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / (d ** 1/2)), "** 1/2"),
        "√n": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(len(s))), "the number of tokens"),
        "not divided": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s), "not divided at all"),
        "multiplied by √d_head": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s * d**0.5), "you multiply"),
        "√(d_model / d_head)": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(len(W_q) / d)), "the number of heads"),
        "√ of all of q: q.size": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s / np.sqrt(len(s) * d)), ""),
        "softmax(…, axis=0)": (lambda x, W_q, W_k: softmax((x @ W_q) @ (x @ W_k).T / np.sqrt(W_q.shape[1]), axis=0), "down the columns"),
        "k @ q.T": (lambda x, W_q, W_k: head(x, W_k, W_q), "q and k changed places"),
        "softmax(…) / √d_head": (lambda x, W_q, W_k: head(x, W_q, W_k, lambda s, d: s) / W_q.shape[1] ** 0.5, "the weights are divided"),
        "the scores returned": (lambda x, W_q, W_k: (x @ W_q) @ (x @ W_k).T / W_q.shape[1] ** 0.5, "without the softmax"),
        "q.T @ k": (lambda x, W_q, W_k: softmax((x @ W_q).T @ (x @ W_k) / W_q.shape[1] ** 0.5), "has the shape"),
    },
    "02.slope": {
        "np.diag(w * (1 - w))": (lambda w: np.diag(w * (1 - w)), "only the diagonal"),
        "np.diag(w)": (lambda w: np.diag(w), "taken away is missing"),
        "-np.outer(w, w)": (lambda w: -np.outer(w, w), "lacks its + weights[i]"),
        "np.outer(w, w) - np.diag(w)": (lambda w: np.outer(w, w) - np.diag(w), "the sign is turned around"),
        "np.diag(w) + np.outer(w, w)": (lambda w: np.diag(w) + np.outer(w, w), "the two parts are added"),
        "np.eye(n) - np.outer(w, w)": (lambda w: np.eye(len(w)) - np.outer(w, w), "1 stands on the diagonal"),
        "np.outer(w, 1 - w)": (lambda w: np.outer(w, 1 - w), "everywhere"),
        "slope of softmax(weights)": (lambda w: slope_by_loops(softmax(w)), "put through the softmax again"),
        "w * (1 - w)": (lambda w: w * (1 - w), "the result is a table"),
        "np.diag(w) - w * w": (lambda w: np.diag(w) - w * w, "w * w took the place"),
        "np.diag(w) - w @ w": (lambda w: np.diag(w) - w @ w, "w @ w took the place"),
        "np.diag(w) - w * w.T": (lambda w: np.diag(w) - w * w.T, "w * w took the place"),
        "np.outer(w, w)": (lambda w: np.outer(w, w), ""),
        "nudged by too much": (coarse_slope, "off by up to"),
        "zeros where i is not j": (lambda w: np.where(np.eye(len(w)) > 0, slope_by_loops(w), 0), "only the diagonal"),
    },
}


# ---- 03 ----------------------------------------------------------------------------------------------------------


def by_loops(q, k, v):
    weights = np.zeros((len(q), len(k)))
    for i in range(len(q)):
        scores = [sum(q[i] * k[j]) / q.shape[1] ** 0.5 for j in range(len(k))]
        e = np.exp(np.array(scores) - max(scores))
        weights[i] = e / sum(e)
    return sum(weights[:, [j]] * v[[j]] for j in range(len(k))), weights


def by_einsum(q, k, v):
    scores = np.einsum("id,jd->ij", q, k) * q.shape[1] ** -0.5
    scores = scores - np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True)) - scores.max(1, keepdims=True)
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


RIGHT |= {
    "03.attention": [by_loops, by_einsum, in_float32, scaled_in_place, scaled_dot_product_attention],
    "03.shuffled": [
        lambda w, order: w[np.ix_(order, order)],
        lambda w, order: np.eye(len(w))[order] @ w @ np.eye(len(w))[order].T,
        lambda w, order: [[w[a, b] for b in order] for a in order],
        lambda w, order: w.T[order].T[order],
    ],
}
WRONG |= {
    "03.attention": {
        "k @ q.T": (lambda q, k, v: both(softmax(k @ q.T / np.sqrt(k.shape[-1])), v), "q and k changed places"),
        "not divided": (lambda q, k, v: both(softmax(q @ k.T), v), "not divided by √d"),
        "not divided, plain exp": (lambda q, k, v: both(shares(np.exp(q @ k.T)), v), "not divided by √d"),
        "/ d": (lambda q, k, v: both(softmax(q @ k.T / q.shape[-1]), v), "by d, not by its square root"),
        "/ d, plain exp": (lambda q, k, v: both(shares(np.exp(q @ k.T / q.shape[-1])), v), "by d, not by its square root"),
        "/ d ** 1/2": (lambda q, k, v: both(softmax(q @ k.T / q.shape[-1] ** 1/2), v), "** 1/2"),
        "* √d": (lambda q, k, v: both(softmax(q @ k.T * np.sqrt(q.shape[-1])), v), "multiplied by √d"),
        "√n": (lambda q, k, v: both(softmax(q @ k.T / np.sqrt(len(k))), v), "the number of tokens"),
        "√n of the queries": (lambda q, k, v: both(softmax(q @ k.T / np.sqrt(q.shape[0])), v), "the number of tokens"),
        "√d_v": (lambda q, k, v: both(softmax(q @ k.T / np.sqrt(v.shape[-1])), v), "the width of v"),
        "axis=0": (lambda q, k, v: both(softmax(scaled(q, k), axis=0), v), "down the columns (axis 0)"),
        "axis=0, plain exp": (lambda q, k, v: both(shares(np.exp(scaled(q, k)), axis=0), v), "down the columns (axis 0)"),
        "one sum for the whole table": (lambda q, k, v: both(np.exp(scaled(q, k)) / np.exp(scaled(q, k)).sum(), v), "over the whole table"),
        "one maximum and one sum": (
            lambda q, k, v: both(softmax(scaled(q, k).ravel()).reshape(len(q), len(k)), v),
            "over the whole table",
        ),
        "the scores as weights": (lambda q, k, v: both(scaled(q, k), v), "without the softmax"),
        "plain exp": (lambda q, k, v: both(shares(np.exp(scaled(q, k))), v), "exp of large scores overflows"),
        "- scores.max()": (lambda q, k, v: both(shares(np.exp(scaled(q, k) - scaled(q, k).max())), v), "one maximum was subtracted"),
        "- scores.mean(-1)": (lambda q, k, v: both(shares(np.exp(scaled(q, k) - scaled(q, k).mean(-1, keepdims=True))), v), "overflows"),
        "weights / √d": (lambda q, k, v: both(softmax(q @ k.T) / np.sqrt(q.shape[-1]), v), "the weights are divided by √d"),
        "weights, output": (lambda q, k, v: (weights_of(q, k), weights_of(q, k) @ v), "the two results changed places"),
        "only the output": (lambda q, k, v: weights_of(q, k) @ v, "2 things"),
        "only the weights": (lambda q, k, v: weights_of(q, k), "2 things"),
        "a sum without keepdims": (lambda q, k, v: both(np.exp(scaled(q, k)) / np.exp(scaled(q, k)).sum(-1), v), "raised ValueError"),
        "weights @ k": (lambda q, k, v: (weights_of(q, k) @ k, weights_of(q, k)), "output"),
        "no division after exp": (lambda q, k, v: both(np.exp(scaled(q, k)), v), "nothing is divided"),
        "no division after exp(scores - maximum)": (
            lambda q, k, v: both(np.exp(scaled(q, k) - scaled(q, k).max(-1, keepdims=True)), v),
            "nothing is divided",
        ),
        "a causal mask": (lambda q, k, v: both(softmax(scaled(q, k), where=np.tri(len(q), len(k)) > 0), v), "here everyone may look"),
        "winner takes all": (lambda q, k, v: both(np.eye(len(k))[(q @ k.T).argmax(-1)], v), ""),
        "even weights": (lambda q, k, v: both(np.full((len(q), len(k)), 1 / len(k)), v), ""),
        "shares without exp": (lambda q, k, v: both(shares(q @ k.T), v), ""),
        "sigmoid": (lambda q, k, v: both(1 / (1 + np.exp(-scaled(q, k))), v), ""),
        "clipped scores": (lambda q, k, v: both(softmax(np.clip(scaled(q, k), -3, 3)), v), ""),
        "rounded": (lambda q, k, v: (weights_of(q, k) @ v, weights_of(q, k).round(2)), ""),
        "a little noise": (lambda q, k, v: (weights_of(q, k) @ v + 1e-4, weights_of(q, k)), "off by up to"),
        "the width of the example": (lambda q, k, v: both(softmax(q @ k.T / np.sqrt(3)), v), ""),
        "2 ** instead of exp": (lambda q, k, v: both(softmax(scaled(q, k) * np.log(2)), v), ""),
        "NaN in the output": (lambda q, k, v: (weights_of(q, k) @ v * np.nan, weights_of(q, k)), ""),
    },
    "03.shuffled": {
        "weights[order]": (lambda w, order: w[order], "only the rows moved"),
        "weights[:, order]": (lambda w, order: w[:, order], "only the columns moved"),
        "argsort(order)": (lambda w, order: w[np.argsort(order)][:, np.argsort(order)], "undone instead of applied"),
        "assigned to weights[order, …]": (
            lambda w, order: [[w[list(order).index(i), list(order).index(j)] for j in range(len(w))] for i in range(len(w))],
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


# ---- 04 ----------------------------------------------------------------------------------------------------------


def back(n):
    return np.arange(n)[:, None] - np.arange(n)


def window_by_loops(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - window + 1) : i + 1] = True
    return mask


def window_by_slices(n, window):
    """The start of a slice falls below 0."""
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, i - window + 1 : i + 1] = True
    return mask


def longer_slices(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - window) : i + 1] = True
    return mask


def slices_without_oneself(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - window) : i] = True
    return mask


def one_by_one(attend, x):
    n = len(x)
    moved = [[False] * n for _ in range(n)]
    for j in range(n):
        for other in (x + 3 * (np.arange(n) == j)[:, None], x - 1.5 * (np.arange(n) == j)[:, None]):
            difference = attend(other) - attend(x)
            for i in range(n):
                moved[i][j] = moved[i][j] or bool(np.any(np.abs(difference[i]) > 1e-9))
    return moved


def nudging(compare, nudge=lambda x, j: x + (np.arange(len(x)) == j)[:, None]):
    def leak_test(attend, x):
        before, moved = attend(x), np.zeros((len(x), len(x)), bool)
        for j in range(len(x)):
            moved[:, j] = compare(attend(nudge(x, j)), before)
        return moved

    return leak_test


def nudged_feature(x, j):
    other = x.copy()
    other[:, j] += 1
    return other


def without_copy(attend, x):
    before, moved = attend(x), np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9
    return moved


def without_copy_and_before(attend, x):
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - attend(x)).max(axis=-1) > 1e-9
    return moved


def rows_for_columns(attend, x):
    before, moved = attend(x), np.zeros((len(x), len(x)), bool)
    for i in range(len(x)):
        nudged = x.copy()
        nudged[i] += 1.0
        moved[i] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9
    return moved


def zeros_for_nan(scores, mask):
    inside = np.where(mask, scores, -np.inf)
    return np.nan_to_num(shares(np.exp(inside - inside.max(axis=-1, keepdims=True))))


def safe_division(scores, mask):
    e = np.exp(np.where(mask, scores, -np.inf) - np.where(mask, scores, -1e300).max(-1, keepdims=True)) * mask
    return np.divide(e, e.sum(-1, keepdims=True), out=np.zeros_like(e), where=mask.any(-1, keepdims=True))


def allowed_only(scores, mask):
    weights = []
    for row, allowed in zip(scores.astype(float), mask):
        peak = max(row[allowed], default=0.0)
        e = [np.exp(s - peak) if ok else 0.0 for s, ok in zip(row, allowed)]
        weights.append([one / sum(e) if sum(e) else 0.0 for one in e])
    return weights


def filled(value, zeros=False):
    def answer(scores, mask):
        inside = np.where(mask, scores, value)
        weights = shares(np.exp(inside - inside.max(axis=-1, keepdims=True)))
        return weights * mask.any(axis=-1, keepdims=True) if zeros else weights

    return answer


def divided_again(by):
    def answer(scores, mask):
        weights = softmax(scores) * mask
        return weights / by(weights.sum(axis=-1, keepdims=True))

    return answer


def even_for_nobody(scores, mask):
    return np.where(mask.any(-1, keepdims=True), softmax(scores, where=mask), 1 / scores.shape[-1])


def a_little_below(scores, mask):
    e = np.where(mask, np.exp(scores - scores.max()), 0)
    return e / (e.sum(-1, keepdims=True) + 1e-2)


def added(scores, mask):
    return softmax_like(scores + (~mask).astype(scores.dtype) * np.asarray(-1e9, scores.dtype))


def softmax_like(x):
    return shares(np.exp(x - x.max(axis=-1, keepdims=True)))


def plain_division(scores, mask):
    e = np.where(mask, np.exp(scores), 0)
    return e / np.where(mask.any(-1, keepdims=True), e.sum(-1, keepdims=True), 1)


RIGHT |= {
    "04.past": [
        window_by_loops,
        lambda n, window: [[0 <= i - j < window for j in range(n)] for i in range(n)],
        lambda n, window: np.tri(n, dtype=bool) & ~np.tri(n, k=-window, dtype=bool),
        lambda n, window: (np.tri(n) - np.tri(n, k=-window)) == 1,
        lambda n, window: np.isin(back(n), range(window)),
    ],
    "04.leaks": [
        one_by_one,
        lambda attend, x: np.array(one_by_one(attend, x)),
        nudging(lambda after, before: ~np.isclose(after, before, rtol=0, atol=1e-10).all(axis=-1)),
        nudging(lambda after, before: np.abs(after - before).sum(axis=1) > 1e-9, lambda x, j: x * (np.arange(len(x)) != j)[:, None]),
        nudging(lambda after, before: ((after - before) ** 2).sum(axis=1) > 1e-16),
    ],
    "04.empty_row": [
        zeros_for_nan,
        safe_division,
        allowed_only,
        lambda s, m: softmax(s, where=m),
        lambda s, m: softmax(s, where=m).astype(np.float32),
    ],
}
WRONG |= {
    "04.past": {
        "back <= window": (lambda n, w: (back(n) >= 0) & (back(n) <= w), "sees window + 1 tokens"),
        "slices from i - window": (longer_slices, "sees window + 1 tokens"),
        "back < window - 1": (lambda n, w: (back(n) >= 0) & (back(n) < w - 1), "off by one the other way"),
        "0 < back < window": (lambda n, w: (back(n) > 0) & (back(n) < w), "off by one the other way"),
        "0 < back <= window": (lambda n, w: (back(n) > 0) & (back(n) <= w), "a token does not see itself"),
        "slices up to i": (slices_without_oneself, "a token does not see itself"),
        "slices from i - window + 1, below 0": (window_by_slices, "starts below 0"),
        "abs(back) < window": (lambda n, w: abs(back(n)) < w, "the future is allowed too"),
        "abs(back) <= window": (lambda n, w: abs(back(n)) <= w, "the future is allowed too"),
        "the future": (lambda n, w: (back(n) <= 0) & (-back(n) < w), "everyone looks into the future"),
        "np.tril": (lambda n, w: np.tri(n, dtype=bool), "without a window"),
        "back < window": (lambda n, w: back(n) < w, "the future is allowed too"),
        "True for forbidden": (lambda n, w: (back(n) < 0) | (back(n) >= w), "True means may look"),
        "and for &": (lambda n, w: back(n) >= 0 and back(n) < w, "raised ValueError"),
        "| for &": (lambda n, w: (back(n) >= 0) | (back(n) < w), "both rules"),
        "numbers 0 and 1": (lambda n, w: np.tri(n) - np.tri(n, k=-w), "True and False"),
        "-inf and 0": (lambda n, w: np.where((back(n) >= 0) & (back(n) < w), 0, -np.inf), "True and False"),
        "the first window tokens": (lambda n, w: np.tri(n, dtype=bool) & (np.arange(n) < w), "the same for every row"),
        "blocks": (lambda n, w: np.tri(n, dtype=bool) & (np.arange(n)[:, None] // w == np.arange(n) // w), ""),
    },
    "04.leaks": {
        "one maximum: .max()": (nudging(lambda after, before: np.abs(after - before).max() > 1e-9), "one maximum was taken"),
        "moved[i] for moved[:, j]": (rows_for_columns, "rows and columns changed places"),
        "nudged = x, no copy": (without_copy, "the nudges pile up"),
        "nudged = x, compared with attend(x)": (without_copy_and_before, "nothing moved"),
        "nudged[:, j] += 1": (nudging(lambda after, before: np.abs(after - before).max(axis=-1) > 1e-9, nudged_feature), "all tokens"),
        "no np.abs": (nudging(lambda after, before: (after - before).max(axis=-1) > 1e-9), "np.abs is missing"),
        "max(axis=0)": (nudging(lambda after, before: np.abs(after - before).max(axis=0) > 1e-9), "over the tokens (axis 0)"),
        "too large a threshold": (nudging(lambda after, before: np.abs(after - before).max(axis=-1) > 0.1), ""),
        "== instead of !=": (nudging(lambda after, before: (after == before).all(axis=-1)), "True and False changed places"),
        "numbers": (lambda attend, x: np.array(one_by_one(attend, x), float), "True and False"),
        "the size of the change": (
            lambda attend, x: np.stack([np.abs(attend(x + one[:, None]) - attend(x)).max(-1) for one in np.eye(len(x))], 1),
            "True and False",
        ),
        "np.tri, without looking": (lambda attend, x: np.tri(len(x), dtype=bool), ""),
        "only oneself": (lambda attend, x: np.eye(len(x), dtype=bool), ""),
        "one answer: is there a leak": (lambda attend, x: np.triu(one_by_one(attend, x), 1).any(), "one number"),
        "a list of leaks": (lambda attend, x: np.argwhere(one_by_one(attend, x)), ""),
    },
    "04.empty_row": {
        "softmax(scores) * mask": (lambda s, m: softmax_like(s) * m, "the mask came after the softmax"),
        "softmax, * mask, divided again": (divided_again(lambda total: total), "Take both over the allowed keys only"),
        "softmax, * mask, divided again, no 0": (divided_again(lambda total: np.maximum(total, 1e-300)), "allowed keys only"),
        "softmax, * mask, divided again + 1e-9": (divided_again(lambda total: total + 1e-9), "Take both over the allowed keys only"),
        "-inf": (filled(-np.inf), "became NaN"),
        "-1e9 by np.where": (filled(-1e9), "with -1e9 everywhere"),
        "-1e9 by np.where, zeros for empty rows": (filled(-1e9, True), "took the place of −inf"),
        "-1e9 added": (added, "float16 has no −1e9"),
        "-1e9 added, zeros for empty rows": (lambda s, m: added(s, m) * m.any(-1, keepdims=True), "−1e9"),
        "scores * mask": (lambda s, m: softmax_like(s * m), "masked scores were set to 0"),
        "the mask upside down": (lambda s, m: softmax(s, where=~m), "upside down"),
        "the mask upside down, -inf": (lambda s, m: zeros_for_nan(s, ~m), "upside down"),
        "no mask": (lambda s, m: softmax(s), "the mask is not used"),
        "no maximum": (plain_division, "overflows"),
        "no maximum, nan_to_num": (lambda s, m: np.nan_to_num(shares(np.exp(np.where(m, s, -np.inf)))), "overflows"),
        "axis=0": (lambda s, m: np.nan_to_num(softmax(s, axis=0, where=m)), "down the columns"),
        "an even row for nobody": (even_for_nobody, "Give such a row zeros"),
        "oneself for nobody": (lambda s, m: np.where(m.any(-1, keepdims=True), softmax(s, where=m), np.eye(*s.shape)), ""),
        "NaN where masked": (lambda s, m: np.where(m, softmax(s, where=m), np.nan), ""),
        "-inf where masked": (lambda s, m: np.where(m, softmax(s, where=m), -np.inf), ""),
        "a fill that is too small: -100": (filled(-100.0, True), "not right yet"),
        "even among the allowed": (lambda s, m: m / np.maximum(m.sum(-1, keepdims=True), 1), ""),
        "winner takes all": (lambda s, m: np.eye(s.shape[-1])[np.where(m, s, -np.inf).argmax(-1)] * m.any(-1, keepdims=True), ""),
        "a causal mask of its own": (lambda s, m: softmax(s, where=np.tri(*s.shape, dtype=bool)), ""),
        "fewer columns": (lambda s, m: softmax(s, where=m)[:, :-1], "has the shape"),
        "only the rows with a key": (lambda s, m: softmax(s, where=m)[m.any(-1)], "has the shape"),
        "the mask of the first row for all": (lambda s, m: softmax(s, where=np.broadcast_to(m[0], m.shape)), ""),
        "a small number below the line": (a_little_below, ""),
    },
}


# ---- 05 ----------------------------------------------------------------------------------------------------------


def counted(d, h, e):
    W_q = W_k = W_v = np.zeros((d, h * e))
    return W_q.size, sum(W.size for W in (W_q, W_k, W_v, np.zeros((h * e, d))))


def matrices(offers, asks, columns=1):
    """W_q and W_k with these numbers set: {feature: number}, all in the first column."""

    def answer(features):
        W_q, W_k = np.zeros((2, len(features), columns))
        for name, number in asks.items():
            W_q[features.index(name), 0] = number
        for name, number in offers.items():
            W_k[features.index(name), 0] = number
        return W_q, W_k

    return answer


def in_another_column(features):
    W_q, W_k = np.zeros((2, len(features), 3))
    W_q[features.index("pronoun"), 2] = W_k[features.index("noun"), 2] = 5
    W_q[features.index("verb"), 0] = 4                                 # asks for what nobody offers
    W_k[features.index("plural"), 1] = 4                               # offers what nobody asks for
    return W_q, W_k


def two_columns(features):
    W_q, W_k = np.zeros((2, len(features), 2))
    W_q[features.index("pronoun")] = 9
    W_k[features.index("noun"), 0] = 0.5
    W_k[features.index("noun"), 1] = 1.0
    return W_q, W_k


def columns_apart(features):
    W_q, W_k = np.zeros((2, len(features), 2))
    W_q[features.index("pronoun"), 0] = 8
    W_k[features.index("noun"), 1] = 1
    return W_q, W_k


def by_place(features):
    """The rows of the first list of features, remembered."""
    W_q, W_k = np.zeros((2, len(features), 1))
    W_q[toy.FEATURES.index("pronoun")] = 8
    W_k[toy.FEATURES.index("noun")] = 1
    return W_q, W_k


def sorted_features(features):
    features.sort()
    return matrices({"noun": 1}, {"pronoun": 8})(features)


def heads_by_loops(x, W_q, W_k, W_v, W_o, n_heads):
    outputs, tables, width = [], [], W_q.shape[1] // n_heads
    for h in range(n_heads):
        mine = slice(h * width, (h + 1) * width)
        output, weights = by_loops(x @ W_q[:, mine], x @ W_k[:, mine], x @ W_v[:, mine])
        outputs.append(output)
        tables.append(weights)
    return np.concatenate(outputs, axis=1) @ W_o, np.stack(tables)


def heads_by_einsum(x, W_q, W_k, W_v, W_o, n_heads):
    W_q, W_k, W_v = (W.reshape(len(W), n_heads, -1) for W in (W_q, W_k, W_v))
    q, k, v = (np.einsum("nd,dhe->hne", x, W) for W in (W_q, W_k, W_v))
    weights = softmax(np.einsum("hie,hje->hij", q, k) / q.shape[-1] ** 0.5)
    return np.einsum("hij,hje,hed->id", weights, v, W_o.reshape(n_heads, -1, W_o.shape[-1])), weights


def heads_added(x, W_q, W_k, W_v, W_o, n_heads):
    """Each head through its own rows of W_o, and added up: the same as side by side."""
    parts = [np.split(W, n_heads, axis=1) for W in (W_q, W_k, W_v)]
    tables = [weights_of(x @ a, x @ b) for a, b in zip(*parts[:2])]
    return sum(w @ x @ c @ o for w, c, o in zip(tables, parts[2], np.split(W_o, n_heads))), tables


def many_heads(
    split=lambda x, h: x.reshape(len(x), h, -1).swapaxes(0, 1),
    join=lambda x: x.swapaxes(0, 1).reshape(x.shape[1], -1),
    divide=lambda scores, q, x: scores / np.sqrt(q.shape[-1]),
    axis=-1,
    after=lambda weights: weights,
):
    """Many heads as a learner writes them, with one step exchanged."""

    def answer(x, W_q, W_k, W_v, W_o, n_heads):
        q, k, v = split(x @ W_q, n_heads), split(x @ W_k, n_heads), split(x @ W_v, n_heads)
        weights = softmax(divide(q @ k.swapaxes(1, 2), q, x), axis=axis)
        return join(weights @ v) @ W_o, after(weights)

    return answer


def wrong_reshape(x, h):
    return x.reshape(h, len(x), -1)


def no_swap_back(x):
    return x.reshape(x.shape[1], -1)


def swapped_heads(x, W_q, W_k, W_v, W_o, n_heads):
    return many_heads()(x, W_k, W_q, W_v, W_o, n_heads)


def no_W_o(x, W_q, W_k, W_v, W_o, n_heads):
    return many_heads()(x, W_q, W_k, W_v, np.eye(len(W_o)), n_heads)


def one_wide_head(x, W_q, W_k, W_v, W_o, n_heads):
    output, weights = scaled_dot_product_attention(x @ W_q, x @ W_k, x @ W_v)
    return output @ W_o, weights


def wide_head_repeated(x, W_q, W_k, W_v, W_o, n_heads):
    output, weights = one_wide_head(x, W_q, W_k, W_v, W_o, n_heads)
    return output, np.stack([weights] * n_heads)


def mean_of_heads(x, W_q, W_k, W_v, W_o, n_heads):
    q, k, v = (split_heads(x @ W, n_heads) for W in (W_q, W_k, W_v))
    weights = softmax(q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1]))
    return (weights @ v).mean(axis=0) @ W_o, weights


def values_not_split(x, W_q, W_k, W_v, W_o, n_heads):
    return many_heads()(x, W_q, W_k, W_k, W_o, n_heads)


def scores_mixed(x, W_q, W_k, W_v, W_o, n_heads):
    q, k, v = (split_heads(x @ W, n_heads) for W in (W_q, W_k, W_v))
    scores = q @ k.swapaxes(1, 2) / q.shape[-1] ** 0.5
    return merge_heads(scores @ v) @ W_o, scores


def plain_transpose(x, W_q, W_k, W_v, W_o, n_heads):
    q, k, v = (split_heads(x @ W, n_heads) for W in (W_q, W_k, W_v))
    weights = softmax(q @ k.T / np.sqrt(q.shape[-1]))
    return merge_heads(weights @ v) @ W_o, weights


RIGHT |= {
    "05.count": [
        counted,
        lambda d, h, e: (h * e * d, 3 * (d * h * e) + (h * e) * d),
        lambda d, h, e: tuple(np.array([1, 4]) * d * h * e),
        lambda d, h, e: (sum(d * e for _ in range(h)), float(d * h * e) * 4),
    ],
    "05.design": [
        matrices({"noun": 1}, {"pronoun": 20}),
        matrices({"noun": 100}, {"pronoun": 0.2}),
        matrices({"noun": -3}, {"pronoun": -3}, columns=2),
        matrices({kind: 8 for kind in toy.NOUNS}, {"pronoun": 1}),
        matrices({"noun": 1}, {"pronoun": 1e100}),
        matrices({name: -1 for name in toy.KINDS if name != "noun"}, {"pronoun": 8}),
        in_another_column,
        two_columns,
        lambda features: [[[10.0 * (name == kind)] for name in features] for kind in ("pronoun", "noun")],
    ],
    "05.many": [heads_by_loops, heads_by_einsum, heads_added, many_heads()],
}
WRONG |= {
    "05.count": {
        "d_model * d_head": (lambda d, h, e: (d * e, 4 * d * e), "you counted one head"),
        "three matrices": (lambda d, h, e: (d * h * e, 3 * d * h * e), "you forgot W_o"),
        "d_model * d_model": (lambda d, h, e: (d * d, 4 * d * d), "all heads together to be d_model wide"),
        "d_model * (d_model // n_heads)": (lambda d, h, e: (d * (d // h), 4 * d * (d // h)), "d_model / n_heads"),
        "n_heads twice": (lambda d, h, e: (d * h * e, 4 * h * d * h * e), "counted the heads twice"),
        "rows + columns": (lambda d, h, e: (d + h * e, 4 * (d + h * e)), "rows times columns"),
        "W_o of the shape (d_model, d_model)": (lambda d, h, e: (d * h * e, 3 * d * h * e + d * d), "W_o"),
        "W_o of one head": (lambda d, h, e: (d * h * e, 3 * d * h * e + d * e), "W_o"),
        "with biases": (lambda d, h, e: (d * h * e + h * e, 4 * d * h * e + 3 * h * e + d), "no biases"),
        "n_heads * d_head": (lambda d, h, e: (h * e, 4 * h * e), "rows times columns"),
        "shapes instead of numbers": (lambda d, h, e: ((d, h * e), (4, d, h * e)), "should be one number"),
        "all four only": (lambda d, h, e: 4 * d * h * e, "2 things"),
        "the numbers of the example": (lambda d, h, e: (12 * 3 * 4, 4 * 12 * 3 * 4), ""),
    },
    "05.design": {
        "nothing set": (matrices({}, {}), "everyone alike"),
        "W_q and W_k changed places": (matrices({"pronoun": 1}, {"noun": 8}), "changed places"),
        "only W_q": (matrices({}, {"pronoun": 8}), "everyone alike"),
        "only W_k": (matrices({"noun": 8}, {}), "everyone alike"),
        "two columns that do not meet": (columns_apart, "share a column"),
        "1 and 1": (matrices({"noun": 1}, {"pronoun": 1}), "too softly"),
        "the pronoun offers": (matrices({"pronoun": 1}, {"pronoun": 8}), "looks at itself"),
        "both offer": (matrices({"noun": 1, "pronoun": 2}, {"pronoun": 8}), "looks at itself"),
        "a minus too many": (matrices({"noun": -1}, {"pronoun": 8}), "negative"),
        "every token asks": (matrices({"noun": 1}, {"token": 8}), "asks too"),
        "nouns ask too": (matrices({"noun": 1}, {"pronoun": 8, "noun": 8}), "asks too"),
        "the verb offers": (matrices({"verb": 1}, {"pronoun": 8}), "only nouns should offer"),
        "verbs and little words offer too": (matrices({"verb": 1, "noun": 1, "function": 1}, {"pronoun": 8}), "only nouns should offer"),
        "everyone offers": (matrices({"token": 1}, {"pronoun": 8}), "everyone alike"),
        "animals only": (matrices({"animal": 1}, {"pronoun": 8}), "every noun"),
        "what is alive": (matrices({"alive": 1}, {"pronoun": 8}), "every noun"),
        "numbers of the rows remembered": (by_place, "features.index"),
        "features.sort()": (sorted_features, "your function changes its input features"),
        "shapes (1, n_features)": (lambda features: [np.zeros((1, len(features)))] * 2, "one row for each"),
        "shapes (n_features,)": (lambda features: [np.zeros(len(features))] * 2, "one row for each"),
        "one matrix": (lambda features: matrices({"noun": 1}, {"pronoun": 8})(features)[0], "two matrices"),
        "np.inf": (matrices({"noun": 1}, {"pronoun": np.inf}), "infinity"),
        "1e300 twice": (matrices({"noun": 1e300}, {"pronoun": 1e300}), "too large"),
        "other numbers of columns": (lambda features: (np.zeros((len(features), 1)), np.zeros((len(features), 2))), "equally many columns"),
    },
    "05.many": {
        "√d_model": (many_heads(divide=lambda s, q, x: s / np.sqrt(x.shape[-1])), "√d_model"),
        "√(n_heads · d_head)": (many_heads(divide=lambda s, q, x: s / np.sqrt(q.shape[-1] * len(q))), "all heads together"),
        "not divided": (many_heads(divide=lambda s, q, x: s), "not divided by √d_head"),
        "d_head without the root": (many_heads(divide=lambda s, q, x: s / q.shape[-1]), "not by its square root"),
        "d_head ** 1/2": (many_heads(divide=lambda s, q, x: s / q.shape[-1] ** 1/2), "** 1/2"),
        "√n": (many_heads(divide=lambda s, q, x: s / np.sqrt(q.shape[1])), "the number of tokens"),
        "√n_heads": (many_heads(divide=lambda s, q, x: s / np.sqrt(q.shape[0])), "n_heads"),
        "reshape(n_heads, n, d_head)": (many_heads(split=wrong_reshape), "mixes the tokens up"),
        "no swap on the way back": (many_heads(join=no_swap_back), "reshaped back without swapping"),
        "both reshapes without a swap": (many_heads(split=wrong_reshape, join=no_swap_back), "both reshapes lack the swap"),
        "every n_heads-th column": (many_heads(split=lambda x, h: np.stack([x[:, i::h] for i in range(h)])), "n_heads-th column"),
        "axis=1": (many_heads(axis=1), "the wrong axis"),
        "axis=0": (many_heads(axis=0), "over the heads"),
        "k @ q.T": (swapped_heads, "q and k changed places"),
        "no W_o": (no_W_o, "W_o was left out"),
        "weights.mean(0)": (many_heads(after=lambda w: w.mean(0)), "the weights of the heads were averaged"),
        "one wide head": (one_wide_head, "one wide head"),
        "one wide head, its table n_heads times": (wide_head_repeated, "one wide head"),
        "k.T with three axes": (plain_transpose, "raised ValueError"),
        "the heads averaged": (mean_of_heads, "raised ValueError"),
        "k for v": (values_not_split, "W_v is not used"),
        "weights, output": (lambda *given: many_heads()(*given)[::-1], "the two results changed places"),
        "only the output": (lambda *given: many_heads()(*given)[0], "2 things"),
        "softmax left out": (scores_mixed, "without the softmax"),
    },
}
