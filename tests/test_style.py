"""How the house is kept: ruff, one command for all tests, the floors of the package, and the files
that GitHub and editors read.
"""

import ast
import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import oldest
import pytest

import notebooks

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


def rooms():
    """Room of attnlib -> the rooms that it imports, wherever in it that stands."""
    found = {}
    for path in (ROOT / "attnlib").rglob("*.py"):
        parts = path.relative_to(ROOT / "attnlib").with_suffix("").parts
        named = found.setdefault(parts[0], set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                named |= {f"{node.module}.{alias.name}" for alias in node.names}
    here = set(found) - {"__init__"}
    return {
        room: {one.split(".")[1] for one in named if one.startswith("attnlib.")} & here - {room}
        for room, named in found.items()
        if room in here
    }


def test_every_room_stands_on_its_floor_and_imports_only_from_below():
    text = (GITHUB / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- floors -->\n(.*?)<!-- /floors -->", text, re.S)[1]
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.M)
    assert [int(number) for number, _ in rows] == [*range(len(rows))][::-1]
    names = [(room, int(number)) for number, row in rows for room in re.findall(r"`(\w+)`", row)]
    floor, imported = dict(names), rooms()
    assert len(floor) == len(names), "a room stands on one floor"
    assert set(floor) == set(imported)
    wrong = [
        f"{room} ({floor[room]}) imports {other} ({floor[other]})"
        for room, others in imported.items()
        for other in sorted(others)
        if floor[other] >= floor[room]
    ]
    assert not wrong


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
    assert newest == notebooks.version()


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
