"""GGUF files: numbers bit for bit as the gguf package unpacks them, models as their folders open
them, and whatever is damaged, lies or is not built is refused in words.
"""

import json
import math
import struct
import time

import numpy as np
import pytest
from checkpoints import FIXTURES, changed, close, forward, plus, reference, refused

import attnlib.models.files.gguf as reader
from attnlib.layers import parameters
from attnlib.models import gguf as models
from attnlib.models.files import hub
from attnlib.models.files.checkpoint import read_tensors
from attnlib.models.pretrained import load, packed
from attnlib.models.text import NoTokenizer

oracle = pytest.importorskip("gguf", reason="pip install -r tests/requirements.txt")
pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
pytestmark = pytest.mark.filterwarnings("error")

KINDS = [kind.name for kind in reader.KINDS.values()]
FAMILIES = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "olmo2"]
FOLDERS = {"gemma3": "gemma3_text"}
# what a GGUF file cannot say: the config of a folder without it
WHOLE = {
    "qwen2": {"use_sliding_window": False, "layer_types": ["full_attention"] * 2},
    "gemma2": {"query_pre_attn_scalar": 6},  # the width of a head, as in the small ones
    "gemma3": {"query_pre_attn_scalar": 6},
    "olmo2": {"hidden_act": "silu"},
}

# ---- the writer: what llama.cpp's converter does -------------------------------------------------


def numbers(**more):
    """The metadata of the tiny checkpoints, behind the name of the architecture."""
    return {
        "embedding_length": 16,
        "block_count": 2,
        "feed_forward_length": 36,
        "context_length": 32,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.layer_norm_rms_epsilon": 0.001,
        "rope.freq_base": 10000.0,
    } | more


SAID = {
    "llama": numbers(**{"vocab_size": 48, "rope.dimension_count": 4}),
    "qwen2": numbers(**{"attention.layer_norm_rms_epsilon": 1e-6}),
    "qwen3": numbers(
        **{"attention.head_count_kv": 1, "attention.key_length": 6, "attention.value_length": 6}
    ),
    "gemma2": numbers(
        **{"attention.key_length": 6, "attention.value_length": 6, "attention.sliding_window": 4},
        attn_logit_softcapping=3.0,
        final_logit_softcapping=2.5,
    ),
    "gemma3": numbers(
        **{"block_count": 3, "attention.key_length": 6, "attention.value_length": 6}
        | {"attention.sliding_window": 4, "rope.freq_base": 50.0, "rope.freq_base_swa": 4.0}
        | {"attention.sliding_window_pattern": [True, False, True]}
        | {"rope.scaling.type": "linear", "rope.scaling.factor": 3.0}
    ),
    "phi3": numbers(
        **{"attention.head_count": 2, "attention.head_count_kv": 1, "rope.dimension_count": 4}
        | {"attention.sliding_window": 5, "rope.freq_base": 50.0}
        | {"rope.scaling.original_context_length": 24}
        | {"rope.scaling.attn_factor": math.sqrt(1 + math.log(32 / 24) / math.log(24))}
    ),
    "olmo2": numbers(**{"attention.key_length": 6, "attention.value_length": 6}),
}


