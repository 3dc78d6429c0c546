"""Slow twins: every formula of the ground floor written once more, cell by cell, from the
definition alone.

Nothing here is imported from attnlib, and nothing is clever: plain loops over plain numbers. The
tests compare the two; test_twins.py asks for a twin of every public name and calls it with the same
arguments, arrays as lists of lists, and a layer as a dict of what it holds.
"""

import cmath
import functools
import math
import struct
from fractions import Fraction

# ---- lists in lists ------------------------------------------------------------------------------


def _shape(x):
    """Of lists in lists, or of an array, which is read like them."""
    if not isinstance(x, (list, tuple)) and not getattr(x, "ndim", 0):
        return ()
    return (len(x), *(_shape(x[0]) if len(x) else ()))


def _nested(shape, cell, index=()):
    """Lists in lists of this shape; cell(index) says what stands where."""
    if not shape:
        return cell(index)
    return [_nested(shape[1:], cell, (*index, i)) for i in range(shape[0])]


def _cell(x, index):
    """The number at a place of the whole; x may lack the first axes, or have 1 in their place."""
    for i in index[len(index) - len(_shape(x)) :]:
        x = x[i] if len(x) > 1 else x[0]
    return x


def _of_each(axes):
    """A formula for one number (0), row (1) or table (2), used for each of those in a list."""

    def decorated(formula):
        @functools.wraps(formula)
        def each(x, *given, **options):
            if len(_shape(x)) > axes:
                return [each(part, *given, **options) for part in x]
            return formula(x, *given, **options)

        return each

    return decorated


def _mean(numbers):
    """0 where there is none."""
    return sum(numbers) / len(numbers) if numbers else 0.0


# ---- attention -----------------------------------------------------------------------------------


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


def softmax(row, axis=-1, where=None, sink=None):
    """One row of scores to shares, or a table along an axis; `sink` takes a share of its own that
    is not returned.
    """
    shape = _shape(row)
    if where is not None:
        seen = row
        row = _nested(shape, lambda at: _cell(seen, at) if _cell(where, at) else -math.inf)
    if len(shape) > 1 and axis % len(shape) > 0:
        return [softmax(part, axis % len(shape) - 1) for part in row]
    if len(shape) > 1:  # along the first axis: the other way round, and back
        turned = softmax(_swapped(row), 1)
        return _swapped(turned)
    everyone = list(row) if sink is None else [*row, float(sink)]
    top = max(everyone)
    if top == -math.inf:
        return [0.0 for _ in row]
    total = 0.0
    for score in everyone:
        total += math.exp(score - top)
    return [math.exp(score - top) / total for score in row]


def _swapped(table):
    return [list(column) for column in zip(*table)]


@_of_each(1)
def log_softmax(row):
    return [math.log(share) for share in softmax(row)]


def attention(q, k, v, mask=None, bias=None, scale=None, softcap=None, sink=None):
    """One head: q (n_q, d), k (n_k, d), v (n_k, d_v) -> output, weights as lists of lists."""
    weights = [softmax(row, sink=sink) for row in scores(q, k, mask, bias, scale, softcap)]
    output = []
    for row in weights:
        mean = []
        for c in range(len(v[0])):
            mean.append(sum(row[j] * float(v[j][c]) for j in range(len(v))))
        output.append(mean)
    return output, weights


