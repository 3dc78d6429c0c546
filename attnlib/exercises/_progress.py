"""What has been passed, kept in a small file beside the notebooks, and drawn."""

import contextlib
import datetime
import importlib
import itertools
import json
import os
import re
from pathlib import Path

from matplotlib.patches import Circle, Rectangle, Wedge

from attnlib import _files
from attnlib._moved import NUMBERED
from attnlib.course.order import ORDER
from attnlib.show.live.predict import predict
from attnlib.show.sheet import KEY, SMALL, Picture, colour

FILE = "attnlib-progress.json"
WIDE, HIGH = 2.9, 0.5  # inches: from one exercise to the next; the box of one
# Until 0.1 exercises were kept by the number of their notebook.
OLD = {f"{number:02}": subject for number, subject in enumerate(NUMBERED)}


def place():
    """Where progress is kept: in the folder of the notebook, or where the variable ATTNLIB_PROGRESS
    says.
    """
    return Path(os.path.expanduser(os.environ.get("ATTNLIB_PROGRESS") or FILE)).absolute()


def exercises():
    """ "masks.leaks" -> the exercise, for all of the course, in its order."""
    modules = {name: importlib.import_module(f"attnlib.exercises.{name}") for name in ORDER}
    return {
        f"{subject}.{name}": it
        for subject, module in modules.items()
        for name, it in vars(module).items()
        if hasattr(it, "judge") and not isinstance(it, type)  # an Exercise, not the class
    }


def read():
    """Exercise -> the day it was passed. A file that makes no sense is put aside, and nothing is
    overwritten.
    """
    path = place()
    try:
        kept = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(kept, dict) or not all(isinstance(day, str) for day in kept.values()):
            raise ValueError("not a table of days")
        return {_renamed(name): day for name, day in kept.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):  # JSON and UTF-8 errors are ValueErrors too
        path = Path(os.path.realpath(path))  # of a link, the file behind it
        aside = _aside(path)
        os.replace(path, aside)
        print(f"{path.name} could not be read. It is kept as {aside.name}, and a new one begins.")
        return {}


def _renamed(name):
    """An exercise as it is called now: "03.attention" is "queries_keys_values.attention"."""
    notebook, _, exercise = name.partition(".")
    return f"{OLD.get(notebook, notebook)}.{exercise}" if exercise else name


def _aside(path):
    """A name that is still free beside this file: …broken, …broken-2, …broken-3"""
    names = (
        path.with_suffix(f".broken-{number}" if number > 1 else ".broken")
        for number in itertools.count(1)
    )
    return next(name for name in names if not os.path.lexists(name))


def _why(error):
    """What went wrong with the file of progress, in words."""
    path = place()
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}. Make it, or change ATTNLIB_PROGRESS"
    if path.is_dir():
        return f"{path} is a folder. ATTNLIB_PROGRESS should name a file in it"
    return f"{path}: {error.strerror or error}"


def record(exercise):
    """Remember a passed exercise. -> one sentence on what is done; a place that cannot be written
    is no error.
    """
    known = exercises()
    name = next((name for name, it in known.items() if it is exercise), None)
    if name is None:
        return "This exercise is not part of the course, so nothing is recorded."
    try:
        with _files.locked(place()):  # other notebooks may pass theirs at the same moment
            kept = read()
            new = name not in kept
            if new:
                kept[name] = datetime.date.today().isoformat()
                _files.write(place(), json.dumps(kept, indent=1) + "\n")
    except OSError as error:
        return f"(Your progress could not be kept: {_why(error)}.)"
    done = f"{len(set(kept) & set(known))} of {len(known)} exercises done"
    return f"{done}; kept in {place()}. exercises.progress() draws them." if new else f"{done}."


def record_points(name, points):
    """Remember how near the first guess at a question came, as "predict.NAME": "2026-12-01 0.85".
    What is there already stays; a place that cannot be written is no error.
    """
    with contextlib.suppress(OSError), _files.locked(place()):
        kept = read()
        if (name := f"predict.{name}") not in kept:
            kept[name] = f"{datetime.date.today().isoformat()} {points:.2f}"
            _files.write(place(), json.dumps(kept, indent=1) + "\n")


