"""Who comes with a notebook of version 0.1 is told in a sentence what its names are called now, and
nothing else is any different.
"""

import importlib.util
import re
import subprocess
import sys

import pytest

import attnlib
import notebooks
from attnlib import _moved, exercises, models, show
from attnlib.exercises import _progress

FACES = [attnlib, exercises, show]
SHOWN = {"attnlib.show.explore"}  # a function has the name of the file that it stood in
every_old_name = pytest.mark.parametrize("old", _moved.MOVED)


def refused(line):
    """The ImportError that a line of an old notebook ends in."""
    with pytest.raises(ImportError) as caught:
        exec(line, {})
    return caught.value


@every_old_name
def test_however_it_is_imported_an_old_name_says_where_it_is(old):
    place, _, name = old.rpartition(".")
    said = _moved.sentence(old)
    lines = [f"import {old}", f"import {old} as x", f"from {old} import y", f"import {old}.z"]
    for line in [*lines, *[f"from {place} import {name}"] * (old not in SHOWN)]:
        error = refused(line)
        assert type(error) is ImportError and str(error) == said and error.name == old
    assert re.fullmatch(rf"{re.escape(old)} has been called [\w.]+ since 0\.2: from .+", said)


@every_old_name
def test_the_line_that_is_said_imports_what_is_called_so(old):
    names, line = {}, _moved.sentence(old).partition(": ")[2]
    exec(line, names)
    own, given = names.popitem()
    assert (own == "ex") == (".exercises." in old)
    assert _moved.MOVED[old] in (given.__name__, getattr(given, "__module__", ""))


@pytest.mark.parametrize("old", _moved.INSIDE)
def test_what_stood_inside_a_file_says_where_it_is_too(old):
    place, _, name = old.rpartition(".")
    file = importlib.import_module(place)
    with pytest.raises(AttributeError) as caught:
        getattr(file, name)
    assert str(caught.value) == _moved.sentence(old)
    assert not hasattr(file, name) and not hasattr(file, "never_was")
    names = {}
    exec(_moved.sentence(old).partition(": ")[2], names)
    assert _moved.INSIDE[old].rpartition(".")[2] in names


@pytest.mark.parametrize("old", [old for old in _moved.MOVED if old not in SHOWN])
def test_no_old_name_is_in_use_again(old):
    place, _, name = old.rpartition(".")
    package = importlib.import_module(place)
    assert not hasattr(package, name), "hasattr asks, and is told no"
    assert name not in dir(package) and name not in getattr(package, "__all__", [])
    assert getattr(package, name, "nothing") == "nothing"
    assert not any(old == other or old.startswith(f"{other}.") for other in _moved.MOVED.values())


def test_every_exercise_of_the_first_version_is_there():
    wanted = [f"attnlib.exercises.ex{number:02}" for number in range(18)]
    assert [old for old in _moved.MOVED if ".ex" in old and old[-2:].isdigit()] == wanted
    assert set(_moved.NUMBERED) <= set(notebooks.ORDER)
    assert list(_progress.OLD.values()) == _moved.NUMBERED, "what was passed then counts"
    assert _moved.sentence("attnlib.exercises.ex04") == (
        "attnlib.exercises.ex04 has been called masks since 0.2: "
        "from attnlib.exercises import masks as ex"
    )
    assert _moved.sentence("attnlib.show.explorer") == (
        "attnlib.show.explorer has been called attnlib.course.explorer since 0.2: "
        "from attnlib.course import explorer"
    )


@every_old_name
def test_the_page_for_teachers_has_it(old):
    """In its table of old names, with the new one behind it."""
    page = (notebooks.NOTEBOOKS / "teaching.md").read_text(encoding="utf-8")
    table = page.partition("## Old names")[2].partition("\n## ")[0]
    name = old.rpartition(".")[2]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| ")]
    new_place, _, new = _moved.MOVED[old].rpartition(".")
    assert any(
        re.search(rf"\b{name}\b", row[0])
        and (re.search(rf"\b{new}\b", row[1]) or f"`{new_place}`" in row[1])
        for row in rows
    ), f"{old} -> {_moved.MOVED[old]}"


@pytest.mark.parametrize("module", FACES, ids=lambda module: module.__name__)
def test_an_attribute_says_the_same(module):
    """show.explorer(), say: an AttributeError, for hasattr passes nothing else over."""
    old = [one for one in _moved.MOVED if one.rpartition(".")[0] == module.__name__]
    old = [one for one in old if one not in SHOWN]
    assert old
    for one in old:
        with pytest.raises(AttributeError) as caught:
            getattr(module, one.rpartition(".")[2])
        assert str(caught.value) == _moved.sentence(one)


@pytest.mark.parametrize("module", [*FACES, models], ids=lambda module: module.__name__)
def test_a_slip_of_the_pen_is_what_it_is_elsewhere(module):
    """In the words of Python, as `attnlib.models` has them, which has no `__getattr__`."""
    name = module.__name__
    assert hasattr(module, "__getattr__") == (module in FACES)
    with pytest.raises(AttributeError) as caught:
        _ = module.heatmpa
    assert str(caught.value) == f"module {name!r} has no attribute 'heatmpa'"
    assert (caught.value.name, caught.value.obj) == ("heatmpa", module), "Python guesses from them"
    assert not hasattr(module, "heatmpa") and not hasattr(module, "__wrapped__")
    assert str(refused(f"from {name} import heatmpa")) == (
        f"cannot import name 'heatmpa' from {name!r} ({module.__file__})"
    )
    assert str(refused(f"import {name}.heatmpa")) == f"No module named '{name}.heatmpa'"
    assert importlib.util.find_spec(f"{name}.heatmpa") is None


@pytest.mark.parametrize("module", FACES, ids=lambda module: module.__name__)
def test_a_star_brings_what_it_brought(module):
    names = {}
    exec(f"from {module.__name__} import *", names)
    assert set(names) - {"__builtins__"} == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))


def test_a_traceback_ends_in_the_sentence():
    """And shows no line of Python's own import; `python -m` says it, too."""
    ways = [["-c", "from attnlib.capstone import FAMILIES"], ["-m", "attnlib.capstone"]]
    for way in ways:
        done = subprocess.run([sys.executable, *way], capture_output=True, text=True)
        assert done.returncode == 1 and "importlib" not in done.stderr
        assert _moved.sentence("attnlib.capstone") in done.stderr.splitlines()[-1]


def test_python_is_asked_first():
    """The finder stands behind all others: what is there is found as ever."""
    assert sys.meta_path.index(_moved.OldNames) >= 3
    assert _moved.OldNames.find_spec("attnlib.masks") is None
