"""Atlas: all heads of a model on one page, by what they do, and a hunt for one that does a job."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import traitlets

from attnlib import _check
from attnlib.show import kinds as known
from attnlib.show.brought import brought
from attnlib.show.labels import as_text, axis_names, visible
from attnlib.show.live.base import HERE, Live, count, joined, style

MOST = 64  # tokens of a text
ORDERS = ["layers", "kind"]  # and the name of every measure
TOLD = ("look", "shares", "another", "n", "text", "over", "hint", "baseline", "name")


class Atlas(Live):
    """All heads of a model on one page, by what they do; any two of them as maps, one above the
    other; and a hunt: find the head that does a job, judged on many texts.

    measures   {name: (layers, heads)}, not below 0, as the functions of attnlib.measures return
               them; shares of 1 where they make kinds. One in another unit may say so in its
               name: "reach in tokens"
    kinds      {measure: from which share on}, in the order in which they are tried: a head is of
               the first kind whose measure is that large, and "mixed" where none is. Unless given,
               all that `measures` has of: "induction", "same token", "previous token",
               "next token", "itself" (from .3 on), "first token", "separator" (.5), "broad" (.6)
    maps       a list of texts, each with the weights of all heads, (layers, heads, n, n), or
               what a model returned for it; up to 64 tokens
    tokens     a list of n strings for each text; a `Trace` has its own
    hunt       what is to be found, a dict or a list of them:
                 look      (from, to), the places of two tokens in the text that is shown
                 text      its number among the maps; 0 unless given
                 shares    (layers, heads): the share of the look, or of the texts in which the head
                           gets it right, over many texts
                 another   (layers, heads): the same when another word asks; then a head is judged
                           by the difference, and one that looks there whoever asks does not count
                 n, over   how many, and what they are: 120, "sentences with other animals"
                 baseline  the share of the best rule that reads no words, as a fixed distance,
                           which a head must exceed
                 hint, name
    title      a name for the picture
    sort       "layers", as the model has them, "kind", or the name of a measure
    mode       "look" or "hunt"
    text       the number of the text whose maps are shown
    picked, beside   the heads that are shown at first, (layer, head)

    `picked` is the head that the reader has clicked, [layer, head]; `beside` the second one or
    None; a hunt leaves both as they are. `found` are the heads that were found, {name of the hunt:
    [layer, head]}, `tried` all that were clicked for it, and `shown` the hunts whose best head was
    shown. Sorted by a measure, its two best are picked, and one that is seen in a text that repeats
    brings such a text. `least` are the limits of the kinds, as the reader has set them, and `kind`
    is the kind of each head, (layers, heads). Take them to the next cell, or set them.

    Keys: arrows move, Enter or Space picks, Esc lets go. A finger that slides over the heads shows
    their maps, and picks where it is lifted.
    """

    _esm = joined("atlas")
    _css = style() + (HERE / "atlas.css").read_text(encoding="utf-8")
    kinds = MappingProxyType(
        {"picked": _check.place, "beside": _check.place, "sort": _check.text, "text": count}
    )

    sort = traitlets.Unicode("layers").tag(sync=True)
    mode = traitlets.Enum(["look", "hunt"], "look").tag(sync=True)
    text = traitlets.Int(0).tag(sync=True)
    task = traitlets.Int(0).tag(sync=True)
    picked = traitlets.List(traitlets.Int()).tag(sync=True)
    beside = traitlets.List(traitlets.Int(), None, allow_none=True).tag(sync=True)
    least = traitlets.Dict().tag(sync=True)
    found = traitlets.Dict().tag(sync=True)
    tried = traitlets.Dict().tag(sync=True)
    shown = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    _shape = traitlets.List(traitlets.Int()).tag(sync=True)
    _names = traitlets.List(traitlets.Unicode()).tag(sync=True)  # of the measures
    _measures = traitlets.Bytes(b"").tag(sync=True)  # float32 (measures, layers · heads)
    _looks = traitlets.List().tag(sync=True)  # of the kinds: name, sign, colours, words
    _texts = traitlets.List().tag(sync=True)  # {tokens, pieces, causal}
    _maps = traitlets.Bytes(b"").tag(sync=True)  # a byte a weight; of causal maps the lower half
    _hunts = traitlets.List().tag(sync=True)

    def __init__(
        self,
        measures,
        *,
        kinds=None,
        maps=None,
        tokens=None,
        hunt=None,
        title="",
        sort="layers",
        mode: Literal["look", "hunt"] = "look",
        text=None,
        picked=None,
        beside=None,
    ):
        self.measures = _measured(measures)
        shape = next(iter(self.measures.values())).shape
        least = known.chosen(kinds, self.measures)
        self.maps, names = _mapped(maps, tokens, shape)
        hunts = [_hunt(k, one, names, shape) for k, one in enumerate(_listed(hunt))]
        if picked is None:
            liked = "previous token" if "previous token" in least else next(iter(self.measures))
            picked = [int(n) for n in np.unravel_index(self.measures[liked].argmax(), shape)]
        if text is None:
            text = hunts[0]["text"] if hunts else 0
        super().__init__(
            picked=picked,
            beside=beside,
            sort=sort,
            mode=_check.choice("mode", mode, ["look", "hunt"]),
            least=least,
            title=title,
            text=text,
            _shape=list(shape),
            _names=list(self.measures),
            _measures=np.stack(list(self.measures.values())).astype("<f4").tobytes(),
            _looks=[one._asdict() for one in known.looks_of(list(least))],
            _hunts=hunts,
            **self._sent(names),
        )

    def _sent(self, names):
        """What crosses of the maps: a byte for each weight, and the names of their tokens."""
        texts = [
            {"tokens": row, "pieces": as_text(row), "causal": _causal(one)}
            for row, one in zip(names, self.maps)
        ]
        return {"_texts": texts, "_maps": b"".join(map(_bytes, self.maps))}

    @property
    def kind(self):
        """The kind of each head, an array of names, (layers, heads)."""
        names = np.array([*self.least, known.MIXED])
        return names[known.kinds_of(self.measures, self.least)]

    @property
    def agreement(self):
        """How far `picked` and `beside` agree on the text that is shown, 0 to 1: so much of their
        weight lies on the same tokens. Where a token can look only at itself it does not count.
        """
        if not self.beside or not self.maps:
            return None
        weights = self.maps[self.text]
        a, b = (
            weights[tuple(head)][int(_causal(weights)) :] for head in (self.picked, self.beside)
        )
        return float(np.minimum(a, b).sum(axis=-1).mean()) if len(a) else 1.0

    @traitlets.validate("picked", "beside")
    def _is_a_head(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if value is None:
            return value
        layer, head = _check.place(name, value)
        layers, heads = self._shape or [layer + 1, head + 1]
        return [
            _check.integer(f"{name}: layer", layer, 0, layers - 1),
            _check.integer(f"{name}: head", head, 0, heads - 1),
        ]

    @traitlets.validate("sort")
    def _is_an_order(self, proposal):
        return _check.choice("sort", proposal["value"], [*ORDERS, *self.measures])

    @traitlets.validate("mode")
    def _can_hunt(self, proposal):
        if proposal["value"] == "hunt" and not self._hunts:
            raise ValueError('mode="hunt" needs something to find: give hunt=')
        return proposal["value"]

    @traitlets.validate("text", "task")
    def _is_there(self, proposal):
        name = proposal["trait"].name
        n = len(self.maps) if name == "text" else len(self._hunts)
        return _check.integer(name, proposal["value"], 0, max(n - 1, 0))

    @traitlets.validate("least")
    def _are_limits(self, proposal):
        least = known.chosen(proposal["value"] or None, self.measures)
        if self.least and list(least) != list(self.least):
            raise ValueError(f"least must be of the kinds {list(self.least)}, got {list(least)}")
        return least

    def _still(self):
        heads = [self.picked, *([self.beside] if self.beside else [])]
        maps = []
        if self.maps:
            weights, tokens = self.maps[self.text], self._texts[self.text]["tokens"]
            mask = np.tri(len(tokens), dtype=bool) if _causal(weights) else None
            maps = [(weights[tuple(head)], tokens, mask) for head in heads]
        picture = known.kinds_figure(self.measures, self.least, heads, maps, title=self.title)
        return picture, "\n".join(self._said(*head) for head in heads)

    def _said(self, layer, head):
        """A head in words: its kind and its measures."""
        numbers = ", ".join(f"{n} {one[layer, head]:.2f}" for n, one in self.measures.items())
        return f"layer {layer}, head {head}: {self.kind[layer, head]} ({numbers})"

    def __repr__(self):
        layers, heads = self._shape
        return f"Atlas({layers} layers × {heads} heads, {len(self.maps)} texts)"


def _measured(measures):
    found = {}
    for name, one in _check.named("measures", measures, "(layers, heads)").items():
        what = f"measures[{name!r}]"
        array = _check.finite(what, _check.floats(what, one, "layers heads"))
        if array.ndim != 2 or not array.size or array.min() < 0:
            raise ValueError(
                f"{what} must be numbers not below 0, of the shape (layers, heads), got"
                f" {array.shape}{f' from {array.min():g} on' if array.size else ''}"
            )
        first = next(iter(found.values()), array)
        if array.shape != first.shape:
            raise ValueError(f"{what} has the shape {array.shape}, but others have {first.shape}")
        found[_check.text("measures", name)] = array.astype(np.float32)
    return found


def _mapped(maps, tokens, shape):
    """The weights of each text, (layers, heads, n, n), and its tokens."""
    if maps is None:
        if tokens is not None:
            raise ValueError("tokens without maps name nothing: give maps= as well")
        return [], []
    one = getattr(maps, "ndim", 0) == 4 or hasattr(maps, "_fields")
    maps = [maps] if one else maps
    list_ = hasattr(maps, "__len__") and getattr(maps, "ndim", 1) > 0
    if not list_ or isinstance(maps, (str, Mapping)) or not len(maps):
        raise TypeError(f"maps must be a list of texts, got {_check.short(maps)}")
    rows = [None] * len(maps) if tokens is None else [tokens] if one else tokens
    if tokens is not None and not all(isinstance(row, list) for row in rows):
        raise TypeError("tokens must be a list of texts, each a list of strings, as maps is")
    if len(rows) != len(maps):
        raise ValueError(f"tokens has {len(rows)} texts, and maps has {len(maps)}")
    found, names = [], []
    for k, (text, row) in enumerate(zip(maps, rows)):
        weights, row, _, _ = brought(text, row, name=f"maps[{k}]")
        if weights.ndim != 4 or weights.shape[:2] != shape or weights.shape[2] != weights.shape[3]:
            raise ValueError(
                f"maps[{k}] must have the shape ({shape[0]}, {shape[1]}, n, n), as the measures"
                f" have it, got {weights.shape}"
            )
        n = weights.shape[-1]
        if not 1 <= n <= MOST:
            raise ValueError(f"maps[{k}] has {n} tokens, and up to {MOST} can be shown: shorten it")
        _check.finite(f"maps[{k}]", weights)
        if weights.min() < 0 or weights.max() > 1.001:
            raise ValueError(f"maps[{k}] must hold weights from 0 to 1, as softmax makes them")
        found.append(weights)
        names.append(axis_names(f"tokens[{k}]", row, n, visible, "n"))
    return found, names


def _causal(weights):
    """Does nobody look ahead?"""
    return not np.triu(weights, 1).any()


def _bytes(weights):
    n = weights.shape[-1]
    open_ = np.tri(n, dtype=bool) if _causal(weights) else np.ones((n, n), bool)
    return np.round(255 * np.clip(weights[..., open_], 0, 1)).astype(np.uint8).tobytes()


def _listed(hunt):
    if hunt is None:
        return []
    return [hunt] if isinstance(hunt, Mapping) else _check.row("hunt", hunt, "dicts")


def _hunt(k, hunt, texts, shape):
    """A hunt as the page takes it."""
    what = f"hunt[{k}]"
    for name in _check.named(what, hunt):
        if name not in TOLD:
            raise ValueError(f"{what} has {name!r}, and may have {', '.join(TOLD)}")
    if missing := [name for name in ("look", "shares", "n") if name not in hunt]:
        raise ValueError(f"{what} needs {missing[0]!r}")
    if not texts:
        raise ValueError(f"{what} needs a text to be shown on: give maps=")
    text = _check.integer(f"{what}['text']", hunt.get("text", 0), 0, len(texts) - 1)
    look = _check.place(f"{what}['look']", hunt["look"])
    tokens = texts[text]
    look = [_check.integer(f"{what}['look']", one, 0, len(tokens) - 1) for one in look]
    shares = {
        name: _shares(f"{what}[{name!r}]", hunt[name], shape)
        for name in ("shares", "another")
        if name in hunt
    }
    baseline = _check.not_negative(f"{what}['baseline']", hunt.get("baseline", 0))
    words = [tokens[one].strip("␣") for one in look]
    return {
        "name": _check.text(f"{what}['name']", hunt.get("name", " → ".join(words))),
        "look": look,
        "text": text,
        "another": None,
        **shares,
        "n": _check.integer(f"{what}['n']", hunt["n"]),
        "over": _check.text(f"{what}['over']", hunt.get("over", "texts")),
        "hint": _check.text(f"{what}['hint']", hunt.get("hint", "")),
        "baseline": baseline,
    }


def _shares(what, shares, shape):
    """The shares of all heads as the page takes them, a row."""
    shares = _check.finite(what, _check.floats(what, shares, ""))
    if shares.shape != shape or shares.min() < 0 or shares.max() > 1:
        raise ValueError(f"{what} must be from 0 to 1, of the shape {shape}, got {shares.shape}")
    return np.round(shares.astype(np.float64).ravel(), 4).tolist()
