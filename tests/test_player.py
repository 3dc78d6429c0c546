"""Player: what crosses is what was given; play, step and scrub by mouse, keys and fingers; the film
keeps its size and runs without a kernel.
"""

import base64
import io
import itertools

import lab
import node
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from attnlib import softmax
from attnlib.show import Player, curves, heatmap
from attnlib.show.live import player
from attnlib.show.sheet import THEMES

EDGE, RAIL = 40, 64  # of the scrubber: its ends, and how deep it lies
TOKENS = "The cat sat on the mat because it was tired".split()


def maps(n=12, **more):
    scores = np.random.default_rng(0).normal(size=(10, 10))
    scores[7, 1] += 4
    frames = [softmax(scores * k / 6) for k in range(n)]
    names = [f"step {10 * k}" for k in range(n)]
    captions = ["All rows are even.", *["The row of *it* finds cat."] * (n - 1)]
    return Player(frames, **{"names": names, "captions": captions, "tokens": TOKENS, **more})


def drawn(n=5, **more):
    x = np.arange(4)
    frames = [curves(x, {"a": x * k}, limits=(0, 12), title=f"Slope {k}") for k in range(n)]
    return Player(frames, captions=[f"Slope {k}." for k in range(n)], **more)


# ---- what crosses --------------------------------------------------------------------------------


def as_the_page_reads(film, tmp_path):
    data = film._film | {"bytes": base64.b64encode(film._frames).decode()}
    script = """import * as player from "./player.js";
    const bytes = Uint8Array.from(atob(data.bytes), (c) => c.charCodeAt()).buffer;
    const read = player.film(bytes, data), out = [];
    for (let k = 0; k < read.count; k++) for (let i = 0; i < read.rows; i++) {
      for (let j = 0; j < read.columns; j++) {
        const x = read.at(k, i, j);
        out.push(x === null ? "none" : isNaN(x) ? "nan" : x); } }
    console.log(JSON.stringify(out));"""
    got = node.run(node.modules(tmp_path), script, data)
    there = [np.inf if x == "none" else np.nan if x == "nan" else x for x in got]
    return np.array(there, float).reshape(film._film["shape"])


@pytest.mark.parametrize("size, wide", [((7, 3, 5), 2), ((40, 200, 300), 1)])
def test_arrays_arrive_as_they_were(size, wide, tmp_path):
    frames = np.random.default_rng(1).normal(size=size) * 3
    frames[2, 1, 1] = np.nan
    film = Player(frames)
    assert film._film["wide"] == wide and len(film._frames) == wide * frames.size
    if wide == 1:  # the start is enough
        film._film = film._film | {"shape": [3, *size[1:]]}
        film._frames, frames = film._frames[: 3 * 200 * 300], frames[:3]
    got, step = as_the_page_reads(film, tmp_path), np.ptp(frames[~np.isnan(frames)])
    np.testing.assert_allclose(got, frames, atol=step / (256**wide - 3) * 1.3)
    low, high = film._film["scale"]
    assert -low == high == pytest.approx(np.nanmax(np.abs(film.frames)))


def test_frames_that_grow(tmp_path):
    frames = [np.full((n, n + 1), n / 10) for n in (1, 2, 4)]
    got = as_the_page_reads(Player(frames), tmp_path)
    assert got.shape == (3, 4, 5)
    for frame, read in zip(frames, got):
        n, m = frame.shape
        np.testing.assert_allclose(read[:n, :m], frame, atol=1e-5)
        assert np.isinf(read[n:]).all() and np.isinf(read[:, m:]).all(), "not there"


def test_one_scale_for_all():
    scale = lambda *given, **more: Player(*given, **more)._film["scale"]  # noqa: E731
    assert scale([[[0.2]], [[0.5]]]) == [0, 1] and scale([[[0.2]], [[5.0]]]) == [0, 5]
    assert scale([[[-0.2]], [[0.5]]]) == [-0.5, 0.5] and scale([[[0.2]]], vmax=0.4) == [0, 0.4]
    assert scale(np.ones((2, 3, 3), bool)) == [0, 1] and scale([[[np.nan]]]) == [0, 1]


