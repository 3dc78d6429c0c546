"""The house asks for its twins: every public name of the ground floor, found by looking, is called
on 50 random arguments beside its slow twin, refuses nonsense by name, and stands in
tests/test_errors.py, in README's table of modules and in the glossary.

Who adds a function is told here what else to write, and where.
"""

import ast
import copy
import importlib
import inspect
import re

import numpy as np
import pytest
import slow
import test_glossary as glossary

import notebooks
from attnlib import _guard, softmax

MODULES = {
    name: importlib.import_module(f"attnlib.{name}")
    for name in "attention heads masks encodings layers efficient measures effects".split()
}
TIMES = 50  # random arguments for each name


# ---- which names ---------------------------------------------------------------------------------


def has_work(thing):
    """Functions, and classes that one can call or ask; a class that only holds has no twin."""
    if inspect.isfunction(thing):
        return True
    own = [name for name in vars(thing) if not name.startswith("_") or name == "__call__"]
    return inspect.isclass(thing) and any(inspect.isfunction(vars(thing)[name]) for name in own)


def is_of(module, name, thing):
    """A public name that was written in this module."""
    return not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__


NAMES = {
    f"{place}.{name}": thing
    for place, module in MODULES.items()
    for name, thing in vars(module).items()
    if is_of(module, name, thing) and has_work(thing)
}


def names_in(tree):
    """Every name that code reads: x, and x of y.x."""
    nodes = list(ast.walk(tree))
    found = {node.id for node in nodes if isinstance(node, ast.Name)}
    return found | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def reads(node, known):
    """What a function or class reads of the known names: x, and x of masks.x; its own variables
    are its own.
    """
    nodes = list(ast.walk(node))
    names = [one for one in nodes if isinstance(one, ast.Name)]
    own = {one.id for one in names if isinstance(one.ctx, ast.Store)}
    own |= {one.arg for one in nodes if isinstance(one, ast.arg)}
    inner = [one for one in nodes if isinstance(one, ast.Attribute)]
    found = {one.attr for one in inner if getattr(one.value, "id", None) in MODULES}
    return found | {one.id for one in names if one.id in known - own}


