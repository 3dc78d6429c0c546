"""The oldest versions that the requirements allow, and the links to the outside: the tools that CI tries them with."""

import http.server
import importlib.metadata
import re
import sys
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


# ---- versions ----------------------------------------------------------------------------------------------------


def test_the_oldest_versions_are_those_of_the_bounds(capsys):
    oldest.main()
    lines = capsys.readouterr().out.splitlines()
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines) and list(found) == sorted(found)
    asked = [*oldest.requirements(TESTS / "requirements.txt"), *oldest.packaged(ROOT / "pyproject.toml")]
    for one in map(Requirement, asked):
        assert one.specifier.contains(found[canonicalize_name(one.name)]), one
        (bound,) = one.specifier
        assert bound.operator == ">=" and bound.version == found[canonicalize_name(one.name)]


@pytest.mark.parametrize("lines, words", [
    (["numpy"], "not a plain lower bound, name>=version: 'numpy'"), (["numpy==2.0"], "not a plain lower bound"),
    (["numpy>=2.0,<3"], "not a plain lower bound"), (["numpy>=2.0", "NumPy>=2.1"], "numpy has two lower bounds, 2.0 and 2.1"),
])  # fmt: skip
def test_bounds_that_cannot_be_tried_are_refused(lines, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        oldest.bounds(lines)


def test_the_packages_bounds_are_the_courses(tmp_path):
    course = oldest.bounds(oldest.requirements(ROOT / "requirements.txt"))
    package = oldest.bounds(oldest.packaged(ROOT / "pyproject.toml"))
    assert {name: version for name, version in package.items() if name != "huggingface-hub"}.items() <= course.items()
    assert set(package) <= set(course) | {"huggingface-hub"}, "it comes with tokenizers"
    required = importlib.metadata.requires("tokenizers")
    assert any(canonicalize_name(Requirement(one).name) == "huggingface-hub" and "extra" not in one for one in required)


# ---- links to the outside ----------------------------------------------------------------------------------------


VISITS = {}                            # path -> how often


class Web(http.server.BaseHTTPRequestHandler):
    """Pages that are there, gone, closed to programs, moved, or only there the second time."""

    def do_GET(self):
        visits = VISITS[self.path] = VISITS.get(self.path, 0) + 1
        codes = {"/good": 200, "/gone": 404, "/closed": 403, "/moved": 301, "/later": 200 if visits > 1 else 503, "/lost": 301}
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
        states = {name: links.follow(f"{address}/{name}") for name in ("good", "gone", "closed", "moved", "later", "lost", "other")}
    assert states == {"good": ("good", "200"), "gone": ("broken", "404"), "closed": ("asks", "403"), "moved": ("good", "200"),
                      "later": ("good", "200"), "lost": ("broken", "404"), "other": ("broken", "410")}  # fmt: skip
    assert VISITS["/gone"] == 2 and VISITS["/closed"] == links.TRIES, "gone is gone, also where another page leads there"
    assert links.follow(f"{address}/good")[0] == "broken", "nobody answers there any more"
    assert links.follow("https://no-such-host.invalid/")[0] == "broken"


@pytest.mark.parametrize("text, link", [
    ("see [a page](https://a.org/b_(c)) and", "https://a.org/b_(c)"), ("(https://a.org/b).", "https://a.org/b"),
    ("[x](https://a.org/b#part)", "https://a.org/b"), ('<a href="https://a.org/b">', "https://a.org/b"),
    ("**https://a.org/b**, then", "https://a.org/b"), ("[![x](y.svg)](https://a.org/b?c=d)", "https://a.org/b?c=d"),
])  # fmt: skip
def test_links_are_found(text, link, tmp_path):
    path = tmp_path / "a.md"
    path.write_text(text)
    assert dict(links.links([path])) == {link: {"a.md"}}


def test_the_links_of_the_course_are_those_of_its_notebooks(capsys, monkeypatch, tmp_path):
    found = links.links([*PATHS, ROOT / "README.md"], links.own())
    assert len(found) > 60 and {name for names in found.values() for name in names} >= {path.name for path in PATHS[1:]}
    assert not any("YOUR_ORG" in link or "mybinder.org" in link or "colab.research" in link for link in found)
    seen = []
    monkeypatch.setattr(links, "follow", lambda link: seen.append(link) or (("broken", "404") if "1706.03762" in link else ("good", "200")))
    monkeypatch.setattr(sys, "argv", ["links.py"])
    assert links.main() == 1 and len(seen) >= len(found)
    said = capsys.readouterr().out
    assert "broken 404" in said and "1706.03762" in said and f"{len(seen) - 1} good, 0 asks, 1 broken" in said
    (tmp_path / "none.md").write_text("no links")
    monkeypatch.setattr(sys, "argv", ["links.py", str(tmp_path / "none.md")])
    assert links.main() == 1, "to find no link at all is a fault of the search"
