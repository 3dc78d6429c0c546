"""training/probes.py: the questions of the notebooks, put to a few texts, against answers found one
by one.
"""

import numpy as np
import pytest

from attnlib.models import translator
from attnlib.models.gpt import GPT
from attnlib.training import probes
from attnlib.training.translation import TASKS, draw_examples


@pytest.fixture(scope="module")
def reverser():
    return translator.load("reverse")


@pytest.fixture(scope="module")
def dates():
    return translator.load("dates")


def one_by_one(logits, ids, places):
    """The mean of -log(share), token by token; a text or several."""
    losses = []
    for one, text in zip(logits.reshape(-1, *logits.shape[-2:]), ids.reshape(-1, ids.shape[-1])):
        for place in places:
            shares = [float(np.exp(x)) for x in one[place - 1]]
            losses.append(-np.log(shares[text[place]] / sum(shares)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("shape", [(6,), (3, 6)])
@pytest.mark.parametrize("first", [1, 2, 5])
def test_surprise_is_that_of_the_tokens_one_by_one(shape, first):
    rng = np.random.default_rng(0)
    ids, logits = rng.integers(7, size=shape), rng.normal(size=(*shape, 7))
    found = probes.surprise(logits, ids, first=first)
    assert found == pytest.approx(one_by_one(logits, ids, range(first, 6)), abs=1e-12)
    even = probes.surprise(np.zeros((*shape, 7)), ids, first=first)
    assert even == pytest.approx(np.log(7), abs=1e-12)


def test_two_copies_are_two_surprises():
    model = GPT(9, 8, 1, 2, n_max=12, dtype=np.float64, rng=np.random.default_rng(1))
    ids = np.array([0, 3, 1, 4, 3, 1, 4])
    logits = model.logits(ids)
    wanted = [one_by_one(logits, ids, places) for places in ((1, 2, 3), (4, 5, 6))]
    np.testing.assert_allclose(probes.copies(model, ids), wanted, rtol=1e-12)


@pytest.mark.parametrize("ids", [[3, 1, 3, 1], [0, 3, 1, 1, 3], [0], []])
def test_copies_ask_for_a_text_twice(ids):
    model = GPT(9, 8, 1, 2, n_max=12, rng=np.random.default_rng(1))
    with pytest.raises(ValueError, match="one token and then a text twice"):
        probes.copies(model, ids)


@pytest.mark.parametrize("first, words", [(0, "at least 1"), (6, "at most 5")])
def test_surprise_needs_a_token_before(first, words):
    with pytest.raises(ValueError, match=f"first must be {words}"):
        probes.surprise(np.zeros((6, 7)), np.zeros(6, int), first=first)


def test_an_untrained_model_has_the_same_shape_and_other_numbers(reverser):
    one, again, other = (
        probes.untrained(reverser),
        probes.untrained(reverser),
        probes.untrained(reverser, 1),
    )
    assert (
        one.model.unembedding.shape == reverser.model.unembedding.shape
        and one.source is reverser.source
    )
    np.testing.assert_array_equal(one.model.unembedding, again.model.unembedding)
    assert not np.allclose(one.model.unembedding, other.model.unembedding)
    assert not np.allclose(one.model.unembedding, reverser.model.unembedding)


def test_shuffled_words_have_the_same_letters():
    words = ["mechanism", "cat", "aaaa"]
    found = probes.shuffled(words, np.random.default_rng(0))
    assert (
        [sorted(word) for word in found] == [sorted(word) for word in words]
        and found[0] != words[0]
        and found[2] == "aaaa"
    )


def test_the_largest_change_of_a_map(reverser):
    a, b = (reverser(one).cross_weights[0] for one in ("cat", "dog"))
    for head in range(4):
        assert probes.largest_change(reverser, "cat", "dog", head=head) == pytest.approx(
            abs(a[head] - b[head]).max()
        )
    told = reverser("dog", target="tac").cross_weights[0, 0]
    assert probes.largest_change(reverser, "cat", "dog", target="tac") == pytest.approx(
        abs(a[0] - told).max()
    )
    assert probes.largest_change(reverser, "cat", "cat") == 0


def test_what_is_told_and_what_is_read(reverser):
    words, others = ["cat", "mechanism"], ["dog", "abcdefghi"]
    assert probes.follows_the_source(reverser, words, others) == 1
    stubborn = probes.untrained(reverser)
    assert probes.follows_the_source(stubborn, words, others) == 0


def test_behind_errors_one_date_after_another(dates):
    examples = draw_examples(TASKS["dates"], np.random.default_rng(5), 12, unseen=True)
    found = probes.behind_errors(dates, examples)
    right, day, month, none = [], [], [], []
    for one in examples:
        first = int(one.target[:2])
        written = dates.translate(one.text, f"{first + 11 if first < 19 else first - 9}")
        assert written[:2] != one.target[:2]
        right.append(written[2:] == one.target[2:])
        written = dates.translate(one.text, f"{one.target[:3]}-")
        day.append(written[-2:] == one.target[-2:] and len(written) == 10)
        month.append(one.target[5:7] in (written[4:6], written[5:7]))
        if one.target[5] == "0" and one.target[6] in "3456789":
            none.append(
                dates.translate(one.text, f"{one.target[:5]}1")[5:7] not in {"10", "11", "12"}
            )
    assert list(found.values()) == pytest.approx(
        [np.mean(right), 1, np.mean(month), np.mean(day), np.mean(none)]
    )


def test_the_beginnings_are_wrong_in_every_date(dates, monkeypatch):
    examples, given = draw_examples(TASKS["dates"], np.random.default_rng(5), 60), []
    translate = dates.translate
    monkeypatch.setattr(
        dates,
        "translate",
        lambda texts, begun: given.append((texts, begun)) or translate(texts, begun),
    )
    probes.behind_errors(dates, examples)
    right = {one.text: one.target for one in examples}
    assert [len(texts) for texts, _ in given][:2] == [60, 60] and 0 < len(given[2][0]) < 60
    for texts, begun in given:
        assert not any(
            right[text].startswith(start) for text, start in zip(texts, begun, strict=True)
        )


def test_the_weight_on_a_weekday(dates):
    examples = draw_examples(TASKS["dates"], np.random.default_rng(5), 40, unseen=True)
    shares = probes.on_the_weekday(dates, examples)
    with_day = [
        one
        for one in examples
        if one.text[:3].lower() in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    ]
    assert len(shares) == len(with_day) > 3
    for one, (weekday, month) in zip(with_day, shares):
        row = dates(one.text, target=one.target).cross_weights[0, :, 5:7].mean(axis=(0, 1))
        end = len(one.text.split()[0])
        assert weekday == pytest.approx(row[:end].sum()) and month == pytest.approx(
            row[slice(*one.spans["month"])].sum()
        )
        assert 0 <= weekday + month <= 1 + 1e-6
    assert probes.on_the_weekday(dates, []).shape == (0, 2)
