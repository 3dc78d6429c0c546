"""Deal: what the page computes against attnlib, ways to deal, what is refused, and the picture in a
browser, by mouse, keyboard and finger.
"""

import base64
import io
import itertools
import re

import node
import numpy as np
import pytest
import slow
from conftest import in_both_themes
from drawn import overhang, rgb, text_of, touching
from PIL import Image
from shown import MARGIN, Shown, frame

from attnlib import softmax, toy
from attnlib.measures import overlap
from attnlib.show import Deal

NAMES = ["one token back", "pronoun → noun", "same kind", "look-alikes"]
ALLIES = [["one token back"], ["pronoun → noun", "same kind"], ["look-alikes"], []]


def dealing(**how):
    return Deal(**toy.deal() | how)


def drawn(jobs=3, n=4, **how):
    return Deal(
        np.random.default_rng(jobs + n).normal(size=(jobs, n, n)), list("abcdef"[:jobs]), **how
    )


# ---- in node: the numbers ------------------------------------------------------------------------


def run(tmp_path, script, data=None):
    script = f'import * as d from "./deal.js";\n{script}'
    return node.run(node.modules(tmp_path), script, data)


def of_page(one):
    deal = [[one.names.index(name) for name in names] for names in one.deal]
    return {"deal": deal, "loudness": one.loudness, "scores": one.scores.tolist()} | {
        "names": one.names,
        "goal": one.goal,
    }


def cases():
    rng = np.random.default_rng(5)
    for number in range(60):
        jobs, n, heads = (int(rng.integers(*ends)) for ends in ((2, 7), (1, 17), (1, 7)))
        where = rng.integers(heads, size=jobs)
        names = list("abcdef"[:jobs])
        deal = [[name for name, at in zip(names, where) if at == h] for h in range(heads)]
        scores = rng.normal(size=(jobs, n, n)) * rng.choice([0.2, 1])
        scores[0, rng.random(n) < 0.5] = 0
        if number % 9 == 0:
            scores[:] = 0  # nobody has a job
        loud = float(rng.choice([0, 1, 6, 12]))
        yield Deal(scores, names, heads=heads, deal=deal, loudness=loud, goal={"share": 0.5})
    yield dealing()
    yield dealing(deal=ALLIES)


def test_node_computes_what_attnlib_computes(tmp_path):
    all_ = list(cases())
    script = """console.log(JSON.stringify(data.map((one) =>
        d.judged(one.deal, one.loudness, one.scores, one.goal))));"""
    for one, got in zip(all_, run(tmp_path, script, [of_page(one) for one in all_])):
        np.testing.assert_allclose(got["heads"], one.weights, atol=1e-9)
        np.testing.assert_allclose(got["alone"], one.alone, atol=1e-9)
        done = [np.nan if x is None else x for x in got["done"]]
        np.testing.assert_allclose(done, list(one.done.values()), atol=1e-9)
        even = np.full_like(one.alone, 1 / len(one.tokens))
        given = [np.nan if x is None else x for x in got["even"]]
        np.testing.assert_allclose(given, overlap(even, one.alone), atol=1e-9)
        assert all(got["met"]) == one.solved
    assert sum(one.solved for one in all_) > 5
    assert any(np.isnan(list(one.done.values())).any() for one in all_)


def test_the_measure_is_that_of_the_course():
    """How much of a job, one word after the other."""
    for one in cases():
        for name, found in one.done.items():
            head = next(h for h, names in enumerate(one.deal) if name in names)
            alone = one.alone[one.names.index(name)]
            wanted = slow.overlap(one.weights[head].tolist(), alone.tolist())
            np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_pairs_are_allies_or_rivals(tmp_path):
    data = of_page(dealing())
    script = """console.log(JSON.stringify(d.pairsOf(4).map((pair) =>
        [pair, d.together(pair, 6, data.scores)])));"""
    found = {tuple(pair): both for pair, both in run(tmp_path, script, data)}
    assert list(found) == list(itertools.combinations(range(4), 2))
    shown = {pair: [round(100 * x) for x in done] for pair, (done, _) in found.items()}
    assert shown[2, 3] == [19, 83] and shown[1, 2] == [84, 100]
    assert [pair for pair, (_, allies) in found.items() if allies] == [(1, 2)]
    for (a, b), (done, _) in found.items():
        scores = 6 * toy.deal()["scores"]
        both = softmax(scores[a] + scores[b])
        np.testing.assert_allclose(
            done, overlap(np.stack([both] * 2), softmax(scores[[a, b]])), atol=1e-6
        )


