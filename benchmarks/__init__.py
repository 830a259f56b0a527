"""Benchmarks of H·T against the kernel that the package replaces: ``python -m benchmarks``."""

import os

# Before torch is imported: its profiler, which counts bytes here, would print two lines per use.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
