"""Train the two encoder-decoders of the course, on one core of a CPU, in minutes.

    OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.seq2seq          writes
                                                                      attnlib/models/seq2seq.npz

How much the tokens say against their places decides what the picture shows. Embeddings of spread 1
drown the sinusoids: the reverser is right just as often, but each head spreads its look over two or
three letters (0.6 on the right one). With spread 1/√d_model, as here, it is 0.99. At spread 1,
fewer heads, post-norm or learned positions gave no more than 0.62.

`attnlib.training.translation` has the tasks. Nothing is downloaded: both are drawn by a seeded
generator.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

import attnlib
from attnlib.layers import parameters
from attnlib.models.seq2seq import Seq2Seq
from attnlib.models.translator import FILE
from attnlib.training.gradients import seq2seq_loss_and_gradients
from attnlib.training.loop import train
from attnlib.training.translation import SCORES, TASKS, accuracy, as_batch, draw_examples

BATCH = 64


def learn(name, *, seed=0, steps=None, progress=True):
    """Train one of TASKS from scratch -> the model, rounded to float16 as it is stored, its
    `History`, and what `about` says of it.
    """
    task, began = TASKS[name], time.process_time()
    training = task.training | ({} if steps is None else {"steps": steps})
    model = Seq2Seq(
        len(task.source), len(task.target), **task.model, rng=np.random.default_rng([seed, 0])
    )
    history = train(
        model,
        lambda rng: as_batch(task, draw_examples(task, rng, BATCH)),
        **training,
        loss=seq2seq_loss_and_gradients,
        rng=np.random.default_rng([seed, 1]),
        progress=progress,
    )
    for array in parameters(model).values():
        array[...] = array.astype(np.float16)
    seconds = time.process_time() - began
    examples = draw_examples(task, np.random.default_rng([seed, 2]), 1000, unseen=True)
    right, wrong = accuracy(model, task, examples)
    about = {
        "source": "".join(task.source.names[3:]),
        "target": "".join(task.target.names[3:]),
        "model": task.model,
        "training": training,
        "batch": BATCH,
        "seed": seed,
        "loss": float(history.losses[-50:].mean()),
        "held_out_accuracy": right,
        "wrong": wrong[:10],
        "cpu_seconds": round(seconds),
        "alignment": SCORES[name](model, task, examples[:200]).astype(float).round(3).tolist(),
    }
    return model, history, about


def main(arguments=None):
    """Train both, measure, write."""
    parser = argparse.ArgumentParser(description="Train the encoder-decoders of the course.")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="for a trial; the tasks have their own numbers")
    options = parser.parse_args(arguments)
    arrays, found = {}, {}
    for name in TASKS:
        model, history, found[name] = learn(name, seed=options.seed, steps=options.steps)
        arrays |= {
            f"{name}/{part}": array.astype(np.float16) for part, array in parameters(model).items()
        }
        arrays[f"losses/{name}"] = history.losses.astype(np.float16)
        print(json.dumps({name: found[name]}, indent=1), flush=True)
    about = {
        "command": "OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.seq2seq",
        "attnlib": attnlib.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "models": found,
    }
    np.savez_compressed(options.out, about=json.dumps(about), **arrays)


if __name__ == "__main__":
    main()
