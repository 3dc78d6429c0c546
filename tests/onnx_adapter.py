"""A thin adapter: the ONNX operators said in attnlib's words, for the published conformance cases.

The cases are made by the onnx package while it is imported; there are no files to fetch. What only
ONNX has is done here in plain NumPy: cutting 3-D inputs into heads, bfloat16, norms over several
axes, the mean and inverse spread that LayerNormalization also returns, heads of which only the
first numbers turn. All attention, cache, softmax, mask, norm, gelu and rotation arithmetic is
attnlib's.
"""

import numpy as np
import onnx.backend.test.case.node as published
from onnx.backend.test.case.node import (  # noqa: F401  this makes their cases
    attention,
    gelu,
    layernormalization,
    rmsnormalization,
    rotaryembedding,
    softmax,
)
from onnx.helper import get_attribute_value

import attnlib
from attnlib import encodings, layers, masks
from attnlib.heads import KVCache


def cases(operator):
    """The published cases of one operator; the "_expanded" twins hold the same numbers for a graph
    of small operators.
    """
    return [
        case
        for case in published._NodeTestCases
        if _node(case).op_type == operator and "_expanded" not in case.name
    ]


def run(case):
    """(outputs that attnlib computes, outputs that were published, inputs), in the order of the
    node's outputs.
    """
    node = _node(case)
    inputs, expected = case.data_sets[0]
    values = dict(zip([name for name in node.input if name], inputs))
    attributes = {a.name: get_attribute_value(a) for a in node.attribute}
    operators = {
        "Attention": _attention,
        "Softmax": _softmax,
        "Gelu": _gelu,
        "LayerNormalization": _layer_norm,
        "RMSNormalization": _rms_norm,
        "RotaryEmbedding": _rotary,
    }
    results = operators[node.op_type](**values, **attributes)
    return [results[name] for name in node.output if name], expected, inputs


def _node(case):
    return case.model.graph.node[0]


def _softmax(x, axis=-1):
    return {"y": attnlib.softmax(x, axis=axis)}


def _gelu(x, approximate=b"none"):
    return {"y": layers.gelu(x, approximate=approximate.decode())}


def _layer_norm(X, W, B=None, axis=-1, epsilon=1e-5):
    rows, gain, bias = _one_row(X, axis), W.reshape(-1), None if B is None else B.reshape(-1)
    kept = X.shape[: axis % X.ndim] + (1,) * (X.ndim - axis % X.ndim)
    return {
        "Y": layers.layer_norm(rows, gain, bias, eps=epsilon).reshape(X.shape),
        "Mean": rows.mean(-1).reshape(kept),
        "InvStdDev": (1 / np.sqrt(rows.var(-1) + np.float32(epsilon))).reshape(kept),
    }


def _rms_norm(X, W, axis=-1, epsilon=1e-5):
    return {"Y": layers.rms_norm(_one_row(X, axis), W.reshape(-1), eps=epsilon).reshape(X.shape)}


def _rotary(
    input,
    cos_cache,
    sin_cache,
    position_ids=None,
    *,
    interleaved=0,
    num_heads=None,
    rotary_embedding_dim=0,
):
    """The published caches hold random numbers, not a cosine and a sine: together they turn a pair
    and also stretch it.
    """
    x = attnlib.split_heads(input, num_heads) if num_heads else input  # (b, h, n, d_head)
    cos, sin = (
        np.float64(cache if position_ids is None else cache[position_ids])
        for cache in (cos_cache, sin_cache)
    )
    angles, stretch = np.arctan2(sin, cos)[:, None], np.hypot(cos, sin)[:, None]  # (b, 1, n, pairs)
    stretch = (
        np.repeat(stretch, 2, axis=-1)
        if interleaved
        else np.concatenate([stretch, stretch], axis=-1)
    )
    width = rotary_embedding_dim or x.shape[-1]
    turned = encodings.rotate(
        x[..., :width], angles, layout="interleaved" if interleaved else "half"
    ) * stretch.astype(x.dtype)
    output = np.concatenate([turned, x[..., width:]], axis=-1)
    return {"output": attnlib.merge_heads(output) if num_heads else output}