def test_a_frame_is_a_copy():
    buffer = np.zeros((2, 2), np.float32)
    buffer[0] = 1
    film = Player([buffer, buffer])
    buffer[:] = 7
    assert film.frames[0].max() == 1


def test_pictures_arrive_as_they_were():
    figure = Figure(figsize=(2, 1))
    figure.add_axes((0, 0, 1, 1)).plot([0, 1], [0, 1])
    own = heatmap(np.eye(2), ["a", "b"])
    film = Player([own, figure, own.png()], captions=["x", "y", "z"])
    ends, sizes = film._film["ends"], film._film["sizes"]
    for k, size in enumerate(sizes):
        image = Image.open(io.BytesIO(film._frames[ends[k] : ends[k + 1]]))
        image.load()
        assert list(image.size) == size
    assert film._frames[: ends[1]] == own.png() and film._film["alts"] == [own.alt, "y", "z"]


WRONG = [
    (lambda: Player([]), ValueError, "frames must have at least one frame"),
    (lambda: Player("abc"), TypeError, "a sequence of arrays or of pictures, got one str"),
    (lambda: Player(heatmap(np.eye(2))), TypeError, "got one Picture"),
    (lambda: Player(np.ones((4, 4))), ValueError, r"frames\[0\] must have the shape \(n_q, n_k\)"),
    (lambda: Player(np.ones((2, 3, 4, 4))), ValueError, r"got \(3, 4, 4\); choose a head"),
    (lambda: Player([[["a"]]]), TypeError, r"frames\[0\] must hold real numbers"),
    (lambda: Player([np.eye(2), heatmap(np.eye(2))]), TypeError, "not some of both"),
    (lambda: Player([b"JPEG"]), ValueError, r"frames\[0\] must be the bytes of a PNG"),
    (lambda: Player([[[np.inf]]]), ValueError, r"frames\[0\] must be finite or NaN"),
    (lambda: maps(names=["a"]), ValueError, "names has 1 entries, but there are 12 frames"),
    (lambda: maps(captions="abc"), TypeError, "captions must be a list of strings"),
    (lambda: maps(tokens=TOKENS[1:]), ValueError, "tokens has 9 names"),
    (lambda: maps(key_tokens=["a"]), ValueError, "key_tokens has 1 names"),
    (lambda: maps(speed=0), ValueError, "speed must be a finite number above 0"),
    (lambda: maps(vmax=-1), ValueError, "vmax must be a finite number above 0"),
    (lambda: drawn(tokens=["a"]), ValueError, "tokens, key_tokens and vmax name the cells of arr"),
    (lambda: setattr(maps(), "step", 12), ValueError, "step must be at most 11"),
    (lambda: setattr(maps(), "speed", -1), ValueError, "speed must be a finite number above 0"),
]


