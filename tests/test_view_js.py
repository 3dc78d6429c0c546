"""view.js and heat.js: their pure functions in node, and AttentionView as a map and as threads in a
browser, by mouse, keyboard and finger.
"""

import base64
import itertools
import json

import node
import numpy as np
import pytest

from attnlib.show import AttentionView
from attnlib.show.live import view as module

WORDS = "The cat sat on a mat because it was so tired today".split()
LOOK = {"top_k": 0, "threshold": 0, "hide_first": False}


def softmax(*shape, seed=0, mask=None):
    logits = np.random.default_rng(seed).normal(0, 2, shape)
    logits = logits if mask is None else np.where(mask, logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


# ---- in node -------------------------------------------------------------------------------------

START = """import * as heat from "./heat.js";
import * as view from "./view.js";
const bytes = (text) => new DataView(new Uint8Array(Buffer.from(text, "base64")).buffer);
const opened = (state) => heat.table({ ...state, _weights: bytes(state._weights),
  _sums: bytes(state._sums), _mask: bytes(state._mask) });
const say = (answer) => console.log(JSON.stringify(answer, (key, value) =>
  (typeof value === "number" && !isFinite(value) ? String(value) : value)));
"""


def run(tmp_path, script, data=None):
    return node.run(node.modules(tmp_path), START + script, data)


def traits(view):
    """What Python sends, as JSON."""
    names = ["_shape", "_range", "_sum_range", "_first", "_weights", "_sums", "_mask"]
    names += ["tokens", "key_tokens", "signed"]
    values = {name: getattr(view, name) for name in names}
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }


def numbers(values):
    return np.array([float(v) if v is not None else np.nan for v in np.ravel(values)])


def drawn_views(n=40):
    """Weights of many shapes: with masks of every kind, NaN, leaks, rows that do not sum to 1,
    differences, and some of which only a layer has been sent.
    """
    rng = np.random.default_rng(3)
    for k in range(n):
        layers, heads, n_q, n_k = rng.integers(1, [4, 4, 9, 9])
        weights = softmax(layers, heads, n_q, n_k, seed=k)
        shape = [(n_q, n_k), (heads, n_q, n_k), weights.shape, (n_k,)][k % 4]
        mask = rng.random(shape) < 0.7 if k % 3 else None
        if mask is not None and k % 2:
            weights = weights * mask
        if k % 5 == 0:
            weights[0, 0, 0, 0] = np.nan
        if k % 7 == 0:
            weights = weights * 2 - 0.5
        tokens = [f"q{i}" for i in range(n_q)]
        keys = [f"k{j}" for j in range(n_k)]
        layer = int(rng.integers(layers))
        yield AttentionView(
            weights, tokens, key_tokens=keys, mask=mask, layer=layer, signed=k % 11 == 0
        )


