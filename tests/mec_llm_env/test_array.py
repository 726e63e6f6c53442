"""What libraries do not share is the same in all of them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from mec_llm_env._array import ndtri

jnp = pytest.importorskip("jax.numpy")


def test_normal_quantiles_in_float32() -> None:
    tails = np.geomspace(1e-9, 0.4, 5001)
    wide = np.linspace(1e-3, 1 - 2**-23, 5001)
    probability = np.concatenate([tails, wide]).astype(np.float32)
    exact = scipy.special.ndtri(probability.astype(np.float64))
    ours = ndtri(jnp.asarray(probability))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, exact, rtol=5e-7, atol=1e-7)
    assert ndtri(jnp.asarray([0.5], jnp.float32))[0] == 0
