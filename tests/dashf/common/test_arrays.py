"""Looking up rows is NumPy's indexing, whatever way it takes."""

import numpy as np
import pytest

from dashf.common.arrays import rows_of


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_rows_are_those_of_the_index(count, shape):
    rng = np.random.default_rng(count)
    array = rng.random((count, *shape))
    for wanted in (0, 1, 7):
        rows = rng.integers(count, size=wanted)
        found = rows_of(array, rows)
        np.testing.assert_array_equal(found, array[rows])
        assert not np.shares_memory(found, array)
