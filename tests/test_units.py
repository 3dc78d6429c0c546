"""AttentionView in words, in steps, and of a text that is being written: its numbers in node
against NumPy, and in a browser under a reader's hands.
"""

import node
import numpy as np
import pytest
from test_view_js import START, softmax, traits

from attnlib.show import AttentionView, words
from attnlib.show.live import view as module
from attnlib.show.words import allowed_by_words, by_words

PIECES = ["The", " c", "at", " sat", ",", " un", "believ", "able", "."]
NAMES = ["The", "cat", "sat", ",", "unbelievable", "."]
STARTS = [0, 1, 3, 4, 5, 8]
HOWS = ["head", "mean layer", "max layer", "mean all", "max all"]
N = len(PIECES)
CAUSAL = np.tri(N, dtype=bool)


def run(tmp_path, script, data):
    start = START + 'import * as units from "./units.js";\n'
    return node.run(node.modules(tmp_path), start + script, data)


def cut_up(n_q, n_k, rng):
    """Tokens of words with a few pieces each, for queries and for keys."""
    for n in (n_q, n_k):
        yield [f"{'Ġ' * (not i or rng.random() < 0.5)}{chr(97 + i)}" for i in range(n)]


# ---- numbers -------------------------------------------------------------------------------------


def test_words_are_those_of_numpy(tmp_path):
    """Pieces are summed over keys, averaged over queries, in each head: a max in words is never
    more than the largest of the heads. A word may look where one of its pieces may.
    """
    rng, cases = np.random.default_rng(0), []
    for n in range(30):
        layers, heads, n_q, n_k = rng.integers(1, [4, 4, 9, 9])
        mask = rng.random([(n_q, n_k), (layers, heads, n_q, n_k)][n % 2]) < 0.6
        weights = softmax(layers, heads, n_q, n_k, seed=n)
        if n % 3 == 0:  # rows that do not add up to 1
            weights *= rng.uniform(0.5, 1, (n_q, 1))
        weights[0, 0, -1, 0] = np.nan if n % 5 == 0 else weights[0, 0, -1, 0]
        tokens, keys = cut_up(n_q, n_k, rng)
        view = AttentionView(weights, tokens, key_tokens=keys, mask=mask)
        view.how = HOWS[n % 5]
        if view._words:
            cases.append((view, *view._words["starts"]))
    script = """const range = heat.range;
    say(data.map((state) => { const starts = units.worded({ ...state, unit: "words" });
      const one = heat.shownOf(opened(state), { ...state, step: 0 }, starts);
      return { rows: range(one.nq).map(one.row), sums: range(one.nq).map(one.sum),
        closed: range(one.nq).map((i) => range(one.nk).map((j) => one.closed(i, j))) }; }));"""
    more = ["layer", "head", "how", "_words"]
    data = [traits(view) | {name: getattr(view, name) for name in more} for view, *_ in cases]
    assert len(cases) > 20
    for (view, *both), got in zip(cases, run(tmp_path, script, data)):
        array = view.array.reshape(-1, *view.array.shape[-2:])
        masks = np.broadcast_to(view.mask, view.array.shape).reshape(array.shape)
        part = slice(None) if view.how.endswith("all") else slice(0, view.array.shape[1])
        part = slice(0, 1) if view.how == "head" else part
        heads = np.stack([by_words(head, *both) for head in array[part]])
        wanted = getattr(np, view.how[:4].strip().replace("head", "max"))(heads, axis=0)
        rows = np.array([[float(v) for v in row] for row in got["rows"]])
        np.testing.assert_allclose(rows, wanted, atol=1e-4)
        allowed = allowed_by_words(masks[part].any(axis=0), *both)
        assert (~np.array(got["closed"]) == allowed).all()
        if not view.how.startswith("max"):
            sums = np.array([float(one) for one in got["sums"]])
            np.testing.assert_allclose(sums, rows.sum(-1), atol=1e-3)


