"""All heads of a model by what they do, for `show.Atlas`: of any model that is open, and of SmolLM2
as it is shipped with the course, for those who have not fetched it.
"""

import copy
from functools import cache
from pathlib import Path

import numpy as np

from attnlib import _check, measures
from attnlib.layers import parameters

FILE = Path(__file__).with_name("atlas.npz")
TEXTS = (
    "The cat sat on the mat because it was tired.",
    "A small boat crossed the lake before the storm arrived.",
    "She gave her brother the old map, and he lost it the same day.",
    "Prices rose again in March, which surprised nobody in the market.",
    "Who told you that the library closes at six?",
    "The river is wide here, but it was narrow when my grandmother was young.",
    "Two engineers checked the bridge and found nothing wrong with it.",
    "If the bread is still warm, cut it tomorrow.",
    "In winter the last bus leaves at nine, so the children walk home.",
    "Nothing in the letter explained why the painting had been sold.",
)
REPEATS, PERIOD = 10, 24  # texts of random tokens, each PERIOD tokens twice
COPYING = {  # the hunt that is easy: where it looks in the text that repeats, 7 → 3
    "name": "apple → what followed",
    "look": [7, 3],
    "text": 2,
    "n": REPEATS,
    "over": "texts of random tokens, each said twice",
    "hint": "seven followed apple last time. Look for a line below the diagonal.",
}
HINTS = {  # for the hunts in the file
    "it → the animal": "Where the whole column of cat is dark, it looks there whoever asks.",
    "to → who gets it": "Mary gets the drink: it is needed at the end, so try the late layers.",
}


def habits(model, texts=TEXTS, *, rng=None):
    """What every head of a model does, as means over texts -> {name: (layers, heads)}.

    model  as `load` opens it
    texts  strings, in which it is seen how much of its looks a head gives to the token before, the
           next one (where it may), itself, the first token, and how many share them ("broad", 1 if
           all that are allowed get the same)
    rng    draws ten texts of random tokens that say all of them twice: how much goes to the same
           token before, and to the one behind it ("induction"); default_rng(0) unless given.
           A model that reads both ways is not asked
    """
    texts = [_check.text("texts", one) for one in _check.row("texts", texts, "strings")]
    read = [np.asarray(model(text).weights) for text in texts]  # (layers, heads, n, n) each

    def mean(measure):
        return np.mean([measure(weights) for weights in read], axis=0)

    causal = not any(np.triu(weights, 1).any() for weights in read)
    found = induction(model, rng) if causal else {}
    found["previous token"] = mean(measures.previous_share)
    if not causal:
        found["next token"] = mean(measures.next_share)
    found["itself"] = mean(lambda weights: measures.step_share(weights, 0))
    found["first token"] = mean(measures.sink_share)
    if not causal:
        found["separator"] = mean(lambda weights: measures.sink_share(weights, key=-1))
    found["broad"] = mean(lambda weights: breadth(weights, causal))
    found["reach in tokens"] = mean(measures.distance)
    return found


def induction(model, rng=None):
    """How much a head looks back in random tokens that come twice: at the same token, and at the
    one behind it, which comes next -> {"induction", "same token": (layers, heads)}
    """
    rng, back, again = _check.generator(rng), [], np.arange(PERIOD, 2 * PERIOD)
    first = () if model.tokenizer.start is None else (model.tokenizer.start,)
    for _ in range(REPEATS):
        block = rng.integers(len(model.tokenizer) // 2, size=PERIOD)
        weights = model.forward(np.array([*first, *block, *block])).weights
        twice = weights[..., len(first) :, len(first) :]
        back.append([twice[..., again, again - PERIOD + step].mean(axis=-1) for step in (1, 0)])
    return dict(zip(("induction", "same token"), np.mean(back, axis=0)))


def shuffled(model, rng=None):
    """The control: a copy of a model, the numbers of each of its arrays shuffled. The sizes are
    left, what was learned is gone.

    rng  a generator or a seed, default_rng(0) unless given
    """
    rng = np.random.default_rng(0 if rng is None else rng)
    twin = copy.copy(model)
    twin.model = copy.deepcopy(model.model)
    for array in parameters(twin.model).values():
        array[...] = rng.permutation(array.ravel()).reshape(array.shape)
    return twin


def where(model, texts=TEXTS):
    """Where the looks of each layer go, as means over texts, heads and all queries but the first
    -> (layers, 4): at the first token, at itself, at the token before, at all others.
    """
    found = []
    for text in texts:
        weights = np.asarray(model(text).weights)[..., 1:, :]  # (layers, heads, n - 1, n)
        i, j = np.indices(weights.shape[-2:])
        kinds = np.select([j == 0, j == i + 1, j == i], [0, 1, 2], 3)
        parts = [np.where(kinds == k, weights, 0).sum(axis=-1).mean(axis=(1, 2)) for k in range(4)]
        found.append(np.stack(parts, axis=-1))
    return np.mean(found, axis=0)


def breadth(weights, causal):
    """At how many tokens a query looks, exp of the entropy, as a share of those that it may look
    at: a mean over the queries that have a choice. (…, n, n) -> (…)
    """
    n = weights.shape[-1]
    allowed = np.arange(1, n + 1) if causal else np.full(n, n)
    rows = weights[..., None, :]  # each query alone, (…, n, 1, n)
    return (np.exp(measures.entropy(rows)) / allowed)[..., int(causal) :].mean(axis=-1)


@cache
def _file():
    with np.load(FILE, allow_pickle=False) as file:
        return dict(file)


def shipped_where():
    """`where` of SmolLM2, as it is shipped: (30, 4)"""
    return _file()["where"].astype(np.float32)


def shipped():
    """SmolLM2's 270 heads, as `show.Atlas` takes them: measures, maps and tokens of three texts,
    three hunts, that for copies last, as the notebook asks for them later. Weights are rounded to a
    255th. tools/atlas.py made them.
    """
    file = _file()
    found = {
        name.partition("/")[2]: array.astype(np.float32)
        for name, array in file.items()
        if name.startswith("measure/")
    }
    texts = [name.partition("/")[2] for name in file if name.startswith("tokens/")]
    maps = []
    for text in texts:
        packed, n = file[f"maps/{text}"].astype(np.float32), len(file[f"tokens/{text}"])
        weights = np.zeros((*packed.shape[:2], n, n), np.float32)
        weights[..., np.tri(n, dtype=bool)] = packed
        maps.append(weights / weights.sum(axis=-1, keepdims=True))
    asked = [
        {
            "name": name,
            "look": file[f"look/{name}"].tolist(),
            "text": int(file[f"text/{name}"]),
            "shares": file[f"shares/{name}"].astype(np.float32),
            "another": file[f"another/{name}"].astype(np.float32),
            "n": int(file[f"n/{name}"]),
            "over": "sentences",
            "hint": HINTS[name],
        }
        for name in (one.partition("/")[2] for one in file if one.startswith("look/"))
    ]
    return {
        "measures": found,
        "maps": maps,
        "tokens": [file[f"tokens/{text}"].tolist() for text in texts],
        "hunt": [*asked, COPYING | {"shares": found["induction"]}],
        "text": 0,
        "title": "SmolLM2-135M-Instruct: 30 layers of 9 heads",
    }
