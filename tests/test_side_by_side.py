"""On one page stand pictures of several kinds, and each brings its style sheet, with live.css once
more: whichever of them comes last, each picture looks as it does alone.
"""

import numpy as np
import pytest
from shown import MARGIN
from test_deal import dealing
from test_desk import mixing
from test_handled import PICTURES
from test_player import maps
from test_predict import KINDS, question
from test_threads import toys

from attnlib.course import atlas, explorer
from attnlib.models import load
from attnlib.show import AttentionView
from attnlib.show.live.base import Live
from attnlib.show.live.page import Page

TOKENS = "The cat sat on the mat because it was tired".split()


def heads(n=10, **how):
    scores = np.random.default_rng(0).normal(size=(2, 3, n, n))
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    return AttentionView(weights, (TOKENS * 4)[:n], **how)


def reading():
    gpt = load("tiny-gpt")
    return explorer("It saw the cat", gpt, measures=atlas.habits(gpt, texts=["It saw the cat"]))


KIND = {
    **{name: makes[0] for name, makes in PICTURES.items()},
    "desk": mixing,
    "deal": dealing,
    "hunt": PICTURES["atlas"][1],
    "view": heads,
    "view, unfolded": lambda: heads(scale="sqrt", form="threads"),
    "view of a text": lambda: heads(40, form="threads"),
    "view in steps": lambda: AttentionView(
        np.full((3, 4, 4), 0.25), list("abcd"), steps=["first", "second", "third"]
    ),
    "threads": toys,
    "player": maps,
    "explorer": explorer,
    "explorer, trained": lambda: explorer(model="tiny-gpt"),
    "reading": reading,
    **{f"predict {kind}": lambda kind=kind: question(kind) for kind in KINDS},
}


def kinds(cls=Live):
    """All kinds of live pictures of this library, but those that anywidget makes of one picture."""
    mine = [cls] if cls.__module__.startswith("attnlib.") and isinstance(cls._css, str) else []
    return mine + [kind for one in cls.__subclasses__() for kind in kinds(one)]


def test_all_kinds_are_here():
    made = {type(make()).__name__ for make in KIND.values()}
    assert made == {kind.__name__ for kind in kinds()} - {"Live"}


# Where every part of the picture is and how it looks, {part: {property: value}}, is kept under a
# name; and of two that were kept, at most five differences.
HELPERS = """() => { window.kept = {};
  const root = document.querySelector(".attnlib-live");
  window.look = (as) => { const found = kept[as] = {};
    const add = (name, style, box) => {
      const at = found[name] = { box: box && [box.x, box.y, box.width, box.height].join(" ") };
      for (const property of style) at[property] = style.getPropertyValue(property); };
    [root, ...root.querySelectorAll(":not(svg *)")].forEach((node, n) => {
      const name = `${n} ${node.tagName} .${node.getAttribute("class")} ${node.ariaLabel ?? ""}`;
      add(name, getComputedStyle(node), node.getBoundingClientRect());
      for (const part of ["::before", "::after"]) {
        const style = getComputedStyle(node, part);
        if (!["none", "normal"].includes(style.content)) add(name + part, style); } }); };
  window.apart = (one, other) => { const [a, b] = [kept[one], kept[other]], found = [];
    for (const part of new Set([...Object.keys(a), ...Object.keys(b)]))
      for (const name of Object.keys(a[part] ?? b[part]))
        if (a[part]?.[name] !== b[part]?.[name])
          found.push(`${part}: ${name} ${a[part]?.[name]} -> ${b[part]?.[name]}`);
    return found.slice(0, 5); }; }"""
ADD = """async ([sheets, where, as]) => {
  document.querySelectorAll("style.other").forEach((one) => one.remove());
  for (const text of sheets) {
    const one = document.createElement("style");
    [one.className, one.textContent] = ["other", text];
    document.head[where](one); }
  for (let n = 0; n < 4; n++) await new Promise(requestAnimationFrame);
  look(as);
  return apart("alone", as); }"""


@pytest.mark.parametrize("name", KIND)
def test_it_looks_as_it_does_alone(stage, name):
    one = KIND[name]()
    others = {kind._css for kind in [*kinds(), Page]} - {one._css}
    assert len(others) >= 11
    for width in (800, 380):
        page = stage(one, width=width + MARGIN, calm=True).page
        page.evaluate(HELPERS)
        page.evaluate(ADD, [[], "append", "alone"])
        for where in ("append", "prepend"):
            assert page.evaluate(ADD, [sorted(others), where, where]) == [], f"{width} px, {where}"


def test_what_is_hidden_is_out_of_sight_whatever_else_is_said_of_it(stage):
    """AttentionView opens with its rare controls behind "more", in every company."""
    page = stage(heads()).page
    page.evaluate(HELPERS)
    for where in ("append", "prepend"):
        page.evaluate(ADD, [[kind._css for kind in kinds()], where, "alone"])
        rare = page.locator(".row .row")
        assert rare.get_attribute("hidden") is not None and not rare.is_visible()
        assert page.locator(".attnlib-live").bounding_box()["height"] <= 560
