"""What attention costs as the text grows: ours, and what else is installed, in turns in one
process.

In turns, because a busy machine then disturbs all alike; ratios are taken round by round. CPU time
counts the work of all threads, the clock what a reader waits. A peer whose next call would take
longer than `patience` seconds is left out from there on, and every output is compared with ours.
"""

import math
import time
import tracemalloc
from functools import partial
from typing import NamedTuple

import numpy as np

from attnlib import _files, masks
from attnlib.efficient import flash_attention, local_attention
from attnlib.show.curves import beside, curves
from attnlib.show.sheet import HALF
from attnlib.tools.bench.peers import PEERS
from attnlib.tools.bench.threads import blas_threads

HEADS, D = 8, 64
LENGTHS = [128, 512, 1024, 4096, 16_384, 65_536, 131_072]
ROUNDS, FEW, LONG = 9, 3, 2.0  # a call of more than LONG seconds gets FEW rounds
SHORT = 0.02  # seconds: a quicker call is repeated to fill them
SLOPE_FROM = 1024  # tokens: below, the overhead of the calls blurs the slope
OURS = "attnlib"


class Pattern(NamedTuple):
    """What the contestants are asked for, in the numbers that a kernel takes.

    No mask by its name, as in `attnlib.patterns`: most of them never make one.
    """

    name: str
    causal: bool = False
    window: int | None = None
    n_global: int = 0

    @property
    def full(self):
        return not self.causal and self.window is None

    def mask(self, n):
        """(n, n), for those who need it whole."""
        mask = (
            masks.full(n)
            if self.window is None
            else masks.global_local(n, window=self.window, n_global=self.n_global)
        )
        return mask & masks.causal(n) if self.causal else mask

    def ours(self, q, k, v, workers):
        if self.window is None:
            return flash_attention(q, k, v, causal=self.causal, workers=workers)
        return local_attention(
            q, k, v, window=self.window, causal=self.causal, n_global=self.n_global, workers=workers
        )


PATTERNS = [
    Pattern("full"),
    Pattern("causal", causal=True),
    Pattern("window 128", window=128),
    Pattern("window 128, 8 global tokens", window=128, n_global=8),
]


class Row(NamedTuple):
    """One contestant at one length."""

    pattern: str
    n: int
    who: str
    seconds: np.ndarray  # (rounds, 2): on the clock, of CPU time
    memory: float | None  # peak beyond the inputs, in inputs; None where it cannot be seen


def run(longest, threads=1, quick=False, out=None):
    """Measure every pattern at every length, print it, and draw it where `out` says."""
    blas_threads(1)
    patience, rounds = (0.5, 3) if quick else (8.0, ROUNDS)
    lengths = [n for n in LENGTHS if n <= longest and (n <= 4096 or not quick)]
    side = f"{threads} thread{'s' * (threads > 1)} on each side"
    few = f"({FEW} where a call takes over {LONG:g} s)"
    print(
        f"Attention: float32, {HEADS} heads, d {D}, {side}; median of {rounds} rounds in turns"
        f" {few}"
    )
    rows, missing = [], {}
    for pattern in PATTERNS:
        print(
            f"\n{pattern.name}\n{'n':>8}  {'':22} {'clock ms':>10} {'CPU ms':>10}   × attnlib, CPU "
            "  clock   rounds   memory ÷ an input"
        )
        for n in lengths:
            found = measure(pattern, n, threads, patience, rounds, rows, missing)
            rows += found
            for line in lines(found):
                print(line, flush=True)
        print(slope(rows, pattern.name))
    for who, why in missing.items():
        print(f"{who}: not measured ({why})")
    if out is not None:
        _files.write(out, getattr(figure(rows, side), out.suffix.lower()[1:])())
        print(f"\nwritten: {out}")


def measure(pattern, n, threads, patience, rounds, before, missing):
    """The rows of one pattern at one length; who cannot be measured at all goes into `missing`."""
    rng = np.random.default_rng(n)
    q, k, v = (rng.normal(size=(HEADS, n, D)).astype(np.float32) for _ in range(3))
    calls = {}
    if expected(before, pattern, OURS, n) <= patience:
        calls[OURS] = partial(pattern.ours, q, k, v, threads)
    for who, (make, allowed) in PEERS.items():
        if who in missing or n not in allowed or expected(before, pattern, who, n) > patience:
            continue
        try:
            call = make(pattern, q, k, v, threads)
            if call is not None:
                agree(who, call(), pattern, q, k, v)  # also the first call, which compiles
                calls[who] = call
        except Exception as problem:  # not installed, or cannot run here: said at the end
            missing[who] = f"{type(problem).__name__}: {' '.join(str(problem).split())[:100]}"
    if not calls:
        return []
    seconds = in_turns(calls, rounds)
    return [
        Row(
            pattern.name,
            n,
            who,
            times,
            memory(calls[who], q) if "attnlib" in who and times[0, 0] < LONG else None,
        )
        for who, times in seconds.items()
    ]