@pytest.mark.parametrize("limit", [10**6, 0], ids=["all layers", "one layer"])
def test_the_page_reads_what_python_sent(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(module, "SENT_AT_ONCE", limit)
    views = list(drawn_views())
    script = """const range = heat.range;
    say(data.map(({ state }) => { const t = opened(state);
      const each = range(t.layers).flatMap((l) => range(t.heads).map((h) => [l, h]));
      return each.map(([l, h]) => { const one = heat.headOf(t, l, h);
        return { has: t.has(l), rows: t.has(l) ? range(t.nq).map(one.row) : null,
          columns: t.has(l) ? range(t.nk).map(one.column) : null, sums: range(t.nq).map(one.sum),
          closed: range(t.nq).map((i) => range(t.nk).map((j) => one.closed(i, j))) }; }); }));"""
    got = run(tmp_path, script, [{"state": traits(view)} for view in views])
    for view, heads in zip(views, got):
        size = view._range[1] - view._range[0]
        masks = np.broadcast_to(True if view.mask is None else view.mask, view.array.shape)
        for n, one in enumerate(heads):
            layer, head = divmod(n, view.array.shape[1])
            weights = view.array[layer, head]
            assert np.array_equal(~np.array(one["closed"]), masks[layer, head])
            if not view.signed:
                sums = numbers(one["sums"])
                np.testing.assert_allclose(sums, weights.sum(-1), atol=2e-4)
            assert one["has"] == (limit > 0 or layer == view.layer)
            if one["has"]:
                np.testing.assert_allclose(
                    numbers(one["rows"]), weights.ravel(), atol=1e-5 * size + 1e-7
                )
                np.testing.assert_allclose(
                    numbers(one["columns"]), weights.T.ravel(), atol=1e-5 * size + 1e-7
                )


def test_what_is_hidden(tmp_path):
    """passing: "only the top", "at least" and "hide the first column", from their definitions."""
    rng = np.random.default_rng(0)
    cases = []
    for k in range(300):
        row = np.round(rng.normal(0, 0.4, rng.integers(1, 8)), 1)  # some alike
        row[rng.random(len(row)) < 0.15] = np.nan
        look = {
            "top_k": int(rng.integers(0, 6)),
            "threshold": float(rng.choice([0, 0.1, 0.5])),
            "hide_first": bool(k % 2),
        }
        cases.append(([None if np.isnan(v) else v for v in row], look))
    script = """say(data.map(([row, look]) =>
      heat.passing(row.map((v) => (v === null ? NaN : v)), look)));"""
    for (row, look), got in zip(cases, run(tmp_path, script, cases)):
        sizes = sorted((abs(v) for v in row if v is not None), reverse=True)
        sizes += [-1] * (len(row) - len(sizes))
        least = sizes[look["top_k"] - 1] if 0 < look["top_k"] < len(row) else -np.inf
        wanted = [
            v is None
            or (
                abs(v) >= least
                and abs(v) >= look["threshold"]
                and not (look["hide_first"] and j == 0)
            )
            for j, v in enumerate(row)
        ]
        assert got == wanted, (row, look)


def test_colours_and_their_places(tmp_path):
    cases = [
        [v, most, {"signed": signed, "scale": scale, "low": low, "high": high}]
        for v in (-0.4, 0, 0.001, 0.3, 0.5, 1, 1.7)
        for most in (0, 0.5, 1)
        for scale in ("absolute", "row", "sqrt")
        for signed, low, high in [
            (False, 0, 1),
            (False, -0.5, 2),
            (True, -0.8, 0.8),
            (False, 0, 0.4),
        ]
    ]
    got = run(tmp_path, "say(data.map((one) => heat.level(...one)));", cases)
    for (v, most, how), place in zip(cases, got):
        if how["signed"]:
            share = (v / max(-how["low"], how["high"]) + 1) / 2
        else:
            top = (most or 1) if how["scale"] == "row" else max(1, how["high"])
            share = max(0, v / top) ** (0.5 if how["scale"] == "sqrt" else 1)
        assert abs(place - 255 * min(1, max(0, share))) <= 0.5 + 1e-9, (v, most, how)


def test_rays_sums_and_cells_of_words(tmp_path):
    """What a word looks at, what several words give, and where a click on a word leads."""
    views = [view for view in drawn_views() if not np.isnan(view.array).any()]
    script = """say(data.map(({ state, layer, pins }) => {
      const t = opened(state), one = heat.headOf(t, layer, 0), { range } = heat;
      const look = { top_k: 2, threshold: 0, hide_first: false };
      return {
        query: range(t.nq).map((i) => heat.ray(one, [i, 0], { ...look, side: "query" })),
        key: range(t.nk).map((j) => heat.ray(one, [0, j], { ...look, side: "key" })),
        give: heat.added(one, pins.q, "query"), get: heat.added(one, pins.k, "key"),
        own: range(t.nq).map((i) => heat.cellOf(one, 0, i, null, "query")),
        line: range(t.nk).map((j) => heat.cellOf(one, 1, j, [0, 0], "query")),
        column: range(t.nk).map((j) => heat.cellOf(one, 1, j, [0, 0], "key")),
        across: range(t.nq).map((i) => heat.cellOf(one, 0, i, [0, 0], "key")) }; }));"""
    cases = []
    for view in views:
        pins = {"q": [0, view.array.shape[2] - 1], "k": [0]}
        cases.append({"state": traits(view), "layer": view.layer, "pins": pins})
    for view, case, got in zip(views, cases, run(tmp_path, script, cases)):
        w, (n_q, n_k) = view.array[view.layer, 0], view.array.shape[2:]
        closed = ~np.broadcast_to(True if view.mask is None else view.mask, view.array.shape)
        top = np.sort(np.abs(w), axis=1)[:, -2:][:, 0] if n_k > 2 else np.zeros(n_q)
        shown = np.abs(w) >= top[:, None] - 1e-9
        for side, axis in (("query", 0), ("key", 1)):
            for n, ray in enumerate(got[side]):
                np.testing.assert_allclose(ray["values"], w.take(n, axis), atol=5e-5)
                assert ray["closed"] == closed[view.layer, 0].take(n, axis).tolist()
                assert ray["shown"] == shown.take(n, axis).tolist()
                assert ray["most"] == max(ray["values"])
        q = case["pins"]["q"]
        np.testing.assert_allclose(got["give"], w[q].sum(0), atol=1e-4)
        np.testing.assert_allclose(got["get"], w[:, 0], atol=5e-5)
        for i, (a, b) in enumerate(got["own"]):
            assert a == i and w[i, b] >= w[i].max() - 5e-5
        assert got["line"] == [[0, j] for j in range(n_k)], "in the row that is pinned"
        assert got["across"] == [[i, 0] for i in range(n_q)], "in the column that is pinned"
        for j, (a, b) in enumerate(got["column"]):
            assert b == j and w[a, j] >= w[:, j].max() - 5e-5


def test_small_pictures_lose_no_line(tmp_path):
    weights = np.zeros((1, 2, 40, 50))
    weights[0, 0, 33, 17], weights[0, 0, 32, 16], weights[0, 1, 5, 5] = -1, 0.5, np.nan
    mask = np.tri(40, 50, dtype=bool)
    view = AttentionView(weights, mask=mask)
    script = """const t = opened(data);
    say([0, 1].map((h) => [8, 20].map((dots) => heat.thumbnail(t, 0, h, dots))));"""
    for head, sizes in enumerate(run(tmp_path, script, traits(view))):
        for dots, got in zip((8, 20), sizes):
            down, across = -(-40 // dots), -(-50 // dots)
            assert len(got) == -(-40 // down) <= dots and len(got[0]) == -(-50 // across) <= dots
            assert got[0][-1] is None, "nothing is allowed there"
            where = [
                (a, b) for a, row in enumerate(got) for b, v in enumerate(row) if v not in (0, None)
            ]
            cell = (5, 5) if head else (33, 17)  # and its neighbour, which is smaller
            assert where == [(cell[0] // down, cell[1] // across)]
            assert got[where[0][0]][where[0][1]] == ("NaN" if head else -1)


# ---- words and keys ------------------------------------------------------------------------------


def said(parts):
    return "".join(part if isinstance(part, str) else part[0] for part in parts)


def test_the_read_out_of_a_cell(tmp_path):
    mask = np.array([[True, False, True], [True, True, True], [False, False, False]])
    weights = np.array([[0.5, 0.62, 0.5], [0.25, 0.75, np.nan], [0.0, 0.0, 0.0]])
    view = AttentionView(weights, ["x", "y", "z"], key_tokens=["a", "b", "c"], mask=mask)
    signed = AttentionView([[0.02, -0.01, 0.0]], ["x"], key_tokens=["a", "b", "c"], signed=True)
    script = """const [state, other] = data, ask = (given, cell, more) => {
      const look = { side: "query", pins: [], ...given, ...more };
      return view.sentence(heat.headOf(opened(given), 0, 0), cell, look); };
    say([ask(state, [0, 0]), ask(state, [0, 1]), ask(state, [1, 2]), ask(state, [2, 0]),
      ask(state, [0, 0], { side: "key" }), ask(state, [0, 0], { pins: [2, 1] }),
      ask(state, [0, 0], { pins: [1], side: "key" }), ask(state, [0, 0], { pins: [0] }),
      ...[0, 1, 2].map((j) => ask(other, [0, j]))]);"""
    parts = run(tmp_path, script, [traits(view), traits(signed)])
    assert [part[1] for part in parts[0][1:4:2]] == ["q", "k"], "words in their colours"
    plain = 'query 0 "x" → key 0 "a": 0.500 (rank 1 of 2), row sum 1.620'
    assert [said(one) for one in parts] == [
        plain,
        'query 0 "x" → key 1 "b": not allowed, but has the weight 0.620 (rank 1 of 2), row sum'
        " 1.620",
        'query 1 "y" → key 2 "c": NaN, not a number',
        'query 2 "z" → key 0 "a": not allowed',
        f"{plain}, column sum 0.75 (columns need not sum to 1)",
        f"{plain}; together the 3 give b 1.37",
        f"{plain}, column sum 0.75 (columns need not sum to 1); together the 2 get from x 1.12",
        plain,
        'query 0 "x" → key 0 "a": +0.020',
        'query 0 "x" → key 1 "b": -0.010',
        'query 0 "x" → key 2 "c": 0.000',
    ]


STATE = {
    "pinned": [1, 2],
    "pins": [],
    "side": "query",
    "layer": 1,
    "head": 0,
    "size": {"layers": 2, "heads": 3, "nq": 4, "nk": 5},
    "woven": False,
    "why": "",
}
KEYS = [  # key, shift, what is different, what changes
    ("ArrowUp", 0, {}, {"pinned": [0, 2]}),
    ("ArrowUp", 0, {"pinned": [0, 2]}, {"pinned": [0, 2]}),
    ("ArrowDown", 0, {"pinned": [3, 4]}, {"pinned": [3, 4]}),
    ("ArrowLeft", 0, {}, {"pinned": [1, 1]}),
    ("ArrowRight", 0, {"pinned": [0, 4]}, {"pinned": [0, 4]}),
    ("Home", 0, {}, {"pinned": [1, 0]}),
    ("End", 0, {}, {"pinned": [1, 4]}),
    *[(key, 0, {"pinned": None}, {"pinned": [0, 0]}) for key in ("ArrowUp", "End", "ArrowRight")],
    ("Escape", 0, {"pins": [3]}, {"pinned": None, "pins": []}),
    (" ", 0, {}, {"pins": [1]}),
    (" ", 0, {"pins": [3, 1]}, {"pins": [3]}),
    (" ", 0, {"side": "key", "pins": [0]}, {"pins": [0, 2]}),
    (" ", 0, {"pinned": None}, None),
    ("[", 0, {}, {"head": 2}),
    ("]", 0, {"head": 2}, {"head": 0}),
    ("{", 0, {}, {"layer": 0}),
    ("}", 0, {}, {"layer": 0}),
    ("x", 0, {"pins": [1]}, {"side": "key", "pins": []}),
    ("x", 0, {"side": "key"}, {"side": "query", "pins": []}),
    ("m", 0, {}, {"form": "threads"}),
    ("m", 0, {"woven": True}, {"form": "map"}),
    ("m", 0, {"why": "up to 24 words"}, None),
    ("a", 0, {}, None),
    # among threads the cell of a word is [word, 9] or [9, word] here
    ("ArrowDown", 0, {"woven": True}, {"pinned": [2, 9], "pins": []}),
    ("ArrowDown", 0, {"woven": True, "pinned": [3, 2]}, {"pinned": [0, 9], "pins": []}),
    ("ArrowUp", 0, {"woven": True, "pinned": [0, 2]}, {"pinned": [3, 9], "pins": []}),
    ("ArrowDown", 0, {"woven": True, "pinned": None}, {"pinned": [0, 9], "pins": []}),
    ("ArrowUp", 0, {"woven": True, "pinned": None}, {"pinned": [3, 9], "pins": []}),
    ("ArrowDown", 1, {"woven": True, "pins": [3]}, {"pinned": [2, 9], "pins": [3, 1]}),
    ("ArrowDown", 0, {"woven": True, "pins": [3]}, {"pinned": [2, 9], "pins": [3]}),
    ("End", 0, {"woven": True}, {"pinned": [3, 9], "pins": []}),
    ("End", 0, {"woven": True, "side": "key"}, {"pinned": [9, 4], "pins": []}),
    ("Home", 0, {"woven": True, "side": "key"}, {"pinned": [9, 0], "pins": []}),
    ("ArrowRight", 0, {"woven": True, "pins": [0]}, {"side": "key", "pins": []}),
    ("ArrowLeft", 0, {"woven": True, "pins": [0]}, {"side": "query"}),
]
CLICKS = [  # cell, more, what is different, what changes
    ([3, 4], 0, {"pins": [0]}, {"pinned": [3, 4], "pins": []}),
    ([3, 4], 1, {}, {"pinned": [3, 4], "pins": [1, 3]}),
    ([3, 4], 1, {"pins": [0]}, {"pinned": [3, 4], "pins": [0, 1, 3]}),
    ([3, 4], 1, {"pinned": None}, {"pinned": [3, 4], "pins": [3]}),
    ([1, 4], 1, {"pins": [0, 1]}, {"pinned": [0, 9], "pins": [0]}),
    ([1, 4], 1, {}, {"pinned": None, "pins": []}),
    ([3, 4], 1, {"side": "key"}, {"pinned": [3, 4], "pins": [2, 4]}),
]
THREADS = [  # side, word, more, what is different, what changes
    ("query", 3, 0, {"pins": [0]}, {"side": "query", "pinned": [3, 9], "pins": []}),
    ("query", 3, 1, {}, {"side": "query", "pinned": [3, 9], "pins": [1, 3]}),
    ("key", 3, 1, {"pins": [0]}, {"side": "key", "pinned": [9, 3], "pins": [3]}),
    ("key", 3, 0, {}, {"side": "key", "pinned": [9, 3], "pins": []}),
]


def test_keys_and_clicks(tmp_path):
    script = """const state = (other) => ({ ...data.state, ...other,
      cell: (line, n) => (line ? [9, n] : [n, 9]) });
    say({ keys: data.keys.map(([key, shift, other]) =>
        view.keyChange({ key, shiftKey: Boolean(shift) }, state(other)) ?? null),
      clicks: data.clicks.map(([cell, more, other]) =>
        view.clicked(cell, Boolean(more), state(other))),
      threads: data.threads.map(([side, n, more, other]) =>
        view.wordClicked(side, n, Boolean(more), state(other))) });"""
    cases = {"state": STATE, "keys": KEYS, "clicks": CLICKS, "threads": THREADS}
    got = run(tmp_path, script, cases)
    for name in ("keys", "clicks", "threads"):
        for case, change in zip(cases[name], got[name], strict=True):
            assert change == case[-1], case


def test_the_page_and_python_refuse_the_same_threads(tmp_path):
    cases = [
        ((n_q, n_k), span, signed, compact)
        for n_q, n_k in [(1, 1), (24, 24), (25, 3), (3, 25), (300, 300)]
        for span in [(0, 1), (-0.0005, 1.005), (-0.1, 1), (0, 2)]
        for signed in (False, True)
        for compact in (False, True)
    ]
    script = """say(data.map(([[nq, nk], [low, high], signed, compact]) =>
      view.whyNot({ nq, nk, low, high }, { signed, compact })));"""
    for (size, span, signed, compact), why in zip(cases, run(tmp_path, script, cases)):
        assert bool(why) == bool(module._no_threads((1, 1, *size), span, signed, compact))
        if max(size) > 24 and not signed and not compact:
            assert why == "up to 24 words"


# ---- geometry ------------------------------------------------------------------------------------

SIZES = [(1, 1), (3, 3), (3, 5), (12, 12), (2, 24), (24, 2), (24, 24), (30, 30), (63, 63)]
SIZES += [(3, 40), (64, 64), (256, 256), (1000, 1000), (2, 300)]


def test_cells_and_names_have_their_places(tmp_path):
    """Cells fill the room that there is and no more, at most twice as wide as high; names are as
    many as can be read, and none sticks out.
    """
    cases = [
        {"nq": n_q, "nk": n_k, "width": width, "tall": tall, "left": left, "length": length}
        for (n_q, n_k), width, length in itertools.product(SIZES, (294, 548, 588, 968), (1, 6, 40))
        for tall, left in ((336, 0), (336, 180), (250, 0))
        if (not left or max(n_q, n_k) <= 24) and width - left > 250
    ]
    script = """const wide = (text, size) => 0.6 * size * text.length;
    say(data.map(({ nq, nk, length, ...look }) => {
      const names = { q: heat.range(nq).map(() => "x".repeat(length)) };
      names.k = heat.range(nk).map((j) => "y".repeat(1 + (j * 7) % length));
      const place = heat.geometry({ nq, nk }, names, { ...look, sums: true, wide });
      const cell = ([i, j]) => heat.cellAt(place,
        [place.x + (j + 0.5) * place.cw, place.y + (i + 0.5) * place.ch], { nq, nk });
      const corners = [[0, 0], [0, nk - 1], [nq - 1, 0], [nq - 1, nk - 1]];
      const out = [[place.x - 1, place.y + 1], [place.x + 1, place.y - 1],
        [place.x + nk * place.cw + 1, place.y + 1], [place.x + 1, place.y + nq * place.ch + 1]];
      return { place, corners, found: corners.map(cell), ends: names.k.map((name) =>
          Math.min(130, wide(heat.short(name), place.size))),
        none: out.map((point) => heat.cellAt(place, point, { nq, nk })) }; }));"""
    for case, got in zip(cases, run(tmp_path, script, cases), strict=True):
        place, n_q, n_k = got["place"], case["nq"], case["nk"]
        x, y, cw, ch = (place[name] for name in ("x", "y", "cw", "ch"))
        assert got["found"] == got["corners"] and got["none"] == [None] * 4
        assert min(cw, ch) >= 1 and cw <= 64 and ch <= 34
        assert cw <= max(2 * ch, 14) + 1e-9 and ch <= max(2 * cw, 14) + 1e-9
        assert case["left"] in (0, x) and 36 <= x
        assert all(cell >= 3 or cell == int(cell) for cell in (cw, ch)), "whole pixels"
        if max(n_q, n_k) <= 64:
            assert place["height"] <= case["tall"] + 1, case
            assert place["width"] == case["width"], case
            assert x + n_k * cw + 42 <= case["width"] + 1e-6, "the sums have room"
            for j, length in enumerate(got["ends"]):
                lean = 0.72 * length if not place["flat"] else length / 2
                assert x + (j + 0.5) * cw + lean <= case["width"] + 2, "no name sticks out"
                assert place["flat"] or y - 6 - 0.72 * length >= 0, "nor at the top"
        assert place["every"][0] * ch >= place["size"] - 0.5
        assert place["every"][1] * cw >= 15 or place["flat"]
        assert y >= 38


def test_long_names_give_way_and_keep_their_number(tmp_path):
    names = ["it", "x" * 16, "x" * 17, "internationalisation₁₂", "👩" * 20, ""]
    got = run(tmp_path, "say(data.map(heat.short));", names)
    assert got == ["it", "x" * 16, "x" * 15 + "…", "international…₁₂", "👩" * 15 + "…", ""]


def test_small_pictures_are_where_a_hand_finds_them(tmp_path):
    cases = [
        {"layers": layers, "heads": heads, "narrow": narrow, "titles": ["a"] * (heads * titled)}
        for layers, heads in [(1, 1), (1, 2), (1, 8), (1, 11), (4, 4), (30, 9), (12, 12), (2, 3)]
        for narrow in (False, True)
        for titled in (0, 1)
    ]
    script = """say(data.map(({ layers, heads, narrow, titles }) => {
      const look = { width: narrow ? 588 : 196, tall: narrow ? 150 : 400, narrow, titles };
      const where = heat.tiles({ layers, heads }, look), { range } = heat;
      const each = range(layers).flatMap((l) => range(heads).map((h) => [l, h]));
      const middle = ([l, h]) => { const [x, y] = where.place(l, h);
        return [x + where.cw / 2, y + where.ch / 2]; };
      return { where, each, look, found: each.map((one) => where.at(middle(one))),
        name: where.named && where.at([190, where.y + 1]),
        none: [[1, 1], [where.x + 1, where.height + 9], [900, 60]].map((p) => where.at(p)),
        rest: where.alone && !where.named && where.at([where.x + (where.columns - 0.5) * where.cw,
          where.y + (where.rows - 0.5) * where.ch]) }; }));"""
    for case, got in zip(cases, run(tmp_path, script, cases), strict=True):
        where, look = got["where"], got["look"]
        assert got["found"] == got["each"] and got["none"] == [None] * 3, case
        assert where["width"] <= look["width"] and where["height"] <= look["tall"] + 1
        assert min(where["cw"], where["ch"]) >= 4
        assert where["turned"] == (case["narrow"] and case["layers"] > case["heads"])
        if where["alone"] and case["heads"] == 11 and not case["narrow"]:
            assert got["rest"] is None, "of three rows of four the last place is free"
        if where["named"]:
            assert got["name"] == [0, 0], "its name is a part of it"
