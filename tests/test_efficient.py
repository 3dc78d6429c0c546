"""efficient.py against the plain attention in float64: the same numbers, whatever the tiles, and
none of its memory.
"""

import signal
import threading
import time
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib import _threads, efficient, masks, scaled_dot_product_attention, split_heads
from attnlib.efficient import flash_attention, flash_steps, local_attention
from attnlib.tools.bench import attention as bench
from attnlib.tools.bench import main as bench_main
from attnlib.tools.bench import peers

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=120, deadline=None, derandomize=True)
TOLERANCE = {np.float16: 1e-3, np.float32: 4e-6, np.float64: 1e-12, np.int64: 1e-12}
EDGES = sorted(
    {
        n + step
        for n in (*efficient.TILE, efficient.ROWS, 2 * efficient.TILE[0])
        for step in (-1, 0, 1)
    }
)


@contextmanager
def changed(**names):
    """Other constants or functions in efficient.py for a while; hypothesis forbids the fixture for
    that.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setattr(efficient, name, value)
        yield


PATHS = {
    "as it comes": {},
    "running maximum only": {"_tame": lambda *_: False},
    "exp": {"_exponential": lambda: (np.exp, 1.0)},
    "exp2": {"_exponential": lambda: (np.exp2, np.log2(np.e))},
}
each_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def plain(q, k, v, *, causal=False, mask=None, bias=None, **options):
    """The attention of attention.py in float64, with `causal` as a mask."""
    q, k, v = (np.asarray(x).astype(np.float64) for x in (q, k, v))
    if causal:
        future = masks.causal(q.shape[-2], k.shape[-2])
        mask = future if mask is None else mask & future
    return scaled_dot_product_attention(q, k, v, mask=mask, bias=bias, **options)[0]


def close(a, b, atol):
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0, atol=atol)


def normal(seed, *shape, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def patterned(n_q, n_k, window, causal, n_global):
    """The mask that local_attention promises."""
    if n_q <= n_k:
        mask = masks.global_local(n_k, window=window, n_global=n_global)[-n_q:]
    else:
        mask = masks.local(n_q, n_k, window=window)
    return mask & masks.causal(n_q, n_k) if causal else mask


# ---- equal to the plain attention ----------------------------------------------------------------


@st.composite
def inputs(draw):
    """q, k, v of any leading axes, with or without heads, grouped or not, n_q and n_k apart; and
    the shape of their weights.
    """
    n_q, n_k = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    d, d_v = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    lead = tuple(draw(st.lists(st.integers(1, 2), max_size=2)))
    h_kv, group = draw(st.sampled_from([(1, 1), (1, 3), (2, 1), (2, 2), (3, 2)]))
    h, kv = ((h_kv * group,), (h_kv,)) if lead or draw(st.booleans()) else ((), ())
    dtype = draw(st.sampled_from(list(TOLERANCE)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))

    def numbers(*shape):
        return (
            rng.integers(-2, 3, shape)
            if dtype == np.int64
            else rng.normal(size=shape).astype(dtype)
        )

    q, k, v = numbers(*lead, *h, n_q, d), numbers(*lead, *kv, n_k, d), numbers(*lead, *kv, n_k, d_v)
    return q, k, v, (*lead, *h, n_q, n_k), rng, dtype


@st.composite
def dense_problems(draw):
    q, k, v, full, rng, dtype = draw(inputs())
    smaller = st.sampled_from(
        [
            full,
            full[-2:],
            (1, full[-1]),
            (full[-2], 1),
            (1,),
            (*full[:-3], *(1 for _ in full[2:][:1]), *full[-2:]),
        ]
    )
    options = {"causal": draw(st.booleans())}
    if draw(st.booleans()):
        options["mask"] = rng.random(draw(smaller)) < draw(st.sampled_from([0, 0.1, 0.7, 1]))
    if draw(st.booleans()):
        options["bias"] = rng.normal(size=draw(smaller)).astype(
            draw(st.sampled_from([np.float32, np.float64]))
        )
        options["bias"][
            rng.random(options["bias"].shape) < draw(st.sampled_from([0, 0.3]))
        ] = -np.inf
    if draw(st.booleans()):
        options["scale"] = draw(st.sampled_from([0.1, 1, 2.5]))
    if draw(st.booleans()):
        options["softcap"] = draw(st.sampled_from([0.5, 2, 30]))
    return q, k, v, options, dtype


@each_path
@examples
@given(dense_problems(), st.sampled_from([None, 1, 2, 3, 7, 8, 30]))
def test_flash_equals_plain(path, problem, block):
    q, k, v, options, dtype = problem
    with changed(**path):
        output = flash_attention(q, k, v, block=block, **options)
    assert output.dtype == (np.float64 if dtype == np.int64 else dtype)
    expected = plain(q, k, v, **options)
    assert output.shape == expected.shape
    close(output, expected, 4 * TOLERANCE[dtype])


@each_path
@examples
@given(
    inputs(),
    st.integers(1, 30),
    st.booleans(),
    st.integers(0, 9),
    st.sampled_from([1, 2, 5, 128]),
    st.sampled_from([2, 5, 512]),
)
def test_local_equals_plain(path, problem, window, causal, n_global, rows, columns):
    q, k, v, (*_, n_q, n_k), _, dtype = problem
    n_global = n_global if n_q <= n_k else 0
    with changed(ROWS=rows, TILE=(rows, columns), **path):
        output = local_attention(q, k, v, window=window, causal=causal, n_global=n_global)
    assert output.dtype == (np.float64 if dtype == np.int64 else dtype)
    close(
        output,
        plain(q, k, v, mask=patterned(n_q, n_k, window, causal, n_global)),
        4 * TOLERANCE[dtype],
    )


def test_local_takes_scale_and_softcap():
    q, k, v = normal(0, 3, 2, 40, 4, dtype=np.float64)
    mask = patterned(40, 40, 5, True, 2)
    for options in ({"scale": 3}, {"softcap": 0.7}, {"scale": 2, "softcap": 1.5}):
        output = local_attention(q, k, v, window=5, causal=True, n_global=2, **options)
        close(output, plain(q, k, v, mask=mask, **options), 1e-12)
        assert np.abs(output - plain(q, k, v, mask=mask)).max() > 1e-3


@each_path
@pytest.mark.parametrize("n", EDGES)
def test_at_the_edges_of_the_tiles(path, n):
    q, k, v = normal(n, 3, 2, n, 8)
    mask = np.random.default_rng(n).random((n, n)) < 0.5
    with changed(**path):
        close(flash_attention(q, k, v), plain(q, k, v), 2e-6)
        close(flash_attention(q, k, v, causal=True), plain(q, k, v, causal=True), 4e-6)
        close(
            flash_attention(q[:, -3:], k, v, causal=True, mask=mask[-3:]),
            plain(q[:, -3:], k, v, causal=True, mask=mask[-3:]),
            4e-6,
        )
        for window in (1, 2, 127, 128, 129, n):
            for causal, n_global in ((False, 0), (True, 1), (False, 130)):
                found = local_attention(q, k, v, window=window, causal=causal, n_global=n_global)
                close(found, plain(q, k, v, mask=patterned(n, n, window, causal, n_global)), 4e-6)


@pytest.mark.parametrize("n", [255, 256, 257, 511, 512, 513])
def test_a_tile_without_a_true_is_skipped_and_the_rest_is_right(n):
    """Documents of 100 tokens: most tiles are empty, some are full, some are mixed."""
    q, k, v = normal(n, 3, 2, n, 8)
    mask = masks.documents(np.arange(n) // 100)
    close(flash_attention(q, k, v, mask=mask, block=50), plain(q, k, v, mask=mask), 4e-6)
    mask = masks.padding(n // 3, n)
    close(flash_attention(q, k, v, mask=mask), plain(q, k, v, mask=mask), 4e-6)


def test_unit_scores_in_float32_to_2e_6():
    q, k, v = normal(1, 3, 2, 1000, 64)
    close(flash_attention(q, k, v), plain(q, k, v), 2e-6)
    close(
        local_attention(q, k, v, window=300),
        plain(q, k, v, mask=masks.local(1000, window=300)),
        2e-6,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda x: split_heads(x, 2),
        lambda x: np.asfortranarray(split_heads(x, 2)),
        lambda x: split_heads(x, 2)[:, ::-1, ::-1],
        lambda x: np.repeat(split_heads(x, 2), 2, axis=1)[:, ::2],
    ],
)
def test_any_layout_in_memory(make):
    q, k, v = (make(x) for x in normal(2, 3, 2, 40, 8))
    close(flash_attention(q, k, v, block=7, causal=True), plain(q, k, v, causal=True), 4e-6)
    close(local_attention(q, k, v, window=3), plain(q, k, v, mask=masks.local(40, window=3)), 4e-6)


# ---- any scores ----------------------------------------------------------------------------------


LEVELS = [
    -1e38,
    -1e30,
    -1e4,
    -300,
    -127,
    -100,
    -90,
    -80,
    -60,
    -50,
    -1,
    0,
    1,
    50,
    60,
    69,
    70,
    75,
    88,
    90,
    100,
    128,
    300,
    1e4,
    1e30,
    1e38,
]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("values", [1e-30, 1e-5, 1, 1e5, 1e30])
def test_equal_scores_of_any_size_give_the_mean(level, values):
    """Every score is `level`: exp of it overflows or vanishes, and the mean of the values does not
    care.
    """
    n = 600
    q, k = np.ones((3, 1), np.float32), np.full((n, 1), level, np.float32)
    v = (normal(3, n, 5) * values).astype(np.float32)
    output = flash_attention(q, k, v, scale=1)
    np.testing.assert_allclose(
        output, np.tile(v.astype(float).mean(0), (3, 1)), rtol=0, atol=3e-7 * values
    )
    first = local_attention(q, k, v, scale=1, window=n, n_global=300)
    np.testing.assert_allclose(first, output, rtol=0, atol=3e-7 * values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 10, 30, 70, 100, 300, 1e4])
@pytest.mark.parametrize("block", [None, 16])
def test_large_scores(size, block, dtype):
    """Whole-number scores from -size to size are exact in either dtype, so nothing excuses an
    error.
    """
    rng = np.random.default_rng(4)
    q, k = rng.integers(-1, 2, (2, 4, 100, 3)).astype(dtype)
    k, v = (
        np.rint(k * rng.random(k.shape) * size / 3).astype(dtype),
        rng.normal(size=(4, 100, 3)).astype(dtype),
    )
    close(flash_attention(q, k, v, scale=1, block=block), plain(q, k, v, scale=1), TOLERANCE[dtype])
    mask = masks.causal(100) & masks.local(100, window=9)
    close(
        local_attention(q, k, v, scale=1, window=9, causal=True),
        plain(q, k, v, scale=1, mask=mask),
        TOLERANCE[dtype],
    )


def test_one_large_score_among_small_ones_in_a_late_tile():
    """The running maximum jumps at the last tile: all that was summed before must vanish, for that
    query alone.
    """
    q, k, v = np.ones((3, 1)), np.zeros((40, 1)), normal(5, 40, 2, dtype=np.float64)
    q[1], k[37] = -1, 1000
    output = flash_attention(q, k, v, scale=1, block=4)
    close(output[[0, 2]], [v[37]] * 2, 1e-15)
    close(output[1], np.delete(v, 37, 0).mean(0), 1e-15)


def test_a_large_score_that_is_masked_harms_nobody():
    q, k, v = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32), normal(6, 4, 2)
    k[3] = 1e4
    close(
        flash_attention(q, k, v, scale=1, causal=True), plain(q, k, v, scale=1, causal=True), 1e-6
    )
    close(
        flash_attention(q, k, v, scale=1, mask=masks.padding(3, 4)),
        np.tile(v[:3].astype(float).mean(0), (4, 1)),
        1e-6,
    )
    bias = np.array([0, 0, 0, 3e38], np.float32)
    close(
        flash_attention(q, k * 0, v, mask=masks.padding(3, 4), bias=bias),
        np.tile(v[:3].astype(float).mean(0), (4, 1)),
        1e-6,
    )


LEAST, LARGE = np.finfo(np.float64).min, np.finfo(np.float32)


@each_path
@pytest.mark.parametrize("far", [1e39, -1e39, 1e300, LEAST, float(LARGE.min), float(LARGE.max)])
@pytest.mark.parametrize("softcap", [None, 2.0])
def test_a_bias_beyond_float32(path, far, softcap):
    """As with float64 queries, and without a warning: here and with the whole matrix."""
    q, k, v = normal(31, 3, 9, 4)
    bias = normal(32, 9, 9, dtype=np.float64)
    bias[1, 3] = bias[2, [0, 7]] = bias[3, ::2] = far
    bias[4] = LEAST  # a whole row: all keys alike
    bias[5] = 2 * far if abs(far) <= 1e300 else far
    bias[6, :5], bias[6, 5:] = far, -np.inf
    wanted = plain(q, k, v, bias=bias, softcap=softcap)
    close(wanted[4], v.astype(float).mean(0), 1e-12)
    with changed(**path):
        for block in (None, 2, 4):
            found = flash_attention(q, k, v, bias=bias, softcap=softcap, block=block)
            assert found.dtype == np.float32
            close(found, wanted, 2e-6)
    whole, weights = scaled_dot_product_attention(q, k, v, bias=bias, softcap=softcap)
    assert whole.dtype == weights.dtype == np.float32
    close(whole, wanted, 2e-6)
    with pytest.raises(ValueError, match="bias must leave room for the scores"):
        flash_attention(q, k, v, bias=[[1e308]])


@each_path
def test_empty_rows_are_zero(path):
    q, k, v = normal(7, 3, 2, 9, 4)
    mask = np.ones((9, 9), bool)
    mask[[0, 4]] = False
    bias = np.zeros((9, 1))
    bias[8] = -np.inf
    with changed(**path):
        for block in (None, 2):
            output = flash_attention(q, k, v, mask=mask, bias=bias, block=block)
            assert not output[:, [0, 4, 8]].any() and output[:, [1, 2, 3, 5, 6, 7]].all()
        for output in (
            flash_attention(q, k[:, :3], v[:, :3], causal=True),
            local_attention(q, k[:, :3], v[:, :3], window=2, causal=True),
        ):
            assert not output[:, :6].any() and output[:, 6:].all()
        assert not local_attention(q, k[:, :3], v[:, :3], window=2)[:, :5].any()
        assert not flash_attention(q, k, v, mask=np.zeros((1, 1), bool)).any()


def test_float16_is_computed_in_float32():
    """Scores of 1e5 do not fit into float16, and the rounding is that of the result alone."""
    q, k, v = normal(8, 3, 60, 16, dtype=np.float16)
    for found, mask in [
        (flash_attention(q, k, v, block=7), None),
        (local_attention(q, k, v, window=9), masks.local(60, window=9)),
    ]:
        assert found.dtype == np.float16
        close(found, plain(q, k, v, mask=mask), np.abs(v).max() * 2.0**-11)
    output = flash_attention(
        np.full((2, 1), 300, np.float16), np.array([[300], [-300]], np.float16), v[:2], scale=1
    )
    np.testing.assert_array_equal(output, v[[0, 0]])


def test_a_call_that_warns_elsewhere_is_still_heard():
    """The kernel silences its own overflow and leaves the caller's settings alone."""
    before = np.geterr()
    flash_attention(
        np.ones((3, 1), np.float32), np.full((3, 1), 500, np.float32), np.ones((3, 1), np.float32)
    )
    assert np.geterr() == before
    with np.errstate(all="raise"):
        flash_attention(
            np.ones((3, 1), np.float32),
            np.full((3, 1), 500, np.float32),
            np.ones((3, 1), np.float32),
            workers=2,
            block=1,
        )


