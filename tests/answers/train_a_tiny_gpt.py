"""Answers to the exercises of train_a_tiny_gpt."""

import numpy as np

from attnlib import softmax
from attnlib.training import scaled_dot_product_attention_backward, softmax_backward


def back(g, w):
    return w * (g - (g * w).sum(axis=-1, keepdims=True))


def back_by_loops(g, w):
    grad_scores = np.zeros(w.shape)
    for row in range(len(w)):
        for j in range(w.shape[1]):
            for i in range(w.shape[1]):
                slope = w[row, i] * (1 - w[row, i]) if i == j else -w[row, i] * w[row, j]
                grad_scores[row, j] += g[row, i] * slope
    return grad_scores


def back_by_slopes(g, w):
    """The whole table of slopes for each row, as in why_scale."""
    return np.stack([(np.diag(row) - np.outer(row, row)) @ grad for row, grad in zip(w, g)])


def back_by_nudging(g, w, step=1e-5):
    scores, grad_scores = np.log(w), np.zeros(w.shape)
    for place in np.ndindex(*w.shape):
        up, down = scores.copy(), scores.copy()
        up[place] += step
        down[place] -= step
        grad_scores[place] = (g * (softmax(up) - softmax(down))).sum() / (2 * step)
    return grad_scores


def attention_by_hand(g, q, k, v, w):
    scores = back(g @ v.T, w) / q.shape[1] ** 0.5
    return scores @ k, scores.T @ q, w.T @ g


def attention_by_einsum(g, q, k, v, w):
    grad_w = np.einsum("id,jd->ij", g, v)
    scores = np.einsum("ij,ij->ij", w, grad_w) - np.einsum("ij,il,il->ij", w, w, grad_w)
    scale = q.shape[-1] ** -0.5
    return (
        np.einsum("ij,jd->id", scores, k * scale),
        np.einsum("ij,id->jd", scores, q * scale),
        np.einsum("ij,id->jd", w, g),
    )


def attention_by_loops(g, q, k, v, w):
    grad_q, grad_k, grad_v = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for i in range(len(q)):
        arriving = [float(g[i] @ v[j]) for j in range(len(k))]
        mean = sum(a * share for a, share in zip(arriving, w[i]))
        for j in range(len(k)):
            score = w[i, j] * (arriving[j] - mean) / np.sqrt(q.shape[1])
            grad_q[i] += score * k[j]
            grad_k[j] += score * q[i]
            grad_v[j] += w[i, j] * g[i]
    return grad_q, grad_k, grad_v


def attention_by_nudging(g, q, k, v, w, step=1e-5):
    """From q, k and v alone: the weights are not needed."""
    given, found = [q, k, v], []
    for x in given:
        grad = np.zeros_like(x)
        for place in np.ndindex(*x.shape):
            sums, before = [], x[place]
            for nudged in (before + step, before - step):
                x[place] = nudged
                sums.append((g * (softmax(q @ k.T / np.sqrt(q.shape[1])) @ v)).sum())
            x[place] = before
            grad[place] = (sums[0] - sums[1]) / (2 * step)
        found.append(grad)
    return tuple(found)


def attention_by_flash(g, q, k, v, w):
    """The mean of the gradients from the output: rowsum(grad_output * output), as FlashAttention
    does.
    """
    mean = (g * (w @ v)).sum(axis=1, keepdims=True)
    scores = w * (g @ v.T - mean)
    return scores @ k / np.sqrt(k.shape[1]), (q.T @ scores / np.sqrt(k.shape[1])).T, (g.T @ w).T


def attention_by_library(g, q, k, v, w):
    return tuple(scaled_dot_product_attention_backward(g, q, k, v, w)[:3])


def through(softmax_back):
    """Attention backwards with another way through the softmax."""

    def answer(g, q, k, v, w):
        scores = softmax_back(g @ v.T, w) / np.sqrt(q.shape[-1])
        return scores @ k, scores.T @ q, w.T @ g

    return answer


def scaled_by(scale_q, scale_k=None):
    """Attention backwards, with these factors in the place of 1 / √d."""

    def answer(g, q, k, v, w):
        scores = back(g @ v.T, w)
        return scores @ k * scale_q(q, k, v), scores.T @ q * (scale_k or scale_q)(q, k, v), w.T @ g

    return answer