def _kv(x, q, index):
    """The keys or values that a query head reads: kv head i // group."""
    for axis, i in enumerate(index[len(index) - len(_shape(x)) + 2 :]):
        last = axis == len(index) - 1
        x = x[i * len(x) // _shape(q)[len(index) - 1] if last else i]
    return x


def _by_head(formula, q, k, mask, bias):
    """formula(q, k, mask, bias, head) of every head: (n_q, d), (n_k, d), twice (n_q, n_k)."""

    def head(index):
        mine = q
        for i in index:
            mine = mine[i]
        read = _kv(k, q, index)

        def stretched(table):
            cells = (len(mine), len(read))
            return table if table is None else _nested(cells, lambda at: _cell(table, index + at))

        return formula(mine, read, stretched(mask), stretched(bias), index)

    return _nested(_shape(q)[:-2], head)


def attention_scores(q, k, mask=None, bias=None, scale=None, softcap=None):
    def one(q, k, mask, bias, _):
        return scores(q, k, mask, bias, scale, softcap)

    return _by_head(one, q, k, mask, bias)


def scaled_dot_product_attention(
    q, k, v, mask=None, bias=None, scale=None, softcap=None, sinks=None
):
    def part(number):
        def one(mine, k, mask, bias, index):
            sink = None if sinks is None else sinks[index[-1]]
            read = _kv(v, q, index)
            return attention(mine, k, read, mask, bias, scale, softcap, sink)[number]

        return _by_head(one, q, k, mask, bias)

    return part(0), part(1)


@_of_each(2)
def split_heads(rows, n_heads):
    d = len(rows[0]) // n_heads
    return [[[row[i * d + c] for c in range(d)] for row in rows] for i in range(n_heads)]


@_of_each(3)
def merge_heads(heads):
    return [[number for head in heads for number in head[i]] for i in range(len(heads[0]))]


# ---- masks: `place` is where query i stands among the keys; by default the last query stands on
# the last key ----


def _table(n_q, n_k, sees):
    n_k = n_q if n_k is None else n_k
    return [[sees(i, j) for j in range(n_k)] for i in range(n_q)]


def _place(i, n_q, n_k, offset):
    n_k = n_q if n_k is None else n_k
    return i + (n_k - n_q if offset is None else offset)


def behind(n_q, n_k=None, offset=None):
    return _table(n_q, n_k, lambda i, j: _place(i, n_q, n_k, offset) - j)


def full(n_q, n_k=None):
    return _table(n_q, n_k, lambda i, j: True)


def causal(n_q, n_k=None, offset=None):
    return _table(n_q, n_k, lambda i, j: j <= _place(i, n_q, n_k, offset))


def local(n_q, n_k=None, window=None, offset=None):
    """Walk 0, 1 … window-1 steps to either side."""

    def sees(i, j):
        place = _place(i, n_q, n_k, offset)
        return any(j in (place - step, place + step) for step in range(window))

    return _table(n_q, n_k, sees)


def dilated(n_q, n_k=None, window=None, dilation=None, offset=None):
    """Walk 0, 1 … window-1 strides of `dilation` to either side."""

    def sees(i, j):
        place = _place(i, n_q, n_k, offset)
        return any(
            j in (place - step * dilation, place + step * dilation) for step in range(window)
        )

    return _table(n_q, n_k, sees)


def strided(n_q, n_k=None, stride=None, offset=None):
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
    """One sentence: (1, n_k); a list of them: (b, 1, 1, n_k)."""
    if isinstance(length, list):
        return [[padding(one, n_k)] for one in length]
    return _table(1, n_k, lambda i, j: j < length)


def documents(ids):
    """One row of texts: (n, n); a list of rows: (b, 1, n, n)."""
    if isinstance(ids[0], list):
        return [[documents(row)] for row in ids]
    return _table(len(ids), len(ids), lambda i, j: ids[i] == ids[j])


def global_tokens(n, n_global):
    return _table(n, n, lambda i, j: i < n_global or j < n_global)


def global_local(n, window, n_global):
    near, everywhere = local(n, n, window), global_tokens(n, n_global)
    return _table(n, n, lambda i, j: near[i][j] or everywhere[i][j])


def random_keys(n_q, n_k=None, n_random=None, rng=None):
    """For each query a shuffled row of n_k cards, of which n_random say yes."""
    n_k = n_q if n_k is None else n_k
    return [[card < n_random for card in rng.permuted(list(range(n_k)))] for _ in range(n_q)]


def bigbird(n, window, n_global, n_random, rng):
    planned, drawn = global_local(n, window, n_global), random_keys(n, n, n_random, rng)
    return _table(n, n, lambda i, j: planned[i][j] or drawn[i][j])


def streaming(n, window, n_sinks):
    return _table(n, n, lambda i, j: j <= i and (i - j < window or j < n_sinks))


@_of_each(2)
def hops(mask):
    """A walk from i along its looks, until j is met."""

    def walked(i, j):
        met, steps = {i}, 0
        while j not in met:
            further = met | {b for a in met for b in range(len(mask)) if mask[a][b]}
            if further == met:
                return -1
            met, steps = further, steps + 1
        return steps

    return _table(len(mask), None, walked)


@_of_each(2)
def receptive_field(mask, n_layers):
    steps = hops(mask)
    return _table(len(mask), None, lambda i, j: 0 <= steps[i][j] <= n_layers)


def next_layer(known, mask):
    def hears(i, j):
        return known[i][j] or any(mask[i][m] and known[m][j] for m in range(len(mask)))

    return _table(len(mask), None, hears)


def influence(attend, x, size=1.0):
    def output(tokens):
        found = attend(tokens)
        return found[0] if isinstance(found, tuple) else found

    def change(i, j):
        nudged = [[number + size * (row == j) for number in x[row]] for row in range(len(x))]
        return max(abs(a - b) for a, b in zip(output(nudged)[i], output(x)[i]))

    return _table(len(x), None, change)


def density(mask):
    pairs = allowed = 0
    for row in mask:
        for cell in row:
            pairs += 1
            allowed += 1 if cell else 0
    return allowed / pairs


@_of_each(1)
def empty_rows(row):
    return not any(row)


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


def rotate(x, angles, layout):
    """(..., n, d), (n, d / 2) -> (..., n, d)"""
    if len(_shape(x)) > 2:
        return [rotate(part, angles, layout) for part in x]
    return [turn(row, 1, given, layout) for row, given in zip(x, angles)]


def rotary_angles(positions, d_head, base=10_000, scaling=None):
    """(n,) -> (n, d_head / 2)"""
    keys = {"kind" if key == "type" else key: value for key, value in (scaling or {}).items()}
    speeds = rotary_speeds(d_head, base, max(positions) + 1, **keys)
    return [[place * speed for speed in speeds] for place in positions]


def frequencies(d, base=10_000):
    return rotary_speeds(d, base)


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


def alibi(n_heads, n_q, n_k=None):
    table, n_k = [], n_q if n_k is None else n_k
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


def t5_bias(table, n_q, n_k=None, bidirectional=True, max_distance=128):
    """table: one row per bucket, one column per head."""
    n_k = n_q if n_k is None else n_k

    def number(head, i, j):
        return table[
            t5_bucket(j - _place(i, n_q, n_k, None), bidirectional, len(table), max_distance)
        ][head]

    return [
        [[number(head, i, j) for j in range(n_k)] for i in range(n_q)]
        for head in range(len(table[0]))
    ]


def Positions(n, held, x):
    """What is added, x turned, and the bias: nothing at all, and x."""
    return None, x, None


def Sinusoidal(layer, n, held):
    rows = sinusoidal(held + n, layer["d_model"], layer["base"], layer["layout"])
    return [rows[held + i] for i in range(n)]


def Learned(layer, n, held):
    return [layer["table"][held + i] for i in range(n)]


def Rotary(layer, x, positions=None):
    """(..., n, d_head)"""
    if len(_shape(x)) > 2:
        return [Rotary(layer, part, positions) for part in x]
    places = list(range(len(x))) if positions is None else positions
    scaling = {"kind" if key == "type" else key: a for key, a in (layer["scaling"] or {}).items()}
    columns, size = int(layer["partial"] * len(x[0])), attention_factor(**scaling)
    angles = rotary_angles(places, columns, layer["base"], layer["scaling"])
    turned = rotate([row[:columns] for row in x], angles, layer["layout"])
    return [[size * number for number in first] + row[columns:] for first, row in zip(turned, x)]


def Alibi(layer, n_q, n_k):
    return alibi(layer["n_heads"], n_q, n_k)


def T5Bias(layer, n_q, n_k):
    return t5_bias(layer["table"], n_q, n_k, layer["bidirectional"], layer["max_distance"])


def positions_maker(n_heads, n):
    """Of "alibi": the bias."""
    return alibi(n_heads, n)


# ---- layers and training -------------------------------------------------------------------------


@_of_each(1)
def layer_norm(row, gain=None, bias=None, eps=1e-5):
    """One token."""
    mean = sum(row) / len(row)
    variance = sum((number - mean) ** 2 for number in row) / len(row)
    normed = [(number - mean) / math.sqrt(variance + eps) for number in row]
    return [
        number * (1 if gain is None else gain[i]) + (0 if bias is None else bias[i])
        for i, number in enumerate(normed)
    ]


@_of_each(1)
def rms_norm(row, gain=None, eps=1e-6):
    """One token."""
    size = math.sqrt(sum(number**2 for number in row) / len(row) + eps)
    return [number / size * (1 if gain is None else gain[i]) for i, number in enumerate(row)]


@_of_each(0)
def gelu(x, approximate="none"):
    return gelu_tanh(x) if approximate == "tanh" else x * 0.5 * math.erfc(-x / math.sqrt(2))


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(gelu_bend(x)))


