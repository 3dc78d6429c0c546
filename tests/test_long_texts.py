"""text.js and patches.js: running text, the loupe and patches of an image; numbers and places in
node, the pictures in a browser, by mouse, keyboard and finger.
"""

import itertools
import re

import node
import numpy as np
import pytest
from shown import frame
from test_view_js import Seen, softmax

from attnlib.show import AttentionView, labels

WORDS = "The people of the United States ask what every tax is for and who will pay".split()
LONG = [WORDS[i % 16] for i in range(72)]
CAUSAL = np.tri(72, dtype=bool)

# ---- in node -------------------------------------------------------------------------------------

START = """import * as heat from "./heat.js";
import * as text from "./text.js";
import * as patches from "./patches.js";
const say = (answer) => console.log(JSON.stringify(answer));
"""


def run(tmp_path, script, data=None):
    return node.run(node.modules(tmp_path), START + script, data)


def test_what_the_chosen_words_give_or_get(tmp_path):
    rng, cases = np.random.default_rng(0), []
    for k in range(40):
        n_q, n_k = rng.integers(1, 9, 2)
        mask = rng.random((n_q, n_k)) < 0.6 if k % 2 else None
        weights = rng.random((n_q, n_k))
        for side, n in (("query", n_q), ("key", n_k)):
            pins = rng.permutation(int(n))[: rng.integers(0, n + 1)].tolist()
            names = {"q": ["q"] * int(n_q), "k": ["k"] * int(n_k)}
            data = {"weights": weights.tolist(), "mask": None if mask is None else mask.tolist()}
            cases.append([data | names, {"side": side, "pins": pins}])
    script = "say(data.map(([one, look]) => text.seenBy(one, look)));"
    for (data, look), got in zip(cases, run(tmp_path, script, cases), strict=True):
        w = np.array(data["weights"])
        rows, pins = (w if look["side"] == "query" else w.T), look["pins"]
        wanted = rows[pins].sum(0) if pins else rows.sum(0)
        np.testing.assert_allclose(got["values"], wanted, atol=1e-12)
        if not pins and look["side"] == "key" and np.ptp(wanted) < 0.02:
            assert got["most"] is None, "all alike: no shade"
        else:
            assert np.isclose(got["most"], wanted.max())
        closed = np.zeros(len(wanted), bool)
        if data["mask"] and pins:
            open_ = np.array(data["mask"])
            closed = ~(open_ if look["side"] == "query" else open_.T)[pins].any(0)
        assert got["closed"] == closed.tolist()


def test_a_shade_is_a_share_of_the_largest(tmp_path):
    cases = [
        [v, most, how]
        for most in (0.02, 0.5, 3)
        for v in (0, 0.01, 0.02)
        for how in ("row", "sqrt")
    ]
    script = "say(data.map(([v, most, scale]) => text.shade(v, { most }, { scale })));"
    for (v, most, how), got in zip(cases, run(tmp_path, script, cases), strict=True):
        assert abs(got - 255 * (v / most) ** (0.5 if how == "sqrt" else 1)) <= (
            8 if how == "sqrt" else 0.6
        )


TEXTS = [
    [" The", " c", "at", " sat", ".", "\n", "And", " the", " c", "at"],
    ["Ġthe", "Ġcat", "s", "Ġthe"],
    ["▁the", "▁cat", "s", "<end>", "x"],
    ["the</w>", "ca", "t</w>", "the</w>"],
    ["<start>", "The", " mat", "<end>"],
    ["The", "cat", "sat", "on", "the", "cat", "."],
    ["[CLS]", "play", "##ing", ",", "play", "##ing", "[SEP]"],
    ["a", "a", "", "a", ""],
    ["H₂O", "H₂", "x₁"],
    ["שלום", "עולם", "!"],
]


