"""AttentionView in a real browser: as a page of its own, in JupyterLab and in Notebook 7, by mouse
and by keyboard.
"""

import base64
import json
import re
import statistics

import lab
import numpy as np
import pytest
from shown import Shown

from attnlib.models import load
from attnlib.show import AttentionView, sheet
from attnlib.show.live import page

WORDS = "The cat sat on a mat because it was so tired today".split()
PICTURE = "canvas[role=application]"
RARE = ["colours", "only the top", "at least", "hide the first column"]


@pytest.fixture(scope="module")
def browser():
    with lab.chromium() as browser:
        yield browser


def softmax(*shape, seed=0, mask=None):
    """Random weights as a softmax makes them: logits with a standard deviation of 2."""
    logits = np.random.default_rng(seed).normal(0, 2, shape)
    logits = logits if mask is None else np.where(mask, logits, -np.inf)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


# ---- a page of its own ---------------------------------------------------------------------------


class Seen:
    """A view on a page, with the eyes and hands of a reader; `root` is a locator of class
    attnlib-view.
    """

    def __init__(self, tab, root):
        self.tab, self.page, self.root, self.canvas = tab, tab.page, root, root.locator(PICTURE)

    def said(self):
        self.tab.frames()
        return self.root.locator(".attnlib-readout").inner_text()

    def notes(self):
        self.tab.frames()
        return self.root.locator(".attnlib-notes").inner_text()

    def keys(self, *names):
        self.canvas.focus()
        for name in names:
            self.page.keyboard.press(name)

    def place(self, i, j):
        """Where cell (i, j) is, in CSS pixels of the canvas."""
        self.tab.frames()
        left, above, width, height = map(float, self.canvas.get_attribute("data-cells").split())
        return left + (j + 0.5) * width, above + (i + 0.5) * height

    def point(self, i, j, click=False):
        x, y = self.place(i, j)
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        (self.page.mouse.click if click else self.page.mouse.move)(box["x"] + x, box["y"] + y)

    def away(self):
        self.page.mouse.move(1, 1)

    def colour(self, i, j, dx=0.0, dy=0.0):
        """The colour of the picture in cell (i, j), dx and dy cells off its middle."""
        x, y = self.place(i + dy, j + dx)
        self.tab.frames()
        return self.root.evaluate(
            """(root, [x, y]) => [...root.querySelector("canvas.cells").getContext("2d")
            .getImageData(Math.floor(x), Math.floor(y), 1, 1).data].slice(0, 3)""",
            [x, y],
        )

    def control(self, label):
        """Where it is behind "more", with that opened."""
        more = self.root.get_by_role("button", name="more", exact=True)
        if label in RARE and more.is_visible():
            more.click()
        return (
            self.root.locator("label")
            .filter(has_text=re.compile(f"^{label}"))
            .locator("select, input")
        )

    def name(self, side, n):
        """Where the name of query n stands (side 0), or of key n (1), in a map of short names: in
        CSS pixels of the canvas, as playwright takes a position.
        """
        x, y = self.place(*((0, n) if side else (n, 0)))
        left, above, *_ = map(float, self.canvas.get_attribute("data-cells").split())
        return {"x": x, "y": above - 16} if side else {"x": left - 20, "y": y}

    def names(self):
        """The words that look, as the threads say them to a screen reader; the map comes back."""
        self.keys("m")
        self.page.wait_for_timeout(600)
        hands = self.root.locator("svg.woven [data-q][role=button]")
        found = hands.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
        self.page.keyboard.press("m")
        self.page.wait_for_timeout(600)
        return [name.removesuffix(" looks") for name in found]

    def frames(self, i, j):
        """Which frames go through a point between cells: of a query, orange, or of a key, green."""
        x, y = self.place(i, j)
        self.tab.frames()
        dots = self.canvas.evaluate(
            """(canvas, [x, y]) => [...canvas.getContext("2d")
            .getImageData(Math.round(x) - 2, Math.round(y) - 2, 5, 5).data]""",
            [x, y],
        )
        seen = [dots[k : k + 3] for k in range(0, len(dots), 4) if dots[k + 3] > 120]
        return {
            side: any(np.abs(np.subtract(one, colour)).max() <= 3 for one in seen)
            for side, colour in {"query": (213, 94, 0), "key": (0, 158, 115)}.items()
        }

    def picture(self):
        """All pixels of the heat map, as one string."""
        self.tab.frames()
        return self.root.evaluate("(root) => root.querySelector('canvas.cells').toDataURL()")

    def changes_from(self, old):
        """Wait until the heat map is another one."""
        look = "([root, old]) => root.querySelector('canvas.cells').toDataURL() !== old"
        self.page.wait_for_function(look, arg=[self.root.element_handle(), old])


@pytest.fixture(scope="module")
def tab(browser):
    tab = lab.Tab(browser)
    yield tab
    tab.context.close()


@pytest.fixture
def show(tab, tmp_path, request):
    """show(view) opens the view's page and returns what a reader sees; at the end the console must
    be clean.
    """
    tab.forget()

    def show(view, dark=False):
        view.pinned = None  # tests begin where nothing is chosen
        path = tmp_path / "view.html"
        view.to_html(path)
        tab.page.emulate_media(color_scheme="dark" if dark else "light")
        tab.page.goto(path.as_uri())
        tab.page.wait_for_function("() => document.querySelector('.attnlib-readout')?.textContent")
        return Seen(tab, tab.page.locator(".attnlib-view"))

    failed = request.session.testsfailed
    yield show
    if request.session.testsfailed > failed:
        tab.page.screenshot(path=tmp_path / "failed.png", full_page=True)
    tab.clean()


def check(text, weights, i, j, tokens, keys=None, mask=None):
    """The read-out says which cell it is, its weight, and its rank among the allowed keys."""
    keys = tokens if keys is None else keys
    found = re.fullmatch(
        r"(.*) \(query (\d+)\) looks at (.*) \(key (\d+)\) (\d?\.\d{2,3})"
        r"(?:, rank (\d+) of (?:the )?(\d+)(?: allowed)?)?\.",
        text,
    )
    assert found, text
    assert found.groups()[:4] == (tokens[i], str(i), keys[j], str(j))
    allowed = np.ones(len(keys), bool) if mask is None else mask[i]
    exact = 5e-4 if weights[i, j] < 0.0195 else 5e-3
    assert abs(float(found[5]) - weights[i, j]) <= exact + 2e-5
    assert abs(weights[i].sum() - 1) <= 5e-3 + 2e-5, "what a row adds up to is said where it is odd"
    if found[6] is None:
        assert found[5] == ".000", "only what is nearly nothing has no rank"
        return
    assert (
        int(found[6]) == 1 + (weights[i][allowed] > weights[i, j]).sum()
        and int(found[7]) == allowed.sum()
    )


def test_pointing_and_clicking_say_what_the_array_holds(show):
    weights, tokens = softmax(2, 3, 6, 6), WORDS[:6]
    seen = show(AttentionView(weights, tokens, layer=1, head=2))
    assert "Point at a cell" in seen.said()
    for i, j in [(0, 0), (0, 5), (3, 1), (5, 5), (5, 0), (2, 4)]:
        seen.point(i, j)
        check(seen.said(), weights[1, 2], i, j, tokens)
    seen.point(4, 1, click=True)
    seen.point(2, 2)
    check(seen.said(), weights[1, 2], 2, 2, tokens)
    seen.away()
    check(seen.said(), weights[1, 2], 4, 1, tokens)
    seen.keys("Escape")
    assert "Point at a cell" in seen.said()


def test_keys(show):
    weights, tokens = softmax(2, 3, 5, 5), WORDS[:5]
    seen = show(AttentionView(weights, tokens))
    place = [0, 0, None, None]  # layer, head, query, key
    for key, *place in [
        ("ArrowDown", 0, 0, 0, 0),
        ("ArrowDown", 0, 0, 1, 0),
        ("ArrowRight", 0, 0, 1, 1),
        ("End", 0, 0, 1, 4),
        ("ArrowRight", 0, 0, 1, 4),
        ("ArrowLeft", 0, 0, 1, 3),
        ("ArrowUp", 0, 0, 0, 3),
        ("ArrowUp", 0, 0, 0, 3),
        ("Home", 0, 0, 0, 0),
        ("ArrowLeft", 0, 0, 0, 0),
        ("]", 0, 1, 0, 0),
        ("]", 0, 2, 0, 0),
        ("]", 0, 0, 0, 0),
        ("[", 0, 2, 0, 0),
        ("}", 1, 2, 0, 0),
        ("}", 0, 2, 0, 0),
        ("{", 1, 2, 0, 0),
        ("[", 1, 1, 0, 0),
        ("a", 1, 1, 0, 0),
        ("Control+ArrowRight", 1, 1, 0, 0),
        ("End", 1, 1, 0, 4),
        ("ArrowDown", 1, 1, 1, 4),
    ]:
        seen.keys(key)
        layer, head, i, j = place
        check(seen.said(), weights[layer, head], i, j, tokens)
        assert seen.control("head").evaluate("e => +e.value") == head
        assert seen.control("layer").evaluate("e => +e.value") == layer
    seen.keys("Escape")
    assert "Point at a cell" in seen.said()
    seen.keys("Home")
    check(seen.said(), weights[1, 1], 0, 0, tokens)


