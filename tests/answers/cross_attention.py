"""Answers to the exercises of cross_attention."""

import heapq

import numpy as np

from attnlib import scaled_dot_product_attention, softmax
from attnlib.heads import CrossAttention

# ---- cross-attention by hand ---------------------------------------------------------------------


def with_the_package(x, context, W_q, W_k, W_v):
    return scaled_dot_product_attention(x @ W_q, context @ W_k, context @ W_v)


def with_the_layer(x, context, W_q, W_k, W_v):
    """One head of the layer of the package; its W_o is left out by the unit matrix."""
    layer = CrossAttention(x.shape[1], 1, d_context=context.shape[1], d_head=W_q.shape[1])
    layer.W_q, layer.W_k, layer.W_v, layer.W_o = W_q, W_k, W_v, np.eye(W_v.shape[1])
    return tuple(part if part.ndim == 2 else part[0] for part in layer(x, context))


def cross_by_loops(x, context, W_q, W_k, W_v):
    keys, values = [row @ W_k for row in context], [row @ W_v for row in context]
    output, weights = [], []
    for row in x:
        shares = np.array([np.exp((row @ W_q) @ key / len(key) ** 0.5) for key in keys])
        weights.append(shares / shares.sum())
        output.append(sum(w * value for w, value in zip(weights[-1], values)))
    return np.array(output), np.array(weights)


def cross(
    texts=lambda x, c: (x, c, c),
    divide=lambda s, q: s / np.sqrt(q.shape[1]),
    share=softmax,
    mix=lambda w, k, v, c: w @ v,
    back=lambda out, w: (out, w),
):
    """Cross-attention as a learner writes it, with one line exchanged."""

    def answer(x, context, W_q, W_k, W_v):
        asks, answers, brings = texts(x, context)
        q, k, v = asks @ W_q, answers @ W_k, brings @ W_v
        w = share(divide(q @ k.T, q))
        return back(mix(w, k, v, context), w)

    return answer


def with_tril(s):
    return softmax(np.where(np.tril(np.ones(s.shape, bool)), s, -np.inf))


# ---- what was read -------------------------------------------------------------------------------


def aligned_by_loops(weights, is_text):
    places = []
    for row in range(weights.shape[1]):
        best = max(
            (place for place in range(len(is_text)) if is_text[place]),
            key=lambda j: sum(w[row, j] for w in weights),
        )
        places.append(best)
    return places


def aligned_by_sum(weights, is_text):
    return (weights * is_text).sum(axis=0).argmax(axis=1)


def aligned_by_index(weights, is_text):
    text = np.flatnonzero(is_text)
    return text[weights[:, :, text].mean(0).argmax(1)]


# ---- a step of beam search -----------------------------------------------------------------------


def beam_by_loops(so_far, next_log, k):
    found = [
        (so_far[b] + log, b, i) for b in range(len(so_far)) for i, log in enumerate(next_log[b])
    ]
    best = sorted(found, reverse=True)[:k]
    return [b for _, b, _ in best], [i for _, _, i in best], [total for total, _, _ in best]


def beam_by_heap(so_far, next_log, k):
    pairs = {(b, i): so_far[b] + next_log[b, i] for b, i in np.ndindex(*next_log.shape)}
    best = heapq.nlargest(k, pairs, key=pairs.get)
    return (
        np.array([b for b, _ in best]),
        np.array([i for _, i in best]),
        np.array([pairs[pair] for pair in best]),
    )


def beam_by_probabilities(so_far, next_log, k):
    shares = np.exp(so_far)[:, None] * np.exp(next_log)
    parents, ids = np.unravel_index(np.argsort(-shares.ravel())[:k], shares.shape)
    return parents, ids, np.log(shares[parents, ids])


