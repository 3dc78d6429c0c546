"""Exercises of cross_attention: cross-attention by hand, what was read for which sign, one step of
beam search.
"""

import numpy as np

from attnlib.exercises import Exercise


def cross_by_hand(x, context, W_q, W_k, W_v):
    """The rows of x look at the rows of context. -> output (n_target, d_v), weights
    (n_target, n_source)
    """
    q, k, v = x @ W_q, context @ W_k, context @ W_v
    scores = q @ k.T / np.sqrt(q.shape[-1])  # (n_target, n_source)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ v, weights


def _two_texts(rng):
    """The first is a square, on which every mix-up of the two texts runs; the others are
    rectangles.
    """
    # n_target, n_source, d_model, …
    sizes = [(4, 4, 5, 5, 3, 3), (2, 5, 4, 4, 3, 3), (5, 3, 4, 6, 2, 4), (1, 4, 3, 2, 4, 2)]
    return [
        tuple(
            rng.normal(0, 1.2, shape)
            for shape in ((n_t, d_m), (n_s, d_c), (d_m, d), (d_c, d), (d_c, d_v))
        )
        for n_t, n_s, d_m, d_c, d, d_v in sizes
    ]


def _cross_with(
    queries="x",
    keys="context",
    values="context",
    divide=lambda q, k: np.sqrt(q.shape[-1]),
    axis=-1,
    softmax=True,
):
    """cross_by_hand with one part exchanged: which text makes q, k and v, the divisor, the axis of
    the softmax.
    """

    def wrong(x, context, W_q, W_k, W_v):
        text = {"x": x, "context": context}
        q, k, v = text[queries] @ W_q, text[keys] @ W_k, text[values] @ W_v
        weights = q @ k.T / divide(q, k)
        if softmax:
            weights = np.exp(weights - weights.max(axis=axis, keepdims=True))
            weights = weights / weights.sum(axis=axis, keepdims=True)
        return weights @ v, weights

    return wrong


def _causal(x, context, W_q, W_k, W_v):
    """A lower triangle where none belongs."""
    scores = (x @ W_q) @ (context @ W_k).T / np.sqrt(W_q.shape[1])
    scores[~np.tril(np.ones(scores.shape, bool))] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ (context @ W_v), weights


def _matrices_swapped(x, context, W_q, W_k, W_v):
    return cross_by_hand(x, context, W_k, W_q, W_v)


cross = Exercise(
    cross_by_hand,
    title="Cross-attention by hand",
    level=2,
    minutes=12,
    inputs=_two_texts,
    names=("output", "weights"),
    mistakes={
        "x looks at itself: keys and values are made of the context": [
            _cross_with(keys="x", values="x"),
            lambda x, context, W_q, W_k, W_v: cross_by_hand(x, x, W_q, W_k, W_v),
        ],
        "the context looks at itself: the queries are made of x": _cross_with(queries="context"),
        "the two texts changed places: x asks, the context answers": [
            _cross_with(queries="context", keys="x", values="x"),
            lambda x, context, W_q, W_k, W_v: cross_by_hand(context, x, W_q, W_k, W_v),
        ],
        "the values are made of x: what is brought back comes from the context": _cross_with(
            values="x"
        ),
        "the keys are made of x: what is looked at is the context": _cross_with(keys="x"),
        "W_q and W_k changed places: W_q belongs to x, W_k to the context": _matrices_swapped,
        "the context itself is mixed: the values are context @ W_v": (
            lambda x, context, W_q, W_k, W_v: (
                cross_by_hand(x, context, W_q, W_k, W_v)[1] @ context,
                cross_by_hand(x, context, W_q, W_k, W_v)[1],
            )
        ),
        "the keys are mixed: the values are context @ W_v": lambda x, context, W_q, W_k, W_v: (
            cross_by_hand(x, context, W_q, W_k, W_v)[1] @ (context @ W_k),
            cross_by_hand(x, context, W_q, W_k, W_v)[1],
        ),
        "a causal mask was applied: the source is complete, and every row may see all of it": (
            _causal
        ),
        "the scores are not divided by √d": _cross_with(divide=lambda q, k: 1.0),
        "the scores are divided by d, not by its square root": _cross_with(
            divide=lambda q, k: q.shape[-1]
        ),
        "the scores are divided by √n_source; it should be √d, the width of q and k": _cross_with(
            divide=lambda q, k: np.sqrt(len(k))
        ),
        "the softmax runs over the wrong axis: each target token shares out 1 over the source, "
        "axis=-1": _cross_with(axis=0),
        "the softmax runs over the whole table: each row sums to 1 on its own": _cross_with(
            axis=None
        ),
        "the scores are mixed as they are, without the softmax": _cross_with(softmax=False),
        "the two results changed places: first the output, then the weights": (
            lambda *given: cross_by_hand(*given)[::-1]
        ),
        "the weights are right but lie on their side: one row per target token": lambda *given: (
            cross_by_hand(*given)[0],
            cross_by_hand(*given)[1].T,
        ),
    },
    hints=[
        (
            "Who asks? x makes q. Who answers? The context makes k and v. The rest is the attention"
            " of the notebook on queries, keys and values."
        ),
        (
            "q @ k.T is (n_target, n_source): one row for each token that is written. Divide by √d,"
            " the last axis of q."
        ),
        "A softmax along axis=-1, so that each row sums to 1; then weights @ v, (n_target, d_v).",
    ],
)


