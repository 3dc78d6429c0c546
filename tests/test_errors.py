"""Bad input is refused before any work, by a message that names the argument and says its shape or
what was expected.
"""

import numpy as np
import pytest

from attnlib import (
    CrossAttention,
    KVCache,
    SelfAttention,
    attention_scores,
    effects,
    efficient,
    encodings,
    heads,
    layers,
    masks,
    measures,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
    training,
)
from attnlib.models.gpt import GPT

pytestmark = pytest.mark.filterwarnings("error")
NAN, INF = float("nan"), float("inf")


def ones(*shape, dtype=float):
    return np.ones(shape, dtype)


def holding(value, *shape):
    """Ones with `value` in the last cell."""
    array = ones(*shape)
    array[(-1,) * len(shape)] = value
    return array


def sdpa(q=None, k=None, v=None, **options):
    """Good arrays of the shape (3, 4) where none are given."""
    good = ones(3, 4)
    return scaled_dot_product_attention(*(good if a is None else a for a in (q, k, v)), **options)


def scores(q=None, k=None, **options):
    good = ones(3, 4)
    return attention_scores(*(good if a is None else a for a in (q, k)), **options)


def attend(x, d_model=8, n_heads=2, **options):
    return SelfAttention(d_model, n_heads)(x, **options)


def turning(x, **options):
    return SelfAttention(8, 2, rotary=encodings.Rotary())(x, **options)


def scaled(kind=None, **options):
    """Refused when the encoding is made, not when it first turns something."""
    return encodings.Rotary(scaling=options if kind is None else {"type": kind, **options})


YARN = {"type": "yarn", "factor": 2, "original_max_position_embeddings": 4}
LONG = {
    "type": "longrope",
    "factor": 2,
    "original_max_position_embeddings": 4,
    "short_factor": [1],
    "long_factor": [2],
}
WHOLE = "must be a whole number, got"
ABOVE = "must be a finite number above 0, got"

SOFTMAX = [
    (
        "one number",
        lambda: softmax(5.0),
        ValueError,
        r"x must have at least one axis, got a single number",
    ),
    (
        "NaN",
        lambda: softmax([[1, 2], [3, NAN]]),
        ValueError,
        r"x must not hold NaN or \+inf, and does at \[1, 1\]",
    ),
    (
        "+inf",
        lambda: softmax([INF, 0]),
        ValueError,
        r"x must not hold NaN or \+inf, and does at \[0\]",
    ),
    (
        "NaN that where allows",
        lambda: softmax([1, NAN], where=np.array([False, True])),
        ValueError,
        r"x must not hold NaN .* at \[1\]",
    ),
    (
        "strings",
        lambda: softmax(["a", "b"]),
        TypeError,
        r"x must hold real numbers, got an array of <U1",
    ),
    (
        "complex",
        lambda: softmax([1j]),
        TypeError,
        r"x must hold real numbers, got an array of complex128",
    ),
    (
        "objects",
        lambda: softmax(np.array([1, None])),
        TypeError,
        r"x must hold real numbers, got an array of object",
    ),
    ("None", lambda: softmax(None), TypeError, r"x must hold real numbers, got an array of object"),
    (
        "no such axis",
        lambda: softmax(ones(1, 2), axis=2),
        ValueError,
        r"axis 2 does not exist: x has the shape \(1, 2\)",
    ),
    (
        "no such negative axis",
        lambda: softmax(ones(1, 2), axis=-3),
        ValueError,
        r"axis -3 does not exist: x has the shape \(1, 2\)",
    ),
    ("axis 1.0", lambda: softmax(ones(1, 2), axis=1.0), TypeError, rf"axis {WHOLE} 1.0"),
    ("axis None", lambda: softmax(ones(1, 2), axis=None), TypeError, rf"axis {WHOLE} None"),
    (
        "where of numbers",
        lambda: softmax(ones(2), where=ones(2)),
        TypeError,
        r"where must be boolean .* got an array of float64",
    ),
    (
        "where of a wrong shape",
        lambda: softmax(ones(2), where=ones(3, dtype=bool)),
        ValueError,
        r"where has the shape \(3,\).* \(2,\)",
    ),
    (
        "where that is larger",
        lambda: softmax(ones(2), where=ones(3, 2, dtype=bool)),
        ValueError,
        r"where has the shape \(3, 2\).* \(2,\)",
    ),
]

