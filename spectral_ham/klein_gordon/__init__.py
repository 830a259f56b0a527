"""The second-order system (T, P)."""
