"""Benchmarks: ``spectral-ham bench`` or ``python -m benchmarks``, from a clone of the repository."""

import os

# Before torch is imported: its profiler, which counts bytes here, would print two lines per use.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