def expected(rows, pattern, who, n):
    """Seconds that a call would take on an idle machine: the last length's, growing as it did, by
    n² at most.
    """
    known = [
        (row.n, np.median(row.seconds, axis=0).min())
        for row in rows
        if (row.pattern, row.who) == (pattern.name, who)
    ]
    if not known:
        return 0.0
    last, seconds = known[-1]
    power = 2.0
    if len(known) > 1 and last > SLOPE_FROM:
        power = min(max(math.log(seconds / known[-2][1]) / math.log(last / known[-2][0]), 1.0), 2.0)
    return seconds * (n / last) ** power


def agree(who, output, pattern, q, k, v):
    """ValueError unless the output is ours, to 1e-4 in the first and the last rows."""
    few = [0, 1, len(q[0]) // 2, len(q[0]) - 1]
    n = len(q[0])
    seen = np.array([[_sees(pattern, i, j) for j in range(n)] for i in few])
    ours = flash_attention(q[:, few], k, v, mask=seen, workers=1)
    error = np.abs(np.asarray(output)[:, few] - ours).max()
    if not error < 1e-4:
        raise ValueError(f"its output differs by {error:.1e}")


def _sees(pattern, i, j):
    near = pattern.window is None or abs(i - j) < pattern.window or min(i, j) < pattern.n_global
    return near and (j <= i or not pattern.causal)


def in_turns(calls, rounds):
    """{who: call} -> {who: (rounds, 2)} seconds; the first call of each warms up, and counts where
    it is long.
    """
    seconds, repeats = {who: [] for who in calls}, {}
    for who, call in calls.items():
        first = timed(call, 1)
        repeats[who] = max(1, math.ceil(SHORT / first[0]))
        if first[0] > LONG:
            seconds[who].append(first)
    names = list(calls)
    for _ in range(rounds):
        names = names[1:] + names[:1]  # nobody always runs behind the same one
        for who in names:
            if len(seconds[who]) < (FEW if seconds[who] and seconds[who][0][0] > LONG else rounds):
                seconds[who].append(timed(calls[who], repeats[who]))
    return {who: np.array(times) for who, times in seconds.items()}


def timed(call, repeats):
    """Seconds per call, on the clock and of CPU time."""
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - clock) / repeats, (time.process_time() - cpu) / repeats


def memory(call, q):
    """Peak memory of NumPy arrays during a call, the output included, in sizes of one input."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / q.nbytes


def lines(rows):
    """One line of text per contestant; the ratio is the median of those of the rounds that both
    have.
    """
    ours = next((row.seconds for row in rows if row.who == OURS), None)
    for row in rows:
        clock, cpu = 1e3 * np.median(row.seconds, axis=0)
        text = f"{row.n:8,}  {row.who:22} {clock:10,.1f} {cpu:10,.1f}"
        if ours is not None:
            both = min(len(ours), len(row.seconds))
            clock, cpu = np.median(row.seconds[:both] / ours[:both], axis=0)
            text += f"   {cpu:14.2f}  {clock:6.2f}   {len(row.seconds):6}"
        yield text + (f"   {row.memory:8.2f}" if row.memory is not None else "")


def slope(rows, pattern):
    """How the time of each contestant grows: the power of n, fitted from 1,024 tokens on."""
    found = []
    for who in dict.fromkeys(row.who for row in rows):
        points = [
            (row.n, np.median(row.seconds[:, 1]))
            for row in rows
            if (row.pattern, row.who) == (pattern, who) and row.n >= SLOPE_FROM
        ]
        if len(points) > 1:
            power = np.polyfit(*np.log(points).T, 1)[0]
            found.append(f"{who} n^{power:.2f} ({points[0][0]:,} to {points[-1][0]:,})")
    return "CPU time grows as " + ", ".join(found) if found else ""


def figure(rows, side):
    """Milliseconds of CPU time against tokens, one picture per pattern."""
    pictures = []
    for pattern in dict.fromkeys(row.pattern for row in rows):
        mine = [row for row in rows if row.pattern == pattern]
        lengths = sorted({row.n for row in mine})
        known = {(row.who, row.n): 1e3 * np.median(row.seconds[:, 1]) for row in mine}
        measured = {
            who: [known.get((who, n), np.nan) for n in lengths]
            for who in dict.fromkeys(row.who for row in mine)
        }
        pictures.append(
            curves(
                lengths,
                measured,
                title=pattern,
                axes=("tokens", "ms of CPU time"),
                log="xy",
                width=HALF,
            )
        )
    return beside(
        *pictures, columns=2, title=f"Attention on the CPU: float32, {HEADS} heads, d {D}, {side}"
    )
