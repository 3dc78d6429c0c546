"""show/live: scripts that are modules and join into one; one palette, one style, one linter."""

import os
import re
import shutil
import subprocess

import lab
import node
import pytest

from attnlib.show.live import base
from attnlib.show.sheet import THEMES

PICTURES = [path for path in node.SCRIPTS if "export default" in path.read_text(encoding="utf-8")]
each = pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
TOP = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", re.M)


@each
def test_a_picture_joins_into_one_module(path, tmp_path):
    source = base.joined(path)
    names = TOP.findall(source)
    assert [name for name in set(names) if names.count(name) > 1] == [], "two things of one name"
    assert not re.search(r"^import ", source, re.M) and source.count("export ") == 1
    (tmp_path / "joined.mjs").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [node.node(), "--check", tmp_path / "joined.mjs"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_there_twice_would_be_seen(tmp_path):
    (tmp_path / "one.js").write_text("export const dot = 1;\n")
    (tmp_path / "two.js").write_text(
        'import { dot } from "./one.js";\nconst share = dot;\nexport default { share };\n'
    )
    joined = base.joined(tmp_path / "two.js")
    assert joined == "const dot = 1;\n\nconst share = dot;\nexport default { share };\n"


def test_what_two_modules_import_comes_once_and_first(tmp_path):
    (tmp_path / "c.js").write_text("export const c = 1;\n")
    (tmp_path / "b.js").write_text('import { c } from "./c.js";\nexport const b = c;\n')
    (tmp_path / "a.js").write_text(
        'import { b } from "./b.js";\nimport { c } from "./c.js";\nexport default { b, c };\n'
    )
    assert re.findall(r"const (\w)", base.joined(tmp_path / "a.js")) == ["c", "b"]


def test_every_module_is_one_that_node_imports(tmp_path):
    folder = node.modules(tmp_path)
    paths = [str(tmp_path / path.relative_to(node.ROOT)) for path in node.SCRIPTS]
    script = (
        "const seen = [];\nfor (const path of data) seen.push(Object.keys(await import(path)));\n"
        "console.log(JSON.stringify(seen));"
    )
    assert all(node.run(folder, script, paths))


@pytest.mark.parametrize("path", node.SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_small_set_no_html_and_fetch_nothing(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.encode()) <= 30_000
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|@import|\bimport\(", source)
    outside = set(re.findall(r"https?://[^\s\"'`]+", source)) - {"http://www.w3.org/2000/svg"}
    assert not outside


def test_the_linter_has_nothing_to_say(tmp_path):
    """The versions of .ci/js/package-lock.json, from npm."""
    if shutil.which("npm") is None:
        lab.missing("no npm: apt-get install -y npm")
    js = node.ROOT / ".ci" / "js"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(js / name, tmp_path)
    environment = os.environ | {"npm_config_cache": str(tmp_path / "cache")}
    made = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        lab.missing(f"npm cannot fetch the linter:\n{made.stderr[-500:]}")
    shutil.copytree(
        node.ROOT / "attnlib",
        tmp_path / "attnlib",
        ignore=lambda folder, names: [
            name for name in names if "." in name and not name.endswith(".js")
        ],
    )
    shutil.copy(js / "eslint.config.js", tmp_path)
    done = subprocess.run(
        ["npx", "--no-install", "eslint", "--max-warnings", "0", "attnlib"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


# ---- one palette ---------------------------------------------------------------------------------


def test_both_themes_name_the_same_colours():
    assert {name: type(one) for name, one in THEMES["light"].items()} == {
        name: type(one) for name, one in THEMES["dark"].items()
    }


def test_the_style_has_every_colour_that_is_asked_for():
    style = base.style()
    blocks = {
        theme: dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for theme, block in re.findall(r"^\.attnlib-live\.(\w+) \{(.*)\}$", style, re.M)
    }
    assert set(blocks) == {"light", "dark"} and set(blocks["light"]) == set(blocks["dark"])
    asked = set(re.findall(r"var\(--([\w-]+)\)", style))
    for path in node.SCRIPTS:
        source = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"var\(--([a-z][\w-]*)\)", source))
    assert asked <= set(blocks["light"]), asked - set(blocks["light"])
    assert blocks["dark"]["paper"] == THEMES["dark"]["paper"]
    assert blocks["light"]["w4"] == THEMES["light"]["weights"][4]


def test_colours_stand_in_one_place():
    for path in [*node.SCRIPTS, *(node.ROOT / "attnlib").rglob("*.css")]:
        found = re.findall(r"#[0-9a-fA-F]{6}\b|\brgba?\(\d", path.read_text(encoding="utf-8"))
        assert not found, f"{path.name}: {found}"


def contrast(one, other):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    a, b = sorted((light(one), light(other)))
    return (b + 0.05) / (a + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "ink", ["ink", "faint", "query_text", "key_text", "value_text", "good", "nan"]
)
@pytest.mark.parametrize("paper", ["paper", "band"])
def test_text_can_be_read(theme, ink, paper):
    assert contrast(THEMES[theme][ink], THEMES[theme][paper]) >= 4.4, "on its band a hair less"
    if paper == "paper":
        assert contrast(THEMES[theme][ink], THEMES[theme][paper]) >= 4.5
