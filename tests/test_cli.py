"""python -m attnlib: a picture and a table from the command line, or one line that says what is
wrong.
"""

import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from checkpoints import changed
from PIL import Image

from attnlib import masks, toy
from attnlib.__main__ import main
from attnlib.models.pretrained import load
from attnlib.models.text import TextModel
from attnlib.show import mosaic, most_attended, sheet

COURSE = "The cat sat on the mat because it was tired"
README = [
    "The chef cooked a delicious meal with fresh ingredients",
    "--pattern",
    "global-local",
    "--heads",
    "4",
    "--window",
    "3",
    "--out",
]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def theme_comes_back():
    before = sheet._theme
    yield
    sheet._theme = before


def run(*arguments):
    """The exit code of main, whether it returns it or exits."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as done:
        return done.code


def table_of(sentence, **how):
    seen = toy.look(sentence, **how)
    return most_attended(seen.weights, seen.tokens, names=seen.names)


def png(path):
    image = Image.open(path)
    image.load()
    assert image.format == "PNG" and image.width > 300
    return image.convert("RGB")


# ---- what it prints ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, how",
    [
        ([], {}),
        (["--pattern", "causal"], {"pattern": "causal"}),
        (["--pattern", "local", "--window", "1"], {"pattern": "local", "window": 1}),
        (
            ["--pattern", "global-local", "--globals", "2", "--window", "2"],
            {"pattern": "global-local", "n_global": 2, "window": 2},
        ),
        (
            ["--pattern", "global-local", "--globals", "0"],
            {"pattern": "global-local", "n_global": 0},
        ),
        (["--heads", "8", "--encoding", "none"], {"n_heads": 8, "encoding": "none"}),
        (["--heads", "1"], {"n_heads": 1}),
        (["--encoding=learned", "--temperature=0.5"], {"encoding": "learned", "temperature": 0.5}),
        (["--random", "--heads", "2"], {"control": True, "n_heads": 2}),
    ],
)
def test_the_table_is_that_of_the_package(options, how, capsys):
    assert run(COURSE, *options) == 0
    out, err = capsys.readouterr()
    assert out == table_of(COURSE, **how) + "\n" and err == ""


def test_options_may_come_first(capsys):
    assert run("--heads", "2", "it saw the cat") == 0
    assert capsys.readouterr().out.rstrip("\n") == table_of("it saw the cat", n_heads=2)


@pytest.mark.parametrize(
    "sentence",
    [
        "Hi",
        "😀 日本 שלום",
        "costs $5 & <b>",
        "  spaces   around ",
        "-5 degrees",
        'it\'s "quoted"',
        "a\nb\tc",
    ],
)
def test_any_sentence(sentence, capsys, tmp_path):
    arguments = ["--", sentence] if sentence.startswith("-") else [sentence]
    assert run("--heads", "2", "--out", tmp_path / "a.png", *arguments) == 0
    assert capsys.readouterr().out.startswith(table_of(sentence, n_heads=2))
    png(tmp_path / "a.png")


def test_help_says_what_there_is(capsys):
    assert run("--help") == 0
    out = capsys.readouterr().out
    for word in ("sentence", "--out", ".png", ".svg", "1 to 8", *toy.PATTERNS, *toy.ENCODINGS):
        assert word in out


# ---- what it writes ------------------------------------------------------------------------------


def test_the_command_of_the_readme(tmp_path, capsys):
    assert run(*README, tmp_path / "a.png") == 0
    out, err = capsys.readouterr()
    wanted = table_of(README[0], pattern="global-local", n_heads=4, window=3)
    assert out == f"{wanted}\n\nwritten: {tmp_path / 'a.png'}\n" and err == ""
    png(tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_readme_shows_this_command():
    command = f'python -m attnlib "{README[0]}" {" ".join(README[1:])} a.png'
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_picture_is_the_same_every_time_and_follows_the_options(tmp_path):
    for name, options in {
        "a": [],
        "b": [],
        "c": ["--pattern", "causal"],
        "d": ["--theme", "dark"],
        "e": ["--random"],
    }.items():
        assert run(COURSE, "--out", tmp_path / f"{name}.png", *options) == 0
    a, b, c, d, e = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert a == b and len({a, c, d, e}) == 4
    assert png(tmp_path / "d.png").getpixel((1, 1)) == (24, 26, 31) and png(
        tmp_path / "a.png"
    ).getpixel((1, 1)) == (255, 255, 255)


def test_a_file_is_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    assert run(COURSE, "--out", tmp_path / "a.png") == 0
    png(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.svg", "A.SVG"])
def test_svg_is_a_drawing_and_nothing_else(name, tmp_path):
    assert run("the <b>cat</b> & $5 日本 saw it", "--out", tmp_path / name) == 0
    text = (tmp_path / name).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    tags = {element.tag.split("}")[-1] for element in root.iter()}
    assert root.tag.endswith("svg") and "path" in tags
    assert not tags & {"script", "foreignObject", "iframe", "a"}
    assert "<script" not in text and "javascript:" not in text
    for element in root.iter():
        for attribute, value in element.attrib.items():
            assert not attribute.split("}")[-1].startswith("on")
            fetches = attribute.split("}")[-1] in ("href", "src") and not value.startswith(
                ("#", "data:")
            )
            assert not fetches and "url(http" not in value, f"{attribute} fetches {value}"
    assert "cat" in text, "the words are in the drawing, as text or beside their outlines"


def test_svg_is_the_same_every_time(tmp_path):
    for name in ("a.svg", "b.svg"):
        assert run(COURSE, "--heads", "1", "--out", tmp_path / name) == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_html_is_one_page_that_needs_nothing_else(tmp_path):
    assert run("the <script>cat</script> saw it", "--out", tmp_path / "a.html") == 0
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert (
        text.lower().startswith("<!doctype html>")
        and text.count("<script") == text.count("</script") == 1
    )
    # a name, and bytes
    asks = text.replace("http://www.w3.org/2000/svg", "").replace(
        '<img src="data:image/png;base64,', ""
    )
    assert "http:" not in asks and "https:" not in asks and "src=" not in asks.split("<script")[0]
    assert "cat" in text


# ---- what it refuses -----------------------------------------------------------------------------

REFUSED = [
    ([], "sentence"),
    ([""], "empty"),
    (["   "], "empty"),
    ([COURSE, "--heads", "0"], "--heads must be at least 1"),
    ([COURSE, "--heads", "9"], "--heads must be at most 8"),
    ([COURSE, "--heads", "x"], "--heads"),
    ([COURSE, "--heads", "2.5"], "--heads"),
    ([COURSE, "--heads"], "--heads"),
    ([COURSE, "--pattern", "all"], "pattern must be one of 'standard'"),
    ([COURSE, "--encoding", "rotary"], "encoding must be one of 'none'"),
    ([COURSE, "--theme", "blue"], "must be one of 'light', 'dark'"),
    ([COURSE, "--temperature", "nan"], "temperature"),
    ([COURSE, "--temperature", "inf"], "temperature"),
    ([COURSE, "--temperature", "0"], "temperature"),
    ([COURSE, "--temperature", "-1"], "temperature"),
    ([COURSE, "--temperature", "warm"], "--temperature"),
    ([COURSE, "--window", "0"], "window must be at least 1"),
    ([COURSE, "--window", "3.0"], "--window"),
    ([COURSE, "--globals", "-1"], "--globals must be at least 0"),
    ([COURSE, "another"], "another"),
    ([COURSE, "--colour"], "--colour"),
    (["word " * 1001], "1,001 tokens"),
    ([" ".join(f"w{i}" for i in range(40)), "--encoding", "learned"], "32 rows"),
]


@pytest.mark.parametrize(
    "arguments, words", REFUSED, ids=[" ".join(a)[-24:] or "nothing" for a, _ in REFUSED]
)
def test_a_wrong_argument_is_one_line_and_code_2(arguments, words, tmp_path, capsys):
    target = tmp_path / "a.png"
    assert run("--out", target, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.endswith("\n")
    assert err.startswith("attnlib: ") and words in err and "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "out", ["a.gif", "a", "a.png.txt", "missing/a.png", "missing/a.svg", ".", "folder.png", ".png"]
)
def test_a_wrong_file_is_one_line_and_code_2(out, tmp_path, capsys):
    (tmp_path / "folder.png").mkdir()
    assert run(COURSE, "--out", tmp_path / out) == 2
    printed, err = capsys.readouterr()
    assert printed == "" and err.count("\n") == 1 and err.startswith("attnlib: ")
    assert "--out" in err or Path(out).parts[0] in err
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.png"]


def test_a_wrong_theme_changes_nothing(capsys):
    before = sheet._theme
    assert run(COURSE, "--theme", "blue") == 2
    assert sheet._theme is before and capsys.readouterr().err


def test_a_terminal_with_few_letters_is_no_crash(monkeypatch):
    """Windows writes redirected output in cp1252, which has no arrow for "pronoun → noun"."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    assert run(COURSE) == 0
    sys.stdout.flush()
    assert b"cat" in raw.getvalue()


