"""Exercises and questions of many_heads: design a head, count the numbers, heads by reshape."""

import numpy as np

from attnlib import toy
from attnlib.attention import merge_heads, scaled_dot_product_attention, softmax, split_heads
from attnlib.exercises import Exercise, Question

louder = Question(
    "many_heads.louder",
    "split",
    "One head with both jobs asks three times as loudly. How does *it* share out its 1 now?",
    why="Both questions find their word, and both scores grow alike: neither gets ahead. Only the"
    " rest loses what it had.",
)

mixed = Question(
    "many_heads.mixed",
    "cells",
    "After `q.reshape(2, 3, 2)` alone: which squares are in “head 0”? Choose all of them.",
    many=True,
    why="It takes the first six numbers, row by row: all of the first word, and half of the second."
    " In “head 0” the first word has two rows, and the last word none.",
)

widths = Question(
    "many_heads.widths",
    "choice",
    "With how many columns can each of the seven kinds look most at itself?",
    options=[
        ("only with seven", "On a circle: which arrow has the largest product with an arrow?"),
        "with seven and with two",
        (
            "with seven, with two and with one",
            "On a line: which number makes the largest product with 0.5, and which with −0.5?",
        ),
    ],
    right="with seven and with two",
    why="On a circle nobody is more alike to an arrow than itself. On a line a score is one number"
    " times another, and the largest is always at one of the two ends.",
)

second = Question(
    "many_heads.second",
    "cells",
    "Head 0 reads *soft*. Where does head 1, in the same layer, look from *it*?",
    why="At the living noun, as with the other ending. Both heads begin with the same rows: when"
    " head 1 asks, *it* has not heard yet what head 0 finds, and only the old question is left.",
)


def design_head(features):
    """W_q and W_k of a head in which a pronoun looks at the nouns; everyone else looks at all
    alike. Each (n_features, 1).
    """
    W_q, W_k = np.zeros((2, len(features), 1))
    W_q[features.index("pronoun")] = 8.0  # a pronoun asks, loudly
    W_k[features.index("noun")] = 1.0  # a noun offers
    return W_q, W_k


def head_weights(W_q, W_k, tokens, features=toy.FEATURES):
    """What a head with these two matrices looks at: the features of the tokens are its x. (n, n)"""
    # (n, n_features)
    x = np.array([[name in toy.features(token) for name in features] for token in tokens], float)
    q, k = x @ W_q, x @ W_k  # (n, d)
    return softmax(q @ k.T / np.sqrt(q.shape[-1]))  # (n, n)


def _sentences(features):
    """Sentences with a pronoun and two nouns of all kinds; other ones for another order of the
    features.
    """
    rng = np.random.default_rng([list(toy.FEATURES).index(name) for name in features])
    kinds = [("animal", "thing"), ("person", "place"), ("food", "idea"), ("thing", "animal")]
    for pronoun, both in zip(("it", "she", "they", "him"), kinds):
        one, other, quality = (
            str(rng.choice(toy.WORDS[kind].split())) for kind in (*both, "quality")
        )
        yield toy.tokenize(f"the {one} was near the {other} because {pronoun} looked {quality} .")


def _design_fault(got, features):
    try:
        W_q, W_k = got
    except Exception:  # what a learner returns may be anything
        return "Return two matrices, W_q and W_k."
    try:
        W_q, W_k = np.asarray(W_q), np.asarray(W_k)
    except Exception:
        return "W_q and W_k must be arrays of numbers."
    for name, W in (("W_q", W_q), ("W_k", W_k)):
        if W.dtype.kind not in "biuf":
            return f"{name} should hold numbers, got {W.dtype}."
        if W.ndim != 2 or len(W) != len(features) or W.shape[1] == 0:
            return (
                f"{name} must have one row for each of the {len(features)} features,"
                f" ({len(features)}, d). Got {W.shape}."
            )
        if not np.isfinite(W).all():
            return f"{name} holds NaN or infinity."
        if np.abs(W.astype(float)).max() > 1e150:
            return f"{name} holds numbers that are too large to multiply. About 8 is enough."
    if W_q.shape != W_k.shape:
        return (
            f"W_q and W_k must have equally many columns, or q @ k.T does not work. Got {W_q.shape}"
            f" and {W_k.shape}."
        )
    W_q, W_k = W_q.astype(float), W_k.astype(float)
    fault = _first_fault(W_q, W_k, features)
    if fault and list(features) != list(toy.FEATURES) and not _first_fault(W_q, W_k, toy.FEATURES):
        return (
            "This was right for the features in their usual order. Here they come in another one:"
            " find the rows by features.index(…)."
        )
    return fault