@pytest.mark.parametrize("wrong, kind, words", WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_errors(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


def test_too_much_says_how_to_thin_it_out(monkeypatch):
    monkeypatch.setattr(player, "MOST", 1000)
    with pytest.raises(ValueError, match=r"show one of 2, frames\[::2\]"):
        maps(12)
    maps(6)
    size = len(heatmap(np.eye(2)).png())
    monkeypatch.setattr(player, "MOST", 2 * size)
    with pytest.raises(ValueError, match=r"3 frames take .* MB, and a page takes .*frames\[::2\]"):
        Player([heatmap(np.eye(2))] * 3)


# ---- the still picture ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "film, n, more",
    [
        (lambda: maps(30), 6, "it → cat"),
        (lambda: maps(2), 2, "it → cat"),
        (lambda: drawn(9), 6, "slope"),
        (lambda: Player([[[1.0]]], tokens=["word"]), 1, "word → word 1.00"),
        (lambda: Player(np.random.default_rng(0).normal(size=(9, 300, 300))), 2, "NaN"),
        (lambda: Player([np.ones((n, n)) / n for n in range(1, 9)], title="It grows"), 6, "8 q"),
    ],
)
def test_the_strip(film, n, more):
    film = film()
    data, metadata = film._repr_mimebundle_()
    picture = film.figure()
    assert len(base64.b64decode(data["image/png"])) <= 25_000
    assert picture.get_figwidth() * picture.dpi <= 932
    total = len(film.frames)
    assert f"{n} of {total}" in picture.alt and metadata["image/png"]["alt"] == picture.alt
    assert film.names[0] in picture.alt and film.names[-1] in picture.alt
    assert more.lower() in (picture.alt + data["text/plain"]).lower() or more == "NaN"
    words = [text.get_text() for text in picture.sheet.texts]
    assert film.names[-1] in words and (not film.title or film.title in words)


# ---- numbers and places, in node -----------------------------------------------------------------


def test_the_clock_of_a_film(tmp_path):
    script = """import * as player from "./player.js";
    import * as scrub from "./scrub.js";
    const run = (each, last, times) => times.map((ms) => scrub.moment(ms, each, last));
    const widths = data.map((n) => Array.from({ length: n }, (_, k) => 10 + (k * 7) % 30));
    console.log(JSON.stringify({
      pace: [[1, 1], [10, 1], [40, 1], [1000, 1], [10, 2]].map(([n, s]) => scrub.pace(n, s)),
      moments: run(1000, 3, [0, 699, 850, 999, 1000, 2999, 3000, 99999]),
      between: [player.between(0, 1, 0.25), player.between(null, 1, 0.4),
        player.between(null, 1, 0.6), player.between(NaN, 1, 0.6), player.between(1, null, 0.6)],
      fitting: widths.map((one) => scrub.fitting(one, 600)), widths }));"""
    got = node.run(node.modules(tmp_path), script, [1, 2, 3, 5, 12, 40, 300])
    assert got["pace"] == [1200, 1200, 300, 150, 600]
    times = [(one["from"], one["step"], one["t"]) for one in got["moments"]]
    assert [one[:2] for one in times] == [
        (0, 1),
        (0, 1),
        (0, 1),
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 3),
        (3, 3),
    ]
    ts = [t for *_, t in times]
    assert ts[:2] == [0, 0] and 0.8 < ts[2] < ts[3] < 1 and ts[4] == 0 and ts[-2:] == [1, 1]
    assert got["between"] == [0.25, None, 1, 1, None]
    for widths, ks in zip(got["widths"], got["fitting"]):
        last = len(widths) - 1
        assert ks[0] == 0 and ks[-1] == last
        spans = []
        for k in ks:  # each at its place, but inside: the line has 40 pixels more at either end
            half = widths[k] / 2
            at = min(max(600 * k / max(1, last), half - EDGE), 600 + EDGE - half)
            spans.append((at - half, at + half))
        assert spans[0][0] >= -EDGE and spans[-1][1] <= 600 + EDGE
        assert all(b[0] - a[1] >= 14 for a, b in itertools.pairwise(spans)) or len(ks) == 2


def test_a_map_fits(tmp_path):
    sizes = [[m, n, w] for m in (1, 10, 60, 400) for n in (1, 12, 400) for w in (548, 788, 968)]
    script = """import * as player from "./player.js";
    const ruler = (text) => 7 * text.length;
    const words = (n) => Array.from({ length: n }, (_, k) => "w".repeat(1 + (k * 7) % 40));
    console.log(JSON.stringify(data.map(([rows, columns, width]) => {
      const where = player.geometry({ rows, columns, down: words(rows), across: words(columns) },
        width, ruler);
      const { left, above, w, h } = where, at = (i, j) => player.cellAt(
        where, { rows, columns }, [left + (j + 0.5) * w, above + (i + 0.5) * h]);
      return { ...where, first: at(0, 0), last: at(rows - 1, columns - 1), out: at(rows, 0),
        before: player.cellAt(where, { rows, columns }, [left - 1, above + 1]) }; })));"""
    for (m, n, width), got in zip(sizes, node.run(node.modules(tmp_path), script, sizes)):
        assert got["width"] <= width + 1e-9 and got["height"] <= 344 + 87
        assert got["first"] == [0, 0] and got["last"] == [m - 1, n - 1]
        assert got["out"] is None and got["before"] is None
        assert all(7 * len(one) <= 96 for one in got["down"] + got["across"])
        assert got["every"][0] * got["h"] >= 14 and got["every"][1] * got["w"] >= 19
        assert not got["beside"] or width - got["width"] >= 220 - 1e-9, "room for the words"
        used = got["width"] >= width - (220 if got["beside"] else 0) - 1e-9
        assert used or got["w"] >= 2 * got["h"] - 1e-9, "the whole width, or cells twice as wide"
        assert got["h"] <= 1.5 * got["w"] + 1e-9, "and never slits"


