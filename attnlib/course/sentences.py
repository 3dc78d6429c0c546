"""Sentences made to ask a head one question each: what the hunt for heads reads.

A question is a sentence, the word that asks, and the word that is the right answer. Words, lengths
and distances vary, so that no fixed number of steps finds the answer.

A template is a sentence with slots in capitals, `THING`, which are filled by chance, never twice by
the same word. `ADJ*` is nothing to three of them. Behind a word, `>1` says that it asks and `<1`
that it answers; of several numbers one is drawn. A small letter keeps a word: `NAMEb` is the same
wherever it stands.
"""

import re
from typing import NamedTuple

from attnlib import _check

WORDS = {
    "ADJ": """old small large brown white black green grey red yellow thin tall heavy strange famous
        new little big pretty dirty clean dusty pale beautiful ugly lovely""",
    "PERSON": """farmer sailor teacher doctor baker child girl boy soldier lawyer painter gardener
        neighbour king queen merchant student nurse thief hunter stranger cook""",
    "ANIMAL": """cat dog horse cow goat fox rabbit mouse bear wolf lion tiger monkey duck hen bird
        snake donkey sheep pig""",
    "THING": """table chair box basket lamp stone bottle cup book letter map coat hat boat wagon
        ladder bucket blanket mirror picture clock drum rope hammer candle carpet""",
    "PLACE": """river bridge market garden village harbour forest church station library kitchen
        field mountain castle museum barn""",
    "STUFF": "kitchen garden stone silver paper winter school family birthday leather village",
    "NAME": """John Mary Tom Anna Peter Lucy James Sarah David Emma Paul Laura Mark Alice Robert
        Julia Daniel Helen Simon Rose""",
    "VT": """found saw carried painted dropped sold bought wanted watched cleaned moved broke hid
        described stole kept""",
    "VI": "laughed slept arrived shouted waited smiled sang left cried worked danced stayed",
    "VD": "gave showed sent offered brought sold",
    "VP": "sat slept stood lay waited rested",
    "VH": "hit touched covered missed surprised stopped",
    "DET": "the this every her his our each one",
    "ARTICLE": "the this that every each one no",
    "OWNER": "her his our my your their",
    "PREP": "near behind under beside in",
    "TIRED": "tired hungry asleep sick thirsty scared afraid curious lazy sleepy",
}
WORDS = {slot: words.split() for slot, words in WORDS.items()}
KIND = {  # words of one kind can be taken for each other
    **dict.fromkeys(("PERSON", "ANIMAL", "THING", "PLACE", "STUFF"), "noun"),
    **dict.fromkeys(("VT", "VI", "VD", "VP", "VH"), "verb"),
    "NAME": "name",
}
BEFORE_NOUN = [  # a word, and the noun that it belongs to
    "DET>1 ADJ* PERSON<1 VT DET>2 ADJ* THING<2 PREP DET>3 ADJ* PLACE<3 .",
    "DET>1 ADJ* STUFF THING<1 PREP DET>2 ADJ* PLACE<2 VH DET>3 ADJ* ANIMAL<3 .",
    "DET>1 PERSON<1 VD DET>2 ADJ* PERSON<2 DET>3 ADJ* STUFF THING<3 .",
    "When DET>1 ADJ* ANIMAL<1 VI , DET>2 PERSON<2 VT DET>3 ADJ* STUFF THING<3 .",
]
TEMPLATES = {
    "determiner": [template.replace("DET", "ARTICLE") for template in BEFORE_NOUN],
    "possessive": [template.replace("DET", "OWNER") for template in BEFORE_NOUN],
    "object": [
        "DET ADJ* PERSON VT<1 DET ADJ* THING>1 PREP the ADJ* PLACE .",
        "The ADJ* PERSON who VI VT<1 DET ADJ* THING>1 .",
        "When the ADJ* PERSON VI , DET PERSON VT<1 DET ADJ* THING>1 .",
        "The PERSON VD<1 the ADJ* PERSON who VI DET ADJ* THING>1 .",
        "The ADJ* PERSON VT<1 DET ADJ* THING>1 and VT<2 DET ADJ* THING>2 .",
        "DET PERSON VT<1 DET ADJ* THING>1 before the ADJ* PERSON VI .",
    ],
    "subject": [
        "DET ADJ* PERSON<1 , who VI , VT>1 DET ADJ* THING PREP the ADJ* PLACE .",
        "When the ADJ* PERSON VI , DET ADJ* ANIMAL<1 VH>1 the ADJ* THING .",
        "PREP the ADJ* THING PREP the PLACE the ADJ* ANIMAL<1 VP>1 .",
        "DET ADJ* PERSON<1 PREP the ADJ* PLACE VT>1 DET ADJ* THING .",
        "When DET PERSON VI , the ADJ* ANIMAL<1 PREP DET ADJ* THING VH>1 the PLACE .",
        "The ADJ* PERSON<1 who VT DET ADJ* THING VI>1 .",
    ],
    "it": [
        "The ADJ* ANIMAL<1 VP PREP the ADJ* THING because it>1 was TIRED .",
        "The ADJ* THING VH the ADJ* ANIMAL<1 because it>1 was TIRED .",
        "PREP the ADJ* THING the ADJ* ANIMAL<1 VP because it>1 was TIRED .",
        "The ADJ* ANIMAL<1 VT the ADJ* THING PREP the PLACE when it>1 was TIRED .",
        "PREP the THING PREP the ADJ* PLACE VP the ADJ* ANIMAL<1 because it>1 was TIRED .",
        "The PERSON VT the ADJ* ANIMAL<1 PREP the ADJ* THING because it>1 was TIRED .",
    ],
    "to": [
        "When NAMEa<1 and NAMEb VI PREP the PLACE , NAMEb VD DET ADJ* THING to>1",
        "When NAMEb and NAMEa<1 VI PREP the PLACE , NAMEb VD DET ADJ* THING to>1",
        "Then NAMEa<1 met NAMEb PREP the ADJ* PLACE . At last NAMEb VD DET THING to>1",
        "Then NAMEb met NAMEa<1 PREP the ADJ* PLACE . At last NAMEb VD DET THING to>1",
        "After NAMEa<1 had worked with NAMEb for years PREP the PLACE , NAMEb VD DET THING to>1",
        "After NAMEb had worked with NAMEa<1 for years PREP the PLACE , NAMEb VD DET THING to>1",
    ],
}
PAIRS = [  # up to "it was", the two nouns, and an ending for each: which noun is meant?
    ("The cat sat on the mat because it was", "cat", "mat", "tired", "soft"),
    ("The dog chased the ball until it was", "dog", "ball", "tired", "flat"),
    ("The horse kicked the door because it was", "horse", "door", "angry", "locked"),
    (
        "The trophy did not fit in the suitcase because it was too",
        "trophy",
        "suitcase",
        "big",
        "small",
    ),
    ("The truck passed the bus because it was so", "truck", "bus", "fast", "slow"),
    ("The fox did not catch the rabbit because it was too", "fox", "rabbit", "slow", "fast"),
    ("The spider hid in the shoe because it was", "spider", "shoe", "scared", "dark"),
    ("The bird sat on the branch because it was", "bird", "branch", "tired", "strong"),
    ("The lion caught the deer because it was", "lion", "deer", "hungry", "weak"),
    ("The cow drank from the bucket because it was", "cow", "bucket", "thirsty", "full"),
    ("The ball broke the window because it was", "ball", "window", "heavy", "thin"),
    ("The snake crept into the basket because it was", "snake", "basket", "cold", "empty"),
    ("The monkey climbed the tree because it was", "monkey", "tree", "curious", "tall"),
    ("The mouse ate the cheese because it was", "mouse", "cheese", "hungry", "fresh"),
    ("The bear did not enter the cave because it was too", "bear", "cave", "fat", "narrow"),
    ("The knife did not cut the bread because it was", "knife", "bread", "blunt", "stale"),
    ("The goat jumped over the fence because it was", "goat", "fence", "frightened", "low"),
    ("The sofa did not go through the door because it was too", "sofa", "door", "wide", "narrow"),
    ("The plane did not land on the island because it was too", "plane", "island", "heavy", "tiny"),
    ("The owl stayed in the barn because it was", "owl", "barn", "sleepy", "warm"),
    ("The kitten played with the string because it was", "kitten", "string", "bored", "long"),
    ("The bottle did not fit in the bag because it was too", "bottle", "bag", "large", "small"),
    ("The duck swam across the pond because it was", "duck", "pond", "hungry", "calm"),
    ("The stone vanished in the lake because it was", "stone", "lake", "heavy", "deep"),
    ("The wolf ran from the fire because it was", "wolf", "fire", "afraid", "hot"),
    ("The ship did not leave the harbour because it was", "ship", "harbour", "damaged", "frozen"),
    (
        "The donkey did not cross the bridge because it was",
        "donkey",
        "bridge",
        "stubborn",
        "rotten",
    ),
    ("The puppy chewed the slipper because it was", "puppy", "slipper", "playful", "soft"),
    ("The hen sat on the egg because it was", "hen", "egg", "patient", "cold"),
    ("The worm left the apple because it was", "worm", "apple", "restless", "sour"),
]


