"""Chromium and Jupyter servers for the browser tests: on loopback, with nothing else in reach."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
OUTSIDE = re.compile(r"^(https?|wss?)://(?!127\.0\.0\.1[:/])")
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


def missing(reason):
    """Skip where there is no browser; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def chromium():
    """Debian's Chromium, driven by playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("no playwright: pip install -r tests/requirements.txt")
    path = next(filter(None, map(shutil.which, BROWSERS)), None) or missing(
        "no chromium: apt-get install -y chromium"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


class Tab:
    """A page with a record of what must not happen: `errors` of the console, requests `outside`,
    `dialogs`.
    """

    def __init__(self, browser, *, dark=False, width=1000, height=900):
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self.forget()
        self.page = page = self.context.new_page()
        page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._answer)
        page.on(
            "websocket",
            lambda socket: self.outside.append(socket.url) if OUTSIDE.match(socket.url) else None,
        )
        self.context.route(OUTSIDE, self._refuse)
        page.set_default_timeout(20_000)

    def forget(self):
        self.errors, self.outside, self.dialogs = [], [], []

    def _answer(self, dialog):
        if dialog.type == "beforeunload":  # Lab asks whether to leave an unsaved notebook
            dialog.accept()
        else:
            self.dialogs.append(dialog.message)
            dialog.dismiss()

    def _refuse(self, route):
        self.outside.append(route.request.url)
        route.abort()

    def clean(self):
        """Nothing happened that must not."""
        assert not self.outside, f"asked for {self.outside}"
        assert not self.dialogs, f"opened a dialog: {self.dialogs}"
        assert not self.errors, f"the console says {self.errors}"

    def frames(self, n=2):
        """Wait until the browser has drawn n more times."""
        self.page.evaluate(
            "async (n) => { for (; n; n--) await new Promise(requestAnimationFrame); }", n
        )


@contextlib.contextmanager
def jupyter(folder, files, app="lab"):
    """JupyterLab or Notebook 7 ("notebook") on loopback, serving `files`; everything it keeps lies
    in `folder`. -> address
    """
    folder = Path(folder)
    for name, value in SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_CONFIG_DIR": "config",
        "IPYTHONDIR": "ipython",
    }
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()} | {
        k: str(folder / v) for k, v in names.items()
    }
    expose = f"--{'LabApp' if app == 'lab' else 'JupyterNotebookApp'}.expose_app_in_browser=True"
    command = [
        sys.executable,
        "-m",
        "jupyter",
        app,
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        expose,
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        f"--ServerApp.root_dir={files}",
    ]
    log = folder / "server.log"
    with open(log, "w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    f"http://127.0.0.1:{port}/api", timeout=2
                ).read()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(
                        f"the {app} server does not answer:\n{log.read_text()[-2000:]}",
                        pytrace=False,
                    )
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
