"""Keep the notebooks true: generated cells, saved outputs.

    python .ci/notebooks.py refresh [NAME ...] [--pictures]   run the notebooks and save their
                                                              outputs
    python .ci/notebooks.py links [--publish]                 only rewrite badges, set-up cell,
                                                              navigation, course map
    python .ci/notebooks.py reorder                           give every notebook the number that
                                                              attnlib/course/order.py says, in all
                                                              names, titles and links

The repository's address stands in one place, [project.urls] in pyproject.toml; `links` carries it
everywhere. Where that place still holds the placeholder, `links` takes the address from
GITHUB_REPOSITORY, as GitHub's machines know it;
--publish is an error if there is none.

Outputs are normalised: pictures (PNG) and text only; no widget state, no timings, no machine's
paths. A notebook whose cells and results are as they were is left alone, so that a second run
changes nothing; and so are its measured times, and its pictures if only matplotlib is another
version (--pictures saves them all the same).
"""

import argparse
import hashlib
import os
import re
import runpy
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PARTS, ORDER, ANATOMY = map(
    runpy.run_path(str(ROOT / "attnlib" / "course" / "order.py")).get, ("PARTS", "ORDER", "ANATOMY")
)
SUBJECT = rf"(?:{'|'.join(ORDER)})\b"
FETCH = '%pip install --quiet --no-deps {live} "attnlib @ git+{address}@{tag}"'
HOMELESS = """raise ModuleNotFoundError(
            "attnlib is not installed, and this copy of the course does not know where it comes "
            "from: its address is still YOUR_ORG. Run `pip install -e .` in the folder of the "
            "course, or let `python .ci/notebooks.py links` fill it in."
        )"""
KEPT = ("image/png", "text/markdown", "text/plain")
# in JupyterLab and in Colab: there is nothing to read here
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}

PLACEHOLDER = "YOUR_ORG"  # nobody's: what it leads to may be made by a stranger one day
SETUP = """\
# @title Set-up
import os
import sys
from importlib.util import find_spec

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # our matrices are small: one thread is fastest

if not find_spec("attnlib"):  # on Colab or in the browser: fetch it once; NumPy stays as it is
    if sys.platform == "emscripten":
        %pip install --quiet attnlib=={version}
    else:
        {fetch}
    if not find_spec("attnlib"):
        raise ModuleNotFoundError(
            "attnlib could not be fetched. Is there a connection? Then run this cell again."
        )

import attnlib
import numpy as np

np.set_printoptions(precision=3, suppress=True, floatmode="fixed")"""