def permuted(array, heads):
    """Rows of the two halves of a head -> pairs of neighbours."""
    return array.reshape(heads, 2, -1, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def fixture(family):
    """The folder of its tiny checkpoint."""
    return FIXTURES / FOLDERS.get(family, family)


def converted(folder, family):
    """The tensors of a folder as llama.cpp's converter writes them, all as float32; their names are
    those of the gguf package.
    """
    found = {}
    names = oracle.get_tensor_name_map(oracle.MODEL_ARCH[family.upper()], 9)
    for name, array in read_tensors(folder / "model.safetensors").items():
        array, theirs = np.array(array, np.float32), names.get_name(name, (".weight", ".bias"))
        if "gemma" in family and name.endswith("norm.weight"):
            array = array + np.float32(1)
        if (
            family == "llama"
            and ".attn_" in theirs
            and theirs.split(".")[2] in ("attn_q", "attn_k")
        ):
            array = permuted(array, 4 if ".attn_q." in theirs else 2)
        found[theirs] = array
    if family == "phi3":
        turns = json.loads((folder / "config.json").read_text())["rope_parameters"]
        for length in ("short", "long"):
            if factors := turns.get(f"{length}_factor"):
                found[f"rope_factors_{length}.weight"] = np.array(factors, np.float32)
    return found


TYPES = {bool: "BOOL", int: "INT64", float: "FLOAT32", str: "STRING", list: "ARRAY"}


def written(path, family, tensors, *, about=None, said=None, kinds=None, drop=()):
    """A GGUF file, by the gguf package's writer.

    about   the metadata; said: that of the architecture, by default of the tiny checkpoints
    kinds   {tensor: a kind to quantise it to}
    """
    writer = oracle.GGUFWriter(path, family)
    said = SAID[family] | (said or {})
    about = {f"{family}.{key}": value for key, value in said.items()} | (about or {})
    for key, value in about.items():
        if key in drop:
            continue
        inner = TYPES[type(value[0])] if isinstance(value, list) else None
        inner = inner and oracle.GGUFValueType[inner]
        writer.add_key_value(key, value, oracle.GGUFValueType[TYPES[type(value)]], inner)
    for name, array in tensors.items():
        kind = (kinds or {}).get(name)
        if kind:
            kind = oracle.GGMLQuantizationType[kind]
            writer.add_tensor(name, oracle.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tiny(tmp_path, family="llama", **options):
    """The tiny checkpoint of a family as a GGUF file."""
    tensors = converted(fixture(family), family) | options.pop("tensors", {})
    return written(tmp_path / f"{family}.gguf", family, tensors, **options)


# ---- numbers -------------------------------------------------------------------------------------


def unpacked(kind, raw):
    """What the gguf package makes of rows of blocks."""
    with np.errstate(all="ignore"):
        return oracle.dequantize(raw, oracle.GGMLQuantizationType[kind])


def stored(kind, shape, raw):
    code = next(code for code, one in reader.KINDS.items() if one.name == kind)
    return reader.Packed(shape, reader.KINDS[code], raw.ravel())


def blocks(kind, rows, across, seed):
    """Random bytes as blocks: every bit pattern that a file could hold."""
    size = oracle.GGML_QUANT_SIZES[oracle.GGMLQuantizationType[kind]][1]
    return np.random.default_rng(seed).integers(0, 256, (rows, across * size), np.uint8)


def alike(found, wanted):
    """Bit for bit the same, but for the bits of a NaN."""
    assert found.dtype == wanted.dtype == np.float32 and found.shape == wanted.shape
    nan = np.isnan(wanted)
    assert (np.isnan(found) == nan).all()
    same = np.ascontiguousarray(found).view(np.uint32) == wanted.view(np.uint32)
    assert same[~nan].all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_unpacked_as_the_gguf_package_does(kind, seed, monkeypatch):
    monkeypatch.setattr(reader, "AT_ONCE", [1, 600, 2**16][seed % 3])
    raw = blocks(kind, 7, 3, seed)
    wanted = unpacked(kind, raw)
    one = stored(kind, wanted.shape, raw)
    assert (one.kind, one.ndim, one.size, one.dtype) == (kind, 2, wanted.size, np.float32)
    alike(one.numbers(), wanted)
    turned = one.numbers("F")
    assert turned.T.flags.c_contiguous and one.numbers().flags.c_contiguous
    alike(turned, wanted)
    alike(stored(kind, (wanted.size,), raw).numbers(), wanted.ravel())
    cube = stored(kind, (7, 3, wanted.shape[1] // 3), raw)
    for order in "CF":
        alike(cube.numbers(order), wanted.reshape(cube.shape))


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_what_the_gguf_package_packs_is_unpacked(kind, tmp_path):
    array = np.random.default_rng(0).normal(size=(12, 64)).astype(np.float32)
    path = written(tmp_path / "one.gguf", "llama", {"a": array}, kinds={"a": kind})
    one = reader.read(path).tensors["a"]
    assert (one.kind, one.shape) == (kind, (12, 64)) and repr(one) == f"Packed((12, 64), {kind!r})"
    alike(one.numbers(), unpacked(kind, oracle.quantize(array, oracle.GGMLQuantizationType[kind])))
    alike(np.asarray(one), one.numbers())
    bits = int(kind.lstrip("BFQ")[:2].rstrip("_"))
    assert np.abs(one.numbers() - array).max() < 8 / 2 ** min(bits, 9)  # and it is that array


def test_metadata_of_every_kind(tmp_path):
    nothing = {"none": [], "no texts": struct.pack("<IIQ", 9, 8, 0)}
    writer = oracle.GGUFWriter(tmp_path / "one.gguf", "llama")
    kinds = oracle.GGUFValueType
    values = {kinds.UINT8: 255, kinds.UINT16: 2**16 - 1, kinds.UINT32: 2**32 - 1}
    values |= {kinds.INT8: -128, kinds.INT16: -(2**15), kinds.INT32: -(2**31)}
    values |= {kinds.UINT64: 2**64 - 1, kinds.INT64: -(2**63), kinds.BOOL: True}
    values |= {kinds.FLOAT32: 0.5, kinds.FLOAT64: 0.1, kinds.STRING: "größer 😀\n"}
    for kind, given in values.items():
        writer.add_key_value(f"one.{kind.name}", given, kind)
        writer.add_key_value(f"many.{kind.name}", [given, given], kinds.ARRAY, kind)
    writer.add_tensor("a", np.zeros(3, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    about = reader.read(tmp_path / "one.gguf").about
    for kind, given in values.items():
        one, many = about[f"one.{kind.name}"], about[f"many.{kind.name}"]
        assert one == given and type(one) is type(given), kind
        assert list(many) == [given, given] and len(many) == 2
    assert about["general.architecture"] == "llama"
    (tmp_path / "none.gguf").write_bytes(file(nothing, {}))
    found = reader.read(tmp_path / "none.gguf")
    assert len(found.about["none"]) == 0 and found.about["no texts"] == [] and found.tensors == {}


# ---- models --------------------------------------------------------------------------------------


def same(found, wanted, family):
    """Two models with the same weights, that say the same."""
    ours, theirs = parameters(found.model), parameters(wanted.model)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.array_equal(ours[name], theirs[name]), name
        assert ours[name].flags.c_contiguous or name.endswith("unembedding"), name
    ref = reference(FOLDERS.get(family, family))
    one, other = forward(found, ref), forward(wanted, ref)
    close(one.weights, other.weights, 1e-6)
    close(one.output, other.output, 1e-5)
    assert other.weights.max(-1).mean() > 0.4  # far from uniform: a wrong turn would show


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_is_the_model_of_its_folder(tmp_path, family):
    theirs = FOLDERS.get(family, family)
    folder = changed(tmp_path, theirs, change=WHOLE.get(family), name="folder")
    path = tiny(tmp_path, family)
    for place in (path, str(path)):
        model = load(place)
        same(model, load(folder), family)
    assert model.about["file"] == str(path) and model.about["config"]["model_type"] == theirs
    assert isinstance(model.tokenizer, NoTokenizer) and model.stop is None


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_weights_become_those_that_the_gguf_package_unpacks(tmp_path, family):
    """Bits are lost on the way into the file, and none on the way out."""
    tensors = converted(fixture(family), family)
    wide = {
        name: np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, -array.shape[-1] % 32)])
        for name, array in tensors.items()
    }
    kinds = dict(zip(sorted(name for name in wide if wide[name].ndim == 2), 20 * KINDS[2:7]))
    path = written(tmp_path / "packed.gguf", family, wide, kinds=kinds)
    for name, one in reader.read(path).tensors.items():
        assert one.kind == kinds.get(name, "F32")
        kind = oracle.GGMLQuantizationType[one.kind]
        wanted = unpacked(one.kind, oracle.quantize(wide[name], kind))
        alike(one.numbers(), wanted)


def test_biases_of_q_and_k_are_put_in_order_too(tmp_path):
    rng = np.random.default_rng(0)
    sizes = {"q": 16, "k": 8, "v": 8, "o": 16}
    biases = {
        f"model.layers.{i}.self_attn.{part}_proj.bias": rng.normal(size=n).astype(np.float16)
        for i in range(2)
        for part, n in sizes.items()
    }
    folder = changed(
        tmp_path, "llama", change={"attention_bias": True}, tensors=plus(**biases), name="folder"
    )
    path = written(tmp_path / "biased.gguf", "llama", converted(folder, "llama"))
    same(load(path), load(folder), "llama")


def test_without_a_number_of_key_heads_there_are_as_many_as_query_heads(tmp_path):
    """k is put in order all the same."""
    double = {}
    for name, array in read_tensors(FIXTURES / "llama" / "model.safetensors").items():
        if name.endswith(("k_proj.weight", "v_proj.weight")):
            heads = np.asarray(array, np.float32).reshape(2, 4, 16)
            double[name] = np.repeat(heads, 2, axis=0).reshape(16, 16)
    folder = changed(
        tmp_path, "llama", change={"num_key_value_heads": 4}, tensors=plus(**double), name="folder"
    )
    tensors = {
        name: permuted(permuted_back(array), 4) if ".attn_k." in name else array
        for name, array in converted(folder, "llama").items()
    }
    path = written(tmp_path / "one.gguf", "llama", tensors, drop=["llama.attention.head_count_kv"])
    same(load(path), load(folder), "llama")


def permuted_back(array):
    """What `converted` did to k, for two heads, undone."""
    return array.reshape(2, -1, 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def test_what_is_left_in_llama_cpps_order_pairs_the_wrong_numbers(tmp_path):
    path = tiny(tmp_path)
    right, wrong = packed(path), packed(path, in_order=False)
    ref = reference("llama")
    off = np.abs(forward(right, ref).weights - forward(wrong, ref).weights).max()
    assert off > 0.1
    ours, theirs = parameters(right.model), parameters(wrong.model)
    moved = {name for name in ours if not np.array_equal(ours[name], theirs[name])}
    assert moved == {f"blocks.{i}.attention.W_{x}" for i in range(2) for x in "qk"}
    for heads, letter in (4, "q"), (2, "k"):
        name = f"blocks.0.attention.W_{letter}"
        assert np.array_equal(permuted(ours[name].T, heads), theirs[name].T)


@pytest.mark.parametrize("family", FAMILIES[1:])
def test_the_others_lie_in_order(tmp_path, family):
    path = tiny(tmp_path, family)
    ours, theirs = (parameters(packed(path, in_order=order).model) for order in (True, False))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_about(tmp_path):
    about = {"general.name": "Tiny", "general.license": "mit", "tokenizer.chat_template": "{{ 1 }}"}
    wide = np.zeros((48, 64), np.float32)
    path = tiny(tmp_path, about=about, tensors={"output.weight": wide[:, :16]})
    said = load(path).about
    assert (said["name"], said["licence"], said["chat_template"]) == ("Tiny", "mit", "{{ 1 }}")
    assert said["kinds"] == {"F32": 27} and said["bits"] == 32 and not said["ignored"]
    path = written(tmp_path / "p.gguf", "llama", {"a": wide, "b": wide[:1]}, kinds={"a": "Q4_1"})
    assert models._bits(reader.read(path).tensors.values()) == 4


def test_gemma_27b_scales_its_scores_by_another_width(tmp_path):
    said = SAID["gemma2"] | {"block_count": 46, "embedding_length": 4608}
    said |= {"attention.head_count": 32}
    said |= dict.fromkeys(("attention.key_length", "attention.value_length"), 128)
    about = {f"gemma2.{key}": value for key, value in said.items()}
    rows = {"embed_tokens.weight": np.zeros((48, 4608), np.float32)}
    found = models._config(about, "gemma2", rows, {}, "x")
    assert found["query_pre_attn_scalar"] == 144 and found["head_dim"] == 128
    about["gemma2.block_count"] = 42
    assert models._config(about, "gemma2", rows, {}, "x")["query_pre_attn_scalar"] == 128


# what an architecture may hold by the gguf package, and is refused: experts, and what no converter
# writes
UNREAD = {"rope_freqs", "blk.{}.attn_rot_embd", "blk.{}.ffn_gate_inp"}
UNREAD |= {f"blk.{{}}.ffn_{part}_exps" for part in ("gate", "up", "down")}
UNREAD |= {f"blk.{{}}.attn_{letter}" for letter in "qkv"}  # of Phi-3, which has them in one


def test_the_names_of_keys_are_those_of_the_gguf_package():
    groups = oracle.Keys.LLM, oracle.Keys.Attention, oracle.Keys.Rope
    known = {one for group in groups for one in vars(group).values() if isinstance(one, str)}
    ours = {*models.KEYS, *models.SCALING, *models.NEUTRAL, *models.SILENT}
    ours |= {key for one in models.ARCHITECTURES.values() for key in one.keys}
    by_ollama = {"rope.global.freq_base", "rope.local.freq_base"}
    assert {f"{{arch}}.{key}" for key in ours - by_ollama} <= known
    assert not {f"{{arch}}.{key}" for key in by_ollama} & known
    tensors = oracle.TENSOR_NAMES.values()
    assert {models.SHORT, models.LONG, models.FREQUENCIES} <= {f"{one}.weight" for one in tensors}
    for family, one in models.ARCHITECTURES.items():
        kinds = oracle.MODEL_TENSORS[oracle.MODEL_ARCH[family.upper()]]
        theirs = {oracle.TENSOR_NAMES[kind].replace("{bid}", "{}") for kind in kinds}
        turned = {name.removesuffix(".weight") for name in one.slower}
        assert turned <= theirs and theirs - {*one.names} - turned <= UNREAD, family


# ---- Gemma 3 -------------------------------------------------------------------------------------


def deep(layers):
    """The tensors of the tiny Gemma 3 with more layers, each that of layer 0, 1 or 2."""

    def more(tensors):
        found = {name: array for name, array in tensors.items() if ".layers." not in name}
        for i in range(layers):
            front = f"model.layers.{i % 3}."
            mine = {name: array for name, array in tensors.items() if name.startswith(front)}
            found |= {name.replace(front, f"model.layers.{i}."): one for name, one in mine.items()}
        return found

    return more


def deep_gemma3(tmp_path, said, drop=(), **config):
    """A Gemma 3 of 7 layers as a file with such metadata, and as a folder with such a config."""
    change = {"num_hidden_layers": 7, "query_pre_attn_scalar": 6} | config
    folder = changed(tmp_path, "gemma3_text", change=change, tensors=deep(7), name="folder")
    unsaid = "attention.sliding_window_pattern", "rope.freq_base_swa", *drop
    path = written(
        tmp_path / "deep.gguf",
        "gemma3",
        converted(folder, "gemma3"),
        said={"block_count": 7} | said,
        drop=[f"gemma3.{key}" for key in unsaid if key not in said],
    )
    return load(path), load(folder)


SIX = ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"]


def turns(full, sliding=10000.0, **more):
    full = {"rope_type": "default", "rope_theta": full} | more
    return {
        "full_attention": full,
        "sliding_attention": {"rope_type": "default"} | {"rope_theta": sliding},
    }


def test_where_a_gemma3_says_no_pattern_each_sixth_layer_sees_all(tmp_path):
    """And layers with a window turn by 10,000, whatever the others do."""
    rope = turns(50.0, rope_type="linear", factor=3.0)
    found, wanted = deep_gemma3(tmp_path, {}, layer_types=SIX, rope_parameters=rope)
    same(found, wanted, "gemma3")
    assert [block.window for block in found.model.blocks] == [4] * 5 + [None, 4]
    bases = [block.attention.rotary.base for block in found.model.blocks]
    assert bases == [10000.0] * 5 + [50.0, 10000.0]


@pytest.mark.parametrize("pattern", [1, 2, 6])
def test_the_pattern_of_a_gemma3_as_a_number(tmp_path, pattern):
    kinds = ["full_attention" if (i + 1) % pattern == 0 else "sliding_attention" for i in range(7)]
    said = {"attention.sliding_window_pattern": pattern, "rope.freq_base_swa": 3.0}
    rope = turns(50.0, 3.0, rope_type="linear", factor=3.0)
    found, wanted = deep_gemma3(tmp_path, said, layer_types=kinds, rope_parameters=rope)
    same(found, wanted, "gemma3")


@pytest.mark.parametrize("said", [{}, {"attention.sliding_window": 0}])
def test_a_gemma3_without_a_window(tmp_path, said):
    kinds = ["full_attention"] * 7
    rope = turns(50.0, rope_type="linear", factor=3.0)
    drop = ["attention.sliding_window"]
    found, wanted = deep_gemma3(tmp_path, said, drop, layer_types=kinds, rope_parameters=rope)
    same(found, wanted, "gemma3")


def test_the_bases_of_a_gemma3_as_ollama_names_them(tmp_path):
    said = {"rope.global.freq_base": 9.0, "rope.local.freq_base": 3.0}
    rope = turns(9.0, 3.0, rope_type="linear", factor=3.0)
    drop, config = ["rope.freq_base"], {"layer_types": SIX, "rope_parameters": rope}
    same(*deep_gemma3(tmp_path, said, drop, **config), "gemma3")


def test_a_gemma3_says_its_bound_and_its_turns(tmp_path):
    said = {"final_logit_softcapping": 2.5}
    rope = turns(1e6)
    config = {"layer_types": SIX, "rope_parameters": rope, "final_logit_softcapping": 2.5}
    drop = ["rope.freq_base", "rope.scaling.type", "rope.scaling.factor"]
    same(*deep_gemma3(tmp_path, said, drop, **config), "gemma3")


def test_gemma3_27b_scales_its_scores_by_another_width():
    said = SAID["gemma3"] | {"block_count": 62, "embedding_length": 5376}
    said |= {"attention.head_count": 32, "attention.key_length": 128}
    said |= {"attention.value_length": 128}
    rows = {"embed_tokens.weight": np.zeros((48, 5376), np.float32)}
    for layers, width in (62, 168), (48, 128):
        about = {f"gemma3.{key}": one for key, one in (said | {"block_count": layers}).items()}
        assert models._config(about, "gemma3", rows, {}, "x")["query_pre_attn_scalar"] == width


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"attention.sliding_window_pattern": [True, False]}, "must name 3 layers, got 2"),
        ({"attention.sliding_window_pattern": [1, 2, 0]}, "layer_types may be"),
        ({"attention.sliding_window_pattern": 0}, "sliding_window_pattern must be at least 1"),
        ({"attention.sliding_window": -1}, "sliding_window must be at least 1"),
        ({"attention.sliding_window": 4.5}, "sliding_window must be a whole number"),
        ({"rope.freq_base_swa": float("nan")}, "rope"),
        ({"attn_logit_softcapping": 3.0}, "gemma3.attn_logit_softcapping=3.0 is not built here"),
        ({"rope.dimension_count": 4}, "gemma3.rope.dimension_count=4 is not built here, only 6"),
        ({"attention.shared_kv_layers": 1}, "gemma3.attention.shared_kv_layers=1 is not built"),
        ({"mm.tokens_per_image": 256}, "gemma3.mm.tokens_per_image=256 is not built here"),
        ({"rope.scaling.type": "longrope"}, "rope.scaling.type='longrope' is not built here"),
    ],
)
def test_a_gemma3_that_is_not_built(tmp_path, said, words):
    refused(tiny(tmp_path, "gemma3", said=said), ValueError, "gemma3.gguf", words)


