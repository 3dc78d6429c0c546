"""Answers to the exercises of do_not_believe_the_heatmap."""

import numpy as np

from attnlib import softmax
from attnlib.effects import rollout, value_norms

# ---- what each key brings ------------------------------------------------------------------------


def brought_by_loops(weights, values, W_o):
    h, n_q, n_k = weights.shape
    d_head, out = values.shape[2], np.zeros(weights.shape)
    for head in range(h):
        rows = W_o[head * d_head : (head + 1) * d_head]
        for i in range(n_q):
            for j in range(n_k):
                vector = sum(values[head, j, c] * rows[c] for c in range(d_head))
                out[head, i, j] = weights[head, i, j] * np.sqrt(np.sum(vector**2))
    return out


def brought_as_vectors(weights, values, W_o):
    """Every contribution as a vector, then its length."""
    h, _, d_head = values.shape
    vectors = np.einsum("hqk,hkc,hcm->hqkm", weights, values, W_o.reshape(h, d_head, -1))
    return np.sqrt((vectors**2).sum(-1))


def brought_padded(weights, values, W_o):
    """The values of one head in a row as wide as W_o is long, zeros elsewhere."""
    h, n_k, d_head = values.shape
    out = []
    for head in range(h):
        wide = np.zeros((n_k, h * d_head))
        wide[:, head * d_head : (head + 1) * d_head] = values[head]
        out.append(weights[head] * np.linalg.norm(wide @ W_o, axis=1))
    return np.array(out)


def brought(
    W=lambda W_o, h, d: W_o.reshape(h, d, -1),
    length=lambda x: np.linalg.norm(x, axis=-1),
    end=lambda w, n: w * n[:, None],
):
    """As a learner writes it, with one line exchanged."""

    def answer(weights, values, W_o):
        h, _, d = values.shape
        return end(weights, length(np.einsum("hkc,hcm->hkm", values, W(W_o, h, d))))

    return answer


def merged_first(weights, values, W_o):
    """The length of the whole output of a query, given to all its keys."""
    h, _, d = values.shape
    out = np.linalg.norm(
        np.einsum("hqk,hkc,hcm->hqm", weights, values, W_o.reshape(h, d, -1)), axis=-1
    )
    return weights * out[..., None]


# ---- rollout -------------------------------------------------------------------------------------


def rolled_by_paths(weights, residual):
    """Backwards from each query: how much of it is still at which token."""
    layers, n = weights.mean(1), weights.shape[-1]
    out = []
    for i in range(n):
        share = np.eye(n)[i]
        for A in layers[::-1]:
            share = residual * share + (1 - residual) * share @ A
        out.append(share)
    return np.array(out)


def rolled_at_once(weights, residual):
    n = weights.shape[-1]
    return np.linalg.multi_dot(
        [residual * np.eye(n) + (1 - residual) * A for A in weights.mean(1)[::-1]] + [np.eye(n)]
    )


def rolled(
    heads=lambda w: w.mean(1),
    layer=lambda A, r, eye: r * eye + (1 - r) * A,
    step=lambda A, R: A @ R,
    order=1,
):
    """As a learner writes it, with one line exchanged."""

    def answer(weights, residual):
        eye = np.eye(weights.shape[-1])
        R = eye
        for A in heads(weights)[::order]:
            R = step(layer(A, residual, eye), R)
        return R

    return answer


def per_head(weights, residual):
    """Each head rolled out alone, then the mean."""
    return np.mean(
        [rollout(weights[:, h : h + 1], residual=residual) for h in range(weights.shape[1])], axis=0
    )


# ---- hidden --------------------------------------------------------------------------------------


def by_masks(weights, values):
    """Scores that give these weights, and a mask before the softmax."""
    with np.errstate(divide="ignore"):
        scores = np.log(weights)
    out = np.zeros(weights.shape)
    for j in range(len(values)):
        masked = scores.copy()
        masked[:, j] = -np.inf
        out[:, j] = np.linalg.norm(softmax(masked) @ values - weights @ values, axis=1)
    return out


