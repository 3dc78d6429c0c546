"""Checkpoints: from a folder with config.json and model.safetensors, whole or in shards, to our
parameters.

A family of models is a `Family`: what its config means (`build`) and what its tensors are called
(`names`). Nothing in a checkpoint is ever executed: JSON and numbers are all that is read. And
nothing is built that the file does not fill: the shapes in model.safetensors must be those that
config.json asks for.
"""

import json
import math
import re
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from attnlib.layers import parameters
from attnlib.models.files.config import FIX, one_of, read_config, read_object, short, unbuilt_rules
from attnlib.models.files.gguf import Packed
from attnlib.models.files.places import MERGE

EXTRA = "pip install 'attnlib[models]'"
# whole numbers: buffers
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "BOOL": "?"}
FIRST_NAMES = {"gamma": "weight", "beta": "bias"}  # of a norm, in the first BERT files
NONE = MappingProxyType({})  # an empty dict that stays empty
INDEX = "model.safetensors.index.json"
PICKLES = "*.bin", "*.pt", "*.pth", "*.ckpt"
# What a file may hold beside the model: heads for other tasks, and buffers of older libraries.
HEADS = (
    r"(score|v_head|value_head|reward_head|regression_head|classifier|pre_classifier"
    r"|classification_head|sequence_summary|multiple_choice_head|qa_outputs|pooler|linear|dense"
    r"|proj|projection|text_projection|custom_text_proj|embedding_head|sop_classifier"
    r"|cls\.seq_relationship)\..+"
)
BUFFERS = (
    r"(.+\.)?(position_ids|token_type_ids|attn\.bias|masked_bias|(en|de)coder\.version"
    r"|embed_positions\._float_tensor"
    r"|rotary_emb\.(inv_freq|original_inv_freq|cos_cached|sin_cached))"
)


class Family(NamedTuple):
    """What a model_type means."""

    build: callable  # (checked config, tensor names) -> a model that is still to be filled
    names: dict  # where our parameters lie in the file, see `fill`
    sizes: dict  # key of the config -> check: what makes shapes, see config.py
    shapes: dict  # parameter -> the keys of its shape, see `Held`
    keys: dict  # key -> check: all the others
    tidy: callable = dict  # tensors -> tensors: what is stored in another way than the others do
    prefix: str = ""  # that its class puts before its names, say "bert."
    copies: dict = NONE  # name of a tensor that a file may hold twice -> name of the original
    tied: dict = NONE  # the same, where tie_word_embeddings says so
    ignored: str = r"$^"  # a pattern: what no forward pass needs, beside HEADS and BUFFERS
    split: callable = None  # (tensors, config) -> tensors: what heads share in one, told apart
    encoder: tuple = ()  # the `Family` of a file that holds nothing of a decoder


