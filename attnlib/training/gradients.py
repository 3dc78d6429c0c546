"""The chain rule through whole layers and models.

Each <layer>_backward takes grad_output, the layer, and the steps of its forward pass
(`layer.steps(x)`). It returns grad_x and the gradients by parameter name, such as "W_q".
"""

from functools import partial

import numpy as np

from attnlib import _check, _guard
from attnlib.attention import merge_heads, split_heads
from attnlib.encodings import Learned, Rotary, T5Bias
from attnlib.heads import CrossAttention, CrossAttentionSteps, SelfAttention, SelfAttentionSteps
from attnlib.layers import (
    ACTIVATIONS,
    BlockSteps,
    CrossBlockSteps,
    EncoderBlock,
    FeedForward,
    FeedForwardSteps,
    LayerNorm,
    ResidualSteps,
    RMSNorm,
    parameters,
)
from attnlib.models.gpt import GPT, GPTSteps
from attnlib.models.gpt_neox import Parallel
from attnlib.models.seq2seq import Seq2Seq, Seq2SeqSteps
from attnlib.training import backward

PARTS = ("feed_forward", "cross_attention", "attention")  # of a block, from its end


def _of(thing, *steps):
    """Checks for a gradient, a layer (or block, or model) of a kind, and the steps of one."""
    kinds = dict.fromkeys(["layer", "block", "model"], _check.made(thing))
    kinds |= dict.fromkeys(["grad_output", "grad_logits"], _check.full)
    return kinds | {"steps": _check.made(*steps)}


def _part(block, part, steps):
    """Refuses a part that a block has not, and the steps of another one."""
    layer = getattr(block, _check.choice("part", part, PARTS), None)
    if layer is None:
        raise ValueError(f"part must be one that the block has, got {part!r}")
    _check.made(STEPS[type(layer)])("steps.inner", steps.inner)


@_guard.backward(_guard.of_layer, _guard.of_output, **_of(SelfAttention, SelfAttentionSteps))
def self_attention_backward(grad_output, layer, steps):
    """From joined · W_o through the heads to x · W_q, x · W_k and x · W_v: x was read three times.

    Where the forward pass had a bias, gradients["bias"] is the gradient of that.
    """
    grad_q, grad_k, grad_v, gradients = _heads_backward(grad_output, layer, steps)
    if layer.rotary is not None:
        turned_backward = of_kind(TURNED_BACKWARD, layer.rotary)
        grad_q = turned_backward(grad_q, layer.rotary, steps.positions)
        grad_k = turned_backward(grad_k, layer.rotary, steps.positions)
    grad_x = _through(merge_heads(grad_q), steps.x, layer, "q", gradients)
    grad_x += _through(merge_heads(grad_k), steps.x, layer, "k", gradients)
    grad_x += _through(merge_heads(grad_v), steps.x, layer, "v", gradients)
    return grad_x, gradients


@_guard.backward(_guard.of_layer, _guard.of_output, **_of(CrossAttention, CrossAttentionSteps))
def cross_attention_backward(grad_output, layer, steps):
    """x was read once, by W_q, and the context twice, by W_k and W_v.

    gradients["context"] is the gradient of the context, where two texts meet; gradients["bias"]
    that of the bias, where the forward pass had one.
    """
    grad_q, grad_k, grad_v, gradients = _heads_backward(grad_output, layer, steps)
    grad_x = _through(merge_heads(grad_q), steps.x, layer, "q", gradients)
    gradients["context"] = _through(merge_heads(grad_k), steps.context, layer, "k", gradients)
    gradients["context"] += _through(merge_heads(grad_v), steps.context, layer, "v", gradients)
    return grad_x, gradients


@_guard.backward(_guard.of_layer, _guard.of_output, **_of(FeedForward, FeedForwardSteps))
def feed_forward_backward(grad_output, layer, steps):
    """output = hidden · W_down, hidden = bend(up), or bend(gate) · up where there is a gate."""
    gradients = {}
    bend, bend_backward = ACTIVATIONS[layer.activation], ACTIVATIONS_BACKWARD[layer.activation]
    grad_hidden = _through(grad_output, steps.hidden, layer, "down", gradients)
    if layer.W_gate is None:
        return (
            _through(bend_backward(grad_hidden, steps.up), steps.x, layer, "up", gradients),
            gradients,
        )
    grad_x = _through(grad_hidden * bend(steps.gate), steps.x, layer, "up", gradients)
    grad_gate = bend_backward(grad_hidden * steps.up, steps.gate)
    return grad_x + _through(grad_gate, steps.x, layer, "gate", gradients), gradients


