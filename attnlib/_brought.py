"""What a model returned, as the attention weights of one text: a tuple of layers, the steps of
generate(), an output that holds them.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from attnlib import _arrays, _check

# the names under which a model's output holds weights
HELD = (
    "attentions",
    "encoder_attentions",
    "decoder_attentions",
    "cross_attentions",
    "weights",
    "decoder_weights",
    "cross_weights",
    "attention_weights",
    "attn_weights",
    "pattern",
)
PATTERN = re.compile(r"(?:.*\.)?(\d+)\..*pattern")  # blocks.0.attn.hook_pattern
EAGER = (
    "this model ran without weights: load it with attn_implementation='eager', and call it with"
    " output_attentions=True"
)


LARGE = 16_000_000  # numbers: of more, no second copy is made before somebody asks for it


class Layers:
    """Arrays of one shape as one array with an axis in front, read one at a time: no copy of them
    is made. NumPy, which wants them together, gets them stacked.
    """

    def __init__(self, layers):
        self.layers = layers
        self.shape = (len(layers), *layers[0].shape)
        self.ndim, self.size = len(self.shape), int(np.prod(self.shape))

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, at):
        if at is None:
            return Layers([self])
        first, *rest = at if isinstance(at, tuple) else (at,)
        if isinstance(first, slice):
            return Layers([layer[tuple(rest)] for layer in self.layers[first]])
        return self.layers[first][tuple(rest)] if rest else self.layers[first]

    def __array__(self, dtype=None, copy=None):
        return np.stack([np.asarray(layer, dtype) for layer in self.layers])


class Brought(NamedTuple):
    """What somebody brought as attention weights."""

    array: np.ndarray  # (..., n_q, n_k), or `Layers` where they are large
    tokens: list  # those of a `Trace`, or None
    joined: bool  # from the steps of generate()
    texts: int  # of the batch that it was taken from
    mask: np.ndarray  # that of a `Trace`, (n_q, n_k) or of as many axes as array; or None


def weights(name, value, axes="n_q n_k"):
    """Attention weights as a float array: an array with all its axes, and what a model returned as
    (layers, h, n_q, n_k).
    """
    if not (isinstance(value, np.ndarray) and value.dtype != object):
        value = brought(name, value, choose=False).array
    return _check.floats(name, value, axes)


def brought(name, value, batch=None, *, choose=True):
    """Attention weights of one text: an array as it is, and what a model returned as
    (layers, h, n_q, n_k): a tuple of layers, the steps of generate(), an output that holds them.

    batch    the text that is meant, where there is more than one
    choose   whether the error may speak of batch=
    """
    value, tokens, mask = _held(name, value)
    if value is None:
        raise TypeError(f"{name} must be numbers, and is None: {EAGER}")
    rows = _arrays.is_a_row_of_arrays(value) or _has_none(value)
    found, joined = _layers(name, list(value)) if rows else (_check.floats(name, value, ""), False)
    one = f"[layer[0] for layer in {name}]" if rows else f"{name}[:, 0]"
    one = f"[[layer[:1] for layer in step] for step in {name}]" if joined else one
    one, texts = _of_one_text(name, found, batch, rows, f"batch=0, or {one}" if choose else one)
    if mask is not None and mask.ndim == 5:  # of a batch, and now of one text
        at = 0 if batch is None else min(batch, mask.shape[1] - 1)
        mask = mask[:, at]
    return Brought(one, tokens, joined, texts, mask)


def _has_none(value):
    return isinstance(value, (list, tuple)) and any(one is None or _has_none(one) for one in value)


def _held(name, value):
    """What an output holds under one of the known names, and the tokens and the mask of a
    `Trace`.
    """
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return value, None, None
    named = hasattr(value, "_fields")
    if not named and not callable(getattr(value, "keys", None)):  # an object with such an attribute
        there = [key for key in HELD if "attentions" in key and hasattr(value, key)]
        found = {key: getattr(value, key) for key in there}
    else:
        found = {key: getattr(value, key) if named else value[key] for key in _arrays.keys(value)}
        there = [key for key in HELD if key in found]
    full = [key for key in there if not _is_none(found[key])]
    if len(full) == 1:
        tokens, mask = (found.get(key) if named else None for key in ("tokens", "mask"))
        return found[full[0]], tokens, mask if full[0] == "weights" else None
    if full:
        dotted = named or hasattr(value, full[0])
        ways = [f"{name}.{key}" if dotted else f"{name}[{key!r}]" for key in full]
        raise TypeError(
            f"{name} must be weights of one kind, got several: give {' or '.join(ways)}"
        )
    if there or hasattr(value, "attentions"):
        raise TypeError(f"{name} must hold weights, and holds none: {EAGER}")
    if layers := _numbered(found):
        return [found[key] for key in layers], None, None
    if found or named or isinstance(value, Mapping):
        raise TypeError(f"{name} must be weights, got a {_arrays.keyed(name, value)}")
    return value, None, None


def _numbered(found):
    """The keys that stand for layers, in order: those of the cache of TransformerLens that hold
    weights, or all, where they differ by a number alone.
    """
    hits = {key: hit[1] for key in found if (hit := PATTERN.fullmatch(str(key)))}
    if not hits and len({re.sub(r"\d+", "", str(key), count=1) for key in found}) == 1:
        hits = {key: hit[0] for key in found if (hit := re.search(r"\d+", str(key)))}
    return (
        sorted(hits, key=lambda key: int(hits[key])) if len(set(hits.values())) == len(hits) else []
    )


def _layers(name, rows):
    """A row of layers, or of generate()'s steps, each a row of layers, as one array; and whether
    there were steps.
    """
    if _is_none(rows):
        raise TypeError(f"{name} must be numbers, and its layers are None: {EAGER}")
    gone = [i for i, one in enumerate(rows) if one is None or _has_none(one)]
    if gone:
        kept = f"[layer for layer in {name} if layer is not None]"
        raise TypeError(
            f"{name}[{gone[0]}] must be numbers, and is None: leave out such layers, {kept}; if it"
            " should not be, load the model with attn_implementation='eager'"
        )
    deep = {isinstance(one, (list, tuple)) and _arrays.is_a_row_of_arrays(one) for one in rows}
    if len(deep) > 1:
        raise TypeError(_too_much(name))
    joined = False
    if deep == {True}:
        steps = [[_arrays.array(f"{name}[{i}]", one) for one in row] for i, row in enumerate(rows)]
        joined = all(one.ndim > 2 for step in steps for one in step)
        if joined:
            if len(set(map(len, steps))) > 1:
                found = f"got {', '.join(map(str, map(len, steps)))}"
                raise ValueError(f"{name} must have as many layers in each step, {found}")
            rows = [_joined(name, layer) for layer in zip(*steps)]
    layers = [_check.floats(f"{name}[{i}]", one, "") for i, one in enumerate(rows)]
    places = {}
    for i, layer in enumerate(layers):
        places.setdefault(layer.shape, []).append(i)
    if len(places) > 1:
        if min(map(len, places)) < 2:
            raise ValueError(f"{name} must be an array, with rows of the same length")
        if len(set(map(len, places))) > 1:
            raise ValueError(f"{_too_much(name)}, got {', '.join(map(str, places))}")
        said = [f"{shape} in layer {', '.join(map(str, at))}" for shape, at in places.items()]
        most = max(places.values(), key=len)
        some = f"[{name}[i] for i in {tuple(most)}]" if len(most) > 1 else f"{name}[{most[0]}]"
        raise ValueError(
            f"{name} must have layers of one shape, got {', '.join(said)}: give those that are"
            f" alike, as {some}"
        )
    return (Layers(layers) if sum(one.size for one in layers) > LARGE else np.stack(layers)), joined


def _too_much(name):
    return (
        f"{name} must be the weights alone, and this looks like all that a model or a layer"
        f" returned, which ends with them: give {name}[-1]"
    )


def _is_none(value):
    return value is None or (isinstance(value, (list, tuple)) and all(map(_is_none, value)))


def _joined(name, steps):
    """The steps of generate() in one layer, (..., q, k) each, as one array: what was looked from
    in a step stands below the steps before it, and a step that sees few keys sees the last ones.
    """
    q, k = [one.shape[-2] for one in steps], [one.shape[-1] for one in steps]
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        return first
    if len({one.shape[:-2] for one in steps}) == 1:
        if q == k and q == sorted(set(q)):  # each step began anew: the last one holds all
            if all(np.allclose(one, last[..., :n, :n], atol=0.02) for one, n in zip(steps, q)):
                return last
        elif not any(i == j > 1 for i, j in zip(q[1:], k[1:])):
            above = np.triu(np.ones((q[0], k[0]), bool), 1)
            window = q[0] == k[0] > 1 and not first[..., above].any()
            if len(set(k)) == 1 and not window and (q[0] == 1 or set(q[1:]) == {1}):
                return np.concatenate(steps, axis=-2)  # over a source, or in a room kept free
            ends = np.cumsum(q) + max(k[0] - q[0], 0)
            if all(n <= end for n, end in zip(k, ends)):
                shape = (*first.shape[:-2], sum(q), ends[-1])
                whole = np.zeros(shape, np.result_type(*steps))
                for one, row, n, m, end in zip(steps, np.cumsum(q) - q, q, k, ends):
                    whole[..., row : row + n, end - m : end] = one
                return whole
    raise ValueError(
        f"{name} looks like several runs or texts, one after the other, and their shapes,"
        f" {first.shape} … {last.shape}, are not those of generate()'s steps: give one, {name}[0]"
    )


def _of_one_text(name, found, batch, rows, ways):
    """Without the axis of a batch, the second of five, or the first of four if `batch` says so; and
    how many texts there were.
    """
    if batch is not None:
        if found.ndim != 5 and (rows or found.ndim != 4):
            raise ValueError(
                f"batch={batch!r} needs {name} with a batch, (batch, heads, n_q, n_k) or a tuple"
                f" of such layers, got {found.shape}"
            )
        axis = found.ndim - 4
        at = _check.integer("batch", batch, 0, found.shape[axis] - 1)
        return (found[:, at] if axis else found[at : at + 1]), found.shape[axis]
    if found.ndim == 5 and found.shape[1] == 1:
        return found[:, 0], 1
    if found.ndim == 5:
        raise ValueError(
            f"{name} must be of one text, and holds a batch of {found.shape[1]}, (layers, batch,"
            f" heads, n_q, n_k) {found.shape}: choose a text, {ways}"
        )
    return found, 1


def no_scores(name, array):
    """`array` itself; ValueError if it holds what only a score can be that a mask has shut."""
    parts = array if isinstance(array, Layers) else [array]
    low = min((np.fmin.reduce(one, axis=None, initial=0) for one in parts), default=0)
    if low <= _check.SHUT:
        wrong = "infinite" if np.isinf(low) else f"as low as {low:.3g}"
        raise ValueError(
            f"{name} must not be {wrong}; these look like scores, masked and before the softmax:"
            f" softmax({name}) makes weights of them"
        )
    return array