def address(name="Repository"):
    """An address of the course, from the one place that holds it: its "Repository", or "Lite", its
    site for the browser.
    """
    return re.search(rf'^{name} = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)[1]


def version(root=ROOT):
    return re.search(
        r'^__version__ = "(.+)"$', (root / "attnlib" / "__init__.py").read_text(), re.M
    )[1]


def tag():
    """What the set-up cell fetches: the tag of a release, and the branch main while the next one is
    being made, for a notebook of that branch is opened from there.
    """
    return "main" if ".dev" in version() else f"v{version()}"


def unfit(root=ROOT):
    """What keeps the set-up cell, the tag that it names and this checkout from fitting together, in
    a sentence; empty where they do. A checkout without tags knows of none.
    """

    def git(*words):
        return subprocess.run(["git", "-C", root, *words], capture_output=True, text=True)

    said = version(root)
    tags = [
        tuple(map(int, one[1:].split("."))) for one in git("tag", "--list", "v*.*.*").stdout.split()
    ]
    number = tuple(map(int, said.removesuffix(".dev0").split(".")))
    if ".dev" in said:
        return f"v{said[:-5]} is released, and {said} comes before it" if number in tags else ""
    if number in tags and git("diff", "--quiet", f"v{said}", "--", "attnlib").returncode:
        return (
            f"attnlib is no longer what v{said} has, which the set-up cells fetch: give __version__"
            " the next number and .dev0"
        )
    return ""


def setup(where=None):
    """The set-up cell; with the placeholder for an address, it fetches nothing from there."""
    where = where or address()
    locked = (ROOT / "binder" / "requirements.txt").read_text()
    live = " ".join(
        re.search(rf"^{name}==\S+", locked, re.M)[0] for name in ("anywidget", "psygnal")
    )
    fetch = FETCH.format(live=live, address=where, tag=tag())
    return SETUP.format(fetch=HOMELESS if PLACEHOLDER in where else fetch, version=version())


def settle():
    """Write the address of GITHUB_REPOSITORY into pyproject.toml, where the placeholder still
    stands. -> whether one is known
    """
    path, here = ROOT / "pyproject.toml", os.environ.get("GITHUB_REPOSITORY", "")
    if PLACEHOLDER in address() and re.fullmatch(r"[\w.-]+/[\w.-]+", here):
        owner, name = here.split("/")
        text = path.read_text().replace(
            address("Lite"), f"https://{owner.lower()}.github.io/{name}"
        )
        path.write_text(text.replace(address(), f"https://github.com/{here}"))
    return PLACEHOLDER not in address() and PLACEHOLDER not in address("Lite")


def paths():
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def path(subject):
    """Where the notebook of a subject is, as "masks"."""
    return NOTEBOOKS / f"{ORDER.index(subject):02}_{subject}.ipynb"


def title(notebook):
    """ "00 · Start here: …" from the first line of the first cell."""
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ")


def launch(path):
    """Badges that open this notebook, for the second cell."""
    owner = address().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/main/notebooks/{path.name}"
    binder = f"https://mybinder.org/v2/gh/{owner}/main?urlpath=lab/tree/notebooks/{path.name}"
    lite = f"{address('Lite')}/lab/index.html?path={path.name}"
    places = [
        ("Open in Colab", "colab", colab),
        ("Open in Binder", "binder", binder),
        ("Open in the browser", "lite", lite),
    ]
    return " ".join(
        f"[![{words}](images/{picture}.svg)]({link})" for words, picture, link in places
    )


def navigation(path, titles):
    """Links to the notebook before and the one after, for the last cell."""
    order = list(titles)
    here = order.index(path)
    parts = []
    if here > 0:
        parts.append(f"← [{titles[order[here - 1]]}]({order[here - 1].name})")
    parts.append("[glossary](glossary.md)")
    if here + 1 < len(order):
        parts.append(f"[{titles[order[here + 1]]}]({order[here + 1].name}) →")
    return "---\n" + " &nbsp; · &nbsp; ".join(parts)


def generated(path, titles):
    """Cell id -> source, for the cells that nobody writes by hand."""
    return {"launch": launch(path), "setup": setup(), "navigation": navigation(path, titles)}


def course_map(notebooks):
    """The tables of notebooks in the README: path -> notebook, part by part, each with the claim of
    its head.
    """
    rows, begins = [], {next(iter(subjects)): part for part, subjects in PARTS.items()}
    for path, notebook in notebooks.items():
        if path.stem[3:] in begins:
            rows += [
                "",
                f"**{begins[path.stem[3:]]}**",
                "",
                "| notebook | open it in |",
                "|---|---|",
            ]
        claim = notebook.cells[0].source.strip().splitlines()[-1].strip("*")
        badges = launch(path).replace("images/", "notebooks/images/")
        rows.append(f"| [{title(notebook)}](notebooks/{path.name})<br>{claim} | {badges} |")
    return "\n".join(rows[1:])


def may_fold(cell):
    return cell.id in ("setup", "parameters")


def is_folded(cell, path):
    """In anatomy 1 the set-up cell alone; in anatomy 2 the parameters, too."""
    return cell.id == "setup" or (ANATOMY[path.stem[3:]] == 2 and may_fold(cell))


def folded(notebook, path):
    """Fold what is to be folded. -> was anything of it open?"""
    cells = [cell for cell in notebook.cells if is_folded(cell, path)]
    were = [{name: cell.metadata.get(name) for name in FOLDED} for cell in cells]
    for cell in cells:
        cell.metadata.update(deepcopy(FOLDED))
    return any(was != FOLDED for was in were)


def anchors(notebook):
    """ "5" -> what a link to its section 5 ends in, "#cell-id=leak-test": the heading's cell, for
    JupyterLab finds no heading that has more than ASCII in it, as the "·" of all of ours.
    """
    return {
        number: f"#cell-id={cell.id}"
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for number in re.findall(r"^## (\d+) · ", cell.source, re.M)
    }


def anchored(text, known):
    """A text whose links to sections, "03_masks.ipynb#5", have the cell of today's heading behind
    the number. known: file name -> `anchors`
    """
    return re.sub(
        rf"\b(\d\d_{SUBJECT}\.ipynb)#(\d+)\b[^)\s]*",
        lambda m: m[1] + known[m[1]].get(m[2], f"#{m[2]}"),
        text,
    )


def write_links():
    """Bring the generated cells, the links to sections and the README's course map up to date.
    -> the files that changed
    """
    import nbformat

    notebooks = {path: nbformat.read(path, 4) for path in paths()}
    titles = {path: title(notebook) for path, notebook in notebooks.items()}
    sections = {path.name: anchors(notebook) for path, notebook in notebooks.items()}
    changed = []
    for path, notebook in notebooks.items():
        was, known = sources(notebook), notebook.metadata.get("attnlib", {})
        for cell in notebook.cells:
            cell.source = generated(path, titles).get(cell.id, cell.source)
            if cell.cell_type == "markdown":
                cell.source = anchored(cell.source, sections)
        if sources(notebook) != was or folded(notebook, path):
            if known.get("sources") == was:  # a badge or the set-up changes no output
                known["sources"] = sources(notebook)
            save(notebook, path)
            changed.append(path)
    readme = ROOT / "README.md"
    old = readme.read_text()
    new = re.sub(
        r"(<!-- course -->\n).*?(<!-- /course -->)",
        lambda m: f"{m[1]}{course_map(notebooks)}\n{m[2]}",
        old,
        flags=re.S,
    )
    # to clone, and to cite
    new = re.sub(r"https://github\.com/[\w.-]+/[\w.-]+?(?=\.git\b|\},)", address(), new)
    if new != old:
        readme.write_text(new)
        changed.append(readme)
    for page in (readme, *sorted(NOTEBOOKS.glob("*.md"))):
        old = page.read_text(encoding="utf-8")
        if (new := anchored(old, sections)) != old:
            page.write_text(new, encoding="utf-8", newline="\n")
            changed.append(page)
    return list(dict.fromkeys(changed))


LABELLED = re.compile(rf"\[\d\d( · [^\]\[]*\]\((?:notebooks/)?\d\d_({SUBJECT}))")
NAMED = re.compile(rf"\b\d\d_({SUBJECT})")
WRITTEN = (".md", ".py", ".json", ".yml", ".toml", ".txt")
HOUSE = (
    "README.md pyproject.toml notebooks attnlib tests binder .ci .github .devcontainer"
).split()


def numbered(text):
    """A text in which every file name of a notebook, and every label of a link to it that begins
    with a number, has the number of ORDER.
    """
    text = LABELLED.sub(lambda m: f"[{ORDER.index(m[2]):02}{m[1]}", text)
    return NAMED.sub(lambda m: f"{ORDER.index(m[1]):02}_{m[1]}", text)


def reorder():
    """Bring names, titles and links in line with ORDER. -> the files that changed"""
    import nbformat

    found = {path.stem[3:]: path for path in paths()}
    if sorted(found) != sorted(ORDER):
        odd = ", ".join(sorted(set(found) ^ set(ORDER))) or "a subject stands in two parts"
        raise SystemExit(f"notebooks/ and attnlib/course/order.py name different subjects: {odd}")
    changed = []
    for subject, old in found.items():  # by way of a name that no other has
        if old != path(subject):
            old.rename(old.with_suffix(".moving"))
    for old in NOTEBOOKS.glob("*.moving"):
        old.rename(path(old.stem[3:]))
        changed.append(path(old.stem[3:]))
    for subject in ORDER:
        notebook = nbformat.read(path(subject), 4)
        known, was = notebook.metadata.get("attnlib", {}), sources(notebook)
        for cell in notebook.cells:
            cell.source = numbered(cell.source)
        first = notebook.cells[0]
        first.source = re.sub(r"^# \d\d ·", f"# {path(subject).name[:2]} ·", first.source)
        if sources(notebook) != was:
            if known.get("sources") == was:  # a number in a link changes no output
                known["sources"] = sources(notebook)
            save(notebook, path(subject))
            changed.append(path(subject))
    for file in texts_of_the_house():
        text = file.read_text(encoding="utf-8")
        if numbered(text) != text:
            file.write_text(numbered(text), encoding="utf-8", newline="\n")
            changed.append(file)
    return list(dict.fromkeys([*changed, *write_links()]))


def texts_of_the_house():
    """The files, notebooks apart, that may name a notebook."""
    for place in HOUSE:
        for file in (
            sorted((ROOT / place).rglob("*")) if (ROOT / place).is_dir() else [ROOT / place]
        ):
            if file.suffix in WRITTEN and "fixtures" not in file.parts:
                yield file


def save(notebook, path):
    import nbformat

    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook), encoding="utf-8", newline="\n")


