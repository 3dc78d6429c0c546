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
from attnlib.models.trace import Trace
from attnlib.show.labels import visible
from attnlib.show.live.atlas import Atlas
from attnlib.show.live.base import joined
from attnlib.show.words import by_words

HERE = Path(__file__).parent
LONGEST = 256  # tokens that are read
SHOWN = 24  # of them in the picture: the first one and the last ones
BEST = 8  # next tokens that are handed to the page
FULL = "These are {} tokens, and no more are read: take one back."
FIRST = "This is the first token: nothing before it can be left."
OVER = "The text is over: the model ended it here."


class ReadingHeads(Atlas):
    """All heads of a model while it reads a sentence, and writes on.

    sentence    what it reads; type another one, or set it
    model       as `load` opens it, or the name or path that it takes
    measures    {name: (layers, heads)}, what the heads do; `course.atlas.habits` finds it, and for
                "smollm2" it is shipped
    temperature, top_p   of the tokens that are drawn, as in `generation.generate`

    `ids` (n), `tokens` and `weights` (layers, heads, n, n) are those of the whole sentence, as it
    was read. What is written goes on with the ids, never with their text. Of more than 24
    tokens the picture shows the first one and the last ones; those between them are taken together,
    looks at them added up, and their own looks averaged. `picked` and the rest are as in `Atlas`.
    """

    _esm = joined(HERE / "reading.js")
    _css = Atlas._css + (HERE / "reading.css").read_text(encoding="utf-8")

    sentence = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    top_p = traitlets.Float(0.9).tag(sync=True)
    _reader = traitlets.Unicode("").tag(sync=True)  # which model it is
    _writes = traitlets.Bool(False).tag(sync=True)
    _next = traitlets.List().tag(sync=True)  # [name, share, id], the likeliest first
    _note = traitlets.Unicode("").tag(sync=True)  # why the sentence cannot be read
    _told = traitlets.Unicode("").tag(sync=True)  # why nothing more is written, or taken back
    _number = traitlets.Int(0).tag(sync=True)  # of the reading that is shown
    _wish = traitlets.List().tag(sync=True)  # [its number, verb, id or None, number of the reading]
    _done = traitlets.Int(0).tag(sync=True)  # the number of the wish that was heard last

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
        warm, top_p = _check.positive("temperature", temperature), _nucleus("top_p", top_p)
        model = given if isinstance(given, (TextModel, TextEncoder)) else load(given)
        if not isinstance(model, (TextModel, TextEncoder)):
            raise TypeError(f"model must read one text, and {given!r} is a {type(model).__name__}")
        self.model, self.rng = model, np.random.default_rng(0)
        self._trace, self._caches, self.ids = None, None, np.array([], int)
        self._front, self._ids = self._encoded(sentence)
        self._trace, self.ids = self._read(self._ids), self._ids
        self._own = False  # whether `sentence` is being set to what `_ids` are
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
        layers, heads = weights.shape[:2]
        self._reader = f"{_name(given, model)}, {layers} layers × {heads} heads"
        self._writes = isinstance(model, TextModel)
        self.temperature, self.top_p = warm, top_p
        self._own, self.sentence, self._own = True, sentence, False
        self._answer(self._ids, self._trace)

    @property
    def tokens(self):
        """The tokens of the whole sentence, (n)"""
        return list(self._trace.tokens)

    @property
    def weights(self):
        """What every head looks at in the whole sentence, (layers, heads, n, n)"""
        return self._trace.weights

    def _encoded(self, sentence):
        """A text -> how many marks the tokenizer sets in front of it, and its ids, these first."""
        if not sentence.strip():
            raise ValueError("the sentence is empty: type at least one word")
        ids, front = self.model.encode(sentence), 0
        if isinstance(self.model, TextModel):
            front = len(ids) - len(self.model.tokenizer.encode(sentence, marks=False))
        return front, ids

    def _spelt(self, ids):
        """Ids -> the text that they are, with the marks that stand in it."""
        return self.model.tokenizer.decode(ids[self._front :], marks=True)

    @property
    def _most(self):
        """How many tokens can be read."""
        return min(LONGEST, getattr(self.model.model, "n_max", None) or LONGEST)

    def _read(self, ids):
        """Ids -> `Trace`, or a ValueError."""
        if len(ids) > self._most:
            raise ValueError(
                f"the sentence has {len(ids):,} tokens, and up to {self._most} are read"
            )
        return self._traced(ids) if isinstance(self.model, TextModel) else self.model.forward(ids)

    def _traced(self, ids):
        """Ids -> `Trace`. Of those that were read last and one more, this one alone is read: the
        keys and values of the others are kept. Its output is then that of the last token, (1, …).
        """
        model, more = self.model.model, len(self.ids) and np.array_equal(ids[:-1], self.ids)
        caches = self._caches if more else model.caches()
        steps = model.padded_steps(ids[-1:] if more else ids, caches=caches)
        weights = steps.weights  # (layers, heads, 1 or n, n)
        if more:
            before = np.pad(self._trace.weights, [(0, 0), (0, 0), (0, 0), (0, 1)])
            weights = np.concatenate([before, weights], axis=-2)
        self._caches = caches
        return Trace(self.model.names(ids), weights, steps.output)

    def _telling(self):
        """The head in which the last pronoun, or the last word, looks most at a token that is
        neither the first, nor the one before, nor itself.
        """
        words = [token.strip(" Ġ▁") for token in self._trace.tokens]
        pronouns = [i for i, word in enumerate(words) if "pronoun" in toy.features(word)]
        i = pronouns[-1] if pronouns else len(words) - 1
        most = self._trace.weights[:, :, i, 1 : max(1, i - 1)].max(axis=-1, initial=0)
        return tuple(int(n) for n in np.unravel_index(most.argmax(), most.shape))

    @traitlets.validate("temperature", "top_p")
    def _is_a_share_or_more(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        return {"temperature": _check.positive, "top_p": _nucleus}[name](name, value)

    @traitlets.observe("temperature")
    def _warm(self, change=None):
        self._next = self._likely()

    @traitlets.observe("sentence")
    def _follow(self, change=None):
        """Read what was typed. While it cannot be read, what was seen last stays."""
        if self._own:
            return
        try:
            self._front, self._ids = self._encoded(self.sentence)
        except ValueError as error:
            self._front, self._ids = 0, self._ids[:0]
            self._refuse(error)
        else:
            self._take(self._ids)

    def _take(self, ids):
        """Read these ids, and show them; or say why not."""
        try:
            trace = self._read(ids)
        except ValueError as error:
            self._refuse(error)
        else:
            self._answer(ids, trace)

    def _refuse(self, error):
        with self.hold_sync():
            self._note, self._told, self._number = str(error), "", self._number + 1

    def _answer(self, ids, trace):
        """What the page is told of a text that was read, as one message."""
        self.ids, self._trace = ids, trace
        weights, names = _folded(trace)
        self.maps = [weights]
        with self.hold_sync():
            for name, value in self._sent([visible(names)]).items():
                setattr(self, name, value)
            full = self._writes and len(ids) >= self._most
            self._note, self._told = "", FULL.format(self._most) if full else ""
            self._next, self._number = self._likely(), self._number + 1

    def _likely(self):
        """The likeliest next tokens: how they look, their share, their ids."""
        if not self._writes:
            return []
        shares = next_token_shares(self._trace.output[-1], temperature=self.temperature)
        best = np.argsort(-shares, kind="stable")[:BEST].tolist()
        names = visible(self.model.tokenizer.tokens(best))
        return [[name, float(shares[i]), i] for name, i in zip(names, best)]

    @traitlets.observe("_wish")
    def _asked(self, change):
        """A button was pressed: write a token, this one or a drawn one, or take the last one
        back. The ids are what is written on: a text of half signs cannot be encoded again.
        """
        if not self._writes or len(change["new"]) != 4:
            return
        wish, verb, token, number = change["new"]
        with self.hold_sync():
            self._told = ""
            ids = self._back() if verb == "back" else self._on(token, number)
            if ids is not None:
                self._ids = ids
                self._own, self.sentence, self._own = True, self._spelt(ids), False
                self._take(ids)
            self._done = wish

    def _back(self):
        """The ids without the last one, or None where no text would be left."""
        ids = self._ids[:-1]
        if len(ids) <= self._front or not self._spelt(ids).strip():
            self._told = FIRST
            return None
        return ids

    def _on(self, token, number):
        """The ids and one more, the given one or a drawn one; or None where nothing is written:
        nothing was read, there is no room, the text is over, or the token was meant for another
        text than that which is there now.
        """
        if self._note or (token is not None and number != self._number):
            return None
        if len(self._ids) >= self._most:
            self._told = FULL.format(self._most)
            return None
        if token is None:
            how = {"temperature": self.temperature, "top_p": self.top_p}
            shares = next_token_shares(self._trace.output[-1], **how)
            token = self.rng.choice(len(shares), p=shares / shares.sum(dtype=np.float64))
            if token in np.atleast_1d(self.model.stop):
                self._told = OVER
                return None
        return np.append(self._ids, token)

    def _still(self):
        picture, text = super()._still()
        likely = [f"{share:.3f}  {name}" for name, share, _ in self._next]
        return picture, "\n".join(
            [self.sentence, text, *(["next token"] if likely else []), *likely]
        )

    def __repr__(self):
        return f"ReadingHeads({self.sentence!r}, {type(self.model.model).__name__})"


def _nucleus(name, value):
    """`value` as a share above 0, of which all is 1."""
    if (share := _check.positive(name, value)) > 1:
        raise ValueError(f"{name} must be at most 1, for all the shares, got {value!r}")
    return share


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


def _name(given, model):
    """What a model is called: as it was asked for, else as its file says, else its folder."""
    if isinstance(given, (str, os.PathLike)):
        return Path(given).name
    folder = Path(model.about.get("folder") or "")
    return model.about.get("name") or folder.name or type(model.model).__name__


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
