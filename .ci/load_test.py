"""How many students does this machine carry? A hub on loopback, simulated students who run a
notebook and move a slider.

    pip install jupyterhub && npm install -g configurable-http-proxy
    python .ci/load_test.py --students 10 --moves 50

Each student has a server and a kernel, as on a real hub. All run every cell of the notebook at the
same time, then move the first slider with a short pause after each answer, as a hand does. In the
end one kernel is killed, and the others go on. Nothing leaves the machine: the hub listens on
127.0.0.1 only, and everything is in a folder that is deleted.

Memory is PSS: pages that several processes share are divided among them. Needs Linux (/proc).
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
load_subconfig({config!r})
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Spawner.args.append("--allow-root")
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.services.append({{"name": "load", "api_token": {token!r}}})
scopes = ["admin:users", "admin:servers", "admin:server_state", "access:servers"]
c.JupyterHub.load_roles.append({{"name": "load", "scopes": scopes, "services": ["load"]}})
"""


# ---- /proc ---------------------------------------------------------------------------------------


def pss(pid):
    """Memory of a process in MB (10⁶ bytes), shared pages divided among those who share them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    """Process ids whose parent is this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def kernel_pid(server):
    (found,) = [
        pid
        for pid in children(server)
        if b"ipykernel_launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return found


# ---- the hub -------------------------------------------------------------------------------------


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Hub:
    """A hub in a folder of its own, and requests to it with the rights of a service."""

    def __init__(self, folder):
        self.ports, self.token = free_ports(3), secrets.token_hex(16)
        self.headers, self.url = (
            {"Authorization": f"token {self.token}"},
            f"127.0.0.1:{self.ports[0]}",
        )
        (folder / "homes").mkdir()
        config = folder / "config.py"
        mine = {
            "config": str(ROOT / "binder" / "jupyterhub_config.py"),
            "homes": str(folder / "homes"),
        }
        config.write_text(CONFIG.format(**mine, ports=self.ports, token=self.token))
        self.log = open(folder / "hub.log", "w")
        command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=self.log, stderr=subprocess.STDOUT
        )

    async def ask(self, method, path, body=None, timeout=120):
        """One request; the decoded answer."""
        from tornado.httpclient import AsyncHTTPClient, HTTPRequest

        body = json.dumps(body) if body is not None else "" if method in ("POST", "PUT") else None
        how = {
            "headers": self.headers,
            "body": body,
            "request_timeout": timeout,
            "connect_timeout": timeout,
        }
        answer = await AsyncHTTPClient(max_clients=100).fetch(
            HTTPRequest(f"http://{self.url}{path}", method, **how)
        )
        return json.loads(answer.body) if answer.body else None

    async def ready(self, seconds=60):
        end = time.monotonic() + seconds
        while True:
            try:
                return await self.ask("GET", "/hub/api/")
            except Exception:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError("the hub does not start; see its log") from None
                await asyncio.sleep(0.3)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


# ---- a student -----------------------------------------------------------------------------------


def unpacked(frame):
    """A message of the kernel, and whether binary buffers came with it."""
    if isinstance(frame, str):
        return json.loads(frame), False
    count = struct.unpack_from("!I", frame)[0]
    offsets = [*struct.unpack_from(f"!{count}I", frame, 4), len(frame)]
    return json.loads(frame[offsets[0] : offsets[1]]), count > 1


