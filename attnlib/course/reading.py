"""Any model in the explorer: it reads a sentence, all its heads stand in an atlas, and where it can
it writes on, a token at a time.
"""

import os
from pathlib import Path

import numpy as np
import traitlets

from attnlib import _check, toy
from attnlib.course import atlas
from attnlib.models.files import hub
from attnlib.models.generation import next_token_shares
from attnlib.models.pretrained import load
from attnlib.models.text import TextEncoder, TextModel
from attnlib.show.labels import visible
from attnlib.show.live.atlas import Atlas
from attnlib.show.live.base import joined
from attnlib.show.words import by_words

HERE = Path(__file__).parent
LONGEST = 256  # tokens that are read
SHOWN = 24  # of them in the picture: the first one and the last ones
BEST = 8  # next tokens that are handed to the page


class ReadingHeads(Atlas):
    """All heads of a model while it reads a sentence, and writes on.

    sentence    what it reads; type another one, or set it
    model       as `load` opens it, or the name or path that it takes
    measures    {name: (layers, heads)}, what the heads do; `course.atlas.habits` finds it, and for
                "smollm2" it is shipped
    temperature, top_p   of the tokens that are drawn, as in `generation.generate`

    `tokens` and `weights` (layers, heads, n, n) are those of the whole sentence. Of more than 24
    tokens the picture shows the first one and the last ones; those between them are taken together,
    looks at them added up, and their own looks averaged. `picked` and the rest are as in `Atlas`.
    """

    _esm = joined(HERE / "reading.js")
    _css = Atlas._css + (HERE / "reading.css").read_text(encoding="utf-8")

    sentence = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    top_p = traitlets.Float(0.9).tag(sync=True)
    _writes = traitlets.Bool(False).tag(sync=True)
    _next = traitlets.List().tag(sync=True)  # [name, share, token], the likeliest first
    _note = traitlets.Unicode("").tag(sync=True)  # why it cannot be read
    _number = traitlets.Int(0).tag(sync=True)  # of the answer
    _wish = traitlets.List().tag(sync=True)  # what a button asks: [number, verb, token]

    def __init__(
        self,
        sentence="The cat sat on the mat because it was tired",
        model="smollm2",
        *,
        measures=None,
        temperature=1.0,
        top_p=0.9,
        title="",
    ):
        sentence, given = _check.text("sentence", sentence), checked(model)
        model = given if isinstance(given, (TextModel, TextEncoder)) else load(given)
        if not isinstance(model, (TextModel, TextEncoder)):
            raise TypeError(f"model must read one text, and {given!r} is a {type(model).__name__}")
        self.model, self.rng = model, np.random.default_rng(0)
        self._trace = self._read(sentence)
        if measures is None:
            shipped = str(given) == "smollm2"
            measures = atlas.shipped()["measures"] if shipped else atlas.habits(model)
        weights, names = _folded(self._trace)
        for name, one in _check.named("measures", measures, "(layers, heads)").items():
            if np.shape(one) != weights.shape[:2]:
                raise ValueError(
                    f"measures[{name!r}] must have the shape {weights.shape[:2]}, as the model has"
                    f" heads, got {np.shape(one)}"
                )
        super().__init__(
            measures, maps=[weights], tokens=[names], title=title, picked=self._telling()
        )
        self._writes = isinstance(model, TextModel)
        self.temperature = _check.positive("temperature", temperature)
        self.top_p, self.sentence = _check.positive("top_p", top_p), sentence

    @property
    def tokens(self):
        """The tokens of the whole sentence, (n)"""
        return list(self._trace.tokens)

    @property
    def weights(self):
        """What every head looks at in the whole sentence, (layers, heads, n, n)"""
        return self._trace.weights

    def _read(self, sentence):
        if not sentence.strip():
            raise ValueError("the sentence is empty: type at least one word")
        n = len(self.model.encode(sentence))
        if n > LONGEST:
            raise ValueError(f"the sentence has {n:,} tokens, and up to {LONGEST} are read")
        return self.model(sentence)

    def _telling(self):
        """The head in which the last pronoun, or the last word, looks most at a token that is
        neither the first, nor the one before, nor itself.
        """
        words = [token.strip(" Ġ▁") for token in self._trace.tokens]
        pronouns = [i for i, word in enumerate(words) if "pronoun" in toy.features(word)]
        i = pronouns[-1] if pronouns else len(words) - 1
        most = self._trace.weights[:, :, i, 1 : max(1, i - 1)].max(axis=-1, initial=0)
        return tuple(int(n) for n in np.unravel_index(most.argmax(), most.shape))

    @traitlets.observe("sentence")
    def _follow(self, change=None):
        """Read the sentence. While it cannot be read, what was seen last stays."""
        number = self._number + 1
        try:
            self._trace = self._read(self.sentence)
        except ValueError as error:
            self.set_trait("_note", str(error))
            self._number = number
            return
        weights, names = _folded(self._trace)
        self.maps = [weights]
        with self.hold_sync():
            for name, value in self._sent([visible(names)]).items():
                setattr(self, name, value)
            self._note, self._next, self._number = "", self._likely(), number

    def _likely(self):
        """The likeliest next tokens: how they look, their share, what they are."""
        if not self._writes:
            return []
        found = self.model.best(self._trace.output[-1], best=BEST, temperature=self.temperature)
        names = visible([token for token, _ in found])
        return [[name, share, token] for name, (token, share) in zip(names, found)]

    @traitlets.observe("_wish")
    def _asked(self, change):
        """A button was pressed: write a token, this one or a drawn one, or take the last one
        back.
        """
        if not self._writes or len(change["new"]) != 3:
            return
        _, verb, token = change["new"]
        longer = self.sentence
        if self._note:  # nothing was read
            pass
        elif verb == "back":
            longer = self.model.tokenizer.decode(self.model.encode(longer)[:-1])
        elif token:
            longer += token
        else:
            how = {"temperature": self.temperature, "top_p": self.top_p}
            shares = next_token_shares(self._trace.output[-1], **how)
            drawn = self.rng.choice(len(shares), p=shares / shares.sum(dtype=np.float64))
            if drawn not in np.atleast_1d(self.model.stop):
                longer = self.model.tokenizer.decode([*self.model.encode(longer), drawn])
        if longer == self.sentence or not longer.strip():  # the text is over, or at its beginning
            self._number += 1
        else:
            self.sentence = longer

    def _still(self):
        picture, text = super()._still()
        likely = [f"{share:.3f}  {name}" for name, share, _ in self._next]
        return picture, "\n".join(
            [self.sentence, text, *(["next token"] if likely else []), *likely]
        )

    def __repr__(self):
        return f"ReadingHeads({self.sentence!r}, {type(self.model.model).__name__})"


def checked(model, more=()):
    """`model`, if it is one that reads a text, or a name or a path that `load` may take."""
    if isinstance(model, (str, os.PathLike)):
        if not os.path.exists(model):  # False, too, for a name that is too long for a file
            _check.choice("model", model, [*more, "tiny-gpt", *hub.PUBLISHED])
    elif not isinstance(model, (TextModel, TextEncoder)):
        raise TypeError(
            "model must be a TextModel or a TextEncoder, as load returns them, or the name of one,"
            f" got {_check.short(model)}"
        )
    return model


def _folded(trace):
    """Weights and tokens as they are shown: of a long text the first token, all that stand between
    as one, and the last ones.
    """
    weights, tokens = np.asarray(trace.weights), list(trace.tokens)
    n = len(tokens)
    if n <= SHOWN:
        return weights, tokens
    starts = [0, 1, *range(n - SHOWN + 2, n)]
    between = f"… {n - SHOWN + 1} between"
    return by_words(weights, starts, starts), [tokens[0], between, *tokens[starts[2] :]]
