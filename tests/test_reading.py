"""A model in the explorer: what it reads and writes, what crosses to the page, and the page."""

import base64
import io

import calls
import node
import numpy as np
import pytest
from PIL import Image
from shown import Shown

from attnlib.course import atlas, explorer
from attnlib.course.reading import SHOWN, ReadingHeads, _folded
from attnlib.models import load
from attnlib.models.generation import next_token_shares
from attnlib.models.text import FileTokenizer, TextModel
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
    shares = next_token_shares(trace.output[-1])
    for (token, wanted), (name, share, i) in zip(gpt.next_tokens(SENTENCE, best=8), one._next):
        assert share == pytest.approx(wanted) == shares[i]
        assert gpt.tokenizer.tokens([i]) == [token] and name.endswith(token.strip())
    assert one._reader == "tiny-gpt, 4 layers × 4 heads"


def test_it_opens_on_a_head_in_which_the_pronoun_looks_far(one):
    layer, head = one.picked
    i = one.tokens.index(" it")
    far = one.weights[:, :, i, 1 : i - 1].max(axis=-1)
    assert far[layer, head] == far.max()


def ask(one, verb="write", token=None):
    """Press a button, as the page says it; the token is one of those that are shown."""
    one._wish = [one._done + 1, verb, token, one._number]
    assert one._done == one._wish[0], "each wish is answered"


def test_it_writes_the_token_that_is_pressed_one_that_is_drawn_and_takes_back(one):
    token = one._next[2][2]
    ask(one, token=token)
    (written,) = one.model.tokenizer.tokens([token])
    assert one.sentence == SENTENCE + written and one.tokens[-1] == written
    assert len(one._texts[0]["tokens"]) == len(one.tokens)
    n = one._number
    ask(one, "back")
    assert one.sentence == SENTENCE and one._number == n + 1
    ask(one)
    drawn = one.sentence
    assert drawn.startswith(SENTENCE) and len(one.tokens) == len(one.model.encode(SENTENCE)) + 1
    one.sentence = SENTENCE
    one.rng, one.top_p = np.random.default_rng(0), 0.01
    ask(one)
    assert one.sentence == SENTENCE + one.model.next_tokens(SENTENCE)[0][0], "the likeliest alone"


def test_a_text_that_is_over_stays_and_can_be_taken_back(one):
    one.top_p, stop = 0.01, one.model.stop
    one.model.stop, number = [int(one._trace.output[-1].argmax())], one._number
    ask(one)
    one.model.stop = stop
    assert one._told == "The text is over: the model ended it here."
    assert one.sentence == SENTENCE and one._note == "" and one._number == number
    ask(one, "back")
    assert one._told == "" and SENTENCE.startswith(one.sentence) and one.sentence != SENTENCE


def check_reading(one):
    """Is what is shown what the model says, when it reads all the ids at once?"""
    whole = one.model.forward(one.ids)
    assert one.tokens == whole.tokens
    np.testing.assert_allclose(one.weights, whole.weights, atol=1e-5)
    shares = next_token_shares(whole.output[-1], temperature=one.temperature)
    for _, share, i in one._next:
        assert share == pytest.approx(shares[i], abs=1e-5)


def test_written_token_by_token_it_is_what_is_read_at_once(one):
    """Also behind what goes wrong between: a text that cannot be read, and one that is taken
    back.
    """
    for verb in ("write", "write", "back", "write", "", "back", "write", "write", "back", "back"):
        if verb:
            ask(one, verb)
        else:
            sentence, one.sentence = one.sentence, " "
            one.sentence = sentence + "s"
        check_reading(one)
    for text in ("We have", "They will"):  # longer by one, and another text
        one.sentence = text
        check_reading(one)
    assert len(one.ids) == len(one.model.encode("We have")) + 1


HALVES = ["I love 😀", "日本の猫 🦜", "قطة", "Ein <b> �"]


