"""The oldest versions that the requirements allow, and the links to the outside: the tools that CI
tries them with.
"""

import ast
import http.server
import importlib.metadata
import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import links
import oldest
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import serving

import notebooks

ROOT, TESTS = notebooks.ROOT, Path(__file__).parent
PATHS = notebooks.paths()


# ---- versions ------------------------------------------------------------------------------------


def test_the_set_up_cell_the_tag_and_this_checkout_fit():
    """Between two releases the version ends in .dev0 and the set-up cells fetch main, from which
    the notebook was opened; a release fetches its tag, and has what the tag has.
    """
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev0)?", notebooks.version())
    assert notebooks.unfit() == ""
    released, said = ".dev" not in notebooks.version(), notebooks.version().removesuffix(".dev0")
    assert notebooks.tag() == (f"v{said}" if released else "main")
    notes = (ROOT / ".github" / "RELEASES.md").read_text(encoding="utf-8")
    heading = re.search(r"^## (\d\S*?)(, .*)$", notes, re.M)
    assert heading[1] == said and (heading[2] == ", not released yet") == (not released)
    assert f"version = {{{said}}}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "version, tag, changed, words",
    [
        ("0.2.0.dev0", "v0.1.0", True, ""),
        ("0.2.0", "v0.1.0", True, ""),
        ("0.2.0", "v0.2.0", False, ""),
        ("0.2.0", "v0.2.0", True, "attnlib is no longer what v0.2.0 has"),
        ("0.2.0.dev0", "v0.2.0", True, "v0.2.0 is released, and 0.2.0.dev0 comes before it"),
        ("0.2.0", None, True, ""),
    ],
)
def test_a_tag_that_no_longer_fits_is_found(version, tag, changed, words, tmp_path):
    (tmp_path / "attnlib").mkdir()
    (tmp_path / "attnlib" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    commands = [["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "all"]]
    for command in [*commands, *([["tag", tag]] if tag else [])]:
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    if changed:
        with open(tmp_path / "attnlib" / "__init__.py", "a") as file:
            file.write("changed = True\n")
    (tmp_path / "README.md").write_text("what is outside of attnlib does not count")
    assert notebooks.unfit(tmp_path).startswith(words) and bool(words) == bool(
        notebooks.unfit(tmp_path)
    )


def test_the_oldest_versions_are_those_of_the_bounds(capsys):
    oldest.main()
    lines = capsys.readouterr().out.splitlines()
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines) and list(found) == sorted(found)
    asked = [
        *oldest.requirements(TESTS / "requirements.txt"),
        *oldest.packaged(ROOT / "pyproject.toml"),
    ]
    for one in map(Requirement, asked):
        assert one.specifier.contains(found[canonicalize_name(one.name)]), one
        (bound,) = one.specifier
        assert bound.operator == ">=" and bound.version == found[canonicalize_name(one.name)]


def test_nothing_that_is_asked_for_is_left_out(tmp_path, capsys):
    """The files read in another way: every name in front of >=, wherever it stands."""
    files = [ROOT / "requirements.txt", TESTS / "requirements.txt", ROOT / "pyproject.toml"]
    asked = {
        name
        for file in files
        for name in re.findall(r"^(?:.*\")?([\w-]+)>=", file.read_text(), re.M)
    }
    lists = re.findall(r"= (\[.*>=.*\])", (ROOT / "pyproject.toml").read_text())
    asked |= {re.match(r"[\w-]+", line)[0] for one in lists for line in ast.literal_eval(one)}
    oldest.main()
    found = {line.split("==")[0] for line in capsys.readouterr().out.splitlines()}
    assert found == {canonicalize_name(name) for name in asked - {"hatchling"}} and len(found) > 15
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("# head\n-r ../b.txt\n\none>=1.0     # why\n")
    (tmp_path / "b.txt").write_text("two_three>=2\n")
    assert list(oldest.requirements(tmp_path / "deep" / "a.txt")) == ["two_three>=2", "one>=1.0"]
    assert oldest.bounds(["two_three>=2"]) == {"two-three": "2"}


@pytest.mark.parametrize(
    "lines, words",
    [
        (["numpy"], "not a plain lower bound, name>=version: 'numpy'"),
        (["numpy==2.0"], "not a plain lower bound"),
        (["numpy>=2.0,<3"], "not a plain lower bound"),
        (["numpy>=2.0", "NumPy>=2.1"], "numpy has two lower bounds, 2.0 and 2.1"),
    ],
)
def test_bounds_that_cannot_be_tried_are_refused(lines, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        oldest.bounds(lines)


def test_the_packages_bounds_are_the_courses(tmp_path):
    course = oldest.bounds(oldest.requirements(ROOT / "requirements.txt"))
    package = oldest.bounds(oldest.packaged(ROOT / "pyproject.toml"))
    assert {
        name: version for name, version in package.items() if name != "huggingface-hub"
    }.items() <= course.items()
    assert set(package) <= set(course) | {"huggingface-hub"}, "it comes with tokenizers"
    required = importlib.metadata.requires("tokenizers")
    assert any(
        canonicalize_name(Requirement(one).name) == "huggingface-hub" and "extra" not in one
        for one in required
    )


# ---- links to the outside ------------------------------------------------------------------------


VISITS, AGENTS = {}, set()  # path -> how often; who said so


class Web(http.server.BaseHTTPRequestHandler):
    """Pages that are there, gone, closed to programs, moved, or only there the second time."""

    def do_GET(self):
        visits = VISITS[self.path] = VISITS.get(self.path, 0) + 1
        AGENTS.add(self.headers["User-Agent"])
        codes = {
            "/good": 200,
            "/gone": 404,
            "/closed": 403,
            "/moved": 301,
            "/later": 200 if visits > 1 else 503,
            "/lost": 301,
        }
        self.send_response(codes.get(self.path, 410))
        if codes.get(self.path) == 301:
            self.send_header("Location", "/good" if self.path == "/moved" else "/gone")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def test_links_are_followed(monkeypatch):
    monkeypatch.setattr(links, "PAUSE", 0.01)
    VISITS.clear()
    with serving(Web) as address:
        states = {
            name: links.follow(f"{address}/{name}")
            for name in ("good", "gone", "closed", "moved", "later", "lost", "other")
        }
    assert states == {
        "good": ("good", "200"),
        "gone": ("broken", "404"),
        "closed": ("asks", "403"),
        "moved": ("good", "200"),
        "later": ("good", "200"),
        "lost": ("broken", "404"),
        "other": ("broken", "410"),
    }
    assert VISITS["/gone"] == 2 and VISITS["/closed"] == links.TRIES, (
        "gone is gone, also where another page leads there"
    )
    assert AGENTS == {links.AGENT["User-Agent"]}, "many servers turn a nameless program away"
    assert links.follow(f"{address}/good")[0] == "broken", "nobody answers there any more"


def test_a_server_that_does_not_exist_is_broken(monkeypatch):
    def unknown(*given, **named):  # a real question to the net may take minutes
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(links, "PAUSE", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    state, why = links.follow("https://no-such-host.invalid/")
    assert state == "broken" and "Name or service not known" in why


@pytest.mark.parametrize(
    "text, link",
    [
        ("see [a page](https://a.org/b_(c)) and", "https://a.org/b_(c)"),
        ("(https://a.org/b).", "https://a.org/b"),
        ("[x](https://a.org/b#part)", "https://a.org/b"),
        ('<a href="https://a.org/b">', "https://a.org/b"),
        ("**https://a.org/b**, then", "https://a.org/b"),
        ("[![x](y.svg)](https://a.org/b?c=d)", "https://a.org/b?c=d"),
    ],
)
def test_links_are_found(text, link, tmp_path):
    path = tmp_path / "a.md"
    path.write_text(text)
    assert dict(links.links([path])) == {link: {"a.md"}}


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(links, "SECONDS", 0.1)
    monkeypatch.setattr(links, "PAUSE", 0.01)
    before, start = socket.getdefaulttimeout(), time.perf_counter()
    socket.setdefaulttimeout(10)  # or a link check without a limit would hang here
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call, and says nothing
            state, why = links.follow(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    finally:
        socket.setdefaulttimeout(before)
    assert state == "broken" and "timed out" in why and time.perf_counter() - start < 9


def test_a_server_that_is_busy_gets_time(monkeypatch):
    waits = []
    monkeypatch.setattr(links.time, "sleep", waits.append)
    with serving(Web) as address:
        assert links.follow(f"{address}/closed") == ("asks", "403")
    assert waits == [0, links.PAUSE, 2 * links.PAUSE]


class Babble(socketserver.BaseRequestHandler):
    """Answers, but not in HTTP."""

    def handle(self):
        self.request.recv(1000)
        self.request.sendall(b"hello\r\n")


def test_a_server_that_speaks_something_else_is_broken_and_stops_nobody(monkeypatch):
    monkeypatch.setattr(links, "PAUSE", 0.01)
    with socketserver.TCPServer(("127.0.0.1", 0), Babble) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        state, why = links.follow(f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()
    assert state == "broken" and why.strip()


def test_what_is_run_is_not_read(tmp_path):
    """Addresses in code are not for a reader to follow."""
    cells = [
        {"cell_type": kind, "source": [f"https://a.org/{kind}\n", "more"]}
        for kind in ("markdown", "code", "raw")
    ]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    assert dict(links.links([path])) == {"https://a.org/markdown": {"a.ipynb"}}


def test_what_turns_a_program_away_is_listed_and_breaks_nothing(capsys, monkeypatch, tmp_path):
    (tmp_path / "a.md").write_text("https://a.org and https://b.org")
    monkeypatch.setattr(
        links, "follow", lambda link: ("asks", "403") if "a.org" in link else ("good", "200")
    )
    monkeypatch.setattr(sys, "argv", ["links.py", str(tmp_path / "a.md")])
    assert links.main() == 0
    said = capsys.readouterr().out
    assert (
        "https://a.org  in a.md" in said
        and "b.org" not in said
        and said.endswith("1 good, 1 asks, 0 broken\n")
    )


def test_the_links_of_the_course_are_those_of_its_notebooks(capsys, monkeypatch, tmp_path):
    pages = sorted((ROOT / "notebooks").glob("*.md"))
    found = links.links([*PATHS, *pages, ROOT / "README.md"], links.own())
    assert len(found) > 60 and {name for names in found.values() for name in names} >= {
        path.name for path in PATHS[1:]
    }
    assert not any(
        part in link
        for link in found
        for part in ("YOUR_ORG", "mybinder.org/v2", "colab.research.google.com/", "example.org")
    )
    seen = []
    monkeypatch.setattr(
        links,
        "follow",
        lambda link: (
            seen.append(link) or (("broken", "404") if "1706.03762" in link else ("good", "200"))
        ),
    )
    monkeypatch.setattr(sys, "argv", ["links.py"])
    assert links.main() == 1 and sorted(seen) == sorted(found) and len(pages) >= 2
    said = capsys.readouterr().out
    assert (
        "broken 404" in said
        and "1706.03762" in said
        and f"{len(seen) - 1} good, 0 asks, 1 broken" in said
    )
    (tmp_path / "none.md").write_text("no links")
    monkeypatch.setattr(sys, "argv", ["links.py", str(tmp_path / "none.md")])
    assert links.main() == 1, "to find no link at all is a fault of the search"
