"""training/passages.py: the passages that tiny-gpt has never seen."""

from attnlib.course.shipped.passages import passage
from attnlib.models.pretrained import load
from attnlib.training.passages import TOKENS, held_out


def test_twelve_passages_of_at_least_so_many_tokens():
    gpt, texts = load("tiny-gpt"), held_out()
    lengths = [len(gpt.encode(text)) - 1 for text in texts]
    assert len(set(texts)) == 12 and all(TOKENS <= length < TOKENS + 8 for length in lengths)
    assert not any(text.startswith("#") or "\n# " in text or text != text.strip() for text in texts)


def test_a_passage_begins_behind_the_middle_and_ends_with_a_word():
    """Words count as tokens; the middle lies inside the second of three paragraphs."""
    paragraphs = [" ".join([name] * 400) for name in ("first", "second", "third")]
    text = passage("\n\n".join(paragraphs), lambda text: len(text.split()))
    assert text == " ".join(["third"] * TOKENS)
