"""Answers to the exercises of real_models."""

import numpy as np

from attnlib import measures

# ---- one token back ------------------------------------------------------------------------------


def by_loops(weights):
    layers, heads, n, _ = weights.shape
    shares = np.zeros((layers, heads))
    for layer in range(layers):
        for head in range(heads):
            shares[layer, head] = sum(weights[layer, head, i, i - 1] for i in range(1, n)) / (n - 1)
    return shares


def by_trace(weights):
    return np.trace(weights[..., 1:, :-1], axis1=2, axis2=3) / (weights.shape[-1] - 1)


def by_a_table(weights):
    n = weights.shape[-1]
    return (weights * np.eye(n, k=-1)).sum(axis=(2, 3)) / (n - 1)


def back(cells=lambda w: np.diagonal(w, -1, axis1=-2, axis2=-1), reduce=lambda x: x.mean(axis=-1)):
    """The measure as a learner writes it, with one part exchanged."""
    return lambda weights: reduce(cells(weights))


def from_row_0(weights):
    n = weights.shape[-1]
    return np.array([weights[..., i, i - 1] for i in range(n)]).mean(axis=0)


def most_looked_at(weights):
    n = weights.shape[-1]
    return np.mean([weights[..., i, :].argmax(axis=-1) == i - 1 for i in range(1, n)], axis=0)


# ---- the sink ------------------------------------------------------------------------------------


def sink_by_loops(weights):
    return [np.mean([[row[0] for row in head[1:]] for head in layer]) for layer in weights]


def sink(first=slice(1, None), cells=lambda w: w[..., 0], reduce=lambda x: x.mean(axis=(1, 2))):
    return lambda weights: reduce(cells(weights[:, :, first]))


# ---- how many tokens -----------------------------------------------------------------------------


def tokens_by_loops(weights):
    return [np.exp(-sum(w * np.log(w) for w in row if w > 0)) for row in weights]


def as_a_product(weights):
    """e to the entropy is the product of w to the power of -w; 0 to the power of 0 is 1."""
    return np.prod(weights**-weights, axis=-1)


def forgiving(weights):
    with np.errstate(all="ignore"):
        return np.exp(-np.nansum(weights * np.log(weights), axis=1))


def how_many(log=np.log, total=lambda x: x.sum(axis=-1), power=np.exp, sign=-1):
    return lambda weights: power(sign * total(weights * log(np.where(weights == 0, 1, weights))))