@pytest.mark.parametrize("tokens", TEXTS, ids=["".join(one)[:12] for one in TEXTS])
def test_names_read_as_the_text_again(tmp_path, tokens):
    """Joined, with a space where no word goes on, they are the text; without the numbers of
    repeats. Python's still reads the same.
    """
    names = labels.visible(tokens)
    got = run(tmp_path, "say(text.flowing(data));", names)
    text = "".join(("" if glued else " ") + one for one, glued, _ in got).replace("↵", "\n")
    plain = "".join(labels.without_marks(tokens))
    if not any(c.isspace() for c in plain):  # words, or the pieces of WordPiece
        plain = " ".join(one or "␣" for one in tokens).replace(" ##", "")
        for mark in ".,!":
            plain = plain.replace(f" {mark}", mark)
    alone = re.sub("(<[a-z]+>)", r" \1 ", plain)  # special tokens
    assert text.split() == alone.split()
    assert [ends for *_, ends in got] == [token == "\n" for token in tokens]
    again = "".join(labels.as_text(names))
    if "##" not in again and not {".", ",", "!"} & set(tokens[1:]):
        assert re.sub("(<[a-z]+>)", r" \1 ", again.replace("↵", "\n")).split() == text.split()


def test_keys_lead_to_neighbours(tmp_path):
    spots = [[10, 10], [40, 10], [90, 10], [15, 40], [60, 40], [80, 70]]
    cases = [
        ("ArrowLeft", 0, 0),
        ("ArrowLeft", 3, 2),
        ("ArrowRight", 2, 3),
        ("ArrowRight", 5, 5),
        ("Home", 4, 0),
        ("End", 1, 5),
        ("ArrowDown", 0, 3),
        ("ArrowDown", 2, 4),
        ("ArrowDown", 3, 5),
        ("ArrowDown", 5, 5),
        ("ArrowUp", 5, 4),
        ("ArrowUp", 4, 1),
        ("ArrowUp", 1, 1),
        ("ArrowUp", -1, 0),
        ("ArrowDown", -1, 0),
        ("ArrowRight", -1, 0),
        ("a", 2, None),
        (" ", 2, None),
    ]
    script = "say(data.cases.map(([key, n]) => text.beside(data.spots, key, n) ?? null));"
    got = run(tmp_path, script, {"spots": spots, "cases": cases})
    assert got == [wanted for *_, wanted in cases]


def test_names_that_are_moved_stay_in_order_and_apart(tmp_path):
    rng = np.random.default_rng(1)
    cases = [np.sort(rng.uniform(0, 300, rng.integers(0, 9))).tolist() for _ in range(50)]
    got = run(tmp_path, "say(data.map((one) => heat.spread(one, 16, 300)));", cases)
    for places, moved in zip(cases, got, strict=True):
        assert len(moved) == len(places) and max(moved, default=0) <= 300
        assert (np.diff(moved) >= 16 - 1e-9).all()
        if len(places) < 2 or (np.diff(places) >= 16).all():
            assert moved == places, "what has room stays"


def test_the_legend_says_whose_colours_these_are(tmp_path):
    cases = [["query", [1]], ["key", [1]], ["query", []], ["key", []]]
    script = """say(data.map(([side, pins]) => text.legendOf({ most: 0.284 }, { side, pins })));"""
    assert run(tmp_path, script, cases) == [
        "orange: looks · blue: is looked at, up to .28",
        "green: is looked at · blue: looks, up to .28",
        "blue: is looked at by all, up to .28",
        "blue: looks at all, up to .28",
    ]


GRIDS = [
    (14, 14, 1, 197),
    (14, 14, 0, 196),
    (7, 7, 5, 54),
    (2, 3, 1, 4),
    (1, 1, 0, 1),
    (24, 24, 1, 577),
]
GRIDS += [(14, 14, 1, 8), (3, 5, 0, 30)]


