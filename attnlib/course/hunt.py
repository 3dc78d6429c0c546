"""The hunt for heads that do a job: where does a head look, in sentences that have a right answer?

    hunt.shown(hunt.table("minilm"))                the best heads for each job, and their rivals
    print(hunt.written(hunt.table("minilm")))       the same as text
    print(*hunt.tried(model, "duplicate", (1, 1)), sep="\\n")   new sentences, and where it looked

The rule: a word asks, and the largest weight of its row must fall on a piece of the right word.
A word of several pieces asks with its last: there a model that writes has read it whole. Left out
are the first token, on which many heads rest, all marks, and the word that asks.

`python -m attnlib hunt` makes the table (attnlib/tools/hunt.py), and `--help` says what it holds.

Clark et al. 2019, "What Does BERT Look At? An Analysis of BERT's Attention", section 4.
"""

import json
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attnlib import _check, show
from attnlib.course.sentences import PAIRS, sentences
from attnlib.models.generation import next_token_shares
from attnlib.show.sheet import Picture
from attnlib.show.words import spelled, words

FILE = Path(__file__).with_name("hunt.json")


# ---- what was found ------------------------------------------------------------------------------


def table(model=None, part="heads"):
    """The shipped table: a list of dicts, a row each.

    model  tiny-gpt, minilm or smollm2; all of them unless given
    part   "heads": the best head for each job; "first token": how much it gets; "pairs": does a
           head turn with the ending? "next": does what is said next? "people": do the heads do it
           in sentences that people wrote, `compared` as text
    """
    found = json.loads(FILE.read_text(encoding="utf-8"))
    rows = found[_check.choice("part", part, list(found))]
    if model is not None:
        _check.choice("model", model, sorted({row["model"] for row in rows}))
    return [row for row in rows if model in (None, row["model"])]


def written(rows):
    """Rows of heads as text, a line for each: how often is the head right, and how often where
    another word asks? Behind it the head that is chosen for the difference of the two.
    """
    title = "model    job        head right 95 %      another only asked      distance word order"
    return "\n".join([f"{title}        shuffled", *map(_line, rows)])


def _line(row):
    low, high = row["interval"]
    picky, steps, order = row["only asked"], row["distance"], row["order"]
    only = f"{_head(picky['head']):5s}{picky['share']:.2f} {picky['another asks']:.2f}"
    rules = f"{steps['steps']:+3d} {steps['share']:.2f} {order['rule']:15s} {order['share']:.2f}"
    return (
        f"{Path(row['model']).name:8s} {row['job']:10s} {_head(row['head']):5s}{row['share']:.2f}"
        f"  {low:.2f}-{high:.2f} {row['another asks']:.2f}    {only} {rules} {row['shuffled']:.2f}"
    )


def _head(place):
    return f"{place[0]}.{place[1]}"


def shown(rows) -> Picture:
    """Rows of heads, or of people, as a picture: how often each head is right, with its 95 %
    interval, beside its rivals. Blue is what passes.
    """
    if not rows:
        raise ValueError("rows must be at least one row of the table, got none")
    found = [(row, one) for row in rows for one in _heads(row)]
    models = {Path(row["model"]).name: None for row in rows}
    whose = [f"{Path(row['model']).name} " * (len(models) > 1) for row, _ in found]
    names = [f"{who}{row['job']} {_head(one['head'])}" for who, (row, one) in zip(whose, found)]
    shares = [one["share"] for _, one in found]
    against = {
        "distance": [row["distance"]["share"] for row, _ in found],
        "word order": [row["order"]["share"] for row, _ in found],
        "another word asks": [one["another asks"] for _, one in found],
    }
    if any("grammar" in row for row in rows):
        against["last singular subject or object"] = [
            row.get("grammar", np.nan) for row, _ in found
        ]
    n = " and ".join({f"{row['sentences']:,}": None for row in rows})
    read = "that people wrote" if "held" in rows[0] else "made of templates"
    return show.rows(
        shares,
        names,
        ranges=[interval(one["share"], row["sentences"]) for row, one in found],
        against=against,
        full=1,
        marked=[i for i, (row, one) in enumerate(found) if passes(row, one)],
        title=f"{', '.join(models)}: how often is a head right in {n} sentences {read}?",
        axis="share of the sentences",
    )