def most_read(weights, is_text):
    """The source token that each target token looks at most, in the mean of all heads. -> places
    (n_target,)
    """
    mean = weights.mean(axis=0)  # (n_target, n_source)
    return np.where(is_text, mean, -1).argmax(axis=-1)


def _maps(rng):
    """Heads that disagree: the first and the last are loudest for tokens of their own, and the mean
    for another; some look at padding.
    """
    trials = []
    for h, n_t, n_s, n_text in ((3, 6, 6, 4), (2, 4, 7, 6), (4, 5, 5, 4), (3, 4, 8, 5)):
        weights = 0.1 * rng.dirichlet(np.full(n_s, 0.4), size=(h, n_t))
        for row in range(n_t):
            first, last, mean = rng.permutation(n_text)[:3]
            weights[:, row, mean] += 0.4
            weights[0, row, first] += 0.5
            weights[-1, row, last] += 0.5
        weights[:, n_t // 2, n_text] += 3.0  # a row that looks at padding most
        trials.append((weights / weights.sum(axis=-1, keepdims=True), np.arange(n_s) < n_text))
    return trials


def _aligned_with(pool=lambda w: w.mean(axis=0), hide=True, axis=-1, after=lambda places: places):
    """most_read with one part exchanged."""

    def wrong(weights, is_text):
        shown = np.where(is_text, weights, -1) if hide else weights
        return after(pool(shown).argmax(axis=axis))

    return wrong


def _among_text(weights, is_text):
    """Counted from the first token that is padding."""
    return np.where(~is_text, weights.mean(axis=0), -1).argmax(axis=-1)


alignment = Exercise(
    most_read,
    title="What was read for which sign?",
    level=1,
    minutes=8,
    inputs=_maps,
    names=("places",),
    mistakes={
        "padding was counted, too: only tokens where is_text is True may win": _aligned_with(
            hide=False
        ),
        "you took head 0 alone: take the mean of all heads first": _aligned_with(
            pool=lambda w: w[0]
        ),
        "you took head 0 alone, and padding was counted": _aligned_with(
            pool=lambda w: w[0], hide=False
        ),
        "you took the last head alone: take the mean of all heads first": _aligned_with(
            pool=lambda w: w[-1]
        ),
        "you took the largest weight of any head: take the mean of all heads first": _aligned_with(
            pool=lambda w: w.max(axis=0)
        ),
        "you asked for each source token who looks at it most: it is the source token for each "
        "target token": _aligned_with(axis=0),
        "each head has a row of its own: take the mean of the heads first": _aligned_with(
            pool=lambda w: w
        ),
        "is_text is upside down: True is text": _among_text,
        "you looked for the smallest weight": (
            lambda weights, is_text: np.where(is_text, weights.mean(axis=0), 2).argmin(axis=-1)
        ),
        "the places are counted from 1: they begin at 0": _aligned_with(
            after=lambda places: places + 1
        ),
        "you returned the weights; it should be the places": lambda weights, is_text: np.where(
            is_text, weights.mean(axis=0), -1
        ).max(axis=-1),
    },
    hints=[
        "First the heads: weights.mean(axis=0) is (n_target, n_source).",
        (
            "np.where(is_text, mean, -1) puts -1, which is less than any weight, at every padding"
            " token."
        ),
        "argmax(axis=-1) finds the place of the largest number in each row.",
    ],
)


def best_successors(so_far, next_log, k):
    """Lengthen all beginnings by every sign, keep the k likeliest. -> parents, ids,
    log_probabilities, (k,) each
    """
    totals = so_far[:, None] + next_log  # (b, vocabulary)
    best = np.argsort(-totals, axis=None)[:k]  # places in the flattened table
    parents, ids = np.divmod(best, totals.shape[1])
    return parents, ids, totals[parents, ids]


def _beams(rng):
    """Beginnings in no order. In each trial one of them gets several successors, and its second
    sign beats others' first.
    """
    trials = []
    for b, vocabulary, k in ((3, 5, 3), (2, 6, 4), (4, 5, 2), (1, 6, 3)):
        so_far = rng.permutation(-0.4 - 1.3 * np.arange(b) + rng.uniform(-0.2, 0.2, b))
        logits = rng.normal(0, 1.0, (b, vocabulary))
        logits[so_far.argmax()] *= 0.3  # the best beginning is unsure how to go on
        logits[so_far.argmin(), rng.integers(vocabulary)] = 6.0  # and the worst is very sure
        trials.append((so_far, logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), k))
    return trials


