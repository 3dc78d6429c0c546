"""Answers to the exercises of flash_attention."""

# ruff: noqa: E741     l is the paper's name for the sum

import numpy as np

from attnlib import efficient, softmax

# ---- the running sum -----------------------------------------------------------------------------


def by_accumulate(scores):
    m = np.maximum.accumulate(scores)
    return m, np.exp(np.logaddexp.accumulate(scores) - m)


def by_square(scores):
    m = np.maximum.accumulate(scores)
    return m, np.tril(np.exp(np.minimum(scores - m[:, None], 0))).sum(axis=1)


def by_cases(scores):
    m, l, all_m, all_l = scores[0], 1.0, [scores[0]], [1.0]
    for score in scores[1:]:
        if score > m:
            m, l = score, l * np.exp(m - score) + 1
        else:
            l += np.exp(score - m)
        all_m.append(m)
        all_l.append(l)
    return all_m, all_l


def by_absorb(scores):
    state, found = efficient.State(*(np.array([[x]]) for x in (-np.inf, 0.0, 0.0))), []
    for score in scores:
        state = efficient.absorb(state, np.array([[score]]), np.ones((1, 1)))
        found.append((state.m.item(), state.l.item()))
    return tuple(np.array(found).T)


def loop(
    correct=lambda l, m, new: l * np.exp(m - new),
    term=lambda s, new: np.exp(s - new),
    larger=max,
    start=-np.inf,
):
    """One pass as a learner writes it, with one line exchanged."""

    def answer(scores):
        m, l, all_m, all_l = start, 0, [], []
        for score in scores:
            new = larger(m, score)
            l = correct(l, m, new) + term(score, new)
            m = new
            all_m.append(m)
            all_l.append(l)
        return np.array(all_m), np.array(all_l)

    return answer


def from_zero_array(scores):
    m = np.zeros(len(scores))
    l = np.zeros(len(scores))
    for i in range(len(scores)):
        m[i] = max(m[i - 1] if i else 0, scores[i])
        l[i] = np.exp(scores[: i + 1] - m[i]).sum()
    return m, l


def without_the_newest(scores):
    m = np.maximum.accumulate(scores)
    return m, np.array([np.exp(scores[:i] - m[i]).sum() for i in range(len(scores))])


def of_the_whole(scores):
    return np.maximum.accumulate(scores), np.cumsum(np.exp(scores - scores.max()))


# ---- two parts -----------------------------------------------------------------------------------


def by_logs(m_1, l_1, o_1, m_2, l_2, o_2):
    """Through the logsumexp of each part."""
    m = np.maximum(m_1, m_2)
    seen = np.isfinite(m)
    shares = [
        np.where(np.isfinite(a), np.exp(np.where(seen, a - np.where(seen, m, 0), 0)), 0)
        for a in (m_1, m_2)
    ]
    return m, shares[0] * l_1 + shares[1] * l_2, shares[0] * o_1 + shares[1] * o_2


def row_by_row(m_1, l_1, o_1, m_2, l_2, o_2):
    m, l, o = np.maximum(m_1, m_2), np.zeros_like(l_1), np.zeros_like(o_1)
    for i in range(len(m)):
        for part, total, sums in ((m_1, l_1, o_1), (m_2, l_2, o_2)):
            if part[i, 0] > -np.inf:
                l[i] += total[i] * np.exp(part[i, 0] - m[i, 0])
                o[i] += sums[i] * np.exp(part[i, 0] - m[i, 0])
    return m, l, o


def with_nan_to_num(m_1, l_1, o_1, m_2, l_2, o_2):
    m = np.maximum(m_1, m_2)
    first, second = np.nan_to_num(np.exp(m_1 - m)), np.nan_to_num(np.exp(m_2 - m))
    return m, l_1 * first + l_2 * second, o_1 * first + o_2 * second


def merged(
    larger=np.maximum,
    l=lambda l_1, l_2, f, g: l_1 * f + l_2 * g,
    o=lambda o_1, o_2, f, g: o_1 * f + o_2 * g,
    factors=lambda m_1, m_2, m: (np.exp(m_1 - m), np.exp(m_2 - m)),
    back=lambda m, l, o: (m, l, o),
    safe=True,
):
    """Two parts as a learner writes it, with one line exchanged."""

    def answer(m_1, l_1, o_1, m_2, l_2, o_2):
        m = larger(m_1, m_2)
        f, g = factors(m_1, m_2, np.maximum(m, -1e300) if safe else m)
        return back(m, l(l_1, l_2, f, g), o(o_1, o_2, f, g))

    return answer