def test_what_is_pinned_speaks_of_pieces(tmp_path):
    script = """const each = heat.range(data.tokens.length), at = (news) => ({ ...data, ...news });
    say({ words: each.map((n) => units.spoken(at({ pinned: [n, n], pins: [n, 0] }))),
      back: data._words.starts[0].map((_, n) => units.pieces({ pinned: [n, 0], pins: [n] }, data)),
      side: units.pieces({ side: "key", pins: [1] }, data),
      nothing: units.pieces({ pinned: null, head: 1 }, data),
      as: units.spoken(at({ unit: "pieces", pinned: [2, 1], pins: [7] })),
      last: each.map((step) => units.spoken(at({ step, _axis: { written: true } }))) });"""
    names = ["tokens", "key_tokens", "pinned", "pins", "side", "step", "unit", "_words", "_axis"]
    view = AttentionView(softmax(N, N), PIECES, unit="words")
    got = run(tmp_path, script, {name: getattr(view, name) for name in names})
    of = [i for i, word in enumerate(words(PIECES)) for _ in word.pieces]
    for n, found in enumerate(got["words"]):
        assert found["pinned"] == [of[n]] * 2 and found["pins"] == [*dict.fromkeys([of[n], 0])]
        assert found["tokens"] == NAMES and found["step"] == 0 and found["last"] is None
    assert got["back"] == [{"pinned": [n, 0], "pins": [n]} for n in STARTS]
    assert got["side"] == {"side": "key", "pins": [1]}
    assert got["nothing"] == {"pinned": None, "head": 1}
    assert got["as"]["pinned"] == [2, 1] and got["as"]["tokens"] == view.tokens
    assert [found["last"] for found in got["last"]] == of


@pytest.mark.parametrize("itself", [True, False])
def test_of_a_text_that_is_written_nothing_is_there_that_comes_later(tmp_path, itself):
    view = AttentionView(softmax(5, 5), list("abcde"), mask=np.tri(5, k=2, dtype=bool))
    script = """const range = heat.range, { state, itself } = data;
    const head = { ...state, step: 0, layer: 0, head: 0, how: "head" };
    const one = heat.soFar(heat.merged(opened(state), head), 2, itself);
    say({ rows: range(5).map(one.row), sums: range(5).map(one.sum), masked: one.masked,
      closed: range(5).map((i) => range(5).map((j) => one.closed(i, j))) });"""
    got = run(tmp_path, script, {"state": traits(view), "itself": itself})
    there = np.zeros((5, 5), bool)
    there[:3, : 3 if itself else 5] = True
    np.testing.assert_allclose(got["rows"], np.where(there, view.array[0, 0], 0), atol=1e-4)
    assert (~np.array(got["closed"]) == there & view.mask).all() and got["masked"]
    np.testing.assert_allclose(got["sums"], 1, atol=1e-3)


# ---- what is brought -----------------------------------------------------------------------------


def test_steps_are_an_axis_in_front_or_a_list_of_what_models_returned():
    array = softmax(3, 2, 4, 5, 5)
    tuples = [tuple(layer[None] for layer in step) for step in array]  # with an axis of a batch
    for given in (array, list(array), tuples):
        view = AttentionView(given, list("abcde"), steps=[0, 10, 200], axis="training step")
        assert view._shape == [3, 2, 4, 5, 5] and view.step == 2
        for step in (0, 2, 1):
            view.step = step
            np.testing.assert_allclose(view.array, array[step], atol=1e-7)
    assert AttentionView(array[:, 0, 0], steps=list("abc"))._shape == [3, 1, 1, 5, 5]
    assert AttentionView(array[:, 0], steps=list("abc"))._shape == [3, 1, 4, 5, 5]
    assert AttentionView(array[0])._axis == {} and view._axis["names"] == ["0", "10", "200"]
    with pytest.raises(ValueError, match=r"step must be .* 2"):
        view.step = 3


