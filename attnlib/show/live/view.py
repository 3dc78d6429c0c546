"""AttentionView: weights that can be touched, in a notebook, on a page of its own, or as a still
picture.
"""

import functools
from bisect import bisect
from types import MappingProxyType
from typing import Literal

import numpy as np
import traitlets

from attnlib import _check
from attnlib.show import figures
from attnlib.show.brought import brought, brought_in_steps
from attnlib.show.labels import as_text, axis_names, most_attended, visible
from attnlib.show.live.base import HERE, Live, joined
from attnlib.show.live.threads import telling
from attnlib.show.patches import grid_size, names_of, patches, pixels
from attnlib.show.shaded import shaded
from attnlib.show.threads import threads
from attnlib.show.words import allowed_by_words, by_words, of_both, word_names

SENT_AT_ONCE = 2_000_000  # with more weights than this, what is looked at crosses to the browser
IN_A_PAGE = 15_000_000  # of more weights than this, a page of its own holds what was looked at
IN_WORDS = 60  # so many words say in the text beside a still at whom they look most
# as many are copied, so that the caller may change them; more stay where they are
COPIED = 2_000_000
_LEVELS = 65_534  # a weight crosses as a whole number up to this; 65,535 is NaN
WOVEN = 24  # so many words a side can be told apart as threads; more are running text
WRITTEN = 400  # and so many are written on a still
EVEN = 24  # with more keys, an even row has no colour to speak of
SMALL = 24  # cells a side of the small picture that crosses where a plane does not
HOWS = ["head", "mean layer", "max layer", "mean all", "max all"]