def lesson(tmp_path, one):
    script = """const N = d.judged(data.deal, data.loudness, data.scores, data.goal);
        const parts = d.lesson(N, data.names, data.goal);
        console.log(JSON.stringify(parts.map((one) => [one].flat()[0]).join("")));"""
    return run(tmp_path, script, of_page(one))


def test_what_the_deal_teaches(tmp_path):
    assert lesson(tmp_path, dealing()) == (
        "3 heads, together 75 %. same kind suffers most (19 %); it shares its head with"
        " look-alikes. A row shares out 1: what one job takes, the others lack. Can 3 heads do"
        " 95 %?"
    )
    assert "96 %. The goal is reached." in lesson(tmp_path, dealing(deal=ALLIES))
    each = dealing(deal=[[name] for name in NAMES])
    assert "done in full. Now save a head: can 3 do 95 %?" in lesson(tmp_path, each)
    one = dealing(deal=[NAMES, [], [], []])
    assert lesson(tmp_path, one).startswith("1 head, together 27 %. pronoun → noun suffers most")
    none = Deal(np.zeros((2, 3, 3)), ["a", "b"])
    assert lesson(tmp_path, none).endswith("No word of this sentence has any of these jobs.")


def test_all_fits_and_every_head_is_found(tmp_path):
    given = [
        [width, heads, jobs, n, longest]
        for width in (348, 468, 588, 788, 968)
        for heads, jobs, n, longest in (
            (4, 4, 10, 55),
            (1, 2, 2, 8),
            (6, 6, 16, 200),
            (3, 3, 7, 30),
        )
    ]
    script = """console.log(JSON.stringify(data.map((one) => { const at = d.geometry(...one);
        const middles = at.boxes.map(({ x, y, w }) => [x + w / 2, y + 40]);
        const found = middles.map((one) => d.headAt(at, one));
        return { ...at, found, out: d.headAt(at, [-20, 40]) };
    })));"""
    for (width, heads, _, n, _), at in zip(given, run(tmp_path, script, given)):
        assert at["found"] == list(range(heads)) and at["out"] == -1
        for box in at["boxes"]:
            assert box["x"] + box["w"] <= width + 1 and box["w"] >= 100
            assert box["y"] + at["map"] + n * at["h"] + 16 <= at["height"]


# ---- Python --------------------------------------------------------------------------------------


def test_all_ways_to_deal():
    """Of two heads or more that share, only one pair does it; all in one does worst."""
    means = {}
    for where in itertools.product(range(4), repeat=4):
        deal = [[name for name, at in zip(NAMES, where) if at == h] for h in range(4)]
        key = frozenset(frozenset(names) for names in deal if names)
        if key not in means:
            one = dealing(deal=deal)
            means[key] = np.mean(list(one.done.values())), one.solved, len(key)
    assert len(means) == 15
    assert [key for key, (_, solved, _) in means.items() if solved] == [
        frozenset(map(frozenset, filter(None, ALLIES)))
    ]
    assert min(means, key=means.get) == {frozenset(NAMES)}
    done = dealing(deal=[NAMES, [], [], []]).done
    assert [f"{share:.0%}" for share in done.values()] == ["8%", "1%", "23%", "76%"]


