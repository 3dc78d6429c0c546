"""How the house is kept: ruff, one command for all tests, the floors of the package, and the files
that GitHub and editors read.
"""

import ast
import graphlib
import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import oldest
import pytest

import notebooks
from attnlib.show.live import base

ROOT = notebooks.ROOT
GITHUB = ROOT / ".github"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(GITHUB.glob("*.md"))


def git(*arguments):
    """What git says about this repository; skipped where there is none to ask."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    except OSError:
        pytest.skip("git is not installed")
    if done.returncode:
        pytest.skip(f"git {arguments[0]}: {done.stderr.strip() or 'no answer'}")
    return done.stdout


# ---- ruff ----------------------------------------------------------------------------------------


def ruff(*arguments):
    """ruff's exit status and its last words."""
    try:
        importlib.metadata.version("ruff")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("ruff is not installed: pip install -r tests/requirements.txt")
    command = [sys.executable, "-m", "ruff", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    return done.returncode, (done.stdout + done.stderr)[-6000:]


def skip_other_ruff(does):
    """Skip unless this is the house's ruff: another version has rules and a way of its own."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    ours, here = re.search(r"ruff==([\d.]+)", hooks)[1], ruff("--version")[1].split()[-1]
    if here != ours:
        pytest.skip(f"ruff {here} {does} than {ours}, which this house uses")


def test_ruff_has_nothing_to_say():
    status, said = ruff("check", "--no-cache", "--output-format=concise", ".")
    if status:
        skip_other_ruff("may ask for other things")
    assert status == 0, said


def test_the_formatter_has_nothing_to_change():
    status, said = ruff("format", "--no-cache", "--check", ".")
    if status:
        skip_other_ruff("sets code in another way")
    assert status == 0, f"{said}\nruff format . mends it"


def test_ruff_would_say_something(tmp_path):
    """The settings are found: one line is too long, and one is set in another way."""
    long = f"x = {'+'.join(['1'] * 80)}\n"
    for text, command, words in [(long, "check", "E501"), ("x=1\n", "format", "1 file would be")]:
        (tmp_path / "a.py").write_text(text)
        flags = ["--check"] if command == "format" else []
        settings = ["--config", str(ROOT / "pyproject.toml")]
        status, said = ruff(command, "--no-cache", *flags, *settings, str(tmp_path / "a.py"))
        assert status == 1 and words in said


def test_nobody_switches_the_formatter_off_line_by_line():
    marks = re.compile(r"#\s*fmt:\s*(?:off|on|skip)")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("attnlib", "tests", ".ci")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line) and path != Path(__file__)
    ]
    assert not found


def test_one_ruff_for_all():
    """The lower bound, which the oldest versions are tried with, is what pre-commit runs."""
    (bound,) = [
        line for line in oldest.requirements(ROOT / "tests" / "requirements.txt") if "ruff" in line
    ]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r'"(ruff==[\d.]+)"', hooks)) == {bound.replace(">=", "==")}


# ---- one command for all tests, and one test in seconds ------------------------------------------


def commands():
    """The lines of README that CI may take for its command, as .ci/run looks for them."""
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    pattern = re.search(r"grep -E '([^']+)' README\.md", run)[1]
    return [line for line in README.splitlines() if re.search(pattern, line)]


def test_ci_runs_readmes_command():
    (command,) = commands()
    install, test = command.split(" && .venv/bin/python -m pytest ")
    assert install.endswith("-r tests/requirements.txt")
    given = shlex.split(test)
    assert given[given.index("-n") + 1] == "2" and given[given.index("--dist") + 1] == "loadscope"
    assert "--nbval" in given and (ROOT / given[given.index("--nbval-sanitize-with") + 1]).is_file()
    assert not [word for word in given if word.startswith("tests") and word != "tests/nbval.cfg"], (
        "all tests"
    )


def test_one_test_asks_for_nothing_but_itself(request):
    """No addopts: `pytest tests/test_masks.py` starts no workers and no kernels."""
    assert request.config.getini("addopts") == []
    assert request.config.getini("testpaths") == ["tests", "notebooks"], "the settings are read"


def test_a_new_container_is_set_up_like_readmes():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    (command,) = commands()
    assert command.startswith(f"{container['postCreateCommand']} && ")
    version = re.search(r"python:(3\.\d+)$", container["image"])[1]
    assert f'"{version}"' in (GITHUB / "workflows" / "ci.yml").read_text()


def test_the_workflows_call_tests_that_are_there():
    calls = re.findall(
        r"-m pytest ((?:[^\n]|\n +--ignore)+)",
        "".join(path.read_text() for path in (GITHUB / "workflows").glob("*.yml")),
    )
    assert len(calls) >= 3
    for call in calls:
        named = [word for word in call.split() if word.startswith("tests")]
        assert named and all((ROOT / word).exists() for word in named), call


# ---- the map -------------------------------------------------------------------------------------


def name_of(path):
    """attnlib/show/parts.py -> "attnlib.show.parts"; a face is called like its package."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PATHS = sorted((ROOT / "attnlib").rglob("*.py"))
SOURCES = {name_of(path): path.read_text(encoding="utf-8") for path in PATHS}
FACES = {name_of(path) for path in PATHS if path.name == "__init__.py"}
PICTURES = {"show", "show.live"}
parsed = cache(ast.parse)


def imports(file, tree):
    """Every import of a file, wherever it stands: the name that it gives, or None, and the whole
    name of what is meant.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield one.asname, one.name
        elif isinstance(node, ast.ImportFrom):
            place = [node.module] if node.module else []
            if node.level:
                above = f"{file}.itself" if file in FACES else file
                place = above.split(".")[: -node.level] + place
            for one in node.names:
                yield one.asname or one.name, ".".join([*place, one.name])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            texts = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
            text = str([*texts, ""][0])  # f"attnlib.tools.{name}", too
            if not file.startswith(text):  # a package that looks up its own files needs no face
                yield None, text.rstrip(".")


@cache
def reads(text):
    """The names that code reads, and those with what it reads of them, "show.figures.heatmap"."""
    nodes = list(ast.walk(parsed(text)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    long = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    return names, {one for one in long if re.fullmatch(r"[\w.]+", one)}


def needs(sources):
    """File -> the files of attnlib that it needs. A face is looked through: who imports a name from
    a package needs the file that has it, and the face needs nothing that it only hands on.
    """
    given = {file: dict(imports(file, parsed(sources[file]))) for file in FACES}

    def has(name):
        """The file that has what is called so."""
        place, _, own = name.rpartition(".")
        handed = given.get(place, {}).get(own, name)
        if name in sources or not place:
            return name
        return has(place if handed == name else handed)

    found = {}
    for file, text in sources.items():
        read, attributes = reads(text)
        names = set()
        for own, name in imports(file, parsed(text)):
            if file in FACES and name.startswith(f"{file}.") and own and own not in read:
                continue  # handed on
            start = own or name.split(".")[0]
            whole = name if own else start
            inner = {one for one in attributes if one.startswith(f"{start}.")}
            if has(whole) in FACES:
                names |= {f"{whole}{one.removeprefix(start)}" for one in inner}
            if not inner or name != whole or has(whole) not in FACES:
                names.add(name)
        names = {one for one in names if f"{one}.".startswith("attnlib.") and one[-2:] != "__"}
        found[file] = {has(name) for name in names} - {file}
    return found


def floors():
    """Room -> its floor, as CONTRIBUTING's table says."""
    text = (GITHUB / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- floors -->\n(.*?)<!-- /floors -->", text, re.S)[1]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M)
    assert [int(number) for number, _ in rows] == [*range(len(rows))][::-1]
    names = [(room, int(n)) for n, row in rows for room in re.findall(r"`([\w.]+)`", row)]
    assert len(dict(names)) == len(names), "a room stands on one floor"
    return dict(names)


FLOORS = floors()


def room_of(file):
    """The smallest room of the table that a file stands in; None if there is none."""
    parts = file.split(".")[1:] or ["__init__"]
    rooms = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((room for room in rooms if room in FLOORS), None)


def complaints(sources):
    """Whatever is wrong with the imports of these files, in words."""
    needed = needs(sources)
    rooms = {file: room_of(file) for file in sources}
    lost = [f"{file} has no room in CONTRIBUTING's table" for file in sources if not rooms[file]]
    if lost:
        return lost
    said, models = [], FLOORS["models.files"]
    for file, others in needed.items():
        here = rooms[file]
        for other in sorted(others):
            there = rooms[other]
            if there != here and FLOORS[there] >= FLOORS[here]:
                said.append(f"{file}, floor {FLOORS[here]}, imports {other}, {FLOORS[there]}")
            if here in PICTURES and there not in PICTURES and FLOORS[there] >= models:
                said.append(f"{file} is a picture and imports {other}")
    try:
        graphlib.TopologicalSorter(needed).prepare()
    except graphlib.CycleError as error:
        said.append(f"a circle: {', '.join(error.args[1])}")
    return said


def test_every_room_stands_on_its_floor_and_imports_only_from_below():
    assert complaints(SOURCES) == []
    assert set(map(room_of, SOURCES)) == set(FLOORS), "a room of the table is empty"
    assert len({FLOORS[room] for room in ("attention", "masks", "encodings")}) == 1, "side by side"


@pytest.mark.parametrize(
    "file, line, words",
    [
        ("heads", "from attnlib.layers import gelu", "heads, floor 5, imports attnlib.layers, 7"),
        ("heads", "from attnlib import layers", "heads, floor 5, imports attnlib.layers, 7"),
        ("masks", "from attnlib.attention import softmax", "masks, floor 4, imports attnlib.att"),
        ("encodings", "import attnlib.masks", "encodings, floor 4, imports attnlib.masks, 4"),
        ("effects", "def f():\n    from . import toy", "effects, floor 7, imports attnlib.toy"),
        (
            "models.files.hub",
            "from ..gpt import GPT",
            "hub, floor 8, imports attnlib.models.gpt, 9",
        ),
        (
            "training.tasks",
            "import attnlib.course.shipped.seq2seq as s",
            "training.tasks, floor 10",
        ),
        ("training.loop", "from attnlib.show import explore", "imports attnlib.show.live.explore"),
        ("show.parts", "from attnlib.show import AttentionView", "imports attnlib.show.live.view"),
        ("toy", "import attnlib\nattnlib.exercises.progress()", "exercises._progress, 15"),
        ("toy", "import attnlib.masks\nattnlib.tools.bench", "imports attnlib.tools.bench, 15"),
        ("toy", "import attnlib.tools\nattnlib.masks.full", "imports attnlib.tools, 15"),
        ("toy", "from attnlib import course\ncourse.order.ORDER", "attnlib.course.order, 14"),
        (
            "course.order",
            "importlib.import_module('attnlib.tools.bench')",
            "attnlib.tools.bench, 15",
        ),
        ("exercises.masks", "from attnlib.tools import stills", "tools.stills, 15"),
        ("efficient", "from attnlib import load", "efficient, floor 5, imports attnlib, 16"),
        ("show.parts", "def f():\n    from attnlib import models\n    models.load", "is a picture"),
        ("show", "from attnlib.models import Trace", "attnlib.show is a picture"),
        ("show.live.page", "from attnlib.training import tasks", "live.page is a picture"),
        ("models.trace", "from attnlib.models.gpt import GPT", "a circle: attnlib.models."),
        ("show.rows", "def f():\n    from attnlib.show import stacked", "a circle: attnlib.show"),
        ("show.labels", "from attnlib.show import heatmap", "a circle: attnlib.show"),
        ("spare", "", "attnlib.spare has no room"),
    ],
)
def test_a_wrong_import_is_seen(file, line, words):
    name = f"attnlib.{file}"
    said = complaints({**SOURCES, name: f"{SOURCES.get(name, '')}\n{line}\n"})
    assert any(words in one for one in said), said


@pytest.mark.parametrize(
    "file, line",
    [
        ("tools.stills", "from attnlib import __version__"),
        ("course.order", "import attnlib\nattnlib.__version__"),
        ("heads", "from attnlib import masks, _moved\nfrom attnlib.attention import softmax"),
        ("training.tasks", "from attnlib import models\nmodels.load('tiny-gpt')"),
    ],
)
def test_a_right_import_is_not_blamed(file, line):
    name = f"attnlib.{file}"
    assert complaints({**SOURCES, name: f"{SOURCES[name]}\n{line}\n"}) == []


def loads(line):
    """The modules that a line brings into a fresh Python."""
    program = f"import sys; was = set(sys.modules); {line}; print(*{{*sys.modules}} - was)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def inside(modules, *packages):
    return sorted(one for one in modules if f"{one}.".startswith(tuple(f"{p}." for p in packages)))


def test_attention_needs_numpy_and_nothing_else():
    """Neither do the other rooms below the models."""
    lesson = [room for room in FLOORS if FLOORS[room] < FLOORS["models.files"]]
    for line in ("import attnlib", f"import {', '.join(f'attnlib.{room}' for room in lesson)}"):
        found = loads(line)
        others = {one.split(".")[0] for one in found} - sys.stdlib_module_names
        assert others == {"attnlib", "numpy"}
        assert not inside(found, "attnlib.models", "attnlib.training", "attnlib.show")


def test_pictures_load_no_model():
    rooms = "models training toy exercises course tools"
    found = loads("import attnlib.show")
    assert "attnlib.show.live.view" in found
    assert not inside(found, *(f"attnlib.{room}" for room in rooms.split()))


def test_the_javascript_is_small():
    """Lines of code: blank ones and comments are not counted. Pictures grow in number, but a reader
    opens one, and what it imports: a module is one sitting, at most 400 lines, and what the largest
    picture joins, AttentionView, at most 1,950. The files of Python that are read have a budget in
    tests/test_doors.py.
    """
    lines = {
        path: sum(
            not re.match(r"\s*(//|/\*\*|\*|$)", line)
            for line in path.read_text(encoding="utf-8").splitlines()
        )
        for path in (ROOT / "attnlib").rglob("*.js")
    }
    assert {path.parent.name for path in lines} == {"live", "course"}
    assert max(lines.values()) <= 400, {path.name: n for path, n in lines.items() if n > 400}
    joined = {path.name: sum(lines[one] for one in base.sources(path)) for path in lines}
    assert max(joined.values()) == joined["view.js"] <= 1950, joined


# ---- pages for people ----------------------------------------------------------------------------


def test_github_finds_its_pages():
    assert {page.stem for page in PAGES} == {
        "CONTRIBUTING",
        "SECURITY",
        "CODE_OF_CONDUCT",
        "RELEASES",
    }
    forms = {
        path.stem: path.read_text(encoding="utf-8")
        for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml")
    }
    assert set(forms) == {"bug", "idea", "class", "config"}
    for name in ("bug", "idea", "class"):
        for key in ("name", "description", "body"):
            assert re.search(rf"^{key}:", forms[name], re.M), f"{name} has no {key}"
        ids = re.findall(r"^    id: (\w+)$", forms[name], re.M)
        assert len(set(ids)) == len(ids) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_is_there(page):
    """Paths in `…`, also those in commands, and local links; NAME and the like stand for a name."""
    text = page.read_text(encoding="utf-8")
    code = [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^```\n(.*?)^```", text, re.M | re.S)]
    words = {word.rstrip(",.;:") for piece in code for word in piece.split()}
    first = ("attnlib/", "tests/", "notebooks/", ".ci/", ".github/", "binder/")
    paths = {
        word.split("::")[0]
        for word in words
        if word.startswith(first) and not re.search(r"[A-Z]{2}|[*…<{(]", word)
    }
    lacking = sorted(path for path in paths if not (ROOT / path).exists())
    assert not lacking
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (page.parent / link).exists(), link


def test_the_release_notes_have_this_version():
    notes = (GITHUB / "RELEASES.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (\d+\.\d+\.\d+)", notes, re.M)[0]
    assert newest == notebooks.version().removesuffix(".dev0")


def test_blame_looks_through_commits_that_are_there():
    lines = (ROOT / ".git-blame-ignore-revs").read_text(encoding="utf-8").splitlines()
    hashes = [line for line in lines if line and not line.startswith("#")]
    assert hashes and all(re.fullmatch(r"[0-9a-f]{40}", one) for one in hashes)
    if git("rev-parse", "--is-shallow-repository").strip() != "false":
        pytest.skip("a shallow clone has no history to look the commits up in")
    if not set(hashes) <= set(git("rev-list", "HEAD").split()):
        pytest.skip("this history was rewritten: the commits have other names in it")
    for one in hashes:  # a commit that sets the whole house touches hundreds of files
        assert len(git("show", "--format=", "--name-only", one).split()) > 100