def by_dropping(weights, values):
    """The key is cut out of both arrays."""
    columns = []
    for j in range(len(values)):
        rest = np.delete(weights, j, axis=1)
        after = rest / rest.sum(1, keepdims=True) @ np.delete(values, j, axis=0)
        columns.append(np.sqrt(((after - weights @ values) ** 2).sum(1)))
    return np.stack(columns, axis=1)


def by_formula(weights, values):
    o = weights @ values
    return np.array(
        [
            [w / (1 - w) * np.linalg.norm(v - o[i]) for w, v in zip(row, values)]
            for i, row in enumerate(weights)
        ]
    )


def hidden(
    left=lambda w, j: np.where(np.arange(w.shape[1]) == j, 0, w),
    share=lambda w: w / w.sum(-1, keepdims=True),
    far=lambda new, old: np.linalg.norm(new - old, axis=-1),
):
    """As a learner writes it, with one line exchanged."""

    def answer(weights, values):
        columns = [
            far(share(left(weights, j)) @ values, weights @ values) for j in range(len(values))
        ]
        return np.stack(columns, axis=1)

    return answer


def in_place(weights, values):
    out = np.zeros(weights.shape)
    old = weights @ values
    for j in range(len(values)):
        weights[:, j] = 0
        out[:, j] = np.linalg.norm(weights / weights.sum(-1, keepdims=True) @ values - old, axis=-1)
    return out