def test_patches_have_their_places(tmp_path):
    """Where a hand finds them, in the order of the text, inside the room that there is."""
    cases = [
        {"grid": [h, w], "front": front, "nq": n_q, "width": width, "tall": tall}
        for (h, w, front, n_q), width, tall in itertools.product(GRIDS, (330, 420, 640), (320, 400))
    ]
    script = """const wide = (name, size) => 0.6 * size * name.length;
    say(data.map(({ grid, front, nq, width, tall }) => {
      const nk = front + grid[0] * grid[1], { range } = heat;
      const names = { q: range(nq).map((n) => `word${n}`), k: range(nk).map((n) => `k${n}`) };
      const place = patches.patchwork({ nq, nk }, grid, names, { width, tall, wide });
      const found = (line) => patches.spotsOfPatches(place, line).map((spot) =>
        patches.patchAt(place, spot, "query"));
      return { place, nk, q: found(0), k: found(1), none: patches.patchAt(place, [-5, 3], "key") };
    }));"""
    for case, got in zip(cases, run(tmp_path, script, cases), strict=True):
        place, (h, w), n_k = got["place"], case["grid"], got["nk"]
        own = case["nq"] != n_k
        side = "key" if own else "query"
        assert got["k"] == [{"side": side, "n": n} for n in range(n_k)]
        assert got["q"] == [{"side": "query", "n": n} for n in range(case["nq"])]
        assert got["none"] is None and place["own"] == own
        boxes = np.array(place["k"] + (place["q"] if own else []))
        assert (boxes[:, 0] >= 2).all() and (boxes[:, 1] >= 2).all()
        assert (boxes[:, 0] + boxes[:, 2] <= case["width"] + 1).all(), case
        if not own:
            assert (boxes[:, 1] + boxes[:, 3] <= case["tall"] + 1).all(), case
        grid = np.array(place["k"][case["front"] :]).reshape(h, w, 4)
        assert (np.diff(grid[..., 0], axis=1) > 0).all() and (
            np.diff(grid[..., 1], axis=0) > 0
        ).all()
        assert place["width"] >= place["x"] + w * place["cell"]


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def shown(stages):
    stages.forget()
    yield lambda view, **how: Lines(stages.open(view, **how))
    stages.clean()


class Lines(Seen):
    """Running text or patches, with the eyes and hands of a reader."""

    def __init__(self, tab):
        super().__init__(tab)
        self.prose = self.root.locator(".prose")
        self.grid, self.legend = self.prose.locator("canvas"), self.root.locator(".caption")
        self.rest()

    def span(self, n):
        return self.root.locator(".text span").nth(n)

    def looks(self):
        """Of every word, its colours: (background, colour, frame)."""
        return self.root.locator(".text span").evaluate_all(
            "(all) => all.map(({ style }) => [style.background, style.color, style.boxShadow])"
        )

    def loupe(self):
        return self.root.locator(".loupe > *").all_inner_texts()

    def dot(self, box):
        """The colour in the middle of a patch."""
        x, y, w, h = box
        return self.grid.evaluate(
            """(one, [x, y]) => { const dots = one.width / parseFloat(one.style.width);
            return [...one.getContext("2d").getImageData(x * dots, y * dots, 1, 1).data]; }""",
            [x + w / 2, y + h / 2],
        )


def text(n=72, **how):
    weights = softmax(2, 2, n, n, mask=np.tri(n, dtype=bool))
    return AttentionView(weights, LONG[:n], mask=np.tri(n, dtype=bool), **how)


def test_a_long_text_reads_as_text(shown):
    view = text(form="threads")
    view.pinned = [30, 4]
    seen, row = shown(view), view.array[0, 0, 30]
    assert seen.prose.is_visible() and not seen.map.is_visible()
    assert " ".join(seen.root.locator(".text p").inner_text().split()) == " ".join(LONG)
    looks = seen.looks()
    framed = [n for n, (*_, frame) in enumerate(looks) if frame]
    blue = {n for n, (background, *_) in enumerate(looks) if background}
    assert framed == [30]
    assert blue == {n for n in range(31) if row[n] > 0.03 * row.max()}
    plain = [colour for background, colour, _ in looks[:31] if not background]
    assert set(plain) == {""} and {colour for _, colour, _ in looks[31:]} == {"rgb(107, 114, 128)"}
    best = np.argsort(-row)
    assert f"looks at {view.tokens[best[0]]} (key) .{round(100 * row[best[0]]):02d}" in seen.said()
    assert seen.legend.inner_text().endswith(f"up to .{round(100 * row.max()):02d}")
    strong = [n for n in best[:8] if row[n] > 0.03 and n != 30]
    assert seen.root.locator(".text path").count() == len(strong)
    seen.root.get_by_role("button", name="map").click()
    seen.rest()
    assert seen.map.is_visible() and not seen.prose.is_visible()


