"""Every number in the prose comes from code: an output above it, in its section, holds it; or the
section's code sets it.

What is looked at: decimals, percentages, multiples, numbers with a unit, and whole numbers of three
digits and more; not years, nor the number of a section or a version. Held is the same number,
rounded as the prose rounds it. For what is folded, outputs below it count, too: a reader may look.
Where nothing is computed (the recap, the questions) all outputs of the notebook count that stand
above; for the head, all. Whatever comes from elsewhere, such as the size of a published model,
stands with its source in exceptions.tsv: subject, words, where they come from.
"""

import itertools
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

import notebooks

PATHS = notebooks.paths()
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[3:])
EXCEPTIONS = [
    line.split("\t")
    for line in (Path(__file__).parent / "exceptions.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]

UNITS = r"[mµn]?s|seconds?|minutes?|hours?|[KkMGT]i?B|bytes?|nats?|bits?|degrees|px|stars|GFLOPS?"
WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
NUMBER = re.compile(
    r"(?P<bound>(?:about|around|almost|nearly|some|more than|less than|over|under|above|below|at"
    r" least|at most|up to) )?"
    r"(?<![\w.,#/–-])(?P<sign>[−-])?(?P<times>×\s?)?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)(?![\w.]*\.\d)"
    rf"(?P<tail>\s?%|\s?percent\b|\s?°|×| times\b|(?:-| )?(?:{UNITS})\b)?(?:"
    rf" (?P<word>{'|'.join(WORDS)})\b)?"
)
NAMED = re.compile(r"(?:[Ss]ections?|§|[Vv]ersions?|[Ss]ections? [\d.]+ and|NumPy|Python|Lab) ?$")
YEAR = re.compile(r"(?:19[5-9]|20[0-3])\d$")


class Said(NamedTuple):
    """A number of the prose: its words, what it may be worth, and how far from it a computed number
    may lie.
    """

    words: str
    values: tuple
    slack: float
    start: int


def plain(text):
    """Markdown without code, formulas, pictures, addresses and tags; every character that is left
    stays in its place.
    """

    def blank(match):
        return " " * len(match[0])

    text = re.sub(
        r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|!\[[^\]]*\]\([^)]*\)", blank, text, flags=re.S
    )
    # tied by another test
    text = re.sub(r"^\*\*Time\*\*.*|^Difficulty .*|^- \*\*Time\*\*.*", blank, text, flags=re.M)
    return re.sub(r"<[^>]+>|\]\([^)]*\)|&\w+;|https?://\S+", blank, text)


def said(text):
    """The numbers of a text that must come from somewhere."""
    for found in NUMBER.finditer(plain(text)):
        digits = found["digits"].replace(",", "")
        if digits == "" or (
            YEAR.match(digits) and "," not in found["digits"] and not found["tail"]
        ):
            continue
        decimals = len(digits.partition(".")[2])
        if decimals and not found["tail"] and NAMED.search(text[: found.start("digits")]):
            continue
        if not (decimals or found["tail"] or found["times"] or found["word"] or len(digits) >= 3):
            continue
        value, size = float(digits), WORDS.get(found["word"], 1)
        zeros = len(digits) - len(digits.rstrip("0")) if not decimals else -decimals
        slack = min(0.5 * 10.0**zeros, max(0.5, 0.05 * value)) if zeros > 0 else 0.5 * 10.0**zeros
        if found["bound"]:
            slack = max(slack, 0.1 * value)
        percent = found["tail"] and re.search("%|percent", found["tail"])
        values = (value * size,) + ((value / 100,) if percent else ())
        yield Said(found[0].strip(), values, slack * size, found.start())


@lru_cache(maxsize=1_000)
def held(text):
    """The numbers of an output or of code: 1,024 and 4_096, .25, 1e-3, 53%."""
    numbers = set()
    for found in re.finditer(r"(?<![\w.])[−-]?(\d[\d,_]*\.?\d*|\.\d+)(e[+-]?\d+)?", text):
        whole = found[1].rstrip(".,_")
        for digits in {whole.replace(",", ""), *whole.split(",")}:  # 1,024, or the list 1,024
            if digits.strip("_"):
                numbers.add(abs(float(digits.replace("_", "") + (found[2] or ""))))
    return numbers


def holds(numbers, one):
    """Whether one of the numbers, rounded, is the one that is said."""
    for number in numbers:
        for value in one.values:
            slack = one.slack * (value / one.values[0] if one.values[0] else 1)
            if abs(number - value) <= slack * (1 + 1e-9) + 1e-12 * abs(value):
                return True
    return False


def shown(cell):
    """What a code cell shows, in words: printed text, tables, what its pictures say for those who
    do not see them.
    """
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        yield from (
            output.get("text", ""),
            data.get("text/plain", ""),
            data.get("text/markdown", ""),
        )
        yield output.get("metadata", {}).get("image/png", {}).get("alt", "")


def sections(cells):
    """The places of the first cells of the head and every section, and where the last ends."""
    starts = [
        n
        for n, cell in enumerate(cells)
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.M)
    ]
    return [0, *starts, len(cells)]


def sources(cells, place, start, end, folded):
    """The texts that may hold a number of cell `place`, in the section from `start` to `end`."""
    inside = [cell for cell in cells[start : end if folded else place] if cell.cell_type == "code"]
    every = [
        cell
        for cell in cells[start:end]
        if cell.cell_type == "code" and cell.id not in ("setup", "parameters")
    ]
    head = start == 0 and not any(cell.cell_type == "code" for cell in cells[:place])
    if head or not every:  # the recap, the questions: nothing is computed here
        inside = [cell for cell in (cells if head else cells[:place]) if cell.cell_type == "code"]
    for cell in inside:
        yield from shown(cell)
    for cell in [*every, *inside]:
        yield cell.source  # a setting, not a result: it may stand below
    yield from (cell.source for cell in cells if cell.id == "parameters")


