"""The game of the last notebook: who may look at whom, so that a model forgets nothing and looks as
little as possible.

A design is a function n -> mask, boolean, True = may attend: (n, n) for all heads alike, or
(layers, heads, n, n). It knows the length of the text and nothing else; the texts are drawn after
it.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from attnlib import _check, masks, patterns
from attnlib.training.recall import LENGTHS, N_HEADS, N_LAYERS, TASKS, read, trained

SHAPE = (N_LAYERS, N_HEADS)


class Result(NamedTuple):
    """A line of the leaderboard."""

    name: str
    recall: float  # share of right answers, 0 to 1, mean over the lengths
    copying: float  # the same
    cost: float  # share of n² used, mean over layers, heads and lengths


class BrokenRule(ValueError):
    """A design that does not keep the rules; the message says which one, and where."""


# ---- the rules ---------------------------------------------------------------------------


def laid_out(mask, n):
    """What a design returned, as (layers, heads, n, n); `BrokenRule` where it is no mask for n
    tokens.
    """
    try:
        mask = np.asarray(mask)
    except Exception:  # a design may return anything
        raise BrokenRule(
            f"n={n}: a mask is an array of True and False, got {type(mask).__name__}"
        ) from None
    if mask.dtype != np.bool_:
        raise BrokenRule(
            f"n={n}: a mask is an array of True and False, got an array of {mask.dtype}"
        )
    if mask.shape[-2:] != (n, n) or mask.shape[:-2] not in [(), (N_HEADS,), (N_LAYERS, 1), SHAPE]:
        raise BrokenRule(
            f"n={n}: a mask is ({n}, {n}) for all heads alike, or {(*SHAPE, n, n)}, got"
            f" {mask.shape}"
        )
    return np.broadcast_to(mask, (*SHAPE, n, n))


def _lengths(name, value):
    found = [_check.integer(name, one) for one in _check.row(name, value, "whole numbers")]
    if not found:
        raise ValueError(f"{name} must hold at least one length, got none")
    return tuple(found)


def _results(name, value):
    for one in (found := _check.row(name, value, "Results")):
        if not isinstance(one, Result):
            raise TypeError(f"{name} must be a list of Results, got {_check.short(one)}")
    return found


def _model(name, value):
    return value if isinstance(value, str) else _check.able(name, value, "logits", "steps")


RULES = {"looks": _check.positive, "lengths": _lengths}
GAME = RULES | {"name": _check.text, "model": _model, "many": _check.integer}
GAME |= {"seed": lambda name, value: _check.integer(name, value, minimum=0)}


@_check.door(**RULES)
def keep_rules(design, *, looks=None, lengths=LENGTHS):
    """The masks of a design, {n: (layers, heads, n, n)}; `BrokenRule` says in words what is wrong.

    looks    budget: at most looks · n scores for a head, on average, at each of `lengths`; None for
             any number
    lengths  the rules are checked at these, and at no other: a design may keep to the budget here
             and break it in longer texts
    """
    if not callable(design):
        raise BrokenRule(f"a design is a function n -> mask, got {type(design).__name__}")
    made = {}
    for n in lengths:
        given, again = design(n), design(n)
        made[n] = laid_out(given, n)
        if not np.array_equal(given, again):
            raise BrokenRule(
                f"n={n}: two calls gave two masks. Chance needs a fixed seed,"
                " np.random.default_rng(0) inside the design"
            )
        _look_back(made[n], n)
        spent = masks.density(made[n]) * n
        if looks is not None and spent > looks:
            raise BrokenRule(
                f"n={n}: {spent:.1f} looks per token and head, on average, and the budget is"
                f" {looks:g}"
            )
    return made


def _look_back(mask, n):
    """Nobody looks ahead, and everybody looks at somebody."""
    ahead, empty = mask & ~masks.causal(n), masks.empty_rows(mask)
    if ahead.any():
        layer, head, i, j = (int(place) for place in np.argwhere(ahead)[0])
        raise BrokenRule(
            f"n={n}: token {i} looks ahead at token {j} (layer {layer}, head {head}). The model"
            " writes: & masks.causal(n)"
        )
    if empty.any():
        layer, head, i = (int(place) for place in np.argwhere(empty)[0])
        raise BrokenRule(
            f"n={n}: token {i} may look at nothing (layer {layer}, head {head}): let it see itself"
            " at least"
        )


# ---- the score ---------------------------------------------------------------------------


@lru_cache(maxsize=256)
def texts(task, n, many, seed, options=()):
    """`many` texts of a task, "recall" or "copying", as a `Batch`: the same for the same seed."""
    return TASKS[task](np.random.default_rng([seed, n]), batch=many, n=n, **dict(options))


def answers(model, mask, batch):
    """The share of the questions in a `Batch` that the model answers right, under a mask for each
    head.
    """
    guesses = read(model, batch.ids, mask).logits.argmax(axis=-1)  # (b, n)
    return float((guesses == batch.targets)[batch.where].mean())


@_check.door(**GAME)
def score(design, name="", *, model="any", looks=None, lengths=LENGTHS, many=12, seed=0):
    """How well a model does both tasks under a design, and what the design costs: a `Result`.

    model    "any", "full" or "stride", as in training/recall.py, or a model of that shape
    looks    as in `keep_rules`, which is asked first
    lengths  of the texts;   many  texts of each length and task;   seed  draws them
    """
    made, model = (
        keep_rules(design, looks=looks, lengths=lengths),
        (trained(model) if isinstance(model, str) else model),
    )
    right = [
        [answers(model, mask, texts(task, n, many, seed)) for n, mask in made.items()]
        for task in TASKS
    ]
    recall, copying = np.mean(right, axis=1)
    return Result(
        name,
        float(recall),
        float(copying),
        float(np.mean([masks.density(mask) for mask in made.values()])),
    )


# ---- what there is to beat ---------------------------------------------------------------


# name -> the pattern of `attnlib.patterns`, and the numbers that stay as they are
FAMILIES = {
    "full": ("causal", {}),
    "local": ("local", {}),
    "global-local": ("global-local", {"n_global": 8}),
    "bigbird": ("bigbird", {"n_global": 2}),
    "streaming": ("streaming", {"n_sinks": 4}),
}
KNOBS = (4, 8, 16, 32, 64)


def baseline(family, knob):
    """A design of the course's patterns, the same mask in all heads; knob is the window, for
    bigbird also n_random.
    """
    knob = _check.integer("knob", knob)
    pattern, fixed = FAMILIES[_check.choice("family", family, list(FAMILIES))]
    return partial(_past_of, pattern, knob=knob, fixed=fixed)


def _past_of(pattern, n, *, knob, fixed):
    """What a pattern shows of the past. (n, n)"""
    drawn = min(knob, n)
    return masks.causal(n) & patterns.mask(pattern, n, window=knob, n_random=drawn, **fixed)


@_check.door(**GAME)
def baselines(many=12, seed=0):
    """Every family at every knob of KNOBS: a list of `Result`. many, seed   as in `score`"""
    found = [("full", "full", 1)] + [
        (f"{family} {knob}", family, knob) for family in list(FAMILIES)[1:] for knob in KNOBS
    ]
    return [
        score(baseline(family, knob), name, many=many, seed=seed) for name, family, knob in found
    ]


@_check.door(results=_results)
def leaderboard(results):
    """The lines of a table, the best first: by the weaker of the two scores, then by cost."""
    order = sorted(results, key=lambda r: (-round(min(r.recall, r.copying), 2), r.cost))
    lines = [f"{'design':22s}{'recall':>8s}{'copying':>9s}{'share of n²':>13s}"]
    return "\n".join(
        lines + [f"{r.name:22s}{r.recall:8.2f}{r.copying:9.2f}{r.cost:13.1%}" for r in order]
    )


@_check.door(results=_results)
def by_family(results, of=lambda result: min(result.recall, result.copying)):
    """For `show.pareto`: family -> (m, 2) cost and score, in the order given. "local 8" is of the
    family "local".

    of   which score: the weaker of the two unless given
    """
    groups = {}
    for result in results:
        groups.setdefault(result.name.rsplit(" ", 1)[0], []).append((result.cost, of(result)))
    return {name: np.array(points) for name, points in groups.items()}
