"""Exercises of do_not_believe_the_heatmap: what each key brings, rollout, and the effect of hiding
a key.
"""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise


def lengths_brought(weights, values, W_o):
    """How long the vector is that each key brings to each query, behind W_o. -> (h, n_q, n_k)"""
    h, d_head = len(values), values.shape[-1]
    brought = values @ W_o.reshape(h, d_head, -1)  # (h, n_k, d_model)
    return weights * np.linalg.norm(brought, axis=-1)[:, None, :]


def _heads(rng):
    # h, n_q, n_k, d_head, d_model
    sizes = [(2, 3, 4, 3, 5), (3, 4, 2, 2, 4), (1, 2, 3, 4, 2), (2, 3, 5, 4, 3)]
    return [
        (
            softmax(rng.normal(size=(h, n_q, n_k))),
            rng.normal(size=(h, n_k, d_head)),
            rng.normal(size=(h * d_head, d_model)),
        )
        for h, n_q, n_k, d_head, d_model in sizes
    ]


def _brought(
    by_head=lambda W_o, h, d_head: W_o.reshape(h, d_head, -1),
    size=lambda x: np.linalg.norm(x, axis=-1),
    mix=np.multiply,
):
    """lengths_brought with one part exchanged: the rows of W_o, the length, what weights and
    lengths do.
    """

    def wrong(weights, values, W_o):
        brought = values @ by_head(W_o, len(values), values.shape[-1])
        return mix(weights, size(brought)[:, None, :])

    return wrong


def _shares(weights, values, W_o):
    lengths = lengths_brought(weights, values, W_o)
    return lengths / lengths.sum(axis=-1, keepdims=True)


norms = Exercise(
    lengths_brought,
    title="What each key brings",
    level=1,
    minutes=10,
    inputs=_heads,
    names=("lengths",),
    mistakes={
        "W_o is missing: what counts is the length behind it": (
            lambda w, v, W_o: w * np.linalg.norm(v, axis=-1)[:, None, :]
        ),
        "every head used the rows of head 0 in W_o: each head has its own": _brought(
            lambda W_o, h, d: W_o[None, :d]
        ),
        "the rows of W_o were dealt out in turn: the first d_head belong to head 0, the next "
        "d_head to head 1": _brought(lambda W_o, h, d: W_o.reshape(d, h, -1).swapaxes(0, 1)),
        "the heads took their rows of W_o from the wrong end": _brought(
            lambda W_o, h, d: W_o.reshape(h, d, -1)[::-1]
        ),
        "the weights are missing: how much of it is taken?": _brought(
            mix=lambda w, length: w * 0 + length
        ),
        "the lengths are squared: take the root": _brought(size=lambda x: (x**2).sum(-1)),
        "the weights are squared: they come in once": _brought(mix=lambda w, length: w**2 * length),
        "the sizes of the numbers were added up; a length is the root of the sum of squares": (
            _brought(size=lambda x: np.abs(x).sum(-1))
        ),
        "the numbers of a vector were added up, and not its length taken": _brought(
            size=lambda x: x.sum(-1)
        ),
        "the rows were divided by their sum: lengths are asked for, not shares": _shares,
        "the heads were added up: keep them apart": (
            lambda *given: lengths_brought(*given).sum(axis=0)
        ),
        "the heads were averaged: keep them apart": (
            lambda *given: lengths_brought(*given).mean(axis=0)
        ),
        "only the weights came back": lambda w, v, W_o: w.copy(),
    },
    hints=[
        (
            "Cut W_o into heads: W_o.reshape(h, d_head, d_model). Then values @ that is what each"
            " key has to give, head by head."
        ),
        "The length of w times a vector is w times its length, since a weight w is not below 0.",
        (
            "np.linalg.norm(values @ W_o.reshape(h, d_head, -1), axis=-1) is (h, n_k). It needs an"
            " axis for the queries: [:, None, :]."
        ),
    ],
)