def test_keys_of_the_view_do_not_scroll_the_page(show):
    seen = show(AttentionView(softmax(4, 4), WORDS[:4]))
    seen.page.evaluate(
        "() => { document.body.style.height = '5000px';"
        " document.getElementById('view').style.marginTop = '300px'; }"
    )
    seen.canvas.focus()
    before = seen.page.evaluate("() => window.scrollY")
    for key in ["ArrowDown", "ArrowDown", "End", "Home", "ArrowUp"]:
        seen.page.keyboard.press(key)
        seen.page.wait_for_timeout(80)
        assert seen.page.evaluate("() => window.scrollY") == before, key


def test_row_sums_stand_beside_the_rows_where_they_are_not_1(show):
    weights = softmax(4, 4)
    weights[2] /= 2
    seen = show(AttentionView(weights, WORDS[:4]))
    for i in range(4):
        colours = [
            seen.colour(i, 4, dx=k / 34 - 0.5, dy=dy)
            for k in range(6, 30, 2)
            for dy in (-0.1, 0, 0.1)
        ]
        red = [r - b for r, _, b in colours]
        assert (max(red) > 60) == any(map(any, colours)) == (i == 2), (i, colours)


def test_the_controls_choose_head_and_layer(show):
    weights, tokens = softmax(2, 3, 5, 5), WORDS[:5]
    seen = show(AttentionView(weights, tokens, titles=["first", "second", "third"]))
    seen.keys("End")
    seen.control("head").select_option("third")
    seen.control("layer").select_option("1")
    check(seen.said(), weights[1, 2], 0, 0, tokens)
    atlas = seen.root.get_by_label("all heads")
    atlas.click(position={"x": 30, "y": 50})  # the first small picture
    check(seen.said(), weights[0, 0], 0, 0, tokens)
    box = atlas.bounding_box()
    atlas.click(position={"x": box["width"] - 20, "y": box["height"] - 20})
    check(seen.said(), weights[1, 2], 0, 0, tokens)


def test_a_head_or_layer_alone_has_no_control(show):
    seen = show(AttentionView(softmax(4, 4), WORDS[:4]))
    seen.tab.frames()
    assert not seen.control("head").is_visible() and not seen.control("layer").is_visible()
    assert not seen.root.get_by_label("all heads").is_visible()


def test_other_keys_than_queries(show):
    weights, keys = softmax(3, 5), ["un", "chat", "assis", "internationalisation", "là"]
    seen = show(AttentionView(weights, WORDS[:3], key_tokens=keys))
    for i, j in [(0, 4), (2, 0), (2, 3)]:
        seen.point(i, j)
        check(seen.said(), weights, i, j, WORDS[:3], keys)
    seen.keys("End", "End", "ArrowDown", "ArrowDown", "ArrowDown")
    seen.away()
    check(seen.said(), weights, 2, 4, WORDS[:3], keys)


def test_query_view_and_key_view(show):
    weights = np.array([[0.9, 0.1, 0.0], [0.5, 0.25, 0.25], [0.2, 0.7, 0.1]])
    seen = show(AttentionView(weights, WORDS[:3]))
    seen.point(1, 0, click=True)
    seen.away()
    row, column = (1.5, 2), (2, 0.5)  # on the edge of the row, of the column, off the cell's own
    assert seen.frames(*row) == {"query": True, "key": False}
    assert seen.frames(*column) == {"query": False, "key": False} and "column" not in seen.said()
    seen.control("view by").select_option("key")
    assert seen.frames(*row) == {"query": False, "key": False}
    assert seen.frames(*column) == {"query": False, "key": True}
    assert seen.said().endswith(
        " .50, rank 1 of 3; the column adds up to 1.60, which need not be 1."
    )
    seen.canvas.click(position=seen.name(1, 2))  # the name of a key chooses its column
    seen.away()
    assert "cat (query 1) looks at sat (key 2) .25, rank 2 to 3 of 3" in seen.said()


def test_a_name_shows_its_row_and_a_click_pins_it(show):
    weights, keys = softmax(3, 5), ["le", "chat", "s'est", "assis", "là"]
    seen = show(AttentionView(weights, WORDS[:3], key_tokens=keys))
    rest = seen.said()
    for side, n, said in [
        (0, 1, f"cat (query) looks at {keys[weights[1].argmax()]} (key) "),
        (1, 3, f"assis (key) is looked at by {WORDS[weights[:, 3].argmax()]} (query) "),
        (0, 2, f"sat (query) looks at {keys[weights[2].argmax()]} (key) "),
    ]:
        seen.canvas.hover(position=seen.name(side, n))
        assert seen.said().startswith(said)
    seen.away()
    assert seen.said() == rest
    seen.canvas.click(position=seen.name(0, 2))
    seen.away()
    check(seen.said(), weights, 2, weights[2].argmax(), WORDS[:3], keys)


def test_every_chosen_row_shows_its_numbers(show):
    """And no other: dark or light signs on the colours of the cells, in the canvas of the hand."""
    weights = softmax(6, 6)
    seen = show(AttentionView(weights, WORDS[:6]))

    def written(i):
        left, above, width, height = map(float, seen.canvas.get_attribute("data-cells").split())
        seen.tab.frames()
        dots = seen.canvas.evaluate(
            """(canvas, box) => { const { data } = canvas.getContext("2d").getImageData(...box);
            return data.filter((a, n) => n % 4 === 3 && a > 90).length; }""",
            [
                round(left + 4),
                round(above + i * height + 5),
                round(6 * width - 8),
                round(height) - 10,
            ],
        )
        return dots > 60

    seen.point(1, 2, click=True)
    seen.canvas.click(position=seen.name(0, 4), modifiers=["Shift"])
    seen.away()
    assert [written(i) for i in range(6)] == [False, True, False, False, True, False]
    seen.keys("x")
    assert not any(written(i) for i in (0, 2, 3, 5)), "of a column there are none"


BLUES = {
    "light": [(247, 251, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107)],
    "dark": [(29, 39, 51), (31, 68, 104), (43, 115, 179), (111, 177, 228), (227, 241, 253)],
}


def blue(share, theme="light"):
    return [np.interp(share, np.linspace(0, 1, 5), channel) for channel in zip(*BLUES[theme])]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_the_weights_under_every_scale(show, theme):
    weights = np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3], [0.05, 0.05, 0.9]])
    seen = show(AttentionView(weights, WORDS[:3]), dark=theme == "dark")
    scale = seen.control("colours")
    assert scale.locator("option").all_inner_texts() == [
        "absolute, 0 to 1",
        "relative to each row's largest",
        "square root",
    ]
    shares = {
        "absolute": weights,
        "row": weights / weights.max(axis=1, keepdims=True),
        "square": np.sqrt(weights),
    }
    pictures = set()
    for number, share in enumerate(shares.values()):
        scale.select_option(index=number)
        pictures.add(seen.picture())
        for i, j in np.ndindex(3, 3):
            assert np.abs(np.subtract(seen.colour(i, j), blue(share[i, j], theme))).max() <= 2, (
                i,
                j,
                number,
            )
    assert len(pictures) == 3


def test_what_is_hidden_is_counted_and_not_rescaled(show):
    weights, tokens = softmax(6, 6), WORDS[:6]
    seen = show(AttentionView(weights, tokens))
    plain, (i, j) = seen.picture(), (2, int(weights[2].argmin()))
    seen.point(i, j, click=True)
    ranks = (-weights).argsort(axis=1).argsort(axis=1)

    def hidden(cells):
        share = 100 * (weights * cells).sum() / weights.sum()
        found = re.search(
            r"(\d+(\.\d)?) % of the weight is hidden; what is shown is not rescaled", seen.notes()
        )
        assert found and abs(float(found[1]) - share) <= 0.51, (seen.notes(), share)
        assert seen.picture() != plain
        check(seen.said(), weights, i, j, tokens)

    top, least = seen.control("only the top"), seen.control("at least")
    top.fill("2")
    hidden(ranks >= 2)
    assert seen.colour(i, j) == [255, 255, 255]
    top.fill("")
    assert "hidden" not in seen.notes() and seen.picture() == plain
    least.fill("0.15")
    hidden(weights < 0.15)
    least.fill("")
    sink = seen.control("hide the first column")
    sink.check()
    hidden(np.arange(6)[None] == 0)
    top.fill("3")
    hidden((ranks >= 3) | (np.arange(6)[None] == 0))
    sink.uncheck()
    top.fill("0")
    assert "hidden" not in seen.notes() and seen.picture() == plain


