"""Exercises and questions of real_models: one token back, the sink of each layer, how often a head
is right.
"""

import numpy as np

from attnlib.exercises import Exercise, Question

sinks = Question(
    "real_models.sinks",
    "split",
    "SmolLM2 reads ten English texts. Of all that its 270 heads look at, how much goes where?",
    why="More than half rests on the first token, whatever it is: a row must share out 1, and most"
    " heads find nothing of theirs in most places. Only the first layer and a few in the middle do"
    " without it.",
)

copy = Question(
    "real_models.copy",
    "cells",
    "Ten words, five of them twice. Where does SmolLM2's head 18.6 look from the second *apple*?",
    why="At the word that came behind it last time, which is what comes next: *look for my own word"
    " further up, and go one on*. Nobody built this head; it came of reading texts in which things"
    " come again.",
)

unread = Question(
    "real_models.unread",
    "choice",
    "*tired* becomes *soft*. In how many of SmolLM2's 270 heads does the row of *it* change?",
    options=[
        (
            "in most, a little",
            "When the model reads *it*, which words are there already? Think of the mask.",
        ),
        ("in a few late ones, a lot", "Late layers have read more words, but only those before."),
        "in none",
    ],
    right="in none",
    why="The mask lets *it* see what stands before it, in every layer, and the ending stands"
    " behind. Not one bit of the row can change.",
)

trap = Question(
    "real_models.trap",
    "choice",
    "The rows of W_q and W_k lie in the wrong order. How does it go on with *The capital of France"
    " is*?",
    options=[
        (
            "with nonsense",
            "Each pair of columns still meets its like: what is lost is the distance.",
        ),
        ("with another city", "What a word means does not lie in these two matrices."),
        "as before",
    ],
    right="as before",
    why="q and k were shuffled alike, so words still find each other; only the turning by distance"
    " is wrong. The answer is right, and hundreds of maps are not.",
)


def previous_by_hand(weights):
    """How much each head looks one token back. weights (layers, heads, n, n) -> (layers, heads)"""
    n = weights.shape[-1]
    queries = np.arange(1, n)  # the first has nobody before it
    # (layers, heads, n - 1) -> (layers, heads)
    return weights[:, :, queries, queries - 1].mean(axis=-1)


def _all_heads(rng):
    """Weights of sharp heads, so that no two places are alike; n differs from the number of layers
    and of heads.
    """
    trials = []
    for layers, heads, n in ((1, 2, 4), (2, 3, 5), (3, 2, 6), (2, 4, 3)):
        weights = np.exp(rng.normal(0, 1.5, (layers, heads, n, n)))
        trials.append((weights / weights.sum(axis=-1, keepdims=True),))
    return trials


def _along(weights, step, reduce=np.mean):
    """The weights on the keys `step` further, reduced over the queries that have one."""
    return reduce(np.diagonal(weights, step, axis1=-2, axis2=-1), axis=-1)


def _wrapped(weights):
    n = weights.shape[-1]
    return weights[:, :, np.arange(n), np.arange(n) - 1].mean(axis=-1)


def _most_at_previous(weights):
    n = weights.shape[-1]
    return (weights[..., 1:, :].argmax(axis=-1) == np.arange(n - 1)).mean(axis=-1)


