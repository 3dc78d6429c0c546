"""Work for several threads: one matrix product in each, and a machine that may have none."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache

WORTH_THREADS = 3e9  # multiplications and additions: about 30 ms of one core


def share(work, jobs, workers):
    """Do all jobs; every job writes its own rows of the output, so their order is free."""
    with one_blas_thread():
        if workers == 1 or not in_threads(work, jobs, workers):
            for job in jobs:
                work(job)


def in_threads(work, jobs, workers):
    """Do all jobs in that many threads; False where no more threads can start, as in a browser.

    When it is interrupted, the waiting jobs are dropped, and the running ones end before it
    returns.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        futures = [pool.submit(work, job) for job in jobs]
    except RuntimeError:
        return False
    else:
        for future in futures:
            future.result()
        return True
    finally:
        pool.shutdown(cancel_futures=True)


def n_workers(asked, work):
    """How many threads: as asked, else one per core if BLAS can be held to one thread each."""
    if asked is not None:
        return asked
    single = blas() or "1" in (
        os.environ.get(f"{name}_NUM_THREADS") for name in ("OPENBLAS", "OMP", "MKL")
    )
    if work < WORTH_THREADS or not single:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache
def blas():
    """A handle on NumPy's BLAS where threadpoolctl is installed, else None."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController().select(user_api="blas")


def one_blas_thread():
    """While it is open, a matrix product runs in the thread that asks for it."""
    return blas().limit(limits=1) if blas() else nullcontext()