class Blank(np.random.Generator):
    """A generator that draws nothing: for parameters that a file will fill. They take no memory."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def normal(self, loc=0.0, scale=1.0, size=None):
        """An array that has the shape, and zeros that are not there."""
        return np.broadcast_to(np.float32(0), size)


# ---- reading -------------------------------------------------------------------------------------


def read_weights(folder):
    """The tensors of a folder, {name: array}, and the path that says where they are: that of
    model.safetensors, or of the index of its shards.
    """
    path = Path(folder, "model.safetensors")
    if path.is_file():
        return read_tensors(path), path
    index = Path(folder, INDEX)
    if index.is_file():
        return read_shards(index), index
    raise _no_weights(Path(folder))


def read_shards(index):
    """model.safetensors.index.json -> the tensors of all the files that it names.

    Its weight_map says in which file a tensor lies: a file beside it, never one elsewhere.
    """
    about = read_object(index).get("weight_map")
    if not isinstance(about, dict) or not about:
        raise ValueError(f"{str(index)!r} must have a weight_map, of tensors to files. {FIX}")
    tensors = {}
    for name in dict.fromkeys(map(str, about.values())):
        if not re.fullmatch(r"[\w-][\w.-]*\.safetensors", name):
            wanted = "names of .safetensors files in its own folder, without a path"
            raise ValueError(f"{str(index)!r} must hold {wanted}, got {short(name)}")
        if not (shard := index.with_name(name)).is_file():
            raise FileNotFoundError(f"{str(index)!r} names {name!r}, which is not there. {FIX}")
        more = read_tensors(shard)
        if twice := tensors.keys() & more.keys():
            raise ValueError(f"{str(index)!r} {_some('names files that both hold', twice)}. {FIX}")
        tensors |= more
    if lacking := about.keys() - tensors.keys():
        raise ValueError(f"{str(index)!r} {_some('names files that lack', lacking)}. {FIX}")
    return tensors


def _no_weights(folder):
    """The error for a folder without weights that are read here: says what is there instead."""
    found = sorted(path.name for kind in PICKLES for path in folder.glob(kind))
    if found:
        why = "is a pickle: it can run code when it is opened"
        only = "Only model.safetensors is read"
        return ValueError(f"{found[0]!r} in {str(folder)!r} {why}. {only}")
    lacks = f"{str(folder)!r} has no model.safetensors"
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    if any(re.search(r"-\d+-of-\d+\.", name) for name in found):
        return FileNotFoundError(f"{lacks} and no {INDEX}, which says what lies in its shards")
    return FileNotFoundError(lacks + (f"; is it {found[0]!r}? Then rename that" if found else ""))


def read_tensors(path):
    """A .safetensors file -> {name: array}: views of the file, which is read where it is looked at.

    Who writes into them changes a copy of the page, never the file. The `safetensors` library
    checks the file; its form: 8 bytes for the length of a JSON header, which says where each tensor
    begins and ends, then the numbers.
    """
    try:
        import safetensors
    except ImportError:
        raise ImportError(f"reading {str(path)!r} needs the safetensors library: {EXTRA}") from None
    try:
        with safetensors.safe_open(path, framework="numpy"):
            pass  # lengths, bounds, overlaps: all that can be wrong
    except safetensors.SafetensorError as error:
        raise ValueError(f"{str(path)!r} is damaged or no safetensors file: {error}") from None
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        about = json.loads(file.read(size))
    about.pop("__metadata__", None)
    data = np.memmap(path, np.uint8, "c", offset=8 + size) if about else None
    return {name: _numbers(name, data, part) for name, part in about.items()}


def _numbers(name, data, part):
    """One tensor of a file. BF16, which NumPy lacks, is the upper half of a float32."""
    kind, raw = part["dtype"], np.asarray(data[slice(*part["data_offsets"])])
    if kind not in KINDS:
        raise ValueError(
            f"{name!r} holds {kind}: a quantised file is not read here, only {', '.join(KINDS)}"
        )
    numbers = raw.view(KINDS[kind])
    if kind == "BF16":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.reshape(part["shape"])


# ---- putting in place ----------------------------------------------------------------------------


def load_model(folder, families):
    """A checkpoint -> (model, about, what is known): of the family that its model_type names.

    about is what the folder says: "config"; in "ignored" the names of the tensors that are not
    read, say of a classifier; in "unbuilt" rules of writing that are not built. What is known are
    the checked values that are used.
    """
    config = read_config(folder)
    kind = config.get("model_type")
    if isinstance(kind, str) and kind not in families:
        raise ValueError(
            f"{config.place}: model_type must be one of {', '.join(map(repr, families))}, got"
            f" {short(kind)}. Pictures take what the library of another model returned, as it"
            " comes: AttentionView(model(**inputs, output_attentions=True), tokens)"
        )
    family = families[one_of(families)(config, "model_type")]
    tensors, path = read_weights(folder)
    if family.encoder and not any(".decoder." in f".{name}" for name in tensors):
        family = family.encoder
    return assembled(config, tensors, path, family)


def assembled(config, tensors, path, family):
    """A `Config`, and the tensors of the file at a path -> what `load_model` returns."""
    tensors, ignored = unwrapped(tensors, family, path)
    tensors = family.tidy(merged(tensors, family.copies))
    if family.split:
        tensors = family.split(tensors, config)
    shapes = {name: array.shape for name, array in tensors.items()}
    config.held = Held(path, shapes, family.names)
    config.check(family.sizes)
    config.held.check_shapes(config, family.shapes)
    config.check(family.keys)
    if config.known.get("tie_word_embeddings"):
        said = f"{config.place}: tie_word_embeddings=True does not fit {str(path)!r}: "
        tensors = merged(tensors, family.tied, said)
    model = family.build(config.known, tensors.keys())
    fill(model, tensors, family.names, path)
    about = {"config": dict(config), "ignored": ignored, "unbuilt": unbuilt_rules(config)}
    return model, about, config.known


class Held(NamedTuple):
    """What a file of weights holds. A config that asks for more is refused before it is built."""

    path: Path
    shapes: dict  # name of a tensor -> its shape
    names: dict  # our name -> the file's, see `fill`

    def check_layers(self, config, key, part, n):
        """ValueError unless the file holds n layers of a part of the model, say "blocks"."""
        layers, prefix = self.layers(part), self.prefix(part)
        if not layers:
            raise self.misfit(config, f"{key}={n}", f"lacks all that begins with {prefix + '0.'!r}")
        missing = [i for i in range(min(n, len(layers) + 1)) if i not in layers]  # n may be 10**9
        first = layers.get(0, [])
        lacking = [f"{prefix}{i}.{name}" for i in missing for name in first]
        surplus = [f"{prefix}{i}.{name}" for i in layers if i >= n for name in layers[i]]
        if lacking:
            count = max(len(lacking), (n - len(layers)) * len(first))
            raise self.misfit(config, f"{key}={n}", _some("lacks", lacking, count))
        if surplus:
            raise self.misfit(config, f"{key}={n}", _some("has, and nobody reads,", surplus))

    def check_has(self, config, key, name, wanted):
        """ValueError unless a parameter is in the file, or is not, as the config says."""
        source, _ = _tensor_of(name, self.names)
        if (source in self.shapes) != wanted:
            problem = _some("lacks" if wanted else "has, and nobody reads,", [source])
            raise self.misfit(config, f"{key}={short(config.get(key))}", problem)

    def misfit(self, config, said, problem):
        """The error where config and weights contradict each other."""
        said = f"{config.place}: {said} does not fit the weights"
        return ValueError(f"{said}: {str(self.path)!r} {problem}. {FIX}")

    def check_shapes(self, config, wanted):
        """ValueError unless the tensors have the shapes that the config gives them.

        wanted   parameter -> the key of each of its axes, or keys to be multiplied. {} stands for
                 the number of a layer: all that the file holds
        """
        wanted = {one: keys for name, keys in wanted.items() for one in self.each(name)}
        places = {name: _tensor_of(name, self.names) for name in wanted}
        lacking = {source for source, _ in places.values()} - self.shapes.keys()
        if lacking:
            raise ValueError(f"{str(self.path)!r} {_some('lacks', lacking)}. {FIX}")
        for name, (source, turned) in places.items():
            axes = [(axis,) if isinstance(axis, str) else axis for axis in wanted[name]]
            self.check_shape(config, source, axes[::-1] if turned else axes)

    def check_shape(self, config, source, axes):
        """ValueError unless one tensor has the shape that the keys of its axes give it."""
        shape = tuple(math.prod(config.known[key] for key in keys) for keys in axes)
        found = self.shapes[source]
        if found == shape:
            return
        fits = [i < len(found) and found[i] == shape[i] for i in range(len(axes))]
        odd = dict.fromkeys(key for keys, fit in zip(axes, fits) if not fit for key in keys)
        said = ", ".join(f"{key}={config.known[key]}" for key in odd or sum(axes, ()))
        wrong = f"{source!r} in {str(self.path)!r} must have the shape {shape}, got {found}"
        raise ValueError(f"{config.place}: {said} does not fit the weights: {wrong}. {FIX}")

    def each(self, name):
        """ "blocks.{}.attention.W_q" -> the same for every layer that the file holds."""
        part, rest = name.partition(".{}")[::2]
        return [f"{part}.{i}{rest}" for i in sorted(self.layers(part)) or [0]] if rest else [name]

    def layers(self, part):
        """{0: ["attn.c_proj.weight", …], 1: …}: what each layer of a part is made of."""
        layers, start = {}, re.escape(self.prefix(part))
        for name in self.shapes:
            if found := re.fullmatch(rf"{start}([0-9]{{1,9}})\.(.+)", name):
                layers.setdefault(int(found[1]), []).append(found[2])
        return layers

    def prefix(self, part):
        """What stands in front of the number of a layer, say "h." for "blocks"."""
        theirs = (self.names[ours] for ours in self.names if ours.startswith(f"{part}.{{}}"))
        return next(theirs).partition("{}")[0]


def _some(problem, names, count=None):
    """ "lacks 3 of the tensors: …", with the first five names."""
    first = ", ".join(map(repr, sorted(names)[:5])) + (" …" if len(names) > 5 else "")
    return f"{problem} {len(names) if count is None else count} of the tensors: {first}"


def unwrapped(tensors, family, path):
    """The tensors that a forward pass needs, by the names of the family's table, and the names of
    the others.

    What a wrapper or a class put in front of the names goes: "model.", "module.",
    "base_model.model." are what stands in front of the embedding, whatever it is.
    """
    if any(".lora_" in name or ".base_layer." in name for name in tensors):
        raise ValueError(f"{str(path)!r} holds an adapter within its weights. {MERGE}")
    parts = _prefix(tensors, family, path).split(".")[:-1]
    fronts = [".".join(parts[:i]) + "." for i in range(len(parts), 0, -1)]
    needed, ignored = {}, []
    for name, array in tensors.items():
        front = next((one for one in fronts if name.startswith(one)), "")
        bare = _today(name.removeprefix(front))
        if re.fullmatch(f"{HEADS}|{BUFFERS}|{family.ignored}", bare):
            ignored.append(name)
        elif bare in needed:
            raise ValueError(f"{str(path)!r} holds {bare!r} under more than one name. {FIX}")
        elif array.size == 0 or array.ndim == 0:  # (0, 10**12) takes no room in a file
            found = f"got the shape {array.shape}"
            raise ValueError(f"{bare!r} must have rows of numbers, {found}. {FIX}")
        else:
            needed[bare] = array
    return needed, ignored


def _prefix(tensors, family, path):
    """What stands in front of all names of a file: in front of its embedding."""
    table = family.names
    embedding = table.get("embedding", table.get("source_embedding")) + ".weight"
    copies = [copy for copy, of in family.copies.items() if of == embedding and "embed" in copy]
    for wanted in [embedding, *copies]:
        ends = [name for name in tensors if f".{name}".endswith(f".{wanted}")]
        if len(ends) > 1:
            raise ValueError(f"{str(path)!r} holds more than one model: {', '.join(sorted(ends))}")
        if ends:
            return ends[0].removesuffix(wanted)
    return family.prefix


def merged(tensors, copies, said=""):
    """The tensors without second copies of others; a copy alone stands for the original.

    said   the beginning of the error where a copy differs
    """
    tensors = dict(tensors)
    for copy, original in copies.items():
        if copy in tensors and original in tensors:
            if not np.array_equal(tensors[copy], tensors[original]):
                raise ValueError(f"{said}{copy!r} should be the same as {original!r}, and is not")
            del tensors[copy]
        elif copy in tensors:
            tensors[original] = tensors.pop(copy)
    return tensors


def _today(name):
    """A tensor's name as files call it today."""
    owner, _, last = name.rpartition(".")
    return f"{owner}.{FIRST_NAMES[last]}" if last in FIRST_NAMES else name