def test_words_stay_while_the_hand_moves_and_nothing_jumps(shown):
    seen = shown(text(form="threads"))
    before = seen.boxes()
    seen.page.evaluate("window.kept = [...document.querySelectorAll('.text span')]")
    for n in (3, 40, 71):
        seen.span(n).hover()
        seen.tab.frames()
        assert [k for k, (*_, frame) in enumerate(seen.looks()) if frame] == [n]
        assert seen.boxes() == before
    same = "[...document.querySelectorAll('.text span')].every((one, n) => one === kept[n])"
    assert seen.page.evaluate(same)


def test_several_words_and_keys_in_running_text(shown):
    view = text(form="threads")
    seen, weights = shown(view), view.array[0, 0]
    seen.prose.focus()
    seen.press("Escape")
    total = weights.sum(0)
    blue = [n for n, (background, *_) in enumerate(seen.looks()) if background]
    assert blue == [n for n in range(72) if total[n] > 0.03 * total.max()]
    assert seen.legend.inner_text() == f"blue: is looked at by all, up to {total.max():.2f}"
    seen.press("ArrowDown")
    assert seen.state("pinned")[0][0] == 0, "from nowhere to the first word"
    seen.press("ArrowRight", "ArrowRight", "Shift+ArrowRight")
    assert seen.state("pinned", "pins") == [[3, int(weights[3].argmax())], [2]]
    line = seen.span(3).bounding_box()["y"]
    seen.press("ArrowDown")
    below = seen.state("pinned")[0][0]
    assert line + 20 < seen.span(below).bounding_box()["y"] < line + 70
    seen.span(50).click(modifiers=["Shift"])
    seen.page.mouse.move(1, 1)
    assert 50 in seen.state("pins")[0]
    seen.press("Escape", "x")
    seen.span(5).click()
    seen.page.mouse.move(1, 1)
    column = weights[:, 5]
    blue = [n for n, (background, *_) in enumerate(seen.looks()) if background]
    assert blue == [n for n in range(72) if column[n] > 0.03 * column.max()]
    assert " is looked at by " in seen.said()
    seen.press("m")
    seen.rest()
    assert seen.map.evaluate("(node) => node === document.activeElement"), "the focus goes along"


def test_a_finger_chooses_words(shown):
    seen = shown(text(form="threads"), fingers=True)
    seen.span(20).tap()
    assert seen.state("pinned")[0][0] == 20
    hold = """(node) => { const at = { bubbles: true, pointerType: "touch" };
        node.dispatchEvent(new PointerEvent("pointerdown", at));
        return new Promise((done) => setTimeout(() => {
          node.dispatchEvent(new PointerEvent("click", at)); done(); }, 600)); }"""
    seen.span(40).evaluate(hold)
    seen.tab.frames()
    assert seen.state("pins") == [[20, 40]], "a long touch adds"


def test_a_word_out_of_sight_comes_back(shown):
    n = 600
    words = [WORDS[i % 16] for i in range(n)]
    seen = shown(AttentionView(softmax(n, n), words, form="threads"))
    box = seen.root.locator(".text")
    assert box.evaluate("(one) => one.scrollHeight > 1.5 * one.clientHeight")
    seen.prose.focus()
    seen.press("Home")
    assert box.evaluate("(one) => one.scrollTop") == 0
    seen.press("End")
    inside = """(one) => { const last = [...one.querySelectorAll("span")].at(-1);
        return last.offsetTop - one.scrollTop <= one.clientHeight - 20; }"""
    assert box.evaluate(inside)