def _heads(row):
    """The heads of a row as dicts: those that were chosen elsewhere and here, or the best one and,
    if that is another, the one that is right most often only when it is asked.
    """
    if "held" in row:
        return row["held"]
    best, picky = {name: row[name] for name in ("head", "share", "another asks")}, row["only asked"]
    return [best] if best["head"] == picky["head"] else [best, picky]


def passes(row, head):
    """Whether a head does a job: its interval lies above the rules, of distance, word order and
    grammar, and it is right less than half as often when another word asks.

    row   of heads, or of people
    head  one of the heads in it, as a dict
    """
    low, _ = interval(head["share"], row["sentences"])
    rules = max(row["distance"]["share"], row["order"]["share"], row.get("grammar", 0))
    return low > rules and head["another asks"] < head["share"] / 2


def interval(share, n, z=1.96):
    """Where a share may truly lie that was counted in n cases: Wilson's interval (1927), 95 %."""
    middle = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (min(max(end / (1 + z**2 / n), 0.0), 1.0) for end in (middle - half, middle + half))
    return min(float(low), share), max(float(high), share)


def turning(rows):
    """Rows of pairs as text: how often does the best head turn, where it was not chosen, and of all
    pairs; and "luck", how often some head turns as often if chance says which ending is which.
    """
    title = "model    row of       head   right wrong    right of all     luck"
    return "\n".join([title, *map(_turn, rows)])


def _turn(row):
    layer, head = row["head"]
    name = f"{Path(row['model']).name:8s} {row['read']:12s}"
    if not (most := row["all right"][layer][head]):
        return f"{name} no head turns"
    luck = "< 0.001" if row["chance"] < 0.001 else f"{row['chance']:.3f}"
    counted = f"{row['right']:5d} {row['wrong']:5d} of {row['pairs']}"
    return f"{name} {_head(row['head']):5s} {counted} {most:9d} of {len(PAIRS)}  {luck:>7s}"


def compared(rows):
    """Rows of the part "people" as text: a line for each head that was chosen on templates, and one
    for the best that was chosen here, if that is another.

    n       sentences in which it is counted: none of them chose a head
    before  its share on templates
    other   its share where another word asks
    far     its share where the best fixed distance is wrong
    hard    its share where the best rule of word order is wrong
    """
    title = "job        head n   before here 95 %      other far  hard distance word order"
    lines, heading = [], None
    for row in rows:
        if heading != (heading := (Path(row["model"]).name, row["source"])):
            lines += ["{} reads {}".format(*heading), title]
        steps, order = row["distance"], row["order"]
        rule = f"{order['rule'].removeprefix('the '):11s} {order['share']:.2f}"
        for one in row["held"]:
            low, high = one["interval"]
            lines.append(
                f"{row['job']:10s} {_head(one['head']):5s}{row['sentences']:<4d}"
                f"{_two(one['templates']):7s}{one['share']:.2f} {low:.2f}-{high:.2f} "
                f"{one['another asks']:.2f}  {_two(one['far']):5s}{_two(one['hard']):5s}"
                f"{steps['steps']:+3d} {steps['share']:.2f} {rule}"
            )
    return "\n".join(lines)


def _two(share):
    return "-" if share is None else f"{share:.2f}"


# ---- five sentences ------------------------------------------------------------------------------


class Tried(NamedTuple):
    """What a head did with one sentence. As text: a line."""

    right: bool
    asks: str
    looked: str  # the word that has the largest weight
    weight: float
    wanted: str  # the right word
    text: str

    def __str__(self):
        no = "" if self.right else f" (no, {self.wanted})"
        return f"{self.asks} → {self.looked} {self.weight:.2f}{no}   {self.text}"


