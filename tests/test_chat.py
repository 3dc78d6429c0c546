"""Chats: a template is filled in as transformers does and cannot do harm; a reply ends where the
turn ends; signs of several tokens come whole.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib.models import chat, gguf, load
from attnlib.models.files import fill
from attnlib.models.files.tokenizer import BytePairs, learn_byte_pairs
from attnlib.models.text import FileTokenizer, TextModel

pytestmark = pytest.mark.filterwarnings("error")
FOUND = json.loads((Path(__file__).parent / "fixtures" / "chats.json").read_text(encoding="utf-8"))
TEMPLATES, CHATS = FOUND["templates"], FOUND["chats"]
HALF = "\N{REPLACEMENT CHARACTER}"
USER = [{"role": "user", "content": "hi"}]
ECHO = "{% for one in messages %}{{ one.role }}: {{ one.content }}\n{% endfor %}assistant: "


# ---- templates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", CHATS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_what_it_says_in_transformers(name, messages):
    pytest.importorskip("jinja2", reason="pip install 'attnlib[models]'")
    template, expected = TEMPLATES[name]["template"], TEMPLATES[name]["filled"][messages]
    values = {"messages": CHATS[messages], "add_generation_prompt": True, **FOUND["marks"]}
    values |= {"tools": None, "documents": None}
    if isinstance(expected, str):
        assert fill.filled(template, values) == expected
    else:
        with pytest.raises(Exception, match=expected["error"]):
            fill.filled(template, values)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_is_what_the_template_says(name):
    pytest.importorskip("jinja2")
    found = chat.prompt(CHATS["uau"], TEMPLATES[name]["template"], FOUND["marks"])
    assert found == TEMPLATES[name]["filled"]["uau"]


def test_a_string_is_one_message_of_the_user():
    pytest.importorskip("jinja2")
    assert chat.prompt("hi 😀", ECHO) == "user: hi 😀\nassistant: "
    assert chat.prompt("half \ud83d a sign", ECHO) == "user: half ? a sign\nassistant: "


def test_what_templates_call():
    pytest.importorskip("jinja2")
    year = str(time.localtime().tm_year)
    assert chat.prompt(USER, "{{ strftime_now('%Y') }}") in (year, str(int(year) + 1))
    assert chat.prompt(USER, "{{ bos_token }}{{ eos_token }}", {"eos_token": "<e>"}) == "<e>"
    with pytest.raises(ValueError, match="filled in with these messages: TemplateError: no cats"):
        chat.prompt(USER, "{{ raise_exception('no cats') }}")


HOSTILE = {
    "an attribute": ("{{ messages.__class__.__mro__ }}", "SecurityError"),
    "globals": ("{{ cycler.__init__.__globals__.os.system('true') }}", "SecurityError"),
    "by a filter": ("{{ messages | attr('__class__') | attr('mro') }}", "Error"),
    "by format": ("{{ '{0.__class__.__mro__}'.format(messages) }}", "SecurityError"),
    "a file": ("{% include '/etc/passwd' %}", "Error"),
    "an import": ("{% import 'os' as os %}{{ os }}", "Error"),
    "a change": ("{{ messages.append(1) }}", "SecurityError"),
    "no template": ("{% for", "TemplateSyntaxError"),
    "without end": ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
    "a long range": ("{% for i in range(10**9) %}{% endfor %}", "OverflowError"),
    "a long text": ("{% for i in range(12) %}{{ 'x' * 10**6 }}{% endfor %}", "12,000,000 signs"),
}


@pytest.mark.parametrize("template, said", HOSTILE.values(), ids=HOSTILE)
def test_a_template_that_would_do_harm_is_refused(template, said):
    pytest.importorskip("jinja2")
    with pytest.raises(ValueError, match="chat template cannot be filled in") as error:
        chat.prompt(USER, template)
    assert said in str(error.value) and len(str(error.value)) < 600


def test_a_template_that_loops_is_stopped(monkeypatch):
    pytest.importorskip("jinja2")
    monkeypatch.setattr(chat, "SECONDS", 2)
    loop = "{% for i in range(99999) %}"
    began = time.monotonic()
    with pytest.raises(ValueError, match="it took more than 2 seconds"):
        chat.prompt(USER, loop + loop + "{% endfor %}{% endfor %}")
    assert time.monotonic() - began < 8


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there memory has a bound")
@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10**10 }}",
        "{{ '%99999999999d' % 1 }}",
        "{% set n = namespace(s='xx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}"
        "{% endfor %}",
    ],
)
def test_a_template_that_swells_is_stopped(template):
    pytest.importorskip("jinja2")
    with pytest.raises(ValueError, match=r"MemoryError|more memory than it may"):
        chat.prompt(USER, template)


def test_without_jinja2_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError, match=r"needs jinja2: pip install 'attnlib\[models\]'"):
        chat.prompt(USER, ECHO)


WRONG = [
    (5, TypeError, r"messages must be a list of \{.*or a string, got 5"),
    ([], ValueError, "got none"),
    (["hi"], TypeError, r"messages\[0\] is 'hi'"),
    ([*USER, {"role": "user"}], ValueError, r"messages\[1\] has the keys \['role'\]"),
    ([{"role": "user", "text": "hi"}], ValueError, r"messages\[0\] has the keys \['role', 'text'"),
    (USER[0], TypeError, "must be a list of"),
    ([{"role": "user", "content": 5}], TypeError, r"messages\[0\]\['content'\] must be a string"),
]


@pytest.mark.parametrize("messages, error, said", WRONG)
def test_wrong_messages(messages, error, said):
    with pytest.raises(error, match=said):
        chat.prompt(messages, ECHO)


def test_a_model_without_a_template_says_so():
    gpt = load("tiny-gpt")
    for call in (gpt.prompt, gpt.chat):
        with pytest.raises(ValueError, match=r"the model has no chat template: it goes on with"):
            call("hi")


def test_where_a_folder_says_it(tmp_path):
    def folder(**about):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")
        return chat.read_template(tmp_path)

    assert chat.read_template(tmp_path) == {} and folder(bos_token="<s>") == {}
    token = {"content": "<e>", "lstrip": False}
    found = folder(chat_template="A", bos_token="<s>", eos_token=token, pad_token=None)
    assert found == {"chat_template": "A", "marks": {"bos_token": "<s>", "eos_token": "<e>"}}
    several = [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]
    assert folder(chat_template=several) == {"chat_template": "D", "marks": {}}
    assert folder(chat_template=several[:1]) == {} and folder(chat_template=7) == {}
    (tmp_path / "chat_template.jinja").write_text("日本\n", encoding="utf-8")
    found = folder(chat_template="A", bos_token="<s>")
    assert found == {"chat_template": "日本\n", "marks": {"bos_token": "<s>"}}
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer_config.json' is not JSON"):
        chat.read_template(tmp_path)


def test_the_marks_of_a_gguf_file():
    said = {"tokens": ["<s>", "</s>", "cat"], "bos_token_id": 0, "eos_token_id": 1}
    about = {f"tokenizer.ggml.{name}": one for name, one in said.items()}
    assert gguf._marks(about) == {"bos_token": "<s>", "eos_token": "</s>"}
    odd = {"tokenizer.ggml.eos_token_id": 3, "tokenizer.ggml.unknown_token_id": "2"}
    assert gguf._marks(about | odd) == {"bos_token": "<s>"}
    assert gguf._marks(about | {"tokenizer.ggml.tokens": 5}) == gguf._marks({}) == {}


# ---- what is written -----------------------------------------------------------------------------


class Scribe:
    """A model that writes a given row of ids, whatever it reads; it keeps what it has read."""

    def __init__(self, vocabulary, script):
        self.vocabulary, self.script, self.read = vocabulary, list(script), []

    def caches(self):
        return []

    def logits(self, ids, *, caches=None):
        self.read.append(ids[0].tolist())
        logits = np.zeros((1, ids.shape[1], self.vocabulary))
        logits[0, -1, self.script[len(self.read) - 1]] = 99.0
        return logits


PAGE = "The cat saw the cat. Der Bär, the bear 😀😀 日本語 the sea é" * 3
OVER = "<|over|>"


def in_bytes(folder):
    """As GPT-2's: bytes, and pairs of them."""
    tokenizers = pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=alphabet, special_tokens=[OVER], show_progress=False
    )
    inner.train_from_iterator([PAGE], trainer)
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{OVER} $A", special_tokens=[(OVER, 0)]
    )
    return saved(inner, folder)


