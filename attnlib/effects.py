"""What a heatmap leaves out: what each weight brings, and what happens without it.

from arrays   value_norms, rollout, redrawn, rank_correlation, divergence
on a model    edited, silenced, replaced: run it with an attention layer changed; edits add up, and
              afterwards it is as it was
              head_means, head_effects: what each head says, and what happens without it
              hide_each, swap_each: what happens without each token
"""

from contextlib import contextmanager
from typing import NamedTuple

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

    Edits of one layer add up, whichever `with` stands outside: a map that is `replaced` comes
    first, then a head that is `silenced` loses its values, and an edit is given what is left. What
    contradicts itself is refused: another map or another number for the same head when the `with`
    begins, two edits that change the same head when the model runs.

    No parameter is touched. Afterwards the layer is as it was, whatever was raised in between.
    """
    edits = _edits_of(attention)  # those that are open, and this one as soon as it fits them
    edits.check(edit)
    this = object()
    try:
        edits.open[this] = edit
        attention.steps = edits  # the layer's own steps, and behind them all edits that are open
        yield
    finally:
        edits.open.pop(this, None)
        if not edits.open:
            edits.leave()


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
    rows = np.broadcast_to(to, (attention.n_heads, d_head)).copy()
    return edited(attention, _Silence({head: rows[head] for head in heads}))


def replaced(attention, head, weights):
    """with replaced(layer, 1, weights): head 1 looks as these weights say; see `edited`.

    weights   (n_q, n_k) in the place of the whole map, or (n_k,) in the place of its last row. No
              mask counts there: a token that is hidden is looked at all the same
    """
    _check_attention(attention)
    head = _check.integer("head", head, 0, attention.n_heads - 1)
    weights = _check.finite("weights", _check.floats("weights", weights, "n_k"))
    if weights.ndim > 2:
        raise ValueError(f"weights must have the shape (n_q, n_k) or (n_k,), got {weights.shape}")
    return edited(attention, _Map(head, weights.copy()))


def head_means(attention, run):
    """What each head hands on, on average over all tokens that look while run() runs the model: (h,
    d_head)

    Under edits of the layer that are open, the means are those of what it hands on then.
    """
    seen = []
    with edited(attention, _Watch(seen)):
        run()
    if not seen:
        raise ValueError("run must run the model that this attention layer is in, and did not")
    rows = np.concatenate([mixed.reshape(-1, len(attention.W_o)) for mixed in seen])
    means = rows[0] + (rows - rows[0]).mean(axis=0)  # exact where all are alike. (h·d_head,)
    return means.reshape(attention.n_heads, -1)


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


class _Silence(NamedTuple):
    """What `silenced` asks for."""

    rows: dict  # head -> (d_head,) what it hands on instead


class _Map(NamedTuple):
    """What `replaced` asks for."""

    head: int
    weights: np.ndarray  # (n_q, n_k), or (n_k,) for the last row

    def put_into(self, weights):
        """Write it over the head's own weights. (..., h, n_q, n_k)"""
        place = weights[..., self.head, :, :]
        place = place if self.weights.ndim == 2 else place[..., -1, :]
        if place.shape[-self.weights.ndim :] != self.weights.shape:
            raise ValueError(
                f"weights must have the shape {place.shape[-self.weights.ndim :]} here, got"
                f" {self.weights.shape}"
            )
        place[...] = self.weights


class _Watch(NamedTuple):
    """Changes nothing; collects what the heads hand on."""

    seen: list  # (..., n_q, h·d_head) each


