"""AttentionView: weights that can be touched, in a notebook, on a page of its own, or as a still
picture.
"""

from typing import Literal

import numpy as np
import traitlets

from attnlib import _check
from attnlib.show import figures
from attnlib.show.brought import brought
from attnlib.show.labels import axis_names, most_attended, visible
from attnlib.show.live.base import HERE, Live, joined
from attnlib.show.live.threads import telling
from attnlib.show.threads import threads

SENT_AT_ONCE = 2_000_000  # with more weights than this, what is looked at crosses to the browser
# as many are copied, so that the caller may change them; more stay where they are
COPIED = 2_000_000
_LEVELS = 65_534  # a weight crosses as a whole number up to this; 65,535 is NaN
WOVEN = 24  # so many words a side can be told apart as threads
SMALL = 24  # cells a side of the small picture that crosses where a plane does not
HOWS = ["head", "mean layer", "max layer", "mean all", "max all"]


class AttentionView(Live):
    """A heat map of attention weights to hover, click and walk with the keyboard; or the same head
    as threads between words.

    weights      (n_q, n_k), (heads, n_q, n_k) or (layers, heads, n_q, n_k), from any library; or
                 what a model returned: a tuple of layers, the steps of generate(), a `Trace`
    tokens       n_q strings; key_tokens: n_k strings, for cross-attention
    mask         boolean, True = may attend, or 1 and 0, or 0 and -inf; broadcasts to the weights
    batch        the text that is meant, where weights are those of several: without it, the first
                 of four axes are layers
    layer, head  what is shown first
    form         "map", or "threads" with up to 24 tokens a side
    scale        colours: "absolute" (0 to 1), "row" (relative to each row's largest) or "sqrt"
    titles       names of the heads
    title        a line above the picture
    signed       the numbers are differences: two-sided colours, 0 in the middle, no row sums
    compact      only the heat map: no controls, no sentence, no small pictures

    `pinned` is the cell that the reader has pinned, [query, key] or None; at first, unless it is
    compact or signed, the largest weight of the row that `Threads` opens with. `pins` are further
    words that are chosen with it, by Shift and a click, a long touch, or Space: queries, or keys
    where `side` is "key". What the chosen words give is added up. Read both in the next cell, or
    set them. Keys: arrows move the pin, Home and End go to the ends, Space keeps a word, x looks
    from the other side, m turns the map into threads, [ ] head, { } layer, Esc unpins.

    Nothing is corrected: NaN is red, a row that does not sum to 1 and a weight where none is
    allowed are marked.
    """

    _esm = joined("view")
    _css = Live._css + (HERE / "view.css").read_text(encoding="utf-8")

    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    pinned = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)
    scale = traitlets.Enum(["absolute", "row", "sqrt"], "absolute").tag(sync=True)
    pins = traitlets.List(traitlets.Int()).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    how = traitlets.Enum(HOWS, "head").tag(sync=True)
    unit = traitlets.Enum(["pieces", "words"], "pieces").tag(sync=True)
    form = traitlets.Enum(["map", "threads", "patches"], "map").tag(sync=True)
    side = traitlets.Enum(["query", "key"], "query").tag(sync=True)
    top_k = traitlets.Int(0).tag(sync=True)
    threshold = traitlets.Float(0.0).tag(sync=True)
    hide_first = traitlets.Bool(False).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    signed = traitlets.Bool(False).tag(sync=True)
    compact = traitlets.Bool(False).tag(sync=True)
    _hint = traitlets.Bool(True).tag(sync=True)  # says what hands can do, while nothing is chosen
    _shape = traitlets.List().tag(sync=True)
    _range = traitlets.List().tag(sync=True)
    _sum_range = traitlets.List().tag(sync=True)
    _edition = traitlets.Int(0).tag(sync=True)  # of the numbers: what came of another is forgotten
    _names = traitlets.List(traitlets.Unicode()).tag(sync=True)  # of the planes; []: all, in order
    _weights = traitlets.Bytes(b"").tag(sync=True)
    _small = traitlets.Bytes(b"").tag(sync=True)
    _sums = traitlets.Bytes(b"").tag(sync=True)
    _mask = traitlets.Bytes(b"").tag(sync=True)
    _notes = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        weights,
        tokens=None,
        *,
        key_tokens=None,
        mask=None,
        layer=0,
        head=0,
        form: Literal["map", "threads"] = "map",
        scale: Literal["absolute", "row", "sqrt"] = "absolute",
        titles=None,
        title="",
        signed=False,
        compact=False,
        batch=None,
    ):
        _check.choice("scale", scale, ["absolute", "row", "sqrt"])
        _check.choice("form", form, ["map", "threads"])
        given = brought(weights, tokens, key_tokens, mask, batch=batch, signed=signed)
        state = _state(*given, titles, signed, layer, head)
        self._all, self.mask = state.pop("array"), state.pop("mask")
        self._opened = []
        sent = self._sent(state["_range"], "head", 0, layer, head)
        reason = _no_threads(self.array.shape, state["_range"], signed, compact)
        if form == "threads" and reason:
            raise ValueError(f'form="threads" {reason}; form="map" shows them')
        allowed = np.broadcast_to(True if self.mask is None else self.mask, self.array.shape)
        pinned = None
        if not signed and not compact:
            own = state["key_tokens"] is state["tokens"]
            pinned = _largest(self.array[layer][head], allowed[layer][head], own)
        how = {"form": form, "scale": scale, "title": title, "signed": signed, "compact": compact}
        super().__init__(pinned=pinned, **how, **state, **sent)

    @_check.door(title=_check.text, titles=_check.texts)
    def update(
        self,
        weights,
        tokens=None,
        *,
        key_tokens=None,
        mask=None,
        titles=None,
        title=None,
        batch=None,
    ):
        """Show other weights in the same view, in one message to the browser; the reader's pin
        stays where it fits.
        """
        given = brought(weights, tokens, key_tokens, mask, batch=batch, signed=self.signed)
        head, layer = self.head, self.layer
        shape = given.weights.shape
        if len(shape) in (2, 3, 4):
            head, layer = (
                min(head, shape[-3] - 1 if len(shape) > 2 else 0),
                min(layer, shape[0] - 1 if len(shape) > 3 else 0),
            )
        state = _state(*given, titles, self.signed, layer, head)
        self._all, self.mask = state.pop("array"), state.pop("mask")
        self._opened = []
        n_q, n_k = state["_shape"][-2:]
        if self.pinned and (self.pinned[0] >= n_q or self.pinned[1] >= n_k):
            state["pinned"] = None
        if max(self.pins, default=-1) >= (n_k if self.side == "key" else n_q):
            state["pins"] = []
        if title is not None:
            state["title"] = title
        state |= {"step": 0, "_edition": self._edition + 1}
        state |= self._sent(state["_range"], self.how, 0, layer, head)
        with self.hold_sync():
            for name, value in state.items():
                setattr(self, name, value)

    @property
    def array(self):
        """The weights of the step that is shown, (layers, heads, n_q, n_k)."""
        return self._all[self.step]

    @traitlets.validate("step", "layer", "head")
    def _exists(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if self._shape:
            most = self._shape[["step", "layer", "head"].index(name)] - 1
            _check.integer(name, value, minimum=0, maximum=most)
        return value

    @traitlets.validate("pins")
    def _are_words(self, proposal):
        n = self._shape[4 if self.side == "key" else 3] if self._shape else None
        last = None if n is None else n - 1
        return [_check.integer("pins", word, minimum=0, maximum=last) for word in proposal["value"]]

    @traitlets.observe("step", "layer", "head", "how")
    def _chosen(self, change):
        """What is looked at now crosses, where not everything has."""
        if hasattr(self, "_all") and self._names:
            with self.hold_sync():
                sent = self._sent(self._range, self.how, self.step, self.layer, self.head)
                self._names, self._weights = sent["_names"], sent["_weights"]

    def _sent(self, span, how, step, layer, head):
        """The weights that cross to the browser: all of them, or where there are many the plane
        that is looked at, by its name.
        """
        if self._all.size <= SENT_AT_ONCE:
            planes = (self._all[at] for at in np.ndindex(self._all.shape[:3]))
            names = []
        else:
            planes = [plane(self._all, how, step, layer, head)]
            names = [named(how, step, layer, head)]
            self._opened = [*dict.fromkeys([*self._opened, *names])]
        return {"_names": names, "_weights": b"".join(_pack(one, span) for one in planes)}

    # ---- still pictures and pages ----

    def figure(self):
        """The chosen head as a still picture; with several heads, all heads of the layer. In the
        form in which it is shown, with the words that are chosen.
        """
        weights, mask = self.array[self.layer], self.mask
        here = None if mask is None else np.broadcast_to(mask, self.array.shape)[self.layer]
        if self.form == "threads" and not _no_threads(
            self.array.shape, self._range, self.signed, self.compact
        ):
            pin = [] if self.pinned is None else [self.pinned[1 if self.side == "key" else 0]]
            words = self.key_tokens if self.side == "key" else self.tokens
            return threads(
                weights,
                self.tokens,
                key_tokens=self.key_tokens,
                mask=here,
                titles=self.titles or None,
                head=self.head,
                pins=[word for word in dict.fromkeys([*self.pins, *pin]) if word < len(words)],
                side=self.side,
                title=self.title,
            )
        if self.signed or len(weights) == 1 or len(weights) > 16:
            part = None if here is None else here[self.head]
            name = self.title or (self.titles[self.head] if self.titles else "")
            vmax = float(np.nanmax(np.abs(weights), initial=1e-12)) if self.signed else None
            return figures.heatmap(
                weights[self.head],
                self.tokens,
                key_tokens=self.key_tokens,
                mask=part,
                title=name,
                signed=self.signed,
                vmax=vmax,
            )
        same = here is not None and (here == here[0]).all()
        return figures.heads(
            weights,
            self.tokens,
            key_tokens=self.key_tokens,
            mask=here[0] if same else None,
            titles=self.titles or None,
            title=self.title,
        )

    def _for_a_page(self):
        """All weights, a plane at a time, also where few have crossed."""
        state, blobs = super()._for_a_page()
        planes = (self._all[at] for at in np.ndindex(self._all.shape[:3]))
        blobs["_weights"] = (_pack(one, self._range) for one in planes)
        return state | {"_names": []}, blobs

    def _still(self):
        """What stands in for the live view: the picture, and its weights and notes in words."""
        part = self.array[self.layer]
        table = (
            ""
            if self.signed
            else most_attended(
                part[: 8 if len(part) <= 16 else 1], self.tokens, key_tokens=self.key_tokens
            )
        )
        return self.figure(), "\n".join(
            filter(None, [table, *(f"note: {note}" for note in self._notes)])
        )

    def __repr__(self):
        _, layers, heads, n_q, n_k = self._shape
        return f"AttentionView({layers} layers, {heads} heads, {n_q} queries, {n_k} keys)"


def named(how, step, layer, head):
    """What a plane is called: "0.3.5" is step, layer, head; "0.3.mean" and "0.all.max" are made of
    several heads.
    """
    if how == "head":
        return f"{step}.{layer}.{head}"
    kind, over = how.split()
    return f"{step}.{'all' if over == 'all' else layer}.{kind}"


def plane(array, how, step, layer, head):
    """(n_q, n_k): one head of (steps, layers, heads, n_q, n_k), or cell by cell the mean or the
    largest of the heads of its layer, or of all, without a copy of all of them.
    """
    if how == "head":
        return array[step, layer, head]
    kind, over = how.split()
    layers = range(array.shape[1]) if over == "all" else [layer]
    heads = [array[step, one, h] for one in layers for h in range(array.shape[2])]
    found = heads[0].astype(float)
    for one in heads[1:]:
        (np.add if kind == "mean" else np.maximum)(found, one, out=found)
    return found / len(heads) if kind == "mean" else found


def _state(weights, tokens, key_tokens, mask, titles, signed, layer, head):
    """Check everything, and say what is odd about the numbers: the traits of a view, and the arrays
    behind them.
    """
    array = weights
    if not 2 <= array.ndim <= 4 or 0 in array.shape:
        wanted = "(n_q, n_k), (heads, n_q, n_k) or (layers, heads, n_q, n_k)"
        raise ValueError(
            f"weights must have the shape {wanted}, with no axis of length 0; got {array.shape}"
        )
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    if array.size <= COPIED:
        array = array.astype(np.float32)
    if any(np.isinf(one).any() for one in array):
        raise ValueError(
            "weights must not be infinite; these look like scores with -inf, before the softmax"
        )
    layers, heads, n_q, n_k = array.shape
    _check.integer("layer", layer, minimum=0, maximum=layers - 1)
    _check.integer("head", head, minimum=0, maximum=heads - 1)
    tokens = axis_names("tokens", tokens, n_q, visible)
    keys = (
        tokens
        if key_tokens is None and n_q == n_k
        else axis_names("key_tokens", key_tokens, n_k, visible, "n_k")
    )
    if titles is not None and len(titles) != heads:
        raise ValueError(
            f"titles has {len(titles)} names, but weights {np.shape(weights)} has {heads} heads"
        )
    mask, bits = (None, b"") if mask is None else _planes(mask, array.shape)
    span, sums = _span(array, signed), _row_sums(array)
    sum_span = _span(sums)
    return {
        "array": array[None],
        "mask": mask,
        "tokens": tokens,
        "key_tokens": keys,
        "titles": [str(t) for t in titles or []],
        "layer": layer,
        "head": head,
        "_shape": [1, *array.shape],
        "_range": span,
        "_sum_range": sum_span,
        "_sums": b"" if signed else _pack(sums, sum_span),
        "_small": b"",
        "_mask": bits,
        "_notes": _odd(array, mask, signed),
    }


def _largest(weights, allowed, own):
    """The largest weight of the row that tells most, as [query, key]; None where none does."""
    found = (telling(weights, allowed, side, own) for side in ("query", "key"))
    return [word for side in found for word in side] or None


def _no_threads(shape, span, signed, compact):
    """Why these weights cannot be shown as threads, or ""."""
    if compact or signed:
        return f"is not for a view that is {'compact' if compact else 'signed'}"
    if max(shape[2:]) > WOVEN:
        return f"is for up to {WOVEN} tokens a side, got weights {shape}"
    if span[0] < -1e-3 or span[1] > 1.01:
        return f"is for weights from 0 to 1, got {span[0]:.3g} to {span[1]:.3g}"
    return ""


def _planes(mask, shape):
    """The mask as a boolean array, and as bits: one plane for all heads, or where it has heads of
    its own, a plane for each.
    """
    n_q, n_k = shape[-2:]
    mask = _check.boolean("mask", mask)
    _check.broadcasts(
        "mask", mask, shape if mask.ndim == 4 else shape[-mask.ndim :] if mask.ndim > 1 else (n_k,)
    )
    planes = np.broadcast_to(mask, (1, 1, n_q, n_k) if mask.ndim <= 2 else shape)
    # each plane starts at a byte
    bits = [np.packbits(one.reshape(-1, n_q * n_k), axis=-1).tobytes() for one in planes]
    return mask, b"".join(bits)


def _odd(array, mask, signed):
    """What a reader should know about these numbers, in words."""
    allowed = np.broadcast_to(np.True_ if mask is None else mask, array.shape)
    # a layer at a time: they are large
    found = sum(np.array(_odd_in(*one)) for one in zip(array, allowed))
    missing, leaks, off, far, negative = map(int, found)
    rounded = "; they were rounded, as bfloat16 is" if off and not far and _rounded(array) else ""
    scores = "; are these scores, before the softmax?" if negative and off else ""
    said = {f"{missing:,} weights are NaN, drawn in red": missing}
    if not signed:
        said |= {
            f"{leaks:,} weights stand where none is allowed, framed in red": leaks,
            f"{off:,} of {np.prod(array.shape[:-1]):,} rows do not sum to 1{rounded}": off,
            f"{negative:,} weights are negative{scores}": negative,
        }
    return [note for note, count in said.items() if count]


def _odd_in(layer, allowed):
    """Of one layer (heads, n_q, n_k), the number of NaN, of weights where none is allowed, of odd
    rows, of rows that rounding does not explain, of negative weights.
    """
    missing, sums = np.isnan(layer), layer.sum(axis=-1)
    leaks = (layer != 0) & ~missing & ~allowed
    empty = ~allowed.any(axis=-1) & (sums == 0)
    off = (np.abs(sums - 1) > 1e-3) & ~empty
    far = off & (np.abs(sums - 1) > 2**-8)
    return missing.sum(), leaks.sum(), off.sum(), far.sum(), (layer < 0).sum()


def _rounded(array):
    """Whether all numbers have eight binary digits, as those of bfloat16."""
    return not any((layer.astype(np.float32).view(np.uint32) & 0xFFFF).any() for layer in array)


def _row_sums(array):
    """(layers, heads, n_q), as float32."""
    return np.array([layer.sum(axis=-1) for layer in array], np.float32)


def _span(array, signed=False):
    """The numbers that 0 and the largest level stand for: 0 and 1 unless the weights go beyond; if
    signed, as far down as up.
    """
    low = min(float(np.nanmin(layer, initial=0)) for layer in array)
    high = max(float(np.nanmax(layer, initial=0)) for layer in array)
    most = max(-low, high) or 1.0
    return [-most, most] if signed else [low, max(1.0, high)]


def _pack(array, span):
    """Numbers as whole ones: little-endian uint16 between span[0] and span[1], 65,535 for NaN."""
    shares = (np.asarray(array, np.float32) - np.float32(span[0])) / np.float32(span[1] - span[0])
    levels = np.where(
        np.isnan(shares), _LEVELS + 1, np.clip(np.rint(np.nan_to_num(shares) * _LEVELS), 0, _LEVELS)
    )
    return levels.astype("<u2").tobytes()