ATTENTION = [
    (
        "NaN in q",
        lambda: sdpa(q=holding(NAN, 3, 4)),
        ValueError,
        r"q must be finite, but q\[2, 3\] is nan",
    ),
    (
        "inf in k",
        lambda: sdpa(k=holding(INF, 3, 4)),
        ValueError,
        r"k must be finite, but k\[2, 3\] is inf",
    ),
    (
        "-inf in v",
        lambda: sdpa(v=holding(-INF, 3, 4)),
        ValueError,
        r"v must be finite, but v\[2, 3\] is -inf",
    ),
    (
        "NaN in v, not seen",
        lambda: sdpa(v=holding(NAN, 3, 4), mask=masks.causal(3)),
        ValueError,
        r"v must be finite, but v\[2, 3\] is nan",
    ),
    (
        "NaN in q of scores",
        lambda: scores(q=holding(NAN, 2, 3, 4)),
        ValueError,
        r"q must be finite, but q\[1, 2, 3\] is nan",
    ),
    (
        "inf in k of scores",
        lambda: scores(k=holding(INF, 3, 4)),
        ValueError,
        r"k must be finite, but k\[2, 3\] is inf",
    ),
    (
        "1-D q",
        lambda: sdpa(q=ones(4)),
        ValueError,
        r"q must have the shape \(..., n_q, d\), got \(4,\)",
    ),
    (
        "1-D k",
        lambda: sdpa(k=ones(4)),
        ValueError,
        r"k must have the shape \(..., n_k, d\), got \(4,\)",
    ),
    (
        "1-D v",
        lambda: sdpa(v=ones(3)),
        ValueError,
        r"v must have the shape \(..., n_k, d_v\), got \(3,\)",
    ),
    (
        "a number for q",
        lambda: scores(q=3.0),
        ValueError,
        r"q must have the shape \(..., n_q, d\), got \(\)",
    ),
    (
        "1-D k of scores",
        lambda: scores(k=ones(4)),
        ValueError,
        r"k must have the shape \(..., n_k, d\), got \(4,\)",
    ),
    (
        "d of q and k",
        lambda: sdpa(q=ones(3, 5)),
        ValueError,
        r"q and k .*last axis d, got q \(3, 5\), k \(3, 4\), v \(3, 4\)",
    ),
    (
        "d of scores",
        lambda: scores(k=ones(3, 2)),
        ValueError,
        r"q and k .*last axis d, got q \(3, 4\), k \(3, 2\)",
    ),
    (
        "n_k of k and v",
        lambda: sdpa(v=ones(2, 4)),
        ValueError,
        r"k and v must agree .*got q \(3, 4\), k \(3, 4\), v \(2, 4\)",
    ),
    (
        "heads of k and v",
        lambda: sdpa(*(ones(h, 3, 4) for h in (4, 4, 2))),
        ValueError,
        r"k and v must .*k \(4, 3, 4\), v \(2, 3, 4\)",
    ),
    (
        "3 heads for 2",
        lambda: sdpa(*(ones(h, 3, 4) for h in (3, 2, 2))),
        ValueError,
        r"heads of q .*q \(3, 3, 4\), k \(2, 3, 4\)",
    ),
    (
        "2 heads for 4",
        lambda: scores(ones(2, 3, 4), ones(4, 3, 4)),
        ValueError,
        r"heads of q .*q \(2, 3, 4\), k \(4, 3, 4\)",
    ),
    (
        "batches 2 and 3",
        lambda: scores(ones(2, 1, 3, 4), ones(3, 1, 3, 4)),
        ValueError,
        r"leading axes of q and k .*k \(3, 1, 3, 4\)",
    ),
    (
        "no queries",
        lambda: sdpa(q=ones(0, 4)),
        ValueError,
        r"q and k need at least one token.*q \(0, 4\)",
    ),
    (
        "no keys",
        lambda: sdpa(k=ones(0, 4), v=ones(0, 4)),
        ValueError,
        r"q and k need at least one token.*k \(0, 4\), v \(0, 4\)",
    ),
    (
        "no dimensions",
        lambda: scores(ones(3, 0), ones(3, 0)),
        ValueError,
        r"q and k need .*one dimension, got q \(3, 0\)",
    ),
    (
        "no sentences",
        lambda: scores(ones(0, 3, 4), ones(0, 3, 4)),
        ValueError,
        r"q and k need .*got q \(0, 3, 4\)",
    ),
    (
        "an empty list",
        lambda: sdpa(q=[]),
        ValueError,
        r"q must have the shape \(..., n_q, d\), got \(0,\)",
    ),
    (
        "complex q",
        lambda: sdpa(q=ones(3, 4) * 1j),
        TypeError,
        r"q must hold real numbers, got an array of complex128",
    ),
    (
        "strings for k",
        lambda: sdpa(k=[["a", "b"]]),
        TypeError,
        r"k must hold real numbers, got an array of <U1",
    ),
    (
        "None for k",
        lambda: scaled_dot_product_attention(ones(3, 4), None, ones(3, 4)),
        TypeError,
        r"k must hold .* array of object",
    ),
    (
        "dates for q",
        lambda: scores(q=np.array([["2020-01-01"]], "M8")),
        TypeError,
        r"q must hold real numbers, got an array of datetime64",
    ),
    (
        "mask of floats",
        lambda: sdpa(mask=ones(3, 3)),
        TypeError,
        r"mask must be boolean \(True = may attend\), got .* float64.*bias=",
    ),
    (
        "mask of 0 and 1",
        lambda: scores(mask=ones(3, 3, dtype=int)),
        TypeError,
        r"mask must be boolean .*got an array of int64",
    ),
    (
        "a number for mask",
        lambda: sdpa(mask=1),
        TypeError,
        r"mask must be boolean .*got an array of int",
    ),
    (
        "mask of -inf",
        lambda: sdpa(mask=np.full((3, 3), -INF)),
        TypeError,
        r"mask must be boolean .*additive numbers go in bias=",
    ),
    (
        "mask of a wrong shape",
        lambda: sdpa(mask=masks.causal(4)),
        ValueError,
        r"mask has the shape \(4, 4\).*weights' shape \(3, 3\)",
    ),
    (
        "mask with an axis too many",
        lambda: sdpa(mask=ones(2, 3, 3, dtype=bool)),
        ValueError,
        r"mask has the shape \(2, 3, 3\).* \(3, 3\)",
    ),
    (
        "mask per batch, not per head",
        lambda: scores(ones(2, 4, 3, 5), ones(2, 4, 3, 5), mask=ones(2, 3, 3, dtype=bool)),
        ValueError,
        r"mask has the shape \(2, 3, 3\).* \(2, 4, 3, 3\)",
    ),
    (
        "mask the wrong way round",
        lambda: scores(ones(2, 4), ones(3, 4), mask=masks.full(3, 2)),
        ValueError,
        r"mask .*\(3, 2\).* \(2, 3\)",
    ),
    (
        "bias of a wrong shape",
        lambda: sdpa(bias=ones(2, 2)),
        ValueError,
        r"bias has the shape \(2, 2\).*weights' shape \(3, 3\)",
    ),
    (
        "bias with an axis too many",
        lambda: scores(bias=ones(1, 3, 3)),
        ValueError,
        r"bias has the shape \(1, 3, 3\).* \(3, 3\)",
    ),
    (
        "bias of strings",
        lambda: sdpa(bias="x"),
        TypeError,
        r"bias must hold real numbers, got an array of <U1",
    ),
    ("scale 0", lambda: sdpa(scale=0), ValueError, rf"scale {ABOVE} 0"),
    ("scale NaN", lambda: sdpa(scale=NAN), ValueError, rf"scale {ABOVE} nan"),
    ("scale inf", lambda: scores(scale=INF), ValueError, rf"scale {ABOVE} inf"),
    ("scale below 0", lambda: scores(scale=-0.5), ValueError, rf"scale {ABOVE} -0.5"),
    ("scale in quotes", lambda: sdpa(scale="0.5"), TypeError, r"scale must be a number, got '0.5'"),
    ("scale of a word", lambda: sdpa(scale="big"), TypeError, r"scale must be a number, got 'big'"),
    (
        "scale per head",
        lambda: sdpa(scale=ones(2)),
        TypeError,
        r"scale must be a number, got array",
    ),
    ("softcap 0", lambda: sdpa(softcap=0), ValueError, rf"softcap {ABOVE} 0"),
    ("softcap below 0", lambda: sdpa(softcap=-30), ValueError, rf"softcap {ABOVE} -30"),
    ("softcap NaN", lambda: scores(softcap=NAN), ValueError, rf"softcap {ABOVE} nan"),
    (
        "softcap of a word",
        lambda: scores(softcap="x"),
        TypeError,
        r"softcap must be a number, got 'x'",
    ),
    (
        "sinks without heads",
        lambda: sdpa(sinks=[0.0]),
        ValueError,
        r"sinks must have one number per head, got \(1,\) .*\(3, 3\)",
    ),
    (
        "too few sinks",
        lambda: sdpa(*[ones(4, 3, 2)] * 3, sinks=[0.0] * 3),
        ValueError,
        r"sinks must have one .* \(3,\) .*\(4, 3, 3\)",
    ),
    (
        "sinks of two axes",
        lambda: sdpa(*[ones(4, 3, 2)] * 3, sinks=ones(4, 1)),
        ValueError,
        r"sinks must have one .* got \(4, 1\)",
    ),
    (
        "a number for sinks",
        lambda: sdpa(*[ones(4, 3, 2)] * 3, sinks=0.0),
        ValueError,
        r"sinks must have the shape \(..., h\), got \(\)",
    ),
    (
        "NaN in sinks",
        lambda: sdpa(*[ones(2, 3, 2)] * 3, sinks=[0, NAN]),
        ValueError,
        r"sinks must be finite, but sinks\[1\] is nan",
    ),
    (
        "-inf in sinks",
        lambda: sdpa(*[ones(2, 3, 2)] * 3, sinks=[-INF, 0]),
        ValueError,
        r"sinks must be finite, but sinks\[0\] is -inf",
    ),
]

LAYER = [
    (
        "split into 0 heads",
        lambda: split_heads(ones(3, 8), 0),
        ValueError,
        r"n_heads must be at least 1, got 0",
    ),
    (
        "split into 3 of 8",
        lambda: split_heads(ones(2, 3, 8), 3),
        ValueError,
        r"x must .*divisible by n_heads=3, got \(2, 3, 8\)",
    ),
    ("split into 2.0", lambda: split_heads(ones(3, 8), 2.0), TypeError, rf"n_heads {WHOLE} 2.0"),
    ("split into True", lambda: split_heads(ones(3, 8), True), TypeError, rf"n_heads {WHOLE} True"),
    (
        "split one axis",
        lambda: split_heads(ones(8), 2),
        ValueError,
        r"x must have the shape \(..., n, d\) .*got \(8,\)",
    ),
    (
        "merge two axes",
        lambda: merge_heads(ones(3, 8)),
        ValueError,
        r"x must have the shape \(..., h, n, d_head\), got \(3, 8\)",
    ),
    ("0 heads", lambda: SelfAttention(8, 0), ValueError, r"n_heads must be at least 1, got 0"),
    ("-2 heads", lambda: SelfAttention(8, -2), ValueError, r"n_heads must be at least 1, got -2"),
    ("heads in quotes", lambda: SelfAttention(8, "2"), TypeError, rf"n_heads {WHOLE} '2'"),
    (
        "3 heads of 8",
        lambda: SelfAttention(8, 3),
        ValueError,
        r"d_model=8 must be divisible by n_heads=3",
    ),
    ("d_model 0", lambda: SelfAttention(0, 1), ValueError, r"d_model must be at least 1, got 0"),
    ("d_model 8.0", lambda: SelfAttention(8.0, 2), TypeError, rf"d_model {WHOLE} 8.0"),
    (
        "3 kv heads for 4",
        lambda: SelfAttention(8, 4, n_kv_heads=3),
        ValueError,
        r"n_heads=4 must be divisible by n_kv_heads=3",
    ),
    (
        "more kv heads than heads",
        lambda: SelfAttention(8, 2, n_kv_heads=4),
        ValueError,
        r"n_heads=2 must be divisible by n_kv_heads=4",
    ),
    (
        "0 kv heads",
        lambda: SelfAttention(8, 2, n_kv_heads=0),
        ValueError,
        r"n_kv_heads must be at least 1, got 0",
    ),
    (
        "d_head 0",
        lambda: SelfAttention(8, 2, d_head=0),
        ValueError,
        r"d_head must be at least 1, got 0",
    ),
    ("d_head 2.5", lambda: SelfAttention(8, 2, d_head=2.5), TypeError, rf"d_head {WHOLE} 2.5"),
    (
        "x of a wrong width",
        lambda: attend(ones(3, 7)),
        ValueError,
        r"x must have the shape \(..., n, d_model=8\), got \(3, 7\)",
    ),
    (
        "1-D x",
        lambda: attend(ones(8)),
        ValueError,
        r"x must have the shape \(..., n, d_model\), got \(8,\)",
    ),
    (
        "x of strings",
        lambda: attend([["a"] * 8]),
        TypeError,
        r"x must hold real numbers, got an array of <U1",
    ),
    (
        "mask of a wrong size",
        lambda: attend(ones(3, 8), mask=masks.causal(4)),
        ValueError,
        r"mask has the shape \(4, 4\).* \(2, 3, 3\)",
    ),
    (
        "mask of numbers",
        lambda: attend(ones(3, 8), mask=ones(3, 3)),
        TypeError,
        r"mask must be boolean .*got an array of float64",
    ),
    (
        "bias of a wrong size",
        lambda: attend(ones(3, 8), bias=ones(3, 3, 3)),
        ValueError,
        r"bias has the shape \(3, 3, 3\).* \(2, 3, 3\)",
    ),
]