def plain_sum(a, b, f, g):
    return a + b


def outputs_averaged(m_1, l_1, o_1, m_2, l_2, o_2):
    m, l, _ = merged()(m_1, l_1, o_1, m_2, l_2, o_2)
    with np.errstate(all="ignore"):
        return m, l, 0.5 * (np.nan_to_num(o_1 / l_1) + np.nan_to_num(o_2 / l_2))


# ---- two bugs ------------------------------------------------------------------------------------


def suspect(scores, v, block):
    """As in the notebook."""
    m = np.full((len(scores), 1), -np.inf)
    l, o = np.zeros_like(m), np.zeros((len(scores), v.shape[1]))
    for start in range(0, len(v), block):
        tile = scores[:, start : start + block]
        larger = np.maximum(m, tile.max(axis=1, keepdims=True))
        p = np.exp(tile - larger)
        l = l * np.exp(m - larger) + p.sum(axis=1, keepdims=True)
        o = o + p @ v[start : start + block]
        m = larger
    return o / l


def by_absorb_in_tiles(scores, v, block):
    n_q = len(scores)
    state = efficient.State(
        np.full((n_q, 1), -np.inf), np.zeros((n_q, 1)), np.zeros((n_q, v.shape[1]))
    )
    for start in range(0, len(v), block):
        state = efficient.absorb(state, scores[:, start : start + block], v[start : start + block])
    return state.o / np.where(state.l == 0, 1, state.l)


def whole(scores, v, block):
    return softmax(scores, where=scores > -np.inf) @ v


def fixed(
    finite=lambda m: np.where(np.isinf(m), 0, m),
    l=lambda l, f, p: l * f + p.sum(axis=1, keepdims=True),
    o=lambda o, f, pv: o * f + pv,
    end=lambda o, l: np.divide(o, l, out=np.zeros_like(o), where=l > 0),
    tiles=lambda n, block: range(0, n, block),
    first=lambda scores: scores,
):
    """The repaired loop as a learner writes it, with one line exchanged."""

    def answer(scores, v, block):
        scores = first(scores)
        m, total, sums = np.full((len(scores), 1), -np.inf), 0, np.zeros((len(scores), v.shape[1]))
        for a in tiles(len(v), block):
            tile = scores[:, a : a + block]
            new = np.maximum(m, tile.max(axis=1, keepdims=True))
            p, f = np.exp(tile - finite(new)), np.exp(m - finite(new))
            total, sums, m = l(total, f, p), o(sums, f, p @ v[a : a + block]), new
        return end(sums, total)

    return answer


def a_softmax_each(scores, v, block):
    cuts = range(0, len(v), block)
    tiles = [scores[:, a : a + block] for a in cuts]
    return np.mean(
        [softmax(t, where=t > -np.inf) @ v[a : a + block] for a, t in zip(cuts, tiles)], axis=0
    )


