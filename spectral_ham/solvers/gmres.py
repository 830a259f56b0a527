"""GMRES: a linear system, restarted and preconditioned from the right."""

from collections.abc import Callable

import torch

from spectral_ham.errors import SolverError

RESTART = 20
MAX_RESTARTS = 50

Operator = Callable[[torch.Tensor], torch.Tensor]


def gmres(operator: Operator, preconditioner: Operator, B: torch.Tensor, tol: float, *, where: str) -> torch.Tensor:
    """Return X with ‖A X − B‖ ≤ tol·‖B‖.

    Args:
        operator: X ↦ A X, linear.
        preconditioner: B ↦ M B with M ≈ A⁻¹; where M = A⁻¹, the first guess M B is the solution.
        B: the right-hand side.
        tol: bound of the residual, relative to ‖B‖.
        where: the class of the user's that asks, for the message.

    Raises:
        SolverError: the residual stays above ``tol`` after 1000 iterations.

    Reference:
        Saad & Schultz (1986), SIAM J. Sci. Stat. Comput. 7, 856, doi:10.1137/0907058.

    Example:
        >>> import torch
        >>> A = torch.tensor([[3.0, 1.0], [0.0, 2.0]], dtype=torch.float64)
        >>> gmres(lambda x: A @ x, lambda b: b / 2, torch.tensor([4.0, 2.0], dtype=torch.float64), 1e-12, where="A")
        tensor([1., 1.], dtype=torch.float64)
    """
    target = tol * float(torch.linalg.vector_norm(B))
    X = preconditioner(B)
    residual = B - operator(X)
    for _ in range(MAX_RESTARTS):
        if float(torch.linalg.vector_norm(residual)) <= target:
            return X
        X = X + _correction(operator, preconditioner, residual, target)
        residual = B - operator(X)
    reached = float(torch.linalg.vector_norm(residual) / torch.linalg.vector_norm(B))
    raise SolverError(
        f"`{where}(tol={tol})` must be reachable, but the residual is {reached:.3g} after "
        f"{RESTART * MAX_RESTARTS} iterations. Raise tol (rounding limits it), or shorten dt."
    )


def _correction(operator: Operator, preconditioner: Operator, residual: torch.Tensor, target: float) -> torch.Tensor:
    """Return the correction that lies in the space of at most ``RESTART`` Krylov vectors and leaves least residual."""
    scale = torch.linalg.vector_norm(residual)
    basis = [residual / scale]
    rows: list[torch.Tensor] = []
    for k in range(RESTART):
        candidate = operator(preconditioner(basis[k]))
        column = torch.zeros(RESTART + 1, dtype=candidate.dtype, device=candidate.device)
        for i, vector in enumerate(basis):
            column[i] = torch.linalg.vecdot(vector.flatten(), candidate.flatten())
            candidate = candidate - column[i] * vector
        norm = torch.linalg.vector_norm(candidate)
        column[k + 1] = norm
        rows.append(column)
        system = torch.stack(rows, dim=1)[: k + 2]
        rhs = torch.zeros(k + 2, 1, dtype=system.dtype, device=system.device)
        rhs[0] = scale
        Q, R = torch.linalg.qr(system)  # lstsq's default driver gives other bits from call to call
        y = torch.linalg.solve_triangular(R, Q.mH @ rhs, upper=True)
        if float(torch.linalg.vector_norm(system @ y - rhs)) <= target or float(norm) == 0:
            break
        basis.append(candidate / norm)
    combined = torch.zeros_like(residual)
    for weight, vector in zip(y.flatten(), basis, strict=False):
        combined = combined + weight * vector
    return preconditioner(combined)
