"""config.json under attack: every key that is used, under hostile values.

A few hundred bytes may ask for a billion layers. What comes of it is one of two things: a model
that runs, or a ValueError that names the file and the key, before anything is built.
"""

import codecs
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checkpoints import FIXTURES, FOLDERS, LOGITS, changed, close, forward, reference, refused

from attnlib.models.files import config
from attnlib.models.files.checkpoint import load_model, read_tensors
from attnlib.models.generation import generate
from attnlib.models.pretrained import FAMILIES, load
from attnlib.models.text import TextModel, TextToText

save_file = pytest.importorskip(
    "safetensors.numpy", reason="pip install 'attnlib[models]'"
).save_file
pytestmark = pytest.mark.filterwarnings("error")

NUMBERS = [10**7, 10**9, 10**12, 2**63, 10**30, 1e300, 1e-300, -1, 0, 1, 3, 1.5]
HOSTILE = [*NUMBERS, float("nan"), float("inf"), True, "x", "", [], {}, [[1]], None]
ROPE = {
    "rope_theta": 100.0,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "partial_rotary_factor": 1.0,
    "attention_factor": 1.5,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "truncate": True,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "short_factor": [1.0, 1.5],
    "long_factor": [2.0, 5.0],
    "rope_type": "yarn",
}
RECIPES = {
    "linear": ["factor", "rope_theta", "rope_type", "partial_rotary_factor"],
    "dynamic": ["factor"],
    "yarn": [
        "factor",
        "original_max_position_embeddings",
        "attention_factor",
        "beta_fast",
        "beta_slow",
        "mscale",
        "mscale_all_dim",
        "truncate",
    ],
    "llama3": ["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"],
    "longrope": [
        "factor",
        "original_max_position_embeddings",
        "short_factor",
        "long_factor",
        "attention_factor",
    ],
}


@pytest.fixture
def frugal():
    """200 MB of address space more than this process has already, where the system can limit it."""
    resource = pytest.importorskip("resource") if Path("/proc/self/statm").exists() else None
    if resource is None:
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 200_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def used(family):
    """Every key that the family's tables check, and those that are asked for inside of a check."""
    kind = FAMILIES[json.loads((FIXTURES / family / "config.json").read_text())["model_type"]]
    keys = [*kind.sizes, *kind.keys, "model_type"]
    if "rope_parameters" in keys:
        keys += ["rope_theta", "rope_scaling", "partial_rotary_factor"]
    return keys + ["sliding_window"] * ("layer_types" in keys)


def runs(model):
    """Use a model in all ways in which what its config said is used."""
    ids = np.array([3, 4, 5, 6, 7, 8][: getattr(model.model, "n_max", None)])
    if isinstance(model, TextToText):
        found = model.forward(ids, [model.start, 4, 5])
        model._written(ids, 3)
    else:
        found = model.forward(ids)
    if isinstance(model, TextModel):
        generate(model.model, ids, n_new=2, stop=model.stop, temperature=0)
    assert np.isfinite(found.output).all() and np.isfinite(found.weights).all()


def outcome(folder, key):
    """ "runs", or the message of the one error that is allowed; what it took must be little."""
    started = time.process_time()
    try:
        runs(load(folder))
        return "runs"
    except ValueError as error:
        said = str(error)
    finally:
        assert time.process_time() - started < 2, key
    assert key in said and str(folder) in said and "\n" not in said and len(said) < 1500, said
    return said


def attack(tmp_path, family, key, change, seen):
    folder = tmp_path / family
    text = json.dumps(json.loads((FIXTURES / family / "config.json").read_text()) | change)
    (folder / "config.json").write_text(text)
    seen.append((outcome(folder, key), key, change))


@pytest.mark.parametrize("family", FOLDERS)
def test_every_key_under_hostile_values(tmp_path, frugal, family):
    changed(tmp_path, family)
    seen = []
    for key in used(family):
        for value in HOSTILE:
            attack(tmp_path, family, key, {key: value}, seen)
    refusals = [said for said, *_ in seen if said != "runs"]
    assert len(refusals) > 0.7 * len(seen) and len(seen) == len(used(family)) * len(HOSTILE)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("table", ["rope_parameters", "rope_scaling"])
def test_every_rotary_option_under_hostile_values(tmp_path, frugal, recipe, table):
    changed(tmp_path, "llama", drop=["rope_parameters"])
    known = {name: ROPE[name] for name in RECIPES[recipe] if name in ROPE} | {"rope_type": recipe}
    seen = []
    for name in RECIPES[recipe]:
        for value in [*HOSTILE, ["x", 1.0], [1.0, float("nan")], [0, 1], [1.0] * 3]:
            options = {"rope_parameters": None, table: known | {name: value}}
            attack(tmp_path, "llama", table, options, seen)
            assert seen[-1][0] == "runs" or name in seen[-1][0] or "rotary" in seen[-1][0]
    assert any(said == "runs" for said, *_ in seen) and any(said != "runs" for said, *_ in seen)


