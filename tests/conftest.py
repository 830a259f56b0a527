"""What all tests share: one thread, fixed seeds, hypothesis without chance, and no state left behind."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from covers import cover
from hypothesis import settings

import spectral_ham as sh
from spectral_ham.drop_in import context

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a pairwise cover of the cases of every test that is marked so."""
    families: dict[tuple[object, str], list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("pairwise") is not None:
            families.setdefault((item.parent, item.originalname), []).append(item)
    left_out: set[pytest.Item] = set()
    for family in families.values():
        choices = [[(name, repr(value)) for name, value in item.callspec.params.items()] for item in family]
        kept = cover([tuple(sorted(case)) for case in choices])
        left_out.update(item for number, item in enumerate(family) if number not in kept)
    items[:] = [item for item in items if item not in left_out]


def process_state() -> tuple[object, ...]:
    """Return what a call may borrow but must give back."""
    return (
        context.current_frame(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_float32_matmul_precision(),
    )


@pytest.fixture(autouse=True)
def isolated() -> Iterator[None]:
    """Seed every test alike, and refuse one after which the process is not as it was."""
    torch.manual_seed(20240607)
    np.random.seed(20240607)  # noqa: NPY002 - scipy's solvers draw their start vectors from here
    before = process_state()
    yield
    assert process_state() == before


@pytest.fixture
def empty_cache() -> Iterator[None]:
    """Start with no cached tables, and leave none."""
    sh.clear_cache()
    yield
    sh.clear_cache()
