"""Words for odd input: every public function, and each of its arguments in turn replaced by what
somebody may hand it.

What comes back is right, which for the same numbers in another form means equal; or it is a
TypeError or a ValueError in our own words, which names the argument. Never a sentence of NumPy's or
Python's, never a warning, and nothing that was given is changed.

    PYTHONPATH=.ci python tests/test_odd_input.py    counts how it went, in all

Who adds a function is told here that tests/calls.py has no valid call of it.
"""

import decimal
import fractions
import inspect
import re
import sys
import warnings
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from types import GeneratorType
from typing import NamedTuple

import calls
import numpy as np
import pytest

from attnlib import SelfAttention, training
from attnlib.__main__ import BY_HAND, main
from attnlib.layers import FeedForward, parameters
from attnlib.show import sheet
from attnlib.show.live.base import Live
from attnlib.show.sheet import Picture

# ---- what is handed over -------------------------------------------------------------------------


class Odd(NamedTuple):
    """What stands in the place of an argument."""

    words: str
    value: object
    must: str  # "equal": must work; "same": works, or is refused; "refused"; "any": either


class Brought:
    """An array of another library: it has __array__ and little else."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)

    def __len__(self):
        return len(self.array)

    def __getitem__(self, place):
        return self.array[place]


NONSENSE = {  # no argument takes these, unless what it takes is of their kind
    "None": None,
    "a string": "word",
    "bytes": b"word",
    "a dict": {"a": 1},
    "a set": {1, 2},
    "an object": object(),
    "a function": len,
    "a complex number": 1j,
    "a ragged list": [[1.0], [1.0, 2.0]],
    "a list of strings": ["a", "b"],
    "an array of strings": np.array(["a", "b"]),
    "an array of objects": np.array([1, None, "a"], object),
    "a complex array": np.ones((3, 3)) * 1j,
    "dates": np.array(["2020-01-01"] * 3, "M8[D]"),
    "durations": np.array([1, 2, 3], "m8[D]"),
    "a structured array": np.zeros(3, [("a", float), ("b", int)]),
    "an empty list": [],
    "an empty array": np.zeros((0,)),
    "a date": np.datetime64("2020-01-01"),
    "a type": float,
}
EDGE = {  # may be meant, or not
    "NaN": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "0": 0,
    "-1": -1,
    "2.5": 2.5,
    "10**30": 10**30,
    "-10**30": -(10**30),
    "1e300": 1e300,
    "a 0-d array": np.array(1.0),
    "an array of one": np.ones(1),
    "(2, 2, 2, 2, 2)": np.full((2, 2, 2, 2, 2), 0.5),
    "a Fraction": fractions.Fraction(5, 2),
    "a Decimal": decimal.Decimal("2.5"),
}


def odd(value):
    """Everything odd that may stand for this value."""
    kind = type(value)
    is_array = isinstance(value, np.ndarray)
    is_number = isinstance(value, (int, float)) and kind is not bool
    are_names = kind in (list, tuple) and all(isinstance(each, str) for each in value)
    for words, one in NONSENSE.items():
        if callable(one) and callable(value):
            continue
        alike = [
            isinstance(one, kind),
            are_names and (one is None or isinstance(one, (list, np.ndarray))),
            kind in (list, tuple) and words in ("an array of strings", "an empty array"),
            is_array and words in ("a complex array", "an empty array", "an empty list"),
        ]
        yield Odd(words, one, "any" if any(alike) else "refused")
    yield Odd("a generator", (one for one in [1.0, 2.0]), "any" if are_names else "refused")
    for words, one in EDGE.items():
        yield Odd(words, one, "any" if is_number or is_array else "refused")
    yield Odd("True", True, "any" if kind is bool or is_array else "refused")
    yield Odd("a masked number", np.ma.masked, "refused")
    if is_array:
        yield from _arrays(value)
    elif kind is bool:
        yield Odd("np.bool_", np.bool_(value), "equal")
        yield Odd("0 or 1", int(value), "same")
    elif kind is int:
        yield Odd("np.int64", np.int64(value), "equal")
        yield Odd("np.uint8", np.uint8(value % 256), "equal" if 0 <= value < 256 else "any")
        yield Odd("np.int8", np.int8(value % 128), "equal" if 0 <= value < 128 else "any")
        yield Odd("a whole float", float(value), "refused")
        yield Odd("a 0-d array of it", np.array(value), "same")
        yield Odd("a list of it", [value], "refused")
    elif kind is float:
        yield Odd("np.float64", np.float64(value), "equal")
        yield Odd("np.float32", np.float32(value), "same")
        yield Odd("np.longdouble", np.longdouble(value), "same")
        yield Odd("a Fraction of it", fractions.Fraction(value), "same")
        yield Odd("a 0-d array of it", np.array(value), "same")
        yield Odd("a list of it", [value], "refused")
    elif kind is str:
        yield Odd("np.str_", np.str_(value), "equal")
        yield Odd("an empty string", "", "any")
        yield Odd("half a sign", "\ud800", "any")
        yield Odd("a very long one", "word " * 60, "any")
        yield Odd("a list of it", [value], "any")
    elif kind in (list, tuple):
        yield Odd("one too many", kind([*value, value[-1]]), "any")
        yield Odd("one too few", kind(value[:-1]), "any")
        yield Odd("an iterator", iter(value), "any")
        if all(isinstance(one, (str, int, float)) for one in value):
            yield Odd("a tuple", tuple(value), "equal" if kind is list else "same")
            yield Odd("an array", np.array(value), "equal" if kind is list else "same")
            yield Odd("__array__", Brought(np.array(value)), "same")
        if all(isinstance(one, str) for one in value):
            yield Odd("half a sign", kind(["\ud800"] * len(value)), "any")
            yield Odd("Nones", kind([None] * len(value)), "any")
    elif kind is dict:
        yield Odd("an empty dict", {}, "any")
        yield Odd("a dict of Nones", dict.fromkeys(value), "any")
        yield Odd("with an unknown key", value | {"unknown": 1}, "any")
        if all(isinstance(one, np.ndarray) for one in value.values()):
            for words, one in {"long": np.ones((7, 5)), "empty": np.ones(0)}.items():
                yield Odd(f"a dict of {words} arrays", dict.fromkeys(value, one), "any")
            yield Odd("a dict of strings", dict.fromkeys(value, "word"), "refused")


def _arrays(value):
    """The same numbers in another form, and others."""
    locked = value.copy()
    locked.flags.writeable = False
    twice = np.repeat(value[None], 2, axis=0) if value.ndim == 0 else np.repeat(value, 2, axis=0)
    yield Odd("read-only", locked, "equal")
    yield Odd("in Fortran's order", np.asfortranarray(value), "equal")
    yield Odd("every second row", twice[::2] if value.ndim else twice[0], "equal")
    yield Odd("from the end", value[::-1].copy()[::-1] if value.ndim else value, "equal")
    yield Odd("a list", value.tolist(), "equal")
    yield Odd("__array__", Brought(value), "equal")
    yield Odd("an array of objects of it", value.astype(object), "same")
    yield Odd("strings of it", value.astype(str), "refused")
    yield Odd("complex of it", value + 0j, "refused")
    yield Odd("masked", np.ma.masked_array(value, np.arange(value.size) == 0), "refused")
    if value.ndim == 2:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            yield Odd("np.matrix", np.matrix(value), "equal")
    if value.dtype != bool:
        yield Odd("big-endian", value.astype(value.dtype.newbyteorder(">")), "equal")
        yield Odd("bools", value > 0, "any")
    if value.dtype.kind == "f":
        yield Odd("float128", value.astype(np.longdouble), "same")
        yield Odd("float16", value.astype(np.float16), "rough")
        yield Odd("float32", value.astype(np.float32), "rough")
        for words, one in {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "1e30": 1e30}.items():
            yield Odd(
                f"with {words}",
                np.where(np.arange(value.size) == 0, one, value.flat).reshape(value.shape),
                "any",
            )
    if value.dtype.kind == "i":
        small = 0 <= value.min() and value.max() < 256
        yield Odd("uint8", value.astype(np.uint8), "equal" if small else "any")
        yield Odd("whole floats", value.astype(float), "same")
        yield Odd("int32", value.astype(np.int32), "equal")
        yield Odd("huge", value + 10**12, "any")
        yield Odd("below 0", value - 10**12, "any")
    yield Odd("0 in all places", np.zeros_like(value), "any")
    yield Odd("one axis more", value[None], "any")
    yield Odd("three axes more", value[None, None, None], "any")
    yield Odd("no axes", value.flat[0], "any")
    for axis in range(value.ndim):
        name = f"axis {axis}"
        yield Odd(f"one less along {name}", np.delete(value, 0, axis), "any")
        yield Odd(f"twice along {name}", np.concatenate([value, value], axis), "any")
        yield Odd(f"nothing along {name}", value.take([], axis), "any")
    if value.ndim > 1:
        yield Odd("one axis less", value[0], "any")
        yield Odd("turned over", np.ascontiguousarray(value.swapaxes(-1, -2)), "any")


# ---- how it went ---------------------------------------------------------------------------------

OURS = (TypeError, ValueError)
INTERNAL = re.compile(  # sentences of NumPy's, Python's and matplotlib's own
    r"could not broadcast|operands|not iterable|subscriptable|unsupported operand|integer scalar"
    r"|size-1|length-1 arrays|has no attribute|'NoneType' object|not callable|ambiguous|setting an"
    r"|inhomogeneous|ufunc|matmul|out of bounds|cannot reshape|dtype\(|must be real number"
    r"|invalid literal|could not convert|not supported between|can't multiply|zero-size|unhashable"
    r"|cannot be interpreted|object of type|has no len|cannot convert|too large|too many values"
    r"|not enough|Cannot cast|codec|surrogates|need at least one array|must be str\b|sequence item"
    r"|argument must|mismatch|together with|expected str|expected a |positional"
)


def named(name, message, others=()):
    """Does a message say which argument it is about? Its name stands before what it should be."""
    subject = re.split(
        r" (?:must|has|have|hold|is|are|may|does|do|takes?|needs?|leads?|cannot|goes|belongs?|and"
        r" nobody)\b|:",
        message,
    )[0]
    found = set(re.findall(r"\w+", subject)) | set(re.findall(r"\b(\w+)(?==| \(|'s )", message))
    return bool(found & {name, *others})


def judged(name, argument, thing):
    """One call with one odd argument. -> what it was, and the words that tell"""
    function, given = calls.given(name)
    given[argument] = thing.value
    before = printed(given)
    outcome, said = called(function, given, drawn=not isinstance(thing.value, np.ndarray))
    if printed(given) != before:
        return "changed", "what was given is changed"
    if outcome == "raised":
        kind, words = said
        also = ALSO.get((name, argument), set())
        if kind not in OURS or INTERNAL.search(words):
            return "internal", f"{kind.__name__}: {words}"
        if not named(argument, words, also | {*given} if kind is ValueError else also):
            return "unnamed", f"{kind.__name__}: {words}"
        return ("refused", words) if thing.must != "equal" else ("must work", words)
    if thing.must == "refused" and not {(name, argument), (name, argument, thing.words)} & TAKEN:
        return "silent", f"is taken: {str(said)[:60]!r}"
    near = {"equal": 1e-6, "same": 1e-6, "rough": 0.05}.get(thing.must)
    if near and not alike(said, right(name), near):
        return "wrong", f"is not what the same numbers give: {str(said)[:60]!r}"
    return "right", ""


@lru_cache(maxsize=1)
def right(name):
    """What the valid call gives."""
    return called(*calls.given(name))[1]


def called(function, given, drawn=False):
    """("came", result) or ("raised", (kind, message)); a warning is an error, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = function(**given)
            if isinstance(result, GeneratorType) or type(result).__name__ in ("generator", "map"):
                result = list(result)
            if isinstance(result, Picture) and drawn:
                result.png(fast=True)
            return "came", result
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            kind = next((k for k in OURS if type(error) is k), type(error))
            if isinstance(error, ValueError) and type(error).__module__.startswith("attnlib"):
                kind = ValueError
            return "raised", (kind, str(error))


