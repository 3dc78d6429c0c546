"""Decoders that came later: what no fixture shows, above all configs of older files."""

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


# ---- GPT-NeoX ------------------------------------------------------------------------------------


def test_an_older_gpt_neox(tmp_path):
    """As published: base and part under keys of their own, a quarter where the part is not said."""
    ref, old = reference("gpt_neox"), {"rotary_emb_base": 50, "rotary_pct": 0.5}

    def older(name, **change):
        folder = changed(tmp_path, "gpt_neox", change=change, drop=["rope_parameters"], name=name)
        return load(folder)

    close(forward(older("old", **old), ref).output, ref["logits"], LOGITS)
    stretched = older("stretched", **old, rope_scaling={"type": "linear", "factor": 3.0})
    assert stretched.model.positions.partial == 0.5 and stretched.model.positions.base == 50
    assert np.abs(forward(stretched, ref).weights - ref["weights"]).max() > 0.01
    bare = older("bare").model.positions
    assert bare.partial == 0.25 and bare.base == 10_000


def test_a_gpt_neox_without_biases_of_its_attention(tmp_path):
    """They are none, and those of the other layers stay."""
    ref, names = reference("gpt_neox"), (".query_key_value.bias", ".attention.dense.bias")
    less = lambda given: {n: a for n, a in given.items() if not n.endswith(names)}  # noqa: E731
    none = lambda given: {n: a * (not n.endswith(names)) for n, a in given.items()}  # noqa: E731
    change = {"attention_bias": False}
    model = load(changed(tmp_path, "gpt_neox", change=change, tensors=less, name="less"))
    same = load(changed(tmp_path, "gpt_neox", tensors=none, name="none"))
    close(forward(model, ref).output, forward(same, ref).output, 0)
    assert np.abs(forward(model, ref).weights - ref["weights"]).max() > 0.01
    refused(
        changed(tmp_path, "gpt_neox", change=change, name="wrong"), ValueError, "attention_bias"
    )


def test_a_gpt_neox_without_a_head_or_with_a_tied_one(tmp_path):
    ref = reference("gpt_neox")
    headless = lambda given: {n: a for n, a in given.items() if n != "embed_out.weight"}  # noqa: E731
    model = load(changed(tmp_path, "gpt_neox", tensors=headless, name="headless"))
    found = forward(model, ref)
    close(found.weights, ref["weights"], WEIGHTS)
    head = load(FIXTURES / "gpt_neox").model.unembedding
    close(found.output @ head, ref["logits"], LOGITS)
    tie = {"tie_word_embeddings": True}
    tied = load(changed(tmp_path, "gpt_neox", change=tie, tensors=headless, name="tied"))
    close(forward(tied, ref).output, found.output @ tied.model.embedding.T, LOGITS)
    refused(changed(tmp_path, "gpt_neox", change=tie, name="two"), ValueError, "embed_out.weight")


def test_the_layers_of_a_parallel_block_read_the_same():
    """x + attention(norm(x)) + feed_forward(norm(x)), with a norm of its own for each."""
    block = load(FIXTURES / "gpt_neox").model.blocks[1]
    x = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    steps, causal = block.steps(x), np.tri(5, dtype=bool)
    said, _ = block.attention(block.attention_norm(x), mask=causal)
    beside = block.feed_forward(block.feed_forward_norm(x))
    close(steps.output, x + said + beside, 1e-5)
    close(steps.attention.output, x + said, 1e-5)  # the stream that the second layer adds to
    close(steps.feed_forward.x, steps.attention.output, 0)
    close(steps.feed_forward.inner.output, beside, 0)


# ---- Phi-3 ---------------------------------------------------------------------------------------

FACTORS = {"short_factor": [1.0, 1.5], "long_factor": [2.0, 5.0]}


@pytest.mark.parametrize("recipe", ["longrope", "su", "yarn"])
def test_an_older_phi_3(tmp_path, recipe):
    """The recipe had other names at first; base and part stand beside it, and the longest text of
    the training too, which counts more than what the recipe says.
    """
    ref, drop = reference("phi3"), ["rope_parameters"]
    change = {"rope_theta": 50.0, "partial_rotary_factor": 0.5}
    for name, beside, wrong in (("short", 24, 8), ("long", 8, 24)):
        scaling = {"type": recipe, "original_max_position_embeddings": wrong, **FACTORS}
        change |= {"rope_scaling": scaling, "original_max_position_embeddings": beside}
        change |= {"sliding_window": 5 if name == "short" else None}
        model = load(changed(tmp_path, "phi3", change=change, drop=drop, name=name))
        wanted = "weights" if name == "short" else "long.weights"
        close(forward(model, ref).weights, ref[wanted], WEIGHTS)


def test_a_phi_3_that_does_not_say_how_far_it_sees(tmp_path):
    """No window; and it was trained on 4,096 tokens."""
    drop = ["sliding_window", "original_max_position_embeddings"]
    change = {"max_position_embeddings": 2**17}
    model = load(changed(tmp_path, "phi3", change=change, drop=drop)).model
    assert [block.window for block in model.blocks] == [None, None]
    assert model.positions.scaling["original_max_position_embeddings"] == 4096
    assert model.positions.scaling["factor"] == 32


def test_a_scaling_counts_more_than_parameters(tmp_path):
    """Where a file has both, as the reference reads it."""
    for family, scaling in (
        ("phi3", {"type": "longrope", **FACTORS, "partial_rotary_factor": 0.5}),
        ("llama", {"rope_type": "linear", "factor": 3.0}),
    ):
        change = {"rope_scaling": scaling, "rope_theta": 7.0}
        both = load(changed(tmp_path, family, change=change, name=f"{family} both"))
        drop = ["rope_parameters"]
        one = load(changed(tmp_path, family, change=change, drop=drop, name=f"{family} one"))
        ref = reference(family)
        close(forward(both, ref).weights, forward(one, ref).weights, 0)
        assert both.model.positions.base == 7 and both.model.positions.scaling["rope_type"]
        assert np.abs(forward(both, ref).weights - ref["weights"]).max() > 0.01


# ---- OLMo 2 --------------------------------------------------------------------------------------


def test_olmo_2_norms_the_queries_of_all_heads_together():
    """One long head makes the keys of the others short."""
    attention = load(FIXTURES / "olmo2").model.blocks[0].attention
    q = np.ones((4, 1, 6), np.float32)
    q[0] *= 1000
    placed, _ = attention.placed(q, q[:2], np.zeros(1))
    gain = attention.q_norm.gain.reshape(4, 1, 6)
    wanted = gain * q / np.sqrt((q**2).mean() + 1e-3)  # nothing turns at position 0
    close(placed, wanted, 1e-6)
    assert attention.k_norm.gain.shape == (12,)


def test_olmo_2_has_no_norms_in_front_of_its_layers():
    block = load(FIXTURES / "olmo2").model.blocks[1]
    x = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    steps = block.steps(x)
    close(steps.attention.inner.x, x, 0)
    close(steps.output, x + steps.attention.inner.output + steps.feed_forward.inner.output, 1e-6)
    assert block.attention_norm is None and block.feed_forward_norm is None
