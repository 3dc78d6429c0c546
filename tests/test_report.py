"""One report per row: real runs of a small notebook, in threads and on Dask; and tables that make
no sense.
"""

import base64
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
import types

import nbformat
import pytest

from attnlib import _files
from attnlib.tools import report, stills

pytest.importorskip("papermill")

HEAD = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
PARAMETERS = 'word = "cat"\nn: int = 2\nlevel = 0.5\nplaces = [0, 1]\nother = word'
DEFAULTS = {"word": "cat", "n": 2, "level": 0.5, "places": [0, 1], "other": ...}
WORK = 'import os\nprint(f"{word!r} {n!r} {level!r} {places!r} {1 / n:.2f}")\nprint(os.getcwd())'
DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = (
    f"dot = '{DOT}'\nfrom IPython.display import publish_display_data as"
    " publish\npublish({'image/png': dot, 'text/plain': 'a dot',"
    " 'application/vnd.jupyter.widget-view+json': {'model_id': 'x'}})"
)


def write_notebook(path, *sources, parameters=PARAMETERS):
    notebook = nbformat.v4.new_notebook(metadata=HEAD)
    notebook.cells = [
        nbformat.v4.new_markdown_cell("[away](other.ipynb)", id="launch"),
        nbformat.v4.new_markdown_cell("![a dot](dot.png)", id="picture"),
    ]
    notebook.cells += (
        [nbformat.v4.new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]})]
        if parameters
        else []
    )
    notebook.cells += [
        nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        for number, source in enumerate(sources)
    ]
    nbformat.write(notebook, path)
    return path


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def run(*arguments):
    """The exit code of main, whether it returns it or exits."""
    try:
        return report.main([str(argument) for argument in arguments])
    except SystemExit as done:
        return done.code


def said(path):
    """Everything that an executed notebook printed."""
    return "".join(
        output.get("text", "")
        for cell in nbformat.read(path, 4).cells
        for output in cell.get("outputs", [])
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


TABLE = 'name,word,n\nanna,"a, b",3\nbob,1984,\ncleo,cat,0\n'


# ---- real runs -----------------------------------------------------------------------------------


def test_a_row_that_fails_does_not_stop_the_others(tmp_path, capsys):
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        write(tmp_path / "t.csv", TABLE),
        tmp_path / "deep" / "out",
    )
    assert run(path, table, out, "--workers", 2) == 1
    assert names(out) == ["anna.ipynb", "bob.ipynb"], (
        "nothing for the row that failed, and no drafts"
    )
    assert f"'a, b' 3 0.5 [0, 1] 0.33\n{tmp_path}\n" == said(out / "anna.ipynb"), (
        "its values, and the notebook's own folder"
    )
    assert "'1984' 2 0.5" in said(out / "bob.ipynb"), (
        "a text stays a text, and an empty cell leaves the notebook's value"
    )
    done = nbformat.read(out / "anna.ipynb", 4)
    nbformat.validate(done)
    assert "papermill" not in done.metadata and all(
        "papermill" not in cell.metadata for cell in done.cells
    )
    told = capsys.readouterr()
    assert "2 of 3 reports" in told.out and "[3/3]" in told.out and "cleo: failed" in told.out
    assert "cleo failed: ZeroDivisionError: division by zero" in told.err and "anna" not in told.err