def test_a_head_is_the_softmax_of_a_sum():
    one, scores = dealing(deal=ALLIES, loudness=3.0), toy.deal()["scores"]
    np.testing.assert_allclose(one.weights[1], softmax(3 * (scores[1] + scores[2])), atol=1e-6)
    np.testing.assert_allclose(one.weights[3], 0.1)
    np.testing.assert_allclose(one.alone[2], softmax(3 * scores[2]), atol=1e-6)
    assert one.done["one token back"] == pytest.approx(1)
    assert dealing().deal == [[NAMES[0]], [NAMES[1]], NAMES[2:], []]
    assert dealing().tried == [NAMES[2:]] and dealing(heads=1).deal == [NAMES]
    assert drawn(jobs=2, heads=2).deal == [["a", "b"], []]


ERRORS = {
    "a shape": (lambda: Deal(np.ones((2, 3, 4)), list("ab")), ValueError, "got (2, 3, 4)"),
    "one job": (lambda: Deal(np.ones((1, 3, 3)), ["a"]), ValueError, "2 to 6 jobs"),
    "words": (lambda: Deal(np.ones((2, 17, 17)), list("ab")), ValueError, "1 to 16 words"),
    "names": (lambda: Deal(np.ones((2, 3, 3)), ["a"]), ValueError, "names"),
    "tokens": (lambda: Deal(np.ones((2, 3, 3)), list("ab"), ["x"]), ValueError, "tokens"),
    "NaN": (lambda: Deal(np.full((2, 3, 3), np.nan), list("ab")), ValueError, "finite"),
    "large": (lambda: Deal(np.full((2, 3, 3), 1e9), list("ab")), ValueError, "at most 1e4"),
    "heads": (lambda: dealing(heads=0), ValueError, "heads must be at least 1"),
    "loudness": (lambda: dealing(loudness=-1), ValueError, "loudness"),
    "a job twice": (
        lambda: dealing(deal=[NAMES, NAMES, [], []]),
        ValueError,
        "deal must be 4 lists",
    ),
    "a job lost": (lambda: dealing(deal=[NAMES[1:], [], [], []]), ValueError, "deal must be 4"),
    "other heads": (
        lambda: setattr(dealing(), "deal", [NAMES]),
        ValueError,
        "deal must be 4 lists",
    ),
    "tried": (lambda: setattr(dealing(), "tried", [["a", "b"]]), ValueError, "tried must be pairs"),
    "a goal": (lambda: dealing(goal={"layers": 2}), ValueError, "goal must be a dict like"),
    "a share": (lambda: dealing(goal={"share": 95}), ValueError, "share of 1, got 95"),
    "set loudness": (lambda: setattr(dealing(), "loudness", 13.0), ValueError, "0 to 12"),
}


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.replace(" ", "-"))
def test_what_does_not_fit_is_refused_by_name(case):
    call, kind, words = ERRORS[case]
    with pytest.raises(kind, match=re.escape(words)):
        call()