SQUARE = {
    "full": lambda n: masks.full(n),
    "causal": lambda n: masks.causal(n),
    "local": lambda n: masks.local(n, window=2),
    "dilated": lambda n: masks.dilated(n, window=2, dilation=2),
    "strided": lambda n: masks.strided(n, stride=2),
    "random_keys": lambda n: masks.random_keys(n, n_random=1),
}
SIZES = [
    (f"{name}({size!r})", lambda make=make, size=size: make(size), error, message)
    for name, make in SQUARE.items()
    for size, error, message in [
        (0, ValueError, r"n_q must be at least 1, got 0"),
        (-1, ValueError, r"n_q must be at least 1, got -1"),
        (3.0, TypeError, rf"n_q {WHOLE} 3.0"),
        ("3", TypeError, rf"n_q {WHOLE} '3'"),
        (True, TypeError, rf"n_q {WHOLE} True"),
        (None, TypeError, rf"n_q {WHOLE} None"),
        ((3, 3), TypeError, rf"n_q {WHOLE} \(3, 3\)"),
    ]
]
FLAT = {
    "prefix": lambda n: masks.prefix(n, n_prefix=1),
    "global_tokens": lambda n: masks.global_tokens(n, n_global=1),
    "global_local": lambda n: masks.global_local(n, window=2, n_global=1),
}
SIZES += [
    (f"{name}({size!r})", lambda make=make, size=size: make(size), error, message)
    for name, make in FLAT.items()
    for size, error, message in [
        (0, ValueError, r"n(_q)? must be at least 1, got 0"),
        (3.0, TypeError, rf"n(_q)? {WHOLE} 3.0"),
    ]
]

MASKS = [
    ("n_k 0", lambda: masks.full(2, 0), ValueError, r"n_k must be at least 1, got 0"),
    ("n_k 2.0", lambda: masks.causal(2, 2.0), TypeError, rf"n_k {WHOLE} 2.0"),
    ("offset 0.5", lambda: masks.causal(2, offset=0.5), TypeError, rf"offset {WHOLE} 0.5"),
    (
        "offset True",
        lambda: masks.local(2, window=1, offset=True),
        TypeError,
        rf"offset {WHOLE} True",
    ),
    ("window 0", lambda: masks.local(3, window=0), ValueError, r"window must be at least 1, got 0"),
    (
        "window -1",
        lambda: masks.local(3, window=-1),
        ValueError,
        r"window must be at least 1, got -1",
    ),
    ("window 2.5", lambda: masks.local(3, window=2.5), TypeError, rf"window {WHOLE} 2.5"),
    ("window NaN", lambda: masks.local(3, window=NAN), TypeError, rf"window {WHOLE} nan"),
    (
        "window of an array",
        lambda: masks.local(3, window=ones(2)),
        TypeError,
        rf"window {WHOLE} array",
    ),
    (
        "window 0, dilated",
        lambda: masks.dilated(3, window=0, dilation=1),
        ValueError,
        r"window must be at least 1, got 0",
    ),
    (
        "dilation 0",
        lambda: masks.dilated(3, window=1, dilation=0),
        ValueError,
        r"dilation must be at least 1, got 0",
    ),
    (
        "dilation 1.0",
        lambda: masks.dilated(3, window=1, dilation=1.0),
        TypeError,
        rf"dilation {WHOLE} 1.0",
    ),
    (
        "stride 0",
        lambda: masks.strided(3, stride=0),
        ValueError,
        r"stride must be at least 1, got 0",
    ),
    ("stride in quotes", lambda: masks.strided(3, stride="2"), TypeError, rf"stride {WHOLE} '2'"),
    (
        "n_prefix -1",
        lambda: masks.prefix(3, n_prefix=-1),
        ValueError,
        r"n_prefix must be at least 0, got -1",
    ),
    ("n_prefix 1.5", lambda: masks.prefix(3, n_prefix=1.5), TypeError, rf"n_prefix {WHOLE} 1.5"),
    (
        "n_global -1",
        lambda: masks.global_tokens(3, n_global=-1),
        ValueError,
        r"n_global must be at least 0, got -1",
    ),
    (
        "n_global None",
        lambda: masks.global_tokens(3, n_global=None),
        TypeError,
        rf"n_global {WHOLE} None",
    ),
    (
        "window 0, global",
        lambda: masks.global_local(3, window=0, n_global=1),
        ValueError,
        r"window must be at least 1, got 0",
    ),
    (
        "n_global -1, local",
        lambda: masks.global_local(3, window=1, n_global=-1),
        ValueError,
        r"n_global must be at least 0, got -1",
    ),
    (
        "too many random keys",
        lambda: masks.random_keys(3, n_random=4),
        ValueError,
        r"n_random must be at most 3, got 4",
    ),
    (
        "n_random -1",
        lambda: masks.random_keys(3, n_random=-1),
        ValueError,
        r"n_random must be at least 0, got -1",
    ),
    (
        "n_random 1.5",
        lambda: masks.random_keys(3, n_random=1.5),
        TypeError,
        rf"n_random {WHOLE} 1.5",
    ),
    (
        "length too long",
        lambda: masks.padding(5, 4),
        ValueError,
        r"lengths must be whole numbers from 0 to n_k=4, .*got 5",
    ),
    (
        "length below 0",
        lambda: masks.padding([2, -1], 4),
        ValueError,
        r"lengths must be whole numbers from 0 to n_k=4, .*got \[2, -1\]",
    ),
    (
        "length 2.0",
        lambda: masks.padding(2.0, 4),
        ValueError,
        r"lengths must be whole numbers from 0 to n_k=4, .*got 2.0",
    ),
    (
        "length in quotes",
        lambda: masks.padding("2", 4),
        ValueError,
        r"lengths must be whole numbers from 0 to n_k=4, .*got 2",
    ),
    (
        "length True",
        lambda: masks.padding(True, 4),
        ValueError,
        r"lengths must be whole numbers from 0 to n_k=4, .*got True",
    ),
    ("padding n_k 0", lambda: masks.padding(0, 0), ValueError, r"n_k must be at least 1, got 0"),
    (
        "a number for ids",
        lambda: masks.documents(3),
        ValueError,
        r"ids must be .* of the shape \(n,\) or \(b, n\), got int64 \(\)",
    ),
    (
        "ids of three axes",
        lambda: masks.documents(ones(1, 2, 3, dtype=int)),
        ValueError,
        r"ids must .*\(b, n\), got int64 \(1, 2, 3\)",
    ),
    (
        "ids of floats",
        lambda: masks.documents([0.0, 1.0]),
        ValueError,
        r"ids must be whole numbers .*got float64 \(2,\)",
    ),
    (
        "ids of words",
        lambda: masks.documents(["a", "b"]),
        ValueError,
        r"ids must be whole numbers .*got <U1 \(2,\)",
    ),
    (
        "density of numbers",
        lambda: masks.density(ones(3, 3)),
        TypeError,
        r"mask must be boolean .*got an array of float64",
    ),
    (
        "empty_rows of numbers",
        lambda: masks.empty_rows(ones(3, 3)),
        TypeError,
        r"mask must be boolean .*got an array of float64",
    ),
    (
        "influence of one token",
        lambda: masks.influence(abs, ones(4)),
        ValueError,
        r"x must have the shape \(..., n, d\), got \(4,\)",
    ),
    (
        "influence of a batch",
        lambda: masks.influence(abs, ones(2, 3, 4)),
        ValueError,
        r"x must have the shape \(n, d\), got \(2, 3, 4\)",
    ),
    (
        "influence of NaN",
        lambda: masks.influence(abs, holding(NAN, 3, 4)),
        ValueError,
        r"x must be finite, but x\[2, 3\] is nan",
    ),
    (
        "influence of words",
        lambda: masks.influence(abs, [["a"]]),
        TypeError,
        r"x must hold real numbers, got an array of <U1",
    ),
]

