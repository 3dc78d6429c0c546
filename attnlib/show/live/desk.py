"""Desk: a head built on a mixing desk: what a word asks for, what it offers, and whether the job is
done in sentences that one does not see.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import traitlets

from attnlib import _check
from attnlib.attention import softmax
from attnlib.show.dealt import built
from attnlib.show.labels import axis_names, most_attended, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.parts import EVEN

MOST, FEWEST, FADERS, LOUDEST = 16, 2, 24, 12.0  # words of a sentence; features; loudness
WANTED = 'a dict like {"who": "pronoun", "whom": "noun", "called": "the nouns", "share": 0.8}'


def loud(name, value):
    found = _check.not_negative(name, value)
    if found > LOUDEST:
        raise ValueError(f"{name} must be from 0 to {LOUDEST:g}, got {found:g}")
    return found


class Desk(Live):
    """A head built on a mixing desk: a fader for what each feature asks, one for what it offers.
    The head is softmax(loudness · ask · offer), and a lamp says in how many sentences it does its
    job.

    sentences  lists of tokens, each of at most 16
    features   F names, at most 24
    table      for each sentence the features of its tokens, (n, F)
    jobs       {name: {"who": "pronoun", "whom": "noun", "called": "the nouns", "share": 0.8}}: who
               has the job, by a feature or "not" and a feature; whom they should look at, and how
               much of the row should lie there. All others should look at everyone alike. Or
               "wanted", a boolean (n, n) for each sentence, in place of "who" and "whom"
    asks       F numbers from -1 to 1, or {feature: number}; zeros unless given; so are `offers`
    loudness   0 to 12
    title      a name for the picture

    `asks`, `offers`, `loudness`, `job` and `sentence` (both as indices) are where the reader's
    hands left them: read them in the next cell, or set them. `x` are the features of the words of
    the sentence that is shown, (n, F), and `weights` is the head there,
    softmax(loudness * np.outer(x @ asks, x @ offers)); `done` says whether the job is done in all
    sentences. `columns(features)` gives W_q and W_k.

    Keys: on a fader, arrows move it, 0 sets it to zero; in the map, up and down choose a word.
    """

    _esm = joined("desk")
    _css = style() + (HERE / "desk.css").read_text(encoding="utf-8")

    asks = traitlets.List(traitlets.Float()).tag(sync=True)
    offers = traitlets.List(traitlets.Float()).tag(sync=True)
    loudness = traitlets.Float(6.0).tag(sync=True)
    job = traitlets.Int(0).tag(sync=True)
    sentence = traitlets.Int(0).tag(sync=True)
    sentences = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    features = traitlets.List(traitlets.Unicode()).tag(sync=True)
    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    _called = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _shares = traitlets.List(traitlets.Float()).tag(sync=True)
    _wanted = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    _table = traitlets.Bytes(b"").tag(sync=True)

    kinds = MappingProxyType({"loudness": loud})

    def __init__(
        self, sentences, features, table, jobs, *, asks=None, offers=None, loudness=6.0, title=""
    ):
        features = _features(features)
        tables = _tables(sentences, table, features)
        wanted = {name: _Job(name, job, features, tables) for name, job in _jobs(jobs).items()}
        self._tables, self._jobs = tables, list(wanted.values())
        super().__init__(
            asks=_faders("asks", asks, features),
            offers=_faders("offers", offers, features),
            loudness=loudness,
            sentences=[
                axis_names("sentences", words, len(x), visible, "n")
                for words, x in zip(sentences, tables)
            ],
            features=features,
            titles=list(wanted),
            title=title,
            _called=[job.called for job in self._jobs],
            _shares=[job.share for job in self._jobs],
            _wanted=[[_written(one) for one in job.wanted] for job in self._jobs],
            _table=b"".join(x.astype("<f4").tobytes() for x in tables),
        )

    @traitlets.validate("asks", "offers")
    def _are_faders(self, proposal):
        features = self.features or [""] * len(proposal["value"])
        return _faders(proposal["trait"].name, proposal["value"], features)

    @traitlets.validate("loudness")
    def _isloud(self, proposal):
        return loud("loudness", proposal["value"])

    @traitlets.validate("job", "sentence")
    def _exists(self, proposal):
        name = proposal["trait"].name
        most = len(self.titles if name == "job" else self.sentences) - 1
        return _check.integer(name, proposal["value"], 0, max(most, 0))

    @property
    def tokens(self):
        """The words of the sentence that is shown."""
        return self.sentences[self.sentence]

    @property
    def x(self):
        """(n, F): the features of the words of the sentence that is shown."""
        return self._tables[self.sentence].copy()

    @property
    def weights(self):
        """(n, n): what the head looks at in the sentence that is shown."""
        return self._head(self._tables[self.sentence])

    @property
    def done(self):
        """Does the head do the job that is chosen, in all sentences?"""
        job = self._jobs[self.job]
        return all(job.done(s, self._head(x)) for s, x in enumerate(self._tables))

    def columns(self, features=None):
        """W_q and W_k, (F, 1) each: the head is softmax((x @ W_q) @ (x @ W_k).T). The loudness is
        in W_q.

        features  the rows' names, in their order: those of the desk unless given
        """
        rows = self.features if features is None else _check.texts("features", features)
        if unknown := [name for name in self.features if name not in rows]:
            raise ValueError(f"features must have all of the desk's, but {unknown[0]!r} is missing")
        asks, offers = (dict(zip(self.features, side)) for side in (self.asks, self.offers))
        W_q = self.loudness * np.array([[asks.get(name, 0.0)] for name in rows])
        return W_q, np.array([[offers.get(name, 0.0)] for name in rows])

    def _head(self, x):
        return softmax(self.loudness * np.outer(x @ self.asks, x @ self.offers))

    def _still(self):
        job = self._jobs[self.job]
        good = sum(job.done(s, self._head(x)) for s, x in enumerate(self._tables))
        facts = f"done in {good} of {len(self._tables)} sentences; loudness {self.loudness:g}"
        title = self.title or self.titles[self.job]
        columns = self.features, self.asks, self.offers
        wanted = job.wanted[self.sentence]
        picture = built(self.weights, self.tokens, wanted, *columns, facts=[facts], title=title)
        asks, offers = (_said(self.features, side) for side in (self.asks, self.offers))
        picture.alt = (
            f"A head on a mixing desk, asked to do: {self.titles[self.job]}. It asks for {asks} and"
            f" offers {offers}; {facts}."
        )
        return picture, most_attended(self.weights, self.tokens)

    def __repr__(self):
        return f"Desk({len(self.features)} features, {len(self.sentences)} sentences)"


class _Job:
    """Who should look at whom in each sentence, and how much."""

    def __init__(self, name, job, features, tables):
        given = _check.named(f"jobs[{name!r}]", job, "values")
        known = {"who", "whom", "called", "share", "wanted"}
        right = "wanted" in given or {"who", "whom"} <= set(given)
        if not right or ("wanted" in given and "who" in given) or set(given) - known:
            raise ValueError(f"jobs[{name!r}] must be {WANTED}, got the keys {', '.join(given)}")
        self.share = _check.positive(f"jobs[{name!r}]['share']", given.get("share", 0.8))
        if self.share > 1:
            raise ValueError(f"jobs[{name!r}]['share'] is a share of 1, got {self.share:g}")
        called = given.get("called", given.get("whom", "what it should"))
        self.called = _check.text(f"jobs[{name!r}]['called']", called)
        if "wanted" in given:
            self.wanted = _masks(name, given["wanted"], tables)
        else:
            who, whom = (
                [_has(f"jobs[{name!r}][{part!r}]", given[part], features, x) for x in tables]
                for part in ("who", "whom")
            )
            self.wanted = [np.logical_and.outer(*both) for both in zip(who, whom)]

    def done(self, s, weights):
        """In sentence s? One in which nobody has the job holds by itself."""
        wanted = self.wanted[s]
        has_job = wanted.any(axis=1)
        got = (weights * wanted).sum(axis=1)
        others_even = np.ptp(weights, axis=1) < EVEN
        return bool(not wanted.any() or np.where(has_job, got >= self.share, others_even).all())


def _has(name, what, features, x):
    """Which words have a feature, or have it "not". (n,)"""
    feature = _check.text(name, what).removeprefix("not ")
    if feature not in features:
        raise ValueError(f"{name} must be a feature, or 'not' and a feature, got {what!r}")
    has = x[:, features.index(feature)] > 0
    return has if feature == what else ~has


def _masks(name, wanted, tables):
    masks = _check.row(f"jobs[{name!r}]['wanted']", wanted, "tables, one for each sentence")
    if len(masks) != len(tables):
        raise ValueError(
            f"jobs[{name!r}]['wanted'] must be {len(tables)} tables, one for each sentence, got"
            f" {len(masks)}"
        )
    found = [_check.allowed(f"jobs[{name!r}]['wanted'][{s}]", one) for s, one in enumerate(masks)]
    for s, (one, x) in enumerate(zip(found, tables)):
        shape = (len(x), len(x))
        if one.shape != shape:
            raise ValueError(
                f"jobs[{name!r}]['wanted'][{s}] must have the shape {shape}, got {one.shape}"
            )
    return found


def _features(features):
    names = _check.texts("features", features)
    if not FEWEST <= len(names) <= FADERS or len(set(names)) < len(names):
        raise ValueError(f"features must be {FEWEST} to {FADERS} different names, got {len(names)}")
    return names


def _tables(sentences, table, features):
    """(n, F) in float64, one for each sentence."""
    sentences = _check.row("sentences", sentences, "lists of tokens")
    rows = _check.row("table", table, "arrays (n, F), one for each sentence")
    if not sentences or len(rows) != len(sentences):
        raise ValueError(
            "table must be an array (n, F) for each of one sentence or more, got"
            f" {len(sentences)} sentences and {len(rows)} arrays"
        )
    found = []
    for s, (words, x) in enumerate(zip(sentences, rows)):
        n = len(_check.texts(f"sentences[{s}]", words))
        if not FEWEST <= n <= MOST:
            raise ValueError(f"sentences[{s}] must have {FEWEST} to {MOST} words, got {n}")
        x = _check.finite(f"table[{s}]", _check.floats(f"table[{s}]", x, "n F"))
        if x.shape != (n, len(features)):
            raise ValueError(f"table[{s}] must have the shape {(n, len(features))}, got {x.shape}")
        if np.abs(x).max() > 100:
            raise ValueError(f"table[{s}] must hold features of at most 100, got {x.max():g}")
        found.append(x.astype(np.float32).astype(np.float64))  # the page has the same numbers
    return found


def _jobs(jobs):
    return {
        _check.text("jobs", name): job for name, job in _check.named("jobs", jobs, "jobs").items()
    }


def _faders(name, value, features):
    """A number for each feature, -1 to 1."""
    if value is None:
        return [0.0] * len(features)
    if isinstance(value, Mapping):
        if unknown := [one for one in value if one not in features]:
            raise ValueError(f"{name} must be features and numbers; {unknown[0]!r} is no feature")
        value = [value.get(one, 0.0) for one in features]
    found = _check.finite(name, _check.floats(name, value, "F"))
    if found.shape != (len(features),):
        raise ValueError(f"{name} must be {len(features)} numbers, got the shape {found.shape}")
    if np.abs(found).max() > 1:
        raise ValueError(f"{name} must be from -1 to 1: loudness makes a head louder")
    return found.astype(np.float64).tolist()


def _written(mask):
    return "".join("1" if cell else "0" for cell in mask.flat)


def _said(features, side):
    return ", ".join(f"{name} {x:g}" for name, x in zip(features, side) if x) or "nothing"
