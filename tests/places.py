"""Environments and servers for the tests of places: every place gets an environment of its own."""

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import lab
import nbformat
from packaging.utils import canonicalize_name

NOWHERE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_RETRIES": "0",
}


def run(*command, **how):
    """Run a command to its end. -> what it printed"""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **how,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}"
    return done.stdout


def pip(python, *arguments):
    """Run pip of an environment; where it fails, the place cannot be tried here."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lab.missing(
            f"pip {' '.join(map(str, arguments))} failed, is there a"
            f" connection?\n{done.stdout[-1500:]}"
        )
    return done.stdout


def environment(folder, *wanted, python=sys.executable):
    """A new virtual environment with these packages. -> its Python"""
    run(python, "-m", "venv", folder)
    python = Path(folder, "bin", "python")
    if wanted:
        pip(python, "install", "--quiet", *wanted)
    return python


def frozen(python):
    """Name -> version of what is installed."""
    lines = pip(python, "list", "--format=json").splitlines()
    return {canonicalize_name(one["name"]): one["version"] for one in json.loads(lines[-1])}


@contextlib.contextmanager
def served(folder):
    """A folder on loopback. -> its address"""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def log_message(self, *words):
            pass

    with serving(functools.partial(Quiet, directory=str(folder))) as address:
        yield address


@contextlib.contextmanager
def serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def notebook_of(*sources):
    cells = [
        nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        for number, source in enumerate(sources)
    ]
    return nbformat.v4.new_notebook(cells=cells)
