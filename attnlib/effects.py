"""What a heatmap leaves out: what each weight brings, and what happens without it.

from arrays   value_norms, rollout, redrawn, rank_correlation, divergence
on a model    edited, silenced, replaced: run it with an attention layer changed; edits add up, and
              afterwards it is as it was
              head_means, head_effects: what each head says, and what happens without it
              hide_each, swap_each: what happens without each token
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
from numpy.typing import NDArray

from attnlib import _edits, _guard
from attnlib.attention import log_softmax


def value_norms(weights, values, W_o) -> NDArray:
    """How long the vector is that each key brings to each query: ‖w · v W_o‖, w its weight.

    weights  (..., h, n_q, n_k)
    values   (..., h, n_k, d_head), or with fewer kv heads as in `attention_scores`
    W_o      (h·d_head, d_model): rows i·d_head … of it belong to head i
    returns  (..., h, n_q, n_k), not below 0. A row does not sum to 1, nor to the length of the
             output: vectors that point apart cancel.

    Kobayashi et al. 2020, "Attention is Not Only a Weight": ‖α f(x)‖.
    """
    weights, values, W_o = _guard.value_norms(weights, values, W_o)
    n_heads, d_head = weights.shape[-3], values.shape[-1]
    values = np.repeat(values, n_heads // values.shape[-3], axis=-3)
    brought = values @ W_o.reshape(n_heads, d_head, -1)  # (..., h, n_k, d_model)
    return weights * np.linalg.norm(brought, axis=-1)[..., None, :]


def rollout(weights, *, residual=0.5) -> NDArray:
    """How much of each input token is in each token at the end, if weights were all that counts.

    In every layer a token keeps the share `residual` of itself and takes the rest from where it
    looks, on average over the heads; the layers are multiplied, the last one on the left.

    weights   (layers, h, n, n), of the first layer first, or what a model returned for one text
    residual  0 to 1; 1/2 in the paper
    returns   (n, n), whose rows sum to 1 where those of the weights do

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers": attention rollout.
    """
    weights = _guard.rollout(weights, residual)
    itself = np.eye(weights.shape[-1], dtype=weights.dtype)  # (n, n)
    flow = itself
    for layer in weights.mean(axis=1):  # (n, n)
        flow = (residual * itself + (1 - residual) * layer) @ flow
    return flow


def redrawn(weights, values, wish) -> NDArray:
    """Another row of weights with the same output, as near to a wish as a simple walk comes.

    The walk starts at the true row and heads for the wish, only in directions that change neither
    the output nor the sum. Where a weight reaches 0, it stays there and the others go on. There may
    be rows still nearer to the wish; this one is right, and different.

    weights  (n_k,) not below 0        values (n_k, d)        wish (n_k,) any numbers
    returns  (n_k,) in float64, not below 0, with the sum and the output of the true row

    Brunner et al. 2020, "On Identifiability in Transformers": with n_k > d there is room.
    """
    weights, values, wish = _guard.redrawn(weights, values, wish)
    row, free = weights.copy(), np.ones(len(weights), bool)
    kept = np.vstack([values.T, np.ones(len(row))])  # (d + 1, n_k) output, sum
    while free.any():
        step = (wish - row)[free]
        step -= np.linalg.pinv(kept[:, free]) @ (kept[:, free] @ step)
        if np.abs(step).max() < 1e-9:  # no way is left
            break
        room = np.full(len(step), np.inf)  # until a weight is 0
        np.divide(-row[free], step, out=room, where=step < 0)
        row[free] = np.maximum(row[free] + min(1, room.min()) * step, 0)
        if room.min() >= 1:  # nothing was in the way
            break
        free[np.flatnonzero(free)[room.argmin()]] = False
    return row


def rank_correlation(a, b) -> float:
    """Spearman's rank correlation: 1 for the same order, -1 for the opposite one.

    a, b     (n,) each; equal numbers share their mean rank
    returns  -1 to 1; NaN where a or b has no order

    Spearman 1904, "The Proof and Measurement of Association between Two Things".
    """
    a, b = _guard.rank_correlation(a, b)
    ranks = [(np.less.outer(x, x).sum(0) - np.greater.outer(x, x).sum(0)) / 2 for x in (a, b)]
    lengths = [np.sqrt(r @ r) for r in ranks]
    return float(ranks[0] @ ranks[1] / (lengths[0] * lengths[1])) if all(lengths) else float("nan")


def divergence(logits, others) -> NDArray:
    """How far the shares behind `others` are from those behind `logits`: Kullback-Leibler, in nats.

    logits, others   (..., vocabulary) each, broadcast against each other
    returns          (...), 0 for the same shares
    """
    logits, others = _guard.divergence(logits, others)
    before, after = log_softmax(logits), log_softmax(others)
    return (np.exp(before) * (before - after)).sum(axis=-1)


# ---- on a model --------------------------------------------------------------------------


@contextmanager
def edited(attention, edit) -> Iterator[None]:
    """with edited(layer, edit): whoever runs the model meets this layer changed.

    attention  a `SelfAttention` or `CrossAttention` in the model
    edit       edit(weights (..., h, n_q, n_k), values (..., h, n_k, d_head)) -> what the heads hand
               on to W_o, (..., h, n_q, d_head). weights @ values is what they do by themselves.
               The weights that the model reports stay the true ones.

    Edits of one layer add up, whichever `with` stands outside: a map that is `replaced` comes
    first, then a head that is `silenced` loses its values, and an edit is given what is left (so it
    may let that head speak again). What contradicts itself is refused: another map or another
    number for the same head when the `with` begins, two edits that change the same head when the
    model runs.

    No parameter is touched. Afterwards the layer is as it was, whatever was raised in between.
    """
    edits = _edits.edits_of(attention, edit)  # those that are open; this one fits them
    this = object()
    try:
        edits.open[this] = edit
        attention.steps = edits  # the layer's own steps, and behind them all edits that are open
        yield
    finally:
        edits.open.pop(this, None)
        if not edits.open:
            edits.leave()


def silenced(attention, *heads, to=0.0) -> AbstractContextManager:
    """with silenced(layer, 1): head 1 of this layer says nothing; see `edited`.

    heads   numbers of heads
    to      what they hand on instead: 0 (zero ablation), or an array (h, d_head) with a row for
            each head, say the `head_means` (mean ablation)
    """
    return edited(attention, _edits.silence(attention, heads, to))


def replaced(attention, head, weights) -> AbstractContextManager:
    """with replaced(layer, 1, weights): head 1 looks as these weights say; see `edited`.

    weights   (n_q, n_k) in the place of the whole map, or (n_k,) in the place of its last row. No
              mask counts there: a token that is hidden is looked at all the same
    """
    return edited(attention, _edits.map_of(attention, head, weights))


def head_means(attention, run) -> NDArray:
    """What each head hands on, on average over all tokens that look. (h, d_head)

    run      a function without arguments that runs the model

    Under edits of the layer that are open, the means are those of what it hands on then.
    """
    seen = []
    with edited(attention, _edits.watch(seen, run)):
        run()
    if not seen:
        raise ValueError("run must run the model that this attention layer is in, and did not")
    rows = np.concatenate([mixed.reshape(-1, len(attention.W_o)) for mixed in seen])
    means = rows[0] + (rows - rows[0]).mean(axis=0)  # exact where all are alike. (h·d_head,)
    return means.reshape(attention.n_heads, -1)


def head_effects(layers, measure, *, mean=False) -> NDArray:
    """How much measure() changes when one head after the other is silenced: (layers, h)

    layers    attention layers with the same number of heads
    measure   a function without arguments that runs their model and returns a number, say its loss
    mean      put the head's mean over all tokens of measure() in its place, else zeros

    Michel et al. 2019, "Are Sixteen Heads Really Better than One?", ablates one head at a time.
    """
    layers = _guard.head_effects(layers, measure, mean)
    before, changes = measure(), []
    for attention in layers:
        to = head_means(attention, measure) if mean else 0.0
        for head in range(attention.n_heads):
            with silenced(attention, head, to=to):
                changes.append(measure() - before)
    return np.array(changes).reshape(len(layers), -1)


def hide_each(model, ids) -> NDArray:
    """What the last prediction loses when a token is hidden from all others: (n,), one for each.

    model   with logits(ids, mask=...), as `GPT`
    ids     (n,)
    A mask hides it, so that the other weights are shared out anew. In nats, see `divergence`; 0 for
    the last token, which cannot be hidden from itself.
    """
    ids = _guard.one_text(model, ids)
    itself = np.eye(len(ids), dtype=bool)
    hidden = [model.logits(ids, mask=itself | ~gone)[-1] for gone in itself]
    return divergence(model.logits(ids)[-1], np.array(hidden))


def swap_each(model, ids, candidates) -> NDArray:
    """What the last prediction loses when another token stands in a token's place: (n,), one each.

    ids          (n,)
    candidates   (m,) ids that are put there, one after the other; the effects are averaged
    In nats, see `divergence`.
    """
    ids, candidates = _guard.swap_each(model, ids, candidates)
    batch = np.repeat(ids[None], len(ids) * len(candidates), axis=0).reshape(
        len(ids), len(candidates), -1
    )
    for place, one in enumerate(batch):  # (m, n)
        one[:, place] = candidates
    after = model.logits(batch.reshape(-1, len(ids)))[:, -1].reshape(len(ids), len(candidates), -1)
    return divergence(model.logits(ids)[-1], after).mean(axis=1)
