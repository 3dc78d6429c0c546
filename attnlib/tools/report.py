"""One report per student, or per sentence: a notebook, executed once for each row of a table of
parameters.

    python -m attnlib report notebooks/00_start_here.ipynb sentences.csv reports/ --html
    python -m attnlib report notebooks/00_start_here.ipynb sentences.csv reports/ --dask
    tcp://scheduler:8786

The columns of the table are parameters of the notebook (its cell tagged `parameters`); a column
`name` names the files. papermill (Kyle Kelley and others, 2017) puts the values in; threads, or a
Dask cluster, run the rows at the same time.
"""

import argparse
import ast
import csv
import difflib
import hashlib
import io
import json
import os
import re
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

from attnlib import __version__, _files
from attnlib.tools.stills import still

STATE = "application/vnd.jupyter.widget-state+json"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


# Names that Windows keeps for devices, whatever ends them: CON, nul.txt
DEVICE = re.compile(r"^(con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?=\.|$)", re.IGNORECASE)


class Row(NamedTuple):
    """One row of the table: the name of its report, and values other than the notebook's."""

    name: str
    parameters: dict


# ---- the notebook --------------------------------------------------------------------------------


def parameters_of(notebook, name="the notebook"):
    """Name -> value of each parameter of a notebook; Ellipsis for a value that is not a plain one.

    Raises ValueError where there is no cell tagged `parameters`, or nothing is assigned in it.
    """
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", []):
            for statement in ast.parse(cell.source).body:
                targets = (
                    statement.targets
                    if isinstance(statement, ast.Assign)
                    else [getattr(statement, "target", None)]
                )
                found |= {
                    target.id: _literal(statement.value)
                    for target in targets
                    if isinstance(target, ast.Name)
                }
    if not found:
        raise ValueError(
            f"{name} has no parameters: tag the cell that sets them with the word `parameters`"
        )
    return found


def _literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ...


def _sources(notebook):
    text = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hidden_error(notebook):
    """What a live view complains of in place, where no cell raises; empty if none does."""
    for model in notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        for text in map(str, model["state"].values()):
            if 'role="alert"' in text or "Traceback (most recent call last)" in text:
                return " ".join(re.sub(r"<[^>]+>", " ", text).split())[:300]
    return ""


# ---- the table -----------------------------------------------------------------------------------


def read_table(path, defaults, name_column=None):
    """A .csv or .json file -> a list of Row. `defaults` are the notebook's parameters, as from
    parameters_of.

    Raises ValueError, before any work, for a column that is no parameter, a value that does not
    fit, a name that comes twice, and an empty table.
    """
    if path.suffix.lower() == ".json":
        records = _json_records(path)
    elif path.suffix.lower() == ".csv":
        records = [
            _typed(record, defaults, f"{path.name}, row {number}")
            for number, record in enumerate(_csv_records(path), 1)
        ]
    else:
        raise ValueError(f"the parameters must be a .csv or .json file, got {path.name}")
    if not records:
        raise ValueError(f"{path.name} has no rows")
    if (
        name_column is None
        and "name" not in defaults
        and any("name" in record for record in records)
    ):
        name_column = "name"
    _known({column for record in records for column in record} - {name_column}, defaults, path.name)
    rows = [
        Row(
            _file_name(record, name_column, number, path.name, len(records)),
            {key: value for key, value in record.items() if key in defaults},
        )
        for number, record in enumerate(records, 1)
    ]
    _unlike([row.name for row in rows], path.name)
    return rows


def _json_records(path):
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError(
            f'{path.name} must be a list of objects, [{{"name": "anna", "seed": 1}}, …]'
        )
    return records


