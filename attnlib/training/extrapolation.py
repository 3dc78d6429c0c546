"""Trained on 64 tokens, tested on 64, 128 and 256: how each positional encoding takes longer texts.

task    `induction_batch`: a block of 8 … 24 random tokens, again and again, so that the answer is
        never more than 24 tokens away, however long the text is. A model has to look back by one
        position, and for the same token.
model   `GPT`: two layers of attention without feed-forward, 4 heads, d_model 64; only the encoding
        differs. All encodings of a seed see the same texts in the same order, and all seeds are
        tested on the same texts.

extrapolation.npz holds what course/shipped/extrapolation.py measured.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attnlib.layers import cast, parameters
from attnlib.models.gpt import GPT

FILE = Path(__file__).with_suffix(".npz")
TASK = {"vocabulary": 64, "period": (8, 24)}
TRAINED, LENGTHS, SEEDS, TEXTS = 64, (64, 128, 256), 5, 128
TRAINING = {"steps": 1000, "lr": 6e-3, "warmup": 50, "cosine": True}
TUNING = {"steps": 50, "lr": 1e-3, "warmup": 5}
ENCODINGS = ["none", "learned", "sinusoidal", "t5", "alibi", "rotary"]
STRETCHED = {  # the trained rotary models, asked in another way: (recipe, tuned)
    "rotary, linear": ("linear", False),
    "rotary, dynamic": ("dynamic", False),
    "rotary, yarn": ("yarn", False),
    "rotary, tuned": ("default", True),
    "rotary, linear, tuned": ("linear", True),
}


class Extrapolation(NamedTuple):
    """What was measured. A row is an encoding; NaN where nothing is defined or can be known."""

    rows: list  # names: ENCODINGS, then STRETCHED
    losses: dict  # {64: (rows, seeds, 64), 128: …, 256: …} nats at each position, mean over texts
    training: np.ndarray  # (encodings, seeds, steps) loss of each training step
    chance: float  # the loss of who knows nothing: ln(vocabulary)
    unordered: float  # … of who knows the block's tokens, but not their order: mean ln(period)
    about: dict  # command, seeds, versions, seconds


def extrapolation():
    """The shipped measurement, as an `Extrapolation`. The floor is a loss of 0."""
    with np.load(FILE, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        losses = {n: file[f"losses/{n}"] for n in about["lengths"]}
        shortest, longest = about["task"]["period"]
        unordered = np.log(np.arange(shortest, longest + 1)).mean()
        chance = np.log(about["task"]["vocabulary"])
        return Extrapolation(
            about["rows"], losses, file["training"], float(chance), float(unordered), about
        )


def late(losses):
    """One number per text length: the mean over the second half of the positions. (…, n) -> (…)

    Up to 64 tokens that is 32 … 63, up to 128 it is 64 … 127, never seen in training, and so on.
    """
    return losses[..., losses.shape[-1] // 2 :].mean(axis=-1)


def trained_model(encoding):
    """The shipped model of an encoding, one of ENCODINGS: seed 0, weights rounded to float16."""
    model = cast(untrained_model(encoding, seed=0), np.float32)
    with np.load(FILE, allow_pickle=False) as file:
        for name, array in parameters(model).items():
            array[...] = file[f"weights/{encoding}/{name}"]
    return model


def untrained_model(encoding, seed):
    """The model before its training; "learned" has as many rows as a training text has tokens."""
    if encoding not in ENCODINGS:
        raise ValueError(
            f"encoding must be one of {', '.join(map(repr, ENCODINGS))}, got {encoding!r}"
        )
    positions = None if encoding == "none" else encoding
    options = {"norm": "pre", "d_hidden": 0, "n_max": TRAINED, "positions": positions}
    return GPT(TASK["vocabulary"], 64, 2, 4, rng=np.random.default_rng([seed, 0]), **options)
