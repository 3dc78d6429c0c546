"""The bones of a notebook of anatomy 2: something to handle within the first screen, questions that
are asked before they are answered, and nothing that tells the answer before.
"""

import ast
import base64
import importlib
import io
import itertools
import re
import shutil
import statistics
import types

import lab
import nbformat
import pytest
from PIL import Image
from test_notebooks_static import PATHS, READ, code_lines, heading, output_text, prose

import notebooks
from attnlib.exercises import Question

NEW = [path for path in PATHS if notebooks.ANATOMY[path.stem[3:]] == 2]
each = pytest.mark.parametrize("path", NEW, ids=lambda path: path.stem[3:])
SCREEN = 1200  # pixels below a question in which its answer may not stand


def test_every_notebook_has_one_of_two_anatomies():
    assert set(notebooks.ANATOMY) == {path.stem[3:] for path in PATHS}
    assert set(notebooks.ANATOMY.values()) <= {1, 2}


def questions(notebook, module):
    """(place, the question) of every ex.NAME.ask(…)"""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            for name in re.findall(r"\bex\.(\w+)\.ask\(", cell.source):
                yield number, getattr(module, name)


def answers(question):
    """What gives the answer away, in words: the right option, the numbers of the explanation and
    what it sets in bold.
    """
    numbers = re.findall(r"(?<![\d.])\d*\.\d{2,}(?!\d)", question.why)
    bold = re.findall(r"\*\*(.+?)\*\*", question.why)
    right = question.given.get("right", "")
    return {one for one in [*numbers, *bold, right] if len(one) > 2}