# ---- trained heads -------------------------------------------------------------------------------


def test_a_trained_model_prints_the_layer_and_what_comes_next(capsys):
    assert run(COURSE, "--model", "tiny-gpt", "--layer", "2") == 0
    out, err = capsys.readouterr()
    gpt = load("tiny-gpt")
    trace = gpt(COURSE)
    assert out.startswith("tiny-gpt: 4 layers, 4 heads in each; this is layer 2\n\n") and err == ""
    assert most_attended(trace.weights[2], trace.tokens) in out
    shares = [float(line.split()[0]) for line in out.split("next token\n")[1].splitlines()]
    assert shares == [round(share, 3) for _, share in gpt.next_tokens(COURSE)]


def test_one_head_alone(capsys, tmp_path):
    assert (
        run(
            COURSE,
            "--model",
            "tiny-gpt",
            "--layer",
            "2",
            "--head",
            "1",
            "--out",
            tmp_path / "a.html",
        )
        == 0
    )
    trace = load("tiny-gpt")(COURSE)
    assert (
        most_attended(trace.weights[2, 1], trace.tokens, names=["head 1"])
        in capsys.readouterr().out
    )
    state = json.loads(
        re.search(
            r"^\{ const state = (\{.*\}), blobs",
            (tmp_path / "a.html").read_text(encoding="utf-8"),
            re.M,
        )[1]
    )
    assert (state["layer"], state["head"], state["_shape"][1:3]) == (2, 1, [4, 4])


