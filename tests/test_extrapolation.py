"""training/extrapolation.py: the shipped measurement is whole and is what the shipped models do;
the measuring itself, in small.
"""

import numpy as np
import pytest

from attnlib import encodings, training
from attnlib.course.shipped import extrapolation as script
from attnlib.layers import parameters
from attnlib.training import extrapolation as measured

pytestmark = pytest.mark.filterwarnings("error")
SHORT = {
    "seeds": 1,
    "training": {"steps": 3, "lr": 1e-3},
    "tuning": {"steps": 2, "lr": 1e-3},
    "texts": 32,
}


@pytest.fixture(scope="module")
def shipped():
    return measured.extrapolation()


def row(shipped, name, n):
    return measured.late(shipped.losses[n][shipped.rows.index(name)])  # (seeds,)


def test_the_file_is_small_and_says_where_it_comes_from(shipped):
    assert measured.FILE.stat().st_size < 1_000_000
    assert shipped.about["command"].endswith("python -m attnlib.training.extrapolation")
    assert shipped.about["seeds"] == list(range(measured.SEEDS)) and measured.SEEDS >= 3
    assert {"attnlib", "numpy", "python", "cpu_seconds"} < set(shipped.about)
    assert (
        shipped.about["training"] == measured.TRAINING
        and shipped.about["tuning"] == measured.TUNING
    )


def test_every_encoding_has_a_row_and_every_position_a_loss(shipped):
    assert shipped.rows == measured.ENCODINGS + list(measured.STRETCHED)
    assert list(shipped.losses) == [64, 128, 256]
    assert shipped.training.shape == (6, measured.SEEDS, measured.TRAINING["steps"])
    learned = shipped.rows.index("learned")
    for n, losses in shipped.losses.items():
        assert losses.shape == (len(shipped.rows), measured.SEEDS, n)
        defined = np.isfinite(losses)
        assert not defined[:, :, :8].any()  # no block is shorter: nothing can be known
        others = np.delete(defined, learned, axis=0)
        assert others[:, :, 8:].all()
        assert defined[learned, :, 8:].all() == (n == 64) and defined[learned].any() == (n == 64)
        assert (losses[defined] >= 0).all()


def test_baselines(shipped):
    assert shipped.chance == pytest.approx(np.log(64))
    assert shipped.unordered == pytest.approx(np.mean([np.log(period) for period in range(8, 25)]))


def test_what_the_course_says_of_it(shipped):
    """relative_positions tells these facts; a new measurement must bear them out, every seed."""
    for name in ("learned", "sinusoidal", "t5", "alibi", "rotary"):
        assert (row(shipped, name, 64) < 0.05).all(), name
    for n in shipped.losses:
        assert (row(shipped, "none", n) > 2.5).all()  # no order, no induction, at any length
    for n in (128, 256):
        assert (row(shipped, "t5", n) < 0.05).all() and (row(shipped, "alibi", n) < 0.05).all()
        assert (row(shipped, "sinusoidal", n) > 1).all() and (row(shipped, "rotary", n) > 0.3).all()
        # without tuning it makes things worse
        assert (row(shipped, "rotary, linear", n) > row(shipped, "rotary", n)).all()
        assert (row(shipped, "rotary, dynamic", n) < row(shipped, "rotary", n)).all()
        assert (row(shipped, "rotary, tuned", n) < row(shipped, "rotary, linear, tuned", n)).all()


@pytest.mark.parametrize(
    "name, n",
    [
        ("t5", 128),
        ("alibi", 64),
        ("rotary", 128),
        ("sinusoidal", 64),
        ("none", 64),
        ("learned", 64),
    ],
)
def test_the_shipped_models_do_what_was_measured(shipped, name, n):
    """Seed 0, but with weights rounded to float16."""
    model = measured.trained_model(name)
    losses, file = (
        script.position_losses(model, n, texts=32),
        shipped.losses[n][shipped.rows.index(name), 0],
    )
    assert {a.dtype for a in parameters(model).values()} == {np.dtype(np.float32)}
    assert abs(measured.late(losses) - measured.late(file)) < 0.02 + 0.1 * measured.late(file)