def rolled_out(weights, residual):
    """Rollout: the layers multiplied, each with a share of itself. (layers, h, n, n) -> (n, n)"""
    itself = np.eye(weights.shape[-1])
    flow = itself
    for layer in weights.mean(axis=1):  # (n, n)
        flow = (residual * itself + (1 - residual) * layer) @ flow  # the later layer on the left
    return flow


def _maps(rng):
    """Sharp maps, half of them causal; shares on both sides of one half."""
    trials = []
    for layers, h, n, residual in [(2, 2, 3, 0.3), (3, 1, 4, 0.5), (2, 3, 3, 0.8), (3, 2, 4, 0.1)]:
        scores = rng.normal(0, 2, (layers, h, n, n))
        if layers == 3:
            scores[..., ~np.tri(n, dtype=bool)] = -np.inf
        trials.append((softmax(scores), residual))
    return trials


def _rolled(
    join=lambda w: w.mean(axis=1),
    layer=lambda A, r: r * np.eye(len(A)) + (1 - r) * A,
    times=lambda A, flow: A @ flow,
    part=slice(None),
):
    """rolled_out with one part exchanged: how heads are joined, what a layer is, how layers are
    multiplied, which are taken.
    """

    def wrong(weights, residual):
        flow = np.eye(weights.shape[-1])
        for A in join(weights)[part]:
            flow = times(layer(A, residual), flow)
        return flow

    return wrong


def _normed(rows):
    return rows / rows.sum(axis=-1, keepdims=True)


flow = Exercise(
    rolled_out,
    title="Roll it out",
    level=2,
    minutes=12,
    inputs=_maps,
    names=("R",),
    mistakes={
        "the layers are multiplied in the wrong order: the last one stands on the left": _rolled(
            times=lambda A, flow: flow @ A
        ),
        "the residual is missing: each token keeps a share of itself": _rolled(
            layer=lambda A, r: A
        ),
        "the shares are the wrong way round: `residual` is what a token keeps of itself": _rolled(
            layer=lambda A, r: (1 - r) * np.eye(len(A)) + r * A
        ),
        "the identity was added without a share: then the rows do not sum to 1": _rolled(
            layer=lambda A, r: A + np.eye(len(A))
        ),
        "residual · I was added to the whole of the weights: they keep only 1 − residual": _rolled(
            layer=lambda A, r: A + r * np.eye(len(A))
        ),
        "the share is always one half: use `residual`": _rolled(
            layer=lambda A, r: (np.eye(len(A)) + A) / 2
        ),
        "the heads were added up, not averaged: then the rows do not sum to 1": _rolled(
            join=lambda w: w.sum(axis=1)
        ),
        "the heads were joined by their maximum: take the mean": [
            _rolled(join=lambda w: w.max(axis=1)),
            _rolled(join=lambda w: _normed(w.max(axis=1))),
        ],
        "only head 0 was used: take the mean of all": _rolled(join=lambda w: w[:, 0]),
        "only the last layer is there: multiply all of them": _rolled(part=slice(-1, None)),
        "the first layer is missing": _rolled(part=slice(1, None)),
        "the last layer is missing": _rolled(part=slice(None, -1)),
        "the layers were multiplied cell by cell: it is a matrix product, @": _rolled(
            times=lambda A, flow: A * flow
        ),
        "the layers were averaged: multiply them": (
            lambda w, r: r * np.eye(w.shape[-1]) + (1 - r) * w.mean(axis=(0, 1))
        ),
        "the residual came in once, at the end: every layer has it": lambda w, r: (
            r * np.eye(w.shape[-1]) + (1 - r) * _rolled(layer=lambda A, _: A)(w, r)
        ),
        "the result is transposed: rows are the queries at the top": (
            lambda w, r: rolled_out(w, r).T
        ),
        "the weights were transposed: their rows are the queries": _rolled(
            join=lambda w: w.mean(axis=1).swapaxes(1, 2)
        ),
    },
    hints=[
        "First the mean over the heads: weights.mean(axis=1) is (layers, n, n).",
        (
            "For each layer: residual * np.eye(n) + (1 - residual) * layer. Start with np.eye(n),"
            " and multiply."
        ),
        (
            "The layer that comes later goes to the left of what you have so far: flow = this_layer"
            " @ flow."
        ),
    ],
)


