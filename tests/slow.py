"""Slow twins: every formula of the ground floor written once more, cell by cell, from the definition alone.

Nothing here is imported from attnlib, and nothing is clever: plain loops over plain numbers. The tests compare the two.
"""

import math


def scores(q, k, mask=None, bias=None, scale=None, softcap=None):
    """One head: q (n_q, d), k (n_k, d); mask and bias (n_q, n_k). Lists of lists, -inf where masked."""
    d = len(q[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    table = []
    for i in range(len(q)):
        row = []
        for j in range(len(k)):
            score = 0.0
            for c in range(d):
                score += float(q[i][c]) * float(k[j][c])
            score *= scale
            if softcap is not None:
                score = softcap * math.tanh(score / softcap)
            if bias is not None:
                score += float(bias[i][j])
            if mask is not None and not mask[i][j]:
                score = -math.inf
            row.append(score)
        table.append(row)
    return table


def softmax(row, sink=None):
    """One row of scores to shares; `sink` takes a share of its own that is not returned."""
    everyone = list(row) if sink is None else [*row, float(sink)]
    top = max(everyone)
    if top == -math.inf:
        return [0.0 for _ in row]
    total = 0.0
    for score in everyone:
        total += math.exp(score - top)
    return [math.exp(score - top) / total for score in row]


def attention(q, k, v, mask=None, bias=None, scale=None, softcap=None, sink=None):
    """One head: q (n_q, d), k (n_k, d), v (n_k, d_v) -> output, weights as lists of lists."""
    weights = [softmax(row, sink) for row in scores(q, k, mask, bias, scale, softcap)]
    output = []
    for row in weights:
        mean = []
        for c in range(len(v[0])):
            mean.append(sum(row[j] * float(v[j][c]) for j in range(len(v))))
        output.append(mean)
    return output, weights


# ---- masks: `place` is where query i stands among the keys; by default the last query stands on the last key ----


def _table(n_q, n_k, sees):
    return [[sees(i, j) for j in range(n_k)] for i in range(n_q)]


def _place(i, n_q, n_k, offset):
    return i + (n_k - n_q if offset is None else offset)


def full(n_q, n_k):
    return _table(n_q, n_k, lambda i, j: True)


def causal(n_q, n_k, offset=None):
    return _table(n_q, n_k, lambda i, j: j <= _place(i, n_q, n_k, offset))


def local(n_q, n_k, window, offset=None):
    """Walk 0, 1 … window-1 steps to either side."""

    def sees(i, j):
        place = _place(i, n_q, n_k, offset)
        return any(j in (place - step, place + step) for step in range(window))

    return _table(n_q, n_k, sees)


def dilated(n_q, n_k, window, dilation, offset=None):
    """Walk 0, 1 … window-1 strides of `dilation` to either side."""

    def sees(i, j):
        place = _place(i, n_q, n_k, offset)
        return any(j in (place - step * dilation, place + step * dilation) for step in range(window))

    return _table(n_q, n_k, sees)


def strided(n_q, n_k, stride, offset=None):
    """Walk any number of strides to either side."""

    def sees(i, j):
        place = _place(i, n_q, n_k, offset)
        while place > j:
            place -= stride
        while place < j:
            place += stride
        return place == j

    return _table(n_q, n_k, sees)


def prefix(n, n_prefix):
    return _table(n, n, lambda i, j: j < n_prefix or j <= i)


def padding(length, n_k):
    """One sentence: (1, n_k)."""
    return _table(1, n_k, lambda i, j: j < length)


def documents(ids):
    """One row of texts: (n, n)."""
    return _table(len(ids), len(ids), lambda i, j: ids[i] == ids[j])


def global_tokens(n, n_global):
    return _table(n, n, lambda i, j: i < n_global or j < n_global)


def global_local(n, window, n_global):
    near, everywhere = local(n, n, window), global_tokens(n, n_global)
    return _table(n, n, lambda i, j: near[i][j] or everywhere[i][j])


def density(mask):
    pairs = allowed = 0
    for row in mask:
        for cell in row:
            pairs += 1
            allowed += 1 if cell else 0
    return allowed / pairs


def empty_rows(mask):
    return [not any(row) for row in mask]


# ---- encodings ------------------------------------------------------------------------------------------------


def sinusoidal(n, d_model, base=10_000, layout="interleaved"):
    table = []
    for p in range(n):
        sines = [math.sin(p / base ** (2 * i / d_model)) for i in range(d_model // 2)]
        cosines = [math.cos(p / base ** (2 * i / d_model)) for i in range(d_model // 2)]
        if layout == "half":
            table.append(sines + cosines)
        else:
            row = []
            for sine, cosine in zip(sines, cosines):
                row += [sine, cosine]
            table.append(row)
    return table


# ---- layers and training ------------------------------------------------------------------------------------------


def layer_norm(row, gain=None, bias=None, eps=1e-5):
    """One token."""
    mean = sum(row) / len(row)
    variance = sum((number - mean) ** 2 for number in row) / len(row)
    normed = [(number - mean) / math.sqrt(variance + eps) for number in row]
    return [number * (1 if gain is None else gain[i]) + (0 if bias is None else bias[i]) for i, number in enumerate(normed)]


def rms_norm(row, gain=None, eps=1e-6):
    """One token."""
    size = math.sqrt(sum(number**2 for number in row) / len(row) + eps)
    return [number / size * (1 if gain is None else gain[i]) for i, number in enumerate(row)]


def gelu(x):
    return x * 0.5 * math.erfc(-x / math.sqrt(2))


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x):
    return x / (1 + math.exp(-x))


def relu(x):
    return x if x > 0 else 0.0


def cross_entropy(rows, targets):
    """Mean over the rows of the surprise -log(share of the target)."""
    return sum(-math.log(softmax(row)[target]) for row, target in zip(rows, targets)) / len(targets)


def adamw(value, gradients, rates, betas, eps, weight_decay):
    """One number, moved by each gradient in turn: algorithm 2 of the paper, line by line."""
    m = v = 0.0
    for t, (gradient, rate) in enumerate(zip(gradients, rates), start=1):
        m = betas[0] * m + (1 - betas[0]) * gradient
        v = betas[1] * v + (1 - betas[1]) * gradient**2
        m_hat = m / (1 - betas[0] ** t)
        v_hat = v / (1 - betas[1] ** t)
        value = value - rate * weight_decay * value - rate * m_hat / (math.sqrt(v_hat) + eps)
    return value


def induction_score(weights, ids):
    """One head: weights (n, n). How much each query gives to the keys behind earlier copies of its own token."""
    given = []
    for i in range(len(ids)):
        behind = [j + 1 for j in range(i) if ids[j] == ids[i]]
        if behind:
            given.append(sum(weights[i][j] for j in behind))
    return sum(given) / len(given)


def previous_token_score(weights):
    """One head: weights (n, n)."""
    return sum(weights[i][i - 1] for i in range(1, len(weights))) / (len(weights) - 1)
