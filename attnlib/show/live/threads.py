"""Threads: who looks at whom, as threads between words or as a map."""

from typing import Literal

import numpy as np
import traitlets

from attnlib import _check
from attnlib.show import figures
from attnlib.show.brought import brought
from attnlib.show.labels import axis_names, most_attended, visible
from attnlib.show.live.base import Live, joined
from attnlib.show.threads import threads

MOST = 24  # words a side; as in weave.js
MANY = 48  # heads
TELLS = 0.05  # so far above an even share, a weight says something


class Threads(Live):
    """One head as threads between two columns of words, or as a map; each thread becomes its own
    cell. Small pictures of all heads to choose from.

    weights      (n_q, n_k), or (heads, n_q, n_k), of at most 24 words a side
    tokens       n_q strings; key_tokens: n_k strings, for cross-attention
    mask         boolean, True = may attend, broadcasts to the weights
    batch        the text that is meant, where weights are those of several, (b, heads, n_q, n_k)
    titles       names of the heads; head: the one that is shown first
    pins, side   the words that are chosen first, by their places, [] for none; side="key" chooses
                 among the words that are looked at. What several give is added up under the words.
                 Left out, it is the word whose largest weight is furthest above an even share of
                 its row (with side="key" the word at which that one looks); a word that looks most
                 at itself, or at the first one, only where no other says anything
    form         "threads" or "map"

    `head`, `pins`, `side` and `form` are where the reader's hands left them: read them in the next
    cell, or set them. Keys: up and down choose a word (with Shift, or after Space, one more), left
    and right a head, x the other side, m the form, Esc lets go.

    Nothing is corrected: NaN is red, a weight where none is allowed is red, and the words below the
    picture say when a row does not add up to 1.
    """

    _esm = joined("threads")

    head = traitlets.Int(0).tag(sync=True)
    pins = traitlets.List(traitlets.Int()).tag(sync=True)
    side = traitlets.Enum(["query", "key"], "query").tag(sync=True)
    form = traitlets.Enum(["threads", "map"], "threads").tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    key_tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    _shape = traitlets.List().tag(sync=True)
    _weights = traitlets.Bytes(b"").tag(sync=True)
    _mask = traitlets.Bytes(b"").tag(sync=True)

    def __init__(
        self,
        weights,
        tokens=None,
        key_tokens=None,
        mask=None,
        titles=None,
        head=0,
        pins=None,
        form: Literal["threads", "map"] = "threads",
        title="",
        *,
        side: Literal["query", "key"] = "query",
        batch=None,
    ):
        given = brought(weights, tokens, key_tokens, mask, batch=batch, most=3)
        weights, tokens, key_tokens, mask = given
        self.weights = array = _weights_of(weights)
        n_heads, n_q, n_k = array.shape
        self.mask = None if mask is None else _mask_of(mask, array.shape)
        tokens = axis_names("tokens", tokens, n_q, visible)
        keys = tokens
        if key_tokens is not None or n_q != n_k:
            keys = axis_names("key_tokens", key_tokens, n_k, visible, "n_k")
        if titles is not None and len(titles) != n_heads:
            raise ValueError(
                f"titles has {len(titles)} names, but weights {np.shape(weights)} has"
                f" {n_heads} heads"
            )
        side = _check.choice("side", side, ["query", "key"])
        head = _check.integer("head", head, minimum=0, maximum=n_heads - 1)
        if pins is None:
            allowed = np.ones((n_q, n_k), bool) if mask is None else self.mask[head]
            pins = telling(array[head], allowed, side, keys == tokens)
        super().__init__(
            tokens=tokens,
            key_tokens=keys,
            titles=[str(one) for one in titles or []],
            title=title,
            side=side,
            form=_check.choice("form", form, ["threads", "map"]),
            head=head,
            pins=list(pins),
            _shape=list(array.shape),
            _weights=array.astype("<f4").tobytes(),
            _mask=b"" if mask is None else self.mask.astype("<f4").tobytes(),
        )

    @traitlets.validate("head")
    def _head_exists(self, proposal):
        return _check.integer("head", proposal["value"], minimum=0, maximum=self._shape[0] - 1)

    @traitlets.validate("pins", "side")
    def _pins_exist(self, proposal):
        now = {"pins": self.pins, "side": self.side, proposal["trait"].name: proposal["value"]}
        for i in now["pins"]:
            last = self._shape[1 if now["side"] == "query" else 2] - 1
            _check.integer("pins", i, minimum=0, maximum=last)
        return proposal["value"]

    def _still(self):
        """The chosen head as it is shown; without a chosen word, all its threads."""
        names = {"tokens": self.tokens, "key_tokens": self.key_tokens}
        titles = self.titles or [f"head {h}" for h in range(len(self.weights))]
        table = most_attended(self.weights[:8], self.tokens, key_tokens=self.key_tokens)
        if self.form == "map":
            mask = None if self.mask is None else self.mask[self.head]
            title = self.title or titles[self.head]
            figure = figures.heatmap(self.weights[self.head], mask=mask, title=title, **names)
            return figure, table
        how = {"head": self.head, "pins": self.pins, "side": self.side, "title": self.title}
        return threads(self.weights, mask=self.mask, titles=titles, **names, **how), table


def _weights_of(weights):
    """The weights as (heads, n_q, n_k), of a size that can be drawn."""
    array = weights
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(
            "weights must have the shape (n_q, n_k) or (heads, n_q, n_k), with no axis of length"
            f" 0; got {array.shape}"
        )
    array = array.reshape((1,) * (3 - array.ndim) + array.shape)
    if max(array.shape[1:]) > MOST or len(array) > MANY:
        raise ValueError(
            f"weights must have at most {MOST} words a side and {MANY} heads to be drawn as"
            f" threads, got {array.shape}: take a part of them, or AttentionView"
        )
    if np.isinf(array).any():
        raise ValueError(
            "weights must not be infinite; these look like scores with -inf, before the softmax"
        )
    return array


def telling(weights, allowed, side, own):
    """The word to begin with, as pins: by `side` the one that looks, of the row whose largest
    weight is furthest above its even share, or the one that it looks at. None where all are even.
    A row that may look at a single word says nothing; one that looks most at itself, or at the
    first word, only where no other says anything.

    weights, allowed   (n_q, n_k); own: the same words stand on both sides
    """
    weights = np.where(allowed, np.nan_to_num(weights), 0)
    if own and np.tril(weights, -1).any() and not np.triu(weights, 1).any():  # causal, unsaid
        allowed = allowed & np.tri(len(weights), dtype=bool)
    above = weights.max(axis=1) - 1 / np.maximum(1, allowed.sum(axis=1))  # (n_q,)
    at, tells = weights.argmax(axis=1), above > TELLS
    elsewhere = tells & (at > 0) & (at != np.arange(len(at)) if own else True)
    rows = elsewhere if elsewhere.any() else tells
    i = int(np.where(rows, above, -np.inf).argmax())
    word = i if side == "query" else int(at[i])
    return [word] if rows.any() else []


def _mask_of(mask, shape):
    mask = _check.broadcasts("mask", _check.boolean("mask", mask), shape)
    return np.broadcast_to(mask, shape)
