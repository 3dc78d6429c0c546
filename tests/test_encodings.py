"""encodings.py: the sinusoids against their slow twin and their geometry; the end of a learned table."""

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib.encodings import Learned, sinusoidal

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=50, deadline=None, derandomize=True)
widths = st.integers(1, 16).map(lambda half: 2 * half)
bases = st.sampled_from([1, 2, 100, 10_000, 1e6])


@examples
@given(st.integers(1, 40), widths, bases, st.sampled_from(["interleaved", "half"]))
def test_equals_the_slow_twin(n, d_model, base, layout):
    table = sinusoidal(n, d_model, base=base, layout=layout)
    assert table.shape == (n, d_model)
    np.testing.assert_allclose(table, slow.sinusoidal(n, d_model, base, layout), rtol=0, atol=1e-12)


def test_defaults_are_those_of_the_paper():
    np.testing.assert_array_equal(sinusoidal(9, 8), sinusoidal(9, 8, base=10_000, layout="interleaved"))
    row = sinusoidal(4, 6)[3]
    np.testing.assert_allclose(row[:2], [np.sin(3), np.cos(3)])
    np.testing.assert_allclose(row[2:4], [np.sin(3 / 10_000 ** (2 / 6)), np.cos(3 / 10_000 ** (2 / 6))])


def test_position_zero_is_sin_zero_and_cos_zero():
    assert sinusoidal(1, 6).tolist() == [[0, 1, 0, 1, 0, 1]]
    assert sinusoidal(1, 6, layout="half").tolist() == [[0, 0, 0, 1, 1, 1]]


@examples
@given(st.integers(1, 20), widths, bases)
def test_both_layouts_hold_the_same_numbers(n, d_model, base):
    printed, code = sinusoidal(n, d_model, base=base), sinusoidal(n, d_model, base=base, layout="half")
    np.testing.assert_array_equal(printed[:, 0::2], code[:, : d_model // 2])
    np.testing.assert_array_equal(printed[:, 1::2], code[:, d_model // 2 :])


@examples
@given(widths, st.integers(0, 30), bases)
def test_a_step_is_a_rotation(d_model, step, base):
    """PE(p + k) = PE(p) · R(k), one R for all p, and R turns: RᵀR = 1."""
    table = sinusoidal(40 + step, d_model, base=base)
    turn = np.zeros((d_model, d_model))
    for i in range(0, d_model, 2):
        angle = step / base ** (i / d_model)
        turn[i, i], turn[i, i + 1] = np.cos(angle), -np.sin(angle)
        turn[i + 1, i], turn[i + 1, i + 1] = np.sin(angle), np.cos(angle)
    np.testing.assert_allclose(turn.T @ turn, np.eye(d_model), atol=1e-12)
    np.testing.assert_allclose(table[:40] @ turn, table[step:], atol=1e-11)


@examples
@given(widths, bases, st.sampled_from(["interleaved", "half"]))
def test_dot_products_see_only_the_distance(d_model, base, layout):
    table = sinusoidal(25, d_model, base=base, layout=layout)
    dots = table @ table.T
    for distance in range(25):
        diagonal = np.diagonal(dots, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-11)
    np.testing.assert_allclose(np.diagonal(dots), d_model / 2)
    np.testing.assert_allclose(dots, dots.T, atol=1e-11)


def test_a_longer_table_begins_with_the_shorter_one():
    np.testing.assert_array_equal(sinusoidal(50, 8)[:20], sinusoidal(20, 8))


# ---- learned -----------------------------------------------------------------------------------------------------


def test_learned_rows():
    learned = Learned(6, 4)
    assert learned.table.shape == (6, 4)
    for n in range(1, 7):
        np.testing.assert_array_equal(learned(n), learned.table[:n])
    learned.table = np.arange(24).reshape(6, 4)
    np.testing.assert_array_equal(learned(2), [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_learned_ends_in_a_cliff():
    with pytest.raises(ValueError, match=r"6 rows.*7 tokens"):
        Learned(6, 4)(7)


def test_learned_comes_from_the_generator():
    np.testing.assert_array_equal(Learned(6, 4).table, Learned(6, 4, np.random.default_rng(0)).table)
    assert (Learned(6, 4).table != Learned(6, 4, rng=np.random.default_rng(1)).table).all()


def test_learned_rows_have_length_one_on_average():
    assert 0.95 < (Learned(300, 100).table ** 2).sum(axis=1).mean() < 1.05
