"""predict: nothing of the answer before the commitment, then the truth over the guess; the points
are what the docstring says; mouse, keys and fingers reach everything.
"""

import base64
import json
import re
from itertools import pairwise

import lab
import node
import numpy as np
import pytest
from shown import MARGIN

from attnlib.exercises import _progress, progress
from attnlib.show import predict
from attnlib.show.labels import unmarked
from attnlib.show.live.predict import Predict, Questions

TOKENS = "The cat sat on the mat because it was tired".split()
WHY = "**Pelican.** The *reason* is `q @ k`."
TABLE = np.full((10, 10), 0.1)
TABLE[7] = [0.01, 0.8137, 0.01, 0.01, 0.01, 0.1063, 0.01, 0.01, 0.01, 0.01]
WINDOW = np.array([[0, 0, 0, 1, 1, 1, 0, 0, 0, 0]]) / 3
XS = [0.25, 0.5, 1, 2, 4]
LINE = [0.99, 0.95, 0.8137, 0.57, 0.3]


def question(kind, **more):
    """One of each kind, whose answer is known by a pelican and by .8137."""
    more = {"why": WHY, **more}
    if kind == "cells":
        return predict.cells("Which cell will be *darkest*?", TABLE, TOKENS, **more)
    if kind == "many":
        return predict.cells("What can “mat” see?", WINDOW, ["mat"], TOKENS, many=True, **more)
    if kind == "choice":
        options = [
            ("the same", "It is a sum."),
            ("twice", ""),
            ("<b>four</b> times", "They cancel."),
        ]
        return predict.choice("How much larger?", options, "twice", **more)
    if kind == "split":
        parts = ["cat", "mat", "the other eight"]
        start = [0.84, 0.15, 0.01]
        return predict.split("How will it share?", parts, [0.57, 0.23, 0.2], start=start, **more)
    labels = {"xlabel": "temperature", "ylabel": "weight of cat"}
    return predict.curve("Where will it run?", XS, LINE, given=2, **labels, **more)


KINDS = ["cells", "many", "choice", "split", "curve"]
each = pytest.mark.parametrize("kind", KINDS)


# ---- points, once more in Python -----------------------------------------------------------------


def points(one, guess):
    """As Predict's docstring says."""
    truth = one["truth"]
    if one["kind"] == "cells" and not one["many"]:
        return truth[guess[0]] / max(truth)
    if one["kind"] == "cells":
        right = {at for at, w in enumerate(truth) if w >= 0.005}
        either = right | set(guess)
        return len(right & set(guess)) / len(either) if either else 1.0
    if one["kind"] == "choice":
        return float(truth[guess[0]])
    if one["kind"] == "split":
        return min(1.0, sum(min(mine, true) for mine, true in zip(guess, truth)))
    low, high = one["limits"]
    level = (low + high) / 2 if one["given"] is None else truth[one["given"]]
    places = [k for k in range(len(truth)) if k != one["given"]]
    mean = lambda ys: sum((ys[k] - truth[k]) ** 2 for k in places) / len(places)  # noqa: E731
    worst = max(mean([level] * len(truth)), ((high - low) / 4) ** 2)
    return min(1.0, max(0.0, 1 - mean(guess) / worst))


def cases(rng):
    """Questions as the page reads them, each with a guess."""
    words = lambda n: ["x" * int(k) for k in rng.integers(1, 40, n)]  # noqa: E731
    for number in range(400):
        kind = ["cells", "cells", "choice", "split", "curve"][number % 5]
        n, m = int(rng.integers(2, 9)), int(rng.integers(1, 9))
        one = {"kind": kind, "why": "", "whynot": words(n), "options": words(n), "given": None}
        one |= {"rows": words(m), "columns": words(n), "parts": words(n), "xs": words(n)}
        if kind == "cells":
            one["many"] = number % 2 == 0
            truth = rng.random(m * n) * rng.choice([0, 1], m * n, p=[0.4, 0.6])
            truth[0] = max(truth[0], 0.1)
            guess = rng.choice(m * n, int(rng.integers(0, m * n + 1)), replace=False)
            guess = sorted(guess.tolist()) if one["many"] else [int(rng.integers(m * n))]
            if number % 20 == 0:  # nothing is there, and nothing was chosen
                truth, guess = truth * 0, []
        elif kind == "choice":
            truth, guess = np.eye(n)[rng.integers(n)], [int(rng.integers(n))]
        elif kind == "split":
            truth, guess = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n)).tolist()
        else:
            low, size = rng.normal() * 5, 10.0 ** rng.integers(-2, 3)
            one["limits"] = [low, low + size]
            truth = low + size * rng.random(n) * rng.choice([0.01, 0.3, 1])
            guess = (truth + size * rng.normal(size=n) * rng.choice([0, 0.02, 0.5])).tolist()
            if number % 2:
                one["given"] = int(rng.integers(n))
                guess[one["given"]] = float(truth[one["given"]])
        yield one | {"truth": truth.tolist(), "guess": guess}


def test_points_and_words(tmp_path):
    drawn = list(cases(np.random.default_rng(3)))
    script = """import * as predict from "./predict.js";
    console.log(JSON.stringify(data.map((one) => ({
      points: predict.points[one.kind](one, one.guess),
      verdict: predict.verdict(one.kind, predict.points[one.kind](one, one.guess)),
      said: predict.said[one.kind](one, one.guess), longest: predict.longest(one) }))));"""
    got = node.run(node.modules(tmp_path), script, drawn)
    spread = []
    for one, found in zip(drawn, got):
        wanted = points(one, one["guess"])
        assert found["points"] == pytest.approx(wanted, abs=1e-9), one
        room = max(map(len, found["longest"])) + 2
        assert found["said"].startswith("You") and len(found["said"]) <= room
        right = {"Right.": 1} if one["kind"] == "choice" else {"Exactly.": 0.97}
        floors = right | {"Very near.": 0.88, "Partly.": 0.45, "Not this time.": -1}
        named = next(word for word, floor in floors.items() if wanted >= floor)
        assert found["verdict"] == named or abs(wanted - 0.88) < 1e-9, (wanted, found)
        spread.append(wanted)
    assert np.histogram(spread, [0, 0.3, 0.7, 1.01])[0].min() > 40, "near, half, and far"


