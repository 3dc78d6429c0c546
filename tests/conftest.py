"""What holds for the tests and for every kernel that they start.

One BLAS thread: two on a busy machine are slower, not faster. And nobody's exercises are done, whatever lies in notebooks/.
"""

import os
import tempfile

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
os.environ["ATTNLIB_PROGRESS"] = os.path.join(tempfile.mkdtemp(prefix="attnlib-"), "attnlib-progress.json")