def beam(
    rate=lambda s, n: s.reshape(-1, 1) + n,
    order=lambda t: t.ravel().argsort()[::-1],
    places=lambda best, t: (best // t.shape[1], best % t.shape[1]),
    back=lambda p, i, t, s, n: (p, i, t[p, i]),
):
    """A step of beam search as a learner writes it, with one line exchanged."""

    def answer(so_far, next_log, k):
        totals = rate(so_far, next_log)
        parents, ids = places(order(totals)[:k], totals)
        return back(parents, ids, totals, so_far, next_log)

    return answer


def one_each(so_far, next_log, k):
    totals = so_far + np.max(next_log, axis=1)
    order = totals.argsort()[::-1][:k]
    return order, next_log.argmax(axis=1)[order], totals[order]


def the_best_goes_on(so_far, next_log, k):
    b = int(np.argmax(so_far))
    ids = next_log[b].argsort()[::-1][:k]
    return [b] * len(ids), ids, so_far[b] + next_log[b][ids]


def sorted_in_place(so_far, next_log, k):
    next_log += so_far[:, None]
    return beam(rate=lambda s, n: n)(so_far, next_log, k)


RIGHT = {
    "cross_attention.cross": [
        with_the_package,
        with_the_layer,
        cross_by_loops,
        cross(),
        cross(divide=lambda s, q: s * q.shape[-1] ** -0.5),
    ],
    "cross_attention.alignment": [
        aligned_by_loops,
        aligned_by_sum,
        aligned_by_index,
        lambda w, t: np.argmax(np.where(t, w.sum(0), -np.inf), axis=1),
    ],
    "cross_attention.beam": [beam_by_loops, beam_by_heap, beam_by_probabilities, beam()],
}
WRONG = {
    "cross_attention.cross": {
        "self-attention": (cross(texts=lambda x, c: (x, x, x)), "x looks at itself"),
        "self-attention of the source": (
            cross(texts=lambda x, c: (c, c, c)),
            "the context looks at itself",
        ),
        "source asks": (cross(texts=lambda x, c: (c, x, x)), "the two texts changed places"),
        "values of x": (cross(texts=lambda x, c: (x, c, x)), "the values are made of x"),
        "keys of x": (cross(texts=lambda x, c: (x, x, c)), "the keys are made of x"),
        "W_k for x": (
            lambda x, c, W_q, W_k, W_v: cross()(x, c, W_k, W_q, W_v),
            "W_q and W_k changed places",
        ),
        "the context is mixed": (
            cross(mix=lambda w, k, v, c: w @ c),
            "the context itself is mixed",
        ),
        "the keys are mixed": (cross(mix=lambda w, k, v, c: w @ k), "the keys are mixed"),
        "np.tril": (cross(share=with_tril), "a causal mask"),
        "not divided": (cross(divide=lambda s, q: s), "not divided by √d"),
        "divided by d": (cross(divide=lambda s, q: s / q.shape[1]), "not by its square root"),
        "divided by √n": (cross(divide=lambda s, q: s / np.sqrt(s.shape[1])), "√n_source"),
        "axis=0": (cross(share=lambda s: softmax(s, axis=0)), "the wrong axis"),
        "np.exp(s) / np.exp(s).sum()": (
            cross(share=lambda s: np.exp(s) / np.exp(s).sum()),
            "the whole table",
        ),
        "no softmax": (cross(share=lambda s: s), "without the softmax"),
        "weights, output": (cross(back=lambda out, w: (w, out)), "the two results changed places"),
        "weights.T": (cross(back=lambda out, w: (out, w.T)), "lie on their side"),
        "the output alone": (cross(back=lambda out, w: out), "2 things"),
        "a head in front": (cross(back=lambda out, w: (out, w[None])), "should have the shape"),
        "hardest": (cross(share=lambda s: (s == s.max(axis=1, keepdims=True)) * 1.0), ""),
        "q @ k": (lambda x, c, W_q, W_k, W_v: (x @ W_q) @ (c @ W_k), "raised ValueError"),
    },
    "cross_attention.alignment": {
        "padding": (lambda w, t: w.mean(0).argmax(-1), "padding was counted"),
        "head 0": (lambda w, t: (w[0] * t).argmax(-1), "head 0 alone"),
        "head 0, padding": (lambda w, t: w[0].argmax(-1), "and padding was counted"),
        "the last head": (lambda w, t: (w[-1] * t).argmax(-1), "the last head"),
        "any head": (lambda w, t: (w.max(0) * t).argmax(-1), "of any head"),
        "axis=0": (lambda w, t: np.where(t, w.mean(0), -1).argmax(0), "for each source token"),
        "every head": (lambda w, t: (w * t).argmax(-1), "each head has a row of its own"),
        "not is_text": (lambda w, t: (w.mean(0) * ~t).argmax(-1), "upside down"),
        "argmin": (lambda w, t: np.where(t, w.mean(0), np.inf).argmin(-1), "the smallest"),
        "from 1": (lambda w, t: aligned_by_sum(w, t) + 1, "counted from 1"),
        "the weights": (lambda w, t: (w.mean(0) * t).max(-1), "you returned the weights"),
        "one place": (lambda w, t: (w.mean(0) * t).argmax(), "should have the shape"),
        "pairs": (
            lambda w, t: np.stack([np.arange(w.shape[1]), aligned_by_sum(w, t)], axis=1),
            "should have the shape",
        ),
        "among the text, backwards": (lambda w, t: t.sum() - 1 - aligned_by_sum(w, t), ""),
        "w[:, :, ~t] = 0": (
            lambda w, t: w.__setitem__((..., ~t), 0) or aligned_by_sum(w, t),
            "changes its input",
        ),
    },
    "cross_attention.beam": {
        "the new sign alone": (beam(rate=lambda s, n: n + 0 * s[:, None]), "the new signs alone"),
        "the new sign alone, then added": (
            beam(rate=lambda s, n: n, back=lambda p, i, t, s, n: (p, i, s[p] + n[p, i])),
            "the new signs alone",
        ),
        "multiplied": (beam(rate=lambda s, n: s[:, None] * n), "multiplied"),
        "the log of the sign": (
            beam(back=lambda p, i, t, s, n: (p, i, n[p, i])),
            "of the new sign alone",
        ),
        "probabilities": (
            beam(back=lambda p, i, t, s, n: (p, i, np.exp(t[p, i]))),
            "as probabilities",
        ),
        "one each": (one_each, "one successor"),
        "the best goes on": (the_best_goes_on, "only the best beginning"),
        "ascending": (beam(order=lambda t: t.ravel().argsort()), "the worst come first"),
        "best last": (
            beam(back=lambda p, i, t, s, n: (p[::-1], i[::-1], t[p, i][::-1])),
            "the worst of them comes first",
        ),
        "ids, parents": (beam(back=lambda p, i, t, s, n: (i, p, t[p, i])), "changed places"),
        "divided by b": (
            beam(
                places=lambda best, t: (best // t.shape[1], best % t.shape[1]),
                back=lambda p, i, t, s, n: (
                    (p * t.shape[1] + i) // len(s),
                    (p * t.shape[1] + i) % len(s),
                    t[p, i],
                ),
            ),
            "divided by b",
        ),
        "halved": (beam(rate=lambda s, n: (s[:, None] + n) / 2), "divide by nothing"),
        "flat places": (lambda s, n, k: np.argsort(-(s[:, None] + n), axis=None)[:k], "3 things"),
        "all of them": (lambda s, n, k: beam()(s, n, n.size), "should have the shape"),
        "in place": (sorted_in_place, "changes its input next_log"),
        "no beginnings": (beam(rate=lambda s, n: s[None] + n), ""),
    },
}