def _first_fault(W_q, W_k, features):
    return next(
        filter(
            None, (_sentence_fault(W_q, W_k, tokens, features) for tokens in _sentences(features))
        ),
        "",
    )


def _sentence_fault(W_q, W_k, tokens, features):
    weights = head_weights(W_q, W_k, tokens, features)
    is_noun = np.array(["noun" in toy.features(token) for token in tokens])
    asks = np.array(["pronoun" in toy.features(token) for token in tokens])
    i, sentence = int(asks.argmax()), " ".join(tokens)
    row, share, even = weights[i], weights[i, is_noun].sum(), 1 / len(tokens)
    shown = ", ".join(f"{tokens[j]} {row[j]:.2f}" for j in np.argsort(-row, kind="stable")[:4])
    said = (
        f"In “{sentence}” the row of {tokens[i]!r} is: {shown}, … ({share:.0%} on nouns, wanted at"
        " least 80%)."
    )
    if np.ptp(row) < 1e-6:
        if weights[is_noun][:, asks].mean() > 2 * even:
            return (
                f"{said} W_q and W_k changed places: now the nouns look at the pronoun. Who asks"
                " goes into W_q, who offers into W_k."
            )
        return (
            f"{said} It looks at everyone alike: it asks for nothing, or nobody here offers what it"
            " asks for (every noun should, whatever its kind). Question and offer must share a"
            " column."
        )
    if share < 0.8:
        return f"{said} {_elsewhere(row, i, is_noun, tokens)}"
    for other in np.flatnonzero(~asks):
        if np.ptp(weights[other]) > 0.01:
            return (
                f"In “{sentence}” the pronoun does its job, but {tokens[other]!r} asks too: its row"
                " should be even. Only pronouns ask."
            )
    return ""


def _elsewhere(row, i, is_noun, tokens):
    """Why too little of the pronoun's row, number i, lies on the nouns, in words."""
    loudest = int(np.argmax(np.where(is_noun, -1, row)))
    if row[i] > 1 / len(tokens) * 1.5 and row[i] >= row[loudest]:
        return "The pronoun looks at itself: it offers what it asks for. Only nouns should offer."
    if row[is_noun].max() < 0.99 * row[~is_noun].min():
        return "It looks away from the nouns: the product of question and offer is negative there."
    if row[loudest] > 0.99 * row[is_noun].min():
        return (
            f"{tokens[loudest]!r} offers as much as a noun: only nouns should offer, and every noun"
            " alike."
        )
    return "The direction is right, but it asks too softly. Larger numbers make it sharper."


def _orders(rng):
    return [
        (list(toy.FEATURES),),
        *((list(map(str, rng.permutation(toy.FEATURES))),) for _ in range(3)),
    ]


design = Exercise(
    design_head,
    title="Design a head",
    level=2,
    minutes=20,
    inputs=_orders,
    names=("W_q", "W_k"),
    fault=_design_fault,
    hints=[
        (
            "One column is enough: W_q and W_k of zeros, (len(features), 1), with one number set in"
            " each."
        ),
        "Who asks? The row of the feature 'pronoun' in W_q. Who offers? Find the row in W_k.",
        (
            "features.index('pronoun') is the row. If the look is too soft, make the number in W_q"
            " larger: try 8."
        ),
    ],
)


def count_numbers(d_model, n_heads, d_head):
    """How many numbers W_q holds, and how many W_q, W_k, W_v and W_o hold together."""
    one = d_model * n_heads * d_head
    return one, 4 * one


