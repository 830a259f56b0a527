"""What a bug report and a paper need to know about this installation."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from spectral_ham.execution.numba import jit

PACKAGES = ("torch", "numpy", "scipy", "tabulate", "matplotlib")


def about() -> str:
    """Return versions, devices and threads, one a line: for bug reports.

    Example:
        >>> import spectral_ham as sh
        >>> sh.about().splitlines()[0] == f"spectral_ham {sh.__version__}"
        True
    """
    from spectral_ham import __version__

    fft = "MKL" if torch.backends.mkl.is_available() else "PocketFFT"  # type: ignore[no-untyped-call]
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return "\n".join(
        [
            f"spectral_ham {__version__}",
            f"python {platform.python_version()}, {platform.system()} {platform.machine()}",
            *(f"{package} {_version(package)}" for package in PACKAGES),
            f"cpu: {torch.backends.cpu.get_cpu_capability()}, FFT by {fft}",
            f"threads: {torch.get_num_threads()} within operators, {torch.get_num_interop_threads()} between them",
            jit.describe(),
            f"cuda: {', '.join(cuda) or 'none'}",
        ]
    )


def citation() -> str:
    """Return a BibTeX entry for this version.

    Example:
        >>> import spectral_ham as sh
        >>> print(sh.citation().splitlines()[0])
        @software{spectral_ham,
    """
    from spectral_ham import __version__

    return "\n".join(
        [
            "@software{spectral_ham,",
            "  title = {spectral\\_ham: Hamiltonian operators for tensor fields on a periodic torus},",
            "  author = {{The spectral\\_ham developers}},",
            f"  version = {{{__version__}}},",
            "}",
        ]
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"