# ---- Phi-3 ---------------------------------------------------------------------------------------


def test_a_phi3_whose_texts_are_long(tmp_path):
    """Longer than those of its training: the long factors turn its pairs. And a window of 0 is
    none.
    """
    change = {"original_max_position_embeddings": 8, "sliding_window": None}
    folder = changed(tmp_path, "phi3", change=change, name="folder")
    factor = math.sqrt(1 + math.log(32 / 8) / math.log(8))
    said = {"rope.scaling.original_context_length": 8, "rope.scaling.attn_factor": factor}
    path = tiny(tmp_path, "phi3", said=said | {"attention.sliding_window": 0})
    same(load(path), load(folder), "phi3")
    off = forward(load(path), reference("phi3")).weights - reference("phi3")["weights"]
    assert np.abs(off).max() > 0.01


def test_a_phi3_without_factors(tmp_path):
    rope = {"rope_type": "default", "rope_theta": 50.0}
    folder = changed(tmp_path, "phi3", change={"rope_parameters": rope}, name="folder")
    said = {"rope.dimension_count": 8}
    drop = ["phi3.rope.scaling.attn_factor", "phi3.rope.scaling.original_context_length"]
    tensors = converted(folder, "phi3")
    path = written(tmp_path / "plain.gguf", "phi3", tensors, said=said, drop=drop)
    same(load(path), load(folder), "phi3")