ENCODINGS = [
    ("odd d", lambda: encodings.frequencies(5), ValueError, r"d must be even.*got 5"),
    (
        "base 0",
        lambda: encodings.frequencies(4, 0),
        ValueError,
        r"base must be a finite number above 0",
    ),
    ("n 0", lambda: encodings.sinusoidal(0, 4), ValueError, r"n must be at least 1, got 0"),
    ("n 2.0", lambda: encodings.sinusoidal(2.0, 4), TypeError, rf"n {WHOLE} 2.0"),
    ("d_model odd", lambda: encodings.sinusoidal(3, 5), ValueError, r"d_model must be even.*got 5"),
    (
        "d_model 0",
        lambda: encodings.sinusoidal(3, 0),
        ValueError,
        r"d_model must be at least 2, got 0",
    ),
    ("d_model in quotes", lambda: encodings.sinusoidal(3, "4"), TypeError, rf"d_model {WHOLE} '4'"),
    ("base 0", lambda: encodings.sinusoidal(3, 4, base=0), ValueError, rf"base {ABOVE} 0"),
    (
        "base below 0",
        lambda: encodings.sinusoidal(3, 4, base=-10),
        ValueError,
        rf"base {ABOVE} -10",
    ),
    ("base NaN", lambda: encodings.sinusoidal(3, 4, base=NAN), ValueError, rf"base {ABOVE} nan"),
    (
        "base of a word",
        lambda: encodings.sinusoidal(3, 4, base="big"),
        TypeError,
        r"base must be a number, got 'big'",
    ),
    (
        "layout",
        lambda: encodings.sinusoidal(3, 4, layout="split"),
        ValueError,
        r"layout must be one of 'interleaved', 'half', got 'split'",
    ),
    (
        "layout None",
        lambda: encodings.sinusoidal(3, 4, layout=None),
        ValueError,
        r"layout must be one of 'interleaved', 'half', got None",
    ),
    ("n_max 0", lambda: encodings.Learned(0, 4), ValueError, r"n_max must be at least 1, got 0"),
    ("n_max 2.5", lambda: encodings.Learned(2.5, 4), TypeError, rf"n_max {WHOLE} 2.5"),
    ("width 0", lambda: encodings.Learned(4, 0), ValueError, r"d_model must be at least 1, got 0"),
    ("past the end", lambda: encodings.Learned(4, 2)(5), ValueError, r".*4 rows.*5 tokens"),
    ("learned n 0", lambda: encodings.Learned(4, 2)(0), ValueError, r"n must be at least 1, got 0"),
    ("learned n 1.0", lambda: encodings.Learned(4, 2)(1.0), TypeError, rf"n {WHOLE} 1.0"),
]

ROTARY = [
    (
        "d_head odd",
        lambda: encodings.rotary_angles([0, 1], 3),
        ValueError,
        r"d_head must be even.*got 3",
    ),
    ("d_head 4.0", lambda: encodings.rotary_angles([0, 1], 4.0), TypeError, rf"d_head {WHOLE} 4.0"),
    ("base 0", lambda: encodings.rotary_angles([0, 1], 4, base=0), ValueError, rf"base {ABOVE} 0"),
    (
        "position NaN",
        lambda: encodings.rotary_angles([0, NAN], 4),
        ValueError,
        r"positions must be finite, but positions\[1\] is nan",
    ),
    (
        "positions of words",
        lambda: encodings.rotary_angles(["a"], 4),
        TypeError,
        r"positions must hold real numbers",
    ),
    (
        "odd x",
        lambda: encodings.rotate(ones(3, 5), ones(3, 2), layout="half"),
        ValueError,
        r"x must have an even d_head.*got \(3, 5\)",
    ),
    (
        "angles for other pairs",
        lambda: encodings.rotate(ones(3, 4), ones(3, 4), layout="half"),
        ValueError,
        r"angles has the shape \(3, 4\), which does not fit the pairs' shape \(3, 2\)",
    ),
    (
        "angles for other tokens",
        lambda: encodings.rotate(ones(3, 4), ones(2, 2), layout="half"),
        ValueError,
        r"angles has the shape \(2, 2\)",
    ),
    (
        "layout",
        lambda: encodings.rotate(ones(3, 4), ones(3, 2), layout="llama"),
        ValueError,
        r"layout must be one of 'half', 'interleaved'",
    ),
    (
        "layout of Rotary",
        lambda: encodings.Rotary(layout="gptj"),
        ValueError,
        r"layout must be one of 'half', 'interleaved', got 'gptj'",
    ),
    ("base of Rotary", lambda: encodings.Rotary(base=0), ValueError, rf"base {ABOVE} 0"),
    ("no part of Rotary", lambda: encodings.Rotary(partial=0), ValueError, rf"partial {ABOVE} 0"),
    (
        "more than all of Rotary",
        lambda: encodings.Rotary(partial=1.5),
        ValueError,
        r"partial must be at most 1, all columns of a head, got 1.5",
    ),
    (
        "an odd part of Rotary",
        lambda: encodings.Rotary(partial=0.4)(ones(3, 8)),
        ValueError,
        r"partial must turn an even number of columns, at least 2: 0.4 of d_head=8 is 3",
    ),
    (
        "too small a part of Rotary",
        lambda: SelfAttention(8, 2, rotary=encodings.Rotary(partial=0.1))(ones(3, 8)),
        ValueError,
        r"partial must turn an even number of columns, at least 2: 0.1 of d_head=4 is 0",
    ),
    (
        "no layout",
        lambda: encodings.rotate(ones(3, 4), ones(3, 2)),
        TypeError,
        r".*missing .* 'layout'",
    ),
    (
        "a layer with True",
        lambda: SelfAttention(8, 2, rotary=True),
        TypeError,
        r"rotary must be .*Rotary\(\), got True",
    ),
    (
        "a layer with a dict",
        lambda: SelfAttention(8, 2, rotary={"base": 9}),
        TypeError,
        r"rotary must be an encodings.Rotary.*{'base': 9}",
    ),
    (
        "a layer with odd heads",
        lambda: SelfAttention(6, 2, rotary=encodings.Rotary()),
        ValueError,
        r"d_head must be even.*got 3",
    ),
    (
        "positions for no rotary",
        lambda: attend(ones(3, 8), positions=[0, 1, 2]),
        ValueError,
        r"positions are for a rotary encoding, and this layer has none",
    ),
    (
        "too few positions",
        lambda: turning(ones(3, 8), positions=[0, 1]),
        ValueError,
        r"positions must have the shape \(3,\), got \(2,\)",
    ),
    (
        "one position",
        lambda: turning(ones(3, 8), positions=7),
        ValueError,
        r"positions must have the shape \(..., n\), got \(\)",
    ),
    (
        "positions of a batch",
        lambda: turning(ones(2, 3, 8), positions=ones(3, 3)),
        ValueError,
        r"positions must have the shape \(2, 3\), got \(3, 3\)",
    ),
    (
        "positions that are words",
        lambda: turning(ones(2, 8), positions=["a", "b"]),
        TypeError,
        r"positions must hold real numbers",
    ),
    (
        "positions for a block",
        lambda: layers.EncoderBlock(8, 2)(ones(3, 8), positions=[0, 1, 2]),
        ValueError,
        r"positions are for",
    ),
    (
        "a scaling in words",
        lambda: encodings.Rotary(scaling="yarn"),
        TypeError,
        r"scaling must be a dict, as .*, got 'yarn'",
    ),
    (
        "no type",
        lambda: scaled(factor=2),
        ValueError,
        r"scaling must have one 'type' \(or 'rope_type'\), got {'factor': 2}",
    ),
    (
        "two types",
        lambda: scaled("linear", rope_type="yarn", factor=2),
        ValueError,
        r"scaling must have one 'type'",
    ),
    (
        "unknown type",
        lambda: scaled("ntk", factor=2),
        ValueError,
        r"scaling type must be one of 'default', .*, got 'ntk'",
    ),
    (
        "unknown option",
        lambda: scaled("linear", factor=2, beta_fast=3),
        ValueError,
        r"scaling 'linear' has no option 'beta_fast'; it knows 'factor'$",
    ),
    (
        "option of default",
        lambda: scaled("default", rope_theta=5e5),
        ValueError,
        r"scaling 'default' has no option 'rope_theta'; it knows none",
    ),
    (
        "missing option",
        lambda: scaled("dynamic", factor=2),
        ValueError,
        r"scaling 'dynamic' needs the option 'original_max_position_embeddings'",
    ),
    (
        "missing factor",
        lambda: scaled(
            "longrope", short_factor=[1], long_factor=[2], original_max_position_embeddings=9
        ),
        ValueError,
        r"scaling 'longrope' needs the option 'factor'",
    ),
    (
        "an option that is None",
        lambda: scaled("linear", factor=None),
        ValueError,
        r"scaling 'linear' needs the option 'factor'",
    ),
    ("factor 0", lambda: scaled("linear", factor=0), ValueError, rf"factor {ABOVE} 0"),
    (
        "factor in words",
        lambda: scaled("linear", factor="8"),
        TypeError,
        r"factor must be a number, got '8'",
    ),
    (
        "a length in halves",
        lambda: scaled("dynamic", factor=2, original_max_position_embeddings=4.5),
        TypeError,
        rf"original_max_position_embeddings {WHOLE} 4.5",
    ),
    (
        "truncate 1",
        lambda: scaled("yarn", factor=2, original_max_position_embeddings=4, truncate=1),
        TypeError,
        r"truncate must be True or False, got 1",
    ),
    (
        "betas the wrong way",
        lambda: scaled(
            "yarn", factor=2, original_max_position_embeddings=4, beta_fast=1, beta_slow=32
        ),
        ValueError,
        r"beta_slow must be below beta_fast, got 32.0 and 1.0",
    ),
    (
        "beta_slow above the default",
        lambda: scaled("yarn", factor=2, original_max_position_embeddings=4, beta_slow=40),
        ValueError,
        r"beta_slow must be below beta_fast, got 40.0 and 32",
    ),
    (
        "one mscale",
        lambda: scaled("yarn", factor=2, original_max_position_embeddings=4, mscale=1),
        ValueError,
        r"mscale and mscale_all_dim must be given together",
    ),
    (
        "llama3 the wrong way",
        lambda: scaled(
            "llama3",
            factor=2,
            original_max_position_embeddings=4,
            low_freq_factor=4,
            high_freq_factor=4,
        ),
        ValueError,
        r"low_freq_factor must be below high_freq_factor, got 4.0 and 4.0",
    ),
    (
        "factors for other pairs",
        lambda: encodings.rotary_angles([1], 8, scaling=LONG | {"long_factor": [1, 2, 3]}),
        ValueError,
        r"short_factor and long_factor must hold 4 numbers, one per pair of a head, got 1",
    ),
    (
        "a factor 0",
        lambda: encodings.Rotary(scaling=LONG | {"short_factor": [0]}),
        ValueError,
        r"short_factor must be a list of numbers above 0",
    ),
    (
        "yarn of base 1",
        lambda: encodings.rotary_angles([1], 8, base=1, scaling=YARN),
        ValueError,
        r"base must be above 1 for yarn",
    ),
]

