"""The attention of other libraries, where they are installed, behind one call each.

Every maker takes (pattern, q, k, v, threads), with q, k and v of the shape (heads, n, d), and
returns a function without arguments that computes the output, or None where the library has no such
pattern.
"""

import os
from functools import lru_cache

import numpy as np

from attnlib.attention import scaled_dot_product_attention


def whole_matrix(pattern, q, k, v, threads):
    """Our own attention with all its weights: what the lesson is measured against."""
    mask = None if pattern.full else pattern.mask(q.shape[1])
    return lambda: scaled_dot_product_attention(q, k, v, mask=mask)[0]


def torch_sdpa(pattern, q, k, v, threads):
    """PyTorch's fused attention, with its own causal form; full and causal only."""
    if pattern.window:
        return None
    import torch
    from torch.nn.functional import scaled_dot_product_attention as sdpa

    torch.set_num_threads(threads)
    q, k, v = (torch.from_numpy(x)[None] for x in (q, k, v))
    return lambda: sdpa(q, k, v, is_causal=pattern.causal)[0]


def torch_mask(pattern, q, k, v, threads):
    """PyTorch's fused attention under a boolean mask."""
    if pattern.full:
        return None
    import torch
    from torch.nn.functional import scaled_dot_product_attention as sdpa

    torch.set_num_threads(threads)
    q, k, v = (torch.from_numpy(x)[None] for x in (q, k, v))
    mask = torch.from_numpy(pattern.mask(q.shape[2]))
    return lambda: sdpa(q, k, v, attn_mask=mask)[0]


def torch_flex(pattern, q, k, v, threads):
    """PyTorch's compiled flex_attention, which skips the blocks that a BlockMask leaves out."""
    if pattern.full:
        return None
    import torch
    from torch.nn.attention.flex_attention import create_block_mask

    torch.set_num_threads(threads)
    n = q.shape[1]
    q, k, v = (torch.from_numpy(x)[None] for x in (q, k, v))

    def seen(batch, head, i, j):
        allowed = (i - j).abs() < (pattern.window or n)
        if pattern.n_global:
            allowed = allowed | (i < pattern.n_global) | (j < pattern.n_global)
        return allowed & (i >= j) if pattern.causal else allowed

    blocks = create_block_mask(seen, None, None, n, n, device="cpu")
    flex = _compiled_flex()
    return lambda: flex(q, k, v, block_mask=blocks)[0]


@lru_cache
def _compiled_flex():
    import torch
    from torch.nn.attention.flex_attention import flex_attention

    torch._dynamo.config.cache_size_limit = 64  # one entry per length and pattern
    return torch.compile(flex_attention, dynamic=False)


def onnxruntime(pattern, q, k, v, threads):
    """The Attention operator of ONNX 23."""
    import onnxruntime as ort
    from onnx import TensorProto, helper

    inputs = {"q": q[None], "k": k[None], "v": v[None]}
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(bool): TensorProto.BOOL}
    if pattern.window:
        inputs["mask"] = pattern.mask(q.shape[1])
    node = helper.make_node(
        "Attention", list(inputs), ["y"], is_causal=int(pattern.causal and not pattern.window)
    )
    declared = [
        helper.make_tensor_value_info(name, types[x.dtype], x.shape) for name, x in inputs.items()
    ]
    graph = helper.make_graph(
        [node], "attention", declared, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, inputs)[0][0]


def jax(pattern, q, k, v, threads):
    """jax.nn.dot_product_attention, compiled; a window is a mask to it."""
    if pattern.n_global:
        return None
    if threads == 1:
        os.environ.setdefault(
            "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )
    import jax
    import jax.numpy as jnp

    reach = None if not pattern.window else (pattern.window - 1,) * 2
    attend = jax.jit(
        lambda q, k, v: jax.nn.dot_product_attention(
            q, k, v, is_causal=pattern.causal, local_window_size=reach
        )
    )
    q, k, v = (jnp.asarray(x.swapaxes(0, 1))[None] for x in (q, k, v))  # (1, n, heads, d)
    return lambda: np.asarray(attend(q, k, v))[0].swapaxes(0, 1)


# name -> (maker, lengths that it is measured at: beyond, its n×n arrays do not fit, or its compiler
# takes minutes)
PEERS = {
    "attnlib, whole matrix": (whole_matrix, range(0, 4097)),
    "PyTorch": (torch_sdpa, range(0, 32_769)),
    "PyTorch + mask": (torch_mask, range(0, 16_385)),
    "PyTorch flex": (torch_flex, (1024, 4096, 16_384)),
    "onnxruntime": (onnxruntime, range(0, 4097)),
    "jax": (jax, range(0, 4097)),
}
