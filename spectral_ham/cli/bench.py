"""The command ``spectral-ham bench``: the benchmarks of the repository, where there is one."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmarks of a cloned repository; the wheel does not contain them."""
    import spectral_ham

    root = Path(spectral_ham.__file__).parents[1]
    if not (root / "benchmarks" / "__main__.py").is_file():
        raise ImportError(
            "`spectral-ham bench` needs the folder benchmarks/, which is not installed with the package: "
            'clone the repository and install it from there, pip install -e ".[bench]".'
        )
    sys.path.insert(0, str(root))
    try:
        return int(import_module("benchmarks.__main__").main(arguments))
    finally:
        sys.path.remove(str(root))
