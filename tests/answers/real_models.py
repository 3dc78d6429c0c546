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


# ---- how often is the head right -----------------------------------------------------------------


def hits_by_loops(weights, asked, right):
    found = 0
    for text in range(len(weights)):
        best, place = -1, None
        for j, weight in enumerate(weights[text][asked[text]]):
            if j not in (0, asked[text]) and weight > best:
                best, place = weight, j
        found += place == right[text]
    return found / len(weights)


def hits_by_deleting(weights, asked, right):
    seen = []
    for w, i, j in zip(weights, asked, right):
        rest = np.delete(np.arange(len(w)), [0, i])
        seen.append(rest[w[i, rest].argmax()] == j)
    return np.mean(seen)


def hits(apart=(0, "itself"), row=lambda w, i: w[i], say=lambda row, j: row.argmax() == j):
    def share(weights, asked, right):
        seen = []
        for w, i, j in zip(weights, asked, right):
            one = row(w, i).copy()
            for place in apart:
                one[i if place == "itself" else place] = -1
            seen.append(say(one, j))
        return sum(seen) / len(seen)

    return share


# ---- a name for a head ---------------------------------------------------------------------------


def twins_by_loops(tokens, behind=1):
    places = np.full(len(tokens), -1)
    for i in range(len(tokens)):
        for j in range(1, i):
            if tokens[j] == tokens[i] and j + behind < i:
                places[i] = max(j + behind, 1)
    return places


def back_by(steps):
    return lambda tokens: [i - steps if i > steps else -1 for i in range(len(tokens))]


RIGHT = {
    "real_models.previous": [by_loops, by_trace, by_a_table, back(), measures.previous_share],
    "real_models.hits": [hits_by_loops, hits_by_deleting, hits()],
    "real_models.name": [
        twins_by_loops,
        lambda tokens: [j if i % 2 else -1 for i, j in enumerate(twins_by_loops(tokens))],
        lambda tokens: np.where(np.char.isalpha(np.char.strip(tokens)), twins_by_loops(tokens), -1),
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
    "real_models.hits": {
        "with the first token": (hits(apart=["itself"]), "the first token counts"),
        "with itself": (hits(apart=[0]), "a look at oneself counts"),
        "of the whole row": (hits(apart=[]), "the first token and oneself count"),
        "the column": (hits(row=lambda w, i: w[:, i]), ""),
        "the plain column": (hits(apart=[], row=lambda w, i: w[:, i]), "this is the column"),
        "the mean weight": (hits(say=lambda row, j: row[j]), "the mean weight"),
        "more than half": (hits(say=lambda row, j: row[j] > 0.5), "more than half"),
        "how many": (lambda w, i, j: hits()(w, i, j) * len(w), "divide by their number"),
        "how often wrong": (lambda w, i, j: 1 - hits()(w, i, j), "how often it is wrong"),
        "asked and right exchanged": (lambda w, i, j: hits()(w, j, i), "the row of the right"),
        "the last token": (hits(say=lambda row, j: row.argmax() == len(row) - 1), ""),
        "cut off in front": (
            lambda w, i, j: np.mean([one[k, 1:].argmax() == m for one, k, m in zip(w, i, j)]),
            "the places have moved",
        ),
        "both cut off": (
            lambda w, i, j: np.mean(
                [np.delete(one[k], [0, k]).argmax() == m for one, k, m in zip(w, i, j)]
            ),
            "the places have moved",
        ),
        "every text at every place": (
            lambda w, i, j: (np.where(np.arange(w.shape[2]), w[:, i], 0).argmax(-1) == j).mean(),
            "each text met every asked token",
        ),
        "the smallest": (hits(say=lambda row, j: row.argmin() == j), ""),
    },
    "real_models.name": {
        "one back": (back_by(1), "head 1.1 does it in 1.00"),
        "one back is a distance": (back_by(1), "you named a distance"),
        "far back": (back_by(11), "Killed"),
        "the twin itself": (lambda tokens: twins_by_loops(tokens, 0), "look for what came behind"),
        "the twin is no name": (lambda tokens: twins_by_loops(tokens, 0), "two in five are wanted"),
        "no claim at all": (lambda tokens: [-1] * len(tokens), "speaks of 0 of"),
        "one back from 0 on": (lambda tokens: np.arange(len(tokens)) - 1, "For token 1 you say 0"),
        "itself": (lambda tokens: np.arange(len(tokens)), "For token 0 you say 0"),
        "far below": (lambda tokens: np.arange(len(tokens)) - 99, "For token 0 you say -99"),
        "the words": (lambda tokens: tokens, "should be whole numbers"),
        "one place": (lambda tokens: [1], "one for each token"),
    },
}
