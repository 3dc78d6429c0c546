"""models/generation.py: what is drawn, how often, and that a batch, a cache and a stream change
nothing.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cache import OPTIONS
from test_gpt import tiny

from attnlib.heads import KVCache
from attnlib.models.generation import generate, next_token_shares, stream

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=40, deadline=None, derandomize=True)
both = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
rows = st.lists(st.floats(-30, 30), min_size=1, max_size=9)
TEXTS = [[1, 2, 3], [4], [5, 6, 7, 8]]


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0, atol=atol)


def chi_square(counts, shares):
    """How far the counts are from what the shares promise; its mean is the number of tokens that
    may come, less one.
    """
    expected = counts.sum() * shares
    may_come = shares > 0
    assert (counts[~may_come] == 0).all()
    return (np.square(counts - expected)[may_come] / expected[may_come]).sum(), may_come.sum() - 1


# ---- shares --------------------------------------------------------------------------------------


def slow_shares(row, temperature, top_k):
    """One row, from the definition: the best top_k by value and then by place."""
    order = sorted(range(len(row)), key=lambda i: (-row[i], i))[:top_k]
    heat = {i: math.exp((row[i] - max(row)) / temperature) for i in order}
    return [heat.get(i, 0.0) / sum(heat.values()) for i in range(len(row))]


@examples
@given(rows, st.floats(0.05, 50), st.one_of(st.none(), st.integers(1, 12)))
def test_shares_equal_the_slow_twin(row, temperature, top_k):
    shares = next_token_shares(row, temperature=temperature, top_k=top_k)
    close(shares, slow_shares(row, temperature, top_k))
    close(shares.sum(), 1)
    assert (shares > 0).sum() <= (top_k or len(row))


def slow_nucleus(row, temperature, top_k, top_p):
    """One row, token by token: the best first, until they have top_p together."""
    shares = slow_shares(row, temperature, top_k)
    kept, total = [], 0.0
    for i in sorted(range(len(row)), key=lambda i: (-shares[i], i)):
        kept.append(i)
        total += shares[i]
        if total >= top_p:
            break
    return [share / total if i in kept else 0.0 for i, share in enumerate(shares)]


@pytest.mark.parametrize("seed", range(300))
def test_the_nucleus_equals_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    row = rng.normal(0, rng.uniform(0.1, 6), rng.integers(1, 40)).tolist()
    heat, top_p = rng.uniform(0.2, 3), rng.uniform(1e-3, 1)
    top_k = None if seed % 2 else int(rng.integers(1, 50))
    shares = next_token_shares(row, temperature=heat, top_k=top_k, top_p=top_p)
    close(shares, slow_nucleus(row, heat, top_k, top_p))
    close(shares.sum(), 1)


def test_the_nucleus_by_hand():
    row = np.log([0.5, 0.3, 0.15, 0.05])
    for top_p, n in ((1e-9, 1), (0.49, 1), (0.51, 2), (0.79, 2), (0.81, 3), (0.94, 3), (0.96, 4)):
        kept = np.where(np.arange(4) < n, np.exp(row), 0)
        close(next_token_shares(row, top_p=top_p), kept / kept.sum())
    # behind top_k: of two, the first has .625; and behind temperature, which squares the odds
    close(next_token_shares(row, top_k=2, top_p=0.6), [1, 0, 0, 0])
    close(next_token_shares(row, top_k=2, top_p=0.63), [0.625, 0.375, 0, 0])
    close(next_token_shares(row, temperature=0.5, top_p=0.6), [1, 0, 0, 0])
    close(next_token_shares(row, top_p=1), np.exp(row))
    close(next_token_shares(row, temperature=0, top_p=0.9), [1, 0, 0, 0])
    close(next_token_shares([1.0, 1.0, 1.0, 1.0], top_p=0.5), [0.5, 0.5, 0, 0])  # equals: by place
    many = np.random.default_rng(0).normal(0, 3, (2, 3, 7)).astype(np.float32)
    found = next_token_shares(many, top_p=0.7)
    assert found.dtype == np.float32
    for row, shares in zip(many.reshape(-1, 7).tolist(), found.reshape(-1, 7)):
        close(shares, slow_nucleus(row, 1.0, None, 0.7), 1e-7)


def test_equals_at_the_edge_of_top_k():
    rows = np.random.default_rng(0).integers(0, 4, (200, 9)).astype(float)
    for k in (1, 3, 8, 9, 20):
        found = next_token_shares(rows, top_k=k)
        for row, shares in zip(rows.tolist(), found):
            close(shares, slow_shares(row, 1.0, k))


def test_a_batch_of_rows():
    logits = np.random.default_rng(0).normal(0, 3, (2, 3, 7))
    shares = next_token_shares(logits, temperature=0.7, top_k=3)
    assert shares.shape == (2, 3, 7)
    for row, found in zip(logits.reshape(-1, 7).tolist(), shares.reshape(-1, 7)):
        close(found, slow_shares(row, 0.7, 3))


def test_limits_of_the_temperature():
    row = np.array([1.0, 3.0, -2.0, 2.9])
    np.testing.assert_array_equal(next_token_shares(row, temperature=0), [0, 1, 0, 0])
    np.testing.assert_array_equal(next_token_shares(row, temperature=0, top_k=3), [0, 1, 0, 0])
    np.testing.assert_array_equal(next_token_shares(row, temperature=5e-324), [0, 1, 0, 0])
    np.testing.assert_array_equal(
        next_token_shares(row.astype(np.float32), temperature=1e-60), [0, 1, 0, 0]
    )
    close(next_token_shares(row, temperature=1e-3), [0, 1, 0, 0])
    close(next_token_shares(row, temperature=1e9), np.full(4, 1 / 4), 1e-8)
    close(next_token_shares(row, temperature=1e9, top_k=2), [0, 0.5, 0, 0.5], 1e-8)
    close(next_token_shares(row), np.exp(row) / np.exp(row).sum())


def test_equals_go_by_their_place():
    np.testing.assert_array_equal(
        next_token_shares([2.0, 5.0, 5.0, 5.0], temperature=0), [0, 1, 0, 0]
    )
    close(next_token_shares([5.0, 2.0, 5.0, 5.0], top_k=2), [0.5, 0, 0.5, 0])
    close(next_token_shares([5.0, 5.0], top_k=99), [0.5, 0.5])


def test_scores_of_minus_infinity_and_dtypes():
    close(next_token_shares([-np.inf, 1, 1], top_k=3), [0, 0.5, 0.5])
    for dtype in (np.float16, np.float32, np.float64):
        logits = np.array([60000, 1, -60000], dtype)
        before = logits.copy()
        shares = next_token_shares(logits, temperature=0.5)
        assert shares.dtype == dtype
        np.testing.assert_array_equal(shares, [1, 0, 0])
        np.testing.assert_array_equal(logits, before)


SHARE_ERRORS = [
    (
        lambda: next_token_shares([1.0, 2.0], temperature=-0.1),
        ValueError,
        r"temperature must be a finite number, 0 or above, got -0.1",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], temperature=np.inf),
        ValueError,
        r"temperature must be a finite number, 0 or above, got inf",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], temperature=np.nan),
        ValueError,
        r"temperature must be a finite number, 0 or above, got nan",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], temperature="hot"),
        TypeError,
        r"temperature must be a number, got 'hot'",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], top_k=0),
        ValueError,
        r"top_k must be at least 1, got 0",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], top_k=1.5),
        TypeError,
        r"top_k must be a whole number, got 1.5",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], top_p=0),
        ValueError,
        r"top_p must be a finite number above 0, got 0",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], top_p=1.01),
        ValueError,
        r"top_p must be at most 1, for all the shares, got 1.01",
    ),
    (
        lambda: next_token_shares([1.0, 2.0], temperature=0, top_p="much"),
        TypeError,
        r"top_p must be a number, got 'much'",
    ),
    (lambda: next_token_shares([1.0, np.nan]), ValueError, r"logits must not hold NaN or \+inf"),
    (lambda: next_token_shares([1.0, np.inf]), ValueError, r"logits must not hold NaN or \+inf"),
    (
        lambda: next_token_shares([[1.0, 1.0], [-np.inf, -np.inf]]),
        ValueError,
        r"at least one token a score above -inf",
    ),
    (lambda: next_token_shares([]), ValueError, r"at least one token a score above -inf"),
    (
        lambda: next_token_shares(3.0),
        ValueError,
        r"logits must have the shape \(..., vocabulary\), got \(\)",
    ),
    (lambda: next_token_shares(["a"]), TypeError, r"logits must hold real numbers"),
]


@pytest.mark.parametrize("call, error, message", SHARE_ERRORS)
def test_errors_of_shares(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- drawing -------------------------------------------------------------------------------------


class Dice:
    """A model whose next token depends on nothing, or on the last token alone: logits (vocabulary,)
    or (vocabulary, vocabulary).

    It has `logits` and `caches` and nothing else, and keeps what it was given to read.
    """

    def __init__(self, table):
        self.table, self.read = np.asarray(table, float), []

    def caches(self):
        return []

    def logits(self, ids, *, caches=None, **around):
        self.read.append((np.array(ids), caches is not None, around))
        return (
            self.table[ids]
            if self.table.ndim == 2
            else np.broadcast_to(self.table, (*ids.shape, len(self.table)))
        )


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.5}, {"temperature": 2, "top_k": 3}, {"temperature": 2, "top_p": 0.8}],
    ids=str,
)
def test_tokens_come_as_often_as_their_shares_say(options):
    dice = Dice([1.0, 0.0, -1.0, 2.0, 0.5])
    drawn = generate(dice, [0], n_new=4000, rng=np.random.default_rng(1), **options)[1:]
    distance, freedom = chi_square(
        np.bincount(drawn, minlength=5), next_token_shares(dice.table, **options)
    )
    assert distance < freedom + 4 * math.sqrt(2 * freedom)
    uniform = (
        chi_square(np.bincount(drawn, minlength=5), np.full(5, 0.2))[0]
        if not options.keys() & {"top_k", "top_p"}
        else np.inf
    )
    assert uniform > 200  # and the test would notice another distribution


def test_rows_of_a_batch_are_drawn_apart():
    table = np.random.default_rng(2).normal(size=(4, 4))
    drawn = np.array(
        generate(Dice(table), [[0], [0], [0]], n_new=3000, rng=np.random.default_rng(3))
    )
    for row in drawn:  # a Markov chain: each row of counts follows its own shares
        counts = np.zeros((4, 4))
        np.add.at(counts, (row[:-1], row[1:]), 1)
        for seen, shares in zip(counts, next_token_shares(table)):
            distance, freedom = chi_square(seen, shares)
            assert distance < freedom + 4 * math.sqrt(2 * freedom)
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_greedy_takes_the_best():
    assert generate(
        Dice([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), [0], n_new=5, temperature=0
    ).tolist() == [0, 1, 2, 0, 1, 2]


def test_a_seed_makes_a_text():
    model = tiny()
    one, two, other = (
        generate(model, [1], n_new=8, rng=rng)
        for rng in (None, np.random.default_rng(0), np.random.default_rng(1))
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


# ---- texts ---------------------------------------------------------------------------------------


def by_hand(model, ids, n_new):
    """Greedy, with nothing but the whole text read again and again."""
    ids = list(ids)
    for _ in range(n_new):
        ids.append(int(np.argmax(model.logits(ids)[-1])))
    return ids


@both
@pytest.mark.parametrize("cached", [True, False])
def test_each_text_of_a_batch_is_as_if_alone(options, cached):
    for seed in range(3):
        model = tiny(seed=seed, **options)
        batch = generate(model, TEXTS, n_new=6, temperature=0, cached=cached)
        assert isinstance(batch, list)
        for text, found in zip(TEXTS, batch):
            assert found.tolist() == by_hand(model, text, 6)
            assert (
                generate(model, text, n_new=6, temperature=0, cached=cached).tolist()
                == found.tolist()
            )


@both
def test_sampling_with_a_cache_and_without_is_the_same(options):
    model = tiny(**options)
    for ids in ([3, 1], TEXTS):
        one, two = (
            generate(
                model, ids, n_new=6, cached=cached, temperature=2, rng=np.random.default_rng(5)
            )
            for cached in (True, False)
        )
        for a, b in zip(one, two):
            np.testing.assert_array_equal(a, b)


def test_a_step_reads_one_token_with_a_cache_and_all_without():
    for cached, widths in ((True, [3, 1, 1, 1]), (False, [3, 4, 5, 6])):
        dice = Dice([0.0, 1.0])
        generate(dice, [1, 0, 1], n_new=4, cached=cached)
        assert [ids.shape for ids, _, _ in dice.read] == [(1, width) for width in widths]
        assert all(with_caches is cached and around == {} for _, with_caches, around in dice.read)


def test_padding_stands_on_the_left_and_is_hidden():
    for cached in (True, False):
        # the next token is the last one plus 1
        dice = Dice(np.eye(9)[[1, 2, 3, 4, 5, 6, 7, 8, 0]] * 99)
        texts = generate(dice, [[3, 4], [7], [1, 2, 3]], n_new=2, cached=cached)
        assert [text.tolist() for text in texts] == [[3, 4, 5, 6], [7, 8, 0], [1, 2, 3, 4, 5]]
        ids, _, around = dice.read[0]
        assert (
            ids[0, 1:].tolist() == [3, 4]
            and ids[1, 2:].tolist() == [7]
            and ids[2].tolist() == [1, 2, 3]
        )
        assert around["mask"].shape == (3, 1, 1, 3)
        assert around["mask"][:, 0, 0].tolist() == [
            [False, True, True],
            [False, False, True],
            [True, True, True],
        ]
        assert around["positions"].tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 2]]
        ids, _, around = dice.read[1]
        assert around["mask"][:, 0, 0].tolist() == [
            [False, True, True, True],
            [False, False, True, True],
            [True] * 4,
        ]
        assert (
            around["positions"][:, -1].tolist() == [2, 1, 3]
            and around["positions"].shape == ids.shape
        )


def test_texts_of_one_length_need_no_padding():
    dice = Dice([0.0, 1.0])
    generate(dice, np.array([[0, 1], [1, 1]]), n_new=3)
    assert all(around == {} for _, _, around in dice.read)


def test_shapes_and_types():
    model = tiny()
    for ids in ([1, 2], (1, 2), np.array([1, 2], np.uint8)):
        text = generate(model, ids, n_new=3)
        assert text.shape == (5,) and text.dtype.kind == "i" and text[:2].tolist() == [1, 2]
    batch = generate(model, [[1, 2]], n_new=3)
    assert isinstance(batch, list) and len(batch) == 1 and batch[0].shape == (5,)


def test_stop_ends_each_text_where_it_comes():
    counting = np.eye(9)[[1, 2, 3, 4, 5, 6, 7, 8, 0]] * 99
    found = generate(Dice(counting), [[3, 4], [7], [6, 6, 8]], n_new=5, stop=0)
    assert [text.tolist() for text in found] == [[3, 4, 5, 6, 7, 8, 0], [7, 8, 0], [6, 6, 8, 0]]
    assert generate(Dice(counting), [3, 4], n_new=2, stop=0).tolist() == [3, 4, 5, 6]
    # only new tokens end a text
    assert generate(Dice(counting), [0, 1], n_new=2, stop=0).tolist() == [0, 1, 2, 3]
    dice = Dice(counting)
    generate(dice, [[7], [6]], n_new=50, stop=0)
    assert len(dice.read) == 3  # nobody reads on once all have ended
    assert list(stream(Dice(counting), [6], n_new=50, stop=0)) == [7, 8, 0]


def test_each_of_several_ids_ends_a_text():
    counting = np.eye(9)[[1, 2, 3, 4, 5, 6, 7, 8, 0]] * 99
    for stop in ([0, 5], (5, 0), np.array([5, 0]), [5, 5, 0]):
        found = generate(Dice(counting), [[3, 4], [7], [1, 2, 3]], n_new=5, stop=stop)
        assert [text.tolist() for text in found] == [[3, 4, 5], [7, 8, 0], [1, 2, 3, 4, 5]]
        assert list(stream(Dice(counting), [6], n_new=50, stop=stop)) == [7, 8, 0]
        assert list(stream(Dice(counting), [3], n_new=50, stop=stop)) == [4, 5]
    assert generate(Dice(counting), [7], n_new=3, stop=[]).tolist() == [7, 8, 0, 1]


def test_a_text_that_has_ended_changes_no_other():
    model = tiny(positions="rotary")
    alone = by_hand(model, [5, 6, 7, 8], 12)
    stop = generate(model, [1, 2, 3], n_new=1, temperature=0)[-1]
    batch = generate(model, [[1, 2, 3], [5, 6, 7, 8]], n_new=12, temperature=0, stop=int(stop))
    assert len(batch[0]) == 4
    assert batch[1].tolist() == alone[: len(batch[1])] and len(batch[1]) > 4


# ---- stream --------------------------------------------------------------------------------------


@both
def test_a_stream_is_the_text_token_by_token(options):
    model = tiny(**options)
    for cached in (True, False):
        text = generate(model, [1, 2], n_new=7, cached=cached, rng=np.random.default_rng(4))
        tokens = list(stream(model, [1, 2], n_new=7, cached=cached, rng=np.random.default_rng(4)))
        assert tokens == text[2:].tolist() and all(type(token) is int for token in tokens)


def test_a_stream_does_no_work_ahead():
    dice = Dice([0.0, 1.0])
    tokens = stream(dice, [1], n_new=3)
    assert not dice.read
    next(tokens)
    assert len(dice.read) == 1
    next(tokens)
    assert len(dice.read) == 2


@pytest.mark.parametrize(
    "ids, steps, expected",
    [([0], 2, [0, 1, 1]), ([[0], [0, 0]], 2, [[0, 1, 1], [0, 0, 1, 1]]), ([0, 1], 0, [0, 1])],
)
def test_ctrl_c_hands_back_what_is_there(ids, steps, expected):
    class Interrupted(Dice):
        def logits(self, ids, **options):
            if len(self.read) == steps:
                raise KeyboardInterrupt
            return super().logits(ids, **options)

    try:
        found = generate(Interrupted([0.0, 99.0]), ids, n_new=9)
    except KeyboardInterrupt:  # left alone, it would end pytest itself
        pytest.fail("Ctrl-C went through")
    assert (
        [text.tolist() for text in found] if isinstance(found, list) else found.tolist()
    ) == expected


# ---- errors --------------------------------------------------------------------------------------


class Untouched(Dice):
    def logits(self, ids, **options):
        raise AssertionError("work was done before the arguments were checked")


def go(ids=(1, 2), **options):
    return {"ids": ids} | {"n_new": 2} | options


ERRORS = [
    ("n_new 0", go(n_new=0), ValueError, r"n_new must be at least 1, got 0"),
    ("n_new 1.0", go(n_new=1.0), TypeError, r"n_new must be a whole number, got 1.0"),
    (
        "temperature -1",
        go(temperature=-1),
        ValueError,
        r"temperature must be a finite number, 0 or above, got -1",
    ),
    ("top_k 0", go(top_k=0), ValueError, r"top_k must be at least 1, got 0"),
    ("stop -1", go(stop=-1), ValueError, r"stop must be at least 0, got -1"),
    ("stop [3, -1]", go(stop=[3, -1]), ValueError, r"stop\[1\] must be at least 0, got -1"),
    ("top_p 2", go(top_p=2), ValueError, r"top_p must be at most 1"),
    ("stop as a word", go(stop="."), TypeError, r"stop must be a whole number, got '.'"),
    ("rng 0", go(rng=0), TypeError, r"rng must be a numpy Generator"),
    ("no ids", go([]), ValueError, r"ids must have the shape \(n,\) with n at least 1, got \(0,\)"),
    (
        "one number",
        go(3),
        ValueError,
        r"ids must have the shape \(n,\) with n at least 1, got \(\)",
    ),
    ("float ids", go([1.0]), TypeError, r"ids must be whole numbers, got an array of float64"),
    ("words", go("the cat"), ValueError, r"ids must have the shape"),
    ("a list of words", go(["the", "cat"]), TypeError, r"ids must be whole numbers"),
]
BATCH_ERRORS = [
    (
        "an empty text",
        go([[1], []]),
        ValueError,
        r"ids\[1\] must have the shape \(n,\) with n at least 1, got \(0,\)",
    ),
    (
        "the first is empty",
        go([[], [1]]),
        ValueError,
        r"ids\[0\] must have the shape \(n,\) with n at least 1, got \(0,\)",
    ),
    (
        "a batch of batches",
        go([[[1]]]),
        ValueError,
        r"ids\[0\] must have the shape \(n,\) with n at least 1, got \(1, 1\)",
    ),
    ("a float text", go([[1], [2.0]]), TypeError, r"ids\[1\] must be whole numbers"),
]


@pytest.mark.parametrize(
    "name, options, error, message",
    ERRORS + BATCH_ERRORS,
    ids=[case[0] for case in ERRORS + BATCH_ERRORS],
)
def test_errors_of_generate(name, options, error, message):
    with pytest.raises(error, match=message):
        generate(Untouched([0.0, 1.0]), **options)


@pytest.mark.parametrize("name, options, error, message", ERRORS, ids=[case[0] for case in ERRORS])
def test_errors_of_stream_come_before_the_first_token(name, options, error, message):
    with pytest.raises(error, match=message):
        stream(Untouched([0.0, 1.0]), **options)


def test_a_batch_is_no_stream():
    with pytest.raises(ValueError, match=r"ids must have the shape \(n,\).*got \(2, 1\)"):
        stream(Dice([0.0]), [[1], [2]], n_new=1)
    with pytest.raises(ValueError, match=r"ids must be one text"):
        stream(Dice([0.0]), [[1], [2, 3]], n_new=1)


def test_a_learned_table_that_is_too_short_is_said_at_once():
    model = tiny()
    assert len(generate(model, [1, 2], n_new=8)) == 10  # nine are read, the tenth is only said
    model.logits = Untouched([0.0]).logits
    for ids in ([1, 2], [[1], [1, 2]]):
        with pytest.raises(
            ValueError, match=r"the model can read 9 tokens, but 2 ids and n_new=9 make 10 to read"
        ):
            generate(model, ids, n_new=9)
    with pytest.raises(ValueError, match=r"the model can read 9 tokens"):
        stream(model, [1, 2], n_new=9)
    assert len(generate(tiny(positions="t5"), [1, 2], n_new=30)) == 32


def test_ids_out_of_the_vocabulary():
    with pytest.raises(ValueError, match=r"ids must lie between 0 and 10, got 1 to 11"):
        generate(tiny(), [1, 11], n_new=2)


def test_the_caches_are_used(monkeypatch):
    model, made = tiny(), []
    monkeypatch.setattr(model, "caches", lambda: made.append([KVCache(), KVCache()]) or made[-1])
    generate(model, [1, 2], n_new=4)
    assert [[len(cache) for cache in caches] for caches in made] == [[5, 5]]
    generate(model, [1, 2], n_new=4, cached=False)
    assert len(made) == 1