def test_what_is_odd_is_found_in_all_steps():
    array = softmax(3, 4, 4)
    array[1, 2] *= 2
    array[2, 0, 0] = np.nan
    notes = " ".join(AttentionView(array, steps=list("abc"))._notes)
    assert "1 weight is NaN" in notes and "of 12 rows does not sum to 1" in notes


def test_a_mask_holds_for_all_steps():
    view = AttentionView(
        softmax(3, 4, 4) * np.tri(4), mask=np.tri(4, dtype=bool), steps=list("abc")
    )
    assert view.mask.shape == (4, 4) and "none is allowed" not in " ".join(view._notes)


@pytest.mark.parametrize(
    "given, how, said",
    [
        (softmax(3, 4, 4), {"steps": [1, 2]}, r"steps has 2 names, but weights has 3 steps"),
        (softmax(3, 4, 4), {"steps": []}, r"steps has 0 names"),
        (softmax(3, 4, 4), {"axis": "epoch"}, r"axis='epoch' names steps: give them, steps="),
        (
            [softmax(4, 4), softmax(3, 3)],
            {"steps": ["a", "b"]},
            r"one shape in all steps, got \(4, 4\)",
        ),
        (
            [softmax(4, 4), None],
            {"steps": ["a", "b"]},
            r"weights\[1\] must be numbers, and is None",
        ),
        (7, {"steps": ["a", "b"]}, r"weights must have the shape \(\.\.\., steps, n_q, n_k\)"),
        (softmax(4, 4), {"unit": "letters"}, "unit must be one of 'pieces', 'words'"),
    ],
)
def test_what_is_wrong_with_steps_is_said(given, how, said):
    with pytest.raises((ValueError, TypeError), match=said):
        AttentionView(given, **how)


def test_a_plane_of_a_step_crosses_where_not_all_do(monkeypatch):
    monkeypatch.setattr(module, "SENT_AT_ONCE", 10)
    array = softmax(3, 2, 4, 4)
    view = AttentionView(array, steps=list("abc"))
    assert view._names == ["2.0.0"] and len(view._weights) == 2 * 16
    view.step = 1
    assert view._names == ["1.0.0"]
    levels = np.frombuffer(view._weights, "<u2") / 65_534
    np.testing.assert_allclose(levels.reshape(4, 4), array[1, 0], atol=1e-4)


def test_an_update_brings_its_own_steps_and_a_text_goes_on():
    view = AttentionView(softmax(3, 4, 4), steps=list("abc"), axis="epoch")
    view.update(softmax(5, 4, 4), steps=list("abcde"))
    assert view.step == 4 and view._axis["name"] == "epoch" and view._shape[0] == 5
    view.update(softmax(4, 4))
    assert view.step == 0 and view._axis == {}
    view = AttentionView(softmax(4, 4), list("abcd"), axis="written")
    assert view.step == 3 and view.array.shape == (1, 1, 4, 4)
    view.step = 1
    view.update(softmax(6, 6), list("abcdef"))
    assert view.step == 5 and view._axis["names"] == list("abcdef")


def test_what_generate_returned_is_a_text_that_is_written():
    steps = [(softmax(1, 2, 3, 3),), (softmax(1, 2, 1, 4),), (softmax(1, 2, 1, 5),)]
    view = AttentionView(steps, list("abcde"), axis="written")
    assert view._shape == [1, 1, 2, 5, 5] and view.step == 4


# ---- still pictures ------------------------------------------------------------------------------


