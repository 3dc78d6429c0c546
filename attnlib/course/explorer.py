"""The whole machine at once: one sentence, heads built by hand or trained, and all that can be
turned. What is built by hand is computed in the page itself (explorer.js); random and trained heads
are fed from here.
"""

from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import traitlets

from attnlib import _check, masks, patterns, toy
from attnlib.course.reading import ReadingHeads, checked
from attnlib.models.pretrained import load
from attnlib.show import figures
from attnlib.show.labels import most_attended, visible
from attnlib.show.live.base import Live, joined, style
from attnlib.show.threads import threads

HERE = Path(__file__).parent
BY_HAND, RANDOM, TRAINED = MATRICES = ("built by hand", "random", "tiny-gpt")
LONGEST = 256  # tokens: so long were the texts that tiny-gpt was trained on
SHOWN = 24  # tokens in the picture
BEST = 8  # next tokens that are shown
TEACH = (*toy.NOUNS, "verb", "quality", "pronoun")  # what an unknown word can be taught to be


def explorer(sentence="The cat sat on the mat because it was tired", model=None, **start):
    """The whole machine at once: type a sentence, choose who may look at whom, and see what every
    head looks at, as threads or as a map. Computed in the page: it needs no kernel.

    model   None for the heads built by hand; "random" for the control that means nothing;
            "tiny-gpt" for the heads of a small GPT that was trained on English, which can write on.
            The kernel computes these two.
            "smollm2", "minilm", any other name or path for `load`, or what it returns: all heads of
            that model as an atlas, and where it can it writes on
    start   other starting values, as in `Explorer`: pattern, heads, window, globals_, encoding,
            temperature, head, pins, side, form, taught; or as in `ReadingHeads`
    -> Explorer, or of another model ReadingHeads
    """
    for before, now in {"n_heads": "heads", "n_global": "globals_", "matrices": "model"}.items():
        if before in start:
            raise TypeError(f"{before} of the explorer has been called {now} since 0.2")
    if model is None or (isinstance(model, str) and model in MATRICES):
        return Explorer(sentence, model, **start)
    return ReadingHeads(sentence, checked(model, [BY_HAND, RANDOM]), **start)


def look(
    sentence,
    pattern="standard",
    n_heads=4,
    window=3,
    n_global=1,
    encoding="sinusoidal",
    temperature=1.0,
    matrices=BY_HAND,
):
    """What is seen with the controls of `explorer`. -> toy.Look, or Reading for tiny-gpt"""
    if _check.choice("matrices", matrices, MATRICES) == TRAINED:
        return read(sentence, pattern, window, n_global, temperature)
    return toy.look(
        sentence,
        pattern=pattern,
        n_heads=n_heads,
        window=window,
        n_global=n_global,
        encoding=encoding,
        temperature=temperature,
        control=matrices == RANDOM,
    )


class Reading(NamedTuple):
    """What tiny-gpt saw: tokens (n), names of the heads, weights (layers, h, n, n), mask (n, n),
    [(next token, share), …].
    """

    tokens: list
    names: list
    weights: np.ndarray
    mask: np.ndarray
    next_tokens: list


def read(sentence, pattern="standard", window=3, n_global=1, temperature=1.0):
    """Let tiny-gpt read a sentence, under any pattern, though it was trained with the causal one;
    nobody looks ahead. -> Reading

    temperature   of the next token: below 1 the likely ones more often, above 1 all more alike
    """
    gpt = tiny_gpt()
    _check.choice("pattern", pattern, toy.PATTERNS)
    if isinstance(sentence, str) and not sentence.strip():
        raise ValueError("the sentence is empty: type at least one word")
    if not isinstance(sentence, str):
        raise TypeError(f"the sentence must be a string, got {_check.short(sentence)}")
    ids = gpt.encode(sentence)
    if len(ids) > LONGEST:
        raise ValueError(
            f"the sentence has {len(ids):,} tokens, tiny-gpt was trained on at most {LONGEST}:"
            " shorten it"
        )
    window, n_global = (
        _check.integer("window", window),
        _check.integer("n_global", n_global, minimum=0),
    )
    mask = patterns.mask(pattern, len(ids), window=window, n_global=n_global)
    trace = gpt.forward(ids, mask=mask)
    names = [f"head {h}" for h in range(trace.weights.shape[1])]
    next_tokens = gpt.best(
        trace.output[-1], best=BEST, temperature=_check.positive("temperature", temperature)
    )
    return Reading(trace.tokens, names, trace.weights, mask & masks.causal(len(ids)), next_tokens)