RELATIVE = [
    (
        "no heads",
        lambda: encodings.alibi_slopes(0),
        ValueError,
        r"n_heads must be at least 1, got 0",
    ),
    ("heads 2.0", lambda: encodings.alibi(2.0, 3), TypeError, rf"n_heads {WHOLE} 2.0"),
    ("n_q 0", lambda: encodings.alibi(2, 0), ValueError, r"n_q must be at least 1, got 0"),
    ("n_k in words", lambda: encodings.alibi(2, 3, "3"), TypeError, rf"n_k {WHOLE} '3'"),
    (
        "distance in halves",
        lambda: encodings.t5_bucket(1.5, bidirectional=True),
        TypeError,
        r"distance must hold whole numbers.*float64",
    ),
    (
        "bidirectional 1",
        lambda: encodings.t5_bucket(1, bidirectional=1),
        TypeError,
        r"bidirectional must be True or False, got 1",
    ),
    (
        "no bidirectional",
        lambda: encodings.t5_bucket(1),
        TypeError,
        r".*missing .* 'bidirectional'",
    ),
    (
        "3 buckets for two sides",
        lambda: encodings.t5_bucket(1, bidirectional=True, n_buckets=3),
        ValueError,
        r"n_buckets must be at least 4, got 3",
    ),
    (
        "1 bucket",
        lambda: encodings.T5Bias(2, bidirectional=False, n_buckets=1),
        ValueError,
        r"n_buckets must be at least 2, got 1",
    ),
    (
        "max_distance inside the exact half",
        lambda: encodings.t5_bucket(1, bidirectional=False, max_distance=16),
        ValueError,
        r"max_distance must be at least 17, got 16",
    ),
    (
        "table of one head",
        lambda: encodings.t5_bias(ones(8), 3, bidirectional=True),
        ValueError,
        r"table must have the shape \(..., n_buckets, h\), got \(8,\)",
    ),
    (
        "tables",
        lambda: encodings.t5_bias(ones(2, 8, 2), 3, bidirectional=True),
        ValueError,
        r"table must have the shape \(n_buckets, h\), got \(2, 8, 2\)",
    ),
    (
        "t5 without heads",
        lambda: encodings.T5Bias(0, bidirectional=False),
        ValueError,
        r"n_heads must be at least 1, got 0",
    ),
    (
        "t5 n_q 0",
        lambda: encodings.T5Bias(2, bidirectional=False)(0),
        ValueError,
        r"n_q must be at least 1, got 0",
    ),
]