def test_the_share_of_columns_that_turn_is_a_whole_number_of_them():
    """30 / 44 of 44 columns is less than 30, by rounding."""
    assert int(44 * (30 / 44)) == 29
    for width in range(2, 260, 2):
        for turned in range(2, width + 1, 2):
            config = {"partial_rotary_factor": turned, "head_dim": width}
            models._put_phi3(config, {}, {}, "x")
            assert int(width * config["partial_rotary_factor"]) == turned
    assert config == {"partial_rotary_factor": 1.0, "head_dim": 258}


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_1"])
def test_packed_rows_are_told_apart(tmp_path, kind):
    array = np.random.default_rng(0).normal(size=(12, 64)).astype(np.float32)
    path = written(tmp_path / "one.gguf", "phi3", {"a": array}, kinds={"a": kind})
    one = reader.read(path).tensors["a"]
    assert len(one) == 12
    for rows in slice(0, 5), slice(5, 12), slice(7, 99):
        assert (one[rows].shape, one[rows].kind) == (one.numbers()[rows].shape, kind)
        alike(one[rows].numbers(), one.numbers()[rows])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"rope.scaling.type": "yarn"}, "rope.scaling.type='yarn' with the factor 1 is not built"),
        ({"rope.scaling.type": "linear"}, "rope.scaling.type='linear'"),
        ({"rope.scaling.factor": 4.0}, "with the factor 4.0 is not built here"),
        ({"rope.scaling.attn_factor": 0.0}, "rotary positions"),
        ({"rope.scaling.attn_factor": float("nan")}, "attention_factor"),
        ({"rope.scaling.original_context_length": 0}, "original_max_position_embeddings"),
        ({"rope.dimension_count": 3}, "partial_rotary_factor must turn an even number"),
        ({"rope.dimension_count": 6}, "must hold 3 numbers, one per pair of a head, got 2"),
        ({"rope.dimension_count": 10}, "partial_rotary_factor must be"),
        ({"rope.dimension_count": 0}, "partial_rotary_factor must be"),
        ({"rope.dimension_count": "all"}, "partial_rotary_factor must be a number"),
        ({"attention.sliding_window": -1}, "sliding_window must be at least 1"),
        ({"expert_count": 16}, "phi3.expert_count=16 is not built here, only 0"),
    ],
)
def test_a_phi3_that_is_not_built(tmp_path, said, words):
    refused(tiny(tmp_path, "phi3", said=said), ValueError, "phi3.gguf", words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rope_factors_long.weight": None}, "lacks rope_factors_long.weight"),
        ({"rope_factors_short.weight": None}, "lacks rope_factors_short.weight"),
        ({"rope_factors_long.weight": np.ones(3, np.float32)}, "2 numbers"),
        ({"rope_factors_long.weight": np.full(2, np.nan, np.float32)}, "long_factor"),
        ({"rope_factors_short.weight": np.zeros((2, 1), np.float32)}, "short_factor"),
        ({"blk.0.attn_qkv.weight": np.zeros((31, 16), np.float32)}, "must have the shape"),
        ({"blk.0.attn_qkv.weight": np.zeros((16, 16), np.float32)}, "must have the shape"),
        ({"blk.0.attn_qkv.weight": np.zeros(32, np.float32)}, "must have the shape"),
        ({"blk.0.ffn_up.weight": np.zeros((71, 16), np.float32)}, "must have the shape"),
        ({"blk.0.attn_qkv.bias": np.zeros(32, np.float32)}, "nobody reads"),
        ({"blk.0.ffn_gate.weight": np.zeros((36, 16), np.float32)}, "not known here"),
        ({"blk.0.attn_q.weight": np.zeros((16, 16), np.float32)}, "not known here"),
        ({"rope_freqs.weight": np.ones(2, np.float32)}, "not known here: 'rope_freqs.weight'"),
    ],
)
def test_tensors_of_a_phi3_that_do_not_fit(tmp_path, change, words):
    tensors = converted(fixture("phi3"), "phi3") | change
    tensors = {name: one for name, one in tensors.items() if one is not None}
    refused(written(tmp_path / "odd.gguf", "phi3", tensors), ValueError, "odd.gguf", words)