def test_what_the_words_say(tmp_path):
    script = """import * as predict from "./predict.js";
    const say = (kind, question, guess) => predict.said[kind](question, guess);
    const table = { rows: ["a", "b"], columns: ["x", "y"], truth: [0, 0.4, 0.6, 0] };
    const row = { rows: ["a"], columns: [..."uvwxyz"], many: true, truth: [1, 0, 0, 1, 0, 0] };
    const column = { rows: ["the", "a", "on"], columns: ["x"], many: true, truth: [0, 0, 1] };
    const options = { options: ["one", "two"], whynot: ["No.", ""] };
    const parts = { parts: ["cat", "mat", "rest"], truth: [0.7, 0.2, 0.1] };
    const line = { xs: [".5", "1", "2"], truth: [0, 1, 2], limits: [0, 2] };
    console.log(JSON.stringify([
      say("cells", table, [1]), say("cells", { ...table, many: true }, [1, 3]),
      say("cells", column, [1]), say("cells", column, [0, 1]), say("cells", column, [2]),
      say("cells", { ...column, many: false }, [2]),
      say("cells", row, [0, 3]), say("cells", row, [1, 2, 3, 4, 5]), say("cells", row, []),
      say("choice", options, [0]), say("choice", options, [1]),
      say("split", parts, [0.5, 0.3, 0.2]), say("split", parts, [0.71, 0.2, 0.09]),
      say("curve", line, [0, 1, 0.5]), say("curve", line, [0.02, 1, 1.98]) ]));"""
    assert node.run(node.modules(tmp_path), script) == [
        "You said a → y: it gets .40.",
        "You said a → y, b → y: 1 wrong. You left out b → x.",
        "You said a: wrong. You left out on.",
        "You said the, a: all wrong. You left out on.",
        "You said on.",
        "You said on: it gets 1.",
        "You said u, x.",
        "You said v, w and 3 more: 4 wrong. You left out u.",
        "You said none. You left out u, x.",
        "You said “one”. No.",
        "You said “two”.",
        "You gave cat .50; it gets .70.",
        "You gave every part its share, within .01.",
        "You drew .50 at 2; it is 2.",
        "Your line is nowhere far off.",
    ]


def test_edges_strokes_and_names(tmp_path):
    rng = np.random.default_rng(4)
    shares = [rng.dirichlet(np.ones(int(n))).tolist() for n in rng.integers(2, 7, 100)]
    moves = [[one, int(rng.integers(len(one) - 1)), float(rng.normal())] for one in shares]
    names = []
    for n in rng.integers(1, 7, 100):
        half = (rng.random(n) * 30).tolist()
        room = 2 * sum(half) + 10 * (int(n) - 1)
        names.append([np.sort(rng.random(n) * room).tolist(), half, 0, room + rng.random() * 50])
    texts = ["a **b** c", "*x* `y*z*` w", "2 * 3 * 4", "plain", "**open", "`a` **b *c* d**", ""]
    script = """import * as predict from "./predict.js";
    import { cut } from "./core.js";
    import { apart } from "./kinds.js";
    import { marked } from "./words.js";
    const { moves, names, texts } = data;
    console.log(JSON.stringify({
      shifted: moves.map((one) => predict.shifted(...one)),
      apart: names.map((one) => apart(...one)),
      stroke: [predict.stroke([null, 5, null, null], 1, [0, 1], [3, 4]),
        predict.stroke([1, 1, 1], null, [2, 7], [2, 8]),
        predict.stroke([1, 1, 1], 0, [2, 0], [0, 2]),
        predict.stroke([1, 1, 1], null, [0.4, 5], [0.8, 6]),
        predict.stroke([1, 1, 1], null, [1.1, 5], [1.3, 6])],
      marked: texts.map((one) => marked(one)),
      cut: [cut("because", 70, (t) => 10 * t.length),
        cut("because", 40, (t) => 10 * t.length),
        cut("because", 1, (t) => 10 * t.length)] }));"""
    data = {"moves": moves, "names": names, "texts": texts}
    got = node.run(node.modules(tmp_path), script, data)
    for (old, k, to), new in zip(moves, got["shifted"]):
        assert min(new) >= 0 and sum(new) == pytest.approx(1, abs=1e-3)
        assert [x for at, x in enumerate(new) if at not in (k, k + 1)] == [
            x for at, x in enumerate(old) if at not in (k, k + 1)
        ]
        held = np.clip(round(to, 2), sum(old[:k]), sum(old[: k + 2]))
        assert sum(new[: k + 1]) == pytest.approx(held, abs=6e-3)
    for (_, half, low, high), x in zip(names, got["apart"]):
        ends = [low, *(at + h for at, h in zip(x, half))]
        starts = [*(at - h for at, h in zip(x, half)), high]
        assert all(b - a >= -1e-9 for a, b in zip(ends, starts)), "apart, and inside"
    assert got["stroke"] == [[1, 5, 3, 4], [1, 1, 8], [1, 1, 0], [1, 6, 1], [1, 1, 1]]
    assert got["marked"][0] == [["", "a "], ["b", "b"], ["", " c"]]
    for text, parts in zip(texts, got["marked"]):
        assert "".join(one for _, one in parts) == unmarked(text)
    assert got["cut"] == ["because", "bec…", "b…"]


def test_cells_are_large_enough_and_the_card_low_enough(tmp_path):
    sizes = [[m, n, w] for m in (1, 2, 10, 18) for n in (1, 7, 18) for w in (548, 480, 620)]
    script = """import { geometry } from "./kinds.js";
    const words = (n) => Array.from({ length: n }, (_, k) => "w".repeat(1 + (k * 7) % 40));
    console.log(JSON.stringify(data.map(([m, n, width]) => geometry.cells(
      { rows: words(m), columns: words(n) }, width, (text) => 7.5 * text.length))));"""
    for (m, n, width), place in zip(sizes, node.run(node.modules(tmp_path), script, sizes)):
        assert place["c"] >= 24 and place["height"] <= 530
        assert len(place["down"]) == m and len(place["across"]) == n
        if n < 18 or width > 480:
            assert place["left"] + place["c"] * n <= width
        assert all(7.5 * len(one) <= place["left"] for one in place["down"])
        assert place["w"] >= 60 if n == 1 else place["w"] == place["c"], (
            "a lone column holds a name"
        )


