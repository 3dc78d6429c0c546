"""node and npm for the tests of JavaScript: the modules of attnlib/show/live as node imports them,
and axe-core, which looks whether everybody can use a page.
"""

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import lab

ROOT = Path(__file__).resolve().parent.parent
JS = ROOT / ".ci" / "js"
LIVE = ROOT / "attnlib" / "show" / "live"
SCRIPTS = sorted((ROOT / "attnlib").rglob("*.js"))


def node():
    """The path of node; a test that needs it is skipped where it is missing, and fails in CI."""
    return shutil.which("node") or lab.missing("no node: apt-get install -y npm")


def modules(folder):
    """A copy of the modules in which they are what they say, ES modules. -> its show/live"""
    for path in SCRIPTS:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder / LIVE.relative_to(ROOT)


def run(folder, script, data=None, timeout=120):
    """Run a module in `modules(folder)`, with `data` as JSON. -> what it prints, from JSON"""
    (folder / "test.js").write_text(
        'import { readFileSync } from "node:fs";\n'
        'const data = JSON.parse(readFileSync(new URL("./data.json", import.meta.url)));\n' + script
    )
    (folder / "data.json").write_text(json.dumps(data))
    done = subprocess.run(
        [node(), folder / "test.js"], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@functools.cache
def axe_source():
    """The script of axe-core. Where .ci/js has not been installed, each process that tests fetches
    it into a folder of its own: two at once would be in each other's way.
    """
    place = Path("node_modules") / "axe-core" / "axe.min.js"
    if (JS / place).exists():
        return (JS / place).read_text(encoding="utf-8")
    npm = shutil.which("npm") or lab.missing("no npm: apt-get install -y npm")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(JS / name, folder)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            lab.missing(f"npm cannot fetch axe-core:\n{done.stderr[-500:]}")
        return (folder / place).read_text(encoding="utf-8")


def axe(page, within=".attnlib-live", leave=()):
    """What axe-core finds serious or critical in this part of a page (playwright's), in words;
    `leave` names rules to leave out. The version is that of .ci/js/package-lock.json.
    """
    page.evaluate(axe_source())
    found = page.evaluate(
        "([within, leave]) => axe.run(within, { rules: Object.fromEntries("
        "leave.map((name) => [name, { enabled: false }])) })",
        [within, list(leave)],
    )
    return [
        f"{one['id']}: {one['help']} ({', '.join(node['html'][:120] for node in one['nodes'][:3])})"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
