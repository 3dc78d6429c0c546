"""patterns.py: every name gives the mask of its slow twin, with its own numbers and no others."""

import inspect

import numpy as np
import pytest
import slow

from attnlib import masks, patterns, toy
from attnlib.__main__ import BY_HAND
from attnlib.course import capstone
from attnlib.course.explorer import explorer

N, GIVEN = 9, {"window": 2, "n_global": 1, "n_random": 2, "n_sinks": 3}
TWINS = {
    "standard": (slow.full(N, N), ()),
    "causal": (slow.causal(N, N), ()),
    "local": (slow.local(N, N, 2), ("window",)),
    "global-local": (slow.global_local(N, 2, 1), ("window", "n_global")),
    "bigbird": (
        masks.bigbird(N, window=2, n_global=1, n_random=2),
        ("window", "n_global", "n_random"),
    ),
    "streaming": (slow.streaming(N, 2, 3), ("window", "n_sinks")),
}


def test_every_pattern_is_tried_here():
    missing = [name for name in patterns.PATTERNS if name not in TWINS]
    assert not missing, f"{missing}: a line in TWINS here, its mask of {N} tokens and its numbers"
    assert list(patterns.PATTERNS)[: len(TWINS)] == list(TWINS), "a new one stands last"


@pytest.mark.parametrize("pattern", TWINS)
def test_a_name_is_a_mask_with_its_own_numbers(pattern):
    wanted, numbers = TWINS[pattern]
    assert patterns.numbers(pattern) == numbers
    np.testing.assert_array_equal(patterns.mask(pattern, N, **GIVEN), wanted)
    only = {name: GIVEN[name] for name in numbers}
    np.testing.assert_array_equal(patterns.mask(pattern, N, **only), wanted)
    for name in numbers:
        fewer = {other: value for other, value in only.items() if other != name}
        with pytest.raises(ValueError, match=f"pattern '{pattern}' asks for {name}"):
            patterns.mask(pattern, N, **fewer)


@pytest.mark.parametrize("call", [patterns.mask, lambda name, n: patterns.numbers(name)])
@pytest.mark.parametrize("name", ["ring", [], None])
def test_an_unknown_name_is_refused(call, name):
    with pytest.raises((TypeError, ValueError), match=r"^pattern must be one of 'standard'"):
        call(name, 4)


def test_a_new_mask_is_on_offer_in_menus(monkeypatch):
    """The menu of the explorer and the list of the command line are read from here."""
    assert toy.PATTERNS == patterns.with_numbers("window", "n_global")
    assert toy.PATTERNS[:4] == ("standard", "causal", "local", "global-local")
    assert [explorer(pattern=name).pattern for name in toy.PATTERNS] == [*toy.PATTERNS]
    assert all(name in BY_HAND["pattern"] for name in toy.PATTERNS)
    for pattern, fixed in capstone.FAMILIES.values():
        assert set(fixed) | {"window", "n_random"} >= set(patterns.numbers(pattern))
    before = patterns.with_numbers("window")
    assert before[:3] == ("standard", "causal", "local")
    monkeypatch.setitem(patterns.PATTERNS, "my blocks", lambda n, *, window: masks.full(n))
    assert patterns.with_numbers("window") == (*before, "my blocks")


def test_the_registry_is_the_only_one():
    """Nobody else keeps a table from the names of patterns to functions."""
    for room in (toy, capstone):
        assert "masks.local(" not in inspect.getsource(room)