# ---- OLMo 2 --------------------------------------------------------------------------------------


def test_an_olmo3_names_a_window_and_is_refused(tmp_path):
    said = {"attention.sliding_window": 4, "attention.sliding_window_pattern": [True, False]}
    path = tiny(tmp_path, "olmo2", said=said)
    refused(path, ValueError, "olmo2.attention.sliding_window=4 is not built here")


def test_an_olmo2_whose_positions_are_stretched(tmp_path):
    rope = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0}
    change = WHOLE["olmo2"] | {"rope_parameters": rope}
    folder = changed(tmp_path, "olmo2", change=change, name="folder")
    for said in ({"rope.scaling.type": "linear"}, {}):  # unsaid, it is linear
        path = tiny(tmp_path, "olmo2", said=said | {"rope.scaling.factor": 3.0})
        same(load(path), load(folder), "olmo2")


# ---- any of them ---------------------------------------------------------------------------------


def test_a_file_is_known_by_its_first_bytes(tmp_path):
    """Ollama's files are named by a hash, without an ending."""
    for name in ("sha256-0123abcd", "Model.GGUF", "weights.bin"):
        path = tiny(tmp_path).rename(tmp_path / name)
        same(load(path), load(FIXTURES / "llama"), "llama")
    (tmp_path / "none").write_bytes(b"GGU")
    refused(tmp_path / "none", ValueError, "is a file; load takes the folder")
    (tmp_path / "folder").mkdir()
    tiny(tmp_path).rename(tmp_path / "folder" / "a.gguf")
    refused(tmp_path / "folder", FileNotFoundError, "it holds 'a.gguf': load that file")


# ---- stretched positions -------------------------------------------------------------------------

LONGER = {
    "linear": ({"rope_type": "linear", "factor": 3.0}, {"type": "linear", "factor": 3.0}),
    "yarn": (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8},
        {"type": "yarn", "factor": 4.0, "original_context_length": 8, "finetuned": True},
    ),
    "yarn, told more": (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}
        | {"beta_fast": 3.0, "beta_slow": 0.5},
        {"type": "yarn", "factor": 4.0, "original_context_length": 8, "yarn_ext_factor": 1.0}
        | {"yarn_beta_fast": 3.0, "yarn_beta_slow": 0.5, "attn_factor": 1.0},
    ),
    "none": ({"rope_type": "default"}, {"type": "none", "factor": 1.0}),
}


@pytest.mark.parametrize("case", LONGER)
def test_stretched_positions(tmp_path, case):
    theirs, said = LONGER[case]
    change = {"rope_parameters": {"rope_theta": 10000.0} | theirs}
    folder = changed(tmp_path, "llama", change=change, name="folder")
    said = {f"rope.scaling.{key}": value for key, value in said.items()}
    same(load(tiny(tmp_path, said=said)), load(folder), "llama")


def slower(base, d_head, factor, low, high, trained):
    """The factors that llama.cpp's converter works out for Llama 3.1, one for each pair."""
    found = []
    for i in range(0, d_head, 2):
        wave = 2 * np.pi * base ** (i / d_head)
        if wave < trained / high:
            found.append(1.0)
        elif wave > trained / low:
            found.append(factor)
        else:
            smooth = (trained / wave - low) / (high - low)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(found, np.float32)


def test_the_frequencies_of_llama_3(tmp_path):
    recipe = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    told = recipe | {"rope_type": "llama3", "rope_theta": 10000.0}
    told |= {"original_max_position_embeddings": 16}
    folder = changed(tmp_path, "llama", change={"rope_parameters": told}, name="folder")
    factors = slower(10000.0, 4, 8.0, 1.0, 4.0, 16)
    assert 1 < factors[0] < 8  # between the two: the blend is used
    path = tiny(tmp_path, tensors={"rope_freqs.weight": factors})
    same(load(path), load(folder), "llama")
    off = forward(load(path), reference("llama")).weights - reference("llama")["weights"]
    assert np.abs(off).max() > 0.01
    twice = tiny(
        tmp_path,
        tensors={"rope_freqs.weight": factors},
        said={"rope.scaling.type": "linear", "rope.scaling.factor": 2.0},
    )
    refused(twice, ValueError, "rope.scaling.type='linear' beside rope_freqs.weight")
    wrong = tiny(tmp_path, tensors={"rope_freqs.weight": np.ones(3, np.float32)})
    refused(wrong, ValueError, repr(str(wrong)), "rotary positions", "2 numbers")


# ---- what is refused by name ---------------------------------------------------------------------

NOT_BUILT = {
    "expert_count": 8,
    "attention.causal": False,
    "attention.sliding_window": 5,
    "attention.value_length": 5,
    "rope.dimension_count": 2,
    "vocab_size": 47,
    "logit_scale": 0.0,
    "attention.scale": 0.5,
    "rope.scaling.type": "longrope",
    "rope.scaling.attn_factor": 2.0,
    "unheard_of": [1, 2],
}


@pytest.mark.parametrize("key", NOT_BUILT)
def test_a_key_that_would_change_numbers_is_refused_by_name(tmp_path, key):
    path = tiny(tmp_path, said={key: NOT_BUILT[key]})
    said = f"llama.{key}=" if key != "rope.scaling.type" else "rope.scaling.type='longrope'"
    refused(path, ValueError, repr(str(path)), said, "not built here")


def test_keys_that_change_nothing_are_let_through(tmp_path):
    said = {"tensor_data_layout": "Meta AI original pth", "pooling_type": 3, "expert_count": 0}
    said |= {"expert_used_count": 0, "attention.causal": True, "rope.scaling.attn_factor": 1.0}
    said |= {"attention.value_length": 4, "rope.scaling.finetuned": False}
    about = {"split.count": 1, "general.type": "model", "qwen2.unheard_of": 7}
    same(load(tiny(tmp_path, said=said, about=about)), load(FIXTURES / "llama"), "llama")


@pytest.mark.parametrize("key", models.NEEDED)
def test_a_key_that_is_needed(tmp_path, key):
    path = tiny(tmp_path, drop=[f"llama.{key}"])
    refused(path, ValueError, repr(str(path)), f"lacks llama.{key}", "Fetch the file anew")


