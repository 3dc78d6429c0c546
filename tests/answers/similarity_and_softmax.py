"""Answers to the exercises of similarity_and_softmax."""

import numpy as np

from answers.common import shares
from attnlib import scaled_dot_product_attention, softmax


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
    return [
        sum(w * value[c] for w, value in zip(e, values)) / sum(e) for c in range(values.shape[1])
    ]


RIGHT = {
    "similarity_and_softmax.alike": [
        cosines_by_loops,
        cosines_by_outer,
        lambda x: np.nan_to_num(x @ x.T / (norms(x) * norms(x).T)),
        lambda x: np.einsum("id,jd->ij", x / (norms(x) + 1e-12), x / (norms(x) + 1e-12)),
        lambda x: x @ x.T / np.maximum(norms(x) * norms(x).T, 1e-12),
    ],
    "similarity_and_softmax.survives": [
        softmax,
        softmax_by_rows,
        softmax_by_logs,
        lambda x: 1 / np.exp(x[..., None, :] - x[..., :, None]).sum(-1),
        lambda x: shares(2 ** ((x - x.max(-1, keepdims=True)) * np.log2(np.e))),
    ],
    "similarity_and_softmax.lookup": [
        lookup_by_loops,
        lambda q, k, v, t: scaled_dot_product_attention(q[None], k, v, scale=1 / t)[0][0],
        lambda q, k, v, t: np.einsum("n,nd->d", softmax((k * q).sum(1) / t), v),
        lambda q, k, v, t: (softmax(q @ k.T / t)[:, None] * v).sum(axis=0),
        lambda q, k, v, t: v.T @ shares(np.exp(k @ (q / t))),
    ],
}
WRONG = {
    "similarity_and_softmax.alike": {
        "x @ x.T": (lambda x: x @ x.T, "not divided by the lengths"),
        "x @ x.T / lengths": (lambda x: x @ x.T / norms(x), "only one of the two lengths"),
        "x @ x.T / lengths, without keepdims": (hypotenuses, "only one of the two lengths"),
        "unit @ x.T": (lambda x: x / guarded(norms(x)) @ x.T, "only one of the two lengths"),
        "x @ unit.T": (lambda x: x @ (x / guarded(norms(x))).T, "only one of the two lengths"),
        "x @ x.T / lengths ** 2": (
            lambda x: x @ x.T / norms(x) ** 2,
            "the squared length of one row",
        ),
        "x / (x ** 2).sum(1), then @": (
            lambda x: (x / guarded(norms(x) ** 2)) @ (x / guarded(norms(x) ** 2)).T,
            "the square root of the sum of squares",
        ),
        "unit = x / np.linalg.norm(x)": (
            lambda x: (x / np.linalg.norm(x)) @ (x / np.linalg.norm(x)).T,
            "over all rows at once",
        ),
        "x @ x.T / np.linalg.norm(x)": (
            lambda x: x @ x.T / np.linalg.norm(x),
            "one length for all rows",
        ),
        "norm(x, axis=0)": (
            lambda x: (x / np.linalg.norm(x, axis=0)) @ (x / np.linalg.norm(x, axis=0)).T,
            "down the columns (axis 0)",
        ),
        "unit = x / norm(x, axis=1), without keepdims": (
            lambda x: (x / np.linalg.norm(x, axis=1)) @ (x / np.linalg.norm(x, axis=1)).T,
            "keepdims=True is missing",
        ),
        "norm(x, axis=1) without keepdims, x / it": (
            lambda x: x / np.linalg.norm(x, axis=1),
            "raised ValueError",
        ),
        "no guard for a row of zeros": (
            lambda x: (x / norms(x)) @ (x / norms(x)).T,
            "a row of length 0 became NaN",
        ),
        "no guard, by np.outer": (
            lambda x: x @ x.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(x, axis=1)),
            "a row of length 0 became NaN",
        ),
        "distances": (lambda x: np.linalg.norm(x[:, None] - x, axis=-1), "you returned distances"),
        "angles: np.arccos": (
            lambda x: np.arccos(np.clip(cosines_by_outer(x), -1, 1)),
            "you returned angles",
        ),
        "absolute cosines": (lambda x: abs(cosines_by_outer(x)), "abs took the sign away"),
        "1 on the diagonal, also for the row of zeros": (
            lambda x: np.where(np.eye(len(x), dtype=bool), 1, cosines_by_outer(x)),
            "3 of 4 inputs right",
        ),
        "a small number below the line: + 0.01": (
            lambda x: x @ x.T / (norms(x) * norms(x).T + 0.01),
            "",
        ),
        "lengths by abs: np.abs(x).sum(1)": (
            lambda x: x @ x.T / guarded(np.outer(abs(x).sum(1), abs(x).sum(1))),
            "the sum of the absolute values",
        ),
    },
    "similarity_and_softmax.survives": {
        "np.exp(x) / np.exp(x).sum(-1, keepdims=True)": (lambda x: shares(np.exp(x)), "overflows"),
        "np.exp(x) / np.exp(x).sum()": (
            lambda x: np.exp(x) / np.exp(x).sum(),
            "divided by one sum",
        ),
        "one maximum and one sum": (
            lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
            "divided by one sum",
        ),
        "row maximum, one sum": (
            lambda x: (
                np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum()
            ),
            "divided by one sum",
        ),
        "np.exp(x) / np.exp(x).sum(0)": (
            lambda x: np.exp(x) / np.exp(x).sum(0),
            "down the columns (axis 0)",
        ),
        "softmax(x, axis=0)": (lambda x: softmax(x, axis=0), "down the columns (axis 0)"),
        "x - x.max()": (lambda x: shares(np.exp(x - x.max())), "one maximum was subtracted"),
        "x - x.max(axis=0)": (
            lambda x: shares(np.exp(x - x.max(axis=0))),
            "maximum of each column",
        ),
        "x - x.mean(-1)": (
            lambda x: shares(np.exp(x - x.mean(-1, keepdims=True))),
            "the mean was subtracted",
        ),
        "x - x.min(-1)": (
            lambda x: shares(np.exp(x - x.min(-1, keepdims=True))),
            "the smallest number was subtracted",
        ),
        "x / x.sum(-1)": (lambda x: x / x.sum(-1, keepdims=True), "without exp"),
        "x / x.max(-1), then exp": (
            lambda x: shares(np.exp(x / x.max(-1, keepdims=True))),
            "divided out instead of subtracted",
        ),
        "no division": (
            lambda x: np.exp(x - x.max(-1, keepdims=True)),
            "nothing is divided by the sum",
        ),
        "np.exp(-x)": (lambda x: shares(np.exp(-x + x.min(-1, keepdims=True))), "exp(−x)"),
        "one-hot": (lambda x: np.eye(x.shape[-1])[x.argmax(-1)], "a hard choice"),
        "np.clip(x, -700, 700)": (
            lambda x: shares(np.exp(np.clip(x, -700, 700))),
            "clip made different numbers equal",
        ),
        "np.nan_to_num at the end": (
            lambda x: np.nan_to_num(shares(np.exp(x))),
            "nan_to_num hides",
        ),
        "x.max(-1) without keepdims": (
            lambda x: shares(np.exp(x - x.max(-1))),
            "keepdims=True is missing",
        ),
        "x.max(-1) and sum(-1) without keepdims": (
            lambda x: np.exp(x - x.max(-1)) / np.exp(x - x.max(-1)).sum(-1),
            "keepdims=True is missing",
        ),
        "sum(-1) without keepdims": (
            lambda x: (
                np.exp(x - np.amax(x, -1, keepdims=True))
                / np.sum(np.exp(x - np.amax(x, -1, keepdims=True)), -1)
            ),
            "keepdims=True is missing",
        ),
        "np.exp(x) / np.exp(x).sum(-1), without keepdims": (
            lambda x: np.exp(x) / np.exp(x).sum(-1),
            "keepdims=True is missing",
        ),
        "the maximum only where it is above 0": (
            lambda x: shares(np.exp(x - np.maximum(x.max(-1, keepdims=True), 0))),
            "",
        ),
        "float128": (lambda x: shares(np.exp(x.astype(np.longdouble))), ""),
        "logarithms": (
            lambda x: (
                x
                - x.max(-1, keepdims=True)
                - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))
            ),
            "",
        ),
    },
    "similarity_and_softmax.lookup": {
        "softmax(keys @ query) @ values": (
            lambda q, k, v, t: softmax(k @ q) @ v,
            "the temperature is not used",
        ),
        "keys @ query * temperature": (
            lambda q, k, v, t: softmax(k @ q * t) @ v,
            "multiplied by the temperature",
        ),
        "softmax(keys @ query) / temperature": (
            lambda q, k, v, t: softmax(k @ q) / t @ v,
            "the weights are divided by the temperature",
        ),
        "(keys @ query / temperature) @ values": (
            lambda q, k, v, t: (k @ q / t) @ v,
            "without the softmax",
        ),
        "values[(keys @ query).argmax()]": (lambda q, k, v, t: v[(k @ q).argmax()], "hard look-up"),
        "values.mean(0)": (lambda q, k, v, t: v.mean(0), "plain mean"),
        "the weights returned": (lambda q, k, v, t: softmax(k @ q / t), "you returned the weights"),
        "softmax(values @ query)": (
            lambda q, k, v, t: softmax(v @ q / t) @ v,
            "the query is compared with the values",
        ),
        "weights @ keys": (lambda q, k, v, t: softmax(k @ q / t) @ k, "the keys are mixed"),
        "-distance": (
            lambda q, k, v, t: softmax(-np.linalg.norm(k - q, axis=1) / t) @ v,
            "distances took the place",
        ),
        "-distance ** 2": (
            lambda q, k, v, t: softmax(-((k - q) ** 2).sum(1) / t) @ v,
            "distances took the place",
        ),
        "cosines": (
            lambda q, k, v, t: softmax(k @ q / norms(k)[:, 0] / np.linalg.norm(q) / t) @ v,
            "divided out the lengths",
        ),
        "also divided by √d": (
            lambda q, k, v, t: softmax(k @ q / np.sqrt(len(q)) / t) @ v,
            "also divided by √d",
        ),
        "divided by √d, no temperature": (
            lambda q, k, v, t: softmax(k @ q / np.sqrt(len(q))) @ v,
            "√d instead of the temperature",
        ),
        "(weights * values).mean(0)": (
            lambda q, k, v, t: (softmax(k @ q / t)[:, None] * v).mean(0),
            "the weights already sum to 1",
        ),
        "weights * values, not added": (
            lambda q, k, v, t: softmax(k @ q / t)[:, None] * v,
            "has the shape",
        ),
        "keys.T @ query": (lambda q, k, v, t: softmax(k.T @ q / t) @ v, "raised ValueError"),
    },
}
