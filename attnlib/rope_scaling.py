"""Rotary encoding for texts longer than those of the training: the five published recipes.

A recipe slows the pairs down, so that far positions look like ones the model has seen. It takes
and returns their speeds (pairs,) in radians per token, the fastest first. Its options carry the
names of a published model's config.json ("rope_scaling").
"""

import math

import numpy as np
from numpy.typing import NDArray

from attnlib import _check

LENGTHENING = ["attention_factor", "mscale", "mscale_all_dim"]  # see attention_factor()
REQUIRED = {
    "default": [],
    "linear": ["factor"],
    "dynamic": ["factor", "original_max_position_embeddings"],
    "yarn": ["factor", "original_max_position_embeddings"],
    "llama3": ["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"],
    "longrope": ["factor", "original_max_position_embeddings", "short_factor", "long_factor"],
}
OPTIONAL = {
    "yarn": ["beta_fast", "beta_slow", "truncate", *LENGTHENING],
    "longrope": ["attention_factor"],
}


def scaled_speeds(speeds, n, *, base, scaling) -> NDArray:
    """The speeds of the pairs as a recipe changes them.

    speeds   (pairs,) radians per token, base^(-2i/d_head)
    n        length of the text, which "dynamic" and "longrope" look at
    scaling  {"type": …, option: …}, or None for no change
    returns  (pairs,)

    Raises ValueError for a type or an option that is not known, or an option that is missing.
    """
    kind, options = checked(scaling)
    trained = options.pop("original_max_position_embeddings", None)
    options = {name: value for name, value in options.items() if name not in LENGTHENING}
    if kind == "linear":
        return linear(speeds, **options)
    if kind == "dynamic":
        return dynamic(speeds, n, trained, **options)
    if kind == "yarn":
        return yarn(speeds, trained, base=base, **options)
    if kind == "llama3":
        return llama3(speeds, trained, **options)
    if kind == "longrope":
        return longrope(speeds, n, trained, options["short_factor"], options["long_factor"])
    return speeds


def linear(speeds, *, factor) -> NDArray:
    """All pairs slow down alike: position p is turned as p / factor was. (pairs,)

    "Position interpolation": Chen et al. 2023, equation 4.
    """
    return speeds / factor


def dynamic(speeds, n, trained, *, factor) -> NDArray:
    """The slower a pair, the more it slows down, and all the more the longer the text. (pairs,)

    Up to the trained length nothing changes. Beyond it the fastest pair keeps its speed, the
    slowest is slowed by s = factor · n / trained - (factor - 1), and those between by a power
    of s: as if base were base · s^(d_head / (d_head - 2)).

    "Dynamic NTK": emozilla 2023; written down by Peng et al. 2023, "YaRN", section 3.3.
    """
    stretch = factor * max(n, trained) / trained - (factor - 1)
    return speeds / stretch ** np.linspace(0, 1, len(speeds))


def yarn(speeds, trained, *, base, factor, beta_fast=32, beta_slow=1, truncate=True) -> NDArray:
    """Pairs with many turns in the trained length stay, those with few slow down. (pairs,)

    beta_fast  a pair with at least so many turns keeps its speed
    beta_slow  a pair with at most so many turns is slowed by `factor`; between them a ramp over
               the pairs, as in the authors' code
    truncate   let the ramp begin and end at whole pairs

    Peng et al. 2023, "YaRN", sections 3.2 and 3.4. It also makes q and k longer:
    `attention_factor`.
    """
    if base <= 1:
        raise ValueError(f"base must be above 1 for yarn scaling, got {base}")

    def pair(turns):  # which one turns so often: not whole
        return len(speeds) * math.log(trained / (2 * math.pi * turns)) / math.log(base)

    first, last = pair(beta_fast), pair(beta_slow)
    if truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, 2 * len(speeds) - 1)
    if first == last:
        last += 0.001
    ramp = (np.arange(len(speeds)) - first) / (last - first)
    return _blend(speeds, 1 - np.clip(ramp, 0, 1), factor)


def llama3(speeds, trained, *, factor, low_freq_factor, high_freq_factor) -> NDArray:
    """As yarn, with a ramp over the number of turns in the trained length. (pairs,)

    high_freq_factor   a pair with at least so many turns keeps its speed
    low_freq_factor    a pair with at most so many turns is slowed by `factor`

    Llama 3.1 (Grattafiori et al. 2024), its published code: `apply_scaling`.
    """
    turns = trained * speeds / (2 * np.pi)
    ramp = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor)
    return _blend(speeds, np.clip(ramp, 0, 1), factor)


