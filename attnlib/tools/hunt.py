"""Which head of a model does which job? Every head, in hundreds of sentences that have a right
answer, beside rules that know nothing.

    python -m attnlib hunt                                  tiny-gpt and minilm, 240 sentences a job
    python -m attnlib hunt --model smollm2 --texts 600 --jobs it to
    python -m attnlib hunt --out hunt.json                  the table as a file
    python -m attnlib hunt --treebank en_ewt-ud-dev.conllu  in sentences that people wrote

The best of hundreds of heads on some sentences is partly luck. So one half of the sentences chooses
the head, the one that gives most to the right word; how often its largest weight falls there is
counted on the other half. The same goes for what it is held against:

second      the next best head
distance    whatever stands so many tokens away: the best number of steps
order       the first noun, the nearest noun …: the best rule of word order of course/hunt.py
hard        the head, where that rule is wrong
grammar     of *it* in a treebank: the last singular subject or object before it
another asks  the same head in the same sentences, when another word asks, one drawn for each
only asked  the head chosen by how much more often it is right than when another word asks
shuffled    the best head of a model of the same shape, whose trained numbers were shuffled

strict      nothing is left out of the row: the largest weight of all
weight      how much the right word gets, as a mean

Intervals are Wilson's (1927), 95 %.

--treebank reads the questions out of CoNLL-U files, the format of Universal Dependencies (the jobs
of course/treebank.py; *it* where a file has coreference, as GUM). By the same rule it counts the
heads that the shipped table names, which were chosen on templates: here nothing is chosen for them.
One sentence is read at a time, without those around it. Sentences of one document are not as
independent as an interval takes them to be.

The shipped rows "people" were counted on UD_English-EWT 2.16, dev and test (CC BY-SA 4.0), and on
the 238 documents of UD_English-GUM 2.16 (CC BY-NC-SA 4.0; none is from Reddit), up to 1,000
sentences a job for MiniLM and 400 for SmolLM2:

    python -m attnlib hunt --model minilm --texts 1000 --treebank en_ewt-ud-{dev,test}.conllu
    python -m attnlib hunt --model smollm2 --texts 400 --treebank sources/GUM_*.conllu
"""

import argparse
import json
from os.path import commonprefix
from pathlib import Path

import numpy as np

from attnlib import _files, measures
from attnlib.course import atlas, hunt, treebank
from attnlib.course.sentences import JOBS, sentences
from attnlib.models.pretrained import load
from attnlib.models.text import TextModel

MODELS = ["tiny-gpt", "minilm"]
LEAST = 20  # questions, so that a half says something
STEPS = [step for step in range(-40, 41) if step]


def main(arguments):
    """Hunt, and print the table. Returns the exit code."""
    parser = options()
    given = parser.parse_args(list(arguments))
    if given.texts < LEAST:
        parser.error(
            f"--texts must be at least {LEAST}, so that a half says something, got {given.texts}"
        )
    jobs = list(treebank.JOBS if given.treebank else JOBS)
    if unknown := [job for job in given.jobs or () if job not in jobs]:
        asks = "a treebank answers" if given.treebank else "templates ask"
        parser.error(f"--jobs: invalid choice: {unknown[0]!r} ({asks} {', '.join(jobs)})")
    hunts = on_treebank if given.treebank else on_templates
    try:
        found = hunts(given, given.jobs or jobs)
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    if given.out:
        _files.write(given.out, json_lines(found))
    return 0


def on_templates(given, jobs):
    """Hunt in sentences made of templates -> the table, as a dict of parts."""
    found = {"heads": [], "first token": [], "pairs": [], "next": []}
    print(hunt.written([]))
    for name, model in opened(given.model):
        for job in possible(model, jobs):
            found["heads"].append(
                {"model": name, **hunted(model, job, sentences(job, given.texts))}
            )
            print(hunt.written(found["heads"]).splitlines()[-1], flush=True)
        found["first token"] += [
            {"model": name, **first_token(model, n, given.texts)} for n in (1, 4)
        ]
        found["pairs"] += [{"model": name, **turning(model, read)} for read in hunt.READS]
        if isinstance(model, TextModel):
            found["next"] += [{"model": name, **saying(model, text)} for text in SAID]
    return found