# ---- what the names promise ----------------------------------------------------------------------


def test_local_lets_no_token_leak():
    """Nudge key and value j: output i moves if and only if i may look at j."""
    n = 23
    x = normal(9, n, 4, dtype=np.float64)
    with changed(ROWS=4, TILE=(4, 5)):
        for window in (1, 3, 30):
            for causal in (False, True):
                for n_global in (0, 1, 6):
                    options = {"window": window, "causal": causal, "n_global": n_global}

                    def looking(y, options=options):
                        return local_attention(x, y, y, **options)

                    change = masks.influence(looking, x)
                    np.testing.assert_array_equal(
                        change > 0, patterned(n, n, window, causal, n_global)
                    )


def test_decoding_one_token_at_a_time_gives_the_same_rows():
    q, k, v = normal(10, 3, 2, 30, 4, dtype=np.float64)
    whole, flash = (
        local_attention(q, k, v, window=4, causal=True, n_global=2),
        flash_attention(q, k, v, causal=True),
    )
    for n in range(1, 31):
        row = slice(n - 1, n)
        found = local_attention(q[:, row], k[:, :n], v[:, :n], window=4, causal=True, n_global=2)
        close(found, whole[:, row], 1e-14)
        close(flash_attention(q[:, row], k[:, :n], v[:, :n], causal=True), flash[:, row], 1e-14)


