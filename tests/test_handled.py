"""What holds for every live picture that is handled: Arrows, Walks, Desk, Deal, Painter, Machine,
Atlas.
What is special about each stands in its own file.
"""

import html
import re

import node
import numpy as np
import pytest
from shown import MARGIN, Shown
from test_atlas_live import many
from test_atlas_live import toy as heads
from test_deal import ALLIES, dealing
from test_desk import SOLVED, mixing
from test_live import contrast
from test_live_arrows import friends
from test_machine import toys
from test_painter import star
from test_painter import toy as painting

from attnlib import masks
from attnlib.show import AttentionView, Walks
from attnlib.show.live import base
from attnlib.show.sheet import THEMES

PICTURES = {
    "atlas": [heads, lambda: heads(hunting=True)],
    "arrows": [lambda: friends(title="Whom?"), lambda: friends(moves="all")],
    "walks": [lambda: Walks(title="Why √d?")],
    "desk": [mixing, lambda: mixing(**SOLVED)],
    "deal": [dealing, lambda: dealing(deal=ALLIES)],
    "painter": [painting, lambda: painting(mask=star(), future=True)],
    "machine": [
        lambda stop=stop: toys(mask=masks.causal(10), stage=stop)
        for stop in ("words", "qkv", "scores")
    ],
}


class Any(Shown):
    DRAWING = "svg, canvas[tabindex]"


each = pytest.mark.parametrize("name", PICTURES)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@each
def test_everybody_can_use_it(stage, name, dark):
    for make in PICTURES[name]:
        page = Any(stage(make(), width=800 + MARGIN, dark=dark, calm=True))
        assert ("dark" in page.root.get_attribute("class")) == dark
        paper = page.root.evaluate("(root) => getComputedStyle(root).backgroundColor")
        assert paper == ("rgb(24, 26, 31)" if dark else "rgb(255, 255, 255)")
        assert node.axe(page.page) == []
        says = page.root.locator(".say").all()
        assert all(one.get_attribute("aria-live") == "polite" for one in says)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_who_asks_for_more_contrast_has_no_grey_type(stage, dark):
    page = stage(PICTURES["machine"][0](), dark=dark, contrast="more").page
    ink = THEMES["dark" if dark else "light"]["ink"]
    for name in ("--faint", "--line"):
        look = (
            f"getComputedStyle(document.querySelector('.attnlib-live')).getPropertyValue('{name}')"
        )
        assert page.evaluate(look) == ink