def _one_row(X, axis):
    """attnlib norms the last axis: all axes from `axis` on become one."""
    return X.reshape(*X.shape[: axis % X.ndim], -1)


def _attention(
    Q,
    K,
    V,
    attn_mask=None,
    past_key=None,
    past_value=None,
    nonpad_kv_seqlen=None,
    *,
    scale=None,
    is_causal=0,
    q_num_heads=None,
    kv_num_heads=None,
    softcap=0.0,
    qk_matmul_output_mode=0,
    # attnlib's softmax never runs below float32
    left_window_size=-1,
    right_window_size=-1,
    softmax_precision=None,
):
    dtype = Q.dtype
    Q, K, V = _no_bfloat16(Q), _no_bfloat16(K), _no_bfloat16(V)
    three = Q.ndim == 3
    if three:
        Q, K, V = (
            attnlib.split_heads(Q, q_num_heads),
            attnlib.split_heads(K, kv_num_heads),
            attnlib.split_heads(V, kv_num_heads),
        )
    if past_key is not None:
        cache = KVCache()
        cache.append(_no_bfloat16(past_key), _no_bfloat16(past_value))
        K, V = cache.append(K, V)
    n_q, n_k = Q.shape[2], K.shape[2]

    mask, bias = np.ones((n_q, n_k), bool), None
    if attn_mask is not None and attn_mask.dtype == bool:
        mask = mask & _pad(attn_mask, n_k, False)
    elif attn_mask is not None:
        bias = _pad(_no_bfloat16(attn_mask), n_k, -np.inf)
    if nonpad_kv_seqlen is not None:
        mask = mask & masks.padding(nonpad_kv_seqlen, n_k)
    mask = mask & _order(
        n_q,
        n_k,
        _offsets(n_q, past_key, nonpad_kv_seqlen),
        is_causal,
        left_window_size,
        right_window_size,
    )

    scores = {"scale": scale, "softcap": softcap or None}
    output, weights = attnlib.scaled_dot_product_attention(Q, K, V, mask=mask, bias=bias, **scores)
    stage = {
        0: lambda: attnlib.attention_scores(Q, K, scale=scale),
        1: lambda: attnlib.attention_scores(Q, K, **scores),
        2: lambda: attnlib.attention_scores(Q, K, mask=mask, bias=bias, **scores),
        3: lambda: weights,
    }[qk_matmul_output_mode]()
    results = {
        "Y": attnlib.merge_heads(output) if three else output,
        "present_key": K,
        "present_value": V,
        "qk_matmul_output": stage,
    }
    return {name: array.astype(dtype) for name, array in results.items()}


def _no_bfloat16(array):
    """NumPy has no bfloat16 of its own: attnlib takes it as float32."""
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _pad(attn_mask, n_k, fill):
    """A mask that is too short forbids the keys behind it."""
    behind = np.full((*attn_mask.shape[:-1], n_k - attn_mask.shape[-1]), fill, attn_mask.dtype)
    return np.concatenate([attn_mask, behind], axis=-1)


def _offsets(n_q, past_key, nonpad_kv_seqlen):
    """Where query 0 stands among the keys, per sentence: ONNX aligns to the cache, not to the last
    key.
    """
    if nonpad_kv_seqlen is not None:
        return [int(length) - n_q for length in nonpad_kv_seqlen]
    return [0 if past_key is None else past_key.shape[2]]


def _order(n_q, n_k, offsets, is_causal, left, right):
    """The causal and window part: (1 or b, 1, n_q, n_k), in attnlib's masks."""
    tables = []
    for offset in offsets:
        past, future = (
            masks.causal(n_q, n_k, offset=offset),
            ~masks.causal(n_q, n_k, offset=offset - 1),
        )
        if left >= 0:
            past &= masks.local(n_q, n_k, window=left + 1, offset=offset)
        if right >= 0:
            future &= masks.local(n_q, n_k, window=right + 1, offset=offset)
        table = past | future
        tables.append(table & masks.causal(n_q, n_k, offset=offset) if is_causal else table)
    return np.stack(tables)[:, None]