def unproved(notebook, allowed=()):
    """(cell id, number) for every number in the prose that no code or exception accounts for."""
    cells, missing = notebook.cells, []
    starts = sections(cells)
    for start, end in itertools.pairwise(starts):
        for place in range(start, end):
            cell = cells[place]
            if cell.cell_type != "markdown" or cell.id in ("launch", "navigation"):
                continue
            spared = [
                found.span()
                for words in allowed
                for found in re.finditer(re.escape(words), cell.source)
            ]
            folds = [
                found.span() for found in re.finditer(r"<details>.*?</details>", cell.source, re.S)
            ]
            for one in said(cell.source):
                if any(left <= one.start < right for left, right in spared):
                    continue
                folded = any(left <= one.start < right for left, right in folds)
                if not any(
                    holds(held(text), one) for text in sources(cells, place, start, end, folded)
                ):
                    missing.append((cell.id, one.words))
    return missing


@each
def test_every_number_in_the_prose_comes_from_code(path):
    allowed = [words for name, words, _ in EXCEPTIONS if path.stem[3:] == name]
    missing = unproved(nbformat.read(path, 4), allowed)
    assert not missing, (
        "print these in a cell above, in the same section; leave them out; or, if cited, see"
        " exceptions.tsv:\n" + "\n".join(f"  {id_}: {words}" for id_, words in missing)
    )


def test_every_exception_is_used_and_has_a_source():
    texts = {
        path: [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
        for path in PATHS
    }
    for name, words, source in EXCEPTIONS:
        found = [
            text
            for path, each in texts.items()
            if path.stem[3:] == name
            for text in each
            if words in text
        ]
        assert found, f"no longer in {name}: {words}"
        assert any(one.words in words for text in found for one in said(text)), (
            f"{words}: no number to except"
        )
        assert len(source.split()) >= 2, f"{words}: where does it come from?"


# ---- the test, tested: what it must find, and what it must let through ---------------------------


def little(*cells):
    """A notebook of (markdown) and (code, output) cells."""
    made = [nbformat.v4.new_markdown_cell("# Title")]
    for cell in cells:
        if isinstance(cell, str):
            made.append(nbformat.v4.new_markdown_cell(cell))
        else:
            made.append(
                nbformat.v4.new_code_cell(
                    cell[0], outputs=[nbformat.v4.new_output("stream", text=cell[1])]
                )
            )
    return nbformat.v4.new_notebook(cells=made)


@pytest.mark.parametrize(
    "words",
    [
        "0.35 of it",
        ".35",
        "35%",
        "35 %",
        "26 times",
        "×26",
        "26×",
        "700 s",
        "12 ms",
        "4.5 nats",
        "1,024",
        "2048 scores",
        "90°",
        "16 GB",
        "1.5 billion",
        "more than 812 of them",
    ],
)
def test_a_number_from_nowhere_is_found(words):
    assert unproved(little("## 1 · A", ("f()", "nothing of the kind: 3"), f"We see {words}."))


@pytest.mark.parametrize(
    "words",
    [
        "the 12 heads of layer 3",
        "head 02",
        "in 2017",
        "(2023)",
        "one of 4",
        "`1,024`",
        "$d = 1024$",
        "[a paper](https://arxiv.org/abs/1706.03762)",
        "issue #103749",
        "section 3.2.2",
        "section 3.2",
        "Sections 3.1 and 4.2",
        "NumPy 2.0",
    ],
)
def test_what_needs_no_source_is_let_through(words):
    assert not unproved(little("## 1 · A", ("f()", "nothing of the kind: 3"), f"We see {words}."))


@pytest.mark.parametrize(
    "output, words",
    [
        ("0.3512", ".35"),
        ("0.3512", "35%"),
        ("35.1%", "35 %"),
        ("26.4", "26 times"),
        ("1024", "1,024"),
        ("1,024", "1,024"),
        ("698 s", "about 700 s"),
        ("-0.25", "−.25"),
        ("1.5e+09", "1.5 billion"),
        ("[100,200]", "200 of them"),
        ("0.93", "more than 90 %"),
        ("103", "nearly 110"),
    ],
)
def test_a_rounded_number_is_held(output, words):
    assert not unproved(little("## 1 · A", ("f()", output), f"We see {words}."))


@pytest.mark.parametrize(
    "output, words",
    [("0.3562", ".35"), ("0.36", "35%"), ("27.4", "26 times"), ("1025", "1,024"), ("350", ".35")],
)
def test_a_wrong_number_is_found(output, words):
    assert unproved(little("## 1 · A", ("f()", output), f"We see {words}."))


def test_the_output_stands_above_and_in_the_section():
    shows = ("f()", "0.35")
    assert unproved(little("## 1 · A", shows, "## 2 · B", ("g()", "3"), "We see .35."))
    assert unproved(little("## 1 · A", "We see .35.", shows))
    assert not unproved(
        little("## 1 · A", "<details><summary>Answer</summary>\n\nWe see .35.\n\n</details>", shows)
    )
    assert not unproved(little("## 1 · A", shows, "## 2 · What you know now", "We saw .35."))
    assert not unproved(little("You will see .35.", ("import numpy", ""), "## 1 · A", shows))
    assert unproved(little(("import numpy", ""), "We see .35.", "## 1 · A", shows))
    assert not unproved(little("## 1 · A", ("f(window=512)", "3"), "A window of 512."))