VIEWS = {
    "four": dealing,
    "two": lambda: drawn(2, 2, heads=2),
    "six": lambda: Deal(
        np.random.default_rng(0).normal(size=(6, 16, 16)),
        [f"a job of a long name {k}" for k in range(6)],
        [f"wording{i}" for i in range(16)],
        heads=6,
        title="Six",
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_still_picture(name):
    one = VIEWS[name]()
    data, metadata = one._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 25_000 and Image.open(io.BytesIO(png)).width <= 932
    alt = metadata["image/png"]["alt"]
    assert alt == data["text/plain"]
    drawn = " ".join(text.get_text() for text in one.figure().sheet.texts)
    assert all(f"{job} {share:.0%}" in alt for job, share in one.done.items())
    assert all(f"{job} {share:.0%}" in drawn for job, share in one.done.items())


@in_both_themes
@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("together", [False, True])
def test_each_head_of_the_still_stands_below_its_jobs(style, name, together):
    one = VIEWS[name]()
    if together:
        one.deal = [one.names, *[[]] * (len(one.deal) - 1)]
    picture = one.figure()
    assert touching(picture) == [] and overhang(picture)[0] <= 0
    heads = [text_of(picture, f"head {h + 1}") for h in range(len(one.deal))]
    places = [head.get_position()[::-1] for head in heads]
    assert places == sorted(places), "in the order of reading"
    jobs = {job: text_of(picture, f"{job} {share:.0%}") for job, share in one.done.items()}
    for head, names, image in zip(heads, one.deal, picture.sheet.images, strict=True):
        (x, y), (left, _, _, top) = head.get_position(), image.get_extent()
        at = {job: text.get_position() for job, text in jobs.items()}
        assert {job for job in at if at[job][0] == x and y < at[job][1] < top} == set(names)
        assert x == left
    shares = [np.asarray(image.get_array())[..., :3] for image in picture.sheet.images]
    for weights, tones in zip(one.weights, shares):
        even = np.ptp(weights, axis=1) < 1e-6
        assert ((tones == rgb(style["paper"]) / 255).all(axis=(1, 2)) == even).all()


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def show(stage):
    """show(deal, width, …) opens it."""
    return lambda one, width=800, *, calm=True, **how: Table(
        stage(one, width=width + MARGIN, calm=calm, **how)
    )


class Table(Shown):
    def chip(self, name):
        return self.root.locator(".chip", has_text=name)

    def slot(self, head):
        """A place in a head's slot, in the window."""
        text = self.svg.get_by_text(f"head {head}", exact=True).bounding_box()
        return text["x"] + 30, text["y"] + 100

    def drag(self, name, head):
        box, mouse = self.chip(name).bounding_box(), self.page.mouse
        mouse.move(box["x"] + 20, box["y"] + 10)
        mouse.down()
        mouse.move(*self.slot(head), steps=4)
        mouse.up()
        self.rest()

    def done(self):
        return self.root.locator(".job b").all_inner_texts()

    def goal(self):
        return self.root.locator(".goal").inner_text()


def test_the_reader_saves_a_head(show):
    page = show(dealing())
    assert page.done() == ["100 %", "100 %", "19 %", "83 %"]
    assert page.goal().startswith("Goal") and "(now 75 %)" in page.goal()
    page.drag("same kind", 2)
    assert page.done() == ["100 %", "84 %", "100 %", "100 %"]
    assert page.get("deal") == ALLIES and page.goal().startswith("Solved")
    assert page.get("tried") == [NAMES[2:], NAMES[1:3]]
    assert dealing(deal=page.get("deal")).solved
    assert page.root.locator(".pairs .tried").all_inner_texts() == [
        "pronoun → noun + same kind\nallies 84 · 100 %",
        "same kind + look-alikes\nrivals 19 · 83 %",
    ]
    page.press("all in one")
    assert page.done() == ["8 %", "1 %", "23 %", "76 %"] and page.get("deal") == [NAMES, [], [], []]
    page.press("a head each")
    assert page.done() == ["100 %"] * 4 and page.get("deal") == [[name] for name in NAMES]


def test_a_drag_that_ends_beside_the_heads_does_nothing(show):
    page = show(dealing())
    box = page.chip("same kind").bounding_box()
    page.page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 20, 880, steps=3)
    page.page.mouse.up()
    page.rest()
    after = page.chip("same kind").bounding_box()
    assert page.get("deal") == dealing().deal and after == box
    assert page.chip("same kind").get_attribute("aria-pressed") == "false"


def test_keys_deal(show):
    page = show(dealing())
    chip = page.chip("same kind")
    chip.focus()
    page.page.keyboard.press("ArrowRight")
    page.rest()
    assert page.get("deal")[3] == ["same kind"]
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("9")
    page.page.keyboard.press("2")
    page.rest()
    assert page.get("deal") == ALLIES
    assert chip.get_attribute("aria-label") == "same kind, in head 2. Left and right move it."
    assert page.chip("same kind").evaluate("(one) => one === document.activeElement")


def test_a_list_and_two_touches_deal(show):
    page = show(dealing(), width=360, fingers=True)
    page.root.get_by_label("same kind is in").select_option("head 2")
    page.rest()
    assert page.get("deal") == ALLIES
    page.chip("same kind").tap()
    page.rest()
    assert page.chip("same kind").get_attribute("aria-pressed") == "true"
    page.page.touchscreen.tap(*page.slot(4))
    page.rest()
    assert page.get("deal")[3] == ["same kind"]
    assert page.chip("same kind").get_attribute("aria-pressed") == "false"


def test_a_word_is_chosen(show):
    page = show(dealing())
    assert "it → because .98" in page.texts() and "it → cat .84, mat .14" in page.texts()
    page.keys("ArrowUp", "ArrowUp")
    assert "mat → the .98" in page.texts() and "mat: all alike" in page.texts()
    page.svg.click(position={"x": 100, "y": page.svg.bounding_box()["height"] - 30})
    page.rest()
    assert "tired → was .98" in page.texts()


def test_loudness_changes_what_is_done(show):
    page = show(dealing())
    page.slide("loudness", 12)
    assert page.done() == [
        "no one" if np.isnan(x) else f"{round(100 * x)} %"
        for x in dealing(loudness=12.0).done.values()
    ]
    page.slide("loudness", 0)
    assert page.done() == ["no one"] * 4


def test_python_sets_and_two_views_show_the_same(show):
    page = show(dealing(), views=2)
    page.page.evaluate("(news) => python(news)", {"deal": ALLIES})
    page.rest()
    assert page.goal().startswith("Solved")
    page.press("all in one")
    other = page.page.locator(".attnlib-live").nth(1)
    page.page.wait_for_timeout(200)
    assert other.locator(".job b").first.inner_text() == "8 %"
    page.page.evaluate("ends.forEach((end) => end())")
    assert page.page.evaluate("Object.values(heard).flat().length") == 0


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [360, 480, 600, 800, 980])
def test_it_has_one_size_and_all_can_be_read(show, name, width):
    page = show(VIEWS[name](), width)
    high = page.height()
    assert page.overflow() <= 0
    for button in ("all in one", "a head each"):
        page.press(button)
        page.keys("ArrowDown")
        assert page.height() == high and page.overflow() <= 0
    assert min(page.sizes()) >= 12 and page.svg.locator("text").count() > 2
    small = page.root.evaluate(
        "(one) => [...one.querySelectorAll('.chip, select')].map((n) => n.offsetHeight)"
    )
    assert min(small) >= 24
    if width == 800 and name != "six":
        assert high <= 560


