"""A model in the explorer: what it reads and writes, what crosses to the page, and the page."""

import base64
import io

import node
import numpy as np
import pytest
from PIL import Image
from shown import Shown

from attnlib.course import atlas, explorer
from attnlib.course.reading import SHOWN, ReadingHeads, _folded
from attnlib.models import load
from attnlib.models.generation import next_token_shares
from attnlib.models.trace import Trace

SENTENCE = "The cat sat on the mat because it was tired"


@pytest.fixture(scope="module")
def gpt():
    return load("tiny-gpt")


@pytest.fixture(scope="module")
def habits(gpt):
    return atlas.habits(gpt, texts=[SENTENCE])


@pytest.fixture
def one(gpt, habits):
    return explorer(SENTENCE, gpt, measures=habits)


# ---- Python --------------------------------------------------------------------------------------


def test_what_is_shown_is_what_the_model_sees(one, gpt):
    assert isinstance(one, ReadingHeads)
    trace = gpt(SENTENCE)
    np.testing.assert_array_equal(one.weights, trace.weights)
    assert one.tokens == trace.tokens
    lower = np.frombuffer(one._maps, np.uint8) / 255
    wanted = trace.weights[..., np.tri(len(trace.tokens), dtype=bool)]
    np.testing.assert_allclose(lower, wanted.ravel(), atol=0.5 / 255 + 1e-6)
    likely = gpt.next_tokens(SENTENCE, best=3)
    assert [(token, pytest.approx(share)) for _, share, token in one._next[:3]] == likely


def test_it_opens_on_a_head_in_which_the_pronoun_looks_far(one):
    layer, head = one.picked
    i = one.tokens.index(" it")
    far = one.weights[:, :, i, 1 : i - 1].max(axis=-1)
    assert far[layer, head] == far.max()


def test_it_writes_the_token_that_is_pressed_one_that_is_drawn_and_takes_back(one):
    token = one._next[2][2]
    one._wish = [1, "write", token]
    assert one.sentence == SENTENCE + token and one.tokens[-1] == token
    assert len(one._texts[0]["tokens"]) == len(one.tokens)
    n = one._number
    one._wish = [2, "back", ""]
    assert one.sentence == SENTENCE and one._number == n + 1
    one._wish = [3, "write", ""]
    drawn = one.sentence
    assert drawn.startswith(SENTENCE) and len(one.tokens) == len(one.model.encode(drawn))
    one.sentence = SENTENCE
    one.rng, one.top_p = np.random.default_rng(0), 0.01
    one._wish = [4, "write", ""]
    assert one.sentence == SENTENCE + one.model.next_tokens(SENTENCE)[0][0], "the likeliest alone"
    one.model.stop, stop = [int(one._trace.output[-1].argmax())], one.model.stop
    number, sentence = one._number, one.sentence
    one._wish = [5, "write", ""]
    one.model.stop = stop
    assert one.sentence == sentence and one._number == number + 1, "a text that is over stays"


def test_tokens_are_drawn_as_often_as_their_shares_say(one):
    one.temperature, one.top_p, counts = 0.7, 0.8, {}
    for k in range(300):
        one._wish = [k, "write", ""]
        counts[one.sentence] = counts.get(one.sentence, 0) + 1
        one.sentence = SENTENCE
    shares = next_token_shares(one._trace.output[-1], temperature=0.7, top_p=0.8)
    assert len(counts) > 3
    for token in np.argsort(-shares)[:3]:
        found = counts[SENTENCE + one.model.tokenizer.tokens([token])[0]] / 300
        assert found == pytest.approx(shares[token], abs=4 * (0.25 / 300) ** 0.5)
    assert len(counts) <= (shares > 0).sum()


def test_what_cannot_be_read_leaves_what_was_seen(one):
    for text, why in (("  ", "sentence is empty"), ("a b c " * 200, "tokens, and up to 256")):
        number = one._number
        one.sentence = text
        assert why in one._note and one._number == number + 1
        assert one.tokens == one.model.tokens(SENTENCE)
        one._wish = [one._number, "write", ""]
        assert one.sentence == text and one._number == number + 2, "nothing was read, or written"
    one.sentence = "It rains"
    assert one._note == "" and one.tokens == one.model.tokens("It rains")


