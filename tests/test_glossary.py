"""The glossary, as a file: sorted, no word twice, and every word and every name stands in the
notebook that it points to.
"""

import re

import nbformat
import pytest

import notebooks

TEXT = (notebooks.NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
LINE = re.compile(
    r"- \*\*(?P<word>[^*]+)\*\*(?P<said>.*\.\)?) \[(?P<number>\d\d)\]\((?P<file>[^()\s]+)\)"
)
LINES = [line for line in TEXT.splitlines() if line.startswith("- ")]
ENTRIES = [found for line in LINES if (found := LINE.fullmatch(line))]
SHAPE = re.compile(r"\([^()]*,[^()]*\)")
each = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["word"])


def read(name):
    """Sources and printed outputs of a notebook, without the cells that are made for all of them
    (they name its neighbours).
    """
    cells = nbformat.read(notebooks.NOTEBOOKS / name, nbformat.NO_CONVERT).cells
    cells = [cell for cell in cells if cell.id not in ("launch", "setup", "navigation")]
    printed = [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    return "\n".join([cell.source for cell in cells] + printed)


SOURCES = sorted((notebooks.ROOT / "attnlib").rglob("*.py"))
READ = {
    name: read(name)
    for name in {entry["file"] for entry in ENTRIES}
    if (notebooks.NOTEBOOKS / name).exists()
}


def key(word):
    return re.sub(r"[\W_]", "", word).casefold()


def names(entry):
    """The word and the other names that stand in brackets right behind it: "RoPE (rotary
    positions)" has two.
    """
    also = re.match(r" \(([^)]*)\)", entry["said"])
    return [key(entry["word"])] + ([key(also[1])] if also else [])


def code(entry):
    """What stands in `…`: shapes, and code with names."""
    found = re.findall(r"`([^`]+)`", entry["said"])
    return [one for one in found if SHAPE.fullmatch(one)], [
        one for one in found if not SHAPE.fullmatch(one)
    ]


def stands(word, text):
    """Is the word in the text, and not as a part of a longer one? Names with a dot are one word."""
    return re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", text) is not None


def letters():
    """The letters of the table at the top, which shapes are written in."""
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.M)
    return {letter for row in rows for letter in re.findall(r"`([^`]+)`", row)}


def test_every_line_is_an_entry():
    assert [line for line in LINES if not LINE.fullmatch(line)] == [], (
        "the form is: - **word**: what it is. [NN](NN_name.ipynb)"
    )
    assert len(ENTRIES) > 100


def test_no_word_twice():
    said = [name for entry in ENTRIES for name in names(entry)]
    assert [name for name in set(said) if said.count(name) > 1] == []


def test_sorted_below_its_letter():
    parts = re.split(r"^## (\w)\n", TEXT, flags=re.M)[1:]
    heads, bodies = parts[::2], parts[1::2]
    assert heads == sorted(set(heads))
    for head, body in zip(heads, bodies, strict=True):
        words = [
            key(found["word"]) for line in body.splitlines() if (found := LINE.fullmatch(line))
        ]
        assert words == sorted(words) and words
        assert {word[0] for word in words} == {head.casefold()}


def test_every_notebook_has_words_in_it():
    """A new notebook brings new words."""
    said = [entry["file"] for entry in ENTRIES]
    assert [path.name for path in notebooks.paths() if said.count(path.name) < 2] == [], (
        "each needs at least two lines in notebooks/glossary.md that end in a link to it:"
        " - **word**: what it is. [NN](NN_name.ipynb)"
    )


@each
def test_link(entry):
    assert (notebooks.NOTEBOOKS / entry["file"]).is_file()
    assert entry["file"].startswith(entry["number"] + "_")


@each
def test_the_word_stands_in_its_notebook(entry):
    assert stands(entry["word"].casefold(), READ[entry["file"]].casefold()), (
        f"{entry['word']} does not stand in {entry['file']}, where this line of the glossary leads"
    )


@each
def test_names_stand_in_its_notebook(entry):
    found = [name for one in code(entry)[1] for name in re.findall(r"[A-Za-z_][\w.]*", one)]
    assert [name for name in found if not stands(name, READ[entry["file"]])] == [], (
        f"names in the code of this line that do not stand in {entry['file']}, where it leads"
    )


@each
def test_shapes_use_the_letters_of_the_table(entry):
    for shape in code(entry)[0]:
        parts = re.findall(r"\.\.\.|[A-Za-z_]+", shape)
        assert parts and set(parts) <= letters(), shape


WRITTEN = re.sub(
    r"[\s`]",
    "",
    "".join(READ.values()) + "".join(path.read_text(encoding="utf-8") for path in SOURCES),
)


@each
def test_axes_are_in_the_order_of_the_course(entry):
    """The last two axes of a shape stand so, behind each other, in a notebook or in the package."""
    for shape in code(entry)[0]:
        last = shape.replace(" ", "").strip("(").split(",")[-2:]
        assert shape == "(32, h)" or ",".join(last) in WRITTEN, shape  # 32 stands for n_buckets


@each
def test_short(entry):
    assert len(entry["said"].split()) <= 45, "at most 45 words"