def test_names_of_rows_are_whole_where_there_is_room(tmp_path):
    script = """import { geometry } from "./kinds.js";
    console.log(JSON.stringify(data.map((n) => geometry.cells(
      { rows: ["one sees all, and is seen", "a"], columns: [..."ABCDEFGHIJKL"].slice(0, n) }, 480,
      (text) => 7 * text.length))));"""
    few, many = node.run(node.modules(tmp_path), script, [8, 12])
    assert few["down"][0] == "one sees all, and is seen" and few["c"] >= 30
    assert many["down"][0].endswith("…") and many["c"] >= 24


def test_slanted_names_have_the_room_that_they_need(tmp_path):
    """The height follows the longest name up to a cap; what is cut is cut for want of width."""
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(300):
        m, n = (int(x) for x in rng.integers(1, 19, 2))
        names = [["w" * int(k) for k in rng.integers(1, 40, size)] for size in (m, n)]
        drawn.append([*names, int(rng.integers(480, 640))])
    script = """import { geometry } from "./kinds.js";
    console.log(JSON.stringify(data.map(([rows, columns, width]) =>
      geometry.cells({ rows, columns }, width, (text) => 6.5 * text.length))));"""
    whole = cut = 0
    for (rows, columns, width), at in zip(drawn, node.run(node.modules(tmp_path), script, drawn)):
        assert at["c"] >= 24 and at["height"] <= 530
        if at["level"]:
            continue
        for j, (name, shown) in enumerate(zip(columns, at["across"])):
            high = wide = 6.5 * len(shown) * np.sqrt(0.5)
            assert high + 10 <= at["above"] <= 160 * np.sqrt(0.5) + 15
            x = at["left"] + (j + 0.5) * at["c"] + 3
            assert x + wide <= width + 2 or len(shown) == 2, "beside the last column, too"
            enough = min(160 if len(rows) <= 14 else 72, (width - x - 1) / np.sqrt(0.5))
            assert shown == name or 6.5 * len(name) > enough
            whole, cut = whole + (shown == name), cut + (shown != name)
    assert whole > 500 and cut > 200


# ---- what is given -------------------------------------------------------------------------------

WRONG = [
    (lambda: predict("What?"), TypeError, "predict asks in four ways: predict.cells"),
    (lambda: predict.cells("", TABLE, TOKENS), ValueError, "ask must not be empty"),
    (lambda: predict.cells(3, TABLE, TOKENS), TypeError, "ask must be a string"),
    (lambda: predict.cells("?", TABLE[7], ["it"], TOKENS), ValueError, r"\(\.\.\., n_q, n_k\)"),
    (lambda: predict.cells("?", TABLE, TOKENS[:9]), ValueError, r"9 rows .* shape \(10, 10\)"),
    (lambda: predict.cells("?", -TABLE, TOKENS), ValueError, "weights must be 0 or above"),
    (lambda: predict.cells("?", TABLE * np.nan, TOKENS), ValueError, "weights must be finite"),
    (lambda: predict.cells("?", TABLE * 0, TOKENS), ValueError, "a cell that is not empty"),
    (
        lambda: predict.cells("?", TABLE * 0, TOKENS, many=True),
        ValueError,
        "none to find is not asked",
    ),
    (lambda: predict.cells("?", TABLE, "it"), TypeError, "rows must be a list of strings"),
    (lambda: predict.cells("?", TABLE, []), ValueError, "rows must have 1 to 18 names, got 0"),
    (lambda: predict.cells("?", np.eye(19), ["x"] * 19), ValueError, "1 to 18 names, got 19"),
    (lambda: predict.cells("?", TABLE, TOKENS, many=1), TypeError, "many must be True or False"),
    (lambda: predict.choice("?", "ab", "a"), TypeError, "options must be a list"),
    (lambda: predict.choice("?", ["a"], "a"), ValueError, "options must have 2 to 8 names"),
    (lambda: predict.choice("?", ["a", "a"], "a"), ValueError, "options must differ"),
    (lambda: predict.choice("?", ["a", ("b", "c", "d")], "a"), ValueError, "or pairs"),
    (lambda: predict.choice("?", ["a", "b"], "c"), ValueError, "right must be one of 'a', 'b'"),
    (lambda: predict.choice("?", ["a", "b"], 0), ValueError, "right must be one of"),
    (lambda: predict.split("?", ["a", "b"], [1]), ValueError, r"truth must have the shape \(2,\)"),
    (lambda: predict.split("?", ["a", "b"], [1, 2]), ValueError, "divide by their sum"),
    (lambda: predict.split("?", ["a", "b"], [1.5, -0.5]), ValueError, "truth must be shares of 1"),
    (lambda: predict.split("?", ["a", "b"], [1, 0], start=[0, 0]), ValueError, "start must be sha"),
    (lambda: predict.split("?", ["a"], [1]), ValueError, "parts must have 2 to 6 names, got 1"),
    (lambda: predict.curve("?", [1], [1]), ValueError, "xs must have 2 to 40 names, got 1"),
    (lambda: predict.curve("?", [1, 2], [1]), ValueError, r"truth must have the shape \(2,\)"),
    (lambda: predict.curve("?", [1, 2], [1, np.inf]), ValueError, "truth must be finite"),
    (lambda: predict.curve("?", [1, 2], [0, 1], given=2), ValueError, "given must be at most 1"),
    (lambda: predict.curve("?", [1, 2], [0, 1], limits=(1, 0)), ValueError, "low < high"),
    (lambda: predict.curve("?", [1, 2], [0, 9], limits=(0, 1)), ValueError, "from 0 to 9"),
    (lambda: predict.choice("?", ["a", "b"], "a", why=1), TypeError, "why must be a string"),
    (lambda: predict.choice("?", ["a", "b"], "a", name=""), ValueError, "name must not be empty"),
]