def in_pieces(folder):
    """As Llama's first: words and letters, and bytes for what is none of them."""
    tokenizers = pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    words = [OVER, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"Thecatswbr.é日", "▁c", "at"]
    vocabulary = {word: i for i, word in enumerate(words)}
    merges = [("▁", "c"), ("a", "t")]
    inner = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocabulary, merges, byte_fallback=True, unk_token=OVER)
    )
    decoders = tokenizers.decoders
    inner.normalizer = tokenizers.normalizers.Sequence(
        [tokenizers.normalizers.Prepend("▁"), tokenizers.normalizers.Replace(" ", "▁")]
    )
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        + [decoders.Strip(" ", 1, 0)]
    )
    inner.add_special_tokens([tokenizers.AddedToken(OVER, special=True)])
    return saved(inner, folder)


def saved(inner, folder):
    inner.save(str(folder / "tokenizer.json"))
    return FileTokenizer(folder / "tokenizer.json")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp
    return {
        "bytes": in_bytes(folder("bytes")),
        "pieces": in_pieces(folder("pieces")),
        "tiny": BytePairs(learn_byte_pairs(PAGE, 290)),
    }


def writer(tokenizer, script, **more):
    return TextModel(Scribe(len(tokenizer), script), tokenizer, {"chat_template": ECHO}, **more)


