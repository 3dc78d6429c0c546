"""Exercises of flash_attention: the running sum of a softmax, two partial results in one, and two
bugs in a loop over tiles.
"""

# ruff: noqa: E741     l is the paper's name for the sum

import numpy as np

from attnlib.exercises import Exercise


def running_sum(scores):
    """m and l after each of the scores (n,), each of which is read once. -> m (n,), l (n,)"""
    m, l, all_m, all_l = -np.inf, 0.0, [], []
    for score in scores:
        larger = max(m, score)
        l = l * np.exp(m - larger) + np.exp(score - larger)
        m = larger
        all_m.append(m)
        all_l.append(l)
    return np.array(all_m), np.array(all_l)


def _streams(rng):
    """Scores that rise and fall: all below 0, around 0, and too large for exp. The largest is
    neither first nor last.
    """
    trials = []
    for n, centre, spread in ((5, -6, 1.5), (7, 0, 2.0), (6, 1000, 2.0), (8, -1000, 1.5)):
        scores = centre + rng.normal(0, spread, n)
        order = np.argsort(scores)
        trials.append((scores[[order[-3], order[0], order[-2], order[-1], *order[1:-3]]],))
    return trials


def _sums(scores, term, m=None):
    """m, the largest so far, and l (n,): the sum of term(m, scores, i) (i + 1,) for every i."""
    m = np.maximum.accumulate(scores) if m is None else m(scores)
    return m, np.array([term(m, scores, i).sum() for i in range(len(scores))])


def _with_loop(step):
    """step(m, l, score) -> the next m and l"""

    def wrong(scores):
        m, l, found = -np.inf, 0.0, []
        for score in scores:
            m, l = step(m, l, score)
            found.append((m, l))
        return tuple(np.array(found).T)

    return wrong


def _exp(m, scores, i):
    return np.exp(scores[: i + 1] - m[i])


running = Exercise(
    running_sum,
    title="The sum in one pass",
    level=1,
    minutes=10,
    inputs=_streams,
    names=("m", "l"),
    mistakes={
        "the sum was not corrected where m rose: what was summed before must shrink by exp(old m - "
        "new m)": lambda s: _sums(s, lambda m, s, i: np.exp(s[: i + 1] - m[: i + 1])),
        "nothing is subtracted before exp: l is the sum of exp(score - m)": lambda s: _sums(
            s, lambda m, s, i: np.exp(s[: i + 1])
        ),
        "l belongs to the largest of all scores: after score i, only those up to i are known": (
            lambda s: _sums(s, lambda m, s, i: np.exp(s[: i + 1] - s.max()))
        ),
        "m and l both belong to the largest of all scores: after score i, only those up to i are "
        "known": lambda s: _sums(
            s, lambda m, s, i: np.exp(s[: i + 1] - s.max()), m=lambda s: np.full(len(s), s.max())
        ),
        "m is the newest score: it should be the largest so far": lambda s: _sums(
            s, _exp, m=lambda s: s
        ),
        "m begins at 0: where all scores are below 0 it stays there. Begin at -np.inf": (
            lambda s: _sums(s, _exp, m=lambda s: np.maximum(np.maximum.accumulate(s), 0))
        ),
        "the newest score is missing in l": lambda s: _sums(
            s, lambda m, s, i: np.exp(s[:i] - m[i])
        ),
        "the correction is upside down: the old sum shrinks, exp(old m - new m)": _with_loop(
            lambda m, l, s: (
                max(m, s),
                (l * np.exp(max(m, s) - m) if l else 0) + np.exp(s - max(m, s)),
            )
        ),
        "the old sum is thrown away where m rises: it only shrinks": _with_loop(
            lambda m, l, s: (s, 1.0) if s > m else (m, l + np.exp(s - m))
        ),
        "the new term is corrected, too: only the old sum belongs to the old m": _with_loop(
            lambda m, l, s: (max(m, s), (l + np.exp(s - max(m, s))) * np.exp(m - max(m, s)))
        ),
        "the factor is the difference of the maxima: it should be its exp": _with_loop(
            lambda m, l, s: (max(m, s), (l * (m - max(m, s)) if l else 0) + np.exp(s - max(m, s)))
        ),
        "l is its logarithm plus m, the logsumexp: here the sum itself is asked for": lambda s: (
            np.maximum.accumulate(s),
            np.logaddexp.accumulate(s),
        ),
        "m and l changed places": lambda s: running_sum(s)[::-1],
    },
    hints=[
        "Begin with m = -np.inf and l = 0, and take the scores one by one.",
        (
            "Each time there are two cases, and one formula for both: the new maximum is max(m,"
            " score)."
        ),
        (
            "All that was summed before was exp(… - old m). Times exp(old m - new m) makes it exp(…"
            " - new m). Then add exp(score - new m)."
        ),
    ],
)