def test_a_still_in_words_shows_words(monkeypatch):
    """The figure and the table are those of weights that were merged by hand."""
    array = softmax(2, N, N, mask=CAUSAL)
    view = AttentionView(array, PIECES, mask=CAUSAL, unit="words")
    merged = by_words(array, STARTS, STARTS)
    other = AttentionView(merged, NAMES, mask=np.tri(len(NAMES), dtype=bool), title="in words")
    for form in ("map", "threads"):
        view.form = other.form = form
        view.pinned, other.pinned = [7, 1], [4, 1]
        assert view.figure().alt == other.figure().alt
    assert view._still()[1] == other._still()[1] and "unbelievable" in view._still()[1]
    view.how = other.how = "max all"
    wanted = by_words(array, STARTS, STARTS).max(axis=0)  # no more than the largest head gives
    seen = view._seen(alone=True)[0][0]
    np.testing.assert_allclose(seen, wanted, atol=1e-6)
    assert "in words" in view.figure().alt
    view.unit = "pieces"
    assert "in words" not in view.figure().alt and "believ" in view._still()[1]


def test_a_still_of_a_text_goes_as_far_as_the_text():
    array = softmax(2, N, N, mask=CAUSAL)
    view = AttentionView(array, PIECES, mask=CAUSAL, axis="written")
    view.step = 3
    short = AttentionView(array[:, :4, :4], PIECES[:4], mask=CAUSAL[:4, :4])
    view.pinned = short.pinned = [3, 1]
    for form in ("map", "threads"):
        view.form = short.form = form
        assert view.figure().alt == short.figure().alt
    assert view._still()[1] == short._still()[1] and "believ" not in view._still()[1]
    view.unit, view.step = "words", 6  # un, believ: the word is there as a whole
    assert "unbelievable" in view._still()[1]
    keys = [f"k{j}" for j in range(N)]  # a source is there from the beginning
    view = AttentionView(array, PIECES, key_tokens=keys, axis="written")
    view.step = 2
    assert view._seen()[0].shape == (2, 3, N)


def test_a_still_says_the_step():
    view = AttentionView(softmax(3, 2, 4, 4), steps=[0, 50, 100], axis="training step")
    view.step = 1
    assert "training step 50" in view.figure().alt
    wanted = AttentionView(view.array, title="training step 50")
    assert view.figure().alt == wanted.figure().alt and view._still()[1] == wanted._still()[1]


# ---- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def show(stage):
    return lambda view, **how: stage(view, **how).page


def rest(page, ms=450):
    page.wait_for_timeout(ms)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()
    rest(page)


def name_of(page, n):
    """Where the name of a query stands in a map."""
    left, above, _, high = map(float, page.get_attribute(".hand", "data-cells").split())
    return {"x": left - 20, "y": above + (n + 0.5) * high}


def said(page):
    return page.locator(".attnlib-readout").inner_text()


def colour(page, i, j):
    left, above, wide, high = map(float, page.get_attribute(".hand", "data-cells").split())
    x, y = left + (j + 0.5) * wide, above + (i + 0.5) * high
    return page.evaluate(
        """([x, y]) => [...document.querySelector("canvas.cells").getContext("2d")
        .getImageData(Math.floor(x), Math.floor(y), 1, 1).data].slice(0, 3)""",
        [x, y],
    )


def point(page, i, j):
    left, above, wide, high = map(float, page.get_attribute(".hand", "data-cells").split())
    box = page.locator(".hand").bounding_box()
    page.mouse.move(box["x"] + left + (j + 0.5) * wide, box["y"] + above + (i + 0.5) * high)
    rest(page, 60)


def pieces_and_words(**how):
    view = AttentionView(softmax(2, N, N, mask=CAUSAL), PIECES, mask=CAUSAL, **how)
    view.pinned = [6, 2]
    return view


def written(page):
    texts = page.locator("svg.woven text:not([visibility=hidden])")
    return texts.all_text_contents()


