"""Checks of arguments for the ground floor: each raises before any work and names the argument."""

import operator

import numpy as np


def integer(name, value, minimum=1, maximum=None):
    """`value` as an int; TypeError for floats and strings, ValueError outside minimum … maximum."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}") from None
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {number}")
    return number


def number(name, value):
    """`value` as a float."""
    try:
        if isinstance(value, (str, bool, np.bool_)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None


def positive(name, value):
    """`value` as a float; it must be a finite number above zero."""
    found = number(name, value)
    if not np.isfinite(found) or found <= 0:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return found


def not_negative(name, value):
    """`value` as a float; it must be a finite number, zero or above."""
    found = number(name, value)
    if not np.isfinite(found) or found < 0:
        raise ValueError(f"{name} must be a finite number, 0 or above, got {value!r}")
    return found


def choice(name, value, allowed):
    """`value` itself; it must be one of `allowed`, which are strings."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def flag(name, value):
    """`value` itself; it must be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def floats(name, value, axes):
    """`value` as a float array with at least as many axes as `axes` names, for example "n d"."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array, with rows of the same length") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got an array of {array.dtype}")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    wanted = axes.split()
    if array.ndim < len(wanted):
        raise ValueError(
            f"{name} must have the shape (..., {', '.join(wanted)}), got {array.shape}"
        )
    return array


def tokens(name, value, width, axes="n d_model"):
    """`value` as a finite float array of tokens, (..., n, width). The last of `axes` names
    the width.
    """
    array = finite(name, floats(name, value, axes))
    if array.shape[-1] != width:
        raise ValueError(
            f"{name} must have the shape (..., {axes.replace(' ', ', ')}={width}), got"
            f" {array.shape}"
        )
    return array


def finite(name, array):
    """`array` itself; ValueError if it holds NaN or an infinity."""
    if not (_quick(array) and np.vdot(array, array) < np.inf) and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"{name} must be finite, but {name}[{', '.join(map(str, where))}] is {array[where]}"
        )
    return array


def length(name, array):
    """At least the length of `array` as one long vector, as a float; ValueError unless finite."""
    if _quick(array):
        found = float(np.vdot(array, array)) ** 0.5
    else:
        found = max(float(array.max()), -float(array.min())) * array.size**0.5
    if not found < np.inf:  # NaN and infinity win; so does what overflows when squared
        finite(name, array)
    return found


def _quick(array):
    """Whether a product with itself, in which NaN and infinity win, is the quickest look."""
    return array.flags.c_contiguous and array.dtype != np.float16


def below_infinity(name, array):
    """`array` itself; ValueError if it holds NaN or +inf (-inf is fine)."""
    if not array.max(initial=-np.inf) < np.inf:  # NaN and +inf win every maximum
        raise ValueError(
            f"{name} must not hold NaN or +inf, and does at"
            f" {np.argwhere(~(array < np.inf))[0].tolist()}"
        )
    return array


def generator(rng):
    """`rng` itself, or default_rng(0) for None."""
    if rng is None:
        return np.random.default_rng(0)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy Generator, as np.random.default_rng(seed) makes one; got {rng!r}"
        )
    return rng


def boolean(name, value):
    """`value` as a boolean array; numbers are refused, because a mask is not a number."""
    array = np.asarray(value)
    if array.dtype != np.bool_:
        raise TypeError(
            f"{name} must be boolean (True = may attend), got an array of {array.dtype}; additive"
            " numbers go in bias="
        )
    return array


def broadcasts(name, array, shape, whose="the weights'"):
    """`array` itself; ValueError unless it can be stretched to `shape` without adding to it."""
    try:
        fits = np.broadcast_shapes(array.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} has the shape {array.shape}, which does not fit {whose} shape {tuple(shape)}"
        )
    return array


def ids(name, value, vocabulary):
    """`value` as an array of whole numbers below the size of the vocabulary, (n,) or (b, n)."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array, with rows of the same length") from None
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"{name} must have the shape (n,) or (b, n), got {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, got an array of {array.dtype}")
    if array.min() < 0 or array.max() >= vocabulary:
        raise ValueError(
            f"{name} must lie between 0 and {vocabulary - 1}, got {array.min()} to {array.max()}"
        )
    return array


def padding_mask(name, mask, shape):
    """A mask of the ids' shape, (..., n) -> (..., 1, 1, n) as the weights are laid out; None stays
    None.
    """
    if mask is None:
        return None
    mask = boolean(name, mask)
    if mask.shape != shape:
        raise ValueError(f"{name} must have the shape of ids, {shape}, got {mask.shape}")
    return mask[..., None, None, :]