# ---- in the browser ------------------------------------------------------------------------------


@pytest.fixture
def stage(stage):
    """stage(film, dark=…, width=…): what a reader sees; the console must be clean at the end."""
    return lambda film, **how: Seen(stage(film, **how))


class Seen:
    def __init__(self, tab):
        self.tab, self.page = tab, tab.page
        self.root = tab.page.locator(".attnlib-live").first
        self.line = self.root.locator(".line")

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def is_dead(self, name):
        return self.button(name).get_attribute("aria-disabled") == "true"

    def now(self):
        return self.root.locator(".big").inner_text()

    def said(self):
        return self.root.locator(".say").inner_text()

    def wait(self, ms=330):
        self.page.wait_for_timeout(ms)

    def steps(self):
        return self.page.evaluate("sent.map((one) => one.step)")

    def keys(self, *names):
        for name in names:
            self.page.keyboard.press(name)

    def colour(self, i, j):
        """Of the middle of a cell in a table of ten."""
        return self.root.locator("canvas").evaluate(
            """(canvas, [i, j]) => { const frame = canvas.parentElement.querySelector("svg g rect");
            const [x, y, w, h] = ["x", "y", "width", "height"].map((n) => +frame.getAttribute(n));
            const pen = canvas.getContext("2d");
            const at = [x + (j + 0.5) * w / 10, y + (i + 0.5) * h / 10];
            return [...pen.getImageData(...at.map(Math.round), 1, 1).data]; }""",
            [i, j],
        )

    def point(self, i, j, click=False):
        box = self.root.locator(".frame svg g rect").first.bounding_box()
        x, y = box["x"] + (j + 0.5) * box["width"] / 10, box["y"] + (i + 0.5) * box["height"] / 10
        self.page.mouse.move(x, y)
        if click:
            self.page.mouse.click(x, y)
        self.tab.frames(3)


@pytest.mark.parametrize("film", [maps, drawn])
def test_step_back_and_forth(stage, film):
    film = film(5)
    seen = stage(film)
    names = (
        [f"step {10 * k}" for k in range(5)]
        if film.names[0] != "1"
        else [f"{k + 1} of 5" for k in range(5)]
    )
    assert seen.now() == names[0] and seen.is_dead("back")
    high = seen.root.bounding_box()["height"]
    for k in (1, 2, 3, 4):
        seen.button("next").click()
        seen.wait()
        assert seen.now() == names[k] and seen.root.bounding_box()["height"] == high
        assert seen.line.get_attribute("aria-valuenow") == str(k)
        assert names[k] in seen.line.get_attribute("aria-valuetext")
    assert seen.is_dead("next") and not seen.is_dead("back")
    seen.button("next").click(force=True)
    assert seen.now() == names[4]
    seen.button("back").click()
    seen.wait(600)
    assert seen.now() == names[3] and seen.steps()[-1] == 3
    if "ends" in film._film:
        shown = seen.root.locator("img:not([aria-hidden=true])")
        assert shown.count() == 1 and shown.get_attribute("alt") == film._film["alts"][3]
        opaque = "(all) => all.filter((n) => +n.style.opacity > 0).map((n) => n.alt)"
        assert seen.root.locator("img").evaluate_all(opaque) == [film._film["alts"][3]]
    else:
        caption = seen.root.locator(".caption")
        assert caption.inner_text() == "The row of it finds cat."
        assert caption.locator("i").inner_text() == "it"
        assert "The row of it finds cat." in seen.line.get_attribute("aria-valuetext")


def test_play_and_pause(stage):
    seen = stage(maps(6, speed=5))  # 240 ms a frame
    seen.button("play").click()
    seen.tab.frames()
    assert seen.button("pause").is_visible() and seen.steps() == []
    seen.wait(600)
    seen.button("pause").click()
    k = seen.steps()[-1]
    assert 1 <= k <= 5 and len(seen.steps()) == 1, "only at rest"
    seen.wait()
    assert seen.now() == f"step {10 * k}"
    seen.button("play").click()
    seen.page.wait_for_function("sent.length === 2")
    assert seen.steps()[-1] == 5 and seen.button("play").is_visible(), "it stops at the end"
    seen.button("play").click()
    seen.tab.frames(3)
    assert seen.now() == "step 0", "and begins anew"


