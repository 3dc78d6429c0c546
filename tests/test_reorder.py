"""`python .ci/notebooks.py reorder`: a new order changes numbers, and nothing else; there and back
changes nothing.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

import notebooks

ROOT = notebooks.ROOT
ORDER = "attnlib/course/order.py"


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def copied(folder):
    """A copy of all that names a notebook."""
    kept = shutil.ignore_patterns(
        "__pycache__", "fixtures", "*.npz", ".ipynb_checkpoints", ".*.lock"
    )
    for name in notebooks.HOUSE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=kept)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def put(house, subjects, parts=("one part",)):
    """Write the order: as many parts as have a name, the last with all that is left."""
    each = {part: {} for part in parts}
    for number, subject in enumerate(subjects):
        each[parts[min(number, len(parts) - 1)]][subject] = 1
    rest = re.search(r"^ANATOMY = .*", (ROOT / ORDER).read_text(encoding="utf-8"), re.M | re.S)[0]
    (house / ORDER).write_text(f"PARTS = {each}\n{rest}")


def reorder(house, *command, right=True):
    done = subprocess.run(
        [sys.executable, house / ".ci" / "notebooks.py", *(command or ["reorder"])],
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == right, done.stderr
    return done.stdout if right else done.stderr


BACKWARDS = notebooks.ORDER[::-1]


def notes(house):
    paths = (house / "notebooks").glob("*.ipynb")
    return {path.stem[3:]: nbformat.read(path, 4) for path in paths}


@pytest.fixture(scope="module")
def trip(tmp_path_factory):
    """All files before, with the order turned round (twice), and back again; the notebooks, too."""
    house = copied(tmp_path_factory.mktemp("house"))
    before, read = files(house), notes(house)
    put(house, BACKWARDS, ("First", "Second", "Third"))
    reorder(house)
    there, turned = files(house), notes(house)
    said = reorder(house)
    again = files(house)
    (house / ORDER).write_bytes(before[ORDER])
    reorder(house)
    return SimpleNamespace(
        before=before,
        there=there,
        said=said,
        again=again,
        back=files(house),
        read=read,
        turned=turned,
    )


def test_there_and_back_changes_nothing(trip):
    assert (
        trip.said.startswith("teaching.md: nothing to change")
        and trip.again == trip.there != trip.before
    )
    names = trip.before.keys() | trip.back.keys()
    assert [name for name in names if trip.before.get(name) != trip.back.get(name)] == []


def test_all_names_titles_and_links_have_the_new_numbers(trip):
    number = {subject: f"{place:02}" for place, subject in enumerate(BACKWARDS)}
    for subject, notebook in trip.turned.items():
        assert notebook.cells[0].source.startswith(f"# {number[subject]} · ")
    named = re.compile(rf"\b(\d\d)_({'|'.join(BACKWARDS)})\b")
    texts = {
        path: content.decode("utf-8")
        for path, content in trip.there.items()
        if Path(path).suffix in (*notebooks.WRITTEN, ".ipynb")
    }
    paths = [path for path in texts if path.endswith(".ipynb")]
    assert paths == [f"notebooks/{number[one]}_{one}.ipynb" for one in BACKWARDS]
    found = [(path, *pair) for path, text in texts.items() for pair in named.findall(text)]
    assert len(found) > 500
    assert [one for one in found if one[1] != number[one[2]]] == []
    for path in ["README.md", "notebooks/glossary.md", "notebooks/teaching.md", *paths]:
        for label, to in re.findall(r"\[(\d\d) · [^\]]*\]\((?:notebooks/)?(\d\d)_", texts[path]):
            assert label == to, path
    readme = texts["README.md"]
    table = readme[readme.index("<!-- course -->") : readme.index("<!-- /course -->")]
    assert re.findall(r"^\| \[(\d\d) · ", table, re.M) == sorted(number.values())
    assert re.findall(r"^\*\*(\w+)\*\*$", table, re.M) == ["First", "Second", "Third"]
    page = texts["notebooks/teaching.md"]
    assert re.findall(r"^### \[(\d\d) · ", page, re.M) == sorted(number.values())
    for subject in BACKWARDS:  # its section went with its title
        section = page.partition(f"_{subject}.ipynb)\n\n")[2].partition("\n### ")[0]
        assert f"`{subject}." in section
    first = trip.turned[BACKWARDS[0]].cells[-1].source
    assert "←" not in first and f"({number[BACKWARDS[1]]}_{BACKWARDS[1]}.ipynb) →" in first


def test_saved_outputs_and_the_mark_of_their_sources_stay(trip):
    """A number in a link changes no output: nothing has to be run again."""
    for subject, one in trip.read.items():
        other = trip.turned[subject]
        assert [cell.get("outputs") for cell in one.cells] == [
            cell.get("outputs") for cell in other.cells
        ]
        fresh = one.metadata["attnlib"]["sources"] == notebooks.sources(one)
        assert fresh == (other.metadata["attnlib"]["sources"] == notebooks.sources(other))


@pytest.mark.parametrize(
    "subjects, words",
    [
        (notebooks.ORDER[1:], f"name different subjects: {notebooks.ORDER[0]}"),
        ([*notebooks.ORDER, "vision"], "name different subjects: vision"),
    ],
)
def test_an_order_that_does_not_fit_the_notebooks_changes_nothing(subjects, words, tmp_path):
    house = copied(tmp_path)
    put(house, subjects)
    before = files(house)
    assert words in reorder(house, right=False)
    assert files(house) == before