def root(q, k, v):
    return q.shape[-1] ** -0.5


def ones(q, k, v):
    return 1


def values_not_turned(g, q, k, v, w):
    scores = back(g @ v, w) / np.sqrt(q.shape[-1])
    return scores @ k, scores.T @ q, w.T @ g


def scores_not_turned(g, q, k, v, w):
    scores = back(g @ v.T, w) / np.sqrt(q.shape[-1])
    return scores @ k, scores @ q, w.T @ g


def keys_for_values(g, q, k, v, w):
    scores = back(g @ k.T, w) / np.sqrt(q.shape[-1])
    return scores @ k, scores.T @ q, w.T @ g


def masks_as_tables(w, ids):
    n = len(ids)
    copies = (ids[:, None] == ids) & np.tri(n, k=-1, dtype=bool)
    behind = np.zeros((n, n), bool)
    behind[:, 1:] = copies[:, :-1]
    return (w * behind).sum(axis=1)[copies.any(axis=1)].mean()


def score_with_memory(w, ids):
    """One walk through the text, with the places that followed each token so far."""
    followers, sums = {}, []
    for i, token in enumerate(ids.tolist()):
        if i:
            followers.setdefault(int(ids[i - 1]), []).append(i)
        if token in followers:
            sums.append(sum(float(w[i, j]) for j in followers[token]))
    return sum(sums) / len(sums)


def score_by_einsum(w, ids):
    same = (ids[:, None] == ids) * np.tri(len(ids), k=-1)
    counts = same.any(axis=1)
    return np.einsum("ij,ij->", w[:, 1:], same[:, :-1]) / counts.sum()


def score_by_predecessors(w, ids):
    sums = []
    for i in range(len(ids)):
        keys = [j for j in range(1, i + 1) if ids[j - 1] == ids[i]]
        if keys:
            sums.append(w[i][keys].sum())
    return np.array(sums).mean()


def per_query(one, keep=bool, collect=np.mean):
    """The score as a learner writes it: one(i, places of the earlier copies, weights) for each
    query that is kept.
    """

    def answer(w, ids):
        found = []
        for i in range(len(ids)):
            copies = [j for j in range(i) if ids[j] == ids[i]]
            if keep(copies):
                found.append(one(i, copies, w))
        return collect(found)

    return answer


def behind(i, copies, w):
    return w[i, [j + 1 for j in copies]].sum()


def pair_by_pair(w, ids):
    return np.mean([w[i, j + 1] for i in range(len(ids)) for j in range(i) if ids[j] == ids[i]])


def rolled(w, ids):
    match = (np.roll(ids, 1)[None, :] == ids[:, None]) & np.tri(len(ids), dtype=bool)
    return (w * match).sum(axis=1)[match.any(axis=1)].mean()


def later_ones_too(w, ids):
    match = (ids[:, None] == ids) & ~np.eye(len(ids), dtype=bool)
    behind = np.zeros_like(match)
    behind[:, 1:] = match[:, :-1]
    return (w * behind).sum(axis=1)[match.any(axis=1)].mean()


def itself_too(w, ids):
    sums = []
    for i in range(len(ids)):
        after = [j + 1 for j in range(i + 1) if ids[j] == ids[i] and j + 1 < len(ids)]
        sums.append(w[i, after].sum())
    return np.mean(sums)


def index_error(w, ids):
    sums = []
    for i in range(len(ids)):
        after = [j + 1 for j in range(len(ids)) if ids[j] == ids[i]]
        sums.append(w[i, after].sum())
    return np.mean(sums)


def block_length_back(w, ids):
    """As if every copy stood as far back as the first one that is found."""
    back = next(i - j for i in range(len(ids)) for j in range(i) if ids[j] == ids[i])
    return np.mean([w[i, i - back + 1] for i in range(back, len(ids))])


