"""Desk: what the page computes against NumPy and what Python says, the exercise that takes its
columns, what is refused, and the picture in a browser, by mouse, keyboard and finger.
"""

import base64
import io
import re

import node
import numpy as np
import pytest
from conftest import in_both_themes
from drawn import overhang, text_of, touching
from matplotlib.colors import same_color
from PIL import Image
from shown import MARGIN, Shown, frame

from attnlib import softmax, toy
from attnlib.exercises import many_heads
from attnlib.show import Desk
from attnlib.show.live import desk
from attnlib.show.sheet import KEY, QUERY

SOLVED = {"asks": {"pronoun": 1}, "offers": {"noun": 1}}


def mixing(**how):
    return Desk(**toy.desk() | how)


def small(**how):
    given = {
        "sentences": [["a", "b", "c"], ["b", "b"]],
        "features": ["p", "q"],
        "table": [np.array([[1.0, 0], [0, 1], [0.5, 0]]), np.zeros((2, 2))],
        "jobs": {"look": {"who": "p", "whom": "q"}},
    }
    return Desk(**given | how)


# ---- in node: the numbers ------------------------------------------------------------------------


def run(tmp_path, script, data=None):
    script = f'import * as d from "./desk.js";\n{script}'
    return node.run(node.modules(tmp_path), script, data)


def drawn(n_cases=150):
    """Desks of any faders, many of which do a job."""
    rng = np.random.default_rng(22)
    for number in range(n_cases):
        one = mixing(loudness=float(rng.integers(0, 25)) / 2)
        if number % 2:
            asks, offers = rng.integers(-10, 11, (2, len(one.features))) / 10
            one.asks, one.offers = asks.tolist(), offers.tolist()
        else:
            one.job = int(rng.integers(5))
            who, whom, *_ = list(toy.JOBS.values())[one.job]
            sides = (who, 1.0), (whom.removeprefix("not "), rng.choice([0.4, 1.0, -1.0]))
            one.asks, one.offers = (
                [amount * (name == feature) for feature in one.features] for name, amount in sides
            )
        one.sentence = int(rng.integers(4))
        yield one


def state_of(one):
    names = ("asks", "offers", "loudness", "job", "sentence")
    wanted = [[mask.tolist() for mask in job.wanted] for job in one._jobs]
    data = {"tables": [x.tolist() for x in one._tables], "wanted": wanted}
    data |= {"called": one._called, "shares": one._shares, "sentences": one.sentences}
    return [{name: getattr(one, name) for name in names}, data]


def test_node_computes_what_numpy_computes(tmp_path):
    all_ = list(drawn())
    script = "console.log(JSON.stringify(data.map((one) => d.judged(...one))));"
    for one, got in zip(all_, run(tmp_path, script, [state_of(one) for one in all_])):
        scores = one.loudness * np.outer(one.x @ one.asks, one.x @ one.offers)
        np.testing.assert_allclose(got["weights"], softmax(scores), atol=1e-12)
        np.testing.assert_allclose(got["ask"], one.x @ one.asks, atol=1e-12)
        np.testing.assert_allclose(got["offer"], one.x @ one.offers, atol=1e-12)
        assert (got["good"] == 4) == one.done
        for s, fault in enumerate(got["faults"]):
            assert (fault is None) == by_hand(one, s), (s, fault)
    assert 5 < sum(one.done for one in all_) < 100, "both ends are met"


def by_hand(one, s):
    """Is the job done in sentence s? From the words of the toy world, in loops."""
    who, whom, _, due = list(toy.JOBS.values())[one.job]
    words = [toy.features(word) for word in one.sentences[s]]
    at = [
        j
        for j, has in enumerate(words)
        if (whom in has if "not" not in whom else "noun" not in has)
    ]
    if not at or not any(who in has for has in words):
        return True
    x = np.array([[f in has for f in toy.FEATURES] for has in words], float)
    weights = softmax(one.loudness * np.outer(x @ one.asks, x @ one.offers))
    for has, row in zip(words, weights):
        if who in has and sum(row[at]) < due:
            return False
        if who not in has and max(row) - min(row) >= 0.012:
            return False
    return True