RIGHT = {
    "real_models.previous": [by_loops, by_trace, by_a_table, back(), measures.previous_share],
    "real_models.sink": [
        sink_by_loops,
        sink(),
        sink(reduce=lambda x: x.mean(axis=2).mean(axis=1)),
        lambda w: measures.sink_share(w).mean(axis=1),
        lambda w: np.einsum("lhi->l", w[:, :, 1:, 0]) / (w.shape[1] * (w.shape[2] - 1)),
    ],
    "real_models.tokens": [
        tokens_by_loops,
        as_a_product,
        forgiving,
        how_many(),
        how_many(log=np.log2, power=np.exp2),
        lambda w: np.exp([measures.entropy(row[None]) for row in w]),
    ],
}
WRONG = {
    "real_models.previous": {
        "i - 1 from row 0 on": (from_row_0, "the last column"),
        "np.roll": (
            lambda w: (w * np.roll(np.eye(w.shape[-1]), -1, axis=1)).sum(axis=-1).mean(axis=-1),
            "the last column",
        ),
        "sum / n": (back(reduce=lambda x: x.sum(axis=-1) / (x.shape[-1] + 1)), "divided by n"),
        "offset=1": (back(lambda w: np.diagonal(w, 1, axis1=-2, axis2=-1)), "one token ahead"),
        "axes exchanged": (
            back(lambda w: np.diagonal(w, -1, axis1=-1, axis2=-2)),
            "one token ahead",
        ),
        "offset=0": (back(lambda w: np.diagonal(w, 0, axis1=-2, axis2=-1)), "at itself"),
        "offset=-2": (back(lambda w: np.diagonal(w, -2, axis1=-2, axis2=-1)), "two tokens back"),
        "sum": (back(reduce=lambda x: x.sum(axis=-1)), "you added up"),
        "max": (back(reduce=lambda x: x.max(axis=-1)), "you took the largest"),
        "argmax": (most_looked_at, "you counted how often"),
        "mean over heads": (back(reduce=lambda x: x.mean(axis=(1, 2))), "each head gets a number"),
        "mean of all": (back(reduce=np.mean), "each head gets a number"),
        "no mean": (back(reduce=lambda x: x), "not yet their mean"),
        "np.diagonal without axes": (lambda w: np.diagonal(w, -1).mean(axis=-1), "axis1=-2"),
        "the first column": (lambda w: w[..., 1:, 0].mean(axis=-1), "the first token"),
        "median": (back(reduce=lambda x: np.median(x, axis=-1)), ""),
        "as a percentage": (lambda w: 100 * by_trace(w), ""),
        "one layer": (lambda w: by_trace(w)[0], "shape"),
        "transposed result": (lambda w: by_trace(w).T, "shape"),
    },
    "real_models.sink": {
        "with the first query": (sink(first=slice(None)), "the first query counts"),
        "the first row": (sink(first=slice(None), cells=lambda w: w[:, :, 0]), "1/n in every head"),
        "the first row without its first cell": (
            sink(first=0, cells=lambda w: w[..., 1:]),
            "the row of the first query",
        ),
        "per head": (sink(reduce=lambda x: x.mean(axis=-1)), "one number for each head"),
        "mean over the layers": (sink(reduce=lambda x: x.mean(axis=(0, 2))), "each layer gets"),
        "one number": (sink(reduce=np.mean), "for all layers"),
        "sum over heads": (sink(reduce=lambda x: x.mean(axis=2).sum(axis=1)), "added up the heads"),
        "sum over all": (sink(reduce=lambda x: x.sum(axis=(1, 2))), ""),
        "divided by n": (
            sink(reduce=lambda x: x.sum(axis=2).mean(axis=1) / (x.shape[2] + 1)),
            "divided by n",
        ),
        "the last token": (sink(cells=lambda w: w[..., -1]), "the last token"),
        "the second token": (sink(cells=lambda w: w[..., 1]), "the second token"),
        "the best head": (
            sink(reduce=lambda x: x.mean(axis=2).max(axis=1)),
            "the head with the most",
        ),
        "mean over keys": (sink(cells=lambda w: w.mean(axis=-1)), "1/n in every head"),
        "without the last query": (sink(first=slice(None, -1)), "the last query"),
        "argmax": (sink(cells=lambda w: w.argmax(axis=-1) == 0), ""),
    },
    "real_models.tokens": {
        "0 log 0": (lambda w: np.exp(-(w * np.log(w)).sum(axis=-1)), "0 · log 0"),
        "w + 1e-3": (
            lambda w: np.exp(-(w * np.log(w + 1e-3)).sum(axis=-1)),
            "a small number was added",
        ),
        "H": (how_many(power=lambda x: x), "this is the entropy H"),
        "H in bits": (how_many(log=np.log2, power=lambda x: x), "in bits"),
        "e to the bits": (how_many(log=np.log2), "the power is one of e"),
        "2 to the nats": (how_many(power=np.exp2), "the power is one of 2"),
        "no minus": (how_many(sign=1), "the minus is missing"),
        "count_nonzero": (
            lambda w: np.count_nonzero(w, axis=-1),
            "you counted the weights above 0",
        ),
        "1 / sum of squares": (lambda w: 1 / np.square(w).sum(axis=1), "1 / Σ w²"),
        "1 / max": (lambda w: 1 / w.max(axis=1), "1 / the largest"),
        "over the queries": (how_many(total=lambda x: x.sum(axis=0)), "over the keys"),
        "one number": (how_many(total=np.sum), "over the keys"),
        "mean over keys": (how_many(total=lambda x: x.mean(axis=-1)), "H is a sum"),
        "mean over queries": (how_many(power=lambda x: np.exp(x).mean()), "mean over the queries"),
        "share of log n": (lambda w: how_many(power=lambda x: x)(w) / np.log(w.shape[1]), "log n"),
        "NaN as 0": (lambda w: np.nan_to_num(np.exp(-(w * np.log(w)).sum(axis=-1))), ""),
        "zeros cut out of all": (
            lambda w: np.exp(-(w[w > 0] * np.log(w[w > 0])).sum()),
            "over the keys",
        ),
    },
}
