"""Slow twins: every formula of the ground floor written once more, cell by cell, from the
definition alone.

Nothing here is imported from attnlib, and nothing is clever: plain loops over plain numbers. The
tests compare the two.
"""

import cmath
import math


def scores(q, k, mask=None, bias=None, scale=None, softcap=None):
    """One head: q (n_q, d), k (n_k, d); mask and bias (n_q, n_k). Lists of lists, -inf where
    masked.
    """
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


# ---- masks: `place` is where query i stands among the keys; by default the last query stands on
# the last key ----


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
        return any(
            j in (place - step * dilation, place + step * dilation) for step in range(window)
        )

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


# ---- encodings -----------------------------------------------------------------------------------


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


def turn(row, position, speeds, layout):
    """Rotary encoding of one token's head: each pair is a complex number, times exp(i · angle)."""
    pairs = len(row) // 2
    turned = [0.0] * len(row)
    for i in range(pairs):
        first, second = (2 * i, 2 * i + 1) if layout == "interleaved" else (i, i + pairs)
        number = complex(row[first], row[second]) * cmath.exp(1j * position * speeds[i])
        turned[first], turned[second] = number.real, number.imag
    return turned


def rotary_speeds(d, base, n=1, kind="default", **keys):
    """Radians per token of each pair, for a text of n tokens; the recipes as their authors' code
    has them.
    """
    length = keys.get("original_max_position_embeddings")
    if kind == "dynamic" and n > length:
        base = base * (keys["factor"] * n / length - (keys["factor"] - 1)) ** (d / (d - 2))
    speeds = []
    for i in range(d // 2):
        speed = 1 / base ** (2 * i / d)
        if kind == "linear":
            speed /= keys["factor"]
        elif kind == "llama3":
            speed = _llama3(
                speed, length, keys["factor"], keys["low_freq_factor"], keys["high_freq_factor"]
            )
        elif kind == "yarn":
            speed = _yarn(speed, i, d, base, length, **keys)
        elif kind == "longrope":
            speed /= keys["long_factor" if n > length else "short_factor"][i]
        speeds.append(speed)
    return speeds


def _llama3(speed, length, factor, low, high):
    wavelength = 2 * math.pi / speed
    if wavelength < length / high:
        return speed
    if wavelength > length / low:
        return speed / factor
    smooth = (length / wavelength - low) / (high - low)
    return (1 - smooth) * speed / factor + smooth * speed


def _yarn(speed, i, d, base, length, factor, beta_fast=32, beta_slow=1, truncate=True, **_):
    low = d * math.log(length / (beta_fast * 2 * math.pi)) / (2 * math.log(base))
    high = d * math.log(length / (beta_slow * 2 * math.pi)) / (2 * math.log(base))
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, d - 1)
    if low == high:
        high += 0.001
    ramp = min(max((i - low) / (high - low), 0), 1)
    return speed / factor * ramp + speed * (1 - ramp)


def attention_factor(kind="default", **keys):
    def mscale(factor, weight=1.0):
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1

    if "attention_factor" in keys:
        return keys["attention_factor"]
    if kind == "yarn" and "mscale" in keys:
        return mscale(keys["factor"], keys["mscale"]) / mscale(
            keys["factor"], keys["mscale_all_dim"]
        )
    if kind == "yarn":
        return mscale(keys["factor"])
    if kind == "longrope" and keys["factor"] > 1:
        return math.sqrt(
            1 + math.log(keys["factor"]) / math.log(keys["original_max_position_embeddings"])
        )
    return 1.0


def alibi_slopes(n_heads):
    """The recursion of the authors' code."""
    if math.log2(n_heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(n_heads) - 3)))
        return [start * start**i for i in range(n_heads)]
    power = 2 ** math.floor(math.log2(n_heads))
    return alibi_slopes(power) + alibi_slopes(2 * power)[0::2][: n_heads - power]


def alibi(n_heads, n_q, n_k):
    table = []
    for slope in alibi_slopes(n_heads):
        table.append(
            [[-slope * abs(_place(i, n_q, n_k, None) - j) for j in range(n_k)] for i in range(n_q)]
        )
    return table


def t5_bucket(relative_position, bidirectional, num_buckets=32, max_distance=128):
    """mesh_tensorflow's _relative_position_bucket, for one number: where the key stands, seen from
    the query, j - i.
    """
    ret = 0
    n = -relative_position
    if bidirectional:
        num_buckets //= 2
        if n < 0:
            ret += num_buckets
        n = abs(n)
    else:
        n = max(n, 0)
    max_exact = num_buckets // 2
    if n < max_exact:
        return ret + n
    large = max_exact + int(
        math.log(n / max_exact) / math.log(max_distance / max_exact) * (num_buckets - max_exact)
    )
    return ret + min(large, num_buckets - 1)


def t5_bias(table, n_q, n_k, bidirectional, max_distance):
    """table: one row per bucket, one column per head."""

    def number(head, i, j):
        return table[
            t5_bucket(j - _place(i, n_q, n_k, None), bidirectional, len(table), max_distance)
        ][head]

    return [
        [[number(head, i, j) for j in range(n_k)] for i in range(n_q)]
        for head in range(len(table[0]))
    ]


# ---- layers and training -------------------------------------------------------------------------


def layer_norm(row, gain=None, bias=None, eps=1e-5):
    """One token."""
    mean = sum(row) / len(row)
    variance = sum((number - mean) ** 2 for number in row) / len(row)
    normed = [(number - mean) / math.sqrt(variance + eps) for number in row]
    return [
        number * (1 if gain is None else gain[i]) + (0 if bias is None else bias[i])
        for i, number in enumerate(normed)
    ]


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
    """One head: weights (n, n). How much each query gives to the keys behind earlier copies of its
    own token.
    """
    given = []
    for i in range(len(ids)):
        behind = [j + 1 for j in range(i) if ids[j] == ids[i]]
        if behind:
            given.append(sum(weights[i][j] for j in behind))
    return sum(given) / len(given)


def previous_token_score(weights):
    """One head: weights (n, n)."""
    return sum(weights[i][i - 1] for i in range(1, len(weights))) / (len(weights) - 1)