def test_two_texts_stand_one_below_the_other(shown):
    weights = softmax(3, 40)
    view = AttentionView(weights, list("abc"), key_tokens=LONG[:40], form="threads")
    seen = shown(view)
    assert seen.root.locator(".text p").count() == 2
    seen.span(1).click()
    seen.page.mouse.move(1, 1)
    looks = seen.looks()
    assert [n for n, (*_, frame) in enumerate(looks) if frame] == [1]
    assert not any(background for background, *_ in looks[:3])
    seen.span(3 + 7).click()
    seen.page.mouse.move(1, 1)
    assert seen.state("side", "pinned")[0] == "key" and seen.state("pinned")[0][1] == 7
    assert any(background for background, *_ in seen.looks()[:3])


def test_lines_are_as_far_apart_as_there_is_room_for(shown):
    """A text that fits is not scrolled, and no line more would fit; a short one is large; one that
    does not fit has lines of 27 px.
    """

    def fit(view):
        return (
            shown(view)
            .root.locator(".text")
            .evaluate(
                """(one) => { const { style } = one;
                const [pitch, size] = [style.lineHeight, style.fontSize].map(parseFloat);
                const out = () => one.scrollHeight - one.clientHeight, now = out();
                style.lineHeight = `${pitch + 1}px`;
                style.fontSize = pitch + 1 > 35 ? "20px" : "15px";
                return [pitch, size, now, out()]; }"""
            )
        )

    cross = AttentionView(softmax(5, 100), key_tokens=LONG + LONG[:28], form="threads")
    assert fit(text(30, form="threads"))[:3] == [75, 20, 0]
    for view, size in ((text(form="threads"), 20), (cross, 15)):
        pitch, got, out, more = fit(view)
        assert 27 < pitch < 75 and got == size and out == 0 < more
    long = AttentionView(softmax(400, 400), [WORDS[i % 16] for i in range(400)], form="threads")
    pitch, size, out, _ = fit(long)
    assert [pitch, size] == [27, 15] and out > 0


def test_a_repeated_word_says_which_it_is_where_it_is_chosen_or_blue(shown):
    """As the read-out calls it, and nothing moves for it."""
    seen = shown(text(form="threads"))
    places = seen.root.locator(".text").evaluate("(one) => one.scrollHeight")
    seen.python(pinned=[50, 1], pins=[])
    says = """(all) => all.map((one) => getComputedStyle(one, "::after").content)"""
    said, looks = seen.root.locator(".text span").evaluate_all(says), seen.looks()
    names = [name.translate(str.maketrans("", "", "₀₁₂₃₄₅₆₇₈₉")) for name in text().tokens]
    for (background, _, frame_), got, name, plain in zip(
        looks, said, text().tokens, names, strict=True
    ):
        number = name[len(plain) :]
        assert got == (f'"{number}"' if background or frame_ else "none"), name
    assert "inset" in looks[50][2], "no frame is cut off at the edge"
    assert said[50] != "none" and sum(one != "none" for one in said) > 5
    assert seen.root.locator(".text").evaluate("(one) => one.scrollHeight") == places


def test_right_to_left_reads_from_the_right(shown):
    seen = shown(AttentionView(softmax(30, 30), ["שלום", "עולם", "טוב"] * 10, form="threads"))
    first, second = seen.span(0).bounding_box(), seen.span(1).bounding_box()
    assert first["x"] > second["x"]


