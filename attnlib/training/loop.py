"""One training loop for every small model of the course."""

from typing import NamedTuple

import numpy as np

from attnlib import _check, _guard
from attnlib._memory import keep_memory
from attnlib.layers import parameters
from attnlib.training.checkpoints import checkpoint_path, load_checkpoint, save_checkpoint
from attnlib.training.gradients import loss_and_gradients
from attnlib.training.optimizer import AdamW, clip_by_norm, learning_rate
from attnlib.training.progress import Progress


class History(NamedTuple):
    """What happened, one number per step that was done."""

    losses: np.ndarray
    norms: np.ndarray  # the length of all gradients together, before clipping


def _model(name, value):
    return _guard.has_parts(value, name)


FLAGS = dict.fromkeys(["cosine", "resume", "progress"], _check.flag)
FUNCTIONS = dict.fromkeys(["batch", "loss", "watch"], _check.function)


@_check.door(model=_model, checkpoint=checkpoint_path, **FLAGS, **FUNCTIONS)
def train(
    model,
    batch,
    *,
    steps,
    lr,
    warmup=0,
    cosine=False,
    betas=(0.9, 0.98),
    weight_decay=0.01,
    clip=1.0,
    rng=None,
    loss=loss_and_gradients,
    watch=None,
    checkpoint=None,
    checkpoint_every=100,
    resume=False,
    progress=True,
):
    """Train a model in place: draw a batch, walk down its gradient, `steps` times.

    batch             a function rng -> what `loss` takes behind the model, as (ids, targets)
    lr warmup cosine  see `learning_rate`; cosine=True falls to 0 at the end
    clip              longest gradient, None for any; see `clip_by_norm`
    betas weight_decay   see `AdamW`
    rng               numpy Generator for the batches, default_rng(0) unless given
    loss              a function model, *batch -> loss, {parameter name: gradient}
    watch             called as watch(step, model) before the first step and after each one;
                      `step` is the number of steps done
    checkpoint        a path, ending in .npz, written every `checkpoint_every` steps and at the end
    resume            go on from `checkpoint` if it is there, to the same numbers as without a stop
    progress          False for silence
    returns           `History`; after Ctrl-C or the stop button that of the steps done so far

    Raises FloatingPointError, with the step, when the loss is not finite any more.
    """
    steps, rng = _check.integer("steps", steps), _check.generator(rng)
    warmup = _check.integer("warmup", warmup, minimum=0, maximum=steps)
    checkpoint_every = _check.integer("checkpoint_every", checkpoint_every)
    if checkpoint is None and resume:
        raise ValueError("checkpoint must be given where resume=True: the file to go on from")
    if clip is not None:
        clip = _check.positive("clip", clip)
    optimizer = AdamW(parameters(model), lr=lr, betas=betas, weight_decay=weight_decay)
    keep_memory()
    records = []  # (loss, gradient length) of each step
    if resume and checkpoint.exists():
        records = load_checkpoint(checkpoint, optimizer, rng)
    with Progress(steps, on=progress) as bar:
        try:
            if watch is not None:
                watch(len(records), model)
            for step in range(len(records), steps):
                rate = learning_rate(step, lr, warmup=warmup, steps=steps if cosine else None)
                records.append(_step(model, batch(rng), loss, optimizer, rate, clip, step))
                if watch is not None:
                    watch(step + 1, model)
                if checkpoint is not None and (
                    (step + 1) % checkpoint_every == 0 or step + 1 == steps
                ):
                    save_checkpoint(checkpoint, optimizer, rng, records)
                bar(step + 1, records[-1][0])
        except KeyboardInterrupt:
            pass
    return History(*np.array(records).reshape(-1, 2).T)


def _step(model, batch, loss, optimizer, rate, clip, step):
    """Forward, backward, a step of the optimiser. Returns the loss and the gradient's length."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below
        try:
            value, gradients = loss(model, *batch)
        except ValueError as error:
            raise ValueError(f"at step {step}: {error}") from error
        gradients, norm = clip_by_norm(gradients, np.inf if clip is None else clip)
    if not np.isfinite([value, norm]).all():
        raise FloatingPointError(
            f"at step {step} the loss is {value} and the gradient's length {norm}: try a smaller lr"
            f" than {rate:g}"
        )
    optimizer.step(gradients, lr=rate)
    return value, norm