def on_treebank(given, jobs):
    """Hunt in the sentences of a treebank -> the same, with one part."""
    parsed = [one for path in given.treebank for one in treebank.read(path)]
    stems = [Path(path).stem for path in given.treebank]
    rows, told = [], ""
    source = commonprefix(stems).strip("-_. ") or f"{stems[0]} …"  # noqa: RUF071
    for name, model in opened(given.model):
        for job in possible(model, jobs):
            asked = in_treebank(model, job, parsed, given.texts)
            if len(asked) < LEAST:
                print(f"{job}: {len(asked)} questions, too few")
                continue
            row = hunted(model, job, asked, on_the_templates(name, job))
            rows.append({"model": name, "source": source, **row})
            before, told = told, hunt.compared(rows)
            print(told[len(before) :].strip("\n"), flush=True)
    return {"people": rows}


def opened(names):
    """Each name and its model."""
    for name in names:
        try:
            model = load(name)
        except (ValueError, OSError, ImportError) as error:
            raise ValueError(f"{name}: {error}") from error
        yield name, model


def options():
    """What may stand on the command line."""
    parser = argparse.ArgumentParser(
        prog="attnlib hunt", description="Find the heads that do a job, and test them."
    )
    parser.add_argument("--model", nargs="+", default=MODELS, help="names or folders, as in load")
    parser.add_argument("--jobs", nargs="+", help="what to look for (default: all)")
    parser.add_argument(
        "--texts", type=int, default=240, help="sentences for each job (default: 240)"
    )
    parser.add_argument(
        "--treebank", nargs="+", metavar="FILE", help="sentences that people wrote, as CoNLL-U"
    )
    parser.add_argument("--out", help="write the table here, as JSON")
    return parser


def possible(model, jobs):
    """The jobs that a model can do: one that writes has not read yet what stands ahead."""
    ahead = "determiner possessive adjective next".split() if isinstance(model, TextModel) else ()
    return [job for job in jobs if job not in ahead]


# ---- sentences that people wrote -----------------------------------------------------------------


def in_treebank(model, job, parsed, n):
    """The first n questions of a job that a model can be asked -> a list of `Asked`."""
    asked = treebank.questions(parsed, job, ahead=not isinstance(model, TextModel))
    return [one for one in asked if answerable(model, one)][:n]


def answerable(model, asked):
    """Whether a model spells the sentence, each word with a piece of its own, and may look at the
    right one: its first token is left out of all.
    """
    try:
        of_word = hunt.word_of_each(model.tokens(asked.text), asked.words)
    except ValueError:  # a sign that it does not know
        return False
    written = {place for place, word in enumerate(asked.words) if word}
    return written <= {*of_word} and asked.right in of_word[1:] and bool(instead(asked))


def on_the_templates(name, job):
    """The heads that the shipped table names for a job: {(layer, head): its share there}."""
    found = {}
    for row in hunt.table():
        if (row["model"], row["job"]) == (name, job):
            found = {tuple(one["head"]): one["share"] for one in (row, row["only asked"])}
    return found


# ---- one job -------------------------------------------------------------------------------------


