"""Training in NumPy: backward passes by hand, AdamW, one loop, the induction task.

backward.py     the derivative of every function of the forward pass
gradients.py    the chain rule through layers and models
optimizer.py    AdamW, learning rate, clipping
loop.py         train(), with checkpoints.py and progress.py
tasks.py        the induction task and its scores

What was trained for the course, and is asked in its notebooks; course/shipped/ has the scripts:

recall.py, translation.py, extrapolation.py     tasks, and the models that learned them
passages.py, probes.py                          texts never seen, and questions to a model
"""

from attnlib.training.backward import (
    cross_entropy,
    embedding_backward,
    gelu_backward,
    layer_norm_backward,
    linear_backward,
    log_softmax,
    relu_backward,
    rms_norm_backward,
    rotary_backward,
    rotate_backward,
    scaled_dot_product_attention_backward,
    silu_backward,
    softcap_backward,
    softmax_backward,
    sum_groups,
    sum_rows,
    sum_to,
    t5_bias_backward,
)
from attnlib.training.checkpoints import load_checkpoint, load_parameters, save_checkpoint
from attnlib.training.gradients import (
    block_backward,
    cross_attention_backward,
    feed_forward_backward,
    gpt_backward,
    loss_and_gradients,
    norm_backward,
    residual_backward,
    self_attention_backward,
    seq2seq_backward,
    seq2seq_loss_and_gradients,
)
from attnlib.training.loop import History, train
from attnlib.training.optimizer import AdamW, clip_by_norm, learning_rate
from attnlib.training.tasks import Batch, induction_batch, induction_score, previous_token_score

__all__ = [
    "AdamW",
    "Batch",
    "History",
    "block_backward",
    "clip_by_norm",
    "cross_attention_backward",
    "cross_entropy",
    "embedding_backward",
    "feed_forward_backward",
    "gelu_backward",
    "gpt_backward",
    "induction_batch",
    "induction_score",
    "layer_norm_backward",
    "learning_rate",
    "linear_backward",
    "load_checkpoint",
    "load_parameters",
    "log_softmax",
    "loss_and_gradients",
    "norm_backward",
    "previous_token_score",
    "relu_backward",
    "residual_backward",
    "rms_norm_backward",
    "rotary_backward",
    "rotate_backward",
    "save_checkpoint",
    "scaled_dot_product_attention_backward",
    "self_attention_backward",
    "seq2seq_backward",
    "seq2seq_loss_and_gradients",
    "silu_backward",
    "softcap_backward",
    "softmax_backward",
    "sum_groups",
    "sum_rows",
    "sum_to",
    "t5_bias_backward",
    "train",
]
