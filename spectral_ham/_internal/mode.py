"""The one predicate on derivatives: does anybody look on while an operation runs?"""

from typing import Literal, TypeAlias

import torch
from torch.autograd import forward_ad

Mode: TypeAlias = Literal["plain", "recorded", "traced"]
"""plain: nobody looks on, anything goes. recorded: autograd or torch.func does. traced: torch.compile does."""


def mode_of(*inputs: torch.Tensor | float | None) -> Mode:
    """Return how an operation on ``inputs`` has to run. Asked once per call.

    Example:
        >>> import torch
        >>> T = torch.ones(3, requires_grad=True)
        >>> mode_of(T.detach()), mode_of(T)
        ('plain', 'recorded')
    """
    if torch.compiler.is_compiling():
        return "traced"
    if torch._C._functorch.peek_interpreter_stack() is not None:  # inside torch.func: grad, jvp, vmap
        return "recorded"
    recording, forward = torch.is_grad_enabled(), forward_ad._current_level >= 0
    if recording or forward:
        for x in inputs:
            if isinstance(x, torch.Tensor) and ((recording and x.requires_grad) or (forward and has_tangent(x))):
                return "recorded"
    return "plain"


def has_tangent(tensor: torch.Tensor) -> bool:
    """Tell whether ``tensor`` is a dual number of forward-mode AD."""
    return forward_ad.unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]


def carries_derivative(tensor: torch.Tensor) -> bool:
    """Tell whether a derivative flows through ``tensor``, in reverse or in forward mode, recorded now or not.

    What carries one is never kept: its values change with each step of an optimizer.
    """
    return tensor.requires_grad or (forward_ad._current_level >= 0 and has_tangent(tensor))
