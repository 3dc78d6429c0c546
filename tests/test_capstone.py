"""capstone.py and training/capstone.py: the tasks, the models under a mask for each head, the
rules, the score.
"""

import copy
import json

import numpy as np
import pytest

from attnlib import masks
from attnlib.course import capstone
from attnlib.course.capstone import BrokenRule, Result, baseline, keep_rules, leaderboard, score
from attnlib.course.shipped import capstone as script
from attnlib.layers import cast, parameters
from attnlib.training import recall as training

LENGTHS = training.LENGTHS


def two_heads(n):
    """The safe head of layer 0 looks one token back, that of layer 1 at all."""
    mask = np.zeros((2, 4, n, n), bool) | np.eye(n, dtype=bool)
    mask[0, training.SAFE[0]] |= masks.local(n, window=2) & masks.causal(n)
    mask[1, training.SAFE[1]] = masks.causal(n)
    return mask


def drawn(seed, n=12):
    """A mask for each head by chance, causal, without empty rows."""
    some = np.random.default_rng(seed).random((2, 4, n, n)) < 0.4
    return (some | np.eye(n, dtype=bool)) & masks.causal(n)


# ---- the tasks ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 5, 16, 17, 96])
@pytest.mark.parametrize("shift", [None, 0, 1])
def test_every_key_comes_twice_and_is_asked_for_once(n, shift):
    ids, targets, where = training.recall_batch(
        np.random.default_rng(n), batch=40, n=n, shift=shift
    )
    assert (
        ids.shape == targets.shape == where.shape == (40, n)
        and (ids[:, 1:] == targets[:, :-1]).all()
    )
    assert 0 <= ids.min() and max(ids.max(), targets.max()) < training.VOCABULARY
    starts = set()
    for row, ahead, asked in zip(ids.tolist(), targets.tolist(), where):
        whole, told = row + ahead[-1:], {}
        first = next(place for place, token in enumerate(whole) if token < 32)
        starts.add(first)
        for place in range(first, first + 4 * (n // 4), 2):
            key, value = whole[place : place + 2]
            assert key < 32 <= value and asked[place] == (key in told)
            assert told.setdefault(key, value) == value
        assert len(told) == asked.sum() == n // 4 and len(set(told.values())) == n // 4
    assert starts == ({0, 1} if shift is None else {shift})


def test_the_second_copy_is_what_is_asked_for():
    ids, targets, where = training.copying_batch(np.random.default_rng(0), batch=20, n=48)
    for row, ahead, asked in zip(ids.tolist(), targets.tolist(), where):
        period = int(asked.argmax())
        assert (
            12 <= period <= 24
            and asked[period:].all()
            and ahead[period:] == (row + ahead[-1:])[1 : 49 - period]
        )


def test_half_of_a_batch_is_recall_and_all_lengths_come():
    found = [script.both(np.random.default_rng(seed)) for seed in range(12)]
    assert {batch.ids.shape[1] for batch in found} == set(LENGTHS)
    assert all(0.9 * script.TOKENS < batch.ids.size <= script.TOKENS for batch in found)


@pytest.mark.parametrize("given", [{"n": 3}, {"shift": 2}, {"vocabulary": 40}, {"batch": 0}])
def test_a_recall_that_cannot_be_drawn_is_refused(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        training.recall_batch(np.random.default_rng(0), **given)


# ---- the model under masks ---------------------------------------------------------------


def by_hand(model, ids, mask):
    """The model token by token and head by head, in plain NumPy."""
    x = model.embedding[ids] + model.positions.table[: len(ids)]
    for block, heads in zip(model.blocks, mask):
        layer, out = block.attention, np.zeros_like(x)
        for h, allowed in enumerate(heads):
            part = slice(16 * h, 16 * h + 16)
            q, k, v = x @ layer.W_q[:, part], x @ layer.W_k[:, part], x @ layer.W_v[:, part]
            for i in range(len(ids)):
                keys = np.flatnonzero(allowed[i])
                shares = np.exp(q[i] @ k[keys].T / 4)
                out[i] += (shares / shares.sum()) @ v[keys] @ layer.W_o[part]
        x = x + out
    return x @ model.unembedding


@pytest.mark.parametrize("seed", range(3))
def test_each_head_sees_its_own_mask(seed):
    model, ids = (
        cast(copy.deepcopy(training.trained("any")), np.float64),
        np.random.default_rng(seed).integers(64, size=12),
    )
    mask = drawn(seed)
    assert np.allclose(training.read(model, ids, mask).logits, by_hand(model, ids, mask), atol=1e-9)


@pytest.mark.parametrize("mask", [None, masks.local(16, window=3)])
def test_one_mask_for_all_is_what_the_model_does_itself(mask):
    model, ids = training.trained("full"), np.random.default_rng(0).integers(64, size=(3, 16))
    ours = training.read(model, ids, masks.full(16) if mask is None else mask)
    assert np.allclose(ours.logits, model.logits(ids, mask=mask), atol=1e-5)
    assert ours.weights.shape == (2, 3, 4, 16, 16)


def test_the_gradient_under_masks_is_that_of_nudging():
    model = cast(copy.deepcopy(training.trained("any")), np.float64)
    ids, targets, where = training.recall_batch(np.random.default_rng(0), batch=2, n=12)
    pattern, rng = lambda rng, n: drawn(5, n), np.random.default_rng(1)
    loss, gradients = script.loss_under(pattern, None, model, ids, targets, where)
    logits = np.stack([by_hand(model, row, drawn(5)) for row in ids])
    shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert np.isclose(
        loss, -np.log(np.take_along_axis(shares, targets[..., None], -1)[..., 0][where]).mean()
    )
    for name, array in parameters(model).items():
        place = np.unravel_index(
            np.abs(gradients[name]).argmax() if rng.random() < 0.5 else rng.integers(array.size),
            array.shape,
        )
        array[place] += 1e-5
        above, _ = script.loss_under(pattern, None, model, ids, targets, where)
        array[place] -= 2e-5
        below, _ = script.loss_under(pattern, None, model, ids, targets, where)
        array[place] += 1e-5
        assert np.isclose(gradients[name][place], (above - below) / 2e-5, atol=1e-7, rtol=1e-4), (
            name
        )


@pytest.mark.parametrize("n", LENGTHS)
def test_drawn_masks_keep_the_rules_and_leave_a_way(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        mask = training.draw_masks(rng, n)
        keep_rules(lambda _, mask=mask: mask, lengths=(n,))
        assert (
            np.diagonal(mask[0, training.SAFE[0]], -1).all()
            and (mask[1, training.SAFE[1]] == masks.causal(n)).all()
        )


def test_the_stride_pattern_in_numbers():
    assert training.stride_pattern(6, 3).astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 1],
    ]
    assert training.stride_pattern(96)[90, 1] and not training.stride_pattern(96)[90, 2]


# ---- the shipped models ------------------------------------------------------------------


def test_the_file_is_small_and_says_what_it_is():
    assert training.FILE.stat().st_size <= 300_000
    about = training.about()
    assert (
        about["model"] == training.MODEL
        and about["lessons"] == script.LESSONS
        and "training.capstone" in about["command"]
    )
    assert training.trained("any") is training.trained("any") and training.trained(
        "any"
    ) is not training.trained("full")
    with pytest.raises(ValueError, match="name must be one of 'full', 'stride', 'any'"):
        training.trained("none")


@pytest.mark.parametrize("name", ["full", "any"])
def test_with_the_whole_past_nothing_is_forgotten(name):
    found = score(baseline("full", 1), model=name, seed=101)
    assert found.recall > 0.97 and found.copying > 0.97


def test_a_pattern_is_worth_more_to_the_model_that_grew_up_with_it():
    raised, stranger = (
        score(training.stride_pattern, model=name, seed=102) for name in ("stride", "full")
    )
    assert min(raised.recall, raised.copying) > 0.85 > 0.75 > max(stranger.recall, stranger.copying)


def test_two_heads_are_enough_for_the_one_and_not_for_the_other():
    taught, stranger = (score(two_heads, model=name, seed=103) for name in ("any", "full"))
    assert (
        min(taught.recall, taught.copying) > 0.95 and max(stranger.recall, stranger.copying) < 0.5
    )
    assert taught.cost < 0.1


@pytest.mark.parametrize("window", [4, 16, 48])
def test_what_is_out_of_sight_is_forgotten(window):
    """Two layers of a window know of nothing further than 2 · (window - 1) back: coverage bounds
    the score.
    """
    batch = capstone.texts("recall", 96, 24, 104)
    i, near = np.argwhere(batch.where), 0
    for row, place in i:
        value = batch.targets[row, place]
        near += place - int(np.flatnonzero(batch.ids[row, : place + 1] == value)[0]) <= 2 * (
            window - 1
        )
    found = score(baseline("local", window), lengths=(96,), seed=104)
    assert found.recall <= near / len(i) + 0.06
    assert found.copying <= 0.06 or 2 * (window - 1) >= 24 - 1


def test_an_untrained_model_guesses():
    model = training.GPT(**training.MODEL, rng=np.random.default_rng(3))
    found = score(baseline("full", 1), model=model)
    assert max(found.recall, found.copying) < 0.06


# ---- rules and score ---------------------------------------------------------------------


def broken(change):
    def design(n):
        mask = np.broadcast_to(masks.causal(n), (2, 4, n, n)).copy()
        change(mask)
        return mask

    return design


def _ahead(mask):
    mask[1, 2, 3, 7] = True


def _blind(mask):
    mask[0, 3, 5] = False


unsure = np.random.default_rng(0)
RULES = {
    "design is a function": (
        np.ones((4, 4), bool),
        "a design is a function n -> mask, got ndarray",
    ),
    "numbers": (
        lambda n: masks.causal(n) * 1.0,
        "n=48: a mask is an array of True and False, got an array of float64",
    ),
    "a ragged list": (lambda n: [[True], [True, True]], "a mask is an array of True and False"),
    "nothing": (lambda n: None, "got an array of object"),
    "one length for all": (
        lambda n: masks.causal(48),
        r"n=72: a mask is \(72, 72\) for all heads alike, .* got \(48, 48\)",
    ),
    "three heads": (lambda n: np.ones((2, 3, n, n), bool), r"got \(2, 3, 48, 48\)"),
    "five axes": (lambda n: np.ones((1, 2, 4, n, n), bool), r"\(2, 4, 48, 48\), got"),
    "full": (masks.full, r"token 0 looks ahead at token 1 \(layer 0, head 0\)"),
    "one look ahead": (broken(_ahead), r"token 3 looks ahead at token 7 \(layer 1, head 2\)"),
    "an empty row": (broken(_blind), r"token 5 may look at nothing \(layer 0, head 3\)"),
    "chance": (
        lambda n: masks.causal(n) & masks.random_keys(n, n_random=n // 2, rng=unsure),
        "two calls gave two masks",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_a_broken_rule_is_named(case):
    design, words = RULES[case]
    with pytest.raises(BrokenRule, match=words):
        score(design)


@pytest.mark.parametrize("shape", [(), (4,), (2, 1), (2, 4)])
def test_a_mask_may_be_the_same_for_several_heads(shape):
    made = keep_rules(lambda n: np.broadcast_to(masks.causal(n), (*shape, n, n)))
    assert [(n, mask.shape) for n, mask in made.items()] == [(n, (2, 4, n, n)) for n in LENGTHS]


def test_the_budget_is_kept_at_every_length():
    assert set(keep_rules(masks.causal, looks=48.5)) == set(LENGTHS)  # 48.5 = (96 + 1) / 2
    with pytest.raises(
        BrokenRule, match=r"n=96: 48\.5 looks per token and head, on average, and the budget is 48"
    ):
        keep_rules(masks.causal, looks=48.0)
    with pytest.raises(BrokenRule, match=r"n=48: 24\.5 looks"):
        keep_rules(masks.causal, looks=20)


def test_a_design_within_the_budget_here_may_break_it_in_longer_texts():
    """One head with the whole past: within 8 looks at every length of the game, beyond it soon
    after; a window stays.
    """
    keep_rules(two_heads, looks=8)
    for n in (112, 192):
        with pytest.raises(BrokenRule, match=f"n={n}: .* and the budget is 8"):
            keep_rules(two_heads, looks=8, lengths=(n,))
        keep_rules(baseline("local", 8), looks=8, lengths=(n,))


def test_the_cost_counted_by_hand():
    found = score(two_heads)
    by_hand = [(6 * n + (2 * n - 1) + n * (n + 1) / 2) / (8 * n * n) for n in LENGTHS]
    assert np.isclose(found.cost, np.mean(by_hand))


def test_the_score_is_the_share_of_right_answers():
    model, mask = training.trained("any"), drawn(1, 48)
    batch, right, asked = capstone.texts("recall", 48, 5, 9), 0, 0
    for ids, targets, where in zip(*batch):
        guesses = by_hand(model, ids, mask).argmax(axis=1)
        right, asked = right + (guesses == targets)[where].sum(), asked + where.sum()
    assert np.isclose(capstone.answers(model, mask, batch), right / asked)


def test_the_same_seed_is_the_same_score_and_another_one_is_not():
    design = baseline("local", 16)
    assert (
        score(design, "a") == score(design, "a")
        and score(design, seed=1)[1:3] != score(design, seed=2)[1:3]
    )
    assert score(design, "a").name == "a"


@pytest.mark.parametrize(
    "family, mask",
    [
        ("full", masks.causal(48)),
        ("local", masks.causal(48) & masks.local(48, window=8)),
        ("global-local", masks.causal(48) & masks.global_local(48, window=8, n_global=8)),
        ("streaming", masks.streaming(48, window=8, n_sinks=4)),
        ("bigbird", masks.causal(48) & masks.bigbird(48, window=8, n_global=2, n_random=8)),
    ],
)
def test_baselines_are_the_patterns_of_the_course(family, mask):
    assert (baseline(family, 8)(48) == mask).all()
    keep_rules(baseline(family, 1))


def test_the_baselines_cover_every_family_and_leave_room():
    found = capstone.baselines()
    assert {r.name.split()[0] for r in found} == set(capstone.FAMILIES) and len(
        found
    ) == 1 + 4 * len(capstone.KNOBS)
    cheap = [r for r in found if r.cost <= score(two_heads).cost]
    assert cheap and max(r.recall for r in cheap) < 0.5 and max(r.copying for r in cheap) < 0.2


def test_the_leaderboard_puts_the_weaker_score_first_and_then_the_price():
    found = [
        Result("a", 0.9, 0.1, 0.1),
        Result("dear", 0.5, 0.8, 0.4),
        Result("cheap", 0.8, 0.5, 0.2),
    ]
    lines = leaderboard(found).splitlines()
    assert [line.split()[0] for line in lines] == ["design", "cheap", "dear", "a"]
    assert lines[1].split() == ["cheap", "0.80", "0.50", "20.0%"]


def test_families_are_gathered_in_their_order():
    found = [
        Result("local 4", 0.3, 0.1, 0.2),
        Result("mine", 0.9, 0.8, 0.1),
        Result("local 8", 0.2, 0.6, 0.4),
    ]
    groups = capstone.by_family(found)
    assert {name: points.tolist() for name, points in groups.items()} == {
        "local": [[0.2, 0.1], [0.4, 0.2]],
        "mine": [[0.1, 0.8]],
    }
    assert capstone.by_family(found, of=lambda r: r.recall)["local"].tolist() == [
        [0.2, 0.3],
        [0.4, 0.2],
    ]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: baseline("ring", 3), "family must be one of"),
        (lambda: baseline("local", 0), "knob must be at least 1"),
        (lambda: training.stride_pattern(8, 0), "stride must be at least 1"),
    ],
)
def test_wrong_arguments_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ---- the script --------------------------------------------------------------------------


def test_training_lowers_the_loss():
    model = training.GPT(**training.MODEL, rng=np.random.default_rng(0))
    history = script.learn("full", model, steps=40, progress=False)
    assert len(history.losses) == 40 and history.losses[-10:].max() < history.losses[:10].min()


def test_the_script_writes_what_is_read(tmp_path, monkeypatch, capsys):
    file = tmp_path / "c.npz"
    script.main(["--out", str(file), "--steps", "2"])
    monkeypatch.setattr(training, "FILE", file)
    said = capsys.readouterr().out
    for name in script.LESSONS:
        assert f"{name}: loss" in said
        fresh, shipped = (
            parameters(model)
            for model in (training._opened.__wrapped__(name), training.trained("any"))
        )
        assert fresh.keys() == shipped.keys() and not np.array_equal(
            fresh["embedding"], shipped["embedding"]
        )
    assert json.dumps(training.about()["lessons"]) == json.dumps(script.LESSONS)
    with np.load(file) as stored:
        assert {stored[name].dtype for name in stored.files if name != "about"} == {
            np.dtype(np.float16)
        }
        assert not np.array_equal(stored["full/embedding"], stored["any/embedding"])


def test_options_of_a_task_reach_it():
    first = {
        capstone.texts("recall", 48, 40, 0, (("shift", shift),)).ids[:, 0].max() < 32
        for shift in (0, 1)
    }
    assert first == {True, False}  # without a shift every text begins with a key
    assert capstone.texts("recall", 48, 5, 0) is capstone.texts("recall", 48, 5, 0), "drawn once"
