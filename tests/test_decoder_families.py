"""Gemma 3: what no fixture shows. Configs of older files, and a bound of the logits."""

import numpy as np
import pytest
from checkpoints import FIXTURES, LOGITS, WEIGHTS, changed, close, forward, reference, refused

from attnlib.models.pretrained import load

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")

# ---- Gemma 3 -------------------------------------------------------------------------------------

OLD = {
    "rope_theta": 50.0,
    "rope_local_base_freq": 4.0,
    "rope_scaling": {"rope_type": "linear", "factor": 3.0},
}


def old_gemma(tmp_path, name="old", **changes):
    drop = ["rope_parameters", "layer_types", *(key for key, one in changes.items() if one is None)]
    change = OLD | {"sliding_window_pattern": 2} | changes
    return load(changed(tmp_path, "gemma3_text", change=change, drop=drop, name=name))


def test_an_older_gemma_3(tmp_path):
    """As published: bases, scaling and every sixth layer under keys of their own."""
    ref = reference("gemma3_text")
    model = old_gemma(tmp_path)
    close(forward(model, ref).weights, ref["weights"], WEIGHTS)
    close(forward(model, ref).output, ref["logits"], LOGITS)
    for key, value in {**OLD, "sliding_window_pattern": 3}.items():
        other = old_gemma(tmp_path, key, **{key: 9.0 if value in (50.0, 4.0) else None})
        assert np.abs(forward(other, ref).weights - ref["weights"]).max() > 0.01, key
    bare = old_gemma(tmp_path, "bare", **dict.fromkeys([*OLD, "sliding_window_pattern"]))
    assert [block.window for block in bare.model.blocks] == [4, 4, 4]  # the sixth sees all
    bases = old_gemma(tmp_path, "bases", rope_theta=None, rope_local_base_freq=None).model.blocks
    assert [block.attention.rotary.base for block in bases] == [1e4, 1e6, 1e4]


def test_gemma_3_bounds_its_logits_where_it_says_so(tmp_path):
    ref = reference("gemma3_text")
    capped = load(changed(tmp_path, "gemma3_text", change={"final_logit_softcapping": 2.5}))
    close(forward(capped, ref).output, 2.5 * np.tanh(ref["logits"] / 2.5), LOGITS)


GEMMA_3 = {
    "attn_logit_softcapping": (50.0, "attn_logit_softcapping=50.0 is not built here, only None"),
    "use_bidirectional_attention": (True, "use_bidirectional_attention=True is not built here"),
    "sliding_window": (None, "sliding_window must be a whole number, got None"),
    "rope_parameters": (
        {"rope_type": "default", "rope_theta": 10.0},
        "rope_parameters may have full_attention and sliding_attention here",
    ),
    "rope_scaling": ({"type": "linear", "factor": 3.0}, "must have one 'type'"),
}


@pytest.mark.parametrize("key", GEMMA_3)
def test_what_gemma_3_does_not_build_is_refused(tmp_path, key):
    value, words = GEMMA_3[key]
    drop = ["rope_parameters"] if key == "rope_scaling" else []  # the reference overlooks this type
    folder = changed(tmp_path, "gemma3_text", change={key: value}, drop=drop)
    refused(folder, ValueError, words)


def test_gemma_3_turns_with_two_speeds():
    blocks = load(FIXTURES / "gemma3_text").model.blocks
    assert [block.window for block in blocks] == [4, None, 4]
    assert [block.attention.rotary.base for block in blocks] == [4.0, 50.0, 4.0]
    assert [block.attention.rotary.scaling["rope_type"] for block in blocks[:2]] == [
        "default",
        "linear",
    ]