def test_words_and_pieces(show):
    view = pieces_and_words(form="threads")
    page = show(view)
    assert set(view.tokens) <= set(written(page)) and "␣c" in view.tokens
    assert "words:" not in page.inner_text(".attnlib-notes")
    before = page.locator(".attnlib-live").bounding_box()["height"]
    press(page, "words")
    assert page.evaluate("model.get('unit')") == "words"
    assert [written(page).count(name) for name in NAMES] == [2] * 6, "a word on both sides"
    assert not any("␣" in text for text in [*written(page), said(page)])
    press(page, "map")
    assert "pieces summed over keys, averaged over queries" in page.inner_text(".attnlib-notes")
    wanted = by_words(view.array[0, 0], STARTS, STARTS)
    share = f"{wanted[4, 1]:.2f}"[1:] if wanted[4, 1] > 0.0195 else f"{wanted[4, 1]:.3f}"[1:]
    assert f"unbelievable (query 4) looks at cat (key 1) {share}" in said(page)
    assert abs(page.locator(".attnlib-live").bounding_box()["height"] - before) <= 24
    page.locator(".hand").click(position=name_of(page, 1))  # cat: for Python its first piece
    page.mouse.move(1, 1)
    rest(page)
    assert page.evaluate("model.get('pinned')")[0] == 1
    press(page, "pieces")
    assert said(page).startswith("␣c (query 1)")
    page.evaluate("python({ unit: 'words', pinned: [7, 0] })")
    rest(page)
    assert said(page).startswith("unbelievable (query 4) looks at The (key 0)")


def test_without_pieces_there_is_no_choice(show):
    page = show(AttentionView(softmax(3, 3), ["The", "cat", "sat"], unit="words"))
    assert not page.get_by_role("button", name="words", exact=True).is_visible()
    assert "words:" not in page.inner_text(".attnlib-notes")


def test_keys_walk_over_words_and_add_them_up(show):
    page = show(pieces_and_words(unit="words", form="threads"))
    page.locator("svg.woven").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    rest(page, 100)
    assert page.evaluate("model.get('pinned')")[0] == 1
    page.keyboard.press("Shift+ArrowDown")
    rest(page, 100)
    assert page.evaluate("model.get('pinned')")[0] == 3 and page.evaluate("model.get('pins')") == [
        1
    ]


def in_steps(**how):
    """A head that turns from looking at itself to looking at the first."""
    first, last = np.eye(4), np.eye(4)[[0, 0, 0, 0]]
    array = [first * (1 - t) + last * t for t in (0, 0.5, 1)]
    return AttentionView(array, list("abcd"), steps=["0", "50", "100"], **how)


def test_steps_are_run_through(show):
    page = show(in_steps(axis="training step"))
    assert "training step" in page.inner_text(".scrub") and "100" in page.inner_text(".scrub b")
    slider = page.get_by_role("slider", name="training step")
    assert slider.get_attribute("aria-valuetext") == "100"
    end = colour(page, 3, 0)
    press(page, "‹ back")
    half = colour(page, 3, 0)
    assert page.evaluate("model.get('step')") == 1 and page.inner_text(".scrub b") == "50"
    slider.press("Home")
    rest(page)
    assert page.evaluate("model.get('step')") == 0
    assert colour(page, 3, 3) == end != half != colour(page, 3, 0)
    page.evaluate("python({ step: 2 })")
    rest(page)
    assert page.inner_text(".scrub b") == "100" and colour(page, 3, 0) == end
    press(page, "▶ play")  # from the end it begins again
    rests = "document.querySelector('.go').textContent.includes('play')"
    page.wait_for_function(f"() => model.get('step') === 2 && {rests}", timeout=9000)
    sent = page.evaluate("sent.map((one) => one.step).filter((one) => one !== undefined)")
    assert sent == [1, 0, 0, 1, 2] or sent == [1, 0, 2, 0, 1, 2], sent


