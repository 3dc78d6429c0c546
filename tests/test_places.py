"""The course where others run it: what the launch links open, the set-up cell, Colab, Binder.

Each place gets an environment of its own. Where it cannot be had, a test is skipped and says why;
in CI it fails.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import urllib.parse
from pathlib import Path

import lab
import nbformat
import oldest
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import NOWHERE, environment, frozen, notebook_of, pip, run

import notebooks

ROOT, TESTS = notebooks.ROOT, Path(__file__).parent
PATHS = notebooks.paths()
ADDRESS = "https://github.com/me/mine"  # as if the course lay there
SETUP = notebooks.setup(ADDRESS)
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


# ---- the links that open a notebook --------------------------------------------------------------


@each
def test_launch_links_lead_to_this_notebook(path):
    colab, binder, lite = re.findall(r"\]\((https://[^)]+)\)", notebooks.launch(path))
    repository = notebooks.address()
    owner = repository.removeprefix("https://github.com/")
    branch, file = colab.removeprefix(
        f"https://colab.research.google.com/github/{owner}/blob/"
    ).split("/", 1)
    assert branch == "main" and ROOT / file == path and path.is_file()
    opened = urllib.parse.urlsplit(binder)
    assert (opened.netloc, opened.path) == ("mybinder.org", f"/v2/gh/{owner}/main")
    (place,) = urllib.parse.parse_qs(opened.query)["urlpath"]
    assert place.startswith("lab/tree/") and ROOT / place.removeprefix("lab/tree/") == path
    site, _, name = lite.partition("/lab/index.html?path=")
    assert site == notebooks.address("Lite") and name == path.name and not site.endswith("/")
    pictures = re.findall(r"!\[Open in [^\]]+\]\(([^)]+)\)", notebooks.launch(path))
    assert len(pictures) == 3 and all(
        (path.parent / picture).read_text().startswith("<svg") for picture in pictures
    )


def test_moving_the_repository_changes_every_address(tmp_path, monkeypatch):
    (tmp_path / "attnlib").mkdir()
    shutil.copy(ROOT / "attnlib" / "__init__.py", tmp_path / "attnlib")
    moved = (
        (ROOT / "pyproject.toml")
        .read_text()
        .replace(notebooks.address(), "https://github.com/me/mine")
    )
    (tmp_path / "pyproject.toml").write_text(
        moved.replace(notebooks.address("Lite"), "https://lite.example")
    )
    (tmp_path / "binder").mkdir()
    shutil.copy(ROOT / "binder" / "requirements.txt", tmp_path / "binder")
    old = notebooks.address(), notebooks.address("Lite")
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    cells = notebooks.generated(PATHS[0], dict.fromkeys(PATHS, "a title"))
    assert not any(address in cell for cell in cells.values() for address in old)
    assert (
        "git+https://github.com/me/mine@" in cells["setup"]
        and cells["launch"].count("me/mine") == 2
    )
    assert f"https://lite.example/lab/index.html?path={PATHS[0].name}" in cells["launch"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The course in another folder, its address the placeholder, where `links` may write."""
    shutil.copytree(
        ROOT,
        tmp_path / "course",
        ignore=shutil.ignore_patterns(".git", ".venv", ".hypothesis", "fixtures", "*.npz"),
    )
    pyproject = tmp_path / "course" / "pyproject.toml"
    text = pyproject.read_text().replace(
        notebooks.address("Lite"), f"https://{notebooks.PLACEHOLDER}.github.io/course"
    )
    pyproject.write_text(
        text.replace(notebooks.address(), f"https://github.com/{notebooks.PLACEHOLDER}/course")
    )
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)

    def links(*options, **variables):
        return subprocess.run(
            [sys.executable, ".ci/notebooks.py", "links", *options],
            cwd=tmp_path / "course",
            env=os.environ | variables,
            capture_output=True,
            text=True,
        )

    return links, tmp_path / "course"


