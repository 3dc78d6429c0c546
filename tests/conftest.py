"""What holds for the tests and for every kernel that they start.

One BLAS thread: two on a busy machine are slower, not faster. And nobody's exercises are done, whatever lies in notebooks/.
"""

import os
import tempfile
from pathlib import Path

import pytest

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
PROGRESS = Path(tempfile.mkdtemp(prefix="attnlib-"), "attnlib-progress.json")
os.environ["ATTNLIB_PROGRESS"] = str(PROGRESS)


@pytest.fixture(autouse=True)
def no_progress_is_left_behind():
    """What a test passes is forgotten, or a notebook that runs later in the same process would show it."""
    yield
    PROGRESS.unlink(missing_ok=True)
