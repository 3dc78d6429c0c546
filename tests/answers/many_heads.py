"""Answers to the exercises of many_heads."""

import numpy as np

from answers.queries_keys_values import by_loops, weights_of
from attnlib import merge_heads, scaled_dot_product_attention, softmax, split_heads, toy


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
    W_q[features.index("verb"), 0] = 4  # asks for what nobody offers
    W_k[features.index("plural"), 1] = 4  # offers what nobody asks for
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
    return (
        np.einsum("hij,hje,hed->id", weights, v, W_o.reshape(n_heads, -1, W_o.shape[-1])),
        weights,
    )


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


RIGHT = {
    "many_heads.count": [
        counted,
        lambda d, h, e: (h * e * d, 3 * (d * h * e) + (h * e) * d),
        lambda d, h, e: tuple(np.array([1, 4]) * d * h * e),
        lambda d, h, e: (sum(d * e for _ in range(h)), float(d * h * e) * 4),
    ],
    "many_heads.design": [
        matrices({"noun": 1}, {"pronoun": 20}),
        matrices({"noun": 100}, {"pronoun": 0.2}),
        matrices({"noun": -3}, {"pronoun": -3}, columns=2),
        matrices({kind: 8 for kind in toy.NOUNS}, {"pronoun": 1}),
        matrices({"noun": 1}, {"pronoun": 1e100}),
        matrices({name: -1 for name in toy.KINDS if name != "noun"}, {"pronoun": 8}),
        in_another_column,
        two_columns,
        lambda features: [
            [[10.0 * (name == kind)] for name in features] for kind in ("pronoun", "noun")
        ],
    ],
    "many_heads.many": [heads_by_loops, heads_by_einsum, heads_added, many_heads()],
}
WRONG = {
    "many_heads.count": {
        "d_model * d_head": (lambda d, h, e: (d * e, 4 * d * e), "you counted one head"),
        "three matrices": (lambda d, h, e: (d * h * e, 3 * d * h * e), "you forgot W_o"),
        "d_model * d_model": (
            lambda d, h, e: (d * d, 4 * d * d),
            "all heads together to be d_model wide",
        ),
        "d_model * (d_model // n_heads)": (
            lambda d, h, e: (d * (d // h), 4 * d * (d // h)),
            "d_model / n_heads",
        ),
        "n_heads twice": (
            lambda d, h, e: (d * h * e, 4 * h * d * h * e),
            "counted the heads twice",
        ),
        "rows + columns": (lambda d, h, e: (d + h * e, 4 * (d + h * e)), "rows times columns"),
        "W_o of the shape (d_model, d_model)": (
            lambda d, h, e: (d * h * e, 3 * d * h * e + d * d),
            "W_o",
        ),
        "W_o of one head": (lambda d, h, e: (d * h * e, 3 * d * h * e + d * e), "W_o"),
        "with biases": (
            lambda d, h, e: (d * h * e + h * e, 4 * d * h * e + 3 * h * e + d),
            "no biases",
        ),
        "n_heads * d_head": (lambda d, h, e: (h * e, 4 * h * e), "rows times columns"),
        "shapes instead of numbers": (
            lambda d, h, e: ((d, h * e), (4, d, h * e)),
            "should be one number",
        ),
        "all four only": (lambda d, h, e: 4 * d * h * e, "2 things"),
        "the numbers of the example": (lambda d, h, e: (12 * 3 * 4, 4 * 12 * 3 * 4), ""),
    },
    "many_heads.design": {
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
        "verbs and little words offer too": (
            matrices({"verb": 1, "noun": 1, "function": 1}, {"pronoun": 8}),
            "only nouns should offer",
        ),
        "everyone offers": (matrices({"token": 1}, {"pronoun": 8}), "everyone alike"),
        "animals only": (matrices({"animal": 1}, {"pronoun": 8}), "every noun"),
        "what is alive": (matrices({"alive": 1}, {"pronoun": 8}), "every noun"),
        "numbers of the rows remembered": (by_place, "features.index"),
        "features.sort()": (sorted_features, "your function changes its input features"),
        "shapes (1, n_features)": (
            lambda features: [np.zeros((1, len(features)))] * 2,
            "one row for each",
        ),
        "shapes (n_features,)": (
            lambda features: [np.zeros(len(features))] * 2,
            "one row for each",
        ),
        "one matrix": (
            lambda features: matrices({"noun": 1}, {"pronoun": 8})(features)[0],
            "two matrices",
        ),
        "np.inf": (matrices({"noun": 1}, {"pronoun": np.inf}), "infinity"),
        "1e300 twice": (matrices({"noun": 1e300}, {"pronoun": 1e300}), "too large"),
        "other numbers of columns": (
            lambda features: (np.zeros((len(features), 1)), np.zeros((len(features), 2))),
            "equally many columns",
        ),
    },
    "many_heads.many": {
        "√d_model": (many_heads(divide=lambda s, q, x: s / np.sqrt(x.shape[-1])), "√d_model"),
        "√(n_heads · d_head)": (
            many_heads(divide=lambda s, q, x: s / np.sqrt(q.shape[-1] * len(q))),
            "all heads together",
        ),
        "not divided": (many_heads(divide=lambda s, q, x: s), "not divided by √d_head"),
        "d_head without the root": (
            many_heads(divide=lambda s, q, x: s / q.shape[-1]),
            "not by its square root",
        ),
        "d_head ** 1/2": (many_heads(divide=lambda s, q, x: s / q.shape[-1] ** 1 / 2), "** 1/2"),
        "√n": (many_heads(divide=lambda s, q, x: s / np.sqrt(q.shape[1])), "the number of tokens"),
        "√n_heads": (many_heads(divide=lambda s, q, x: s / np.sqrt(q.shape[0])), "n_heads"),
        "reshape(n_heads, n, d_head)": (many_heads(split=wrong_reshape), "mixes the tokens up"),
        "no swap on the way back": (
            many_heads(join=no_swap_back),
            "reshaped back without swapping",
        ),
        "both reshapes without a swap": (
            many_heads(split=wrong_reshape, join=no_swap_back),
            "both reshapes lack the swap",
        ),
        "every n_heads-th column": (
            many_heads(split=lambda x, h: np.stack([x[:, i::h] for i in range(h)])),
            "n_heads-th column",
        ),
        "axis=1": (many_heads(axis=1), "the wrong axis"),
        "axis=0": (many_heads(axis=0), "over the heads"),
        "k @ q.T": (swapped_heads, "q and k changed places"),
        "no W_o": (no_W_o, "W_o was left out"),
        "weights.mean(0)": (
            many_heads(after=lambda w: w.mean(0)),
            "the weights of the heads were averaged",
        ),
        "one wide head": (one_wide_head, "one wide head"),
        "one wide head, its table n_heads times": (wide_head_repeated, "one wide head"),
        "k.T with three axes": (plain_transpose, "raised ValueError"),
        "the heads averaged": (mean_of_heads, "raised ValueError"),
        "k for v": (values_not_split, "W_v is not used"),
        "weights, output": (
            lambda *given: many_heads()(*given)[::-1],
            "the two results changed places",
        ),
        "only the output": (lambda *given: many_heads()(*given)[0], "2 things"),
        "softmax left out": (scores_mixed, "without the softmax"),
    },
}
