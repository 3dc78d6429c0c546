"""show/live: scripts that are modules and join into one; one palette, one style, one linter."""

import json
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
    names = TOP.findall("\n".join(base.sources(path).values()))
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
    assert joined == "const dot = 1;\nconst share = dot;\nexport default { share };\n"


TRICKY = r"""/** Numbers
 *  of two lines: "a" // */
import { sqrt } from "./roots.js";
// what's here, `and` more
export const one = "// no comment", two = 'it\'s /* not */', three = "say \"//\"";    // one ` two
  export const four = `// text
    that begins in the fourth place, \` and ${one ? `\`//${two}//` : { a: "}" }.a} // too
  `, five = `${[1, 2].map((x) => { return `<${x}>  // `; }).join("")}//`;      /* a `block` */

    export const six = /[/"'`]\/\/ /g.source + (/`/).test("`"), seven = 8 / 2 / 2;
export const eight = [/  \//, /[^\]/]/].map(String);
export const nine = (x) => /"\s/u.test(x) ? "  // " : `$ {}$`;
export const ten = { x: { y: `}` } }, eleven = `${{ a: `${1}` }.a /* block */}  //`;
const all = [one, two, three, four, five, six, seven, eight, nine('" '), nine(""), ten, eleven];
console.log(JSON.stringify(all));
"""


def test_strings_templates_and_patterns_stay_and_comments_go(tmp_path):
    """Node says the same of a script and of what is left of it."""
    source = TRICKY.replace('import { sqrt } from "./roots.js";\n', "")
    said = []
    for name, text in (("whole", source), ("bare", base.bare(source))):
        (tmp_path / f"{name}.mjs").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [node.node(), tmp_path / f"{name}.mjs"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1] and said[0].count("//") > 8
    left = base.bare(source)
    assert not re.search(r"^\s+export|^\s*$| $|Numbers|what's|one ` two|block", left[:-1], re.M)


def test_what_is_joined_has_the_signs_that_were_written(tools, tmp_path):
    """All but comments, as the parser of the linter reads them."""
    pairs = []
    for path in node.SCRIPTS:
        source = path.read_text(encoding="utf-8")
        pairs.append([source, base.bare(source)])
        assert not re.search(r"^\s+\S|\n\n|^//", pairs[-1][1], re.M) or "`" in source
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    (tools / "signs.mjs").write_text(
        """import { readFileSync } from "node:fs";
        import { tokenize } from "espree";
        const how = { ecmaVersion: "latest", sourceType: "module" };
        const signs = (text) => JSON.stringify(
          tokenize(text, how).map(({ type, value }) => [type, value]));
        const pairs = JSON.parse(readFileSync(process.argv[2]));
        console.log(JSON.stringify(pairs.map((pair) => pair.map(signs)).map(([a, b]) => a === b)));
        """
    )
    done = subprocess.run(
        [node.node(), tools / "signs.mjs", tmp_path / "pairs.json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    same = json.loads(done.stdout)
    assert all(same) and len(same) > 20, [p.name for p, one in zip(node.SCRIPTS, same) if not one]


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


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A folder with the linter, in the versions of .ci/js/package-lock.json, from npm."""
    folder = tmp_path_factory.mktemp("tools")
    if shutil.which("npm") is None:
        lab.missing("no npm: apt-get install -y npm")
    js = node.ROOT / ".ci" / "js"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(js / name, folder)
    environment = os.environ | {"npm_config_cache": str(folder / "cache")}
    made = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        lab.missing(f"npm cannot fetch the linter:\n{made.stderr[-500:]}")
    return folder


def test_the_linter_has_nothing_to_say(tools):
    shutil.copytree(
        node.ROOT / "attnlib",
        tools / "attnlib",
        ignore=lambda folder, names: [
            name for name in names if "." in name and not name.endswith(".js")
        ],
    )
    shutil.copy(node.ROOT / ".ci" / "js" / "eslint.config.js", tools)
    done = subprocess.run(
        ["npx", "--no-install", "eslint", "--max-warnings", "0", "attnlib"],
        cwd=tools,
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
