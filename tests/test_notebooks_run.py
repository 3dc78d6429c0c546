"""Every notebook with other parameters: the edges work, nonsense is refused by attnlib itself, and
no error hides in a widget.
"""

import ast
import base64
import copy
import html
import io
import re
import threading

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError
from PIL import Image

import notebooks

PATHS = notebooks.paths()
COURSE = "The cat sat on the mat because it was tired"
LONG = " ".join([COURSE] * 7)
ODD = 'Naïve “café” isn\'t a "test" — 日本 😀 שלום, <b>$5</b> \\n it'

QUICK = {"steps": 20, "fetch": False}  # short trainings, unless they are tried; nothing fetched
WORKS = [{"n_heads": 1, "window": 1, "sentence": "Hello"}, {"sentence": f"{LONG} {ODD}"}]
REFUSED = [
    ({"sentence": ""}, ValueError, "sentence"),
    ({"sentence": 5}, TypeError, "sentence"),
    ({"n_heads": 0}, ValueError, "n_heads"),
    ({"n_heads": "4"}, TypeError, "n_heads"),
    ({"window": "3"}, TypeError, "window"),
    ({"window": 0}, ValueError, "window"),
    ({"n_global": -1}, ValueError, "n_global"),
]


@pytest.fixture(autouse=True)
def nothing_was_fetched(monkeypatch, tmp_path_factory):
    """What a learner without the published models sees: the shipped ones alone."""
    monkeypatch.setenv("ATTNLIB_CACHE", str(tmp_path_factory.mktemp("cache")))


def parameters_of(path):
    """Name -> default value, of the cell tagged `parameters`."""
    found = papermill.inspect_notebook(str(path))
    plain = {name for name, it in found.items() if it["default"][:1] in "\"'0123456789-"}
    return {
        name: ast.literal_eval(it["default"]) if name in plain else it["default"]
        for name, it in found.items()
    }


def fitting(path, parameters):
    return {name: value for name, value in parameters.items() if name in parameters_of(path)}


def run(path, parameters, folder):
    """Execute a notebook with these parameters; a name that it does not have is an error. -> the
    executed notebook
    """
    known = parameters_of(path)
    unknown = set(parameters) - set(known)
    if unknown:
        raise KeyError(
            f"{path.name} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(known)}"
        )
    parameters = {name: value for name, value in QUICK.items() if name in known} | parameters
    target = folder / path.name
    how = {
        "cwd": str(path.parent),
        "progress_bar": False,
        "execution_timeout": 120,
        "kernel_name": "python3",
    }
    papermill.execute_notebook(str(path), str(target), parameters=parameters, **how)
    return nbformat.read(target, 4)


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def errors_in(notebook):
    """What went wrong in an executed notebook, in its outputs or behind its widgets; empty if
    nothing did.
    """
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"{cell.id}: {output.get('evalue') or output.get('text')}")
            found += [
                f"{cell.id}: {text[:200]}"
                for text in strings(dict(output))
                if "Traceback (most recent call last)" in text
            ]
    states = (
        notebook.metadata.get("widgets", {})
        .get("application/vnd.jupyter.widget-state+json", {})
        .get("state", {})
    )
    for model in states.values():
        if model["model_name"] == "OutputModel":
            found.append("an Output widget")
        for text in strings(model["state"]):
            if "Traceback" in text or 'role="alert"' in text:
                found.append(f"{model['model_name']}: {text[:200]}")
    return found


