"""Two tasks of memory, and the three small models that learned them: the board of the capstone.

recall   key value key value …: every key comes twice, in any order, and the second time its value
         is asked for. Arora et al. 2023, "Zoology", section 3, where the pairs all come first and
         the questions last
copying  a block of different random tokens, again and again: `induction_batch`, the block a quarter
         to a half of the text
model    `GPT`: two layers of attention without feed-forward or norms, 4 heads, d_model 64, learned
         positions, one for all three; recall.npz holds them, course/shipped/capstone.py made it

full     was trained with the whole past in sight, as a writing model usually is
stride   started as full, and went on under one sparse pattern, `stride_pattern`
any      saw a new pattern in each head at every step, `draw_masks`, and learned to use what it is
         given. Two heads are never short of what the trick needs, `SAFE`, and so the trick settles
         in these. With such a pair drawn anew in every step (and full to start from) it stayed
         spread over several heads: no pair alone was right more than two times in three
"""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from attnlib import _check, masks
from attnlib.layers import cast, parameters
from attnlib.models.gpt import GPT, GPTSteps
from attnlib.training.tasks import Batch, induction_batch

FILE = Path(__file__).with_suffix(".npz")
NAMES = ("full", "stride", "any")
VOCABULARY, LENGTHS = 64, (48, 72, 96)
N_LAYERS, N_HEADS = 2, 4
MODEL = {
    "vocabulary": VOCABULARY,
    "d_model": 64,
    "n_layers": N_LAYERS,
    "n_heads": N_HEADS,
    "n_max": max(LENGTHS),
    "positions": "learned",
    "norm": None,
    "d_hidden": 0,
}
SAFE = (2, 1)  # a head of each layer

# ---- the tasks ---------------------------------------------------------------------------


def recall_batch(rng, *, batch=32, n=96, vocabulary=VOCABULARY, shift=None):
    """Pairs of a key and its value in any order, each twice: the second value can be told.

    n        an even number; the text holds n / 4 keys (rounded down), twice each
    shift    how many tokens stand before the first pair: 0, 1, or for each text one by chance
    returns  a `Batch`; keys are ids of the lower half of the vocabulary, values of the upper half
    """
    batch, n = _check.integer("batch", batch), _check.integer("n", n, minimum=4)
    m, half = n // 4, _check.integer("vocabulary", vocabulary, minimum=2 * (n // 4)) // 2
    rng = _check.generator(rng)
    ids = np.tile(np.arange(half), (batch, 1))  # (b, half)
    keys, values = rng.permuted(ids, axis=1)[:, :m], half + rng.permuted(ids, axis=1)[:, :m]
    pairs = np.tile(np.repeat(np.arange(m), 2), (batch, 1))
    order = rng.permuted(pairs, axis=1)  # (b, 2m) which pair
    same = order[:, :, None] == order[:, None, :]
    again = np.tril(same, -1).any(axis=-1)  # (b, 2m) the second time
    text, where = half + rng.integers(half, size=(batch, n + 1)), np.zeros((batch, n + 1), bool)
    first = (
        rng.integers(2, size=batch)
        if shift is None
        else np.full(batch, _check.integer("shift", shift, 0, 1))
    )
    place = first[:, None] + 2 * np.arange(2 * m)  # (b, 2m) of the keys
    np.put_along_axis(text, place, np.take_along_axis(keys, order, axis=1), axis=1)
    np.put_along_axis(text, place + 1, np.take_along_axis(values, order, axis=1), axis=1)
    np.put_along_axis(where, place, again, axis=1)
    return Batch(text[:, :-1], text[:, 1:], where[:, :-1])


def copying_batch(rng, *, batch=32, n=96, vocabulary=VOCABULARY):
    """A block of different tokens, again and again, a quarter to a half of the text long.

    returns  a `Batch`
    """
    n = _check.integer("n", n, minimum=4)
    return induction_batch(rng, batch=batch, n=n, vocabulary=vocabulary, period=(n // 4, n // 2))


TASKS = {"recall": recall_batch, "copying": copying_batch}


# ---- the patterns ------------------------------------------------------------------------


def stride_pattern(n, stride=2):
    """The near past, and every `stride`-th token of the far past, for everybody the same. (n, n)"""
    n, stride = _check.integer("n", n), _check.integer("stride", stride)
    far = (np.arange(n) + 1) % stride == 0
    return masks.causal(n) & (masks.local(n, window=stride + 1) | far)


def draw_masks(rng, n):
    """For each head a pattern by chance: the whole past, a window, or a window and sinks.
    (layers, heads, n, n)

    The SAFE head of the first layer looks at least one token back, that of the second sees the
    whole past: without these nobody could answer.
    """
    rng = _check.generator(rng)
    drawn = np.array([[_draw(rng, n) for _ in range(N_HEADS)] for _ in range(N_LAYERS)])
    drawn[0, SAFE[0]] |= masks.causal(n) & masks.local(n, window=2)
    drawn[1, SAFE[1]] = masks.causal(n)
    return drawn


def _draw(rng, n):
    kind, window = rng.random(), int(rng.choice([1, 2, 4, 8, 16, 32]))
    if kind < 0.3:
        return masks.causal(n)
    return masks.streaming(
        n, window=window, n_sinks=0 if kind < 0.7 else int(rng.choice([1, 2, 4]))
    )


# ---- the models --------------------------------------------------------------------------


def read(model, ids, mask):
    """`GPT.steps` with a mask of its own for each layer and head.

    ids   (n,) or (b, n);   mask  boolean, broadcasts to (layers, heads, n, n)
    """
    n, x, blocks = ids.shape[-1], model.embedded(ids), []
    x = x + model.positions(n)  # (..., n, d_model)
    for block, one in zip(model.blocks, np.broadcast_to(mask, (N_LAYERS, N_HEADS, n, n))):
        blocks.append(block.steps(x, mask=one))
        x = blocks[-1].output
    return GPTSteps(ids, None, blocks, x, x, model.scores(x))


def trained(name="any"):
    """A shipped model: "full", "stride" or "any". Every call gives the same object: copy it to
    change it.
    """
    return _opened(_check.choice("name", name, NAMES))


@lru_cache(maxsize=len(NAMES))
def _opened(name):
    model = cast(GPT(**MODEL), np.float32)
    with np.load(FILE, allow_pickle=False) as file:
        for part, array in parameters(model).items():
            array[...] = file[f"{name}/{part}"]
    return model


def about():
    """What the file says of itself: command, versions, seconds, losses."""
    with np.load(FILE, allow_pickle=False) as file:
        return json.loads(str(file["about"]))
