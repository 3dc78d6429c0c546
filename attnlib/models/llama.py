"""Llama, Mistral, Qwen2 and Qwen3: a `GPT` with rotary positions and grouped heads.

What each adds: Mistral a window, Qwen2 biases of q, k and v, Qwen3 norms of q and k.
"""

import numpy as np

from attnlib.encodings import Rotary
from attnlib.heads import SelfAttention
from attnlib.layers import DecoderBlock, RMSNorm
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
from attnlib.models.gpt import GPT
from attnlib.models.window import Windowed
from attnlib.rope_scaling import attention_factor

# ---- what a GPT does not have --------------------------------------------------------------------


class LlamaBlock(Windowed, DecoderBlock):
    """A `DecoderBlock` that may see a window only."""


class NormedAttention(SelfAttention):
    """Self-attention that norms each query and key before it turns them: no score can run away.

    Parts: q_norm and k_norm, of the width of a head, the same for all heads.

    Qwen3 (Yang et al. 2025), section 2; Henry et al. 2020, "Query-Key Normalization for
    Transformers".
    """

    def __init__(self, d_model, n_heads, **options):
        super().__init__(d_model, n_heads, **options)
        d_head = self.W_q.shape[1] // n_heads
        self.q_norm, self.k_norm = RMSNorm(d_head), RMSNorm(d_head)

    def placed(self, q, k, positions):
        """q and k as they meet: normed, then turned by their positions."""
        return super().placed(self.q_norm(q), self.k_norm(k), positions)


class QwenBlock(LlamaBlock):
    """A `LlamaBlock` with norms of q and k."""

    make_attention = NormedAttention

    def __init__(self, d_model, n_heads, *, eps=None, **block):
        super().__init__(d_model, n_heads, eps=eps, **block)
        self.attention.q_norm.eps = self.attention.k_norm.eps = self.attention_norm.eps


class Llama(GPT):
    """A `GPT` of `LlamaBlock`s. Touvron et al. 2023, "LLaMA", section 2.2."""

    make_block = LlamaBlock


class Qwen3(GPT):
    """A `GPT` of `QwenBlock`s. Yang et al. 2025, "Qwen3 Technical Report"."""

    make_block = QwenBlock


# ---- from a config -------------------------------------------------------------------------------


def llama(config, tensors):
    """config.json of model_type "llama" -> `Llama`, still empty."""
    return decoder(Llama, config, tensors, mlp_bias=config["mlp_bias"])


def mistral(config, tensors):
    """config.json of model_type "mistral" -> `Llama`, still empty, one window for all blocks."""
    return decoder(Llama, config, tensors)


def qwen2(config, tensors):
    """config.json of model_type "qwen2" -> `Llama` with biases of q, k and v, still empty."""
    model = decoder(Llama, config | {"attention_bias": True}, tensors)
    for block in model.blocks:
        block.attention.b_o = 0.0
    return model


def qwen3(config, tensors):
    """config.json of model_type "qwen3" -> `Qwen3`, still empty."""
    return decoder(Qwen3, config, tensors)


def decoder(make, config, tensors, *, mlp_bias=False):
    """What all of them share. A file with neither a head nor a tied one has no logits."""
    headless = not config["tie_word_embeddings"] and HEAD not in tensors
    use_bias = config.get("attention_bias", False)
    model = make(
        config["vocab_size"],
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        positions=config["rope_parameters"],
        norm_type="rms",
        n_kv_heads=config["num_key_value_heads"],
        d_head=config["head_dim"],
        d_hidden=config["intermediate_size"],
        gated=True,
        activation=config["hidden_act"],
        eps=config["rms_norm_eps"],
        use_bias=use_bias or mlp_bias,
        tied=config["tie_word_embeddings"] or headless,
        rng=Blank(),
    )
    model.headless = headless
    for block in model.blocks if use_bias != mlp_bias else []:
        layer, letters = (
            (block.attention, "qkvo") if mlp_bias else (block.feed_forward, ["up", "gate", "down"])
        )
        vars(layer).update({f"b_{letter}": 0.0 for letter in letters})
    for block, window in zip(model.blocks, config.get("layer_types", [])):
        block.window = window
    return model


