"""The published ONNX operator cases are an oracle that nobody here has written."""

import numpy as np
import onnx
import onnx_adapter
import pytest

# Relative. ONNX's own runner allows 1e-3, and 2**-6 (two units in the last place) for bfloat16.
TOLERANCE = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 2**-6}
# onnx 1.23 publishes this many cases; a later one may add some, and they run too.
COUNTS = {
    "Attention": 93,
    "Softmax": 7,
    "LayerNormalization": 19,
    "RMSNormalization": 19,
    "Gelu": 4,
    "RotaryEmbedding": 8,
}
CASES = [case for operator in COUNTS for case in onnx_adapter.cases(operator)]


def test_nothing_is_left_out():
    if tuple(int(part) for part in onnx.__version__.split(".")[:2]) < (1, 23):
        pytest.skip(f"counted for onnx 1.23, this is {onnx.__version__}")
    for operator, count in COUNTS.items():
        assert len(onnx_adapter.cases(operator)) >= count, operator


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("case", CASES, ids=[case.name.removeprefix("test_") for case in CASES])
def test_published_case(case):
    before = [np.array(array, copy=True) for array in case.data_sets[0][0]]
    outputs, expected, inputs = onnx_adapter.run(case)
    assert len(outputs) == len(expected)
    for ours, theirs in zip(outputs, expected):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        rtol = TOLERANCE[theirs.dtype.name]
        np.testing.assert_allclose(
            ours.astype(np.float64), theirs.astype(np.float64), rtol=rtol, atol=1e-7
        )
    for array, copy in zip(inputs, before):
        np.testing.assert_array_equal(array, copy)