LAYERS = [
    (
        "layer_norm of a number",
        lambda: layers.layer_norm(3.0),
        ValueError,
        r"x must have the shape \(..., d\), got \(\)",
    ),
    (
        "layer_norm of nothing",
        lambda: layers.layer_norm(ones(2, 0)),
        ValueError,
        r"x must have at least one number in a row, got \(2, 0\)",
    ),
    (
        "rms_norm of words",
        lambda: layers.rms_norm(["a"]),
        TypeError,
        r"x must hold real numbers, got an array of <U1",
    ),
    ("eps 0", lambda: layers.layer_norm(ones(2, 3), eps=0), ValueError, rf"eps {ABOVE} 0"),
    ("eps below 0", lambda: layers.rms_norm(ones(2, 3), eps=-1), ValueError, rf"eps {ABOVE} -1"),
    (
        "gain too long",
        lambda: layers.layer_norm(ones(2, 3), ones(4)),
        ValueError,
        r"gain has the shape \(4,\), .* x's shape \(2, 3\)",
    ),
    (
        "bias too long",
        lambda: layers.layer_norm(ones(2, 3), None, ones(4)),
        ValueError,
        r"bias has the shape \(4,\), .* x's shape \(2, 3\)",
    ),
    (
        "gain of rms too long",
        lambda: layers.rms_norm(ones(2, 3), ones(2, 2, 3)),
        ValueError,
        r"gain has the shape \(2, 2, 3\)",
    ),
    (
        "approximate",
        lambda: layers.gelu(1.0, approximate="erf"),
        ValueError,
        r"approximate must be one of 'none', 'tanh', got 'erf'",
    ),
    ("gelu of words", lambda: layers.gelu(["a"]), TypeError, r"x must hold real numbers"),
    ("silu of words", lambda: layers.silu(["a"]), TypeError, r"x must hold real numbers"),
    ("relu of words", lambda: layers.relu(["a"]), TypeError, r"x must hold real numbers"),
    ("LayerNorm(0)", lambda: layers.LayerNorm(0), ValueError, r"d_model must be at least 1, got 0"),
    ("RMSNorm(2.0)", lambda: layers.RMSNorm(2.0), TypeError, rf"d_model {WHOLE} 2.0"),
    (
        "FeedForward(0)",
        lambda: layers.FeedForward(0),
        ValueError,
        r"d_model must be at least 1, got 0",
    ),
    (
        "d_hidden 0",
        lambda: layers.FeedForward(4, 0),
        ValueError,
        r"d_hidden must be at least 1, got 0",
    ),
    (
        "activation",
        lambda: layers.FeedForward(4, activation="swish"),
        ValueError,
        r"activation must be one of 'relu', .* got 'swish'",
    ),
    ("rng=0", lambda: layers.FeedForward(4, rng=0), TypeError, r"rng must be a numpy Generator"),
    (
        "FFN, x of a wrong width",
        lambda: layers.FeedForward(4)(ones(2, 3)),
        ValueError,
        r"x must have .*d_model=4\), got \(2, 3\)",
    ),
    (
        "FFN, NaN",
        lambda: layers.FeedForward(4)(holding(NAN, 2, 4)),
        ValueError,
        r"x must be finite, but x\[1, 3\] is nan",
    ),
    (
        "norm",
        lambda: layers.EncoderBlock(4, 2, norm="before"),
        ValueError,
        r"norm must be one of 'pre', 'post', got 'before'",
    ),
    (
        "norm_type",
        lambda: layers.EncoderBlock(4, 2, norm_type="batch"),
        ValueError,
        r"norm_type must be one of 'layer', 'rms', got 'batch'",
    ),
    (
        "heads",
        lambda: layers.DecoderBlock(4, 3),
        ValueError,
        r"d_model=4 must be divisible by n_heads=3",
    ),
    (
        "d_hidden -1",
        lambda: layers.DecoderBlock(4, 2, d_hidden=-1),
        ValueError,
        r"d_hidden must be at least 1, got -1",
    ),
    (
        "block, x of a wrong width",
        lambda: layers.EncoderBlock(4, 2)(ones(3, 5)),
        ValueError,
        r"x must have .*d_model=4\), got \(3, 5\)",
    ),
    (
        "block, one token",
        lambda: layers.EncoderBlock(4, 2)(ones(4)),
        ValueError,
        r"x must have the shape \(..., n, d_model\), got \(4,\)",
    ),
    (
        "block, inf",
        lambda: layers.DecoderBlock(4, 2)(holding(INF, 2, 4)),
        ValueError,
        r"x must be finite, but x\[1, 3\] is inf",
    ),
    (
        "block, mask of numbers",
        lambda: layers.EncoderBlock(4, 2)(ones(3, 4), mask=ones(3, 3)),
        TypeError,
        r"mask must be boolean",
    ),
    (
        "decoder, mask of numbers",
        lambda: layers.DecoderBlock(4, 2)(ones(3, 4), mask=ones(3, 3)),
        TypeError,
        r"mask must be boolean",
    ),
    (
        "decoder, mask of a wrong size",
        lambda: layers.DecoderBlock(4, 2)(ones(3, 4), mask=masks.full(2)),
        ValueError,
        r"mask has the shape",
    ),
]


def gpt(**options):
    return GPT(5, 4, 1, 2, n_max=6, **options)


MODELS = [
    (
        "id too big",
        lambda: gpt().logits([0, 5]),
        ValueError,
        r"ids must lie between 0 and 4, got 0 to 5",
    ),
    (
        "id below 0",
        lambda: gpt().forward([-1, 2]),
        ValueError,
        r"ids must lie between 0 and 4, got -1 to 2",
    ),
    (
        "no ids",
        lambda: gpt().forward([]),
        ValueError,
        r"ids must have the shape \(n,\) or \(b, n\), got \(0,\)",
    ),
    (
        "empty batch",
        lambda: gpt().logits(ones(0, 3, dtype=int)),
        ValueError,
        r"ids must have the shape .*, got \(0, 3\)",
    ),
    ("a number", lambda: gpt().logits(3), ValueError, r"ids must have the shape .*, got \(\)"),
    (
        "three axes",
        lambda: gpt().logits(ones(1, 2, 3, dtype=int)),
        ValueError,
        r"ids must have the shape .*, got \(1, 2, 3\)",
    ),
    (
        "floats",
        lambda: gpt().logits([0.0, 1.0]),
        TypeError,
        r"ids must be whole numbers, got an array of float64",
    ),
    (
        "words",
        lambda: gpt().forward(["the", "cat"]),
        TypeError,
        r"ids must be whole numbers, got an array of <U3",
    ),
    (
        "booleans",
        lambda: gpt().forward([True, False]),
        TypeError,
        r"ids must be whole numbers, got an array of bool",
    ),
    (
        "ragged",
        lambda: gpt().logits([[1, 2], [3]]),
        ValueError,
        r"ids must be an array, with rows of the same length",
    ),
    (
        "too long",
        lambda: gpt().logits([1] * 7),
        ValueError,
        r"n must be at most 6: the learned table has 6 rows, the text 7 tokens",
    ),
    (
        "a batch for forward",
        lambda: gpt().forward([[1, 2]]),
        ValueError,
        r"ids must have the shape \(n,\), got \(1, 2\); a batch: logits",
    ),
    ("vocabulary 1", lambda: GPT(1, 4, 1, 2), ValueError, r"vocabulary must be at least 2, got 1"),
    ("vocabulary 5.0", lambda: GPT(5.0, 4, 1, 2), TypeError, rf"vocabulary {WHOLE} 5.0"),
    ("d_model 0", lambda: GPT(5, 0, 1, 2), ValueError, r"d_model must be at least 1, got 0"),
    ("no layers", lambda: GPT(5, 4, 0, 2), ValueError, r"n_layers must be at least 1, got 0"),
    ("heads", lambda: GPT(5, 4, 1, 3), ValueError, r"d_model=4 must be divisible by n_heads=3"),
    ("n_max 0", lambda: GPT(5, 4, 1, 2, n_max=0), ValueError, r"n_max must be at least 1, got 0"),
    (
        "positions",
        lambda: gpt(positions="learnt"),
        ValueError,
        r"positions must be one of 'learned', 'sinusoidal', 'rotary', 'alibi', 't5'(, '\w+')*, "
        r"got 'learnt'",
    ),
    (
        "positions in a dict",
        lambda: gpt(positions={"base": 100}),
        ValueError,
        r"positions must be one of 'learned'.*got {'base': 100}",
    ),
    (
        "t5 for other heads",
        lambda: gpt(positions=encodings.T5Bias(3, bidirectional=False)).logits([1, 2]),
        ValueError,
        r"bias has the shape \(3, 2, 2\)",
    ),
    (
        "odd rotary",
        lambda: GPT(5, 6, 1, 2, positions="rotary"),
        ValueError,
        r"d_head must be even, for rotary turns pairs, got 3",
    ),
    (
        "odd sinusoids",
        lambda: GPT(5, 3, 1, 1, positions="sinusoidal").logits([1]),
        ValueError,
        r"d_model must be even.*got 3",
    ),
    (
        "norm_type",
        lambda: gpt(norm_type="batch"),
        ValueError,
        r"norm_type must be one of 'layer', 'rms', got 'batch'",
    ),
    ("dtype", lambda: gpt(dtype=int), TypeError, r"dtype must be a float type"),
    ("rng", lambda: gpt(rng=0), TypeError, r"rng must be a numpy Generator"),
    (
        "a word for another",
        lambda: gpt(n_head=2),
        TypeError,
        r".*unexpected keyword argument 'n_head'",
    ),
]


def train(model=None, batch=lambda rng: (rng.integers(0, 5, (2, 3)),) * 2, **options):
    return training.train(
        gpt() if model is None else model,
        batch,
        **{"steps": 2, "lr": 0.1, "progress": False} | options,
    )


def score(weights, ids):
    return training.induction_score(weights, ids)


