"""show/live/core.js: the numbers that a page computes are those of attnlib, on random cases and on
the published ones, in node and in a browser.
"""

import json
import math

import node
import numpy as np
import onnx_adapter
import pytest
from lab import Tab, chromium

from attnlib import masks, patterns, scaled_dot_product_attention, softmax
from attnlib.show import labels

N = 520
COMPUTE = """
const number = (x) => (x === null ? -Infinity : x);
const computed = data.map(({ q, k, v, row, mask, bias, pattern, ...how }) => {
  if (row) return { weights: core.softmax(row.map(number)) };
  if (pattern) return { mask: core.masked(...pattern) };
  return core.attention(q, k, v, { ...how, mask, bias: bias ?? null });
});
"""


def cases(rng):
    """As JSON: rows for softmax, patterns, and attention with any mix of mask, bias, scale, cap and
    temperature; large scores, empty rows, one token.
    """
    for number in range(N):
        kind = number % 8
        if kind == 0:
            row = rng.normal(size=rng.integers(1, 12)) * 10.0 ** rng.integers(-2, 6)
            row[rng.random(len(row)) < 0.3] = -np.inf
            yield {"row": row}
        elif kind == 1:
            n_q = int(rng.integers(1, 8))
            name = ("standard", "causal", "local", "global-local")[number // 8 % 4]
            n_k = n_q + int(rng.integers(0, 4)) if name != "global-local" else n_q
            yield {"pattern": [name, n_q, n_k, int(rng.integers(1, 5)), int(rng.integers(0, 3))]}
        else:
            n_q, n_k, d, d_v = rng.integers(1, 9, size=4)
            size = 10.0 ** rng.integers(-1, 4)
            one = {
                "q": rng.normal(size=(n_q, d)) * size,
                "k": rng.normal(size=(n_k, d)),
                "v": rng.normal(size=(n_k, d_v)),
                "mask": rng.random((n_q, n_k)) < rng.choice([0.2, 0.6, 1.0]),
            }
            if kind == 3:
                one["mask"] = masks.causal(n_q, n_k)
            if kind in (4, 5):
                one["bias"] = rng.normal(size=(n_q, n_k)) * 3
            if kind in (5, 6):
                one["scale"] = float(rng.choice([0.1, 1.0, 2.5]))
                one["softcap"] = (0, 0.5, 50.0, 5e3)[number // 8 % 4] if kind == 5 else 0
            if kind in (6, 7):
                one["temperature"] = float(rng.choice([0.05, 0.5, 2.0, 50.0]))
            yield one


def right(one):
    """What attnlib says."""
    if "row" in one:
        return {"weights": softmax(one["row"])}
    if "pattern" in one:
        name, n_q, n_k, window, globals_ = one["pattern"]
        if name == "global-local":
            return {"mask": patterns.mask(name, n_q, window=window, n_global=globals_)}
        made = {
            "standard": masks.full(n_q, n_k),
            "causal": masks.causal(n_q, n_k),
            "local": masks.local(n_q, n_k, window=window),
        }
        return {"mask": made[name]}
    q, k, v, mask = (np.asarray(one[name]) for name in ("q", "k", "v", "mask"))
    scale, bias = one.get("scale", 1 / math.sqrt(q.shape[-1])), one.get("bias", 0)
    t, cap = one.get("temperature", 1), one.get("softcap") or None
    how = {"scale": scale / t, "softcap": cap and cap / t}
    output, weights = scaled_dot_product_attention(
        q, k, v, mask=mask, bias=np.zeros(mask.shape) + np.asarray(bias) / t, **how
    )
    scores = q @ k.T * scale if cap is None else cap * np.tanh(q @ k.T * scale / cap)
    return {"scores": scores + bias, "weights": weights, "output": output}


def plain(one):
    """JSON: -inf as null."""

    def said(value):
        if isinstance(value, np.ndarray):
            return said(value.astype(bool if value.dtype == bool else float).tolist())
        if isinstance(value, list):
            return [said(part) for part in value]
        return None if value == -math.inf else value

    return {name: said(value) for name, value in one.items()}


@pytest.fixture(scope="module")
def drawn():
    return list(cases(np.random.default_rng(20)))


def same(computed, drawn):
    assert len(computed) == len(drawn) == N
    for got, one in zip(computed, drawn):
        for name, wanted in right(one).items():
            np.testing.assert_allclose(
                np.array(got[name], float), wanted, rtol=1e-9, atol=1e-12, err_msg=str(one)
            )


def test_the_cases_hold_what_is_hard(drawn):
    made = [right(one) for one in drawn if "q" in one]
    assert sum((one["weights"].sum(-1) == 0).any() for one in made) > 50, "empty rows"
    assert sum(np.abs(one["scores"]).max() > 1000 for one in made) > 50, "large scores"


def test_node_computes_what_attnlib_computes(drawn, tmp_path):
    script = f'import * as core from "./core.js";\n{COMPUTE}console.log(JSON.stringify(computed));'
    same(node.run(node.modules(tmp_path), script, [plain(one) for one in drawn]), drawn)


def test_a_browser_computes_what_attnlib_computes(drawn):
    source = (node.LIVE / "core.js").read_text(encoding="utf-8")
    with chromium() as browser:
        tab = Tab(browser)
        computed = tab.page.evaluate(
            "async ([source, data]) => { const url = URL.createObjectURL(new Blob([source],"
            " { type: 'text/javascript' })); const core = await import(url);"
            f"{COMPUTE} return JSON.stringify(computed); }}",
            [source, [plain(one) for one in drawn]],
        )
    same(json.loads(computed), drawn)


# ---- the published cases -------------------------------------------------------------------------


def published():
    """name -> (the case for the page, what was published): softmax along its axis, and attention of
    as many heads as q has, with at most a scale and a mask; nothing else is in core.js.
    """
    found = {}
    for case in onnx_adapter.cases("Softmax"):
        (x, *_), (y, *_) = case.data_sets[0]
        axis = {a.name: a.i for a in case.model.graph.node[0].attribute}.get("axis", -1)
        rows, wanted = (
            np.moveaxis(np.asarray(one, float), axis, -1).reshape(-1, one.shape[axis])
            for one in (x, y)
        )
        found[case.name] = [{"row": row} for row in rows], list(wanted)
    for case in onnx_adapter.cases("Attention"):
        (q, k, v, *more), outputs = case.data_sets[0]
        options = {a.name: a.f for a in case.model.graph.node[0].attribute}
        square = q.ndim == k.ndim == 4 and q.shape[:2] == k.shape[:2] == v.shape[:2]
        simple = set(options) <= {"scale"} and len(outputs) == 1 and len(more) <= 1
        if not square or not simple or q.dtype != np.float32:
            continue
        n_q, n_k = q.shape[2], k.shape[2]
        scale = options.get("scale", 1 / math.sqrt(q.shape[-1]))
        mask = np.broadcast_to(more[0] if more else np.True_, (*q.shape[:2], n_q, n_k))
        each, wanted = [], []
        for b, h in np.ndindex(*q.shape[:2]):
            one = {"q": q[b, h], "k": k[b, h], "v": v[b, h], "scale": scale}
            one["mask" if mask.dtype == bool else "bias"] = mask[b, h]
            each.append(one)
            wanted.append(outputs[0][b, h])
        found[case.name] = each, wanted
    return found


def test_the_published_cases(tmp_path):
    found = published()
    kinds = [sum(word in name for name in found) for word in ("softmax", "attention")]
    assert kinds[0] >= 7 and kinds[1] >= 8, kinds
    flat = [plain(one) for each, _ in found.values() for one in each]
    script = f'import * as core from "./core.js";\n{COMPUTE}console.log(JSON.stringify(computed));'
    computed = iter(node.run(node.modules(tmp_path), script, flat))
    for name, (each, wanted) in found.items():
        for one, right_ in zip(each, wanted):
            got = next(computed)["weights" if "row" in one else "output"]
            np.testing.assert_allclose(got, right_, rtol=1e-5, atol=1e-6, err_msg=name)


# ---- the rest of what is pure --------------------------------------------------------------------


def test_words_that_come_again_are_numbered_alike(tmp_path):
    rng = np.random.default_rng(0)
    words = [[*rng.choice(list("abc") + ["a₁", "b₂", ""], 9)] for _ in range(60)] + [["x"] * 12, []]
    script = (
        'import { nameRepeats } from "./core.js";\n'
        "console.log(JSON.stringify(data.map(nameRepeats)));"
    )
    got = node.run(node.modules(tmp_path), script, words)
    assert got == [labels.name_repeats(one) for one in words]


def test_small_ones(tmp_path):
    script = """import * as core from "./core.js";
    const bytes = new DataView(new Float32Array([1, 2, 3, 4, 5, 6]).buffer);
    console.log(JSON.stringify({
      share: [0.85, 1, 0.996, 0.994, 0, 0.004, -0.3, 1.2].map(core.share),
      even: [core.isEven([0.25, 0.25, 0.25, 0.25]),
        core.isEven([0.5, 0.5, 0, 0], [true, true, false, false]),
        core.isEven([0.9, 0.1]), core.isEven([1], [true])],
      best: core.best([0.2, 0.5, 0.2]), clamp: [core.clamp(-1), core.clamp(2), core.clamp(0.5)],
      ease: [core.ease(0), core.ease(1), core.ease(9)], numbers: core.numbers(bytes, [2, 3]) }));"""
    assert node.run(node.modules(tmp_path), script) == {
        "share": [".85", "1.00", "1.00", ".99", ".00", ".00", "−.30", "1.20"],
        "even": [True, True, False, False],
        "best": [[0.5, 1], [0.2, 0], [0.2, 2]],
        "clamp": [0, 1, 0.5],
        "ease": [0, 1, 1],
        "numbers": [[1, 2, 3], [4, 5, 6]],
    }
