"""What the tests of published models share: the tiny checkpoints of tests/fixtures, and changed
copies of them.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from attnlib.models.files.checkpoint import read_tensors
from attnlib.models.pretrained import load

FIXTURES = Path(__file__).with_name("fixtures")
FOLDERS = sorted(folder.name for folder in FIXTURES.iterdir() if (folder / "config.json").is_file())
WEIGHTS, LOGITS = 2e-5, 1e-4


def reference(family):
    with np.load(FIXTURES / f"{family}.npz") as file:
        return dict(file)


def close(found, wanted, atol):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol)


def changed(tmp_path, family, *, change=None, tensors=None, drop=(), name=None):
    """A copy of a checkpoint with another config, with tensors changed by a function, or without
    some keys.
    """
    folder = tmp_path / (name or family)
    shutil.copytree(FIXTURES / family, folder)
    config = json.loads((folder / "config.json").read_text()) | (change or {})
    (folder / "config.json").write_text(
        json.dumps({key: value for key, value in config.items() if key not in drop})
    )
    if tensors is not None:
        from safetensors.numpy import save_file

        changed = tensors(read_tensors(folder / "model.safetensors"))
        (folder / "model.safetensors").unlink()
        save_file(
            {key: np.ascontiguousarray(array) for key, array in changed.items()},
            folder / "model.safetensors",
        )
    return folder


def without(prefix):
    return lambda tensors: {name.removeprefix(prefix): array for name, array in tensors.items()}


def plus(**given):
    """Tensors with more of them: name = (name of another, to be copied) or an array."""
    return lambda tensors: (
        tensors | {name: tensors[of] if isinstance(of, str) else of for name, of in given.items()}
    )


def renamed(old, new):
    return lambda tensors: {name.replace(old, new): array for name, array in tensors.items()}


def forward(model, ref, prefix="", **options):
    ids = [ref[prefix + name] for name in ("ids", "decoder_ids") if prefix + name in ref]
    padding = (
        {"source_mask": ref["padded.mask"]}
        if len(ids) > 1
        else {"mask": ref["padded.mask"][:, None, None]}
    )
    return model.forward(*ids, **(padding if prefix else {}), **options)


def refused(folder, error, *parts):
    """load(folder) raises one error, without a chain behind it, that says all the parts."""
    with pytest.raises(error) as caught:
        load(folder)
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.__cause__ is None and (
        caught.value.__context__ is None or caught.value.__suppress_context__
    )
    assert "\n" not in str(caught.value)
