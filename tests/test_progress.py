"""What is passed is kept, whatever happens to the file; and a function that never returns is
stopped, and nothing else.
"""

import datetime
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from attnlib import _files, exercises
from attnlib.exercises import Exercise, _limit, _progress, progress
from attnlib.exercises import queries_keys_values as queries
from attnlib.exercises import similarity_and_softmax as similarity
from attnlib.exercises import start_here as start
from attnlib.exercises._limit import TooSlow, call
from attnlib.show import theme

ROOT = Path(__file__).parent.parent
TODAY = re.compile(r"\d{4}-\d\d-\d\d")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file of progress, not there yet."""
    monkeypatch.setenv("ATTNLIB_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture
def python(monkeypatch):
    """The main thread of an ordinary Python, in which Ctrl-C raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("needs the main thread")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def names(folder):
    """The files in a folder, without the empty one that serves as a lock."""
    return sorted(
        name
        for name in os.listdir(folder)
        if not (name.endswith(".lock") and not Path(folder, name).stat().st_size)
    )


def check(exercise, function, capsys):
    capsys.readouterr()
    exercise.check(function)
    return capsys.readouterr().out


def solve(exercise, capsys):
    return check(exercise, exercise.solve, capsys)


# ---- the limit -----------------------------------------------------------------------------------


def forever(*given):
    while True:
        pass


def sleeps(*given):
    time.sleep(60)


def swallows(*given):
    while True:
        try:
            time.sleep(0.001)
            raise ValueError
        except Exception:
            pass


def swallows_all(*given):
    n = 0
    while True:
        try:
            n += 1
        except:  # noqa: E722 - as beginners write it
            pass


def swallows_the_first(*given):
    try:
        forever()
    except:  # noqa: E722
        forever()


def long_numpy(*given):
    a = np.ones((200, 200))
    while True:
        a = a @ a / 200


def prints_and_waits(*given):
    while not threading.Event().wait(0.01):
        print(end="")


ENDLESS = [
    forever,
    sleeps,
    swallows,
    swallows_all,
    swallows_the_first,
    long_numpy,
    prints_and_waits,
]


@pytest.mark.parametrize("function", ENDLESS, ids=lambda f: f.__name__)
def test_what_never_returns_is_stopped(function, python, monkeypatch):
    if function is swallows_all and sys.version_info < (3, 11):
        pytest.skip(
            "Python 3.10 looks at no interrupt in a loop that begins with try and calls nothing,"
            " not even at Ctrl-C"
        )
    monkeypatch.setattr(exercises, "SECONDS", 0.15)
    start = time.perf_counter()
    passed, report = similarity.alike.judge(function)
    assert time.perf_counter() - start < 3
    assert not passed and report.startswith(
        "Stopped: your function took more than 0.15 seconds. A loop that never ends?\n(tried"
        " with x ("
    )
    time.sleep(0.05)  # a late interrupt would arrive here


def test_a_function_that_hangs_on_a_later_input_is_stopped(python, monkeypatch):
    monkeypatch.setattr(exercises, "SECONDS", 0.15)
    hangs = [False, False, True]

    def function(x):
        return forever() if hangs.pop(0) else similarity.alike.solve(x)

    assert similarity.alike.judge(function)[1].startswith("Stopped")


def test_a_wrong_function_that_is_slow_elsewhere_gets_its_report(python, monkeypatch):
    """Naming the mistake calls the function again: it may hang there, and that must not hang the
    check.
    """
    monkeypatch.setattr(exercises, "SECONDS", 0.15)
    passed, report = similarity.alike.judge(lambda x: x @ x.T if len(x) == 3 else forever())
    assert not passed and "is not right yet" in report


def test_the_limit_is_five_seconds_for_each_input():
    assert exercises.SECONDS == 5


def test_what_returns_in_time_returns(python):
    before = threading.active_count()
    assert call(lambda a, b: a + b, 1, 2, seconds=5) == 3
    assert call(lambda: time.sleep(0.05) or "slow", seconds=5) == "slow"
    assert threading.active_count() == before, "the clock is stopped"
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 / 0, seconds=5)
    assert threading.active_count() == before


def test_an_error_of_its_own_is_not_taken_for_the_limit(python):
    def own():
        raise TimeoutError("the network")

    with pytest.raises(TimeoutError, match="the network") as error:
        call(own, seconds=5)
    assert not isinstance(error.value, TooSlow)


