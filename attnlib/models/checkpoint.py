"""Checkpoints: a folder with config.json and model.safetensors, and the way from its tensors to our parameters.

A family of models is a `Family`: what its config means (`build`) and what its tensors are called (`names`).
Nothing in a checkpoint is ever executed: JSON and numbers are all that is read.
"""

import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from attnlib import _check
from attnlib.layers import parameters

EXTRA = "pip install 'attnlib[models]'"
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "BOOL": "?"}     # whole numbers: buffers
ACTIVATIONS = {
    "relu": "relu", "silu": "silu", "swish": "silu", "gelu": "gelu",
    "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu_fast": "gelu_tanh",
}  # fmt: skip


FIRST_NAMES = {"gamma": "weight", "beta": "bias"}                      # of a norm, in the first BERT files
NONE = MappingProxyType({})                                            # an empty dict that stays empty


class Family(NamedTuple):
    """What a model_type means."""

    build: callable         # (config, tensor names) -> a model whose parameters are still to be filled
    names: dict             # where our parameters lie in the file, see `fill`
    tidy: callable = dict   # tensors -> tensors: what is stored in another way than the others do
    prefix: str = ""        # that a file may have before its names or not, say "bert."
    copies: dict = NONE     # name of a tensor that a file may hold twice -> name of the original
    ignored: str = r"$^"    # a pattern: tensors that the forward pass does not need


class Blank(np.random.Generator):
    """A generator that draws nothing: for parameters that a file will fill. They take no memory."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def normal(self, loc=0.0, scale=1.0, size=None):
        """An array that has the shape, and zeros that are not there."""
        return np.broadcast_to(np.float32(0), size)


# ---- reading -----------------------------------------------------------------------------------------------------


class Config(dict):
    """config.json: a dict that says what is missing or of the wrong kind, and knows the words for activations."""

    def __missing__(self, key):
        raise ValueError(f"config.json has no {key!r}, which a {self.get('model_type')} needs")

    def whole(self, key):
        """A whole number above 0."""
        return _check.integer(f"config.json: {key}", self[key])

    def number(self, key):
        """A number above 0."""
        return _check.positive(f"config.json: {key}", self[key])

    def optional(self, key):
        """A number above 0, or None where it is missing or null."""
        return None if self.get(key) is None else self.number(key)

    def of(self, kind, key, default):
        """The value of a key that may be missing or null, of one kind: bool, str, list, dict."""
        value = default if self.get(key) is None else self[key]
        if not isinstance(value, (kind, type(default))):
            raise ValueError(f"config.json: {key} must be a {kind.__name__}, got {value!r}")
        return value

    def activation(self, *keys):
        """The activation under the first of `keys` that is there, by our name for it."""
        return activation(keys[0], next((self[key] for key in keys if self.get(key) is not None), None))

    def refuse(self, **expected):
        """ValueError unless each key is missing or has the one value that is built here."""
        for key, value in expected.items():
            if self.get(key, value) not in (value, None):
                raise ValueError(f"config.json: {key}={self[key]!r} is not built here, only {value!r}")


def activation(key, name):
    """Our name for an activation that a config names."""
    return ACTIVATIONS[_check.choice(f"config.json: {key}", name, list(ACTIVATIONS))]


def read_config(folder):
    """folder/config.json -> `Config`; an error for every folder that cannot be read as a model."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} is not a checkpoint: it has no config.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:                                        # not JSON, or not UTF-8
        raise ValueError(f"{str(path)!r} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{str(path)!r} must hold an object, got a {type(config).__name__}")
    if config.get("quantization_config") is not None:
        raise ValueError(f"{str(folder)!r} is quantised (quantization_config in config.json), which is not read here")
    return Config(config)


def weights_file(folder):
    """The path of model.safetensors in a folder; an error that says what is there instead."""
    folder = Path(folder)
    path = folder / "model.safetensors"
    if path.is_file():
        return path
    if (folder / "model.safetensors.index.json").is_file():
        raise ValueError(f"{str(folder)!r} holds a sharded checkpoint (model.safetensors.index.json), which is not read here")
    pickles = sorted(p.name for kind in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(kind))
    if pickles:
        why = "is a pickle: it can run code when it is opened"
        raise ValueError(f"{pickles[0]!r} in {str(folder)!r} {why}. Only model.safetensors is read")
    raise FileNotFoundError(f"{str(folder)!r} has no model.safetensors")