class _Edits:
    """The edits of one attention layer that are open; it stands before the layer's own steps."""

    def __init__(self, attention):
        self.attention, self.before = attention, vars(attention).get("steps")
        self.own, self.open = attention.steps, {}  # a key of its own for each `with` -> edit

    def leave(self):
        """The layer's attributes as they were."""
        if vars(self.attention).get("steps") is self:
            del self.attention.steps
            if self.before is not None:
                self.attention.steps = self.before

    def __reduce_ex__(self, protocol):
        """A copy would run the parameters of the original: TypeError, for copy and for pickle."""
        named = _named(self.attention)
        raise TypeError(f"{named} is edited here: copy or save it before the `with`, or behind it")

    def of(self, kind):
        """The open edits of one kind."""
        return [edit for edit in self.open.values() if isinstance(edit, kind)]

    def check(self, new):
        """TypeError where it is no edit, ValueError where it contradicts one that is open."""
        if not callable(new) and not isinstance(new, (_Silence, _Map, _Watch)):
            wanted = "a function (weights, values) -> what the heads hand on"
            raise TypeError(f"edit must be {wanted}, got {type(new).__name__}")
        if isinstance(new, _Silence):
            held = self.silent()
            for head in new.rows.keys() & held.keys():
                if not np.allclose(new.rows[head], held[head], rtol=1e-6, atol=0):
                    fix = "end that `with` first, or give both the same `to`"
                    self.refuse(head, "is silenced already, to other numbers", fix)
        if isinstance(new, _Map):
            for old in self.of(_Map):
                if new.head == old.head and not np.array_equal(new.weights, old.weights):
                    fix = "end that `with` first, or put both into one map"
                    self.refuse(new.head, "is replaced already, by other weights", fix)

    def refuse(self, head, why, fix):
        """ValueError: which head of which layer, why not, and what to do."""
        raise ValueError(f"head {head} of {_named(self.attention)} {why}: {fix}")

    def silent(self):
        """The silenced heads: head -> (d_head,) what each hands on."""
        return {head: row for edit in self.of(_Silence) for head, row in edit.rows.items()}

    def __call__(self, *given, **options):
        """The layer's steps, with what the heads hand on under all edits."""
        done, layer = self.own(*given, **options), self.attention
        if not self.open:
            return done
        values = np.repeat(done.v, layer.n_heads // layer.n_kv_heads, axis=-3)
        mixed = self.handed_on(done.weights.copy(), values)  # (..., h, n_q, d_head)
        joined = merge_heads(mixed).astype(done.joined.dtype, copy=False)
        for watch in self.of(_Watch):
            watch.seen.append(joined)
        output = joined @ layer.W_o + layer.b_o
        if hasattr(layer, "norm_behind"):  # as in Gemma 2
            output = layer.norm_behind(output)
        return done._replace(joined=joined, output=output.astype(done.output.dtype, copy=False))

    def handed_on(self, weights, values):
        """Look (replaced), bring (silenced), hand on (edited): (..., h, n_q, d_head)."""
        for one in self.of(_Map):
            one.put_into(weights)
        silent = self.silent()
        for head in silent:
            values[..., head, :, :] = 0
        mixed = self.changed(weights, values)
        for head, row in silent.items():
            mixed[..., head, :, :] += row.astype(mixed.dtype)
        return mixed

    def changed(self, weights, values):
        """weights @ values, with each head as the one edit that changes it hands it on."""
        mixed = weights @ values  # (..., h, n_q, d_head)
        edits = [edit for edit in self.open.values() if callable(edit)]
        results = [self.result(edit, weights, values, mixed) for edit in edits]
        if len(results) < 2:
            return (results or [mixed])[0]
        # (edits, h): how far each edit moves each head, and what may be rounding
        far = np.array([_largest(one - mixed) for one in results])
        rounding = 100 * np.finfo(mixed.dtype).eps * _largest(np.abs(weights) @ np.abs(values))
        for head in np.flatnonzero((~(far <= rounding)).sum(axis=0) > 1):
            why = "is changed by two edits at once, and neither sees what the other does"
            self.refuse(head, why, "do both in one edit, or end the first `with` before the second")
        for head, which in enumerate(far.argmax(axis=0)):
            mixed[..., head, :, :] = results[which][..., head, :, :]
        return mixed

    def result(self, edit, weights, values, mixed):
        """What one edit hands on; it is given copies, to do with as it likes."""
        found = np.asarray(edit(weights.copy(), values.copy()))
        if found.shape != mixed.shape:
            wanted = f"(..., h, n_q, d_head), here {mixed.shape}"
            raise ValueError(f"edit must return an array of the shape {wanted}, got {found.shape}")
        return found.astype(mixed.dtype)


def _edits_of(attention):
    """What stands before the layer's own steps: what is there already, or a new one."""
    _check_attention(attention)
    held = vars(attention).get("steps")
    return held if isinstance(held, _Edits) else _Edits(attention)


def _named(attention):
    """A layer in words: which kind, and its size."""
    width, n_heads = attention.W_o.shape[1], attention.n_heads
    return f"this {type(attention).__name__} (d_model {width}, {n_heads} heads)"


def _largest(mixed):
    """The largest number of each head, whatever its sign: (..., h, n_q, d_head) -> (h,)"""
    return np.abs(mixed).max(axis=(-2, -1)).reshape(-1, mixed.shape[-3]).max(axis=0)


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