def sources(notebook):
    text = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def normalise(notebook):
    """Keep what a reader without a kernel can see, and nothing that differs from run to run."""
    import matplotlib

    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "attnlib": {"matplotlib": matplotlib.__version__, "sources": sources(notebook)},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for cell in notebook.cells:
        kept = ("tags", *FOLDED) if may_fold(cell) else ("tags",)
        cell.metadata = {name: value for name, value in cell.metadata.items() if name in kept}
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = joined(cell.outputs)
        for output in cell.outputs:
            still(output, cell.id, count)
        # a bar that is gone
        cell.outputs = [
            output for output in cell.outputs if output.get("data") != {"text/plain": ""}
        ]
        if str(ROOT) in str(cell.outputs):
            raise SystemExit(f"cell {cell.id}: an output names a folder of this machine")
    return notebook


def still(output, id_, count):
    """Leave an output's picture and text, and nothing else; SystemExit for an error, a warning, or
    a view without a picture.
    """
    if output.output_type == "error" or output.get("name") == "stderr":
        raise SystemExit(f"cell {id_}: {output.get('evalue') or output.get('text')}")
    if "data" in output:
        if (
            "application/vnd.jupyter.widget-view+json" in output.data
            and "image/png" not in output.data
        ):
            raise SystemExit(f"cell {id_}: a live output without a still picture")
        output.data = {kind: output.data[kind] for kind in KEPT if kind in output.data}
        output.metadata = {kind: value for kind, value in output.metadata.items() if kind in KEPT}
    if output.output_type == "execute_result":
        output.execution_count = count


