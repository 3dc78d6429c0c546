"""Patterns by name: who may look at whom, as it is chosen in a menu or on the command line.

A new mask is on offer on the command line as soon as it has its line here: its name and its
function n, and its numbers -> boolean (n, n), True = may attend. The explorer computes in the page
and needs the same line in `PATTERNS` of show/live/core.js.
"""

from inspect import signature

from numpy.typing import NDArray

from attnlib import _check, masks

PATTERNS = {
    "standard": masks.full,
    "causal": masks.causal,
    "local": masks.local,
    "global-local": masks.global_local,
    "bigbird": masks.bigbird,
    "streaming": masks.streaming,
}


def numbers(pattern) -> tuple:
    """What a pattern asks for beside n: ("window", "n_global") for "global-local"."""
    asked = signature(PATTERNS[_check.choice("pattern", pattern, list(PATTERNS))]).parameters
    return tuple(
        name
        for name, one in asked.items()
        if one.kind is one.KEYWORD_ONLY and one.default is one.empty
    )


def mask(pattern, n, **given) -> NDArray:
    """The mask of a pattern for n tokens, boolean (n, n).

    given   window, n_global …: those that the pattern asks for count, the others are passed over
    """
    asked = numbers(pattern)
    known = dict.fromkeys(name for other in PATTERNS for name in numbers(other))
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"{unknown[0]} is no number of a pattern: those are {', '.join(known)}")
    if missing := [name for name in asked if name not in given]:
        raise ValueError(f"pattern {pattern!r} asks for {', '.join(missing)}: give that too")
    return PATTERNS[pattern](n, **{name: given[name] for name in asked})


def with_numbers(*names) -> tuple:
    """The patterns that ask for nothing but these numbers."""
    names = {_check.text("names", name) for name in names}
    return tuple(pattern for pattern in PATTERNS if set(numbers(pattern)) <= names)