@pytest.mark.parametrize("text", HALVES)
def test_half_signs_are_written_and_taken_back_token_by_token(one, text):
    """The oracle: the ids of the whole text."""
    wanted = one.model.encode(text)
    one.sentence = text
    np.testing.assert_array_equal(one.ids, wanted)
    for n in range(len(wanted) - 1, 1, -1):
        ask(one, "back")
        np.testing.assert_array_equal(one.ids, wanted[:n])
        assert one.tokens == one.model.tokenizer.tokens(wanted[:n])
    for n in range(2, len(wanted)):
        ask(one, token=int(wanted[n]))
        np.testing.assert_array_equal(one.ids, wanted[: n + 1])
        check_reading(one)
    assert one.sentence == text, "all signs are whole again"


def test_a_token_of_another_text_than_that_which_is_shown_is_not_written(one):
    number, token = one._number, one._next[0][2]
    one._wish = [1, "write", token, number]
    after = one.sentence
    one._wish = [2, "write", token, number]
    assert one.sentence == after != SENTENCE and one._done == 2


def test_marks_that_stand_in_a_text_stay(tmp_path, habits):
    """As those of a chat: what is written comes behind them."""
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {chr(c): i for i, c in enumerate(range(33, 127))} | {"Ġ": 94}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<|start|>", "<|im_start|>", "<|im_end|>"])
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|start|> $A", special_tokens=[("<|start|>", 95)]
    )
    made.save(str(tmp_path / "tokenizer.json"))
    model = TextModel(
        load("tiny-gpt").model, FileTokenizer(tmp_path / "tokenizer.json"), {}, stop=97
    )
    prompt = "<|im_start|>user Hi<|im_end|><|im_start|>"
    one = explorer(prompt, model, measures=habits)
    n = len(one.ids)
    assert one.tokens[:2] == ["<|start|>", "<|im_start|>"]
    ask(one, token=40)
    assert one.sentence == prompt + "I" and one.tokens[-2:] == ["<|im_start|>", "I"]
    assert len(one.ids) == n + 1
    ask(one, "back")
    ask(one, "back")
    assert one.sentence == prompt.removesuffix("<|im_start|>") and len(one.ids) == n - 1


def test_tokens_are_drawn_as_often_as_their_shares_say(one):
    one.temperature, one.top_p, counts = 0.7, 0.8, {}
    for _ in range(300):
        ask(one)
        counts[one.sentence] = counts.get(one.sentence, 0) + 1
        one.sentence = SENTENCE
    shares = next_token_shares(one._trace.output[-1], temperature=0.7, top_p=0.8)
    assert len(counts) > 3
    for token in np.argsort(-shares)[:3]:
        found = counts[SENTENCE + one.model.tokenizer.tokens([token])[0]] / 300
        assert found == pytest.approx(shares[token], abs=4 * (0.25 / 300) ** 0.5)
    assert len(counts) <= (shares > 0).sum()


def test_what_cannot_be_read_leaves_what_was_seen(one):
    for text, why in (("", "is empty"), ("  ", "is empty"), ("a b c " * 200, "and up to 256")):
        number = one._number
        one.sentence = text
        assert why in one._note and one._number == number + 1
        assert one.tokens == one.model.tokens(SENTENCE)
        ask(one)
        ask(one, token=one._next[0][2])
        assert one.sentence == text and why in one._note, "nothing was read, or written"
    one.sentence = "It rains"
    assert one._note == "" and one.tokens == one.model.tokens("It rains")


def test_at_its_limit_it_refuses_to_write_and_takes_back(one):
    one.sentence = "The cat sat. " * 100
    assert "and up to 256" in one._note
    while len(one._ids) > 256:
        assert "and up to 256" in one._note
        ask(one, "back")
    assert one._note == "" and len(one.tokens) == 256 and "256 tokens" in one._told
    before = one.sentence
    ask(one)
    ask(one, token=one._next[0][2])
    assert one.sentence == before and "take one back" in one._told and one._note == ""
    ask(one, "back")
    assert len(one.tokens) == 255 and one._told == ""
    ask(one)
    assert len(one.tokens) == 256 and "256 tokens" in one._told