def test_rows_that_are_done_are_skipped(tmp_path, capsys, monkeypatch):
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        write(tmp_path / "t.csv", TABLE),
        tmp_path / "out",
    )
    asked = []

    def executed(text, parameters, timeout, folder):
        asked.append(parameters)
        return ("", "ZeroDivisionError") if parameters.get("n") == 0 else (text, "")

    monkeypatch.setattr(report, "execute", executed)
    assert run(path, table, out) == 1 and len(asked) == 3
    asked.clear()
    assert run(path, table, out) == 1 and asked == [{"word": "cat", "n": 0}]
    assert "2 of 3 are there already" in capsys.readouterr().out
    asked.clear()
    write(table, TABLE.replace("cleo,cat,0", "cleo,cat,1").replace("1984", "1985"))
    assert run(path, table, out) == 0 and asked == [{"word": "1985"}, {"word": "cat", "n": 1}], (
        "changed rows are made again"
    )
    asked.clear()
    assert run(path, table, out) == 0 and asked == []
    write_notebook(path, WORK + "\nprint('more')")
    assert run(path, table, out) == 0 and len(asked) == 3, (
        "so is everything if the notebook has changed"
    )


def test_a_newer_attnlib_makes_them_again(tmp_path, monkeypatch):
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        write(tmp_path / "t.csv", TABLE),
        tmp_path / "out",
    )
    asked = []
    monkeypatch.setattr(
        report,
        "execute",
        lambda text, parameters, timeout, folder: asked.append(parameters) or (text, ""),
    )
    assert run(path, table, out) == 0 and len(asked) == 3
    monkeypatch.setattr(report, "__version__", "999")
    assert run(path, table, out) == 0 and len(asked) == 6


def test_ctrl_c_stops_and_the_same_command_goes_on(tmp_path, capsys, monkeypatch):
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        tmp_path / "t.csv",
        tmp_path / "out",
    )
    asked = []

    def executed(text, parameters, timeout, folder):
        asked.append(parameters["n"])
        if asked == [0, 1]:
            raise KeyboardInterrupt
        time.sleep(1 if asked == [0, 1, 2] else 0)  # runs while the others are called off
        return text, ""

    monkeypatch.setattr(report, "execute", executed)
    assert run(path, write(table, "n\n0\n"), out) == 0
    write(table, "n\n" + "".join(f"{n}\n" for n in range(6)))
    assert run(path, table, out, "--workers", 1) == 130
    assert "the same command goes on" in capsys.readouterr().err and names(out) == ["001.ipynb"]
    assert len(asked) <= 3, "no new rows are begun"
    assert run(path, table, out, "--workers", 1) == 0 and len(names(out)) == 6
    assert "1 of 6 are there already" in capsys.readouterr().out


def test_a_page_that_cannot_be_made_leaves_its_row_undone(tmp_path, monkeypatch):
    """The notebook is written last: where it stands, the page stands, too."""
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        write(tmp_path / "t.csv", "word\nhello\n"),
        tmp_path / "out",
    )
    monkeypatch.setattr(report, "execute", lambda text, parameters, timeout, folder: (text, ""))

    def full(*given):
        raise OSError("no space left on device")

    monkeypatch.setattr(report, "to_html", full)
    assert run(path, table, out, "--html") == 2 and names(out) == []


def test_what_a_live_view_leaves_in_a_report():
    timed = {"papermill": {"duration": 1}, "execution": {"iopub.status.busy": "now"}}
    cell = nbformat.v4.new_code_cell("1", metadata=timed | {"tags": ["kept"]})
    cell.outputs = [
        nbformat.v4.new_output("display_data", data=data)
        for data in ({stills.VIEW: {}}, {stills.VIEW: {}, "text/plain": "x"})
    ]
    notebook = nbformat.v4.new_notebook(
        metadata={"widgets": {}, "papermill": {}} | HEAD, cells=[cell]
    )
    assert stills.still(notebook).metadata == HEAD and cell.metadata == {"tags": ["kept"]}
    assert [set(output.data) for output in cell.outputs] == [{stills.VIEW}, {"text/plain"}], (
        "a view alone is better than nothing"
    )