def hunted(model, job, asked, known=None):
    """The heads of a model in sentences of a job -> a row of the table.

    asked  a list of `Asked`
    known  heads that were chosen elsewhere, {(layer, head): its share there}: the row holds what
           they do here, and behind them the best that was chosen here
    """
    rng = np.random.default_rng(2)
    others = [one._replace(asks=another(one, rng)) for one in asked]
    looks, elsewhere = [], []
    for one, other in zip(asked, others):
        trace = model(one.text)
        looks.append(hunt.seen(trace, one))
        elsewhere.append(hunt.seen(trace, other))
    right = np.array([one.right for one in asked])[:, None, None]
    hits = np.array([look.words for look in looks]) == right  # (n, layers, heads)
    weight = np.array([look.weight(one.right) for look, one in zip(looks, asked)])
    best, second = ranked(weight)[:2]
    seen = np.array([look.words for look in elsewhere])
    picky = ranked(hits - 1.0 * (seen == right))[0]
    steps, by_distance = best_of({step: distance(looks, right.ravel(), step) for step in STEPS})
    rule, by_order = best_of({rule: ordered(asked, of) for rule, of in hunt.RULES.items()})
    test = slice(1, None, 2)
    far, hard = ~by_distance[test], ~by_order[test]
    of_best = lambda found: share((found == right)[(test, *best)])  # noqa: E731
    row = {
        "job": job,
        "head": [int(i) for i in best],
        "sentences": len(hits[test]),
        "share": share(hits[(test, *best)]),
        "interval": wilson(hits[(test, *best)]),
        "chosen": share(hits[(slice(0, None, 2), *best)]),
        "strict": of_best(np.array([look.strict for look in looks])),
        "joined": of_best(np.array([look.joined for look in looks])),
        "weight": share(weight[(test, *best)]),
        "second": {"head": [int(i) for i in second], "share": share(hits[(test, *second)])},
        "hard": {"share": share(hits[(test, *best)][hard]), "sentences": int(hard.sum())},
        "distance": {"steps": steps, "share": share(by_distance[test])},
        "order": {"rule": rule, "share": share(by_order[test])},
        "another asks": of_best(seen),
        "only asked": {
            "head": [int(i) for i in picky],
            "share": share(hits[(test, *picky)]),
            "another asks": share((seen == right)[(test, *picky)]),
        },
        "shuffled": by_chance(model, asked),
        "texts": len(asked),
        "right": hits.sum(axis=0).tolist(),  # (layers, heads): of all the texts
    }
    if asked[0].grammar is not None:
        row["grammar"] = share([one.grammar == one.right for one in asked][test])
    if known is not None:
        row["held"] = [
            {
                "head": [int(i) for i in head],
                "templates": known.get(head),
                "share": share(hits[(test, *head)]),
                "interval": wilson(hits[(test, *head)]),
                "another asks": share((seen == right)[(test, *head)]),
                "far": share(hits[(test, *head)][far]),
                "hard": share(hits[(test, *head)][hard]),
            }
            for head in {**known, tuple(map(int, best)): None}
        ]
    return row


def another(asked, rng):
    """Another word of a sentence, for which the right one is no secret."""
    return int(rng.choice(instead(asked)))


def instead(asked):
    """The words that can be asked instead: not those ahead of which the right one stands."""
    after = asked.right if asked.right < asked.asks else -1
    free = set(range(after + 1, len(asked.words))) - {asked.asks, asked.right}
    return [place for place in sorted(free) if asked.words[place]]


def ranked(weight):
    """Weights on the right word (n, layers, heads) -> heads as (layer, head): first who gives it
    most in the first half.
    """
    order = np.argsort(-weight[::2].mean(axis=0), axis=None, kind="stable")
    return [np.unravel_index(i, weight.shape[1:]) for i in order]


def best_of(rules):
    """{name: right or wrong, (n,)} -> the best on the first half, and its row."""
    name = max(rules, key=lambda name: rules[name][::2].mean())
    return name, rules[name]


def distance(looks, right, step):
    """Where is the token so many steps further a piece of the right word? (n,)"""
    return np.array(
        [
            0 <= look.at + step < len(look.of_word) and look.of_word[look.at + step] == word
            for look, word in zip(looks, right)
        ]
    )


def ordered(asked, rule):
    """Where is a rule of word order right? (n,)"""
    return np.array([rule(one) == one.right for one in asked])


def by_chance(model, asked):
    """The share of the best head after each array's numbers were shuffled."""
    twin = atlas.shuffled(model, 3)
    looks = [hunt.look(twin, one) for one in asked]
    best = ranked(np.array([look.weight(one.right) for look, one in zip(looks, asked)]))[0]
    return share([look.words[best] == one.right for look, one in zip(looks, asked)][1::2])