class AttentionView(Live):
    """A heat map of attention weights to hover, click and walk with the keyboard; or the same head
    as threads between words.

    weights      (n_q, n_k), (heads, n_q, n_k) or (layers, heads, n_q, n_k), from any library; or
                 what a model returned: a tuple of layers, the steps of generate(), a `Trace`
    tokens       n_q strings; key_tokens: n_k strings, for cross-attention
    mask         boolean, True = may attend, or 1 and 0, or 0 and -inf; broadcasts to the weights.
                 Unless given, that of a `Trace`: a model that writes says what it hid
    batch        the text that is meant, where weights are those of several: without it, the first
                 of four axes are layers
    layer, head  what is shown first
    how          "head", or what is made of several heads, cell by cell: "mean layer", "max layer",
                 "mean all", "max all"
    form         "map", or "threads": lines between up to 24 tokens a side, and of longer texts the
                 text as it reads, in the colours of what is chosen; or "patches" of a grid
    grid         (rows, columns) of the patches of an image, which are the last keys: tokens then
                 name all, or only those in front of the patches (CLS, registers), or none; a patch
                 is called "row,column", from 0
    image        (H, W) or (H, W, 3), 0 to 255 or 0 to 1, to lie below the patches, in grey
    scale        colours: "absolute" (0 to 1), "row" (relative to each row's largest) or "sqrt"
    titles       names of the heads
    title        a line above the picture
    unit         "words" adds up the pieces that words were cut into, as `show.words` finds them:
                 over keys, on average over queries. "pieces" is the array as it is
    steps        names of steps, say of a training: weights then has one axis more in front, or is
                 a list with what a model returned at each of them
    axis         what the steps are, a word above their scrubber. axis="written", without steps, is
                 a text that is being written: tokens come one after the other
    signed       the numbers are differences: two-sided colours, 0 in the middle, no row sums
    compact      only the heat map: no controls, no small pictures

    `pinned` is the cell that the reader has pinned, [query, key] or None; at first, unless it is
    compact or signed, the largest weight of the row that `Threads` opens with. `pins` are further
    words that are chosen with it, by Shift and a click, a long touch, or Space: queries, or keys
    where `side` is "key". What the chosen words give is added up. Read them in the next cell, or
    set them. Keys: arrows move the pin, Home and End go to the ends, Space keeps
    a word, x looks from the other side, m turns the map into threads, [ ] head, { } layer, Esc
    unpins.

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
    _left_out = traitlets.Unicode("").tag(sync=True)  # what a page of its own does not hold
    # "all": what hands can do, while nothing is chosen; "names": what the lines are; "": neither
    _hint = traitlets.Unicode("all").tag(sync=True)
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
    _words = traitlets.Dict().tag(sync=True)  # where words begin, and their names; {}: as pieces
    _axis = traitlets.Dict().tag(sync=True)  # what runs: its name, names of the steps, written
    grid = traitlets.List(traitlets.Int()).tag(sync=True)
    _image = traitlets.Bytes(b"").tag(sync=True)
    _image_size = traitlets.List(traitlets.Int()).tag(sync=True)
    kinds = MappingProxyType({"grid": grid_size, "image": pixels})

    def __init__(
        self,
        weights,
        tokens=None,
        *,
        key_tokens=None,
        mask=None,
        layer=0,
        head=0,
        how: Literal["head", "mean layer", "max layer", "mean all", "max all"] = "head",
        form: Literal["map", "threads", "patches"] | None = None,
        scale: Literal["absolute", "row", "sqrt"] = "absolute",
        titles=None,
        title="",
        signed=False,
        compact=False,
        batch=None,
        grid=None,
        image=None,
        unit: Literal["pieces", "words"] = "pieces",
        steps=None,
        axis=None,
    ):
        _check.choice("how", how, HOWS)
        _check.choice("scale", scale, ["absolute", "row", "sqrt"])
        form = ("map" if grid is None else "patches") if form is None else form
        _check.choice("form", form, ["map", "threads", "patches"])
        _check_grid(grid, image, form, signed, compact)
        _check.choice("unit", unit, ["pieces", "words"])
        given = _given(weights, steps, tokens, key_tokens, mask, batch, signed, grid)
        state = _state(*given, titles, signed, layer, head)
        state |= _axis(axis, steps, state["tokens"])
        self._all, self.mask = state.pop("array"), state.pop("mask")
        self._opened = {}
        step = 0 if steps is None else state["step"]
        sent = self._sent(state["_range"], how, step, layer, head)
        reason = _no_threads(state["_range"], signed, compact)
        if form != "map" and reason:
            raise ValueError(f'form="{form}" {reason}; form="map" shows them')
        pinned = None
        if not signed and not compact:
            last = plane(self._all, how, -1, layer, head)
            allowed = _allowed(self.mask, self._all.shape[1:], how, layer, head)
            allowed = np.ones(last.shape, bool) if allowed is None else allowed
            pinned = _largest(last, allowed, state["key_tokens"] == state["tokens"])
        if image is not None:
            sent |= {"_image": image.tobytes(), "_image_size": list(image.shape[:2])}
        look = {
            "grid": grid or [],
            "unit": unit,
            "how": how,
            "form": form,
            "scale": scale,
            "title": title,
            "signed": signed,
            "compact": compact,
        }
        super().__init__(pinned=pinned, **look, **state, **sent)

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
        steps=None,
    ):
        """Show other weights in the same view, in one message to the browser; the reader's pin
        stays where it fits.
        """
        grid = self.grid or None
        given = _given(weights, steps, tokens, key_tokens, mask, batch, self.signed, grid)
        head, layer = self.head, self.layer
        shape = given.weights.shape[1:]
        if len(shape) in (2, 3, 4):
            head, layer = (
                min(head, shape[-3] - 1 if len(shape) > 2 else 0),
                min(layer, shape[0] - 1 if len(shape) > 3 else 0),
            )
        state = _state(*given, titles, self.signed, layer, head)
        self._all, self.mask = state.pop("array"), state.pop("mask")
        self._opened = {}
        n_q, n_k = state["_shape"][-2:]
        if self.pinned and (self.pinned[0] >= n_q or self.pinned[1] >= n_k):
            state["pinned"] = None
        if max(self.pins, default=-1) >= (n_k if self.side == "key" else n_q):
            state["pins"] = []
        if title is not None:
            state["title"] = title
        name = self._axis.get("name") if steps is not None or self._axis.get("written") else None
        state |= _axis(name, steps, state["tokens"]) | {"_edition": self._edition + 1}
        step = 0 if steps is None else state["step"]
        state |= self._sent(state["_range"], self.how, step, layer, head)
        with self.hold_sync():
            self._names = []  # until all of it has changed
            for name, value in state.items():
                setattr(self, name, value)

    @property
    def array(self):
        """The weights of the step that is shown, (layers, heads, n_q, n_k)."""
        return self._all[self._at[1]]

    @traitlets.validate("step", "layer", "head")
    def _exists(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if self._shape:
            most = self._shape[["step", "layer", "head"].index(name)] - 1
            most = len(self._axis["names"]) - 1 if name == "step" and self._axis else most
            _check.integer(name, value, minimum=0, maximum=most)
        return value

    @traitlets.validate("pins")
    def _are_words(self, proposal):
        n = self._shape[4 if self.side == "key" else 3] if self._shape else None
        last = None if n is None else n - 1
        return [_check.integer("pins", word, minimum=0, maximum=last) for word in proposal["value"]]

    @property
    def _at(self):
        """What is looked at: how, step, layer, head; a text that is being written has one step."""
        return self.how, 0 if self._axis.get("written") else self.step, self.layer, self.head

    @traitlets.observe("step", "layer", "head", "how")
    def _chosen(self, change):
        """What is looked at now crosses, where not everything has."""
        if self._names:
            with self.hold_sync():
                for name, value in self._sent(self._range, *self._at).items():
                    setattr(self, name, value)

    def _sent(self, span, *at):
        """The weights that cross to the browser: all of them, or where there are many the plane
        that is looked at, by its name.
        """
        if self._all.size <= SENT_AT_ONCE:
            planes, names = (self._all[at] for at in np.ndindex(self._all.shape[:3])), []
        else:
            planes, names = [plane(self._all, *at)], [named(*at)]
            self._opened.pop(names[0], None)
            self._opened[names[0]] = at  # the last one is the newest
        return {"_names": names, "_weights": b"".join(_pack(one, span) for one in planes)}

    # ---- still pictures and pages ----

    def figure(self):
        """What is shown as a still picture; where that is one of several heads of few tokens, with
        all heads of the layer. In the form in which it is shown, with the words that are chosen.
        """
        many = self.how != "head" or self._names
        n = max(map(len, self._called()))
        woven = n <= WOVEN and not self.grid
        lines = self.form != "map" and not _no_threads(self._range, self.signed, self.compact)
        if lines and self.grid:
            return self._figure_of_patches()
        if lines and not woven and n <= WRITTEN:
            return self._figure_of_text()
        if many or (not (lines and woven) and (self.signed or not 1 < self._shape[2] <= 16)):
            return self._figure_of_one()
        (weights, here), (tokens, key_tokens) = self._seen(), self._called()
        title = self._titled(self.title)
        how = {"key_tokens": key_tokens, "titles": self.titles or None, "title": title}
        if lines and woven:
            look = {"head": self.head, "pins": self._chosen_words(), "side": self.side}
            return threads(weights, tokens, mask=here, **look, **how)
        same = here is not None and (here == here[0]).all()
        return figures.heads(weights, tokens, mask=here[0] if same else None, **how)

    def _seen(self, alone=False):
        """Weights (heads, n_q, n_k), and their mask or None, as they are shown, of the heads of a
        layer or `alone`: in words, where these are shown, and as far as a text has been written.
        """
        words_first = (
            alone and self._starts and self.how.startswith("max")
        )  # in each head, then max
        if words_first:
            how, step, *at = self._at
            heads = [self._all[step][one] for one in included(self._all.shape, how, *at)]
            weights = np.max([by_words(head, *self._starts) for head in heads], axis=0)[None]
        else:
            weights = plane(self._all, *self._at)[None] if alone else self.array[self.layer]
        mask = self.mask
        if alone and mask is not None:
            how, _, layer, head = self._at
            mask = _allowed(mask, self.array.shape, how, layer, head)[None]
        elif mask is not None:
            mask = np.broadcast_to(mask, self.array.shape)[self.layer]
        if self._starts:
            weights = weights if words_first else by_words(weights, *self._starts)
            mask = None if mask is None else allowed_by_words(mask, *self._starts)
        n_q, n_k = map(len, self._called())
        mask = None if mask is None else mask[..., :n_q, :n_k]
        return weights[..., :n_q, :n_k], mask

    def _titled(self, *said):
        """The title of a still picture, with the step that it shows, and whether it is in words."""
        steps = self._axis and not self._axis["written"]
        step = f"{self._axis['name']} {self._axis['names'][self.step]}" if steps else ""
        return " · ".join(filter(None, [*said, step, "in words" if self._starts else ""]))

    @property
    def _starts(self):
        """Where words begin, of queries and of keys; or nothing, where pieces are shown."""
        return self._words["starts"] if self.unit == "words" and self._words else []

    def _called(self):
        """The names of queries and of keys as they are shown."""
        both = self._words["names"] if self._starts else (self.tokens, self.key_tokens)
        if not self._axis.get("written"):
            return both
        last = self._word(self.step, 0) + 1
        return both[0][:last], both[1][: last if self.tokens == self.key_tokens else None]

    def _word(self, piece, line):
        """Which word a piece is in, of the queries (0) or the keys (1), where words are shown."""
        return bisect(self._starts[line], piece) - 1 if self._starts else piece

    def _chosen_words(self):
        line = ["query", "key"].index(self.side)
        pieces = [*self.pins, *([] if self.pinned is None else [self.pinned[line]])]
        n = len(self._called()[line])
        return [word for word in dict.fromkeys(self._word(p, line) for p in pieces) if word < n]

    def _figure_of_patches(self):
        """What the chosen tokens look at; of few heads, in all heads of the layer."""
        alone = self.how != "head" or self._names or len(self.array[0]) > 16
        weights, pins = self._seen(alone)[0], self._chosen_words()
        tokens, key_tokens = self._called()
        if self.side == "key" and key_tokens != tokens:
            pins = [self.pinned[0]] if self.pinned else []
        elif self.side == "key":
            weights = weights.swapaxes(-1, -2)
        image = None
        if self._image_size:
            image = np.frombuffer(self._image, np.uint8).reshape(*self._image_size, 3)
        return patches(
            weights,
            self.grid,
            tokens,
            image=image,
            key_tokens=None if key_tokens == tokens else key_tokens,
            pins=pins,
            who="gets from" if self.side == "key" and key_tokens == tokens else "looks at",
            titles=None if alone or not self.titles else self.titles,
            title=self._titled(self.title),
        )

    def _figure_of_text(self):
        """The text, each word on the colour of what it gets from the chosen ones, or of all."""
        key, pins = self.side == "key", self._chosen_words()
        rows, (own, other) = self._seen(alone=True)[0][0], self._called()
        if key:
            rows, own, other = rows.T, other, own
        row = np.nan_to_num(rows[pins] if pins else rows).sum(axis=0)
        who = " + ".join(as_text(own)[pin].strip() for pin in pins[:4]) or "all"
        return shaded(
            as_text(other),
            np.maximum(row, 0),
            title=self._titled(self.title),
            axis=f"weight {'on' if key else 'from'} {who}",
        )

    def _figure_of_one(self):
        """What is shown, alone."""
        name = self.title or (self.titles[self.head] if self.titles and self.how == "head" else "")
        said = caption(self._shape, *self._at) if self.how != "head" or self._names else ""
        (weights, mask), (tokens, key_tokens) = self._seen(alone=True), self._called()
        return figures.heatmap(
            weights[0],
            tokens,
            key_tokens=key_tokens,
            mask=None if mask is None else mask[0],
            title=self._titled(name, said),
            signed=self.signed,
            vmax=self._range[1] if self.signed else None,
        )

    def to_html(self, path=None, *, heads=None):
        """The view as one page that needs nothing else, no kernel and no network: bytes, or written
        to `path`. A page too large for a mail holds what is shown and what was looked at before,
        and says what it left out.

        heads   [(layer, head), …]: the page holds these and no others
        """
        return self._page(path, *self._for_a_page(self._heads(heads)))

    def _heads(self, heads):
        """The heads that somebody chose for a page, or None."""
        if heads is None:
            return None
        found = _check.row("heads", heads, "(layer, head)")
        found = [_check.place(f"heads[{i}]", one) for i, one in enumerate(found)]
        most = self._shape[1:3]
        wrong = [one for one in found if not (0 <= one[0] < most[0] and 0 <= one[1] < most[1])]
        if wrong or not found:
            raise ValueError(
                f"heads must be some of the {most[0]} layers and {most[1]} heads, as [(layer,"
                f" head), …], got {wrong[0] if wrong else found}"
            )
        return list(dict.fromkeys(found))

    def _for_a_page(self, heads=None):
        """All weights, a plane at a time; or where that were too many, those that were opened."""
        state, blobs = super()._for_a_page()
        steps, layers, n_heads = self._all.shape[:3]
        every = [("head", *at) for at in np.ndindex(steps, layers, n_heads)]
        n_cells = self._all[0, 0, 0].size
        if heads is not None:
            wanted = [("head", step, *one) for step in range(steps) for one in heads]
            wanted = every if len(wanted) == len(every) else wanted
        elif self._all.size <= IN_A_PAGE:
            wanted = every
        else:
            wanted = list(self._opened.values())[-max(1, IN_A_PAGE // n_cells) :]
        blobs["_weights"] = (_pack(plane(self._all, *one), self._range) for one in wanted)
        if wanted == every:
            return state | {"_names": []}, blobs
        left = layers * n_heads - len({one[2:] for one in wanted if one[0] == "head"})
        said = [
            caption(self._shape, *one) + (f" at step {one[1]}" if steps > 1 and not heads else "")
            for one in (wanted[: len(heads)] if heads else wanted)
        ]
        said = said[:8] + [f"{len(said) - 8} more"] * (len(said) > 8)
        state |= {
            "_names": [named(*one) for one in wanted],
            "_left_out": f"This page holds {'; '.join(said)}. The other {left} heads are left out;"
            " to_html(heads=[…]) says which a page holds.",
        }
        how, step, layer, head = self._at if self._at in wanted else wanted[0]
        state |= {"how": how, "layer": layer, "head": head}
        return state | ({} if self._axis.get("written") else {"step": step}), blobs

    def _still(self):
        """What stands in for the live view: the picture, and its weights and notes in words."""
        weights, _ = self._seen(self.how != "head" or self._names or self._shape[2] > 16)
        (tokens, key_tokens), table = self._called(), ""
        n = len(tokens)
        if not self.signed:
            part = weights[:8, :IN_WORDS]
            table = most_attended(part, tokens[:IN_WORDS], key_tokens=key_tokens)
            table += f"\n… and {n - IN_WORDS} more" if n > IN_WORDS else ""
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


def included(shape, how, layer, head):
    """The heads of (..., layers, heads, n_q, n_k) that go into what is shown: [(layer, head), …]"""
    if how == "head":
        return [(layer, head)]
    layers = range(shape[-4]) if how.endswith("all") else [layer]
    return [(one, h) for one in layers for h in range(shape[-3])]


def plane(array, how, step, layer, head):
    """(n_q, n_k): one head of (steps, layers, heads, n_q, n_k), or cell by cell the mean or the
    largest of several, without a copy of all of them.
    """
    heads = [array[step][at] for at in included(array.shape, how, layer, head)]
    if how == "head":
        return heads[0]
    found = heads[0].astype(float)
    for one in heads[1:]:
        (np.add if how.startswith("mean") else np.maximum)(found, one, out=found)
    return found / len(heads) if how.startswith("mean") else found


def _allowed(mask, shape, how, layer, head):
    """(n_q, n_k): where one of the heads may look that go into what is shown; None without a mask.

    mask   broadcasts to shape, (layers, heads, n_q, n_k)
    """
    if mask is None:
        return None
    masks = np.broadcast_to(mask, shape)
    parts = [masks[at] for at in included(shape, how, layer, head)]
    return functools.reduce(np.logical_or, parts[: 1 if mask.ndim <= 2 else None])


def caption(shape, how, step, layer, head):
    """What is shown, in words: "layer 3, head 5", "max over all 72 heads, cell by cell"."""
    layers, heads = shape[1:3]
    if how == "head":
        return f"layer {layer}, head {head}" if layers > 1 else f"head {head}"
    kind, over = how.split()
    one = over == "layer" and layers > 1
    whose = f"the {heads} heads of layer {layer}" if one else f"all {layers * heads} heads"
    return f"{kind} over {whose}" + (", cell by cell" if kind == "max" else "")


def _state(weights, tokens, key_tokens, mask, titles, signed, layer, head):
    """Check everything, and say what is odd about the numbers: the traits of a view, and the arrays
    behind them.
    """
    array, shape = weights, weights.shape[1:]
    if not 2 <= len(shape) <= 4 or 0 in shape:
        wanted = "(n_q, n_k), (heads, n_q, n_k) or (layers, heads, n_q, n_k)"
        raise ValueError(
            f"weights must have the shape {wanted}, with no axis of length 0; got {shape}"
        )
    if len(shape) < 4:
        array = np.asarray(array).reshape(len(array), *(1,) * (4 - len(shape)), *shape)
    if array.size <= COPIED:
        array = np.array(array, np.float32)
    _, layers, heads, n_q, n_k = array.shape
    _check.integer("layer", layer, minimum=0, maximum=layers - 1)
    _check.integer("head", head, minimum=0, maximum=heads - 1)
    found = of_both(tokens, key_tokens, n_q, n_k)
    tokens = axis_names("tokens", tokens, n_q, visible)
    keys = (
        tokens
        if key_tokens is None and n_q == n_k
        else axis_names("key_tokens", key_tokens, n_k, visible, "n_k")
    )
    if titles is not None and len(titles) != heads:
        raise ValueError(f"titles has {len(titles)} names, but weights {shape} has {heads} heads")
    mask, bits = (None, b"") if mask is None else _planes(mask, array.shape[1:])
    starts = [[word.pieces[0] for word in one] for one in found or []]
    return {
        "array": array,
        "mask": mask,
        "tokens": tokens,
        "key_tokens": keys,
        "titles": [str(t) for t in titles or []],
        "layer": layer,
        "head": head,
        "_shape": list(array.shape),
        "_words": {"starts": starts, "names": [*map(word_names, found)]} if found else {},
        "_mask": bits,
        **_measured(array, mask, signed),
    }


def _given(weights, steps, tokens, key_tokens, mask, batch, signed, grid):
    """What was brought, with an axis of steps in front."""
    given = tokens, key_tokens, mask
    how = {"batch": batch, "signed": signed, "masked": True}
    if steps is not None:
        return _on_grid(brought_in_steps(weights, steps, *given, **how), grid)
    found = _on_grid(brought(weights, *given, apart=True, **how), grid)
    return found._replace(weights=found.weights[None])


def _axis(axis, steps, tokens):
    """What runs: the steps, or a text that is being written; it begins with the last of them."""
    if steps is None and axis not in (None, "written"):
        raise ValueError(
            f'axis={_check.short(axis)} names steps: give them, steps=[…]; or axis="written" to see'
            " a text being written"
        )
    if steps is None and axis is None:
        return {"_axis": {}, "step": 0}
    names = tokens if steps is None else _check.texts("steps", steps)
    name = "step" if axis is None else _check.text("axis", axis)
    state = {"name": name, "names": names, "written": steps is None}
    return {"_axis": state, "step": len(names) - 1}


def _largest(weights, allowed, own):
    """The largest weight of the row that tells most, as [query, key]; None where none does."""
    found = (telling(weights, allowed, side, own) for side in ("query", "key"))
    return [word for side in found for word in side] or None


def _check_grid(grid, image, form, signed, compact):
    if grid is None and (image is not None or form == "patches"):
        what = "image=" if image is not None else 'form="patches"'
        raise ValueError(f"{what} needs a grid, the rows and columns of patches: grid=(14, 14)")
    if grid is not None and (signed or compact or form == "threads"):
        what = "signed=True" if signed else "compact=True" if compact else 'form="threads"'
        raise ValueError(f"grid {tuple(grid)} does not go with {what}: leave one of them out")


def _on_grid(given, grid):
    """The same with names of patches, if there is a grid."""
    if grid is None or given.weights.ndim < 2:
        return given
    shape = given.weights.shape[-2:]
    tokens, keys = names_of(given.tokens, given.key_tokens, grid, shape, list)
    return given._replace(tokens=tokens, key_tokens=None if keys is tokens else keys)


def _no_threads(span, signed, compact):
    """Why these weights cannot be shown as threads, or ""."""
    if compact or signed:
        return f"is not for a view that is {'compact' if compact else 'signed'}"
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


def _measured(array, mask, signed):
    """What is computed over all weights (…, n_q, n_k), a head at a time, for they are
    large: traits of a view.
    """
    allowed = np.broadcast_to(np.True_ if mask is None else mask, array.shape)
    many = array.size > SENT_AT_ONCE
    ends, counts, sums, small = [], np.zeros(5, int), [], []
    for at in np.ndindex(array.shape[:-2]):
        one, shut = np.asarray(array[at], np.float32), ~allowed[at]
        ends.append((np.fmin.reduce(one, axis=None), np.fmax.reduce(one, axis=None)))
        if np.isinf(ends[-1]).any():
            raise ValueError(
                "weights must not be infinite; these look like scores with -inf, before the softmax"
            )
        sums.append(one.sum(axis=-1))
        counts += _odd_in(one, shut, sums[-1], ends[-1][0] < 0)
        if many:
            small.append(blocks(one, shut))
    lowest, most = np.nan_to_num([np.fmin.reduce(ends)[0], np.fmax.reduce(ends)[1]])
    span, sums = _span(lowest, most, signed), np.array(sums)
    sum_span = _span(np.fmin.reduce(sums, axis=None), np.fmax.reduce(sums, axis=None))
    return {
        "_range": span,
        "_sum_range": sum_span,
        "_sums": b"" if signed else _pack(sums, sum_span),
        "_small": b"".join(_levels(*one, span) for one in small),
        "_notes": _odd(array, counts, signed),
    }


def blocks(one, shut, n=SMALL):
    """A head in few cells, at most n a side: of each block of cells the number furthest from 0, so
    that no line gets lost, NaN where one is; and whether all of the block is shut.
    """
    down, across = (-(-size // n) for size in one.shape)
    if one.shape[1] <= EVEN:  # a row that looks at all alike says nothing
        seen = np.where(shut, np.nan, one)
        alike = np.fmax.reduce(seen, axis=1) - np.fmin.reduce(seen, axis=1) < 0.012
        one = np.where((alike & ((~shut).sum(axis=1) > 1))[:, None], 0, one)

    def pooled(way, cells):
        rows = [way.reduce(cells[i : i + down]) for i in range(0, len(cells), down)]
        return way.reduceat(rows, np.arange(0, one.shape[1], across), axis=1)

    low, high = pooled(np.minimum, one), pooled(np.maximum, one)
    return np.where(-low > high, low, high), pooled(np.logical_and, shut)


def _levels(cells, shut, span):
    """Cells of `blocks` as bytes: 0 to 252 between span[0] and span[1], 254 shut, 255 NaN."""
    levels = np.rint((np.nan_to_num(cells) - span[0]) / (span[1] - span[0]) * 252)
    return np.where(np.isnan(cells), 255, np.where(shut, 254, levels)).astype(np.uint8).tobytes()


def _odd(array, counts, signed):
    """What a reader should know about these numbers, in words; counts: those of `_odd_in`."""
    missing, leaks, off, far, negative = map(int, counts)
    rounded = "; they were rounded, as bfloat16 is" if off and not far and _rounded(array) else ""
    scores = "; are these scores, before the softmax?" if negative and off else ""
    are, stand = ("weight is", "weights are"), ("weight stands", "weights stand")
    do, rows = ("does", "do"), np.prod(array.shape[:-1])
    said = {f"{missing:,} {are[missing > 1]} NaN, drawn in red": missing}
    if not signed:
        said |= {
            f"{leaks:,} {stand[leaks > 1]} where none is allowed, framed in red": leaks,
            f"{off:,} of {rows:,} rows {do[off > 1]} not sum to 1{rounded}": off,
            f"{negative:,} {are[negative > 1]} negative{scores}": negative,
        }
    return [note for note, count in said.items() if count]


def _odd_in(head, shut, sums, below):
    """Of one head (n_q, n_k), the number of NaN, of weights where none is allowed, of odd rows, of
    rows that rounding does not explain, of negative weights, if there are any `below` 0.
    """
    missing = np.isnan(head).sum() if np.isnan(sums).any() else 0
    leaks = np.count_nonzero((head != 0) & shut & ~(np.isnan(head) if missing else np.False_))
    away = np.abs(sums - 1)
    off = (away > 1e-3) & ~(shut.all(axis=-1) & (sums == 0))
    return missing, leaks, off.sum(), (off & (away > 2**-8)).sum(), (head < 0).sum() if below else 0


def _rounded(array):
    """Whether all numbers have eight binary digits, as those of bfloat16."""
    heads = (np.asarray(array[at], np.float32) for at in np.ndindex(array.shape[:-2]))
    return not any((one.view(np.uint32) & 0xFFFF).any() for one in heads)


def _span(low, high, signed=False):
    """The numbers that 0 and the largest level stand for: 0 and 1 unless the weights go beyond; if
    signed, as far down as up.
    """
    low, high = (float(np.nan_to_num(end)) for end in (low, high))
    most = max(-low, high) or 1.0
    return [-most, most] if signed else [min(0.0, low), max(1.0, high)]


def _pack(array, span):
    """Numbers as whole ones: little-endian uint16 between span[0] and span[1], 65,535 for NaN."""
    shares = (np.asarray(array, np.float32) - np.float32(span[0])) / np.float32(span[1] - span[0])
    levels = np.where(
        np.isnan(shares), _LEVELS + 1, np.clip(np.rint(np.nan_to_num(shares) * _LEVELS), 0, _LEVELS)
    )
    return levels.astype("<u2").tobytes()