@pytest.mark.parametrize("wrong, kind, words", WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_errors(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


@pytest.mark.parametrize(
    "kind, good, bad",
    [
        ("cells", [7, 1], [[7], [10, 0], 3, "it", [[7, 1]]]),
        ("many", [[0, 3], [0, 4]], [[0, 3], [[1, 0]], "mat"]),
        ("choice", "twice", [1, "no"]),
        ("split", [0.5, 0.25, 0.25], [[1, 0], [1, 1, 1], ["a", "b", "c"]]),
        ("curve", [1, 1, 0.8, 0.5, 0.1], [[1], [1, 1, np.nan, 1, 1]]),
    ],
)
def test_a_guess_that_does_not_fit_is_refused(kind, good, bad):
    one = question(kind)
    one.guess = np.array(good) if kind in ("split", "curve") else good
    assert one.guess == good
    for guess in bad:
        with pytest.raises((ValueError, TypeError), match="guess"):
            one.guess = guess
    assert one.guess == good


def test_limits_that_are_not_given_hold_the_truth():
    limits = lambda ys, **more: predict.curve("?", range(len(ys)), ys, **more)._question["limits"]  # noqa: E731
    assert limits([0.2, 0.9]) == [0, 1] and limits([1, 3.2]) == [0, 4]
    assert limits([-0.31, 0.1]) == [-0.4, 0.1]
    assert limits([120, 80]) == [0, 200] and limits([0.5, 0.6], limits=(0, 2)) == [0, 2]


# ---- no spoiler ----------------------------------------------------------------------------------


def bundle(one):
    data, metadata = one._repr_mimebundle_()
    return data, json.dumps([data["text/plain"], metadata])


OTHER = {
    "cells": lambda: predict.cells("Which cell will be *darkest*?", np.eye(10), TOKENS, why="No."),
    "many": lambda: predict.cells(
        "What can “mat” see?", 1 - WINDOW, ["mat"], TOKENS, many=True, why="No."
    ),
    "choice": lambda: predict.choice(
        "How much larger?", ["the same", "twice", ("<b>four</b> times", "x")], "the same"
    ),
    "split": lambda: predict.split(
        "How will it share?", ["cat", "mat", "the other eight"], [0, 0, 1], start=[0.84, 0.15, 0.01]
    ),
    "curve": lambda: predict.curve(
        "Where will it run?",
        XS,
        [0, 0, LINE[2], 0, 0],
        given=2,
        xlabel="temperature",
        ylabel="weight of cat",
    ),
}


@each
def test_the_still_picture_and_its_words_do_not_know_the_answer(kind):
    """They are the same whatever the answer is."""
    (one, words), (other, others) = bundle(question(kind)), bundle(OTHER[kind]())
    assert one["image/png"] == other["image/png"] and words == others
    assert (
        unmarked(question(kind).ask) in json.loads(words)[0]
        and len(base64.b64decode(one["image/png"])) < 25_000
    )
    figure = question(kind).figure()
    assert figure.get_figwidth() * figure.dpi <= 932 and 40 < len(figure.alt) < 600


@each
def test_a_page_and_a_saved_state_say_it_in_no_plain_words(kind):
    """Whatever the answer is, they are the same but for the bytes that hold it."""
    one, other = question(kind), OTHER[kind]()
    lines = [view.to_html().decode().splitlines() for view in (one, other)]
    different = [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]
    ((mine, _),) = different
    assert re.search(r'blobs = {"_truth": "[\w+/=]*", "_words": "[\w+/=]*"}', mine)
    assert "elican" not in mine and "8137" not in mine.split("blobs")[1]
    states = [
        {k: v for k, v in view.get_state().items() if k[:6] not in ("_truth", "_words")}
        for view in (one, other)
    ]
    for state in states:
        for name in ("layout", "tabbable", "tooltip"):
            state.pop(name, None)
    assert states[0] == states[1] and len(one.to_html()) < 90_000


# ---- points are kept -----------------------------------------------------------------------------


def test_whoever_listens_hears_the_first_points_of_each_question():
    asks, heard = Questions(), []
    asks._heard("a", 0.5)
    asks.record(lambda name, points: heard.append((name, points)))
    asks._heard("b", 1.0)
    asks._heard("a", 1.0)
    assert heard == [("a", 0.5), ("b", 1.0)] and asks.recorded == {"a": 0.5, "b": 1.0}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNLIB_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(predict, "recorded", {})
    return tmp_path / "progress.json"


def test_points_stand_in_the_file_of_progress(kept):
    known = _progress.exercises()
    _progress.record(known["masks.leaks"])
    before = json.loads(kept.read_text())
    one, other = question("choice", name="masks.who"), question("choice")
    one.points = 0.0
    other.points = 1.0
    question("choice", name="masks.who").points = 1.0  # its cell is run again
    after = json.loads(kept.read_text())
    assert set(after) - set(before) == {"predict.masks.who"} and after.items() >= before.items()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d 0\.00", after["predict.masks.who"])
    question("split", name="more").points = 0.8137
    alt = progress().alt
    assert alt.startswith(f"1 of {len(known)} exercises done; 2 questions guessed at, 0.8 points")
    words = [text.get_text() for text in progress().sheet.texts]
    assert "0.8 of 2 points for guesses" in words
    predict.recorded.clear()  # tomorrow, in another Python
    question("choice", name="masks.who").points = 1.0
    assert json.loads(kept.read_text())["predict.masks.who"] == after["predict.masks.who"]
    monkeyed = after | {"predict.x": "2026-12-01 many", "predict.y": "2026-12-01"}
    kept.write_text(json.dumps(monkeyed))
    assert _progress.guesses(_progress.read()) == [0.0] and "1 questions" in progress().alt


def test_a_place_that_cannot_be_written_stops_nobody(monkeypatch):
    monkeypatch.setenv("ATTNLIB_PROGRESS", "/proc/progress.json")
    monkeypatch.setattr(predict, "recorded", {})
    question("choice", name="x").points = 1.0
    assert predict.recorded == {"x": 1.0}


# ---- in the browser ------------------------------------------------------------------------------


@pytest.fixture
def stage(stage):
    """stage(question, dark=…, width=…): a Card; the console must be clean at the end."""
    return lambda one, **how: Card(stage(one, **how))


class Card:
    def __init__(self, tab):
        self.tab, self.page = tab, tab.page
        self.root = tab.page.locator(".attnlib-live").first

    def text(self):
        return self.root.inner_text()

    def says(self):
        """The verdict, and the words below it."""
        return "\n".join(self.root.locator(".head, .says").all_inner_texts()).strip()

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=False)

    def high(self):
        return self.root.bounding_box()["height"]

    def wait(self):
        self.page.wait_for_timeout(380)

    def sent(self):
        """All that went to Python, one over the other."""
        return self.page.evaluate("Object.assign({}, ...sent)")

    def focus(self):
        return self.page.evaluate(
            "(() => { const a = document.activeElement; return a.getAttribute('aria-label')"
            " || a.textContent || a.tagName; })()"
        )


def by_mouse(card, kind):
    """A guess, with the mouse."""
    page = card.page
    if kind == "cells":
        card.root.locator('[data-cell="75"]').click()
    elif kind == "many":
        for cell in (2, 3, 4, 5, 6):
            card.root.locator(f'[data-cell="{cell}"]').click()
        card.root.locator('[data-cell="6"]').click()
    elif kind == "choice":
        card.root.get_by_text("four", exact=False).click()
    elif kind == "split":
        drag(page, handle(card, 0), -0.3)
    else:
        box = card.root.locator("rect.touch").bounding_box()
        page.mouse.move(box["x"] + 2, box["y"] + 0.1 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 0.7 * box["height"], steps=20)
        page.mouse.up()


def handle(card, k):
    box = card.root.locator(f'[data-edge="{k}"]').bounding_box()
    wide = card.root.locator("rect.touch").last.bounding_box()["width"] - 24
    return box["x"] + 12, box["y"] + 20, wide


def drag(page, grip, by):
    x, y, wide = grip
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by * wide, y, steps=6)
    page.mouse.up()


