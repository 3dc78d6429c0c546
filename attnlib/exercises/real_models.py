"""Exercises and questions of real_models: one token back, how often a head is right, a name for a
head that may be killed.
"""

from functools import cache

import numpy as np

from attnlib.course import hunt
from attnlib.course.sentences import sentences
from attnlib.exercises import Exercise, Question, overheard
from attnlib.models.pretrained import load

sinks = Question(
    "real_models.sinks",
    "split",
    "SmolLM2 reads ten English texts. Of all that its 270 heads look at, how much goes where?",
    why="More than half rests on the first token, whatever it is: a row must share out 1, and most"
    " heads find nothing of theirs in most places. Only the first layer and a few in the middle do"
    " without it.",
)

copy = Question(
    "real_models.copy",
    "cells",
    "Ten words, five of them twice. Where does SmolLM2's head 18.6 look from the second *apple*?",
    why="At the word that came behind it last time, which is what comes next: *look for my own word"
    " further up, and go one on*. Nobody built this head; it came of reading texts in which things"
    " come again.",
)

unread = Question(
    "real_models.unread",
    "choice",
    "*tired* becomes *soft*. In how many of SmolLM2's 270 heads does the row of *it* change?",
    options=[
        (
            "in most, a little",
            "When the model reads *it*, which words are there already? Think of the mask.",
        ),
        ("in a few late ones, a lot", "Late layers have read more words, but only those before."),
        "in none",
    ],
    right="in none",
    why="The mask lets *it* see what stands before it, in every layer, and the ending stands"
    " behind. Not one bit of the row can change.",
)

trap = Question(
    "real_models.trap",
    "choice",
    "The columns of W_q and W_k lie in the wrong order. How does it go on with *The capital of"
    " France is*?",
    options=[
        (
            "with nonsense",
            "Each pair of columns still meets its like: what is lost is the distance.",
        ),
        ("with another city", "What a word means does not lie in these two matrices."),
        "as before",
    ],
    right="as before",
    why="q and k were shuffled alike, so words still find each other; only the turning by distance"
    " is wrong. The answer is right, and most maps are not.",
)


def previous_by_hand(weights):
    """How much each head looks one token back. weights (layers, heads, n, n) -> (layers, heads)"""
    n = weights.shape[-1]
    queries = np.arange(1, n)  # the first has nobody before it
    # (layers, heads, n - 1) -> (layers, heads)
    return weights[:, :, queries, queries - 1].mean(axis=-1)


def _all_heads(rng):
    """Weights of sharp heads, so that no two places are alike; n differs from the number of layers
    and of heads.
    """
    trials = []
    for layers, heads, n in ((1, 2, 4), (2, 3, 5), (3, 2, 6), (2, 4, 3)):
        weights = np.exp(rng.normal(0, 1.5, (layers, heads, n, n)))
        trials.append((weights / weights.sum(axis=-1, keepdims=True),))
    return trials


def _along(weights, step, reduce=np.mean):
    """The weights on the keys `step` further, reduced over the queries that have one."""
    return reduce(np.diagonal(weights, step, axis1=-2, axis2=-1), axis=-1)


def _wrapped(weights):
    n = weights.shape[-1]
    return weights[:, :, np.arange(n), np.arange(n) - 1].mean(axis=-1)


def _most_at_previous(weights):
    n = weights.shape[-1]
    return (weights[..., 1:, :].argmax(axis=-1) == np.arange(n - 1)).mean(axis=-1)


