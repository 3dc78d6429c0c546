"""Build the whole course as a static site that runs in the reader's browser, without a server:
JupyterLite.

    python .ci/lite.py OUT                    the site, in the folder OUT, which is emptied first
    python -m http.server --directory OUT     look at it

It needs Python 3.11 or newer. The tools go into an environment of their own, which is forgotten
afterwards (--env FOLDER keeps it for the next time). The site holds the notebooks, attnlib as a
wheel, and the wheels of the live views; a reader's browser fetches Python itself, NumPy and
matplotlib from Pyodide's server.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# for pip: wheels without compiled parts, for the Python of Pyodide
PLATFORM = "--platform any --implementation py --abi none --python-version 3.14"
PURE = ["--only-binary=:all:", *PLATFORM.split()]
# pure Python, and not part of Pyodide
WHEELS = ["anywidget", "comm", "ipywidgets", "jupyterlab_widgets", "platformdirs", "psygnal"]
# %pip takes what the site carries and what is part of Pyodide, and nothing else: a name that is
# missing there is not looked up on PyPI, where anyone may have taken it.
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
APPS = ["lab", "notebooks", "tree"]


def run(*command, **how):
    """Run a command; where it fails, show what it said."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **how,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}")
    return done.stdout


def environment(folder):
    """The Python of an environment with the tools of .ci/lite.txt, made where there is none."""
    python = Path(folder, "Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        ROOT / ".ci" / "lite.txt",
    )
    return python


def emptied(out):
    """The folder for the site, empty. A folder that holds something else than a site is refused."""
    if out.exists() and any(out.iterdir()) and not (out / "jupyter-lite.json").is_file():
        raise SystemExit(f"{str(out)!r} is not empty and holds no site: choose another folder")
    shutil.rmtree(out, ignore_errors=True)
    return out


def wheels(python, folder):
    """attnlib as a wheel, and beside it all that it and its live views need, in the versions whose
    front ends the site has.
    """
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    here = dict(
        line.split("==") for line in run(*pip, "freeze").splitlines() if line.count("==") == 1
    )
    run(
        *pip,
        "download",
        "--quiet",
        "--no-deps",
        *PURE,
        "--dest",
        folder,
        *(f"{name}=={here[name]}" for name in WHEELS),
    )


def contents(folder):
    """The notebooks as they are in the repository, with their pictures."""
    hidden = shutil.ignore_patterns(".*", "attnlib-progress.*")
    shutil.copytree(ROOT / "notebooks", folder, ignore=hidden)


def closed(path):
    """Tell the site's kernel not to look on PyPI."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["jupyter-config-data"]["litePluginSettings"][KERNEL]["disablePyPIFallback"] = True
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")


def build(out, tools):
    """Build the site in `out`, and check it."""
    python = environment(tools)
    # JupyterLite keeps marks beside its input: start anew
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        contents(work / "files")
        wheels(python, work / "pypi")
        overrides = (ROOT / "attnlib" / "show" / "live" / "lab-settings.json").read_text(
            encoding="utf-8"
        )
        (work / "overrides.json").write_text(overrides, encoding="utf-8")
        lite = [python, "-m", "jupyter", "lite"]
        how = ["--lite-dir", work, "--output-dir", out]
        apps = [part for app in APPS for part in ("--apps", app)]
        run(*lite, "build", *how, "--contents", work / "files", *apps, cwd=work)
        run(*lite, "check", *how, cwd=work)
    closed(out / "jupyter-lite.json")
    for path in out.rglob("*.map"):  # for those who mend JupyterLab: more than all the rest
        path.unlink()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--env", type=Path, help="keep the environment of the tools in this folder")
    given = parser.parse_args()
    out = emptied(given.out.resolve())
    with tempfile.TemporaryDirectory() as fleeting:
        build(out, given.env or Path(fleeting, "env"))
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {len(list((out / 'files').glob('*.ipynb')))} notebooks, {size / 1e6:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
