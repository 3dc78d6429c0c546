"""Follow every link of the notebooks and of the README that leads out of the repository.

    python .ci/links.py [FILE ...]

A link is broken where the page is gone (404, 410), the server does not exist, or it fails three
times. A server that answers but turns a program away (401, 403, 405, 429, 503 and the like) is
listed, and is for a person to look at.
"""

import argparse
import concurrent.futures
import http.client
import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

import class_links

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"https?://[^\s\"'<>`\\{}]+")
GONE = {404, 410}
AGENT = {
    "User-Agent": "Mozilla/5.0 (link check of a course in notebooks)",
    "Accept": "text/html,*/*",
}
TRIES, SECONDS, PAUSE = 3, 20, 2.0


def texts(path):
    """What a reader sees of a file: the markdown cells of a notebook, or the whole text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return [text]
    return [
        "".join(cell["source"])
        for cell in json.loads(text)["cells"]
        if cell["cell_type"] == "markdown"
    ]


def clean(link):
    """A link as it stands in a sentence, without what belongs to the sentence; the part behind # is
    for the browser.
    """
    link = link.split("#")[0].rstrip(".,;:!?*_")
    for opened, closed in ("()", "[]"):
        while link.count(closed) > link.count(opened):
            link = link[: link.rindex(closed)].rstrip(".,;:!?*_")
    return link


def links(paths, own=()):
    """Link -> the files that it stands in; those that start with one of `own`, the addresses of
    this course, are left out.
    """
    found = defaultdict(set)
    for path in paths:
        for text in texts(path):
            for link in map(clean, LINK.findall(text)):
                if not link.startswith(tuple(own)):
                    found[link].add(path.name)
    return found


def follow(link):
    """(state, why) of a link: "good", "asks" for a person, or "broken"."""
    for attempt in range(TRIES):
        time.sleep(PAUSE * attempt)
        try:
            with urllib.request.urlopen(
                urllib.request.Request(link, headers=AGENT), timeout=SECONDS
            ) as page:
                page.read(1)
                return "good", str(page.status)
        except urllib.error.HTTPError as error:
            if error.code in GONE:
                return "broken", str(error.code)
            why = "asks", str(error.code)
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = "broken", str(getattr(error, "reason", error)) or type(error).__name__
    return why


def own():
    """Not to be followed: the addresses of this course and the places that open it, which are
    tested with the repository's own files, and the name that stands for a teacher's hub.
    """
    urls = re.findall(
        r'^\w+ = "(https://.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M
    )
    name = urls[0].removeprefix("https://github.com/")
    opened = [
        f"https://colab.research.google.com/github/{name}",
        f"https://mybinder.org/v2/gh/{name}",
    ]
    return [*urls, *opened, class_links.HUB, "http://127.0.0.1", "http://localhost"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    given = parser.parse_args()
    course = [
        path
        for path in sorted((ROOT / "notebooks").glob("[!.]*"))
        if path.suffix in (".ipynb", ".md")
    ]
    found = links(given.files or [*course, ROOT / "README.md"], own())
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        states = dict(zip(found, pool.map(follow, found)))
    for link, (state, why) in sorted(states.items(), key=lambda item: item[1]):
        if state != "good":
            print(f"{state:6} {why:30} {link}  in {', '.join(sorted(found[link]))}")
    counts = {
        state: sum(one == state for one, _ in states.values())
        for state in ("good", "asks", "broken")
    }
    print(", ".join(f"{number} {state}" for state, number in counts.items()))
    return 1 if counts["broken"] or not states else 0


if __name__ == "__main__":
    sys.exit(main())