@_guard.backward(
    _guard.norm_backward, grad_output="... d", norm=_check.made(LayerNorm, RMSNorm), x="... d"
)
def norm_backward(grad_output, norm, x):
    """`LayerNorm` or `RMSNorm` of x."""
    if isinstance(norm, RMSNorm):
        grad_x, gain = backward.rms_norm_backward(grad_output, x, norm.gain, eps=norm.eps)
        return grad_x, {"gain": gain}
    grad_x, gain, bias = backward.layer_norm_backward(grad_output, x, norm.gain, eps=norm.eps)
    return grad_x, {"gain": gain, "bias": bias}


@_guard.backward(_part, _guard.of_output, **_of(EncoderBlock, ResidualSteps))
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


@_guard.backward(_guard.of_output, **_of(EncoderBlock, BlockSteps, CrossBlockSteps))
def block_backward(grad_output, block, steps):
    """A block of any kind: the last layer first, or two at once that have read the same."""
    gradients = {}
    if isinstance(block, Parallel) and steps.feed_forward is not None:
        beside = steps.feed_forward._replace(x=steps.attention.x)  # what its norm has read
        grad_x, gradients = residual_backward(grad_output, block, "feed_forward", beside)
        more, of_part = residual_backward(grad_output, block, "attention", steps.attention)
        return grad_x + more - grad_output, gradients | of_part
    for part in PARTS:
        if getattr(block, part, None) is not None:
            grad_output, of_part = residual_backward(grad_output, block, part, getattr(steps, part))
            gradients |= of_part
    return grad_output, gradients


@_guard.backward(_guard.of_logits, **_of(GPT, GPTSteps))
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
        grad_bias = grad_bias + of_block.pop("attention.bias", 0)  # one bias for all blocks
        gradients |= named({f"blocks.{i}": of_block})
    gradients["embedding"] = backward.embedding_backward(grad, steps.ids, len(model.embedding))
    if tied:
        gradients["embedding"] += grad_unembedding.T
    return gradients | positions_backward("positions", model.positions, grad, grad_bias)


def positions_backward(name, positions, grad_added, grad_bias=0):
    """Of the numbers that an encoding learns: {name.table: gradient}, {} where it learns none.

    grad_added  (..., n, d_model) of what it added to the tokens
    grad_bias   (h, n, n) of what it added to the scores of all blocks; 0 where that was nothing
    """
    if not parameters(positions):
        return {}
    gradients = of_kind(POSITIONS_BACKWARD, positions)(positions, grad_added, grad_bias)
    return named({name: gradients})


def learned_backward(positions, grad_added, grad_bias):
    """`Learned`: each row of the table collects the gradients of the tokens it was added to."""
    table, rows = np.zeros_like(positions.table), grad_added.shape[-2:]
    table[: rows[0]] = backward.sum_to(grad_added, rows)
    return {"table": table}


def t5_backward(positions, grad_added, grad_bias):
    """`T5Bias`."""
    return {"table": backward.t5_bias_backward(grad_bias, positions)}


@_guard.backward(model=_check.made(GPT))
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


@_guard.backward(_guard.of_logits, **_of(Seq2Seq, Seq2SeqSteps))
def seq2seq_backward(grad_logits, model, steps):
    """-> the gradients of all parameters of a `Seq2Seq`, by name."""
    grad, unembedding = backward.linear_backward(grad_logits, steps.final, model.unembedding)
    gradients, grad_context = {"unembedding": unembedding}, 0
    if model.decoder_norm is not None:
        grad, of_norm = norm_backward(grad, model.decoder_norm, steps.target_stream)
        gradients |= named({"decoder_norm": of_norm})
    for i in reversed(range(len(model.decoder))):
        grad, of_block = block_backward(grad, model.decoder[i], steps.decoder[i])
        # every block reads it
        grad_context = grad_context + of_block.pop("cross_attention.context")
        gradients |= named({f"decoder.{i}": of_block})
    gradients["target_embedding"] = backward.embedding_backward(
        grad, steps.decoder_ids, len(model.target_embedding)
    )
    gradients |= positions_backward("target_positions", model.target_positions, grad)
    return gradients | _encoder_backward(grad_context, model, steps)