GUESSES = {
    "cells": ([7, 5], 0.1063 / 0.8137, "Not this time.", "You said it → mat: it gets .11."),
    "many": (
        [[0, 2], [0, 3], [0, 4], [0, 5]],
        0.75,
        "Partly.",
        "You said sat, on and 2 more: 1 wrong.",
    ),
    "choice": (
        "<b>four</b> times",
        0,
        "Not this time.",
        "You said “<b>four</b> times”. They cancel.",
    ),
    "split": ([0.54, 0.45, 0.01], 0.78, "Partly.", "You gave mat .45; it gets .23."),
    "curve": (None, None, None, "You drew"),
}


@each
def test_commit_then_see(stage, kind):
    card = stage(question(kind))
    before, high = card.text(), card.high()
    for told in ("Pelican", "It is a sum", "They cancel", ".57", "the reason"):
        assert told not in card.root.text_content(), "nothing of the answer is there"
    assert card.says() == "" and card.root.locator("[class*=true], .right").count() == 0
    commit = card.button("commit")
    assert commit.is_disabled()
    by_mouse(card, kind)
    assert card.high() == high and "Pelican" not in card.root.text_content()
    assert card.page.evaluate("sent.length") == 0, "only what is committed crosses"
    commit.click()
    card.wait()
    guess, got, verdict, words = GUESSES[kind]
    sent = card.sent()
    assert sent["committed"] is True
    if kind == "curve":
        guess = sent["guess"]
        assert len(guess) == 5 and guess[2] == pytest.approx(0.8137, abs=1e-6)
        assert np.allclose(guess, [0.9, 0.75, 0.8137, 0.45, 0.3], atol=0.02)
        one = {"kind": "curve", "truth": LINE, "given": 2, "limits": [0, 1]}
        got, verdict = points(one, guess), "Partly."
    assert sent["guess"] == guess and sent["points"] == pytest.approx(got, abs=1e-6)
    said = card.says()
    assert said.startswith(verdict) and words in said and "Pelican. The reason is q @ k." in said
    assert card.root.locator(".says b", has_text="Pelican.").count() == 1
    assert card.root.locator(".says code").inner_text() == "q @ k" and before != card.text()
    assert card.high() == high, "the card keeps its size"
    question(kind).guess = sent["guess"]  # Python takes it
    if kind == "choice":
        assert card.root.locator("label.right").inner_text().split() == ["twice", "✓"]
        assert "your guess" in card.root.locator("label.mine").inner_text()
        assert card.root.locator("input").first.is_disabled()
    elif kind == "cells":
        label = card.root.locator('[data-cell="71"]').get_attribute("aria-label")
        assert label == "it looks at cat: .81" and "dashed: your guess" in card.text()
        card.root.locator('[data-cell="0"]').click(force=True)
        assert card.sent()["guess"] == [7, 5], "what is committed is committed"
    else:
        assert "the truth" in card.text() or kind == "many"


def committed(card, kind):
    by_mouse(card, kind)
    card.button("commit").click()
    card.wait()
    return card


@each
def test_what_is_over_goes_and_the_way_back_has_a_name(stage, kind):
    card = stage(question(kind))
    how = card.root.locator(".how")
    assert how.is_visible()
    frame = "(button) => getComputedStyle(button).borderTopColor"
    frames = [card.button(name).evaluate(frame) for name in ("present", "show me")]
    assert frames[0] != frames[1] == "rgba(0, 0, 0, 0)", "present is framed as in other pictures"
    committed(card, kind)
    assert not how.is_visible()
    assert card.root.locator("button:visible").all_inner_texts() == ["try again", "present"]
    card.button("try again").click()
    assert how.is_visible()


def test_commit_pressed_twice_does_not_begin_anew(stage):
    card = stage(question("cells"))
    by_mouse(card, "cells")
    card.button("commit").focus()
    card.page.keyboard.press("Enter")
    card.page.keyboard.press("Enter")
    card.wait()
    assert card.says().startswith("Not this time.")


def test_none_is_no_answer(stage):
    card = stage(question("many"))
    commit, cell = card.button("commit"), card.root.locator('[data-cell="2"]')
    for chosen in (False, True, False):
        assert commit.is_enabled() == chosen and commit.inner_text() == "commit"
        cell.click()
    commit.click()
    assert card.sent()["guess"] == [[0, 2]]


@each
@pytest.mark.parametrize("width", [400, 600, 980])
def test_all_words_begin_at_the_left(stage, kind, width):
    """The hint before, and the verdict after: below the buttons, not behind them."""
    card = stage(question(kind), width=width + 24)
    left = card.root.locator(".ask").bounding_box()["x"]
    how = card.root.locator(".how").bounding_box()
    assert how["x"] == left and how["width"] > 220
    committed(card, kind)
    for name in (".head", ".says"):
        assert card.root.locator(name).bounding_box()["x"] == left


@pytest.mark.parametrize("width", [800, 980])
def test_below_a_low_picture_the_words_take_the_whole_width(stage, width):
    wide = {
        kind: stage(question(kind), width=width).root.locator(".says").bounding_box()["width"]
        for kind in ("many", "cells")
    }
    assert wide["many"] > 2.5 * wide["cells"]
    why = "It sees itself and the two words before it. " * 5
    card = stage(question("many", why=why), width=width)
    assert card.high() < 210, "so a long reason keeps two or three lines of room, not six"


def boxes(card):
    """[[text, left, right, top, bottom], …] of all text in the drawing"""
    return card.page.evaluate(
        "[...document.querySelectorAll('.picture text')].map((n) => { const b ="
        " n.getBoundingClientRect(); return [n.textContent, b.left, b.right, b.top, b.bottom]; })"
    )