previous = Exercise(
    previous_by_hand,
    title="One token back",
    level=1,
    minutes=7,
    inputs=_all_heads,
    names=("shares",),
    mistakes={
        "row 0 looked at the last token: weights[..., 0, -1] is the last column. The first query "
        "has nobody before it": _wrapped,
        "you divided by n: the first query has nobody before it, so the mean is over n - 1": (
            lambda w: _along(w, -1, np.sum) / w.shape[-1]
        ),
        "this is one token ahead: the query is the row, so the key before it is at [i, i - 1]": (
            lambda w: _along(w, 1)
        ),
        "this is how much each token looks at itself": lambda w: _along(w, 0),
        "this is two tokens back": lambda w: _along(w, -2),
        "you added up: the measure is a mean over the queries": lambda w: _along(w, -1, np.sum),
        "you took the largest: the measure is a mean over the queries": lambda w: _along(
            w, -1, np.max
        ),
        "you counted how often the token before is the one most looked at: add up the weights "
        "themselves": _most_at_previous,
        "you took the mean over the heads too: each head gets a number of its own": [
            lambda w: _along(w, -1).mean(axis=1),
            lambda w: _along(w, -1).mean(),
        ],
        "these are the weights of each query, not yet their mean": lambda w: np.diagonal(
            w, -1, axis1=-2, axis2=-1
        ),
        "np.diagonal went along the layers and heads: its last two axes must be named, axis1=-2, "
        "axis2=-1": [
            lambda w: np.diagonal(w, -1).mean(axis=-1),
            lambda w: np.diagonal(w, -1).mean(axis=0),
        ],
        "this is the share of the first token": [
            lambda w: w[..., 0].mean(axis=-1),
            lambda w: w[..., 1:, 0].mean(axis=-1),
        ],
    },
    hints=[
        (
            "Query i looks at the token before it with weights[..., i, i - 1]. Which i have such a"
            " token?"
        ),
        (
            "Those are the cells right below the diagonal: np.diagonal(weights, offset=-1,"
            " axis1=-2, axis2=-1)."
        ),
        (
            "What comes back is (layers, heads, n - 1): a mean over the last axis is what is asked"
            " for."
        ),
    ],
)


def hits_by_hand(weights, asked, right):
    """In how many texts the row that is asked looks most at the right token, itself and the first
    token apart. weights (texts, n, n), asked and right (texts,) -> a share
    """
    texts = np.arange(len(weights))
    rows = weights[texts, asked]  # (texts, n)
    rows[:, 0] = rows[texts, asked] = 0
    return (rows.argmax(axis=-1) == right).mean()


def _texts(rng):
    """Causal and other weights of one head over some texts, in which the first token or the row's
    own is often darkest, and the right token often the next; also asked, right (texts,).
    """
    trials = []
    for texts, n in ((24, 6), (30, 7), (40, 9)):
        asked = rng.integers(3, n, texts)
        right = 1 + rng.integers(asked - 1)  # before the asked one, and not the first
        weights = np.exp(rng.normal(0, 1, (texts, n, n)))
        weights[np.arange(texts), asked, right] *= np.where(rng.random(texts) < 0.7, 20, 1)
        for place in (0, asked):  # a sink, and a look at oneself
            weights[np.arange(texts), asked, place] *= np.where(rng.random(texts) < 0.4, 60, 1)
        if n != 6:
            weights *= np.tri(n)
        trials.append((weights / weights.sum(axis=-1, keepdims=True), asked, right))
    return trials


def _hits(choose=lambda w, i: w[i], apart=lambda i: [0, i], judge=None):
    """The share with one part exchanged."""

    def share(weights, asked, right):
        found = []
        for w, i, j in zip(weights, asked, right):
            row = choose(w, i).copy()
            row[apart(i)] = 0
            found.append(judge(row, j) if judge else row.argmax() == j)
        return np.mean(found)

    return share


def _moved(cut):
    """The share if places are counted in what is left of the row."""
    return lambda weights, asked, right: np.mean(
        [np.delete(w[i], cut(i)).argmax() == j for w, i, j in zip(weights, asked, right)]
    )


def _every_row(weights, asked, right):
    """The share if each text is asked at the places of all texts."""
    rows = weights[:, asked].copy()  # (texts, texts, n)
    rows[..., 0] = 0
    return (rows.argmax(axis=-1) == right).mean()