def images_of(notebook):
    """Cell id -> the pictures of its outputs."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
                image.load()
                found.setdefault(cell.id, []).append(image)
    return found


def cases(table):
    """(path, case) for every case that this notebook has a parameter for."""
    return [
        pytest.param(path, case, id=f"{path.stem[3:]}-{number}")
        for path in PATHS
        for number, case in enumerate(table)
        if fitting(path, case if isinstance(case, dict) else case[0])
    ]


def cells_with(notebook, kind):
    """The cells that have an output of this kind."""
    return {
        cell.id
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind in output.get("data", {})
    }


# ---- edges that work -----------------------------------------------------------------------------


@pytest.mark.parametrize("path, parameters", cases(WORKS))
def test_a_notebook_runs_at_the_edges(path, parameters, tmp_path):
    given = fitting(path, parameters)
    notebook = run(path, given, tmp_path)
    assert errors_in(notebook) == []
    (injected,) = [
        cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])
    ]
    for name, value in given.items():
        assert re.search(rf"^{name} = ", injected.source, re.M)
        assert isinstance(value, str) or f"{name} = {value}" in injected.source
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    pictures = images_of(notebook)
    live = cells_with(notebook, "application/vnd.jupyter.widget-view+json")
    assert (
        live
        and live <= set(pictures)
        and all(image.width > 50 for id_ in live for image in pictures[id_])
    ), "a still picture for each"
    assert cells_with(nbformat.read(path, 4), "image/png") == set(pictures), (
        "the same cells draw as in the saved notebook"
    )
    if "sentence" in given:
        words = given["sentence"].split()
        texts = " ".join(
            text
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            for text in strings(dict(output))
        )
        assert words[0] in texts or html.escape(words[0]) in texts


# ---- every slider --------------------------------------------------------------------------------

SWEEP = """
def ends_of(control):
    if hasattr(control, "options"):
        return [option[1] if isinstance(option, tuple) else option for option in control.options]
    return [control.min, control.max] if hasattr(control, "min") else [control.value]

def room_taken():  # the height of the picture's frame, the lines of its text
    return hasattr(swept, "frame") and (swept.frame.layout.min_height, swept.longest)

def sweep(names):
    for name in names:
        start = swept.controls[name].value
        for value in [*ends_of(swept.controls[name]), start]:
            swept.controls[name].value = value
            assert not swept.error, f"{swept.values}: {swept.error}"
            assert room_taken() == shown, (
                f"{swept.values}: the page jumps from {shown} to {room_taken()}")

def sweep_under_choices():  # what a slider does may depend on a choice
    for control in swept.controls.values():
        start = control.value
        for value in ends_of(control) if hasattr(control, "options") else []:
            control.value = value
            sweep([name for name, other in swept.controls.items() if hasattr(other, "min")])
        control.value = start