@pytest.mark.parametrize("show", ["commit", "show me"])
@pytest.mark.parametrize("width", [584, 824])
def test_each_part_of_the_truth_has_its_name_and_its_number(stage, show, width):
    parts = ["mat", "cat", "the other eight"]
    card = stage(predict.split("How?", parts, [0.96, 0, 0.04]), width=width)
    drag(card.page, handle(card, 0), -0.2)
    card.button(show).click()
    card.root.locator("text", has_text=".96").wait_for()
    found = boxes(card)
    bottom = max(top for text, _, _, top, _ in found if text == ".96")
    below = {text: (left, right) for text, left, right, top, _ in found if top > bottom + 8}
    assert list(below) == ["mat", "cat 0", "the other eight .04"]
    (number,) = [one for one in found if one[0] == ".96"]
    assert number[1] > below["mat"][0] - 20 and number[2] < below["mat"][1] + 20, "under its part"
    assert not (below["cat 0"][0] < number[2] and below["cat 0"][1] > number[1]), "not under .96"
    spans = sorted(below.values())
    assert all(a[1] <= b[0] for a, b in pairwise(spans)), "names do not touch"


def test_even_rows_of_the_truth_are_dashes(stage):
    card = committed(stage(question("cells")), "cells")
    dashes = card.root.locator(".picture line[visibility='visible']")
    assert dashes.count() == 90 and "everywhere alike" in card.text()
    assert [t for t, *_ in boxes(card) if t.startswith(".")] == [".81"], "numbers in one row alone"
    note, alike = [next(b for b in boxes(card) if b[0].startswith(w)) for w in ("dash", "–")]
    assert note[2] + 4 < alike[1], "beside each other"
    for mask in np.ones((2, 3), bool), np.eye(2, 3, k=2, dtype=bool):  # the other has an empty row
        card = stage(predict.cells("?", mask, ["a", "b"], ["x", "y", "z"], many=True))
        card.button("show me").click()
        card.wait()
        assert card.root.locator(".picture line[visibility='visible']").count() == 0, (
            "rows of a mask are no weights"
        )


def test_what_is_given_is_not_crossed_by_the_line(stage):
    card = stage(question("curve"))
    assert "given: .81" in card.text()
    by_mouse(card, "curve")
    assert "given" not in card.text()
    card.button("commit").click()
    card.wait()
    assert "given" not in card.text()


KEYS = {
    "cells": ["ArrowDown"] * 3 + ["ArrowRight"] * 2 + ["ArrowUp", "End", "Home", "ArrowRight", " "],
    "many": ["ArrowRight"] * 3 + ["Enter", "ArrowRight", " ", "ArrowRight", " "],
    "choice": [" ", "ArrowDown"],
    "split": ["ArrowLeft"] * 5 + ["PageDown", "PageDown", "Tab"] + ["ArrowLeft"] * 3,
    "curve": ["ArrowLeft", "ArrowUp", "ArrowLeft", "ArrowUp", "Shift+ArrowUp", "End", "PageDown"],
}
WANTED = {
    "cells": [2, 1],
    "many": [[0, 3], [0, 4], [0, 5]],
    "choice": "twice",
    "split": [0.59, 0.37, 0.04],
    "curve": [0.9237, 0.8637, 0.8137, 0.8137, 0.6137],
}


@each
def test_by_keyboard_alone(stage, kind):
    card = stage(question(kind))
    card.page.keyboard.press("Tab")
    for key in KEYS[kind]:
        card.page.keyboard.press(key)
    for _ in range(3):
        card.page.keyboard.press("Tab")
        if card.focus().startswith("commit"):
            break
    card.page.keyboard.press("Enter")
    card.wait()
    sent, wanted = card.sent(), WANTED[kind]
    if kind == "split":
        assert sum(sent["guess"]) == pytest.approx(1) and np.allclose(
            sent["guess"], wanted, atol=0.011
        )
    elif kind == "curve":
        assert np.allclose(sent["guess"], wanted, atol=1e-4)
    else:
        assert sent["guess"] == wanted
    assert card.focus() == "try again", "the focus stays in the card"
    card.page.keyboard.press("Enter")
    assert card.says() == "" and card.focus() != "BODY"
    in_picture = card.page.evaluate("document.activeElement.closest('.picture') !== null")
    assert in_picture and card.button("commit").is_disabled()


def test_keys_that_are_not_ours_are_left_alone(stage):
    card = stage(question("cells"))
    card.page.keyboard.press("Tab")
    card.page.evaluate("window.lost = []; addEventListener('keydown', (e) => lost.push(e.key))")
    for key in ("Control+ArrowDown", "ArrowDown", "a"):
        card.page.keyboard.press(key)
    assert card.page.evaluate("lost") == ["Control", "ArrowDown", "a"]
    assert card.focus() == "cat looks at The"


def test_show_me_scores_nothing_and_only_the_first_guess_counts(stage):
    card = stage(question("choice"))
    card.button("show me").click()
    card.wait()
    assert card.says().startswith("Shown.") and "no points" in card.says()
    assert card.sent() == {"shown": True} and "Pelican" in card.says()
    card.button("try again").click()
    card.root.get_by_text("twice").click()
    card.button("commit").click()
    assert card.sent() == {"shown": True, "guess": "twice", "committed": True}
    assert "Right." in card.says() and "no points" in card.says()

    card = stage(question("choice"))
    for name, verdict in [("the same", "Not this time."), ("twice", "Right.")]:
        card.root.get_by_text(name).click()
        card.button("commit").click()
        assert card.says().startswith(verdict)
        card.wait()
        if name == "the same":
            card.button("try again").click()
    assert card.sent() == {"guess": "twice", "committed": True, "points": 0}
    assert "first guess: 0 of 1" in card.says()


