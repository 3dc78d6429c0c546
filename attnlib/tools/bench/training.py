"""How fast a training step is, beside PyTorch where that is installed.

Both train the same GPT in float32 on the CPU with one thread each, in turns, so that a busy
machine disturbs both alike. PyTorch runs as its users run it: eager, its fused attention, AdamW.
"""

import time

import numpy as np

from attnlib._memory import keep_memory
from attnlib.layers import parameters
from attnlib.models.gpt import GPT
from attnlib.tools.bench.threads import blas_threads
from attnlib.training import AdamW, clip_by_norm, induction_batch, loss_and_gradients

BATCH, N, VOCABULARY = 32, 64, 64
ROUNDS = 15
SIZES = {
    "attention only, 2 layers, d 64, 4 heads": {
        "d_model": 64,
        "n_layers": 2,
        "n_heads": 4,
        "d_hidden": 0,
        "norm": None,
    },
    "with norm and FFN, 4 layers, d 128, 4 heads": {"d_model": 128, "n_layers": 4, "n_heads": 4},
}


def run():
    """Print tokens per second for each size, and the ratio to PyTorch."""
    keep_memory()
    blas_threads(1)
    torch_step = _torch_step()
    print(
        f"Training steps, {BATCH} texts of {N} tokens, float32, one thread each, median of {ROUNDS}"
        " rounds in turns"
    )
    for name, size in SIZES.items():
        contestants = {"attnlib": our_step(size)}
        if torch_step is not None:
            contestants["PyTorch"] = torch_step(size)
        print(f"\n{name}")
        report(in_turns(contestants))
    if torch_step is None:
        print("\nPyTorch is not installed: nothing to compare with.")


def report(seconds):
    """{name: (rounds, 2) seconds} -> lines of text; the ratio is taken round by round."""
    for who, times in seconds.items():
        wall, cpu = np.median(times, axis=0)
        print(
            f"  {who:8} {BATCH * N / wall:9,.0f} tokens/s   a step: {1e3 * wall:6.1f} ms on the"
            f" clock, {1e3 * cpu:6.1f} ms of CPU time"
        )
    if len(seconds) == 2:
        ours, theirs = seconds.values()
        for kind, ratios in zip(("the clock", "CPU time"), (theirs / ours).T):
            print(
                f"  by {kind}, attnlib is {np.median(ratios):.2f} times as fast as PyTorch"
                f" ({ratios.min():.2f} to {ratios.max():.2f})"
            )


def in_turns(contestants):
    """{name: function} -> {name: (rounds, 2)}, seconds per step on the clock and of CPU time; a
    round is three steps.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(ROUNDS + 1):
        for name, step in contestants.items():
            began = np.array([time.perf_counter(), time.process_time()])
            for _ in range(3):
                step()
            seconds[name].append((np.array([time.perf_counter(), time.process_time()]) - began) / 3)
    # the first round warms up
    return {name: np.array(times[1:]) for name, times in seconds.items()}


def our_step(size):
    """One training step of our GPT, as a function."""
    rng = np.random.default_rng(0)
    model = GPT(VOCABULARY, n_max=N, rng=rng, **size)
    optimizer, batch = (
        AdamW(parameters(model)),
        induction_batch(rng, batch=BATCH, n=N, vocabulary=VOCABULARY),
    )

    def step():
        _, gradients = loss_and_gradients(model, *batch)
        optimizer.step(clip_by_norm(gradients, 1.0)[0])

    return step


def _torch_step():
    """A function size -> training step of the same model in PyTorch, or None where it is not
    installed.
    """
    try:
        import torch
    except ImportError:
        return None
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(1)

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            self.n_heads = n_heads
            self.q, self.k, self.v, self.o = (
                nn.Linear(d_model, d_model, bias=False) for _ in range(4)
            )

        def forward(self, x):
            q, k, v = (
                part(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
                for part in (self.q, self.k, self.v)
            )
            return self.o(
                F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(-2)
            )

    class Block(nn.Module):
        def __init__(self, d_model, n_heads, d_hidden, norm):
            super().__init__()
            self.attention_norm = nn.LayerNorm(d_model) if norm else nn.Identity()
            self.attention = Attention(d_model, n_heads)
            self.feed_forward = None
            if d_hidden != 0:
                layers = [
                    nn.Linear(d_model, 4 * d_model, bias=False),
                    nn.GELU("tanh"),
                    nn.Linear(4 * d_model, d_model, bias=False),
                ]
                self.feed_forward = nn.Sequential(
                    nn.LayerNorm(d_model) if norm else nn.Identity(), *layers
                )

        def forward(self, x):
            x = x + self.attention(self.attention_norm(x))
            return x if self.feed_forward is None else x + self.feed_forward(x)

    class Model(nn.Module):
        def __init__(self, d_model, n_layers, n_heads, d_hidden=None, norm="pre"):
            super().__init__()
            self.embedding, self.positions = (
                nn.Embedding(VOCABULARY, d_model),
                nn.Parameter(torch.randn(N, d_model)),
            )
            self.blocks = nn.Sequential(
                *(Block(d_model, n_heads, d_hidden, norm) for _ in range(n_layers))
            )
            self.final_norm = nn.LayerNorm(d_model) if norm else nn.Identity()
            self.unembedding = nn.Linear(d_model, VOCABULARY, bias=False)

        def forward(self, ids):
            return self.unembedding(
                self.final_norm(self.blocks(self.embedding(ids) + self.positions))
            )

    def prepare(size):
        model = Model(**size)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        ids, targets, where = map(
            torch.from_numpy,
            induction_batch(np.random.default_rng(0), batch=BATCH, n=N, vocabulary=VOCABULARY),
        )

        def step():
            optimizer.zero_grad()
            F.cross_entropy(model(ids)[where], targets[where]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        return step

    return prepare
