"""The speed claims of the review of the replaced kernel: each fix made alone, to the kernel as it was, and measured.

The kernel is the metric form with zero padding, without V. Every fix keeps its result.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.harness import reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import HBAR, MASS, METRIC
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.rivals import replaced_kernel
from benchmarks.rivals.replaced_kernel import ALONG_X, ALONG_Y
from benchmarks.suites.operators import hamiltonian

FIXES, SHARES = "replaced kernel, one fix", "replaced kernel, a part of it"
AS_IT_WAS = "as it was"
CLAIMS: Mapping[str, tuple[int, int] | None] = {
    "no .item()": (15, 15),
    "cached kernels": (20, 20),
    "torch.jit.script": (10, 15),
    "fused: one convolution for both axes": (10, 10),
    "unfold instead of convolution": None,
    "all of these but unfold": (50, 60),
}
"""Fix → percentages of the time, from and to, that the review says it saves; None: it promises less memory."""

PROFILE = {
    "convolutions": "45 %",
    "permutations and reshapes": "25 %",
    ".item()": "15 %",
    "metric extraction": "10 %",
    "kernels made and repeated": "within the convolutions",
    "arithmetic": "5 %",
}
"""Part → the share of the time that the review estimates."""

SHAPES = ((28, 28, 16, 16), (8, 8, 16, 16))
Kernel = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
FACTOR = -(HBAR**2) / (2 * MASS)


def to_images(T: torch.Tensor) -> torch.Tensor:
    """Return T as the one batch of images that it convolves."""
    N_x, N_y, D, D_out = T.shape
    return T.permute(2, 3, 0, 1).reshape(1, D * D_out, N_x, N_y)


def to_field(images: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return the images as a field."""
    N_x, N_y, D, D_out = T.shape
    return images.reshape(D, D_out, N_x, N_y).permute(2, 3, 0, 1)


def repeated(weights: tuple[tuple[int, ...], ...], T: torch.Tensor) -> torch.Tensor:
    """Return one copy of the 3×3 weights per channel."""
    channels = T.shape[2] * T.shape[3]
    return torch.tensor(weights, dtype=T.dtype, device=T.device).reshape(1, 1, 3, 3).repeat(channels, 1, 1, 1)


@lru_cache
def cached(
    weights: tuple[tuple[int, ...], ...], dtype: torch.dtype, device: torch.device, channels: int
) -> torch.Tensor:
    """Return `repeated` weights, made once."""
    return torch.tensor(weights, dtype=dtype, device=device).reshape(1, 1, 3, 3).repeat(channels, 1, 1, 1)