@pytest.mark.parametrize(
    "said, found",
    [
        ({"value": '<p role="alert">the <b>sentence</b> is empty</p>'}, "the sentence is empty"),
        (
            {"msg": "Traceback (most recent call last)\n  File …\nKeyError: 3"},
            "Traceback (most recent call last) File … KeyError: 3",
        ),
        ({"value": "fine"}, ""),
    ],
)
def test_a_complaint_of_a_live_view_is_heard(said, found):
    states = {"a": {"state": {"value": "fine"}}, "b": {"state": said}}
    assert (
        report.hidden_error(
            nbformat.v4.new_notebook(metadata={"widgets": {report.STATE: {"state": states}}})
        )
        == found
    )
    assert report.hidden_error(nbformat.v4.new_notebook()) == ""


def test_a_page_is_without_links_to_the_neighbours_and_shows_its_code(tmp_path):
    pytest.importorskip("nbconvert")
    cells = [
        nbformat.v4.new_markdown_cell("[before](00_a.ipynb)", id=name)
        for name in ("launch", "navigation")
    ]
    notebook = nbformat.v4.new_notebook(
        metadata=HEAD, cells=[*cells, nbformat.v4.new_code_cell("print(41 + 1)", id="code")]
    )
    page = report.to_html(notebook, tmp_path)
    assert "00_a.ipynb" not in page and "41" in page


@pytest.mark.parametrize("executed", [False, True])
def test_a_notebook_becomes_a_page_with_its_still_pictures(tmp_path, executed):
    """jupyter nbconvert --to stills, with the state of live views saved in the notebook, as
    JupyterLab saves it.
    """
    pytest.importorskip("nbconvert")
    code = (
        "import numpy as np\nfrom attnlib.course import explorer\n"
        "from attnlib.show import AttentionView\nfrom IPython.display"
        " import display"
    )
    cells = [
        code,
        "AttentionView(np.full((2, 4, 4), 0.25), list('abcd'))",
        "explorer()",
        "import ipywidgets\nipywidgets.IntSlider()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    if executed:
        from nbclient import NotebookClient

        NotebookClient(notebook, kernel_name="python3").execute()
        assert report.STATE in notebook.metadata["widgets"]
    nbformat.write(notebook, tmp_path / "a.ipynb")
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "nbconvert",
        "--to",
        "stills",
        *([] if executed else ["--execute"]),
        "a.ipynb",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<img[^>]*src="data:image/png;base64,', page)) == 2
    assert len(re.findall(r'<img[^>]*alt="(?!No description)[^"]{20,}', page)) == 2
    assert "widget-state" not in page and "unpkg.com" not in page and "require.js" not in page
    from_outside = set(re.findall(r'(?:src|href)="(https?:[^"]*)"', page))
    assert all("mathjax" in address.lower() for address in from_outside)


def test_a_file_that_is_no_report_is_not_overwritten(tmp_path, capsys):
    path, table = write_notebook(tmp_path / "anna.ipynb", WORK), write(tmp_path / "t.csv", TABLE)
    before = path.read_bytes()
    assert run(path, table, tmp_path) == 2
    assert "anna.ipynb exists, and is not a report" in capsys.readouterr().err
    assert path.read_bytes() == before and names(tmp_path) == ["anna.ipynb", "t.csv"]


def test_a_page_beside_each_notebook(tmp_path):
    pytest.importorskip("nbconvert")
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK, PICTURE),
        write(tmp_path / "t.csv", "word\nhello\n"),
        tmp_path / "out",
    )
    (tmp_path / "dot.png").write_bytes(base64.b64decode(DOT))
    assert run(path, table, out) == 0 and names(out) == ["001.ipynb"], (
        "without a name, the number of the row"
    )
    (picture,) = nbformat.read(out / "001.ipynb", 4).cells[-1].outputs
    assert set(picture.data) == {"image/png", "text/plain"}, (
        "the live view is gone, its still picture is there"
    )
    assert run(path, table, out, "--html", "--no-code") == 0 and names(out) == [
        "001.html",
        "001.ipynb",
    ]
    page = (out / "001.html").read_text(encoding="utf-8")
    assert (
        "hello" in page
        and page.count(f"data:image/png;base64,{DOT}") == 2
        and "dot.png" not in page
    )
    assert (
        "other.ipynb" not in page
        and "os.getcwd" not in page
        and "require.js" not in page
        and "widget-view" not in page
    )