def test_keys(stage):
    seen = stage(maps(30))
    seen.line.focus()
    for key, step in [
        ("ArrowRight", 1),
        ("ArrowUp", 2),
        ("ArrowLeft", 1),
        ("End", 29),
        ("PageDown", 26),
        ("Home", 0),
        ("ArrowDown", 0),
        ("PageUp", 3),
    ]:
        seen.keys(key)
        seen.wait(290)
        assert seen.now() == f"step {10 * step}", key
    for name in ("pause", "play"):
        seen.keys(" ")
        seen.tab.frames()
        assert seen.button(name).is_visible()
    before = len(seen.steps())
    seen.keys("ArrowRight", "ArrowRight", "ArrowRight")
    seen.wait(600)
    assert len(seen.steps()) == before + 1 and seen.steps()[-1] >= 6, "one message"
    seen.button("next").focus()
    seen.keys("Home")
    seen.wait()
    assert seen.now() == "step 0"
    seen.page.evaluate("window.lost = []; addEventListener('keydown', (e) => lost.push(e.key))")
    seen.keys("Control+ArrowRight", "x", "ArrowRight")
    assert seen.page.evaluate("lost") == ["Control", "ArrowRight", "x"]


def test_scrub(stage):
    seen = stage(maps(11))
    box = seen.line.bounding_box()
    step = (box["width"] - 2 * EDGE) / 10
    at = lambda k: (box["x"] + EDGE + k * step, box["y"] + RAIL)  # noqa: E731
    seen.page.mouse.move(*at(0))
    seen.page.mouse.down()
    for k in (2, 5, 8):
        seen.page.mouse.move(*at(k))
        seen.tab.frames(2)
        assert seen.now() == f"step {10 * k}", "at once"
    assert seen.steps() == []
    seen.page.mouse.up()
    assert seen.steps()[-1] == 8
    assert seen.page.evaluate("document.activeElement.getAttribute('role')") == "slider"


