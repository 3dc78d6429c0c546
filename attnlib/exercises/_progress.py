"""What has been passed, kept in a small file beside the notebooks, and drawn."""

import datetime
import importlib
import itertools
import json
import os
from pathlib import Path

from matplotlib.patches import Rectangle

from attnlib import _files
from attnlib.course.order import ORDER
from attnlib.show.sheet import KEY, Picture, colour

FILE = "attnlib-progress.json"
WIDE, HIGH = 2.9, 0.5  # inches: from one exercise to the next; the box of one
# Notebooks by the numbers that they had until 0.1: exercises passed then are kept under these.
NUMBERED = (
    "start_here similarity_and_softmax why_scale queries_keys_values masks many_heads"
    " positional_encoding relative_positions transformer_block cross_attention local_attention"
    " global_and_sparse kv_cache flash_attention train_a_tiny_gpt real_models"
    " do_not_believe_the_heatmap capstone"
).split()
OLD = {f"{number:02}": subject for number, subject in enumerate(NUMBERED)}


def place():
    """Where progress is kept: in the folder of the notebook, or where the variable ATTNLIB_PROGRESS
    says.
    """
    return Path(os.path.expanduser(os.environ.get("ATTNLIB_PROGRESS") or FILE)).absolute()


def exercises():
    """ "masks.leaks" -> the exercise, for all of the course, in its order."""
    import attnlib.exercises as package

    modules = {name: importlib.import_module(f"attnlib.exercises.{name}") for name in ORDER}
    return {
        f"{subject}.{name}": it
        for subject, module in modules.items()
        for name, it in vars(module).items()
        if isinstance(it, package.Exercise)
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


def progress():
    """Draw which exercises of the course are done. -> Figure, with where that is kept."""
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
    where = (
        f"kept in {place()}" if done else f"what you pass will be kept in the file {place().name}"
    )
    picture.write(0.12, 0.12, said, size=11, weight="bold", va="top")
    picture.write(
        0.12, picture.get_figheight() - 0.12, where, size=7.5, color=colour("faint"), va="bottom"
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


def _box(picture, x, y, exercise, day):
    """One exercise: the day it was passed, or None, and then its level and minutes."""
    passed = day is not None
    look = {
        "facecolor": colour("allowed") if passed else "none",
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
        size=7.5,
        va="center_baseline",
        color=colour("ink" if passed else "faint"),
    )
