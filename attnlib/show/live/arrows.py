"""Arrows: one query among keys in the plane, to be turned by hand."""

from types import MappingProxyType
from typing import Literal

import numpy as np
import traitlets

from attnlib import _check
from attnlib.show.labels import axis_names, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.turned import arrows, judged

MOST, LONGEST = 8, 1e6  # keys; what an arrow or a value is at most
COLD, HOT = 1e-3, 1e3


class Arrows(Live):
    """One query among keys, as arrows in the plane: turn the query, and see whom it chooses and
    what comes of it.

    query        (2,); keys: (n, 2), up to 8 of them
    values       n numbers, which the weights mix; without them there is no balance
    names        n names of the keys; who: the name of the query
    axes         names of the two directions; value_name: what the values are, such as "stars"
    temperature  what the scores are divided by before the softmax
    shares       "softmax"; or "squares", each score squared and divided by the sum of the squares:
                 the worst match may win
    compare      "dot", or "cosine": the dot product divided by both lengths
    moves        "query", or "all": the keys and their values move, too
    pin          the key whose sum is shown, an index or a name; None for none
    title        a name for the picture

    `query`, `key_arrows`, `values`, `temperature`, `shares`, `compare`, `moves` and `pin` (-1 for
    none) are where the reader's hands left them: read them in the next cell, or set them.
    `.scores`, `.weights` and `.mixture` are computed from them.

    Keys, on an arrow: left and right turn it, up and down make it longer or shorter; with Shift,
    in large steps. On a name: Enter or Space shows its sum.
    """

    _esm = joined("arrows")
    _css = style() + (HERE / "arrows.css").read_text(encoding="utf-8")

    query = traitlets.List(traitlets.Float(), [1.0, 0.0]).tag(sync=True)
    key_arrows = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    values = traitlets.List(traitlets.Float()).tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    shares = traitlets.Enum(["softmax", "squares"], "softmax").tag(sync=True)
    compare = traitlets.Enum(["dot", "cosine"], "dot").tag(sync=True)
    moves = traitlets.Enum(["query", "all"], "query").tag(sync=True)
    pin = traitlets.Int(-1).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    who = traitlets.Unicode("query").tag(sync=True)
    axes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    value_name = traitlets.Unicode("").tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    kinds = MappingProxyType({"who": _check.text, "value_name": _check.text, "axes": _check.pair})

    def __init__(
        self,
        query,
        keys,
        values=None,
        names=None,
        *,
        who="query",
        axes=None,
        value_name="",
        temperature=1.0,
        shares: Literal["softmax", "squares"] = "softmax",
        compare: Literal["dot", "cosine"] = "dot",
        moves: Literal["query", "all"] = "query",
        pin=None,
        title="",
    ):
        query, keys = _arrows("query", query, "2"), _arrows("keys", keys, "n 2")
        n = len(keys)
        names = axis_names("names", names, n, visible, "n")
        super().__init__(
            query=query.tolist(),
            key_arrows=keys.tolist(),
            values=[] if values is None else _values(values, n).tolist(),
            names=names,
            who=who,
            axes=list(axes or ()),
            value_name=value_name,
            temperature=_warm("temperature", temperature),
            shares=_check.choice("shares", shares, ["softmax", "squares"]),
            compare=_check.choice("compare", compare, ["dot", "cosine"]),
            moves=_check.choice("moves", moves, ["query", "all"]),
            pin=-1 if pin is None else _place(pin, names),
            title=title,
        )

    @traitlets.validate("query")
    def _is_an_arrow(self, proposal):
        return _arrows("query", proposal["value"], "2").tolist()

    @traitlets.validate("key_arrows")
    def _are_arrows(self, proposal):
        keys = _arrows("key_arrows", proposal["value"], "n 2")
        return self._as_many("key_arrows", keys, self.key_arrows)

    @traitlets.validate("values")
    def _are_values(self, proposal):
        if not proposal["value"]:
            return self._as_many("values", np.zeros(0), self.values)
        return _values(proposal["value"], len(self.names or proposal["value"])).tolist()

    def _as_many(self, name, rows, before):
        if before and len(rows) != len(before):
            raise ValueError(f"{name} must stay {len(before)} rows, got {len(rows)}")
        return rows.tolist()

    @traitlets.validate("temperature")
    def _is_warm(self, proposal):
        return _warm("temperature", proposal["value"])

    @traitlets.validate("pin")
    def _exists(self, proposal):
        return _check.integer("pin", proposal["value"], -1, len(self.key_arrows or [0] * MOST) - 1)

    def _state(self):
        query, keys, values = map(np.array, (self.query, self.key_arrows, self.values))
        return query, keys, values, self.temperature, self.shares, self.compare

    @property
    def scores(self):
        """(n,): keys @ query, or the cosines; not yet divided by the temperature."""
        return judged(*self._state())[0]

    @property
    def weights(self):
        """(n,): the shares of the keys, 1 in sum."""
        return judged(*self._state())[1]

    @property
    def mixture(self):
        """weights @ values; None without values."""
        return judged(*self._state())[2]

    def _still(self):
        *state, temperature, shares, compare = self._state()
        picture = arrows(
            *state,
            self.names,
            who=self.who,
            axes=self.axes or None,
            value_name=self.value_name,
            temperature=temperature,
            shares=shares,
            compare=compare,
            title=self.title,
        )
        return picture, ""

    def __repr__(self):
        return f"Arrows({len(self.names)} keys)"


def _arrows(name, value, axes):
    """An arrow (2,), or rows of them, in float64 and of a length that can be drawn."""
    found = _check.finite(name, _check.floats(name, value, axes)).astype(np.float64)
    wanted = "(2,)" if axes == "2" else "(n, 2)"
    if found.ndim != len(axes.split()) or found.shape[-1] != 2 or 0 in found.shape:
        raise ValueError(
            f"{name} must have the shape {wanted}, got {found.shape}: an arrow in the plane has two"
            " numbers"
        )
    if found.ndim == 2 and len(found) > MOST:
        raise ValueError(f"{name} must be at most {MOST} arrows, got {len(found)}: take {name}[:8]")
    return _small(name, found)


def _values(value, n):
    found = _check.finite("values", _check.floats("values", value, "n")).astype(np.float64)
    if found.shape != (n,):
        raise ValueError(f"values must have the shape ({n},), one per key, got {found.shape}")
    return _small("values", found)


def _small(name, found):
    if np.abs(found).max() > LONGEST:
        raise ValueError(f"{name} must be at most 1e6 to be drawn, got {np.abs(found).max():g}")
    return found


def _warm(name, value):
    found = _check.positive(name, value)
    if not COLD <= found <= HOT:
        raise ValueError(f"{name} must be between {COLD:g} and {HOT:g}, got {found:g}")
    return found


def _place(pin, names):
    if isinstance(pin, str):
        if pin not in names:
            raise ValueError(f"pin must be an index or one of {', '.join(names)}, got {pin!r}")
        return names.index(pin)
    return _check.integer("pin", pin, 0, len(names) - 1)