def bodies():
    """What each function and class of the ground floor and of the models reads, by its name."""
    floor = notebooks.ROOT / "attnlib"
    for path in [*(floor / f"{name}.py" for name in MODULES), *(floor / "models").rglob("*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        made = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        brought = [node.names for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        known = {node.name for node in made} | {one.name for names in brought for one in names}
        for node in made:
            yield f"{path.stem}.{node.name}", reads(node, known)


READS = dict(bodies())
ROOMS = {"attnlib", *(f"attnlib.{name}" for name in MODULES)}


def shown():
    """The names of the ground floor that the code of a notebook uses: masks.causal, or from
    attnlib.masks import causal.
    """
    found = {}
    for path in notebooks.paths():
        for cell in glossary.nbformat.read(path, 4).cells:
            if cell.cell_type != "code" or cell.id in ("launch", "setup", "navigation"):
                continue
            lines = [line for line in cell.source.splitlines() if line[:1] not in ("%", "!")]
            for node in ast.walk(ast.parse("\n".join(lines))):
                if isinstance(node, ast.ImportFrom) and node.module in ROOMS:
                    own = [alias.name for alias in node.names]
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    own = [node.attr] if node.value.id in MODULES else []
                else:
                    continue
                for one in own:
                    found.setdefault(one, path.stem)
    return found


SHOWN = shown()


def has_door(name):
    """Its own, or that of a neighbour in its file to whom it hands what it is given."""
    place = name.split(".")[0]
    rooms = [READS[name], *(READS.get(f"{place}.{other}", set()) for other in READS[name])]
    return any(read & {"_guard", "_check"} for read in rooms)


def is_part(name):
    """Has no door, and works behind that of another name: nobody calls it with something that was
    not looked at. A part needs a twin, and no error case.
    """
    return not has_door(name) and is_read(name)


def is_tool(name):
    """Other code works with it, and no notebook does: nothing that one looks up."""
    return is_read(name) and name.split(".")[1] not in SHOWN


def is_read(name):
    """Does other code of the ground floor or of the models work with it?"""
    own = name.split(".")[1]
    return any(own in read for other, read in READS.items() if other != name)


CALLED = [name for name in NAMES if not is_part(name)]
LISTED = [name for name in NAMES if not is_tool(name)]


# ---- random arguments: the same for a function and its twin --------------------------------------


def sizes(rng, most=6):
    """n_q, and n_k or nothing."""
    n_q = int(rng.integers(1, most + 1))
    return (n_q, int(rng.integers(1, most + 1))) if rng.random() < 0.8 else (n_q,)


def some(rng, **options):
    """Each option by chance: given, or left out."""
    return {name: value for name, value in options.items() if rng.random() < 0.6}


def whole(rng, low, high):
    """A whole number, low … high."""
    return int(rng.integers(low, high + 1))


def lead(rng):
    """The axes in front: none, heads, or texts and heads."""
    return [(), (4,), (2, 2)][whole(rng, 0, 2)]


def rows(rng, *shape):
    return rng.normal(size=shape) * rng.choice([0.3, 1.0, 3.0])


def tables(rng, square=False):
    """A boolean (..., n_q, n_k), or (..., n, n)."""
    n = whole(rng, 1, 5)
    return rng.random((*lead(rng), n, n if square else whole(rng, 1, 5))) < rng.choice([0.2, 0.6])


def offset(rng):
    return some(rng, offset=whole(rng, -3, 5))


def qkv(rng, heads=None):
    """q, k and v; of them k and v may have fewer heads."""
    front = lead(rng) if heads is None else heads
    kv = (*front[:-1], front[-1] // 2) if front and rng.random() < 0.5 else front
    n_q, n_k, d, d_v = rng.integers(1, 6, 4)
    return [rows(rng, *front, n_q, d), rows(rng, *kv, n_k, d), rows(rng, *kv, n_k, d_v)]


def scoring(rng, q, k, mask=True):
    """Options of the scores; mask and bias in full, or for all heads alike."""
    shape = [(*q.shape[:-1], k.shape[-2]), (q.shape[-2], k.shape[-2])][whole(rng, 0, 1)]
    options = some(rng, bias=rows(rng, *shape), scale=rng.random() + 0.1, softcap=rng.random() + 1)
    return options | (some(rng, mask=rng.random(shape) < 0.6) if mask else {})


def scores_of(rng):
    q, k, _ = qkv(rng)
    return (q, k), scoring(rng, q, k)


def attention(rng):
    q, k, v = qkv(rng)
    sinks = some(rng, sinks=rows(rng, q.shape[-3])) if q.ndim > 2 else {}
    return (q, k, v), scoring(rng, q, k) | sinks


def shares(rng, least=1):
    """Attention weights, some of whose queries look at nobody."""
    n_q = whole(rng, least, 5)
    shape = (*lead(rng), n_q, n_q + whole(rng, 0, 3))
    return softmax(rows(rng, *shape), where=rng.random(shape) < rng.choice([0.4, 0.9]))


def two_tables(rng):
    """Of the same words; some of the rows of the second are even."""
    shape = (2, *lead(rng), n := whole(rng, 1, 6), n)
    weights, alone = softmax(2 * rows(rng, *shape))
    alone[rng.random(alone.shape[:-1]) < 0.3] = 1 / n
    return (weights, alone), some(rng, itself=True)


def step_of(rng):
    weights = shares(rng)
    n_q, n_k = weights.shape[-2:]
    return (weights, whole(rng, 1 - n_k, n_q - 1 if n_q == n_k else 0)), {}


def integers(rng):
    """Rows of small whole numbers, of a rank that may be low."""
    n, d, rank = rng.integers(1, 6, 3)
    return (rng.integers(-3, 4, (*lead(rng), n, rank)) @ rng.integers(-2, 3, (rank, d))) * 1.0


def flash(rng):
    q, k, v = qkv(rng)
    options = some(rng, causal=rng.random() < 0.7, block=whole(rng, 1, 4), workers=1)
    return (q, k, v), scoring(rng, q, k) | options


def local(rng):
    q, k, v = qkv(rng)
    n_global = {} if q.shape[-2] > k.shape[-2] else some(rng, n_global=whole(rng, 0, 3))
    options = some(rng, causal=rng.random() < 0.7, workers=1) | n_global
    return (q, k, v), scoring(rng, q, k, mask=False) | options | {"window": whole(rng, 1, 5)}


def no_bias(drawn):
    arguments, options = drawn
    return arguments, {name: value for name, value in options.items() if name != "bias"}


def tiles(rng):
    """(keys, mask, bias) by (keys, mask, bias); every query sees a key of each."""
    q, k, v = qkv(rng, ())
    size, found = whole(rng, 1, 3), []
    for start in range(0, len(k), size):
        stop = min(start + size, len(k))
        shape = (len(q), stop - start)
        mask = (rng.random(shape) < 0.6) | (np.arange(shape[1]) == 0)
        bias = rows(rng, *shape) if rng.random() < 0.5 else None
        found.append((slice(start, stop), mask if rng.random() < 0.5 else None, bias))
    return q, k, v, found, rng.random() + 0.1, rng.random() + 1 if rng.random() < 0.5 else None


def rotary_angles(rng):
    places, d = rng.permutation(40)[: whole(rng, 1, 4)] * 1.0, 2 * whole(rng, 1, 4)
    return (places, d), some(rng, base=rng.integers(10, 20_000) * 1.0, scaling=scaling(rng, d // 2))


def scaling(rng, pairs):
    factor, length = rng.integers(2, 5) * 1.0, 16
    recipes = [
        {"type": "linear", "factor": factor},
        {"type": "yarn", "factor": factor, "original_max_position_embeddings": length},
        {
            "type": "llama3",
            "factor": factor,
            "original_max_position_embeddings": length,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
        },
        {
            "type": "longrope",
            "factor": factor,
            "original_max_position_embeddings": length,
            "short_factor": list(1 + rng.random(pairs)),
            "long_factor": list(2 + rng.random(pairs)),
        },
    ]
    return recipes[whole(rng, 0, 3)]


def t5_table(rng):
    both = rng.random() < 0.5
    table, far = rows(rng, 2 * whole(rng, 2, 8), whole(rng, 1, 3)), whole(rng, 9, 40)
    return (table, *sizes(rng)), {"bidirectional": both} | some(rng, max_distance=far)


def norm(rng, *more):
    x = rows(rng, *lead(rng), whole(rng, 1, 4), whole(rng, 1, 5))
    options = {name: rows(rng, x.shape[-1]) for name in more}
    return (x,), some(rng, **options, eps=10.0 ** whole(rng, -6, 0))


def a_map(rng):
    """Rows, and a function of them that a mask holds back."""
    x = rows(rng, whole(rng, 1, 4), 3)
    A, W = (
        rng.normal(size=(len(x), len(x))) * (rng.random((len(x), len(x))) < 0.5),
        rng.random((3, 2)),
    )

    def attend(tokens):
        found = (A @ np.asarray(tokens)) ** 2 @ W
        return (found, A) if len(x) % 2 else found

    return (attend, x), some(rng, size=rng.random() + 0.1)


def heads_of(rng):
    h, d, (n_q, n_k, d_model) = whole(rng, 1, 2) * 2, 2, rng.integers(1, 5, 3)
    values = rows(rng, h // whole(rng, 1, 2), n_k, d)
    return (softmax(rows(rng, h, n_q, n_k)), values, rows(rng, h * d, d_model)), {}


def logits_of(rng):
    n, many = whole(rng, 2, 6), whole(rng, 1, 3)
    return (rows(rng, *[(n,), (many, n)][whole(rng, 0, 1)]), rows(rng, many, n)), {}


ARGUMENTS = {  # name: rng -> (arguments, options)
    "attention.softmax": lambda rng: (
        (x := rows(rng, 3, 4, 2)[: whole(rng, 1, 3)],),
        some(rng, axis=whole(rng, -3, 2), where=rng.random(x.shape[whole(rng, 0, 2) :]) < 0.6),
    ),
    "attention.log_softmax": lambda rng: ((rows(rng, *lead(rng), 3),), {}),
    "attention.attention_scores": scores_of,
    "attention.scaled_dot_product_attention": attention,
    "attention.split_heads": lambda rng: (
        (rows(rng, *lead(rng), 3, 2 * (h := whole(rng, 1, 3))), h),
        {},
    ),
    "attention.merge_heads": lambda rng: ((rows(rng, *lead(rng), *rng.integers(1, 4, 3)),), {}),
    "masks.behind": lambda rng: ((*sizes(rng),), offset(rng)),
    "masks.full": lambda rng: (sizes(rng), {}),
    "masks.causal": lambda rng: (sizes(rng), offset(rng)),
    "masks.local": lambda rng: (sizes(rng), {"window": whole(rng, 1, 4)} | offset(rng)),
    "masks.dilated": lambda rng: (
        sizes(rng),
        {"window": whole(rng, 1, 4), "dilation": whole(rng, 1, 3)} | offset(rng),
    ),
    "masks.strided": lambda rng: (sizes(rng), {"stride": whole(rng, 1, 4)} | offset(rng)),
    "masks.prefix": lambda rng: ((whole(rng, 1, 6),), {"n_prefix": whole(rng, 0, 7)}),
    "masks.padding": lambda rng: (
        (rng.integers(0, 7, whole(rng, 1, 3)) if rng.random() < 0.7 else whole(rng, 0, 6), 6),
        {},
    ),
    "masks.documents": lambda rng: ((rng.integers(0, 3, (*lead(rng)[:1], whole(rng, 1, 6))),), {}),
    "masks.global_tokens": lambda rng: ((whole(rng, 1, 6),), {"n_global": whole(rng, 0, 4)}),
    "masks.random_keys": lambda rng: (
        (n := sizes(rng)),
        {"n_random": whole(rng, 0, n[-1]), "rng": rng},
    ),
    "masks.global_local": lambda rng: (
        (whole(rng, 1, 6),),
        {"window": whole(rng, 1, 3), "n_global": whole(rng, 0, 3)},
    ),
    "masks.bigbird": lambda rng: (
        (n := whole(rng, 1, 6),),
        {
            "window": whole(rng, 1, 3),
            "n_global": whole(rng, 0, 2),
            "n_random": whole(rng, 0, min(n, 2)),
            "rng": rng,
        },
    ),
    "masks.streaming": lambda rng: (
        (whole(rng, 1, 6),),
        {"window": whole(rng, 1, 3), "n_sinks": whole(rng, 0, 3)},
    ),
    "masks.receptive_field": lambda rng: ((tables(rng, square=True), whole(rng, 0, 4)), {}),
    "masks.hops": lambda rng: ((tables(rng, square=True),), {}),
    "masks.next_layer": lambda rng: (tuple(rng.random((2, (n := whole(rng, 1, 5)), n)) < 0.5), {}),
    "masks.density": lambda rng: ((rng.random(rng.integers(1, 5, 2)) < 0.5,), {}),
    "masks.empty_rows": lambda rng: ((tables(rng),), {}),
    "masks.influence": a_map,
    "encodings.sinusoidal": lambda rng: (
        (whole(rng, 1, 6), 2 * whole(rng, 1, 4)),
        some(rng, base=rng.random() * 99 + 2, layout=str(rng.choice(["half", "interleaved"]))),
    ),
    "encodings.rotary_angles": rotary_angles,
    "encodings.rotate": lambda rng: (
        (rows(rng, *lead(rng), 3, 4), rows(rng, 3, 2)),
        {"layout": str(rng.choice(["half", "interleaved"]))},
    ),
    "encodings.alibi_slopes": lambda rng: ((whole(rng, 1, 40),), {}),
    "encodings.alibi": lambda rng: ((whole(rng, 1, 12), *sizes(rng)), {}),
    "encodings.t5_bias": t5_table,
    "encodings.frequencies": lambda rng: (
        (2 * whole(rng, 1, 40),),
        some(rng, base=rng.random() * 99 + 2),
    ),
    "encodings.behind": lambda rng: (sizes(rng), {}),
    "layers.layer_norm": lambda rng: norm(rng, "gain", "bias"),
    "layers.rms_norm": lambda rng: norm(rng, "gain"),
    "layers.relu": lambda rng: ((rows(rng, 2, 3),), {}),
    "layers.gelu": lambda rng: (
        (rows(rng, 2, 3),),
        some(rng, approximate=str(rng.choice(["none", "tanh"]))),
    ),
    "layers.gelu_bend": lambda rng: ((rows(rng, 2, 3),), {}),
    "layers.silu": lambda rng: ((rows(rng, 2, 3),), {}),
    "layers.logistic": lambda rng: ((rows(rng, 2, 3),), {}),
    "efficient.flash_attention": flash,
    "efficient.local_attention": lambda rng: no_bias(local(rng)),
    "measures.previous_share": lambda rng: ((shares(rng, 2),), {}),
    "measures.next_share": lambda rng: ((shares(rng, 2),), {}),
    "measures.step_share": step_of,
    "measures.sink_share": lambda rng: (
        (w := shares(rng),),
        some(rng, key=whole(rng, -w.shape[-1], w.shape[-1] - 1)),
    ),
    "measures.entropy": lambda rng: ((shares(rng),), {}),
    "measures.distance": lambda rng: ((shares(rng),), {}),
    "measures.within_diagonals": lambda rng: (
        (rows(rng, *lead(rng), n := whole(rng, 1, 4), n),),
        {},
    ),
    "measures.overlap": two_tables,
    "measures.directions": lambda rng: ((integers(rng),), some(rng, least=1e-5)),
    "measures.closest": lambda rng: ((integers(rng),), {}),
    "effects.value_norms": heads_of,
    "effects.rollout": lambda rng: (
        (softmax(rows(rng, whole(rng, 1, 3), 2, n := whole(rng, 1, 4), n)),),
        some(rng, residual=rng.random()),
    ),
    "effects.redrawn": lambda rng: (
        (softmax(rows(rng, n := whole(rng, 1, 6))), rows(rng, n, whole(rng, 1, 4)), rng.random(n)),
        {},
    ),
    "effects.rank_correlation": lambda rng: (
        tuple(rng.integers(0, 4, (2, whole(rng, 1, 7))) * 1.0),
        {},
    ),
    "effects.divergence": logits_of,
}


# ---- layers, and what does not simply take arrays and give one -----------------------------------


def plain(value):
    """What a twin is given: lists for arrays, and a dict of what it holds for a layer."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if type(value).__module__.startswith("attnlib"):
        return plain(vars(value))
    return value


def shaken(layer, rng):
    """Every number of a layer moved, so that no gain is 1 and no bias 0."""
    for array in MODULES["layers"].parameters(layer).values():
        array += rng.normal(0, 0.5, array.shape)
    return layer


def multihead(rng, kind="SelfAttention", **options):
    h = whole(rng, 1, 2) * 2
    options = (
        {"d_head": 2}
        | options
        | some(rng, use_bias=True, d_head=2 * whole(rng, 1, 2), n_kv_heads=h // whole(rng, 1, 2))
    )
    layer = getattr(MODULES["heads"], kind)(4, h, **options, rng=rng)
    layer.scoring.update(some(rng, scale=rng.random() + 0.1, softcap=rng.random() + 1))
    return shaken(layer, rng)


def rotary(rng, made=None):
    made = MODULES["encodings"].Rotary if made is None else made
    layout = str(rng.choice(["half", "interleaved"]))
    return made(**some(rng, base=rng.integers(10, 900) * 1.0), layout=layout)


def seen(rng, h, n_q, n_k):
    """A mask and a bias, each by chance."""
    return some(rng, mask=rng.random((h, n_q, n_k)) < 0.6, bias=rows(rng, h, n_q, n_k))


def self_attention(made, rng):
    layer, x = multihead(rng, **some(rng, rotary=rotary(rng))), rows(rng, whole(rng, 1, 4), 4)
    options = seen(rng, layer.n_heads, len(x), len(x))
    if layer.rotary is not None and rng.random() < 0.5:
        options["positions"] = np.arange(len(x)) * 2 + 3
    return layer(x, **options), (layer, x), options


def cross_attention(made, rng):
    layer, x = multihead(rng, "CrossAttention", d_context=3), rows(rng, whole(rng, 1, 4), 4)
    context = rows(rng, whole(rng, 1, 4), 3)
    options = seen(rng, layer.n_heads, len(x), len(context))
    return layer(x, context, **options), (layer, x, context), options


def kv_cache(made, rng):
    cache, d, d_v = made(), *rng.integers(1, 4, 2)
    added = [(rows(rng, n, d), rows(rng, n, d_v)) for n in rng.integers(1, 4, whole(rng, 1, 4))]
    for k, v in added:
        cache.append(k, v)
    return (cache.k, cache.v, len(cache), cache.nbytes), (added,), {}


def n_held(made, rng):
    cache, x = MODULES["heads"].KVCache(), rows(rng, whole(rng, 0, 3), 2)
    if len(x):
        cache.append(x, x)
    return (made(cache), made(None)), ((x, []),), {}


def all_or_nothing(made, rng):
    cache, x = MODULES["heads"].KVCache(), rows(rng, whole(rng, 1, 3), 2)
    cache.append(x, x)
    try:
        with made(None, cache):
            cache.append(x + 1, x)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return cache.k, (x,), {}


def feed_forward(made, rng):
    activation = str(rng.choice(["relu", "gelu", "gelu_tanh", "silu"]))
    options = some(rng, activation=activation, gated=True, use_bias=True, d_hidden=3)
    layer = shaken(made(2, **options, rng=rng), rng)
    x = rows(rng, whole(rng, 1, 4), 2)
    return layer(x), (layer, x), {}


def norm_layer(made, rng):
    layer, x = shaken(made(3, **some(rng, eps=0.1)), rng), rows(rng, whole(rng, 1, 4), 3)
    return layer(x), (layer, x), {}


def block_options(rng):
    return {"norm": [None, "pre", "post"][whole(rng, 0, 2)], "rng": rng} | some(
        rng,
        norm_type=str(rng.choice(["layer", "rms"])),
        eps=0.1,
        use_bias=True,
        gated=True,
        activation="silu",
        d_hidden=whole(rng, 0, 3),
    )


def block(made, rng):
    layer, x = shaken(made(4, 2, **block_options(rng)), rng), rows(rng, whole(rng, 1, 3), 4)
    options = some(rng, mask=rng.random((len(x), len(x))) < 0.6, bias=rows(rng, 2, len(x), len(x)))
    return layer(x, **options), (layer, x), options


def cross_block(made, rng):
    layer, x = shaken(made(4, 2, **block_options(rng)), rng), rows(rng, whole(rng, 1, 3), 4)
    context = rows(rng, whole(rng, 1, 3), 4)
    options = some(
        rng,
        context_mask=rng.random((len(x), len(context))) < 0.6,
        bias=rows(rng, 2, len(x), len(x)),
    )
    return layer(x, context, **options), (layer, x, context), options


def residual(made, rng):
    layers = MODULES["layers"]
    layer, gain = shaken(layers.FeedForward(3, 2, rng=rng), rng), shaken(layers.RMSNorm(3), rng)
    x, place = rows(rng, 2, 3), [None, "pre", "post"][whole(rng, 0, 2)]
    return made(x, layer, gain, place).output, (layer, gain, place, x), {}


def norm_maker(made, rng):
    kind, eps, x = str(rng.choice(["layer", "rms"])), rng.choice([None, 0.1, 1e-3]), rows(rng, 2, 3)
    return made(kind, eps)(3)(x), (kind, eps, x), {}


def a_block(rng):
    return shaken(MODULES["layers"].EncoderBlock(4, 2, **block_options(rng)), rng)


def parameters(made, rng):
    layer = a_block(rng)
    return made(layer), (layer,), {}


def cast(made, rng):
    layer = a_block(rng)
    twin = copy.deepcopy(layer)
    found = MODULES["layers"].parameters(made(layer, np.float32))
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    return found, (twin,), {}


def positions(made, rng):
    layer, n, held, x = made(), whole(rng, 1, 4), whole(rng, 0, 3), rows(rng, 2, 3, 4)
    return (layer.added(n, held), layer.turned(x), layer.bias(n)), (n, held, x), {}


def learned(made, rng):
    n, held = whole(rng, 1, 4), whole(rng, 0, 3)
    layer = made(n + held + whole(rng, 0, 2), 3, rng)
    return layer.added(n, held), (layer, n, held), {}


def sinusoids(made, rng):
    n, held, layout = whole(rng, 1, 4), whole(rng, 0, 3), str(rng.choice(["half", "interleaved"]))
    layer = made(2 * whole(rng, 1, 3), **some(rng, base=rng.random() * 99 + 2, layout=layout))
    return layer.added(n, held), (layer, n, held), {}


def turning(made, rng):
    x, options = rows(rng, *lead(rng), 3, 4), some(rng, positions=rng.permutation(30)[:3])
    layout, d = str(rng.choice(["half", "interleaved"])), whole(rng, 1, 2)
    x = np.concatenate([x, *[x] * (d - 1)], axis=-1)  # of 4 or 8 columns, 4 of them turn
    layer = made(**some(rng, scaling=scaling(rng, 2), layout=layout), partial=1 / d)
    return layer.turned(x, **options), (layer, x), options


def alibis(made, rng):
    layer, n = made(whole(rng, 1, 6)), (*sizes(rng), None)[:2]
    return layer.bias(*n), (layer, *n), {}


def t5_layer(made, rng):
    far = some(rng, n_buckets=8, max_distance=20)
    layer, n = made(2, bidirectional=rng.random() < 0.5, **far), (*sizes(rng, 9), None)[:2]
    return shaken(layer, rng).bias(*n), (layer, *n), {}


def t5_bucket(made, rng):
    distance, both = whole(rng, -200, 200), rng.random() < 0.5
    far = {"n_buckets": 4 * whole(rng, 1, 9), "max_distance": whole(rng, 20, 130)}
    found = made(distance, bidirectional=both, **far)
    return found, (-distance, both, *far.values()), {}


def positions_maker(made, rng):
    n_heads, n = whole(rng, 1, 4), whole(rng, 1, 4)
    make = made("alibi", ["alibi"], n_max=9, d_model=4, n_heads=n_heads, rng=rng)
    return make().bias(n), (n_heads, n), {}


def steps(made, rng):
    q, k, v = qkv(rng, ())
    block = whole(rng, 1, 4)
    return [tuple(step) for step in made(q, k, v, block)], (q, k, v, block), {}


def absorb(made, rng):
    n_q, (a, b), d_v = whole(rng, 1, 3), rng.integers(1, 4, 2), whole(rng, 1, 3)
    before, scores, v_before, v = (
        rows(rng, *shape) for shape in [(n_q, a), (n_q, b), (a, d_v), (b, d_v)]
    )
    before[rng.random(before.shape) < 0.4] = -np.inf
    m, l, o = (np.array(x) for x in slow._sums(before.tolist(), v_before.tolist()))  # noqa: E741
    state = MODULES["efficient"].State(m, l, o)
    return tuple(made(state, scores, v)), (before, scores, v_before, v), {}


def nothing_seen(made, rng):
    q, _, v = qkv(rng, ())
    return tuple(made(q, v)), (q, v), {}


def sums(made, rng):
    q, k, v, found, *options = tiles(rng)
    given = [(keys.start, keys.stop, mask, bias) for keys, mask, bias in found]
    return made(q, k, v, found, *options), (q, k, v, given, *options), {}


def pattern(made, rng):
    n_q, n_k = whole(rng, 1, 5), whole(rng, 1, 5)
    place = n_k - n_q
    window = whole(rng, 1, 4) if rng.random() < 0.6 else None
    causal, n_global = rng.random() < 0.5, 0 if window is None else min(whole(rng, 0, 2), n_k)
    mask = rng.random((n_q, n_k)) < 0.6 if rng.random() < 0.4 else None
    who = made(n_k, place, whole(rng, 1, 3), causal, window, n_global, mask)
    table = np.zeros((n_q, n_k), bool)
    for queries in MODULES["efficient"].cut(0, n_q, whole(rng, 1, 3)):
        for keys, allowed, _ in who.tiles((), queries):
            assert not table[queries, keys].any(), "a pair is in two tiles"
            table[queries, keys] = True if allowed is None else allowed
    return table, (n_q, n_k, place, window, causal, n_global, mask), {}


def edge(made, rng):
    first, n_q, n_k = whole(rng, -3, 5), whole(rng, 1, 4), whole(rng, 1, 4)
    window, causal = whole(rng, 1, 5) if rng.random() < 0.6 else None, rng.random() < 0.5
    found = made(first, n_q, n_k, window, causal)
    found = np.ones((n_q, n_k), bool) if found is None else found
    return found, (first, n_q, n_k, window, causal), {}


def cut(made, rng):
    start, stop, size = whole(rng, 0, 5), whole(rng, 0, 12), whole(rng, 1, 4)
    return [(one.start, one.stop) for one in made(start, stop, size)], (start, stop, size), {}


def attend(made, rng):
    (q, k, v), causal, efficient = qkv(rng), rng.random() < 0.5, MODULES["efficient"]
    heads = _guard.heads(q, k, v, None, None)
    who = efficient.Pattern(heads.n_k, heads.offset, 2, causal)
    return made(heads, [(who, efficient.cut(0, heads.n_q, 2))], 1), (q, k, v, causal), {}


def edited(made, rng):
    layer, x = multihead(rng), rows(rng, whole(rng, 1, 4), 4)
    factors = rng.random(layer.n_heads)
    with made(layer, lambda weights, values: (weights @ values) * factors[:, None, None]):
        found = layer(x)[0]
    return found, (layer, x, factors), {}


def silenced(made, rng):
    layer, x = multihead(rng), rows(rng, whole(rng, 1, 4), 4)
    heads = rng.permutation(layer.n_heads)[: whole(rng, 1, 2)].tolist()
    to = rows(rng, layer.n_heads, len(layer.W_o) // layer.n_heads)
    given = some(rng, to=to)
    with made(layer, *heads, **given):
        found = layer(x)[0]
    return found, (layer, x, heads, to if given else 0 * to), {}


def replaced(made, rng):
    layer, x = multihead(rng), rows(rng, whole(rng, 1, 4), 4)
    head, weights = whole(rng, 0, layer.n_heads - 1), softmax(rows(rng, len(x), len(x)))
    weights = weights[-1] if rng.random() < 0.5 else weights
    with made(layer, head, weights):
        found = layer(x)[0]
    return found, (layer, x, head, weights), {}


def head_means(made, rng):
    layer, texts = multihead(rng), [rows(rng, n, 4) for n in rng.integers(1, 4, 2)]
    return made(layer, lambda: [layer(x) for x in texts]), (layer, texts), {}


def head_effects(made, rng):
    h, x = 2 * whole(rng, 1, 2), rows(rng, whole(rng, 1, 3), 4)
    layers = [MODULES["heads"].SelfAttention(4, h, rng=rng) for _ in range(whole(rng, 1, 2))]
    options = some(rng, mean=True)
    found = made(layers, lambda: sum((layer(x)[0] ** 2).sum() for layer in layers), **options)
    return found, (layers, x), options


class Reader:
    """A model as hide_each and swap_each want one: a table of tokens, a layer, logits."""

    def __init__(self, rng):
        self.table, self.layer = rng.normal(size=(5, 4)), multihead(rng)

    def logits(self, ids, mask=None):
        mask = None if mask is None else np.array(mask)
        x = self.table[np.array(ids)] + np.arange(np.shape(ids)[-1])[:, None]
        return (self.layer(x, mask=mask)[0] @ self.table.T).tolist()


class Model(Reader):
    def logits(self, ids, mask=None):
        return np.array(super().logits(ids, mask))


def hide_each(made, rng):
    model, ids = Model(rng), rng.integers(0, 5, whole(rng, 1, 4))
    return made(model, ids), (super(Model, model).logits, ids), {}


def swap_each(made, rng):
    model, ids, others = Model(rng), rng.integers(0, 5, whole(rng, 1, 4)), rng.integers(0, 5, 2)
    return made(model, ids, others), (super(Model, model).logits, ids, others), {}


AT_WORK = {  # name: (it, rng) -> what comes out, and the arguments and options of the twin
    "heads.KVCache": kv_cache,
    "heads.SelfAttention": self_attention,
    "heads.CrossAttention": cross_attention,
    "heads.n_held": n_held,
    "heads.all_or_nothing": all_or_nothing,
    "encodings.Positions": positions,
    "encodings.Sinusoidal": sinusoids,
    "encodings.Learned": learned,
    "encodings.Rotary": turning,
    "encodings.Alibi": alibis,
    "encodings.T5Bias": t5_layer,
    "encodings.t5_bucket": t5_bucket,
    "encodings.positions_maker": positions_maker,
    "layers.LayerNorm": norm_layer,
    "layers.RMSNorm": norm_layer,
    "layers.FeedForward": feed_forward,
    "layers.EncoderBlock": block,
    "layers.DecoderBlock": block,
    "layers.CrossDecoderBlock": cross_block,
    "layers.residual": residual,
    "layers.norm_maker": norm_maker,
    "layers.parameters": parameters,
    "layers.cast": cast,
    "efficient.flash_steps": steps,
    "efficient.tile_by_tile": steps,
    "efficient.absorb": absorb,
    "efficient.nothing_seen": nothing_seen,
    "efficient.running_sums": sums,
    "efficient.quick_sums": sums,
    "efficient.Pattern": pattern,
    "efficient.edge": edge,
    "efficient.cut": cut,
    "efficient.attend": attend,
    "effects.edited": edited,
    "effects.silenced": silenced,
    "effects.replaced": replaced,
    "effects.head_means": head_means,
    "effects.head_effects": head_effects,
    "effects.hide_each": hide_each,
    "effects.swap_each": swap_each,
}


# ---- the twin ------------------------------------------------------------------------------------


def drawn(name, trial):
    """What comes out of one call, and the arguments and options of the twin."""
    rng = np.random.default_rng([trial, *name.encode()])
    if name in AT_WORK:
        return AT_WORK[name](NAMES[name], rng)
    arguments, options = ARGUMENTS[name](rng)
    given = copy.deepcopy((arguments, options))  # a generator moves on
    return NAMES[name](*given[0], **given[1]), arguments, options


def difference(found, wanted):
    """Where two results differ, in words; None where they are the same."""
    if isinstance(wanted, dict):
        if list(found) != list(wanted):
            return f"it names {list(found)}, the twin {list(wanted)}"
        return next((said for key in wanted if (said := difference(found[key], wanted[key]))), None)
    if isinstance(wanted, tuple) or (
        isinstance(wanted, list) and isinstance([*wanted, 0][0], tuple)
    ):
        if len(found) != len(wanted):
            return f"{len(found)} parts come out, and of the twin {len(wanted)}"
        pairs = zip(found, wanted)
        return next((said for one, other in pairs if (said := difference(one, other))), None)
    if wanted is None or found is None:
        return None if found is wanted else f"it says {found!r}, the twin {wanted!r}"
    found, wanted = np.asarray(found), np.asarray(wanted)
    if (found.dtype == bool) != (wanted.dtype == bool):
        return f"it gives {found.dtype}, the twin {wanted.dtype}"
    if found.shape != wanted.shape:
        return f"its shape is {found.shape}, the twin's {wanted.shape}"
    same = np.isclose(found.astype(float), wanted.astype(float), 1e-7, 1e-9, equal_nan=True)
    if same.all():
        return None
    place = tuple(map(int, np.argwhere(~same)[0]))
    return f"at {list(place)} it says {found[place]}, the twin {wanted[place]}"


def said(value):
    """An argument in words: no address, which would be another one in every run."""
    if " at 0x" not in repr(value):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(said, value))}]"
    if isinstance(value, np.random.Generator):
        return f"a generator at {value.bit_generator.state['state']['state']}"
    if not hasattr(value, "__dict__") or inspect.isfunction(value):
        return f"a {type(value).__name__}"
    sums = {n: float(x.sum()) for n, x in MODULES["layers"].parameters(value).items()}
    return f"a {type(value).__name__} whose arrays have the sums {sums}"


def words(arguments, options):
    """A call as one would write it."""
    given = [*map(said, arguments), *(f"{name}={said(value)}" for name, value in options.items())]
    return re.sub(r"\s+", " ", ", ".join(given))[:400]


def demand(kept, name, sentence):
    if not kept:
        pytest.fail(f"attnlib.{name} {sentence}", pytrace=False)


@pytest.mark.parametrize("name", NAMES)
def test_equals_its_slow_twin(name):
    own = name.split(".")[1]
    demand(
        name in ARGUMENTS or name in AT_WORK,
        name,
        "has no random arguments yet: say in AT_WORK of tests/test_twins.py how it is made and "
        "asked, by a function of its own or by that of a relative which is made and asked alike"
        if inspect.isclass(NAMES[name])
        else "has no random arguments yet: say in ARGUMENTS of tests/test_twins.py how to draw "
        f'them (arguments and options), as "{name}": lambda rng: ((whole(rng, 1, 6),), {{…}})',
    )
    demand(
        hasattr(slow, own),
        name,
        f"has no slow twin yet: write {own} once more in tests/slow.py, with the same arguments, "
        "from its definition, in loops, and without anything of attnlib",
    )
    calls = set()
    for trial in range(TIMES):
        found, arguments, options = drawn(name, trial)
        twin = getattr(slow, own)(*map(plain, arguments), **plain(options))
        differs = difference(found, twin)
        demand(
            differs is None,
            name,
            f"is not what tests/slow.py says: {differs}; called with {words(arguments, options)}. "
            "One of the two is wrong: read both against the definition",
        )
        calls.add(words(arguments, options))
    demand(len(calls) > 10, name, f"was drawn {len(calls)} different arguments, and needs more")


def test_no_entry_is_left_over():
    assert [name for name in [*ARGUMENTS, *AT_WORK] if name not in NAMES] == []
    assert len(NAMES) > 80 and len(CALLED) > 60 and len(LISTED) > 60


def test_the_twins_take_nothing_of_attnlib():
    tree = ast.parse(inspect.getsource(slow))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = {alias.name for node in imports for alias in node.names}
    assert not any(
        "attnlib" in ast.unparse(node) or "numpy" in ast.unparse(node) for node in imports
    )
    assert found <= {"cmath", "functools", "math", "struct", "Fraction"}


# ---- its error case ------------------------------------------------------------------------------


def not_callable(argument, said):
    """A function among the arguments is refused in Python's own words."""
    return callable(argument) and said == "'object' object is not callable"


@pytest.mark.parametrize("name", [name for name in CALLED if name in ARGUMENTS])
def test_refuses_nonsense_by_name(name):
    """Whatever argument is an object() is refused, by a message that begins with its name."""
    for trial in range(10):
        arguments, options = ARGUMENTS[name](np.random.default_rng(trial))
        signature = inspect.signature(NAMES[name])
        bound = signature.bind(*arguments, **options).arguments
        for argument in bound:
            spoiled = signature.bind(*arguments, **options)
            spoiled.arguments[argument] = object()
            said = "nothing"
            try:
                NAMES[name](*spoiled.args, **spoiled.kwargs)
            except (TypeError, ValueError) as error:
                said = str(error)
            demand(
                re.match(rf"(the )?{argument}(_q)?\b", said) or not_callable(bound[argument], said),
                name,
                f"does not refuse {argument}=object(): it says {said!r}. Check {argument} in the "
                f"first line, as its neighbours do, by a message that begins with its name",
            )


def called_in(tree):
    """Every name that code calls, hands on or makes a class from: f of f(x), and of g(f, x)."""
    nodes = list(ast.walk(tree))
    parts = [
        part for node in nodes if isinstance(node, ast.Call) for part in (node.func, *node.args)
    ]
    parts += [base for node in nodes if isinstance(node, ast.ClassDef) for base in node.bases]
    return set().union(*map(names_in, parts))


ERRORS = called_in(ast.parse((notebooks.ROOT / "tests" / "test_errors.py").read_text("utf-8")))


@pytest.mark.parametrize("name", CALLED)
def test_has_an_error_case(name):
    demand(
        name.split(".")[1] in ERRORS,
        name,
        "is nowhere refused in tests/test_errors.py: add a line with a call that must fail, and "
        "the message that it gives",
    )


# ---- where it is found ---------------------------------------------------------------------------


ROWS = {
    place: line
    for line in (notebooks.ROOT / "README.md").read_text("utf-8").splitlines()
    for place in re.findall(r"`attnlib\.(\w+)`", line.split("|")[1] if line[:1] == "|" else "")
}


@pytest.mark.parametrize("name", LISTED)
def test_stands_in_the_table_of_the_readme(name):
    """By its name, or by its name in plain words, as "random keys" or "BigBird"."""
    place, own = name.split(".")
    line = ROWS.get(place, "")
    parts = [*re.split(r"[,;|:()]| and ", line), *re.findall(r"`(\w+)`", line)]
    said = set(map(glossary.key, parts))
    demand(
        glossary.key(own) in said,
        name,
        f"is not in README's table of modules: write `{own}` in the line of `attnlib.{place}`",
    )


def looked_up():
    """What one finds in the glossary: its words, with and without the noun behind them, and the
    names in its code.
    """
    for entry in glossary.ENTRIES:
        behind = entry["said"].split(":")[0].split("(")[0]
        yield from (entry["word"], entry["word"] + behind, *glossary.names(entry))
        for code in glossary.code(entry)[1]:
            yield from re.findall(r"\w+", code)


def one(word):
    """A name as a word, without its plural: global_tokens and global token are the same."""
    return glossary.key(word).removesuffix("s")


LOOKED_UP = set(map(one, looked_up()))


@pytest.mark.parametrize("name", [name for name in CALLED if name.split(".")[1] in SHOWN])
def test_stands_in_the_glossary(name):
    """What a notebook uses may be looked up; what none uses has no place to point to."""
    own = name.split(".")[1]
    demand(
        one(own) in LOOKED_UP,
        name,
        f"is used in the notebook {SHOWN.get(own)} and not in notebooks/glossary.md: give it an "
        f"entry, or name `{own}` in one that explains it",
    )
