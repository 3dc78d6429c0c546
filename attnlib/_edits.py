"""The edits of an attention layer that are open at the same time: `effects.edited` and its kin."""

from typing import NamedTuple

import numpy as np

from attnlib import _check
from attnlib.attention import merge_heads
from attnlib.heads import MultiHead


class Silence(NamedTuple):
    """What `silenced` asks for."""

    rows: dict  # head -> (d_head,) what it hands on instead


class Map(NamedTuple):
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


class Watch(NamedTuple):
    """Changes nothing; collects what the heads hand on."""

    seen: list  # (..., n_q, h·d_head) each


class Edits:
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
        name = named(self.attention)
        raise TypeError(f"{name} is edited here: copy or save it before the `with`, or behind it")

    def of(self, kind):
        """The open edits of one kind."""
        return [edit for edit in self.open.values() if isinstance(edit, kind)]

    def check(self, new):
        """TypeError where it is no edit, ValueError where it contradicts one that is open."""
        if not callable(new) and not isinstance(new, (Silence, Map, Watch)):
            wanted = "a function (weights, values) -> what the heads hand on"
            raise TypeError(f"edit must be {wanted}, got {type(new).__name__}")
        if isinstance(new, Silence):
            held = self.silent()
            for head in new.rows.keys() & held.keys():
                if not np.allclose(new.rows[head], held[head], rtol=1e-6, atol=0):
                    fix = "end that `with` first, or give both the same `to`"
                    self.refuse(head, "is silenced already, to other numbers", fix)
        if isinstance(new, Map):
            for old in self.of(Map):
                if new.head == old.head and not np.array_equal(new.weights, old.weights):
                    fix = "end that `with` first, or put both into one map"
                    self.refuse(new.head, "is replaced already, by other weights", fix)

    def refuse(self, head, why, fix):
        """ValueError: which head of which layer, why not, and what to do."""
        raise ValueError(f"head {head} of {named(self.attention)} {why}: {fix}")

    def silent(self):
        """The silenced heads: head -> (d_head,) what each hands on."""
        return {head: row for edit in self.of(Silence) for head, row in edit.rows.items()}

    def __call__(self, *given, **options):
        """The layer's steps, with what the heads hand on under all edits."""
        done, layer = self.own(*given, **options), self.attention
        if not self.open:
            return done
        values = np.repeat(done.v, layer.n_heads // layer.n_kv_heads, axis=-3)
        mixed = self.handed_on(done.weights.copy(), values)  # (..., h, n_q, d_head)
        joined = merge_heads(mixed).astype(done.joined.dtype, copy=False)
        for watch in self.of(Watch):
            watch.seen.append(joined)
        output = joined @ layer.W_o + layer.b_o
        if hasattr(layer, "norm_behind"):  # as in Gemma 2
            output = layer.norm_behind(output)
        return done._replace(joined=joined, output=output.astype(done.output.dtype, copy=False))

    def handed_on(self, weights, values):
        """Look (replaced), bring (silenced), hand on (edited): (..., h, n_q, d_head)."""
        for one in self.of(Map):
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
        moves = np.array([one - mixed for one in results])  # (edits, ..., h, n_q, d_head)
        far = np.array([largest(move) for move in moves])  # (edits, h)
        rounding = 100 * np.finfo(mixed.dtype).eps * largest(np.abs(weights) @ np.abs(values))
        for head in np.flatnonzero((~(far <= rounding)).sum(axis=0) > 1):
            why = "is changed by two edits at once, and neither sees what the other does"
            self.refuse(head, why, "do both in one edit, or end the first `with` before the second")
        for head, most in enumerate(far.argmax(axis=0)):
            others = np.delete(moves[..., head, :, :], most, axis=0).sum(axis=0)
            mixed[..., head, :, :] = results[most][..., head, :, :] + others  # rounding, or small
        return mixed

    def result(self, edit, weights, values, mixed):
        """What one edit hands on; it is given copies, to do with as it likes."""
        found = np.asarray(edit(weights.copy(), values.copy()))
        if found.shape != mixed.shape:
            wanted = f"(..., h, n_q, d_head), here {mixed.shape}"
            raise ValueError(f"edit must return an array of the shape {wanted}, got {found.shape}")
        return found.astype(mixed.dtype)


def edits_of(attention, edit):
    """What stands before the layer's own steps, there already or new; `edit` fits what is open."""
    check_attention(attention)
    held = vars(attention).get("steps")
    edits = held if isinstance(held, Edits) else Edits(attention)
    edits.check(edit)
    return edits


def silence(attention, heads, to):
    """Heads of the layer that hand on `to`: a number, or an array (h, d_head)."""
    check_attention(attention)
    heads = [_check.integer("heads", head, 0, attention.n_heads - 1) for head in heads]
    to = _check.finite("to", _check.floats("to", to, ""))
    shape = (attention.n_heads, len(attention.W_o) // attention.n_heads)
    if to.shape not in ((), shape):
        wanted = f"be a number or have the shape (h, d_head), here {shape}"
        raise ValueError(f"to must {wanted}, got {to.shape}")
    rows = np.broadcast_to(to, shape).copy()
    return Silence({head: rows[head] for head in heads})


def watch(seen, run):
    """What collects in `seen` what the heads hand on while run() runs."""
    _check.function("run", run, "a function without arguments that runs the model")
    return Watch(seen)


def map_of(attention, head, weights):
    """A head of the layer that looks as these weights say, (n_q, n_k) or (n_k,)."""
    check_attention(attention)
    head = _check.integer("head", head, 0, attention.n_heads - 1)
    weights = _check.finite("weights", _check.floats("weights", weights, "n_k"))
    if weights.ndim > 2:
        raise ValueError(f"weights must have the shape (n_q, n_k) or (n_k,), got {weights.shape}")
    return Map(head, weights.copy())


def named(attention):
    """A layer in words: which kind, and its size."""
    width, n_heads = attention.W_o.shape[1], attention.n_heads
    return f"this {type(attention).__name__} (d_model {width}, {n_heads} heads)"


def largest(mixed):
    """The largest number of each head, whatever its sign: (..., h, n_q, d_head) -> (h,)"""
    return np.abs(mixed).max(axis=(-2, -1)).reshape(-1, mixed.shape[-3]).max(axis=0)


def check_attention(attention):
    """TypeError unless it is one of the two attention layers."""
    if not isinstance(attention, MultiHead):
        wanted = "a SelfAttention or CrossAttention, as model.blocks[0].attention"
        raise TypeError(f"attention must be {wanted}, got {type(attention).__name__}")
