"""The ambient metric and backend of the drop-in functions. Classes never read it."""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self, final

import torch

from spectral_ham._internal.typing import BackendName, Scalar
from spectral_ham.backends import check_backend
from spectral_ham.drop_in.metric_diagonal import MetricDiagonal, spatial_components


class Inherit(Enum):
    """The type of `INHERIT`."""

    INHERIT = "INHERIT"

    def __repr__(self) -> str:
        return "INHERIT"


INHERIT: Final = Inherit.INHERIT
"""Keep what the enclosing context says."""


@dataclass(frozen=True, eq=False)
class _Frame:
    g_inv: MetricDiagonal | None
    backend: BackendName | None
    validate: bool
    owner: object = None
    start: float = 0.0


_OUTERMOST = _Frame(g_inv=None, backend=None, validate=True)
_frames: ContextVar[tuple[_Frame, ...]] = ContextVar("spectral_ham_geometry", default=(_OUTERMOST,))
_open_contexts = 0


@final
class GeometryContext:
    """Give the drop-in functions a metric and a backend while the block runs.

    The innermost context counts; an argument given to the function itself goes before it. Contexts are per
    thread and per asyncio task (contextvars): a new thread starts without any. Under torch.compile a context
    cannot be read: there a call that would need it raises instead of going flat.

    Args:
        g_inv_diag: diagonal of the inverse metric, (d,): the first two are g^xx and g^yy, a single one is
            isotropic (with a warning). None is flat; `INHERIT` keeps the outer value.
        backend: "spectral" or "fd"; None is the functions' default; `INHERIT` keeps the outer value.
        validate: check that the metric is finite and positive, here and in each call that uses it.
        track_perf: measure the wall time of the block into `elapsed_time`.

    Raises:
        ValueError: a metric that is not positive definite, contains NaN or Inf, or is not 1-D; an unknown backend.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.randn(6, 5, 2, 2, dtype=torch.complex64)
        >>> with sh.GeometryContext((2.0, 0.5)) as geometry:
        ...     inside = sh.hamiltonian_evolution_with_metric(T, hbar_cog=0.1, m_cog=1.0)
        >>> geometry.is_isotropic
        False
        >>> outside = sh.hamiltonian_evolution_with_metric(T, hbar_cog=0.1, m_cog=1.0, g_inv_diag=(2.0, 0.5))
        >>> torch.equal(inside, outside)
        True
    """

    def __init__(
        self,
        g_inv_diag: MetricDiagonal | Inherit | None = INHERIT,
        backend: BackendName | Inherit | None = INHERIT,
        validate: bool = True,
        track_perf: bool = False,
    ) -> None:
        if not isinstance(g_inv_diag, Inherit) and g_inv_diag is not None:
            spatial_components(g_inv_diag, validate=validate, where="GeometryContext(g_inv_diag=...)")
        if not isinstance(backend, Inherit) and backend is not None:
            check_backend("GeometryContext(backend=...)", backend)
        self._g_inv_diag = g_inv_diag
        self._backend = backend
        self._validate = validate
        self._track_perf = track_perf
        self.elapsed_time = 0.0
        """Seconds spent in the block, if ``track_perf``."""

    @property
    def g_inv(self) -> MetricDiagonal | None:
        """The diagonal in force: this context's own, or the one it inherits where it is read. None is flat."""
        return current_frame().g_inv if isinstance(self._g_inv_diag, Inherit) else self._g_inv_diag

    @property
    def backend(self) -> BackendName | None:
        """The backend in force: this context's own, or the one it inherits where it is read."""
        return current_frame().backend if isinstance(self._backend, Inherit) else self._backend

    @property
    def is_flat(self) -> bool:
        """Whether there is no metric: g^xx = g^yy = 1."""
        return self.g_inv is None

    @property
    def is_isotropic(self) -> bool:
        """Whether g^xx = g^yy. Reads the values (on an accelerator this waits for it)."""
        g_xx, g_yy = self.get_spatial_components()
        return bool(g_xx == g_yy)

    def get_spatial_components(self) -> tuple[Scalar, Scalar]:
        """Return (g^xx, g^yy): floats, or 0-d tensors where the metric is on an accelerator or carries a gradient."""
        g_inv = self.g_inv
        return (1.0, 1.0) if g_inv is None else spatial_components(g_inv, validate=False)

    def __enter__(self) -> Self:
        global _open_contexts
        inherits = isinstance(self._g_inv_diag, Inherit)
        frame = _Frame(
            g_inv=self.g_inv,
            backend=self.backend,
            validate=current_frame().validate if inherits else self._validate,
            owner=self,
            start=time.perf_counter(),
        )
        _frames.set((*_frames.get(), frame))
        _open_contexts += 1
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _open_contexts
        _open_contexts -= 1
        # Its own frame alone, wherever it is: a generator may be closed inside another context, or in another thread.
        frames = _frames.get()
        own = next((frame for frame in reversed(frames) if frame.owner is self), None)
        _frames.set(tuple(frame for frame in frames if frame is not own))
        if self._track_perf and own is not None:
            self.elapsed_time = time.perf_counter() - own.start


MetricContext = GeometryContext


def current_frame() -> _Frame:
    """Return what the innermost context says.

    Raises:
        RuntimeError: under torch.compile while some context is open, for the compiler cannot read it.
    """
    if torch.compiler.is_compiling():
        if _open_contexts:
            raise RuntimeError(
                "`GeometryContext` cannot be read under torch.compile, and one is open. "
                "Pass `g_inv_diag=` and `backend=` to the function itself."
            )
        return _OUTERMOST
    return _frames.get()[-1]