def fill(model, tensors, names, path="the file"):
    """Put every tensor in its place: all that the model needs, nothing more, each in its shape.

    names   our name -> the file's name. {} stands for the number of a layer. "attention.q" means
            W_q and b_q, a norm its gain and bias, a linear layer its W and b; in the file, .weight
            and .bias
    Weights (d_in, d_out) are stored as (d_out, d_in). They are turned in memory, for a product of
    few tokens with a turned view takes up to twice as long; embeddings stay views of the file, read
    where a token is looked up.
    """
    places = {name: _tensor_of(name, names) for name in parameters(model)}
    needed = {source for source, _ in places.values()}
    for problem, which in (
        ("lacks", needed - tensors.keys()),
        ("has, and nobody reads,", tensors.keys() - needed),
    ):
        if which:
            raise ValueError(f"{str(path)!r} {_some(problem, which)}")
    for name, empty in parameters(model).items():
        source, turned = places[name]
        array, wanted = tensors[source], empty.shape[::-1] if places[name][1] else empty.shape
        if array.shape != wanted:
            found = f"must have the shape {wanted}, got {array.shape}"
            raise ValueError(f"{source!r} in {str(path)!r} {found}")
        if array.dtype.kind != "f":
            found = f"must hold numbers with a point, got {array.dtype}"
            raise ValueError(f"{source!r} in {str(path)!r} {found}")
        array = _float32(array, turned=turned and name != "unembedding")
        _put(model, name, array.T if turned else array)


