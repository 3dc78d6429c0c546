"""Models with trained weights: load("tiny-gpt"), then a text goes in and a `Trace` comes out."""

import json
from pathlib import Path

import numpy as np

from attnlib import _check
from attnlib.layers import cast, parameters
from attnlib.models import translator
from attnlib.models.generation import generate, next_token_shares, stream
from attnlib.models.gpt import GPT
from attnlib.models.tokenizer import BytePairs

SHIPPED = ["tiny-gpt", *translator.SHIPPED]


def load(name):
    """A trained model, ready to read.

    name   "tiny-gpt": a small GPT of English (training/tiny_gpt.py) -> `TextModel`
           "reverse", "dates": an encoder-decoder each (training/seq2seq.py) -> `Translator`
    All were trained by this repository and come with it: nothing is fetched.
    """
    _check.choice("name", name, SHIPPED)
    if name in translator.SHIPPED:
        return translator.load(name)
    return tiny_gpt(Path(__file__).with_name("tiny_gpt.npz"))


def tiny_gpt(path):
    """The file that training/tiny_gpt.py writes -> `TextModel`."""
    with np.load(path, allow_pickle=False) as file:
        about, merges = json.loads(str(file["about"])), file["merges"]
        model = cast(GPT(**about["model"]), np.float32)
        for name, array in parameters(model).items():
            array[...] = file[f"weights/{name}"]
        about |= {"losses": file["losses"], "watched": file["watched"]}
    return TextModel(model, BytePairs(merges), about)


class TextModel:
    """A language model and its tokenizer: it reads and writes strings.

    model      a `GPT`
    tokenizer  as `BytePairs`
    about      how it was trained: corpus, command, losses
    """

    def __init__(self, model, tokenizer, about):
        self.model, self.tokenizer, self.about = model, tokenizer, about

    def __call__(self, text):
        """One text -> `Trace`: its tokens, "<start>" first, weights (layers, h, n, n), logits (n, vocabulary)."""
        return self.forward(self.encode(text))

    def forward(self, ids, *, mask=None):
        """The same for ids (n,), under a mask of your own besides the causal one."""
        return self.model.forward(ids, mask=mask)._replace(tokens=self.tokenizer.tokens(ids))

    def encode(self, text):
        """A text -> ids (n,), `start` first."""
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {type(text).__name__}: {text!r}")
        if not text:
            raise ValueError("text must have at least one sign, got an empty string")
        return self.tokenizer.encode(text)

    def tokens(self, text):
        """A text -> its tokens as strings, "<start>" first."""
        return self.tokenizer.tokens(self.encode(text))

    def next_tokens(self, text, *, best=8, temperature=1.0):
        """The tokens that are most likely to come next: [(token, share), …], the likeliest first."""
        return self.best(self.model.logits(self.encode(text))[-1], best=best, temperature=temperature)

    def best(self, logits, *, best=8, temperature=1.0):
        """The same for the logits (vocabulary,) of one place."""
        best = _check.integer("best", best, maximum=len(self.tokenizer))
        shares = next_token_shares(logits, temperature=temperature)
        order = np.argsort(-shares, kind="stable")[:best]
        return list(zip(self.tokenizer.tokens(order), shares[order].tolist()))

    def generate(self, text, *, n_new=40, **sampling):
        """Go on with a text -> the whole text. sampling: temperature, top_k, rng …, as in `generation.generate`."""
        ids = generate(self.model, self.encode(text), n_new=n_new, stop=self.tokenizer.start, **sampling)
        return self.tokenizer.decode(ids)

    def stream(self, text, *, n_new=40, **sampling):
        """The same, token by token: an iterator over strings."""
        ids = stream(self.model, self.encode(text), n_new=n_new, stop=self.tokenizer.start, **sampling)
        return (self.tokenizer.tokens([i])[0] for i in ids)