KINDS = pytest.mark.parametrize("kind", ["bytes", "pieces", "tiny"])
many = settings(max_examples=60, deadline=None, derandomize=True)


@KINDS
@many
@given(data=st.data())
def test_a_stream_joins_to_what_generate_adds(kind, data, tokenizers):
    tokenizer = tokenizers[kind]
    ids = st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=30)
    parts = st.one_of(ids, st.text("Thecat é日😀本", max_size=5).map(tokenizer.encode))
    script = [int(i) for part in data.draw(st.lists(parts, min_size=1, max_size=4)) for i in part]
    script = script or [1]
    wanted = {"n_new": len(script), "temperature": 0}
    before = tokenizer.decode(tokenizer.encode("The cat"))
    whole = writer(tokenizer, script, stop=[]).generate("The cat", **wanted)
    pieces = list(writer(tokenizer, script, stop=[]).stream("The cat", **wanted))
    assert before + "".join(pieces) == whole and all(pieces)
    assert not any(piece.endswith(HALF) for piece in pieces[:-1])


def test_a_wrong_byte_makes_those_beside_it_wrong(tokenizers):
    """SentencePiece decodes a run of bytes as a whole; a mark between them is no part of it."""
    tokenizer = tokenizers["pieces"]
    euro, wrong, a = [1 + byte for byte in "€".encode()], 1 + 0x80, tokenizer.encode("a").tolist()
    for script in ([*euro, wrong, *a], [*euro, 0, wrong, *a], [*euro, 0, wrong]):
        options = {"n_new": len(script), "temperature": 0}
        whole = writer(tokenizer, script, stop=[]).generate("The cat", **options)
        assert whole.startswith("The cat" + 4 * HALF)
        pieces = list(writer(tokenizer, script, stop=[]).stream("The cat", **options))
        assert "The cat" + "".join(pieces) == whole


@KINDS
@many
@given(text=st.text("Thecat é日😀本𝄞👩🏽‍🚀ß", min_size=1, max_size=20))
def test_no_sign_comes_in_halves(kind, text, tokenizers):
    tokenizer = tokenizers[kind]
    script = tokenizer.encode(text).tolist()
    pieces = list(
        writer(tokenizer, script, stop=[]).stream("The cat", n_new=len(script), temperature=0)
    )
    written = "".join(pieces)
    assert written == (" " if kind == "pieces" else "") + text and HALF not in written


