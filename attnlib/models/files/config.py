"""config.json: what a model is made of. Every key that is used is checked before it is built.

A few hundred bytes can ask for a billion layers. So a family of models has tables, key -> check: of
what kind a value must be, and within which bounds. How large a model may be, its weights say: see
`Held` in checkpoint.py.

A check is a function (config, key) -> the value as it is used; it raises a ValueError that names
file and key. Most functions here make one: whole(1, 9) is a check.
"""

import json
import reprlib
from pathlib import Path

from attnlib.models.files.places import MERGE, instead

LONGEST = 10**9  # tokens: no text and no window is longer
DEEPEST = 20  # levels of dicts and lists; published configs have up to 5
BIGGEST = 10_000_000  # bytes of the file
FIX = "Correct it there, or fetch the folder anew"
ACTIVATIONS = {
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}


class Config(dict):
    """What config.json holds.

    place    where that is, as errors name it
    held     what the weights beside it hold, a `Held`; None at first
    known    the values that were checked so far, by their keys: {} at first
    writing  what generation_config.json beside it holds; this one where there is none
    """

    def __init__(self, given, place, held=None):
        super().__init__(given)
        self.place, self.held, self.known, self.writing = place, held, {}, self

    def __missing__(self, key):
        kind = self.get("model_type", "model")
        raise ValueError(f"{self.place} has no {key!r}, which a {kind} needs. {FIX}")

    def wrong(self, key, expected):
        """The error for a value of another kind, or out of bounds."""
        found = short(self.get(key))
        return ValueError(f"{self.place}: {key} must be {expected}, got {found}. {FIX}")

    def misfit(self, key, why):
        """The error for a value that does not go together with others."""
        return ValueError(f"{self.place}: {key} {why}. {FIX}")

    def check(self, table):
        """Check all keys of a table, in its order."""
        for key, check in table.items():
            self.known[key] = check(self, key)