def test_pictures_of_all_of_a_layer_and_of_a_head_differ(tmp_path):
    for name, options in {
        "a": [],
        "b": ["--layer", "1"],
        "c": ["--layer", "1", "--head", "3"],
        "d": ["--head", "3"],
    }.items():
        assert run(COURSE, "--model", "tiny-gpt", *options, "--out", tmp_path / f"{name}.png") == 0
    sizes = [png(path).size for path in sorted(tmp_path.iterdir())]
    # 16, 4 and 1 of them
    assert sizes[0][1] > 1.5 * sizes[1][1] and sizes[1] != sizes[2] == sizes[3]
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "d.png").read_bytes()  # d is layer 0


def test_many_heads_are_tiles(monkeypatch, tmp_path):
    assert run(COURSE, "--model", "tiny-gpt", "--out", tmp_path / "a.png") == 0
    monkeypatch.setattr("attnlib.__main__.MANY", 15)
    assert run(COURSE, "--model", "tiny-gpt", "--out", tmp_path / "b.png") == 0
    trace = load("tiny-gpt")(COURSE)
    mask = masks.causal(len(trace.tokens))
    title = "tiny-gpt: 4 layers, 4 heads in each"
    tiles = mosaic(trace.weights, trace.tokens, mask=mask, title=title).png()
    assert (tmp_path / "b.png").read_bytes() == tiles != (tmp_path / "a.png").read_bytes()


def test_an_encoder_decoder_shows_what_it_writes(capsys):
    assert run("hello", "--model", "reverse") == 0
    out = capsys.readouterr().out
    assert out.startswith("reverse: 1 layer, 4 heads in each") and out.endswith("writes: olleh\n")
    trace = load("reverse")("hello")
    assert (
        most_attended(trace.cross_weights[0], trace.decoder_tokens, key_tokens=trace.tokens) in out
    )