def test_github_says_where_the_course_lies(elsewhere):
    links, course = elsewhere
    done = links("--publish", GITHUB_REPOSITORY="Some-School/attention.course")
    assert done.returncode == 0, done.stderr
    pages = [course / "README.md", *sorted((course / "notebooks").glob("[0-9]*.ipynb"))]
    for page in pages:
        text = page.read_text()
        assert (
            "Some-School/attention.course" in text
            and "some-school.github.io/attention.course" in text
        )
        assert notebooks.PLACEHOLDER not in text, page.name
    again = links("--publish", GITHUB_REPOSITORY="somebody/else")
    assert again.returncode == 0 and "nothing to change" in again.stdout, (
        "an address that is known stays"
    )


@pytest.mark.parametrize("here", [None, "", "no-slash", "a/b/c", 'a"/b'])
def test_nothing_is_published_without_an_address(elsewhere, here):
    links, course = elsewhere
    before = {
        path: path.read_bytes()
        for path in [course / "pyproject.toml", *(course / "notebooks").glob("*.ipynb")]
    }
    done = links("--publish", **({} if here is None else {"GITHUB_REPOSITORY": here}))
    assert done.returncode == 1 and f"still says {notebooks.PLACEHOLDER}" in done.stderr
    assert all(path.read_bytes() == text for path, text in before.items())


def test_what_publishes_asks_for_the_address_first():
    """Every workflow that puts something on the web; and whatever a workflow uses is named by its
    commit.
    """
    workflows = {
        path.name: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")
    }
    for name, text in workflows.items():
        used = re.findall(r"uses: (\S+)(.*)", text)
        assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one) for one, _ in used), (
            name
        )
        assert all(re.fullmatch(r" +# v\d+\.\d+\.\d+", comment) for _, comment in used), (
            "which version that is"
        )
        if "deploy-pages" in text or "upload-pages" in text:
            assert (
                text.index("links --publish")
                < text.index("lite.py site")
                < text.index("upload-pages-artifact@")
            )


# ---- the set-up cell where attnlib is there ------------------------------------------------------

SHELL = """
import json, sys, time
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell, asked = InteractiveShell.instance(), []
shell.register_magic_function(asked.append, magic_name="pip")
source, start = sys.stdin.read(), time.perf_counter()
with capture_output() as said:
    result = shell.run_cell(source)
seconds = time.perf_counter() - start
error = repr(result.error_before_exec or result.error_in_exec or "")
found = sorted(name for name in ("attnlib", "np") if name in shell.user_ns)
print(json.dumps({"seconds": seconds, "asked": asked, "said": said.stdout + said.stderr,
                  "error": error, "found": found}))
"""