# What is written on a canvas, and on which colour: that of most dots below the line of the text.
WRITTEN = """() => { const pen = CanvasRenderingContext2D.prototype;
  window.written = [];
  window.plain ||= pen.fillText;
  pen.fillText = function (text, x, y) {
    const wide = this.measureText(text), at = this.getTransform(), { canvas } = this;
    const left = x - wide.actualBoundingBoxLeft, right = x + wide.actualBoundingBoxRight;
    const [a, b] = [left, right].map((one) => at.transformPoint(new DOMPoint(one, y)));
    const seen = {}, dot = document.createElement("canvas").getContext("2d");
    dot.fillStyle = this.fillStyle;
    for (let k = 0; k <= 16; k++) {
      const [u, v] = [a.x + (b.x - a.x) * k / 16, a.y + (b.y - a.y) * k / 16].map(Math.floor);
      if (u < 0 || v < 0 || u >= canvas.width || v >= canvas.height) continue;
      const [r, g, blue, full] = this.getImageData(u, v, 1, 1).data;
      const name = full ? [r, g, blue].join() : "";
      seen[name] = (seen[name] ?? 0) + 1; }
    dot.fillRect(0, 0, 1, 1);
    const most = Object.entries(seen).sort((one, two) => two[1] - one[1])[0]?.[0];
    const ink = [...dot.getImageData(0, 0, 1, 1).data].slice(0, 3).join();
    const over = canvas.className === "hand";            // it lies on another canvas
    if (text.trim() && this.globalAlpha === 1 && !over) written.push([text, ink, most]);
    return plain.apply(this, arguments); }; }"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_is_written_on_a_canvas_can_be_read(stage, dark):
    """Names of words on what is blocked, too."""
    weights = np.tril(np.random.default_rng(0).random((2, 3, 10, 10))) ** 4
    weights /= weights.sum(axis=-1, keepdims=True)
    mask, paper = np.tri(10, dtype=bool), THEMES["dark" if dark else "light"]["paper"]
    views = [heads(), many(picked=(20, 3)), AttentionView(weights, list("abcdefghij"), mask=mask)]
    stage(views[0], dark=dark).page.evaluate(WRITTEN)
    blocked = 0
    for view in views:
        page = stage(view, dark=dark, width=800 + MARGIN).page
        page.wait_for_timeout(200)
        page.evaluate("() => written.splice(0)")  # once more, now that its theme is known
        page.set_viewport_size({"width": 790 + MARGIN, "height": 900})
        page.wait_for_timeout(200)
        found = {tuple(one) for one in page.evaluate("() => written.splice(0)")}
        assert len(found) > 10
        for text, ink, ground in found:
            hexed = [
                "#" + "".join(f"{int(part):02x}" for part in one.split(",")) if one else paper
                for one in (ink, ground or "")
            ]
            assert contrast(*hexed) >= 4.45, (type(view).__name__, text, *hexed)
            blocked += hexed[1] == THEMES["dark" if dark else "light"]["blocked"]
    assert blocked > 3


@pytest.mark.parametrize("width", [800, 296])
def test_a_finger_hits_one_small_head_among_many(stage, width):
    weights = np.full((30, 9, 4, 4), 0.25)
    view = AttentionView(weights, list("abcd"))
    fine = stage(view, width=width + MARGIN).page.locator(".heads canvas").bounding_box()
    assert fine["height"] <= 450, "a mouse needs no more room than there is"
    page = stage(view, width=width + MARGIN, fingers=True).page
    canvas, frame = page.locator(".heads canvas"), page.locator(".heads")
    box = canvas.bounding_box()
    side = (box["height"] - 38) / 30
    assert side >= 24 and (box["width"] - 24) / 9 >= 24
    assert frame.bounding_box()["height"] <= (240 if width < 700 else 476)
    assert page.locator(".attnlib-live").bounding_box()["height"] <= 560 or width < 700
    for layer, head in [(29, 8), (0, 1), (17, 4)]:
        at = {"x": 22 + (head + 0.5) * (box["width"] - 24) / 9, "y": 36 + (layer + 0.5) * side}
        frame.evaluate("(node, y) => { node.scrollTop = y - 80; }", at["y"])
        canvas.tap(position=at)
        assert page.evaluate("() => [model.get('layer'), model.get('head')]") == [layer, head]


@each
def test_its_page_needs_nothing_else(name):
    one = PICTURES[name][0]()
    page = one.to_html().decode()
    assert not re.search(r"(src|href)=\"?https?:|\bimport\b[^;]*from", page)
    assert base.joined(name).count("export ") == 1
    assert page.startswith("<!doctype html>") and html.escape(one.figure().alt) in page


@each
def test_present_makes_it_larger_and_back(stage, name):
    page = Any(stage(PICTURES[name][0](), width=1700, height=1200, calm=True))
    before = page.svg.bounding_box()["width"]
    page.press("present")
    page.page.wait_for_function("() => document.querySelector('.attnlib-live.present')")
    page.rest()
    assert page.pressed("present") and page.svg.bounding_box()["width"] > 1.2 * before
    page.press("present")
    page.page.wait_for_function("() => !document.querySelector('.attnlib-live.present')")


@each
def test_views_that_end_listen_no_more(stage, name):
    page = Any(stage(PICTURES[name][0](), views=2))
    assert page.page.evaluate("() => Object.values(heard).flat().length") > 1
    ids = page.page.evaluate("() => [...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    assert page.ends() == 0
