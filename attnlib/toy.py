"""A toy world: words with readable features, and attention heads built by hand for a stated job.

Nothing here is learned and nothing is random (but for the control that says so): every number has a
reason that you can read below. It is the same attention code as everywhere else; only the weights
are set by hand.

A token is a row of D_MODEL numbers in three blocks, so that we can read it:
    features   1 where the word has the feature, 0 elsewhere    (FEATURES)
    spelling   how the word is written: words that look alike are near
    position   where the token stands (zeros without a positional encoding)
Real models add positions on top of the words and mix all of it; here each has columns of its own.
"""

import re
import unicodedata
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attnlib import _check, _moved, encodings, patterns
from attnlib.attention import attention_scores, scaled_dot_product_attention, softmax
from attnlib.heads import SelfAttention

if not TYPE_CHECKING:  # an editor would take it for a promise of every name
    __getattr__ = _moved.told_by(__name__)

WORDS = {
    "animal": (
        "animal animals bird birds cat cats cow dog dogs fish fox frog horse lion mouse owl rabbit"
        " wolf"
    ),
    "person": (
        "artist baby boy chef child children cook doctor farmer friend friends girl king man people"
        " queen student teacher woman"
    ),
    "thing": (
        "ball bank bed book books bowl box boxes car chair computer door floor hat house key"
        " letter mat moon phone picture river roof sea star stars suitcase sun table train tree"
        " trees trophy wall window"
    ),
    "place": (
        "bank city field forest garden home house kitchen market park river room school sea street"
        " town world"
    ),
    "food": (
        "apple apples bread cake cheese cherry coffee dinner fish ingredients meal milk rice"
        " soup tea"
    ),
    "idea": "attention day idea life love morning night sentence song story time word words year",
    "verb": (
        "ate ask asked barked bought built called carries chased chases cooked drank fell finds fit"
        " found gave goes grew is jumped jumps knows laughed likes liked lived look looked looks"
        " loves loved made makes opened played plays ran read runs said sang sat saw says see sees"
        " sits sleeps slept stood swam told took walked walks wants wanted was watched were went"
        " wrote are am be been has had have do does did can could will would should may might must"
    ),
    "quality": (
        "afraid angry asleep awake bad big black blue bored brave bright broken brown cheap clean"
        " clever cold comfortable curious dark deep delicious dirty dry empty expensive fast flat"
        " fresh full good green happy hard heavy high hot hungry ill kind lazy little locked long"
        " loud narrow nervous new nice old open proud quick quiet red ripe round sad scared short"
        " sick sleepy slow small soft sweet tall thick thirsty tired warm wet white wide wise"
        " wooden yellow young"
    ),
    "pronoun": (
        "he her hers him his i it its me my our she that their them they this us we who which you"
        " your"
    ),
    "number": (
        "one two three four five six seven eight nine ten hundred thousand first second third"
    ),
    "function": (
        "a about after all an and as at because before but by for from if in into near no not of"
        " off on or out over so than the then there to too under until up very when where while"
        " with without"
    ),
    "plural": (
        "animals apples birds books boxes cats children dogs friends ingredients people stars"
        " trees we they them us words"
    ),
    "past": (
        "asked ate barked bought built called chased cooked drank fell found gave grew jumped"
        " laughed liked lived looked loved made opened played ran said sang sat saw slept stood"
        " swam told took walked wanted was watched were went wrote had did been"
    ),
}
NOUNS = ("animal", "person", "thing", "place", "food", "idea")
KINDS = ("noun", "verb", "quality", "pronoun", "number", "function", "punctuation")
# every token is a "token": a column that is always 1
FEATURES = ("token", *NOUNS, "alive", *KINDS, "plural", "past")
N_SPELLING = 40
N_POSITION = 32
D_MODEL = len(FEATURES) + N_SPELLING + N_POSITION
D_HEAD = 40
N_LEARNED = 32  # rows of the learned table: after these comes the cliff
MAX_TOKENS = 1_000

_FEATURE = slice(0, len(FEATURES))
_SPELLING = slice(len(FEATURES), len(FEATURES) + N_SPELLING)
_POSITION = slice(len(FEATURES) + N_SPELLING, D_MODEL)
_TABLE = {
    word: {f for f in WORDS if word in WORDS[f].split()}
    for words in WORDS.values()
    for word in words.split()
}

PATTERNS = patterns.with_numbers("window", "n_global")
ENCODINGS = ("none", "sinusoidal", "learned")


