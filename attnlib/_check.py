"""Checks of arguments for the ground floor: each raises before any work and names the argument.

What people bring becomes an array in `_arrays`, and what a model returned becomes weights in
`_brought`: nowhere else.
"""

import operator
from collections.abc import Mapping, Set
from functools import wraps
from inspect import Parameter, signature

import numpy as np

from attnlib._arrays import array


def integer(name, value, minimum=1, maximum=None):
    """`value` as an int; TypeError for floats and strings, ValueError outside minimum … maximum."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {short(value)}") from None
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {number}")
    if abs(number) > LARGEST:
        raise ValueError(f"{name} must be a number of tokens or the like, got {number:.3g}")
    return number


LARGEST = 2**40  # what no text, table or seed goes beyond; NumPy takes no more than 2**63


def number(name, value):
    """`value` as a float."""
    try:
        odd = isinstance(value, (str, bytes, bool, np.bool_)) or value is np.ma.masked
        if odd or np.ndim(value):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number, got {short(value)}") from None


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


def rate(name, value, least=positive):
    """`value` as a float above 0, or as `least` checks it, that a step of float32 bears."""
    found = least(name, value)
    if found > 1e28:
        raise ValueError(f"{name} must be at most 1e28, got {found:g}")
    return found


def choice(name, value, allowed):
    """`value` itself; it must be one of `allowed`, which are strings."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def flag(name, value):
    """`value` as a bool; it must be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {short(value)}")
    return bool(value)


def float_type(name, value):
    """`value` as a dtype of floats."""
    try:
        found = np.dtype(object if value is None else value)
    except (TypeError, ValueError, SyntaxError):
        found = np.dtype(object)
    if found.kind != "f":
        raise TypeError(f"{name} must be a float type, as np.float32, got {short(value)}")
    return found


def short(value):
    """A value as an error quotes it: in full if that is a few words."""
    text = " ".join(repr(value).split())
    return text if len(text) < 80 else f"{text[:60]}… ({type(value).__name__})"


# ---- words, rows of them, and what has to be able to do something --------------------------------


def text(name, value):
    """`value` as a string that can be drawn and sent: half a sign becomes a question mark."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {short(value)}")
    return str(value).encode("utf-8", "replace").decode("utf-8")


def row(name, value, of="strings"):
    """`value` as a list: of a list, a tuple, an array, a column of a table."""
    if isinstance(value, (str, bytes, Mapping, Set)) or not hasattr(value, "__len__"):
        raise TypeError(f"{name} must be a list of {of}, got {short(value)}")
    if hasattr(value, "__array__"):
        value = np.asarray(value)
    if getattr(value, "ndim", 1) != 1 or type(value) is type:
        raise TypeError(f"{name} must be a list of {of}, got {short(value)}")
    return value.tolist() if isinstance(value, np.ndarray) else list(value)


def texts(name, value):
    """`value` as a list of strings."""
    return [text(f"{name}[{i}]", str(one)) for i, one in enumerate(row(name, value))]


def pair(name, value, of=text, what="names"):
    """`value` as a tuple of two strings, or of two of what else `of` checks."""
    try:
        first, second = row(name, value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be two {what}, got {short(value)}") from None
    return of(f"{name}[0]", first), of(f"{name}[1]", second)


def place(name, value):
    """`value` as two whole numbers: a layer and a head, a row and a column."""
    return pair(name, value, lambda name, one: integer(name, one, minimum=None), "whole numbers")


def named(name, value, of="values"):
    """`value` itself; it must be a dict with something in it."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict name -> {of}, got {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must be a dict name -> {of}, with one at least, got an empty one")
    return value


def words(name, value):
    """`value` itself; it must be a dict of strings, word -> word."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict word -> word, got {short(value)}")
    for one in [*value, *value.values()]:
        text(name, one)
    return dict(value)


