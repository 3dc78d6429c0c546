"""Translators: an encoder-decoder with its characters, so that text goes in and text comes out.

load("reverse") and load("dates") are trained; course/shipped/seq2seq.py says how.
"""

import json
from pathlib import Path

import numpy as np

from attnlib import _check
from attnlib.layers import parameters
from attnlib.models.decoding import BeamStep, beam_search, greedy
from attnlib.models.seq2seq import Seq2Seq

FILE = Path(__file__).with_name("seq2seq.npz")
SHIPPED = ["reverse", "dates"]


class Characters:
    """Ids for single signs: 0 <pad>, 1 <start>, 2 <end>, then the given signs in their order."""

    pad, start, end = range(3)

    def __init__(self, signs):
        if not isinstance(signs, str) or not signs or len(set(signs)) < len(signs):
            raise ValueError(f"signs must be a string of different signs, got {signs!r}")
        self.names = ("<pad>", "<start>", "<end>", *signs)
        self._ids = {sign: i for i, sign in enumerate(self.names) if i > 2}

    def __len__(self):
        """The size of the vocabulary, the three marks counted."""
        return len(self.names)

    def encode(self, text):
        """ "cat" -> the ids of c, a, t and <end>, (n + 1,)"""
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {type(text).__name__}")
        if not text:
            raise ValueError("text must have at least one character, got ''")
        unknown = list(dict.fromkeys(sign for sign in text if sign not in self._ids))
        if unknown:
            known = "".join(self.names[3:])
            raise ValueError(
                f"text must be written with {known!r}; not known: {', '.join(map(repr, unknown))}"
            )
        return np.array([self._ids[sign] for sign in text] + [self.end])

    def tokens(self, ids):
        """Ids -> a string for each."""
        return [self.names[i] for i in self._checked(ids)]

    def _checked(self, ids):
        found = _check.array("ids", ids)
        if found.size and _check.ids("ids", found, len(self)).ndim != 1:
            raise ValueError(f"ids must have the shape (n,), got {found.shape}")
        return found.ravel().tolist()

    def decode(self, ids):
        """Ids -> the text, without the marks."""
        return "".join(self.names[i] for i in self._checked(ids) if i > 2)


def padded(rows):
    """Id arrays of any lengths -> (b, n) with <pad> behind, and a mask (b, n), False on that."""
    lengths = np.array([len(row) for row in rows])
    where = np.arange(lengths.max()) < lengths[:, None]  # (b, n)
    ids = np.full(where.shape, Characters.pad)
    ids[where] = np.concatenate(rows)
    return ids, where


class Translator:
    """A `Seq2Seq` with its characters: text in, text out.

    model            the `Seq2Seq`
    source, target   the `Characters` of both sides
    about            what is known of its training, a dict
    """

    def __init__(self, model, source, target, about=None):
        sizes = len(model.source_embedding), len(model.target_embedding)
        if sizes != (len(source), len(target)):
            found = f"got {sizes} for {len(source)} and {len(target)} characters"
            raise ValueError(f"model must have a row per character and mark, {found}")
        self.model, self.source, self.target, self.about = model, source, target, about or {}

    def __call__(self, text, target=None):
        """Text -> `Trace` of what the model writes, or of how it reads a given `target`.

        decoder_tokens are <start> and the target; the last row is where <end> should come.
        """
        given = (
            None
            if target is None
            else np.insert(
                self.target.encode(_check.text("target", target))[:-1], 0, self.target.start
            )
        )
        return self.forward(self.encode_text(text), given)

    def translate(self, text, begun=""):
        """Text -> what the model writes, always the likeliest character next; a list of texts -> a
        list, in one batch.

        begun   how the answer begins, whatever the model would have written; for a list one string
                for all, or one for each, all of one length
        """
        texts = text if isinstance(text, (list, tuple)) else [text]
        begun = [begun] * len(texts) if isinstance(begun, str) else _check.texts("begun", begun)
        if not texts or len(begun) != len(texts) or len(set(map(len, begun))) > 1:
            found = f"got {len(texts)} texts and {len(begun)} beginnings"
            raise ValueError(
                "text must have at least one text, and begun one string of the same length for"
                f" each, {found}"
            )
        ids, where = padded([self.encode_text(one) for one in texts])
        begun = [self.target.encode(one)[:-1] for one in begun if one]
        ends = {"start": self.target.start, "end": self.target.end, "n_max": self.model.n_max - 1}
        written = [
            self.target.decode(row)
            for row in greedy(self.model, ids, source_mask=where, begun=begun, **ends)
        ]
        return written if isinstance(text, (list, tuple)) else written[0]

    def beam_search(self, text, *, n_beams=3, n_max=None, length_penalty=0):
        """The steps of `beam_search`, characters for tokens; n_max as far as the model goes."""
        n_max = self.model.n_max if n_max is None else n_max
        options = {
            "start": self.target.start,
            "end": self.target.end,
            "length_penalty": length_penalty,
        }
        steps = beam_search(
            self.model, self.encode_text(text), n_beams=n_beams, n_max=n_max, **options
        )
        return [
            BeamStep(
                *([h._replace(tokens=self.target.tokens(h.ids)) for h in part] for part in step)
            )
            for step in steps
        ]

    def encode_text(self, text):
        """Text -> source ids, with <end> behind: (n + 1,)"""
        ids, n_max = self.source.encode(text), self.model.n_max
        if len(ids) > n_max:
            raise ValueError(f"text may have {n_max - 1} characters here, got {len(ids) - 1}")
        return ids

    def tokens(self, text):
        """Text -> the source tokens, <end> behind them."""
        return self.source.tokens(self.encode_text(text))

    def forward(self, ids, decoder_ids=None):
        """Source ids (n,) -> `Trace`.

        decoder_ids   (n_target,), with <start> in front; what the model writes unless given
        """
        if decoder_ids is None:
            decoder_ids = np.insert(self._written(ids), 0, self.target.start)
        trace = self.model.forward(ids, decoder_ids)
        return trace._replace(
            tokens=self.source.tokens(ids), decoder_tokens=self.target.tokens(decoder_ids)
        )

    def _written(self, ids):
        ends = {"start": self.target.start, "end": self.target.end}
        # <start> takes a place too
        return greedy(self.model, ids, n_max=self.model.n_max - 1, **ends)


def load(name, path=FILE):
    """A trained `Translator` that comes with the package.

    name   "reverse": a word of small letters -> the same from its end
           "dates": a date as people write it, "3 March 1987" -> "1987-03-03"
    How they were trained: attnlib/course/shipped/seq2seq.py, and `.about` of what comes back.
    """
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        _check.choice("name", name, list(about["models"]))
        stored = {
            key.removeprefix(f"{name}/"): file[key]
            for key in file.files
            if key.startswith(f"{name}/")
        }
    found = about["models"][name]
    source, target = Characters(found["source"]), Characters(found["target"])
    model = Seq2Seq(len(source), len(target), **found["model"])
    for part, array in parameters(model).items():
        array[...] = stored[part]
    return Translator(
        model,
        source,
        target,
        {key: value for key, value in about.items() if key != "models"} | found,
    )
