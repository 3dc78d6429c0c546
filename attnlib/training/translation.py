"""What the two encoder-decoders of the course learn, and how well: words from the back, and dates.

reverse   a word of small letters, "cat" -> "tac": random ones of 3 to 12 letters
dates     a date as people write it, "Tuesday, March 3rd, 1987" -> "1987-03-03": years 1000 to 2999,
          the weekday that the Gregorian calendar gives it, in the forms of FORMS; no form that
          could be read in two ways, as 03/04/1987

A tenth of all words and a tenth of all dates, by their checksum, are never drawn for training, in
no form; accuracy is the share of those that come out right to the last sign. The models were
trained by course/shipped/seq2seq.py.
"""

import string
import zlib
from datetime import date
from typing import NamedTuple

import numpy as np

from attnlib.models.decoding import greedy
from attnlib.models.translator import Characters, padded

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FORMS = (
    "{day} {Month} {year}",
    "{Month} {day}, {year}",
    "{Month} {day} {year}",
    "{day} {Mon} {year}",
    "{Mon} {day}, {year}",
    "{day}-{Mon}-{year}",
    "{nth} {Month} {year}",
    "{nth} of {Month} {year}",
    "the {nth} of {Month}, {year}",
    "{Month} {nth}, {year}",
    "{Mon} {nth} {year}",
    "{day} {roman} {year}",
    "{year} {Month} {day}",
    "{year} {Mon} {day}",
    "{year}/{month}/{day}",
)
PARTS = {"year": slice(0, 4), "month": slice(5, 7), "day": slice(8, 10)}  # of 1987-03-03

# ---- the tasks ---------------------------------------------------------------------------


class Example(NamedTuple):
    """One line of a task."""

    text: str
    target: str
    spans: dict  # of a date: where in the text "year", "month" and "day" stand, as (begin, end)


def draw_word(rng):
    """A random word and its reverse. Half of the words have few letters: some come twice."""
    n, kinds = rng.integers(3, 13), rng.choice([26, rng.integers(1, 6)])
    letters = rng.permutation(26)[:kinds]
    word = "".join(string.ascii_lowercase[i] for i in rng.choice(letters, n))
    return Example(word, word[::-1], {})


def draw_date(rng):
    """A random day of the years 1000 to 2999 in a random form, and as ISO 8601 writes it."""
    day = date.fromordinal(
        int(rng.integers(date(1000, 1, 1).toordinal(), date(2999, 12, 31).toordinal() + 1))
    )
    form = FORMS[rng.integers(len(FORMS))]
    weekday = WEEKDAYS[day.weekday()]
    if rng.random() < 0.25 and not form.startswith("{year}"):
        form = (f"{weekday}, ", f"{weekday[:3]} ")[rng.integers(2)] + form
    text, spans = write_date(day, form)
    case = rng.random()
    text = text.lower() if case < 0.15 else text.upper() if case < 0.25 else text
    return Example(text, day.isoformat(), spans)


def write_date(day, form):
    """A `datetime.date` in one of FORMS -> the text, and where its year, month and day stand."""
    n, month = day.day, MONTHS[day.month - 1]
    ending = "th" if n in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    fields = {
        "year": str(day.year),
        "month": str(day.month),
        "Month": month,
        "Mon": month[:3],
        "roman": ROMAN[day.month - 1],
        "day": str(n),
        "nth": f"{n}{ending}",
    }
    text, spans = "", {}
    for between, field, _, _ in string.Formatter().parse(form):
        text += between
        if field is not None:
            part = {"Month": "month", "Mon": "month", "roman": "month", "nth": "day"}.get(
                field, field
            )
            spans[part] = (len(text), len(text) + len(fields[field]))
            text += fields[field]
    return text, spans


def held_out(target):
    """True for the tenth of all targets that training never sees."""
    return zlib.crc32(target.encode()) % 10 == 0


