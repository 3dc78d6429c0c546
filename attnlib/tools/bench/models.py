"""A forward pass with all its attentions, beside transformers on PyTorch: each side in a process of
its own.

In one process the threads of two libraries would fight for the cores. So each side has a worker
(worker.py), which loads the checkpoint once; then they take turns, and ratios are taken round by
round. At each length both first hand over their attentions, which must agree. A cold start counts
everything from the start of Python to the attentions, and the most memory that this took.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from attnlib.models.files import hub
from attnlib.models.files.checkpoint import read_config
from attnlib.tools.bench import worker

OURS, THEIRS = "attnlib", "transformers"
TOKENS = [12, 64, 256, 512]
THREADS = [1, 2]
ROUNDS, COLD_ROUNDS = 15, 5
TURN = 0.1  # seconds: a quicker pass is repeated to fill them
REST = 0.05  # seconds before each turn, in which the threads of the other side go to sleep
# the attentions of MiniLM, 512 random tokens: each side is 4e-6 to 5e-6 away from float64
AGREE = 1e-5
POOLS = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]


class Failed(Exception):
    """A worker could not start, or has stopped; says what it said last."""


# ---- workers -------------------------------------------------------------------------------------


class Worker:
    """One side in a process of its own: `with Worker(...) as one: one.ask(...)`."""

    def __init__(self, side, python, folder, threads):
        self.said = tempfile.TemporaryFile("w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.said}
        try:
            self.process = subprocess.Popen(
                command(side, python, folder, threads), text=True, env=environment(threads), **pipes
            )
        except OSError as problem:
            raise Failed(str(problem)) from None

    def __enter__(self):
        self.about = self._answer()
        return self

    def __exit__(self, *problem):
        self.process.communicate()  # no more lines for it: it ends
        self.said.close()

    def ask(self, **told):
        """Tell it something, and wait for its answer."""
        try:
            print(json.dumps(told), file=self.process.stdin, flush=True)
        except OSError:  # it is gone, and `_answer` says why
            pass
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            raise Failed(last_line(self.said.read()))
        return json.loads(line)


def command(side, python, folder, threads, *ids):
    """What starts a worker."""
    return [str(python), worker.__file__, side, str(folder), str(threads), *ids]


def environment(threads):
    """The environment of a worker: so many threads in each pool, and no look at the network."""
    return os.environ | {name: str(threads) for name in POOLS} | {"HF_HUB_OFFLINE": "1"}


def last_line(text):
    """What an error says: the last line that is not empty."""
    return ([line for line in text.splitlines() if line.strip()] or ["it stopped without a word"])[
        -1
    ].strip()


# ---- measuring -----------------------------------------------------------------------------------


def run(model="minilm", peer_python=None):
    """Measure a model, by its name or folder, and print what came out. Returns the exit code."""
    pythons = {OURS: sys.executable, THEIRS: peer_python or sys.executable}
    try:
        folder = hub.fetch(model) if model in hub.PUBLISHED else Path(model)
        config = read_config(folder)
        print(
            f"One text through {model} with all its attentions, float32: median of {ROUNDS} rounds"
            " in turns, each in its own process"
        )
        for threads in THREADS:
            passes(folder, config, pythons, threads)
        cold_starts(folder, config, pythons)
    except (Failed, OSError, ValueError) as problem:
        print(f"bench models: {problem}", file=sys.stderr)
        return 1
    return 0


def passes(folder, config, pythons, threads):
    """Time the forward passes of every length, and print a line for each; a peer that cannot run is
    left out.
    """
    with ExitStack() as stack:
        workers = {OURS: stack.enter_context(Worker(OURS, pythons[OURS], folder, threads))}
        print(f"\n{threads} thread{'s' * (threads > 1)} on each side")
        try:
            workers[THEIRS] = stack.enter_context(Worker(THEIRS, pythons[THEIRS], folder, threads))
        except Failed as problem:
            print(f"  {THEIRS}: not measured ({problem})")
        for who, one in workers.items():
            print(f"  {who}: {one.about}")
        print(heading(workers))
        for n in lengths(config):
            ids = some_ids(config, n)
            error = (
                disagreement(*(attentions(one, ids) for one in workers.values()))
                if THEIRS in workers
                else None
            )
            print(line(n, in_turns(workers, ids), error), flush=True)


def in_turns(workers, ids):
    """{who: Worker} -> {who: (rounds, 2)} seconds of one forward pass, on the clock and of CPU
    time.
    """
    times = {}
    for who, one in workers.items():
        one.ask(ids=ids, times=2)  # warms up
        times[who] = max(1, round(TURN / one.ask(ids=ids, times=1)[0]))
    seconds, names = {who: [] for who in workers}, list(workers)
    for _ in range(ROUNDS):
        names = names[1:] + names[:1]  # nobody always comes first
        for who in names:
            time.sleep(REST)
            seconds[who].append(workers[who].ask(ids=ids, times=times[who]))
    return {who: np.array(found) for who, found in seconds.items()}


def lengths(config):
    """The lengths that the model can read."""
    most = config.get("max_position_embeddings", config.get("n_positions", max(TOKENS)))
    return [n for n in TOKENS if n <= most]


def some_ids(config, n):
    """The ids of n random tokens, the same for every side."""
    return np.random.default_rng(n).integers(config["vocab_size"], size=n).tolist()


def attentions(one, ids):
    """The attentions that a worker finds: a list of arrays."""
    with tempfile.TemporaryDirectory() as folder:
        with np.load(one.ask(ids=ids, path=str(Path(folder, "attentions.npz")))) as found:
            return list(found.values())


def disagreement(ours, theirs):
    """The largest difference between two lists of attentions; an error if it is too large."""
    shapes = [[found.shape for found in side] for side in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the attentions have other shapes: {shapes[0]} and {shapes[1]}")
    error = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs))
    if not error <= AGREE:
        raise ValueError(f"the attentions differ by {error:.1e}, more than {AGREE:.0e}")
    return error


def heading(workers):
    """The words above each `line`."""
    sides = "".join(f"{who + ' ms':>17} {'CPU ms':>8}" for who in workers)
    return f"{'tokens':>8}{sides}" + (
        f"   {OURS} ÷ {THEIRS}: clock   quickest    CPU   weights differ by"
        if len(workers) > 1
        else ""
    )


def line(n, seconds, error=None):
    """One length: the median milliseconds of each side; of the ratio too, round by round.

    `quickest` is the ratio of the quickest turns, which a busy machine has disturbed least.
    """
    sides = "".join(
        "{:17.1f} {:8.1f}".format(*(1e3 * np.median(found, axis=0))) for found in seconds.values()
    )
    if error is None:
        return f"{n:8}{sides}"
    ours, theirs = seconds.values()
    (clock, cpu), quickest = np.median(ours / theirs, axis=0), ours[:, 0].min() / theirs[:, 0].min()
    return f"{n:8}{sides}   {clock:31.2f} {quickest:10.2f} {cpu:6.2f} {error:19.1e}"


# ---- cold starts ---------------------------------------------------------------------------------


def cold_starts(folder, config, pythons):
    """From the start of Python to the attentions of a short text: print seconds, and the most
    memory.
    """
    print(f"\nCold start, {TOKENS[0]} tokens, 1 thread, median of {COLD_ROUNDS} in turns")
    print(f"{'':26} {'seconds':>8} {'quickest':>9} {'peak memory':>12}")
    ids, found = some_ids(config, TOKENS[0]), {side: [] for side in worker.SIDES}
    for _ in range(COLD_ROUNDS):
        for side in list(found):
            try:
                found[side].append(
                    cold_start(
                        side, pythons[OURS if side.startswith(OURS) else THEIRS], folder, ids
                    )
                )
            except Failed as problem:
                print(f"  {side}: not measured ({problem})")
                del found[side]
    for side, measured in found.items():
        seconds, memory = zip(*measured)
        peak = "" if None in memory else f"{np.median(memory) / 1e6:9.0f} MB"
        print(f"  {side:24} {np.median(seconds):8.2f} {min(seconds):9.2f} {peak}")


def cold_start(side, python, folder, ids):
    """Seconds until the process is done, and the most bytes of memory that it had, None where
    nobody counts them.
    """
    began = time.perf_counter()
    try:
        done = subprocess.run(
            command(side, python, folder, 1, json.dumps(ids)),
            capture_output=True,
            text=True,
            env=environment(1),
        )
    except OSError as problem:
        raise Failed(str(problem)) from None
    if done.returncode:
        raise Failed(last_line(done.stderr))
    return time.perf_counter() - began, json.loads(last_line(done.stdout))