def said(tmp_path, one, at=0):
    script = """const N = d.judged(...data[0]), plain = (x) => x.map((p) => [p].flat()[0]).join("");
    const [state, about] = data[0], words = about.sentences[state.sentence];
    const sum = d.summed(words, N, { ...state, at: data[1] });
    console.log(JSON.stringify([plain(d.missing(N, state, about.sentences)), sum]));"""
    return run(tmp_path, script, [state_of(one), at])


def test_what_is_missing_is_said(tmp_path):
    trap = mixing()
    missing, total = said(tmp_path, trap, 7)
    assert missing == (
        "Done here. But in “The old farmer …”: he asks, but nobody offers more than another."
    )
    assert total == "it → cat: loudness 6 × ask 1 × offer 1 = 6, a share of .98"
    trap.job = 1
    assert said(tmp_path, trap)[0].startswith("Done here")
    trap.offers, trap.sentence = mixing(offers={"noun": 1}).offers, 3
    assert said(tmp_path, trap)[0].startswith("Nobody has this job here. But in “The cat sat …”: ")
    trap.sentence = 0
    assert said(tmp_path, trap)[0] == "it gives living nouns .50; .80 is wanted. mat gets .50."
    trap.asks = [0.0] * 17
    assert said(tmp_path, trap, 2) == [
        "it asks for nothing yet.",
        "sat asks for nothing: all alike, .10 each",
    ]
    loud = mixing(asks={"token": 1}, offers={"noun": 1})
    assert said(tmp_path, loud)[0].startswith("The looks, too, but the job is not its own")
    self = mixing(asks={"pronoun": 1}, offers={"pronoun": 1})
    assert "it gives the nouns .00; .80 is wanted. It gives itself .98." in said(tmp_path, self)[0]
    soft = mixing(**SOLVED, loudness=1)
    assert said(tmp_path, soft)[0] == "it gives the nouns .40; .80 is wanted. Louder?"
    assert said(tmp_path, mixing(**SOLVED))[0].startswith("Done in all 4 sentences.")


def test_all_fits(tmp_path):
    given = [
        [width, height, [float(length)] * n, float(length)]
        for n in (2, 10, 13, 16)
        for width in (348, 438, 588, 618)
        for height in (300, 320)
        for length in (12, 60, 140)
    ]
    found = run(
        tmp_path, "console.log(JSON.stringify(data.map((one) => d.geometry(...one))));", given
    )
    for (width, height, names, last), at in zip(given, found):
        n = len(names)
        assert at["x"] + n * at["w"] + min(92, last) * 0.7 <= width and at["w"] > 5
        assert at["y"] + n * at["h"] <= height and at["h"] >= 11


# ---- Python --------------------------------------------------------------------------------------


def test_the_columns_go_into_the_next_cell():
    one = mixing(asks={"pronoun": 0.7, "verb": -0.2}, offers={"noun": 1, "alive": 0.4})
    x = one.x
    assert np.allclose(softmax(one.loudness * np.outer(x @ one.asks, x @ one.offers)), one.weights)
    W_q, W_k = one.columns()
    assert W_q.shape == W_k.shape == (17, 1)
    np.testing.assert_allclose(softmax((x @ W_q) @ (x @ W_k).T), one.weights)
    np.testing.assert_array_equal(x, toy.embed(one.tokens)[:, :17])
    turned = one.columns(one.features[::-1])
    np.testing.assert_array_equal(turned[0], W_q[::-1])
    more = one.columns(["new", *one.features])
    assert more[0][0] == 0 and np.array_equal(more[1][1:], W_k)
    with pytest.raises(ValueError, match="'past' is missing"):
        one.columns(one.features[:-1])


def test_the_exercise_takes_the_desk_as_it_is():
    """A desk that is done passes; one that knows animals only is told why not."""
    one = mixing()
    assert not one.done and not many_heads.design.judge(one.columns, seed=0)[0]
    one.offers = [float(name == "noun") for name in one.features]
    assert one.done and many_heads.design.judge(one.columns, seed=0)[0]
    for feature in ("animal", "person", "thing", "place", "food", "idea", "alive"):
        assert not mixing(offers={feature: 1}).done, "some sentence has no such noun"