def test_the_command_in_a_folder_of_its_own_with_two_rows_at_once(tmp_path):
    """Each row waits until the other has begun; relative paths; one BLAS thread, though the
    environment sets none.
    """
    meet = (
        "import os, time, pathlib\npathlib.Path(word).touch()\nend = time.monotonic() + 60\nwhile"
        " not pathlib.Path(f'{places}').exists():\n    assert time.monotonic() < end, 'alone'\n   "
        " time.sleep(0.05)\nprint('met', os.environ['OPENBLAS_NUM_THREADS'],"
        " os.environ['ATTNLIB_PROGRESS'])"
    )
    (tmp_path / "deep").mkdir()
    write_notebook(tmp_path / "deep" / "a.ipynb", meet)
    write(tmp_path / "t.csv", "name;word;places\nÄnne Ö.;one;'two'\nbob;two;'one'\n")
    bare = {
        key: value
        for key, value in os.environ.items()
        if not key.endswith("_NUM_THREADS") and key != "ATTNLIB_PROGRESS"
    }
    command = [
        sys.executable,
        "-m",
        "attnlib",
        "report",
        "deep/a.ipynb",
        "t.csv",
        "out",
        "--workers",
        "2",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == ["bob.ipynb", "Änne-Ö.ipynb"] and names(
        tmp_path / "deep"
    ) == ["a.ipynb", "one", "two"]
    for name in names(tmp_path / "out"):
        assert said(tmp_path / "out" / name).startswith("met 1 ") and str(tmp_path) not in said(
            tmp_path / "out" / name
        )


def test_a_kernel_that_dies_hangs_or_complains_ends_its_row_only(tmp_path, capsys):
    trouble = (
        "import os, time, ipywidgets\nif word == 'die':\n    os._exit(1)\nif word == 'hang':\n   "
        " time.sleep(600)\nbox = ipywidgets.HTML('<p role=\"alert\">the sentence is empty</p>' if"
        " word == 'alert' else '<p>fine</p>')\nbox"
    )
    path, table = write_notebook(tmp_path / "a.ipynb", trouble), tmp_path / "t.json"
    write(
        table,
        json.dumps([{"name": word, "word": word} for word in ("die", "hang", "alert", "good")]),
    )
    out = tmp_path / "out"
    assert run(path, table, out, "--timeout", 5, "--workers", 4) == 1
    assert (
        names(out) == ["good.ipynb"]
        and "widgets" not in nbformat.read(out / "good.ipynb", 4).metadata
    )
    told = capsys.readouterr().err
    assert (
        "die failed: DeadKernelError" in told
        and "hang failed: CellTimeoutError" in told
        and "after 5 seconds" in told
    )
    assert "alert failed: a live picture says: the sentence is empty" in told


def test_the_same_on_a_dask_cluster(tmp_path, capsys):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    path, table, out = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        write(tmp_path / "t.csv", TABLE),
        tmp_path / "out",
    )
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        assert run(path, table, out, "--dask", cluster.scheduler_address) == 1
    assert names(out) == ["anna.ipynb", "bob.ipynb"]
    assert "'a, b' 3 0.5 [0, 1] 0.33" in said(out / "anna.ipynb") and "'1984' 2" in said(
        out / "bob.ipynb"
    )
    told = capsys.readouterr()
    assert (
        "cleo failed: ZeroDivisionError: division by zero" in told.err
        and "2 of 3 reports" in told.out
    )