# ---- words ---------------------------------------------------------------------------------------

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TOKEN = re.compile(
    r"a[amj]*(?:'a[amj]*)*"  # a word: letters, digits, accents; don't is one word
    r"|cm*"  # one Chinese or Japanese character
    r"|ffm*"  # a flag is two letters
    r"|[^ mj](?:m|j[^ ])*"  # any other sign or emoji, with what is joined to it
    r"|m+"  # accents without a letter
)


def tokenize(text):
    """Cut a text into words and punctuation marks: "It's late." -> ["It's", "late", "."]

    Any language: letters, digits and their accents stay together, an emoji stays whole, and a
    Chinese or Japanese character stands alone. Only white space and invisible control characters
    are dropped. Raises ValueError if nothing is left, or more than MAX_TOKENS.
    """
    if not isinstance(text, str):
        raise TypeError(f"the sentence must be a string, got {type(text).__name__}: {text!r}")
    tokens = [text[m.start() : m.end()] for m in _TOKEN.finditer("".join(map(_kind, text)))]
    if not tokens:
        raise ValueError("the sentence is empty: type at least one word")
    if len(tokens) > MAX_TOKENS:
        raise ValueError(
            f"the sentence has {len(tokens):,} tokens, the toy world takes at most {MAX_TOKENS:,}:"
            " shorten it"
        )
    return tokens


def _kind(char):
    """One letter for what a character is: a letter or digit, c CJK, f half a flag, m mark, j
    joiner, ' apostrophe, s sign.
    """
    if char in "'\u2019":
        return "'"
    if char in "\u200c\u200d\u00ad":  # joiners of letters and emoji, and the soft hyphen
        return "j"
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        return "f"
    category = unicodedata.category(char)
    if (
        category[0] == "M"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    ):
        return "m"  # accents, skin tones, the letters of regional flags
    if category[0] in "LN":
        return "c" if _CJK.match(char) else "a"
    return " " if category in ("Cc", "Cf", "Cs") or char.isspace() else "s"


def features(word):
    """The features of a word, as a set of names; only {"token"} for a word that is not in the table
    WORDS.
    """
    lower = _check.text("word", word).lower()
    found = {"token", *_TABLE.get(lower, ())}
    if found & set(NOUNS):
        found.add("noun")
    if found & {"animal", "person"}:
        found.add("alive")
    if lower.isdecimal():
        found.add("number")
    if not any(map(str.isalnum, word)):
        found.add("punctuation")
    return found