def seen(cell):
    """What a reader sees of a cell, without what is folded."""
    if cell.cell_type == "markdown":
        return re.sub(r"<details.*?</details>", "", cell.source, flags=re.S)
    strings = (
        [
            node.value
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if cell.id != "setup"
        else []
    )
    return "\n".join([*strings, *map(output_text, cell.outputs)])


def height(cell):
    """About how many pixels a cell takes in JupyterLab, at a width of 1,100."""
    text = re.sub(r"<details.*?</details>", "x", cell.source, flags=re.S)
    high = sum(1 + len(line) // 115 for line in text.splitlines()) * 21 + 16
    if cell.cell_type == "code":
        high = 0 if cell.metadata.get("jupyter", {}).get("source_hidden") else high
        for output in cell.outputs:
            png = output.get("data", {}).get("image/png")
            high += (
                Image.open(io.BytesIO(base64.b64decode(png))).height
                if png
                else 18 * output_text(output).count("\n")
            )
    return high


def spoilers(notebook, module):
    """(cell of the question, cell that tells, what it tells)"""
    for number, question in questions(notebook, module):
        below, left = [], SCREEN
        for cell in notebook.cells[number + 1 :]:
            below.append(cell)
            left -= height(cell)
            if left < 0:
                break
        for cell in [*notebook.cells[:number], *below]:
            for answer in sorted(answers(question)):
                if re.search(rf"(?<![\w.]){re.escape(answer)}(?!\w)", seen(cell), re.I):
                    yield notebook.cells[number].id, cell.id, answer


def of(path):
    """The module with the exercises and questions of a notebook."""
    return importlib.import_module(f"attnlib.exercises.{path.stem[3:]}")


def test_nothing_tells_the_answer_before_the_reader_has_guessed():
    found = {path.stem: list(spoilers(READ[path], of(path))) for path in NEW}
    assert found == {path.stem: [] for path in NEW}


def test_a_spoiler_would_be_found():
    new = nbformat.v4
    how_many = Question(
        "x.how_many",
        "choice",
        "How many?",
        options=["two", "all of them"],
        right="all of them",
        why="**All ten**, .25 each.",
    )
    book = new.new_notebook(
        cells=[
            new.new_markdown_cell("## All of them look", id="heading"),
            new.new_markdown_cell("<details>all of them, .25</details>", id="folded"),
            new.new_code_cell("print('.25')", id="code"),
            new.new_code_cell("ex.how_many.ask()", id="question"),
            new.new_code_cell(
                "1", id="near", outputs=[new.new_output("stream", text="0.25 and .25\n" * 40)]
            ),
            new.new_markdown_cell("word " * 1000, id="long"),
            new.new_markdown_cell("All ten.", id="far"),
        ]
    )
    assert list(spoilers(book, types.SimpleNamespace(how_many=how_many))) == [
        ("question", "heading", "all of them"),
        ("question", "code", ".25"),
        ("question", "near", ".25"),
    ]


@each
def test_the_hero_comes_first(path):
    cells = READ[path].cells
    names = [cell.id for cell in cells]
    assert names[:2] == ["title", "launch"]
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.id for cell in code[:3]] == ["setup", "parameters", "hero"]
    for cell in code[:2]:
        assert cell.metadata.get("jupyter") == {"source_hidden": True}, f"{cell.id} is folded"
    assert all("image/png" in output.data for output in code[2].outputs) and code[2].outputs
    assert re.search(r"\bhero = ", code[2].source), (
        "by this name the next cell asks for its numbers"
    )
    again = code[3]
    assert "np.allclose(" in again.source and "hero." in again.source, (
        "below the hero NumPy says what its hands left there"
    )
    assert "True" in "".join(map(output_text, again.outputs))


@each
def test_four_or_five_questions_of_at_least_two_kinds(path):
    found = list(questions(READ[path], of(path)))
    assert 4 <= len(found) <= 5 and len({question.kind for _, question in found}) >= 2
    for number, question in found:
        assert question.why
        behind = READ[path].cells[number + 1]
        assert behind.cell_type == "markdown" and behind.source.startswith("<details"), (
            f"{READ[path].cells[number].id}: for GitHub and paper the answer stands folded behind"
        )


@each
def test_the_answers_stand_in_the_package(path):
    """In a cell they could be read before the guess, wherever code is not folded."""
    code = "\n".join(cell.source for cell in READ[path].cells if cell.cell_type == "code")
    assert "predict." not in code and "why=" not in code
    asked = {question.name for _, question in questions(READ[path], of(path))}
    held = {
        (name, thing.name) for name, thing in vars(of(path)).items() if isinstance(thing, Question)
    }
    assert {name for _, name in held} == asked
    assert all(said == f"{path.stem[3:]}.{name}" for name, said in held)


@each
def test_its_size(path):
    cells = READ[path].cells
    code = [cell for cell in cells if cell.cell_type == "code" and cell.id != "setup"]
    text = "\n".join(prose(cell.source) for cell in cells if cell.cell_type == "markdown")
    words, asides = len(text.split()), len(re.findall(r"\([^()]{25,}\)", text))
    lengths = [len(code_lines(cell.source)) for cell in code]
    tail = len(cells) - heading(path, "pitfalls")
    print(f"{path.stem}: {words} words, {asides} asides, {len(cells)} cells, a tail of {tail}")
    assert words <= 2400 and asides <= 12
    assert 40 <= len(cells) <= 70 and tail <= len(cells) / 5
    assert max(lengths) <= 20 and statistics.median(lengths) <= 5


@each
def test_no_still_follows_a_slider(path):
    """`explore` carries its own film strip."""
    cells = [cell for cell in READ[path].cells if cell.cell_type == "code"]
    for slider, after in itertools.pairwise(cells):
        drawn = re.search(r"explore\((\w+)", slider.source)
        assert not (drawn and f"{drawn[1]}(" in after.source), after.id


@each
def test_a_line_of_contents_leads_to_every_section(path):
    text = "\n".join(cell.source for cell in READ[path].cells if cell.cell_type == "markdown")
    sections = re.findall(r"^## (\d+) · ", text, re.M)
    line = next(line for line in text.splitlines() if line.startswith("**Contents**"))
    assert re.findall(r"\[(\d+) · ", line) == sections


def hero_of(path):
    """The live picture that the cell `hero` makes, with what stands above it."""
    names = {}
    for id_ in ("parameters", "hero"):
        exec(next(cell.source for cell in READ[path].cells if cell.id == id_), names)
    return names["hero"]


def test_the_course_begins_with_its_three_sliders():
    """The number of heads, the window and the positional encoding, in the first picture."""
    hero = hero_of(notebooks.path("start_here"))
    for name, values in {
        "heads": range(1, 9),
        "window": range(1, 11),
        "encoding": ["none", "sinusoidal", "learned"],
    }.items():
        assert hero.trait_metadata(name, "sync"), f"{name} reaches the page"
        hero.pattern, seen = "local", set()
        for value in values:
            setattr(hero, name, value)
            assert getattr(hero, name) == value
            seen.add(hero.weights.tobytes())
        assert len(seen) == len(values), f"{name} changes what is seen"


# ---- in JupyterLab -------------------------------------------------------------------------------

FIRST = 500  # pixels from the top of the window, at 1,100 x 1,200


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The notebooks as they are saved, in JupyterLab: saved(path) opens one, and nothing is run. ->
    the page
    """
    folder = tmp_path_factory.mktemp("lab")
    files = shutil.copytree(notebooks.NOTEBOOKS, folder / "files")
    with lab.chromium() as browser, lab.jupyter(folder, files) as server:
        tab = lab.Tab(browser, width=1100, height=1200)

        def opened(path):
            tab.page.goto(f"{server}/doc/tree/{path.name}")
            return tab.page

        yield opened
        tab.context.close()


@each
def test_the_first_picture_begins_within_the_first_screen(path, saved):
    page = saved(path)
    at = [cell.id for cell in READ[path].cells].index("hero")
    output = page.locator(".jp-Notebook .jp-Cell").nth(at).locator(".jp-OutputArea-output").first
    output.locator("img").wait_for(timeout=60_000)
    page.wait_for_function(  # the badges and the title, too
        "() => [...document.images].slice(0, 3).every((one) => one.complete)"
    )
    top = output.bounding_box()["y"]
    print(f"{path.stem}: the first picture begins {top:.0f} px from the top")
    assert top <= FIRST, f"{top:.0f} px: a shorter title, fewer lines above it"
