"""One BLAS thread in the tests and in every kernel that they start: two threads on a busy machine are slower, not faster."""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
