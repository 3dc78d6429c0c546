"""Checks of arguments for the ground floor: each raises before any work and names the argument.

What people bring becomes an array in `array`, and what a model returned becomes weights in
`brought`: nowhere else.
"""

import operator
import re
from collections.abc import Mapping, Set
from functools import wraps
from inspect import Parameter, signature
from typing import NamedTuple

import numpy as np


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


# ---- what people bring ---------------------------------------------------------------------------

SHUT = -1e4  # a score from here down was masked: nobody trains to it, and its share is 0
# the names under which a model's output holds weights
HELD = (
    "attentions",
    "encoder_attentions",
    "decoder_attentions",
    "cross_attentions",
    "weights",
    "decoder_weights",
    "cross_weights",
    "attention_weights",
    "attn_weights",
    "pattern",
)
PATTERN = re.compile(r"(?:.*\.)?(\d+)\..*pattern")  # blocks.0.attn.hook_pattern
EAGER = (
    "this model ran without weights: load it with attn_implementation='eager', and call it with"
    " output_attentions=True"
)


def array(name, value):
    """`value` as a NumPy array: a list, or whatever a library calls an array or a tensor, with a
    gradient or without, on any device, of numbers that NumPy has not (they become float32, which
    holds them all).
    """
    if type(value) is np.ndarray and value.dtype.kind in "fiub" and value.dtype.isbuiltin != 2:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array, whose mask would be lost: give {name}.data, and"
            f" mask=~{name}.mask where a mask is taken"
        )
    if isinstance(value, Mapping) or hasattr(value, "_fields"):
        raise TypeError(f"{name} must hold real numbers, got a {_keyed(name, value)}")
    if hasattr(value, "state_dict"):
        raise TypeError(
            f"{name} must hold real numbers, got a model ({type(value).__name__}): give what it"
            " returns"
        )
    if _is_a_row_of_arrays(value):
        parts = [array(f"{name}[{i}]", one) for i, one in enumerate(value)]
        shapes = list(dict.fromkeys(part.shape for part in parts))
        if len(shapes) > 1:
            found = f"got {', '.join(map(str, shapes[:4]))}"
            raise ValueError(f"{name} must be an array, with rows of the same length, {found}")
        return np.stack(parts)
    if isinstance(value, (list, tuple)):
        try:
            return np.asarray(value)
        except ValueError:
            raise ValueError(f"{name} must be an array, with rows of the same length") from None
    try:
        for step in ("detach", "cpu"):
            if callable(getattr(value, step, None)):
                value = getattr(value, step)()
    except Exception as error:  # whatever a library raises: a tensor without numbers
        raise _unreadable(name, error) from None
    return _read(name, value)


def _unreadable(name, problem):
    said = str(problem).strip().partition("\n")[0][:160]
    return TypeError(f"{name} cannot be read as an array of numbers: {said}")


def _read(name, value):
    """What is no list, by the first of the ways that it offers and that gives numbers."""
    ways = ["", "float", "numpy", "to_dense", "toarray", "get", "tolist"]
    if re.search(r"bfloat|float[468]", str(getattr(value, "dtype", "")).replace("float64", "")):
        ways = ["float", *ways]  # some libraries hand out its bits, as whole numbers
    problem = None
    for way in ways:
        method = getattr(value, way, None) if way else lambda: value
        if not callable(method):
            continue
        try:
            found = np.asarray(method())
        except Exception as error:  # whatever a library raises
            problem = problem or error
            continue
        if found.dtype.isbuiltin == 2 and found.dtype.kind != "c":  # ml_dtypes: bfloat16, float8 …
            return found.astype(np.float32)
        if found.dtype != object:
            return found
    if problem is None:
        return found
    raise _unreadable(name, problem) from None


def _is_a_row_of_arrays(value):
    """Whether a list, or an array of objects, has entries that are neither numbers nor lists of
    them.
    """
    if isinstance(value, np.ndarray):
        return value.dtype == object and value.ndim > 0 and _is_a_row_of_arrays(value.tolist())
    return isinstance(value, (list, tuple)) and any(
        not isinstance(one, PLAIN) or _is_a_row_of_arrays(one) for one in value
    )


PLAIN = (bool, int, float, complex, str, bytes, type(None), list, tuple, np.generic)


def _keyed(name, value):
    """A mapping, or a tuple whose places have names, in words that say how to take one of them."""
    keys = _keys(value)
    shown = ", ".join(map(repr, keys[:6])) + ", …" * (len(keys) > 6)
    if not isinstance(value, tuple):
        one = f"{name}[{keys[0]!r}]" if keys else f"{name}[key]"
        return f"{type(value).__name__} with the keys {shown}: give what stands there, as {one}"
    return f"{type(value).__name__} of {shown}: give one of them, as {name}.{keys[0]}"