def test_what_is_not_allowed(show):
    mask = np.tril(np.ones((5, 5), bool))
    weights, tokens = softmax(5, 5, mask=mask), WORDS[:5]
    seen = show(AttentionView(weights, tokens, mask=mask))
    assert "⚠" not in seen.notes()
    seen.point(1, 3)
    assert seen.said() == f"{tokens[1]} (query 1) looks at {tokens[3]} (key 3): not allowed."
    seen.point(3, 1, click=True)
    check(seen.said(), weights, 3, 1, tokens, mask=mask)
    assert seen.colour(0, 4, dx=-0.3, dy=-0.3) == [233, 234, 236]
    assert len({tuple(seen.colour(0, 4, dx=k / 34)) for k in range(-3, 4)}) > 1  # the hatch
    assert seen.colour(0, 4, dx=-0.3, dy=-0.3) != seen.colour(
        4, int(weights[4].argmin()), dx=-0.3, dy=-0.3
    )


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (3, 2, 2), (2, 3, 2, 2), (2,)])
def test_masks_of_every_shape_arrive(show, shape):
    """Planes of four cells: less than a byte each."""
    mask = np.random.default_rng(len(shape)).random(shape) < 0.5
    mask[..., 0], mask[..., -1] = (
        True,
        np.arange(mask[..., -1].size).reshape(mask.shape[:-1]) % 3 == 1,
    )
    everywhere = np.broadcast_to(mask, (2, 3, 2, 2))
    seen = show(AttentionView(softmax(2, 3, 2, 2, mask=everywhere), ["a", "b"], mask=mask))
    for layer in range(2):
        for head in range(3):
            for key, (i, j) in zip(
                ["Home", "End", "ArrowDown", "Home"], [(0, 0), (0, 1), (1, 1), (1, 0)]
            ):
                seen.keys(key)
                assert ("not allowed" in seen.said()) == (not everywhere[layer, head, i, j]), (
                    layer,
                    head,
                    i,
                    j,
                )
            seen.keys("ArrowUp", "]")
        seen.keys("}")


def test_what_is_wrong_is_shown(show):
    mask = np.tril(np.ones((5, 5), bool))
    weights = softmax(5, 5, mask=mask)
    weights[0, 3], weights[2, 1], weights[4] = 0.3, np.nan, weights[4] / 2
    seen = show(AttentionView(weights, WORDS[:5], mask=mask))
    notes = seen.notes().splitlines()
    assert len(notes) == 3 and all(note.startswith("⚠ ") for note in notes)
    assert any("1 " in n and "NaN" in n for n in notes) and any(
        "2 of 5 rows do not sum to 1" in n for n in notes
    )
    seen.point(0, 3)
    assert seen.said().endswith("not allowed, but has the weight .30; the row adds up to 1.30.")
    seen.point(2, 1)
    assert seen.said().endswith("NaN, not a number.") and seen.colour(2, 1) == [212, 0, 42]
    seen.point(2, 0)
    assert seen.said().endswith("the row adds up to NaN.")
    seen.point(4, 0)
    assert seen.said().endswith("the row adds up to 0.50.")
    red = [
        [
            np.abs(np.subtract(seen.colour(0, j, dx=k / 34 - 0.5), (212, 0, 42))).max() < 60
            for k in range(5)
        ]
        for j in (3, 4)
    ]
    assert any(red[0]) and not any(red[1])  # the red frame


def test_numbers_beyond_0_and_1(show):
    mask = np.array([[True, False, True], [True, True, True]])
    weights = np.array([[-0.5, 0.0, 0.25], [1.5, 2.0, -2.5]])
    seen = show(AttentionView(weights, ["x", "y"], key_tokens=["a", "b", "c"], mask=mask))
    for i, j, text in [
        (0, 0, " −.50;"),
        (0, 2, " .25, rank 1 of the 2 allowed; the row adds up to −0.25."),
        (1, 1, " 2.00, rank 1 of 3."),
    ]:
        seen.point(i, j)
        assert text in seen.said()
    seen.point(0, 1)
    assert seen.said().endswith(": not allowed.")
    assert "2 weights are negative" in seen.notes()


def test_differences_have_a_sign_and_use_all_colours(show):
    seen = show(AttentionView([[0.02, -0.01], [0.0, -0.02]], ["a", "b"], signed=True, compact=True))
    for (i, j), text in {(0, 0): "+.02", (0, 1): "−.010", (1, 0): ".000", (1, 1): "−.02"}.items():
        seen.point(i, j)
        assert seen.said().endswith(f": {text}.")
    wanted = {(0, 0): (45, 0, 75), (1, 0): (247, 247, 247), (1, 1): (127, 59, 8)}
    assert (
        max(
            np.abs(np.subtract(seen.colour(*cell), colour)).max() for cell, colour in wanted.items()
        )
        <= 3
    )


@pytest.mark.parametrize(
    "token",
    [
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<s>",
        "BLOBS",
        "SOURCE STATE",
        "&amp;",
        "\u2028",
        "👩‍👩‍👧",
        "שלום",
    ],
)
def test_tokens_are_text(show, token):
    view = AttentionView(softmax(3, 3), ["<s>", token, "end"], title=token, titles=[token])
    seen = show(view)
    seen.point(1, 1, click=True)
    assert f"{view.tokens[1]} (query 1) looks" in seen.said() or token == "\u2028"
    assert seen.names() == view.tokens
    assert seen.root.locator("script, img, s").count() == 0 and seen.tab.dialogs == []
    assert token.strip() in seen.page.title() or token == "\u2028"


CONTRAST = """(root) => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number), out = [];
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
    for (const node of root.querySelectorAll("*")) {
        if (!node.getClientRects().length) continue;
        if (![...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
        let behind = node, colour;
        do {
            colour = numbers(getComputedStyle(behind).backgroundColor);
            behind = behind.parentElement; }
        while (behind && colour.length === 4 && colour[3] === 0);
        const [a, b] = [light(numbers(getComputedStyle(node).color)), light(colour)];
        out.push([node.textContent.trim().slice(0, 30),
            (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
    }
    return out; }"""


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("form", ["map", "threads"])
def test_contrast(show, theme, form):
    """Of the words around a map, and of those of a running text on every shade."""
    weights, tokens = softmax(30, 30), [WORDS[i % 12] for i in range(30)]
    weights[0, 1], weights[2] = np.nan, np.linspace(0, 1, 30)  # every shade behind a word
    view = AttentionView(weights, tokens, title="a title", form=form)
    seen = show(view, dark=theme == "dark")
    paper = seen.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert paper == {"dark": "rgb(24, 26, 31)", "light": "rgb(255, 255, 255)"}[theme]
    seen.control("at least")
    for row in (2, 0):
        if form == "map":
            seen.point(row, 3, click=True)
        else:
            seen.root.locator(".text span").nth(row).click()
        seen.tab.frames()
        found = seen.root.evaluate(CONTRAST)
        assert len(found) > (12 if form == "map" else 40) and any("⚠" in text for text, _ in found)
        assert [line for line in found if line[1] < 4.5] == []


def test_dark_and_light_while_the_page_is_open(show):
    seen = show(AttentionView(softmax(4, 4), WORDS[:4]))
    assert seen.root.evaluate("(root) => getComputedStyle(root).color") == "rgb(27, 31, 36)"
    light = seen.picture()
    seen.page.emulate_media(color_scheme="dark")
    assert seen.picture() != light
    assert seen.root.evaluate("(root) => getComputedStyle(root).color") == "rgb(232, 234, 237)"