def test_a_shipped_rotary_model_stretched(shipped):
    model = measured.trained_model("rotary")
    before = model.logits(np.arange(9))
    for recipe in ("linear", "dynamic", "yarn"):
        longer = script.stretched(model, recipe, 128)
        loss, file = (
            measured.late(script.position_losses(longer, 128, texts=32)),
            row(shipped, f"rotary, {recipe}", 128)[0],
        )
        assert abs(loss - file) < 0.05 + 0.1 * file
        assert longer.blocks[1].attention.rotary.scaling["factor"] == 2
        assert (
            measured.late(script.position_losses(script.stretched(model, recipe, 64), 64, texts=32))
            < 0.01
        )
    # the model itself stays as it was
    np.testing.assert_array_equal(model.logits(np.arange(9)), before)


def test_losses_at_positions_are_the_loss():
    model = measured.untrained_model("rotary", 3)
    ids, targets, where = training.induction_batch(
        np.random.default_rng([12345, 64]), batch=32, n=64, **measured.TASK
    )
    losses = script.position_losses(model, 64, texts=32)
    loss, _ = training.cross_entropy(model.logits(ids), targets, where=where)
    assert np.nansum(losses * where.sum(axis=0)) / where.sum() == pytest.approx(loss, rel=1e-5)
    at_40 = np.zeros_like(where)
    at_40[:, 40] = True
    assert losses[40] == pytest.approx(
        training.cross_entropy(model.logits(ids), targets, where=at_40)[0], rel=1e-5
    )
    np.testing.assert_array_equal(np.isnan(losses), ~where.any(axis=0))


def test_late_is_the_second_half():
    losses = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(measured.late(losses), losses[..., 2:].mean(-1))
    assert measured.late(np.array([np.nan, np.nan, 1, 2])) == 1.5


def test_measuring_in_small(capsys):
    lines = []
    arrays = script.measure(lengths=(64, 128), say=lines.append, **SHORT)
    with np.load(measured.FILE) as file:
        assert set(arrays) == set(file.files) - {"about", "losses/256"}
        for name, array in arrays.items():
            assert array.dtype == file[name].dtype and (
                not name.startswith("weights") or array.shape == file[name].shape
            )
    rows = measured.ENCODINGS + list(measured.STRETCHED)
    assert len(lines) == len(rows) and lines[1].startswith("learned") and "128: nan" in lines[1]
    rotary, tuned = (
        arrays["losses/128"][rows.index(name), 0] for name in ("rotary", "rotary, tuned")
    )
    assert np.nanmax(np.abs(rotary - tuned)) > 1e-4
    at_64 = arrays["losses/64"][[i for i, name in enumerate(rows) if "rotary" in name], 0]
    # nothing is stretched or tuned there
    np.testing.assert_allclose(at_64, np.broadcast_to(at_64[0], at_64.shape), atol=1e-6)
    assert capsys.readouterr().out == ""


def test_all_encodings_of_a_seed_begin_alike():
    none, alibi, rotary = (
        measured.untrained_model(name, 1) for name in ("none", "alibi", "rotary")
    )
    for name, array in parameters(none).items():
        np.testing.assert_array_equal(array, parameters(alibi)[name])
        np.testing.assert_array_equal(array, parameters(rotary)[name])
    seen = [[], []]
    for texts, model in zip(seen, (none, rotary)):
        steps = model.steps
        model.steps = lambda ids, texts=texts, steps=steps: texts.append(ids) or steps(ids)
        script.train_model(model, 1, steps=2, lr=1e-3)
    np.testing.assert_array_equal(*seen)
    assert np.shape(seen[0]) == (2, 32, 64)


def test_refused():
    with pytest.raises(ValueError, match=r"encoding must be one of 'none', .* got 'yarn'"):
        measured.trained_model("yarn")
    with pytest.raises(ValueError, match=r"scaling type must be one of .* got 'ntk'"):
        script.stretched(measured.untrained_model("rotary", 0), "ntk", 128)
    assert isinstance(measured.untrained_model("t5", 0).positions, encodings.T5Bias)