def merge_states(m_1, l_1, o_1, m_2, l_2, o_2):
    """What is known after both parts of the keys. m, l (n_q, 1), o (n_q, d_v) -> m, l, o"""
    m = np.maximum(m_1, m_2)
    top = np.where(m == -np.inf, 0, m)
    first, second = np.exp(m_1 - top), np.exp(m_2 - top)  # (n_q, 1) each
    return m, l_1 * first + l_2 * second, o_1 * first + o_2 * second


def _state(scores, v):
    """m, l and o of some keys: scores (n_q, t), v (t, d_v)"""
    m = scores.max(axis=-1, keepdims=True)
    p = np.exp(scores - np.where(m == -np.inf, 0, m))
    return m, p.sum(axis=-1, keepdims=True), p @ v


def _parts(rng):
    """Two parts of different size; from the second trial on a query has seen nothing in one part,
    or in none.
    """
    trials = []
    for n_q, t_1, t_2, d_v, centre in (
        (4, 3, 5, 2, 0),
        (5, 4, 2, 3, 0),
        (4, 2, 3, 5, 1000),
        (6, 3, 4, 2, -5),
    ):
        scores = centre + rng.normal(0, 1, (n_q, t_1 + t_2))
        scores[0, rng.integers(t_1)] += 3  # row 0 rises least in part 2, row 1 in part 1
        scores[1, t_1 + rng.integers(t_2)] += 3
        if trials:
            scores[2, :t_1], scores[3] = -np.inf, -np.inf
        v = rng.normal(0, 1, (t_1 + t_2, d_v))
        trials.append((*_state(scores[:, :t_1], v[:t_1]), *_state(scores[:, t_1:], v[t_1:])))
    return trials


def _merge_with(m=np.maximum, l=None, o=None, swap=False, safe=True, after=None):
    """merge_states with one part exchanged; l and o: how two sums, their factors and maxima become
    one.
    """

    def corrected(a, b, f, g):
        return a * f + b * g

    def wrong(m_1, l_1, o_1, m_2, l_2, o_2):
        both = m(m_1, m_2)
        top = np.where(both == -np.inf, 0, both) if safe else both
        f, g = np.exp(m_1 - top), np.exp(m_2 - top)
        f, g = (g, f) if swap else (f, g)
        found = both, (l or corrected)(l_1, l_2, f, g), (o or corrected)(o_1, o_2, f, g)
        return after(*found) if after else found

    return wrong


def _outputs_averaged(m_1, l_1, o_1, m_2, l_2, o_2):
    m, l, _ = merge_states(m_1, l_1, o_1, m_2, l_2, o_2)
    return m, l, (o_1 / np.where(l_1 == 0, 1, l_1) + o_2 / np.where(l_2 == 0, 1, l_2)) / 2


def _bare_sum(a, b, f, g):
    return a + b


merge = Exercise(
    merge_states,
    title="Two results into one",
    level=2,
    minutes=12,
    inputs=_parts,
    names=("m", "l", "o"),
    mistakes={
        "neither sum is corrected: each belongs to its own maximum, and must be brought to the "
        "common one": _merge_with(l=_bare_sum, o=_bare_sum),
        "l is corrected, and o is not: both are sums of the same exponentials": _merge_with(
            o=_bare_sum
        ),
        "o is corrected, and l is not: both are sums of the same exponentials": _merge_with(
            l=_bare_sum
        ),
        "each part is multiplied by the factor of the other": _merge_with(swap=True),
        "only the second part is corrected, as if the first always held the maximum": _merge_with(
            l=lambda a, b, f, g: a + b * g, o=lambda a, b, f, g: a + b * g
        ),
        "only the first part is corrected, as in absorb: there the new tile is summed with the new "
        "m. Here both are old": _merge_with(
            l=lambda a, b, f, g: a * f + b, o=lambda a, b, f, g: a * f + b
        ),
        "a query that has seen nothing in both parts gives NaN: -inf - -inf is not a number": (
            _merge_with(safe=False)
        ),
        "o is divided by l already: hand back the sum, so that more parts can be merged": (
            _merge_with(after=lambda m, l, o: (m, l, o / np.where(l == 0, 1, l)))
        ),
        "the two outputs are averaged: a part with larger scores counts for more": (
            _outputs_averaged
        ),
        "m is the smaller of the two: it should be the larger": _merge_with(m=np.minimum),
        "the second part is left out": lambda m_1, l_1, o_1, m_2, l_2, o_2: (m_1, l_1, o_1),
        "the first part is left out": lambda m_1, l_1, o_1, m_2, l_2, o_2: (m_2, l_2, o_2),
        "m is one number for all queries: each query has its own maximum": _merge_with(
            m=lambda a, b: np.full(a.shape, max(a.max(), b.max()))
        ),
    },
    hints=[
        "The common maximum is np.maximum(m_1, m_2), one for each query.",
        (
            "Both parts are old: l_1 and o_1 are sums of exp(score - m_1). Which factor makes them"
            " sums of exp(score - m)?"
        ),
        "exp(m_1 - m) for the first part, exp(m_2 - m) for the second; each for l and for o.",
        (
            "Where m is -inf nothing was seen at all. Subtract np.where(m == -np.inf, 0, m)"
            " instead: exp(-inf - 0) is 0, as it should be."
        ),
    ],
)


