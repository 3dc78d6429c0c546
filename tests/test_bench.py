"""bench/models.py: the workers, the turns and the words; no test here asserts a time."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attnlib.tools.bench import main as bench_main
from attnlib.tools.bench import models as bench
from attnlib.tools.bench import worker

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def short(monkeypatch):
    """One round of one length with one thread."""
    for name, value in {
        "ROUNDS": 1,
        "COLD_ROUNDS": 1,
        "TOKENS": [3],
        "THREADS": [1],
        "TURN": 0,
        "REST": 0,
    }.items():
        monkeypatch.setattr(bench, name, value)


def test_ours_alone_where_there_is_no_peer(short, capsys):
    assert (
        bench_main(["models", "--model", str(FIXTURES / "bert"), "--peer-python", "no-such-python"])
        == 0
    )
    said = capsys.readouterr().out
    assert (
        "transformers: not measured ([Errno 2]" in said
        and "transformers + BertViz: not measured" in said
    )
    assert "attnlib: numpy" in said and "÷" not in said
    start = said[said.index("Cold start") :]
    assert "  attnlib  " in start and "  attnlib, a page  " in start


def test_both_sides_in_turns(short, monkeypatch, capsys):
    # stands in for a peer: its attentions are ours
    monkeypatch.setattr(bench, "THEIRS", "attnlib, a page")
    monkeypatch.setattr(worker, "SIDES", {"attnlib": worker.Attnlib})
    assert bench.run(FIXTURES / "marian") == 0
    said = capsys.readouterr().out
    assert "attnlib ÷ attnlib, a page: clock" in said and "0.0e+00" in said


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)
@pytest.mark.parametrize("family", ["bert", "gpt2", "t5"])
def test_transformers_has_the_same_attentions(family):
    ids, folder = [3, 1, 4, 1, 5], FIXTURES / family
    assert (
        bench.disagreement(
            *(worker.SIDES[side](folder, 1).attentions(ids) for side in (bench.OURS, bench.THEIRS))
        )
        < 2e-5
    )


def test_a_worker_that_cannot_load_says_why(short, tmp_path, capsys):
    assert bench.run(tmp_path) == 1
    assert "is not a checkpoint: it has no config.json" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert bench.run(tmp_path) == 1
    assert "has no model.safetensors" in capsys.readouterr().err


def test_a_worker_that_stops_says_why():
    with bench.Worker("attnlib", sys.executable, FIXTURES / "bert", 1) as one:
        assert len(one.ask(ids=[3, 4], times=2)) == 2
        with pytest.raises(bench.Failed, match="ValueError: ids must lie between 0 and 47"):
            one.ask(ids=[48], times=1)
        with pytest.raises(bench.Failed, match="ValueError: ids must lie between 0 and 47"):
            one.ask(ids=[3], times=1)
    assert one.process.returncode == 1


@pytest.mark.parametrize(
    ("family", "shapes"), [("bert", [(2, 4, 3, 3)]), ("marian", [(2, 4, 3, 3)] * 3)]
)
def test_a_worker_hands_over_every_kind_of_attention(family, shapes):
    with bench.Worker("attnlib", sys.executable, FIXTURES / family, 1) as one:
        assert [found.shape for found in bench.attentions(one, [3, 4, 5])] == shapes


def test_a_worker_measures_its_own_memory():
    padding = bytearray(400_000_000)  # the parent's, which does not count
    padding[::4096] = bytes(len(padding[::4096])).replace(b"\0", b"\1")
    done = subprocess.run(
        bench.command("attnlib", sys.executable, FIXTURES / "bert", 1, "[3, 4]"),
        capture_output=True,
        text=True,
    )
    assert 10_000_000 < json.loads(done.stdout) < 400_000_000, done.stderr


def test_attentions_must_agree():
    weights = [np.full((1, 1, 2, 2), 0.5)]
    assert bench.disagreement(weights, [weights[0] + 5e-6]) == pytest.approx(5e-6)
    for other, words in (
        (weights[0] + 2e-5, "differ by 2.0e-05"),
        (weights[0] * np.nan, "differ by nan"),
        (weights[0][0], "other shapes"),
    ):
        with pytest.raises(ValueError, match=words):
            bench.disagreement(weights, [other])


def test_ratios_are_taken_round_by_round():
    ours = np.array([[1.0, 1.0], [6.0, 2.0], [2.0, 2.0]])
    theirs = np.array([[2.0, 4.0], [3.0, 4.0], [2.0, 4.0]])
    words = bench.line(12, {"attnlib": ours, "transformers": theirs}, 1e-6).split()
    assert words == [
        "12",
        "2000.0",
        "2000.0",
        "2000.0",
        "4000.0",
        "1.00",
        "0.50",
        "0.50",
        "1.0e-06",
    ]
    assert bench.line(12, {"attnlib": ours}).split() == ["12", "2000.0", "2000.0"]


def test_no_text_is_longer_than_the_model_reads():
    assert bench.lengths({"max_position_embeddings": 64}) == [12, 64]
    assert (
        bench.lengths({"n_positions": 300}) == [12, 64, 256] and bench.lengths({}) == bench.TOKENS
    )
    ids = bench.some_ids({"vocab_size": 7}, 500)
    assert (
        len(ids) == 500
        and set(ids) == set(range(7))
        and bench.some_ids({"vocab_size": 7}, 500) == ids
    )