# ---- what a config may hold ----------------------------------------------------------------------

HEAD = "lm_head.weight"
FULL, SLIDING = "full_attention", "sliding_attention"
WINDOW = checks.whole(1, checks.LONGEST)
UNSAID = 4096  # the window, where the config has no such key; null is none
LENGTH = checks.whole(2, checks.LONGEST)
THETA = checks.number(1, 1e15)
CAP = checks.maybe(checks.number(1e-3, 1e6))
SILU = checks.default("silu", checks.activation)
TURNS = checks.number(1e-6, 1e6)
LONGER = checks.number(1e-6, 100)
TRAINED, PART = "original_max_position_embeddings", "partial_rotary_factor"
ROPE = {
    "rope_theta": THETA,
    TRAINED: LENGTH,
    "factor": TURNS,
    "low_freq_factor": TURNS,
    "high_freq_factor": TURNS,
    "beta_fast": TURNS,
    "beta_slow": TURNS,
    "truncate": checks.kind(bool),
    "attention_factor": LONGER,
    "mscale": LONGER,
    "mscale_all_dim": LONGER,
    "short_factor": checks.numbers(1e-6, 1e6),
    "long_factor": checks.numbers(1e-6, 1e6),
}


def kv_heads(config, key):
    """A number of key and value heads, which the query heads share evenly."""
    n = config.known["num_attention_heads"]
    found = checks.maybe(checks.whole(), n)(config, key)
    if n % found:
        why = f"n_heads={n} must be divisible by n_kv_heads={found}"
        raise config.misfit(key, f"must divide num_attention_heads: {why}")
    return found