@each
def test_python_sets_it_and_two_views_agree(stage, kind):
    card = stage(question(kind), views=2)
    roots = card.page.locator(".attnlib-live")
    ids = card.page.evaluate("[...document.querySelectorAll('[id]')].map((n) => n.id)")
    assert len(set(ids)) == len(ids) >= 2
    names = card.page.evaluate("[...document.querySelectorAll('input')].map((n) => n.name)")
    assert len(set(names)) in (0, 2), "the options of one view are not those of the other"
    card.page.evaluate("python({ ask: 'Now <i>what</i>?' })")
    assert roots.nth(1).locator(".ask").inner_text() == "Now <i>what</i>?"
    guess = GUESSES[kind][0] or [1, 1, 0.8137, 0.5, 0.1]
    card.page.evaluate("(guess) => python({ guess })", guess)
    assert card.says() == "" and "Pelican" not in card.root.text_content()
    card.page.evaluate("python({ committed: true, points: 0.25 })")
    for k in range(2):
        said = " ".join(roots.nth(k).locator(".head, .says").all_inner_texts())
        assert GUESSES[kind][3] in said and "first guess: .25 of 1" in said
    card.page.evaluate("python({ guess: null, committed: false, points: null })")
    assert card.says() == "" and card.button("show me").is_visible()
    by_mouse(card, kind)
    card.button("commit").click()
    assert roots.nth(1).locator(".says").inner_text() in card.says() and card.says()
    assert card.page.evaluate("sent.length") == 1, "one view speaks, the other listens"


def test_a_card_that_is_opened_again_shows_what_was_committed(stage):
    one = question("split")
    one.guess, one.committed, one.points = [0.5, 0.3, 0.2], True, 0.9
    card = stage(one)
    assert "the truth" in card.text() and card.says().startswith("Very near.")
    card.button("try again").click()
    drag(card.page, handle(card, 1), -0.1)
    card.button("commit").click()
    assert card.sent()["guess"] == pytest.approx([0.84, 0.05, 0.11], abs=0.011)


def touch(card, path):
    """A finger that goes along these points."""
    session = card.tab.context.new_cdp_session(card.page)
    for name, at in [
        ("touchStart", path[0]),
        *(("touchMove", p) for p in path),
        ("touchEnd", None),
    ]:
        points = [] if at is None else [{"x": at[0], "y": at[1]}]
        session.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": points})


def test_fingers(stage):
    card = stage(question("cells"), fingers=True)
    card.root.locator('[data-cell="71"]').tap()
    card.button("commit").tap()
    assert card.sent()["guess"] == [7, 1] and card.says().startswith("Exactly.")
    card = stage(question("split"), fingers=True)
    x, y, wide = handle(card, 0)
    touch(card, [(x, y), (x - 0.1 * wide, y), (x - 0.2 * wide, y)])
    card.button("commit").tap()
    assert card.sent()["guess"] == pytest.approx([0.64, 0.35, 0.01], abs=0.011)
    card = stage(question("curve"), fingers=True)
    box = card.root.locator("rect.touch").bounding_box()
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    touch(card, [at(0.01, 0.1), at(0.3, 0.2), at(0.7, 0.5), at(0.99, 0.7)])
    card.button("commit").tap()
    assert card.sent()["guess"] == pytest.approx([0.9, 0.83, 0.8137, 0.45, 0.3], abs=0.05)


@each
@pytest.mark.parametrize("width", [560, 600, 800, 980])
def test_size(stage, kind, width):
    card = stage(question(kind), width=width + 24)
    by_mouse(card, kind)
    for _ in range(2):
        box = card.root.bounding_box()
        assert width - 2 <= box["width"] <= width and (width < 700 or box["height"] <= 560)
        wide = card.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], "nothing scrolls sideways"
        outside = card.page.evaluate(
            "() => { const r = document.querySelector('.attnlib-live').getBoundingClientRect();"
            " return [...document.querySelectorAll('.attnlib-live :is(text, button, p, label)')]"
            ".filter((n) => getComputedStyle(n).visibility !== 'hidden').map((n) =>"
            " [n.textContent, n.getBoundingClientRect()]).filter(([, b]) => b.width &&"
            " (b.left < r.left - 1 || b.right > r.right + 1 || b.bottom > r.bottom + 1)); }"
        )
        assert outside == []
        if card.button("commit").is_visible():
            card.button("commit").click()
            card.wait()


LONG = ["the animal that it stands for", "was", "internationalization", "x" * 60, "a"]


def test_a_name_that_is_cut_says_the_whole_one(stage):
    card = stage(predict.cells("Which?", np.eye(5) / 2, ["r" * 50, *"bcde"], LONG), width=824)
    found = card.root.locator(".picture text").evaluate_all(
        "(all) => all.map((n) => [n.firstChild?.data, n.getAttribute('aria-label'),"
        " n.querySelector('title')?.textContent])"
    )
    told = {shown: (label, title) for shown, label, title in found}
    assert told["was"] == told["internationalization"] == (None, None), "nothing is cut"
    cut = {label: (shown, title) for shown, label, title in found if label}
    assert set(cut) == {"the animal that it stands for", "x" * 60, "r" * 50}
    for whole, (shown, title) in cut.items():
        assert title == whole and shown.endswith("…") and whole.startswith(shown[:-1])
    assert node.axe(card.page) == []


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_small_phone_nothing_is_lost_at_the_right(stage, kind):
    """What has no room is scrolled in its own frame; the page is never wider than its window."""
    for width in (240, 272, 296):
        card = stage(question(kind), width=width + MARGIN, calm=True)
        wide, window = card.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window
        picture = card.root.locator(".picture")
        if not picture.locator("svg").count():
            continue
        edge, end, room, fits = picture.evaluate(
            """(node) => { const root = node.closest(".attnlib-live").getBoundingClientRect();
            node.scrollLeft = 1e4;
            const ends = [...node.querySelectorAll("text, rect, circle")]
                .filter((one) => one.getAttribute("visibility") !== "hidden")
                .map((one) => one.getBoundingClientRect()).filter((box) => box.width);
            return [root.right, Math.max(...ends.map((box) => box.right)),
                node.getBoundingClientRect().right,
                node.scrollWidth <= node.clientWidth + 1]; }"""
        )
        assert end <= edge + 0.5 and room <= edge + 0.5, (width, end, edge)
        assert fits or kind in ("cells", "many"), "only a table is scrolled"


def verdicts():
    """Questions whose verdicts are of very different lengths, with guesses of each."""
    said = [("one", "No."), ("two", "w " * 90), ("three", "It " * 30)]
    yield predict.choice("?", said, "one", why="So."), said
    rng, rows = np.random.default_rng(2), ["a", "because", "something", "it"]
    table = rng.random((4, 4)) < 0.4
    guesses = [np.argwhere(rng.random((4, 4)) < p).tolist() for p in (0.02, 0.2, 0.5, 0.7, 0.9, 1)]
    wrong = np.argwhere(~table).tolist()
    wrong.sort(key=lambda at: -len(rows[at[0]] + rows[at[1]]))
    guesses += [wrong[:3], wrong]
    yield predict.cells("?", table, rows, many=True, why="So."), guesses
    yield predict.split("?", ["a", "w" * 30], [0.9, 0.1], why="So."), [[0.9, 0.1], [0, 1]]