def joined(outputs):
    """Printed text in one piece: a kernel sends it in pieces of any size."""
    whole = []
    for output in outputs:
        if output.output_type == "stream" and whole and whole[-1].get("name") == output.name:
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def steady(notebook):
    """A copy without what is measured anew in every run, times above all: the outputs of cells
    tagged nbval-ignore-output.
    """
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            cell.outputs = []
    return copy


def texts(notebook):
    """Everything in the outputs but the pixels."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = {
                kind: value for kind, value in output.get("data", {}).items() if kind != "image/png"
            }
            found.append(
                (
                    cell.id,
                    output.output_type,
                    output.get("text", ""),
                    sorted(data.items()),
                    "image/png" in output.get("data", {}),
                )
            )
    return found


def execute(path):
    """Run a notebook from top to bottom, as a reader would, in its own folder."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, 4)
    # nothing about encryption
    how = {"timeout": 120, "kernel_name": "python3", "extra_arguments": ["--log-level=50"]}
    NotebookClient(notebook, resources={"metadata": {"path": str(NOTEBOOKS)}}, **how).execute()
    return normalise(notebook)


def refresh(names, pictures):
    import nbformat

    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    with tempfile.TemporaryDirectory() as empty:  # saved outputs show a learner who has just begun
        os.environ["ATTNLIB_PROGRESS"] = os.path.join(empty, "attnlib-progress.json")
    write_links()
    chosen = [
        path
        for path in paths()
        if not names or any(path.name.startswith(name) or path.stem[3:] == name for name in names)
    ]
    if not chosen:
        raise SystemExit(f"no notebook is called {' or '.join(names)}")
    for number, path in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {path.name} … ", end="", flush=True)
        old, new = nbformat.read(path, 4), execute(path)
        was, now = old.metadata.get("attnlib", {}), new.metadata["attnlib"]
        same_results = was.get("sources") == now["sources"] and texts(steady(old)) == texts(
            steady(new)
        )
        if same_results and was.get("matplotlib") != now["matplotlib"] and not pictures:
            print(f"unchanged (pictures kept, drawn by matplotlib {was.get('matplotlib')})")
        elif same_results and steady(old) == steady(new) and not pictures:
            print("unchanged")
        elif missing := re.search(r"([\w-]+) is left out: ", str(texts(new))):
            print(
                f"not saved: {missing[1]} is not on this machine, and the saved outputs should"
                " show it"
            )
        else:
            save(new, path)
            print("saved")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("refresh")
    run.add_argument("names", nargs="*")
    run.add_argument(
        "--pictures",
        action="store_true",
        help="save also where only pixels or measured times differ",
    )
    commands.add_parser("reorder")
    only = commands.add_parser("links")
    only.add_argument(
        "--publish",
        action="store_true",
        help="end with an error where the repository's address is not known",
    )
    given = parser.parse_args()
    if given.command == "refresh":
        refresh(given.names, given.pictures)
    elif given.command == "reorder":
        for path in reorder():
            print(path, flush=True)
        subprocess.run([sys.executable, Path(__file__).with_name("class_links.py")], check=True)
    else:
        if not settle() and given.publish:
            raise SystemExit(
                f"[project.urls] in pyproject.toml still says {PLACEHOLDER}: nothing is published"
                " under a stranger's name"
            )
        for path in write_links() or ["nothing to change"]:
            print(path)


if __name__ == "__main__":
    sys.exit(main())