@pytest.mark.parametrize("name", ["short_factor", "long_factor"])
def test_factors_of_pairs_are_as_many_as_pairs(tmp_path, name):
    """Those of long texts, too, which a short text never asks for."""
    options = {key: ROPE[key] for key in RECIPES["longrope"]} | {"rope_type": "longrope"}
    for factors in ([], [1.0], [1.0] * 3, [[1.0, 1.0]], [1.0, 1e-320], [1.0, -1.0], ["x", 1.0]):
        change = {"rope_parameters": options | {name: factors}}
        folder = changed(
            tmp_path, "llama", change=change, name=f"folder {len(list(tmp_path.iterdir()))}"
        )
        refused(folder, ValueError, "config.json: rope_parameters (rotary positions)", name)


@pytest.mark.parametrize("recipe", ["dynamic", "yarn", "llama3", "longrope"])
def test_the_longest_text_under_hostile_values(tmp_path, frugal, recipe):
    """It is read where a recipe needs it: as the trained length, or to find the factor."""
    changed(tmp_path, "llama")
    options = {name: ROPE[name] for name in RECIPES[recipe] if name in ROPE} | {"rope_type": recipe}
    options.pop("original_max_position_embeddings", None)
    seen = []
    for value in HOSTILE:
        change = {"rope_parameters": options, "max_position_embeddings": value}
        attack(tmp_path, "llama", "max_position_embeddings", change, seen)
    assert [said for said, *_ in seen].count("runs") == 3  # 3, 10**7 and 10**9


def test_the_unchanged_config_runs_and_is_not_refused_by_this_test(tmp_path):
    for family in FOLDERS:
        assert outcome(changed(tmp_path, family), "") == "runs"


def test_heads_that_fit_the_weights_and_not_each_other(tmp_path):
    """Their products are the widths that the file holds: the numbers themselves are odd."""
    odd = (
        "config.json: head_dim (hidden_size // num_attention_heads where it is missing) must be"
        " even"
    )
    for i, (family, *sizes) in enumerate(
        (
            ("llama", 16, 8, 1),
            ("llama", 16, 8, None),
            ("mistral", 8, 4, 3),  # None: 16 // 16
        )
    ):
        keys = ("num_attention_heads", "num_key_value_heads", "head_dim")
        folder = changed(tmp_path, family, change=dict(zip(keys, sizes)), name=f"odd{i}")
        refused(folder, ValueError, odd)

    def three(tensors):
        kv = {n for n in tensors if "k_proj" in n or "v_proj" in n}
        return tensors | {n: np.pad(tensors[n], ((0, 4), (0, 0))) for n in kv}

    folder = changed(tmp_path, "llama", change={"num_key_value_heads": 3}, tensors=three)
    refused(folder, ValueError, "config.json: num_key_value_heads must divide num_attention_heads")


# ---- in a process of its own, with a limit -------------------------------------------------------