def in_shell(source, before=""):
    """Run a cell in a fresh IPython whose %pip only writes down what it is asked for. -> what
    happened
    """
    done = subprocess.run(
        [sys.executable, "-c", before + SHELL], input=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_set_up_cell_is_silent_where_attnlib_is_there():
    times = {"set-up cell": [], "imports alone": []}
    for _ in range(3):
        whole, alone = in_shell(SETUP), in_shell("import numpy as np\nimport attnlib")
        assert (whole["asked"], whole["said"], whole["error"], whole["found"]) == (
            [],
            "",
            "''",
            ["attnlib", "np"],
        )
        times["set-up cell"].append(whole["seconds"])
        times["imports alone"].append(alone["seconds"])
    cell, imports = (statistics.median(column) for column in times.values())
    print(
        f"\nset-up cell {cell:.3f} s, the imports alone {imports:.3f} s:"
        f" {1000 * (cell - imports):+.0f} ms (wanted: below 100)"
    )


def test_the_set_up_cell_rounds_what_is_printed_and_leaves_the_threads_alone():
    """One thread, unless the reader has chosen another number."""
    show = "\nprint(np.array([1 / 3, 1e-9]), os.environ['OPENBLAS_NUM_THREADS'])"
    for chosen, found in (("", "1"), ("os.environ['OPENBLAS_NUM_THREADS'] = '3'\n", "3")):
        seen = in_shell(
            SETUP + show,
            before=f"import os\nos.environ.pop('OPENBLAS_NUM_THREADS', None)\n{chosen}",
        )
        assert (seen["said"], seen["error"]) == (f"[0.333 0.000] {found}\n", "''")


HIDDEN = """
import importlib.machinery, importlib.util, sys
real = importlib.util.find_spec
def none(name, package=None):
    return None if name == "attnlib" else real(name, package)
importlib.util.find_spec = none
sys.platform = {platform!r}
"""


@pytest.mark.parametrize(
    "platform, asked",
    [
        (
            "linux",
            (
                'install --quiet --no-deps anywidget=={anywidget} psygnal=={psygnal} "attnlib @'
                ' git+{address}@{tag}"'
            ),
        ),
        ("emscripten", "install --quiet attnlib=={attnlib}"),
    ],
)
def test_the_set_up_cell_asks_pip_once_and_says_what_is_wrong(platform, asked):
    """Here pip does nothing: as where there is no connection."""
    seen = in_shell(SETUP, before=HIDDEN.format(platform=platform))
    assert seen["asked"] == [
        asked.format(
            address=ADDRESS, tag=notebooks.tag(), **pins() | {"attnlib": notebooks.version()}
        )
    ]
    assert seen["error"].startswith(
        "ModuleNotFoundError('attnlib could not be fetched. Is there a connection?"
    )
    assert seen["found"] == []


def test_without_an_address_the_set_up_cell_fetches_nothing_and_says_why():
    seen = in_shell(
        notebooks.setup(f"https://github.com/{notebooks.PLACEHOLDER}/course"),
        before=HIDDEN.format(platform="linux"),
    )
    assert seen["asked"] == [] and "connection" not in seen["error"]
    assert "its address is still YOUR_ORG" in seen["error"] and "pip install -e ." in seen["error"]


def test_an_attnlib_that_does_not_import_is_not_fetched_again(tmp_path):
    (tmp_path / "attnlib").mkdir()
    (tmp_path / "attnlib" / "__init__.py").write_text("raise ImportError('numpy is broken')")
    seen = in_shell(SETUP, before=f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n")
    assert seen["asked"] == [] and seen["error"] == "ImportError('numpy is broken')"


# ---- Colab ---------------------------------------------------------------------------------------

GOOGLE = {
    "google/colab/__init__.py": "",
    "google/colab/output.py": (
        "calls = []\n\n\ndef enable_custom_widget_manager(version=''):\n   "
        " calls.append(version)\n\n\nclass _widgets:\n    _installed_url ="
        " 'https://example.org/manager.js'\n"
    ),
    "sitecustomize.py": "import google.colab.output\n",
}
LOOK = """
import json, sys, ipywidgets, anywidget, matplotlib
from attnlib.show import AttentionView
view = AttentionView(np.full((2, 3, 3), 1 / 3), list("abc"))
print(json.dumps({"numpy": np.__version__, "ipywidgets": ipywidgets.__version__,
                  "matplotlib": matplotlib.__version__, "file": attnlib.__file__,
                  "calls": len(sys.modules["google.colab.output"].calls)}))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """This attnlib as a git repository, there where the set-up cell looks for it and nowhere
    else: under the tag of a release, or on main while the next one is made.
    """
    folder = tmp_path_factory.mktemp("repository")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(
        ROOT / "attnlib", folder / "attnlib", ignore=shutil.ignore_patterns("__pycache__")
    )
    git = [
        "git",
        "-C",
        folder,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "init.defaultBranch=main",
    ]
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "all"],
        ["tag", notebooks.tag()] if notebooks.tag() != "main" else ["branch", "without"],
        ["switch", "--quiet", "main" if notebooks.tag() != "main" else "without"],
    ):
        run(*git, *command)
    shutil.rmtree(folder / "attnlib")
    run(*git, "commit", "--quiet", "--all", "-m", "none")
    return folder


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """An environment as Colab has it. -> its Python"""
    if sys.version_info >= (3, 14):
        pytest.skip("Colab runs Python 3.12; its ipython and NumPy cannot be had for 3.14")
    folder = tmp_path_factory.mktemp("colab")
    lines = list(oldest.requirements(TESTS / "colab.txt"))
    python = environment(folder / "env", *lines[:-1])
    pip(python, "install", "--quiet", "--no-deps", lines[-1])
    for name, text in GOOGLE.items():
        path = folder / "google" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return python


@pytest.fixture
def on_colab(colab, tmp_path, monkeypatch):
    """on_colab(notebook, **environment): run a notebook there. -> the notebook, with its outputs"""

    def execute(notebook, **variables):
        google = colab.parent.parent.parent / "google"
        spec = {
            "argv": [str(colab), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "Colab",
            "language": "python",
            "env": {
                "PYTHONPATH": str(google),
                "PATH": f"{colab.parent}{os.pathsep}{os.environ['PATH']}",
                **variables,
            },
        }
        (tmp_path / "kernels" / "colab").mkdir(parents=True, exist_ok=True)
        (tmp_path / "kernels" / "colab" / "kernel.json").write_text(json.dumps(spec))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
        NotebookClient(
            notebook,
            kernel_name="colab",
            timeout=300,
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()
        return notebook

    return execute


def printed(notebook):
    return "".join(output.get("text", "") for output in notebook.cells[-1].outputs)


def git_to(folder):
    """Variables that make git look for the repository's address in a folder of this machine."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
        "GIT_TERMINAL_PROMPT": "0",
    }


def test_colab_without_a_connection_says_so(on_colab, tmp_path):
    with pytest.raises(CellExecutionError) as error:
        on_colab(notebook_of(SETUP), **NOWHERE, **git_to(tmp_path / "nowhere"))
    assert error.value.ename == "ModuleNotFoundError"
    assert (
        error.value.evalue
        == "attnlib could not be fetched. Is there a connection? Then run this cell again."
    )


def test_colab_gets_attnlib_and_keeps_the_rest(on_colab, colab, repository):
    """The first notebook, whole, on Colab: what it installs, what it leaves alone, and that its
    live views are there.
    """
    before = frozen(colab)
    notebook = nbformat.read(PATHS[0], 4)
    next(cell for cell in notebook.cells if cell.id == "setup").source = SETUP
    notebook.cells.append(nbformat.v4.new_code_cell(LOOK, id="look"))
    on_colab(notebook, **git_to(repository))
    after = frozen(colab)
    assert {name for name in after if after[name] != before.get(name)} == {
        "attnlib",
        "anywidget",
        "psygnal",
    }
    assert not set(before) - set(after)
    assert after["attnlib"] == notebooks.version()
    seen = json.loads(printed(notebook))
    wanted = dict(
        line.split("==") for line in oldest.requirements(TESTS / "colab.txt") if "==" in line
    )
    assert {name: seen[name] for name in ("numpy", "matplotlib", "ipywidgets")} == {
        name: wanted[name] for name in ("numpy", "matplotlib", "ipywidgets")
    }
    assert str(colab.parent.parent) in seen["file"] and seen["calls"] >= 1, (
        "Colab is asked for its widget manager"
    )
    live = [
        cell
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert len(live) >= 2
    assert not [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr" and "Error" in output.text
    ]


def test_colab_fetches_attnlib_only_once(on_colab, tmp_path):
    notebook = on_colab(notebook_of(SETUP, LOOK), **NOWHERE, **git_to(tmp_path / "nowhere"))
    assert notebook.cells[0].outputs == [] and json.loads(printed(notebook))["numpy"]


# ---- Binder --------------------------------------------------------------------------------------


LOCK = ROOT / "binder" / "requirements.txt"


def pins():
    """Name -> version of all that Binder installs."""
    found = re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.M)
    assert len(dict(found)) == len(found) >= 100
    return {canonicalize_name(name): version for name, version in found}


def test_binder_gets_what_the_course_asks_for():
    lock, asked = (
        pins(),
        [Requirement(line) for line in oldest.requirements(ROOT / "requirements.txt")],
    )
    assert len(asked) >= 6
    for one in asked:
        assert canonicalize_name(one.name) in lock, (
            f"{one.name} is missing: make binder/requirements.txt anew, its first lines say how"
        )
        assert one.specifier.contains(lock[canonicalize_name(one.name)], prereleases=False), one
    for one in map(Requirement, oldest.packaged(ROOT / "pyproject.toml")):
        assert one.specifier.contains(lock[canonicalize_name(one.name)]), one


def test_binder_installs_nothing_without_its_hash():
    """Every package, what builds attnlib included; attnlib is built from this repository with what
    is there by then.
    """
    lines = [line.strip() for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    packages = " ".join(line.rstrip("\\") for line in lines)
    for one in re.split(r" (?=[\w.-]+==)", packages):
        assert re.fullmatch(
            r"[\w.-]+==\S+(?: ; [^-]+)?(?:\s+--hash=sha256:[0-9a-f]{64})+\s*", one
        ), one
    builds = re.search(r"^requires = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.M)[1]
    wanted = [Requirement(one.strip(' "')) for one in builds.split(",")]
    named = oldest.requirements(ROOT / "binder" / "build.txt")
    assert [str(one) for one in wanted] == [str(Requirement(one)) for one in named], (
        "binder/build.txt says what pyproject.toml does"
    )
    assert all(one.specifier.contains(pins()[canonicalize_name(one.name)]) for one in wanted)
    commands = [
        line
        for line in (ROOT / "binder" / "postBuild").read_text().splitlines()
        if line.startswith("pip ")
    ]
    assert commands == ["pip install --no-cache-dir --no-index --no-deps --no-build-isolation ."]
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK)


def test_the_lock_is_made_for_binders_python():
    python = re.fullmatch(r"python-(3\.\d+)\n", (ROOT / "binder" / "runtime.txt").read_text())[1]
    command = LOCK.read_text().splitlines()[1].strip("# ")
    assert (
        command.startswith("uv pip compile requirements.txt binder/build.txt ")
        and f"--python-version {python} " in command
    )
    assert (
        command.endswith("--generate-hashes -o binder/requirements.txt") and "http" not in command
    )


def test_binder_installs_exactly_the_lock(tmp_path):
    """What pip would install from binder/requirements.txt: the hashes are those of the files that
    it finds.
    """
    if (
        ROOT / "binder" / "runtime.txt"
    ).read_text().strip() != f"python-{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("Binder has another Python than this one")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--ignore-installed",
            "--report",
            report,
            "-r",
            "binder/requirements.txt",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode and not re.search(
        "ResolutionImpossible|DO NOT MATCH|require-hashes", done.stderr
    ):
        lab.missing(
            f"pip cannot look up the packages, is there a connection?\n{done.stderr[-1500:]}"
        )
    assert done.returncode == 0, done.stderr
    found = {
        canonicalize_name(one["metadata"]["name"]): one["metadata"]["version"]
        for one in json.loads(report.read_text())["install"]
    }
    assert found == pins()


def test_attnlib_is_built_by_what_is_there(tmp_path):
    """binder/postBuild, in an environment that holds the locked build backend and nothing else,
    without an index.
    """
    tools = [
        f"{name}=={pins()[name]}"
        for name in ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers")
    ]
    python = environment(tmp_path / "env", *tools)
    shutil.copytree(
        ROOT,
        tmp_path / "src",
        ignore=shutil.ignore_patterns(".git", ".venv", "images", "*.ipynb", ".hypothesis"),
    )
    path = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = subprocess.run(
        ["bash", "binder/postBuild"],
        cwd=tmp_path / "src",
        env=os.environ | path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert frozen(python)["attnlib"] == notebooks.version()


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory):
    """What repo2docker, Binder's builder, would do with this repository; nothing is built."""
    python = environment(tmp_path_factory.mktemp("binder") / "env", "jupyter-repo2docker>=2024.7")
    done = subprocess.run(
        [python.parent / "jupyter-repo2docker", "--no-build", "--debug", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_binder_builds_from_the_whole_repository(dockerfile):
    lines = dockerfile.splitlines()
    installs = [
        number
        for number, line in enumerate(lines)
        if line.startswith("RUN ") and "pip install" in line
    ]
    assert len(installs) == 1, "one installation, of binder/requirements.txt alone"
    assert lines[installs[0]].endswith(
        'bin/pip install --no-cache-dir -r "binder/requirements.txt"'
    )
    copied = next(
        number
        for number, line in enumerate(lines)
        if re.match(r"COPY .*src/ \$\{REPO_DIR\}/$", line)
    )
    assert copied > installs[0], (
        "the packages need no file of ours: they are installed before, and kept when a notebook"
        " changes"
    )
    python = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"python={python}" in dockerfile.replace('"', "") or f"Python {python}" in dockerfile, (
        "not the builder's own default"
    )
    assert any("binder/postBuild" in line for line in lines[copied:]), "then attnlib itself"