hits = Exercise(
    hits_by_hand,
    title="How often is the head right?",
    level=2,
    minutes=12,
    inputs=_texts,
    names=("share",),
    mistakes={
        "the first token counts, too: many heads park there, and its weight says nothing about "
        "the word": _hits(apart=lambda i: [i]),
        "a look at oneself counts, too: set the weight at [asked] to 0": _hits(apart=lambda i: [0]),
        "the first token and oneself count, too: set both to 0 before you look for the largest": (
            _hits(apart=lambda i: [])
        ),
        "this is the column: who looks at the token that asks. Its row is weights[text, asked]": [
            _hits(lambda w, i: w[:, i]),
            _hits(lambda w, i: w[:, i], apart=lambda i: []),
        ],
        "this is the row of the right token: the row of the one that asks is wanted": (
            lambda weights, asked, right: _hits()(weights, right, asked)
        ),
        "this is the mean weight on the right token: count how often it is the largest": [
            _hits(judge=lambda row, j: row[j]),
            _hits(judge=lambda row, j: row[j], apart=lambda i: []),
        ],
        "you asked for more than half of the weight: the largest of the row is enough": [
            _hits(judge=lambda row, j: row[j] > 0.5),
            _hits(judge=lambda row, j: row[j] > 0.5, apart=lambda i: []),
        ],
        "the places have moved: what was cut off in front no longer counts. Set the two to 0": [
            _moved(lambda i: [0]),
            _moved(lambda i: [0, i]),
        ],
        "each text met every asked token: weights[np.arange(texts), asked] takes one row each": (
            _every_row
        ),
        "this is how many texts: divide by their number": lambda weights, asked, right: (
            hits_by_hand(weights, asked, right) * len(weights)
        ),
        "this is how often it is wrong": lambda weights, asked, right: (
            1 - hits_by_hand(weights, asked, right)
        ),
        "this says yes or no for each text: their mean is asked for": lambda *given: [
            _hits()(*(one[k : k + 1] for one in given)) for k in range(len(given[0]))
        ],
    },
    hints=[
        "For one text the row is weights[text, asked[text]]. Copy it before you change it.",
        "Set two of its numbers to 0: row[0] and row[asked[text]]. Where is the largest left?",
        "row.argmax() == right[text] is True or False; the mean over the texts is the share.",
    ],
)


# ---- a name for a head ---------------------------------------------------------------------------

FEW, LEAST = 10, 0.4  # claims that a rule must make in each text, and how often it must be right
tiny_gpt = cache(load)


def behind_its_twin(tokens):
    """A head looks behind the last place where its token stood before. n strings -> n places, -1
    where the rule says nothing
    """
    places, last = [], {}  # last: token -> where it stood
    for i, token in enumerate(tokens):
        place = last.get(token, -2) + 1
        places.append(place if place < i else -1)
        last[token] = i
    return places


def _stories(rng):
    """Four texts as tokens of tiny-gpt: sentences, and words that come twice."""
    trials = []
    for _ in range(4):
        jobs = ["object", "duplicate", "it", "duplicate"]
        said = " ".join(sentences(job, 1, rng=rng)[0].text for job in jobs)
        trials.append((np.array(tiny_gpt("tiny-gpt").tokens(said)),))
    return trials


def _looks(tokens):
    """Where each of tiny-gpt's heads looks most, the first token and itself left out. n strings
    -> (layers, heads, n)
    """
    weights = tiny_gpt("tiny-gpt")("".join(tokens[1:])).weights.copy()  # without <start>
    itself = np.arange(len(tokens))
    weights[..., 0] = weights[..., itself, itself] = 0
    return weights.argmax(axis=-1)