def test_the_loupe_lists_the_largest(shown):
    view = text()
    view.pinned = [50, 1]
    seen, row = shown(view, width=980), view.array[0, 0, 50]
    best = [n for n in np.argsort(-row, kind="stable")[:7] if row[n] >= 0.01]
    heads = seen.loupe()
    assert heads[0] == f"{view.tokens[50]} →" and heads[1::2] == [view.tokens[n] for n in best]
    for n, number in zip(best, heads[2::2], strict=True):
        assert abs(float(number) - row[n]) <= 0.0051
    seen.python(pins=[20])
    both = view.array[0, 0, [20, 50]].sum(0)
    assert seen.loupe()[0] == "2 words →"
    assert seen.loupe()[1] == view.tokens[both.argmax()]
    seen.python(side="key", pins=[], pinned=[50, 1])
    assert seen.loupe()[:2] == [f"→ {view.tokens[1]}", view.tokens[view.array[0, 0, :, 1].argmax()]]
    assert shown(text(), width=480).root.locator(".loupe").is_hidden()
    assert shown(text(60), width=980).root.locator(".loupe").is_hidden()


def test_the_loupe_leaves_out_what_shows_as_nothing(shown):
    """Below .01; the largest stands there all the same."""
    n = 74
    weights = np.full((1, 1, n, n), 0.0002)
    weights[..., 1] = 1 - 0.0002 * (n - 1)
    weights[0, 0, 5, 2], weights[0, 0, 5, 3] = 0.0098, 0.2
    weights[0, 0, 6] = 1 / n / 2
    view = AttentionView(weights, [f"w{i}" for i in range(n)])
    view.pinned = [5, 1]
    seen = shown(view, width=980)
    assert seen.loupe()[1::2] == ["w1", "w3"]
    seen.python(pinned=[6, 1])
    assert seen.loupe()[1::2] == ["w0"]


def test_the_name_of_a_pin_stays_in_sight_where_a_map_is_scrolled(shown):
    """Names lean to the right: so far as the longest."""
    view = AttentionView(softmax(1, 600, 600), [f"{'w' * 20}{i}" for i in range(600)])
    seen = shown(view)
    x, _, wide, _ = map(float, seen.map.get_attribute("data-cells").split())
    scrolled = "(one) => [one.scrollLeft, one.clientWidth]"
    for inside in (50, 10, 90, -600):  # so near to the edge a new pin stands; the last one
        left, room = seen.root.locator(".map").evaluate(scrolled)
        j = min(599, int((left + room - inside - x) / wide))
        seen.python(pinned=[200, j])
        left, room = seen.root.locator(".map").evaluate(scrolled)
        assert 0 < x + j * wide - left <= room - 92, j


def test_a_name_stands_on_the_frame_of_its_row(shown):
    """Where the map is scrolled, frames run through the place of the names."""
    view = AttentionView(softmax(1, 600, 600), [f"{'w' * 20}{i}" for i in range(600)])
    view.pinned = [300, 500]
    seen = shown(view)
    x, y, _, high = map(float, seen.map.get_attribute("data-cells").split())
    left = seen.root.locator(".map").evaluate("(one) => one.scrollLeft")
    orange = """(root, box) => { let n = 0;
        const { data } = root.querySelector("canvas.hand").getContext("2d").getImageData(...box);
        for (let k = 0; k < data.length; k += 4) n += data[k + 3] > 90 && data[k] > 200
          && data[k + 1] < 130 && data[k + 2] < 90;
        return n; }"""

    def framed(at):
        return seen.root.evaluate(orange, [round(at), round(y + 300 * high) - 4, 40, 8])

    assert left > 200 and framed(left + x - 60) < 12 and framed(left + x + 60) >= 60


def test_names_of_a_large_map_are_those_of_what_is_chosen(shown):
    """The row that is chosen, and its five largest columns, and nothing at other rows."""
    view = text()
    view.pinned = [50, 1]
    seen = shown(view, width=980)
    x, y, _, high = map(float, seen.map.get_attribute("data-cells").split())
    at = y + 50.5 * high

    def inks(where):
        return [seen.ink(where, [2, top, x - 12, 8]) > 0 for top in (at - 4, at - 60, at + 40)]

    assert inks("canvas.hand") == [True, False, False]
    assert inks("canvas.cells") == [False] * 3