def computed_pairs(run):
    """How many scores were computed, from the tiles that the kernel took."""
    found, quick = [], efficient.quick_sums

    def spy(q, k, v, tiles, scale, softcap):
        taken = list(tiles)
        found.extend(len(q) * (keys.stop - keys.start) for keys, _, _ in taken)
        return quick(q, k, v, iter(taken), scale, softcap)

    with changed(quick_sums=spy):
        run()
    return sum(found)


def test_what_is_not_allowed_is_not_computed():
    n = 1500
    q, k, v = normal(11, 3, n, 4)
    assert computed_pairs(lambda: flash_attention(q, k, v)) == n * n
    assert (
        computed_pairs(lambda: flash_attention(q, k, v, causal=True))
        <= n * (n + efficient.TILE[0]) / 2
    )
    documents = masks.documents(np.arange(n) // 100)
    assert computed_pairs(lambda: flash_attention(q, k, v, mask=documents, block=50)) == n * 100
    assert computed_pairs(lambda: local_attention(q, k, v, window=20)) <= n * (
        efficient.ROWS + 2 * 20
    )
    assert computed_pairs(lambda: local_attention(q, k, v, window=20, causal=True)) <= n * (
        efficient.ROWS + 20
    )
    assert (
        computed_pairs(lambda: local_attention(q, k, v, window=20, n_global=5))
        <= n * (efficient.ROWS + 2 * 20 + 5) + 5 * n
    )


@pytest.mark.parametrize("workers", [2, 3, 16])
def test_the_number_of_workers_changes_no_bit(workers):
    q, k, v = normal(12, 2, 4, 300, 16), normal(13, 2, 2, 300, 16), normal(14, 2, 2, 300, 16)
    mask = np.random.default_rng(12).random((2, 1, 300, 300)) < 0.9
    q[1, 2, 40] *= 100  # one tile takes the other path
    for call in (
        lambda n: flash_attention(q, k, v, workers=n),
        lambda n: flash_attention(q, k, v, causal=True, mask=mask, block=64, workers=n),
        lambda n: local_attention(q, k, v, window=33, n_global=5, workers=n),
    ):
        np.testing.assert_array_equal(call(workers), call(1))


def test_big_work_takes_a_thread_per_core_and_small_work_none(monkeypatch):
    threads = set()
    share = _threads.share
    monkeypatch.setattr(
        _threads,
        "share",
        lambda work, jobs, workers: (threads.add(workers), share(work, jobs, workers)),
    )
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    q, k, v = normal(15, 3, 300, 4)
    flash_attention(q, k, v)
    assert threads == {1}
    monkeypatch.setattr(_threads, "WORTH_THREADS", 2 * 300 * 300 * 8)
    monkeypatch.setattr(_threads.os, "sched_getaffinity", lambda pid: range(7), raising=False)
    flash_attention(q, k, v)
    assert threads == {1, 7}
    threads.clear()
    local_attention(q, k, v, window=10)
    monkeypatch.setattr(_threads, "WORTH_THREADS", 2 * 300 * 300 * 8 + 1)
    flash_attention(q, k, v)
    monkeypatch.setattr(_threads, "WORTH_THREADS", 0)
    monkeypatch.setattr(_threads, "blas", lambda: None)  # nobody can hold BLAS to one thread
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    flash_attention(q, k, v)
    assert threads == {1}


def test_blas_has_its_threads_back_afterwards():
    control = pytest.importorskip("threadpoolctl")
    with control.threadpool_limits(2, user_api="blas"):
        seen, quick = [], efficient.quick_sums

        def spy(*arguments):
            seen.extend(
                pool["num_threads"]
                for pool in control.threadpool_info()
                if pool["user_api"] == "blas"
            )
            return quick(*arguments)

        before = [pool["num_threads"] for pool in control.threadpool_info()]
        with changed(quick_sums=spy):
            flash_attention(*normal(16, 3, 20, 4), block=5, workers=2)
        assert seen and set(seen) == {1}
        assert [pool["num_threads"] for pool in control.threadpool_info()] == before


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread are for POSIX")
def test_an_interrupt_leaves_no_thread_at_work():
    calls, quick, before = [], efficient.quick_sums, set(threading.enumerate())

    def slow(*arguments):
        calls.append(time.sleep(0.02))
        return quick(*arguments)

    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    timer = threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT))
    try:
        with changed(quick_sums=slow), pytest.raises(KeyboardInterrupt):
            timer.start()
            flash_attention(*normal(17, 3, 2000, 4), block=4, workers=2)
    finally:
        signal.signal(signal.SIGINT, old)
        timer.join()
    done = len(calls)
    assert done < 250, "of 500 jobs: it waited for all of them"
    assert set(threading.enumerate()) <= before
    time.sleep(0.1)
    assert len(calls) == done