def read_config(folder):
    """folder/config.json -> `Config`; an error for every folder that cannot be read as a model."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} is not a checkpoint: {instead(folder)}")
    if (folder / "adapter_config.json").is_file():
        raise ValueError(f"{str(folder)!r} holds an adapter (adapter_config.json). {MERGE}")
    config = _config(path)
    if config.get("quantization_config") is not None:
        why = "is quantised (quantization_config in config.json), which is not read here"
        raise ValueError(f"{str(folder)!r} {why}")
    writing = folder / "generation_config.json"
    if writing.is_file():
        config.writing = _config(writing)
        config.writing.known = config.known
    return config


def _config(path):
    return Config(read_object(path), repr(str(path))[1:-1])  # a strange name stays on one line


def read_object(path):
    """The JSON object in a file, which may begin with a byte order mark, as Windows writes it."""
    size = path.stat().st_size
    if size > BIGGEST:
        raise ValueError(f"{str(path)!r} must have at most {BIGGEST:,} bytes, got {size:,}. {FIX}")
    try:
        found = json.loads(path.read_bytes(), parse_int=_number)
        deep = _is_deep(found)
    except RecursionError:
        deep = True
    except ValueError as error:  # not JSON, or not UTF-8
        raise ValueError(f"{str(path)!r} is not JSON: {error}. {FIX}") from None
    if deep:
        wanted = f"must be at most {DEEPEST} levels deep"
        raise ValueError(f"{str(path)!r} {wanted}, and is deeper. {FIX}")
    if not isinstance(found, dict):
        raise ValueError(f"{str(path)!r} must hold an object, got a {type(found).__name__}. {FIX}")
    return found


def _number(digits):
    """A whole number. Python takes long for thousands of digits; as a float it is no size."""
    return int(digits) if len(digits) < 40 else float(digits)


def _is_deep(found):
    """Whether lists and dicts lie in each other more than `DEEPEST` levels deep."""
    level = [found]
    for _ in range(DEEPEST + 1):
        level = [one for one in level if isinstance(one, (dict, list))]
        level = [x for one in level for x in (one.values() if isinstance(one, dict) else one)]
    return bool(level)


def short(value):
    """A value as a part of an error: never a page."""
    found = reprlib.Repr()
    found.maxstring = found.maxother = 200
    return found.repr(value)


# ---- checks of one value -------------------------------------------------------------------------


def whole(low=1, high=None):
    """A whole number within bounds."""

    def check(config, key):
        value = config[key]
        if type(value) is not int:  # True is an int for isinstance
            raise config.wrong(key, "a whole number")
        if value < low:
            raise config.wrong(key, f"at least {low}")
        if high is not None and value > high:
            raise config.wrong(key, f"at most {high}")
        return value

    return check


def number(low, high):
    """A number above 0 within bounds: float32 can still compute with it."""

    def check(config, key):
        value = config[key]
        if type(value) not in (int, float):
            raise config.wrong(key, "a number")
        if not low <= value <= high:  # NaN is neither
            raise config.wrong(key, f"a finite number above 0, from {low:g} to {high:g}")
        return float(value)

    return check


def numbers(low, high):
    """A list of numbers above 0 within bounds."""

    def check(config, key):
        values = kind(list)(config, key)
        if not all(type(one) in (int, float) and low <= one <= high for one in values):
            raise config.wrong(key, f"a list of numbers from {low:g} to {high:g}")
        return values

    return check


def kind(wanted):
    """A bool, a str, a list or a dict."""

    def check(config, key):
        if not isinstance(config[key], wanted):
            raise config.wrong(key, f"a {wanted.__name__}")
        return config[key]

    return check


def one_of(names):
    """One of several strings."""

    def check(config, key):
        if config[key] not in list(names):  # a list can be asked for anything
            raise config.wrong(key, f"one of {', '.join(map(repr, names))}")
        return config[key]

    return check


def only(value):
    """Missing, null, or the one value that is built here."""

    def check(config, key):
        if config.get(key) not in (None, value):
            found = f"{key}={short(config[key])}"
            raise ValueError(f"{config.place}: {found} is not built here, only {value!r}")
        return value

    return check


def default(value, check):
    """Missing is what the reference takes then; null is checked like any value."""

    def checked(config, key):
        return check(config, key) if key in config else value

    return checked


def unless(value, check):
    """None for the value that stands there where nobody chose one."""

    def checked(config, key):
        return None if config[key] == value else check(config, key)

    return checked


def maybe(check, default=None):
    """What may be missing or null; `default` may be a function of what is known."""

    def checked(config, key):
        if config.get(key) is not None:
            return check(config, key)
        return default(config.known) if callable(default) else default

    return checked


def same(other, missing=None):
    """What stands under another key: only models with two equal sides are built. Null is the same,
    and so is a missing key, unless the reference takes a number of its own then.
    """

    def check(config, key):
        given = config.get(key, missing)
        if given not in (None, config.known[other]):
            found = f"{key}={short(given)} is not built here"
            raise ValueError(f"{config.place}: {found}, only {config.known[other]}, as {other}")
        return config.known[other]

    return check


def flag(default, parameter=None):
    """true or false, or missing; true exactly where the file has a parameter, if one is given."""

    def check(config, key):
        found = maybe(kind(bool), default)(config, key)
        if parameter is not None:
            config.held.check_has(config, key, parameter, found)
        return found

    return check


def activation(config, key):
    """Our name for an activation that a config names."""
    return ACTIVATIONS[one_of(ACTIVATIONS)(config, key)]


EPS = number(1e-30, 1)  # of a norm


# ---- checks that look at more than one value -----------------------------------------------------


def layers(part, otherwise=None):
    """A number of layers: the file holds as many in this part of the model. Where it is not said,
    it is the number under another key.
    """

    def check(config, key):
        if otherwise is not None and config.get(key) is None:
            n = config.known[otherwise]
        else:
            n = whole()(config, key)
        config.held.check_layers(config, key, part, n)
        return n

    return check


def heads(width):
    """A number of heads: they share the width of a token, which stands under another key."""

    def check(config, key):
        n, d = whole()(config, key), config.known[width]
        if d % n:
            why = f"d_model={d} must be divisible by n_heads={n}"
            raise config.misfit(key, f"must divide {width}: {why}")
        return n

    return check


def token(config, key):
    """The id of a token."""
    return _one_token(config, key, config[key])


def token_or_tokens(config, key):
    """The id of a token, or the first of a list of them; None for an empty list."""
    given = config[key] if isinstance(config[key], list) else [config[key]]
    return next(iter([_one_token(config, key, one) for one in given]), None)


def end(config, key):
    """The same where a model cannot do without."""
    found = token_or_tokens(config, key)
    if found is None:
        raise config.wrong(key, "a token's id")
    return found


def padding(config, key):
    """The id of a token that nobody reads; -1 where a model has none."""
    return -1 if type(config[key]) is int and config[key] == -1 else token(config, key)


def _one_token(config, key, value):
    last = config.known["vocab_size"] - 1
    if type(value) is not int or not 0 <= value <= last:
        raise config.wrong(key, f"a token's id, a whole number from 0 to {last}")
    return value


# ---- generation_config.json: how a model writes --------------------------------------------------


def written_token(check):
    """A token's id as generation_config.json says it, else as config.json does."""

    def checked(config, key):
        return check(config.writing if config.writing.get(key) is not None else config, key)

    return checked