# ---- patches -------------------------------------------------------------------------------------

GRID = (3, 4)


def image():
    shades = np.linspace(0, 1, 12 * 16).reshape(12, 16)
    return np.stack([shades, shades.T.reshape(12, 16), 1 - shades], -1)


def patched(**how):
    how = {"tokens": ["[CLS]"], "grid": GRID} | how
    return AttentionView(softmax(2, 13, 13), how.pop("tokens"), **how)


def boxes(seen):
    """Of the thirteen: [CLS] at the left, and patches in three rows of four."""
    width, height = seen.grid.evaluate(
        "(one) => [parseFloat(one.style.width), parseFloat(one.style.height)]"
    )
    cell = 48
    x, y = width - 4 - 4 * cell, height - 4 - 3 * cell
    return [
        [2, 2, 40, 24],
        *([x + c * cell, y + r * cell, cell, cell] for r in range(3) for c in range(4)),
    ]


def middle(box):
    return {"x": box[0] + box[2] / 2, "y": box[1] + box[3] / 2}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("over", [False, True])
def test_a_patch_is_as_blue_as_it_is_looked_at(shown, over, dark):
    view = patched(image=image() if over else None)
    view.pinned = [0, 3]
    seen, row = shown(view, dark=dark), view.array[0, 0, 0]
    places = boxes(seen)
    dots = np.array([seen.dot(box)[:3] for box in places[1:]], float)
    order, patches = np.argsort(row[1:]), row[1:]
    if over:  # the strongest is nearer to the blue than the weakest is
        blue = np.array([111, 177, 228] if dark else [33, 113, 181])
        far = np.abs(dots - blue).sum(1)
        assert far[order[-1]] < 0.5 * far[order[0]]
        return
    light = dots.sum(1)
    sorted_ = light[order] if dark else -light[order]
    apart = np.diff(patches[order]) > 0.004
    assert (np.diff(sorted_)[apart] > 0).all(), "darker on white, lighter on black"
    scale = [[247, 251, 255], [8, 48, 107]] if not dark else [[29, 39, 51], [227, 241, 253]]
    best = dots[order[-1]] if patches.max() == row.max() else np.array(scale[1])
    assert np.abs(best - scale[1]).max() <= 2


def test_patches_by_mouse_keys_and_finger(shown):
    view = patched()
    seen = shown(view)
    places = boxes(seen)
    seen.grid.click(position=middle(places[6]))
    seen.page.mouse.move(1, 1)
    assert seen.state("pinned")[0][0] == 6
    assert seen.said().startswith("row 1, column 1 (query) looks at ")
    seen.grid.click(position=middle(places[8]), modifiers=["Shift"])
    assert seen.state("pins") == [[6, 8]]
    seen.prose.focus()
    seen.press("Escape", "Home", "ArrowRight", "ArrowDown", "ArrowRight")
    assert seen.state("pinned")[0][0] == 6, "[CLS], the first patch, the one below it, the next"
    seen.press("ArrowUp")
    assert seen.state("pinned")[0][0] == 2
    seen.press("x")
    assert seen.state("side") == ["key"] and seen.legend.inner_text().startswith("green")
    seen.press("m")
    seen.rest()
    assert seen.map.is_visible() and seen.state("form") == ["map"]
    seen.press("m")
    assert seen.state("form") == ["patches"]