def test_fingers(stage):
    seen = stage(maps(11), fingers=True)
    box = seen.line.bounding_box()
    session = seen.tab.context.new_cdp_session(seen.page)
    for name, share in [("touchStart", 0.1), ("touchMove", 0.5), ("touchMove", 0.97)]:
        x, y = box["x"] + share * box["width"], box["y"] + RAIL
        session.send("Input.dispatchTouchEvent", {"type": name, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    seen.tab.frames(2)
    assert seen.now() == "step 100" and seen.steps()[-1] == 10
    seen.button("play").tap()
    seen.tab.frames()
    assert seen.button("pause").is_visible()


def curves_of(seen):
    """The pieces of the curve above the scrubber, each as its points."""
    found = seen.line.locator("path[visibility=visible]").all()
    pieces = "".join(one.get_attribute("d") for one in found).split("M")[1:]
    return [[tuple(map(float, one.split("h")[0].split())) for one in p.split("L")] for p in pieces]


def test_where_a_cell_is_not_the_curve_is_not(stage):
    frames = [np.full((n, n), 0.1 * n) for n in (2, 2, 10, 10, 10, 10, 10, 10)]
    frames[4][8, 8] = np.nan
    seen = stage(Player(frames))
    step = (seen.line.bounding_box()["width"] - 2 * EDGE) / 7
    for cell, pieces in [((8, 8), [[2, 3], [5, 6, 7]]), ((1, 1), [[*range(8)]])]:
        seen.point(*cell, click=True)
        found = [[(x - EDGE) / step for x, _ in one] for one in curves_of(seen)]
        assert [len(one) for one in found] == [len(one) for one in pieces]
        for one, places in zip(found, pieces):
            np.testing.assert_allclose(one, places, atol=0.01)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [600, 800, 980])
def test_the_scrubber_cuts_nothing_and_nothing_meets_its_thumb(stage, width, dark):
    long = [f"after {1000 + k:,} steps of training" for k in range(12)]
    for names in (long, ["w" * 90, *map(str, range(10)), "the last " * 12], None):
        seen = stage(maps(12, names=names), width=width + 24, dark=dark)
        seen.point(7, 1, click=True)
        box, root = seen.line.bounding_box(), seen.root.bounding_box()
        assert root["x"] <= box["x"] and box["x"] + box["width"] <= root["x"] + root["width"]
        texts = seen.line.locator("text[text-anchor=middle][visibility=visible]").all()
        spans = [(one["x"], one["x"] + one["width"]) for one in (t.bounding_box() for t in texts)]
        assert box["x"] <= spans[0][0] + 0.1 and spans[-1][1] <= box["x"] + box["width"] + 0.1
        assert all(a[1] + 4 <= b[0] for a, b in itertools.pairwise(spans)), "none touches another"
        thumb, dot = (seen.line.locator(f"circle[r='{r}']").bounding_box() for r in (8, 4))
        assert dot["y"] + dot["height"] < thumb["y"]


def test_the_map_uses_the_width_of_the_page(stage):
    for width, room in [(600, 588), (800, 788 - 220), (980, 968 - 220)]:
        seen = stage(maps(), width=width + 24)
        frame = seen.root.locator(".frame").bounding_box()["width"]
        assert room - 1 <= frame <= room + 1
        assert width < 800 or seen.root.bounding_box()["height"] <= 560
        seen = stage(drawn(), width=width + 24)
        image = seen.root.locator(".frame").bounding_box()["width"]
        assert image >= min(room, 700) * 0.95, "pictures, too"


def test_a_cell_over_all_steps(stage):
    film = maps(12)
    seen = stage(film)
    assert "Point at a cell" in seen.said()
    seen.point(7, 1)
    assert seen.said() == "it → cat: .10. First .10, last .98."
    seen.point(7, 1, click=True)
    seen.page.mouse.move(5, 5)
    heights = [50 - 44 * frame[7, 1] for frame in film.frames]
    (curve,) = curves_of(seen)
    np.testing.assert_allclose([y for _, y in curve], heights, atol=0.02)
    seen.line.focus()
    seen.keys("End")
    seen.wait()
    assert seen.said() == "it → cat: .98. First .10, last .98."
    over = seen.root.locator(".frame svg")
    over.focus()
    seen.keys("ArrowDown", "ArrowRight")
    seen.tab.frames(3)
    assert seen.said().startswith("was → sat: ") and seen.now() == "step 110"
    seen.keys("Escape")
    seen.tab.frames(3)
    assert "Point at a cell" in seen.said()
    assert curves_of(seen) == []


@pytest.mark.parametrize("vmax", [None, 7.0, 1200.0])
def test_the_curve_of_a_cell_has_a_scale(stage, vmax):
    """Two lines with their numbers; the curve goes from the one to the other."""
    frames = np.zeros((5, 10, 10))
    frames[:, 7, 1] = np.linspace(-1, 1, 5) * (vmax or 0.6)
    seen = stage(Player(frames, tokens=TOKENS, vmax=vmax))
    legend = seen.root.locator(".legend").inner_text().split("\n")
    assert "a cell’s number" in legend
    lines = "line[stroke='x'], line[visibility=visible]"
    before = seen.line.locator(lines).count()
    seen.point(7, 1, click=True)
    (curve,) = curves_of(seen)
    for end, y in [(legend[0], curve[0][1]), (legend[-1], curve[-1][1])]:
        text = seen.line.locator("text[text-anchor=end][visibility=visible]").get_by_text(
            end, exact=True
        )
        assert abs(float(text.get_attribute("y")) - 4 - y) < 0.1
        box, line = text.bounding_box(), seen.line.bounding_box()
        assert line["x"] - 8 <= box["x"] and box["x"] + box["width"] < line["x"] + EDGE
    assert curve[0][1] - curve[-1][1] >= 40 and seen.line.locator(lines).count() == before + 2


@pytest.mark.parametrize("film", [maps, drawn])
def test_squeezed_to_nothing_it_asks_for_no_negative_length(stage, film):
    seen = stage(film())
    seen.point(7, 1, click=True) if film is maps else None
    for width in (30, 5, 0, 600):
        seen.page.evaluate(f"document.querySelector('main').style.width = '{width}px'")
        seen.tab.frames(4)
    assert seen.line.bounding_box()["width"] > 200, "and comes back"


@pytest.mark.parametrize("dark", [False, True])
def test_colours(stage, dark):
    seen = stage(Player([np.eye(10), 1 - np.eye(10)], tokens=TOKENS), dark=dark)
    stops = THEMES["dark" if dark else "light"]["weights"]
    most, least = ([int(stops[n][k : k + 2], 16) for k in (1, 3, 5)] for n in (4, 0))
    for on, off in [(most, least), (least, most)]:
        assert np.abs(np.subtract(seen.colour(3, 3)[:3], on)).max() <= 3
        assert np.abs(np.subtract(seen.colour(3, 4)[:3], off)).max() <= 3
        seen.button("next").click(force=True)
        seen.wait()


def test_what_is_no_number_and_what_is_not_there(stage):
    frames = [np.full((4, 4), 0.5), np.full((10, 10), 0.5)]
    frames[1][2, 2] = np.nan
    seen = stage(Player(frames))
    assert seen.colour(8, 8)[3] == 0 and seen.colour(1, 1)[3] == 255
    seen.point(8, 8)
    assert "not there" in seen.said()
    seen.button("next").click()
    seen.wait()
    assert seen.colour(8, 8)[3] == 255 and seen.colour(2, 2)[:3] == [212, 0, 42]
    seen.point(2, 2)
    assert "NaN" in seen.said()


def test_between_two_frames_it_moves_unless_the_reader_wants_calm(stage):
    film = Player([np.zeros((10, 10)), np.ones((10, 10))], tokens=TOKENS)
    seen = stage(film)
    ends = [seen.colour(0, 0)]
    seen.button("next").click()
    seen.wait(90)
    middle = seen.colour(0, 0)
    seen.wait()
    ends.append(seen.colour(0, 0))
    assert middle not in ends and ends[0] != ends[1]
    seen = stage(film, reduced_motion="reduce")
    assert not seen.button("play").is_visible() and seen.now() == "1 of 2"
    seen.button("next").click()
    seen.tab.frames(3)
    assert seen.colour(0, 0) == ends[1]
    seen.line.focus()
    seen.keys("Home", " ")
    seen.tab.frames(3)
    assert seen.now() == "2 of 2", "space steps"


def test_python_sets_the_step_and_two_views_agree(stage):
    seen = stage(maps(12), views=2)
    other = seen.page.locator(".attnlib-live").nth(1)
    seen.page.evaluate("python({ step: 7 })")
    seen.wait()
    assert seen.now() == other.locator(".big").inner_text() == "step 70"
    seen.page.evaluate("sent.length = 0")
    seen.button("next").click()
    seen.wait(700)
    assert other.locator(".big").inner_text() == "step 80" and set(seen.steps()) <= {8, None}
    seen.page.evaluate("python({ title: 'Now <b>this</b>' })")
    assert other.get_by_text("Now <b>this</b>").is_visible()
    film = maps(12)
    film.step = 4
    assert stage(film).now() == "step 40", "opened again where it was left"


def test_what_is_closed_lets_go(stage):
    seen = stage(maps(12, speed=3), views=2)
    seen.button("play").first.click()
    seen.page.evaluate("ends[0]()")
    here = seen.now()
    seen.page.set_viewport_size({"width": 700, "height": 700})
    seen.wait(900)
    assert seen.now() == here, "it runs no more"
    assert max(seen.page.evaluate("Object.values(heard).map((all) => all.length)")) == 1


FILMS = {
    "maps": maps,
    "drawn": drawn,
    "one": lambda: Player([[[1.0]]], tokens=["x"]),
    "wide": lambda: Player(
        np.random.default_rng(0).random((4, 3, 60)),
        title="w " * 60,
        captions=["", "two words " * 30, "short", "."],
    ),
    "tall": lambda: Player(
        np.random.default_rng(0).random((3, 90, 2)),
        key_tokens=["w" * 40, "שלום"],
        names=["w" * 60, "the", "the"],
        captions=["w" * 300, "", "short"],
    ),
    "many": lambda: Player(np.random.default_rng(0).random((600, 5, 5)), tokens=["the"] * 5),
}


@pytest.mark.parametrize("width", [560, 600, 800, 980])
@pytest.mark.parametrize("name", FILMS)
def test_size(stage, name, width):
    seen = stage(FILMS[name](), width=width + 24)
    boxes = [seen.root.bounding_box()]
    seen.line.focus()
    seen.keys("End")
    seen.wait()
    boxes.append(seen.root.bounding_box())
    assert boxes[0] == boxes[1] and width - 2 <= boxes[0]["width"] <= width
    assert width < 800 or boxes[0]["height"] <= 560
    wide = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], "nothing scrolls sideways"
    small = seen.page.evaluate(
        "[...document.querySelectorAll('.attnlib-live :is(text, p, button, span)')]"
        ".filter((n) => n.textContent && parseFloat(getComputedStyle(n).fontSize) < 12).length"
    )
    assert small == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("film", [maps, drawn])
