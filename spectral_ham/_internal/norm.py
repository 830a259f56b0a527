"""The 2-norm of a field at the speed of memory."""

import torch

ROW = 1024


def two_norm(T: torch.Tensor) -> float:
    """Return ‖T‖₂ = √Σ|T|², without gradient: NaN or Inf if and only if T is not finite or its squares overflow.

    torch's norm of a complex tensor takes four times as long as its Fourier transform; that of the real view is fast,
    and rows of 1024 numbers, added up in double precision, keep it exact to 1e-8 in single.

    Example:
        >>> two_norm(torch.tensor([3.0, 4.0j], dtype=torch.complex64))
        5.0
    """
    X = T.detach().resolve_conj().resolve_neg()
    X = (torch.view_as_real(X) if X.is_complex() else X).reshape(-1)
    whole = X.numel() // ROW * ROW
    rest = torch.linalg.vector_norm(X[whole:]).reshape(1)
    if whole == 0:
        return float(rest)
    rows = torch.linalg.vector_norm(X[:whole].view(-1, ROW), dim=1)
    return float(torch.linalg.vector_norm(torch.cat((rows, rest)), dtype=torch.float64))