def test_the_first_token_stays(one):
    one.sentence = "It rains"
    for _ in range(5):
        ask(one, "back")
    assert len(one.tokens) == 2 and "first token" in one._told and one._note == ""


def test_temperature_and_top_p_are_checked_and_followed(one):
    number, before = one._number, one._next
    one.temperature = 0.5
    shares = next_token_shares(one._trace.output[-1], temperature=0.5)
    assert [share for _, share, _ in one._next] == pytest.approx(np.sort(shares)[::-1][:8])
    assert one._next[0][2] == before[0][2] and one._number == number, "it is the same text"
    for name, value in (("temperature", 0), ("temperature", -1), ("top_p", 0), ("top_p", 1.5)):
        with pytest.raises(ValueError, match=f"{name} must be"):
            setattr(one, name, value)
    assert (one.temperature, one.top_p) == (0.5, 0.9)


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
    "top_p above 1": ({"top_p": 2}, ValueError, "top_p must be at most 1"),
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

    def show(one, width=800, kernel=True, views=1, **how):
        tab = stages.open(one, width=width + MARGIN, views=views, **how)
        if kernel:  # drawn once more, as with a kernel that answers
            tab.page.evaluate(LIVE, True)
            tab.page.evaluate(
                """async (source) => { ends.forEach((end) => end());
                const { default: view } = await import(URL.createObjectURL(
                  new Blob([source], { type: "text/javascript" })));
                const all = [...document.querySelectorAll("main")];
                for (const el of all) el.replaceChildren();
                window.ends = all.map((el) => view.render({ model, el })); }""",
                one._esm,
            )
        return Page(tab, one)

    yield show
    stages.clean()


class Page(Shown):
    """The page, and the kernel behind it: `one`."""

    def __init__(self, tab, one, view=0):
        self.tab, self.page, self.one, self.view = tab, tab.page, one, view
        self.root = tab.page.locator(".attnlib-live").nth(view)
        self.svg = self.root.locator("canvas[tabindex]")
        self.known = self.traits()
        self.rest()

    def traits(self):
        state, blobs = self.one._for_a_page()
        return state | {name: b"".join(blob) for name, blob in blobs.items()}

    def hear(self):
        """The kernel takes what the page has sent, and says what is new, as one message: of the
        maps only where they are others. -> the names of what was sent
        """
        for message in self.page.evaluate("sent.splice(0)"):
            with self.one.hold_trait_notifications():
                for name, value in message.items():
                    setattr(self.one, name, value)
            self.known |= message  # what the page has set is not news to it
        return self.answer()

    def answer(self):
        """What Python says now."""
        now = self.traits()
        news = {name: value for name, value in now.items() if value != self.known.get(name)}
        self.known = now
        blobs = {
            name: base64.b64encode(news.pop(name)).decode()
            for name in [*news]
            if isinstance(news[name], bytes)
        }
        self.page.evaluate(
            """([news, blobs]) => { for (const name in blobs) {
                const bytes = Uint8Array.from(atob(blobs[name]), (c) => c.charCodeAt());
                news[name] = new DataView(bytes.buffer); }
            python(news); }""",
            [news, blobs],
        )
        self.rest()
        return {*news, *blobs}

    def overflow(self):
        """Without what may be scrolled to."""
        hide = self.page.add_style_tag(content=".next .list { display: none !important; }")
        found = super().overflow()
        hide.evaluate("(node) => node.remove()")
        return found

    def type(self, text):
        self.root.get_by_label("sentence").fill(text)
        self.page.wait_for_timeout(450)

    def field(self):
        return self.root.get_by_label("sentence").input_value()

    def pictures(self):
        return self.root.locator("canvas").evaluate_all(
            "(all) => all.map((one) => one.toDataURL())"
        )

    def wish(self):
        return self.page.evaluate("model.get('_wish')")

    @property
    def tokens(self):
        return self.root.locator(".next button:visible")

    def label(self):
        return self.root.locator(".next > span").first.inner_text()