def guesses(kept):
    """The points of all questions in a file of progress, in the order of the answers."""
    found = [said.split() for name, said in kept.items() if name.startswith("predict.")]
    return [
        min(1.0, float(said[1]))
        for said in found
        if len(said) == 2 and re.fullmatch(r"\d+(\.\d+)?", said[1])
    ]


predict.record(record_points)


def progress():
    """Draw which exercises of the course are done, and how near the guesses came. -> Figure, with
    where that is kept.
    """
    try:
        kept, rows = read(), {}
    except OSError as error:
        kept, rows = {}, {}
        print(f"(Your progress could not be read: {_why(error)}.)")
    for name, exercise in exercises().items():
        rows.setdefault(name.partition(".")[0], []).append((name, exercise))
    total, done = (
        sum(map(len, rows.values())),
        sum(name in kept for row in rows.values() for name, _ in row),
    )
    picture = Picture(0.75 + WIDE * max(map(len, rows.values())), 0.95 + (HIGH + 0.12) * len(rows))
    said = f"{done} of {total} exercises done"
    # the same on every machine
    points = guesses(kept)
    where = (
        f"kept in {place()}"
        if done or points
        else f"what you pass will be kept in the file {place().name}"
    )
    picture.write(0.12, 0.12, said, size=11, weight="bold", va="top")
    if points:
        said += f"; {len(points)} questions guessed at, {sum(points):.1f} points"
        _discs(picture, points)
    picture.write(
        0.12, picture.get_figheight() - 0.12, where, size=SMALL, color=colour("faint"), va="bottom"
    )
    for number, (notebook, row) in enumerate(rows.items()):
        y = 0.5 + number * (HIGH + 0.12)
        at = f"{ORDER.index(notebook):02}"
        picture.write(0.15, y + HIGH / 2, at, size=11, weight="bold", va="center_baseline")
        for column, (name, exercise) in enumerate(row):
            _box(picture, 0.6 + column * WIDE, y, exercise, kept.get(name))
    left = [exercise.title for row in rows.values() for name, exercise in row if name not in kept]
    picture.alt = f"{said}; {where}." + (f" To do: {', '.join(left)}." if left else "")
    return picture


def _discs(picture, points):
    """A disc for each guess, as full as it was near, and what they add up to."""
    right, step = picture.get_figwidth() - 0.15, 0.15
    sum_of_them = f"{sum(points):.1f} of {len(points)} points for guesses"
    label = picture.write(right, 0.14, sum_of_them, size=9, va="top", ha="right")
    end = label.get_window_extent().x0 / picture.dpi - 0.15
    room = int((end - 3.2) / step)  # the newest, where there is not room for all
    for k, got in enumerate(reversed(points[-room:])):
        middle = (end - step * k, 0.215)
        look = {"facecolor": KEY, "linewidth": 0}
        picture.sheet.add_patch(Wedge(middle, 0.05, -90, -90 + 360 * got, **look))
        picture.sheet.add_patch(
            Circle(middle, 0.05, fill=False, edgecolor=colour("hatch"), linewidth=0.8)
        )


def _box(picture, x, y, exercise, day):
    """One exercise: the day it was passed, or None, and then its level and minutes."""
    passed = day is not None
    look = {
        "facecolor": (KEY, 0.35) if passed else "none",
        "edgecolor": KEY if passed else colour("hatch"),
    }
    picture.sheet.add_patch(Rectangle((x, y), WIDE - 0.15, HIGH, linewidth=1, **look))
    picture.write(
        x + 0.12,
        y + 0.2,
        exercise.title,
        weight="bold" if passed else "normal",
        va="center_baseline",
    )
    stars = "●" * exercise.level + "○" * (3 - exercise.level)
    note = f"done {day}" if passed else f"{stars}  {exercise.minutes} minutes"
    picture.write(
        x + 0.12,
        y + 0.38,
        note,
        size=SMALL,
        va="center_baseline",
        color=colour("ink" if passed else "faint"),
    )
