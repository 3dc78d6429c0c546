"""GGUF files as models: what llama.cpp calls things, said as the published folders say them.

A file becomes the config and the tensors that a folder of the same model has; the rest is done as
for a folder. Built are the architectures of `ARCHITECTURES`; a key of a file that is not known, and
so may change the numbers, is refused by name.
"""

import math
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from attnlib.models import gemma, llama, olmo2, phi3
from attnlib.models.files import gguf, vocabulary
from attnlib.models.files.checkpoint import NONE, Family, assembled
from attnlib.models.files.config import Config, short
from attnlib.models.files.sentence_pieces import CONTROL, USERS, SentencePieces
from attnlib.models.llama import FULL, HEAD, SLIDING, TRAINED
from attnlib.models.text import FileTokenizer

# what they call a tensor -> its name in a published folder; {} is the number of a layer
NAMES = {
    "token_embd": "embed_tokens",
    "output_norm": "norm",
    "output": "lm_head",
    "blk.{}.attn_norm": "layers.{}.input_layernorm",
    "blk.{}.attn_q": "layers.{}.self_attn.q_proj",
    "blk.{}.attn_k": "layers.{}.self_attn.k_proj",
    "blk.{}.attn_v": "layers.{}.self_attn.v_proj",
    "blk.{}.attn_output": "layers.{}.self_attn.o_proj",
    "blk.{}.attn_q_norm": "layers.{}.self_attn.q_norm",
    "blk.{}.attn_k_norm": "layers.{}.self_attn.k_norm",
    "blk.{}.ffn_norm": "layers.{}.post_attention_layernorm",
    "blk.{}.ffn_gate": "layers.{}.mlp.gate_proj",
    "blk.{}.ffn_up": "layers.{}.mlp.up_proj",
    "blk.{}.ffn_down": "layers.{}.mlp.down_proj",
}
GEMMA = NAMES | {
    "blk.{}.post_attention_norm": "layers.{}.post_attention_layernorm",
    "blk.{}.ffn_norm": "layers.{}.pre_feedforward_layernorm",
    "blk.{}.post_ffw_norm": "layers.{}.post_feedforward_layernorm",
}
PHI3 = {name: ours for name, ours in NAMES.items() if not re.search("attn_[qkv]|gate", name)} | {
    "blk.{}.attn_qkv": "layers.{}.self_attn.qkv_proj",
    "blk.{}.ffn_up": "layers.{}.mlp.gate_up_proj",
}
# what they call a number, behind "llama." -> its name in config.json
NEEDED = {
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
}
KEYS = NEEDED | {
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "context_length": "max_position_embeddings",
    "rope.freq_base": "rope_theta",
}
GEMMA2_KEYS = {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
GEMMA3_KEYS = {
    "rope.global.freq_base": "rope_theta",  # so Ollama wrote it at first, and the next
    "rope.local.freq_base": "rope_local_base_freq",
    "rope.freq_base_swa": "rope_local_base_freq",
    "attention.sliding_window": "sliding_window",
    "attention.sliding_window_pattern": "sliding_window_pattern",
    "final_logit_softcapping": "final_logit_softcapping",
}
PHI3_KEYS = {
    "attention.sliding_window": "sliding_window",
    "rope.dimension_count": "partial_rotary_factor",
}
# what changes no number, and what changes none where it has this one value
SILENT = {"tensor_data_layout", "pooling_type", "rope.scaling.finetuned"}
LENGTHENED = "rope.scaling.attn_factor"
NEUTRAL = {
    "attention.causal": True,
    "expert_count": 0,
    "expert_used_count": 0,
    LENGTHENED: 1,
    "rope.scaling.yarn_ext_factor": 1,
    "rope.scaling.yarn_attn_factor": 1,
}
SCALING = {
    "rope.scaling.factor": "factor",
    "rope.scaling.original_context_length": TRAINED,
    "rope.scaling.yarn_beta_fast": "beta_fast",
    "rope.scaling.yarn_beta_slow": "beta_slow",
}
# tensors that say by how much each pair of a head turns slower: of Llama 3.1 and later; of Phi-3
FREQUENCIES = "rope_freqs.weight"
SHORT, LONG = "rope_factors_short.weight", "rope_factors_long.weight"
TOKENS = "tokenizer.ggml."
MARKS = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
# what ends a turn of a chat, also where the file does not say so
TURNS = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"]
# how a text is cut before its pieces are looked up, by the name of the pre-tokenizer
LLAMA3 = vocabulary.QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
CUTS = {"qwen2": vocabulary.QWEN, "llama-bpe": LLAMA3, "dbrx": LLAMA3}
CUTS |= {"smollm": vocabulary.DIGITS, "gpt-2": ""}
FIX = "Fetch the file anew"


class Architecture(NamedTuple):
    """What general.architecture means."""

    family: Family  # that of the published folders
    names: dict = NAMES  # of its tensors
    keys: dict = NONE  # what it says beside `KEYS`
    model_type: str = ""  # in config.json, where that is another name
    largest: int = 0  # layers of the largest Gemma, whose scores are scaled in another way
    slower: tuple = ()  # tensors of turns


def _with_ones(family):
    """A family of Gemma, whose gains have their 1 in a GGUF file."""
    return gemma.FAMILIES[family]._replace(tidy=dict)


ARCHITECTURES = {
    "llama": Architecture(llama.FAMILIES["llama"], slower=(FREQUENCIES,)),
    "qwen2": Architecture(llama.FAMILIES["qwen2"]),
    "qwen3": Architecture(llama.FAMILIES["qwen3"]),
    "gemma2": Architecture(_with_ones("gemma2"), GEMMA, GEMMA2_KEYS, largest=46),
    "gemma3": Architecture(_with_ones("gemma3_text"), GEMMA, GEMMA3_KEYS, "gemma3_text", 62),
    "phi3": Architecture(phi3.FAMILIES["phi3"], PHI3, PHI3_KEYS, slower=(SHORT, LONG)),
    "olmo2": Architecture(olmo2.FAMILIES["olmo2"], GEMMA),
}


def model(path, *, in_order=True):
    """A GGUF file -> (model, about, known), as `load_model` gives them, and the metadata.

    in_order  llama.cpp turns neighbouring columns of q and k as a pair, the published folders the
              two halves; so its files of the architecture "llama" hold the rows of W_q and W_k in
              another order. True puts them back. False leaves them as they lie, which is **wrong**
              and hides: SmolLM2 still says Paris, though in a chat it says nothing. A lesson of
              real_models
    """
    about, tensors = gguf.read(path)
    whole = about.get("general.type", "model")
    if not isinstance(whole, str) or whole != "model":
        raise ValueError(f"{str(path)!r} holds no whole model: its general.type is {short(whole)}")
    kind = about.get("general.architecture")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise ValueError(
            f"{str(path)!r}: general.architecture must be one of"
            f" {', '.join(map(repr, ARCHITECTURES))}, got {short(kind)}. A folder with config.json"
            " and model.safetensors may be of more types: help(load)"
        )
    built = ARCHITECTURES[kind]
    slower = {name: tensors.pop(name) for name in built.slower if name in tensors}
    packed = {_renamed(name, built.names, path): one for name, one in tensors.items()}
    config = Config(_config(about, kind, packed, slower, path), f"{str(path)!r}, metadata")
    if kind == "llama" and in_order:
        packed = {name: _ordered(name, one, config) for name, one in packed.items()}
    made, said, known = assembled(config, packed, path, built.family)
    kinds = Counter(one.kind for one in tensors.values())
    said |= {
        "file": str(path),
        "name": about.get("general.name", ""),
        "licence": about.get("general.license", ""),
        "kinds": dict(sorted(kinds.items())),
        "bits": _bits(tensors.values()),
    }
    if isinstance(template := about.get("tokenizer.chat_template"), str):
        said |= {"chat_template": template, "marks": _marks(about)}
    return made, said, known, about


def _marks(about):
    """The special tokens that a chat template may name, as `chat.prompt` takes them."""
    names, found = about.get(f"{TOKENS}tokens"), {}
    for theirs, ours in MARKS.items():
        i = about.get(f"{TOKENS}{theirs}_token_id")
        if isinstance(names, list) and type(i) is int and 0 <= i < len(names):
            found[ours] = str(names[i])
    return found


def _bits(tensors):
    """How many bits most of the numbers have: that of "Q4_1" is 4."""
    numbers = Counter()
    for one in tensors:
        numbers[int(re.search(r"\d+", one.kind)[0])] += one.size
    return max(numbers, key=numbers.get)


def _config(about, kind, packed, slower, path):
    """The metadata as config.json would say it."""
    built = ARCHITECTURES[kind]
    said = {
        name.partition(".")[2]: one.tolist() if isinstance(one, np.ndarray) else one
        for name, one in about.items()
        if name.startswith(f"{kind}.")
    }
    if lacking := [f"{kind}.{name}" for name in NEEDED if name not in said]:
        raise ValueError(f"{str(path)!r} lacks {', '.join(lacking)} in its metadata. {FIX}")
    keys = built.keys | KEYS
    config = {ours: said[theirs] for theirs, ours in keys.items() if theirs in said}
    if (embedding := packed.get("embed_tokens.weight")) is None or embedding.ndim != 2:
        raise ValueError(f"{str(path)!r} lacks token_embd.weight, a row for each token. {FIX}")
    n_tokens, tokens = embedding.shape[0], about.get(f"{TOKENS}tokens")
    if isinstance(tokens, list) and len(tokens) > n_tokens:
        found = f"{len(tokens):,} tokens, and its embedding {n_tokens:,} rows"
        raise ValueError(f"{str(path)!r} has {found}. {FIX}")
    config |= {"model_type": built.model_type or kind, "vocab_size": n_tokens}
    config["tie_word_embeddings"] = HEAD not in packed
    config["attention_bias"] = "layers.0.self_attn.q_proj.bias" in packed
    config["mlp_bias"] = "layers.0.mlp.up_proj.bias" in packed
    heads, wide = config["num_attention_heads"], config["hidden_size"]
    config.setdefault("num_key_value_heads", heads)
    alone = NEUTRAL | {"vocab_size": n_tokens}
    if type(heads) is int and type(wide) is int and heads > 0:
        width = config.setdefault("head_dim", wide // heads)
        alone |= {"rope.dimension_count": width, "attention.value_length": width}
        if built.largest:
            largest = config["num_hidden_layers"] == built.largest
            config["query_pre_attn_scalar"] = wide // heads if largest else width
    known = {*keys, *SCALING, *SILENT, "rope.scaling.type", *([LENGTHENED] if slower else [])}
    for name in sorted(said.keys() - known):
        if name not in alone or said[name] != alone[name]:
            only = f", only {alone[name]}" if name in alone else ""
            found = f"{kind}.{name}={short(said[name])} is not built here{only}"
            raise ValueError(f"{str(path)!r}: {found}")
    if kind == "gemma3":
        _put_windows(config)
    if kind == "phi3":
        _put_phi3(config, said, slower, path)
    else:
        config |= _stretched(said, slower.get(FREQUENCIES), path)
    ends = [about.get(f"{TOKENS}{name}_token_id") for name in ("eos", "eot", "eom")]
    ends = [one.tolist() if isinstance(one, np.ndarray) else one for one in ends]
    if isinstance(tokens, list):
        ends += [tokens.index(turn) for turn in TURNS if turn in tokens]
    if ends := [one for i, one in enumerate(ends) if one is not None and one not in ends[:i]]:
        config["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    if (padding := about.get(f"{TOKENS}padding_token_id")) is not None:
        config["pad_token_id"] = padding
    return config


def _put_windows(config):
    """Say which layers of a Gemma 3 have a window: all but each sixth, unless the file says which;
    none where it has no window.
    """
    pattern = config.pop("sliding_window_pattern", 6)
    if config.get("sliding_window", 0) == 0:
        pattern = 1  # each layer sees all
    if isinstance(pattern, list):
        kinds = {True: SLIDING, False: FULL}
        config["layer_types"] = [kinds.get(one, one) for one in pattern]
    else:
        config["sliding_window_pattern"] = pattern


def _stretched(said, factors, path):
    """How rotary positions are stretched, as config.json says it."""
    by_factor = "linear" if "rope.scaling.factor" in said else "none"
    how = said.get("rope.scaling.type", by_factor)
    options = {ours: said[theirs] for theirs, ours in SCALING.items() if theirs in said}
    if how not in ("none", "linear", "yarn") or (factors is not None and how != "none"):
        beside = "" if factors is None else f" beside {FREQUENCIES}"
        found = f"rope.scaling.type={short(how)}{beside} is not built here"
        raise ValueError(f"{str(path)!r}: {found}, only 'none', 'linear' and 'yarn'")
    if factors is not None:  # Llama 3's recipe, worked out: one factor for each pair
        recipe = {"rope_type": "longrope", "attention_factor": 1.0, "factor": 1.0}
        recipe |= dict.fromkeys(("short_factor", "long_factor"), factors.numbers().tolist())
        return {"rope_scaling": recipe}
    if how == "linear":
        options = {"factor": options.get("factor", 1.0)}
    return {} if how == "none" else {"rope_scaling": {"rope_type": how} | options}


def _put_phi3(config, said, slower, path):
    """Say what Phi-3 does in another way: part of the columns turn, each pair slower by a factor of
    its own; a window of 0 is none.

    llama.cpp lays the window aside, and takes the long factors by the room that it keeps for a
    text. Here, as in the published folder, each text has the window, and the factors of its length.
    """
    how, factor = said.get("rope.scaling.type", "none"), said.get("rope.scaling.factor", 1)
    if how not in ("none", "longrope") or factor != 1:
        found = f"rope.scaling.type={short(how)} with the factor {short(factor)}"
        raise ValueError(f"{str(path)!r}: {found} is not built here, only 'longrope' with 1")
    if len(slower) == 1:
        lacks = next(name for name in (SHORT, LONG) if name not in slower)
        raise ValueError(f"{str(path)!r} has {next(iter(slower))} and lacks {lacks}. {FIX}")
    if config.get("sliding_window") == 0:
        del config["sliding_window"]
    turned, width = config.get("partial_rotary_factor"), config.get("head_dim")
    if type(turned) is int and type(width) is int and width > 0:
        share = turned / width
        short_of_it = int(width * share) < turned  # by rounding
        config["partial_rotary_factor"] = math.nextafter(share, 2) if short_of_it else share
    if slower:
        length = said.get("rope.scaling.original_context_length", said.get("context_length"))
        recipe = {"rope_type": "longrope", "factor": 1.0}
        recipe["attention_factor"] = said.get(LENGTHENED, 1.0)
        recipe["short_factor"] = slower[SHORT].numbers().tolist()
        recipe["long_factor"] = slower[LONG].numbers().tolist()
        config |= {"rope_scaling": recipe, TRAINED: length}


def _renamed(name, names, path):
    """ "blk.3.attn_q.weight" -> "layers.3.self_attn.q_proj.weight" """
    owner, _, last = name.rpartition(".")
    number = re.match(r"blk\.(\d{1,9})\.", owner)
    theirs = owner.replace(number[0], "blk.{}.", 1) if number else owner
    if theirs not in names or last not in ("weight", "bias"):
        raise ValueError(f"{str(path)!r} has a tensor that is not known here: {name[:80]!r}")
    return f"{names[theirs].replace('{}', number[1] if number else '')}.{last}"


def _ordered(name, packed, config):
    """W_q and W_k of an architecture that pairs neighbours, rows in the order of halves."""
    of = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    heads = config.get(of.get(name.split(".")[-2], ""), None)
    return packed if heads is None else Ordered(packed, heads)


class Ordered(gguf.Packed):
    """A packed tensor whose rows are put in the order of halves: of each head first all that was
    the first of a pair, then all that was the second.
    """

    def __init__(self, packed, heads):
        super().__init__(packed.shape, packed._kind, packed._raw)
        self.heads = heads

    def numbers(self, order="C"):
        """The numbers, an array of float32."""
        rows = super().numbers(order)
        places = np.arange(len(rows)).reshape(self.heads, -1, 2).swapaxes(1, 2)
        rows[...] = rows[places.ravel()]
        return rows


# ---- the tokenizer -------------------------------------------------------------------------------


def tokenizer(path, about):
    """The tokenizer of a file's metadata -> `SentencePieces` or `FileTokenizer`; ValueError where
    it has none that is built here.
    """
    said = {name.removeprefix(TOKENS): one for name, one in about.items() if TOKENS in name}
    kind = said.get("model")
    if kind == "gpt2":
        return FileTokenizer(path, make=lambda: _byte_pairs(said))
    if kind == "llama":
        try:
            return _sentence_pieces(said, about.get("general.name"))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r}: {TOKENS}{error}") from None
    found = f"tokenizer.ggml.model is {short(kind)}"
    raise ValueError(f"{str(path)!r}: {found}, and only 'gpt2' and 'llama' are built here")


def _sentence_pieces(said, model):
    """A vocabulary of SentencePiece, as of Llama 2, Mistral, Gemma or Phi-3."""
    for name in ("tokens", "scores", "token_type"):
        if name not in said:
            raise ValueError(f"{name} is missing")
    ends = {}
    for mark, usual, added in ("bos", 1, True), ("eos", 2, False):
        if said.get(f"add_{mark}_token", added):
            ends[f"{mark}_token_id"] = said.get(f"{mark}_token_id", usual)
    # llama.cpp knows this family of models by its name, too
    tight = isinstance(model, str) and any(one in model.lower() for one in ("phi-3", "phi3"))
    return SentencePieces(
        said["tokens"],
        said["scores"],
        said["token_type"],
        **ends,
        add_space_prefix=said.get("add_space_prefix", True),
        tight=tight,
    )


def _byte_pairs(said):
    """A vocabulary of bytes and pairs, as of GPT-2, Llama 3 or Qwen -> a `tokenizers.Tokenizer`."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers

    cut = said.get("pre")
    if not isinstance(cut, str) or cut not in CUTS:
        built = ", ".join(map(repr, CUTS))
        why = "by which a text is cut into pieces"
        raise ValueError(f"tokenizer.ggml.pre, {why}, is {short(cut)}; built here are {built}")
    names, merges = said.get("tokens"), said.get("merges")
    for key, value in ("tokens", names), ("merges", merges):
        if not isinstance(value, list) or not value:
            raise ValueError(f"{TOKENS}{key} must be a list of strings, got {short(value)}")
    ids = {name: i for i, name in enumerate(names)}
    kinds = np.asarray(said.get("token_type", np.ones(len(names))))
    if len(ids) != len(names) or len(kinds) != len(names):
        found = f"got {len(names):,}, {len(ids):,} of them different, and {len(kinds):,} kinds"
        raise ValueError(f"{TOKENS}tokens must differ, and have a kind each, {found}")
    pairs = [tuple(one.split(" ")) for one in merges]
    if odd := next((pair for pair in pairs if len(pair) != 2), None):
        raise ValueError(f"{TOKENS}merges must hold pairs, got {short(' '.join(odd))}")
    # Llama 3 looks a whole piece up before it joins pairs
    made = Tokenizer(models.BPE(ids, pairs, ignore_merges=cut == "llama-bpe"))
    vocabulary.in_bytes(made, CUTS[cut])
    if cut == "qwen2":
        made.normalizer = normalizers.NFC()
    for kind, add in (CONTROL, made.add_special_tokens), (USERS, made.add_tokens):
        found = [names[i] for i in np.flatnonzero(kinds == kind)]
        add([AddedToken(one, normalized=False) for one in found])
    around = {
        "bos": said.get("add_bos_token", cut == "llama-bpe"),
        "eos": said.get("add_eos_token"),
    }
    made.post_processor = _around(
        names, {m: said.get(f"{m}_token_id") for m in around if around[m]}
    )
    return made


def _around(names, marks):
    """What puts marks around a text: {"bos": its id} in front, {"eos": its id} behind."""
    from tokenizers import processors

    for mark, i in marks.items():
        if type(i) is not int or not 0 <= i < len(names):
            raise ValueError(f"{TOKENS}{mark}_token_id must be a token's id, got {short(i)}")
    spoken = {mark: [names[i]] for mark, i in marks.items()}
    first, second = (
        [*spoken.get("bos", []), text, *spoken.get("eos", [])] for text in ("$A:0", "$B:0")
    )
    special = [(names[i], i) for i in dict.fromkeys(marks.values())]
    return processors.TemplateProcessing(first, first + second, special)
