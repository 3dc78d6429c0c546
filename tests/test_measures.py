"""measures.py: one number per head, against loops over single queries; what must hold for any
weights; what is refused.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnlib import masks, measures, softmax

pytestmark = pytest.mark.filterwarnings("error")
seeds = pytest.mark.parametrize("seed", range(4))
ALL = {
    "previous_share": measures.previous_share,
    "next_share": measures.next_share,
    "sink_share": measures.sink_share,
    "entropy": measures.entropy,
    "distance": measures.distance,
}
each = pytest.mark.parametrize("name", ALL)


# ---- slow twins: one head, lists, one query at a time --------------------------------------------


def queries(head):
    """(place, row) of every query that looks at anyone: the last query stands at the last key."""
    n_q, n_k = len(head), len(head[0])
    return [(i + n_k - n_q, list(row)) for i, row in enumerate(head) if sum(row) > 0]


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else 0.0


def slow_step(head, step):
    return mean([row[place + step] for place, row in queries(head) if 0 <= place + step < len(row)])


def slow_sink(head, key):
    return mean([row[key] for place, row in queries(head) if place != key])


def slow_entropy(head):
    return mean([-sum(w * np.log(w) for w in row if w > 0) for _, row in queries(head)])


def slow_distance(head):
    return mean(
        [sum(w * abs(place - j) for j, w in enumerate(row)) for place, row in queries(head)]
    )


SLOW = {
    "previous_share": lambda head: slow_step(head, -1),
    "next_share": lambda head: slow_step(head, 1),
    "sink_share": lambda head: slow_sink(head, 0),
    "entropy": slow_entropy,
    "distance": slow_distance,
}


def some_weights(rng, n_q, n_k, lead=(2, 3), mask=None):
    return softmax(
        rng.normal(0, 1.5, (*lead, n_q, n_k)),
        where=np.ones((n_q, n_k), bool) if mask is None else mask,
    )


def heads_of(weights):
    return weights.reshape(-1, *weights.shape[-2:])


@seeds
@each
def test_equal_to_their_slow_twins(name, seed):
    rng = np.random.default_rng(seed)
    for n_q, n_k in ((2, 2), (5, 5), (3, 7), (1, 4), (9, 9)):
        for mask in (
            None,
            masks.causal(n_q, n_k),
            masks.random_keys(n_q, n_k, n_random=1, rng=rng) if n_q == n_k else None,
        ):
            weights = some_weights(rng, n_q, n_k, mask=mask)
            weights[0, 1, 0] = 0  # a query that looks at nobody
            if name == "next_share" and n_q == 1:
                continue  # nobody has a next token
            found = ALL[name](weights)
            assert found.shape == (2, 3)
            np.testing.assert_allclose(
                found.ravel(), [SLOW[name](head.tolist()) for head in heads_of(weights)], atol=1e-12
            )


@seeds
def test_steps_and_sinks_at_any_place(seed):
    rng = np.random.default_rng(seed)
    for n_q, n_k in ((5, 5), (2, 6)):
        weights = some_weights(rng, n_q, n_k)
        weights[1, 0, -1] = 0
        for step in range(1 - n_k, n_q):
            np.testing.assert_allclose(
                measures.step_share(weights, step).ravel(),
                [slow_step(head.tolist(), step) for head in heads_of(weights)],
                atol=1e-12,
            )
        for key in range(n_k):
            wanted = [slow_sink(head.tolist(), key) for head in heads_of(weights)]
            np.testing.assert_allclose(
                measures.sink_share(weights, key).ravel(), wanted, atol=1e-12
            )
            np.testing.assert_array_equal(
                measures.sink_share(weights, key - n_k), measures.sink_share(weights, key)
            )


# ---- heads whose numbers are known ---------------------------------------------------------------


def test_perfect_heads():
    n = 6
    previous, ahead, itself, first, even = (
        np.eye(n, k=-1),
        np.eye(n, k=1),
        np.eye(n),
        np.zeros((n, n)),
        np.full((n, n), 1 / n),
    )
    previous[0, 0] = ahead[-1, -1] = 1
    first[:, 0] = 1
    weights = np.stack([previous, ahead, itself, first, even])
    np.testing.assert_allclose(measures.previous_share(weights), [1, 0, 0, 1 / 5, 1 / 6])
    np.testing.assert_allclose(measures.next_share(weights), [0, 1, 0, 0, 1 / 6])
    np.testing.assert_allclose(measures.step_share(weights, 0), [1 / 6, 1 / 6, 1, 1 / 6, 1 / 6])
    np.testing.assert_allclose(measures.sink_share(weights), [1 / 5, 0, 0, 1, 1 / 6])
    np.testing.assert_allclose(measures.sink_share(weights, -1), [0, 1 / 5, 0, 0, 1 / 6])
    np.testing.assert_allclose(np.exp(measures.entropy(weights)), [1, 1, 1, 1, 6])
    np.testing.assert_allclose(measures.distance(weights), [5 / 6, 5 / 6, 0, 15 / 6, 70 / 36])


def test_the_first_row_of_a_causal_head_does_not_make_a_sink():
    itself = np.eye(8)
    assert measures.sink_share(itself) == 0 and itself[:, 0].mean() == 1 / 8


def test_the_last_rows_of_a_head_count_as_in_the_whole():
    """With a cache only the new queries are there: they stand at the end."""
    weights = some_weights(np.random.default_rng(0), 8, 8, mask=masks.causal(8))
    for measure in (
        measures.previous_share,
        measures.entropy,
        measures.distance,
        measures.sink_share,
    ):
        parts = np.mean([measure(weights[..., i : i + 1, : i + 1]) for i in range(3, 8)], axis=0)
        np.testing.assert_allclose(measure(weights[..., 3:, :]), parts)


@given(seed=st.integers(0, 1000), n=st.integers(2, 9))
def test_what_holds_for_any_weights(seed, n):
    rng = np.random.default_rng(seed)
    weights = some_weights(rng, n, n, lead=(4,))
    mirrored = weights[..., ::-1, ::-1]
    np.testing.assert_allclose(measures.previous_share(weights), measures.next_share(mirrored))
    np.testing.assert_allclose(measures.sink_share(weights), measures.sink_share(mirrored, -1))
    np.testing.assert_allclose(measures.distance(weights), measures.distance(mirrored))
    shuffled = weights[..., rng.permutation(n)]
    np.testing.assert_allclose(measures.entropy(weights), measures.entropy(shuffled))
    assert (measures.entropy(weights) <= np.log(n) + 1e-12).all() and (
        measures.entropy(weights) >= 0
    ).all()
    assert (measures.distance(weights) <= n - 1).all() and (measures.distance(weights) >= 0).all()
    counts = [n - abs(step) for step in range(1 - n, n)]
    whole = sum(
        count * measures.step_share(weights, step) for count, step in zip(counts, range(1 - n, n))
    )
    np.testing.assert_allclose(whole, n)  # every weight lies on one of the diagonals
    blend = 0.3 * weights[0] + 0.7 * weights[1]
    for name in ("previous_share", "next_share", "sink_share", "distance"):
        a, b = ALL[name](weights[:2])
        np.testing.assert_allclose(ALL[name](blend), 0.3 * a + 0.7 * b)
    assert (
        measures.entropy(blend)
        >= 0.3 * measures.entropy(weights[0]) + 0.7 * measures.entropy(weights[1]) - 1e-12
    )


@each
def test_rows_of_zeros_do_not_count_and_alone_give_zero(name):
    weights = some_weights(np.random.default_rng(1), 6, 6)
    padded = weights.copy()
    padded[..., 2, :] = 0
    kept = [i for i in range(6) if i != 2]
    if name in ("entropy", "sink_share"):  # these do not ask where the other queries stand
        square = np.zeros((2, 3, 5, 6))
        square[...] = padded[..., kept, :]
        wanted = square[..., 1:, 0].mean(-1) if name == "sink_share" else measures.entropy(square)
        np.testing.assert_allclose(ALL[name](padded), wanted)
    nobody = ALL[name](np.zeros((2, 3, 4, 4)))
    np.testing.assert_array_equal(nobody, np.zeros((2, 3)))


@each
def test_kinds_of_numbers_and_shapes(name):
    weights = some_weights(np.random.default_rng(2), 5, 5)
    for kind, result, close in (
        (np.float64, np.float64, 1e-12),
        (np.float32, np.float32, 1e-5),
        (np.float16, np.float32, 5e-3),
    ):
        given = weights.astype(kind)
        before = given.copy()
        found = ALL[name](given)
        assert found.dtype == result
        np.testing.assert_allclose(found, ALL[name](weights), atol=close)
        np.testing.assert_array_equal(given, before)
    one = ALL[name](weights[0, 0])
    assert one.shape == () and one == ALL[name](weights)[0, 0]
    assert ALL[name](np.eye(3, dtype=int)).dtype == np.float64


def test_the_weights_of_a_model_that_is_not_sure():
    """Sinks of their own take a share: rows that sum to less than 1 are fine, and count as they
    are.
    """
    weights = some_weights(np.random.default_rng(3), 4, 4) * 0.5
    np.testing.assert_allclose(measures.sink_share(weights), 0.5 * measures.sink_share(2 * weights))


# ---- what is refused -----------------------------------------------------------------------------


@each
@pytest.mark.parametrize(
    "weights, words",
    [
        (np.ones(3) / 3, r"weights must have the shape \(..., n_q, n_k\), got \(3,\)"),
        (np.zeros((3, 0)), r"weights must have a query, and a key for each query, got \(3, 0\)"),
        (np.zeros((0, 3)), r"weights must have a query, and a key for each query, got \(0, 3\)"),
        (
            np.full((4, 3), 1 / 3),
            r"weights must have a query, and a key for each query, got \(4, 3\)",
        ),
        (
            np.array([[1.5, -0.5], [0.5, 0.5]]),
            r"weights must be shares of 1, but one is -0.5; scores become shares by softmax",
        ),
        (
            np.array([[1.0, 2.0], [0.5, 0.5]]),
            r"weights must be shares of 1, but a row sums to 3; scores",
        ),
        (
            np.array([[np.nan, 1.0], [0.5, 0.5]]),
            r"weights must be finite, but weights\[0, 0\] is nan",
        ),
    ],
)
def test_errors_say_what_is_wrong(name, weights, words):
    with pytest.raises(ValueError, match=words):
        ALL[name](weights)


def test_errors_of_single_arguments():
    even = np.full((3, 3), 1 / 3)
    with pytest.raises(TypeError, match="weights must hold real numbers"):
        measures.entropy(np.array([["a", "b"], ["c", "d"]]))
    with pytest.raises(ValueError, match=r"step=3 leads out of the weights, \(3, 3\)"):
        measures.step_share(even, 3)
    with pytest.raises(ValueError, match="step=-1 leads out of the weights"):
        measures.previous_share(np.ones((1, 1)))
    with pytest.raises(TypeError, match="step must be a whole number"):
        measures.step_share(even, 0.5)
    with pytest.raises(ValueError, match="key must be at most 2, got 3"):
        measures.sink_share(even, 3)
    with pytest.raises(ValueError, match="key must be at least -3, got -4"):
        measures.sink_share(even, -4)


@each
def test_weights_that_were_kept_in_8_bits_pass_and_scores_do_not(name):
    """256 shares of 1/256, each rounded up by half a step, sum to 1.07; what sums to 1.2 are no
    shares.
    """
    ALL[name](np.full((4, 4), 1.07 / 4))
    with pytest.raises(
        ValueError, match=r"weights must be shares of 1, but a row sums to 1\.2; scores"
    ):
        ALL[name](np.full((4, 4), 1.2 / 4))


# ---- scores --------------------------------------------------------------------------------------


def slow_within(scores):
    left, n = [], len(scores)
    for k in range(1 - n, n):
        diagonal = [scores[i][i + k] for i in range(n) if 0 <= i + k < n]
        left += [value - mean(diagonal) for value in diagonal]
    return (sum(value**2 for value in left) / n**2) ** 0.5 / np.std(scores)


@seeds
def test_what_the_distance_does_not_decide(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(2, 3, 6, 6))
    wanted = [[slow_within(one.tolist()) for one in some] for some in scores]
    np.testing.assert_allclose(measures.within_diagonals(scores), wanted)
    np.testing.assert_allclose(
        measures.within_diagonals(5 - 100 * scores), wanted, err_msg="neither size nor a sum counts"
    )
    np.testing.assert_allclose(measures.within_diagonals(scores.swapaxes(-1, -2)), wanted)
    distance = np.arange(9)[:, None] - np.arange(9)
    assert measures.within_diagonals(rng.normal(size=17)[distance + 8]) < 1e-12
    assert measures.within_diagonals((np.arange(9) + np.arange(9)[:, None]) * 1.0) == pytest.approx(
        1
    ), "sums say nothing of distance"
    assert measures.within_diagonals(np.ones((4, 4))) == measures.within_diagonals([[7.0]]) == 0


@pytest.mark.parametrize(
    "scores", [np.ones((2, 3)), np.ones(4), np.ones((0, 0)), [[1.0, np.inf], [0, 1]]]
)
def test_scores_that_are_no_square_of_numbers_are_refused(scores):
    with pytest.raises(ValueError, match="scores must"):
        measures.within_diagonals(scores)


# ---- rows ----------------------------------------------------------------------------------------


def slow_closest(rows):
    lengths = [sum(v * v for v in row) ** 0.5 for row in rows]
    pairs = [
        sum((a - b) ** 2 for a, b in zip(one, other)) ** 0.5
        for i, one in enumerate(rows)
        for other in rows[:i]
    ]
    return min(pairs) / max(lengths)


@seeds
def test_the_directions_of_rows_that_were_built_of_so_many(seed):
    rng = np.random.default_rng(seed)
    for many in (0, 1, 3, 6):
        apart = rng.normal(size=(8, many)) @ rng.normal(size=(many, 20))
        rows = np.stack([apart + shared * rng.normal(size=20) for shared in (0, 1, 1e3)])
        assert measures.directions(rows).tolist() == [many] * 3, (
            "what all rows share does not count"
        )
        assert measures.directions(1e-9 * rows).tolist() == measures.directions(rows).tolist(), (
            "nor does their size"
        )
    assert (
        measures.directions(rng.normal(size=(8, 20))) == 7
        and measures.directions(rng.normal(size=(8, 3))) == 3
    )
    assert measures.directions(np.ones((1, 4))) == measures.directions(np.zeros((5, 4))) == 0


def test_a_difference_counts_from_a_share_of_the_largest_on():
    rows = np.zeros((2, 4))
    rows[:, 0], rows[1, 1] = 1000.0, 1.0
    assert [int(measures.directions(rows, least=least)) for least in (1e-6, 1e-4, 1e-3, 1)] == [
        1,
        1,
        0,
        0,
    ]
    assert measures.directions(rows.astype(np.float16)) == 1


@seeds
def test_the_closest_pair_is_that_of_a_loop_over_all(seed):
    rows = np.random.default_rng(seed).normal(size=(3, 6, 5))
    np.testing.assert_allclose(measures.closest(rows), [slow_closest(one.tolist()) for one in rows])
    np.testing.assert_allclose(
        measures.closest(rows * 1e6),
        measures.closest(rows),
        err_msg="a share: the size does not count",
    )
    rows[1, 4] = rows[1, 2]
    assert measures.closest(rows)[1] == 0 < measures.closest(rows)[0]
    assert measures.closest(np.zeros((4, 3))) == 0 and measures.closest(np.ones((1, 3))) == np.inf


@pytest.mark.parametrize("measure", [measures.directions, measures.closest])
@pytest.mark.parametrize(
    "rows,words",
    [
        (np.ones(3), ["rows must have the shape (..., n, d)", "(3,)"]),
        (np.ones((0, 3)), ["rows must have at least one row", "(0, 3)"]),
        (np.ones((3, 0)), ["rows must have at least one row and one column", "(3, 0)"]),
        ([[1.0, np.nan]], ["rows must be finite", "nan"]),
    ],
)
def test_what_are_no_rows_is_refused(measure, rows, words):
    with pytest.raises(ValueError) as error:
        measure(rows)
    assert all(word in str(error.value) for word in words), error.value


def test_a_difference_of_nothing_is_refused():
    with pytest.raises(ValueError, match="least must be"):
        measures.directions(np.ones((2, 2)), least=0)