def test_the_stop_button_still_stops(python):
    def pressed(*given):
        signal.raise_signal(signal.SIGINT)
        time.sleep(10)

    before = threading.active_count()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        call(pressed, seconds=5)
    with pytest.raises(KeyboardInterrupt):
        similarity.alike.check(pressed)
    assert time.perf_counter() - start < 2 and threading.active_count() == before


def test_no_interrupt_comes_afterwards(python):
    """Functions that end just when they would be stopped: each returns or is stopped, and then
    there is quiet.
    """
    stopped = 0
    for number in range(30):
        try:
            assert (
                call(lambda wait: time.sleep(wait) or wait, 0.0085 + number * 6e-5, seconds=0.01)
                >= 0.0085
            )
        except TooSlow:
            stopped += 1
    for _ in range(30):
        time.sleep(0.01)
    assert 0 < stopped < 30
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_function_that_cleans_up_is_still_too_slow(python):
    done = []

    def tidy():
        try:
            time.sleep(60)
        finally:
            done.append(True)

    with pytest.raises(TooSlow, match=r"more than 0\.1 seconds"):
        call(tidy, seconds=0.1)
    assert done == [True]


def test_outside_the_main_thread_there_is_no_limit(python):
    found = []
    thread = threading.Thread(
        target=lambda: found.append(call(lambda: time.sleep(0.1) or "back", seconds=0.01))
    )
    thread.start()
    thread.join()
    assert found == ["back"]


def test_another_handler_of_the_stop_button_is_left_alone(python):
    calls = []

    def mine(*given):
        calls.append(given)

    signal.signal(signal.SIGINT, mine)
    assert call(lambda: time.sleep(0.1) or "back", seconds=0.01) == "back"
    assert not calls and signal.getsignal(signal.SIGINT) is mine