def rule(check, default=None):
    """A rule of writing: of generation_config.json alone, where there is one. None or the default
    where it says nothing.
    """

    def checked(config, key):
        return maybe(check, default)(config.writing, key)

    return checked


def token_list(config, key):
    """The id of a token, or a list of them: a list."""
    given = config[key] if isinstance(config[key], list) else [config[key]]
    return [_one_token(config, key, one) for one in given]


def words(config, key):
    """Lists of tokens' ids, none empty: [[5], [6, 7]]"""
    found = kind(list)(config, key)
    if not all(isinstance(word, list) and word for word in found):
        raise config.wrong(key, "a list of lists of tokens' ids")
    return [[_one_token(config, key, one) for one in word] for word in found]


def forced_end(config, key):
    """The tokens of which one is forced where a target is cut. In config.json alone stands what its
    class writes where nobody chose: of no account unless it is the end.
    """
    found = rule(token_list, [])(config, key)
    chosen = config.writing is not config or config.known["eos_token_id"] in found
    return found if chosen else []


LENGTH = whole(0, LONGEST)
# The tokens that end a text, and those around a target.
TEXT = {
    "eos_token_id": written_token(maybe(token_list)),
    "pad_token_id": written_token(maybe(padding)),
}
TARGET = {
    "decoder_start_token_id": written_token(token),
    "eos_token_id": written_token(end),
    "pad_token_id": written_token(maybe(padding)),
}
# What a target may hold, see `Rules` in decoding.py.
RULES = {
    "bad_words_ids": rule(words, []),
    "no_repeat_ngram_size": rule(LENGTH, 0),
    "repetition_penalty": rule(number(1e-3, 1e3), 1.0),
    "min_length": rule(LENGTH, 0),
    "min_new_tokens": rule(LENGTH),
    "forced_bos_token_id": rule(token),
    "forced_eos_token_id": forced_end,
    "suppress_tokens": rule(token_list, []),
    "begin_suppress_tokens": rule(token_list, []),
}
# What would change a target, too, and is not built: such a model reads, and does not write.
UNBUILT = {
    "sequence_bias": None,
    "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0,
    "exponential_decay_length_penalty": None,
    "guidance_scale": 1.0,
    "watermarking_config": None,
}


def unbuilt_rules(config):
    """Those of `UNBUILT` that a checkpoint asks for, as "key=value"."""
    said = ((key, config.writing.get(key), off) for key, off in UNBUILT.items())
    return [f"{key}={short(found)}" for key, found, off in said if found not in (None, off)]


def but_decoder(table):
    """A table of sizes or shapes without what a decoder has, for a file with an encoder alone."""
    decoder = "decoder", "num_decoder", "target"
    return {name: one for name, one in table.items() if not name.startswith(decoder)}