def test_present_and_less_motion(show):
    page = show(dealing(), width=1400)
    before = page.svg.bounding_box()["width"]
    page.press("present")
    page.page.wait_for_timeout(300)
    assert page.svg.bounding_box()["width"] > 1.2 * before
    page.drag("same kind", 2)
    assert page.get("deal") == ALLIES, "the hand finds the head"
    page.press("present")
    for calm, wanted in ((True, 2), (False, 4)):
        page = show(dealing(), calm=calm)
        ways = page.page.evaluate(
            """async () => { const seen = new Set(), svg = document.querySelector("svg[tabindex]");
            document.querySelectorAll(".row button")[1].click();
            for (let k = 0; k < 12; k++) { await new Promise(requestAnimationFrame);
              seen.add([...svg.querySelectorAll("path")].map((n) => n.getAttribute("d")).join()); }
            return seen.size; }"""
        )
        assert ways <= wanted if calm else ways >= wanted


def test_how_long_a_change_takes(stages, show, capsys):
    said = []
    for name, one in (("10 words", dealing()), ("16 words, 6 heads", VIEWS["six"]())):
        page = show(one, calm=False)
        change = "document.querySelectorAll('.row button')[k % 2].click();"
        said.append(f"{name} {frame(stages.browser, page, change):.1f}")
    with capsys.disabled():
        print(f"\n  Deal, ms of script, layout and paint a change: {', '.join(said)}")