def _keys(value):
    return list(value._fields if hasattr(value, "_fields") else value.keys())


class Brought(NamedTuple):
    """What somebody brought as attention weights."""

    array: np.ndarray  # (..., n_q, n_k)
    tokens: list  # those of a `Trace`, or None
    joined: bool  # from the steps of generate()
    texts: int  # of the batch that it was taken from


def weights(name, value, axes="n_q n_k"):
    """Attention weights as a float array: an array with all its axes, and what a model returned as
    (layers, h, n_q, n_k).
    """
    if not (isinstance(value, np.ndarray) and value.dtype != object):
        value = brought(name, value, choose=False).array
    return floats(name, value, axes)


def brought(name, value, batch=None, *, choose=True):
    """Attention weights of one text: an array as it is, and what a model returned as
    (layers, h, n_q, n_k): a tuple of layers, the steps of generate(), an output that holds them.

    batch    the text that is meant, where there is more than one
    choose   whether the error may speak of batch=
    """
    value, tokens = _held(name, value)
    if value is None:
        raise TypeError(f"{name} must be numbers, and is None: {EAGER}")
    rows = _is_a_row_of_arrays(value) or _has_none(value)
    found, joined = _layers(name, list(value)) if rows else (floats(name, value, ""), False)
    one = f"[layer[0] for layer in {name}]" if rows else f"{name}[:, 0]"
    one = f"[[layer[:1] for layer in step] for step in {name}]" if joined else one
    one, texts = _of_one_text(name, found, batch, rows, f"batch=0, or {one}" if choose else one)
    return Brought(one, tokens, joined, texts)


def _has_none(value):
    return isinstance(value, (list, tuple)) and any(one is None or _has_none(one) for one in value)


def _held(name, value):
    """What an output holds under one of the known names, and the tokens of a `Trace`."""
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        return value, None
    named = hasattr(value, "_fields")
    if not named and not callable(getattr(value, "keys", None)):  # an object with such an attribute
        there = [key for key in HELD if "attentions" in key and hasattr(value, key)]
        found = {key: getattr(value, key) for key in there}
    else:
        found = {key: getattr(value, key) if named else value[key] for key in _keys(value)}
        there = [key for key in HELD if key in found]
    full = [key for key in there if not _is_none(found[key])]
    if len(full) == 1:
        return found[full[0]], found.get("tokens") if named else None
    if full:
        dotted = named or hasattr(value, full[0])
        ways = [f"{name}.{key}" if dotted else f"{name}[{key!r}]" for key in full]
        raise TypeError(
            f"{name} must be weights of one kind, got several: give {' or '.join(ways)}"
        )
    if there or hasattr(value, "attentions"):
        raise TypeError(f"{name} must hold weights, and holds none: {EAGER}")
    if layers := _numbered(found):
        return [found[key] for key in layers], None
    if found or named or isinstance(value, Mapping):
        raise TypeError(f"{name} must be weights, got a {_keyed(name, value)}")
    return value, None


def _numbered(found):
    """The keys that stand for layers, in order: those of the cache of TransformerLens that hold
    weights, or all, where they differ by a number alone.
    """
    hits = {key: hit[1] for key in found if (hit := PATTERN.fullmatch(str(key)))}
    if not hits and len({re.sub(r"\d+", "", str(key), count=1) for key in found}) == 1:
        hits = {key: hit[0] for key in found if (hit := re.search(r"\d+", str(key)))}
    return (
        sorted(hits, key=lambda key: int(hits[key])) if len(set(hits.values())) == len(hits) else []
    )


