"""Phi-3: a `Llama` whose file holds q, k and v in one tensor, and a gate with what it opens."""

from attnlib.models import llama
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Family
from attnlib.models.llama import TRAINED


def taken_apart(tensors):
    """q, k and v, and gate and up, each in a tensor of its own."""
    apart = {}
    for name, array in tensors.items():
        owner, _, last = name.removesuffix(".weight").rpartition(".")
        ends = {}  # part -> where its rows end
        if last == "gate_up_proj":
            ends = {"gate": len(array) // 2, "up": len(array)}
        elif last == "qkv_proj" and (out := tensors.get(f"{owner}.o_proj.weight")) is not None:
            wide = out.shape[-1]  # all queries of a token; the rest are as many keys as values
            ends = {"q": wide, "k": (wide + len(array)) // 2, "v": len(array)}
        start = 0
        for part, end in ends.items():
            apart[f"{owner}.{part}_proj.weight"] = array[start:end]
            start = end
        if not ends:
            apart[name] = array
    return apart


def windows(config, key):
    """The window of each layer, the same for all; none where it is not said."""
    window = checks.maybe(llama.WINDOW)(config, "sliding_window")
    return [window] * config.known["num_hidden_layers"]


def rotary(config, key):
    """The `Rotary` of a config. The length of the training stands beside the recipe, not in it."""
    table, given = checks.maybe(checks.kind(dict), {}), checks.Config(config, config.place)
    given.known = config.known
    for place in (key, "rope_scaling"):
        said = {name: one for name, one in table(config, place).items() if one is not None}
        old = said.pop("type", "default")
        recipe = said.pop("rope_type", old)
        if recipe in ("su", "yarn"):  # its first names
            recipe = "longrope"
        if recipe not in ("default", "longrope"):
            found = f"{place}={checks.short(config[place])} is not built here"
            raise ValueError(f"{config.place}: {found}, only 'default' and 'longrope'")
        said["rope_type"] = recipe
        if recipe == "longrope":
            said[TRAINED] = checks.default(4096, llama.LENGTH)(config, TRAINED)
        given[place] = said if config.get(place) else None
    return llama.rotary(given, key, parts=True)


KEYS = llama.KEYS | {
    "rms_norm_eps": checks.default(1e-5, checks.EPS),
    "rope_parameters": rotary,
    "hidden_act": llama.SILU,
    "attention_bias": checks.only(False),
    "layer_types": windows,
}
FAMILIES = {
    "phi3": Family(
        llama.mistral, llama.LLAMA, llama.SIZES, llama.SHAPES, KEYS, taken_apart, **llama.ALL
    )
}
