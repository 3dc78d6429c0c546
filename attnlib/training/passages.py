"""Passages that tiny-gpt has never seen: one from each message held out of its training.

The messages are works of the government of the United States and in the public domain. A passage
begins with the first paragraph behind the middle of its message; course/shipped/passages.py has cut
them.
"""

from pathlib import Path

TEXTS = Path(__file__).with_name("held_out.txt")
TOKENS = 208  # of tiny-gpt, in each passage at least; `start` is not counted


def held_out():
    """Twelve passages from twelve messages, 1799 to 2004, each of 208 tokens of tiny-gpt or a few
    more: a list of strings.
    """
    return [
        passage.partition("\n")[2].strip()
        for passage in TEXTS.read_text(encoding="utf-8").split("\n# ")
    ]