def test_a_long_text_is_folded_between_the_first_token_and_the_last_ones(one):
    n = 3 * SHOWN
    rng = np.random.default_rng(0)
    weights = rng.random((2, 3, n, n)).astype(np.float32) * np.tri(n, dtype=np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    folded, names = _folded(Trace([f"t{i}" for i in range(n)], weights, None))
    assert folded.shape == (2, 3, SHOWN, SHOWN) and len(names) == SHOWN
    assert names[:3] == ["t0", f"… {n - SHOWN + 1} between", f"t{n - SHOWN + 2}"]
    last = weights[:, :, -1]
    np.testing.assert_allclose(folded[:, :, -1, 0], last[..., 0])
    np.testing.assert_allclose(folded[:, :, -1, 1], last[..., 1 : n - SHOWN + 2].sum(-1), rtol=1e-4)
    np.testing.assert_allclose(folded[:, :, -1, 2:], last[..., n - SHOWN + 2 :])
    np.testing.assert_allclose(folded.sum(axis=-1), 1, rtol=1e-4)
    assert not np.triu(folded, 1).any()
    one.sentence = "The cat sat " * 20
    assert one.maps[0].shape[-1] == SHOWN == len(one._texts[0]["tokens"])
    assert one.weights.shape[-1] == len(one.tokens) > SHOWN


def test_measures_are_those_of_the_model(gpt):
    one = explorer(SENTENCE, gpt)
    wanted = atlas.habits(gpt)
    assert list(one.measures) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(one.measures[name], values, rtol=1e-6)


ERRORS = {
    "no model": ({"model": 3}, TypeError, "model must be a TextModel"),
    "a model of pairs": ({"model": load("dates")}, TypeError, "model must be a TextModel"),
    "an unknown name": ({"model": "trained"}, ValueError, "'tiny-gpt'"),
    "an empty sentence": ({"sentence": " "}, ValueError, "sentence is empty"),
    "a number": ({"sentence": 3}, TypeError, "sentence must be a string"),
    "temperature": ({"temperature": 0}, ValueError, "temperature must be"),
    "top_p": ({"top_p": 0}, ValueError, "top_p must be"),
    "measures": ({"measures": {"a": np.ones((1, 1))}}, ValueError, r"measures\['a'\].*\(4, 4\)"),
}


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case.replace(" ", "-"))
def test_what_does_not_fit_is_refused_by_name(case, gpt, habits):
    given, kind, words = ERRORS[case]
    with pytest.raises(kind, match=words):
        explorer(**{"sentence": SENTENCE, "model": gpt, "measures": habits} | given)


def test_the_bundle(one):
    data, _ = one._repr_mimebundle_()
    png = base64.b64decode(data["image/png"])
    assert len(png) <= 25_000 and Image.open(io.BytesIO(png)).width <= 932
    assert SENTENCE in data["text/plain"] and "next token" in data["text/plain"]


# ---- in a browser --------------------------------------------------------------------------------

MARGIN = 24
LIVE = """(on) => { model.widget_manager = {}; const get = model.get; model.get = (name) =>
    name === 'layout' ? { comm_live: on } : get(name); }"""


@pytest.fixture
def show(stages):
    stages.forget()

    def show(one, width=800, kernel=True, **how):
        tab = stages.open(one, width=width + MARGIN, **how)
        page = Page(tab, tab.page.locator(".attnlib-live").first)
        if kernel:  # drawn once more, as with a kernel that answers
            tab.page.evaluate(LIVE, True)
            source = one._esm
            tab.page.evaluate(
                """async (source) => { ends.forEach((end) => end());
                const { default: view } = await import(URL.createObjectURL(
                  new Blob([source], { type: "text/javascript" })));
                const el = document.querySelector("main");
                el.replaceChildren();
                window.ends = [view.render({ model, el })]; }""",
                source,
            )
            page.rest()
        return page

    yield show
    stages.clean()