def test_everything_is_reached_with_tab_and_shows_the_focus(show):
    seen = show(AttentionView(softmax(2, 2, 4, 4), WORDS[:4]))
    more = seen.root.get_by_role("button", name="more", exact=True)
    assert more.get_attribute("aria-expanded") == "false"
    assert not any(seen.root.get_by_label(name).is_visible() for name in RARE)
    more.focus()
    seen.page.keyboard.press("Enter")
    less = seen.root.get_by_role("button", name="less", exact=True)
    assert less.get_attribute("aria-expanded") == "true"
    seen.page.evaluate("() => document.activeElement.blur()")
    seen.page.mouse.click(1, 1)
    reached = []
    for _ in range(16):
        seen.page.keyboard.press("Tab")
        seen.tab.frames()
        name, outline = seen.page.evaluate(
            """() => { const e = document.activeElement;
            return [e.getAttribute("aria-label") || e.labels?.[0]?.firstChild.data || e.tagName,
                getComputedStyle(e).outlineStyle]; }"""
        )
        reached.append(name.split(":")[0])
        assert outline != "none" or name == "BODY", name
    for name in ["layer", "head", "view by", *RARE, "attention weights"]:
        assert name in reached, (name, reached)
    seen.canvas.focus()
    seen.page.keyboard.press("ArrowDown")
    assert "The (query 0)" in seen.said()
    seen.control("head").focus()
    seen.page.keyboard.press("ArrowDown")  # a control keeps its own keys
    assert seen.control("head").evaluate("e => e.value") == "1" and "The (query 0)" in seen.said()


@pytest.mark.parametrize("n, most, ready_ms", [(12, 168_000, 1_500), (256, 8_600_000, 1_500)])
def test_size_and_speed(show, n, most, ready_ms):
    tokens = [WORDS[i % 12] for i in range(n)]
    view = AttentionView(softmax(6, 12, n, n), tokens)
    size = len(view.to_html())
    seen = show(view)
    ready = seen.page.evaluate("() => performance.now()")
    hover = seen.page.evaluate("""async () => {
        const canvas = document.querySelector("canvas[role=application]");
        const said = document.querySelector(".attnlib-readout"), times = [];
        const box = canvas.getBoundingClientRect();
        const [left, above, width, height] = canvas.dataset.cells.split(" ").map(Number);
        for (let k = 0; k < 15; k++) {
            const old = said.textContent, start = performance.now();
            const clientX = box.left + left + width * (2.5 + (k % 2));
            const clientY = box.top + above + height * (0.5 + (k % 9));
            canvas.dispatchEvent(new PointerEvent("pointermove",
                { clientX, clientY, bubbles: true, pointerType: "mouse" }));
            while (said.textContent === old) await new Promise(requestAnimationFrame);
            times.push(performance.now() - start);
            await new Promise(requestAnimationFrame);
        }
        return times; }""")
    typical = statistics.median(hover)
    print(
        f"\n{n} tokens × 72 heads: {size:,} bytes, ready after {ready:.0f} ms, hover {typical:.1f}"
        f" ms (most {max(hover):.0f})"
    )
    assert size <= most
    # loose: the machine may be busy; the printed numbers count
    assert ready < 3 * ready_ms and typical < 100


# ---- every number, field and listener ------------------------------------------------------------


@pytest.mark.parametrize("lower", [True, False])
def test_ranks_count_the_allowed_keys_alone_where_weights_leak(show, lower):
    """Weights stand in blocked cells, too, some of them larger: they take no place in the ranks,
    nor in the number of keys.
    """
    mask = (
        np.tril(np.ones((5, 5), bool)) if lower else np.random.default_rng(2).random((5, 5)) < 0.6
    )
    weights, tokens = softmax(5, 5, seed=3), WORDS[:5]
    seen = show(AttentionView(weights, tokens, mask=mask))
    larger = (weights[:, None, :] > weights[:, :, None]) & ~mask[:, None, :]
    assert (larger.any(-1) & mask).sum() >= 4, "cells whose rank a leak would spoil"
    for i, j in np.ndindex(5, 5):
        seen.keys("ArrowRight" if j else "ArrowDown", *([] if j else ["Home"]))
        text = seen.said()
        if mask[i, j]:
            check(text, weights, i, j, tokens, mask=mask)
        else:
            weight = re.search(r": not allowed, but has the weight (\d?\.\d+)\.$", text)
            assert abs(float(weight[1]) - weights[i, j]) <= 5e-3 and "rank" not in text
    top = seen.control("only the top")
    top.fill("1")  # what is hidden is a share of all that is there
    share = 100 * (weights.sum() - weights.max(1).sum()) / weights.sum()
    assert abs(float(re.search(r"(\d+(\.\d)?) % of the weight", seen.notes())[1]) - share) <= 0.51


def test_what_a_model_writes_with_is_masked(show):
    """AttentionView(model(text)): the future is no key that a word could have chosen."""
    trace = load("tiny-gpt")("The cat saw it")
    n = len(trace.tokens)
    seen = show(AttentionView(trace))
    for i in (2, n - 2):
        seen.point(i, 0)
        assert f"of the {i + 1} allowed" in seen.said() or ".00" in seen.said()
        seen.point(i, i + 1)
        assert "rank" not in seen.said() and "not allowed" in seen.said()
    shut = seen.colour(2, n - 1)
    assert show(AttentionView(trace.weights, trace.tokens)).colour(2, n - 1) != shut, "hatched"


