"""What holds for every live picture that is handled: Arrows, Walks, Desk, Deal, Painter, Machine,
Atlas.
What is special about each stands in its own file.
"""

import html
import re

import node
import pytest
from shown import MARGIN, Shown
from test_atlas_live import toy as heads
from test_deal import ALLIES, dealing
from test_desk import SOLVED, mixing
from test_live_arrows import friends
from test_machine import toys
from test_painter import star
from test_painter import toy as painting

from attnlib import masks
from attnlib.show import Walks
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