class Page(Shown):
    def __init__(self, tab, root):
        self.tab, self.page, self.root = tab, tab.page, root
        self.svg = root.locator("canvas[tabindex]")
        self.rest()

    def answer(self, one):
        """What Python says now, as one message."""
        names = ["sentence", "_texts", "_next", "_note", "_number"]
        news = {name: getattr(one, name) for name in names}
        blob = base64.b64encode(one._maps).decode()
        self.page.evaluate(
            """([news, blob]) => { const bytes = Uint8Array.from(atob(blob), (c) => c.charCodeAt());
            python({ _maps: new DataView(bytes.buffer), ...news }); }""",
            [news, blob],
        )
        self.rest()

    def pictures(self):
        return self.root.locator("canvas").evaluate_all(
            "(all) => all.map((one) => one.toDataURL())"
        )

    def wish(self):
        return self.page.evaluate("model.get('_wish')")


def test_a_sentence_is_typed_read_and_written_on(show, one):
    page = show(one)
    field = page.root.get_by_label("sentence")
    assert field.input_value() == SENTENCE
    field.fill("It rains")
    page.page.wait_for_timeout(600)
    assert page.page.evaluate("model.get('sentence')") == "It rains"
    one.sentence, before = "It rains", page.pictures()
    page.answer(one)
    assert all(old != new for old, new in zip(before, page.pictures())), "other maps are drawn"
    names = [f"{name} {share:.2f}".replace("0.", ".") for name, share, _ in one._next[:5]]
    assert page.root.locator(".next button").all_inner_texts() == names
    page.root.locator(".next button").nth(1).click()
    assert page.wish()[1:] == ["write", one._next[1][2]]
    one._wish = page.wish()
    page.answer(one)
    assert field.input_value() == one.sentence
    one.sentence = "It rains.\n\nIt"
    page.answer(one)
    assert field.input_value() == "It rains.↵↵It"
    field.fill("It rains.↵↵It pours")
    page.page.wait_for_timeout(600)
    assert page.page.evaluate("model.get('sentence')") == "It rains.\n\nIt pours"
    page.press("write one token")
    assert page.wish()[1:] == ["write", ""]
    page.press("take one token back")
    assert page.wish()[1:] == ["back", ""]
    assert "The last row writes what comes next." in page.said()
    one.sentence = ""
    page.answer(one)
    assert page.said() == "the sentence is empty: type at least one word"


def test_it_writes_on_until_it_is_stopped_or_cannot(show, one):
    page = show(one)
    page.press("▶ write on")
    first = page.wish()
    assert first[1:] == ["write", ""] and page.pressed("❚❚ stop")
    one._wish = first
    page.answer(one)
    page.page.wait_for_timeout(500)
    second = page.wish()
    assert second[0] == first[0] + 1, "an answer asks for the next one"
    page.press("❚❚ stop")
    one._wish = second
    page.answer(one)
    page.page.wait_for_timeout(500)
    assert page.wish() == second
    page.press("▶ write on")
    one.sentence = " "
    page.answer(one)
    page.page.wait_for_timeout(500)
    assert page.wish()[0] == second[0] + 1 and page.pressed("▶ write on") is False


def test_without_a_kernel_it_says_so(show, one):
    page = show(one, kernel=False)
    assert page.root.get_by_label("sentence").is_disabled()
    assert page.root.get_by_role("button", name="write one token").count() == 0
    assert "needs a running kernel" in page.root.inner_text()
    assert page.keys("ArrowDown"), "heads are looked at all the same"


@pytest.mark.parametrize("width", [360, 600, 800, 980])
def test_it_fits(show, one, width):
    page = show(one, width)
    assert page.overflow() <= 0 and min(page.sizes()) >= 12
    high = page.height()
    one.sentence = "A much longer text that goes on, and on, until many lines of it are there"
    page.answer(one)
    assert page.height() == high and page.overflow() <= 0
    if width >= 800:
        assert high <= 560
    assert node.axe(page.page) == []