def test_a_worker_without_the_notebooks_folder_runs_it_elsewhere(tmp_path):
    """A Dask worker shares no disk with us."""
    text = write_notebook(tmp_path / "a.ipynb", WORK).read_text(encoding="utf-8")
    done, error = report.execute(text, {"n": 3}, 60, str(tmp_path / "not here"))
    assert error == "" and f"0.33\n{os.path.realpath(tempfile.gettempdir())}\n" in said(
        write(tmp_path / "b.ipynb", done)
    )


class Cluster:
    """A stand-in for Dask: what crosses to a worker is pickled, equal calls are one task unless
    they are not `pure`.
    """

    def __init__(self, address, timeout):
        self.tasks = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, function, *arguments, pure=True):
        key = repr(arguments) if pure else len(self.tasks)
        arguments = pickle.loads(pickle.dumps(arguments))
        self.tasks[key] = types.SimpleNamespace(
            key=key,
            arguments=arguments,
            result=lambda: function(*arguments),
            exception=lambda: None,
        )
        if arguments[1].get("word") == "dies":
            self.tasks[key].exception = lambda: RuntimeError("KilledWorker")
        return self.tasks[key]


def test_what_is_asked_of_a_cluster(tmp_path, capsys, monkeypatch):
    """Two students with the same sentence get two reports; a worker that dies ends its row only."""
    distributed = types.SimpleNamespace(
        Client=Cluster, as_completed=lambda sent: list({task.key: task for task in sent}.values())
    )
    monkeypatch.setitem(sys.modules, "dask", types.SimpleNamespace(distributed=distributed))
    monkeypatch.setattr(report, "_needs", lambda given: None)
    monkeypatch.setattr(report, "execute", lambda text, parameters, timeout, folder: (text, ""))
    path, out = write_notebook(tmp_path / "a.ipynb", WORK), tmp_path / "out"
    table = write(tmp_path / "t.csv", "name,word\nanna,same\nbob,same\ncleo,dies\n")
    assert run(path, table, out, "--dask", "tcp://x:1") == 1
    assert names(out) == ["anna.ipynb", "bob.ipynb"]
    assert "cleo failed: RuntimeError: KilledWorker" in capsys.readouterr().err