def _beam_with(
    totals=lambda s, n: s[:, None] + n,
    order=lambda t: np.argsort(-t, axis=None),
    said=None,
    after=None,
):
    """best_successors with one part exchanged: how candidates are rated, ordered, reported."""

    def wrong(so_far, next_log, k):
        rated = totals(so_far, next_log)
        parents, ids = np.divmod(order(rated)[:k], rated.shape[1])
        log = (rated if said is None else said(so_far, next_log))[parents, ids]
        return (parents, ids, log) if after is None else after(parents, ids, log)

    return wrong


def _one_each(so_far, next_log, k):
    """Every beginning gets its best sign, and no other."""
    ids = next_log.argmax(axis=1)
    totals = so_far + next_log.max(axis=1)
    order = np.argsort(-totals)[:k]
    return order, ids[order], totals[order]


def _best_alone(so_far, next_log, k):
    """Only the best beginning goes on."""
    parent = so_far.argmax()
    ids = np.argsort(-next_log[parent])[:k]
    return np.full(len(ids), parent), ids, so_far[parent] + next_log[parent, ids]


def _flat_places(so_far, next_log, k):
    totals = so_far[:, None] + next_log
    best = np.argsort(-totals, axis=None)[:k]
    return best // len(so_far), best % len(so_far), np.sort(totals, axis=None)[::-1][:k]


beam = Exercise(
    best_successors,
    title="One step of beam search",
    level=3,
    minutes=15,
    inputs=_beams,
    names=("parents", "ids", "log_probabilities"),
    mistakes={
        "the new signs alone were compared: add the log-probability of the beginning": [
            _beam_with(totals=lambda s, n: n, said=lambda s, n: s[:, None] + n),
            _beam_with(totals=lambda s, n: n),
        ],
        "the log-probabilities were multiplied: logarithms are added": _beam_with(
            totals=lambda s, n: s[:, None] * n
        ),
        "the right ones, but their log-probability is that of the new sign alone: add that of the "
        "beginning": _beam_with(said=lambda s, n: n),
        "the right ones, but as probabilities: the logarithms are asked for": _beam_with(
            said=lambda s, n: np.exp(s[:, None] + n)
        ),
        "every beginning got one successor: one of them may have several, another none": _one_each,
        "only the best beginning was lengthened: its successors compete with those of the others": (
            _best_alone
        ),
        "the worst come first: sort the negative numbers, or turn the order round": _beam_with(
            order=lambda t: np.argsort(t, axis=None)
        ),
        "the right ones, but the worst of them comes first": _beam_with(
            after=lambda *three: tuple(part[::-1] for part in three)
        ),
        "parents and ids changed places: first the beginning, then the new sign": _beam_with(
            after=lambda p, i, log: (i, p, log)
        ),
        "the place in the flattened table was divided by b: divide by the size of the vocabulary": (
            _flat_places
        ),
        "the mean per beginning was compared: "
        "add both logarithms, and divide by nothing": _beam_with(
            totals=lambda s, n: (s[:, None] + n) / 2
        ),
    },
    hints=[
        (
            "Every candidate has a beginning and a sign: so_far[:, None] + next_log is the table of"
            " all of them, (b, vocabulary)."
        ),
        (
            "np.argsort(-totals, axis=None)[:k] gives the k best places in the flattened table,"
            " best first."
        ),
        (
            "np.divmod(place, vocabulary) turns a flat place into row and column: the parent and"
            " the id."
        ),
    ],
)