def test_every_job_can_be_done():
    ways = [
        ({"pronoun": 1}, {"noun": 1}),
        ({"pronoun": 1}, {"alive": 1}),
        ({"verb": 1}, {"alive": 1}),
        ({"token": 1}, {"punctuation": 1}),
        ({"pronoun": -1}, {"noun": 1}),
    ]
    for job, (asks, offers) in enumerate(ways):
        one = mixing(asks=asks, offers=offers)
        done = []
        for one.job in range(5):
            done.append(one.done)
        assert done[job], (job, asks)
        assert sum(done) == 1, "and no other"


def test_jobs_as_masks():
    wanted = [np.eye(3, dtype=bool), np.zeros((2, 2), bool)]
    one = small(jobs={"itself": {"wanted": wanted, "share": 0.9, "called": "itself"}})
    assert not one.done and one._wanted == [["100010001", "0000"]]
    single = small(table=[np.eye(3)[:, :2], np.eye(2)], jobs={"j": {"who": "p", "whom": "not p"}})
    assert single._wanted == [["011000000", "0100"]]


ERRORS = {
    "one feature": (lambda: small(features=["p"]), ValueError, "features must be 2 to 24"),
    "twins": (lambda: small(features=["p", "p"]), ValueError, "different names"),
    "no sentence": (lambda: small(sentences=[], table=[]), ValueError, "0 sentences"),
    "a table too few": (lambda: small(table=[np.ones((3, 2))]), ValueError, "2 sentences and 1"),
    "a shape": (
        lambda: small(table=[np.ones((3, 3)), np.ones((2, 2))]),
        ValueError,
        "table[0] must have the shape (3, 2), got (3, 3)",
    ),
    "a long sentence": (
        lambda: small(sentences=[["a"] * 17] * 2, table=[np.ones((17, 2))] * 2),
        ValueError,
        "2 to 16 words, got 17",
    ),
    "large": (lambda: small(table=[np.full((3, 2), 1e9), np.ones((2, 2))]), ValueError, "1e+09"),
    "no job": (lambda: small(jobs={}), ValueError, "empty"),
    "a job of other keys": (lambda: small(jobs={"j": {"who": "p"}}), ValueError, "jobs['j'] must"),
    "a job of both": (
        lambda: small(jobs={"j": {"wanted": [], "who": "p", "whom": "q"}}),
        ValueError,
        "got the keys wanted, who, whom",
    ),
    "an unknown feature": (
        lambda: small(jobs={"j": {"who": "p", "whom": "not r"}}),
        ValueError,
        "jobs['j']['whom'] must be a feature, or 'not' and a feature, got 'not r'",
    ),
    "a share": (
        lambda: small(jobs={"j": {"who": "p", "whom": "q", "share": 80}}),
        ValueError,
        "share of 1, got 80",
    ),
    "masks too few": (lambda: small(jobs={"j": {"wanted": []}}), ValueError, "must be 2 tables"),
    "a mask": (
        lambda: small(jobs={"j": {"wanted": [np.eye(2, dtype=bool)] * 2}}),
        ValueError,
        "['wanted'][0] must have the shape (3, 3), got (2, 2)",
    ),
    "faders": (lambda: small(asks=[1.0]), ValueError, "asks must be 2 numbers"),
    "a fader": (lambda: small(asks={"r": 1}), ValueError, "'r' is no feature"),
    "too far": (lambda: small(offers=[0, 1.5]), ValueError, "offers must be from -1 to 1"),
    "too loud": (lambda: small(loudness=13), ValueError, "loudness must be from 0 to 12, got 13"),
    "set too loud": (lambda: setattr(small(), "loudness", 99.0), ValueError, "0 to 12"),
    "set too far": (lambda: setattr(small(), "asks", [2.0, 0.0]), ValueError, "-1 to 1"),
    "set too many": (lambda: setattr(small(), "asks", [0.0]), ValueError, "2 numbers"),
    "a set job": (lambda: setattr(small(), "job", 1), ValueError, "job must be at most 0"),
    "a set sentence": (lambda: setattr(small(), "sentence", -1), ValueError, "sentence must be"),
}


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.replace(" ", "-"))
def test_what_does_not_fit_is_refused_by_name(case):
    call, kind, words = ERRORS[case]
    with pytest.raises(kind, match=re.escape(words)):
        call()


