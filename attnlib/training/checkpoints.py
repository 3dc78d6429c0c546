"""Checkpoints: one .npz with all that the next step depends on."""

import json
import os
from pathlib import Path

import numpy as np

from attnlib import _check, _files
from attnlib.training.optimizer import AdamW


def checkpoint_path(name, path):
    """`path` as a Path; it must end in .npz, and its folder must be there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path ending in .npz, got {_check.short(path)}")
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{name} must end in .npz, got {str(path)!r}")
    if not path.parent.is_dir():
        raise ValueError(f"{name} must lie in a folder that exists, got {str(path)!r}")
    return path


def _generator(name, value):
    if value is None:
        raise TypeError(f"{name} must be the numpy Generator that draws the batches, got None")
    return _check.generator(value)


def _pairs(name, value):
    found = _check.floats(name, value, "")
    if found.size and found.shape[1:] != (2,):
        wanted = "loss and gradient length of each step, (steps, 2)"
        raise ValueError(f"{name} must be {wanted}, got {found.shape}")
    return found


KINDS = {"path": checkpoint_path, "optimizer": _check.made(AdamW), "rng": _generator}


@_check.door(**KINDS, records=_pairs)
def save_checkpoint(path, optimizer, rng, records):
    """Write parameters, optimiser, random numbers and history.

    A crash leaves the file before whole.

    path       the file, ending in .npz
    optimizer  an `AdamW`, which holds the parameters
    rng        the Generator that draws the batches
    records    (steps so far, 2) loss and gradient length of each step
    """
    arrays = {
        f"{kind}/{name}": array
        for kind, group in _state(optimizer).items()
        for name, array in group.items()
    }
    arrays["count"], arrays["records"] = np.array(optimizer.count), np.array(records).reshape(-1, 2)
    arrays["rng"] = np.array(json.dumps(rng.bit_generator.state, default=np.ndarray.tolist))
    with _files.replacing(path) as file:
        np.savez(file, **arrays)


@_check.door(**KINDS)
def load_checkpoint(path, optimizer, rng):
    """Put everything back where `save_checkpoint` took it from. Returns the records, a list.

    Raises ValueError, before anything is changed, where the file is damaged or of another model.
    """
    stored, state = _read(path), _state(optimizer)
    for kind, group in state.items():
        _check_fits(path, group, _group(stored, kind))
        _check_finite(path, _group(stored, kind))
    count, records = _count(path, stored), _records(path, stored)
    bits = _random_state(path, stored, rng)
    for kind, group in state.items():
        _copy(_group(stored, kind), group)
    optimizer.count = count
    rng.bit_generator.state = bits
    return records


@_check.door(path=checkpoint_path, parameters=_check.kept)
def load_parameters(path, parameters):
    """Only the parameters of a checkpoint, {name: array}, as `parameters(model)` gives them."""
    stored = _group(_read(path), "parameters")
    _check_fits(path, parameters, stored)
    _check_finite(path, stored)
    _copy(stored, parameters)


def _read(path):
    """Name -> array, for all that the file holds. ValueError, in one sentence, where it is damaged
    or no checkpoint.
    """
    # not there, or not ours to read: an error of its own
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except Exception as error:  # zip, zlib and NumPy have a dozen kinds; none helps a reader
            raise _damaged(path, "it cannot be read to its end as .npz") from error


def _damaged(path, why):
    return ValueError(
        f"checkpoint {str(path)!r} is damaged, or was not written by save_checkpoint: {why}. Use an"
        " earlier one"
    )


def _count(path, stored):
    """The number of steps so far."""
    # what is not there is as wrong as what makes no sense
    count = stored.get("count", np.array(-1))
    if count.shape != () or count.dtype.kind not in "iu" or count < 0:
        raise _damaged(path, f"count must be one whole number from 0, got {count.tolist()!r:.40}")
    return int(count)


def _records(path, stored):
    """Loss and gradient length of each step, [(loss, length), …]."""
    records = stored.get("records", np.array(0))
    if records.ndim != 2 or records.shape[1] != 2 or records.dtype.kind != "f":
        raise _damaged(
            path, f"records must be numbers (steps, 2), got {records.dtype} {records.shape}"
        )
    return [tuple(record) for record in records.tolist()]


def _random_state(path, stored, rng):
    """The state of the random numbers, tried on a Generator of the same kind."""
    try:
        state = json.loads(str(stored["rng"]))
        type(rng.bit_generator)().state = state
    except Exception as error:  # a state can be wrong in many ways
        raise _damaged(path, f"rng is no state of {type(rng.bit_generator).__name__}") from error
    return state


def _state(optimizer):
    return {
        "parameters": optimizer.parameters,
        "means": optimizer.means,
        "squares": optimizer.squares,
    }


def _group(stored, kind):
    return {
        name.removeprefix(f"{kind}/"): array
        for name, array in stored.items()
        if name.startswith(f"{kind}/")
    }


def _check_fits(path, arrays, stored):
    """The same names, shapes and dtypes on both sides."""
    ours, theirs = (
        {name: f"{a.dtype} {a.shape}" for name, a in group.items()} for group in (arrays, stored)
    )
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise ValueError(
                f"checkpoint {str(path)!r} belongs to another model: {name} is"
                f" {theirs.get(name, 'not there')} in the file, {ours.get(name, 'not there')} in"
                " the model"
            )


def _check_finite(path, stored):
    """Numbers that a training can go on from."""
    for name, array in stored.items():
        if not np.isfinite(array).all():
            why = f"holds NaN or infinite numbers in {name}: its training had failed"
            raise ValueError(f"checkpoint {str(path)!r} {why}. Use an earlier one")


def _copy(stored, arrays):
    for name, array in arrays.items():
        array[...] = stored[name]