def test_a_sentence_is_typed_read_and_written_on(show, one):
    page = show(one)
    assert page.field() == SENTENCE
    before = page.pictures()
    page.type("It rains")
    assert page.label() == "reading …"
    page.hear()
    assert one.sentence == "It rains" and page.label() == "next"
    assert all(old != new for old, new in zip(before, page.pictures())), "other maps are drawn"
    names = [f"{name} {share:.2f}".replace("0.", ".") for name, share, _ in one._next[:5]]
    assert page.tokens.all_inner_texts() == names
    wanted = one._next[1][2]
    page.tokens.nth(1).click()
    assert page.wish()[1:3] == ["write", wanted] and page.label() == "reading …"
    page.hear()
    assert one.ids[-1] == wanted and page.field() == one.sentence
    one.sentence = "It rains.\n\nIt"
    page.answer()
    assert page.field() == "It rains.↵↵It"
    page.type("It rains.↵↵It pours")
    page.hear()
    assert one.sentence == "It rains.\n\nIt pours"
    page.press("write one token")
    assert page.wish()[1:3] == ["write", None]
    page.hear()
    n = len(one.ids)
    page.press("take one token back")
    page.hear()
    assert len(one.ids) == n - 1
    assert "The last row writes what comes next." in page.said()


@pytest.mark.parametrize("text, why", [("", "is empty"), ("a b c " * 100, "and up to 256")])
def test_what_cannot_be_read_is_said_at_once(show, one, text, why):
    page = show(one)
    page.type(text)
    assert "_maps" not in page.hear(), "nothing else is new"
    assert why in page.said() and why in one._note
    assert page.tokens.evaluate_all(
        "(all) => all.length && all.every((one) => one.getAttribute('aria-disabled') === 'true')"
    )
    page.tokens.first.click(force=True)
    assert page.wish() == [], "an old token is not written"
    page.type("It rains")
    page.hear()
    assert why not in page.said() and page.tokens.first.get_attribute("aria-disabled") == "false"


def test_a_text_that_is_over_is_said_and_left(show, one):
    one.top_p, stop = 0.01, one.model.stop
    one.model.stop = [int(one._trace.output[-1].argmax())]
    page = show(one)
    try:
        page.press("▶ write on")
        assert "_number" not in page.hear()
    finally:
        one.model.stop = stop
    assert "The text is over" in page.said() and not page.pressed("▶ write on")
    page.page.wait_for_timeout(500)
    assert page.page.evaluate("sent") == []
    assert page.keys("ArrowRight") and "The text is over" not in page.said(), "heads are told of"
    page.press("take one token back")
    page.hear()
    page.keys("Escape")
    assert SENTENCE.startswith(one.sentence) and "The text is over" not in page.said()


def test_it_writes_on_until_it_is_stopped_or_cannot(show, one):
    page = show(one)
    page.press("▶ write on")
    first = page.wish()
    assert first[1:3] == ["write", None] and page.pressed("❚❚ stop")
    page.hear()
    page.page.wait_for_timeout(500)
    second = page.wish()
    assert second[0] == first[0] + 1, "an answer asks for the next one"
    page.press("❚❚ stop")
    page.hear()
    page.page.wait_for_timeout(500)
    assert page.wish() == second
    page.press("▶ write on")
    page.page.evaluate("sent.splice(0)")
    one.sentence = " "
    one._done = page.wish()[0]
    page.answer()
    page.page.wait_for_timeout(500)
    assert page.wish()[0] == second[0] + 1 and page.pressed("▶ write on") is False


def test_each_press_writes_one_token(show, one):
    page, n = show(one), len(one.ids)
    button = page.root.get_by_role("button", name="write one token")
    for _ in range(10):
        button.click()
    assert page.label() == "reading … +9"
    for _ in range(10):
        assert page.hear()
    assert len(one.ids) == n + 10 and page.label() == "next"
    assert page.page.evaluate("sent") == []