def test_ranks_follow_the_mask_of_their_own_head(show):
    mask = np.random.default_rng(2).random((2, 2, 3, 4)) < 0.5
    weights, tokens, keys = softmax(2, 2, 3, 4, seed=5), WORDS[:3], WORDS[3:7]
    mask[:, :, 1, 2] = True
    seen = show(AttentionView(weights, tokens, key_tokens=keys, mask=mask))
    seen.keys("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    for layer, head in [(0, 0), (0, 1), (1, 1), (1, 0)]:
        check(seen.said(), weights[layer, head], 1, 2, tokens, keys, mask=mask[layer, head])
        seen.keys("]" if layer == head else "}")


HELD = """
const held = window.held = [];
// not what playwright puts there
const hold = (entry) => { if (Error().stack.includes("tested.js")) held.push(entry); };
const inside = (node) => node instanceof Node
  && (!node.isConnected || node.closest?.("#one, #two"));
const drop = (test) => {
  const k = held.findIndex(test); if (k >= 0) held.splice(k, 1); return k >= 0; };
const { addEventListener, removeEventListener } = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (name, f, how) {
  const target = this ?? window;
  if (!inside(target) && !(target instanceof AbortSignal)) {
    hold({ what: `${target.constructor.name}: ${name}`, target, name, f });
    const gone = () => drop((one) => one.target === target && one.name === name && one.f === f);
    if (how?.signal) addEventListener.call(how.signal, "abort", gone);
  }
  return addEventListener.call(target, name, f, how);
};
EventTarget.prototype.removeEventListener = function (name, f, how) {
  const target = this ?? window;
  drop((one) => one.target === target && one.name === name && one.f === f);
  return removeEventListener.call(target, name, f, how);
};
MediaQueryList.prototype.addListener = function (f) { this.addEventListener("change", f); };
MediaQueryList.prototype.removeListener = function (f) { this.removeEventListener("change", f); };
for (const name of ["MutationObserver", "ResizeObserver", "IntersectionObserver"]) {
  window[name] = class extends window[name] {
    observe(node, how) { hold({ what: name, target: this, node }); super.observe(node, how); }
    unobserve(node) {
      drop((one) => one.target === this && one.node === node); super.unobserve(node); }
    disconnect() { while (drop((one) => one.target === this)); super.disconnect(); }
  };
}
for (const [start, stop] of [["setInterval", "clearInterval"], ["setTimeout", "clearTimeout"],
                             ["requestAnimationFrame", "cancelAnimationFrame"]]) {
  const begin = window[start], end = window[stop];
  window[start] = (f, ...rest) => {
    const entry = { what: start };
    hold(entry);
    return (entry.id = begin((...given) => {
      if (start !== "setInterval") drop((one) => one === entry);
      f(...given); }, ...rest));
  };
  window[stop] = (id) => { drop((one) => one.what === start && one.id === id); end(id); };
}
window.fake = (state) => {                                             // a model as Backbone has it
  const heard = [], names = (all) => all.split(/\\s+/);
  return { heard, state,
    get: (name) => state[name], set(name, value) { this.tell(name, value); }, save_changes() {},
    on(all, f) { names(all).forEach((name) => heard.push([name, f])); },
    off(all, f) { for (let k = heard.length - 1; k >= 0; k--)
      if ((!all || names(all).includes(heard[k][0]))
          && (!f || heard[k][1] === f)) heard.splice(k, 1); },
    tell(name, value) { state[name] = value;
      for (const [one, f] of [...heard]) if (one === `change:${name}` || one === "change") f(); } };
};
"""


@pytest.fixture
def stage(tab, tmp_path):
    """stage(widget, source) opens a page that knows the source as `render` and a model of the
    widget as `model`, not yet rendered.

    `held` lists what the page has to hold on to from outside the two places #one and #two:
    listeners, observers, clocks, frames.
    """
    tab.forget()

    def stage(widget, source=AttentionView._esm):
        state = widget.get_state()
        plain = {
            name: value
            for name, value in state.items()
            if isinstance(value, (str, int, float, list, dict, type(None)))
        }
        blobs = {
            name: base64.b64encode(value).decode()
            for name, value in state.items()
            if isinstance(value, (bytes, memoryview))
        }
        script = f"""{HELD}
            const state = {json.dumps(plain)}, blobs = {json.dumps(blobs)};
            const bytes = (text) =>
                new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
            for (const [name, text] of Object.entries(blobs)) state[name] = bytes(text);
            window.model = fake(state);"""
        code = source.replace("export default {", "window.thing = {")
        places = '<div class="widget-vbox"><div id="one"></div><div id="two"></div></div>'
        html = f'<!doctype html><meta charset="utf-8"><body style="background:#fff">{places}'
        html = (
            f'{html}<script>{script}</script><script type="module">{code}\n//#'
            " sourceURL=tested.js</script>"
        )
        (tmp_path / "stage.html").write_text(html)
        tab.page.emulate_media(color_scheme="light")
        tab.page.goto((tmp_path / "stage.html").as_uri())
        tab.page.wait_for_function("() => window.thing")
        return tab.page

    yield stage
    tab.clean()


START = """async (place) => { const el = document.getElementById(place);
    (window.ends ||= {})[place] = await thing.render({ model, el, experimental: {} }); }"""
END = "(place) => ends[place]()"
SHOWN = """(place) => { const el = document.getElementById(place);
    return [el.innerHTML, ...[...el.querySelectorAll("canvas")].map((one) => one.toDataURL())]; }"""
LEFT = "() => [...model.heard.map(([name]) => name), ...held.map((one) => one.what)].sort()"
STIR = """() => { Object.assign(model.state, { pinned: [1, 1], title: "other" });
    for (const name of Object.keys(model.state)) model.tell(name, model.state[name]);
    document.body.style.background = "#000"; document.body.className = "other";
    document.body.dataset.jpThemeLight = "false";
    window.dispatchEvent(new Event("resize")); }"""
VIEWS = {
    "view": (
        lambda: AttentionView(softmax(2, 2, 4, 4), WORDS[:4], mask=np.tri(4, dtype=bool)),
        AttentionView._esm,
    ),
    "view in steps": (
        lambda: AttentionView(softmax(3, 4, 4), WORDS[:4], steps=["a", "b", "c"]),
        AttentionView._esm,
    ),
    "compact view": (
        lambda: AttentionView(softmax(4, 4), WORDS[:4], compact=True),
        AttentionView._esm,
    ),
    "page": (page.Page, page.Page._esm),
}


@pytest.mark.parametrize("moment", ["at once", "drawn", "stirred"])
@pytest.mark.parametrize("name", VIEWS)
def test_what_is_rendered_lets_go_of_everything(stage, tab, name, moment):
    """Of the model, the window, the page, the system's colours, and of a frame that is still to
    come; and then draws nothing.
    """
    make, source = VIEWS[name]
    tested = stage(make(), source)
    assert tested.evaluate(LEFT) == []
    look = f"() => {{ (window.looks ||= []).push(({LEFT})()); }}"
    if moment == "at once":
        steps = [START, look, END, look]
    else:
        tested.evaluate(START, "one")
        tab.frames()
        steps = [look, *[STIR] * (moment == "stirred"), END, look]
    # no frame between them
    tested.evaluate("async () => {" + "".join(f"await ({step})('one');" for step in steps) + "}")
    full, after = tested.evaluate("() => window.looks")
    assert {"MutationObserver", "MediaQueryList: change"} <= set(full) and (
        len(full) > 20 or name == "page"
    )
    assert ("requestAnimationFrame" in full) == (moment == "at once")
    assert after == tested.evaluate(LEFT) == []
    before = tested.evaluate(SHOWN, "one")
    tested.evaluate(STIR)
    tested.emulate_media(color_scheme="dark")
    tab.frames()
    assert tested.evaluate(SHOWN, "one") == before and tested.evaluate(LEFT) == []


def test_of_two_views_of_one_model_the_other_goes_on(stage, tab):
    tested = stage(VIEWS["view"][0]())
    tested.evaluate(START, "one")
    tab.frames()
    alone = tested.evaluate(LEFT)
    tested.evaluate(START, "two")
    tab.frames()
    assert len(tested.evaluate(LEFT)) == 2 * len(alone)
    tested.evaluate(END, "one")
    assert tested.evaluate(LEFT) == alone
    tested.evaluate(
        "() => { model.tell('pinned', [2, 1]); model.tell('head', 1); model.tell('_dom_classes',"
        " ['mine']); }"
    )
    tab.frames()
    said = "(place) => document.querySelector(`#${place} .attnlib-readout`).textContent"
    assert "sat (query 2) looks at cat (key 1)" in tested.evaluate(
        said, "two"
    ) and "query 2" not in tested.evaluate(said, "one")
    assert tested.evaluate(
        "() => [...document.querySelectorAll('.mine')].map((one) => one.parentElement.id)"
    ) == ["two"]


TYPED = [
    ("only the top", "03", "top_k", 3),
    ("only the top", "2.5", "top_k", 2),
    ("only the top", "00", "top_k", 0),
    ("at least", "0.05", "threshold", 0.05),
    ("at least", "0.10", "threshold", 0.1),
    ("at least", "-1", "threshold", 0),
]


@pytest.mark.parametrize("label, text, trait, value", TYPED)
def test_a_number_field_is_the_readers_while_he_types_in_it(stage, tab, label, text, trait, value):
    """Letter by letter, with pictures drawn between: what stands there is what was typed, and the
    view follows.
    """
    tested = stage(VIEWS["view"][0]())
    tested.evaluate(START, "one")
    tab.frames()
    seen = Seen(tab, tested.locator("#one .attnlib-view"))
    field, other = (
        seen.control(name)
        for name in (label, {"only the top": "at least", "at least": "only the top"}[label])
    )
    field.focus()
    for n in range(1, len(text) + 1):
        tested.keyboard.type(text[n - 1])
        tab.frames()
        tested.evaluate("() => model.tell('title', 'a')")  # something else changes meanwhile
        tab.frames()
        if text[n - 1] not in ".-":  # half a number is no value yet
            assert field.input_value() == text[:n]
    assert tested.evaluate("(name) => model.get(name)", trait) == value
    tested.evaluate("() => { model.tell('top_k', 4); model.tell('threshold', 0.25); }")
    tab.frames()
    wanted = {"only the top": "4", "at least": "0.25"}
    assert (
        field.input_value() == text
        and other.input_value() == wanted[{"at least": "only the top"}.get(label, "at least")]
    )
    field.blur()
    tested.evaluate("() => model.tell('title', 'b')")
    tab.frames()
    assert field.input_value() == wanted[label]
    tested.evaluate("() => { model.tell('top_k', 0); model.tell('threshold', 0); }")
    tab.frames()
    assert field.input_value() == other.input_value() == ""


def test_controls_follow_the_model_and_a_list_that_is_open_stays_as_it_is(stage, tab):
    tested = stage(VIEWS["view"][0]())
    tested.evaluate(START, "one")
    tab.frames()
    seen = Seen(tab, tested.locator("#one .attnlib-view"))
    labels = ["layer", "head", "view by", "colours"]
    for label in labels:
        seen.control(label).evaluate(
            "(list) => { [...list.options].forEach((one) => { one.kept = true; }); }"
        )
    seen.control("head").focus()
    tested.evaluate(
        """() => {
        const chosen = { layer: 1, head: 1, side: "key", scale: "sqrt", hide_first: true };
        for (const [name, value] of Object.entries(chosen)) model.tell(name, value); }"""
    )
    tab.frames()
    assert [seen.control(label).input_value() for label in labels] == ["1", "1", "1", "2"]
    assert seen.control("hide the first column").is_checked()
    kept = "(list) => [...list.options].every((one) => one.kept) && list.options.length"
    assert [seen.control(label).evaluate(kept) for label in labels] == [2, 2, 2, 3]
    tested.evaluate("() => model.tell('titles', ['first', 'second'])")
    tab.frames()
    assert (
        seen.control("head").locator("option").all_inner_texts() == ["first", "second"]
        and seen.control("head").input_value() == "1"
    )


def test_keys_that_are_typed_in_a_control_reach_nobody_else(stage, tab):
    tested = stage(VIEWS["view"][0]())
    tested.evaluate(START, "one")
    tab.frames()
    tested.evaluate(
        "() => { window.keys = []; document.addEventListener('keydown', (event) =>"
        " keys.push(event.key)); }"
    )
    seen = Seen(tab, tested.locator("#one .attnlib-view"))
    for label in [
        "layer",
        "head",
        "view by",
        "colours",
        "only the top",
        "at least",
        "hide the first column",
    ]:
        seen.control(label).focus()
        tested.keyboard.press("b")
    seen.keys("ArrowDown", "Home", "]", "}", "Escape")
    assert tested.evaluate("() => keys") == []
    seen.keys("b")
    assert tested.evaluate("() => keys") == ["b"]  # what is none of its own goes on


# ---- JupyterLab and Notebook 7 -------------------------------------------------------------------

SENTENCE = "The cat sat on a mat because it was so tired today"
CAUSAL = np.tril(np.ones((6, 6), bool))
ARRAYS = {
    "one": softmax(6, 6, mask=CAUSAL),
    "two": softmax(2, 3, 4, 4, seed=1),
    "a": softmax(5, 5, seed=2),
    "b": softmax(5, 5, seed=3),
    "qkv": np.random.default_rng(4).normal(size=(3, 4, 3)),
}
CELLS = {
    "setup": (
        """import numpy as np
from attnlib.course import explorer
from attnlib.show import AttentionView, CompareView, Machine, explore, heatmap
stored = np.load("arrays.npz")
words = "The cat sat on a mat because it was so tired today".split()"""
    ),
    "one": (
        "one = AttentionView(stored['one'], words[:6], mask=np.tril(np.ones((6, 6), bool)))\none"
    ),
    "two": (
        "two = AttentionView(stored['two'], ['<s>', '<script>alert(1)</script>', '<b>x</b>',"
        " 'end'])\ntwo.pinned = None\ntwo"
    ),
    "pins": "print(one.pinned, two.pinned, two.head)",
    "compare": "both = CompareView(stored['a'], stored['b'], words[:5])\nboth",
    "compare pin": "print(both.pinned, [view.pinned for view in both.views])",
    "machine": "machine = Machine(*stored['qkv'], words[:4], word=0, key=0)\nmachine",
    "machine says": (
        """at = machine.word, machine.key
print(words[at[0]], words[at[1]], machine.stage, f"{machine.temperature:.2f}")
print(machine.weights[at].round(2))"""
    ),
    "explorer": f"thing = explorer({SENTENCE!r})\nthing",
    "explorer says": (
        """print(thing.model, thing.pattern, thing.form, thing.head, thing.pins, thing.taught)
print(thing.weights.shape, repr(thing.sentence))"""
    ),
    "explore": (
        """def draw(x=0.5, n=12):
    return heatmap(np.eye(n) * x + (1 - x) / n, [str(i) for i in range(n)])
explore(draw, x=(0.0, 1.0, 0.02), n=[12, 64])"""
    ),
}
NUMBER = {name: k for k, name in enumerate(CELLS)}
IDLE = """() => { const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return session?.session?.kernel?.status === "idle"
        && window.jupyterapp.shell.currentWidget.content.widgets?.length
        && ![...document.querySelectorAll(".jp-InputPrompt")]
            .some((prompt) => prompt.textContent.includes("*")); }"""
NOTEBOOK = (
    "() =>"
    " JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells.map((c)"
    " => [c.id, c.source]))"
)


def write_notebook(path):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{k}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for k, source in enumerate(CELLS.values())
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(
        json.dumps(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
        )
    )


class Notebook:
    """The notebook of CELLS, open in a front end."""

    def __init__(self, tab, address, folder):
        self.tab, self.page, self.address, self.folder = tab, tab.page, address, folder

    def open(self, name="views.ipynb"):
        self.tab.page.goto(f"{self.address}/{name}")
        self.page.wait_for_function(IDLE, timeout=60_000)

    def command(self, name, **arguments):
        self.page.evaluate(
            "async ([name, given]) => { await window.jupyterapp.commands.execute(name, given); }",
            [name, arguments],
        )

    def run_all(self):
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(IDLE, timeout=60_000)
        self.cell("explore").locator("img").wait_for()

    def run(self, name):
        """Run one cell again. -> what it printed"""
        self.page.evaluate(
            "(k) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = k; }",
            NUMBER[name],
        )
        self.command("notebook:run-cell")
        self.page.wait_for_function(IDLE)
        return self.cell(name).locator(".jp-OutputArea-output").inner_text().strip()

    def cell(self, name):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(NUMBER[name])

    def view(self, name, number=0):
        root = self.cell(name).locator(".attnlib-view").nth(number)
        root.locator(PICTURE).wait_for()
        root.scroll_into_view_if_needed()
        return Seen(self.tab, root)

    def explorer(self):
        """The explorer with all its controls, as a reader handles it."""
        root = self.cell("explorer").locator(".attnlib-live")
        root.scroll_into_view_if_needed()
        return Shown(self.tab, root)

    def save(self):
        self.command("docmanager:save")
        self.page.wait_for_function(
            "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"
        )

    def shut_down(self):
        self.page.evaluate(
            "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
        )


def open_notebook(browser, folder, app):
    """Start the front end, open the notebook of CELLS there and run it."""
    files = folder / "files"
    files.mkdir()
    np.savez(files / "arrays.npz", **ARRAYS)
    write_notebook(files / "views.ipynb")
    with lab.jupyter(folder, files, app) as server:
        tab = lab.Tab(browser, width=1100)
        notebook = Notebook(tab, f"{server}/{'doc/tree' if app == 'lab' else 'notebooks'}", files)
        notebook.open()
        notebook.run_all()
        yield notebook
        tab.context.close()


@pytest.fixture(scope="module")
def lab_notebook(browser, tmp_path_factory):
    yield from open_notebook(browser, tmp_path_factory.mktemp("lab"), "lab")


@pytest.fixture(scope="module")
def notebook_7(browser, tmp_path_factory):
    yield from open_notebook(browser, tmp_path_factory.mktemp("notebook"), "notebook")


@pytest.fixture
def in_lab(lab_notebook, tmp_path, request):
    failed = request.session.testsfailed
    yield lab_notebook
    if request.session.testsfailed > failed:
        lab_notebook.page.screenshot(path=tmp_path / "failed.png")


@pytest.fixture
def in_notebook(notebook_7, tmp_path, request):
    failed = request.session.testsfailed
    yield notebook_7
    if request.session.testsfailed > failed:
        notebook_7.page.screenshot(path=tmp_path / "failed.png")


def test_lab_two_views_work_side_by_side(in_lab):
    one, two = in_lab.view("one"), in_lab.view("two")
    one.point(3, 1, click=True)
    check(one.said(), ARRAYS["one"], 3, 1, WORDS[:6], mask=CAUSAL)
    assert "Point at a cell" in two.said()
    two.keys("ArrowDown", "]", "]", "}", "End", "ArrowDown")
    names = ["<s>", "<script>alert(1)</script>", "<b>x</b>", "end"]
    check(two.said(), ARRAYS["two"][1, 2], 1, 3, names)
    check(one.said(), ARRAYS["one"], 3, 1, WORDS[:6], mask=CAUSAL)
    one.point(1, 4)
    assert one.said().endswith("not allowed.")
    assert two.names() == names and in_lab.tab.dialogs == []
    assert in_lab.run("pins") == "[3, 1] [1, 3] 2"


def test_lab_leaves_the_keys_to_the_view(in_lab):
    one = in_lab.view("one")
    one.point(2, 2, click=True)
    in_lab.tab.frames()
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    before, cells = in_lab.page.evaluate(active), in_lab.page.evaluate(NOTEBOOK)
    assert before == NUMBER["one"]
    # x would cut the cell, m make it Markdown; here x looks from the other side, m shows threads
    for key in [*"↓↓abddjkxxmm↑", "End", "ArrowLeft", "Enter", "Shift+L", "0", "0"]:
        key = {"↓": "ArrowDown", "↑": "ArrowUp"}.get(key, key)
        in_lab.page.keyboard.press(key)
        if key == "m":
            in_lab.page.wait_for_timeout(800)
    one.away()
    assert one.said() == "on (query 3) looks at a (key 4): not allowed."
    assert in_lab.page.evaluate(active) == before and in_lab.page.evaluate(NOTEBOOK) == cells
    assert in_lab.page.evaluate("() => document.activeElement.tagName") == "CANVAS"
    top = one.control("only the top")
    top.focus()
    in_lab.page.keyboard.type("2ab")
    assert "hidden" in one.notes() and in_lab.page.evaluate(NOTEBOOK) == cells
    in_lab.page.keyboard.press("ArrowUp")
    assert top.input_value() == "3"
    in_lab.page.keyboard.press("Backspace")
    one.control("view by").focus()
    in_lab.page.keyboard.press("ArrowDown")
    assert one.control("view by").input_value() == "1" and in_lab.page.evaluate(active) == before
    in_lab.page.keyboard.press("ArrowUp")


def test_lab_kernel_moves_the_view(in_lab):
    two = in_lab.view("two")
    in_lab.page.evaluate(
        """async () => {
        const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
        const code = "two.pinned = [2, 0]; two.layer = 0; two.head = 1";
        await kernel.requestExecute({ code }).done; }"""
    )
    two.root.page.wait_for_function(
        "(text) => document.body.innerText.includes(text)", arg="<b>x</b> (query 2) looks at "
    )
    check(two.said(), ARRAYS["two"][0, 1], 2, 0, two_names())


def two_names():
    return ["<s>", "<script>alert(1)</script>", "<b>x</b>", "end"]


def test_lab_compare_is_linked(in_lab):
    views = [in_lab.view("compare", k) for k in range(3)]
    views[1].point(3, 2, click=True)
    for view, key in zip(views, ["a", "b"]):
        view.away()
        check(view.said(), ARRAYS[key], 3, 2, WORDS[:5])
    said = re.search(r": ([+−]?)(\d?\.\d+)\.$", views[2].said())
    change = ARRAYS["b"][3, 2] - ARRAYS["a"][3, 2]
    assert abs(float(said[2]) - abs(change)) <= 5e-3 and said[1] == ("−" if change < 0 else "+")
    views[2].keys("ArrowUp", "Home")
    for view, key in zip(views, ["a", "b"]):
        check(view.said(), ARRAYS[key], 2, 0, WORDS[:5])
    assert in_lab.run("compare pin") == "[2, 0] [[2, 0], [2, 0], [2, 0]]"
    for view in views:
        shown = view.root.evaluate(
            "(root) => [root.scrollWidth - root.clientWidth, root.clientWidth]"
        )
        assert shown[0] <= 1, shown  # nothing is cut off


CHANGE = """async ([root, key]) => {  // from a key to changed pixels, in ms
    const image = [...root.querySelectorAll("img")].find((one) => one.offsetParent);
    const canvas = root.querySelector("canvas.cells, canvas");
    const look = () => { if (image) return image.complete ? image.src : null;
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        let sum = canvas.width;
        for (let k = 0; k < pixels.length; k += 4) sum = (sum * 31 + pixels[k]) % 1000003;
        return sum; };
    const old = look();
    let start = null;
    window.addEventListener("keydown", () => { start ??= performance.now(); },
        { capture: true, once: true });
    window.changed = (async () => {
        const given_up = performance.now() + 4000;
        for (;;) {
            await new Promise(requestAnimationFrame);
            const now = look();
            if (start !== null && now !== null && now !== old) return performance.now() - start;
            if (performance.now() > given_up) return -1;
        } })();
}"""


def moved(notebook, root, key):
    """Press a key and wait for the first picture below `root` to change. -> ms, or -1"""
    root.evaluate(f"(root, key) => ({CHANGE})([root, key])", key)
    notebook.page.keyboard.press(key)
    return notebook.page.evaluate("() => window.changed")


def slider(cell, name):
    return (
        cell.locator(".widget-slider, .widget-inline-hbox")
        .filter(has_text=re.compile(f"^{name}"))
        .first
    )


def latency(notebook, cell, name, label):
    handle = slider(cell, name).locator(".noUi-handle")
    handle.focus()
    times = []
    for _ in range(9):
        times.append(moved(notebook, cell, "ArrowRight"))
    assert min(times) > 0, times
    print(
        f"\nkey → pixels, {label}: median {statistics.median(times):.0f} ms of"
        f" {[round(t) for t in times]}"
    )
    # loose: the machine may be busy; the printed numbers count
    assert statistics.median(times) < 1000


def drag(notebook, cell, name, distance):
    """Drag the handle of a slider with the mouse."""
    handle, mouse = slider(cell, name).locator(".noUi-handle"), notebook.page.mouse
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + distance, y, steps=5)
    mouse.up()