class Student:
    """One log-in: a server, a notebook, its kernel, and a hand on a slider."""

    def __init__(self, hub, name):
        self.hub, self.name, self.base = hub, name, f"/user/{name}"
        self.sliders, self.images, self.errors, self.statuses = [], set(), [], []
        self.answers, self.times = [], {}

    async def arrive(self):
        """Start the server and wait until it answers."""
        start = time.monotonic()
        await self.hub.ask("POST", f"/hub/api/users/{self.name}/server")
        while not (await self.model())["ready"]:
            await asyncio.sleep(0.3)
        self.times["server"] = time.monotonic() - start
        self.server = (await self.model())["state"]["pid"]

    async def model(self):
        user = await self.hub.ask("GET", f"/hub/api/users/{self.name}")
        return user["servers"].get("", {"ready": False})

    async def open(self, notebook):
        """Save the notebook in the student's folder, start a kernel, and connect to it."""
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        self.notebook = notebook
        await self.save()
        start = time.monotonic()
        self.kernel = (
            await self.hub.ask("POST", f"{self.base}/api/kernels", {"name": "python3", "path": ""})
        )["id"]
        url = f"ws://{self.hub.url}{self.base}/api/kernels/{self.kernel}/channels?session_id={uuid.uuid4().hex}"
        request = HTTPRequest(
            url, headers=self.hub.headers, connect_timeout=120, request_timeout=120
        )
        self.socket = await websocket_connect(request, max_message_size=1 << 26)
        self.times["kernel"] = time.monotonic() - start
        self.pid = kernel_pid(self.server)

    async def save(self):
        await self.hub.ask(
            "PUT",
            f"{self.base}/api/contents/course.ipynb",
            {"type": "notebook", "content": self.notebook},
        )

    async def send(self, kind, content, seconds=120):
        """Send a message and wait until the kernel is idle again. -> seconds until the first new
        picture, or None
        """
        id_, start, seen = uuid.uuid4().hex, time.monotonic(), None
        header = {
            "msg_id": id_,
            "msg_type": kind,
            "username": self.name,
            "session": "load",
            "version": "5.3",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
            "buffers": [],
        }
        await self.socket.write_message(json.dumps(message))
        while True:
            frame = await asyncio.wait_for(self.socket.read_message(), seconds)
            if frame is None:
                after = f"{time.monotonic() - start:.0f} s after {kind}"
                why = f"{self.socket.close_code} {self.socket.close_reason}, {after}"
                raise ConnectionError(f"{self.name}: the server closed the connection ({why})")
            answer, binary = unpacked(frame)
            self.note(answer)
            if answer["parent_header"].get("msg_id") != id_:
                continue
            if (
                binary
                and answer["msg_type"] == "comm_msg"
                and answer["content"]["comm_id"] in self.images
                and seen is None
            ):
                seen = time.monotonic() - start
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return seen

    def note(self, answer):
        """Remember sliders, pictures, errors and restarts."""
        if answer["msg_type"] == "comm_open":
            state = answer["content"]["data"].get("state", {})
            if state.get("_model_name") in ("IntSliderModel", "FloatSliderModel"):
                self.sliders.append((answer["content"]["comm_id"], state))
            if state.get("_model_name") == "ImageModel":
                self.images.add(answer["content"]["comm_id"])
        if answer["msg_type"] == "error":
            self.errors.append(
                f"{self.name}: {answer['content']['ename']}: {answer['content']['evalue']}"
            )
        if answer["msg_type"] == "status":
            self.statuses.append(answer["content"]["execution_state"])

    async def run_all(self):
        """Every code cell, as Run All does."""
        start = time.monotonic()
        for cell in self.notebook["cells"]:
            if cell["cell_type"] == "code":
                await self.execute(cell["source"])
        self.times["run all"] = time.monotonic() - start

    async def execute(self, code):
        code = "".join(code)
        await self.send(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "allow_stdin": False},
        )

    async def move(self, moves, pause):
        """Move the first slider to another place, wait for the picture, rest a moment, again."""
        comm, state = self.sliders[0]
        rng = random.Random(f"{self.name} {len(self.answers)}")
        places = [
            state["min"] + n * state["step"]
            for n in range(int((state["max"] - state["min"]) / state["step"]) + 1)
        ]
        for _ in range(moves):
            value = state["value"] = rng.choice(
                [place for place in places if place != state["value"]]
            )
            data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
            seen = await self.send("comm_msg", {"comm_id": comm, "data": data})
            if seen is None:
                self.errors.append(f"{self.name}: no picture at {value}")
            else:
                self.answers.append(seen)
            await asyncio.sleep(pause * rng.uniform(0.5, 1.5))


async def killed(students, moves, pause):
    """Kill the first student's kernel while the others move sliders. -> what was lost, in words;
    empty if nothing
    """
    first, others = students[0], students[1:]
    first.notebook["cells"].append(
        {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "my work"}
    )
    await first.save()
    before = {one.name: len(one.answers) for one in others}
    moving = asyncio.gather(*(one.move(moves, pause) for one in others))
    await asyncio.sleep(1)
    old, start = first.pid, time.monotonic()
    os.kill(old, signal.SIGKILL)
    lost = []
    while "restarting" not in first.statuses[-3:] and time.monotonic() < start + 60:
        first.note(unpacked(await asyncio.wait_for(first.socket.read_message(), 60))[0])
    await first.execute("print(1)")
    first.times["restart"] = time.monotonic() - start
    await moving
    first.pid = kernel_pid(first.server)
    saved = await first.hub.ask("GET", f"{first.base}/api/contents/course.ipynb")
    if first.pid == old:
        lost.append("the kernel was not started anew")
    if saved["content"]["cells"][-1]["source"] != "my work":
        lost.append("the saved notebook")
    lost += [
        f"moves of {one.name}" for one in others if len(one.answers) - before[one.name] != moves
    ]
    return lost


