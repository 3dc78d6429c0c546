"""What the questions of a choice hold to be right, computed with NumPy alone."""

import numpy as np
import pytest

from attnlib import toy
from attnlib.exercises import (
    many_heads,
    queries_keys_values,
    similarity_and_softmax,
    transformer_block,
    why_scale,
)


def shares(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def strangers(width, many=400, n=10, seed=13):
    """The scores of random queries, each with n random keys."""
    rng = np.random.default_rng([seed, width])
    q, k = rng.normal(size=(many, 1, width)), rng.normal(size=(many, n, width))
    return (q * k).sum(axis=-1)


def shift():
    few = np.array([1000.0, 999, 0])
    same = np.allclose(shares(few - 1000), [1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0])
    return "they stay as they are" if same and np.isnan(np.exp(few) / np.exp(few).sum())[0] else ""


def loud():
    rng = np.random.default_rng(0)
    for keys, query in zip(rng.normal(size=(200, 5, 2)), rng.normal(size=(200, 2))):
        louder = keys * np.array([1, 1, 3, 1, 1])[:, None]
        gains = shares(louder @ query)[2] > shares(keys @ query)[2]
        if gains != (keys[2] @ query > 0):  # less than a right angle
            return ""
    return "to those less than a right angle away"


def nudge():
    """Of the row that the notebook shows, and of most rows."""
    moved = {}
    for width in (4, 512):
        scores = strangers(width)
        pushed = scores + 0.1 * (np.argsort(np.argsort(scores)) == scores.shape[1] - 2)
        moved[width] = abs(shares(pushed) - shares(scores)).max(axis=1)
    alone = moved[4][1] > 0.01 > 0.001 > moved[512][1]
    return "the narrow head's alone" * bool(alone and np.median(moved[512]) < 1e-4)


def which():
    strays = strangers(64).std() / np.sqrt(512)
    return "about a third as far as they should" * bool(0.31 < strays < 0.39)


def same():
    q = np.random.default_rng(0).normal(size=(200, 1024))
    return f"{(q * q).sum(axis=1).mean() / np.sqrt(1024):.0f}"


def layers():
    """Four words, and of each: noun, alive, pronoun, said of things, wants a thing."""
    x = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0.0]])
    it, mat = 2, 1

    def quality(x):
        return shares(8 * np.outer(2 * x[:, 2] - 1, x[:, 3])) @ x[:, 3:4] * [0, 0, 0, 0, 1]

    def noun(x):
        asked = np.outer(4.5 * x[:, 2], x[:, 0] + 0.4 * x[:, 1])
        weights = shares(asked + np.outer(8 * x[:, 4], x[:, 0] - x[:, 1]))
        found.append(weights[it].argmax() == mat)
        return weights @ (x * [1, 1, 1, 0, 0])

    found = []
    noun(x)  # side by side: both read x
    noun(x + quality(x))
    quality(x + noun(x))
    right = transformer_block.layers.given["right"]
    return right if found == [False, True, False] and right.startswith("the quality in") else ""


def widths():
    """On seven axes, a circle and a line, however loud: who looks most at itself?"""
    turns = 2 * np.pi * np.arange(7) / 7
    places = {
        "seven": np.eye(7),
        "two": np.stack([np.cos(turns), np.sin(turns)], axis=1),
        "one": np.linspace(-1, 1, 7)[:, None],
    }
    found = [
        name
        for name, x in places.items()
        if all((shares(loud * x @ x.T).argmax(1) == range(7)).all() for loud in (0.5, 4, 30))
    ]
    return " and ".join(f"with {name}" for name in found)


@pytest.mark.parametrize(
    "question, computed",
    [
        (similarity_and_softmax.shift, shift),
        (similarity_and_softmax.loud, loud),
        (why_scale.nudge, nudge),
        (why_scale.which, which),
        (why_scale.same, same),
        (transformer_block.layers, layers),
        (many_heads.widths, widths),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_what_is_right_is_so(question, computed):
    with np.errstate(over="ignore", invalid="ignore"):
        assert computed() == question.given["right"]


def test_no_random_head_turns_unless_the_row_that_asks_is_another():
    story = "The cat sat on the mat because it was"
    tired, soft = (toy.story_embed(f"{story} {end}".split()) for end in ("tired", "soft"))
    rng = np.random.default_rng(1)
    assert queries_keys_values.turning(tired, soft, 100, rng) == 0
    turned = tired.copy()
    turned[7] *= -1  # it asks for the opposite
    assert queries_keys_values.turning(tired, turned, 100, rng) == 100