@pytest.mark.parametrize("sign", [1, -1])
def test_an_error_in_a_thread_comes_out_and_leaves_no_thread(sign):
    """A product of q and k beyond float32 is refused, as everywhere, also where it would only be a
    weight of 0.
    """
    q, k, v = normal(18, 3, 200, 4)
    before = set(threading.enumerate())
    q[:], k[:] = 0, 0  # no other score is large
    q[150], k[20] = 1e30, sign * 1e30
    for workers in (1, 2):
        with pytest.raises(ValueError, match=r"^q @ k must be finite"):
            flash_attention(q, k, v, block=10, workers=workers)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("allowed", [0, 1])
def test_without_threads_one_does_all_the_work(monkeypatch, allowed):
    """As Python in a browser, which can start no thread, or a machine that can start no more."""
    q, k, v = normal(19, 3, 200, 4)
    expected = flash_attention(q, k, v, block=10, workers=1)
    start, started = threading.Thread.start, []

    def refuse(self):
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    np.testing.assert_array_equal(flash_attention(q, k, v, block=10, workers=3), expected)
    assert not any(thread.is_alive() for thread in started)


def test_inputs_stay_as_they_were():
    q, k, v = normal(20, 3, 2, 50, 4)
    mask, bias = masks.causal(50), normal(21, 50, 50)
    for array in (q, k, v, mask, bias):
        array.flags.writeable = False  # writing would raise
    before = [array.copy() for array in (q, k, v, mask, bias)]
    flash_attention(q, k, v, mask=mask, bias=bias, softcap=3, block=8)
    flash_attention(q * 1000, k, v, mask=mask, bias=bias, softcap=3000, block=8)
    first = local_attention(q, k, v, window=5, causal=True, n_global=2)
    for array, old in zip((q, k, v, mask, bias), before):
        np.testing.assert_array_equal(array, old)
    first[:] = np.nan  # a result is nobody else's memory
    assert np.isfinite(local_attention(q, k, v, window=5, causal=True, n_global=2)).all()


