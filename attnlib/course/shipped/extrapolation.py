"""Train each positional encoding on 64 tokens, and test it on 64, 128 and 256.

    OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.extrapolation          writes
                                                        attnlib/training/extrapolation.npz

About 10 minutes on one core. `attnlib.training.extrapolation` says what is learned, and reads the
file.
"""

import copy
import json
import platform
import time

import numpy as np

import attnlib
from attnlib.encodings import Rotary
from attnlib.layers import parameters
from attnlib.training.backward import log_softmax
from attnlib.training.extrapolation import (
    ENCODINGS,
    FILE,
    LENGTHS,
    SEEDS,
    STRETCHED,
    TASK,
    TEXTS,
    TRAINED,
    TRAINING,
    TUNING,
    late,
    untrained_model,
)
from attnlib.training.loop import train
from attnlib.training.tasks import induction_batch


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
        "command": "OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.extrapolation",
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