count = Exercise(
    count_numbers,
    title="Count the numbers",
    level=1,
    minutes=10,
    inputs=lambda rng: [
        (int(d), int(rng.choice([2, 3, 6])), int(rng.choice([5, 7, 11])))
        for d in rng.permutation([12, 24, 48, 96])
    ],
    names=("in W_q", "in all four"),
    mistakes={
        "you counted one head: W_q holds the columns of all heads, side by side": lambda d, h, e: (
            d * e,
            4 * d * e,
        ),
        "you forgot W_o, which brings the heads back to d_model": lambda d, h, e: (
            d * h * e,
            3 * d * h * e,
        ),
        "you took all heads together to be d_model "
        "wide: often they are, but d_head is given here": lambda d, h, e: (d * d, 4 * d * d),
        "you gave W_o the shape (d_model, d_model): it takes what the heads bring, n_heads · "
        "d_head": lambda d, h, e: (d * h * e, 3 * d * h * e + d * d),
        "you counted W_o for one head: it takes what all heads bring, n_heads · d_head": (
            lambda d, h, e: (d * h * e, 3 * d * h * e + d * e)
        ),
        "you counted biases too: there are no biases here": [
            lambda d, h, e: (d * h * e + h * e, 4 * d * h * e + 3 * h * e + d),
            lambda d, h, e: ((d + 1) * h * e, 4 * (d + 1) * h * e),
        ],
        "you counted the heads twice for all four": lambda d, h, e: (d * h * e, 4 * h * d * h * e),
        "you took d_model / n_heads for the width of a head: here d_head is given": (
            lambda d, h, e: (d * (d // h), 4 * d * (d // h))
        ),
        "you counted rows and columns together; a matrix holds rows times columns": (
            lambda d, h, e: (d + h * e, 4 * (d + h * e))
        ),
        "you counted the columns alone; a matrix holds rows times columns": lambda d, h, e: (
            h * e,
            4 * h * e,
        ),
    },
    hints=[
        (
            "x is (n, d_model), q of all heads side by side is (n, n_heads · d_head). Which shape"
            " must W_q have?"
        ),
        "W_k and W_v have the shape of W_q. W_o goes back: (n_heads · d_head, d_model).",
        "All four hold equally many.",
    ],
)


def multi_head(x, W_q, W_k, W_v, W_o, n_heads):
    """Many heads at once: x (n, d_model) -> output (n, d_model), weights (n_heads, n, n)."""
    q, k, v = (split_heads(x @ W, n_heads) for W in (W_q, W_k, W_v))  # (h, n, d_head)
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])  # (h, n, n)
    weights = softmax(scores)
    return merge_heads(weights @ v) @ W_o, weights  # (n, d_model)


def _layers(rng):
    sizes = [(4, 6, 2, 3), (5, 6, 3, 4), (6, 8, 2, 2), (3, 4, 1, 4)]  # n, d_model, n_heads, d_head
    return [
        (rng.normal(size=(n, d)), *rng.normal(size=(3, d, h * e)), rng.normal(size=(h * e, d)), h)
        for n, d, h, e in sizes
    ]


def _heads_with(
    split=split_heads,
    merge=merge_heads,
    divisor=lambda x, q: np.sqrt(q.shape[-1]),
    axis=-1,
    scores=None,
):
    """multi_head with one part exchanged."""

    def wrong(x, W_q, W_k, W_v, W_o, n_heads):
        q, k, v = (split(x @ W, n_heads) for W in (W_q, W_k, W_v))
        weights = softmax(q @ np.swapaxes(k, -1, -2) / divisor(x, q), axis=axis)
        return merge(weights @ v) @ W_o, weights

    return wrong


def _rows_first(x, n_heads):
    return x.reshape(n_heads, len(x), -1)  # not a split: the tokens get mixed up


def _every_other(x, n_heads):
    return np.moveaxis(x.reshape(len(x), -1, n_heads), -1, 0)


def _without_softmax(x, W_q, W_k, W_v, W_o, n_heads):
    q, k, v = (split_heads(x @ W, n_heads) for W in (W_q, W_k, W_v))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return merge_heads(scores @ v) @ W_o, scores


def _mean_weights(x, W_q, W_k, W_v, W_o, n_heads):
    output, weights = multi_head(x, W_q, W_k, W_v, W_o, n_heads)
    return output, weights.mean(axis=0)


def _one_head(x, W_q, W_k, W_v, W_o, n_heads):
    output, weights = scaled_dot_product_attention(x @ W_q, x @ W_k, x @ W_v)
    return output @ W_o, weights