def says(notebook, wanted):
    """What the explorer of the kernel says of itself, once it has heard of the page."""
    for _ in range(20):
        said = notebook.run("explorer says").splitlines()
        if said == wanted:
            return
        notebook.page.wait_for_timeout(200)
    assert said == wanted


def test_lab_explorer_tells_python_what_the_hands_did(in_lab):
    page = in_lab.explorer()
    assert page.said().startswith("it (query) looks at cat (key) .84, mat .14.")
    says(in_lab, ["built by hand standard threads 1 [7] {}", f"(8, 12, 12) {SENTENCE!r}"])
    page.press("causal")
    page.press("map")
    page.keys("ArrowUp", "ArrowRight")
    page.slide("number of heads", 5)
    says(in_lab, ["built by hand causal map 2 [6] {}", f"(5, 12, 12) {SENTENCE!r}"])
    text = page.root.get_by_role("textbox", name="sentence")
    text.fill("The robot wrote it")
    page.rest()
    page.word("robot")
    page.root.get_by_label("teach").select_option(label="animal")
    said = ["built by hand causal map 2 [1] {'robot': 'animal'}", "(5, 4, 4) 'The robot wrote it'"]
    says(in_lab, said)
    text.fill(SENTENCE)
    page.press("standard")
    page.press("threads")
    says(
        in_lab,
        ["built by hand standard threads 2 [7] {'robot': 'animal'}", f"(5, 12, 12) {SENTENCE!r}"],
    )


