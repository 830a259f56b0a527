"""Evolution in time: choose, build, integrate, record."""