def tried(model, job, head, texts=5, *, rng=None):
    """What one head does with sentences of a job -> a list of `Tried`.

    model  as `load` opens it
    job    determiner, possessive, object, subject, it, to, previous, next, duplicate or induction
    head   (layer, head)
    texts  how many
    rng    default_rng(1) unless given: these sentences are not those of the table
    """
    _check.able("model", model, "tokens", about="a model as load opens one,")
    head, texts = _check.place("head", head), _check.integer("texts", texts)
    rng = np.random.default_rng(1) if rng is None else rng
    found = []
    for asked in sentences(job, texts, rng=rng):
        seen = look(model, asked)
        if not all(0 <= i < n for i, n in zip(head, seen.rows.shape)):
            raise ValueError(f"head must be (layer, head) below {seen.rows.shape[:2]}, got {head}")
        place = seen.places[head]
        word = seen.of_word[place]
        said = [asked.words[i] for i in (asked.asks, word, asked.right)]
        weight = float(seen.rows[(*head, place)])
        found.append(Tried(bool(word == asked.right), *said[:2], weight, said[2], asked.text))
    return found


# ---- one sentence, all heads ---------------------------------------------------------------------


class Look(NamedTuple):
    """Where all heads of a model look from the word that asks."""

    rows: np.ndarray  # (layers, heads, n): the weights of its row
    of_word: np.ndarray  # (n,): which word a token is a piece of, -1 for marks
    at: int  # the token that asks
    allowed: np.ndarray  # (n,): what is not left out

    @property
    def places(self):
        """(layers, heads): the token with the largest weight."""
        return np.where(self.allowed, self.rows, -1).argmax(axis=-1)

    @property
    def words(self):
        """(layers, heads): the word of that token."""
        return self.of_word[self.places]

    @property
    def strict(self):
        """(layers, heads): the same if nothing is left out; -1 is a mark."""
        return self.of_word[self.rows.argmax(axis=-1)]

    @property
    def joined(self):
        """(layers, heads): the word whose pieces have most together."""
        kept = np.where(self.allowed, self.rows, 0)
        n = range(self.of_word.max() + 1)
        return np.argmax([kept[..., self.of_word == i].sum(axis=-1) for i in n], axis=0)

    def weight(self, word):
        """(layers, heads): what all pieces of a word have together."""
        return self.rows[..., self.of_word == word].sum(axis=-1)


def look(model, asked):
    """A model reads a sentence -> `Look`."""
    return seen(model(asked.text), asked)


def seen(trace, asked):
    """What a model returned for a sentence -> `Look`."""
    of_word = word_of_each(trace.tokens, asked.words)
    at = np.flatnonzero(of_word == asked.asks)[asked.piece]
    allowed = (of_word >= 0) & (of_word != asked.asks) & (np.arange(len(of_word)) > 0)
    return Look(trace.weights[:, :, at], of_word, at, allowed)


def word_of_each(tokens, text):
    """Which word of a text each token is a piece of: (n,), -1 for marks. One that is part of two
    words, as "don" of "do" and "n't", is a piece of the first; a space by itself, of the next.

    tokens  n strings
    text    the words, as strings
    """
    spelt = spelled(tokens)
    for form in (bytes, _plain):  # as it stands, and as models read that know small letters only
        pieces = [form(piece).replace(b" ", b"") for piece in spelt]
        wanted = [form(word.encode()).replace(b" ", b"") for word in text]
        if b"".join(pieces) == b"".join(wanted):
            begins = np.cumsum([0, *map(len, pieces)])[:-1]
            of_word = np.searchsorted(np.cumsum([len(word) for word in wanted]), begins, "right")
            return np.where([len(piece) > 0 for piece in spelt], of_word, -1)
    raise ValueError(f"tokens must spell the words {text}, got {tokens}")