def test_everybody_can_use_it(stage, film, dark):
    seen = stage(film(), dark=dark)
    assert node.axe(seen.page) == []
    seen.button("next").click()
    seen.wait()
    assert node.axe(seen.page) == []


def test_everything_is_reached_with_tab_and_shows_the_focus(stage):
    seen, reached = stage(maps()), []
    seen.button("next").click()
    seen.page.evaluate("document.activeElement.blur()")
    for _ in range(7):
        seen.keys("Tab")
        reached.append(
            seen.page.evaluate(
                "(() => { const a = document.activeElement; return [a.getAttribute('aria-label') ||"
                " a.textContent, getComputedStyle(a).outlineStyle]; })()"
            )
        )
    names = [
        "heat map: the arrow keys choose a cell",
        "▶ play",
        "‹ back",
        "next ›",
        "frame",
        "present",
    ]
    assert set(names) <= {name for name, _ in reached}
    assert {style for name, style in reached if name in names} == {"solid"}


def test_present_and_paper(stage):
    seen = stage(maps(), width=1500)
    before = seen.root.locator("canvas").bounding_box()["width"]
    seen.button("present").click()
    seen.wait(300)
    assert seen.root.locator("canvas").bounding_box()["width"] > 1.3 * before
    seen.point(7, 1)
    assert seen.said().startswith("it → cat"), "the hand finds the cell"
    seen.button("present").click()
    seen = stage(maps(), media="print", forced_colors="active")
    assert not seen.button("play").is_visible() and seen.root.locator("canvas").is_visible()