def _float32(array, *, turned):
    """A tensor's numbers; turned, they lie column by column: its transpose, row by row. Packed ones
    are unpacked here, one tensor after the other.
    """
    if isinstance(array, Packed):
        return array.numbers("F" if turned else "C")
    array = array.astype(np.float32, copy=False)
    return np.asfortranarray(array) if turned else array


def _tensor_of(name, names):
    """Our name -> the name in the file, and whether the tensor is transposed there.

    "blocks.3.attention.W_q" -> ("encoder.layer.3.attention.self.query.weight", True)
    """
    owner, _, last = name.rpartition(".")
    if last[:2] in ("W_", "b_"):  # one of several in a layer
        key, is_bias, turned = f"{owner}.{last[2:]}", last[0] == "b", last[0] == "W"
    elif last in ("W", "b", "gain", "bias", "table"):  # the only one of its kind
        key, is_bias, turned = owner, last[0] == "b", last == "W"
    else:
        is_bias, turned = last.endswith("_bias"), last == "unembedding"
        key = name.removesuffix("_bias")
    number = re.search(r"\.(\d+)\.", key)
    if number:
        key = key.replace(number[0], ".{}.", 1)
    found = names[key].replace("{}", number[1] if number else "")
    return f"{found}.{'bias' if is_bias else 'weight'}", turned


def _put(model, name, array):
    """Set one parameter of a model by its name."""
    *path, attribute = name.split(".")
    for part in path:
        model = model[int(part)] if part.isdigit() else getattr(model, part)
    setattr(model, attribute, array)