def test_where_there_are_no_threads_it_still_answers(python, monkeypatch):
    def no_threads(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", no_threads)
    assert call(lambda: time.sleep(0.02) or "back", seconds=0.01) == "back"
    assert (
        similarity.alike.judge(similarity.alike.solve)[0]
        and not similarity.alike.judge(lambda x: x @ x.T)[0]
    )
    with pytest.raises(ValueError, match="its own"):
        call(lambda: (_ for _ in ()).throw(ValueError("its own")), seconds=5)


def test_where_signals_cannot_be_sent_to_a_thread_it_is_stopped_too(python, monkeypatch):
    monkeypatch.delattr(_limit.signal, "pthread_kill")  # as on Windows
    with pytest.raises(TooSlow):
        call(forever, seconds=0.1)


class Sent:
    """Stands for the event of the end: counts how often it was asked, and never comes."""

    asked = 0

    def is_set(self):
        self.asked += 1
        return False

    def wait(self, seconds):
        assert seconds == 0.2


def test_the_clock_gives_up_after_a_number_of_interrupts(monkeypatch):
    sent, late, over = [], threading.Event(), Sent()
    monkeypatch.setattr(
        _limit.signal, "pthread_kill", lambda *given: sent.append(given), raising=False
    )
    _limit._stop(late, over)
    assert late.is_set() and len(sent) == _limit.INTERRUPTS == over.asked == 50
    assert set(sent) == {(threading.main_thread().ident, signal.SIGINT)}


class Interrupted(threading.Event):
    """An event in whose first set() an interrupt lands."""

    landed = False

    def set(self):
        if not self.landed:
            self.landed = True
            raise KeyboardInterrupt
        super().set()


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_an_interrupt_that_lands_at_the_end_is_the_last(seconds, python, monkeypatch):
    """Between the end of the function and the note that it is over: too late for the limit, or the
    stop button in time.
    """
    made, make, before = [], threading.Event, threading.active_count()

    def event():
        # late, over, and what the clock makes for itself
        made.append(Interrupted() if len(made) == 1 else make())
        return made[-1]

    monkeypatch.setattr(threading, "Event", event)
    try:
        with pytest.raises(TooSlow if seconds < 0.1 else KeyboardInterrupt):
            call(time.sleep, 0.1, seconds=seconds)
        over = made[1]
        assert over.landed and over.is_set() and threading.active_count() == before
        time.sleep(0.3)  # an interrupt that comes now would be a stray
    finally:
        for one in made:
            make.set(one)


def test_a_kernel_stops_an_exercise_and_runs_the_next_cell(kept, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [
        (
            "import time\nfrom attnlib import exercises\n"
            "from attnlib.exercises import similarity_and_softmax as ex\nexercises.SECONDS = 0.3\n"
            "def forever(x):\n    while True:\n        pass\nex.alike.check(forever)"
        ),
        "ex.alike.check(lambda x: time.sleep(60))",
        "exercises.SECONDS = 5\nex.alike.check(ex.alike.solve)",
        "time.sleep(0.3)\nprint('no interrupt comes late')",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        book, timeout=30, kernel_name="python3", resources={"metadata": {"path": str(kept.parent)}}
    ).execute()
    said = ["".join(out.get("text", "") for out in cell.outputs) for cell in book.cells]
    assert said[0].startswith("Stopped: your function took more than 0.3 seconds") and said[
        1
    ].startswith("Stopped")
    assert (
        said[2].startswith("Right, on 4 different inputs.\n1 of ")
        and said[3] == "no interrupt comes late\n"
    )
    assert list(json.loads(kept.read_text())) == ["similarity_and_softmax.alike"]


# ---- the file ------------------------------------------------------------------------------------


def test_a_pass_is_recorded_once(kept, capsys, monkeypatch):
    said = solve(similarity.alike, capsys)
    total = len(_progress.exercises())
    assert (
        said == f"Right, on 4 different inputs.\n1 of {total} exercises done; kept in {kept}."
        " exercises.progress() draws them.\n"
    )
    first = kept.read_text()
    assert list(json.loads(first)) == ["similarity_and_softmax.alike"] and TODAY.fullmatch(
        json.loads(first)["similarity_and_softmax.alike"]
    )
    monkeypatch.setattr(
        _files, "write", lambda *given: pytest.fail("there is nothing new to write")
    )
    assert (
        solve(similarity.alike, capsys)
        == f"Right, on 4 different inputs.\n1 of {total} exercises done.\n"
    )
    assert kept.read_text() == first and names(kept.parent) == [kept.name]


def test_the_day_of_the_first_pass_stays(kept, capsys):
    kept.write_text('{"similarity_and_softmax.alike": "2001-02-03"}')
    solve(similarity.alike, capsys)
    solve(start.shapes, capsys)
    assert (
        json.loads(kept.read_text())["similarity_and_softmax.alike"] == "2001-02-03"
        and len(json.loads(kept.read_text())) == 2
    )


def test_what_fails_writes_nothing(kept, capsys, monkeypatch):
    def pressed(*given):
        raise KeyboardInterrupt

    for function in (lambda x: x, lambda x: None, lambda x: 1 / 0, 5):
        assert "exercises done" not in check(similarity.alike, function, capsys)
    with pytest.raises(KeyboardInterrupt):
        similarity.alike.check(pressed)
    assert not kept.exists() and not names(kept.parent)
    kept.write_text("broken")
    check(similarity.alike, lambda x: x, capsys)
    assert kept.read_text() == "broken"


def test_an_exercise_of_ones_own_is_not_recorded(kept, capsys):
    mine = Exercise(
        lambda x: x, title="mine", level=1, minutes=5, inputs=lambda rng: [(rng.normal(size=3),)]
    )
    assert (
        check(mine, lambda x: x, capsys)
        == "Right.\nThis exercise is not part of the course, so nothing is recorded.\n"
    )
    assert not kept.exists()


def test_every_exercise_is_recorded_under_its_own_name(kept, capsys):
    for number, (name, exercise) in enumerate(_progress.exercises().items(), 1):
        assert _progress.record(exercise).startswith(f"{number} of ")
        assert name in json.loads(kept.read_text())
    assert list(json.loads(kept.read_text())) == list(_progress.exercises())
    assert (
        progress().alt.startswith(f"{number} of {number} exercises done; kept in {kept}.")
        and "To do" not in progress().alt
    )


def test_a_new_process_and_another_kernel_add_to_it(kept, capsys):
    solve(similarity.alike, capsys)
    code = (
        "from attnlib.exercises import _progress, progress\n"
        "from attnlib.exercises import queries_keys_values as queries\n"
        "print(_progress.record(queries.attention)); print(progress().alt)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("2 of ") and "Alike in direction" not in run.stdout
    said = solve(start.shapes, capsys)  # the first process knows of it, too
    assert "\n3 of " in said
    assert set(json.loads(kept.read_text())) == {
        "similarity_and_softmax.alike",
        "queries_keys_values.attention",
        "start_here.shapes",
    }


def test_names_of_another_version_are_kept(kept, capsys):
    kept.write_text('{"capstone.flash": "2031-01-01", "start_here.shapes": "2030-01-01"}')
    said = solve(similarity.alike, capsys)
    assert "\n2 of " in said, "what is not in the course is not counted"
    assert json.loads(kept.read_text())["capstone.flash"] == "2031-01-01"
    assert progress().alt.startswith("2 of ")


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "killed"]
)
def test_a_crash_while_writing_leaves_the_old_file(where, error, kept, capsys, monkeypatch):
    solve(similarity.alike, capsys)
    before = kept.read_text()

    def fails(*given):
        raise error

    with monkeypatch.context() as patch:
        # what is written has come to the disk, or it takes its place
        patch.setattr(_files.os, where, fails)
        if isinstance(error, OSError):
            said = solve(start.shapes, capsys)
            assert said.startswith("Right, on ") and said.endswith(
                f"(Your progress could not be kept: {kept}: No space left on device.)\n"
            )
        else:
            with pytest.raises(KeyboardInterrupt):
                start.shapes.check(start.shapes.solve)
    assert kept.read_text() == before and names(kept.parent) == [kept.name], "no draft is left over"
    assert "\n2 of " in solve(start.shapes, capsys)


BROKEN = {
    "half": b'{"similarity_and_softmax.alike": "2026-0',
    "empty": b"",
    "a list": b'["similarity_and_softmax.alike"]',
    "a number": b"5",
    "null": b"null",
    "no days": b'{"similarity_and_softmax.alike": true}',
    "a deep table": b'{"similarity_and_softmax.alike": {"day": "2026-01-01"}}',
    "binary": bytes(range(256)),
    "latin": '{"é": "1"}'.encode("latin-1"),
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("how", ["check", "progress"])
def test_a_file_that_makes_no_sense_is_kept_aside(kind, how, kept, capsys):
    kept.write_bytes(BROKEN[kind])
    aside = kept.with_name("progress.broken")
    if how == "check":
        said = solve(similarity.alike, capsys)
        assert said.startswith("Right, on 4 different inputs.\n") and "\n1 of " in said
        assert list(json.loads(kept.read_text())) == ["similarity_and_softmax.alike"]
    else:
        assert progress().alt.startswith("0 of ")
        said = capsys.readouterr().out
        assert not kept.exists()
    assert (
        "progress.json could not be read. It is kept as progress.broken, and a new one begins.\n"
        in said
    )
    assert aside.read_bytes() == BROKEN[kind]


def test_many_broken_files_are_all_kept(kept, capsys):
    for number in range(4):
        kept.write_text(f"broken {number}")
        solve(similarity.alike, capsys)
    asides = ["progress.broken", "progress.broken-2", "progress.broken-3", "progress.broken-4"]
    assert [kept.with_name(name).read_text() for name in asides] == [
        f"broken {number}" for number in range(4)
    ]
    assert names(kept.parent) == [*asides, "progress.json"]


def test_a_file_saved_by_another_editor_is_read(kept, capsys):
    # Notepad: a mark in front, two ends of line
    kept.write_bytes(b'\xef\xbb\xbf{\r\n "start_here.shapes": "2026-01-01"\r\n}\r\n')
    assert "\n2 of " in solve(similarity.alike, capsys)


ALL_AT_ONCE = """
import sys, time
from pathlib import Path
from attnlib.exercises import _progress
known = list(_progress.exercises().values())
mine = known[int(sys.argv[1]) :: int(sys.argv[2])]
Path(sys.argv[3], sys.argv[1]).touch()
while len(list(Path(sys.argv[3]).iterdir())) < int(sys.argv[2]):
    time.sleep(0.001)
for exercise in mine:
    said = _progress.record(exercise)
    assert "could not" not in said, said
"""


@pytest.mark.parametrize("kernels", [2, 4])
def test_kernels_that_pass_at_the_same_time_lose_nothing(kernels, kept, tmp_path):
    (tmp_path / "ready").mkdir()
    run = [sys.executable, "-c", ALL_AT_ONCE]
    all_of_them = [
        subprocess.Popen(
            [*run, str(k), str(kernels), str(tmp_path / "ready")], stderr=subprocess.PIPE
        )
        for k in range(kernels)
    ]
    for one in all_of_them:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said.decode()
    assert set(json.loads(kept.read_text())) == set(_progress.exercises())
    assert names(tmp_path) == ["progress.json", "ready"]


def test_threads_that_pass_at_the_same_time_lose_nothing(kept, capsys):
    known = list(_progress.exercises().values())
    threads = [
        threading.Thread(target=lambda k=k: [_progress.record(one) for one in known[k::4]])
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        len(json.loads(kept.read_text())) == len(known) and "broken" not in capsys.readouterr().out
    )
    assert names(kept.parent) == [kept.name]


def test_a_link_is_followed(tmp_path, monkeypatch, capsys):
    """A home on a share, as Binder and many hubs have it: what is kept lies behind the link."""
    (tmp_path / "share").mkdir()
    target, link = tmp_path / "share" / "kept.json", tmp_path / "progress.json"
    link.symlink_to(target)
    monkeypatch.setenv("ATTNLIB_PROGRESS", str(link))
    assert "\n1 of " in solve(similarity.alike, capsys)  # at first there is nothing behind it
    assert "\n2 of " in solve(start.shapes, capsys)
    assert link.is_symlink() and set(json.loads(target.read_text())) == {
        "similarity_and_softmax.alike",
        "start_here.shapes",
    }
    target.write_text("broken")
    assert "\n1 of " in solve(similarity.alike, capsys)
    assert link.is_symlink() and list(json.loads(target.read_text())) == [
        "similarity_and_softmax.alike"
    ]
    assert names(tmp_path / "share") == ["kept.broken", "kept.json"] and names(tmp_path) == [
        "progress.json",
        "share",
    ]


def test_two_containers_with_the_same_process_number(kept, capsys, monkeypatch):
    """On a shared home the number of a process says nothing: another's draft is not ours."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    with _files.replacing(kept) as other:  # the other container is half done
        other.write(b"{")
        other.flush()
        assert "\n1 of " in solve(similarity.alike, capsys)
        assert list(json.loads(kept.read_text())) == ["similarity_and_softmax.alike"]
        other.write(b"}")
    assert json.loads(kept.read_text()) == {} and names(kept.parent) == [kept.name]


def test_who_waits_too_long_for_another_is_told(kept, capsys, monkeypatch):
    monkeypatch.setattr(_files, "PATIENCE", 0.05)
    hold = (
        f"from attnlib import _files\nwith _files.locked({str(kept)!r}):\n    print(1,"
        " flush=True)\n    input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        assert (
            "could not be kept" in (said := solve(similarity.alike, capsys))
            and "another program has held it" in said
        )
        other.communicate(b"\n")
    assert "\n1 of " in solve(similarity.alike, capsys)


def test_a_file_of_november_2026_is_read_for_ever(kept, capsys):
    """tests/fixtures/progress-2026-11.json was written by version 0.1.0, with every exercise of
    that day passed.
    """
    kept.write_bytes((Path(__file__).parent / "fixtures" / "progress-2026-11.json").read_bytes())
    old = json.loads(kept.read_text())
    assert len(old) == 52
    known = _progress.exercises()
    read = _progress.read()
    retired = {"real_models.tokens", "real_models.sink"}  # replaced by other exercises
    assert len(set(read) & set(known) | retired) >= 52, "what was passed then counts now"
    assert set(old.values()) <= set(read.values())


# ---- the place -----------------------------------------------------------------------------------


def test_without_the_variable_it_lies_beside_the_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for unset in (
        lambda: monkeypatch.delenv("ATTNLIB_PROGRESS"),
        lambda: monkeypatch.setenv("ATTNLIB_PROGRESS", ""),
    ):
        unset()
        assert (
            _progress.place() == tmp_path / "attnlib-progress.json"
            and "attnlib-progress.json" in progress().alt
        )
    assert str(tmp_path / "attnlib-progress.json") in solve(similarity.alike, capsys)
    assert (tmp_path / "attnlib-progress.json").exists()


def test_the_variable_may_name_a_file_at_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ATTNLIB_PROGRESS", "~/mine.json")
    assert (
        str(tmp_path / "mine.json") in solve(similarity.alike, capsys)
        and (tmp_path / "mine.json").exists()
    )
    monkeypatch.setenv("ATTNLIB_PROGRESS", "~nobody-of-this-name/mine.json")
    assert "there is no folder" in solve(similarity.alike, capsys)


def test_the_place_is_looked_up_every_time(tmp_path, monkeypatch, capsys):
    for name in ("one.json", "two.json"):
        monkeypatch.setenv("ATTNLIB_PROGRESS", str(tmp_path / name))
        assert "\n1 of " in solve(similarity.alike, capsys)


def test_a_folder_that_does_not_exist_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATTNLIB_PROGRESS", str(tmp_path / "class 7b" / "mine.json"))
    said = solve(similarity.alike, capsys)
    why = f"there is no folder {tmp_path / 'class 7b'}. Make it, or change ATTNLIB_PROGRESS"
    assert said == f"Right, on 4 different inputs.\n(Your progress could not be kept: {why}.)\n"
    assert progress().alt.startswith("0 of ") and not names(tmp_path)


def test_a_folder_in_place_of_a_file_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATTNLIB_PROGRESS", str(tmp_path))
    said = solve(similarity.alike, capsys)
    assert (
        said.startswith("Right, on")
        and f"({'Your progress could not be kept'}: {tmp_path} is a folder." in said
    )
    assert progress().alt.startswith("0 of ") and "could not be read" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["/proc/attnlib-progress.json", "/dev/null/progress.json"])
def test_a_place_that_cannot_be_written_is_no_error(place, monkeypatch, capsys):
    monkeypatch.setenv("ATTNLIB_PROGRESS", place)
    said = solve(similarity.alike, capsys)
    assert (
        said.startswith("Right, on 4 different inputs.\n(Your progress could not be kept: ")
        and said.count("\n") == 2
    )
    assert progress().alt.startswith("0 of ")


def test_a_file_that_may_not_be_read_is_not_replaced(kept, capsys, monkeypatch):
    kept.write_text('{"start_here.shapes": "2026-01-01"}')

    def refused(*given, **how):
        raise PermissionError(13, "Permission denied", str(kept))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refused)
        assert solve(similarity.alike, capsys).endswith(
            f"(Your progress could not be kept: {kept}: Permission denied.)\n"
        )
        assert progress().alt.startswith("0 of ")
        assert (
            capsys.readouterr().out
            == f"(Your progress could not be read: {kept}: Permission denied.)\n"
        )
    assert kept.read_text() == '{"start_here.shapes": "2026-01-01"}'


def test_a_broken_file_in_a_read_only_folder_is_left_where_it_is(kept, capsys, monkeypatch):
    kept.write_text("broken")

    def refused(*given):
        raise PermissionError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(_progress.os, "replace", refused)
        assert "could not be kept" in solve(similarity.alike, capsys) and progress().alt.startswith(
            "0 of "
        )
    assert kept.read_text() == "broken" and names(kept.parent) == [kept.name]


# ---- the picture ---------------------------------------------------------------------------------


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB")).astype(int)


def test_the_picture_says_what_is_done_and_what_is_to_do(kept, capsys):
    known = _progress.exercises()
    alt = progress().alt
    assert alt.startswith(f"0 of {len(known)} exercises done; ") and kept.name in alt
    assert alt.endswith(f" To do: {', '.join(exercise.title for exercise in known.values())}.")
    solve(similarity.alike, capsys)
    _progress.record(queries.attention)
    alt = progress().alt
    assert alt.startswith(
        f"2 of {len(known)} exercises done; kept in {kept}. To do: Shapes before numbers, "
    )
    left = [
        exercise.title
        for name, exercise in known.items()
        if name not in ("similarity_and_softmax.alike", "queries_keys_values.attention")
    ]
    assert alt.endswith(f" To do: {', '.join(left)}.")
    words = [text.get_text() for text in progress().sheet.texts]
    assert {exercise.title for exercise in known.values()} <= set(
        words
    ) and f"kept in {kept}" in words
    assert words.count(f"done {json.loads(kept.read_text())['similarity_and_softmax.alike']}") == 2
    assert [word for word in words if re.fullmatch(r"\d\d", word)] == [
        f"{number:02}" for number in range(len({name.partition(".")[0] for name in known}))
    ]
    assert "●○○  8 minutes" in words and "●●●  20 minutes" in words


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_picture_is_drawn_in_both_themes_and_twice_alike(name, kept, capsys):
    _progress.record(similarity.alike)
    theme(name)
    try:
        first, second = progress(), progress()
        assert first.png() == second.png() and first.alt == second.alt
        image = pixels(first)
        paper = {"light": 255, "dark": 24}[name]
        assert (
            image[0, 0].max() - paper in (0, 7)
            and 0.02 < (abs(image - image[0, 0]).max(-1) > 60).mean() < 0.5
        )
        kept.unlink()
        assert pixels(progress()).shape == image.shape and (pixels(progress()) != image).any(), (
            "a pass can be seen"
        )
    finally:
        theme("light")


def test_done_is_green_and_bold_and_only_it(kept):
    def greens():
        image = pixels(progress())
        return ((image[..., 1] - image[..., 0] > 40) & (image[..., 1] > 150)).mean()

    assert greens() == 0
    found = []
    for exercise in (start.shapes, similarity.alike, queries.attention):
        _progress.record(exercise)
        found.append(greens())
    assert 0.01 < found[0] and found == pytest.approx(found[0] * np.arange(1, 4), rel=0.1)
    bold = {
        text.get_text()
        for text in progress().sheet.texts
        if text.get_weight() == "bold" and not text.get_text()[0].isdigit()
    }
    assert bold == {"Shapes before numbers", "Alike in direction", "Write attention"}


def test_no_words_leave_their_box_or_the_picture(kept):
    picture = progress()
    picture.canvas.draw()
    inside = picture.bbox
    boxes = [patch.get_window_extent() for patch in picture.sheet.patches]
    titles = {exercise.title for exercise in _progress.exercises().values()}
    for text in picture.sheet.texts:
        extent = text.get_window_extent()
        assert (
            inside.x0 <= extent.x0
            and extent.x1 <= inside.x1
            and inside.y0 <= extent.y0
            and extent.y1 <= inside.y1
        ), text.get_text()
        if text.get_text() in titles:
            assert any(
                box.x0 < extent.x0
                and extent.x1 < box.x1
                and box.y0 < extent.y0
                and extent.y1 < box.y1
                for box in boxes
            )
    assert len(boxes) == len(titles)


def test_what_was_passed_under_the_old_names_counts_and_is_kept(kept, capsys):
    """Until 0.1 exercises were kept by the number of their notebook; nobody loses one by the new
    names, nor by a new order.
    """
    *old, last = [f"{number}.{name}" for number, name in OLD_NAMES]
    days = dict.fromkeys(old, "2026-11-01")
    kept.write_text(json.dumps(days | {"17.flash": "2026-11-01", "note": "mine"}))
    known, read = _progress.exercises(), _progress.read()
    assert len(old) == 51 and len(read) == 53
    gone = {"real_models.tokens", "real_models.sink"}  # since 0.2
    assert set(read) - set(known) == {"capstone.flash", "note"} | gone
    new = ["real_models.hits", "real_models.name"]
    assert [name for name in known if name not in read] == [*new, "capstone.design"]
    assert progress().alt.startswith(f"49 of {len(known)} exercises done")
    _progress.record(known["capstone.design"])
    today = datetime.date.today().isoformat()
    assert json.loads(kept.read_text()) == read | {"capstone.design": today}
    assert last == "17.design"


OLD_NAMES = [  # all of 0.1.0, as they stood in its files
    (number, name)
    for number, names in (
        line.split(":")
        for line in """
00: shapes looks_most_at\n01: alike survives lookup\n02: spread repair slope
03: attention shuffled\n04: past leaks empty_row\n05: design count many
06: hands shift distance\n07: alibi turn convert\n08: norm exactly_one block
09: cross alignment beam\n10: keys blocked layers\n11: operators layers kept
12: step size batch\n13: running merge repair\n14: softmax_backward backward score
15: previous sink tokens\n16: norms flow hidden\n17: cost front design
""".split("\n")[1:-1]
    )
    for name in names.split()
]