RIGHT = {
    "do_not_believe_the_heatmap.norms": [
        brought_by_loops,
        brought_as_vectors,
        brought_padded,
        value_norms,
        brought(),
    ],
    "do_not_believe_the_heatmap.flow": [
        rolled_by_paths,
        rolled_at_once,
        lambda w, r: rollout(w, residual=r),
        rolled(),
        rolled(order=-1, step=lambda A, R: R @ A),
    ],
    "do_not_believe_the_heatmap.hidden": [by_masks, by_dropping, by_formula, hidden()],
}
WRONG = {
    "do_not_believe_the_heatmap.norms": {
        "without W_o": (
            lambda w, v, W_o: w * np.linalg.norm(v, axis=-1)[:, None],
            "W_o is missing",
        ),
        "W_o of head 0": (
            brought(W=lambda W_o, h, d: np.repeat(W_o[None, :d], h, 0)),
            "rows of head 0",
        ),
        "dealt out": (
            brought(W=lambda W_o, h, d: W_o.reshape(d, h, -1).transpose(1, 0, 2)),
            "in turn",
        ),
        "from the end": (brought(W=lambda W_o, h, d: W_o.reshape(h, d, -1)[::-1]), "wrong end"),
        "no weights": (
            brought(end=lambda w, n: np.ones(w.shape) * n[:, None]),
            "weights are missing",
        ),
        "no weights, no axis": (brought(end=lambda w, n: n), "should have the shape"),
        "squares": (brought(length=lambda x: (x * x).sum(-1)), "take the root"),
        "weights squared": (brought(end=lambda w, n: w * w * n[:, None]), "weights are squared"),
        "sum of sizes": (brought(length=lambda x: np.abs(x).sum(-1)), "sizes of the numbers"),
        "sum": (brought(length=lambda x: x.sum(-1)), "not its length"),
        "shares": (
            lambda *a: value_norms(*a) / value_norms(*a).sum(-1, keepdims=True),
            "not shares",
        ),
        "heads added": (lambda *a: value_norms(*a).sum(0), "added up"),
        "heads averaged": (lambda *a: value_norms(*a).mean(0), "averaged"),
        "the weights": (lambda w, v, W_o: w + 0, "only the weights"),
        "the output's length": (merged_first, "not right yet"),
        "turned the wrong way": (brought(end=lambda w, n: w * n[..., None]), ""),
        "vectors": (lambda w, v, W_o: np.einsum("hqk,hkc->hqkc", w, v), "should have the shape"),
    },
    "do_not_believe_the_heatmap.flow": {
        "wrong order": (rolled(step=lambda A, R: R @ A), "wrong order"),
        "reversed layers": (rolled(order=-1), "wrong order"),
        "no residual": (rolled(layer=lambda A, r, eye: A), "residual is missing"),
        "shares exchanged": (
            rolled(layer=lambda A, r, eye: (1 - r) * eye + r * A),
            "wrong way round",
        ),
        "A + I": (rolled(layer=lambda A, r, eye: A + eye), "without a share"),
        "A + r I": (rolled(layer=lambda A, r, eye: A + r * eye), "whole of the weights"),
        "one half": (rolled(layer=lambda A, r, eye: 0.5 * A + 0.5 * eye), "one half"),
        "heads added": (rolled(heads=lambda w: w.sum(1)), "added up"),
        "maximum": (rolled(heads=lambda w: w.max(1)), "maximum"),
        "maximum, shared out": (
            rolled(heads=lambda w: w.max(1) / w.max(1).sum(-1, keepdims=True)),
            "maximum",
        ),
        "head 0": (rolled(heads=lambda w: w[:, 0]), "only head 0"),
        "last layer": (rolled(heads=lambda w: w[-1:].mean(1)), "only the last layer"),
        "from layer 1 on": (rolled(heads=lambda w: w[1:].mean(1)), "first layer is missing"),
        "cell by cell": (rolled(step=lambda A, R: A * R), "cell by cell"),
        "mean of layers": (
            lambda w, r: r * np.eye(w.shape[-1]) + (1 - r) * w.mean((0, 1)),
            "layers were averaged",
        ),
        "residual at the end": (
            lambda w, r: r * np.eye(w.shape[-1]) + (1 - r) * rollout(w, residual=0),
            "once, at the end",
        ),
        "transposed": (lambda w, r: rollout(w, residual=r).T, "transposed"),
        "each head alone": (per_head, ""),
        "stack of layers": (
            lambda w, r: r * np.eye(w.shape[-1]) + (1 - r) * w.mean(1),
            "should have the shape",
        ),
    },
    "do_not_believe_the_heatmap.hidden": {
        "zeroed": (hidden(share=lambda w: w), "after the softmax"),
        "w · |v|": (lambda w, v: w * np.linalg.norm(v, axis=1), "after the softmax"),
        "the weights": (lambda w, v: w * 1, "only the weights"),
        "odds": (lambda w, v: w / (1 - w), "values are missing"),
        "new length": (
            hidden(far=lambda new, old: np.linalg.norm(new, axis=-1)),
            "how long the new output is",
        ),
        "squared": (hidden(far=lambda new, old: ((new - old) ** 2).sum(-1)), "take the root"),
        "sizes": (hidden(far=lambda new, old: np.abs(new - old).sum(-1)), "sizes of the numbers"),
        "no factor": (
            lambda w, v: w * np.linalg.norm(v - (w @ v)[:, None], axis=-1),
            "1 / (1 − w) is missing",
        ),
        "length of the value": (
            lambda w, v: w / (1 - w) * np.linalg.norm(v, axis=-1),
            "not its distance",
        ),
        "axis=0": (hidden(share=lambda w: w / w.sum(0, keepdims=True)), "wrong axis"),
        "softmax again": (
            hidden(
                left=lambda w, j: np.where(np.arange(w.shape[1]) == j, -np.inf, w), share=softmax
            ),
            "second softmax",
        ),
        "zeros into the softmax": (hidden(share=softmax), ""),
        "no weight": (
            lambda w, v: np.linalg.norm(v - (w @ v)[:, None], axis=-1),
            "without the weight",
        ),
        "difference of lengths": (
            hidden(
                far=lambda new, old: np.abs(
                    np.linalg.norm(new, axis=-1) - np.linalg.norm(old, axis=-1)
                )
            ),
            "",
        ),
        "shares of the effect": (
            lambda w, v: by_masks(w, v) / by_masks(w, v).sum(-1, keepdims=True),
            "",
        ),
        "in place": (in_place, ""),
        "all queries at once": (lambda w, v: by_masks(w, v).mean(0), "should have the shape"),
    },
}
