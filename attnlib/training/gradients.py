"""The chain rule through whole layers and models.

Each <layer>_backward takes grad_output, the layer, and the steps of its forward pass
(`layer.steps(x)`). It returns grad_x and the gradients by parameter name, such as "W_q".
"""

from functools import partial

import numpy as np

from attnlib.attention import SelfAttention, merge_heads, split_heads
from attnlib.encodings import Learned, T5Bias
from attnlib.layers import ACTIVATIONS, FeedForward, RMSNorm
from attnlib.training import backward


def self_attention_backward(grad_output, layer, steps):
    """From joined · W_o through the heads to x · W_q, x · W_k and x · W_v: x was read three times.

    Where the forward pass had a bias, gradients["bias"] is the gradient of that.
    """
    gradients = {}
    grad_joined = _through(grad_output, steps.joined, layer, "o", gradients)
    grad_q, grad_k, grad_v, grad_bias = backward.scaled_dot_product_attention_backward(
        split_heads(grad_joined, layer.n_heads), steps.q, steps.k, steps.v, steps.weights
    )
    if layer.rotary is not None:
        grad_q = backward.rotary_backward(grad_q, layer.rotary, steps.positions)
        grad_k = backward.rotary_backward(grad_k, layer.rotary, steps.positions)
    grad_x = _through(merge_heads(grad_q), steps.x, layer, "q", gradients)
    grad_x += _through(merge_heads(grad_k), steps.x, layer, "k", gradients)
    grad_x += _through(merge_heads(grad_v), steps.x, layer, "v", gradients)
    if steps.bias is not None:
        gradients["bias"] = backward.sum_to(grad_bias, np.shape(steps.bias))
    return grad_x, gradients


def feed_forward_backward(grad_output, layer, steps):
    """output = hidden · W_down, hidden = bend(up), or bend(gate) · up where there is a gate."""
    gradients = {}
    bend, bend_backward = ACTIVATIONS[layer.activation], ACTIVATIONS_BACKWARD[layer.activation]
    grad_hidden = _through(grad_output, steps.hidden, layer, "down", gradients)
    if layer.W_gate is None:
        return _through(bend_backward(grad_hidden, steps.up), steps.x, layer, "up", gradients), gradients
    grad_x = _through(grad_hidden * bend(steps.gate), steps.x, layer, "up", gradients)
    grad_gate = bend_backward(grad_hidden * steps.up, steps.gate)
    return grad_x + _through(grad_gate, steps.x, layer, "gate", gradients), gradients


def norm_backward(grad_output, norm, x):
    """`LayerNorm` or `RMSNorm` of x."""
    if isinstance(norm, RMSNorm):
        grad_x, gain = backward.rms_norm_backward(grad_output, x, norm.gain, eps=norm.eps)
        return grad_x, {"gain": gain}
    grad_x, gain, bias = backward.layer_norm_backward(grad_output, x, norm.gain, eps=norm.eps)
    return grad_x, {"gain": gain, "bias": bias}


def residual_backward(grad_output, block, part, steps):
    """output = x + layer(norm(x)), or norm(x + layer(x)): the plus lets the gradient pass twice.

    part   the name of the layer in the block, as "attention"; its norm is "attention_norm"
    """
    layer, norm, gradients = getattr(block, part), getattr(block, f"{part}_norm"), {}
    if block.norm == "post":
        grad_output, gradients[f"{part}_norm"] = norm_backward(grad_output, norm, steps.total)
    grad_inner, gradients[part] = LAYERS_BACKWARD[type(layer)](grad_output, layer, steps.inner)
    if block.norm == "pre":
        grad_inner, gradients[f"{part}_norm"] = norm_backward(grad_inner, norm, steps.x)
    return grad_output + grad_inner, named(gradients)


def block_backward(grad_output, block, steps):
    """`EncoderBlock` or `DecoderBlock`: the last layer first."""
    gradients = {}
    for part in ("feed_forward", "attention"):
        if getattr(block, part) is not None:
            grad_output, of_part = residual_backward(grad_output, block, part, getattr(steps, part))
            gradients |= of_part
    return grad_output, gradients


def gpt_backward(grad_logits, model, steps):
    """-> the gradients of all parameters of a `GPT`, by name."""
    tied = model.unembedding is None
    W = model.embedding.T if tied else model.unembedding
    grad, grad_unembedding = backward.linear_backward(grad_logits, steps.final, W)
    gradients = {} if tied else {"unembedding": grad_unembedding}
    if model.final_norm is not None:
        grad, of_norm = norm_backward(grad, model.final_norm, steps.stream)
        gradients |= named({"final_norm": of_norm})
    grad_bias = 0
    for i in reversed(range(len(model.blocks))):
        grad, of_block = block_backward(grad, model.blocks[i], steps.blocks[i])
        grad_bias = grad_bias + of_block.pop("attention.bias", 0)      # one bias for all blocks
        gradients |= named({f"blocks.{i}": of_block})
    gradients["embedding"] = backward.embedding_backward(grad, steps.ids, len(model.embedding))
    if tied:
        gradients["embedding"] += grad_unembedding.T
    if isinstance(model.positions, Learned):
        gradients["positions.table"] = np.zeros_like(model.positions.table)
        n = steps.ids.shape[-1]
        gradients["positions.table"][:n] = backward.sum_to(grad, (n, grad.shape[-1]))
    if isinstance(model.positions, T5Bias):
        gradients["positions.table"] = backward.t5_bias_backward(grad_bias, model.positions)
    return gradients


def loss_and_gradients(model, ids, targets, where=None):
    """One forward and one backward pass of a `GPT`.

    ids      (n,) or (b, n)
    targets  the right next token at each position, of the same shape
    where    boolean of the same shape: only these positions count, all unless given
    returns  loss, the mean cross-entropy in nats, and {parameter name: gradient}
    """
    steps = model.steps(ids)
    loss, grad_logits = backward.cross_entropy(steps.logits, targets, where=where)
    return loss, gpt_backward(grad_logits, model, steps)


def named(parts):
    """{"attention": {"W_q": …}} -> {"attention.W_q": …}"""
    return {f"{part}.{name}": gradient for part, found in parts.items() for name, gradient in found.items()}


def _through(grad_output, x, layer, name, gradients):
    """output = x · W_name + b_name: notes the gradients of both, and returns grad_x."""
    grad_x, gradients[f"W_{name}"] = backward.linear_backward(grad_output, x, getattr(layer, f"W_{name}"))
    if isinstance(getattr(layer, f"b_{name}"), np.ndarray):
        gradients[f"b_{name}"] = backward.sum_rows(grad_output)
    return grad_x


LAYERS_BACKWARD = {SelfAttention: self_attention_backward, FeedForward: feed_forward_backward}
ACTIVATIONS_BACKWARD = {
    "relu": backward.relu_backward,
    "gelu": backward.gelu_backward,
    "gelu_tanh": partial(backward.gelu_backward, approximate="tanh"),
    "silu": backward.silu_backward,
}