def test_lab_explorer_writes_with_tiny_gpt(in_lab):
    page = in_lab.explorer()
    heads, text = page.root.get_by_label("heads", exact=True), page.root.get_by_role("textbox")
    heads.select_option(label="tiny-gpt")
    page.root.get_by_role("button", name="write one token").wait_for()
    page.rest()
    assert "<start>" in page.texts() and "never looks ahead" in page.said()
    assert page.root.locator(".thumbs button:visible").count() == 16
    page.press("write one token")
    in_lab.page.wait_for_function(
        "([box, old]) => box.value.length > old.length", arg=[text.element_handle(), SENTENCE]
    )
    page.rest()
    assert text.input_value().startswith(SENTENCE)
    page.root.get_by_role("button", name="take one token back").click()
    in_lab.page.wait_for_function(
        "([box, old]) => box.value === old", arg=[text.element_handle(), SENTENCE]
    )
    page.rest()
    page.root.get_by_role("button", name="▶ write on").click()
    in_lab.page.wait_for_function(
        "([box, old]) => box.value.length > old.length + 12", arg=[text.element_handle(), SENTENCE]
    )
    page.root.get_by_role("button", name="❚❚ stop").click()
    page.rest()
    in_lab.page.wait_for_timeout(1000)
    written = text.input_value()
    in_lab.page.wait_for_timeout(1500)
    assert text.input_value() == written, "stopped"
    times = page.root.evaluate(FED)
    print(f"\nslider → fed heads: {[round(one) for one in times]} ms")
    heads.select_option(label="random")
    in_lab.page.wait_for_function(
        "(root) => root.innerText.includes('random 5')", arg=page.root.element_handle()
    )
    assert "means nothing" in page.said()
    heads.select_option(label="built by hand")
    page.root.get_by_role("button", name="write one token").wait_for(state="hidden")
    text.fill(SENTENCE)
    page.rest()
    assert page.said().startswith("it (query) looks at cat")


# the temperature of the next token moves: how long until other bars are drawn
FED = """async (root) => {
    const slider = root.querySelector("input[aria-label=temperature]"), times = [];
    const bars = () => root.querySelector(".bars").innerText;
    for (let k = 0; k < 7; k++) {
        const before = bars(), start = performance.now();
        slider.value = k % 2 ? 0.3 : -0.3 + k / 50;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        while (bars() === before) await new Promise(requestAnimationFrame);
        times.push(performance.now() - start);
        await new Promise((done) => setTimeout(done, 200));
    }
    return times;
}"""


def test_lab_explorer_says_why_a_sentence_is_not_read(in_lab):
    page = in_lab.explorer()
    text = page.root.get_by_role("textbox")
    text.fill("")
    page.rest()
    assert page.said() == "Type at least one word."
    heads = page.root.get_by_label("heads", exact=True)
    heads.select_option(label="tiny-gpt")
    text.fill("word, " * 200)
    page.root.get_by_text("trained on at most 256").wait_for()
    text.fill(SENTENCE)
    page.root.get_by_text("never looks ahead").wait_for()
    heads.select_option(label="built by hand")
    page.rest()
    assert page.said().startswith("it (query) looks at cat")