many = Exercise(
    multi_head,
    title="Many heads by reshape",
    level=3,
    minutes=30,
    inputs=_layers,
    names=("output", "weights"),
    mistakes={
        "the scores are divided by √d_model: each head adds up only d_head products": _heads_with(
            divisor=lambda x, q: np.sqrt(x.shape[-1])
        ),
        "the scores are divided by the width of all heads together: each head adds up only d_head "
        "products": _heads_with(divisor=lambda x, q: np.sqrt(q.shape[-1] * len(q))),
        "the scores are not divided by √d_head": _heads_with(divisor=lambda x, q: 1),
        "the scores are divided by d_head, not by its square root": _heads_with(
            divisor=lambda x, q: q.shape[-1]
        ),
        "you wrote d ** 1/2: Python reads (d ** 1) / 2. Write d ** 0.5, or np.sqrt(d)": [
            _heads_with(divisor=lambda x, q: q.shape[-1] * 2),
            _heads_with(divisor=lambda x, q: q.shape[-1] / 2),
        ],
        "the scores are divided by √n, the number of tokens; it should be √d_head": _heads_with(
            divisor=lambda x, q: np.sqrt(q.shape[-2])
        ),
        "the scores are divided by √n_heads; it should be √d_head, the width of one head": (
            _heads_with(divisor=lambda x, q: np.sqrt(len(q)))
        ),
        "q and k changed places: row i of the scores belongs to query i, so it is q times k "
        "transposed": lambda x, W_q, W_k, W_v, W_o, n_heads: multi_head(
            x, W_k, W_q, W_v, W_o, n_heads
        ),
        "W_v is not used: the values are x @ W_v, and neither the keys nor the queries": [
            lambda x, W_q, W_k, W_v, W_o, n_heads: multi_head(x, W_q, W_k, W_k, W_o, n_heads),
            lambda x, W_q, W_k, W_v, W_o, n_heads: multi_head(x, W_q, W_k, W_q, W_o, n_heads),
        ],
        "the scores are mixed as they are, without the softmax": _without_softmax,
        "the two results changed places: first the output, then the weights": (
            lambda *given: multi_head(*given)[::-1]
        ),
        "x @ W was reshaped to (n_heads, n, d_head) directly: that mixes the tokens up. Reshape to "
        "(n, n_heads, d_head), then swap the first two axes": _heads_with(split=_rows_first),
        "the heads were reshaped back without swapping the axes first: that mixes tokens and heads "
        "up": _heads_with(merge=lambda x: x.reshape(x.shape[1], -1)),
        "both reshapes lack the swap of axes: tokens get mixed "
        "up on the way in and on the way out": _heads_with(
            split=_rows_first, merge=lambda x: x.reshape(x.shape[1], -1)
        ),
        "head 0 got every n_heads-th column: it should get the first d_head columns": _heads_with(
            split=_every_other
        ),
        "the softmax runs over the wrong axis: each row, axis=-1, sums to 1": _heads_with(axis=-2),
        "the softmax runs over the heads: each row of each head sums to 1": _heads_with(axis=0),
        "W_o was left out: it is the last step": lambda x, W_q, W_k, W_v, W_o, n_heads: multi_head(
            x, W_q, W_k, W_v, np.eye(len(W_o)), n_heads
        ),
        "the weights of the heads were averaged: every head has a table of its own, (n_heads, n, "
        "n)": _mean_weights,
        "this is one wide head; the columns have to be split into heads first": [
            _one_head,
            lambda *given: (_one_head(*given)[0], np.stack([_one_head(*given)[1]] * given[-1])),
        ],
    },
    hints=[
        (
            "First one head: what you wrote in 03. Then give all arrays a first axis for the heads,"
            " and keep the rest as it was."
        ),
        (
            "(x @ W_q) is (n, h·d_head). Reshape it to (n, h, d_head), then swap: .swapaxes(0, 1)"
            " makes it (h, n, d_head)."
        ),
        (
            "scores = q @ k.swapaxes(1, 2) / np.sqrt(d_head), (h, n, n). weights @ v is (h, n,"
            " d_head)."
        ),
        "Back again: swap the first two axes, reshape to (n, h·d_head), times W_o.",
    ],
)