# ---- memory --------------------------------------------------------------------------------------


def extra_memory(run):
    """Bytes at the peak, beyond what there was before, the output included."""
    run()  # what is kept for later calls is made
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LONG = 16_384
CALLS = {
    "causal": lambda q, k, v: flash_attention(q, k, v, causal=True, workers=1),
    "two workers": lambda q, k, v: flash_attention(q, k, v, causal=True, workers=2),
    "few queries, mask of one row": lambda q, k, v: flash_attention(
        q[:, :600], k, v, mask=masks.padding(9000, LONG), workers=1
    ),
    "few queries, bias of one row": lambda q, k, v: flash_attention(
        q[:, :600], k, v, bias=np.zeros(LONG, np.float32), workers=1
    ),
    "window": lambda q, k, v: local_attention(q, k, v, window=128, workers=1),
    "global and window": lambda q, k, v: local_attention(
        q, k, v, window=128, n_global=8, workers=2
    ),
    "a wide window": lambda q, k, v: local_attention(
        q[:, :, :16], k[:, :, :16], v, window=3000, causal=True, workers=1
    ),
    "large scores": lambda q, k, v: local_attention(
        q * np.float32(30), k, v, window=128, workers=1
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_memory_grows_with_n_and_not_with_its_square(call):
    """Less than three inputs at n = 16,384, of which one is the output; the weights would be 2 GiB,
    256 inputs.
    """
    q, k, v = normal(22, 2, LONG, 64), normal(23, 1, LONG, 64), normal(24, 1, LONG, 64)
    assert extra_memory(lambda: call(q, k, v)) < 3 * q.nbytes


# ---- flash_steps ---------------------------------------------------------------------------------


@examples
@given(
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 14),
    st.integers(0, 10**6),
    st.sampled_from([1, 30, 1000]),
)
def test_each_step_knows_the_keys_so_far(n_q, n_k, block, seed, size):
    """After a tile, m, l and o are what their definition says of the keys 0 … stop - 1."""
    rng = np.random.default_rng(seed)
    q, k, v = rng.normal(size=(n_q, 3)) * size, rng.normal(size=(n_k, 3)), rng.normal(size=(n_k, 2))
    scores, stop = q @ k.T / np.sqrt(3), 0
    for step in flash_steps(q, k, v, block):
        assert step.start == stop and step.stop == min(stop + block, n_k)
        stop = step.stop
        np.testing.assert_allclose(step.scores, scores[:, step.start : stop], rtol=1e-12)
        m = scores[:, :stop].max(1, keepdims=True)
        shares = np.exp(scores[:, :stop] - m)
        np.testing.assert_allclose(step.m, m, rtol=1e-12)
        np.testing.assert_allclose(step.l, shares.sum(1, keepdims=True), rtol=1e-9)
        close(step.o, shares @ v[:stop], 1e-9)
    assert stop == n_k
    close(step.o / step.l, plain(q, k, v), 1e-9)


def test_flash_steps_are_the_algorithm_that_runs():
    """The same code: with the running maximum, flash_attention equals the last step to the bit."""
    q, k, v = normal(25, 3, 20, 4)
    with changed(_tame=lambda *_: False, TILE=(20, 6)):
        *_, last = flash_steps(q, k, v, 6)
        np.testing.assert_array_equal(flash_attention(q, k, v), last.o / last.l)


# ---- what is refused -----------------------------------------------------------------------------


def ones(*shape):
    return np.ones(shape)


def holding(value, *shape):
    array = np.ones(shape)
    array.flat[-1] = value
    return array


WHOLE = "must be a whole number, got"
REFUSED = [
    (
        "NaN in q",
        lambda f: f(holding(np.nan, 3, 4), ones(3, 4), ones(3, 4)),
        ValueError,
        r"q must be finite, but q\[2, 3\] is nan",
    ),
    (
        "inf in k",
        lambda f: f(ones(3, 4), holding(np.inf, 3, 4), ones(3, 4)),
        ValueError,
        r"k must be finite, but k\[2, 3\] is inf",
    ),
    (
        "NaN in v, far away",
        lambda f: f(ones(3, 4), ones(3, 4), holding(np.nan, 3, 4)),
        ValueError,
        r"v must be finite",
    ),
    (
        "another d",
        lambda f: f(ones(3, 4), ones(3, 5), ones(3, 5)),
        ValueError,
        r"q and k must have the same last axis d",
    ),
    (
        "v of another length",
        lambda f: f(ones(3, 4), ones(3, 4), ones(2, 4)),
        ValueError,
        r"k and v must agree on every axis but the last",
    ),
    (
        "no tokens",
        lambda f: f(ones(0, 4), ones(3, 4), ones(3, 4)),
        ValueError,
        r"q and k need at least one token",
    ),
    (
        "one axis",
        lambda f: f(ones(4), ones(3, 4), ones(3, 4)),
        ValueError,
        r"q must have the shape \(..., n_q, d\), got \(4,\)",
    ),
    ("text", lambda f: f("abc", ones(3, 4), ones(3, 4)), TypeError, r"q must hold real numbers"),
    (
        "3 heads on 2",
        lambda f: f(ones(3, 5, 4), ones(2, 5, 4), ones(2, 5, 4)),
        ValueError,
        r"the heads of q must be a multiple of those of k, got q \(3, 5, 4\), k \(2, 5, 4\)",
    ),
    (
        "other batches",
        lambda f: f(ones(3, 1, 5, 4), ones(2, 1, 5, 4), ones(2, 1, 5, 4)),
        ValueError,
        r"the leading axes of q and k do not fit, got q \(3, 1, 5, 4\), k \(2, 1, 5, 4\)",
    ),
    (
        "scale 0",
        lambda f: f(ones(3, 4), ones(3, 4), ones(3, 4), scale=0),
        ValueError,
        r"scale must be a finite number above 0",
    ),
    (
        "softcap -1",
        lambda f: f(ones(3, 4), ones(3, 4), ones(3, 4), softcap=-1),
        ValueError,
        r"softcap must be",
    ),
    (
        "causal=1",
        lambda f: f(ones(3, 4), ones(3, 4), ones(3, 4), causal=1),
        TypeError,
        r"causal must be True or False, got 1",
    ),
    (
        "workers 0",
        lambda f: f(ones(3, 4), ones(3, 4), ones(3, 4), workers=0),
        ValueError,
        r"workers must be at least 1, got 0",
    ),
    (
        "workers 1.5",
        lambda f: f(ones(3, 4), ones(3, 4), ones(3, 4), workers=1.5),
        TypeError,
        rf"workers {WHOLE} 1.5",
    ),
]


def local(*qkv, window=2, **options):
    return local_attention(*qkv, window=window, **options)


@pytest.mark.parametrize("attend", [flash_attention, local])
@pytest.mark.parametrize(
    "call, error, message", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(attend, call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call(attend)


FLASH = [
    ({"mask": np.ones((3, 3))}, TypeError, r"mask must be boolean"),
    (
        {"mask": np.ones((4, 3), bool)},
        ValueError,
        r"mask has the shape \(4, 3\), which does not fit the weights' shape \(2, 3, 3\)",
    ),
    ({"mask": np.ones((5, 2, 3, 3), bool)}, ValueError, r"mask has the shape \(5, 2, 3, 3\)"),
    ({"bias": np.full((3, 3), np.nan)}, ValueError, r"bias must not hold NaN"),
    ({"bias": np.full((3, 3), np.inf)}, ValueError, r"bias must not hold NaN or \+inf"),
    (
        {"bias": np.full(3, [0, 0, np.nan]), "mask": masks.padding(2, 3), "block": 1},
        ValueError,
        r"bias must not hold .* does at \[2\]",
    ),
    ({"bias": np.zeros((2, 2))}, ValueError, r"bias has the shape \(2, 2\)"),
    ({"block": 0}, ValueError, r"block must be at least 1, got 0"),
    ({"block": 2.0}, TypeError, rf"block {WHOLE} 2.0"),
]


@pytest.mark.parametrize("options, error, message", FLASH, ids=[message for *_, message in FLASH])
def test_flash_refuses(options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        flash_attention(ones(2, 3, 4), ones(2, 3, 4), ones(2, 3, 4), **options)


LOCAL = [
    ({"window": 0}, ValueError, r"window must be at least 1, got 0"),
    ({"window": 2.0}, TypeError, rf"window {WHOLE} 2.0"),
    ({"n_global": -1}, ValueError, r"n_global must be at least 0, got -1"),
    ({"n_global": True}, TypeError, rf"n_global {WHOLE} True"),
    (
        {"n_global": 1},
        ValueError,
        r"with n_global, q must have no more tokens than k, got n_q=4, n_k=3",
    ),
]


@pytest.mark.parametrize("options, error, message", LOCAL, ids=[message for *_, message in LOCAL])
def test_local_refuses(options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        local_attention(ones(4, 4), ones(3, 4), ones(3, 4), **{"window": 2, **options})


def test_flash_steps_refuse():
    with pytest.raises(
        ValueError,
        match=r"^flash_steps shows one head, .* got q \(2, 3, 4\), k \(3, 4\), v \(3, 4\)",
    ):
        flash_steps(ones(2, 3, 4), ones(3, 4), ones(3, 4), 2)
    with pytest.raises(ValueError, match=r"^block must be at least 1, got 0"):
        flash_steps(ones(3, 4), ones(3, 4), ones(3, 4), 0)
    with pytest.raises(ValueError, match=r"^k must be finite"):
        flash_steps(ones(3, 4), holding(np.nan, 3, 4), ones(3, 4), 2)


# ---- the benchmark -------------------------------------------------------------------------------


def row(who, n, seconds, pattern="full", memory=None):
    return bench.Row(pattern, n, who, np.array(seconds, float), memory)


def test_the_benchmark_prints_every_pattern_and_draws_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(bench, "LENGTHS", [130, 200, 10**6])
    monkeypatch.setattr(bench, "SHORT", 0)
    monkeypatch.setattr(bench, "SLOPE_FROM", 0)
    absent = lambda *_: __import__("no_such_library")  # noqa: E731
    wrong = lambda pattern, q, k, v, threads: lambda: q  # noqa: E731
    monkeypatch.setattr(
        bench,
        "PEERS",
        {
            "attnlib, whole matrix": (peers.whole_matrix, range(150)),
            "absent": (absent, range(10**7)),
            "wrong": (wrong, range(10**7)),
        },
    )
    assert (
        bench_main(["attention", "--quick", "--longest", "200", "--out", str(tmp_path / "a.png")])
        == 0
    )
    said = capsys.readouterr().out
    for pattern in bench.PATTERNS:
        assert f"\n{pattern.name}\n" in said
    assert (
        said.count("     130  attnlib  ")
        == said.count("     130  attnlib, whole matrix")
        == said.count("     200  attnlib  ")
        == 4
    )
    assert "200  attnlib, whole" not in said and "1,000,000" not in said
    assert said.count("CPU time grows as attnlib n^") == 4 and "(130 to 200)" in said
    assert (
        "absent: not measured (ModuleNotFoundError" in said
        and "wrong: not measured (ValueError: its output differs by" in said
    )
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "pattern", bench.PATTERNS, ids=[pattern.name for pattern in bench.PATTERNS]
)
def test_the_benchmark_measures_the_same_thing_on_all_sides(pattern):
    q, k, v = normal(26, 3, 2, 300, 8)
    close(pattern.ours(q, k, v, 1), plain(q, k, v, mask=pattern.mask(300)), 4e-6)
    close(peers.whole_matrix(pattern, q, k, v, 1)(), plain(q, k, v, mask=pattern.mask(300)), 4e-6)
    bench.agree("whole", peers.whole_matrix(pattern, q, k, v, 1)(), pattern, q, k, v)
    with pytest.raises(ValueError, match="its output differs by"):
        bench.agree("nudged", pattern.ours(q, k, v, 1) + np.float32(2e-4), pattern, q, k, v)


def test_the_benchmark_takes_its_ratios_round_by_round():
    ours = row("attnlib", 4096, [[0.1, 0.2], [0.2, 0.2], [0.4, 0.2], [9, 9]], memory=1.25)
    theirs = row("peer", 4096, [[0.2, 0.6], [0.4, 0.2], [0.8, 0.8]])
    first, second = bench.lines([ours, theirs])
    assert first.split() == ["4,096", "attnlib", "300.0", "200.0", "1.00", "1.00", "4", "1.25"]
    assert second.split() == ["4,096", "peer", "400.0", "600.0", "3.00", "2.00", "3"]


def test_the_benchmark_fits_the_slope_from_1024_on():
    rows = [
        row("attnlib", n, [[1, 1e-9 * n**1.5 if n >= 1024 else 5]])
        for n in (512, 1024, 4096, 16384)
    ]
    assert bench.slope(rows, "full") == "CPU time grows as attnlib n^1.50 (1,024 to 16,384)"
    assert bench.slope(rows[:2], "full") == ""


def test_the_benchmark_foresees_a_call_that_takes_too_long():
    full = bench.PATTERNS[0]
    rows = [row("a", 1024, [[1, 2]]), row("a", 4096, [[4, 9]]), row("b", 1024, [[3, 2]])]
    assert bench.expected([], full, "a", 128) == 0
    assert bench.expected(rows, full, "a", 16384) == pytest.approx(16)  # it grew as n
    # n² until more is known, by the smaller clock
    assert bench.expected(rows, full, "b", 4096) == pytest.approx(32)
    assert bench.expected(rows, bench.PATTERNS[1], "a", 4096) == 0


def test_the_benchmark_refuses_what_it_cannot_do(capsys):
    for arguments in (
        ["attention", "--out", "a.gif"],
        ["attention", "--longest", "64"],
        ["attention", "--threads", "0"],
        ["speed"],
    ):
        with pytest.raises(SystemExit):
            bench_main(arguments)
    said = capsys.readouterr().err
    assert (
        "--out must end in .png or .svg" in said
        and "--longest must be at least 128" in said
        and "invalid choice: 'speed'" in said
    )


# ---- the published ONNX cases --------------------------------------------------------------------


@pytest.mark.filterwarnings("default::DeprecationWarning")
@pytest.mark.parametrize("block", [1, 4])
def test_published_onnx_cases_through_flash(monkeypatch, block):
    """The 93 Attention cases again, with the output of flash_attention: masks, biases, caches,
    grouped heads, empty rows.
    """
    pytest.importorskip("onnx")
    import onnx_adapter
    import test_conformance

    plainly, calls = onnx_adapter.attnlib.scaled_dot_product_attention, []

    def by_flash(q, k, v, **options):
        calls.append(q.shape)
        return flash_attention(q, k, v, block=block, **options), plainly(q, k, v, **options)[1]

    monkeypatch.setattr(onnx_adapter.attnlib, "scaled_dot_product_attention", by_flash)
    cases = onnx_adapter.cases("Attention")
    for case in cases:
        test_conformance.test_published_case(case)
    assert len(calls) == len(cases) >= 93


@pytest.mark.parametrize("whole", [np.uint8, np.int8, np.uint32, np.int64, np.uint64, np.array])
def test_whole_numbers_of_numpy_are_whole_numbers(whole):
    """A small or unsigned kind must not wrap around in the arithmetic of the tiles."""
    q, k, v = normal(20, 300, 8), normal(21, 300, 8), normal(22, 300, 8)
    plain = local_attention(q, k, v, window=100, n_global=2, workers=1)
    found = local_attention(q, k, v, window=whole(100), n_global=whole(2), workers=whole(1))
    np.testing.assert_array_equal(found, plain)
    plain = flash_attention(q, k, v, block=64, workers=1)
    np.testing.assert_array_equal(
        flash_attention(q, k, v, block=whole(64), workers=whole(1)), plain
    )


def test_running_sums_warn_of_nothing_at_the_ends_of_the_numbers():
    state = efficient.State(*(np.full((1, 1), x) for x in (-1.7e308, 1.0, 1.0)))
    with np.errstate(all="raise", under="ignore"):
        after = efficient.absorb(state, np.array([[1.7e308]]), np.ones((1, 1)))
    assert after.l == 1 and after.o == 1, "the old sums are worth nothing beside the new key"
