"""What a heatmap leaves out: what each weight brings, and what happens without it.

from arrays   value_norms, rollout, redrawn, rank_correlation, divergence
on a model    edited, silenced, replaced: run it with an attention layer changed; afterwards it is
              as it was
              head_means, head_effects: what each head says, and what happens without it
              hide_each, swap_each: what happens without each token
"""

from contextlib import contextmanager

import numpy as np

from attnlib import _check
from attnlib.attention import log_softmax, merge_heads
from attnlib.heads import MultiHead


def value_norms(weights, values, W_o):
    """How long the vector is that each key brings to each query: ‖w · v W_o‖, w its weight.

    weights  (..., h, n_q, n_k)
    values   (..., h, n_k, d_head), or with fewer kv heads as in `attention_scores`
    W_o      (h·d_head, d_model): rows i·d_head … of it belong to head i
    returns  (..., h, n_q, n_k), not below 0. A row does not sum to 1, nor to the length of the
             output: vectors that point apart cancel.

    Kobayashi et al. 2020, "Attention is Not Only a Weight": ‖α f(x)‖.
    """
    weights = _check.floats("weights", weights, "h n_q n_k")
    values, W_o = (
        _check.floats("values", values, "h n_k d_head"),
        _check.floats("W_o", W_o, "h·d_head d_model"),
    )
    n_heads, d_head = weights.shape[-3], values.shape[-1]
    found = f"got weights {weights.shape}, values {values.shape}, W_o {W_o.shape}"
    if values.shape[-2] != weights.shape[-1] or n_heads % values.shape[-3]:
        raise ValueError(
            f"values must have a row for each key, and heads that fit those of weights, {found}"
        )
    if W_o.ndim != 2 or len(W_o) != n_heads * d_head:
        raise ValueError(
            f"W_o must have the shape (h·d_head, d_model) with {n_heads}·{d_head} rows, {found}"
        )
    values = np.repeat(values, n_heads // values.shape[-3], axis=-3)
    brought = values @ W_o.reshape(n_heads, d_head, -1)  # (..., h, n_k, d_model)
    return weights * np.linalg.norm(brought, axis=-1)[..., None, :]


def rollout(weights, *, residual=0.5):
    """How much of each input token is in each token at the end, if weights were all that counts.

    In every layer a token keeps the share `residual` of itself and takes the rest from where it
    looks, on average over the heads; the layers are multiplied, the last one on the left.

    weights   (layers, h, n, n), of the first layer first
    residual  0 to 1; 1/2 in the paper
    returns   (n, n), whose rows sum to 1 where those of the weights do

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers": attention rollout.
    """
    weights = _check.floats("weights", weights, "layers h n n")
    if weights.ndim != 4 or weights.shape[-1] != weights.shape[-2] or 0 in weights.shape:
        raise ValueError(f"weights must have the shape (layers, h, n, n), got {weights.shape}")
    if not 0 <= _check.number("residual", residual) <= 1:
        raise ValueError(f"residual must be a share, 0 to 1, got {residual!r}")
    itself = np.eye(weights.shape[-1], dtype=weights.dtype)  # (n, n)
    flow = itself
    for layer in weights.mean(axis=1):  # (n, n)
        flow = (residual * itself + (1 - residual) * layer) @ flow
    return flow


def redrawn(weights, values, wish):
    """Another row of weights with the same output, as near to a wish as a simple walk comes.

    The walk starts at the true row and heads for the wish, only in directions that change neither
    the output nor the sum. Where a weight reaches 0, it stays there and the others go on. There may
    be rows still nearer to the wish; this one is right, and different.

    weights  (n_k,) not below 0        values (n_k, d)        wish (n_k,) any numbers
    returns  (n_k,) in float64, not below 0, with the sum and the output of the true row

    Brunner et al. 2020, "On Identifiability in Transformers": with n_k > d there is room.
    """
    weights, values, wish = _row_of_weights(weights, values, wish)
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


def rank_correlation(a, b):
    """Spearman's rank correlation: 1 for the same order, -1 for the opposite one, NaN where one has
    no order.

    a, b   (n,) each; equal numbers share their mean rank

    Spearman 1904, "The Proof and Measurement of Association between Two Things".
    """
    a, b = (_check.finite(name, _check.floats(name, x, "n")) for name, x in (("a", a), ("b", b)))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape (n,), got {a.shape} and {b.shape}")
    # mean 0
    ranks = [(np.less.outer(x, x).sum(0) - np.greater.outer(x, x).sum(0)) / 2.0 for x in (a, b)]
    lengths = [np.sqrt(r @ r) for r in ranks]
    return float(ranks[0] @ ranks[1] / (lengths[0] * lengths[1])) if all(lengths) else float("nan")


def divergence(logits, others):
    """How far the shares behind `others` are from those behind `logits`: Kullback-Leibler, in nats.

    logits, others   (..., vocabulary) each, broadcast against each other
    returns          (...), 0 for the same shares
    """
    before, after = log_softmax(np.asarray(logits)), log_softmax(np.asarray(others))
    return (np.exp(before) * (before - after)).sum(axis=-1)


# ---- on a model --------------------------------------------------------------------------


@contextmanager
def edited(attention, edit):
    """with edited(layer, edit): whoever runs the model meets this layer changed.

    attention  a `SelfAttention` or `CrossAttention` in the model
    edit       edit(weights (..., h, n_q, n_k), values (..., h, n_k, d_head)) -> what the heads hand
               on to W_o, (..., h, n_q, d_head). weights @ values is what they do by themselves.
               The weights that the model reports stay the true ones.

    No parameter is touched. Afterwards the layer is as it was, whatever was raised in between.
    """
    _check_attention(attention)
    before, original = vars(attention).get("steps"), attention.steps

    def steps(*given, **options):
        done = original(*given, **options)
        values = np.repeat(done.v, attention.n_heads // attention.n_kv_heads, axis=-3)
        mixed = np.asarray(edit(done.weights, values))
        if mixed.shape != (*done.weights.shape[:-1], values.shape[-1]):
            wanted = f"(..., h, n_q, d_head), here {(*done.weights.shape[:-1], values.shape[-1])}"
            raise ValueError(f"edit must return an array of the shape {wanted}, got {mixed.shape}")
        joined = merge_heads(mixed).astype(done.joined.dtype, copy=False)
        output = (joined @ attention.W_o + attention.b_o).astype(done.output.dtype, copy=False)
        return done._replace(joined=joined, output=output)

    attention.steps = steps
    try:
        yield
    finally:
        del attention.steps
        if before is not None:  # edited from outside, too
            attention.steps = before


def silenced(attention, *heads, to=0.0):
    """with silenced(layer, 1): head 1 of this layer says nothing; see `edited`.

    heads   numbers of heads
    to      what they hand on instead: 0 (zero ablation), or an array (h, d_head) with a row for
            each head, say the `head_means` (mean ablation)
    """
    _check_attention(attention)
    heads = [_check.integer("heads", head, 0, attention.n_heads - 1) for head in heads]
    to = _check.finite("to", _check.floats("to", to, ""))
    d_head = len(attention.W_o) // attention.n_heads
    if to.shape not in ((), (attention.n_heads, d_head)):
        raise ValueError(
            "to must be a number or have the shape (h, d_head), here"
            f" {(attention.n_heads, d_head)}, got {to.shape}"
        )
    instead = np.broadcast_to(to, (attention.n_heads, d_head))

    def edit(weights, values):
        mixed = weights @ values  # (..., h, n_q, d_head)
        mixed[..., heads, :, :] = instead[heads, None, :]
        return mixed

    return edited(attention, edit)


def replaced(attention, head, weights):
    """with replaced(layer, 1, weights): head 1 looks as these weights say; see `edited`.

    weights   (n_q, n_k) in the place of the whole map, or (n_k,) in the place of its last row
    """
    _check_attention(attention)
    head = _check.integer("head", head, 0, attention.n_heads - 1)
    weights = _check.finite("weights", _check.floats("weights", weights, "n_k"))
    if weights.ndim > 2:
        raise ValueError(f"weights must have the shape (n_q, n_k) or (n_k,), got {weights.shape}")

    def edit(own, values):
        own = own.copy()  # (..., h, n_q, n_k)
        place = own[..., head, :, :] if weights.ndim == 2 else own[..., head, -1, :]
        if place.shape[-weights.ndim :] != weights.shape:
            raise ValueError(
                f"weights must have the shape {place.shape[-weights.ndim :]} here, got"
                f" {weights.shape}"
            )
        place[...] = weights
        return own @ values

    return edited(attention, edit)


def head_means(attention, run):
    """What each head hands on, on average over all tokens that look while run() runs the model: (h,
    d_head)
    """
    seen = []

    def watch(weights, values):
        seen.append(weights @ values)
        return seen[-1]

    with edited(attention, watch):
        run()
    if not seen:
        raise ValueError("run must run the model that this attention layer is in, and did not")
    # (tokens, h·d_head) each
    rows = [merge_heads(mixed).reshape(-1, len(attention.W_o)) for mixed in seen]
    return np.concatenate(rows).mean(axis=0).reshape(attention.n_heads, -1)


def head_effects(layers, measure, *, mean=False):
    """How much measure() changes when one head after the other is silenced: (layers, h)

    layers    attention layers with the same number of heads
    measure   a function without arguments that runs their model and returns a number, say its loss
    mean      put the head's mean over all tokens of measure() in its place, else zeros

    Michel et al. 2019, "Are Sixteen Heads Really Better than One?", ablates one head at a time.
    """
    before, changes = measure(), []
    for attention in layers:
        to = head_means(attention, measure) if mean else 0.0
        for head in range(attention.n_heads):
            with silenced(attention, head, to=to):
                changes.append(measure() - before)
    return np.array(changes).reshape(len(layers), -1)


def hide_each(model, ids):
    """What the last prediction loses when a token is hidden from all others, for each token. (n,)
    -> (n,)

    model   with logits(ids, mask=...), as `GPT`
    A mask hides it, so that the other weights are shared out anew. In nats, see `divergence`; 0 for
    the last token, which cannot be hidden from itself.
    """
    itself = np.eye(len(ids), dtype=bool)
    hidden = [model.logits(ids, mask=itself | ~gone)[-1] for gone in itself]
    return divergence(model.logits(ids)[-1], np.array(hidden))


def swap_each(model, ids, candidates):
    """What the last prediction loses when another token stands in its place, for each token. (n,)
    -> (n,)

    candidates   (m,) ids that are put there, one after the other; the effects are averaged
    In nats, see `divergence`.
    """
    ids, candidates = np.asarray(ids), np.asarray(candidates)
    batch = np.repeat(ids[None], len(ids) * len(candidates), axis=0).reshape(
        len(ids), len(candidates), -1
    )
    for place, one in enumerate(batch):  # (m, n)
        one[:, place] = candidates
    after = model.logits(batch.reshape(-1, len(ids)))[:, -1].reshape(len(ids), len(candidates), -1)
    return divergence(model.logits(ids)[-1], after).mean(axis=1)


def _check_attention(attention):
    """TypeError unless it is one of the two attention layers."""
    if not isinstance(attention, MultiHead):
        wanted = "a SelfAttention or CrossAttention, as model.blocks[0].attention"
        raise TypeError(f"attention must be {wanted}, got {type(attention).__name__}")


def _row_of_weights(weights, values, wish):
    """One row of weights, its values, and a wish, as float64 arrays that fit each other."""
    weights = _check.finite("weights", _check.floats("weights", weights, "n_k")).astype(float)
    values = _check.finite("values", _check.floats("values", values, "n_k d")).astype(float)
    wish = _check.finite("wish", _check.floats("wish", wish, "n_k")).astype(float)
    if (
        weights.ndim != 1
        or values.ndim != 2
        or weights.shape != wish.shape
        or len(values) != len(weights)
    ):
        shapes = f"got {weights.shape}, {values.shape} and {wish.shape}"
        raise ValueError(
            f"weights, values and wish must have the shapes (n_k,), (n_k, d) and (n_k,), {shapes}"
        )
    if (weights < 0).any():
        raise ValueError(f"weights must not be below 0, got {weights.min():.3g}")
    return weights, values, wish