RIGHT = {
    "train_a_tiny_gpt.softmax_backward": [
        back_by_loops,
        back_by_slopes,
        back_by_nudging,
        softmax_backward,
        lambda g, w: w * g - w * np.einsum("ij,ij->i", w, g)[:, None],
        lambda g, w: np.einsum(
            "rij,ri->rj", w[:, :, None] * (np.eye(w.shape[1]) - w[:, None, :]), g
        ),
    ],
    "train_a_tiny_gpt.backward": [
        attention_by_hand,
        attention_by_einsum,
        attention_by_loops,
        attention_by_nudging,
        attention_by_flash,
        attention_by_library,
        through(back_by_slopes),
    ],
    "train_a_tiny_gpt.score": [
        masks_as_tables,
        score_with_memory,
        score_by_einsum,
        score_by_predecessors,
        per_query(behind),
        per_query(
            lambda i, copies, w: sum(w[i, j + 1] for j in copies),
            collect=lambda sums: sum(sums) / len(sums),
        ),
    ],
}
WRONG = {
    "train_a_tiny_gpt.softmax_backward": {
        "weights * grad": (lambda g, w: w * g, "only the direct part is there"),
        "weights * (1 - weights) * grad": (
            lambda g, w: w * (1 - w) * g,
            "nothing between different ones",
        ),
        "weights * (1 - weights)": (lambda g, w: w * (1 - w), "grad_weights is not used"),
        "grad.mean": (
            lambda g, w: w * (g - g.mean(-1, keepdims=True)),
            "the plain mean of the gradients",
        ),
        "grad.sum": (
            lambda g, w: w * (g - g.sum(-1, keepdims=True)),
            "the plain sum of the gradients",
        ),
        "(grad * weights).mean": (
            lambda g, w: w * (g - (g * w).mean(-1, keepdims=True)),
            "so add them up",
        ),
        "axis=0": (lambda g, w: w * (g - (g * w).sum(0)), "down the columns"),
        "(grad * weights).sum()": (lambda g, w: w * (g - (g * w).sum()), "over the whole table"),
        "no keepdims": (lambda g, w: w * (g - (g * w).sum(-1)), "raised ValueError"),
        "grad - mean": (
            lambda g, w: g - (g * w).sum(-1, keepdims=True),
            "the factor weights in front is missing",
        ),
        "weights * grad - mean": (
            lambda g, w: w * g - (g * w).sum(-1, keepdims=True),
            "before the first term only",
        ),
        "weights * (grad + mean)": (
            lambda g, w: w * (g + (g * w).sum(-1, keepdims=True)),
            "it is subtracted",
        ),
        "weights * (mean - grad)": (
            lambda g, w: w * ((g * w).sum(-1, keepdims=True) - g),
            "the sign is turned around",
        ),
        "grad * (weights - mean)": (
            lambda g, w: g * (w - (g * w).sum(-1, keepdims=True)),
            "gradient and weights changed places",
        ),
        "softmax(weights) first": (
            lambda g, w: back(g, softmax(w)),
            "put through the softmax again",
        ),
        "by slopes of softmax(weights)": (
            lambda g, w: back_by_slopes(g, softmax(w)),
            "put through the softmax again",
        ),
        "the slopes without the minus": (
            lambda g, w: np.stack(
                [(np.diag(row) + np.outer(row, row)) @ one for row, one in zip(w, g)]
            ),
            "it is subtracted",
        ),
        "only what is taken away": (
            lambda g, w: np.stack([-np.outer(row, row) @ one for row, one in zip(w, g)]),
            "only what is taken away",
        ),
        "the slopes, not added up": (
            lambda g, w: w[:, :, None] * (np.eye(w.shape[1]) - w[:, None]) * g[:, None],
            "has the shape",
        ),
        "slopes @ grad for all rows": (lambda g, w: g @ (np.diag(w[0]) - np.outer(w[0], w[0])), ""),
        "weights @ grad": (lambda g, w: w * (g - w @ g.T), "raised ValueError"),
        "softmax(grad)": (lambda g, w: softmax(g), ""),
        "the gradient unchanged": (lambda g, w: g, "handed on as it came"),
        "only the mean": (lambda g, w: (g * w).sum(-1), "has the shape"),
        "softmax of weights * grad": (lambda g, w: softmax(w * g), ""),
    },
    "train_a_tiny_gpt.backward": {
        "no / √d": (scaled_by(ones), "the division by √d is missing"),
        "grad_q without / √d": (scaled_by(ones, root), "grad_q lacks the division"),
        "grad_k without / √d": (scaled_by(root, ones), "grad_k lacks the division"),
        "/ d": (scaled_by(lambda q, k, v: 1 / q.shape[-1]), "you divide by d, not by √d"),
        "* √d": (scaled_by(lambda q, k, v: q.shape[-1] ** 0.5), "you multiply by √d"),
        "/ √d_v": (scaled_by(lambda q, k, v: v.shape[-1] ** -0.5), "the width of v"),
        "/ √n_k": (scaled_by(lambda q, k, v: len(k) ** -0.5), "the number of keys"),
        "/ d ** 1/2": (scaled_by(lambda q, k, v: 1 / (q.shape[-1] ** 1 / 2)), "** 0.5"),
        "no softmax": (through(lambda g, w: g), "the softmax was skipped"),
        "weights * grad_weights": (through(lambda g, w: g * w), "only the direct part"),
        "weights * (1 - weights) * grad_weights": (
            through(lambda g, w: g * w * (1 - w)),
            "nothing between different scores",
        ),
        "grad_weights - the plain mean": (
            through(lambda g, w: w * (g - g.mean(-1, keepdims=True))),
            "weighted by the shares",
        ),
        "grad_weights - the plain sum": (
            through(lambda g, w: w * (g - g.sum(-1, keepdims=True))),
            "weighted by the shares",
        ),
        "(grad_weights * weights).mean": (
            through(lambda g, w: w * (g - (g * w).mean(-1, keepdims=True))),
            "so add them up",
        ),
        "axis=0 in the softmax": (
            through(lambda g, w: w * (g - (g * w).sum(0))),
            "down the columns",
        ),
        "one sum for the whole table": (
            through(lambda g, w: w * (g - (g * w).sum())),
            "over the whole table",
        ),
        "no keepdims in the softmax": (
            through(lambda g, w: w * (g - (g * w).sum(-1))),
            "raised ValueError",
        ),
        "grad_weights - mean": (
            through(lambda g, w: g - (g * w).sum(-1, keepdims=True)),
            "the factor weights is missing",
        ),
        "weights * grad_weights - mean": (
            through(lambda g, w: w * g - (g * w).sum(-1, keepdims=True)),
            "or of the second",
        ),
        "the sign of the softmax": (through(lambda g, w: -back(g, w)), "the sign is turned around"),
        "softmax(weights)": (
            through(lambda g, w: back(g, softmax(w))),
            "put through the softmax again",
        ),
        "softmax(grad_weights)": (through(lambda g, w: softmax(g)), ""),
        "weights @ grad_output": (
            lambda *given: (*attention_by_hand(*given)[:2], given[4] @ given[0]),
            "without turning them around",
        ),
        "grad_v = grad_output summed": (
            lambda g, q, k, v, w: (
                *attention_by_hand(g, q, k, v, w)[:2],
                np.ones_like(v) * g.sum(0),
            ),
            "grad_v lacks the weights",
        ),
        "grad_v = weights.T @ v": (
            lambda g, q, k, v, w: (*attention_by_hand(g, q, k, v, w)[:2], w.T @ v[: len(q)]),
            "",
        ),
        "grad_v = grad_output": (
            lambda g, q, k, v, w: (*attention_by_hand(g, q, k, v, w)[:2], g),
            "grad_v should have the shape",
        ),
        "k, q, v": (
            lambda *given: tuple(attention_by_hand(*given)[i] for i in (1, 0, 2)),
            "grad_q and grad_k changed places",
        ),
        "v, k, q": (lambda *given: attention_by_hand(*given)[::-1], "stand in another order"),
        "v, q, k": (
            lambda *given: tuple(attention_by_hand(*given)[i] for i in (2, 0, 1)),
            "stand in another order",
        ),
        "grad_scores.T @ k and grad_scores @ q": (scores_not_turned, "raised ValueError"),
        "grad_output @ v": (values_not_turned, "raised ValueError"),
        "grad_output @ k.T": (keys_for_values, "raised ValueError"),
        "grad_k = q.T @ grad_scores": (
            lambda *given: (
                attention_by_hand(*given)[0],
                attention_by_hand(*given)[1].T,
                attention_by_hand(*given)[2],
            ),
            "grad_k should have the shape",
        ),
        "grad_v only": (lambda g, q, k, v, w: w.T @ g, "3 things"),
        "grad_q and grad_k only": (lambda *given: attention_by_hand(*given)[:2], "3 things"),
        "a list": (lambda *given: list(attention_by_hand(*given)), "3 things"),
        "zeros for what is not done": (
            lambda g, q, k, v, w: (np.zeros_like(q), np.zeros_like(k), w.T @ g),
            "grad_q is not right yet",
        ),
        "None for what is not done": (lambda g, q, k, v, w: (None, None, w.T @ g), "grad_q"),
        "all signs": (lambda *given: tuple(-one for one in attention_by_hand(*given)), ""),
    },
    "train_a_tiny_gpt.score": {
        "weights[i, copies]": (
            per_query(lambda i, copies, w: w[i, copies].sum()),
            "the earlier copies themselves",
        ),
        "j - 1": (
            per_query(lambda i, copies, w: w[i, [j - 1 for j in copies]].sum()),
            "the token before each earlier copy",
        ),
        "j - 1, but not below 0": (
            per_query(lambda i, copies, w: w[i, [j - 1 for j in copies if j]].sum()),
            "the token before each earlier copy",
        ),
        "divided by n": (
            lambda w, ids: per_query(behind, collect=np.sum)(w, ids) / len(ids),
            "all n queries count",
        ),
        "a zero for queries without a copy": (
            per_query(behind, keep=lambda copies: True),
            "all n queries count",
        ),
        "copies up to the query itself": (itself_too, "all n queries count"),
        "copies anywhere, j + 1 past the end": (index_error, "raised IndexError"),
        "later copies, too": (later_ones_too, "whose token comes only later"),
        "the last copy": (
            per_query(lambda i, copies, w: w[i, copies[-1] + 1]),
            "only the last earlier copy",
        ),
        "the first copy": (
            per_query(lambda i, copies, w: w[i, copies[0] + 1]),
            "only the first copy",
        ),
        "list(ids).index": (
            lambda w, ids: np.mean(
                [w[i, list(ids).index(t) + 1] for i, t in enumerate(ids) if list(ids).index(t) < i]
            ),
            "only the first copy",
        ),
        ".mean() over the copies": (
            per_query(lambda i, copies, w: w[i, [j + 1 for j in copies]].mean()),
            "were averaged",
        ),
        "the mean over all pairs": (pair_by_pair, "were averaged"),
        ".max() over the copies": (
            per_query(lambda i, copies, w: w[i, [j + 1 for j in copies]].max()),
            "only the largest",
        ),
        "the sum over the queries": (per_query(behind, collect=np.sum), "return their mean"),
        "the list of the sums": (per_query(behind, collect=list), "should be one number"),
        "how many queries count": (per_query(behind, collect=len), ""),
        "weights[after, i]": (
            per_query(lambda i, copies, w: w[[j + 1 for j in copies], i].sum()),
            "rows and columns changed places",
        ),
        "weights.T": (
            lambda w, ids: per_query(behind)(w.T, ids),
            "rows and columns changed places",
        ),
        "np.roll(ids, 1)": (rolled, "goes around the end"),
        "j + 1 < i": (
            per_query(
                lambda i, copies, w: w[i, [j + 1 for j in copies if j + 1 < i]].sum(),
                collect=np.mean,
            ),
            "a copy directly before the query was left out",
        ),
        "np.diag(weights, -1).mean()": (lambda w, ids: np.diag(w, -1).mean(), "one token back"),
        "one token back, where there is a copy": (
            per_query(lambda i, copies, w: w[i, i - 1]),
            "one token back",
        ),
        "one block back": (block_length_back, ""),
        "is the largest weight there": (
            per_query(lambda i, copies, w: w[i].argmax() - 1 in copies),
            "how often the largest weight",
        ),
        "how often a token was there before": (
            lambda w, ids: np.mean([t in ids[:i] for i, t in enumerate(ids)]),
            "",
        ),
        "the median": (per_query(behind, collect=np.median), ""),
        "in percent": (lambda w, ids: 100 * per_query(behind)(w, ids), ""),
        "rounded": (lambda w, ids: round(per_query(behind)(w, ids), 4), "off by up to"),
        "weights[ids, …]": (lambda w, ids: w[ids, ids].mean(), ""),
    },
}
