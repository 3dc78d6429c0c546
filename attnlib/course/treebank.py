"""Sentences that people wrote, with questions whose answers stand in a treebank: what the hunt for
heads reads of a CoNLL-U file, as Universal Dependencies publishes them.

    parsed = treebank.read("en_ewt-ud-dev.conllu")
    asked = treebank.questions(parsed, "object")        a list of `Asked`, as from a template

A sentence asks one question of a job, drawn from those that it has. Left out are sentences under 5
and over 40 words, marks counted; a text that was met before; and a question without a wrong answer
of its kind: a sentence with one noun does not ask which noun.

*it* needs coreference, `Entity=` in the last column, as in GUM. Its answer is the head word of the
nearest earlier mention of what it means, in the same sentence, if that is a noun. Where the file
says how a mention refers, it must be by anaphora: not to what follows, nor to a whole clause. An
expletive *it* means nothing, and is not asked.

The format: https://universaldependencies.org/format.html
"""

import re
from pathlib import Path
from typing import NamedTuple

from attnlib import _check
from attnlib.course.sentences import Asked

SHORTEST, LONGEST = 5, 40  # words of a sentence, marks counted
NOUN, VERB = {"NOUN", "PROPN"}, {"VERB"}


class Word(NamedTuple):
    """A line of a treebank."""

    form: str
    lemma: str
    kind: str  # its part of speech, UPOS
    features: str
    head: int  # its place, counted from 0; -1 for the root
    relation: str  # to its head


class Mention(NamedTuple):
    """Words that mean something, and what they mean."""

    entity: str
    link: str  # how they refer: "ana", "cata" …; "" where the file does not say
    first: int
    last: int


class Sentence(NamedTuple):
    """A sentence of a treebank."""

    words: list  # of `Word`
    written: list  # what of the text each is; "" for the second of two words in one, as "du"
    text: str
    mentions: list  # of `Mention`, by their first words


# ---- what a job asks -----------------------------------------------------------------------------


class Relation(NamedTuple):
    """A word asks for its head, or, `down`, a head for its word."""

    name: str
    word: set  # parts of speech
    head: set
    feature: str = ""
    down: bool = False


RELATIONS = {
    "determiner": Relation("det", {"DET"}, NOUN),
    "possessive": Relation("nmod:poss", {"PRON"}, NOUN, "Poss=Yes"),
    "adjective": Relation("amod", {"ADJ"}, NOUN),
    "object": Relation("obj", NOUN, VERB),
    "subject": Relation("nsubj", {*NOUN, "PRON"}, VERB, down=True),
}
JOBS = ("determiner", "possessive", "adjective", "object", "subject", "it")


def questions(parsed, job, *, ahead=True, rng=None):
    """The questions of a job in the sentences of a treebank, in an order drawn by chance -> a list
    of `Asked`, at most one a sentence.

    parsed  a list of `Sentence`, as `read` returns it
    job     determiner, possessive or adjective: the word asks for its noun; object: for its verb;
            subject: the verb asks for it; it: asks for what it means
    ahead   False: the answer stands before the word that asks, where a model that writes has read
            it
    rng     default_rng(0) unless given
    """
    _check.choice("job", job, JOBS)
    ahead, rng = _check.flag("ahead", ahead), _check.generator(rng)
    found, met = [], set()
    for i in rng.permutation(len(parsed)):
        one = parsed[i]
        if one.text in met or not SHORTEST <= len(one.words) <= LONGEST:
            continue
        met.add(one.text)
        pairs = _pronouns(one) if job == "it" else _related(one.words, RELATIONS[job])
        answers = NOUN if job == "it" else _answers(RELATIONS[job])
        rivals = [k for k, word in enumerate(one.words) if word.kind in answers and one.written[k]]
        pairs = [
            (asks, right)
            for asks, right in pairs
            if one.written[asks] and right in rivals and (ahead or right < asks)
            if set(rivals) - {asks, right}
        ]
        if pairs:
            asks, right = pairs[rng.integers(len(pairs))]
            ruled = _argument(one.words, rivals, asks) if job == "it" else None
            found.append(Asked(one.written, asks, right, rivals, said=one.text, grammar=ruled))
    return found


def _answers(relation):
    return relation.word if relation.down else relation.head


def _related(words, relation):
    """Pairs (asks, right) of places."""
    pairs = [
        (place, word.head)
        for place, word in enumerate(words)
        if word.relation == relation.name
        and word.kind in relation.word
        and words[word.head].kind in relation.head
        and relation.feature in word.features
    ]
    return [pair[::-1] for pair in pairs] if relation.down else pairs


def _pronouns(one):
    """Pairs (it, the head word of what it means) of places."""
    pairs = []
    for mention in one.mentions:
        place, word = mention.first, one.words[mention.first]
        if (
            (mention.last, word.form.lower()) == (place, "it")
            and mention.link in ("", "ana")
            and word.kind == "PRON"
            and not word.relation.startswith("expl")
        ):
            earlier = [
                other
                for other in one.mentions
                if other.entity == mention.entity and other.last < place
            ]
            if earlier:
                nearest = max(earlier, key=lambda other: other.last)
                pairs.append((place, head_of(one.words, nearest.first, nearest.last)))
    return pairs