@lru_cache(maxsize=1)
def tiny_gpt():
    """The model, loaded when it is asked for the first time."""
    return load(TRAINED)


def look_figure(seen):
    """What was seen as a picture and a table: all heads and the mask; who looks at whom most, or
    the next tokens. -> Figure, text
    """
    if isinstance(seen, Reading):
        names = [
            f"layer {layer}, {name}" for layer in range(len(seen.weights)) for name in seen.names
        ]
        weights = seen.weights.reshape(-1, *seen.mask.shape)  # (layers · h, n, n)
        return figures.heads(
            weights, seen.tokens, titles=names, mask=seen.mask, title="The heads of tiny-gpt"
        ), said(seen)
    picture = figures.heads(
        seen.weights, seen.tokens, titles=seen.names, mask=seen.mask, show_mask=True
    )
    return picture, most_attended(seen.weights, seen.tokens, names=seen.names)


def said(reading):
    """The next tokens as lines of text."""
    names = visible([token for token, _ in reading.next_tokens])
    return "\n".join(
        [
            "next token",
            *(f"{share:.3f}  {name}" for name, (_, share) in zip(names, reading.next_tokens)),
        ]
    )


# ---- words that were taught ----------------------------------------------------------------------


def taught_features(word, taught):
    """What a word means to the toy that was taught: of a word that the table has, the same as
    before. -> set of names
    """
    found = toy.features(word)
    if found != {"token"} or word.lower() not in taught:
        return found
    new = {taught[word.lower()]}
    new |= {"noun"} if new & set(toy.NOUNS) else set()
    return found | new | ({"alive"} if new & {"animal", "person"} else set())


def taught_look(tokens, taught, *, pattern, n_heads, window, n_global, **how):
    """As `toy.look`, of tokens (n) and with words taught: {word in small letters: feature}.
    -> toy.Look
    """
    x = toy.embed(tokens, how["encoding"])  # (n, D_MODEL)
    for row, token in zip(x, tokens):
        row[: len(toy.FEATURES)] = [f in taught_features(token, taught) for f in toy.FEATURES]
    mask = patterns.mask(pattern, len(tokens), window=window, n_global=n_global)
    output, weights = toy.layer(n_heads, **how)(x, mask=mask)
    names = list(toy.HEADS)[:n_heads]
    if how.get("control"):
        names = [f"random {h + 1}" for h in range(n_heads)]
    return toy.Look(list(tokens), names, weights, mask, output)


# ---- the live picture ----------------------------------------------------------------------------

SETTINGS = ("pattern", "heads", "window", "globals_", "encoding", "temperature")
ENDS = {"heads": (1, len(toy.HEADS)), "window": (1, 10), "globals_": (0, 4)}