def _layers(name, rows):
    """A row of layers, or of generate()'s steps, each a row of layers, as one array; and whether
    there were steps.
    """
    if _is_none(rows):
        raise TypeError(f"{name} must be numbers, and its layers are None: {EAGER}")
    gone = [i for i, one in enumerate(rows) if one is None or _has_none(one)]
    if gone:
        kept = f"[layer for layer in {name} if layer is not None]"
        raise TypeError(
            f"{name}[{gone[0]}] must be numbers, and is None: leave out such layers, {kept}; if it"
            " should not be, load the model with attn_implementation='eager'"
        )
    deep = {isinstance(one, (list, tuple)) and _is_a_row_of_arrays(one) for one in rows}
    if len(deep) > 1:
        raise TypeError(_too_much(name))
    joined = False
    if deep == {True}:
        steps = [[array(f"{name}[{i}]", one) for one in row] for i, row in enumerate(rows)]
        joined = all(one.ndim > 2 for step in steps for one in step)
        if joined:
            if len(set(map(len, steps))) > 1:
                found = f"got {', '.join(map(str, map(len, steps)))}"
                raise ValueError(f"{name} must have as many layers in each step, {found}")
            rows = [_joined(name, layer) for layer in zip(*steps)]
    layers = [floats(f"{name}[{i}]", one, "") for i, one in enumerate(rows)]
    places = {}
    for i, layer in enumerate(layers):
        places.setdefault(layer.shape, []).append(i)
    if len(places) > 1:
        if min(map(len, places)) < 2:
            raise ValueError(f"{name} must be an array, with rows of the same length")
        if len(set(map(len, places))) > 1:
            raise ValueError(f"{_too_much(name)}, got {', '.join(map(str, places))}")
        said = [f"{shape} in layer {', '.join(map(str, at))}" for shape, at in places.items()]
        most = max(places.values(), key=len)
        some = f"[{name}[i] for i in {tuple(most)}]" if len(most) > 1 else f"{name}[{most[0]}]"
        raise ValueError(
            f"{name} must have layers of one shape, got {', '.join(said)}: give those that are"
            f" alike, as {some}"
        )
    return np.stack(layers), joined


def _too_much(name):
    return (
        f"{name} must be the weights alone, and this looks like all that a model or a layer"
        f" returned, which ends with them: give {name}[-1]"
    )


def _is_none(value):
    return value is None or (isinstance(value, (list, tuple)) and all(map(_is_none, value)))


def _joined(name, steps):
    """The steps of generate() in one layer, (..., q, k) each, as one array: what was looked from
    in a step stands below the steps before it, and a step that sees few keys sees the last ones.
    """
    q, k = [one.shape[-2] for one in steps], [one.shape[-1] for one in steps]
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        return first
    if len({one.shape[:-2] for one in steps}) == 1:
        if q == k and q == sorted(set(q)):  # each step began anew: the last one holds all
            if all(np.allclose(one, last[..., :n, :n], atol=0.02) for one, n in zip(steps, q)):
                return last
        elif not any(i == j > 1 for i, j in zip(q[1:], k[1:])):
            above = np.triu(np.ones((q[0], k[0]), bool), 1)
            window = q[0] == k[0] > 1 and not first[..., above].any()
            if len(set(k)) == 1 and not window and (q[0] == 1 or set(q[1:]) == {1}):
                return np.concatenate(steps, axis=-2)  # over a source, or in a room kept free
            ends = np.cumsum(q) + max(k[0] - q[0], 0)
            if all(n <= end for n, end in zip(k, ends)):
                shape = (*first.shape[:-2], sum(q), ends[-1])
                whole = np.zeros(shape, np.result_type(*steps))
                for one, row, n, m, end in zip(steps, np.cumsum(q) - q, q, k, ends):
                    whole[..., row : row + n, end - m : end] = one
                return whole
    raise ValueError(
        f"{name} looks like several runs or texts, one after the other, and their shapes,"
        f" {first.shape} … {last.shape}, are not those of generate()'s steps: give one, {name}[0]"
    )


def _of_one_text(name, found, batch, rows, ways):
    """Without the axis of a batch, the second of five, or the first of four if `batch` says so; and
    how many texts there were.
    """
    if batch is not None:
        if found.ndim != 5 and (rows or found.ndim != 4):
            raise ValueError(
                f"batch={batch!r} needs {name} with a batch, (batch, heads, n_q, n_k) or a tuple"
                f" of such layers, got {found.shape}"
            )
        axis = found.ndim - 4
        at = integer("batch", batch, 0, found.shape[axis] - 1)
        return (found[:, at] if axis else found[at : at + 1]), found.shape[axis]
    if found.ndim == 5 and found.shape[1] == 1:
        return found[:, 0], 1
    if found.ndim == 5:
        raise ValueError(
            f"{name} must be of one text, and holds a batch of {found.shape[1]}, (layers, batch,"
            f" heads, n_q, n_k) {found.shape}: choose a text, {ways}"
        )
    return found, 1


def no_scores(name, array):
    """`array` itself; ValueError if it holds what only a score can be that a mask has shut."""
    low = np.fmin.reduce(array, axis=None, initial=0)
    if low <= SHUT:
        wrong = "infinite" if np.isinf(low) else f"as low as {low:.3g}"
        raise ValueError(
            f"{name} must not be {wrong}; these look like scores, masked and before the softmax:"
            f" softmax({name}) makes weights of them"
        )
    return array