@_of_each(0)
def gelu_bend(x):
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


@_of_each(0)
def silu(x):
    return x / (1 + math.exp(-x))


@_of_each(0)
def logistic(x):
    return 1 / (1 + math.exp(-x))


@_of_each(0)
def relu(x):
    return x if x > 0 else 0.0


def _plus(a, b):
    return [[x + y for x, y in zip(*rows)] for rows in zip(a, b)]


def _linear(rows, W, b):
    """b a row, or 0 for none."""
    out = []
    for row in rows:
        products = [sum(row[i] * W[i][j] for i in range(len(row))) for j in range(len(W[0]))]
        out.append([x + (b[j] if isinstance(b, list) else b) for j, x in enumerate(products)])
    return out


def LayerNorm(layer, rows):
    return layer_norm(rows, layer["gain"], layer["bias"], layer["eps"])


def RMSNorm(layer, rows):
    return rms_norm(rows, layer["gain"], layer["eps"])


def _norm(layer, rows):
    return (LayerNorm if "bias" in layer else RMSNorm)(layer, rows)


def norm_maker(norm_type, eps, rows):
    """The norm it makes, of rows; gain 1, bias 0."""
    norm, usual = {"layer": (layer_norm, 1e-5), "rms": (rms_norm, 1e-6)}[norm_type]
    return norm(rows, eps=usual if eps is None else eps)