def _plain(text):
    """Small letters without accents, as bytes."""
    signs = unicodedata.normalize("NFD", text.decode("utf-8", "replace").lower())
    return "".join(sign for sign in signs if unicodedata.category(sign) != "Mn").encode()


# ---- rules that know the order of words, and nothing else ----------------------------------------


def _others(asked):
    return [i for i in asked.rivals if i != asked.asks]


RULES = {  # -> the place of the answer, -1 for none
    "the first": lambda asked: _others(asked)[0],
    "the second": lambda asked: (*_others(asked)[1:2], -1)[0],
    "the last": lambda asked: _others(asked)[-1],
    "the last before": lambda asked: max([-1, *(i for i in asked.rivals if i < asked.asks)]),
    "the next": lambda asked: ([i for i in asked.rivals if i > asked.asks] or [-1])[0],
    "the nearest": lambda asked: min(_others(asked), key=lambda i: abs(i - asked.asks)),
}


# ---- the story: who was tired, the cat or the mat? -----------------------------------------------

READS = {  # a text, and the word whose row is read
    "it": ("{start} {end}.", "it"),
    "the ending": ("{start} {end}.", "{end}"),
    "the question": ("{start} {end}. What was{too} {end}? The", "the"),
    "a list": ("Three words: {one}, {other}, {end}.", "{end}"),  # the control: no sentence
}


def pair_weights(model, read="it", pairs=PAIRS):
    """What all heads give to the two nouns of each pair -> (pairs, 2, 2, layers, heads): by ending,
    and by noun. Of a noun's pieces the largest weight counts.

    read   whose row: "it", "the ending"; "the question", the last word of a text that asks; or
           "a list", the ending in a text that is no sentence
    pairs  as `PAIRS`: (all up to the ending, two nouns, and an ending for each)
    """
    _check.able("model", model, "tokens", about="a model as load opens one,")
    _check.choice("read", read, READS)
    found = []
    for start, one, other, *ends in pairs:
        for end in ends:
            text, at = (form.format(**_parts(start, end, one, other)) for form in READS[read])
            trace = model(text)
            places = {}
            for word in words(trace.tokens):
                places.setdefault(word.name.lower(), []).append(word.pieces)
            row = trace.weights[:, :, places[at][-1][-1]]  # (layers, heads, n)
            found.append([row[..., places[noun][0]].max(axis=-1) for noun in (one, other)])
    return np.reshape(found, (len(pairs), 2, 2, *found[0][0].shape))


def pair_shares(model, text=READS["the question"][0], pairs=PAIRS):
    """The shares of the two nouns as the next token -> (pairs, 2, 2): by ending, and by noun.

    text  what the model goes on with: {start} and {end}, {too} of "too big", {wrong} for the other
          ending, {one} and {other} for the nouns
    """
    _check.able("model", model, "next_tokens", about="a model that writes,")
    found = []
    for start, one, other, *ends in pairs:
        for end, wrong in zip(ends, ends[::-1]):
            said = text.format(**_parts(start, end, one, other), wrong=wrong)
            ids = model.encode(said)
            shares = next_token_shares(model.model.logits(ids)[-1])
            found.append(
                [shares[model.encode(f"{said} {noun}")[len(ids)]] for noun in (one, other)]
            )
    return np.reshape(found, (len(pairs), 2, 2))


def turns(found):
    """Does the larger of two turn with the ending? (pairs, 2, 2, …) -> (pairs, …): 1 if it is the
    noun that is meant both times, -1 if it is the other one both times, 0 if it stays.
    """
    first = np.asarray(found)[:, :, 0] > np.asarray(found)[:, :, 1]  # (pairs, 2, …)
    return first[:, 0].astype(int) - first[:, 1]


def _parts(start, end, one, other):
    too = start.partition("it was")[2]
    return {"start": start, "end": end, "too": too, "one": one, "other": other}