def test_a_finger_is_drawn_over_patches(shown):
    seen = shown(patched(), fingers=True)
    places, box = boxes(seen), seen.grid.bounding_box()
    session = seen.tab.context.new_cdp_session(seen.page)

    def touch(kind, n=None):
        at = [] if n is None else [{a: box[a] + middle(places[n])[a] for a in "xy"}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
        seen.tab.frames()

    touch("touchStart", 1)
    touch("touchMove", 2)
    touch("touchMove", 7)
    assert seen.said().startswith("row 1, column 2 (query) looks at "), "it says so on the way"
    touch("touchEnd")
    assert seen.state("pinned")[0][0] == 7
    seen.page.touchscreen.tap(*(box[a] + middle(places[3])[a] for a in "xy"))
    assert seen.state("pinned")[0][0] == 3


def test_words_that_look_at_patches(shown):
    view = AttentionView(softmax(2, 13), ["a", "house"], key_tokens=["[CLS]"], grid=GRID)
    view.pinned = [1, 5]
    seen, row = shown(view), view.array[0, 0, 1]
    best = int(row.argmax())
    name = f"row {(best - 1) // 4}, column {(best - 1) % 4}" if best else "[CLS]"
    assert seen.said().startswith(f"house (query) looks at {name} (key)")
    seen.grid.click(position={"x": 20, "y": 32})
    seen.page.mouse.move(1, 1)
    assert seen.said().startswith("a (query) looks at ")
    assert seen.dot([0, 31, 4, 2])[:3] == [213, 94, 0], "the word that looks is framed"
    assert view.key_tokens[:3] == ["[CLS]", "0,0", "0,1"] and view.tokens == ["a", "house"]


# ---- everybody, everywhere -----------------------------------------------------------------------

VIEWS = {
    "text": lambda: text(form="threads"),
    "large map": text,
    "patches": lambda: patched(image=image()),
    "square": lambda: AttentionView(softmax(3, 50, 50), ["CLS"], grid=(7, 7)),
}


@pytest.mark.parametrize("name", ["text", "large map", "patches"])
def test_it_fits(shown, name):
    view = VIEWS[name]()
    for width in (360, 560, 800, 980):
        seen = shown(view, width=width + 24)
        found = seen.root.evaluate(
            """(root) => { const box = root.getBoundingClientRect();
            const parts = [...root.querySelectorAll(".prose, .text, .prose canvas, .loupe > *")];
            return { sideways: document.documentElement.scrollWidth - innerWidth,
              high: box.height, over: Math.max(...parts.map((one) =>
                one.getBoundingClientRect().right - box.right)),
              low: Math.max(...parts.map((one) => one.getBoundingClientRect().bottom))
                - root.querySelector(".say").getBoundingClientRect().top }; }"""
        )
        assert found["sideways"] <= 0 and found["over"] <= 1 and found["low"] <= 1, (width, found)
        assert width < 800 or found["high"] <= 560
        if name != "large map":
            empty = "(one) => { one.textContent = ''; return one.offsetHeight; }"
            assert seen.legend.evaluate(empty) == 18, "its room is kept before it has words"


@pytest.mark.parametrize("name", ["text", "patches"])
def test_axe_finds_nothing_serious(shown, name):
    for dark in (False, True):
        seen = shown(VIEWS[name](), dark=dark)
        seen.prose.evaluate("(node) => node.focus()")
        assert node.axe(seen.page) == [], (name, dark)


def test_the_time_of_a_pointer_move(stages, shown):
    """Printed, not asserted: the machine may be busy."""
    move = """const all = document.querySelectorAll(".text span"), n = (k * 37 + 200) % 300;
        const hand = document.querySelector(".hand"), box = hand.getBoundingClientRect();
        const [x, y, w, h] = hand.dataset.cells.split(" ").map(Number);
        const at = { clientX: box.x + x + (n + 0.5) * w, clientY: box.y + y + (n + 0.5) * h };
        const move = new PointerEvent("pointermove", { bubbles: true, ...at });
        (all[n] ?? hand).dispatchEvent(move);"""
    for n, form in itertools.product((300, 1000), ("threads", "map")):
        words = [WORDS[i % 16] for i in range(n)]
        seen = shown(AttentionView(softmax(n, n), words, form=form))
        spent = frame(stages.tabs[0].context.browser, seen, move, n=12)
        print(f"\n{n} tokens as {form}: {spent:.1f} ms of script, layout and paint")
        assert spent > 0
