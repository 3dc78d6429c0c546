"""Checkpoints: one .npz with all that the next step depends on."""

import json
import os
from pathlib import Path

import numpy as np


def save_checkpoint(path, optimizer, rng, records):
    """Write parameters, optimiser, random numbers and history. A crash leaves the file before whole.

    path       the file, ending in .npz
    optimizer  an `AdamW`, which holds the parameters
    rng        the Generator that draws the batches
    records    (steps so far, 2) loss and gradient length of each step
    """
    path = checkpoint_path(path)
    arrays = {f"{kind}/{name}": array for kind, group in _state(optimizer).items() for name, array in group.items()}
    arrays["count"], arrays["records"] = np.array(optimizer.count), np.array(records).reshape(-1, 2)
    arrays["rng"] = np.array(json.dumps(rng.bit_generator.state, default=np.ndarray.tolist))
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(unfinished, "wb") as file:
            np.savez(file, **arrays)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_checkpoint(path, optimizer, rng):
    """Put everything back where `save_checkpoint` took it from. Returns the records, a list.

    Raises ValueError, before anything is changed, where the file belongs to another model.
    """
    with np.load(checkpoint_path(path), allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    state = _state(optimizer)
    for kind, group in state.items():
        _check_fits(path, group, _group(stored, kind))
    for kind, group in state.items():
        _copy(_group(stored, kind), group)
    optimizer.count = int(stored["count"])
    rng.bit_generator.state = json.loads(str(stored["rng"]))
    return [tuple(record) for record in stored["records"].tolist()]


def load_parameters(path, parameters):
    """Only the parameters of a checkpoint, into {name: array}, as `parameters(model)` gives them."""
    with np.load(checkpoint_path(path), allow_pickle=False) as file:
        stored = _group({name: file[name] for name in file.files}, "parameters")
    _check_fits(path, parameters, stored)
    _copy(stored, parameters)


def checkpoint_path(path):
    """`path` as a Path; it must end in .npz, and its folder must be there."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"checkpoint must end in .npz, got {str(path)!r}")
    if not path.parent.is_dir():
        raise ValueError(f"checkpoint must lie in a folder that exists, got {str(path)!r}")
    return path


def _state(optimizer):
    return {"parameters": optimizer.parameters, "means": optimizer.means, "squares": optimizer.squares}


def _group(stored, kind):
    return {name.removeprefix(f"{kind}/"): array for name, array in stored.items() if name.startswith(f"{kind}/")}


def _check_fits(path, arrays, stored):
    """The same names, shapes and dtypes on both sides."""
    ours, theirs = ({name: f"{a.dtype} {a.shape}" for name, a in group.items()} for group in (arrays, stored))
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise ValueError(
                f"checkpoint {str(path)!r} belongs to another model: {name} is {theirs.get(name, 'not there')} in the file, "
                f"{ours.get(name, 'not there')} in the model"
            )


def _copy(stored, arrays):
    for name, array in arrays.items():
        array[...] = stored[name]