def told_to_a_screen_reader(cell):
    """The controls of a real page have names and states, and the picture its words."""
    for handle in cell.locator("[role=slider]").all():
        line = handle.locator("xpath=ancestor::*[.//*[contains(@class, 'widget-readout')]][1]")
        assert handle.get_attribute("aria-label") == line.locator(".widget-label").inner_text()
        readout = line.locator(".widget-readout").inner_text()
        assert handle.get_attribute("aria-valuetext") == readout
    groups = cell.locator(".widget-toggle-buttons")
    for group in groups.all():
        pressed = [one.get_attribute("aria-pressed") for one in group.locator("button").all()]
        assert group.get_attribute("aria-label") and pressed.count("true") == 1
    assert cell.locator("[role=slider]").count() and groups.count()
    assert len(cell.locator("img").first.get_attribute("alt")) > 10


def test_lab_explore(in_lab):
    cell = in_lab.cell("explore")
    image = cell.locator("img")
    image.scroll_into_view_if_needed()
    latency(in_lab, cell, "x", "explore, 12 tokens")
    cell.get_by_role("button", name="64").click()
    in_lab.page.wait_for_timeout(500)
    latency(in_lab, cell, "x", "explore, 64 tokens")
    old = image.get_attribute("src")
    told_to_a_screen_reader(cell)
    controls, look = cell.locator(".attnlib-controls"), "(node) => getComputedStyle(node).color"
    assert [one.bounding_box()["height"] for one in controls.locator("> *").all()] == [28, 28]
    faint = in_lab.cell("one").locator(".attnlib-view .row label").first.evaluate(look)
    assert controls.locator(".widget-label").first.evaluate(look) == faint
    drag(in_lab, cell, "x", -40)
    in_lab.page.wait_for_function(
        "([image, old]) => image.src !== old", arg=[image.element_handle(), old]
    )
    in_lab.tab.frames()
    told_to_a_screen_reader(cell)


def test_lab_machine_tells_python_what_is_chosen(in_lab):
    root = in_lab.cell("machine").locator(".attnlib-live.machine")
    root.scroll_into_view_if_needed()
    cells = in_lab.page.evaluate(NOTEBOOK)
    root.locator("svg[tabindex]").focus()
    for key in ("ArrowDown", "ArrowDown", "End", "-", "ArrowLeft", "a"):
        in_lab.page.keyboard.press(key)
    assert in_lab.page.evaluate(NOTEBOOK) == cells, "the keys are the picture's"
    root.get_by_role("slider", name="temperature").focus()
    in_lab.page.keyboard.press("ArrowLeft")
    in_lab.page.wait_for_timeout(400)
    shown = root.locator(".chain .number").last.inner_text()
    said, weight = in_lab.run("machine says").splitlines()
    assert said == "sat sat mixture 0.93" and float(weight) == float(shown)


def corner(image):
    """The colour of the paper that a picture is drawn on."""
    script = """(image) => {
        const canvas = new OffscreenCanvas(2, 2), pen = canvas.getContext("2d");
        pen.drawImage(image, 0, 0);
        return [...pen.getImageData(1, 1, 1, 1).data].slice(0, 3);
    }"""
    return image.evaluate(script)


def rgb(theme):
    return [int(sheet.THEMES[theme]["paper"][place : place + 2], 16) for place in (1, 3, 5)]


def test_lab_dark_theme(in_lab):
    one, images = in_lab.view("one"), [in_lab.cell("explore").locator("img")]
    light = one.picture()
    assert [corner(image) for image in images] == [rgb("light")]
    in_lab.command("apputils:change-theme", theme="JupyterLab Dark")
    in_lab.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    in_lab.page.wait_for_timeout(1500)
    assert one.picture() != light
    assert [corner(image) for image in images] == [rgb("dark")], (
        "pictures from the kernel follow the page"
    )
    machine = in_lab.cell("machine").locator(".attnlib-live.machine")
    assert "dark" in machine.get_attribute("class").split()
    assert [line for line in one.root.evaluate(CONTRAST) if line[1] < 4.5] == []
    in_lab.command("apputils:change-theme", theme="JupyterLab Light")
    in_lab.page.wait_for_function("() => document.body.dataset.jpThemeLight === 'true'")
    in_lab.page.wait_for_timeout(1500)
    assert one.picture() == light
    assert [corner(image) for image in images] == [rgb("light")]


def test_lab_settings_are_installed():
    path = lab.Path(lab.sys.prefix) / "share/jupyter/lab/settings/overrides.d/attnlib.json"
    assert json.loads(path.read_text()) == {
        "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}
    }, "pip install -e . again"


def reopened(notebook):
    """Save, end the kernel, open again: the views are there, and work."""
    notebook.view("one").keys("Escape", "Home", "ArrowDown", "ArrowDown")
    notebook.tab.frames()
    notebook.page.wait_for_timeout(300)
    notebook.save()
    notebook.shut_down()
    notebook.page.wait_for_timeout(300)
    notebook.open()
    one, two = notebook.view("one"), notebook.view("two")
    check(one.said(), ARRAYS["one"], 2, 0, WORDS[:6], mask=CAUSAL)
    one.keys("ArrowRight")
    check(one.said(), ARRAYS["one"], 2, 1, WORDS[:6], mask=CAUSAL)
    two.keys("Home", "ArrowDown")
    assert "<s> (key 0)" in two.said()
    page = notebook.explorer()
    page.press("local")
    assert "looks are allowed" in page.said()
    heads = page.root.get_by_label("heads", exact=True).locator("option")
    assert [one.is_disabled() for one in heads.all()][:2] == [False, True]
    assert heads.nth(1).inner_text() == "random: needs a running kernel"
    page.press("standard")
    assert "looks are allowed" not in page.said(), "what the page computes goes on"
    assert notebook.cell("compare").locator(".attnlib-view").count() == 3


def test_lab_shows_the_views_of_a_saved_notebook(in_lab):
    reopened(in_lab)


def test_lab_shows_pictures_where_the_notebook_is_not_trusted(in_lab):
    saved = json.loads((in_lab.folder / "views.ipynb").read_text())
    assert saved["metadata"]["widgets"]
    saved["cells"].append(
        {"cell_type": "markdown", "id": "more", "metadata": {}, "source": "changed by someone else"}
    )
    (in_lab.folder / "untrusted.ipynb").write_text(json.dumps(saved))
    in_lab.open("untrusted.ipynb")
    for name in ("one", "two", "compare", "machine", "explorer", "explore"):
        image = in_lab.cell(name).locator("img")
        image.wait_for()
        assert image.evaluate("(image) => image.complete && image.naturalWidth") > 100
    assert in_lab.page.locator(".attnlib-view").count() == 0


def test_lab_is_clean(in_lab):
    in_lab.tab.clean()


def test_notebook_7(in_notebook):
    one, two = in_notebook.view("one"), in_notebook.view("two")
    cells = in_notebook.page.evaluate(NOTEBOOK)
    one.point(3, 1, click=True)
    for key in ["ArrowUp", "ArrowRight", "a", "b", "d", "d"]:
        in_notebook.page.keyboard.press(key)
    one.away()
    check(one.said(), ARRAYS["one"], 2, 2, WORDS[:6], mask=CAUSAL)
    two.keys("]", "}", "Home")
    check(two.said(), ARRAYS["two"][1, 1], 0, 0, two_names())
    two.control("head").focus()
    in_notebook.page.keyboard.press("ArrowDown")
    check(two.said(), ARRAYS["two"][1, 2], 0, 0, two_names())
    assert in_notebook.page.evaluate(NOTEBOOK) == cells
    # the front end sends a change when the kernel has answered the one before
    wanted = "[2, 2] [0, 0] 2"
    assert any(
        in_notebook.run("pins") == wanted or in_notebook.page.wait_for_timeout(200)
        for _ in range(20)
    ), in_notebook.run("pins")


def test_notebook_7_explorer(in_notebook):
    page = in_notebook.explorer()
    page.press("causal")
    page.keys("Home", "ArrowRight")
    says(in_notebook, ["built by hand causal threads 2 [0] {}", f"(8, 12, 12) {SENTENCE!r}"])


def test_notebook_7_shows_the_views_of_a_saved_notebook(in_notebook):
    reopened(in_notebook)


def test_notebook_7_is_clean(in_notebook):
    # Notebook 7.6 says so at its start, without any of our files
    own = "Cannot read properties of undefined (reading 'schema')"
    in_notebook.tab.errors = [error for error in in_notebook.tab.errors if error != own]
    in_notebook.tab.clean()