previous = Exercise(
    previous_by_hand,
    title="One token back",
    level=1,
    minutes=7,
    inputs=_all_heads,
    names=("shares",),
    mistakes={
        "row 0 looked at the last token: weights[..., 0, -1] is the last column. The first query "
        "has nobody before it": _wrapped,
        "you divided by n: the first query has nobody before it, so the mean is over n - 1": (
            lambda w: _along(w, -1, np.sum) / w.shape[-1]
        ),
        "this is one token ahead: the query is the row, so the key before it is at [i, i - 1]": (
            lambda w: _along(w, 1)
        ),
        "this is how much each token looks at itself": lambda w: _along(w, 0),
        "this is two tokens back": lambda w: _along(w, -2),
        "you added up: the measure is a mean over the queries": lambda w: _along(w, -1, np.sum),
        "you took the largest: the measure is a mean over the queries": lambda w: _along(
            w, -1, np.max
        ),
        "you counted how often the token before is the one most looked at: add up the weights "
        "themselves": _most_at_previous,
        "you took the mean over the heads too: each head gets a number of its own": [
            lambda w: _along(w, -1).mean(axis=1),
            lambda w: _along(w, -1).mean(),
        ],
        "these are the weights of each query, not yet their mean": lambda w: np.diagonal(
            w, -1, axis1=-2, axis2=-1
        ),
        "np.diagonal went along the layers and heads: its last two axes must be named, axis1=-2, "
        "axis2=-1": [
            lambda w: np.diagonal(w, -1).mean(axis=-1),
            lambda w: np.diagonal(w, -1).mean(axis=0),
        ],
        "this is the share of the first token": [
            lambda w: w[..., 0].mean(axis=-1),
            lambda w: w[..., 1:, 0].mean(axis=-1),
        ],
    },
    hints=[
        (
            "Query i looks at the token before it with weights[..., i, i - 1]. Which i have such a"
            " token?"
        ),
        (
            "Those are the cells right below the diagonal: np.diagonal(weights, offset=-1,"
            " axis1=-2, axis2=-1)."
        ),
        (
            "What comes back is (layers, heads, n - 1): a mean over the last axis is what is asked"
            " for."
        ),
    ],
)


def sink_by_hand(weights):
    """How much of each layer's weight lies on the first token. weights (layers, heads, n, n)
    -> (layers,)
    """
    on_first = weights[:, :, 1:, 0]  # (layers, heads, n - 1): all queries but the first
    return on_first.mean(axis=(1, 2))


def _causal_and_not(rng):
    """Weights of all heads, in two of the trials causal ones, whose first row is 1, 0, 0 …"""
    trials = []
    for number, (weights,) in enumerate(_all_heads(rng)):
        if number % 2:
            weights = np.tril(weights)
            weights /= weights.sum(axis=-1, keepdims=True)
        trials.append((weights,))
    return trials


sink = Exercise(
    sink_by_hand,
    title="The sink, layer by layer",
    level=2,
    minutes=8,
    inputs=_causal_and_not,
    names=("shares",),
    mistakes={
        "the first query counts, too: behind a causal mask it can look at nobody else, so leave it "
        "out": (lambda w: w[..., 0].mean(axis=(1, 2))),
        "you took the row of the first query, where it looks: the column says who looks at it, "
        "weights[..., 0]": lambda w: w[..., 0, 1:].mean(axis=(1, 2)),
        "this is one number for each head: take the mean over the heads, too": (
            lambda w: w[..., 1:, 0].mean(axis=-1)
        ),
        "this is one number for each head, over all layers: each layer gets a number of its own": (
            lambda w: w[..., 1:, 0].mean(axis=(0, 2))
        ),
        "this is one number for all layers": lambda w: w[..., 1:, 0].mean(),
        "you added up the heads: take their mean": (
            lambda w: w[..., 1:, 0].mean(axis=-1).sum(axis=-1)
        ),
        "you divided by n: without the first query there are n - 1": (
            lambda w: w[..., 1:, 0].sum(axis=-1).mean(axis=-1) / w.shape[-1]
        ),
        "this is the last token": [
            lambda w: w[..., 1:, -1].mean(axis=(1, 2)),
            lambda w: w[..., :-1, -1].mean(axis=(1, 2)),
        ],
        "this is the second token: columns count from 0": [
            lambda w: w[..., 1].mean(axis=(1, 2)),
            lambda w: w[..., 1:, 1].mean(axis=(1, 2)),
        ],
        "you took the head with the most: the mean over all heads is asked for": (
            lambda w: w[..., 1:, 0].mean(axis=-1).max(axis=-1)
        ),
        "you took the mean over a row, which is 1/n in every head: the first token as a key is a "
        "column, weights[..., 0]": lambda w: w.mean(axis=(1, 2, 3)),
        "you left out the last query, not the first": lambda w: w[..., :-1, 0].mean(axis=(1, 2)),
    },
    hints=[
        "The axes are layers, heads, queries, keys. The first token as a key is weights[..., 0].",
        "All queries but the first: weights[:, :, 1:, 0]. What shape has it?",
        "Two axes must go, the heads and the queries: .mean(axis=(1, 2)).",
    ],
)


