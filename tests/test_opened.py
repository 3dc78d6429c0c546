"""course/opened.py and course/atlas.py: the models of a notebook, and all heads by what they do."""

import numpy as np
import pytest

from attnlib import load, measures, show
from attnlib.course import atlas, hunt, opened
from attnlib.course.sentences import sentences
from attnlib.models.files import hub


@pytest.fixture(scope="module")
def tiny():
    return load("tiny-gpt")


def nowhere(*given):
    if len(given) > 1:
        raise hub.NotHere("no package here")


def test_what_can_be_opened_is_and_the_rest_is_said_in_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATTNLIB_CACHE", str(tmp_path))
    for source in ("from_package", "_fetched_before"):
        monkeypatch.setattr(hub, source, nowhere)
    found = opened.opened("tiny-gpt", "minilm", str(tmp_path / "mine"), fetch=False)
    said = capsys.readouterr().out.splitlines()
    assert list(found) == ["tiny-gpt"] and len(said) == 3
    assert said[0].split() == ["tiny-gpt", "1,050,880", "numbers"]
    assert said[1].startswith("minilm is left out: it is not on this machine (91 MB)")
    assert said[2].startswith("mine is left out: ") and "load(" in said[2]


def test_a_sentence_that_is_none_is_refused_before_anything_is_opened():
    with pytest.raises(ValueError, match="sentence must have at least one sign"):
        opened.opened("tiny-gpt", sentence="")
    with pytest.raises(TypeError, match="sentence must be"):
        opened.opened("tiny-gpt", sentence=5)


def test_nothing_is_fetched_where_it_would_not_fit(monkeypatch, capsys):
    monkeypatch.setattr(opened, "room", lambda: 300)
    monkeypatch.setattr(opened, "load", lambda name: pytest.fail("it was opened"))
    assert opened.opened("gpt2") == {}
    assert "it needs 1200 MB of memory, and 300 MB are free" in capsys.readouterr().out


def test_a_hubs_limit_counts(monkeypatch):
    free = opened.room()
    assert free is None or free > 0
    monkeypatch.setenv("MEM_LIMIT", str(10**9))
    used = opened._field("/proc/self/status", "VmRSS:")
    if used is not None:
        assert opened.room() <= 1000 - used + 1


def test_where_a_tokenizer_cannot_be_read_nothing_is_fetched(monkeypatch, capsys):
    monkeypatch.setattr(opened, "find_spec", lambda name: None)
    monkeypatch.setattr(opened.sys, "platform", "emscripten")
    assert opened.opened("minilm") == {}
    assert "in the browser" in capsys.readouterr().out


def test_habits_of_a_model_that_writes(tiny):
    """Heads that tiny-gpt was trained to have, against measures taken by hand."""
    found = atlas.habits(tiny, atlas.TEXTS[:2])
    read = [tiny(text).weights for text in atlas.TEXTS[:2]]
    wanted = np.mean([measures.previous_share(weights) for weights in read], axis=0)
    np.testing.assert_allclose(found["previous token"], wanted)
    assert found["induction"].max() > 0.5 > found["induction"][0].max(), "the last layers copy"
    assert all(one.shape == (4, 4) for one in found.values())
    even = np.tri(6) / np.arange(1, 7)[:, None]
    assert atlas.breadth(even, causal=True) == pytest.approx(1)
    assert atlas.breadth(np.eye(6), causal=True) == pytest.approx(np.mean(1 / np.arange(2, 7)))


def test_all_looks_go_somewhere(tiny):
    shares = atlas.where(tiny, atlas.TEXTS[:2])
    assert shares.shape == (4, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    by_hand = np.mean([measures.sink_share(tiny(text).weights) for text in atlas.TEXTS[:2]], axis=0)
    np.testing.assert_allclose(shares[:, 0], by_hand.mean(axis=1), rtol=1e-5)


def test_what_is_shipped_is_an_atlas():
    given = atlas.shipped()
    picture = show.Atlas(**given)
    assert picture.kind.shape == (30, 9) and len(given["maps"]) == 3
    for weights, tokens in zip(given["maps"], given["tokens"]):
        assert weights.shape == (30, 9, len(tokens), len(tokens))
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
        assert not np.triu(weights, 1).any()
    words = [
        [given["tokens"][one["text"]][k].strip() for k in one["look"]] for one in given["hunt"]
    ]
    assert words == [["it", "cat"], ["to", "Mary"], ["apple", "seven"]]
    assert len({one["hint"] for one in given["hunt"]}) == 3, "each has a hint of its own"
    np.testing.assert_allclose(atlas.shipped_where().sum(axis=1), 1, atol=2e-3)
    assert atlas.FILE.stat().st_size < 60_000


def test_the_hunts_find_the_heads_of_the_table():
    """Other sentences, and another count of words that ask instead: the same heads win."""
    *hunts, copying = atlas.shipped()["hunt"]
    assert np.unravel_index(copying["shares"].argmax(), (30, 9)) == (18, 6)
    for found, job in zip(hunts, ("it", "to")):
        (row,) = [row for row in hunt.table("smollm2") if row["job"] == job]
        assert abs(found["shares"][tuple(row["head"])] - row["share"]) < 0.1
        picky = row["only asked"]
        head = tuple(picky["head"])
        assert abs(found["shares"][head] - picky["share"]) < 0.1
        assert abs(found["another"][head] - picky["another asks"]) < 0.1
        worth = found["shares"] - found["another"]
        assert (worth > worth[head]).sum() < 3, "who is found there is found here"


def test_how_often_a_head_is_right_and_how_often_when_another_asks(tiny):
    """Against sentences that are read one by one."""
    from attnlib.tools import atlas as maker
    from attnlib.tools.hunt import another

    rng, asked = np.random.default_rng(2), sentences("it", 3)
    wanted = np.zeros((2, 4, 4))
    for one in asked:
        other = another(one, rng)
        for k, asks in enumerate((one.asks, other)):
            wanted[k] += hunt.look(tiny, one._replace(asks=asks)).words == one.right
    np.testing.assert_allclose(maker.right_shares(tiny, "it", 3), wanted / 3)


def test_the_control_has_the_same_numbers_in_another_order(tiny):
    from attnlib.layers import parameters

    twin = atlas.shuffled(tiny, 3)
    for name, array in parameters(tiny.model).items():
        other = parameters(twin.model)[name]
        np.testing.assert_array_equal(np.sort(other, axis=None), np.sort(array, axis=None))
    assert np.abs(twin(atlas.TEXTS[0]).weights - tiny(atlas.TEXTS[0]).weights).max() > 0.5


def test_what_is_made_is_what_is_read(tiny, monkeypatch, tmp_path):
    from attnlib.tools import atlas as maker

    monkeypatch.setattr(maker, "HUNTS", {})
    monkeypatch.setattr(atlas, "FILE", tmp_path / "atlas.npz")
    monkeypatch.setattr(atlas, "TEXTS", atlas.TEXTS[:1])
    np.savez(atlas.FILE, **maker.made(tiny))
    atlas._file.cache_clear()
    given = atlas.shipped()
    wanted = tiny(maker.TEXTS["story"]).weights
    np.testing.assert_allclose(given["maps"][0], wanted, atol=0.02)
    assert len(given["hunt"]) == 1 and given["tokens"][0] == tiny(maker.TEXTS["story"]).tokens
    atlas._file.cache_clear()