def printed(value):
    """What can be changed in place, as text; the state of a layer may change."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, repr(value.tolist()))
    if isinstance(value, (list, tuple)) and len(value) < 100:
        return [printed(one) for one in value]
    if isinstance(value, dict):
        return [(name, printed(one)) for name, one in value.items()]
    return repr(value) if isinstance(value, (str, int, float, bytes, set)) else type(value).__name__


def alike(found, wanted, near=1e-6):
    """Are two results the same, up to rounding?"""
    if isinstance(wanted, Picture):
        return near > 1e-3 or found.alt == wanted.alt
    if isinstance(wanted, Live):
        names = [n for n in wanted.trait_names(sync=True) if n[:2] != "_v" and n[:2] != "_m"]
        names = [n for n in names if n not in ("layout", "comm", "_esm", "_css")]
        return all(plainly(getattr(found, n), getattr(wanted, n), near) for n in names)
    return plainly(found, wanted, near)


LAYERS = ("attnlib.heads", "attnlib.layers", "attnlib.encodings", "attnlib.models.gpt")


def plainly(found, wanted, near):
    if isinstance(wanted, dict):
        same = list(found) == list(wanted)
        return same and all(plainly(found[name], wanted[name], near) for name in wanted)
    if isinstance(wanted, (list, tuple)):
        same = len(found) == len(wanted)
        return same and all(plainly(one, other, near) for one, other in zip(found, wanted))
    if isinstance(wanted, (np.ndarray, float)):
        found = np.asarray(found)
        return found.shape == np.shape(wanted) and np.allclose(
            found.astype(float), np.asarray(wanted, float), near, near, equal_nan=True
        )
    if type(wanted).__module__ in LAYERS:
        return plainly(parameters(found), parameters(wanted), near)
    if isinstance(wanted, (str, int, bytes, type(None))):
        return bool(np.all(found == wanted)) or (near > 1e-3 and isinstance(wanted, bytes))
    return True


# ---- the table -----------------------------------------------------------------------------------

ALSO = {  # what an argument is called, too
    ("toy.tokenize", "text"): {"sentence"},
    ("models.pretrained.load", "path_or_name"): {"there"},
    ("effects.head_effects", "layers"): {"run"},
    ("show.mosaic", "tokens"): {"key_tokens"},
    ("models.decoding.beam_search", "ids"): {"text"},
    ("models.text.TextModel.best", "logits"): {"ids"},
    ("models.seq2seq.Seq2Seq.forward", "ids"): {"text"},
    ("show.CompareView", "a"): {"weights"},
    ("show.CompareView", "b"): {"weights"},
    ("course.capstone.keep_rules", "looks"): {"n"},
    ("training.load_parameters", "parameters"): {"checkpoint"},  # which is another model's
    ("course.capstone.score", "looks"): {"n"},
}
RECALL = ("recall_batch", "copying_batch", "draw_masks")
TAKEN = {  # (name, argument), or with the words of what is odd: taken, and rightly so
    ("layers.EncoderBlock", "norm", "None"),
    ("layers.DecoderBlock", "norm", "None"),
    ("layers.CrossDecoderBlock", "norm", "None"),
    ("layers.CrossDecoderBlock", "d_hidden", "None"),
    ("show.stream", "norm", "None"),
    ("show.beside", "columns", "None"),
    ("show.predict.curve", "given", "None"),
    ("show.explore", "a"),  # any control may be asked for
    ("exercises.Exercise.judge", "function"),  # says in its report what is odd
    *((f"models.{name}", "positions", "None") for name in ("gpt.GPT", "seq2seq.Seq2Seq")),
    *((f"models.{name}", "norm", "None") for name in ("gpt.GPT", "seq2seq.Seq2Seq")),
    ("models.seq2seq.Seq2Seq", "n_max", "None"),
    ("models.text.TextEncoder.forward", "mask", "None"),
    ("models.text.TextEncoder.forward", "token_types", "None"),
    *(
        (f"models.text.TextModel.{name}", option, "None")
        for name in ("generate", "stream", "chat")
        for option in ("rng", "top_k", "top_p")
    ),
    *(  # an id or several
        (f"models.generation.{name}", "stop", odd)
        for name in ("generate", "stream")
        for odd in ("an empty list", "an empty array", "a list of it", "0")
    ),
    *(
        (name, "messages", "a string")
        for name in ("models.text.TextModel.chat", "models.chat.prompt")
    ),
    *(
        (f"training.{name}", "rng", "None")
        for name in ("induction_batch", *(f"recall.{one}" for one in RECALL))
    ),
    *((f"training.{name}", "shape", "an empty list") for name in ("sum_to", "sum_groups")),
    ("training.rotary_backward", "positions", "None"),
    ("training.seq2seq_loss_and_gradients", "source_mask", "None"),
    ("training.train", "clip", "None"),
    ("show.Machine", "mask", "a dict"),
    ("models.text.TextEncoder()", "text", "a list of strings"),  # a pair
    ("show.curves", "cursor", "True"),
    ("show.mosaic", "captions", "strings of it"),
    ("show.most_attended", "names", "an array of one"),
    ("show.words", "tokens", "an array of one"),
    ("show.AttentionView", "steps", "an array of one"),
    ("models.translator.Translator.translate", "text", "a list of strings"),
}
GOOD = ("right", "refused")


def default(function, argument):
    try:
        return inspect.signature(function).parameters[argument].default
    except (KeyError, ValueError):
        return inspect.Parameter.empty


def table(name):
    """(argument, odd words, outcome, words) of all calls of one function."""
    function, given = calls.given(name)
    for argument in given:
        for thing in odd(given[argument]):
            if thing.value is None and default(function, argument) is None:
                thing = thing._replace(must="any")
            yield (argument, thing.words, *judged(name, argument, thing))
    names = list(given)
    for one, other in pairwise(names):
        function, given = calls.given(name)
        given[one], given[other] = given[other], given[one]
        outcome, said = called(function, given)
        if outcome == "came":
            yield one, f"swapped with {other}", "right", ""
            continue
        kind, words = said
        clear = (
            kind in OURS
            and not INTERNAL.search(words)
            and named(one, words, [*names, "key_tokens"])
        )
        swapped = f"{kind.__name__}: {words}"
        yield one, f"swapped with {other}", "refused" if clear else "internal", swapped
    function, given = calls.given(name)
    outcome, said = called(function, given | {"unknown_one": 1})
    fine = outcome == "raised" and said[0] is TypeError and "unknown_one" in said[1]
    yield "unknown_one", "is given", "refused" if fine else "silent", str(said)


@pytest.mark.parametrize("name", calls.NAMES)
def test_says_what_is_odd(name):
    if calls.given(name) is None:
        pytest.fail(
            f"attnlib.{name} has no valid call yet: say in CALLS of tests/calls.py what is called,"
            " and each of its arguments by name. (For the ground floor, in ARGUMENTS of"
            " tests/test_twins.py.) If it stands behind another's door, in PARTS",
            pytrace=False,
        )
    wrong = [row for row in table(name) if row[2] not in GOOD]
    lines = [f"  {argument} = {odd}: {outcome}: {words}" for argument, odd, outcome, words in wrong]
    if wrong:
        pytest.fail(f"attnlib.{name} and odd input:\n" + "\n".join(lines), pytrace=False)


@pytest.mark.parametrize(
    "layer, other, words",
    [
        (SelfAttention(8, 2), SelfAttention(6, 2), "8 wide, got 6"),
        (SelfAttention(8, 2), SelfAttention(8, 4), "with 2 heads, got 4"),
        (FeedForward(8), FeedForward(6), "8 wide, got 6"),
    ],
)
def test_steps_of_another_layer_are_refused(layer, other, words):
    x = np.ones((3, other.W_q.shape[0] if hasattr(other, "W_q") else len(other.W_up)))
    name = "self_attention" if hasattr(layer, "W_q") else "feed_forward"
    backward = getattr(training, f"{name}_backward")
    backward(x, other, other.steps(x))
    with pytest.raises(ValueError, match=f"steps must be of layer, {words}"):
        backward(x, layer, other.steps(x))


# ---- the command line ----------------------------------------------------------------------------

TYPED = (
    *("", " ", "word", "nan", "inf", "-inf", "-1", "0", "2.5", "1e300", "1" + "0" * 30, "1_0"),
    *("\ud800", "None", "true", "word " * 60, "\0", "/", "٣", "\x1b[31m", "a\nb"),
)
BESIDE = {
    "--window": ["--pattern", "local"],
    "--globals": ["--pattern", "global-local"],
    **{name: ["--model", "tiny-gpt"] for name in ("--layer", "--head")},
}
OPTIONS = [f"--{name}" for name in BY_HAND if name != "random"]
OPTIONS += ["--model", "--layer", "--head", "--out", "--theme"]


@pytest.mark.parametrize("option", ["sentence", *OPTIONS])
@pytest.mark.parametrize("typed", TYPED, ids=ascii)
def test_what_is_typed_is_taken_or_refused_in_one_line(
    option, typed, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sheet, "_theme", sheet._theme)
    given = ["--", typed] if option == "sentence" else ["The cat sat", f"{option}={typed}"]
    outcome, code = called(main, {"arguments": [*BESIDE.get(option, []), *given]})
    assert outcome == "came" or code[0] is SystemExit, code
    said = capsys.readouterr().err
    if outcome == "came" and code == 0:
        assert said == ""
        return
    assert (code == 2 or code[1] == "2") and said.count("\n") == 1
    assert not INTERNAL.search(said), said
    assert option in said or (option == "--model" and repr(typed) in said), said


def count(show=()):
    """How often what came out, over all functions."""
    found = Counter()
    for name in calls.NAMES:
        for argument, words, outcome, said in table(name):
            found[outcome] += 1
            if outcome in show:
                print(f"{outcome:9s} {name}({argument} = {words}): {' '.join(said.split())[:150]}")
    functions, total = len(calls.NAMES), sum(found.values())
    print(f"{functions} functions, {total} calls:", dict(found.most_common()))


if __name__ == "__main__":
    count(sys.argv[1:])