class Asked(NamedTuple):
    """A sentence and its question, whose words are counted from 0, marks of punctuation too."""

    words: list  # strings
    asks: int  # the place of the word that asks
    right: int  # the place of the word that it should look at
    rivals: list  # the places of all words of that kind, the right one among them
    piece: int = -1  # a word of several pieces asks with its last
    said: str = ""  # the sentence, where it is not the words with a space between
    grammar: int | None = None  # the place that a rule of grammar names, -1 for none

    @property
    def text(self):
        """The words as they are written."""
        return self.said or re.sub(r" ([.,?])", r"\1", " ".join(self.words))


def sentences(job, n=5, *, rng=None):
    """n sentences that ask one question -> a list of `Asked`.

    job  determiner, possessive, object, subject, it, to: from templates; previous, next, duplicate,
         induction: of words drawn by chance
    rng  default_rng(0) unless given
    """
    job, n, rng = _check.choice("job", job, JOBS), _check.integer("n", n), _check.generator(rng)
    return [JOBS[job](rng) for _ in range(n)]


def from_template(job):
    """-> rng -> `Asked`: one of a job's templates, filled."""
    return lambda rng: filled(TEMPLATES[job][rng.integers(len(TEMPLATES[job]))], rng)


def filled(template, rng):
    """A template with words in its slots -> `Asked`."""
    number = rng.choice(sorted(set(re.findall(r">(\d)", template))))
    words, kinds, held, place = [], [], {}, {}
    for slot in template.split():
        slot, sign, mark = re.fullmatch(r"([^<>]+)([<>]?)(\d?)", slot).groups()
        name = slot.rstrip("ab*") if slot.isupper() or slot[:-1].isupper() else slot
        new = [slot]
        if name in WORDS:
            unused = [str(word) for word in rng.permutation(WORDS[name]) if word not in words]
            new = unused[: rng.integers(4)] if slot.endswith("*") else unused[:1]
        if slot.startswith("NAME"):
            new = held.setdefault(slot, new)
        if mark == number:
            place[sign] = len(words)
        words, kinds = words + new, kinds + [KIND.get(name)] * len(new)
    words[0] = words[0].capitalize()
    rivals = [i for i, kind in enumerate(kinds) if kind == kinds[place["<"]]]
    return Asked(words, place[">"], place["<"], rivals)


def neighbour(step):
    """-> rng -> `Asked`: among words drawn by chance, the one `step` words further."""

    def asked(rng):
        words = drawn(rng.integers(10, 25), rng)
        asks = int(rng.integers(2, len(words) - 1))
        return Asked(words, asks, asks + step, list(range(len(words))), 0 if step < 0 else -1)

    return asked


def repeated(after):
    """-> rng -> `Asked`: words drawn by chance, some of which are read again. Where was this word
    before (`after` 0), or what came behind it there (1)?
    """

    def asked(rng):
        first, n = rng.integers(1, 9), rng.integers(4, 13)
        words = drawn(first + n, rng)
        place = int(rng.integers(first, first + n - 1))
        return Asked(words + words[first:], place + int(n), place + after, list(range(place + n)))

    return asked


def drawn(n, rng):
    """n different words."""
    return rng.choice(LOOSE, n, replace=False).tolist()


LOOSE = sorted({word for slot in ("ADJ", *list(KIND)[:4]) for word in WORDS[slot]})
JOBS = {
    **{job: from_template(job) for job in TEMPLATES},
    **{"previous": neighbour(-1), "next": neighbour(1)},
    **{"duplicate": repeated(0), "induction": repeated(1)},
}