# ---- the whole -----------------------------------------------------------------------------------


def middle(values):
    """ "median (largest)" """
    return f"{statistics.median(values):.0f} ({max(values):.0f})"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def used_by(students):
    """Processor seconds so far: of all kernels, of all servers."""
    return sum(cpu_seconds(one.pid) for one in students), sum(
        cpu_seconds(one.server) for one in students
    )


async def measure(given, folder):
    hub = Hub(folder)
    try:
        await hub.ready()
        names = [f"student{number:02d}" for number in range(1, given.students + 1)]
        await hub.ask("POST", "/hub/api/users", {"usernames": names})
        students = [Student(hub, name) for name in names]
        await asyncio.gather(*(one.arrive() for one in students))
        notebook = json.loads(given.notebook.read_text(encoding="utf-8"))
        await asyncio.gather(*(one.open(json.loads(json.dumps(notebook))) for one in students))
        print(f"{given.students} servers and kernels are up", flush=True)
        await asyncio.gather(*(one.run_all() for one in students))
        print("everyone has run all cells", flush=True)
        ran, start = used_by(students), time.monotonic()
        await asyncio.gather(*(one.move(given.moves, given.pause) for one in students))
        wall, moved = (
            time.monotonic() - start,
            [after - before for before, after in zip(ran, used_by(students))],
        )
        report(given, hub, students, ran, wall, moved)
        if given.students > 1:
            lost = await killed(students, max(5, given.moves // 5), given.pause)
            seconds = students[0].times["restart"]
            print(
                f"| one kernel killed: it answers again after | {seconds:.0f} s |\n| lost | "
                f"{', '.join(lost) or 'nothing'} |"
            )
            return lost + [error for one in students for error in one.errors]
        return [error for one in students for error in one.errors]
    finally:
        hub.stop()


def report(given, hub, students, ran, wall, moved):
    """Print the table: what one student takes, and how long everyone waits."""
    answers = [1e3 * answer for one in students for answer in one.answers]
    servers, kernels = [pss(one.server) for one in students], [pss(one.pid) for one in students]
    own = pss(hub.process.pid) + sum(
        pss(pid) for pid in children(hub.process.pid) if pid not in {one.server for one in students}
    )
    moves = len(answers)
    rows = {
        "students, moves each": f"{len(students)}, {given.moves}",
        "processors; load average "
        "of the last minute": f"{os.cpu_count()}; {os.getloadavg()[0]:.1f}",
        "server ready, s: median (largest)": middle([one.times["server"] for one in students]),
        "kernel connected, s": middle([one.times["kernel"] for one in students]),
        f"{given.notebook.stem}, all cells at once, s": middle(
            [one.times["run all"] for one in students]
        ),
        "the same, processor seconds for each": f"{ran[0] / len(students):.1f}",
        "slider to picture, ms: median / 95 % / largest": (
            f"{statistics.median(answers):.0f} / {percentile(answers, 0.95):.0f}"
            f" / {max(answers):.0f}"
        ),
        "moves answered": f"{moves} of {len(students) * given.moves} in {wall:.0f} s",
        "processor time per move, ms: kernel + server": (
            f"{1e3 * moved[0] / moves:.0f} + {1e3 * moved[1] / moves:.0f}"
        ),
        "memory of a server, MB PSS": middle(servers),
        "memory of a kernel, MB PSS": middle(kernels),
        "memory of a student, MB PSS": middle(
            [one + other for one, other in zip(servers, kernels)]
        ),
        "memory of hub, proxy and culler, MB PSS": f"{own:.0f}",
    }
    print("\n| measured | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", type=int, default=10)
    parser.add_argument(
        "--moves", type=int, default=50, help="slider moves of each student (default: 50)"
    )
    parser.add_argument(
        "--pause",
        type=float,
        default=0.5,
        help="seconds between an answer and the next move, on average",
    )
    parser.add_argument(
        "--notebook", type=Path, default=ROOT / "notebooks" / "02_queries_keys_values.ipynb"
    )
    given = parser.parse_args()
    if shutil.which("configurable-http-proxy") is None:
        parser.error(
            "configurable-http-proxy is not on the path: npm install -g configurable-http-proxy"
        )
    with tempfile.TemporaryDirectory(prefix="attnlib-load-") as folder:
        try:
            problems = asyncio.run(measure(given, Path(folder)))
        except BaseException:
            print(
                *Path(folder, "hub.log").read_text().splitlines()[-60:], sep="\n", file=sys.stderr
            )
            raise
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