def moved_by_hiding(weights, values):
    """How far each output moves when a key is hidden before the softmax. (n_q, n_k), (n_k, d)
    -> (n_q, n_k)
    """
    output = weights @ values  # (n_q, d)
    # (n_q, n_k) from the output to each value
    away = np.linalg.norm(values[None] - output[:, None], axis=-1)
    return weights / (1 - weights) * away


def _rows(rng):
    sizes = [(3, 4, 2), (2, 3, 3), (4, 5, 4), (1, 4, 3)]
    return [
        (softmax(rng.normal(0, 1.5, (n_q, n_k))), rng.normal(size=(n_k, d)))
        for n_q, n_k, d in sizes
    ]


def _hidden_by_hand(
    renormalise=True,
    size=lambda moved: np.linalg.norm(moved, axis=-1),
    from_=lambda output: output,
    axis=-1,
):
    """Key by key: its weight becomes 0, and the row is shared out anew."""

    def wrong(weights, values):
        found = np.zeros(weights.shape)
        for j in range(weights.shape[1]):
            left = weights.copy()
            left[:, j] = 0
            if renormalise:
                left /= left.sum(axis=axis, keepdims=True)
            found[:, j] = size(left @ values - from_(weights @ values))
        return found

    return wrong


hidden = Exercise(
    moved_by_hiding,
    title="Hidden, not zeroed",
    level=2,
    minutes=13,
    inputs=_rows,
    names=("distance",),
    mistakes={
        "the weight was set to 0 after the softmax, and its share is lost: a mask before it gives "
        "it to the others": [
            _hidden_by_hand(renormalise=False),
            lambda w, v: w * np.linalg.norm(v, axis=-1),
        ],
        "only the weights came back: how far does the output move?": lambda w, v: w.copy(),
        "the values are missing: these are the odds w / (1 − w)": lambda w, v: w / (1 - w),
        "this is how long the new output is, not how far it has moved": _hidden_by_hand(
            from_=lambda output: 0 * output
        ),
        "the distances are squared: take the root": _hidden_by_hand(
            size=lambda moved: (moved**2).sum(-1)
        ),
        "the sizes of the numbers were added up; a distance is the root of the sum of squares": (
            _hidden_by_hand(size=lambda moved: np.abs(moved).sum(-1))
        ),
        "the factor 1 / (1 − w) is missing: the others grow until they sum to 1 again": (
            lambda w, v: w * np.linalg.norm(v[None] - (w @ v)[:, None], axis=-1)
        ),
        "the length of the value was taken, not its distance from the output": (
            lambda w, v: w / (1 - w) * np.linalg.norm(v, axis=-1)
        ),
        "the weights were shared out along the wrong axis: over the keys of a row, axis=-1": (
            _hidden_by_hand(axis=0)
        ),
        "the rest of the row went through a second softmax: divide it by its sum": (
            lambda w, v: np.stack(
                [
                    np.linalg.norm(
                        softmax(np.where(np.arange(len(v)) == j, -np.inf, w)) @ v - w @ v, axis=-1
                    )
                    for j in range(len(v))
                ],
                axis=1,
            )
        ),
        "this is the distance of each value from the output, without the weight": lambda w, v: (
            np.linalg.norm(v[None] - (w @ v)[:, None], axis=-1)
        ),
    },
    hints=[
        (
            "Without key j the softmax has the same exponentials above, and a smaller sum below:"
            " each other weight is divided by 1 − w_j."
        ),
        "So the new output is (output − w_j v_j) / (1 − w_j). A loop over the keys is fine.",
        (
            "The difference to the old output is w_j / (1 − w_j) · (output − v_j): its length is w"
            " / (1 − w) times a distance."
        ),
    ],
)