def test_the_page_works_alone_and_without_scripts(stages, tmp_path):
    film = drawn(title="A <film>")
    film.to_html(tmp_path / "page.html")
    tab = lab.Tab(stages.browser)
    tab.page.goto((tmp_path / "page.html").as_uri())
    seen = Seen(tab)
    seen.button("next").click()
    seen.wait()
    assert seen.now() == "2 of 5" and tab.page.title() == "A <film>"
    sizes = "(all) => all.map((n) => n.naturalWidth)"
    assert min(seen.root.locator("img").evaluate_all(sizes)) > 300
    tab.clean()
    tab.context.close()
    context = stages.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.get_attribute("main img", "alt") == film.figure().alt
    assert "3: Slope 2." in page.inner_text("main")
    context.close()


def test_how_long_a_frame_takes(stage, capsys):
    """Printed, not asserted: script, style, layout and paint of one frame of a film that runs."""
    for name, film in [
        ("20 x 20", Player(np.random.default_rng(0).random((12, 20, 20)))),
        ("256 x 256", Player(np.random.default_rng(0).random((12, 256, 256)))),
    ]:
        seen = stage(film)
        session = seen.tab.context.new_cdp_session(seen.page)
        session.send("Performance.enable")

        def busy(session=session):
            found = session.send("Performance.getMetrics")["metrics"]
            return next(one["value"] for one in found if one["name"] == "TaskDuration")

        seen.button("play").click()
        before = busy()
        seen.tab.frames(50)
        took = 1000 * (busy() - before) / 50
        with capsys.disabled():
            print(f"\nPlayer, {name}: {took:.1f} ms of all tasks a frame")