class Explorer(Live):
    """What `explorer` returns: the picture, with all that the reader's hands have set.

    sentence   the first 24 words are shown, and looked at
    pattern    who may look at whom, one of toy.PATTERNS; window and globals_ (the number of global
               tokens) where it asks for them
    heads      how many; head: the one that is shown large; of tiny-gpt it is counted through all
               layers
    encoding   what the words know of their places: "none", "sinusoidal" or "learned"
    temperature   0.1 to 5; of tiny-gpt's next token, where it writes
    pins, side    the chosen words, by their places; side="key" chooses among those looked at
    form       "threads" or "map"
    taught     {word: feature}: what unknown words were taught to be

    Each of them is a trait: read it in the next cell, or set it, and the picture follows. `weights`
    (heads, n, n), `mask` (n, n) and `tokens` (n) are what the picture shows; `look()` returns all
    of it, the output among it.
    """

    kinds = MappingProxyType(
        {**dict.fromkeys(("pattern", "encoding"), _check.text), "taught": _check.words}
    )
    _esm = joined(HERE / "explorer.js")
    _css = style() + (HERE / "explorer.css").read_text(encoding="utf-8")

    sentence = traitlets.Unicode().tag(sync=True)
    model = traitlets.Unicode(BY_HAND).tag(sync=True)
    pattern = traitlets.Unicode().tag(sync=True)
    heads = traitlets.Int().tag(sync=True)
    window = traitlets.Int().tag(sync=True)
    globals_ = traitlets.Int().tag(sync=True)
    encoding = traitlets.Unicode().tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    pins = traitlets.List(traitlets.Int()).tag(sync=True)
    side = traitlets.Enum(["query", "key"], "query").tag(sync=True)
    form = traitlets.Enum(["threads", "map"], "threads").tag(sync=True)
    taught = traitlets.Dict().tag(sync=True)
    _world = traitlets.Dict().tag(sync=True)  # the words of the toy, which the page computes with
    _fed = traitlets.Dict().tag(sync=True)  # of random and trained heads: all but the weights
    _weights = traitlets.Bytes(b"").tag(sync=True)  # float32 (heads, n_q, n_k), -1 where masked
    _wish = traitlets.List().tag(sync=True)  # what a button asks of tiny-gpt: [number, verb, word]

    def __init__(
        self,
        sentence="The cat sat on the mat because it was tired",
        model=None,
        *,
        pattern="standard",
        heads=8,
        window=3,
        globals_=1,
        encoding="sinusoidal",
        temperature=1.0,
        head=None,
        pins=None,
        side="query",
        form="threads",
        taught=None,
    ):
        toy.tokenize(sentence)  # raises if there is nothing to see
        self.rng, self._seen, self._answered = np.random.default_rng(0), None, ()
        self._handed = ()  # the traits that the page is setting
        world = {"words": toy.WORDS, "nouns": toy.NOUNS, "kinds": toy.KINDS, "teach": TEACH}
        super().__init__(
            sentence=sentence,
            model=BY_HAND if model is None else _check.choice("model", model, MATRICES),
            pattern=pattern,
            heads=_check.integer("heads", heads),
            window=_check.integer("window", window),
            globals_=_check.integer("globals_", globals_, minimum=0),
            encoding=encoding,
            temperature=_check.number("temperature", temperature),
            side=_check.choice("side", side, ["query", "key"]),
            form=_check.choice("form", form, ["threads", "map"]),
            taught=taught or {},
            _world=world,
        )
        self._follow()
        if head is not None:
            self.head = head
        if pins is not None:
            self.pins = list(pins)

    # ---- what is seen ----

    def look(self):
        """What the picture shows. -> toy.Look, or Reading of the whole sentence for tiny-gpt"""
        common = {"pattern": self.pattern, "window": self.window, "n_global": self.globals_}
        if self.model == TRAINED:
            return read(self.sentence, temperature=self.temperature, **common)
        how = {"encoding": self.encoding, "temperature": self.temperature}
        return taught_look(
            toy.tokenize(self.sentence)[:SHOWN],
            self.taught,
            n_heads=self.heads,
            control=self.model == RANDOM,
            **common,
            **how,
        )

    @property
    def tokens(self):
        """The words, or for tiny-gpt the pieces of words, as strings."""
        return self.look().tokens

    @property
    def weights(self):
        """(heads, n, n), or of tiny-gpt (layers, heads, n, n)"""
        return self.look().weights

    @property
    def mask(self):
        """Boolean (n, n), True = may attend."""
        return self.look().mask

    # ---- traits ----

    @traitlets.validate("model", "pattern", "encoding", "taught", "temperature", *ENDS)
    def _is_known(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if name in ENDS:
            return _check.integer(name, value, *ENDS[name])
        if name == "temperature":
            return _check.positive(name, value)
        if name == "taught":
            return {
                str(word).lower(): _check.choice("taught", feature, TEACH)
                for word, feature in value.items()
            }
        known = {"model": MATRICES, "pattern": toy.PATTERNS, "encoding": toy.ENCODINGS}[name]
        return _check.choice(name, value, known)

    @traitlets.validate("head", "pins")
    def _exists(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        if self._seen is None or self._handed:  # while it is made, or before the page's sentence
            return value
        if name == "head":
            return _check.integer("head", value, minimum=0, maximum=self._n_heads() - 1)
        last = self._n_words() - 1
        return [_check.integer("pins", pin, minimum=0, maximum=last) for pin in value]

    def _n_heads(self):
        return len(self._fed["names"]) if self.model == TRAINED else len(toy.HEADS)

    def _n_words(self):
        """How many words can be chosen on the side that is chosen on."""
        if self.model == BY_HAND:
            return len(self._seen.tokens)
        return len(self._fed["q" if self.side == "query" else "k"])

    def set_state(self, sync_data):
        """What the page sets, all at once. None of it is chosen here, and what does not fit is left
        out.
        """
        self._handed = tuple(sync_data)
        try:
            super().set_state(sync_data)
            self.pins = [pin for pin in self.pins if 0 <= pin < self._n_words()]
            self.head = min(max(0, self.head), self._n_heads() - 1)
        finally:
            self._handed = ()

    @traitlets.observe("sentence", "model", "taught", *SETTINGS)
    def _changed(self, change):
        if self._seen is not None:
            self._follow(change["name"])

    def _follow(self, name=None):
        """See anew what the traits say, and feed the page with what it cannot compute. While the
        sentence is empty, or too long, what was seen last stays.
        """
        now = tuple(str(getattr(self, one)) for one in ("sentence", "model", "taught", *SETTINGS))
        if now == self._answered:
            return
        new, self._answered = now[:2] != self._answered[:2], now
        try:
            seen = self.look()
        except ValueError as error:
            if self._seen is None:
                raise
            self._fed = self._fed | {"note": str(error), "number": self._fed.get("number", 0) + 1}
            return
        with self.hold_sync():
            moved = self._seen is None or self.model != self._of
            self._seen, self._of = seen, self.model
            if self.model != BY_HAND:
                self._fed, self._weights = _fed(seen, self.model, self._fed.get("number", 0) + 1)
            if new and "pins" not in self._handed:
                self.pins, self.side = [self._telling_word()], "query"
            if moved and "head" not in self._handed:
                self.head = self._telling_head(self.pins[-1] if self.pins else 0)
            elif self.model != TRAINED and self.head >= self.heads:
                self.head = self.heads - 1

    def _words(self):
        """The words in the picture, from above."""
        return self._seen.tokens if self.model == BY_HAND else self._fed["q"]

    def _telling_head(self, word):
        """A head that shows something: "pronoun → noun", or of trained ones that in which this word
        looks most at one that is neither the first, nor the one before, nor itself.
        """
        if self.model != TRAINED:
            return min(1, self.heads - 1)
        weights = self._seen.weights.reshape(-1, *self._seen.mask.shape)  # (layers · h, n, n)
        i = weights.shape[1] - len(self._words()) + word
        return int(weights[:, i, 1 : max(1, i - 1)].max(axis=-1, initial=0).argmax())

    def _telling_word(self):
        """The last pronoun, or the last word."""
        words = [word.strip("␣₀₁₂₃₄₅₆₇₈₉ ") for word in self._words()]
        pronouns = [i for i, w in enumerate(words) if "pronoun" in taught_features(w, self.taught)]
        return pronouns[-1] if pronouns else len(words) - 1

    @traitlets.observe("_wish")
    def _asked(self, change):
        """A button was pressed: write a token, this one or a drawn one, or take the last one
        back.
        """
        if self.model != TRAINED or len(change["new"]) != 3:
            return
        gpt, (_, verb, token) = tiny_gpt(), change["new"]
        if verb == "back":
            ids = gpt.encode(self.sentence)
            longer = gpt.tokenizer.decode(ids[:-1]) if len(ids) > 2 else self.sentence
        elif token:
            longer = self.sentence + token
        else:
            longer = gpt.generate(
                self.sentence, n_new=1, temperature=self.temperature, rng=self.rng
            )
        with self.hold_sync():
            self.sentence = longer
            self.pins = [len(self._words()) - 1]

    # ---- still pictures ----

    def _still(self):
        """The head as threads, with all heads small beside it; and the settings in words."""
        seen, names = self._seen, self._seen.names
        weights, keys, mask = seen.weights, None, seen.mask
        words, table = visible(seen.tokens), said(seen) if self.model == TRAINED else ""
        if self.model != TRAINED:
            table = most_attended(weights, seen.tokens, names=names)
        else:
            fed = self._fed
            names, words, keys = fed["names"], fed["q"], fed["k"]
            weights = np.frombuffer(self._weights, "<f4").reshape(len(names), len(words), len(keys))
            mask, weights = weights[0] >= 0, np.maximum(weights, 0)
        head = min(self.head, len(weights) - 1)
        pins = [pin for pin in self.pins if pin < len(words)]
        figure = threads(
            weights,
            words,
            key_tokens=keys,
            mask=mask,
            titles=names,
            head=head,
            pins=pins,
            side=self.side,
            title=names[head] if self.model != TRAINED else f"tiny-gpt, head {names[head]}",
        )
        settings = ", ".join(f"{one}={getattr(self, one)!r}" for one in ("model", *SETTINGS))
        return figure, f"{self.sentence}\n{settings}\n\n{table}"

    def __repr__(self):
        return f"Explorer({self.sentence!r}, model={self.model!r}, pattern={self.pattern!r})"


def _fed(seen, model, number):
    """What crosses to the page of weights that it cannot compute: a dict, and bytes.

    Of more than SHOWN tokens the last ones are shown, and all before them as one column, in which
    their weights are added up: each row still sums to 1.
    """
    weights = seen.weights.reshape(-1, *seen.mask.shape).astype(np.float32)  # (heads, n, n)
    names, mask, before = visible(seen.tokens), seen.mask, max(0, len(seen.tokens) - SHOWN + 1)
    keys = names
    if before > 1:
        earlier = weights[..., :before].sum(axis=-1, keepdims=True)
        weights = np.concatenate([earlier, weights[..., before:]], axis=-1)[:, before:]
        some = mask[:, :before].any(axis=1, keepdims=True)
        mask = np.concatenate([some, mask[:, before:]], axis=1)[before:]
        names, keys = names[before:], [f"{before} before", *names[before:]]
    heads = seen.names
    if model == TRAINED:
        heads = [f"{layer}.{h}" for layer, h in np.ndindex(seen.weights.shape[:2])]
    following = [
        [name, float(share), token]
        for name, (token, share) in zip(
            visible([token for token, _ in getattr(seen, "next_tokens", [])]),
            getattr(seen, "next_tokens", []),
        )
    ]
    fed = {"of": model, "number": number, "q": names, "k": keys, "names": heads}
    sent = np.where(mask, weights, -1).astype("<f4").tobytes()
    return fed | {"next": following, "note": ""}, sent
