"""Painter: a mask that is painted by hand, and what it does: weights, leaks, price, hops."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import traitlets

from attnlib import _check, masks, patterns
from attnlib.attention import softmax
from attnlib.show.labels import axis_names, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.painted import painted

MOST = 16  # words: so many cells can be hit
PATTERNS = ("standard", "causal", "local", "global-local")  # as in painter.js
SENTENCE = "The cat sat on the mat because it was tired"
GOAL = {"layers": 3, "price": 0.4}


class Painter(Live):
    """A mask that is painted by hand: who may look at whom, what the head then does, and who hears
    whom after how many layers. It opens broken, to be repaired.

    mask         boolean (n, n), True = may attend; unless given, `pattern`
    tokens       n strings, at most 16
    scores       (n, n), what the softmax takes; or a dict of names and such arrays, to choose from;
                 all alike unless given
    pattern      "standard", "causal", "local" or "global-local", with `window` and `n_global`;
                 without a mask or a pattern, a causal mask with a hole that is to be found
    order        the mask comes "before" the softmax, or "after" it, which leaks; "after" where
                 neither a mask nor a pattern is given
    future       may a word hear what comes later? Where it may not, each that does is a leak
    goal         {"layers": 3, "price": 0.4}: each word hears every other (those before it, where
                 the future is forbidden) within so many layers, for at most this share of all
                 pairs, without a leak, and the rows add up to 1
    title        a name for the picture

    `mask` is where the reader's hands left it: take it to the next cell, or set it. `weights` are
    attnlib's for this mask and order, (n, n); `leaks` says who hears what it must not, (n, n);
    `hops` after how many layers, -1 for never; `price` is the share of pairs that may attend, and
    `solved` whether the goal is reached.

    A drag paints a rectangle or diagonals, and over the words rows and columns. Keys: arrows move,
    with Shift they choose a rectangle, Space paints it; r a row, c a column, d a diagonal, x turns
    the order, z and y undo and redo.
    """

    _esm = joined("painter")
    _css = style() + (HERE / "painter.css").read_text(encoding="utf-8")
    kinds = MappingProxyType({"future": _check.flag})

    order = traitlets.Enum(["before", "after"], "before").tag(sync=True)
    future = traitlets.Bool(False).tag(sync=True)
    window = traitlets.Int(3).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    goal = traitlets.Dict().tag(sync=True)
    _cells = traitlets.Unicode("").tag(sync=True)
    _scores = traitlets.Bytes(b"").tag(sync=True)
    _globals = traitlets.Int(1).tag(sync=True)

    def __init__(
        self,
        mask=None,
        tokens=None,
        *,
        scores=None,
        pattern=None,
        window=3,
        n_global=1,
        order=None,
        future=False,
        goal=None,
        title="",
    ):
        mask = None if mask is None else _square("mask", _check.allowed("mask", mask))
        tables = {} if scores is None else _tables(scores)
        if mask is None and tokens is None and not tables:
            tokens = SENTENCE.split()
        sizes = [len(one) for one in (mask, tokens, *tables.values()) if one is not None]
        n = _check.integer("n", sizes[0], 1, MOST) if sizes[0] <= MOST else _too_many(sizes[0])
        names = axis_names("tokens", tokens, n, visible, "n")
        for name, one in tables.items():
            if len(one) != n:
                what = "mask" if mask is not None else "tokens"
                raise ValueError(f"scores {name!r} has {len(one)} words, but {what} has {n}")
        broken = mask is None and pattern is None
        if pattern is not None:
            if mask is not None:
                raise ValueError("give a mask or a pattern, not both: a pattern is a mask by name")
            _check.choice("pattern", pattern, PATTERNS)
        window = _check.integer("window", window)
        n_global = _check.integer("n_global", n_global, 0, n)
        if broken:
            mask = masks.causal(n)
            mask[max(n - 3, 0), n - 1] = True  # the hole
        elif mask is None:
            mask = patterns.mask(pattern, n, window=window, n_global=n_global)
        order = ("after" if broken else "before") if order is None else order
        self.scores = tables or {"all alike": np.zeros((n, n), np.float32)}
        super().__init__(
            order=_check.choice("order", order, ["before", "after"]),
            future=future,
            window=min(window, n),
            tokens=names,
            titles=list(self.scores),
            title=title,
            goal=_goal(goal),
            _cells=_written(mask),
            _scores=b"".join(one.tobytes() for one in self.scores.values()),
            _globals=n_global,
        )

    @property
    def mask(self):
        """boolean (n, n), True = may attend: as it is painted now. It is set as a whole."""
        mask = np.array([cell == "1" for cell in self._cells]).reshape(len(self.tokens), -1)
        mask.flags.writeable = False  # painter.mask[0, 1] = True would change a copy
        return mask

    @mask.setter
    def mask(self, mask):
        mask, n = _square("mask", _check.allowed("mask", mask)), len(self.tokens)
        if len(mask) != n:
            raise ValueError(f"mask must have the shape ({n}, {n}), got {mask.shape}")
        self._cells = _written(mask)

    @property
    def weights(self):
        """(n, n): what the head that is shown gives to whom."""
        scores = self.scores[self.titles[self.head]].astype(np.float64)
        if self.order == "after":
            return softmax(scores) * self.mask
        return softmax(scores, where=self.mask)

    @property
    def hops(self):
        """(n, n): layers until token i knows of token j, 0 for itself, -1 for never."""
        return masks.hops(self._hears())

    @property
    def leaks(self):
        """boolean (n, n): does token i hear token j, and must not?"""
        shut = ~self.mask & self._hears()
        later = np.triu(np.full(shut.shape, not self.future), 1)
        return (shut | (later & (self.hops > 0))) & ~np.eye(len(shut), dtype=bool)

    @property
    def price(self):
        """The share of pairs that may attend."""
        return masks.density(self.mask)

    @property
    def solved(self):
        """Is the goal reached?"""
        hops, n = self.hops, len(self.tokens)
        due = ~np.eye(n, dtype=bool) if self.future else np.tri(n, k=-1, dtype=bool)
        heard = ((hops > 0) & (hops <= self.goal["layers"]))[due].all()
        whole = np.abs(self.weights.sum(axis=1) - 1) < 0.005
        cheap = self.mask.sum() <= np.floor(self.goal["price"] * n * n + 1e-9)
        return bool(heard and whole.all() and cheap and not self.leaks.any())

    def _hears(self):
        """Whom a layer lets hear: behind the softmax, who looks at any hears all in the sum."""
        if self.order == "before":
            return self.mask
        return np.broadcast_to(self.mask.any(axis=1, keepdims=True), self.mask.shape)

    @traitlets.validate("head")
    def _head_exists(self, proposal):
        return _check.integer("head", proposal["value"], 0, max(len(self.titles) - 1, 0))

    @traitlets.validate("window")
    def _window_fits(self, proposal):
        return _check.integer("window", proposal["value"], 1, MOST)

    @traitlets.validate("goal")
    def _goal_fits(self, proposal):
        return _goal(proposal["value"])

    def _still(self):
        parts = (self.mask, self.weights, self.leaks, self.hops)
        picture = painted(*parts, self.tokens, order=self.order, title=self.title)
        pairs = [f"{self.tokens[i]} → {self.tokens[j]}" for i, j in np.argwhere(self.leaks)]
        more = f", and {len(pairs) - 5} more" if len(pairs) > 5 else ""
        return picture, f"hears what it must not: {', '.join(pairs[:5])}{more}" if pairs else ""

    def __repr__(self):
        return f"Painter({len(self.tokens)} tokens, {self.mask.sum()} pairs, {self.order} softmax)"


def _square(name, array):
    """The array without leading axes of 1; it must be (n, n)."""
    while array.ndim > 2 and len(array) == 1:
        array = array[0]
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise ValueError(f"{name} must have the shape (n, n), got {array.shape}")
    return array if len(array) <= MOST else _too_many(len(array), name)


def _too_many(n, name="tokens"):
    raise ValueError(
        f"{name} has {n} words, and up to {MOST} can be painted: cut out a part, as"
        f" {name}[{':12' if name == 'tokens' else ':12, :12'}]"
    )


def _tables(scores):
    """{name: float32 (n, n)}: the page has the same numbers."""
    named = scores if isinstance(scores, Mapping) else {"scores": scores}
    tables = {}
    for name, one in _check.named("scores", named, "arrays").items():
        array = _square("scores", _check.floats("scores", one, "n n"))
        if np.isneginf(array).any():
            raise ValueError("scores hold -inf, a mask already: give the scores before it")
        with np.errstate(over="ignore"):
            tables[_check.text("scores", name)] = _check.finite("scores", array.astype("<f4"))
    return tables


def _goal(goal):
    if goal is None:
        return dict(GOAL)
    wanted = 'a dict like {"layers": 3, "price": 0.4}'
    if not isinstance(goal, Mapping):
        raise TypeError(f"goal must be {wanted}, got {_check.short(goal)}")
    if unknown := [name for name in goal if name not in GOAL]:
        raise ValueError(f"goal must be {wanted}; it has {unknown[0]!r}")
    goal = GOAL | dict(goal)
    layers = _check.integer("goal['layers']", goal["layers"])
    price = _check.positive("goal['price']", goal["price"])
    if price > 1:
        raise ValueError(f"goal['price'] is a share of all pairs, 0 to 1, got {price:g}")
    return {"layers": layers, "price": price}


def _written(mask):
    return "".join("1" if cell else "0" for cell in np.asarray(mask).flat)