# ---- the story: does a head turn with the ending? ------------------------------------------------


def turning(model, read):
    """The heads of a model on the pairs -> a row of the table. The best is chosen on every second
    pair, and counted on the others.
    """
    weights = hunt.pair_weights(model, read)
    turned = hunt.turns(weights)  # (pairs, layers, heads)
    right, wrong = (turned == 1).sum(axis=0), (turned == -1).sum(axis=0)
    head = np.unravel_index(turned[::2].sum(axis=0).argmax(), right.shape)
    test = turned[(slice(1, None, 2), *head)]
    lean = weights[:, 0] - weights[:, 1]  # (pairs, 2, …): what the first ending adds
    lean = np.sign(np.round(lean[:, 0] - lean[:, 1], 5))
    leaning = np.unravel_index(lean[::2].sum(axis=0).argmax(), right.shape)
    return {
        "read": read,
        "pairs": len(test),
        "moves": round(float(np.abs(weights[:, 0] - weights[:, 1]).max()), 3),
        "head": [int(i) for i in head],
        "right": int((test == 1).sum()),
        "wrong": int((test == -1).sum()),
        "chance": by_luck(turned),
        "leaning": [int(i) for i in leaning],
        "leans": int((lean[(slice(1, None, 2), *leaning)] == 1).sum()),
        "lean chance": by_luck(lean),
        "all right": right.tolist(),  # (layers, heads): of all pairs
        "all wrong": wrong.tolist(),
    }


def by_luck(turned, draws=2000):
    """How often does some head turn as well if it is drawn which ending is which?"""
    flips = np.random.default_rng(4).choice([-1.0, 1.0], (draws, len(turned)))
    drawn = flips @ turned.reshape(len(turned), -1)  # (draws, heads)
    return round(float((drawn.max(axis=1) >= turned.sum(axis=0).max()).mean()), 4)


SAID = [
    "{start} {end}. What was{too} {end}? The",
    "What was{too} {end}? The",  # without the sentence
    "{start} {wrong}. What was{too} {end}? The",  # which the sentence does not say
]


def saying(model, text):
    """What a model that writes says next -> a row of the table."""
    shares = hunt.pair_shares(model, text)
    turned = hunt.turns(shares)
    counts = {name: int((turned == sign).sum()) for name, sign in TURNS.items()}
    first = share(shares[:, :, 0] > shares[:, :, 1])
    return {"text": text, **counts, "first noun": first, "both": share(shares.sum(axis=2))}


TURNS = {"right": 1, "wrong": -1, "stays": 0}


# ---- the first token -----------------------------------------------------------------------------


def first_token(model, sentences_each, n):
    """How much lies on the first token, in n texts -> a row of the table: layer by layer."""
    rng, found = np.random.default_rng(5), []
    jobs = "object it determiner".split()
    for i in range(n):
        several = [
            sentences(jobs[(i + j) % len(jobs)], 1, rng=rng)[0].text for j in range(sentences_each)
        ]
        trace = model(" ".join(several))
        found.append((len(trace.tokens), measures.sink_share(trace.weights)))
    tokens, shares = zip(*found)
    shares = np.array(shares, float)  # (n, layers, heads)
    return {
        "texts": n,
        "tokens": round(float(np.mean(tokens)), 1),
        "mean": share(shares),
        "layers": shares.mean(axis=(0, 2)).round(3).tolist(),
        "heads above half": int((shares.mean(axis=0) > 0.5).sum()),
    }


# ---- numbers, and how they are written -----------------------------------------------------------


def share(hits):
    """A mean with three digits; None of nothing."""
    return round(float(np.mean(hits)), 3) if np.size(hits) else None


def wilson(hits):
    """The interval of a share of hits, with three digits."""
    return [round(end, 3) for end in hunt.interval(np.mean(hits), len(hits))]


def json_lines(found):
    """The table as JSON: a line for each row."""
    parts = [
        f"{json.dumps(name)}: [\n" + ",\n".join(map(json.dumps, rows)) + "\n]"
        for name, rows in found.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"
