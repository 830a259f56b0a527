"""The one predicate on derivatives: plain, recorded or traced."""

import pytest
import torch
from torch.autograd import forward_ad

from spectral_ham._internal.mode import carries_derivative, mode_of


def test_a_leaf_is_recorded_wherever_it_stands_and_only_where_grad_mode_is_on():
    T, leaf = torch.ones(2), torch.ones(2, requires_grad=True)
    assert mode_of() == mode_of(T, None, 1.0) == "plain"
    assert mode_of(leaf) == mode_of(T, None, leaf) == "recorded"
    with torch.no_grad():
        assert mode_of(leaf) == "plain"
    with torch.inference_mode():
        assert mode_of(leaf) == "plain"


@pytest.mark.parametrize("grad", [True, False])
def test_a_tangent_is_recorded_even_without_grad_mode(grad):
    with torch.set_grad_enabled(grad), forward_ad.dual_level():
        dual = forward_ad.make_dual(torch.ones(2), torch.ones(2))
        assert mode_of(torch.ones(2)) == "plain"
        assert mode_of(torch.ones(2), dual) == "recorded"
        assert carries_derivative(dual)


@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.vmap])
def test_torch_func_is_recorded_whatever_the_inputs(transform):
    seen = []

    def f(x):
        seen.append(mode_of(torch.ones(2)))
        return x.sum()

    transform(f)(torch.ones(2))
    assert seen == ["recorded"]


@pytest.mark.skipif(not torch._dynamo.is_dynamo_supported(), reason="torch.compile does not exist here")
def test_a_compiled_region_is_traced():
    torch._dynamo.reset()

    def f(x):
        return x + (1 if mode_of(x) == "traced" else 0)

    assert torch.compile(f, backend="eager", fullgraph=True)(torch.zeros(1)) == 1
    torch._dynamo.reset()


def test_what_carries_a_derivative_carries_it_without_grad_mode_too():
    leaf = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert carries_derivative(leaf)
    assert not carries_derivative(leaf.detach())