def test_a_sign_comes_with_its_last_byte(tokenizers):
    for kind in ("bytes", "tiny"):
        tokenizer = tokenizers[kind]
        script = tokenizer.encode("a𝄞b𝄞", marks=False).tolist()
        assert len(script) == 10, "four bytes each, never seen before"
        model = writer(tokenizer, [*script, 0], stop=[])
        pieces = model.stream("The cat", n_new=10, temperature=0)
        found = [(piece, len(model.model.read)) for piece in pieces]
        assert found == [("a", 1), ("𝄞", 5), ("b", 6), ("𝄞", 10)]
        cut = writer(tokenizer, script, stop=[]).stream("The cat", n_new=3, temperature=0)
        assert list(cut) == ["a", HALF]


@pytest.mark.parametrize("stop", [[5], [7, 5], 5])
def test_a_reply_ends_with_the_turn(stop, tokenizers):
    pytest.importorskip("jinja2")
    tokenizer = tokenizers["bytes"]
    script = [*tokenizer.encode(" the bear 😀", marks=False).tolist(), 5, 9, 9]
    for i in (5, 7):
        assert tokenizer.tokens([i])[0] not in " the bear 😀", "a mark that is seen if it is shown"
    asked = [{"role": "system", "content": "Be a cat."}, *USER]
    model = writer(tokenizer, script, stop=stop)
    assert model.chat(asked) == " the bear 😀"
    prompt = "system: Be a cat.\nuser: hi\nassistant: "
    assert model.prompt(asked) == prompt
    read = tokenizer.encode(prompt, marks=False).tolist()
    assert model.model.read[0] == read, "the tokenizer's own marks stay away"
    assert tokenizer.encode(prompt).tolist() == [0, *read]
    pieces = writer(tokenizer, script, stop=stop).chat(asked, stream=True)
    assert not isinstance(pieces, (str, list)) and "".join(pieces) == " the bear 😀"
    assert writer(tokenizer, script, stop=stop).chat(asked, n_new=1) == " the", "or where it is cut"
    assert writer(tokenizer, [5], stop=stop).chat("hi") == ""


def test_a_reply_of_pieces_does_not_begin_with_a_space(tokenizers):
    pytest.importorskip("jinja2")
    tokenizer = tokenizers["pieces"]
    script = [*tokenizer.encode("The cat saw").tolist(), 0]
    assert writer(tokenizer, script, stop=0).chat("hi") == "The cat saw"
    pieces = list(writer(tokenizer, script, stop=0).chat("hi", stream=True))
    assert "".join(pieces) == "The cat saw" and len(pieces) > 2


def test_a_chat_is_drawn_as_a_text_is():
    pytest.importorskip("jinja2")
    gpt = load("tiny-gpt")
    gpt.about["chat_template"] = ECHO
    first = gpt.chat("hi", n_new=12)
    assert first == gpt.chat("hi", n_new=12, temperature=0, rng=np.random.default_rng(5))
    drawn = {gpt.chat("hi", n_new=12, temperature=2, rng=np.random.default_rng(i)) for i in (0, 1)}
    assert len(drawn) == 2 and first not in drawn
    narrow = gpt.chat("hi", n_new=12, temperature=2, top_p=1e-6, rng=np.random.default_rng(0))
    assert narrow == first
    prompt = gpt.prompt("hi")
    assert gpt.tokenizer.encode(prompt, marks=False).tolist() == gpt.encode(prompt)[1:].tolist()


def test_ctrl_c_hands_back_what_is_there(tokenizers):
    pytest.importorskip("jinja2")

    class Interrupted(Scribe):
        def logits(self, ids, **options):
            if len(self.read) == 2:
                raise KeyboardInterrupt
            return super().logits(ids, **options)

    tokenizer = tokenizers["tiny"]
    script = tokenizer.encode("abcd", marks=False).tolist()
    model = TextModel(Interrupted(len(tokenizer), script), tokenizer, {"chat_template": ECHO})
    assert model.chat("hi") == tokenizer.decode(script[:2])