def read_tensors(path):
    """A .safetensors file -> {name: array}: views of the file, which is read where it is looked at.

    Who writes into them changes a copy of the page, never the file. The `safetensors` library checks the file; its
    form: 8 bytes for the length of a JSON header, which says where each tensor begins and ends, then the numbers.
    """
    try:
        import safetensors
    except ImportError:
        raise ImportError(f"reading {str(path)!r} needs the safetensors library: {EXTRA}") from None
    try:
        with safetensors.safe_open(path, framework="numpy"):
            pass                                                       # lengths, bounds, overlaps: all that can be wrong
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
        raise ValueError(f"{name!r} holds {kind}: a quantised file is not read here, only {', '.join(KINDS)}")
    numbers = raw.view(KINDS[kind])
    if kind == "BF16":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.reshape(part["shape"])


# ---- putting in place --------------------------------------------------------------------------------------------


def load_model(folder, families):
    """A checkpoint -> (model, config): of the family that its model_type names."""
    config = read_config(folder)
    kind = _check.choice("config.json: model_type", config.get("model_type"), list(families))
    family, path = families[kind], weights_file(folder)
    tensors = tidied(read_tensors(path), family)
    model = family.build(config, tensors.keys())
    fill(model, tensors, family.names, path)
    return model, config


def tidied(tensors, family):
    """The tensors that a forward pass needs, by the names of the family's table."""
    tensors = {_today(name).removeprefix(family.prefix): array for name, array in tensors.items()}
    tensors = {name: array for name, array in tensors.items() if not re.fullmatch(family.ignored, name)}
    for copy, original in family.copies.items():
        if copy in tensors and original in tensors:
            if not np.array_equal(tensors[copy], tensors[original]):
                raise ValueError(f"{copy!r} should be the same as {original!r}, and is not")
            del tensors[copy]
        elif copy in tensors:
            tensors[original] = tensors.pop(copy)
    return family.tidy(tensors)


def _today(name):
    """A tensor's name as files call it today."""
    owner, _, last = name.rpartition(".")
    return f"{owner}.{FIRST_NAMES[last]}" if last in FIRST_NAMES else name


def fill(model, tensors, names, path="the file"):
    """Put every tensor in its place: all that the model needs, nothing more, each in its shape.

    names   our name -> the file's name. {} stands for the number of a layer. "attention.q" means W_q and b_q,
            a norm its gain and bias, a linear layer its W and b; in the file, .weight and .bias
    Weights (d_in, d_out) are stored as (d_out, d_in). They are turned in memory, for a product of few tokens with a
    turned view takes up to twice as long; embeddings stay views of the file, read where a token is looked up.
    """
    places = {name: _tensor_of(name, names) for name in parameters(model)}
    needed = {source for source, _ in places.values()}
    for problem, which in (("lacks", needed - tensors.keys()), ("has, and nobody reads,", tensors.keys() - needed)):
        if which:
            first = ", ".join(map(repr, sorted(which)[:5])) + (" …" if len(which) > 5 else "")
            raise ValueError(f"{str(path)!r} {problem} {len(which)} of the tensors: {first}")
    floats = {name: array.astype(np.float32, copy=False) for name, array in tensors.items()}
    for name, empty in parameters(model).items():
        source, turned = places[name]
        if turned and name != "unembedding":
            floats[source] = np.asfortranarray(floats[source])         # column by column: its transpose, row by row
        array = floats[source].T if turned else floats[source]
        if array.shape != empty.shape:
            wanted = empty.shape[::-1] if turned else empty.shape
            raise ValueError(f"{source!r} in {str(path)!r} must have the shape {wanted}, got {tensors[source].shape}")
        if tensors[source].dtype.kind != "f":
            raise ValueError(f"{source!r} in {str(path)!r} must hold numbers with a point, got {tensors[source].dtype}")
        _put(model, name, array)


def _tensor_of(name, names):
    """"blocks.3.attention.W_q" -> ("encoder.layer.3.attention.self.query.weight", True): transposed."""
    owner, _, last = name.rpartition(".")
    if last[:2] in ("W_", "b_"):                                       # one of several in a layer
        key, is_bias, turned = f"{owner}.{last[2:]}", last[0] == "b", last[0] == "W"
    elif last in ("W", "b", "gain", "bias", "table"):                  # the only one of its kind
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