def head_width(config, key):
    """The width of a head, hidden_size // num_attention_heads where it is not said."""
    d_model, n_heads = config.known["hidden_size"], config.known["num_attention_heads"]
    found = checks.maybe(checks.whole(), d_model // n_heads)(config, key)
    if found < 2 or found % 2:
        without = "hidden_size // num_attention_heads where it is missing"
        raise config.misfit(key, f"({without}) must be even, for turned pairs, got {found}")
    return found


def only_width(config, key):
    """The same where a config need not say it, and no other is built."""
    width = config.known["hidden_size"] // config.known["num_attention_heads"]
    if head_width(config, key) != width:
        raise config.misfit(key, f"must be hidden_size // num_attention_heads, {width}")
    return width


def part_of(d_head):
    """The check of a share of the columns of a head: those that turn, an even number."""

    def check(config, key):
        found = checks.number(1e-6, 1)(config, key)
        if (columns := int(d_head * found)) % 2 or not columns:
            turned = f"{found:g} of {d_head} columns is {columns}"
            raise config.misfit(key, f"must turn an even number of columns, at least 2: {turned}")
        return found

    return check


def is_tied(config, key):
    """Whether the embedding scores the tokens; where the config is silent, the file tells."""
    return checks.flag(HEAD not in config.held.shapes)(config, key)


def same_windows(config, key):
    """The window of each layer, or None: the same for all, unless a Ministral says which."""
    n = config.known["num_hidden_layers"]
    if config.get(key) is not None:
        return windows(config, key, [SLIDING] * n)
    return [checks.default(UNSAID, checks.maybe(WINDOW))(config, "sliding_window")] * n


def qwen_windows(config, key):
    """The window of each layer: with use_sliding_window, of those from max_window_layers on."""
    n, first = config.known["num_hidden_layers"], config.known["max_window_layers"]
    if not config.known["use_sliding_window"] or config.get("sliding_window", UNSAID) is None:
        return [None] * n
    return windows(config, key, [SLIDING if i >= first else FULL for i in range(n)])


def windows(config, key, default):
    """["sliding_attention", "full_attention", …] -> [window, None, …]"""
    kinds = checks.maybe(checks.kind(list), default)(config, key)
    for one in kinds:
        if one not in (SLIDING, FULL):
            raise config.misfit(key, f"may be {SLIDING} and {FULL} here, got {checks.short(one)}")
    if len(kinds) != len(default):
        raise config.misfit(key, f"must name {len(default)} layers, got {len(kinds)}")
    wide = checks.default(UNSAID, WINDOW)
    return [wide(config, "sliding_window") if one == SLIDING else None for one in kinds]


def rotary(config, key, *, parts=False):
    """The `Rotary` of a config.

    parts   whether a model of this type may turn a part of the columns of a head

    transformers 5 writes "rope_parameters": {"rope_theta": …, "rope_type": …, …}; older files have
    "rope_theta", and beside it "rope_scaling": {"type": …, …}.
    """
    part = part_of(config.known["head_dim"]) if parts else checks.only(1.0)
    known = ROPE | {PART: part}
    table = checks.maybe(checks.kind(dict), {})
    new, old = table(config, key), table(config, "rope_scaling")
    place = f"{config.place}: {'rope_scaling' if old else key} (rotary positions)"
    given = {name: one for name, one in (old or new).items() if one is not None}
    inner = checks.Config(given, place)
    inner.check({name: known[name] for name in inner if name in known})
    base = inner.known.pop("rope_theta", None)
    base = base or checks.maybe(THETA, 10_000.0)(config, "rope_theta")
    partial = inner.known.pop(PART, None) or checks.default(1.0, part)(config, PART)
    rest = {name: one for name, one in inner.items() if name not in known}
    scaling = stretched(config, inner.known | rest)
    try:
        made = Rotary(base=base, layout="half", scaling=scaling, partial=partial)
        return _tried(made, config.known["head_dim"])
    except (TypeError, ValueError, ArithmeticError) as error:
        wrong = f"{place} are not built here: {str(error)[:300]}"
        raise ValueError(f"{wrong}. {checks.FIX}") from None


def rotaries(sliding, full):
    """The check of two `Rotary`: of the layers that have a window, and of those that see all.

    sliding, full   (the key of the base in older files, the base where the config is silent)

    transformers 5 writes "rope_parameters": {"full_attention": {…}, "sliding_attention": {…}};
    an older "rope_scaling" is of the layers that see all.
    """
    table = checks.maybe(checks.kind(dict), {})

    def check(config, key):
        said = checks.Config(table(config, key), f"{config.place}: {key}")
        if odd := said.keys() - {FULL, SLIDING}:
            raise config.misfit(key, f"may have {FULL} and {SLIDING} here, got {checks.short(odd)}")
        made = []
        for kind, (old, usual) in ((SLIDING, sliding), (FULL, full)):
            own = {"rope_theta": checks.maybe(THETA, usual)(config, old)}
            own |= table(said, kind) or {"rope_type": "default"}
            scaling = table(config, "rope_scaling") if kind == FULL else {}
            two = {key: own, "rope_scaling": scaling and own | scaling}
            one = checks.Config(config | two, config.place)
            one.known = config.known
            made.append(rotary(one, key))
        return made

    return check


def stretched(config, options):
    """The options of a `Rotary`: lengths that are not said are those of the whole config."""
    recipe = options.get("rope_type", options.get("type", "default"))
    if recipe == "dynamic":
        options[TRAINED] = LENGTH(config, "max_position_embeddings")
    elif recipe in ("yarn", "llama3", "longrope") and not {TRAINED, "factor"} <= options.keys():
        longest = LENGTH(config, "max_position_embeddings")
        options = {TRAINED: longest} | options
        options = {"factor": longest / options[TRAINED]} | options
    return options | {"rope_type": recipe} if options else None


def _tried(made, d_head):
    """A `Rotary` that turns a short and a long text."""
    places = np.array([0, 2**20])
    with np.errstate(all="ignore"):
        ends = [made.angles(places[:n], n, d_head) for n in (1, 2)]
    if not all(np.isfinite(angles).all() for angles in ends):
        raise ValueError("they turn without end")
    if (longer := attention_factor(made.scaling)) > 100:
        raise ValueError(f"they make queries {longer:g} times as long")
    return made


SIZES = {
    "vocab_size": checks.whole(2),
    "hidden_size": checks.whole(),
    "intermediate_size": checks.whole(),
    "num_hidden_layers": checks.layers("blocks"),
    "num_attention_heads": checks.whole(),
    "num_key_value_heads": kv_heads,
    "head_dim": head_width,
}
SHAPES = {
    "embedding": ("vocab_size", "hidden_size"),
    "blocks.{}.attention.W_q": ("hidden_size", ("num_attention_heads", "head_dim")),
    "blocks.{}.attention.W_k": ("hidden_size", ("num_key_value_heads", "head_dim")),
    "blocks.{}.feed_forward.W_up": ("hidden_size", "intermediate_size"),
}
KEYS = checks.TEXT | {
    "rms_norm_eps": checks.default(1e-6, checks.EPS),
    "rope_parameters": rotary,
    "tie_word_embeddings": is_tied,
}
LLAMA_KEYS = KEYS | {
    "hidden_act": SILU,
    "attention_bias": checks.flag(False, "blocks.0.attention.b_q"),
    "mlp_bias": checks.flag(False, "blocks.0.feed_forward.b_up"),
    "pretraining_tp": checks.only(1),
}
MISTRAL_KEYS = KEYS | {"hidden_act": SILU, "layer_types": same_windows}
QWEN2_KEYS = KEYS | {
    "hidden_act": SILU,
    "use_sliding_window": checks.flag(False),
    "max_window_layers": checks.maybe(checks.whole(0), 28),
    "layer_types": qwen_windows,
}
QWEN3_KEYS = QWEN2_KEYS | {"attention_bias": checks.flag(False, "blocks.0.attention.b_q")}
# ---- where the tensors lie -----------------------------------------------------------------------

LLAMA = {
    "embedding": "embed_tokens",
    "blocks.{}.attention_norm": "layers.{}.input_layernorm",
    "blocks.{}.attention.q": "layers.{}.self_attn.q_proj",
    "blocks.{}.attention.k": "layers.{}.self_attn.k_proj",
    "blocks.{}.attention.v": "layers.{}.self_attn.v_proj",
    "blocks.{}.attention.o": "layers.{}.self_attn.o_proj",
    "blocks.{}.feed_forward_norm": "layers.{}.post_attention_layernorm",
    "blocks.{}.feed_forward.gate": "layers.{}.mlp.gate_proj",
    "blocks.{}.feed_forward.up": "layers.{}.mlp.up_proj",
    "blocks.{}.feed_forward.down": "layers.{}.mlp.down_proj",
    "final_norm": "norm",
    "unembedding": "lm_head",
}
QWEN3 = LLAMA | {
    "blocks.{}.attention.q_norm": "layers.{}.self_attn.q_norm",
    "blocks.{}.attention.k_norm": "layers.{}.self_attn.k_norm",
}
ALL = {"prefix": "model.", "tied": {HEAD: "embed_tokens.weight"}}
FAMILIES = {
    "llama": Family(llama, LLAMA, SIZES, SHAPES, LLAMA_KEYS, **ALL),
    "mistral": Family(mistral, LLAMA, SIZES, SHAPES, MISTRAL_KEYS, **ALL),
    "qwen2": Family(qwen2, LLAMA, SIZES, SHAPES, QWEN2_KEYS, **ALL),
    "qwen3": Family(qwen3, QWEN3, SIZES, SHAPES, QWEN3_KEYS, **ALL),
}