TRAINING = [
    ("steps 0", lambda: train(steps=0), ValueError, r"steps must be at least 1, got 0"),
    ("steps 2.0", lambda: train(steps=2.0), TypeError, rf"steps {WHOLE} 2.0"),
    ("lr 0", lambda: train(lr=0), ValueError, rf"lr {ABOVE} 0"),
    ("lr below 0", lambda: train(lr=-0.1), ValueError, rf"lr {ABOVE} -0.1"),
    ("lr NaN", lambda: train(lr=NAN), ValueError, rf"lr {ABOVE} nan"),
    ("lr in quotes", lambda: train(lr="0.1"), TypeError, r"lr must be a number, got '0.1'"),
    ("warmup -1", lambda: train(warmup=-1), ValueError, r"warmup must be at least 0, got -1"),
    (
        "warmup longer than all",
        lambda: train(warmup=3),
        ValueError,
        r"warmup must be at most 2, got 3",
    ),
    (
        "weight_decay -1",
        lambda: train(weight_decay=-1),
        ValueError,
        r"weight_decay .* 0 or above, got -1",
    ),
    ("one beta", lambda: train(betas=0.9), ValueError, r"betas must be two numbers, got 0.9"),
    ("three betas", lambda: train(betas=(0.9, 0.9, 0.9)), ValueError, r"betas must be two numbers"),
    (
        "beta 1",
        lambda: train(betas=(0.9, 1)),
        ValueError,
        r"betas must be at least 0 and below 1, got \(0.9, 1\)",
    ),
    ("clip 0", lambda: train(clip=0), ValueError, rf"clip {ABOVE} 0"),
    ("rng", lambda: train(rng=0), TypeError, r"rng must be a numpy Generator"),
    (
        "checkpoint_every 0",
        lambda: train(checkpoint_every=0),
        ValueError,
        r"checkpoint_every must be at least 1, got 0",
    ),
    (
        "checkpoint.txt",
        lambda: train(checkpoint="run.txt"),
        ValueError,
        r"checkpoint must end in .npz, got 'run.txt'",
    ),
    (
        "no such folder",
        lambda: train(checkpoint="no/such/run.npz"),
        ValueError,
        r"checkpoint must lie in a folder that exists",
    ),
    (
        "resume from nowhere",
        lambda: train(resume=True),
        ValueError,
        r"checkpoint must be given where resume=True",
    ),
    ("AdamW eps", lambda: training.AdamW({}, eps=0), ValueError, rf"eps {ABOVE} 0"),
    (
        "gradients of others",
        lambda: training.AdamW({"W": ones(2)}).step({"V": ones(2)}),
        ValueError,
        r"gradients must be named .*\['V', 'W'\]",
    ),
    (
        "target too big",
        lambda: training.cross_entropy(ones(2, 3), [0, 3]),
        ValueError,
        r"targets must lie between 0 and 2, got 0 to 3",
    ),
    (
        "target -100",
        lambda: training.cross_entropy(ones(2, 3), [0, -100]),
        ValueError,
        r"targets must lie between 0 and 2, got -100 to 0",
    ),
    (
        "targets of floats",
        lambda: training.cross_entropy(ones(2, 3), [0.0, 1.0]),
        ValueError,
        r"targets must be whole .*got float64 \(2,\)",
    ),
    (
        "targets of another shape",
        lambda: training.cross_entropy(ones(2, 3), [0]),
        ValueError,
        r"targets must .*\(1,\) for logits \(2, 3\)",
    ),
    (
        "where of numbers",
        lambda: training.cross_entropy(ones(2, 3), [0, 1], where=[1, 0]),
        ValueError,
        r"where must be boolean .*got int64",
    ),
    (
        "where of another shape",
        lambda: training.cross_entropy(ones(2, 3), [0, 1], where=[True]),
        ValueError,
        r"where must be .*got bool \(1,\)",
    ),
    (
        "where without True",
        lambda: training.cross_entropy(ones(1, 3), [0], where=[False]),
        ValueError,
        r"where must be .*at least one True",
    ),
    (
        "period 0",
        lambda: training.induction_batch(None, period=0),
        ValueError,
        r"period must be at least 1, got 0",
    ),
    (
        "period of a half",
        lambda: training.induction_batch(None, period=(2, 4.5)),
        TypeError,
        rf"period {WHOLE} 4.5",
    ),
    (
        "period the wrong way round",
        lambda: training.induction_batch(None, period=(9, 8)),
        ValueError,
        r"period must be at most 8, got 9",
    ),
    (
        "more than the vocabulary",
        lambda: training.induction_batch(None, period=9, vocabulary=8),
        ValueError,
        r"period must be at most 8, got 9",
    ),
    (
        "nothing repeats",
        lambda: training.induction_batch(None, n=8, period=8),
        ValueError,
        r"period must be at most 7, got 8",
    ),
    (
        "three periods",
        lambda: training.induction_batch(None, period=(1, 2, 3)),
        ValueError,
        r"period must be a whole number or .*got \(1, 2, 3\)",
    ),
    (
        "batch 0",
        lambda: training.induction_batch(None, batch=0),
        ValueError,
        r"batch must be at least 1, got 0",
    ),
    (
        "n 1",
        lambda: training.induction_batch(None, n=1),
        ValueError,
        r"n must be at least 2, got 1",
    ),
    (
        "weights without heads",
        lambda: score(ones(3, 3), [1, 1, 2]),
        ValueError,
        r"weights must have the shape \(..., h, n, n\), got \(3, 3\)",
    ),
    (
        "weights of another length",
        lambda: score(ones(2, 4, 4), [1, 1, 2]),
        ValueError,
        r"weights must .*got \(2, 4, 4\) for \(3,\)",
    ),
    (
        "weights of another batch",
        lambda: score(ones(2, 1, 3, 3), [[1, 1, 2]] * 3),
        ValueError,
        r"weights must .*got \(2, 1, 3, 3\) for \(3, 3\)",
    ),
    (
        "no token twice",
        lambda: score(ones(1, 3, 3), [0, 1, 2]),
        ValueError,
        r"ids must repeat a token",
    ),
    (
        "previous of one axis",
        lambda: training.previous_token_score(ones(3)),
        ValueError,
        r"weights must have the shape \(..., n, n\), got \(3,\)",
    ),
    (
        "previous of one token",
        lambda: training.previous_token_score(ones(1, 1)),
        ValueError,
        r"weights must have at least two tokens, got \(1, 1\)",
    ),
]

# ---- what has test files of its own: one line for each name, as test_twins.py wants --------------


class Narrow(encodings.Positions):
    """An encoding whose rows are 3 wide, whatever the tokens are."""

    def added(self, n, held=0):
        return ones(n, 3)


def even(n):
    return ones(n, n) / n


def three(function, **options):
    """A function of q, k and v, each (3, 4)."""
    return function(ones(3, 4), ones(3, 4), ones(3, 4), **options)