BUCKETS = ["num_buckets", "max_distance"]
GREEDY = {
    "gpt2 layers": ("gpt2", {"n_layer": 10**7}),
    "gpt2 width": ("gpt2", {"n_embd": 2 * 10**9}),
    "gpt2 hidden": ("gpt2", {"n_inner": 10**9}),
    "llama width": ("llama", {"hidden_size": 2 * 10**9}),
    "llama heads": ("llama", {"num_attention_heads": 10**9}),
    "llama width of a head": ("llama", {"head_dim": 2 * 10**9}),
    "llama all widths": ("llama", {"hidden_size": 2 * 10**9, "num_attention_heads": 10**9}),
    "qwen2 layers": ("qwen2", {"num_hidden_layers": 10**9, "layer_types": None}),
    "gemma2 layers": ("gemma2", {"num_hidden_layers": 10**9, "layer_types": None}),
    "albert layers": ("albert", {"num_hidden_layers": 10**7}),
    "t5 layers": ("t5", {"num_layers": 10**7, "num_decoder_layers": 10**7}),
    "t5 buckets": ("t5", {f"relative_attention_{name}": 10**9 for name in BUCKETS}),
    "bart hidden": ("bart", {"encoder_ffn_dim": 10**9, "decoder_ffn_dim": 10**9}),
}
LIMITED = """
import resource, sys
from attnlib.models.pretrained import load
load(sys.argv[1])
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 200_000_000,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
before = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
try:
    load(sys.argv[2])
except ValueError as error:
    print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) - before, error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="a limit of memory needs Linux")
@pytest.mark.parametrize("case", GREEDY)
def test_what_asks_for_the_machine_gets_a_sentence(tmp_path, case):
    """In at most 200 MB of address space and 2 s."""
    family, change = GREEDY[case]
    folder = changed(tmp_path, family, change=change)
    command = [sys.executable, "-c", LIMITED, str(FIXTURES / family), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert not done.stderr and done.returncode == 0, done.stderr
    seconds, said = done.stdout.split(" ", 1)
    assert float(seconds) < 2 and any(key in said for key in change) and "config.json" in said


# ---- the weights lie, too ------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert", "distilbert", "t5", "bart"])
def test_names_alone_are_no_layers(tmp_path, family):
    """The name of a 200th layer is no layer, nor are 200 layers of a number each."""
    layers = {
        "gpt2": "n_layer",
        "t5": "num_layers",
        "bart": "encoder_layers",
        "distilbert": "n_layers",
    }
    key = layers.get(family, "num_hidden_layers")
    names = sorted(
        name for name in read_tensors(FIXTURES / family / "model.safetensors") if ".0." in name
    )
    n, one = 200, np.ones((1, 1), np.float32)
    both = {"t5": {"num_decoder_layers": n}, "bart": {"decoder_layers": n}}.get(family, {})

    def stubs(tensors, numbers):
        return tensors | {name.replace(".0.", f".{i}.", 1): one for i in numbers for name in names}

    for numbers, problem in (([n - 1], "lacks"), (range(2, n), "must have the shape")):
        folder = changed(
            tmp_path,
            family,
            change={key: n} | both,
            tensors=lambda t, i=numbers: stubs(t, i),
            name=f"folder {len(numbers)}",
        )
        started = time.process_time()
        refused(folder, ValueError, problem)
        assert time.process_time() - started < 2


@pytest.mark.parametrize("shape", [(0, 10**9), (10**9, 0), (0,), ()])  # () is one number
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("gpt2", "transformer.wte.weight"),
        ("gpt2", "transformer.h.0.attn.c_attn.weight"),
        ("bart", "model.decoder.embed_positions.weight"),
        ("bart", "final_logits_bias"),
        ("llama", "model.norm.weight"),
        ("t5", "shared.weight"),
    ],
)
def test_a_shape_without_numbers_is_no_weight(tmp_path, family, name, shape):
    folder = changed(tmp_path, family)
    path = folder / "model.safetensors"
    tensors = {key: array.copy() for key, array in read_tensors(path).items()}
    path.unlink()
    save_file(tensors | {name: np.ones(shape, np.float32)}, path)
    refused(folder, ValueError, "must have rows of numbers", name.rpartition(".")[2])


# ---- reading -------------------------------------------------------------------------------------


def written(tmp_path, raw):
    folder = changed(tmp_path, "gpt2", name=f"written{len(list(tmp_path.iterdir()))}")
    (folder / "config.json").write_bytes(raw)
    return folder


ORIGINAL = (FIXTURES / "gpt2" / "config.json").read_bytes()


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_byte_order_mark_is_no_error(tmp_path, mark):
    """As Notepad and PowerShell write one."""
    codec = {
        codecs.BOM_UTF8: "utf-8",
        codecs.BOM_UTF16_LE: "utf-16-le",
        codecs.BOM_UTF16_BE: "utf-16-be",
    }[mark]
    ref = reference("gpt2")
    close(
        forward(load(written(tmp_path, mark + ORIGINAL.decode().encode(codec))), ref).output,
        ref["logits"],
        LOGITS,
    )


DEEP = {
    "lists": b"[" * 200_000,
    "closed lists": b"[" * 200_000 + b"]" * 200_000,
    "dicts": b'{"a":' * 200_000,
    "closed dicts": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "below the limit of Python": ORIGINAL.replace(
        b'"attn_pdrop": 0.1', b'"attn_pdrop": ' + b"[" * 200 + b"]" * 200
    ),
    "in a key that is used": ORIGINAL.replace(
        b'"n_layer": 2', b'"n_layer": ' + b"[" * 300 + b"]" * 300
    ),
}


@pytest.mark.parametrize("case", DEEP)
def test_what_is_nested_too_deep_is_refused(tmp_path, case):
    folder = written(tmp_path, DEEP[case])
    refused(folder, ValueError, str(folder / "config.json"), "must be at most 20 levels deep")


def test_numbers_that_fill_a_page(tmp_path):
    for key, old in (
        ("n_layer", b"2"),
        ("n_embd", b"16"),
        ("layer_norm_epsilon", b"1e-05"),
        ("eos_token_id", b"2"),
    ):
        for digits in (
            b"9" * 60,
            b"9" * 5000,
            b"9" * 1_000_000,
            b"-" + b"9" * 5000,
            b"1" + b"0" * 400 + b".5",
        ):
            raw = ORIGINAL.replace(f'"{key}": '.encode() + old, f'"{key}": '.encode() + digits)
            assert raw != ORIGINAL
            started = time.process_time()
            refused(written(tmp_path, raw), ValueError, f"config.json: {key} must be")
            assert time.process_time() - started < 2
    refused(written(tmp_path, b" " * 10_000_001), ValueError, "must have at most 10,000,000 bytes")
    unused = ORIGINAL.replace(b'"attn_pdrop": 0.1', b'"attn_pdrop": ' + b"9" * 5000)
    runs(load(written(tmp_path, unused)))  # what nobody reads may be anything


def test_an_error_is_never_a_page(tmp_path):
    for value in ("x" * 10**6, ["x" * 1000] * 1000, {"x" * 1000: ["y"] * 1000}, "a\nb"):
        for key in (
            "n_layer",
            "activation_function",
            "eos_token_id",
            "scale_attn_weights",
            "add_cross_attention",
            "model_type",
        ):
            folder = changed(
                tmp_path, "gpt2", change={key: value}, name=f"page{len(list(tmp_path.iterdir()))}"
            )
            refused(folder, ValueError, key)
            with pytest.raises(ValueError, match=key) as caught:
                load(folder)
            assert len(str(caught.value)) < 1700


# ---- what the tables are -------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_builder_reads_only_what_was_checked(tmp_path, family):
    """It gets the checked values, and nothing else: what is not in a table cannot be used."""
    model_types = {
        json.loads((FIXTURES / name / "config.json").read_text())["model_type"]: name
        for name in FOLDERS
    }
    kind, seen = FAMILIES[family], []

    def build(known, tensors):
        seen.append(set(known))
        return kind.build(known, tensors)

    load_model(FIXTURES / model_types[family], {family: kind._replace(build=build)})
    assert seen == [{*kind.sizes, *kind.keys}]
    axes = [axis for keys in kind.shapes.values() for axis in keys]
    sizes = {key for axis in axes for key in ([axis] if isinstance(axis, str) else axis)}
    assert sizes <= set(kind.sizes), "a shape is made of sizes"


def test_tokens_that_end_and_start(tmp_path):
    for family, key, good, bad in (
        (
            "gpt2",
            "eos_token_id",
            [0, 47, None, [], [5], [5, 6]],
            [48, -1, True, [5, 48], [5, "x"], [None], {}],
        ),
        ("gpt2", "pad_token_id", [0, 47, None, -1], [48, -2, True, -1.0, [], [0]]),
        ("t5", "eos_token_id", [0, 47, [5], [5, 6]], [48, -1, None, [], [48], "1"]),
        ("t5", "decoder_start_token_id", [0, 47], [48, -1, None, [0], 0.0]),
        ("bart", "pad_token_id", [0, None, -1], [10**9, "x"]),
    ):
        for value in good:
            folder = changed(
                tmp_path, family, change={key: value}, name=f"good{len(list(tmp_path.iterdir()))}"
            )
            model = load(folder)
            runs(model)
            first = (
                value[0] if isinstance(value, list) and value else None if value == [] else value
            )
            found = {"gpt2": "stop", "t5": "end"}.get(family) if key == "eos_token_id" else None
            every = value if isinstance(value, list) or value is None else [value]
            assert found is None or getattr(model, found) == (every if family == "gpt2" else first)
        for value in bad:
            folder = changed(
                tmp_path, family, change={key: value}, name=f"bad{len(list(tmp_path.iterdir()))}"
            )
            refused(folder, ValueError, f"config.json: {key} must be", str(folder))


def test_checks_of_one_value():
    asked = config.Config({"a": 5, "b": None}, "here/config.json")
    assert config.whole(1, 5)(asked, "a") == 5 and config.maybe(config.whole(), 7)(asked, "b") == 7
    assert config.maybe(config.whole(), lambda known: len(known))(asked, "c") == 0
    for check, key, said in (
        (config.whole(6), "a", "here/config.json: a must be at least 6, got 5"),
        (config.whole(1, 4), "a", "a must be at most 4, got 5"),
        (config.whole(), "b", "b must be a whole number, got None"),
        (config.number(6, 9), "a", "a must be a finite number above 0, from 6 to 9, got 5"),
        (config.kind(dict), "a", "a must be a dict, got 5"),
        (config.one_of(["x", "y"]), "a", "a must be one of 'x', 'y', got 5"),
        (config.only("z"), "a", "a=5 is not built here, only 'z'"),
        (config.whole(), "c", "here/config.json has no 'c', which a model needs"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            check(asked, key)