@lru_cache(maxsize=50_000)
def _embed_word(word):
    """Features, then spelling; the position block stays empty. (D_MODEL,)"""
    x = np.zeros(D_MODEL)
    x[_FEATURE] = [f in features(word) for f in FEATURES]
    lower = f"<{word.lower()}>"
    for size in (2, 3):
        for start in range(len(lower) - size + 1):
            code = zlib.crc32(lower[start : start + size].encode("utf-8", "replace"))
            x[_SPELLING][code // 2 % N_SPELLING] += 1 if code % 2 else -1
    x[_SPELLING] /= max(np.linalg.norm(x[_SPELLING]), 1e-9)
    x.flags.writeable = False
    return x


def embed(tokens, encoding="none"):
    """One row of numbers per token. (n, D_MODEL)

    Words of the table WORDS get a 1 for each of their features. The spelling of every word, known
    or not, is kept by this rule: cut <word> into pieces of 2 and 3 characters; each piece adds +1
    or -1 to one of N_SPELLING columns, always the same one (a checksum picks it); divide by the
    length. Words that share pieces are near.

    encoding   what goes into the position block: "none", "sinusoidal", or "learned" (a table of
               N_LEARNED rows)
    """
    tokens = _check.row("tokens", tokens)
    if not all(isinstance(token, str) for token in tokens):
        raise TypeError(
            f"tokens must be a list of strings, as tokenize(text) makes one; got {tokens!r}"
        )
    if not len(tokens):
        raise ValueError("tokens must be a list with at least one word")
    x = np.array([_embed_word(token) for token in tokens])
    x[:, _POSITION] += positions(len(tokens), encoding)
    return x


def spelling(tokens):
    """How words are written: a row of length 1 per token; words that share letters are near.
    (n, N_SPELLING)
    """
    return embed(tokens)[:, _SPELLING]


def positions(n, encoding):
    """The position block: (n, N_POSITION), rows of length 1 ("none": zeros)."""
    _check.choice("encoding", encoding, ENCODINGS)
    if encoding == "none":
        return np.zeros((n, N_POSITION))
    if encoding == "learned":
        return _learned()(n).copy()
    return encodings.sinusoidal(n, N_POSITION) * (2 / N_POSITION) ** 0.5


@lru_cache(maxsize=1)
def _learned():
    """A learned table as training would find it: rows at right angles, so that no two positions are
    confused.
    """
    table = encodings.Learned(N_LEARNED, N_POSITION)
    table.table = np.linalg.qr(table.table)[0]
    return table


# ---- heads ---------------------------------------------------------------------------------------

# Each head is two matrices: W_q says what a token asks for, W_k what a token offers. Where they
# agree, it looks.
HEADS = {
    "one token back": lambda encoding: _by_position(-1, encoding),
    "pronoun → noun": lambda encoding: _by_feature({"pronoun": 1}, {"noun": 1, "alive": 0.4}),
    "same kind": lambda encoding: _by_same([FEATURES.index(kind) for kind in KINDS], sharpness=4.5),
    "look-alikes": lambda encoding: _by_same(range(_SPELLING.start, _SPELLING.stop), sharpness=6),
    "one token ahead": lambda encoding: _by_position(+1, encoding),
    "verb → who acts": lambda encoding: _by_feature({"verb": 1}, {"alive": 1}),
    "first token": lambda encoding: _first_token(encoding),
    "everyone alike": lambda encoding: (np.zeros((D_MODEL, D_HEAD)), np.zeros((D_MODEL, D_HEAD))),
}


def layer(n_heads=4, *, encoding="sinusoidal", temperature=1.0, control=False):
    """A `SelfAttention` with the first `n_heads` of HEADS for weights; what it brings back are the
    features of words.

    encoding      the positional encoding that the two heads of position are built for
    temperature   divides the scores: below 1 sharper, above 1 more even
    control       random weights instead, fixed once and for all: what attention looks like when it
                  means nothing
    """
    n_heads = _check.integer("n_heads", n_heads, maximum=len(HEADS))
    temperature = _check.positive("temperature", temperature)
    _check.choice("encoding", encoding, ENCODINGS)
    _check.flag("control", control)
    attention = SelfAttention(D_MODEL, n_heads, d_head=D_HEAD)
    if control:
        attention.W_q *= 40  # random weights of the usual size look nearly even
    else:
        pairs = [build(encoding) for build in list(HEADS.values())[:n_heads]]
        attention.W_q = np.hstack([W_q for W_q, _ in pairs])  # (D_MODEL, h·D_HEAD)
        attention.W_k = np.hstack([W_k for _, W_k in pairs])
        carry = _carry()
        attention.W_v = np.hstack([carry] * n_heads)
        attention.W_o = np.vstack([carry.T] * n_heads)
    attention.W_q /= temperature
    return attention


def matrices(name, encoding="sinusoidal"):
    """One of HEADS as W_q, W_k, W_v: what a token asks for, offers, and says. (D_MODEL, D_HEAD)"""
    build = HEADS[_check.choice("name", name, list(HEADS))]
    W_q, W_k = build(_check.choice("encoding", encoding, ENCODINGS))
    return W_q, W_k, _carry()


def scores(tokens, names=("same kind", "one token ahead")):
    """The scores of some of HEADS, before any mask: name -> (n, n)."""
    names = [_check.choice("names", name, list(HEADS)) for name in _check.texts("names", names)]
    x = embed(tokens, "sinusoidal")  # (n, D_MODEL)
    pairs = {name: matrices(name)[:2] for name in names}
    return {name: attention_scores(x @ W_q, x @ W_k) for name, (W_q, W_k) in pairs.items()}


def _carry():
    """A token says its features, and nothing else. (D_MODEL, D_HEAD)"""
    return np.eye(D_MODEL, D_HEAD) * (np.arange(D_HEAD) < len(FEATURES))


ASKED, TOLD = ["noun", "alive"], ["noun", "alive", "thing", "verb"]


def pronoun_head(tokens, loudness=6.4):
    """One head with so few columns that all of it can be read. -> q (n, 2), k (n, 2), v (n, 4)

    A pronoun asks for nouns, and 0.4 times as much for what is alive, `loudness` times as loudly;
    every token offers, and says, what it is. ASKED and TOLD name the columns.
    """
    x, loudness = embed(tokens), _check.not_negative("loudness", loudness)
    column = {name: x[:, k] for k, name in enumerate(FEATURES)}  # (n,) each
    q = loudness * np.outer(column["pronoun"], [1, 0.4])
    k, v = (np.stack([column[name] for name in names], axis=1) for names in (ASKED, TOLD))
    return q, k, v


DESK = (  # each with a pronoun; nouns of all six kinds; in the last, nothing that is alive
    "The cat sat on the mat because it was tired",
    "The old farmer ate the bread because he was hungry .",
    "The queen told a story in the house and she was tired .",
    "The book was in the school because it was new .",
)
JOBS = {
    "a pronoun looks at the nouns": ("pronoun", "noun", "the nouns", 0.8),
    "a pronoun looks at living nouns": ("pronoun", "alive", "living nouns", 0.8),
    "a verb looks at who acts": ("verb", "alive", "living nouns", 0.8),
    "every word looks at the full stop": ("token", "punctuation", "the full stop", 0.8),
    "a pronoun looks away from nouns": ("pronoun", "not noun", "words that are no nouns", 0.98),
}


def desk():
    """What `show.Desk(**toy.desk())` takes: sentences, the features of their words, and jobs for a
    head. It opens with a head that knows animals and not all nouns.
    """
    sentences = [tokenize(sentence) for sentence in DESK]
    parts = "who", "whom", "called", "share"
    return {
        "sentences": sentences,
        "features": list(FEATURES),
        "table": [embed(tokens)[:, _FEATURE] for tokens in sentences],  # (n, F) each
        "jobs": {name: dict(zip(parts, job)) for name, job in JOBS.items()},
        "asks": {"pronoun": 1},
        "offers": {"animal": 1},
    }


def deal(sentence=DESK[0]):
    """What `show.Deal(**toy.deal())` takes: the scores of four jobs in a sentence, (4, n, n), still
    soft; their names; and the tokens.
    """
    tokens = tokenize(sentence)
    back, noun = (q @ k.T for q, k in two_jobs(tokens, 1))
    x = embed(tokens)
    kind, spelling = x[:, [FEATURES.index(name) for name in KINDS]], x[:, _SPELLING]
    jobs = {
        "one token back": back,
        "pronoun → noun": noun,
        "same kind": 0.75 * kind @ kind.T,
        "look-alikes": spelling @ spelling.T,
    }
    return {"scores": np.stack(list(jobs.values())), "names": list(jobs), "tokens": tokens}


def two_jobs(tokens, loudness=6.0):
    """The first two jobs of `deal` as questions and offers: (q, k), (q, k), each (n, n).

    one token back   a word asks for its place, and offers the place after its own
    pronoun → noun   in the first column a pronoun asks, and nouns offer, living ones more
    """
    x, n = embed(tokens), len(tokens)
    loudness = _check.not_negative("loudness", loudness)
    feature = dict(zip(FEATURES, x.T))  # name -> (n,)
    asks, offers = np.zeros((2, n, n))
    asks[:, 0] = feature["pronoun"]
    offers[:, 0] = 0.7 * feature["noun"] + 0.3 * feature["alive"]
    return (loudness * np.eye(n), np.eye(n, k=1)), (loudness * asks, offers)


class Look(NamedTuple):
    """What a toy layer saw: tokens (n), names of the heads (h), weights (h, n, n), mask (n, n),
    output (n, D_MODEL).
    """

    tokens: list
    names: list
    weights: np.ndarray
    mask: np.ndarray
    output: np.ndarray


def look(
    sentence,
    *,
    pattern="standard",
    n_heads=4,
    window=3,
    n_global=1,
    encoding="sinusoidal",
    temperature=1.0,
    control=False,
):
    """Let the toy layer read a sentence.

    pattern    one of PATTERNS, say "standard", "causal", "local" (uses window) or "global-local"
               (uses window and n_global)
    n_heads n_global encoding temperature control   as in `layer` and `attnlib.masks`
    """
    _check.choice("pattern", pattern, PATTERNS)
    _check.integer("window", window)
    _check.integer("n_global", n_global, minimum=0)
    n_heads, temperature = (
        _check.integer("n_heads", n_heads),
        _check.positive("temperature", temperature),
    )
    attention = _kept_layer(
        n_heads,
        _check.choice("encoding", encoding, ENCODINGS),
        temperature,
        bool(_check.flag("control", control)),
    )
    tokens = tokenize(sentence)
    mask = patterns.mask(pattern, len(tokens), window=window, n_global=n_global)
    output, weights = attention(embed(tokens, encoding), mask=mask)
    names = [f"random {h + 1}" for h in range(n_heads)] if control else list(HEADS)[:n_heads]
    return Look(tokens, names, weights, mask, output)


@lru_cache(maxsize=64)
def _kept_layer(n_heads, encoding, temperature, control):
    """The layer of these settings, built once: a slider comes by many times."""
    return layer(n_heads, encoding=encoding, temperature=temperature, control=control)


def _by_feature(asks, offers, sharpness=4.5):
    """A token with the features `asks` looks at tokens with the features `offers`; all other rows
    stay even.
    """
    W_q, W_k = np.zeros((2, D_MODEL, D_HEAD))
    for name, amount in asks.items():
        W_q[FEATURES.index(name), 0] = amount
    for name, amount in offers.items():
        W_k[FEATURES.index(name), 0] = amount
    return W_q * sharpness * D_HEAD**0.5, W_k


def _by_same(columns, sharpness):
    """A token looks at tokens that have the same numbers in these columns, itself included."""
    W = np.zeros((D_MODEL, D_HEAD))
    W[list(columns), range(len(columns))] = 1
    return W * sharpness * D_HEAD**0.5, W


def _by_position(step, encoding):
    """A token looks `step` tokens further. Keys are moved the other way, so that key j lies where
    query j - step is.
    """
    W_q, W_k = np.zeros((2, D_MODEL, D_HEAD))
    W_q[_POSITION, :N_POSITION] = np.eye(N_POSITION)
    W_k[_POSITION, :N_POSITION] = _shift(-step, encoding)
    return W_q * _position_sharpness(encoding) * D_HEAD**0.5, W_k


def _first_token(encoding):
    """Every token looks at position 0, whatever word stands there."""
    W_q, W_k = np.zeros((2, D_MODEL, D_HEAD))
    W_q[FEATURES.index("token"), :N_POSITION] = positions(1, encoding)[0]
    W_k[_POSITION, :N_POSITION] = np.eye(N_POSITION)
    return W_q * _position_sharpness(encoding) * D_HEAD**0.5, W_k


def _shift(step, encoding):
    """The matrix that moves a position by `step`: positions(p) @ _shift(step) = positions(p +
    step). (N_POSITION, N_POSITION)
    """
    if encoding == "none":
        return np.zeros((N_POSITION, N_POSITION))
    if encoding == "learned":
        table = _learned().table  # rows at right angles: the transpose undoes it
        return table.T @ np.eye(N_LEARNED, k=step) @ table
    turn = np.zeros((N_POSITION, N_POSITION))  # each hand turns by its own speed
    for column, speed in zip(
        range(0, N_POSITION, 2), 10_000.0 ** (-np.arange(0, N_POSITION, 2) / N_POSITION)
    ):
        cos, sin = np.cos(step * speed), np.sin(step * speed)
        turn[column : column + 2, column : column + 2] = [[cos, -sin], [sin, cos]]
    return turn


def _position_sharpness(encoding):
    """Neighbouring sinusoids are nearly parallel, rows of the learned table are at right angles: so
    100 against 6.
    """
    return 6 if encoding == "learned" else 100


# ---- tired or soft -------------------------------------------------------------------------------

# The story adds four columns behind those of `embed`. Two come with the word: is this quality said
# of the living, or of things? (One that is said of both, such as old, warm or wet, has neither.)
# Two are empty at first: there layer 1 writes which kind of noun a token wants.
SAID = {
    "said of the living": (
        "afraid angry asleep awake bored brave clever curious happy hungry ill kind lazy nervous"
        " proud sad scared sick sleepy thirsty tired wise young"
    ),
    "said of things": (
        "broken cheap comfortable dark deep delicious empty expensive flat fresh hard high locked"
        " narrow new open ripe round soft sweet thick wide wooden"
    ),
}
WANTS = ("wants the living", "wants a thing")
D_STORY = D_MODEL + len(SAID) + len(WANTS)

# Two heads. For each: its questions (what asks, what answers, how loudly); the columns that it
# brings, and the columns where it puts them.
STORY = {
    "pronoun → quality": (
        # a pronoun asks 2 - 1 = 1 times; all others -1: they look past the qualities
        [({"pronoun": 2, "token": -1}, dict.fromkeys(SAID, 1), 8)],
        dict(zip(SAID, WANTS)),
    ),
    "pronoun → noun that fits": (
        [
            ({"pronoun": 1}, {"noun": 1, "alive": 0.4}, 4.5),  # as the one head
            ({"wants the living": 1}, {"alive": 1}, 8),
            ({"wants a thing": 1}, {"noun": 1, "alive": -1}, 8),
        ],
        dict(zip(FEATURES, FEATURES)),
    ),
}


class Story(NamedTuple):
    """What was read in a story: tokens (n); weights (n, n) of the one head "pronoun → noun", of
    the first head of STORY and of the second; output (n, D_STORY), the tokens after both layers.
    """

    tokens: list
    one: np.ndarray
    first: np.ndarray
    second: np.ndarray
    output: np.ndarray

    @property
    def wants(self):
        """What the first head brought to each token, in the columns WANTS. (n, 2)"""
        return self.output[:, -len(WANTS) :]


def story(sentence, *, side_by_side=False):
    """The cat sat on the mat because it was tired, or soft: what is *it*? -> Story

    One head asks the same question, whatever the ending says. Two layers can tell: in layer 1 a
    pronoun reads the qualities in the sentence; in layer 2 it looks for a noun, and asks with what
    layer 1 brought.

    side_by_side   the control: both heads in one layer, so that the second has to ask before it
                   knows what the first one found
    """
    tokens, side_by_side = tokenize(sentence), _check.flag("side_by_side", side_by_side)
    one = look(sentence, n_heads=2).weights[1]
    x = story_embed(tokens)  # (n, D_STORY)
    read, first = story_head("pronoun → quality", x)
    after = x + read  # layer 1 adds what it brings: the residual
    found, second = story_head("pronoun → noun that fits", x if side_by_side else after)
    return Story(tokens, one, first, second, after + found)


def shared_heads(sentence, loudness=6.0):
    """A head for every choice of five jobs: the four of `deal`, and reading the ending, where a
    pronoun looks at the quality. The weights, (31, n, n): a head adds up the scores of its jobs.
    """
    loudness = _check.not_negative("loudness", loudness)
    x = story_embed(tokenize(sentence))
    W_q, W_k, _, _ = story_matrices("pronoun → quality")
    scores = np.stack([*loudness * deal(sentence)["scores"], attention_scores(x @ W_q, x @ W_k)])
    has = np.arange(1, 32)[:, None] >> np.arange(5) & 1  # (31, 5): which jobs a head has
    return softmax(np.tensordot(has, scores, axes=1))


def story_embed(tokens):
    """The rows of `embed`, then SAID, then WANTS, which are still empty. (n, D_STORY)"""
    x = embed(tokens)
    said = [[token.lower() in words.split() for words in SAID.values()] for token in tokens]
    return np.hstack([x, said, np.zeros((len(x), len(WANTS)))])


def story_head(name, x):
    """One head of STORY: x (n, D_STORY) -> what it brings (n, D_STORY), weights (n, n)."""
    W_q, W_k, W_v, W_o = story_matrices(_check.choice("name", name, STORY))
    output, weights = scaled_dot_product_attention(x @ W_q, x @ W_k, x @ W_v)
    return output @ W_o, weights


@lru_cache(maxsize=len(STORY))
def story_matrices(name):
    """A head of STORY as matrices: W_q and W_k have a column for each question, W_v and W_o pick
    the columns that are brought, and say where they go. Read-only.
    """
    questions, brings = STORY[name]
    W_q, W_k = np.zeros((2, D_STORY, len(questions)))
    W_v, W_o = np.zeros((D_STORY, len(brings))), np.zeros((len(brings), D_STORY))
    for c, (asks, offers, loud) in enumerate(questions):
        W_q[[_column(each) for each in asks], c] = list(asks.values())
        W_k[[_column(each) for each in offers], c] = list(offers.values())
        W_q[:, c] *= loud * len(questions) ** 0.5  # √d_head undone, as in every toy head
    for c, (source, target) in enumerate(brings.items()):
        W_v[_column(source), c] = W_o[c, _column(target)] = 1
    for W in (W_q, W_k, W_v, W_o):
        W.flags.writeable = False
    return W_q, W_k, W_v, W_o


def _column(name):
    """Where the story has a feature, or one of its own four columns."""
    return FEATURES.index(name) if name in FEATURES else D_MODEL + [*SAID, *WANTS].index(name)
