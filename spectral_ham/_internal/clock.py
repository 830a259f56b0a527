"""When a step begins."""


def time_of_step(t: float, dt: float, n: int) -> float:
    """Return t + n·dt, when step n begins: a product, since a sum of n steps would gather n rounding errors.

    Example:
        >>> time_of_step(1.0, 0.1, 3) == 1.0 + 3 * 0.1
        True
    """
    return t + n * dt
