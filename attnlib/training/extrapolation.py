"""Trained on 64 tokens, tested on 64, 128 and 256: how each positional encoding takes longer texts.

    python -m attnlib.training.extrapolation          about 10 minutes on one core; writes
                                                      extrapolation.npz

task    `induction_batch`: a block of 8 … 24 random tokens, again and again, so that the answer is
        never more than 24 tokens away, however long the text is. A model has to look back by one
        position, and for the same token.
model   `GPT`: two layers of attention without feed-forward, 4 heads, d_model 64; only the encoding
        differs. All encodings of a seed see the same texts in the same order, and all seeds are
        tested on the same texts.
"""

import copy
import json
import platform
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import attnlib
from attnlib.encodings import Rotary
from attnlib.layers import cast, parameters
from attnlib.models.gpt import GPT
from attnlib.training.backward import log_softmax
from attnlib.training.loop import train
from attnlib.training.tasks import induction_batch

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


def train_model(model, seed, n=TRAINED, **options):
    """Train in place on texts of n tokens, 2,048 tokens per step. Returns the `History`."""

    def batch(rng):
        return induction_batch(rng, batch=2048 // n, n=n, **TASK)

    return train(model, batch, rng=np.random.default_rng([seed, n]), progress=False, **options)


def position_losses(model, n, texts=TEXTS):
    """The loss at each position of texts with n tokens. (n,)

    A mean over the texts in which the answer can be known there.
    """
    if model.n_max is not None and n > model.n_max:
        return np.full(n, np.nan)
    rng, total, count = np.random.default_rng([12345, n]), np.zeros(n), np.zeros(n)
    for _ in range(0, texts, 32):
        ids, targets, where = induction_batch(rng, batch=32, n=n, **TASK)
        log_shares = np.take_along_axis(
            log_softmax(model.logits(ids)), targets[..., None], axis=-1
        )[..., 0]
        total += np.where(where, -log_shares, 0).sum(axis=0)
        count += where.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def stretched(model, recipe, n):
    """A copy of a rotary model that is told how to read n tokens: recipe "default", "linear",
    "dynamic" or "yarn".

    factor is n / 64 for all. YaRN's beta_fast is 8 and not 32: no pair turns 32 times in 64 tokens,
    the fastest does 10 times.
    """
    scaling = {"type": recipe}
    if recipe != "default":
        scaling["factor"] = n / TRAINED
    if recipe in ("dynamic", "yarn"):
        scaling["original_max_position_embeddings"] = TRAINED
    if recipe == "yarn":
        scaling["beta_fast"] = 8
    model = copy.deepcopy(model)
    model.positions = Rotary(scaling=scaling)
    for block in model.blocks:
        block.attention.rotary = model.positions
    return model


def measure(seeds=SEEDS, lengths=LENGTHS, training=TRAINING, tuning=TUNING, texts=TEXTS, say=print):
    """Train and test everything. Returns {name: array} as in the file, without "about"."""
    rows = ENCODINGS + list(STRETCHED)
    arrays = {f"losses/{n}": np.full((len(rows), seeds, n), np.nan, np.float32) for n in lengths}
    arrays["training"] = np.zeros((len(ENCODINGS), seeds, training["steps"]), np.float16)
    for seed in range(seeds):
        for i, encoding in enumerate(ENCODINGS):
            model = untrained_model(encoding, seed)
            arrays["training"][i, seed] = train_model(model, seed, **training).losses
            if seed == 0:
                weights = {
                    f"weights/{encoding}/{name}": a.astype(np.float16)
                    for name, a in parameters(model).items()
                }
                arrays |= weights
            for n in lengths:
                arrays[f"losses/{n}"][i, seed] = position_losses(model, n, texts)
            say(_line(encoding, seed, [arrays[f"losses/{n}"][i, seed] for n in lengths]))
        # model: the rotary one
        for i, (row, (recipe, tuned)) in enumerate(STRETCHED.items(), start=len(ENCODINGS)):
            for n in lengths:
                longer = stretched(model, recipe, n)
                if tuned and n > TRAINED:
                    train_model(longer, seed, n, **tuning)
                arrays[f"losses/{n}"][i, seed] = position_losses(longer, n, texts)
            say(_line(row, seed, [arrays[f"losses/{n}"][i, seed] for n in lengths]))
    return arrays


def main():
    """Measure, print a line per encoding and seed, write the file."""
    began = time.process_time()
    arrays = measure()
    about = {
        "command": "OPENBLAS_NUM_THREADS=1 python -m attnlib.training.extrapolation",
        "rows": ENCODINGS + list(STRETCHED),
        "lengths": list(LENGTHS),
        "seeds": list(range(SEEDS)),
        "task": TASK,
        "training": TRAINING,
        "tuning": TUNING,
        "attnlib": attnlib.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cpu_seconds": round(time.process_time() - began),
    }
    np.savez_compressed(FILE, about=json.dumps(about), **arrays)
    print(f"{FILE}: {FILE.stat().st_size / 1e3:.0f} kB, {about['cpu_seconds']} s")


def _line(row, seed, losses):
    """The late losses as text: none  seed 0   64: 3.012   128: …"""
    numbers = "   ".join(f"{len(loss)}: {late(loss):.3f}" for loss in losses)
    return f"{row:22} seed {seed}   {numbers}"


if __name__ == "__main__":
    main()