def test_a_cluster_that_is_not_there(tmp_path, capsys, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    whole = distributed.Client
    monkeypatch.setattr(
        distributed, "Client", lambda address, timeout, **how: whole(address, timeout=1, **how)
    )
    path, table = write_notebook(tmp_path / "a.ipynb", WORK), write(tmp_path / "t.csv", TABLE)
    assert run(path, table, tmp_path / "out", "--dask", "tcp://127.0.0.1:9") == 2
    assert "127.0.0.1:9" in capsys.readouterr().err


# ---- tables --------------------------------------------------------------------------------------


def test_parameters_are_read_without_running_anything(tmp_path):
    notebook = nbformat.read(write_notebook(tmp_path / "a.ipynb", "raise SystemExit"), 4)
    assert report.parameters_of(notebook) == DEFAULTS
    bare = nbformat.read(write_notebook(tmp_path / "b.ipynb", "1", parameters=""), 4)
    with pytest.raises(ValueError, match=r"^b\.ipynb has no parameters: tag the cell"):
        report.parameters_of(bare, "b.ipynb")


def test_parameters_are_those_that_papermill_finds():
    """For every notebook of the course: papermill's own reading of the cell is the oracle."""
    import papermill

    import notebooks

    for path in notebooks.paths():
        found = {name: it["default"] for name, it in papermill.inspect_notebook(str(path)).items()}
        mine = report.parameters_of(nbformat.read(path, 4))
        assert list(mine) == list(found) and all(
            eval(text, {}) == mine[name] for name, text in found.items()
        )


CELLS = [
    ("word\n5\n", [("001", {"word": "5"})]),
    ("n,level\n5,1e-3\n", [("001", {"n": 5, "level": 0.001})]),
    ('places\n"[3, 4]"\n', [("001", {"places": [3, 4]})]),
    ("\ufeffname; word \na b;x;\n".replace(";\n", "\n"), [("a-b", {"word": "x"})]),
    ("name\tn\na/../b\t-1\n", [("a-..-b", {"n": -1})]),
    ("n,word\n3,\n", [("001", {"n": 3})]),
    ("n,word\n3\n", [("001", {"n": 3})]),
    ('word,n\n"cat ", 3 \n', [("001", {"word": "cat ", "n": 3})]),
    ('word, n\n "a, b", 3\n', [("001", {"word": "a, b", "n": 3})]),
    (
        'word,n\n"two\nlines, said ""she""",1\n\n',
        [("001", {"word": 'two\nlines, said "she"', "n": 1})],
    ),
]


@pytest.mark.parametrize("text, rows", CELLS)
def test_cells_become_values_of_the_parameters_kind(text, rows, tmp_path):
    assert report.read_table(write(tmp_path / "t.csv", text), DEFAULTS) == rows
    kinds = [type(value) for _, values in rows for value in values.values()]
    assert [
        type(value)
        for row in report.read_table(tmp_path / "t.csv", DEFAULTS)
        for value in row.parameters.values()
    ] == kinds


def test_json_values_are_taken_as_they_are(tmp_path):
    table = write(tmp_path / "t.json", '\ufeff[{"word": "", "n": 3}, {"n": "3", "level": 1}]')
    assert report.read_table(table, DEFAULTS) == [
        ("001", {"word": "", "n": 3}),
        ("002", {"n": "3", "level": 1}),
    ]


def test_any_column_may_name_the_files(tmp_path):
    table = write(tmp_path / "t.csv", "word,mail\nCats,a@b.org\ndogs,c@d.org\n")
    rows = report.read_table(table, DEFAULTS, "mail")
    assert rows == [("a-b.org", {"word": "Cats"}), ("c-d.org", {"word": "dogs"})]
    (only,) = report.read_table(write(tmp_path / "u.csv", "word\nCats\n"), DEFAULTS, "word")
    assert only == ("Cats", {"word": "Cats"}), "a parameter may name the files, too"
    assert report.read_table(write(tmp_path / "v.csv", "name\nx\n"), {"name": "y"}) == [
        ("001", {"name": "x"})
    ]
    assert report.read_table(write(tmp_path / "X.CSV", "word\nx\n"), DEFAULTS) == [
        ("001", {"word": "x"})
    ]
    (long,) = report.read_table(
        write(tmp_path / "w.csv", "word\n" + "a long sentence " * 20), DEFAULTS, "word"
    )
    assert len(long.name) == 60, "a name that every file system takes"


REFUSED = [
    (
        "t.csv",
        "wrod\ncat\n",
        [],
        (
            "has a column 'wrod', which is no parameter of the notebook; it has word, n,.* Did you"
            " mean 'word'"
        ),
    ),
    ("t.csv", "word,mail\ncat,a\n", [], "has a column 'mail'"),
    ("t.json", '[{"n": 1}, {"m": 1}]', [], "has a column 'm'"),
    ("t.csv", "n\n3\nfour\n", [], "row 2: n must be a plain value such as 2, got 'four'"),
    ("t.csv", "n\n__import__('os')\n", [], "row 1: n must be a plain value"),
    ("t.csv", "n;level\n1;0,5\n", [], "row 1: level must be a plain value such as 0.5, got '0,5'"),
    ("t.csv", "n\n'3'\n", [], "row 1: n must be a plain value such as 2"),
    ("t.csv", "places\n{[0]: 1}\n", [], r"row 1: places must be a plain value such as \[0, 1\]"),
    (
        "t.csv",
        "other\ncat\n",
        [],
        "row 1: other must be a plain value such as 3 or 'a text', got 'cat'",
    ),
    ("t.json", '[{"name": null, "n": 1}]', [], "row 1 has no 'name'"),
    ("t.csv", "name,n\nAnna,1\nanna,2\n", [], "rows 1 and 2 have the same name 'anna'"),
    ("t.csv", "name,n\n..,1\n", [], "row 1 has no 'name'"),
    ("t.csv", "n\n1\n", ["--name", "student"], "row 1 has no 'student'"),
    ("t.csv", "word\ncats, dogs\n", [], "row 1 has more cells than the first line"),
    ("t.csv", "n,n\n1,2\n", [], "must name each column once"),
    ("t.csv", "n,\n1,2\n", [], "must name each column once"),
    ("t.csv", "n\n", [], "has no rows"),
    ("t.csv", "", [], "must name each column once|has no rows"),
    ("t.json", "[]", [], "has no rows"),
    ("t.json", '{"n": 1}', [], "must be a list of objects"),
    ("t.json", "[", [], "is not JSON"),
    ("t.txt", "n\n1\n", [], r"must be a \.csv or \.json file"),
    ("t.csv", "n\n1\n", ["--workers", "0"], "--timeout and --workers must be at least 1"),
    ("t.csv", "n\n1\n", ["--timeout", "0"], "--timeout and --workers must be at least 1"),
    ("t.csv", "n\n1\n", ["--no-code"], "add --html"),
    ("t.csv", "n\n1\n", ["--wrokers", "2"], "unrecognized arguments"),
]


@pytest.mark.parametrize("file, text, options, words", REFUSED)
def test_nonsense_is_refused_before_any_work(
    file, text, options, words, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(report, "execute", lambda *arguments: pytest.fail("a notebook was run"))
    path, table = write_notebook(tmp_path / "a.ipynb", WORK), write(tmp_path / file, text)
    assert run(path, table, tmp_path / "out", *options) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and not (tmp_path / "out").exists()
    assert re.search(words, told.err), told.err


def test_files_that_are_missing_or_no_notebook(tmp_path, capsys):
    path, table = write_notebook(tmp_path / "a.ipynb", WORK), write(tmp_path / "t.csv", "n\n1\n")
    assert (
        run(tmp_path / "b.ipynb", table, tmp_path / "out") == 2
        and "b.ipynb" in capsys.readouterr().err
    )
    assert (
        run(path, tmp_path / "u.csv", tmp_path / "out") == 2 and "u.csv" in capsys.readouterr().err
    )
    assert (
        run(table, table, tmp_path / "out") == 2
        and "t.csv is not a notebook" in capsys.readouterr().err
    )
    table.write_bytes("word\nÄpfel\n".encode("cp1252"))
    assert run(path, table, tmp_path / "out") == 2 and "not UTF-8" in capsys.readouterr().err


def test_a_notebook_of_an_editor_that_writes_no_language(tmp_path):
    path, table = (
        write_notebook(tmp_path / "a.ipynb", WORK),
        write(tmp_path / "t.csv", "name,n\nanna,3\n"),
    )
    notebook = nbformat.read(path, 4)
    for metadata in (
        {},
        {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        {"language_info": {}},
    ):
        notebook.metadata = nbformat.from_dict(metadata)
        nbformat.write(notebook, path)
        assert (
            run(
                path, table, tmp_path / f"out{len(metadata)}{'language_info' in metadata}", "--html"
            )
            == 0
        )


def test_what_to_install_is_said(tmp_path, capsys, monkeypatch):
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in ("papermill", "distributed") else there(name),
    )
    path, table = write_notebook(tmp_path / "a.ipynb", WORK), write(tmp_path / "t.csv", "n\n1\n")
    assert run(path, table, tmp_path / "out", "--dask", "tcp://x:1") == 2
    assert 'pip install papermill "dask[distributed]"' in capsys.readouterr().err


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    target = write(tmp_path / "a.ipynb", "old")

    def full(old, new):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        _files.write(target, "new")
    assert names(tmp_path) == ["a.ipynb"] and target.read_text() == "old"
