"""The generated parts of the teacher's page, and links for a class on a hub.

    python .ci/class_links.py                                         bring notebooks/teaching.md up
                                                                      to date
    python .ci/class_links.py --hub https://hub.example.org           print a link per notebook for
                                                                      this hub
    python .ci/class_links.py --hub https://hub.example.org --branch term-2027

A link (nbgitpuller's) fetches the course into the student's own folder, keeps what the student has
changed there, and opens the notebook. Times come from the heads of the notebooks, the address from
[project.urls] in pyproject.toml.
"""

import argparse
import re
import sys
from typing import NamedTuple
from urllib.parse import urlencode

import notebooks

PAGE = notebooks.NOTEBOOKS / "teaching.md"
HUB = "https://hub.example.org"  # stands for the teacher's own; the name is reserved for examples
TOGETHER = [  # in one session of a whole term; every other notebook has one of its own
    "start_here similarity_and_softmax",
    "real_models do_not_believe_the_heatmap",
]
PLANS = {  # a session each, its notebooks by subject
    "afternoon": ["start_here similarity_and_softmax queries_keys_values"],
    "sessions": [
        "start_here similarity_and_softmax",
        "queries_keys_values masks",
        "many_heads",
        "why_scale positional_encoding",
        "transformer_block",
        "train_a_tiny_gpt",
    ],
    "term": sorted(
        TOGETHER + [one for one in notebooks.ORDER if one not in " ".join(TOGETHER).split()],
        key=lambda session: notebooks.ORDER.index(session.split()[0]),
    ),
}


class Times(NamedTuple):
    """Minutes, as the head of a notebook says them."""

    reading: int
    exercises: int


def times(notebook):
    """From the cell `goals`: "**Time** about 50 minutes, and 15 for the exercises." """
    goals = "".join(cell.source for cell in notebook.cells if cell.id == "goals")
    found = re.search(r"\*\*Time\*\* about (\d+) minutes, and (\d+) for the exercises", goals)
    if not found:
        wanted = '"**Time** about 50 minutes, and 15 for the exercises."'
        raise SystemExit(f"{notebooks.title(notebook)}: its cell `goals` must say {wanted}")
    return Times(int(found[1]), int(found[2]))


def link(path, hub=HUB, branch="main"):
    """The address that puts a notebook into a student's folder on this hub and opens it in
    JupyterLab.
    """
    folder = notebooks.address().rstrip("/").rpartition("/")[2]
    query = {
        "repo": notebooks.address(),
        "branch": branch,
        "urlpath": f"lab/tree/{folder}/notebooks/{path.name}",
    }
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query)}"


def hours(minutes):
    """ "2 h 15": rounded to five minutes, which is more than anyone keeps to."""
    minutes = 5 * round(minutes / 5)
    return f"{minutes // 60} h {minutes % 60:02d}" if minutes >= 60 else f"{minutes} min"


def time_table(titles, spent):
    """Every notebook with its minutes and its link."""
    rows = ["| notebook | reading | exercises | together | on your hub |", "|---|---|---|---|---|"]
    for path, name in titles.items():
        one = spent[path]
        minutes = [f"{one.reading} min", f"{one.exercises} min", hours(sum(one))]
        cells = [f"[{name}]({path.name})", *minutes, f"[open {path.name[:2]}]({link(path)})"]
        rows.append(f"| {' | '.join(cells)} |")
    reading, exercises = (sum(column) for column in zip(*spent.values()))
    rows.append(
        f"| **all** | **{hours(reading)}** | **{hours(exercises)}** |"
        f" **{hours(reading + exercises)}** | |"
    )
    return "\n".join(rows)


def short(title):
    """The title of a notebook up to its colon: "04 · Attention masks"."""
    return title.partition(":")[0]


def plan(sessions, spent, titles):
    """Sessions with their notebooks and minutes; a notebook that is not there yet is left out."""
    by_subject = {path.stem[3:]: path for path in spent}
    rows = ["| session | notebooks | reading | with all exercises |", "|---|---|---|---|"]
    for session in sessions:
        here = [by_subject[subject] for subject in session.split() if subject in by_subject]
        if here:
            links = ", ".join(f"[{short(titles[path])}]({path.name})" for path in here)
            here = [spent[path] for path in here]
            reading = sum(one.reading for one in here)
            rows.append(
                f"| {len(rows) - 1} | {links} | {hours(reading)} | {hours(sum(map(sum, here)))} |"
            )
    return "\n".join(rows)


def generated(page):
    """The page with its generated parts as they should be: tables between marks, and the titles of
    the sections.
    """
    import nbformat

    read = {path: nbformat.read(path, 4) for path in notebooks.paths()}
    titles = {path: notebooks.title(notebook) for path, notebook in read.items()}
    spent = {path: times(notebook) for path, notebook in read.items()}
    parts = {"times": time_table(titles, spent)} | {
        name: plan(sessions, spent, titles) for name, sessions in PLANS.items()
    }
    for name, text in parts.items():
        page = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda m, text=text: f"{m[1]}{text}\n{m[2]}",
            page,
            flags=re.S,
        )
    return re.sub(
        r"^### .*?\d\d · .*?(?=^## )",
        lambda m: in_order(m[0], titles),
        page,
        count=1,
        flags=re.S | re.M,
    )


def in_order(sections, titles):
    """The sections of the notebooks, each below its title, in the order of the course. A section is
    known by the link in its title, or else by the number there.
    """
    known = {}
    for part in re.split(r"^(?=### )", sections, flags=re.M)[1:]:
        title, _, text = part.partition("\n")
        found = re.search(r"\(\d\d_(\w+)\.ipynb\)", title)
        number = re.search(r"\b(\d\d) · ", title)
        known[found[1] if found else notebooks.ORDER[int(number[1])]] = text
    return "".join(
        f"### [{title}]({path.name})\n{known[path.stem[3:]]}"
        for path, title in titles.items()
        if path.stem[3:] in known
    )


def write():
    """Bring the page up to date; True if it was not."""
    old = PAGE.read_text(encoding="utf-8")
    new = generated(old)
    if new != old:
        PAGE.write_text(new, encoding="utf-8", newline="\n")
    return new != old


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hub", help="the address of your hub")
    parser.add_argument(
        "--branch", default="main", help="the branch that your class works on (default: main)"
    )
    given = parser.parse_args()
    if given.hub is None:
        print(f"{PAGE.name}: {'saved' if write() else 'nothing to change'}")
        return 0
    if not re.fullmatch(r"https?://[^\s?#]+", given.hub):
        parser.error(f"--hub must be an address such as {HUB}, got {given.hub!r}")
    for path in notebooks.paths():
        print(link(path, given.hub, given.branch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