def _encoder_backward(grad_context, model, steps):
    """The same for the encoder, which hears of the loss through the context alone."""
    grad, gradients = grad_context, {}
    if model.encoder_norm is not None:
        grad, of_norm = norm_backward(grad, model.encoder_norm, steps.source_stream)
        gradients |= named({"encoder_norm": of_norm})
    for i in reversed(range(len(model.encoder))):
        grad, of_block = block_backward(grad, model.encoder[i], steps.encoder[i])
        gradients |= named({f"encoder.{i}": of_block})
    gradients["source_embedding"] = backward.embedding_backward(
        grad, steps.ids, len(model.source_embedding)
    )
    return gradients | positions_backward("source_positions", model.source_positions, grad)


@_guard.backward(model=_check.made(Seq2Seq))
def seq2seq_loss_and_gradients(model, ids, source_mask, decoder_ids, targets, where=None):
    """One forward and one backward pass of a `Seq2Seq`: teacher forcing, every step at once.

    ids          (n_source,) or (b, n_source);   source_mask of the same shape, or None
    decoder_ids  (n_target,) or (b, n_target): the right target, one place later
    targets      the right next token at each of them
    where        boolean, of the shape of the targets: only these count, all unless given
    returns      loss, the mean cross-entropy in nats, and {parameter name: gradient}
    """
    steps = model.steps(ids, decoder_ids, source_mask=source_mask)
    loss, grad_logits = backward.cross_entropy(steps.logits, targets, where=where)
    return loss, seq2seq_backward(grad_logits, model, steps)


def named(parts):
    """{"attention": {"W_q": …}} -> {"attention.W_q": …}"""
    return {
        f"{part}.{name}": gradient
        for part, found in parts.items()
        for name, gradient in found.items()
    }


def of_kind(table, positions):
    """The backward pass that a table of classes holds for an encoding.

    A class made from one of them shares its backward pass where it shares its answer.
    """
    for kind in type(positions).__mro__:
        if kind in table:
            answers = ANSWERS & vars(kind).keys()
            if all(_shares(positions, kind, answer) for answer in answers):
                return table[kind]
            break
    known = ", ".join(kind.__name__ for kind in table)
    raise TypeError(
        f"positions must be {known} here, got {positions!r}: to train another one, write its "
        "backward pass into the table of training/gradients.py that names these"
    )


def _shares(positions, kind, answer):
    """Whether an encoding answers as its class `kind` does, and not in a way of its own."""
    own = getattr(positions, answer)
    return getattr(own, "__func__", own) is getattr(kind, answer)


def _heads_backward(grad_output, layer, steps):
    """From the output back to q, k and v of any attention layer: their gradients, and those of W_o,
    b_o and the bias.
    """
    if layer.scoring:
        raise ValueError(
            f"layer must have no scale or softcap of its own here, got {layer.scoring}"
        )
    gradients = {}
    grad_joined = _through(grad_output, steps.joined, layer, "o", gradients)
    *grad_qkv, grad_bias = backward.scaled_dot_product_attention_backward(
        split_heads(grad_joined, layer.n_heads), steps.q, steps.k, steps.v, steps.weights
    )
    if steps.bias is not None:
        gradients["bias"] = backward.sum_to(grad_bias, np.shape(steps.bias))
    return *grad_qkv, gradients


def _through(grad_output, x, layer, name, gradients):
    """output = x · W_name + b_name: notes the gradients of both, and returns grad_x."""
    grad_x, gradients[f"W_{name}"] = backward.linear_backward(
        grad_output, x, getattr(layer, f"W_{name}")
    )
    if isinstance(getattr(layer, f"b_{name}"), np.ndarray):
        gradients[f"b_{name}"] = backward.sum_rows(grad_output)
    return grad_x


LAYERS_BACKWARD = {
    SelfAttention: self_attention_backward,
    CrossAttention: cross_attention_backward,
    FeedForward: feed_forward_backward,
}
STEPS = {
    SelfAttention: SelfAttentionSteps,
    CrossAttention: CrossAttentionSteps,
    FeedForward: FeedForwardSteps,
}
ANSWERS = {"added", "turned", "bias"}  # of an encoding, to what a model asks
TURNED_BACKWARD = {Rotary: backward.rotary_backward}  # of x, in x = positions.turned(x)
POSITIONS_BACKWARD = {Learned: learned_backward, T5Bias: t5_backward}  # of the encoding itself
ACTIVATIONS_BACKWARD = {
    "relu": backward.relu_backward,
    "gelu": backward.gelu_backward,
    "gelu_tanh": partial(backward.gelu_backward, approximate="tanh"),
    "silu": backward.silu_backward,
}
