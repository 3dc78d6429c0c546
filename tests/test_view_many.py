"""AttentionView of many heads and of long texts: what crosses, mean and max over heads, pages that
hold some of them.
"""

import base64
import json
import re
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from test_view import listen, page_state, softmax
from test_view_js import Seen, numbers, run, traits

from attnlib.show import AttentionView
from attnlib.show.live import view as module

WORDS = "The cat sat on a mat because it was so tired today".split()


@pytest.fixture
def few(monkeypatch):
    """The limits of what crosses and of a page, so low that small arrays are many."""
    monkeypatch.setattr(module, "SENT_AT_ONCE", 100)
    monkeypatch.setattr(module, "IN_A_PAGE", 300)


# ---- what crosses --------------------------------------------------------------------------------


def test_a_long_text_crosses_a_plane_at_a_time():
    """4 layers of 6 heads over 400 tokens, 15 MB: the plane, sums, small pictures, the mask."""
    weights = np.random.default_rng(0).random((4, 6, 400, 400), np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    mask = np.ones((400, 400), bool)
    AttentionView(weights[0, 0, :4, :4])._repr_mimebundle_()  # what is loaded once
    tracemalloc.start()
    view = AttentionView(weights, mask=mask)
    data, _ = view._repr_mimebundle_()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sent = {name: len(one) for name, one in view.get_state().items() if isinstance(one, bytes)}
    assert sent["_weights"] == 2 * 400 * 400 and sent["_sums"] == 2 * 24 * 400
    assert sent["_small"] == 24 * 24 * 24 and sent["_mask"] == 400 * 400 // 8
    assert most < 40_000_000, f"{most:,} bytes, and the weights have {weights.nbytes:,}"
    assert "… and 340 more" in data["text/plain"]
    assert np.shares_memory(view.array, weights), "a large array is not copied"


@pytest.mark.parametrize("limit", [10**6, 0], ids=["in the page", "in the kernel"])
@pytest.mark.parametrize("how", ["head", "mean layer", "max layer", "mean all", "max all"])
def test_what_is_made_of_heads_can_be_shown_first(monkeypatch, how, limit):
    """It is what crosses and what is drawn, and opens with a row of its own: the one in which most
    is above an even share, of what the heads together may see.
    """
    monkeypatch.setattr(module, "SENT_AT_ONCE", limit)
    mask = np.tri(6, dtype=bool) & (np.arange(6) != [[[1]], [[0]]])
    weights = softmax(3, 2, 6, 6) * mask
    view = AttentionView(weights, list("abcdef"), mask=mask, layer=1, how=how)
    part = {"head": weights[1, 0], "layer": weights[1], "all": weights}[how.split()[-1]]
    axes = tuple(range(part.ndim - 2))
    seen = part if how == "head" else getattr(np, how[:4].strip())(part, axis=axes)
    may = mask[0] if how == "head" else mask.any(0)
    above = seen.max(1) - 1 / may.sum(1).clip(1)
    above[(seen.argmax(1) == 0) | (seen.argmax(1) == np.arange(6))] = -1  # tells less
    row = int(above.argmax())
    assert view.how == how and view.pinned == [row, seen[row].argmax()]
    if not limit:
        sent = np.frombuffer(view._weights, "<u2").reshape(6, 6) / 65534
        np.testing.assert_allclose(sent, seen, atol=1e-5)
    said = {"head": "layer 1, head 0"} | {"mean layer": "mean over the 2 heads of layer 1"}
    assert (
        said.get(how, "over all 6 heads" if "all" in how else "max over the 2")
        in (view.figure().alt)
        or how == "head"
    )
    with pytest.raises(ValueError, match=r"how must be .*mean layer.*got 'median'"):
        AttentionView(weights, how="median")


def test_small_views_keep_what_they_kept():
    """12 tokens, 16 heads: nothing but the weights, the sums and the mask as bytes."""
    view = AttentionView(softmax(16, 12, 12), WORDS, mask=np.ones((12, 12), bool))
    sent = {name: len(one) for name, one in view.get_state().items() if isinstance(one, bytes)}
    assert sum(sent.values()) == 2 * 16 * 144 + 2 * 16 * 12 + 18


def blocks(weights, closed, n):
    """The number furthest from 0 of each block, in loops; None where all of it is closed."""
    down, across = (-(-size // n) for size in weights.shape)
    rows = []
    for a in range(0, weights.shape[0], down):
        rows.append([])
        for b in range(0, weights.shape[1], across):
            part, shut = (x[a : a + down, b : b + across] for x in (weights, closed))
            top = part.ravel()[np.abs(part).argmax()] if not np.isnan(part).any() else np.nan
            rows[-1].append(np.nan if np.isnan(top) else None if shut.all() else top)
    return rows


@pytest.mark.parametrize("shape", [(70, 50), (24, 25), (23, 200), (49, 48)])
@pytest.mark.parametrize("signed", [False, True])
def test_small_pictures_cross_in_their_place(tmp_path, few, shape, signed):
    rng = np.random.default_rng(sum(shape))
    weights = softmax(2, 3, *shape, seed=1) - (softmax(2, 3, *shape, seed=2) if signed else 0)
    weights[1, 2, 5, 7] = np.nan
    mask = rng.random((1, 3, *shape)) < 0.9
    mask[:, :, : shape[0] // 2, shape[1] // 2 :] = False
    view = AttentionView(weights, mask=mask, signed=signed)
    script = """const t = opened(data);
    say([0, 1].map((l) => [0, 1, 2].map((h) => t.small(0, l, h))));"""
    got = run(tmp_path, script, traits(view))
    step = (view._range[1] - view._range[0]) / 252
    for layer, head in np.ndindex(2, 3):
        wanted = blocks(weights[layer, head].astype(np.float32), ~mask[0, head], 24)
        assert [[v is None for v in row] for row in got[layer][head]] == [
            [v is None for v in row] for row in wanted
        ]
        found = numbers([[0 if v is None else v for v in row] for row in got[layer][head]])
        there = numbers([[0 if v is None else v for v in row] for row in wanted])
        np.testing.assert_allclose(found, there, atol=0.51 * step)
    if signed:
        nothing = AttentionView(np.zeros((2, 1, 30, 30)), signed=True)
        assert set(nothing._small) == {126} and run(
            tmp_path, "say(opened(data).small(0, 0, 0)[0][0]);", traits(nothing)
        ) == pytest.approx(0, abs=1e-9), "0 is in the middle of the colours"


def test_the_page_makes_the_small_pictures_that_python_makes(tmp_path, monkeypatch):
    """Of few keys a row that looks at all alike is white in both."""
    weights, mask = softmax(3, 60, 20), np.ones((60, 20), bool)
    weights[:, 10:20] = 1 / 20
    mask[:, 15:] = np.arange(60)[:, None] > 30
    whole = AttentionView(weights, mask=mask)
    monkeypatch.setattr(module, "SENT_AT_ONCE", 0)
    part = AttentionView(weights, mask=mask)
    script = """const [whole, part] = data.map(opened);
    const made = (h) => picker.thumbnail(heat.headOf(whole, 0, h), 24);
    say([0, 1, 2].map((h) => [made(h), part.small(0, 0, h)]));"""
    for made, came in run(tmp_path, script, [traits(whole), traits(part)]):
        assert [[v is None for v in row] for row in made] == [
            [v is None for v in row] for row in came
        ]
        made, came = ([[v or 0 for v in row] for row in rows] for rows in (made, came))
        np.testing.assert_allclose(made, came, atol=0.51 / 252 + 1e-5)
        assert not np.any(made[4:6])


def test_update_of_a_long_text_is_one_message(few):
    view = AttentionView(softmax(3, 2, 6, 6), layer=2, head=1)
    view.how = "mean layer"
    sent, before = listen(view), view._edition
    new = softmax(2, 4, 5, 5, seed=1)
    view.update(new)
    assert len(sent) == 1 and {"_names", "_weights", "_small", "_edition"} <= sent[0]
    assert view._edition == before + 1, "the page forgets what it kept"
    assert view._names == ["0.1.mean"] and view._opened == {"0.1.mean": ("mean layer", 0, 1, 1)}
    got = np.frombuffer(view._weights, "<u2").reshape(5, 5) / 65534
    np.testing.assert_allclose(got, new[1].mean(0), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("mask", [None, np.tri(6, dtype=bool)])
def test_what_is_odd_is_counted_a_head_at_a_time(few, dtype, mask):
    """The same words as of a small array."""
    weights = softmax(3, 2, 6, 6).astype(dtype)
    weights[1, 1, 2, 3] = np.nan
    weights[2, 0, 4] *= 2
    weights[0, 1, 5, 0] = -0.25
    many = AttentionView(weights, mask=mask)
    assert many._names and any("NaN" in note for note in many._notes)
    module.SENT_AT_ONCE = 10**6
    assert AttentionView(weights, mask=mask)._notes == many._notes
    leaks = 0 if mask is None else int(((weights != 0) & ~np.isnan(weights) & ~mask).sum())
    assert any(note.startswith(f"{leaks:,} weights stand") for note in many._notes) == bool(leaks)
    weights[2, 1, 0, 0] = np.inf
    with pytest.raises(ValueError, match="infinite"):
        AttentionView(weights)


def test_only_shares_can_look_at_all_alike(tmp_path):
    """A max over heads is 1 in many cells, and says something there."""
    view = AttentionView(np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]]))
    script = """say(["mean all", "max all", "head"].map((how) =>
      heat.merged(opened(data), { step: 0, layer: 0, head: 0, how }).even(0)));"""
    assert run(tmp_path, script, traits(view)) == [True, False, False]


# ---- pages ---------------------------------------------------------------------------------------


def page_parts(page):
    """State and planes of a page."""
    found = re.search(r"^\{ const state = (\{.*\}), blobs = (\{.*\}), heard", page.decode(), re.M)
    state, blobs = (json.loads(one) for one in found.groups())
    planes = np.frombuffer(zlib.decompress(base64.b64decode(blobs["_weights"])), "<u2")
    return state, planes.reshape(-1, *state["_shape"][3:]) / 65534


def test_a_page_holds_the_heads_that_were_chosen(few):
    weights = softmax(3, 2, 6, 6)
    view = AttentionView(weights, layer=1)
    state, planes = page_parts(view.to_html(heads=[(2, 1), (0, 0), (2, 1)]))
    assert state["_names"] == ["0.2.1", "0.0.0"] and (state["layer"], state["head"]) == (2, 1)
    np.testing.assert_allclose(planes, weights[[2, 0], [1, 0]], atol=1e-5)
    assert state["_left_out"] == (
        "This page holds layer 2, head 1; layer 0, head 0. The other 4 heads are left out;"
        " to_html(heads=[…]) says which a page holds."
    )
    assert view.layer == 1, "the view itself stays"
    everything = [(layer, head) for layer in (2, 0, 1) for head in range(2)]
    state, planes = page_parts(view.to_html(heads=everything))
    assert state["_names"] == [] and state["_left_out"] == ""
    np.testing.assert_allclose(planes, weights.reshape(6, 6, 6), atol=1e-5)


def test_a_page_of_some_heads_holds_all_their_steps(few):
    weights = softmax(4, 3, 2, 5, 5)
    view = AttentionView(weights, steps=["0", "10", "20", "30"], axis="trained")
    state, planes = page_parts(view.to_html(heads=[(1, 1)]))
    assert state["_names"] == [f"{step}.1.1" for step in range(4)]
    np.testing.assert_allclose(planes, weights[:, 1, 1], atol=1e-5)
    assert state["_left_out"] == (
        "This page holds layer 1, head 1. The other 5 heads are left out;"
        " to_html(heads=[…]) says which a page holds."
    )


def test_a_page_that_were_too_large_holds_what_was_opened(few, monkeypatch):
    monkeypatch.setattr(module, "IN_A_PAGE", 3 * 36)
    weights = softmax(3, 2, 6, 6)
    view = AttentionView(weights)
    state, planes = page_parts(view.to_html())
    assert state["_names"] == ["0.0.0"] and len(planes) == 1
    view.head = 1
    view.layer = 2
    view.how = "max all"
    state, planes = page_parts(view.to_html())
    assert state["_names"] == ["0.0.1", "0.2.1", "0.all.max"] and state["how"] == "max all"
    np.testing.assert_allclose(planes[2], weights.max((0, 1)), atol=1e-5)
    assert "max over all 6 heads, cell by cell. The other 4 heads" in state["_left_out"]
    view.how = "head"
    monkeypatch.setattr(module, "IN_A_PAGE", 2 * 36)
    assert page_parts(view.to_html())[0]["_names"] == ["0.all.max", "0.2.1"], "the last two"
    monkeypatch.setattr(module, "IN_A_PAGE", 6 * 36)
    assert page_state(view.to_html())["_left_out"] == ""


@pytest.mark.parametrize(
    "heads, words",
    [
        ([(3, 0)], "3 layers and 2 heads"),
        ([(0, 2)], "3 layers and 2 heads"),
        ([(0, -1)], "3 layers and 2 heads"),
        ([], "got \\[\\]"),
        ([3], r"heads\[0\] must be two whole numbers"),
        ([(0, 0.5)], r"heads\[0\]\[1\] must be a whole number"),
        ("all", r"heads must be a list of \(layer, head\)"),
    ],
)
def test_heads_that_are_not_there_are_refused_by_name(heads, words):
    with pytest.raises((ValueError, TypeError), match=words):
        AttentionView(softmax(3, 2, 4, 4)).to_html(heads=heads)


def test_what_is_shown_is_said_in_the_still(few):
    view = AttentionView(softmax(3, 2, 5, 5), WORDS[:5], title="Before")
    for how, words in [
        ("head", "Before · layer 0, head 0"),
        ("mean layer", "Before · mean over the 2 heads of layer 0"),
        ("max all", "Before · max over all 6 heads, cell by cell"),
    ]:
        view.how = how
        assert view.figure().alt.startswith(f"{words}: ")


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def shown(stages):
    """shown(view, …) -> the view in a browser; at the end the console must be clean."""
    stages.forget()
    yield lambda view, **how: Seen(stages.open(view, **how))
    stages.clean()


def fine(weight):
    """As the read-out says it."""
    return f"{weight:.{3 if weight < 0.0195 else 2}f}"[1:]


def atlas_at(seen, x, y):
    """Click the small pictures, from their left and top edge or from their right and lower one."""
    atlas = seen.root.get_by_role("slider", name="all heads")
    box = atlas.bounding_box()
    atlas.click(position={"x": x % box["width"], "y": y % box["height"]})
    seen.tab.frames()


def test_mean_and_max_are_chosen_beside_the_small_pictures(shown):
    weights = softmax(2, 3, 12, 12)
    seen = shown(AttentionView(weights, WORDS, title="Two layers"))
    show = seen.root.get_by_label("show", exact=True)
    heading = seen.root.locator(".heading")
    assert show.locator("option").all_inner_texts() == [
        "one head",
        "mean of its layer",
        "max of its layer",
        "mean of all heads",
        "max of all heads",
    ]
    assert heading.inner_text() == "Two layers"
    show.select_option("max of all heads")
    seen.tab.frames()
    seen.map.hover(position=seen.place(3, 4))
    most = weights.max((0, 1))
    assert f"{most[3, 4]:.2f}"[1:] in seen.said() and "row adds up to" in seen.said()
    assert heading.inner_text() == "Two layers · max over all 6 heads, cell by cell"
    assert "a max is no share" in seen.root.locator(".attnlib-notes").inner_text()
    atlas = seen.root.get_by_role("slider", name="all heads")
    assert atlas.get_attribute("aria-valuetext") == "max over all 6 heads, cell by cell"
    atlas_at(seen, 8, -10)  # the number of the last layer
    assert seen.state("layer", "how") == [1, "mean layer"] and show.input_value() == "1"
    assert heading.inner_text() == "Two layers · mean over the 3 heads of layer 1"
    assert "no share" not in seen.root.locator(".attnlib-notes").inner_text()
    seen.root.get_by_label("layer", exact=True).select_option("0")
    assert seen.state("layer", "how") == [0, "mean layer"], "the mean of the next layer"
    for act, wanted in [
        (lambda: seen.root.get_by_label("head", exact=True).select_option("2"), [0, 2, "head"]),
        (lambda: (seen.python(how="max all"), seen.map.focus(), seen.press("]")), [0, 0, "head"]),
        (lambda: (seen.python(how="max all"), atlas_at(seen, -8, -10)), [1, 2, "head"]),
    ]:
        act()
        assert seen.state("layer", "head", "how") == wanted
    one = shown(AttentionView(softmax(3, 4, 4)))
    assert one.root.get_by_label("show", exact=True).locator("option").count() == 3, (
        "one layer: no two means"
    )
    alone = shown(AttentionView(softmax(4, 4)))
    assert not alone.root.get_by_label("show", exact=True).is_visible()


def live(view):
    """As a kernel has sent it: with what has crossed, and nothing left out."""
    names, weights, whole = view._names, view._weights, view._for_a_page
    view._for_a_page = lambda: (
        whole()[0] | {"_names": names, "_left_out": ""},
        whole()[1] | {"_weights": [weights]},
    )
    return view


def test_a_head_that_has_not_come_says_so_and_nothing_breaks(shown, few):
    """Without a kernel; what came before is there at once."""
    weights = softmax(3, 2, 12, 12)
    view = AttentionView(weights, WORDS, layer=1)
    seen = shown(live(view))
    atlas_at(seen, -8, -10)
    assert seen.said() == "On its way from the kernel, while that runs: layer 2, head 1."
    scene = seen.root.locator(".scene")
    assert "waits" in scene.get_attribute("class")
    seen.map.focus()
    seen.press("ArrowDown", "]", "x")
    seen.map.hover(position={"x": 200, "y": 200})
    view.layer, view.head = 2, 1
    bytes_ = base64.b64encode(view._weights).decode()
    seen.page.evaluate(
        """([names, text]) => python({ _names: names, layer: 2, head: 1, _weights:
        new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt()).buffer) })""",
        [view._names, bytes_],
    )
    seen.map.hover(position=seen.place(3, 4))
    assert "looks at" in seen.said() and "waits" not in scene.get_attribute("class")
    assert fine(weights[2, 1, 3, 4]) in seen.said()
    seen.python(layer=1, head=0)
    assert fine(weights[1, 0, 3, 4]) in seen.said(), "what came before is still there"
    seen.python(_edition=1)
    assert seen.said().startswith("On its way"), "but not of other numbers"


def test_a_page_says_what_it_left_out(shown, few):
    weights = softmax(3, 2, 12, 12)
    view = AttentionView(weights, WORDS)
    whole = view._for_a_page
    view._for_a_page = lambda: whole([(1, 0), (1, 1)])
    seen = shown(view)
    notes = seen.root.locator(".attnlib-notes")
    assert "This page holds layer 1, head 0; layer 1, head 1. The other 4" in notes.inner_text()
    seen.root.get_by_label("show", exact=True).select_option("mean of its layer")
    seen.tab.frames()
    seen.map.hover(position=seen.place(3, 4))
    assert fine(weights[1].mean(0)[3, 4]) in seen.said(), "of what is there"
    seen.python(how="mean all")
    assert seen.said() == "This page does not hold this: mean over all 6 heads."
    cells = seen.root.locator(".cells")
    assert cells.evaluate("(one) => getComputedStyle(one).opacity") == "0", "nor another under it"
    seen.root.get_by_label("head", exact=True).select_option("1")
    seen.tab.frames()
    seen.map.hover(position=seen.place(6, 2))
    assert fine(weights[1, 1, 6, 2]) in seen.said()


def test_what_a_page_lacks_cannot_be_chosen(shown, few):
    """By menus, small pictures and keys; they lead to the heads that are there."""
    view = AttentionView(softmax(3, 4, 12, 12), WORDS)
    whole = view._for_a_page
    view._for_a_page = lambda: whole([(0, 1), (2, 3)])
    seen = shown(view)

    def free(label):
        options = seen.root.get_by_label(label, exact=True).locator("option")
        return options.evaluate_all("(all) => all.flatMap((one, n) => (one.disabled ? [] : [n]))")

    def at():
        assert "looks at" in seen.said()
        return tuple(seen.state("layer", "head"))

    assert at() == (0, 1)
    assert free("layer") == [0, 2] and free("head") == [1, 3]
    assert seen.root.get_by_label("show", exact=True).locator(
        "option:enabled"
    ).all_inner_texts() == ["one head"]
    seen.map.focus()
    for key, place in {"]": (2, 3), "[": (0, 1), "}": (2, 3), "{": (0, 1)}.items():
        seen.press(key)
        assert at() == place, key
    seen.root.get_by_label("layer", exact=True).select_option("2")
    assert at() == (2, 3)
    seen.root.get_by_label("head", exact=True).select_option("1")
    assert at() == (0, 1)
    atlas_at(seen, 26, 40)
    assert at() == (0, 1), "a pale one is only looked at"
    atlas_at(seen, -8, -10)
    assert at() == (2, 3)


def test_a_max_of_pieces_is_no_max_of_words(shown, monkeypatch):
    """Where only the max crossed, words are made of it: that is said, for they could be more."""
    pieces = ["▁the", "▁un", "believ", "able", "▁cat", "▁sat"]
    weights = softmax(2, 3, 6, 6)
    seen = shown(AttentionView(weights, pieces, how="max all", unit="words"))
    notes = seen.root.locator(".attnlib-notes")
    assert "pieces summed over keys" in notes.inner_text()
    monkeypatch.setattr(module, "SENT_AT_ONCE", 100)
    rough = shown(live(AttentionView(weights, pieces, how="max all", unit="words")))
    said = rough.root.locator(".attnlib-notes").inner_text()
    assert "of the max of pieces: they can be more than any head gives" in said
    assert "pieces summed" not in said


def test_a_long_text_is_soon_there(shown):
    """Printed, not asserted: the machine may be busy."""
    weights = np.random.default_rng(0).random((2, 2, 1024, 1024), np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    start = time.perf_counter()
    view = AttentionView(weights)
    view._repr_mimebundle_()
    made = time.perf_counter()
    seen = shown(live(view))
    print(f"\ncall to bundle {made - start:.2f} s, page {time.perf_counter() - made:.2f} s")
    assert seen.map.bounding_box()["width"] > 1024
