"""GGUF files as models: what llama.cpp calls things, said as the published folders say them.

A file becomes the config and the tensors that a folder of the same model has; the rest is done as
for a folder. Built are the architectures of `ARCHITECTURES`; a key of a file that is not known, and
so may change the numbers, is refused by name.
"""

import re

import numpy as np

from attnlib.models.files import gguf, vocabulary
from attnlib.models.files.checkpoint import assembled
from attnlib.models.files.config import Config, short
from attnlib.models.llama import FAMILIES, HEAD

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
ARCHITECTURES = {"llama": NAMES, "qwen2": NAMES, "qwen3": NAMES, "gemma2": GEMMA}
# what they call a number, behind "llama." -> its name in config.json
KEYS = {
    "embedding_length": "hidden_size",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "context_length": "max_position_embeddings",
    "rope.freq_base": "rope_theta",
}
GEMMA_KEYS = {
    "attention.sliding_window": "sliding_window",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
# what says nothing new, or is looked at by itself
SAID = {"vocab_size", "attention.value_length", "rope.dimension_count", "attention.causal"}
SCALING = {"rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length"}
FACTORS = "rope_freqs.weight"  # of Llama 3.1 and later: by how much each pair turns slower
LARGEST_GEMMA = 46  # layers of Gemma 2 27B, whose scores are scaled in another way
TOKENS = "tokenizer.ggml."
MARKS = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
CONTROL, USERS = 3, 4  # kinds of tokens: marks; others that are never cut
# how a text is cut before its pieces are looked up, by the name of the pre-tokenizer
LLAMA3 = vocabulary.QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
CUTS = {"qwen2": vocabulary.QWEN, "llama-bpe": LLAMA3, "smollm": vocabulary.DIGITS, "gpt-2": ""}


def model(path, *, in_order=True):
    """A GGUF file -> (model, about, known, tokenizer's parts), as `load_model` does for a folder.

    in_order  llama.cpp turns neighbouring columns of q and k as a pair, the published folders the
              two halves; so its files of the architecture "llama" hold the rows of W_q and W_k in
              another order. True puts them back. False leaves them as they lie, which is **wrong**
              and hardly shows in what the model says: a lesson of real_models
    """
    about, tensors = gguf.read(path)
    kind = about.get("general.architecture")
    if kind not in ARCHITECTURES:
        raise ValueError(
            f"{str(path)!r}: general.architecture must be one of"
            f" {', '.join(map(repr, ARCHITECTURES))}, got {short(kind)}"
        )
    factors = tensors.pop(FACTORS, None)
    packed = {_renamed(name, ARCHITECTURES[kind], path): one for name, one in tensors.items()}
    config = Config(_config(about, kind, packed, factors, path), f"{str(path)!r}, metadata")
    if kind == "llama" and in_order:
        packed = {name: _ordered(name, one, config) for name, one in packed.items()}
    # Gemma's gains have their 1 here
    family = FAMILIES[kind]._replace(tidy=dict)
    made, said, known = assembled(config, packed, path, family)
    kinds = [one.kind for one in tensors.values()]
    said |= {
        "file": str(path),
        "name": about.get("general.name", ""),
        "licence": about.get("general.license", ""),
        "kinds": {one: kinds.count(one) for one in sorted(set(kinds))},
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


def _config(about, kind, packed, factors, path):
    """The metadata as config.json would say it."""
    said = {
        name.partition(".")[2]: one for name, one in about.items() if name.startswith(f"{kind}.")
    }
    keys = KEYS | (GEMMA_KEYS if kind == "gemma2" else {})
    unknown = sorted(name for name in said if name not in {*keys, *SAID, *SCALING})
    unknown = [name for name in unknown if said[name] not in (0, "none")]  # no experts: said by 0
    if unknown:
        raise ValueError(
            f"{str(path)!r}: {kind}.{unknown[0]}={short(said[unknown[0]])} is not built here"
        )
    config = {ours: said[theirs] for theirs, ours in keys.items() if theirs in said}
    config |= {"model_type": kind, "vocab_size": _rows(packed)}
    config["tie_word_embeddings"] = HEAD not in packed
    heads, wide = (config.get(key) for key in ("num_attention_heads", "hidden_size"))
    if type(heads) is int and type(wide) is int and heads > 0:
        width = config.setdefault("head_dim", wide // heads)
        for name in ("rope.dimension_count", "attention.value_length"):
            if said.get(name, width) != width:
                raise ValueError(
                    f"{str(path)!r}: {kind}.{name}={short(said[name])} is not built here, only the"
                    f" width of a head, {width}"
                )
        if kind == "gemma2":
            largest = config.get("num_hidden_layers") == LARGEST_GEMMA
            config["query_pre_attn_scalar"] = wide // heads if largest else width
    if said.get("attention.causal", True) is not True:
        raise ValueError(f"{str(path)!r}: {kind}.attention.causal=False is not built here")
    config |= _stretched(said, factors)
    ends = [about.get(f"{TOKENS}{name}_token_id") for name in ("eos", "eot", "eom")]
    if ends := [one for one in dict.fromkeys(ends) if one is not None]:
        config["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    if (padding := about.get(f"{TOKENS}padding_token_id")) is not None:
        config["pad_token_id"] = padding
    return config


def _stretched(said, factors):
    """How rotary positions are stretched, as config.json says it."""
    how = said.get("rope.scaling.type", "none")
    longest = said.get("rope.scaling.original_context_length")
    recipe = {"rope_type": how, "factor": said.get("rope.scaling.factor", 1.0)}
    recipe |= {"original_max_position_embeddings": longest} if longest else {}
    if factors is not None:  # Llama 3's recipe, worked out: one factor for each pair
        recipe = {"rope_type": "longrope", "attention_factor": 1.0, "factor": 1.0}
        recipe |= dict.fromkeys(("short_factor", "long_factor"), factors.numbers().tolist())
    elif how == "none":
        return {}
    return {"rope_scaling": recipe}


def _rows(packed):
    """How many tokens the embedding has a row for."""
    one = packed.get("embed_tokens.weight")
    return one.shape[0] if one is not None and one.ndim == 2 else 0


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

    def numbers(self):
        """The numbers, an array of float32."""
        rows = super().numbers()
        pairs = rows.reshape(self.heads, -1, 2, *rows.shape[1:])
        return pairs.swapaxes(1, 2).reshape(rows.shape)


# ---- the tokenizer -------------------------------------------------------------------------------


def tokenizer(about):
    """The tokenizer of a file's metadata -> a `tokenizers.Tokenizer`; ValueError where it has none
    that is built here.
    """
    from tokenizers import AddedToken, Tokenizer, models, processors

    said = {name.removeprefix(TOKENS): one for name, one in about.items() if TOKENS in name}
    if said.get("model") != "gpt2":
        raise ValueError(
            f"tokenizer.ggml.model is {short(said.get('model'))}, and only 'gpt2' is built here"
        )
    cut = said.get("pre", "gpt-2")
    cut = "gpt-2" if cut == "default" else cut
    if cut not in CUTS:
        built = ", ".join(map(repr, CUTS))
        raise ValueError(f"tokenizer.ggml.pre is {short(cut)}, and built here are {built}")
    names, kinds = said.get("tokens"), said.get("token_type", ())
    merges = said.get("merges")
    if not isinstance(names, list) or not isinstance(merges, list) or not names:
        raise ValueError("tokenizer.ggml.tokens and merges must be lists of strings")
    ids = {name: i for i, name in enumerate(names)}
    pairs = [tuple(one.split(" ")) for one in merges if isinstance(one, str)]
    # Llama 3 looks a whole piece up before it joins pairs
    made = Tokenizer(models.BPE(ids, pairs, ignore_merges=cut == "llama-bpe"))
    vocabulary.in_bytes(made, CUTS[cut])
    for name, kind in zip(names, np.asarray(kinds).tolist()):
        if kind in (CONTROL, USERS):
            add = made.add_special_tokens if kind == CONTROL else made.add_tokens
            add([AddedToken(name, special=kind == CONTROL, normalized=False)])
    first = said.get("bos_token_id")
    if said.get("add_bos_token", cut == "llama-bpe") and type(first) is int and first < len(names):
        mark = names[first]
        made.post_processor = processors.TemplateProcessing(
            single=f"{mark} $A", pair=f"{mark} $A {mark} $B", special_tokens=[(mark, first)]
        )
    return made