def _tested(texts):
    """A rule's claims in some texts [(places, tokens), …] against all heads: half of them choose
    the head, the others count, and the best number of steps is the one that is best there.
    -> (layer, head), its share, the steps, their share, how many counted
    """
    right, back = [], []  # for each claim: of which heads it is true, and how far they look
    for places, tokens in texts:
        claims, looks = np.flatnonzero(places >= 0), _looks(tokens)
        right.append((looks == places)[..., claims])
        back.append((np.arange(len(tokens)) - looks)[..., claims])
    right, back = np.concatenate(right, axis=-1), np.concatenate(back, axis=-1)
    shares = right[..., ::2].mean(axis=-1)
    head = tuple(int(i) for i in np.unravel_index(shares.argmax(), shares.shape))
    counted, back = right[head][1::2], back[head][1::2]
    steps = np.bincount(back.clip(0)).argmax()
    return head, counted.mean(), steps, (back == steps).mean(), len(counted)


def _no_places(places, n):
    """What is wrong with what should be places, in words; empty if nothing is."""
    if places.shape != (n,):
        return f"It should return {n} places, one for each token, but has the shape {places.shape}."
    if places.dtype.kind not in "iu":
        return f"The places should be whole numbers, got {places.dtype}."
    i = np.arange(n)
    odd = np.flatnonzero((places < -1) | (places == 0) | (places >= i) & (places > 0))
    if not len(odd):
        return ""
    first = odd[0]
    may = f"1 to {first - 1}, or -1" if first > 1 else "-1"
    return (
        f"For token {first} you say {places[first]}. The first token and itself are left out, and"
        f" what is ahead has not been read: it can be {may}, no claim."
    )


def _no_rule(places, tokens):
    """What is wrong with a rule's places in one text, in words; empty if nothing is."""
    try:
        places = np.asarray(places)
    except Exception:  # what a learner returns may be anything
        return "The places should be a list of whole numbers."
    if wrong := _no_places(places, len(tokens)):
        return wrong
    if (claims := (places >= 0).sum()) < FEW:
        return f"Your rule speaks of {claims} of {len(tokens)} tokens. {FEW} at least are wanted."
    return ""


def _steps_back(steps):
    """A rule that knows no tokens."""
    return lambda tokens: [i - steps if i > steps else -1 for i in range(len(tokens))]


def _twin(tokens):
    """The last place where each token stood before."""
    last, places = {}, []
    for i, token in enumerate(tokens):
        places.append(last.get(token, -1))
        last[token] = i
    return places


class Name(Exercise):
    """An exercise whose answer is judged in all texts together: one head, and what kills its
    name.
    """

    def judge(self, function, seed=None):
        watched, calls = overheard(function)
        passed, report = super().judge(watched, seed)
        if not passed:
            return False, report
        texts = [(np.asarray(places), tokens) for places, tokens in calls]
        (layer, head), share, steps, by_steps, n = _tested(texts)
        best = f"tiny-gpt's head {layer}.{head} does it in {share:.2f} of {n} cases"
        if share < LEAST:
            passed, verdict = False, f"Killed. No head fits: {best}: two in five are wanted."
        elif hunt.interval(share, n)[0] <= by_steps:
            always = f"*always {steps} back* is right in {by_steps:.2f} of them"
            passed, verdict = False, f"Killed. The best, {best}, but {always}."
        else:
            always = f"*always {steps} back* is right in {by_steps:.2f}"
            return True, f"{report} The name lives: {best}, where {always}."
        return passed, verdict + self._mistake(function, [(tokens,) for _, tokens in texts])


name = Name(
    behind_its_twin,
    title="Name a head, and try to kill the name",
    level=3,
    minutes=15,
    inputs=_stories,
    names=("places",),
    fault=_no_rule,
    mistakes={
        "you named a distance, the same for every token: a name must say more": [
            _steps_back(1),
            _steps_back(2),
        ],
        "this is where the token itself stood before: look for what came behind it": _twin,
    },
    hints=[
        "Start with the name that you know: the token before, places = [-1, -1, 1, 2, 3 …]. What"
        " kills it?",
        "tiny-gpt was drilled in a game with words that come twice: head 2.2. What does it look for"
        " when a token stood there before?",
        "Keep a dict, token -> where it stood last. If tokens[i] is in it, the head looks at the"
        " token one further. If not, say -1.",
    ],
)