def _csv_records(path):
    """The rows as dictionaries of strings. Commas, semicolons and tabs are told apart by the first
    line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not UTF-8: save it as “CSV UTF-8”") from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), skipinitialspace=True
    )
    columns = [(column or "").strip() for column in reader.fieldnames or []]
    if "" in columns or len(set(columns)) < len(columns):
        raise ValueError(f"the first line of {path.name} must name each column once, got {columns}")
    reader.fieldnames = columns
    records = list(reader)
    for number, record in enumerate(records, 1):
        if None in record:
            raise ValueError(
                f"{path.name}, row {number} has more cells than the first line; a text with commas"
                " needs quotes"
            )
    return records


def _typed(record, defaults, where):
    """A row of strings as values of the parameters' kinds; an empty cell leaves the notebook's own
    value.
    """
    values = {}
    for column, text in record.items():
        default = defaults.get(column, "")
        if text is None or (text.strip() == "" and column in defaults):
            continue
        try:
            values[column] = text if isinstance(default, str) else ast.literal_eval(text.strip())
            if isinstance(default, (int, float)) and not isinstance(values[column], (int, float)):
                raise ValueError  # "0,5", as half of Europe writes it, would be a pair
        except (ValueError, TypeError, SyntaxError):
            like = "3 or 'a text'" if default is ... else repr(default)
            raise ValueError(
                f"{where}: {column} must be a plain value such as {like}, got {text!r}"
            ) from None
    return values


def _known(columns, defaults, file):
    """ValueError if a column is no parameter: a misspelled one would silently leave the notebook's
    own value.
    """
    for column in sorted(columns - set(defaults)):
        near = difflib.get_close_matches(column, defaults, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{file} has a column {column!r}, which is no parameter of the notebook; it has"
            f" {', '.join(defaults)}.{guess}"
        )


def _file_name(record, column, number, file, total):
    """The name of a report, safe on every file system: the text of its column, or the number of the
    row.
    """
    if column is None:
        return f"{number:0{max(3, len(str(total)))}d}"
    said = record.get(column)
    name = re.sub(r"[^\w.-]+", "-", "" if said is None else str(said)).strip("-.")[:60]
    # no file system takes more than 255 bytes
    name = name.encode()[:150].decode(errors="ignore").strip("-.")
    if not name:
        raise ValueError(f"{file}, row {number} has no {column!r} to name its file by")
    return DEVICE.sub(r"\1_", name)


def _unlike(names, file):
    """ValueError if two rows would write the same file; upper and lower case are one on some
    machines.
    """
    first = {}
    for number, name in enumerate(names, 1):
        other = first.setdefault(name.casefold(), number)
        if other != number:
            raise ValueError(f"{file}, rows {other} and {number} have the same name {name!r}")


# ---- one row -------------------------------------------------------------------------------------


def execute(text, parameters, timeout, folder):
    """Run a notebook, given as text, with these parameters, on this machine. -> (text of the
    result, what went wrong)

    One of the two is empty. Nothing is written, and nothing is raised: a worker far away hands both
    back as they are. The kernel has one BLAS thread, and its exercises do not touch anyone's
    progress.
    """
    import nbformat
    import papermill

    for name in THREADS:
        os.environ.setdefault(name, "1")
    os.environ.setdefault(
        "ATTNLIB_PROGRESS",
        os.path.join(tempfile.gettempdir(), f"attnlib-report-{os.getpid()}.json"),
    )
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        cwd = folder if os.path.isdir(folder) else tempfile.gettempdir()
        how = {
            "progress_bar": False,
            "execution_timeout": timeout,
            "kernel_name": "python3",
            "extra_arguments": ["--log-level=50"],
        }
        how["language"] = "python"  # not every editor writes it into the notebook
        # papermill's own cwd= moves the whole process, all threads with it
        how["resources"] = {"metadata": {"path": cwd}}
        done = papermill.execute_notebook(
            nbformat.reads(text, 4), None, parameters=parameters, **how
        )
    except papermill.PapermillExecutionError as error:
        return "", f"{error.ename}: {error.evalue} (cell [{error.exec_count}])"
    except Exception as error:  # a kernel that dies or hangs ends this row, not the others
        return "", f"{type(error).__name__}: {error}"
    complaint = hidden_error(done)
    return (
        ("", f"a live picture says: {complaint}")
        if complaint
        else (nbformat.writes(still(done)), "")
    )


def to_html(notebook, folder, code=True):
    """A page of its own: pictures are in it, live views and navigation are not. Formulas are set by
    MathJax, from the web.
    """
    from attnlib.tools.stills import StillsExporter

    notebook.cells = [
        cell for cell in notebook.cells if cell.get("id") not in ("launch", "navigation")
    ]
    exporter = StillsExporter(
        exclude_input=not code, exclude_input_prompt=True, exclude_output_prompt=True
    )
    return exporter.from_notebook_node(notebook, resources={"metadata": {"path": str(folder)}})[0]


# ---- all rows ------------------------------------------------------------------------------------


class Task(NamedTuple):
    """What is to be made of which notebook, and where."""

    path: Path  # the notebook
    text: str
    sources: str
    out: Path
    html: bool
    code: bool

    def stamp(self, row):
        """What a report was made from: a report with the same stamp need not be made again."""
        return {
            "notebook": self.path.name,
            "sources": self.sources,
            "parameters": row.parameters,
            "attnlib": __version__,
        }

    def saved(self, row):
        """The report of this row from an earlier run, or None. ValueError if another file stands in
        its place.
        """
        import nbformat

        path = self.out / f"{row.name}.ipynb"
        if not path.exists():
            return None
        try:
            old = nbformat.read(path, 4)
            made_from = old.metadata["attnlib_report"]
        except Exception:  # whatever it is, it is not ours to overwrite
            raise ValueError(f"{path} exists, and is not a report: choose another folder") from None
        return (
            old
            if json.dumps(made_from, sort_keys=True) == json.dumps(self.stamp(row), sort_keys=True)
            else None
        )

    def save(self, row, notebook):
        """Write the page first, the notebook last: where the notebook stands, the row is done."""
        import nbformat

        notebook.metadata["attnlib_report"] = self.stamp(row)
        text = nbformat.writes(notebook)
        if self.html:
            _files.write(
                self.out / f"{row.name}.html",
                to_html(nbformat.reads(text, 4), self.path.parent, self.code),
            )
        _files.write(self.out / f"{row.name}.ipynb", text)


def _finished(rows, task, timeout, workers, dask):
    """Yield (row, text, error) as rows are done, in whatever order."""
    if dask:
        yield from _on_dask(rows, task, timeout, dask)
        return
    pool = futures.ThreadPoolExecutor(workers)
    try:
        running = {
            pool.submit(execute, task.text, row.parameters, timeout, str(task.path.parent)): row
            for row in rows
        }
        for future in futures.as_completed(running):
            yield (running[future], *future.result())
    except KeyboardInterrupt:
        print("\nstopping, as soon as the rows that run now have ended …", file=sys.stderr)
        raise
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C: no new rows


def _on_dask(rows, task, timeout, address):
    """The same, on the workers of a Dask scheduler. They need attnlib and papermill, and share no
    disk with us.
    """
    from dask import distributed

    with distributed.Client(address, timeout=20) as client:
        sent = [
            client.submit(
                execute, task.text, row.parameters, timeout, str(task.path.parent), pure=False
            )
            for row in rows
        ]
        whose = {future.key: row for future, row in zip(sent, rows)}
        for future in distributed.as_completed(sent):
            error = future.exception()
            yield (
                (whose[future.key], "", f"{type(error).__name__}: {error}")
                if error
                else (whose[future.key], *future.result())
            )


def _make(task, rows, timeout, workers, dask):
    """Make the reports that are missing and say how it goes. -> name -> what went wrong"""
    import nbformat

    left, failed, start = [], {}, time.perf_counter()
    for row in rows:
        old = task.saved(row)
        if old is None:
            left.append(row)
        elif task.html and not (task.out / f"{row.name}.html").exists():
            task.save(row, old)
    if len(left) < len(rows):
        print(f"{len(rows) - len(left)} of {len(rows)} are there already")
    for number, (row, text, error) in enumerate(_finished(left, task, timeout, workers, dask), 1):
        if not error:
            task.save(row, nbformat.reads(text, 4))
        else:
            failed[row.name] = error
        seconds = time.perf_counter() - start
        print(
            f"[{number}/{len(left)}] {row.name}: {'failed' if error else 'done'}, {seconds:.0f} s"
            " so far",
            flush=True,
        )
    return failed


def _parser():
    parser = argparse.ArgumentParser(
        prog="attnlib report",
        description=(
            "Run a notebook once for each row of a table of parameters, and save one report per"
            " row."
        ),
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "parameters",
        type=Path,
        help=".csv or .json; its columns are parameters of the notebook, and `name`",
    )
    parser.add_argument(
        "out",
        type=Path,
        help="folder for the reports; those that are there already are not made again",
    )
    parser.add_argument(
        "--name",
        metavar="COLUMN",
        help="the column that names the files (default: name, or the rows are numbered)",
    )
    parser.add_argument(
        "--html", action="store_true", help="write a page beside each notebook (needs nbconvert)"
    )
    parser.add_argument("--no-code", action="store_true", help="leave the code out of these pages")
    parser.add_argument(
        "--workers",
        type=int,
        help="rows that run at the same time (default: one for each processor)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="run the rows on this Dask scheduler instead, such as tcp://host:8786",
    )
    parser.add_argument(
        "--timeout", type=int, default=300, metavar="SECONDS", help="for one cell (default: 300)"
    )
    return parser


def _needs(given):
    """ValueError, with what to install, if something is missing that these options need."""
    import importlib.util

    wanted = {"papermill": "papermill"} | ({"nbconvert": "nbconvert"} if given.html else {})
    wanted |= {"distributed": '"dask[distributed]"'} if given.dask else {}
    missing = [how for module, how in wanted.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ValueError(
            f"this needs packages that are not installed here. Run: pip install {' '.join(missing)}"
        )


def _task(given):
    """The task and its rows, from the command line; ValueError before anything is made if they do
    not fit.
    """
    if given.timeout < 1 or (given.workers is not None and given.workers < 1):
        raise ValueError(
            f"--timeout and --workers must be at least 1, got {given.timeout} and {given.workers}"
        )
    if given.no_code and not given.html:
        raise ValueError("--no-code is about pages: add --html")
    _needs(given)
    import nbformat

    try:
        notebook = nbformat.read(given.notebook, 4)
    except OSError:
        raise
    except Exception as error:  # nbformat raises errors of several families
        raise ValueError(f"{given.notebook} is not a notebook: {error}") from None
    rows = read_table(given.parameters, parameters_of(notebook, given.notebook.name), given.name)
    given.out.mkdir(parents=True, exist_ok=True)
    text, sources = nbformat.writes(notebook), _sources(notebook)
    return (
        Task(given.notebook.resolve(), text, sources, given.out, given.html, not given.no_code),
        rows,
    )


def main(arguments):
    """Make the reports. Returns 0, 1 if a row failed, 2 if the table or the options make no sense,
    130 after Ctrl-C.
    """
    parser = _parser()
    parser.error = lambda message: sys.exit(_complain(message))
    given = parser.parse_args(list(arguments))
    try:
        task, rows = _task(given)
        failed = _make(task, rows, given.timeout, given.workers or _processors(), given.dask)
    except (ValueError, OSError) as error:
        return _complain(error)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the rows that are missing", file=sys.stderr)
        return 130
    print(f"{len(rows) - len(failed)} of {len(rows)} reports in {given.out}")
    for row in rows:
        if row.name in failed:
            print(f"attnlib report: {row.name} failed: {failed[row.name]}", file=sys.stderr)
    return 1 if failed else 0


def _processors():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _complain(message):
    """One line on stderr, exit code 2."""
    print(
        f"attnlib report: {' '.join(str(message).split())} (see python -m attnlib report --help)",
        file=sys.stderr,
    )
    return 2