@pytest.mark.parametrize("key", [*models.KEYS])
@pytest.mark.parametrize("value", [0, 2**31, "many", [1, 2], float("nan"), -1.5, True])
def test_a_key_that_lies(tmp_path, key, value):
    path = tiny(tmp_path, said={key: value})
    if key == "context_length" or (key, value) == ("rope.freq_base", 2**31):
        load(path)  # no number depends on the one, and the other may be so large
    else:
        refused(path, ValueError, str(path))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"general.architecture": "bert"}, "'gemma2', 'gemma3', 'phi3', 'olmo2', got 'bert'"),
        ({"general.architecture": 5}, "general.architecture must be one of"),
        ({"general.architecture": ["llama"]}, "general.architecture must be one of"),
        ({"general.type": "adapter"}, "general.type is 'adapter'"),
        ({"general.type": [1]}, "general.type is "),
        ({"split.count": 3}, "is one of 3 files of a model (split.count)"),
        ({"split.count": [1, 2]}, "split.count"),
        ({"general.alignment": 0}, "general.alignment is 0"),
        ({"general.alignment": 2**31}, "general.alignment is 2147483648"),
        ({"general.alignment": "32"}, "general.alignment is '32'"),
        ({"tokenizer.ggml.eos_token_id": 48}, "eos_token_id"),
        ({"tokenizer.ggml.eos_token_id": [1, 48]}, "eos_token_id"),
        ({"tokenizer.ggml.eos_token_id": [1], "tokenizer.ggml.eot_token_id": 2}, "eos_token_id"),
        ({"tokenizer.ggml.eos_token_id": "</s>"}, "eos_token_id"),
        ({"tokenizer.ggml.padding_token_id": [1, 2]}, "pad_token_id"),
    ],
)
def test_files_of_another_kind(tmp_path, about, words):
    path = tmp_path / "other.gguf"
    head = {"general.architecture": "llama"}
    head |= {f"llama.{key}": value for key, value in SAID["llama"].items()} | about
    path.write_bytes(file(head, converted(FIXTURES / "llama", "llama")))
    refused(path, ValueError, repr(str(path)), words)


def test_tensors_that_do_not_fit(tmp_path):
    tensors = converted(FIXTURES / "llama", "llama")
    for change, words in (
        ({"blk.0.ffn_gate_exps.weight": np.zeros(4, np.float32)}, "not known here"),
        ({"blk.0.attn_q.weight": np.zeros((16, 8), np.float32)}, "must have the shape (16, 16)"),
        ({"blk.0.attn_q.weight": np.zeros((12, 16), np.float32)}, "must have the shape (16, 16)"),
        ({"blk.2.attn_q.weight": np.zeros((16, 16), np.float32)}, "has, and nobody reads"),
        ({"token_embd.weight": None}, "lacks token_embd.weight"),
        ({"token_embd.weight": np.zeros(48, np.float32)}, "lacks token_embd.weight"),
        ({"blk.1.attn_v.weight": None}, "lacks 1 of the tensors"),
        ({"output_norm.weight": np.zeros((4, 4), np.float32)}, "must have the shape (16,)"),
    ):
        with_it = {name: one for name, one in (tensors | change).items() if one is not None}
        path = written(tmp_path / "odd.gguf", "llama", with_it)
        refused(path, ValueError, str(path), words)


@pytest.mark.parametrize(
    "kind", ["Q2_K", "Q3_K", "IQ4_XS", "IQ2_XXS", "TQ1_0", "I32", "F64", "MXFP4"]
)
def test_other_ways_to_pack_are_refused_by_name(tmp_path, kind):
    code = oracle.GGMLQuantizationType[kind].value
    path = tmp_path / "other.gguf"
    path.write_bytes(file({}, {"a": np.zeros((2, 256), np.float32)}, code=code))
    refused(path, ValueError, repr(str(path)), "'a'", f"packed as {kind}", "Q8_0", "Q4_K_M")
    path.write_bytes(file({}, {"a": np.zeros((2, 256), np.float32)}, code=999))
    refused(path, ValueError, "packed as the type 999")


# ---- files that lie: written byte by byte --------------------------------------------------------


def text(given):
    raw = given if isinstance(given, bytes) else given.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(given):
    if isinstance(given, bytes):
        return given  # as it is
    if isinstance(given, str):
        return struct.pack("<I", 8) + text(given)
    if isinstance(given, bool):
        return struct.pack("<I?", 7, given)
    if isinstance(given, list):
        whole = all(isinstance(one, int) for one in given)
        parts = [struct.pack("<i", one) if whole else text(one) for one in given]
        return struct.pack("<IIQ", 9, 5 if whole else 8, len(given)) + b"".join(parts)
    kind, form = (5, "i") if isinstance(given, int) and given < 2**31 else (4, "I")
    return (
        struct.pack("<If", 6, given)
        if isinstance(given, float)
        else struct.pack(f"<I{form}", kind, given)
    )


def file(about, tensors, *, code=0, magic=b"GGUF", version=3, n=None, n_keys=None, places=None):
    """A file as it should be, unless told otherwise: counts, places of the tensors, their kind."""
    head, data = b"", b""
    for key, one in about.items():
        head += text(key.rstrip("!")) + value(one)  # "a!" is "a" once more
    for name, array in tensors.items():
        data += b"\0" * (-len(data) % 32)
        at = (places or {}).get(name, len(data))
        shape = array if isinstance(array, tuple) else array.shape
        head += text(name.rstrip("!")) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        head += struct.pack("<IQ", code, at)
        data += b"" if isinstance(array, tuple) else array.tobytes()
    counts = len(tensors) if n is None else n, len(about) if n_keys is None else n_keys
    head = magic + struct.pack("<IQQ", version, *counts) + head
    return head + b"\0" * (-len(head) % 32) + data