def longrope(speeds, n, trained, short_factor, long_factor) -> NDArray:
    """Each pair is slowed by a factor of its own, found by search. (pairs,)

    short_factor, long_factor   (pairs,) for texts up to the trained length, and for longer ones

    Ding et al. 2024, "LongRoPE"; in this form the published code of Phi-3.
    """
    factors = np.asarray(long_factor if n > trained else short_factor)
    if factors.shape != speeds.shape:
        wanted = f"{len(speeds)} numbers, one per pair of a head"
        raise ValueError(f"short_factor and long_factor must hold {wanted}, got {factors.size}")
    return speeds / factors


def _blend(speeds, keep, factor):
    """Share `keep` of each pair's own speed, the rest slowed by `factor`. (pairs,)"""
    return speeds * (keep + (1 - keep) / factor)


def attention_factor(scaling) -> float:
    """How much longer a recipe makes q and k, each: q·k grows by the square of it.

    1 but for two types: longer texts flatten the softmax, and this sharpens it again.
    yarn      0.1 · ln(factor) + 1: Peng et al. 2023, "YaRN", section 3.4
    longrope  √(1 + ln(factor) / ln(original_max_position_embeddings)): Phi-3
    The option "attention_factor" replaces either.
    """
    kind, options = checked(scaling)
    factor = options.get("factor", 1)
    if "attention_factor" in options:
        return float(options["attention_factor"])
    if factor <= 1 or kind not in ("yarn", "longrope"):
        return 1.0
    if kind == "longrope":
        trained = options["original_max_position_embeddings"]
        return math.sqrt(1 + math.log(factor) / math.log(trained))
    above, below = options.get("mscale", 1), options.get("mscale_all_dim", 0)
    return (0.1 * above * math.log(factor) + 1) / (0.1 * below * math.log(factor) + 1)


def checked(scaling) -> tuple[str, dict]:
    """(type, options) of a scaling; an option that is None is left out. None is "default"."""
    if scaling is None:
        return "default", {}
    if not isinstance(scaling, dict):
        example = "{'type': 'linear', 'factor': 2}"
        raise TypeError(f"scaling must be a dict, as {example}, got {scaling!r}")
    options = {name: value for name, value in scaling.items() if value is not None}
    kinds = [options.pop(name) for name in ("type", "rope_type") if name in options]
    if not kinds or kinds[0] != kinds[-1]:
        raise ValueError(f"scaling must have one 'type' (or 'rope_type'), got {scaling!r}")
    kind = _check.choice("scaling type", kinds[0], list(REQUIRED))
    known = REQUIRED[kind] + OPTIONAL.get(kind, [])
    for name in options:
        if name not in known:
            listed = ", ".join(map(repr, known)) or "none"
            raise ValueError(f"scaling {kind!r} has no option {name!r}; it knows {listed}")
    for name in REQUIRED[kind]:
        if name not in options:
            raise ValueError(f"scaling {kind!r} needs the option {name!r}")
    options = {name: _checked_option(name, value) for name, value in options.items()}
    _check_bounds(options)
    return kind, options


def _checked_option(name, value):
    """One option as a number, a bool, or an array of factors."""
    if name == "original_max_position_embeddings":
        return _check.integer(name, value, minimum=2)
    if name == "truncate":
        if not isinstance(value, bool):
            raise TypeError(f"truncate must be True or False, got {value!r}")
        return value
    if name in ("short_factor", "long_factor"):
        factors = _check.finite(name, _check.floats(name, value, "pairs"))
        if factors.ndim > 1 or (factors <= 0).any():
            raise ValueError(f"{name} must be a list of numbers above 0, got {value!r}")
        return factors
    return _check.positive(name, value)


def _check_bounds(options):
    """Of two options, one bounds the other, or needs it."""
    if options.get("low_freq_factor", 0) >= options.get("high_freq_factor", np.inf):
        found = f"got {options['low_freq_factor']} and {options['high_freq_factor']}"
        raise ValueError(f"low_freq_factor must be below high_freq_factor, {found}")
    if options.get("beta_slow", 1) >= options.get("beta_fast", 32):
        found = f"got {options.get('beta_slow', 1)} and {options.get('beta_fast', 32)}"
        raise ValueError(f"beta_slow must be below beta_fast, {found}")
    if ("mscale" in options) != ("mscale_all_dim" in options):
        raise ValueError("mscale and mscale_all_dim must be given together")