def FeedForward(layer, rows):
    bend = {"relu": relu, "gelu": gelu, "gelu_tanh": _of_each(0)(gelu_tanh), "silu": silu}
    hidden = _linear(rows, layer["W_up"], layer["b_up"])
    if layer["W_gate"] is None:
        hidden = bend[layer["activation"]](hidden)
    else:
        gate = bend[layer["activation"]](_linear(rows, layer["W_gate"], layer["b_gate"]))
        hidden = [[g * x for g, x in zip(*pair)] for pair in zip(gate, hidden)]
    return _linear(hidden, layer["W_down"], layer["b_down"])


def _attend(layer, x, context, mask=None, bias=None, positions=None, change=None):
    """One text: output, weights, and what the heads hand on. change(mixed, weights, values): what
    they hand on instead, all by head.
    """
    q = split_heads(_linear(x, layer["W_q"], layer["b_q"]), layer["n_heads"])
    k = split_heads(_linear(context, layer["W_k"], layer["b_k"]), layer["n_kv_heads"])
    v = split_heads(_linear(context, layer["W_v"], layer["b_v"]), layer["n_kv_heads"])
    if layer.get("rotary"):
        q, k = Rotary(layer["rotary"], q, positions), Rotary(layer["rotary"], k, positions)
    mixed, weights = scaled_dot_product_attention(q, k, v, mask, bias, **layer["scoring"])
    if change is not None:
        values = [v[i * len(v) // len(q)] for i in range(len(q))]
        mixed = change(mixed, weights, values)
    return _linear(merge_heads(mixed), layer["W_o"], layer["b_o"]), weights, mixed


def SelfAttention(layer, x, mask=None, bias=None, positions=None):
    return _attend(layer, x, x, mask, bias, positions)[:2]


def CrossAttention(layer, x, context, mask=None, bias=None):
    return _attend(layer, x, context, mask, bias)[:2]


def KVCache(added):
    """added: (k, v) by (k, v), each (n, d). All keys, all values, how many, how many bytes."""
    k, v = [row for k, _ in added for row in k], [row for _, v in added for row in v]
    return k, v, len(k), 8 * sum(len(row) for row in k + v)


def n_held(caches):
    return [len(rows) for rows in caches]


def all_or_nothing(held):
    return held


def _residual(x, norm, place, inner):
    """inner(rows) -> (output, …): x + inner(norm(x)), or norm(x + inner(x)), and what else."""
    said, *more = inner(_norm(norm, x) if place == "pre" else x)
    total = _plus(x, said)
    return _norm(norm, total) if place == "post" else total, *more


def residual(layer, norm, place, x):
    """Around a feed-forward layer."""
    return _residual(x, norm, place, lambda rows: [FeedForward(layer, rows)])[0]


def EncoderBlock(block, x, mask=None, bias=None, context=None, context_mask=None):
    """With a context, the cross-attention stands in the middle."""

    def attend(rows):
        return SelfAttention(block["attention"], rows, mask, bias)

    def cross(rows):
        return CrossAttention(block["cross_attention"], rows, context, context_mask)

    place = block["norm"]
    x, *maps = _residual(x, block["attention_norm"], place, attend)
    if context is not None:
        x, seen = _residual(x, block["cross_attention_norm"], place, cross)
        maps.append(seen)
    if block["feed_forward"] is not None:
        x = residual(block["feed_forward"], block["feed_forward_norm"], place, x)
    return x, *maps


def DecoderBlock(block, x, mask=None, bias=None, **cross):
    """Nobody looks at the future, whatever the mask says."""
    past = _table(len(x), None, lambda i, j: j <= i and (mask is None or mask[i][j]))
    return EncoderBlock(block, x, past, bias, **cross)


def CrossDecoderBlock(block, x, context, context_mask=None, bias=None):
    return DecoderBlock(block, x, bias=bias, context=context, context_mask=context_mask)


def parameters(layer, before=""):
    found = {}
    for name, value in layer.items():
        if isinstance(value, dict):
            found |= parameters(value, f"{before}{name}.")
        elif isinstance(value, list):
            found[before + name] = value
    return found


def cast(layer):
    """Every parameter to 32 bits and back."""

    def rounded(x):
        return struct.unpack("f", struct.pack("f", x))[0]

    return {name: _of_each(0)(rounded)(value) for name, value in parameters(layer).items()}


# ---- efficient: the same numbers from the definition, tile or no tile ----------------------------


def flash_attention(
    q, k, v, causal=False, mask=None, bias=None, scale=None, softcap=None, block=None, workers=None
):
    n_q, n_k = _shape(q)[-2], _shape(k)[-2]

    def sees(i, j):
        return not causal or j <= i + n_k - n_q

    seen = _table(n_q, n_k, sees)
    if mask is not None:
        shape = (*_shape(q)[:-1], n_k)
        seen = _nested(shape, lambda at: sees(*at[-2:]) and _cell(mask, at))
    return scaled_dot_product_attention(q, k, v, seen, bias, scale, softcap)[0]


def _near(n_q, n_k, offset, window, causal, n_global):
    def sees(i, j):
        place = i + offset
        near = abs(place - j) < window or 0 <= place < n_global or j < n_global
        return near and (j <= place or not causal)

    return _table(n_q, n_k, sees)


def local_attention(
    q, k, v, window, causal=False, n_global=0, scale=None, softcap=None, workers=None
):
    n_q, n_k = _shape(q)[-2], _shape(k)[-2]
    mask = _near(n_q, n_k, n_k - n_q, window, causal, n_global)
    return scaled_dot_product_attention(q, k, v, mask, None, scale, softcap)[0]


def _sums(scores, v):
    """The largest score of a row, and the sums of exp(score - largest), alone and times values."""
    m, l, o = [], [], []  # noqa: E741
    for row in scores:
        top = max(row)
        shares = [0.0 if top == -math.inf else math.exp(score - top) for score in row]
        m.append([top])
        l.append([sum(shares)])
        o.append([sum(p * value[c] for p, value in zip(shares, v)) for c in range(len(v[0]))])
    return m, l, o


def flash_steps(q, k, v, block=4):
    steps = []
    for start in range(0, len(k), block):
        stop = min(start + block, len(k))
        tile = scores(q, k[start:stop])
        steps.append((start, stop, tile, *_sums(scores(q, k[:stop]), v[:stop])))
    return steps


tile_by_tile = flash_steps


def absorb(before, scores, v_before, v):
    """before: the scores seen so far, and their values; the sums over those and the new ones."""
    both = [old + new for old, new in zip(before, scores)]
    return _sums(both, v_before + v)


def nothing_seen(q, v):
    return [[-math.inf] for _ in q], [[0.0] for _ in q], [[0.0 for _ in v[0]] for _ in q]


def running_sums(q, k, v, tiles, scale, softcap):
    """tiles: (start, stop, mask, bias); softmax over the keys of all of them."""
    table, values = [[] for _ in q], []
    for start, stop, mask, bias in tiles:
        tile = scores(q, k[start:stop], mask, bias, scale, softcap)
        table, values = [a + b for a, b in zip(table, tile)], values + v[start:stop]
    shares = [softmax(row) for row in table]
    return [
        [sum(p * value[c] for p, value in zip(row, values)) for c in range(len(v[0]))]
        for row in shares
    ]


quick_sums = running_sums


def Pattern(n_q, n_k, offset, window, causal, n_global, mask):
    """Who sees whom; that a global query sees everyone is another pattern's work."""

    def sees(i, j):
        place = i + offset
        near = window is None or abs(place - j) < window or j < n_global
        return near and (j <= place or not causal) and (mask is None or mask[i][j])

    return _table(n_q, n_k, sees)


def edge(first, n_q, n_k, window, causal):
    return Pattern(n_q, n_k, first, window, causal, 0, None)


def cut(start, stop, size):
    pieces, piece = [], []
    for i in range(start, stop):
        piece.append(i)
        if len(piece) == size or i == stop - 1:
            pieces.append((piece[0], piece[-1] + 1))
            piece = []
    return pieces


def attend(q, k, v, causal):
    return flash_attention(q, k, v, causal)


# ---- measures: one head, weights (n_q, n_k) ------------------------------------------------------


@_of_each(2)
def step_share(weights, step):
    n_q, n_k = _shape(weights)
    given = []
    for i in range(n_q):
        j = i + n_k - n_q + step
        if 0 <= j < n_k and any(weights[i]):
            given.append(weights[i][j])
    return _mean(given)


def previous_share(weights):
    return step_share(weights, -1)


def next_share(weights):
    return step_share(weights, 1)


@_of_each(2)
def sink_share(weights, key=0):
    n_q, n_k = _shape(weights)
    key = key if key >= 0 else n_k + key
    return _mean([row[key] for i, row in enumerate(weights) if i + n_k - n_q != key and any(row)])


@_of_each(2)
def entropy(weights):
    return _mean([-sum(w * math.log(w) for w in row if w) for row in weights if any(row)])


@_of_each(2)
def distance(weights):
    n_q, n_k = _shape(weights)
    means = []
    for i, row in enumerate(weights):
        if any(row):
            means.append(sum(w * abs(i + n_k - n_q - j) for j, w in enumerate(row)))
    return _mean(means)


def overlap(weights, alone, itself=False):
    if len(_shape(weights)) > 2:
        return [overlap(*both, itself) for both in zip(weights, alone)]
    n, parts = len(alone), []
    for i in range(n):
        others = [j for j in range(n) if itself or j != i]
        if others and max(alone[i][j] for j in others) > 1.01 / n:
            given = sum(min(weights[i][j], alone[i][j]) for j in others)
            parts.append(given / sum(alone[i][j] for j in others))
    return _mean(parts) if parts else math.nan


@_of_each(2)
def within_diagonals(scores):
    n = len(scores)
    cells = [(i, j) for i in range(n) for j in range(n)]
    whole = _mean([scores[i][j] for i, j in cells])
    spread = math.sqrt(_mean([(scores[i][j] - whole) ** 2 for i, j in cells]))
    left = []
    for i, j in cells:
        diagonal = [scores[a][b] for a, b in cells if b - a == j - i]
        left.append((scores[i][j] - _mean(diagonal)) ** 2)
    return math.sqrt(_mean(left)) / spread if spread else 0.0


@_of_each(2)
def directions(rows, least=None):
    """The rank of whole numbers without their mean, exact: by elimination."""
    rows = [[Fraction(number) for number in row] for row in rows]
    means = [sum(column) / len(rows) for column in zip(*rows)]
    rows = [[number - mean for number, mean in zip(row, means)] for row in rows]
    rank = 0
    for c in range(len(means)):
        pivot = next((row for row in rows[rank:] if row[c]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(rank, pivot)
        rank += 1
        for row in rows[rank:]:
            factor = row[c] / pivot[c]
            row[:] = [a - factor * b for a, b in zip(row, pivot)]
    return rank


@_of_each(2)
def closest(rows):
    pairs = [math.dist(a, b) for i, a in enumerate(rows) for b in rows[:i]]
    return min(pairs, default=math.inf) / (max(math.hypot(*row) for row in rows) or 1)


# ---- effects -------------------------------------------------------------------------------------


def value_norms(weights, values, W_o):
    h, n_q, n_k = _shape(weights)
    d = len(values[0][0])

    def cell(at):
        head, i, j = at
        said = values[head * len(values) // h][j]
        vector = [sum(said[c] * W_o[head * d + c][m] for c in range(d)) for m in range(len(W_o[0]))]
        return weights[head][i][j] * math.hypot(*vector)

    return _nested((h, n_q, n_k), cell)


def rollout(weights, residual=0.5):
    """Every path from the top to the bottom, one by one."""
    layers, h, n, _ = _shape(weights)

    def share(i, layer, j):
        if layer < 0:
            return float(i == j)
        total = 0.0
        for k in range(n):
            step = sum(weights[layer][head][i][k] for head in range(h)) / h
            total += (residual * (i == k) + (1 - residual) * step) * share(k, layer - 1, j)
        return total

    return _table(n, None, lambda i, j: share(i, layers - 1, j))


def redrawn(weights, values, wish):
    """The walk of the docstring; a step is freed of what would move the output or the sum by
    Gram-Schmidt.
    """
    row, free = list(weights), set(range(len(weights)))
    while free:
        walked = [j in free for j in range(len(row))]
        axes = []
        for kept in [*_swapped(values), [1.0] * len(row)]:
            axis = _across([x * w for x, w in zip(kept, walked)], axes)
            if math.hypot(*axis) > 1e-9:
                axes.append([x / math.hypot(*axis) for x in axis])
        step = _across([(b - a) * w for a, b, w in zip(row, wish, walked)], axes)
        if max(map(abs, step)) < 1e-9:
            break
        rooms = {j: -row[j] / step[j] for j in free if step[j] < 0}
        room = min(rooms.values(), default=math.inf)
        row = [
            max(x + min(1, room) * s, 0.0) if j in free else x
            for j, (x, s) in enumerate(zip(row, step))
        ]
        if room >= 1:
            break
        free.remove(min(rooms, key=rooms.get))
    return row


def _across(row, axes):
    """What is left of a row at a right angle to axes of length 1."""
    for axis in axes:
        along = sum(x * a for x, a in zip(row, axis))
        row = [x - along * a for x, a in zip(row, axis)]
    return row


def rank_correlation(a, b):
    """Mean ranks by sorting, then Pearson's formula."""

    def centred(x):
        order = sorted(x)
        ranks = [_mean([place for place, y in enumerate(order) if y == one]) for one in x]
        return [rank - _mean(ranks) for rank in ranks]

    a, b = centred(a), centred(b)
    sizes = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b)) / sizes if sizes else math.nan


def divergence(logits, others):
    if len(_shape(others)) > 1:
        many = len(_shape(logits)) > 1
        return [divergence(logits[i] if many else logits, row) for i, row in enumerate(others)]
    return sum(p * math.log(p / q) for p, q in zip(softmax(logits), softmax(others)))


def edited(layer, x, factors):
    """The edit that multiplies what each head hands on by a factor."""

    def change(mixed, weights, values):
        return [[[f * y for y in row] for row in head] for f, head in zip(factors, mixed)]

    return _attend(layer, x, x, change=change)[0]


def silenced(layer, x, heads, to):
    """to: a row for each head."""

    def change(mixed, weights, values):
        return [[to[i] if i in heads else row for row in head] for i, head in enumerate(mixed)]

    return _attend(layer, x, x, change=change)[0]


def replaced(layer, x, head, rows):
    """rows: a whole map, or the last row of one."""

    def change(mixed, weights, values):
        table = rows if isinstance(rows[0], list) else [*weights[head][:-1], rows]
        mine = [
            [sum(w * value[c] for w, value in zip(row, values[head])) for c in range(len(to))]
            for row, to in zip(table, mixed[head])
        ]
        return [mine if i == head else other for i, other in enumerate(mixed)]

    return _attend(layer, x, x, change=change)[0]


def head_means(layer, texts):
    heads = [_attend(layer, x, x)[2] for x in texts]
    means = []
    for i in range(layer["n_heads"]):
        rows = [row for mixed in heads for row in mixed[i]]
        means.append([_mean(column) for column in _swapped(rows)])
    return means


def head_effects(layers, x, mean=False):
    """What is measured: the sum of the squares of what all layers say of x."""

    def size(rows):
        return sum(number**2 for row in rows for number in row)

    effects = []
    for layer in layers:
        means = head_means(layer, [x])
        to = means if mean else [[0.0] * len(row) for row in means]
        before = size(_attend(layer, x, x)[0])
        effects.append([size(silenced(layer, x, [i], to)) - before for i in range(len(to))])
    return effects


def hide_each(logits, ids):
    """logits(ids, mask) -> a row for each token."""
    n, effects = len(ids), []
    for hidden in range(n):
        mask = _table(n, n, lambda i, j, hidden=hidden: j != hidden or i == hidden)
        effects.append(divergence(logits(ids, None)[-1], logits(ids, mask)[-1]))
    return effects


def swap_each(logits, ids, candidates):
    effects = []
    for place in range(len(ids)):
        others = [[*ids[:place], one, *ids[place + 1 :]] for one in candidates]
        after = [divergence(logits(ids, None)[-1], logits(other, None)[-1]) for other in others]
        effects.append(_mean(after))
    return effects


# ---- training ------------------------------------------------------------------------------------


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