RIGHT = {
    "flash_attention.running": [by_accumulate, by_square, by_cases, by_absorb, loop()],
    "flash_attention.merge": [by_logs, row_by_row, with_nan_to_num, merged()],
    "flash_attention.repair": [
        by_absorb_in_tiles,
        whole,
        fixed(),
        fixed(finite=lambda m: np.maximum(m, -1e300)),
    ],
}
WRONG = {
    "flash_attention.running": {
        "not corrected": (loop(correct=lambda l, m, new: l), "not corrected where m rose"),
        "nothing subtracted": (
            loop(correct=lambda l, m, new: l, term=lambda s, new: np.exp(s)),
            "nothing is subtracted",
        ),
        "the largest of all": (of_the_whole, "only those up to i are known"),
        "the newest": (loop(larger=lambda m, s: s), "m is the newest score"),
        "from 0": (loop(start=0), "m begins at 0"),
        "an array of zeros": (from_zero_array, "m begins at 0"),
        "upside down": (
            loop(correct=lambda l, m, new: l * np.exp(new - m) if l else 0),
            "upside down",
        ),
        "thrown away": (loop(correct=lambda l, m, new: l if new == m else 0), "thrown away"),
        "no exp": (
            loop(correct=lambda l, m, new: l * (m - new) if l else 0),
            "difference of the maxima",
        ),
        "without the newest": (without_the_newest, "newest score is missing"),
        "logsumexp": (
            lambda s: (np.maximum.accumulate(s), np.logaddexp.accumulate(s)),
            "logsumexp",
        ),
        "l, m": (lambda s: loop()(s)[::-1], "changed places"),
        "the last ones": (lambda s: (s.max(), np.exp(s - s.max()).sum()), "should have the shape"),
        "l alone": (lambda s: loop()(s)[1], "2 things"),
        "shares": (lambda s: (loop()(s)[0], softmax(s)), ""),
        "sorted in place": (lambda s: s.sort() or loop()(s), ""),
    },
    "flash_attention.merge": {
        "sums of sums": (merged(l=plain_sum, o=plain_sum), "neither sum is corrected"),
        "o bare": (merged(o=plain_sum), "l is corrected, and o is not"),
        "l bare": (merged(l=plain_sum), "o is corrected, and l is not"),
        "factors crossed": (
            merged(factors=lambda a, b, m: (np.exp(b - m), np.exp(a - m))),
            "factor of the other",
        ),
        "as absorb does": (
            merged(factors=lambda a, b, m: (np.exp(a - m), 1)),
            "only the first part is corrected",
        ),
        "the second only": (
            merged(factors=lambda a, b, m: (1, np.exp(b - m))),
            "only the second part is corrected",
        ),
        "NaN": (merged(safe=False), "gives NaN"),
        "divided": (
            merged(back=lambda m, l, o: (m, l, o / np.maximum(l, 1e-300))),
            "divided by l already",
        ),
        "averaged": (outputs_averaged, "the two outputs are averaged"),
        "the smaller": (
            lambda a, b, c, d, e, f: _smaller(a, b, c, d, e, f),
            "the smaller of the two",
        ),
        "the first": (lambda a, b, c, d, e, f: (a, b, c), "second part is left out"),
        "the second": (lambda a, b, c, d, e, f: (d, e, f), "first part is left out"),
        "one m for all": (
            merged(larger=lambda a, b: np.full_like(a, np.max([a, b]))),
            "one number for all queries",
        ),
        "m + m": (merged(larger=np.add), ""),
        "no m": (merged(back=lambda m, l, o: (l, o)), "3 things"),
        "m (n_q,)": (merged(back=lambda m, l, o: (m[:, 0], l, o)), "should have the shape"),
        "in place": (lambda a, b, c, d, e, f: np.add(b, e, out=b) is None or (a, b, c), ""),
    },
    "flash_attention.repair": {
        "as it was": (suspect, "nothing is repaired yet"),
        "o only": (
            fixed(finite=lambda m: m, end=lambda o, l: o / l),
            "rows that begin with a tile of -inf",
        ),
        "-inf only": (fixed(o=lambda o, f, pv: o + pv), "o is still not corrected"),
        "o instead of l": (
            fixed(l=lambda l, f, p: l + p.sum(axis=1, keepdims=True)),
            "and l no more",
        ),
        "neither": (
            fixed(l=lambda l, f, p: l + p.sum(axis=1, keepdims=True), o=lambda o, f, pv: o + pv),
            "neither l nor o is corrected",
        ),
        "0 / 0": (fixed(end=lambda o, l: o / l), "0 by 0"),
        "not divided": (fixed(end=lambda o, l: o), "not divided by l"),
        "whole tiles only": (
            fixed(tiles=lambda n, block: range(0, n - block + 1, block)),
            "last tile is left out",
        ),
        "-1e9": (fixed(first=lambda s: np.maximum(s, -1e9)), "mean of the values"),
        "nan_to_num": (fixed(first=lambda s: np.where(np.isfinite(s), s, 0)), "scores of 0"),
        "a softmax each": (a_softmax_each, "a softmax of its own"),
        "shapes": (lambda s, v, block: fixed()(s, v, block).T[None], "should have the shape"),
        "upside down": (
            fixed(l=lambda l, f, p: l / np.maximum(f, 1e-9) + p.sum(axis=1, keepdims=True)),
            "",
        ),
    },
}


def _smaller(m_1, l_1, o_1, m_2, l_2, o_2):
    m = np.where(m_1 < m_2, m_1, m_2)
    top = np.where(np.isinf(m), 0, m)
    f, g = np.exp(m_1 - top), np.exp(m_2 - top)
    return m, f * l_1 + g * l_2, f * o_1 + g * o_2