class Task(NamedTuple):
    """What is learned, by which model, how long."""

    draw: object  # rng -> Example
    source: Characters
    target: Characters
    model: dict  # for `Seq2Seq`
    training: dict  # for `train`


TASKS = {
    "reverse": Task(
        draw_word,
        Characters(string.ascii_lowercase),
        Characters(string.ascii_lowercase),
        {"d_model": 64, "n_layers": 1, "n_heads": 4, "n_max": 16, "positions": "sinusoidal"},
        {"steps": 2000, "lr": 2e-3, "warmup": 100, "cosine": True},
    ),
    "dates": Task(
        draw_date,
        Characters(string.digits + string.ascii_letters + " ,-/"),
        Characters(string.digits + "-"),
        {"d_model": 64, "n_layers": 1, "n_heads": 4, "n_max": 40, "positions": "sinusoidal"},
        {"steps": 3500, "lr": 2e-3, "warmup": 100, "cosine": True},
    ),
}


class TranslationBatch(NamedTuple):
    """What `seq2seq_loss_and_gradients` asks for."""

    ids: np.ndarray  # (b, n_source) each with <end>, then padding
    source_mask: np.ndarray  # (b, n_source) False on padding
    decoder_ids: np.ndarray  # (b, n_target) <start> and the right target
    targets: np.ndarray  # (b, n_target) the right target and <end>
    where: np.ndarray  # (b, n_target) False on padding


def draw_examples(task, rng, n, *, unseen=False):
    """n examples of a `Task`: of those for training, or of the held-out ones."""
    found = []
    while len(found) < n:
        example = task.draw(rng)
        if held_out(example.target) == unseen:
            found.append(example)
    return found


def as_batch(task, examples):
    """Examples -> `TranslationBatch`"""
    ids, source_mask = padded([task.source.encode(example.text) for example in examples])
    targets, where = padded([task.target.encode(example.target) for example in examples])
    decoder_ids = np.insert(targets[:, :-1], 0, task.target.start, axis=1)
    return TranslationBatch(ids, source_mask, decoder_ids, targets, where)


# ---- how good it is ----------------------------------------------------------------------


def accuracy(model, task, examples):
    """The share of examples that greedy decoding gets right to the last sign, and the wrong ones
    with what came out.
    """
    batch = as_batch(task, examples)
    ends = {"start": task.target.start, "end": task.target.end, "n_max": model.n_max - 1}
    written = greedy(model, batch.ids, source_mask=batch.source_mask, **ends)
    pairs = [(example, task.target.decode(ids)) for example, ids in zip(examples, written)]
    wrong = [(example.text, text) for example, text in pairs if text != example.target]
    return 1 - len(wrong) / len(examples), wrong


def anti_diagonal_score(model, task, examples):
    """How much a head looks at the letter that it writes next, the t-th from the end.

    returns  (layers, heads)
    """
    return np.mean(
        [
            np.flip(cross[:, :, : len(e.text), : len(e.text)], -1)
            .diagonal(axis1=-2, axis2=-1)
            .mean(-1)
            for e, cross in _cross_weights(model, task, examples)
        ],
        axis=0,
    )


def part_scores(model, task, examples):
    """How much the year, month and day that are written look at those that are read:
    (layers, heads, 3, 3).

    Row: the part that is written next; column: the part of the text that is looked at.
    """
    found = []
    for example, cross in _cross_weights(model, task, examples):
        spans = [slice(*example.spans[part]) for part in PARTS]
        rows = [
            [cross[:, :, rows, span].sum(-1).mean(-1) for span in spans] for rows in PARTS.values()
        ]
        found.append(np.moveaxis(np.array(rows), (0, 1), (-2, -1)))
    return np.mean(found, axis=0)


def _cross_weights(model, task, examples):
    """Each example and its weights, (layers, heads, n_target, n_source), with the right target."""
    for example in examples:
        batch = as_batch(task, [example])
        yield example, model.forward(batch.ids[0], batch.decoder_ids[0]).cross_weights


SCORES = {"reverse": anti_diagonal_score, "dates": part_scores}
