"""The glossary, as a file: sorted, no word twice, and every word stands in the section that it
points to. And what a learner would type is found.

    python tests/test_glossary.py [FOLDER]     counts how many of the words of search_words.tsv a
                                               copy of the course holds, here or in FOLDER
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / ".ci"))

import notebooks

TEXT = (notebooks.NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
LINE = re.compile(
    r"- \*\*(?P<word>[^*]+)\*\*(?P<said>.*\.\)?)"
    r" \[(?P<title>[^\]]+), (?P<section>\d+)\]\((?P<file>[^()\s#]+)#(?P<anchor>[^()\s]+)\)"
)
LINES = [line for line in TEXT.splitlines() if line.startswith("- ")]
ENTRIES = [found for line in LINES if (found := LINE.fullmatch(line))]
SHAPE = re.compile(r"\([^()]*,[^()]*\)")
SEE = re.compile(r"\bsee ((?:(?:, | and )?(?:\*[^*]+\*|`[^`]+`))+)")
WORDS = Path(__file__).with_name("search_words.tsv")
each = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["word"])


def cells_of(name):
    """The cells of a notebook, without those that are made for all (they name its neighbours)."""
    cells = nbformat.read(notebooks.NOTEBOOKS / name, nbformat.NO_CONVERT).cells
    return [cell for cell in cells if cell.id not in ("launch", "setup", "navigation")]


def printed(cell):
    """What a cell printed, and the words of its pictures."""
    for output in cell.get("outputs", []):
        yield output.get("text") or output.get("data", {}).get("text/plain", "")


def read(cells):
    return "\n".join([cell.source for cell in cells] + [text for c in cells for text in printed(c)])


def sections_of(cells):
    """ "5" -> all that section 5 says, in texts, code and outputs."""
    found, number = {}, "0"
    for cell in cells:
        if cell.cell_type == "code":
            found[number] = found.get(number, "") + "\n" + read([cell])
            continue
        for part in re.split(r"^(?=## \d)", cell.source, flags=re.M):
            if head := re.match(r"## (\d+) · ", part):
                number = head[1]
            found[number] = found.get(number, "") + "\n" + part
    return found


SOURCES = sorted((notebooks.ROOT / "attnlib").rglob("*.py"))
CELLS = {path.name: cells_of(path.name) for path in notebooks.paths()}
READ = {name: read(cells) for name, cells in CELLS.items()}
SECTIONS = {name: sections_of(cells) for name, cells in CELLS.items()}


def key(word):
    return re.sub(r"[\W_]", "", word).casefold()


def others(entry):
    """The other names, in brackets right behind the word: "RoPE (rotary positions)" has one."""
    also = re.match(r" \(([^)]*)\)", entry["said"])
    return [name.strip("`") for name in also[1].split(", ")] if also else []


def names(entry):
    return [key(name) for name in (entry["word"], *others(entry))]


def seen(entry):
    """What a line sends to: "see *encoder* and *decoder*" -> both; [] if it sends nowhere."""
    found = SEE.search(entry["said"])
    return re.findall(r"[*`]([^*`]+)[*`]", found[1]) if found else []


def code(entry):
    """What stands in `…`: shapes, and code with names."""
    found = re.findall(r"`([^`]+)`", entry["said"])
    return [one for one in found if SHAPE.fullmatch(one)], [
        one for one in found if not SHAPE.fullmatch(one)
    ]


def stands(word, text):
    """Is the word in the text, and not as a part of a longer one? Names with a dot are one word."""
    return re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", text) is not None


def is_said(word, text):
    """The same, for words: in large and small letters, one and many, and as a name in code, as
    "sink share" in `sink_share`.
    """
    parts = r"[\s_-]*".join(map(re.escape, re.split(r"[\s_-]", word.removesuffix("s"))))
    return re.search(rf"(?<!\w){parts}s?(?!\w)", text, re.I) is not None


def letters():
    """The letters of the table at the top, which shapes are written in."""
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.M)
    return {letter for row in rows for letter in re.findall(r"`([^`]+)`", row)}


def test_every_line_is_an_entry():
    assert [line for line in LINES if not LINE.fullmatch(line)] == [], (
        "the form is: - **word**: what it is. [Title of the notebook, 5](NN_name.ipynb#5), and"
        " `python .ci/notebooks.py links` writes where section 5 begins"
    )
    assert len(ENTRIES) > 200


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
    said = [entry["file"] for entry in ENTRIES if not seen(entry)]
    assert [path.name for path in notebooks.paths() if said.count(path.name) < 2] == [], (
        "each needs at least two lines in notebooks/glossary.md that end in a link to it:"
        " - **word**: what it is. [Title of the notebook, 5](NN_name.ipynb#5)"
    )


# ---- links ---------------------------------------------------------------------------------------


def label(title):
    """ "04 · Attention masks: causal, …" -> "Attention masks", which a link says."""
    return re.split(r": |\? |, and ", title.split(" · ", 1)[1])[0]


@each
def test_link(entry):
    """It says where it leads: to the notebook of this title, to the section of this number."""
    name, number = entry["file"], entry["section"]
    assert name in CELLS, f"there is no {name}"
    assert entry["title"] == label(CELLS[name][0].source.splitlines()[0])
    known = notebooks.anchors(nbformat.from_dict({"cells": CELLS[name]}))
    assert number in known, f"{name} has no section {number}"
    assert "#" + entry["anchor"] == known[number], (
        f"section {number} of {name} begins elsewhere: write {name}#{number}, and run"
        " `python .ci/notebooks.py links`"
    )


def target(word):
    """The entry that a line sends to, if there is one that explains something."""
    found = [entry for entry in ENTRIES if key(word) in names(entry) and not seen(entry)]
    return found[0] if found else None


def is_in(words, entry):
    """Does one of them stand in the section where this line leads?"""
    text = SECTIONS[entry["file"]].get(entry["section"], "")
    return any(is_said(word, text) for word in words)


@each
def test_the_word_stands_in_its_section(entry):
    """Or one of its other names; or, if the line sends to other words, all of those."""
    lacks = [
        word
        for word in seen(entry) or [entry["word"]]
        if not is_in([word, *others(target(word) or entry)], entry)
    ]
    assert is_in([entry["word"], *others(entry)], entry) or not lacks, (
        f"{' and '.join(lacks)} does not stand in section {entry['section']} of"
        f" {entry['file']}, where this line of the glossary leads"
    )


@each
def test_sends_to_a_word_that_is_explained(entry):
    lost = [word for word in seen(entry) if word not in letters() and not target(word)]
    assert lost == [], "no entry explains these"
    assert seen(entry) or not re.search("[:;] see ", entry["said"]), "the form is: see *word*"


@each
def test_names_stand_in_its_notebook(entry):
    found = [name for one in code(entry)[1] for name in re.findall(r"[A-Za-z_][\w.]*", one)]
    assert [name for name in found if not stands(name, READ[entry["file"]])] == [], (
        f"names in the code of this line that do not stand in {entry['file']}, where it leads"
    )


# ---- shapes --------------------------------------------------------------------------------------


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


# ---- what a learner would type -------------------------------------------------------------------


def one(word):
    """A word without its plural: embeddings and embedding are the same."""
    return key(word).removesuffix("s")


def words():
    """The list: term -> where it is found; "-" for what the course does not teach yet."""
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def looked_up(text):
    """What a glossary holds, in any form that it had: word -> "entry", or "see" for a line that
    sends to another word.
    """
    found = {}
    for line in re.findall(r"^- \*\*([^*]+)\*\*(.*) \[[^\]]+\]\([^()]+\)$", text, re.M):
        entry = dict(zip(("word", "said"), line, strict=True))
        behind = re.split(r"[:(]", entry["said"])[0]
        for name in (entry["word"], entry["word"] + behind, *others(entry)):
            found[one(name)] = "see" if seen(entry) else "entry"
    return found


def headings(folder):
    """The titles and the headings of sections of a copy of the course."""
    for path in sorted((folder / "notebooks").glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield from re.findall(r"^##? (.+)$", "".join(cell["source"]), re.M)


def found_in(folder):
    """Each term of the list -> where a copy of the course holds it: in the glossary, else in a
    heading, else "-".
    """
    held = looked_up((folder / "notebooks" / "glossary.md").read_text(encoding="utf-8"))
    heads = list(headings(folder))
    return {
        term: held.get(one(term), "heading" if any(is_said(term, h) for h in heads) else "-")
        for term in words()
    }


def test_the_list_of_words():
    terms = list(words())
    assert len(terms) == len(set(map(one, terms))) == 116
    assert terms == sorted(terms, key=key)
    assert set(words().values()) <= {"heading", "entry", "see", "-"}


FOUND = found_in(notebooks.ROOT)


@pytest.mark.parametrize(("term", "where"), words().items(), ids=words())
def test_a_word_is_found_where_the_list_says(term, where):
    assert where == FOUND[term], "tests/search_words.tsv says it is elsewhere"


if __name__ == "__main__":
    folder = Path(sys.argv[1] if sys.argv[1:] else notebooks.ROOT)
    found = found_in(folder)
    counts = Counter(found.values())
    held = len(found) - counts["-"]
    print(f"{held} of {len(found)} words are found:", dict(counts.most_common()))
    print("not found:", ", ".join(term for term, where in found.items() if where == "-"))