def convolve(T: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Return the depthwise convolution, with its permutations."""
    return to_field(F.conv2d(to_images(T), kernel, padding="same", groups=len(kernel)), T)


def as_it_was(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Call the replaced kernel."""
    return replaced_kernel.hamiltonian_evolution_with_metric(T, HBAR, MASS, g)


def without_item(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Multiply by 0-d tensors."""
    laplacian = g[0] * convolve(T, repeated(ALONG_X, T)) + g[1] * convolve(T, repeated(ALONG_Y, T))
    return FACTOR * laplacian


def with_cached_kernels(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Make the repeated kernels once."""
    k_x, k_y = (cached(w, T.dtype, T.device, T.shape[2] * T.shape[3]) for w in (ALONG_X, ALONG_Y))
    return FACTOR * (g[0].item() * convolve(T, k_x) + g[1].item() * convolve(T, k_y))


def fused(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Convolve once, with the weights of both axes in one kernel."""
    return FACTOR * convolve(T, g[0].item() * repeated(ALONG_X, T) + g[1].item() * repeated(ALONG_Y, T))


def unfolded(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Gather the nine neighbors of every point, as the review writes it."""
    N_x, N_y, D, D_out = T.shape
    patches = F.unfold(T.permute(2, 3, 0, 1).reshape(D * D_out, 1, N_x, N_y), kernel_size=3, padding=1)
    p = patches.reshape(D * D_out, 9, N_x, N_y)
    along_x = p[:, 3] + p[:, 5] - 2 * p[:, 4]
    along_y = p[:, 1] + p[:, 7] - 2 * p[:, 4]
    return to_field(FACTOR * (g[0].item() * along_x + g[1].item() * along_y), T)


def _convolve_scripted(T: torch.Tensor, weights: list[list[float]]) -> torch.Tensor:
    N_x, N_y, D, D_out = T.shape
    images = T.permute(2, 3, 0, 1).reshape(1, D * D_out, N_x, N_y)
    kernel = torch.tensor(weights, dtype=T.dtype, device=T.device).reshape(1, 1, 3, 3)
    kernel = kernel.repeat(D * D_out, 1, 1, 1)
    return F.conv2d(images, kernel, padding="same", groups=D * D_out).reshape(D, D_out, N_x, N_y).permute(2, 3, 0, 1)


def _scripted_body(T: torch.Tensor, g: torch.Tensor, factor: float) -> torch.Tensor:
    g_xx, g_yy = float(g[0].item()), float(g[1].item())
    d2x = _convolve_scripted(T, [[0.0, 0.0, 0.0], [1.0, -2.0, 1.0], [0.0, 0.0, 0.0]])
    d2y = _convolve_scripted(T, [[0.0, 1.0, 0.0], [0.0, -2.0, 0.0], [0.0, 1.0, 0.0]])
    return factor * (g_xx * d2x + g_yy * d2y)


def _all_body(T: torch.Tensor, kernel: torch.Tensor, factor: float) -> torch.Tensor:
    N_x, N_y, D, D_out = T.shape
    images = T.permute(2, 3, 0, 1).reshape(1, D * D_out, N_x, N_y)
    result = F.conv2d(images, kernel, padding="same", groups=D * D_out)
    return factor * result.reshape(D, D_out, N_x, N_y).permute(2, 3, 0, 1)


def _scripted(function: Callable[..., torch.Tensor]) -> Any:
    """Return the function as TorchScript, which says on every use that it is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(function)


def fixes() -> dict[str, Kernel]:
    """Return the kernel as it was, and with each fix alone."""
    script, script_all = _scripted(_scripted_body), _scripted(_all_body)

    def with_all(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        k_x, k_y = (cached(w, T.dtype, T.device, T.shape[2] * T.shape[3]) for w in (ALONG_X, ALONG_Y))
        result: torch.Tensor = script_all(T, g[0] * k_x + g[1] * k_y, FACTOR)
        return result

    return {
        AS_IT_WAS: as_it_was,
        "no .item()": without_item,
        "cached kernels": with_cached_kernels,
        "torch.jit.script": lambda T, g: script(T, g, FACTOR),
        "fused: one convolution for both axes": fused,
        "unfold instead of convolution": unfolded,
        "all of these but unfold": with_all,
    }


def shares(T: torch.Tensor, g: torch.Tensor) -> Mapping[str, Callable[[], Any]]:
    """Return the parts of one call, each on what it meets there."""
    images, kernel = to_images(T), repeated(ALONG_X, T)
    d2 = convolve(T, kernel)
    return {
        "convolutions": lambda: [F.conv2d(images, kernel, padding="same", groups=len(kernel)) for _ in METRIC],
        "permutations and reshapes": lambda: [to_field(to_images(T), T) for _ in METRIC],
        ".item()": lambda: [g[axis].item() for axis in range(2)],
        "metric extraction": lambda: [g[axis] for axis in range(2)],
        "kernels made and repeated": lambda: [repeated(weights, T) for weights in (ALONG_X, ALONG_Y)],
        "arithmetic": lambda: FACTOR * (METRIC[0] * d2 + METRIC[1] * d2),
    }


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Yield the fixes, the parts and, beside them, the package."""
    yield from copy_and_pair(problem)
    T, g = problem.T, torch.tensor(METRIC, device=problem.T.device)
    error = relative_error(problem.exact(lambda wide: reference.zero_padded_fd(wide, METRIC[::-1]), potential=False))
    for name, kernel in fixes().items():
        yield Candidate(FIXES, name, problem, lambda kernel=kernel: kernel(T, g), error)
    for name, call in shares(T, g).items():
        yield Candidate(SHARES, name, problem, call, None)
    H = hamiltonian(problem, "fd", potential=False)
    exact = relative_error(problem.exact(reference.fd, potential=False))
    yield Candidate("H fd2, no V", f"{OURS}, auto", problem, lambda: H(T), exact)
