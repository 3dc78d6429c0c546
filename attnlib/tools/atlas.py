"""What real_models shows of SmolLM2 where it is not fetched: its heads in numbers, and three texts.

    python -m attnlib.tools.atlas                    about two minutes on one core; writes atlas.npz

model     SmolLM2-135M-Instruct, 4 bits a number, as load("smollm2") opens it
measures  `course.atlas.habits`: ten texts, and ten of random tokens that come twice
where     `course.atlas.where` on the ten texts
maps      the weights of all heads on three texts, rounded to a 255th, the lower halves alone
hunts     of each head, in how many of TRIED sentences its largest weight falls on the right word,
          by the rule of course/hunt.py, and in how many it does when another word asks
"""

import argparse

import numpy as np

from attnlib.course import atlas, hunt
from attnlib.course.sentences import sentences
from attnlib.models.pretrained import load
from attnlib.tools.hunt import another

TRIED = 120
TEXTS = {
    "story": "The cat sat on the mat because it was tired",
    "names": "When Mary and John went to the store, John gave a drink to",
    "again": " river chair apple seven green river chair apple seven green",
}
HUNTS = {  # name -> job of course/sentences.py, text, asks, is looked at
    "it → the animal": ("it", "story", " it", " cat"),
    "to → who gets it": ("to", "names", " to", " Mary"),
}


def made(model, texts=TRIED):
    """All arrays of the file."""
    found = {f"measure/{name}": one.astype(np.float16) for name, one in atlas.habits(model).items()}
    found["where"], tokens = atlas.where(model).astype(np.float16), {}
    for name, text in TEXTS.items():
        trace = model(text)
        tokens[name], n = trace.tokens, len(trace.tokens)
        lower = trace.weights[..., np.tri(n, dtype=bool)]
        found |= {
            f"tokens/{name}": np.array(trace.tokens),
            f"maps/{name}": np.round(255 * lower).astype(np.uint8),
        }
    for name, (job, text, asks, right) in HUNTS.items():
        shares, another_asks = right_shares(model, job, texts).astype(np.float16)
        found |= {
            f"look/{name}": np.array([last(tokens[text], asks), last(tokens[text], right)]),
            f"text/{name}": np.array(list(TEXTS).index(text)),
            f"shares/{name}": shares,
            f"another/{name}": another_asks,
            f"n/{name}": np.array(texts),
        }
    return found


def last(tokens, token):
    """The last place of a token."""
    return max(i for i, one in enumerate(tokens) if one == token)


def right_shares(model, job, n):
    """In how many of n sentences each head is right when the word asks that should, and when
    another word asks: (2, layers, heads). The two are alike in a rule that reads no words.
    """
    rng, found = np.random.default_rng(2), []
    for one in sentences(job, n):
        trace = model(one.text)
        other = one._replace(asks=another(one, rng))
        found.append([hunt.seen(trace, asked).words == one.right for asked in (one, other)])
    return np.mean(found, axis=0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="smollm2", help="a name or a path, as for load")
    arrays = made(load(parser.parse_args().model))
    np.savez_compressed(atlas.FILE, **arrays)
    print(f"{atlas.FILE}: {atlas.FILE.stat().st_size:,} bytes")
