"""How a gradient becomes a step: AdamW, the learning rate over time, and clipping."""

import numpy as np

from attnlib import _check, _guard


def _decay(name, value):
    return _check.rate(name, value, _check.not_negative)


class AdamW:
    """Adam with decoupled weight decay. Moves the parameters in place.

    parameters    {name: array}, as `attnlib.layers.parameters(model)` gives them
    lr            step size
    betas         how slowly the running means of the gradient and of its square forget
    eps           keeps the step finite where the gradient was always 0
    weight_decay  the share lr · weight_decay of each matrix fades per step; vectors do not

    `means`, `squares` {name: array} and `count`, the steps so far, are its whole state.

    Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
    """

    @_check.door(parameters=_check.kept, weight_decay=_decay)
    def __init__(self, parameters, *, lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.01):
        self.lr, self.eps = _check.rate("lr", lr), _check.positive("eps", eps)
        self.betas = _betas(betas)
        self.weight_decay = weight_decay
        self.parameters, self.count = parameters, 0
        self.means = {name: np.zeros_like(p) for name, p in parameters.items()}
        self.squares = {name: np.zeros_like(p) for name, p in parameters.items()}

    def step(self, gradients, *, lr=None):
        """Move every parameter once. gradients {name: array}; lr for this step alone."""
        lr = self.lr if lr is None else lr
        gradients, lr = _guard.adamw_step(gradients, self.parameters, lr)
        self.count += 1
        beta_1, beta_2 = self.betas
        for name, p in self.parameters.items():
            gradient, mean, square = gradients[name], self.means[name], self.squares[name]
            mean += (1 - beta_1) * (gradient - mean)
            square += (1 - beta_2) * (gradient * gradient - square)
            unbiased_mean = mean / (1 - beta_1**self.count)  # both began at 0
            unbiased_square = square / (1 - beta_2**self.count)
            if p.ndim > 1:
                p -= lr * self.weight_decay * p
            p -= lr * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)


def learning_rate(step, lr, *, warmup=0, steps=None):
    """The step size at step 0, 1, …: it rises in a line, then stays, or falls as a cosine to 0.

    warmup  number of steps until lr is reached
    steps   number of all steps for the cosine; behind the last the rate is 0. None: it stays

    Warm-up: Vaswani et al. 2017, section 5.3; cosine: Loshchilov and Hutter 2017, "SGDR".
    """
    step, warmup = (
        _check.integer("step", step, minimum=0),
        _check.integer("warmup", warmup, minimum=0),
    )
    lr = _check.rate("lr", lr)
    if step < warmup:
        return lr * (step + 1) / warmup
    if steps is None:
        return lr
    if step >= _check.integer("steps", steps):
        return 0.0
    return lr * 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))


def clip_by_norm(gradients, largest):
    """Shorten all gradients together, where their common length is above `largest`.

    returns  {name: array} and the length before, a number

    Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent networks".
    """
    gradients, largest = _guard.clip_by_norm(gradients, largest)
    norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values())))
    if norm > largest:
        gradients = {name: g * g.dtype.type(largest / norm) for name, g in gradients.items()}
    return gradients, norm


def _betas(betas):
    beta_1, beta_2 = _check.pair("betas", betas, _check.number, "numbers")
    if not (0 <= beta_1 < 1 and 0 <= beta_2 < 1):
        raise ValueError(f"betas must be at least 0 and below 1, got {betas!r}")
    return beta_1, beta_2
