"""What an editor is told: every public function of the ground floor says what it returns."""

import importlib
import inspect
import typing
from pathlib import Path

import numpy as np
import pytest

import attnlib
from attnlib import SelfAttention, attention_scores, encodings, layers, masks, show, softmax
from attnlib.show.sheet import Picture

ROOMS = [
    "attention",
    "masks",
    "encodings",
    "layers",
    "efficient",
    "measures",
    "effects",
    "timing",
    "rope_scaling",
]


def functions(room):
    module = importlib.import_module(f"attnlib.{room}")
    return [
        f
        for name, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__ and name[0] != "_"
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_every_function_says_what_it_returns(room):
    for function in functions(room):
        hints = typing.get_type_hints(inspect.unwrap(function))  # raises where a name is wrong
        assert "return" in hints or function is layers.cast, function.__name__


def test_every_picture_says_that_it_is_one():
    figures = [show.__dict__[name] for name in show.__all__ if name.islower()]
    others = {"explore", "most_attended", "predict", "show_source", "theme", "words"}
    for figure in figures:
        if figure is not show.predict and figure.__name__ not in others:
            assert typing.get_type_hints(figure)["return"] is Picture, figure.__name__


def test_the_hints_are_handed_on_to_other_projects():
    assert (Path(attnlib.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(
    "alias, call",
    [
        (encodings.Layout, lambda word: encodings.sinusoidal(3, 4, layout=word)),
        (
            encodings.Layout,
            lambda word: encodings.rotate(np.ones((2, 4)), [[1, 2]] * 2, layout=word),
        ),
        (layers.Activation, lambda word: layers.FeedForward(4, activation=word)),
        (layers.Norm, lambda word: layers.EncoderBlock(4, 2, norm_type=word)),
        (typing.get_args(layers.Place)[0], lambda word: layers.EncoderBlock(4, 2, norm=word)),
    ],
)
def test_the_words_of_a_hint_are_those_that_are_taken(alias, call):
    """And the message that refuses another word names each of them."""
    words = typing.get_args(alias)
    for word in words:
        call(word)
    with pytest.raises(ValueError) as refused:
        call("no such word")
    assert all(repr(word) in str(refused.value) for word in words)


def test_what_is_said_is_what_comes():
    x = np.ones((3, 4))
    assert isinstance(softmax(x), np.ndarray) and isinstance(attention_scores(x, x), np.ndarray)
    assert isinstance(masks.density(masks.causal(3)), float)
    assert isinstance(SelfAttention(4, 2)(x), tuple)