def hits_by_hand(weights, asked, right):
    """In how many texts the row that is asked looks most at the right token, itself and the first
    token apart. weights (texts, n, n), asked and right (texts,) -> a share
    """
    texts = np.arange(len(weights))
    rows = weights[texts, asked]  # (texts, n)
    rows[:, 0] = rows[texts, asked] = 0
    return (rows.argmax(axis=-1) == right).mean()


def _texts(rng):
    """Causal and other weights of one head over some texts, in which the first token or the row's
    own is often darkest, and the right token often the next; also asked, right (texts,).
    """
    trials = []
    for texts, n in ((24, 6), (30, 7), (40, 9)):
        asked = rng.integers(3, n, texts)
        right = 1 + rng.integers(asked - 1)  # before the asked one, and not the first
        weights = np.exp(rng.normal(0, 1, (texts, n, n)))
        weights[np.arange(texts), asked, right] *= np.where(rng.random(texts) < 0.7, 20, 1)
        for place in (0, asked):  # a sink, and a look at oneself
            weights[np.arange(texts), asked, place] *= np.where(rng.random(texts) < 0.4, 60, 1)
        if n != 6:
            weights *= np.tri(n)
        trials.append((weights / weights.sum(axis=-1, keepdims=True), asked, right))
    return trials


def _hits(choose=lambda w, i: w[i], apart=lambda i: [0, i], judge=None):
    """The share with one part exchanged."""

    def share(weights, asked, right):
        found = []
        for w, i, j in zip(weights, asked, right):
            row = choose(w, i).copy()
            row[apart(i)] = 0
            found.append(judge(row, j) if judge else row.argmax() == j)
        return np.mean(found)

    return share


hits = Exercise(
    hits_by_hand,
    title="How often is the head right?",
    level=2,
    minutes=12,
    inputs=_texts,
    names=("share",),
    mistakes={
        "the first token counts, too: many heads park there, and its weight says nothing about "
        "the word": _hits(apart=lambda i: [i]),
        "a look at oneself counts, too: set the weight at [asked] to 0": _hits(apart=lambda i: [0]),
        "the first token and oneself count, too: set both to 0 before you look for the largest": (
            _hits(apart=lambda i: [])
        ),
        "this is the column: who looks at the token that asks. Its row is weights[text, asked]": [
            _hits(lambda w, i: w[:, i]),
            _hits(lambda w, i: w[:, i], apart=lambda i: []),
        ],
        "this is the row of the right token: the row of the one that asks is wanted": (
            lambda weights, asked, right: _hits()(weights, right, asked)
        ),
        "this is the mean weight on the right token: count how often it is the largest": [
            _hits(judge=lambda row, j: row[j]),
            _hits(judge=lambda row, j: row[j], apart=lambda i: []),
        ],
        "you asked for more than half of the weight: the largest of the row is enough": [
            _hits(judge=lambda row, j: row[j] > 0.5),
            _hits(judge=lambda row, j: row[j] > 0.5, apart=lambda i: []),
        ],
        "this is how many texts: divide by their number": lambda weights, asked, right: (
            hits_by_hand(weights, asked, right) * len(weights)
        ),
        "this is how often it is wrong": lambda weights, asked, right: (
            1 - hits_by_hand(weights, asked, right)
        ),
        "this says yes or no for each text: their mean is asked for": lambda *given: [
            _hits()(*(one[k : k + 1] for one in given)) for k in range(len(given[0]))
        ],
    },
    hints=[
        "For one text the row is weights[text, asked[text]]. Copy it before you change it.",
        "Set two of its numbers to 0: row[0] and row[asked[text]]. Where is the largest left?",
        "row.argmax() == right[text] is True or False; the mean over the texts is the share.",
    ],
)
