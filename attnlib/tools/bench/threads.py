"""How many threads NumPy's matrix products use during a benchmark."""

import os


def blas_threads(n):
    """Hold BLAS to n threads: by threadpoolctl, or by the environment before Python starts."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        if os.environ.get("OPENBLAS_NUM_THREADS") != str(n):
            print(
                f"For {n} thread{'s' * (n > 1)} in each matrix product, start this with"
                f" OPENBLAS_NUM_THREADS={n}."
            )
        return
    threadpool_limits(n)