VIEWS = {
    "trap": mixing,
    "small": small,
    "wide": lambda: Desk(
        [[f"wording{i}" for i in range(16)]] * 3,
        [f"a long feature {f}" for f in range(24)],
        [np.random.default_rng(0).integers(0, 2, (16, 24))] * 3,
        {
            "a job that has a very long name": {
                "who": "a long feature 0",
                "whom": "a long feature 1",
            }
        },
        title="Wide",
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_the_still_picture(name):
    one = VIEWS[name]()
    data, metadata = one._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 25_000 and Image.open(io.BytesIO(png)).width <= 932
    assert metadata["image/png"]["alt"] in data["text/plain"]
    drawn = [text.get_text() for text in one.figure().sheet.texts]
    assert {"asks", "offers", *one.features} <= set(drawn)
    assert "sentences; loudness 6" in metadata["image/png"]["alt"]
    if name == "trap":
        assert "asks for pronoun 1 and offers animal 1; done in 1 of 4" in data["text/plain"]
        assert re.search("it +cat 0.98", data["text/plain"])


@in_both_themes
@pytest.mark.parametrize("name", VIEWS)
def test_bars_and_frames_of_the_still_are_those_of_the_desk(style, name):
    one = VIEWS[name]()
    rng = np.random.default_rng(1)
    one.asks, one.offers = (rng.integers(-10, 11, (2, len(one.features))) / 10).tolist()
    picture = one.figure()
    assert touching(picture) == [] and overhang(picture)[0] <= 0
    boxes = picture.sheet.patches
    half = 0.75 / 2  # an inch of a bar is 1
    for side, tone, word in (one.asks, QUERY, "asks"), (one.offers, KEY, "offers"):
        bars = [box for box in boxes if box.get_fill() and same_color(box.get_facecolor(), tone)]
        middle = text_of(picture, word).get_position()[0]
        found = [2 * (box.get_x() + box.get_width() / 2 - middle) / half for box in bars]
        np.testing.assert_allclose(found, side, atol=1e-9)
        rows = [text_of(picture, feature).get_position()[1] for feature in one.features]
        np.testing.assert_allclose([box.get_y() + box.get_height() / 2 for box in bars], rows)
    frames = [box for box in boxes if not box.get_fill() and box.get_linestyle() in (":", "dotted")]
    wanted = one._jobs[0].wanted[0]
    assert len(frames) == wanted.sum()
    across = sorted({round(box.get_x(), 6) for box in frames})
    assert len(across) == wanted.any(axis=0).sum()


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def show(stage):
    """show(desk, width, …) opens it."""
    return lambda one, width=800, **how: Mixer(stage(one, width=width + MARGIN, **how))


class Mixer(Shown):
    def fader(self, side, feature):
        return self.root.get_by_role("slider", name=f"{side}: {feature}", exact=True)

    def tests(self):
        return self.root.locator(".tests button").all_inner_texts()

    def lamp(self):
        return self.root.locator(".lamp").inner_text()


def test_the_reader_builds_a_head(show):
    page = show(mixing())
    assert page.tests() == ["✓ cat", "– farmer", "– queen", "– book"] and page.lamp() == ""
    page.fader("offers", "animal").focus()
    page.page.keyboard.press("0")
    page.rest()
    assert page.said() == "it asks, but nobody offers more than another."
    page.fader("offers", "noun").focus()
    page.page.keyboard.press("End")
    page.rest()
    assert page.said().startswith("Done in all 4 sentences") and page.lamp() == "✓"
    assert all(text.startswith("✓") for text in page.tests())
    asks, offers = page.get("asks"), page.get("offers")
    one = mixing(asks=asks, offers=offers)
    assert one.done and sum(map(abs, offers)) == 1 and ".50" in page.texts()
    page.press("clear")
    assert page.get("asks") == page.get("offers") == [0] * 17
    assert page.said() == "it asks for nothing yet."


def test_a_hand_drags_a_fader_and_python_hears_when_it_rests(show):
    page = show(mixing())
    box = page.fader("asks", "verb").bounding_box()
    y = box["y"] + box["height"] / 2
    assert box["height"] >= 24
    page.page.mouse.move(box["x"] + box["width"] / 2, y)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + box["width"] - 5, y, steps=4)
    page.rest()
    assert page.said().startswith("sat looks, too")
    assert not page.page.evaluate("sent.length"), "the hand has not let go"
    page.page.mouse.up()
    assert page.get("asks")[page.root.page.evaluate("model.get('features').indexOf('verb')")] == 1
    page.page.mouse.dblclick(box["x"] + box["width"] / 2, y)
    page.page.wait_for_timeout(200)
    assert page.get("asks") == mixing().asks


def test_jobs_and_sentences(show):
    page = show(mixing())
    page.root.get_by_label("job").select_option("a verb looks at who acts")
    page.rest()
    assert page.said() == "sat asks for nothing yet." and page.get("job") == 2
    page.root.get_by_role("button", name="not done: The queen told").click()
    page.rest()
    assert page.get("sentence") == 2 and "queen" in page.texts()
    assert page.said() == "told asks for nothing yet."
    absent = page.root.locator(".fader .absent").all_inner_texts()
    assert absent == ["animal", "food", "number", "plural"]
    page.root.get_by_role("button", name="nobody has the job: The book").click()
    page.rest()
    assert page.said().startswith("Nobody has this job here. But in “The cat sat …”: sat asks for")


def test_keys_choose_a_word_and_a_feature_marks_its_words(show):
    page = show(mixing())
    total = page.root.locator(".sum")
    assert total.inner_text().startswith("it → cat: loudness 6")
    page.keys("ArrowDown")
    assert total.inner_text() == "was asks for nothing: all alike, .10 each"
    page.keys("ArrowDown", "ArrowDown", "Control+ArrowUp")
    assert total.inner_text().startswith("The asks"), "around"
    page.svg.click(position={"x": 30, "y": page.svg.bounding_box()["height"] - 60})
    page.rest()
    assert not total.inner_text().startswith("The asks")
    page.fader("asks", "noun").focus()
    page.rest()
    marked = page.svg.locator("text.has:visible").all_text_contents()
    assert sorted(marked) == ["cat", "cat", "mat", "mat"]


def test_python_sets_and_two_views_show_the_same(show):
    page = show(mixing(), views=2)
    solved = mixing(**SOLVED)
    page.python(asks=solved.asks, offers=solved.offers, sentence=1)
    assert page.lamp() == "✓" and "farmer" in page.texts()
    page.press("clear")
    other = page.page.locator(".attnlib-live").nth(1)
    assert other.locator(".lamp").inner_text() == ""
    assert other.get_by_role("slider", name="offers: noun").input_value() == "0"
    page.slide("loudness", 2)
    page.page.evaluate("ends.forEach((end) => end())")
    assert page.page.evaluate("Object.values(heard).flat().length") == 0


def test_fingers(show):
    page = show(mixing(), width=360, fingers=True)
    box = page.fader("offers", "noun").bounding_box()
    page.page.touchscreen.tap(box["x"] + box["width"] - 6, box["y"] + 12)
    page.rest()
    assert page.get("offers")[mixing().features.index("noun")] >= 0.9


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [360, 480, 600, 800, 980])
def test_it_has_one_size_and_all_can_be_read(show, name, width):
    page = show(VIEWS[name](), width)
    high = page.height()
    assert page.overflow() <= 0
    buttons = page.root.locator(".tests button")
    for k in range(buttons.count()):
        buttons.nth(k).click()
        page.press("clear")
        page.slide("loudness", 12 - 4 * k)
        page.fader("asks", page.page.evaluate("model.get('features')[0]")).press("End")
        page.rest()
        assert page.height() == high and page.overflow() <= 0
    assert min(page.sizes()) >= 12
    if width == 800 and name != "wide":
        assert high <= 560


def test_colours_of_the_system(show):
    page = show(mixing(), forced_colors="active")
    assert (
        page.root.locator(".lamp").evaluate("(one) => getComputedStyle(one).forcedColorAdjust")
        == "none"
    )


def test_how_long_a_change_takes(stages, show, capsys):
    page = show(mixing())
    change = """const one = document.querySelector('[aria-label="asks: token"]');
        one.value = k % 2; one.dispatchEvent(new Event('input', { bubbles: true }));"""
    took = frame(stages.browser, page, change)
    with capsys.disabled():
        print(f"\n  Desk, ms of script, layout and paint a change: {took:.1f}")


def test_the_limits_are_those_of_python():
    assert desk.LOUDEST == 12 and desk.MOST == 16