NO_LAYER = "attention must be a SelfAttention or CrossAttention, .* got int"
OTHERS = [
    (
        "a key without a value",
        lambda: KVCache().append(ones(2, 3), ones(1, 3)),
        ValueError,
        r"k and v must agree on every axis but the last, .* got k \(2, 3\), v \(1, 3\)",
    ),
    (
        "a context of another width",
        lambda: CrossAttention(8, 2, d_context=6)(ones(3, 8), ones(2, 8)),
        ValueError,
        r"context must have the shape \(..., n_k, d_context=6\), got \(2, 8\)",
    ),
    ("no queries", lambda: masks.behind(0), ValueError, r"n_q must be at least 1, got 0"),
    (
        "too many drawn keys",
        lambda: masks.bigbird(4, window=1, n_global=1, n_random=5),
        ValueError,
        r"n_random must be at most 4, got 5",
    ),
    (
        "sinks below 0",
        lambda: masks.streaming(4, window=1, n_sinks=-1),
        ValueError,
        r"n_sinks must be at least 0, got -1",
    ),
    (
        "a field of no square",
        lambda: masks.receptive_field(np.ones((2, 3), bool), 1),
        ValueError,
        r"mask must have the shape \(..., n, n\), got \(2, 3\)",
    ),
    (
        "hops over numbers",
        lambda: masks.hops(ones(3, 3)),
        TypeError,
        r"mask must be boolean .* additive numbers go in bias=",
    ),
    ("no cache", lambda: heads.n_held(5), TypeError, r"cache must be a KVCache, got int"),
    (
        "half a hand",
        lambda: encodings.Sinusoidal(3),
        ValueError,
        r"d_model must be even, a sine and a cosine per hand, got 3",
    ),
    ("nothing behind", lambda: encodings.behind(0), ValueError, r"n_q must be at least 1, got 0"),
    ("no head", lambda: encodings.Alibi(0), ValueError, r"n_heads must be at least 1, got 0"),
    (
        "rows that do not fit the tokens",
        lambda: Narrow().onto(ones(2, 4)),
        ValueError,
        r"added\(n, held\) has the shape \(2, 3\), which does not fit the rows' shape \(2, 4\)",
    ),
    (
        "positions by another name",
        lambda: encodings.positions_maker(
            "clock", ["alibi"], n_max=4, d_model=4, n_heads=2, rng=None
        ),
        ValueError,
        r"positions must be one of 'alibi', got 'clock'",
    ),
    (
        "a decoder without a context",
        lambda: layers.CrossDecoderBlock(8, 2)(ones(3, 8), None),
        ValueError,
        r"context must be given, unless a filled cache is",
    ),
    (
        "a norm of another kind",
        lambda: layers.norm_maker("batch"),
        ValueError,
        r"norm_type must be one of 'layer', 'rms', got 'batch'",
    ),
    (
        "steps of two heads",
        lambda: efficient.flash_steps(ones(2, 3, 4), ones(3, 4), ones(3, 4)),
        ValueError,
        r"flash_steps shows one head, .* got q \(2, 3, 4\), k \(3, 4\), v \(3, 4\)",
    ),
    (
        "tiles of nothing",
        lambda: three(efficient.flash_attention, block=0),
        ValueError,
        r"block must be at least 1, got 0",
    ),
    (
        "a window of nothing",
        lambda: three(efficient.local_attention, window=0),
        ValueError,
        r"window must be at least 1, got 0",
    ),
    (
        "scores for weights",
        lambda: measures.previous_share(ones(3, 3)),
        ValueError,
        r"weights must be shares of 1, but a row sums to 3; scores become shares by softmax",
    ),
    (
        "nobody ahead",
        lambda: measures.next_share(even(1)),
        ValueError,
        r"step=1 leads out of the weights, \(1, 1\)",
    ),
    (
        "a step too far",
        lambda: measures.step_share(even(3), 3),
        ValueError,
        r"step=3 leads out of the weights, \(3, 3\)",
    ),
    (
        "a key that is not there",
        lambda: measures.sink_share(even(3), key=3),
        ValueError,
        r"key must be at most 2, got 3",
    ),
    (
        "weights below 0",
        lambda: measures.entropy(-even(2)),
        ValueError,
        r"weights must be shares of 1, but one is -0.5; scores become shares by softmax",
    ),
    (
        "one row of weights",
        lambda: measures.distance(ones(3)),
        ValueError,
        r"weights must have the shape \(..., n_q, n_k\), got \(3,\)",
    ),
    (
        "a head of other words",
        lambda: measures.overlap(even(2), even(3)),
        ValueError,
        r"weights and alone must be tables .* same words, got \(2, 2\) and \(3, 3\)",
    ),
    (
        "a job that is no shares",
        lambda: measures.overlap(even(2), ones(2, 2)),
        ValueError,
        r"alone must be shares of 1, but a row sums to 2",
    ),
    (
        "scores of no square",
        lambda: measures.within_diagonals(ones(2, 3)),
        ValueError,
        r"scores must be square, got \(2, 3\)",
    ),
    (
        "no least difference",
        lambda: measures.directions(ones(2, 3), least=0),
        ValueError,
        rf"least {ABOVE} 0",
    ),
    (
        "one row alone",
        lambda: measures.closest(ones(3)),
        ValueError,
        r"rows must have the shape \(..., n, d\), got \(3,\)",
    ),
    (
        "values of other keys",
        lambda: effects.value_norms(ones(2, 3, 3), ones(2, 4, 5), ones(10, 4)),
        ValueError,
        r"values must have a row for each key, .* got weights \(2, 3, 3\), values \(2, 4, 5\)",
    ),
    (
        "rollout of more than all",
        lambda: effects.rollout(ones(1, 2, 3, 3), residual=2),
        ValueError,
        r"residual must be a share, 0 to 1, got 2",
    ),
    (
        "a wish for other keys",
        lambda: effects.redrawn(ones(3), ones(3, 3), ones(2)),
        ValueError,
        r"weights, values and wish must have the shapes .* got \(3,\), \(3, 3\) and \(2,\)",
    ),
    (
        "ranks of two lengths",
        lambda: effects.rank_correlation(ones(3), ones(4)),
        ValueError,
        r"a and b must have the same shape \(n,\), got \(3,\) and \(4,\)",
    ),
    (
        "divergence of words",
        lambda: effects.divergence(ones(3), ["a", "b", "c"]),
        TypeError,
        r"others must hold real numbers, got an array of <U1",
    ),
    (
        "nothing to edit",
        lambda: effects.edited(5, lambda weights, values: values).__enter__(),
        TypeError,
        NO_LAYER,
    ),
    ("nothing to silence", lambda: effects.silenced(5, 0), TypeError, NO_LAYER),
    (
        "a stack of maps",
        lambda: effects.replaced(SelfAttention(8, 2), 0, ones(2, 3, 3)),
        ValueError,
        r"weights must have the shape \(n_q, n_k\) or \(n_k,\), got \(2, 3, 3\)",
    ),
    (
        "means of a layer that did not run",
        lambda: effects.head_means(SelfAttention(8, 2), lambda: None),
        ValueError,
        r"run must run the model that this attention layer is in, and did not",
    ),
    (
        "effects of no layer",
        lambda: effects.head_effects([5], lambda: 1.0, mean=True),
        TypeError,
        r"layers must be attention layers, .* got int",
    ),
    (
        "a hidden token that there is not",
        lambda: effects.hide_each(gpt(), [1, 9]),
        ValueError,
        r"ids must lie between 0 and 4, got 1 to 9",
    ),
    (
        "a swapped token that there is not",
        lambda: effects.swap_each(gpt(), [1, 2], [9]),
        ValueError,
        r"ids must lie between 0 and 4, got 1 to 9",
    ),
]

TABLE = [
    (f"{part}: {name}", *rest)
    for part, rows in [
        ("softmax", SOFTMAX),
        ("attention", ATTENTION),
        ("layer", LAYER),
        ("masks", SIZES + MASKS),
        ("encodings", ENCODINGS),
        ("rotary", ROTARY),
        ("relative", RELATIVE),
        ("layers", LAYERS),
        ("gpt", MODELS),
        ("training", TRAINING),
        ("others", OTHERS),
    ]
    for name, *rest in rows
]


@pytest.mark.parametrize(
    "call, error, message", [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_refused(call, error, message):
    with pytest.raises((TypeError, ValueError), match=f"^(the )?{message}") as caught:
        call()
    assert caught.type is error


# Either error will do, as long as it names the argument.
BY_NAME = [
    ("no layer for its parameters", lambda: layers.parameters(3), r"layer must be a layer"),
    ("dates for logits", lambda: effects.divergence("a", [1.0]), r"logits must hold real numbers"),
    ("no layer to cast", lambda: layers.cast(None, float), r"layer must be a layer"),
    ("no type to cast to", lambda: layers.cast(layers.LayerNorm(2), "x"), r"dtype must be a float"),
    (
        "None for v",
        lambda: scaled_dot_product_attention(ones(3, 4), ones(3, 4), None),
        r"v must hold real numbers",
    ),
    ("NaN in the bias", lambda: sdpa(bias=NAN), r"bias must"),
    ("+inf in the bias", lambda: sdpa(bias=INF), r"bias must"),
    ("NaN in the bias of scores", lambda: scores(bias=NAN), r"bias must"),
    (
        "NaN in x of a layer",
        lambda: attend(holding(NAN, 3, 8)),
        r"x must be finite, but x\[2, 7\] is nan",
    ),
    (
        "inf in x of a layer",
        lambda: attend(holding(INF, 3, 8)),
        r"x must be finite, but x\[2, 7\] is inf",
    ),
    (
        "q·k too big for its dtype",
        lambda: sdpa(ones(3, 4) * 1e200, ones(3, 4) * 1e200),
        r"q @ k must be finite",
    ),
    ("rows of different lengths", lambda: sdpa(q=[[1, 2], [3]]), r"q must"),
    ("rng=0 for a layer", lambda: SelfAttention(8, 2, rng=0), r"rng must"),
    ("rng=0 for random keys", lambda: masks.random_keys(3, n_random=1, rng=0), r"rng must"),
    ("rng=0 for a learned table", lambda: encodings.Learned(3, 4, 0), r"rng must"),
    ("density of no pairs", lambda: masks.density(np.zeros((0, 3), bool)), r"mask must"),
    ("lengths of two axes", lambda: masks.padding(ones(2, 3, dtype=int), 4), r"lengths must"),
    ("influence with size 0", lambda: masks.influence(abs, ones(3, 4), size=0), r"size must"),
    ("scale True", lambda: sdpa(scale=True), r"scale must"),
    (
        "a list for the layout",
        lambda: encodings.sinusoidal(3, 4, layout=np.array(["half", "half"])),
        r"layout must",
    ),
]


@pytest.mark.parametrize(
    "call, message", [row[1:] for row in BY_NAME], ids=[row[0] for row in BY_NAME]
)
def test_refused_by_name(call, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        call()