def blend(page):
    """The colour of a cell in the frames behind a step."""
    return page.evaluate(
        """async () => { const canvas = document.querySelector("canvas.cells"), seen = [];
        const cells = document.querySelector(".hand").dataset.cells;
        const [left, above, wide, high] = cells.split(" ").map(Number);
        document.querySelectorAll(".scrub button")[1].click();
        for (let k = 0; k < 40; k++) { await new Promise(requestAnimationFrame);
          seen.push(canvas.getContext("2d").getImageData(Math.floor(left + wide / 2),
            Math.floor(above + 3.5 * high), 1, 1).data[0]); }
        return seen; }"""
    )


def test_colours_become_those_of_the_next_step(show):
    page = show(in_steps())
    press(page, "‹ back")
    seen = blend(page)
    assert seen[0] < seen[-1] and len({*seen}) > 4 and seen == sorted(seen), seen


def test_who_wants_no_motion_gets_the_end_at_once(show):
    page = show(in_steps(), reduced_motion="reduce")
    press(page, "‹ back")
    seen = blend(page)
    assert len({*seen[3:]}) == 1 and len({*seen}) <= 2, seen
    assert not page.get_by_role("button", name="▶ play").is_visible()


@pytest.mark.parametrize("form", ["map", "threads"])
def test_a_text_is_written(show, form):
    view = AttentionView(softmax(N, N, mask=CAUSAL), PIECES, mask=CAUSAL, axis="written", form=form)
    page = show(view)
    box = page.locator(".attnlib-live").bounding_box()
    assert page.inner_text(".scrub b") == "9 of 9"
    slider = page.get_by_role("slider", name="written")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    rest(page, 700)
    assert page.inner_text(".scrub b") == "6 of 9" and page.evaluate("model.get('step')") == 5
    assert page.evaluate("model.get('pinned')")[0] == 5  # the word that came last looks
    assert "␣un (query" in said(page)
    if form == "map":
        point(page, 7, 0)
        assert said(page).endswith(": not allowed, or not there yet.")
        point(page, 4, 0)
        assert "looks at The (key 0) " in said(page)
        page.mouse.move(1, 1)
    else:
        texts = written(page)
        assert "believ" not in texts and "␣un" in texts and "·" in texts
    assert page.locator(".attnlib-live").bounding_box() == box
    slider.press("End")
    rest(page, 700)
    assert "believ" in written(page) or form == "map"
    assert page.evaluate("model.get('pinned')")[0] == N - 1


def test_words_of_a_text_that_is_written_come_whole(show):
    view = pieces_and_words(unit="words", axis="written", form="threads")
    page = show(view)
    slider = page.get_by_role("slider", name="written")
    slider.press("Home")
    slider.press("ArrowRight")
    rest(page, 700)
    assert [written(page).count(name) for name in NAMES] == [2, 2, 0, 0, 0, 0]
    assert written(page).count("·") == 8 and said(page).startswith("cat (query) looks at ")
    assert page.evaluate("model.get('pinned')")[0] == 1


@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_use_words_and_steps(show, dark):
    for how in ({"unit": "words", "axis": "written"}, {"form": "threads", "axis": "written"}):
        page = show(pieces_and_words(**how), dark=dark)
        assert node.axe(page) == []
        rows = page.locator(".scrub :is(button, svg), .row :is(button, select, input)").all()
        boxes = [one.bounding_box() for one in rows if one.is_visible()]
        assert len(boxes) > 6 and min(min(box["width"], box["height"]) for box in boxes) >= 16
        buttons = page.locator("button, select").all()
        heights = [one.bounding_box()["height"] for one in buttons if one.is_visible()]
        assert min(heights) >= 24


@pytest.mark.parametrize("form", ["map", "threads"])
def test_at_200_percent_nothing_is_cut(show, form):
    """A window of 800 px at 200 % is one of 400 px."""
    page = show(pieces_and_words(form=form, axis="written"), width=400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    right = page.locator(".attnlib-live").bounding_box()["width"] + 12
    for node_ in page.locator(".scrub *, .row *").all():
        if node_.is_visible():
            box = node_.bounding_box()
            assert box["x"] + box["width"] <= right + 1