@pytest.mark.parametrize("width", [584, 824, 1004])
def test_the_card_keeps_its_size_and_no_more_room_than_a_verdict_takes(stage, width):
    for one, guesses in verdicts():
        card = stage(one, width=width)
        before, left = card.high(), []
        boxes = "(n) => { const r = document.createRange(); r.selectNodeContents(n);"
        boxes += " return n.getBoundingClientRect().bottom - r.getBoundingClientRect().bottom; }"
        for guess in guesses:
            guess = guess[0] if one.kind == "choice" else guess
            card.page.evaluate("(guess) => python({ guess, committed: true })", guess)
            assert card.high() == before, guess
            left.append(card.root.locator(".says").evaluate(boxes))
        assert min(left) <= 24, "one of them takes the room, but for a line at most"
        if one.kind == "choice":
            assert min(left) <= 6
        below = card.root.evaluate(
            "(root) => root.getBoundingClientRect().bottom - Math.max(...[...root.querySelectorAll("
            "'.picture, .says')].map((n) => n.getBoundingClientRect().bottom))"
        )
        assert below <= 16, "and nothing is below it"


def long_words():
    words = ["w" * 40, "שלום", "the", "the", "<s>", "", "naïve", "👩‍👩‍👧"]
    table = np.eye(8) * 0.5
    yield predict.cells("w" * 60 + "?", table, words, why="w" * 300)
    yield predict.cells("?", [[1]], ["x"])
    yield predict.choice("?", ["w" * 200, "שלום עולם"], "שלום עולם")
    yield predict.split("?", words[:6], [1, 0, 0, 0, 0, 0])
    yield predict.curve("?", words[:5], [0, 3, -2, 1, 1], given=None, ylabel="w" * 80)
    yield predict.cells("?", np.eye(18), [f"long word {k}" for k in range(18)], many=True)


def test_long_words_few_words_many_words(stage):
    for one in long_words():
        card = stage(one, width=584)
        wide = card.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], one.ask
        high = card.high()
        card.button("show me").click()
        card.wait()
        assert card.high() == high and "Shown." in card.says()
        assert card.root.locator("s, script").count() == 0
        assert len(one.to_png()) < 25_000


@each
@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_use_it(stage, kind, dark):
    card = stage(question(kind), dark=dark)
    by_mouse(card, kind)
    if dark:
        assert node.axe(card.page) == []
    card.button("commit").click()
    card.wait()
    assert node.axe(card.page) == []
    paper = card.root.evaluate("(root) => getComputedStyle(root).backgroundColor")
    assert paper == ("rgb(24, 26, 31)" if dark else "rgb(255, 255, 255)")


def test_reduced_motion_high_contrast_and_paper(stage):
    card = stage(question("split"), reduced_motion="reduce", forced_colors="active")
    by_mouse(card, "split")
    card.button("commit").click()
    card.tab.frames(3)
    assert card.root.locator("text", has_text=".57").is_visible(), "the end at once"
    card = stage(question("split"))
    by_mouse(card, "split")
    card.button("commit").click()
    assert not card.root.locator("text", has_text=".57").is_visible(), "else it grows"
    card.wait()
    assert card.root.locator("text", has_text=".57").is_visible()
    card = stage(question("choice"), media="print")
    assert not card.button("commit").is_visible() and card.root.get_by_text("twice").is_visible()


def test_present(stage):
    card = stage(question("cells"), width=1500)
    small = card.root.locator('[data-cell="0"]').bounding_box()["width"]
    card.button("present").click()
    card.page.wait_for_timeout(300)
    assert card.root.locator('[data-cell="0"]').bounding_box()["width"] > small * 1.05
    card.root.locator('[data-cell="71"]').click()
    card.button("commit").click()
    assert card.says().startswith("Exactly.")


def test_what_is_closed_lets_go(stage):
    card = stage(question("curve"), views=2)
    card.page.evaluate("ends[0]()")
    assert all(card.page.evaluate("Object.entries(heard).map(([name, all]) => [name, all.length])"))
    assert max(card.page.evaluate("Object.values(heard).map((all) => all.length)")) == 1
    card.page.set_viewport_size({"width": 700, "height": 700})
    card.page.evaluate("python({ shown: true })")
    second = card.page.locator(".attnlib-live").nth(1)
    assert "Shown." in second.inner_text() and "Shown." not in card.text()


@each
def test_the_page_works_alone_and_without_scripts(stages, tmp_path, kind):
    one = question(kind)
    one.to_html(tmp_path / "page.html")
    tab = lab.Tab(stages.browser, width=830)
    tab.page.goto((tmp_path / "page.html").as_uri())
    card = Card(tab)
    card.root.wait_for()
    assert tab.page.title() == unmarked(one.ask)
    by_mouse(card, kind)
    card.button("commit").click()
    assert "Pelican" in card.says()
    tab.clean()
    tab.context.close()
    if kind == "choice":
        context = stages.browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        assert page.get_attribute("main img", "alt") == one.figure().alt
        assert "Make up your mind" in page.inner_text("main")
        context.close()


def test_how_long_a_frame_takes(stage, capsys):
    """Printed, not asserted: script, style, layout and paint of one step of a drag."""
    card = stage(question("curve"))
    session = card.tab.context.new_cdp_session(card.page)
    session.send("Performance.enable")

    def busy():
        found = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in found if one["name"] == "TaskDuration")

    box = card.root.locator("rect.touch").bounding_box()
    card.page.mouse.move(box["x"] + 2, box["y"] + 50)
    card.page.mouse.down()
    before = busy()
    for k in range(60):
        card.page.mouse.move(box["x"] + 2 + 5 * k, box["y"] + 50 + (k * 13) % 90)
        card.tab.frames(1)
    with capsys.disabled():
        print(f"\npredict.curve: {1000 * (busy() - before) / 60:.1f} ms of all tasks a frame")
    card.page.mouse.up()


def test_each_kind_says_what_it_is():
    assert {question(kind).kind for kind in KINDS} == set(Predict.kind.values)
    assert all(len(getattr(Questions, kind).__doc__) > 60 for kind in Predict.kind.values)