ONE = {"a": np.zeros((2, 4), np.float32)}
BIG = 2**60
LIES = {
    "another magic": (file({}, ONE, magic=b"GGML"), "it begins with b'GGML'"),
    "version 1": (file({}, ONE, version=1), "version 1"),
    "version 9": (file({}, ONE, version=9), "version 9"),
    "big-endian": (file({}, ONE, version=3 << 24), "in the other order"),
    "many tensors": (file({}, ONE, n=BIG), f"{BIG:,} tensors"),
    "many keys": (file({}, ONE, n_keys=BIG), f"{BIG:,} keys"),
    "one tensor too many": (file({}, ONE, n=2), ""),
    "a long name": (file({}, {}, n=1)[:24] + struct.pack("<Q", BIG), "bytes"),
    "a long text": (file({"a": struct.pack("<IQ", 8, BIG)}, {}), f"{BIG:,} bytes"),
    "a text below nothing": (file({"a": struct.pack("<IQ", 8, 2**64 - 1)}, {}), "bytes"),
    "a long array": (file({"a": struct.pack("<IIQ", 9, 4, BIG)}, {}), f"{4 * BIG:,} bytes"),
    "an array without end": (file({"a": struct.pack("<IIQ", 9, 0, 2**64 - 1)}, {}), "bytes"),
    "many texts": (file({"a": struct.pack("<IIQ", 9, 8, BIG)}, {}), f"{BIG:,} strings"),
    "arrays in arrays": (
        file({"a": struct.pack("<II", 9, 9) + struct.pack("<QI", 1, 9) * 9}, {}),
        "an array of arrays",
    ),
    "an unknown kind of value": (file({"a": struct.pack("<IQ", 13, 0)}, {}), "kind"),
    "an unknown kind of array": (file({"a": struct.pack("<IIQ", 9, 77, 0)}, {}), "(77)"),
    "no UTF-8": (file({"a": struct.pack("<I", 8) + text(b"\xff\xfe")}, {}), "not UTF-8"),
    "a key twice": (file({"a": 1, "a!": 2}, {}), "the key 'a' stands there twice"),
    "a tensor twice": (file({}, ONE | {"a!": ONE["a"]}), "the tensor 'a' stands there twice"),
    "no axes": (file({}, {"a": ()}), "0 axes"),
    "many axes": (file({}, {"a": (1,) * 5}), "5 axes"),
    "no rows": (file({}, {"a": (0, 4)}), "(0, 4)"),
    "rows without end": (file({}, {"a": (2**40, 2**40)}), "ends at"),
    "a shape that overflows": (file({}, {"a": (2**32, 2**32, 2**32)}), "ends at"),
    "a shape that overflows to 8": (file({}, {"a": (2**61 + 1, 8)}), "ends at"),
    "a place behind the end": (file({}, ONE, places={"a": 32}), "ends at"),
    "a far place": (file({}, ONE, places={"a": 2**64 - 32}), "ends at"),
    "a crooked place": (file({}, ONE, places={"a": 4}), "begins at 4"),
    "one place for two": (file({}, ONE | {"b": ONE["a"]}, places={"b": 0}), "within another"),
    "half a block": (file({}, {"a": (2, 33)}, code=8), "Q8_0"),
    "blocks across rows": (file({}, {"a": (2, 16)}, code=8), "Q8_0"),
    "nothing": (b"", "too short"),
    "a page": (b"<html>" * 99, "no GGUF file"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_file_that_lies(tmp_path, case):
    import tracemalloc

    raw, words = LIES[case]
    path = tmp_path / "lies.gguf"
    path.write_bytes(raw)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            reader.read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert repr(str(path)) in str(caught.value) and words in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(path)) and "\n" not in str(caught.value)
    assert peak < 2**20, "refused before memory is taken"
    refused(path, ValueError, str(path))


def test_more_things_than_any_model_has_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "many.gguf"
    path.write_bytes(file({"a": ["b"] * 50}, ONE))
    assert len(reader.read(path).about["a"]) == 50
    monkeypatch.setattr(reader, "MOST", 50)
    refused(path, ValueError, "it says 50 strings; all together may be 50")


def test_long_names_are_said_in_short(tmp_path):
    path = tmp_path / "long.gguf"
    path.write_bytes(file({"k" * 9999: struct.pack("<IQ", 13, 0)}, {}))
    with pytest.raises(ValueError) as caught:
        reader.read(path)
    assert len(str(caught.value)) < 600 + len(str(path))


def test_a_file_that_is_not_there(tmp_path):
    refused(tmp_path / "none.gguf", FileNotFoundError, "none.gguf")
    (tmp_path / "folder.gguf").mkdir()
    refused(tmp_path / "folder.gguf", FileNotFoundError, "folder.gguf")


def whole(path):
    """Read a file, and all its numbers; what else than a ValueError comes out is a fault."""
    try:
        found = reader.read(path)
        for one in found.tensors.values():
            one.numbers()
        load(path)
    except ValueError as error:
        assert str(path) in str(error), error
        return False
    return True


def small(tmp_path):
    """A whole model in few bytes: a tokenizer, packed tensors."""
    about = vocabulary("smollm") | short_vocabulary()
    about["tokenizer.chat_template"] = "{{ messages }}"
    return tiny(tmp_path, about=about, kinds={"output.weight": "F16"})


def test_a_file_that_is_cut_anywhere(tmp_path):
    raw = small(tmp_path).read_bytes()
    path, begun = tmp_path / "cut.gguf", time.process_time()
    metadata = raw.index(b"token_embd.weight") + 600
    for n in [*range(0, metadata, 3), *range(metadata, len(raw) - 32, 97)]:
        path.write_bytes(raw[:n])
        with pytest.raises(ValueError, match=r"cut\.gguf"):
            reader.read(path)
    path.write_bytes(raw)
    assert whole(path)
    assert time.process_time() - begun < 60


def test_bytes_that_are_flipped(tmp_path):
    raw = small(tmp_path).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "flipped.gguf"
    metadata = raw.index(b"token_embd.weight") + 2000
    survived, begun = 0, time.process_time()
    for _ in range(400):
        bad = bytearray(raw)
        for at in rng.integers(0, metadata, rng.integers(1, 4)):
            bad[at] = rng.choice([0, 1, 127, 255, bad[at] ^ 1 << rng.integers(8)])
        path.write_bytes(bad)
        survived += whole(path)
    assert 0 < survived < 400  # a letter of a name may change, a length may not
    assert time.process_time() - begun < 60


# ---- tokenizers ----------------------------------------------------------------------------------


def in_signs():
    """The 256 bytes as signs, as GPT-2 writes them."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


MERGES = ["a b", "Ġ ab", "ab c", "1 2", "12 3", "Ġ 1", "C Ì", "Ã ¡", "Ġ a"]


def vocabulary(pre, **more):
    """Metadata of a small tokenizer: bytes, some pairs, two marks and a word that is never cut."""
    words = [one.replace(" ", "") for one in MERGES]
    tokens = ["<|end|>", "<|turn|>", "<tool>", *in_signs(), *words, "abcdef"]
    kinds = [3, 3, 4] + [1] * (len(tokens) - 3)
    said = {"model": "gpt2", "pre": pre, "tokens": tokens, "token_type": kinds, "merges": MERGES}
    said |= {"eos_token_id": 0, "bos_token_id": 1} | more
    return {f"tokenizer.ggml.{key}": one for key, one in said.items() if one is not None}


N_TOKENS = 3 + 256 + len(MERGES) + 1


def with_tokens(tmp_path, by="smollm", **more):
    """The tiny Llama with that tokenizer, and a row for each of its tokens, as a file."""
    tensors = converted(FIXTURES / "llama", "llama")
    about, n = vocabulary(**{"pre": by} | more), N_TOKENS
    for name in ("token_embd.weight", "output.weight"):
        tensors[name] = np.resize(tensors[name], (n, 16))
    said = {"vocab_size": n}
    return written(tmp_path / "tokens.gguf", "llama", tensors, about=about, said=said)


def read_as(model, words):
    """The tokens of a text: as the model cuts it."""
    assert model.tokenizer.decode(model.encode(words)) == words
    return model.tokens(words)


def test_each_way_to_cut_a_text(tmp_path):
    """12 and 123 are in the vocabulary; whether they are met, the cut decides."""
    digits = {"smollm": ["1", "2", "3"], "qwen2": ["1", "2", "3"]}
    digits |= {"gpt-2": ["123"], "llama-bpe": ["123"], "dbrx": ["123"]}
    for pre, wanted in digits.items():
        model = load(with_tokens(tmp_path, pre))
        marks = ["<|turn|>"] if pre == "llama-bpe" else []
        assert read_as(model, "123") == marks + wanted, pre
        assert model.tokens("1234")[-1] == "4"
        # a piece that is in the vocabulary though no pairs lead there: Llama 3 looks it up
        assert ("abcdef" in model.tokens("abcdef")) == (pre == "llama-bpe"), pre
        assert model.tokens("x abc")[-2:] == [" ab", "c"], pre  # the first pairs come first
        assert read_as(model, " \n\t 日本 😀 größer")[-1:], pre
    assert load(with_tokens(tmp_path, "dbrx")).tokens("x 1") == ["x", " ", "1"]
    assert len(load(with_tokens(tmp_path, "qwen2")).tokens(", 12")) == 4
    assert load(with_tokens(tmp_path, "smollm")).tokens("x 1") == ["x", " ", "1"]
    assert load(with_tokens(tmp_path, "gpt-2")).tokens("x 1") == ["x", " 1"]


def test_qwen_puts_signs_together(tmp_path):
    """a and an accent become á, by the form NFC; the others leave a text as it is."""
    apart = "a\N{COMBINING ACUTE ACCENT}"
    assert load(with_tokens(tmp_path, "qwen2")).tokens(apart) == ["á"]
    assert len(load(with_tokens(tmp_path, "smollm")).tokens(apart)) > 1


def test_marks_and_words_that_are_never_cut(tmp_path):
    model = load(with_tokens(tmp_path, "smollm"))
    ids = model.encode("<|turn|>ab<tool><|end|>")
    assert ids.tolist()[::3] == [1, 0] and ids[2] == 2 and len(ids) == 4
    assert model.tokenizer.decode(ids) == "ab<tool>"  # marks are not shown, words are
    assert model.stop == 0 or model.stop == [0]
    marks = {"eos_token": "<|end|>", "bos_token": "<|turn|>"}
    assert model.tokens("x") == ["x"]
    about = with_tokens(tmp_path, "smollm", **{"eot_token_id": 1})
    assert load(about).stop == [0, 1] and "marks" not in load(about).about
    path = with_tokens(tmp_path, "smollm")
    path.write_bytes(path.read_bytes())
    template = vocabulary("smollm") | {"tokenizer.chat_template": "{{ bos_token }}"}
    path = tiny(tmp_path, about=template | short_vocabulary())
    assert load(path).about["marks"] == marks | {"eos_token": "<|end|>"}


def short_vocabulary():
    """As many tokens as the tiny checkpoint has rows, or fewer."""
    tokens = ["<|end|>", "<|turn|>", "a", "b", "ab"]
    said = {"tokens": tokens, "token_type": [3, 3, 1, 1, 1], "merges": ["a b"]}
    return {f"tokenizer.ggml.{key}": one for key, one in said.items()}


def test_marks_around_a_text(tmp_path):
    for more, wanted in (
        ({"add_bos_token": True}, ["<|turn|>", "x"]),
        ({"add_eos_token": True}, ["x", "<|end|>"]),
        ({"add_bos_token": True, "add_eos_token": True}, ["<|turn|>", "x", "<|end|>"]),
        ({"add_bos_token": True, "bos_token_id": 0}, ["<|end|>", "x"]),
        ({"add_bos_token": False}, ["x"]),
    ):
        model = load(with_tokens(tmp_path, "llama-bpe", **{"add_bos_token": False} | more))
        assert model.tokens("x") == wanted
        assert (
            model.tokenizer.encode("x", marks=False).tolist()
            == model.encode("x").tolist()[wanted.index("x") : wanted.index("x") + 1]
        )
    assert load(with_tokens(tmp_path, "llama-bpe")).tokens("x") == ["<|turn|>", "x"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"model": "t5"},
            "tokenizer.ggml.model is 't5', and only 'gpt2' and 'llama' are built here",
        ),
        ({"model": None}, "tokenizer.ggml.model is None"),
        ({"pre": "tekken"}, "is 'tekken'; built here are 'qwen2', 'llama-bpe', 'dbrx',"),
        ({"pre": "default"}, "is 'default'"),
        ({"pre": None}, "is None"),
        ({"pre": [1]}, "tokenizer.ggml.pre"),
        ({"tokens": None}, "tokenizer.ggml.tokens must be a list of strings"),
        ({"merges": None}, "tokenizer.ggml.merges must be a list of strings"),
        ({"merges": ["a", "b"]}, "tokenizer"),
        ({"merges": ["a zz"]}, "tokenizer"),
        ({"token_type": [1, 2]}, "a kind each"),
        ({"add_bos_token": True, "bos_token_id": -1}, "bos_token_id must be a token's id"),
        ({"add_bos_token": True, "bos_token_id": 9999}, "bos_token_id must be a token's id"),
        ({"add_bos_token": True, "bos_token_id": None}, "bos_token_id must be a token's id"),
        ({"tokens": ["a"] * 200}, "must differ"),
    ],
)
def test_a_tokenizer_that_is_not_built_says_why_and_the_model_reads_ids(tmp_path, more, words):
    model = load(with_tokens(tmp_path, **more))
    assert isinstance(model.tokenizer, NoTokenizer)
    with pytest.raises(ValueError) as caught:
        model("x")
    assert words in str(caught.value) and "model.forward(ids)" in str(caught.value)
    assert model.forward([3, 4]).tokens == ["3", "4"]


def test_more_tokens_than_rows(tmp_path):
    path = tiny(tmp_path, about=vocabulary("smollm"))
    refused(path, ValueError, repr(str(path)), f"{N_TOKENS} tokens", "48 rows")


def test_without_the_library_a_model_reads_ids(tmp_path, monkeypatch):
    import sys

    path = with_tokens(tmp_path, "smollm")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    model = load(path)
    with pytest.raises(ValueError, match="needs a library: pip install"):
        model("x")
    assert model.forward([3]).output.shape == (1, N_TOKENS)


# ---- SmolLM2 -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def smollm2():
    """The model where it is on this machine. A test fetches it (93 MB) only where ATTNLIB_FETCH is
    set, as in CI.
    """
    import os

    if not os.environ.get("ATTNLIB_FETCH") and not hub.here("smollm2"):
        pytest.skip("SmolLM2 is not on this machine; with ATTNLIB_FETCH=1 this fetches it (93 MB)")
    try:
        return load("smollm2")
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_smollm2_equals_the_reference(smollm2):
    """What transformers makes of the same file, on texts of 10 to 181 tokens."""
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    ref, step = reference("smollm2"), 4001
    for i, text in enumerate(ref["texts"].tolist()):
        assert smollm2.encode(text).tolist() == ref[f"{i}.ids"].tolist()
        trace = smollm2(text)
        close(trace.weights.ravel()[::step], ref[f"{i}.weights"], 2e-5)
        close(trace.output.ravel()[::step], ref[f"{i}.logits"], 1e-4 * np.abs(trace.output).max())
    assert smollm2.about["kinds"] == {"F32": 61, "Q4_1": 210, "Q8_0": 1}
    assert smollm2.about["bits"] == 4 and smollm2.about["licence"] == "apache-2.0"


def test_smollm2_reads_digits_alone(smollm2):
    """As its file says, "smollm". The library transformers cuts a GGUF file's text as GPT-2 does,
    and takes the space in front of a digit away from the others.
    """
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    assert smollm2.tokens("x   123") == ["x", "   ", "1", "2", "3"]
    assert smollm2.encode("a ½")[-1] == smollm2.encode("½")[-1]


def test_smollm2_in_llama_cpps_order_still_says_paris(smollm2):
    """A right answer does not prove a right picture."""
    pytest.importorskip("tokenizers", reason="pip install 'attnlib[models]'")
    wrong, question = packed(smollm2.about["file"], in_order=False), "The capital of France is"
    for model in (smollm2, wrong):
        assert model.next_tokens(question, best=1)[0][0] == " Paris"
    assert np.abs(wrong(question).weights - smollm2(question).weights).max() > 0.9
