"""What the tests of executions share."""

from collections.abc import Iterator

import pytest
import torch

from spectral_ham.execution.numba import jit


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Several threads, even for small fields."""
    monkeypatch.setattr(jit, "LEAST_NUMBERS", 0)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)
