"""Train the three small models of the capstone, on one core of a CPU, in minutes.

    OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.capstone          writes
                                                                     attnlib/training/recall.npz

`attnlib.training.recall` says what they learn and what each may see; half of each batch is recall,
half copying. Nothing is downloaded: all texts and patterns are drawn by seeded generators.
"""

import argparse
import copy
import json
import platform
import time
from functools import partial
from pathlib import Path

import numpy as np

import attnlib
from attnlib import masks
from attnlib.layers import parameters
from attnlib.models.gpt import GPT
from attnlib.training.backward import cross_entropy
from attnlib.training.gradients import gpt_backward
from attnlib.training.loop import train
from attnlib.training.recall import FILE, LENGTHS, MODEL, TASKS, draw_masks, read, stride_pattern
from attnlib.training.tasks import Batch

TOKENS = 3072  # in a batch
LESSONS = {
    "full": {"steps": 2000, "lr": 6e-3, "warmup": 100, "cosine": True},
    "stride": {"steps": 1200, "lr": 4e-3, "warmup": 50, "cosine": True},
    "any": {"steps": 2000, "lr": 6e-3, "warmup": 100, "cosine": True},
}
# lesson -> what its model may see: drawn anew at each step, for one head or for all. (So these are
# not the patterns of `attnlib.patterns`, which know n and nothing else.)
SEEN = {
    "full": lambda rng, n: masks.causal(n),
    "stride": lambda rng, n: stride_pattern(n),
    "any": draw_masks,
}


def both(rng):
    """A batch to learn from: half recall, half copying, of a length drawn from LENGTHS."""
    n = int(rng.choice(LENGTHS))
    drawn = [task(rng, batch=TOKENS // n // 2, n=n) for task in TASKS.values()]
    return Batch(*map(np.concatenate, zip(*drawn)))


def loss_under(pattern, rng, model, ids, targets, where):
    """As `loss_and_gradients`, under a pattern drawn by pattern(rng, n)."""
    steps = read(model, ids, pattern(rng, ids.shape[-1]))
    loss, grad_logits = cross_entropy(steps.logits, targets, where=where)
    return loss, gpt_backward(grad_logits, model, steps)


def learn(name, model, *, seed=0, steps=None, progress=True):
    """Train a model in place by one of LESSONS. Returns its `History`."""
    lesson, number = (
        LESSONS[name] | ({} if steps is None else {"steps": steps}),
        list(LESSONS).index(name),
    )
    lesson["warmup"] = min(lesson["warmup"], lesson["steps"])
    loss = partial(loss_under, SEEN[name], np.random.default_rng([seed, number, 1]))
    return train(
        model,
        both,
        **lesson,
        loss=loss,
        rng=np.random.default_rng([seed, number, 2]),
        progress=progress,
    )


def main(arguments=None):
    """Train the three, write them."""
    parser = argparse.ArgumentParser(description="Train the models of the capstone.")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="for a trial; the lessons have their own numbers")
    options = parser.parse_args(arguments)
    arrays, losses, began = {}, {}, time.process_time()
    full = GPT(**MODEL, rng=np.random.default_rng(options.seed))
    for name in LESSONS:
        model = {"full": full, "stride": copy.deepcopy(full)}.get(name) or GPT(
            **MODEL, rng=np.random.default_rng([options.seed, 1])
        )
        history = learn(name, model, seed=options.seed, steps=options.steps)
        losses[name] = float(history.losses[-50:].mean())
        arrays |= {
            f"{name}/{part}": array.astype(np.float16) for part, array in parameters(model).items()
        }
        print(
            f"{name}: loss {losses[name]:.4f}, {time.process_time() - began:.0f} s so far",
            flush=True,
        )
    said = {
        "command": "OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.capstone",
        "model": MODEL,
        "lessons": LESSONS,
        "seed": options.seed,
        "losses": losses,
        "attnlib": attnlib.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "cpu_seconds": round(time.process_time() - began),
    }
    np.savez_compressed(options.out, about=json.dumps(said), **arrays)


if __name__ == "__main__":
    main()