swept._repr_mimebundle_()                                              # as it is shown
shown = room_taken()
sweep(swept.controls)
sweep_under_choices()
print("swept", sum(map(len, map(ends_of, swept.controls.values()))), "ends")
"""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[3:])
def test_every_slider_can_be_moved_to_its_ends(path, tmp_path):
    notebook = nbformat.read(path, 4)
    live = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and re.search(r"^explore\(", cell.source, re.M)
    ]
    if not live and notebooks.ANATOMY[path.stem[3:]] == 2:
        return  # its pictures move in the page, where their own tests move them
    assert live
    for cell in live:
        cell.source = re.sub(r"^(explore\()", r"swept = \1", cell.source, flags=re.M) + SWEEP
    copied = tmp_path / path.name
    nbformat.write(notebook, copied)
    (tmp_path / "out").mkdir()
    done = run(copied, fitting(path, QUICK), tmp_path / "out")
    assert errors_in(done) == []
    for cell in live:
        (ran,) = [one for one in done.cells if one.id == cell.id]
        assert re.search(
            r"swept ([2-9]|\d\d) ends", "".join(output.get("text", "") for output in ran.outputs)
        ), cell.id


# ---- nonsense that is refused --------------------------------------------------------------------


@pytest.mark.parametrize("path, case", cases(REFUSED))
def test_nonsense_is_refused_by_attnlib(path, case, tmp_path):
    parameters, kind, argument = case
    with pytest.raises(PapermillExecutionError) as error:
        run(path, parameters, tmp_path)
    refused_by_attnlib(error.value, kind, argument)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[3:])
def test_nan_is_refused_by_attnlib(path, tmp_path):
    numbers = [
        name
        for name, value in parameters_of(path).items()
        if re.fullmatch(r"-?\d+\.\d*(e-?\d+)?", str(value))
    ]
    if not numbers:
        pytest.skip("no parameter is a float")
    for name in numbers:
        with pytest.raises(PapermillExecutionError) as error:
            run(path, {name: float("nan")}, tmp_path)
        refused_by_attnlib(error.value, ValueError, "")


def refused_by_attnlib(error, kind, argument):
    """The error names the argument, and was raised in attnlib, not by luck further down."""
    assert error.ename == kind.__name__, f"{error.ename}: {error.evalue}"
    assert argument in error.evalue
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    files = re.findall(r"^(?:File )?(\S+\.py)(?::\d+|, line \d+)", trace, re.M)
    assert files and re.search(r"attnlib/\S+\.py$", files[-1].replace("\\", "/")), files


# ---- the tools of this file ----------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[3:])
def test_a_misspelled_parameter_is_an_error(path, tmp_path):
    with pytest.raises(KeyError, match="has no parameter sentense; it has "):
        run(path, {"sentense": COURSE}, tmp_path)
    assert not list(tmp_path.iterdir())


def notebook_of(*sources):
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
    )
    notebook.cells = [
        nbformat.v4.new_code_cell(
            'sentence = "a b"', id="parameters", metadata={"tags": ["parameters"]}
        )
    ]
    notebook.cells += [
        nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        for number, source in enumerate(sources)
    ]
    return notebook


PLANTED = {
    "a message behind a slider": (
        "from attnlib.show import explore, heatmap\ndef draw(n=1):\n    return heatmap([[1 / n]])\n"
        "view = explore(draw, n=(0, 3))\nview"
    ),
    "an Output widget": "import ipywidgets\nbox = ipywidgets.Output()\nbox",
    "a complaint": "import sys\nprint('careful', file=sys.stderr)",
}
AFTERWARDS = "view.controls['n'].value = 0\nwith box:\n    raise RuntimeError('swallowed')"


def test_the_scanner_sees_planted_errors(tmp_path):
    path = tmp_path / "bad.ipynb"
    nbformat.write(notebook_of(*PLANTED.values(), AFTERWARDS), path)
    (tmp_path / "out").mkdir()
    found = errors_in(run(path, {}, tmp_path / "out"))
    assert any("division by zero" in error for error in found)
    assert any("Output widget" in error for error in found)
    assert any("careful" in error for error in found)
    nbformat.write(notebook_of(PLANTED["a message behind a slider"]), path)
    good = run(path, {"sentence": "fine"}, tmp_path / "out")
    assert errors_in(good) == [] and good.metadata.widgets


def test_the_scanner_sees_a_traceback_in_the_text():
    notebook = notebook_of("1")
    notebook.cells[1].outputs = [
        nbformat.v4.new_output(
            "stream", name="stdout", text="Traceback (most recent call last):\n  boom"
        )
    ]
    assert len(errors_in(notebook)) == 1
    notebook.cells[1].outputs = [
        nbformat.v4.new_output("error", ename="E", evalue="boom", traceback=[])
    ]
    assert errors_in(notebook) == ["cell-0: boom"]


# ---- the tool that saves outputs -----------------------------------------------------------------


def test_a_refresh_changes_nothing():
    import matplotlib

    read = {path: nbformat.read(path, 4) for path in PATHS}
    path = min(
        (path for path in PATHS if notebooks.steady(read[path]) == read[path]),
        key=lambda path: path.stat().st_size,
    )
    saved = read[path]
    recorded = saved.metadata.get("attnlib", {}).get("matplotlib")
    made = {}

    def execute(number):
        made[number] = notebooks.execute(path)

    threads = [threading.Thread(target=execute, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = notebooks.normalise(copy.deepcopy(made[0]))
    assert again == made[0], "normalising twice changes nothing"
    assert made[0] == made[1], "two runs give the same notebook"
    assert notebooks.texts(made[0]) == notebooks.texts(saved), (
        "the saved texts are those of a fresh run"
    )
    if recorded != matplotlib.__version__:
        pytest.skip(
            f"saved with matplotlib {recorded}, here is {matplotlib.__version__}: pixels differ"
        )
    assert made[0] == saved, "the saved notebook is that of a fresh run"


@pytest.mark.parametrize(
    "spoil, words",
    [
        (
            lambda cell: cell.outputs.append(
                nbformat.v4.new_output("error", ename="E", evalue="boom", traceback=[])
            ),
            "boom",
        ),
        (
            lambda cell: cell.outputs.append(
                nbformat.v4.new_output("stream", name="stderr", text="careful")
            ),
            "careful",
        ),
        (
            lambda cell: cell.outputs.append(
                nbformat.v4.new_output("stream", text=f"{notebooks.ROOT}/attnlib")
            ),
            "folder of this machine",
        ),
        (
            lambda cell: cell.outputs.append(
                nbformat.v4.new_output(
                    "display_data",
                    {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "x"},
                )
            ),
            "without a still picture",
        ),
    ],
)
def test_nothing_bad_is_saved(spoil, words):
    notebook = notebook_of("1")
    spoil(notebook.cells[1])
    with pytest.raises(SystemExit, match=words):
        notebooks.normalise(notebook)


def test_a_refresh_keeps_measured_times_and_saves_the_rest(tmp_path, monkeypatch, capsys):
    """The time of a tagged cell alone saves nothing; a result that changed saves both, and
    --pictures saves all the same.
    """
    import matplotlib

    path, fresh = tmp_path / "00_a.ipynb", notebook_of("print(2)", "print('0.1 s')")
    fresh.cells[-1].metadata["tags"] = ["nbval-ignore-output"]
    fresh.metadata["attnlib"] = {
        "matplotlib": matplotlib.__version__,
        "sources": notebooks.sources(fresh),
    }
    monkeypatch.setattr(notebooks, "paths", lambda: [path])
    monkeypatch.setattr(notebooks, "write_links", lambda: [])

    def refreshed(result, seconds, pictures=False):
        fresh.cells[-2].outputs = [nbformat.v4.new_output("stream", text=result)]
        fresh.cells[-1].outputs = [nbformat.v4.new_output("stream", text=seconds)]
        monkeypatch.setattr(notebooks, "execute", lambda path: copy.deepcopy(fresh))
        notebooks.refresh([], pictures)
        return [cell.outputs[0].text for cell in nbformat.read(path, 4).cells[-2:]]

    nbformat.write(fresh, path)
    assert refreshed("2", "0.1 s") == ["2", "0.1 s"] and "saved" in capsys.readouterr().out
    assert refreshed("2", "0.2 s") == ["2", "0.1 s"] and "unchanged" in capsys.readouterr().out
    assert refreshed("3", "0.3 s") == ["3", "0.3 s"]
    assert refreshed("3", "0.4 s", pictures=True) == ["3", "0.4 s"]
    assert (
        refreshed("minilm is left out: not here", "0.5 s") == ["3", "0.4 s"]
        and "not saved: minilm" in capsys.readouterr().out
    )


def test_what_is_saved_is_clean():
    notebook = notebook_of("1")
    cell = notebook.cells[1]
    cell.metadata.update(
        {
            "execution": {"iopub.execute_input": "2026"},
            "papermill": {"duration": 1},
            "tags": ["kept"],
        }
    )
    data = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "image/png": "aGk=",
        "text/html": "<b>",
        "text/plain": "x",
    }
    cell.outputs = [
        nbformat.v4.new_output(
            "execute_result",
            data,
            metadata={"image/png": {"alt": "a"}, "other": {}},
            execution_count=99,
        )
    ]
    notebook.metadata.update(
        {
            "papermill": {},
            "widgets": {"state": {}},
            "language_info": {"name": "python", "version": "3.99"},
        }
    )
    done = notebooks.normalise(notebook)
    nbformat.validate(done)
    assert set(done.metadata) == {
        "kernelspec",
        "language_info",
        "attnlib",
    } and done.metadata.language_info == {"name": "python"}
    assert dict(done.cells[1].metadata) == {"tags": ["kept"]} and done.cells[0].metadata.tags == [
        "parameters"
    ]
    (output,) = done.cells[1].outputs
    assert set(output.data) == {"image/png", "text/plain"} and dict(output.metadata) == {
        "image/png": {"alt": "a"}
    }
    assert output.execution_count == done.cells[1].execution_count == 2


def test_pieces_of_text_are_joined():
    """A kernel sends what a slow cell prints in one piece or in several, as it happens."""
    whole, pieces = notebook_of("1"), notebook_of("1")
    whole.cells[1].outputs = [nbformat.v4.new_output("stream", text="one\ntwo\nthree\n")]
    pieces.cells[1].outputs = [
        nbformat.v4.new_output("stream", text=text) for text in ("one\n", "two\nth", "ree\n")
    ]
    assert notebooks.normalise(whole) == notebooks.normalise(pieces)