def tiles_repaired(scores, v, block):
    """softmax(scores) @ v, `block` keys at a time; a row that is all -inf gives 0. scores
    (n_q, n_k), v (n_k, d_v)
    """
    m = np.full((len(scores), 1), -np.inf)
    l, o = np.zeros_like(m), np.zeros((len(scores), v.shape[1]))
    for start in range(0, len(v), block):
        tile = scores[:, start : start + block]  # (n_q, t)
        larger = np.maximum(m, tile.max(axis=1, keepdims=True))
        top = np.where(larger == -np.inf, 0, larger)
        correct, p = np.exp(m - top), np.exp(tile - top)
        l = l * correct + p.sum(axis=1, keepdims=True)
        o = o * correct + p @ v[start : start + block]
        m = larger
    return o / np.where(l == 0, 1, l)


def _tiled(rng):
    """Masked scores of several tiles, the last one shorter; in row 0 the maximum rises, row 1
    begins with nothing, row 2 has nothing.
    """
    trials = []
    for n_q, n_k, block, d_v in ((4, 7, 2, 3), (5, 8, 3, 2), (3, 5, 2, 4), (4, 11, 4, 2)):
        scores = rng.normal(0, 1.5, (n_q, n_k))
        scores[0] = np.sort(scores[0])
        scores[1, :block], scores[2] = -np.inf, -np.inf
        trials.append((scores, rng.normal(0, 1, (n_k, d_v)), block))
    return trials


def _tiles_with(
    l_by=True,
    o_by=True,
    safe=True,
    divide=True,
    last=True,
    fill=-np.inf,
    empty=0.0,
    running_m=True,
    guard=True,
):
    """tiles_repaired with one part exchanged."""

    def wrong(scores, v, block):
        scores = np.where(scores == -np.inf, fill, scores)
        m = np.full((len(scores), 1), -np.inf)
        l, o = np.zeros_like(m), np.zeros((len(scores), v.shape[1]))
        for start in range(0, len(v) if last else len(v) // block * block, block):
            tile = scores[:, start : start + block]
            larger = np.maximum(m, tile.max(axis=1, keepdims=True))
            top = np.where(larger == -np.inf, 0, larger) if safe else larger
            correct, p = np.exp(m - top) if running_m else 1.0, np.exp(tile - top)
            l = l * (correct if l_by else 1) + p.sum(axis=1, keepdims=True)
            o = o * (correct if o_by else 1) + p @ v[start : start + block]
            m = larger
        if not divide:
            return o
        return o / np.where(l == 0, 1, l) if guard else o / l

    return wrong


def _each_tile_alone(scores, v, block):
    starts = range(0, len(v), block)
    return sum(
        tiles_repaired(scores[:, a : a + block], v[a : a + block], block) for a in starts
    ) / len(starts)


repair = Exercise(
    tiles_repaired,
    title="Find two bugs",
    level=3,
    minutes=15,
    inputs=_tiled,
    names=("output",),
    mistakes={
        "o is still not corrected where m rises": _tiles_with(o_by=False),
        "nothing is repaired yet: o is not corrected, and -inf - -inf is not a number": [
            _tiles_with(o_by=False, safe=False, guard=False),
            _tiles_with(o_by=False, safe=False),
        ],
        "o is corrected now, and l no more": _tiles_with(l_by=False),
        "neither l nor o is corrected where m rises": _tiles_with(running_m=False),
        "o is corrected now; rows that begin with a tile of -inf are still NaN: -inf - -inf": [
            _tiles_with(safe=False, guard=False),
            _tiles_with(safe=False),
        ],
        "only the row with nothing at all is still NaN: it divides 0 by 0": _tiles_with(
            guard=False
        ),
        "masked keys count as scores of 0: they should not count": _tiles_with(fill=0.0),
        "the row with nothing at all is the mean of the values: -1e9 is a number, and exp makes a "
        "row of equal ones of it": _tiles_with(fill=-1e9),
        "the last tile is left out, because it is shorter": _tiles_with(last=False),
        "the sum is not divided by l in the end": _tiles_with(divide=False),
        "each tile has a softmax of its own": _each_tile_alone,
    },
    hints=[
        (
            "Run suspect on one tile, block = n_k, and on several. Where it is right with one tile"
            " only, something is wrong between tiles."
        ),
        "l and o are sums of the same exponentials. When m rises, both must shrink.",
        (
            "A tile of -inf: its maximum is -inf, and -inf - -inf is NaN. Subtract 0 in such rows"
            " instead: exp(-inf) is 0."
        ),
        "A row that saw nothing has l = 0 and o = 0 in the end. Divide it by 1.",
    ],
)