def test_a_token_that_is_pressed_twice_is_written_once(show, one):
    page, n = show(one), len(one.ids)
    page.tokens.nth(1).dblclick()
    page.tokens.nth(2).click(force=True)
    assert page.page.evaluate("sent.length") == 1
    page.hear()
    assert len(one.ids) == n + 1


def test_what_was_typed_comes_before_a_press(show, one):
    page = show(one)
    page.root.get_by_label("sentence").fill("It rains")
    page.press("write one token")
    page.hear()
    page.hear()
    assert (
        one.sentence.startswith("It rains")
        and len(one.ids) == len(one.model.encode("It rains")) + 1
    )
    assert page.field() == one.sentence


def test_a_first_press_counts_in_a_second_view_and_after_a_reload(show, one):
    first, n = show(one, views=2), len(one.ids)
    second = Page(first.tab, one, 1)
    second.known = first.known
    for page in (first, second, first):
        page.press("write one token")
        page.hear()
        first.known = second.known = page.known
    assert len(one.ids) == n + 3
    first.press("write one token")
    second.press("write one token")  # while the other's is on its way
    for _ in range(2):
        first.hear()
    assert len(one.ids) == n + 5
    again = show(one)  # a reload: the model is as it was
    again.press("write one token")
    again.hear()
    assert len(one.ids) == n + 6


def test_an_answer_that_does_not_come_is_waited_for_and_told_of(show, one):
    page = show(one)
    page.page.clock.install()
    try:
        page.press("▶ write on")
        page.page.clock.run_for(5000)
        assert page.pressed("❚❚ stop") and "running kernel" not in page.said()
        page.page.clock.run_for(15000)
        assert page.pressed("▶ write on") is False and "needs a running kernel" in page.said()
        assert page.label() == "next"
        page.hear()  # late, but it comes
        assert "running kernel" not in page.said() and page.field() == one.sentence
    finally:
        page.page.clock.resume()


def test_the_focus_stays_on_the_token_that_was_pressed(show, one):
    page = show(one)
    page.tokens.nth(2).focus()
    page.page.keyboard.press("Enter")
    page.hear()
    assert one.sentence != SENTENCE
    assert page.tokens.nth(2).evaluate("(node) => node === document.activeElement")


def test_the_temperature_is_set_on_the_page(show, one):
    page = show(one)
    before = page.tokens.all_inner_texts()
    page.slide("temperature", 0.3)
    page.hear()
    assert one.temperature == 0.3 and page.tokens.all_inner_texts() != before
    one.temperature = 1.5
    page.answer()
    assert page.root.get_by_role("slider", name="temperature").input_value() == "1.5"


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
    for name in ("next", "set"):
        inside = page.root.locator(f".{name}").first.bounding_box()
        assert inside["x"] + inside["width"] <= width + MARGIN, name
    assert (
        page.root.locator(".list").evaluate("(node) => getComputedStyle(node).overflowX") == "auto"
    )
    for button in page.tokens.all():  # each can be reached
        button.focus()
        box = button.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width + MARGIN
    one.sentence = "A much longer text that goes on, and on, until many lines of it are there"
    page.answer()
    assert page.height() == high and page.overflow() <= 0
    if width >= 800:
        assert high <= 560
    assert node.axe(page.page) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "alone"])
def test_everybody_can_use_it(show, one, dark, kernel):
    page = show(one, dark=dark, kernel=kernel, calm=True)
    for sentence in ("It rains", ""):
        one.sentence = sentence
        page.answer()
        assert node.axe(page.page) == []
    assert page.ends() == 0


def test_a_model_that_only_reads(show):
    """It has no buttons that write; that it reads is said all the same."""
    rng = np.random.default_rng(0)
    one = explorer("abc", calls.small_reader(), measures={"any": rng.random((2, 2))})
    page = show(one)
    assert page.root.get_by_role("button", name="write").count() == 0
    assert one._reader in page.root.inner_text()
    page.type("cab")
    assert "reading …" in page.root.inner_text()
    page.hear()
    assert one.sentence == "cab" and "reading …" not in page.root.inner_text()
    np.testing.assert_array_equal(one.weights, one.model("cab").weights)
