"""The whole machine at once: one sentence, heads built by hand or trained, and all that can be
turned.
"""

from functools import lru_cache
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from attnlib import _check, masks, patterns, toy
from attnlib.models.pretrained import load
from attnlib.show import figures
from attnlib.show.labels import most_attended, visible
from attnlib.show.live.explore import Explore, _png
from attnlib.show.live.view import AttentionView
from attnlib.show.rows import rows

TRAINED = "tiny-gpt"
MATRICES = ["built by hand", "random", TRAINED]
LONGEST = 256  # tokens: so long were the texts that tiny-gpt was trained on
BEST = 8  # next tokens that are shown


def explorer(sentence="The cat sat on the mat because it was tired", **start):
    """The whole machine at once: type a sentence, choose who may look at whom, and see what every
    head looks at.

    start   other starting values: pattern, n_heads, window, n_global, encoding, temperature,
            matrices

    With matrices="tiny-gpt" the heads are those of a small GPT that was trained on English. Its
    number of heads and its encoding were chosen in training; the temperature is that of the next
    token, which can be written.
    """
    return Explorer(sentence, start)


def look(
    sentence,
    pattern="standard",
    n_heads=4,
    window=3,
    n_global=1,
    encoding="sinusoidal",
    temperature=1.0,
    matrices="built by hand",
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
        control=matrices == "random",
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


class Explorer(Explore):
    """What `explorer` returns: the controls around an `AttentionView`, `view`, which is fed with
    every move.

    With tiny-gpt, `next_token` is a picture of its shares, and the buttons `write` and `back` make
    the sentence longer and shorter.
    """

    def __init__(self, sentence, start):
        self.view, self.rng = None, np.random.default_rng(0)
        toy.tokenize(sentence)
        controls = {
            "sentence": widgets.Text(sentence, layout=widgets.Layout(width="95%")),
            "pattern": list(toy.PATTERNS),
            "n_heads": (1, len(toy.HEADS)),
            "window": (1, 10),
            "n_global": (0, 4),
            "encoding": list(toy.ENCODINGS),
            "temperature": (0.1, 5.0, 0.1),
            "matrices": MATRICES,
        }
        self.write = widgets.Button(
            description="write one token",
            tooltip="draw the next token, each as often as its share says",
        )
        self.back = widgets.Button(description="take one back", tooltip="remove the last token")
        self.next_token = widgets.Image(
            format="png", layout=widgets.Layout(max_width="calc(100% - 4px)", object_fit="contain")
        )
        buttons = widgets.HBox([self.write, self.back])
        self.writing = widgets.VBox(
            [buttons, self.next_token], layout=widgets.Layout(display="none")
        )
        self.write.on_click(lambda _: self._change(self._longer))
        self.back.on_click(lambda _: self._change(self._shorter))
        super().__init__(look, controls, start)
        self.handed = []  # the text box is its own
        self.children = (*self.children[:2], self.writing, *self.children[2:])

    def _draw(self, **values):
        return look_figure(look(**values))

    def _picture(self):
        self._redraw()
        return self.view

    def _redraw(self):
        seen, values = look(**self.values), self.values
        trained = isinstance(seen, Reading)
        who = values["pattern"]
        if trained:  # it was trained with the causal mask, and keeps it
            who = (
                "tiny-gpt, causal"
                if who in ("standard", "causal")
                else f"tiny-gpt, {who} and causal"
            )
        shown = {
            "mask": seen.mask,
            "titles": seen.names,
            "title": f"{who}: {seen.mask.mean():.0%} of all pairs allowed",
        }
        if self.view is None:
            self.view = AttentionView(
                seen.weights, seen.tokens, head=min(1, len(seen.names) - 1), **shown
            )
        else:
            self.view.update(seen.weights, seen.tokens, **shown)
        for name in ("window", "n_global"):
            self.controls[name].disabled = name not in patterns.numbers(values["pattern"])
        for name in ("n_heads", "encoding"):
            self.controls[name].disabled = trained
        temperature = self.controls["temperature"]
        temperature.description = "temperature (next token)" if trained else "temperature"
        # the longer name leaves as much for the slider
        temperature.layout.width = "400px" if trained else None
        self.writing.layout.display = None if trained else "none"
        alt = self._show_next(seen) if trained else ""
        self._write(
            alt,
            said(seen) if trained else most_attended(seen.weights, seen.tokens, names=seen.names),
        )

    def _show_next(self, seen):
        """Draw the shares of the next tokens. -> the picture in words"""
        tokens, shares = zip(*seen.next_tokens)
        figure = rows(
            np.array(shares),
            tokens,
            texts=[f"{share:.3f}" for share in shares],
            full=1,
            title="The next token",
            axis="share",
        )
        self.next_token.value = _png(figure, fast=True)
        self.next_token.layout.width = f"{round(figure.get_figwidth() * figure.dpi)}px"
        return figure.alt

    def _change(self, change):
        """Let a button change the sentence; the sentence redraws the rest."""
        if not self.error:
            self.controls["sentence"].value = change(self.values["sentence"])

    def _longer(self, sentence):
        return tiny_gpt().generate(
            sentence, n_new=1, temperature=self.values["temperature"], rng=self.rng
        )

    def _shorter(self, sentence):
        gpt = tiny_gpt()
        ids = gpt.encode(sentence)
        return gpt.tokenizer.decode(ids[:-1]) if len(ids) > 2 else sentence