@pytest.mark.parametrize("family", ["bert", "llama", "t5"])
def test_a_checkpoint_in_a_folder(family, tmp_path, capsys):
    tokenizers = pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    folder = changed(tmp_path, family)
    assert run(COURSE, "--model", folder) == 2
    assert "no tokenizer.json" in capsys.readouterr().err
    words = {word: i for i, word in enumerate([*COURSE.split()[:4], *map(str, range(60))])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    assert (
        run(
            "The cat sat on",
            "--model",
            folder,
            "--layer",
            "1",
            "--head",
            "0",
            "--out",
            tmp_path / "a.svg",
        )
        == 0
    )
    trace = load(folder)("The cat sat on")
    weights = trace.weights if trace.cross_weights is None else trace.cross_weights
    rows = trace.decoder_tokens or trace.tokens
    assert (
        most_attended(weights[1, 0], rows, key_tokens=trace.tokens, names=["head 0"])
        in capsys.readouterr().out
    )
    ElementTree.parse(tmp_path / "a.svg")


def test_a_model_goes_on_with_a_sentence(capsys):
    gpt = load("tiny-gpt")
    for options, how in (
        ([], {"temperature": 0}),
        (["--temperature", "0.8"], {"temperature": 0.8}),
        (["--top-p", "0.9"], {"top_p": 0.9}),
    ):
        assert run(COURSE, "--model", "tiny-gpt", "--write", "9", *options) == 0
        out, err = capsys.readouterr()
        assert out == gpt.generate(COURSE, n_new=9, **how) + "\n" and err == ""


def test_a_model_answers(tmp_path, capsys):
    tokenizers = pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    pytest.importorskip("jinja2")
    folder = changed(tmp_path, "llama")
    words = {word: i for i, word in enumerate(["cat", "user", "says", *map(str, range(45))])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    template = "{% for one in messages %}{{ one.role }} says {{ one.content }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    model = load(folder)
    assert model.prompt("cat") == "user says cat"
    for options, n_new in (([], 200), (["--write", "3"], 3)):
        assert run("cat", "--model", folder, "--chat", *options) == 0
        assert capsys.readouterr().out == load(folder).chat("cat", n_new=n_new) + "\n"
    assert run("cat", "--model", folder, "--write", "3") == 0
    assert capsys.readouterr().out == load(folder).generate("cat", n_new=3, temperature=0) + "\n"


def test_ctrl_c_keeps_what_is_written(monkeypatch, capsys):
    def interrupted(*_, **__):
        yield " and"
        raise KeyboardInterrupt

    monkeypatch.setattr(TextModel, "stream", interrupted)
    assert run(COURSE, "--model", "tiny-gpt", "--write", "9") == 0
    assert capsys.readouterr().out == f"{COURSE} and\n"


WRITING_REFUSED = [
    (["--write", "3"], "--write needs a model that writes: give --model too"),
    (["--chat"], "--chat needs a model that writes: give --model too"),
    (["--model", "tiny-gpt", "--write", "0"], "--write must be at least 1, got 0"),
    (["--model", "tiny-gpt", "--write", "3", "--top-p", "2"], "--top-p must be at most 1"),
    (["--model", "tiny-gpt", "--top-p", "0.5"], "give --write or --chat too"),
    (["--model", "tiny-gpt", "--write", "3", "--layer", "0"], "--layer is about pictures"),
    (["--model", "tiny-gpt", "--write", "3", "--heads", "2"], "--heads is about pictures"),
    (["--model", "tiny-gpt", "--chat", "--out", "a.png"], "--out is about pictures"),
    (["--model", "tiny-gpt", "--chat"], "the model has no chat template"),
    (
        ["--model", "reverse", "--write", "3"],
        "a model that goes on with a text, and reverse is none",
    ),
    (["--model", "smollm3", "--chat"], "no model of that name"),
]


@pytest.mark.parametrize(
    "arguments, words", WRITING_REFUSED, ids=[" ".join(a) for a, _ in WRITING_REFUSED]
)
def test_wrong_writing_is_one_line_and_code_2(arguments, words, capsys):
    assert run(COURSE, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("attnlib: ") and words in err


MODELS_REFUSED = [
    (["--model", "tiny-gtp"], "no model of that name; the names are 'tiny-gpt'"),
    (["--model", "no/such/folder"], "there is no folder 'no/such/folder'"),
    (["--model", "tiny-gpt", "--layer", "4"], "--layer must be at most 3, got 4"),
    (["--model", "tiny-gpt", "--layer", "-1"], "--layer must be at least 0, got -1"),
    (["--model", "tiny-gpt", "--head", "4"], "--head must be at most 3, got 4"),
    (
        ["--model", "tiny-gpt", "--pattern", "causal"],
        "--pattern belongs to the heads that are built by hand",
    ),
    (["--model", "tiny-gpt", "--random"], "--random belongs"),
    (["--model", "reverse"], "'T'"),
    (["--layer", "0"], "give --model"),
    (["--head", "0"], "give --model"),
]


@pytest.mark.parametrize(
    "arguments, words", MODELS_REFUSED, ids=[" ".join(a) for a, _ in MODELS_REFUSED]
)
def test_a_wrong_model_is_one_line_and_code_2(arguments, words, tmp_path, capsys):
    assert run(COURSE, *arguments, "--out", tmp_path / "a.png") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("attnlib: ") and words in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sentence, words", [("", "empty"), ("word " * 1000, "2,002 tokens")])
def test_a_sentence_that_no_model_can_show(sentence, words, capsys):
    assert run(sentence, "--model", "tiny-gpt") == 2
    assert words in capsys.readouterr().err


# ---- as a program --------------------------------------------------------------------------------


def program(*arguments, cwd):
    environment = {
        **os.environ,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONUTF8": "1",
    }
    command = [sys.executable, "-W", "error", "-m", "attnlib", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, encoding="utf-8", env=environment, timeout=60
    )


def test_the_program_draws(tmp_path):
    done = program(*README, "a.png", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout == f"{table_of(README[0], pattern='global-local')}\n\nwritten: a.png\n"
    png(tmp_path / "a.png")


def test_the_program_complains(tmp_path):
    done = program(COURSE, "--heads", "0", "--out", "a.png", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("attnlib: --heads must be at least 1, got 0") and not list(
        tmp_path.iterdir()
    )
