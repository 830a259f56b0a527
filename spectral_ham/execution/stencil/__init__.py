"""The stencil: every point adds up its neighbors."""