def function(name, value, about="a function"):
    """`value` itself; it must be one that can be called, and no class."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"{name} must be {about}, got {short(value)}")
    return value


def able(name, value, *methods, about="a model"):
    """`value` itself; it must have these methods."""
    lacks = [one for one in methods if not callable(getattr(value, one, None))]
    if lacks or isinstance(value, type):
        can = " and ".join(methods)
        raise TypeError(f"{name} must be {about} with {can}, got {short(value)}")
    return value


def made(*classes):
    """A check: whether a value was made from one of these classes."""
    wanted = " or ".join(
        f"{'an' if one.__name__[0] in 'AEIOU' else 'a'} {one.__name__}" for one in classes
    )

    def check(name, value):
        if not isinstance(value, classes):
            raise TypeError(f"{name} must be {wanted}, got {short(value)}")
        return value

    return check


def door(**kinds):
    """A door for a function without one of its own: `@door(title=text)` checks each of these
    arguments that it has by name, before it begins. What is None by default may be None.
    """

    def before(function):
        known = signature(function)
        asked = {
            name: (kinds[name], one.default)
            for name, one in known.parameters.items()
            if name in kinds and one.kind is not Parameter.VAR_KEYWORD
        }

        @wraps(function)
        def checked(*given, **options):
            try:
                bound = known.bind(*given, **options)
            except TypeError:
                return function(*given, **options)  # Python says what is missing, or not known
            for name, value in bound.arguments.items():
                check, default = asked.get(name, (None, None))
                if check and not (value is None and default is None):
                    bound.arguments[name] = check(name, value)
            return function(*bound.args, **bound.kwargs)

        return checked

    return before


def floats(name, value, axes):
    """`value` as a float array with at least as many axes as `axes` names, for example "n d"."""
    found = array(name, value)
    if found.dtype.kind not in "fiub":
        what = "" if found.ndim or value is None else f" ({type(value).__name__})"
        raise TypeError(f"{name} must hold real numbers, got an array of {found.dtype}{what}")
    if found.dtype.kind != "f":
        found = found.astype(np.float64)
    wanted = axes.split()
    if found.ndim < len(wanted):
        raise ValueError(
            f"{name} must have the shape (..., {', '.join(wanted)}), got {found.shape}"
        )
    return found


def tokens(name, value, width, axes="n d_model"):
    """`value` as a finite float array of tokens, (..., n, width). The last of `axes` names
    the width.
    """
    array = finite(name, floats(name, value, axes))
    if array.shape[-1] != width or 0 in array.shape:
        raise ValueError(
            f"{name} must have the shape (..., {axes.replace(' ', ', ')}={width}), got"
            f" {array.shape}"
        )
    return array


def full(name, value, axes=""):
    """`value` as a finite float array with at least one number, of these axes: "... n d" for any
    in front of the last two.
    """
    wanted = axes.split()
    found = finite(name, floats(name, value, " ".join(wanted[wanted[:1] == ["..."] :])))
    if not found.size or (wanted and wanted[0] != "..." and found.ndim != len(wanted)):
        raise ValueError(
            f"{name} must have the shape ({', '.join(wanted) or '...'}), with at least one number,"
            f" got {found.shape}"
        )
    return found


def arrays(name, value):
    """`value` as a dict of float arrays."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict name -> array, got {short(value)}")
    return {
        key: one if _is_float(one) else floats(f"{name}[{key!r}]", one, "")
        for key, one in value.items()
    }


def _is_float(value):
    """The quick look: a training asks at every step."""
    return type(value) is np.ndarray and value.dtype.kind == "f"


def kept(name, value):
    """`value` itself; it must be a dict of float arrays that can be changed in place."""
    arrays(name, value)
    for key, one in value.items():
        if not isinstance(one, np.ndarray) or one.dtype.kind != "f" or not one.flags.writeable:
            wanted = "a NumPy array of floats that can be changed in place"
            raise TypeError(f"{name}[{key!r}] must be {wanted}, got {short(one)}")
    return value


def whole(name, value):
    """`value` as an array of whole numbers, with one at least."""
    found = array(name, value)
    if found.dtype.kind not in "iu" or not found.size:
        wanted = "hold whole numbers, one at least"
        raise ValueError(f"{name} must {wanted}, got {found.dtype} {found.shape}")
    return found


def shape(name, value):
    """`value` as a tuple of whole numbers, each the length of an axis."""
    return tuple(
        integer(f"{name}[{i}]", n) for i, n in enumerate(row(name, value, "whole numbers"))
    )


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
            "rng must be a numpy Generator, as np.random.default_rng(seed) makes one; got"
            f" {short(rng)}"
        )
    return rng


def numbers(name, value):
    """`value` as an array of real numbers, of the type that it has."""
    found = array(name, value)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got an array of {found.dtype}")
    return found


def boolean(name, value):
    """`value` as a boolean array; numbers are refused, because beside a bias a mask is none."""
    found = array(name, value)
    if found.dtype != np.bool_:
        lengths = ", masks.padding(lengths, n_k) for lengths" if found.dtype.kind in "iu" else ""
        raise TypeError(
            f"{name} must be boolean (True = may attend), got an array of {found.dtype};"
            f" {name}.astype(bool) is for 1 and 0, {name} == 0 for 0 and -inf{lengths}; additive"
            " numbers go in bias="
        )
    return found


SHUT = -1e4  # a score from here down was masked: nobody trains to it, and its share is 0


def allowed(name, value):
    """`value` as a boolean array, for a picture. Numbers are taken where they can mean one thing: 1
    and 0, or 0 and what is as good as -inf, which others add to the scores.
    """
    found = array(name, value)
    if found.dtype.kind in "fiu" and found.any():
        shut = found <= SHUT
        if (shut | (found == 0)).all():
            return ~shut
        if ((found == 1) | (found == 0)).all():
            return found == 1
    if found.dtype != np.bool_:
        other = "numbers that are neither 1 and 0 nor 0 and -inf"
        zeros = f"only 0, which shuts all or adds nothing: {name}.astype(bool) or {name} == 0"
        empty = found.dtype.kind in "fiu" and found.size and not found.any()
        what = f"{found.dtype}, {zeros if empty else other}"
        raise TypeError(f"{name} must be boolean (True = may attend), got an array of {what}")
    return found


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
    found = array(name, value)
    if found.ndim not in (1, 2) or found.size == 0:
        raise ValueError(f"{name} must have the shape (n,) or (b, n), got {found.shape}")
    if found.dtype.kind not in "iu":
        raise TypeError(f"{name} must be whole numbers, got an array of {found.dtype}")
    if found.min() < 0 or found.max() >= vocabulary:
        raise ValueError(
            f"{name} must lie between 0 and {vocabulary - 1}, got {found.min()} to {found.max()}"
        )
    return found


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