def _argument(words, rivals, asks):
    """A rule of grammar for *it*: the last singular subject or object before it, and where there is
    none, the last singular noun. -> its place, -1 for none
    """
    nouns = [i for i in rivals if i < asks and "Number=Plur" not in words[i].features]
    filled = [i for i in nouns if words[i].relation.startswith(("nsubj", "obj"))]
    return (filled or nouns or [-1])[-1]


def head_of(words, first, last):
    """The place of the word that holds words `first` to `last` together: its head stands outside.
    Of several the first.
    """
    inside = range(first, last + 1)
    return next(place for place in inside if words[place].head not in inside)


# ---- how a file is read --------------------------------------------------------------------------

COLUMNS = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC".split()
PARTS = "GRP etype infstat salience centering minspan link identity".split()  # of a mention, in GUM


def read(path):
    """A CoNLL-U file -> a list of `Sentence`."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8, got byte {error.start}: {error}") from None
    found, held, parts = [], [], PARTS
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("# global.Entity"):
            parts = line.partition("=")[2].strip().split("-")
        if line.strip() and not line.startswith("#"):
            held.append((number, line.split("\t")))
        elif held and not line.strip():
            found.append(_sentence(held, parts, path))
            held = []
    if not found:
        raise ValueError(f"{path} holds no sentence: it must be a file in the format CoNLL-U")
    return found


def _sentence(rows, parts, path):
    """Rows [(number of the line, columns), …] -> `Sentence`."""
    words, written, spaces, misc, joined = [], [], [], [], {}
    for number, row in rows:
        wrong = f"{path}, line {number}: "
        if len(row) != len(COLUMNS):
            raise ValueError(
                f"{wrong}a word must have 10 columns with a tab between, got {len(row)}"
            )
        row = dict(zip(COLUMNS, row))
        if re.fullmatch(r"\d+\.\d+", row["ID"]):  # a word that is not in the text
            continue
        apart = "SpaceAfter=No" not in row["MISC"].split("|")
        if several := re.fullmatch(r"(\d+)-(\d+)", row["ID"]):  # words written as one: don't
            first, last = (int(end) - 1 for end in several.groups())
            if first != len(words) or last <= first:
                raise ValueError(f"{wrong}words {row['ID']} must begin with {len(words) + 1}")
            joined[first] = last, row["FORM"], apart, wrong
            continue
        if row["ID"] != str(len(words) + 1):
            raise ValueError(f"{wrong}the next word must be {len(words) + 1}, got {row['ID']!r}")
        if not row["HEAD"].isdecimal():
            raise ValueError(f"{wrong}HEAD must be the number of a word, got {row['HEAD']!r}")
        kept = [row[name] for name in ("FORM", "LEMMA", "UPOS", "FEATS")]
        words.append(Word(*kept, int(row["HEAD"]) - 1, row["DEPREL"]))
        written.append(row["FORM"])
        spaces.append(apart)
        misc.append((wrong, row["MISC"]))
    for (wrong, _), word in zip(misc, words):
        if word.head >= len(words):
            raise ValueError(f"{wrong}HEAD must be at most {len(words)}, got {word.head + 1}")
    for first, (last, form, apart, wrong) in joined.items():
        if last >= len(words):
            raise ValueError(f"{wrong}words {first + 1}-{last + 1} must be in the sentence")
        if "".join(written[first : last + 1]) != form:
            written[first : last + 1] = [form, *[""] * (last - first)]
        spaces[first : last + 1] = [*[False] * (last - first), apart]
    text = "".join(form + " " * space for form, space in zip(written, spaces)).rstrip()
    return Sentence(words, written, text, _mentions(misc, parts))


def _mentions(misc, parts):
    """The last columns [(what an error begins with, column), …] -> a list of `Mention`.

    parts  the names of what stands between the hyphens of a mention
    """
    found, open_ones = [], []
    for place, (wrong, column) in enumerate(misc):
        entity = dict(one.partition("=")[::2] for one in column.split("|")).get("Entity", "")
        for opens, name, closes in re.findall(r"(\(?)([^()]+)(\)?)", entity):
            if opens:
                named = dict(zip(parts, name.split("-", len(parts) - 1)))
                group = named.get("GRP", named.get("eid", name))
                open_ones.append((group, named.get("link", ""), place))
            if closes:
                mine = [one for one in open_ones if opens or one[0] == name]
                if not mine:
                    raise ValueError(f"{wrong}Entity= closes {name!r}, which is not open")
                open_ones.remove(mine[-1])
                found.append(Mention(*mine[-1], place))
    if open_ones:
        raise ValueError(f"{misc[open_ones[0][2]][0]}Entity= {open_ones[0][0]!r} is never closed")
    return sorted(found, key=lambda mention: mention[2:])
