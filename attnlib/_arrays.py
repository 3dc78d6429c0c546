"""Whatever a library calls an array or a tensor, as a NumPy array. No library is imported."""

import re
from collections.abc import Mapping

import numpy as np


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
        raise TypeError(f"{name} must hold real numbers, got a {keyed(name, value)}")
    if hasattr(value, "state_dict"):
        raise TypeError(
            f"{name} must hold real numbers, got a model ({type(value).__name__}): give what it"
            " returns"
        )
    if is_a_row_of_arrays(value):
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


def is_a_row_of_arrays(value):
    """Whether a list, or an array of objects, has entries that are neither numbers nor lists of
    them.
    """
    if isinstance(value, np.ndarray):
        return value.dtype == object and value.ndim > 0 and is_a_row_of_arrays(value.tolist())
    return isinstance(value, (list, tuple)) and any(
        not isinstance(one, PLAIN) or is_a_row_of_arrays(one) for one in value
    )


PLAIN = (bool, int, float, complex, str, bytes, type(None), list, tuple, np.generic)


def keyed(name, value):
    """A mapping, or a tuple whose places have names, in words that say how to take one of them."""
    found = keys(value)
    shown = ", ".join(map(repr, found[:6])) + ", …" * (len(found) > 6)
    if not isinstance(value, tuple):
        one = f"{name}[{found[0]!r}]" if found else f"{name}[key]"
        return f"{type(value).__name__} with the keys {shown}: give what stands there, as {one}"
    return f"{type(value).__name__} of {shown}: give one of them, as {name}.{found[0]}"


def keys(value):
    return list(value._fields if hasattr(value, "_fields") else value.keys())
