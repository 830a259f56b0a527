"""Bad calls: each is refused by a named exception, in one form of message that names the argument, and does no harm."""

import math
import re
import warnings

import numpy as np
import pytest
import torch

import spectral_ham as sh
from oracles.fields import field
from spectral_ham._internal.memo import geometry_memo
from spectral_ham.backends import FiniteDifference, get_backend
from spectral_ham.drop_in import context

TORUS = sh.Torus((10, 9), lengths=(2.1, 3.7))
T = field((*TORUS.shape, 2, 2))
V = field(TORUS.shape, torch.float64)
H = sh.Hamiltonian(TORUS, potential=V)
FD = sh.Hamiltonian(TORUS, backend="fd", execution="stencil")
LAP = sh.Laplacian(TORUS)
SKEW = sh.Hamiltonian(TORUS, potential=field(TORUS.shape))
MATRIX = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(field((2, 2))))
NAN, INF = math.nan, math.inf

ROWS = {}


def refused(name, error, match):
    """Add the decorated call to the catalogue."""

    def add(call):
        assert name not in ROWS, name
        ROWS[name] = pytest.param(call, error, match, id=name)
        return call

    return add


def family(prefix, error, match, calls):
    """Add calls that must be refused alike."""
    for name, call in calls.items():
        refused(f"{prefix}: {name}", error, match)(call)


def with_entry(value, dtype=torch.float64, shape=TORUS.shape):
    made = torch.ones(shape, dtype=dtype)
    made[(1,) * len(shape)] = value
    return made


def half(dtype, shape=T.shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls complex32 experimental
        return torch.zeros(shape, dtype=dtype)


def on_meta(tensor):
    return tensor.to("meta")


def hamiltonian(**arguments):
    return sh.Hamiltonian(TORUS, **arguments)


def drop_in(T=T, **arguments):
    return sh.hamiltonian_evolution_with_metric(T, **{"hbar_cog": 0.1, "m_cog": 1.0, **arguments})


# Torus

family(
    "shape",
    ValueError,
    r"`Torus\(shape=\.\.\.\)` must be (1, 2 or 3 counts|an integer of at least 1), got",
    {
        "empty": lambda: sh.Torus(()),
        "four axes": lambda: sh.Torus((4, 4, 4, 4)),
        "zero": lambda: sh.Torus((4, 0)),
        "negative": lambda: sh.Torus(-4),
        "float": lambda: sh.Torus(4.0),
        "bool": lambda: sh.Torus((4, True)),
        "string": lambda: sh.Torus("88"),
        "None": lambda: sh.Torus(None),
        "floats in an array": lambda: sh.Torus(np.array([4.0, 4.0])),
    },
)
family(
    "lengths",
    ValueError,
    r"`Torus\(lengths=\.\.\.\)` must be a positive finite number, got",
    {
        "zero": lambda: sh.Torus((4, 5), lengths=(0.0, 1.0)),
        "negative": lambda: sh.Torus((4, 5), lengths=-1.0),
        "NaN": lambda: sh.Torus((4, 5), lengths=(1.0, NAN)),
        "Inf": lambda: sh.Torus((4, 5), lengths=INF),
        "no float holds it": lambda: sh.Torus((4, 5), lengths=10**400),
    },
)
family(
    "lengths",
    TypeError,
    r"`Torus\(lengths=\.\.\.\)` must be a positive finite number, got",
    {
        "bool": lambda: sh.Torus((4, 5), lengths=True),
        "complex": lambda: sh.Torus((4, 5), lengths=1j),
        "None within": lambda: sh.Torus((4, 5), lengths=(None, 1.0)),
        "2-d tensor": lambda: sh.Torus((4, 5), lengths=torch.ones(2, 1)),
    },
)
family(
    "lengths",
    ValueError,
    r"`Torus\(lengths=\.\.\.\)` must be one number or one per axis \(2\), got",
    {
        "one too few": lambda: sh.Torus((4, 5), lengths=(1.0,)),
        "one too many": lambda: sh.Torus((4, 5), lengths=(1.0, 2.0, 3.0)),
        "1-d tensor too long": lambda: sh.Torus((4, 5), lengths=torch.ones(3)),
        "string": lambda: sh.Torus((4, 5), lengths="12"),
    },
)
family(
    "spacing",
    ValueError,
    r"`Torus\(spacing=\.\.\.\)` must be",
    {
        "zero": lambda: sh.Torus((4, 5), spacing=0),
        "too many": lambda: sh.Torus((4, 5), spacing=(1.0, 1.0, 1.0)),
    },
)
refused("lengths and spacing", ValueError, r"`Torus` must be given `lengths` or `spacing`, got both.*Drop one")(
    lambda: sh.Torus((4, 5), lengths=1.0, spacing=1.0)
)
refused("origin: NaN", ValueError, r"`Torus\(origin=\.\.\.\)` must be a finite number, got nan")(
    lambda: sh.Torus((4, 5), origin=NAN)
)
refused("origin: strings", TypeError, r"`Torus\(origin=\.\.\.\)` must be a finite number, got '0'")(
    lambda: sh.Torus((4, 5), origin=("0", "1"))
)
family(
    "axis",
    ValueError,
    r"`Torus\.wavenumbers\(axis=\.\.\.\)` must be an axis of this 2-D torus, got",
    {
        "too large": lambda: TORUS.wavenumbers(2),
        "too negative": lambda: TORUS.wavenumbers(-3),
        "bool": lambda: TORUS.wavenumbers(True),
        "float": lambda: TORUS.wavenumbers(1.0),
        "name": lambda: TORUS.wavenumbers("x"),
    },
)
family(
    "torus",
    TypeError,
    r"`[^`]*torus[^`]*` must be a Torus, got",
    {
        "Hamiltonian of a shape": lambda: sh.Hamiltonian((10, 9)),
        "Laplacian of a shape": lambda: sh.Laplacian((10, 9)),
        "Hamiltonian of another Hamiltonian": lambda: sh.Hamiltonian(H),
    },
)

# The inverse metric

METRIC = r"`InverseMetric\(components=\.\.\.\)` must be "
family(
    "metric",
    ValueError,
    METRIC + "positive definite, got",
    {
        "zero": lambda: sh.InverseMetric((0.0, 1.0)),
        "negative": lambda: sh.InverseMetric((1.0, -2.0)),
        "indefinite": lambda: sh.InverseMetric([[1.0, 2.0], [2.0, 1.0]]),
        "semidefinite": lambda: sh.InverseMetric([[1.0, 1.0], [1.0, 1.0]]),
        "negative matrix": lambda: sh.InverseMetric([[-1.0, 0.0], [0.0, -1.0]]),
        "through Laplacian": lambda: sh.Laplacian(TORUS, inverse_metric=(1.0, 0.0)),
        "needs a gradient": lambda: sh.InverseMetric(torch.tensor([1.0, -1.0], requires_grad=True)),
    },
)
family(
    "metric",
    ValueError,
    METRIC + "finite, but contains NaN or Inf",
    {
        "NaN": lambda: sh.InverseMetric((1.0, NAN)),
        "Inf": lambda: sh.InverseMetric((INF, 1.0)),
        "NaN off the diagonal": lambda: sh.InverseMetric([[1.0, NAN], [NAN, 1.0]]),
        "through Hamiltonian": lambda: hamiltonian(inverse_metric=torch.tensor([1.0, INF])),
    },
)
refused("metric: not symmetric", ValueError, METRIC + "symmetric, got")(
    lambda: sh.InverseMetric([[1.0, 0.2], [0.1, 1.0]])
)
family(
    "metric",
    ValueError,
    METRIC + r"the diagonal \(d,\) or the matrix \(d, d\)",
    {
        "number": lambda: sh.InverseMetric(2.0),
        "empty": lambda: sh.InverseMetric(()),
        "four axes": lambda: sh.InverseMetric((1.0, 1.0, 1.0, 1.0)),
        "not square": lambda: sh.InverseMetric([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        "a field of metrics": lambda: sh.InverseMetric(torch.ones(10, 9, 2)),
    },
)
family(
    "metric",
    TypeError,
    METRIC + "real numbers",
    {
        "complex tensor": lambda: sh.InverseMetric(torch.ones(2, dtype=torch.complex64)),
        "complex numbers": lambda: sh.InverseMetric((1j, 1.0)),
        "complex array": lambda: sh.InverseMetric(np.array([1.0 + 1j, 2.0])),
        "a complex tensor within": lambda: sh.InverseMetric((torch.tensor(1.0 + 1j), 1.0)),
        "bool": lambda: sh.InverseMetric(torch.tensor([True, True])),
        "string": lambda: sh.InverseMetric("ab"),
        "strings": lambda: sh.InverseMetric(("1", "2")),
        "None": lambda: sh.InverseMetric(None),
        "ragged": lambda: sh.InverseMetric([[1.0, 2.0], [3.0]]),
    },
)
family(
    "metric of another dimension",
    ValueError,
    r"`inverse_metric=\.\.\.` must be of the torus's dimension 2, got InverseMetric",
    {
        "too long": lambda: hamiltonian(inverse_metric=(1.0, 1.0, 1.0)),
        "too short": lambda: sh.Laplacian(TORUS, inverse_metric=[2.0]),
        "matrix": lambda: hamiltonian(inverse_metric=torch.eye(3)),
        "object": lambda: hamiltonian(inverse_metric=sh.InverseMetric((1.0,))),
    },
)

# Flags

family(
    "backend",
    ValueError,
    r"`backend=\.\.\.` must be one of 'spectral', 'fd', got",
    {
        "unknown": lambda: hamiltonian(backend="finite elements"),
        "upper case": lambda: sh.Laplacian(TORUS, backend="FD"),
        "None": lambda: hamiltonian(backend=None),
        "list": lambda: hamiltonian(backend=["fd"]),
        "object": lambda: hamiltonian(backend=FiniteDifference(2)),
        "by itself": lambda: get_backend("spectral "),
        "drop-in": lambda: sh.hamiltonian_evolution(T, backend="dft"),
        "list to a drop-in": lambda: sh.spatial_laplacian(T, backend=["fd"]),
    },
)
family(
    "stencil order",
    ValueError,
    r"`stencil_order=\.\.\.` must be one of 2, 4, 6, 8, got",
    {
        "odd": lambda: hamiltonian(backend="fd", stencil_order=3),
        "too high": lambda: hamiltonian(backend="fd", stencil_order=10),
        "zero": lambda: sh.Laplacian(TORUS, backend="fd", stencil_order=0),
        "bool": lambda: hamiltonian(backend="fd", stencil_order=True),
        "string": lambda: hamiltonian(backend="fd", stencil_order="4"),
        "float": lambda: hamiltonian(backend="fd", stencil_order=4.0),
        "None": lambda: hamiltonian(backend="fd", stencil_order=None),
        "drop-in": lambda: sh.hamiltonian_evolution(T, stencil_order=5),
        "float to a drop-in": lambda: sh.hamiltonian_evolution(T, stencil_order=6.0),
        "list to a drop-in": lambda: sh.spatial_laplacian_x(T, stencil_order=[2]),
    },
)
family(
    "execution",
    ValueError,
    r"`execution=\.\.\.` must be one of .*'auto', 'fft', 'dense'.*, got",
    {
        "unknown": lambda: hamiltonian(execution="fast"),
        "None": lambda: sh.Laplacian(TORUS, execution=None),
        "stencil for spectral": lambda: hamiltonian(backend="spectral", execution="stencil"),
        "stencil for a spectral Laplacian": lambda: sh.Laplacian(TORUS, execution="stencil"),
    },
)
family(
    "grid too small",
    ValueError,
    r"`Torus\(shape=\.\.\.\)` must be at least [3579] points per axis for FiniteDifference\(stencil_order=",
    {
        "order 2": lambda: sh.Laplacian(sh.Torus((9, 2)), backend="fd"),
        "order 8": lambda: sh.Hamiltonian(sh.Torus((8, 20)), backend="fd", stencil_order=8),
        "1-D": lambda: sh.Laplacian(sh.Torus(4), backend="fd", stencil_order=4),
        "drop-in": lambda: (
            sh.hamiltonian_evolution(T, stencil_order=8 + 0 * T.ndim, dx=1.0)
            if T.shape[1] < 9
            else sh.hamiltonian_evolution(T[:8].contiguous(), stencil_order=8)
        ),
    },
)

# hbar and mass

family(
    "hbar and mass",
    ValueError,
    r"`Hamiltonian\((hbar|mass)=\.\.\.\)` must be a positive finite number, got",
    {
        "zero mass": lambda: hamiltonian(mass=0),
        "negative mass": lambda: hamiltonian(mass=-1.0),
        "NaN mass": lambda: hamiltonian(mass=NAN),
        "infinite mass": lambda: hamiltonian(mass=INF),
        "zero hbar": lambda: hamiltonian(hbar=0.0),
        "negative hbar": lambda: hamiltonian(hbar=-0.1),
        "negative tensor": lambda: hamiltonian(mass=torch.tensor(-1.0, requires_grad=True)),
        "NaN tensor": lambda: hamiltonian(hbar=torch.tensor(NAN)),
        "no float holds it": lambda: hamiltonian(mass=10**400),
    },
)
family(
    "hbar and mass",
    TypeError,
    r"`Hamiltonian\((hbar|mass)=\.\.\.\)` must be a positive (finite )?number",
    {
        "string": lambda: hamiltonian(mass="1"),
        "None": lambda: hamiltonian(hbar=None),
        "bool": lambda: hamiltonian(mass=True),
        "complex": lambda: hamiltonian(hbar=1.0 + 0j),
        "list": lambda: hamiltonian(mass=[1.0]),
        "1-d tensor of one": lambda: hamiltonian(mass=torch.tensor([1.0])),
        "complex tensor": lambda: hamiltonian(hbar=torch.tensor(1.0 + 0j)),
        "integer tensor": lambda: hamiltonian(mass=torch.tensor(1)),
    },
)

# Potentials

family(
    "V, dtype",
    sh.UnsupportedDTypeError,
    r"`(Scalar|Elementwise|Matrix)Potential\(values=\.\.\.\)` must be complex64, .*float64, got torch\.",
    {
        "integers": lambda: hamiltonian(potential=torch.ones(TORUS.shape, dtype=torch.int64)),
        "bool": lambda: hamiltonian(potential=V > 0),
        "half": lambda: hamiltonian(potential=V.half()),
        "bfloat16": lambda: hamiltonian(potential=V.bfloat16()),
        "complex32": lambda: hamiltonian(potential=half(torch.complex32, TORUS.shape)),
        "integer matrix": lambda: sh.MatrixPotential(torch.eye(2, dtype=torch.int32)),
        "integers from a function": lambda: hamiltonian(potential=lambda _: V.int())(T),
    },
)
family(
    "V, values",
    ValueError,
    r"`(Scalar|Elementwise|Matrix)Potential\(values=\.\.\.\)` must be finite, but contains NaN or Inf",
    {
        "NaN": lambda: hamiltonian(potential=with_entry(NAN)),
        "Inf": lambda: hamiltonian(potential=with_entry(-INF)),
        "complex NaN": lambda: hamiltonian(potential=with_entry(complex(0.0, NAN), torch.complex64)),
        "elementwise": lambda: hamiltonian(potential=with_entry(NAN, shape=T.shape)),
        "matrix": lambda: sh.MatrixPotential(with_entry(INF, shape=(2, 2))),
        "function of t": lambda: hamiltonian(potential=lambda t: V / t)(T, t=0.0),
    },
)
family(
    "V, shape",
    ValueError,
    r"`(potential|(Scalar|Elementwise)Potential\(values)=\.\.\.\)?` must be of the (grid|field)'s shape",
    {
        "transposed": lambda: hamiltonian(potential=V.mT),
        "0-d": lambda: hamiltonian(potential=torch.tensor(1.0)),
        "1-d": lambda: hamiltonian(potential=V[:, 0]),
        "channels first": lambda: hamiltonian(potential=torch.ones(2, 2, 10, 9)),
        "scalar object": lambda: hamiltonian(potential=sh.ScalarPotential(V.mT)),
        "scalar object, field's shape": lambda: hamiltonian(potential=sh.ScalarPotential(T.real.contiguous())),
        "elementwise object": lambda: hamiltonian(potential=sh.ElementwisePotential(V.mT)),
    },
)
family(
    "V, shape seen with the field",
    ValueError,
    r"`potential=\.\.\.` must be of the grid's shape or of the field's \(10, 9, 2, 2\), got a tensor.*drop the channel",
    {
        "(N_x, N_y, 1, 1)": lambda: hamiltonian(potential=V[:, :, None, None])(T),
        "(N_x, N_y, D)": lambda: hamiltonian(potential=torch.ones(10, 9, 2))(T),
        "other channels": lambda: hamiltonian(potential=torch.ones(10, 9, 3, 3))(T),
        "function of t": lambda: hamiltonian(potential=lambda _: V[:, :, None, None])(T),
    },
)
family(
    "V, type",
    TypeError,
    r"`potential=\.\.\.` must be a (tensor, a Potential, or a function of t|function of t that returns a static)",
    {
        "number": lambda: hamiltonian(potential=3.0),
        "list": lambda: hamiltonian(potential=[[1.0, 2.0]]),
        "array": lambda: hamiltonian(potential=np.ones(TORUS.shape)),
        "string": lambda: hamiltonian(potential="harmonic"),
        "None from a function": lambda: hamiltonian(potential=lambda _: None)(T),
        "number from a function": lambda: hamiltonian(potential=lambda t: t)(T),
        "a function from a function": lambda: hamiltonian(potential=lambda _: sh.TimeDependentPotential(lambda _: V))(
            T
        ),
    },
)
refused(
    "V, type: array to a class",
    TypeError,
    r"`ScalarPotential\(values=\.\.\.\)` must be a torch\.Tensor, got an object of type ndarray",
)(lambda: sh.ScalarPotential(np.ones(TORUS.shape)))
family(
    "V, device",
    TypeError,
    r"`H\(T\)` must be a dense tensor with values, got a tensor of layout torch.strided on device meta",
    {
        "scalar": lambda: H(on_meta(T)),
        "elementwise": lambda: hamiltonian(potential=T.real.contiguous())(on_meta(T)),
        "matrix": lambda: MATRIX(on_meta(T)),
    },
)
family(
    "matrix V",
    ValueError,
    r"`MatrixPotential\(values=\.\.\.\)` must be (square in its last two axes|of shape \(D, D\) or \(10, 9\))",
    {
        "1-d": lambda: sh.MatrixPotential(torch.ones(3)),
        "not square": lambda: sh.MatrixPotential(torch.ones(2, 3)),
        "empty": lambda: sh.MatrixPotential(torch.ones(0, 0)),
        "other grid": lambda: hamiltonian(potential=sh.MatrixPotential(torch.ones(9, 10, 2, 2))),
        "one axis of points": lambda: hamiltonian(potential=sh.MatrixPotential(torch.ones(10, 2, 2))),
    },
)
family(
    "matrix V on a field",
    ValueError,
    r"`H\(T\)` must be a field whose first channel axis has the matrix potential's length 2, got",
    {
        "without channels": lambda: MATRIX(T[..., 0, 0]),
        "with three channels": lambda: MATRIX(field((*TORUS.shape, 3))),
    },
)

# Fields

family(
    "field, dtype",
    sh.UnsupportedDTypeError,
    r"`(H|Laplacian|f\(Laplacian\)|hamiltonian_evolution|spatial_laplacian\w*)\(T\)` must be complex64, .*got torch\.",
    {
        "float16": lambda: H(half(torch.float16)),
        "bfloat16": lambda: LAP(half(torch.bfloat16)),
        "complex32": lambda: H(half(torch.complex32)),
        "int64": lambda: LAP(torch.ones(TORUS.shape, dtype=torch.int64)),
        "bool": lambda: FD(torch.ones(TORUS.shape, dtype=torch.bool)),
        "function of the Laplacian": lambda: LAP.function(torch.exp)(half(torch.float16)),
        "energy": lambda: H.energy(half(torch.bfloat16)),
        "drop-in": lambda: sh.hamiltonian_evolution(half(torch.complex32)),
        "Laplacian drop-in": lambda: sh.spatial_laplacian_y(T.real.int()),
    },
)
family(
    "field, shape",
    ValueError,
    r"`(H|Laplacian|f\(Laplacian\))\(T\)` must be a field whose first axes are the grid \(10, 9\), got a tensor",
    {
        "transposed grid": lambda: H(T.transpose(0, 1)),
        "channels first": lambda: LAP(T.permute(2, 3, 0, 1)),
        "one axis": lambda: FD(T[:, 0, 0, 0]),
        "0-d": lambda: H(T[0, 0, 0, 0]),
        "one point more": lambda: H(field((11, 9, 2, 2))),
        "function of the Laplacian": lambda: LAP.function(torch.exp)(T.transpose(0, 1)),
        "energy": lambda: H.energy(T.transpose(0, 1)),
    },
)
family(
    "field without channels",
    ValueError,
    r"`(H|Laplacian)\(T\)` must be a field with at least one channel, got",
    {"H": lambda: H(T[..., :0]), "Laplacian": lambda: LAP(T[:, :, :0])},
)
family(
    "field, type",
    TypeError,
    r"`\w+\(T\)` must be a torch\.Tensor, got an object of type \w+",
    {
        "array": lambda: H(T.numpy()),
        "list": lambda: LAP([1.0, 2.0]),
        "None": lambda: H(None),
        "energy of a number": lambda: H.energy(3.0),
        "drop-in": lambda: sh.hamiltonian_evolution(T.numpy()),
    },
)

# Drop-ins

family(
    "drop-in field",
    ValueError,
    r"`(hamiltonian_evolution|spatial_laplacian\w*)\(T\)` must be a (4-D|non-empty \(N_x, N_y, D, D\)) tensor",
    {
        "2-D": lambda: sh.hamiltonian_evolution(T[..., 0, 0]),
        "3-D": lambda: drop_in(T[..., 0]),
        "5-D": lambda: sh.spatial_laplacian(T[None]),
        "D ≠ D": lambda: sh.spatial_laplacian_x(T[..., :1]),
        "no channels": lambda: sh.hamiltonian_evolution(T[..., :0, :0]),
        "no points": lambda: sh.spatial_laplacian_y(T[:0]),
    },
)
family(
    "drop-in V",
    ValueError,
    r"`V=\.\.\.` must be of the grid's shape \(10, 9\) or of the field's \(10, 9, 2, 2\), got.*V\[\.\.\., 0, 0\]",
    {
        "(N_x, N_y, 1, 1)": lambda: sh.hamiltonian_evolution(T, V=V[:, :, None, None]),
        "transposed": lambda: drop_in(V=V.mT),
        "D channels": lambda: drop_in(V=torch.ones(10, 9, 2)),
        "0-d": lambda: drop_in(V=torch.tensor(1.0)),
    },
)
refused("drop-in V: number", TypeError, r"`V=\.\.\.` must be a torch\.Tensor, got an object of type float")(
    lambda: drop_in(V=1.0)
)
refused("drop-in V: integers", sh.UnsupportedDTypeError, r"`V=\.\.\.` must be .*, got torch\.int64")(
    lambda: drop_in(V=V.long())
)
refused("drop-in V: half", sh.UnsupportedDTypeError, r"`V=\.\.\.` must be .*, got torch\.float16")(
    lambda: drop_in(V=V.half())
)
refused("drop-in V: device", ValueError, r"`V=\.\.\.` must be on the field's device cpu, got meta")(
    lambda: drop_in(V=on_meta(V))
)
family(
    "drop-in numbers",
    ValueError,
    r"`(hbar_cog|m_cog|dx|dy)=\.\.\.` must be a positive finite number, got",
    {
        "hbar": lambda: drop_in(hbar_cog=0.0),
        "mass": lambda: drop_in(m_cog=-1.0),
        "dx": lambda: sh.hamiltonian_evolution(T, dx=0.0),
        "dy": lambda: sh.hamiltonian_evolution(T, dy=NAN),
        "Laplacian's dx": lambda: sh.spatial_laplacian(T, -1.0),
        "Laplacian's dy": lambda: sh.spatial_laplacian(T, 1.0, dy=INF),
        "Laplacian along y": lambda: sh.spatial_laplacian_y(T, 0.0),
    },
)
family(
    "drop-in numbers",
    TypeError,
    r"`(hbar_cog|m_cog|dx|dy)=\.\.\.` must be a positive (finite )?number",
    {
        "string": lambda: drop_in(hbar_cog="0.1"),
        "1-d tensor": lambda: drop_in(m_cog=torch.ones(1)),
        "dx string": lambda: sh.spatial_laplacian_x(T, "1"),
    },
)
family(
    "drop-in metric",
    ValueError,
    r"`g_inv_diag=\.\.\.` must be (positive definite|finite, but contains NaN or Inf|the diagonal)",
    {
        "zero": lambda: drop_in(g_inv_diag=(0.0, 1.0)),
        "negative": lambda: drop_in(g_inv_diag=torch.tensor([1.0, -1.0])),
        "negative third": lambda: drop_in(g_inv_diag=torch.tensor([1.0, 1.0, -1.0])),
        "NaN": lambda: drop_in(g_inv_diag=torch.tensor([1.0, NAN])),
        "Inf": lambda: drop_in(g_inv_diag=[INF, 1.0]),
        "empty": lambda: drop_in(g_inv_diag=torch.ones(0)),
        "0-d": lambda: drop_in(g_inv_diag=torch.tensor(1.0)),
        "matrix": lambda: drop_in(g_inv_diag=torch.eye(2)),
    },
)
family(
    "drop-in metric",
    TypeError,
    r"`g_inv_diag=\.\.\.` must be (real|the diagonal)",
    {
        "complex": lambda: drop_in(g_inv_diag=torch.ones(2, dtype=torch.complex64)),
        "complex array": lambda: drop_in(g_inv_diag=np.array([1.0 + 1j, 2.0])),
        "string": lambda: drop_in(g_inv_diag="flat"),
        "object": lambda: drop_in(g_inv_diag=sh.InverseMetric((1.0, 1.0))),
    },
)

# The context

family(
    "context",
    ValueError,
    r"`GeometryContext\((g_inv_diag|backend)=\.\.\.\)` must be (positive definite|finite|the diagonal|one of)",
    {
        "zero metric": lambda: sh.GeometryContext((0.0, 1.0)),
        "NaN metric": lambda: sh.GeometryContext(torch.tensor([NAN, 1.0])),
        "matrix metric": lambda: sh.GeometryContext(torch.eye(2)),
        "empty metric": lambda: sh.GeometryContext(()),
        "backend": lambda: sh.GeometryContext(backend="FFT"),
        "backend list": lambda: sh.GeometryContext(backend=["fd"]),
    },
)
refused("context: complex metric", TypeError, r"`GeometryContext\(g_inv_diag=\.\.\.\)` must be real")(
    lambda: sh.GeometryContext(torch.ones(2, dtype=torch.complex64))
)

# out=


def out_like(result=T, **changes):
    return torch.zeros(
        changes.get("shape", result.shape),
        dtype=changes.get("dtype", result.dtype),
        device=changes.get("device", "cpu"),
    )


family(
    "out, unlike the result",
    ValueError,
    r"out=\.\.\.\)` must be a tensor like the result: shape .*, got shape",
    {
        "shape": lambda: H(T, out_like(shape=(10, 9, 4))),
        "grid": lambda: FD(T, out_like(shape=(9, 10, 2, 2))),
        "dtype": lambda: LAP(T, out_like(dtype=torch.complex64)),
        "real for a complex V": lambda: SKEW(T.real, out_like(dtype=torch.float64)),
        "device": lambda: H(T, out_like(device="meta")),
        "matrix V": lambda: MATRIX(T, out_like(shape=(10, 9, 2))),
        "function": lambda: LAP.function(torch.exp)(T, out_like(dtype=torch.float64)),
        "complex function": lambda: LAP.function(lambda s: 1j * s)(T.real, out_like(dtype=torch.float64)),
        "drop-in": lambda: sh.spatial_laplacian(T, out=out_like(shape=(10, 9))),
    },
)
family(
    "out, layout",
    ValueError,
    r"out=\.\.\.\)` must be contiguous, got strides",
    {
        "transposed": lambda: H(T, out_like().mT),
        "slice": lambda: LAP(T, out_like(shape=(10, 9, 2, 3))[..., :2]),
        "expanded": lambda: FD(T, out_like(shape=(10, 9, 1, 1)).expand(T.shape)),
        "conjugated": lambda: H(T, out_like().conj()),
        "negated": lambda: H(T, torch._neg_view(out_like())),
        "function": lambda: LAP.function(torch.exp)(T, out_like().mT),
        "drop-in": lambda: drop_in(out=out_like().mT),
    },
)


def overlapping(call, offset=0):
    buffer = field((T.numel() + 4,))
    return call(buffer[: T.numel()].view(T.shape), buffer[offset : T.numel() + offset].view(T.shape))


family(
    "out, overlap",
    ValueError,
    r"out=\.\.\.\)` must be memory of its own, got a tensor that overlaps an input",
    {
        "is T": lambda: overlapping(H),
        "overlaps T": lambda: overlapping(FD, offset=3),
        "is T for matrix V": lambda: overlapping(MATRIX),
        "is T for a function": lambda: overlapping(LAP.function(torch.exp)),
        "is T for a drop-in": lambda: overlapping(lambda X, out: sh.hamiltonian_evolution(X, out=out)),
        "is V": lambda: (lambda W: hamiltonian(potential=W)(T, W))(field(T.shape)),
    },
)
family(
    "out, recorded",
    ValueError,
    r"out=\.\.\.\)` must be None while a gradient is recorded, got .*torch\.no_grad",
    {
        "T": lambda: H(T.clone().requires_grad_(), out_like()),
        "V": lambda: hamiltonian(potential=V.clone().requires_grad_())(T, out_like()),
        "mass": lambda: hamiltonian(mass=torch.tensor(1.0, requires_grad=True))(T, out_like()),
        "metric": lambda: sh.Laplacian(TORUS, inverse_metric=torch.ones(2).requires_grad_())(T, out_like()),
        "out itself": lambda: LAP(T, out_like().requires_grad_()),
        "matrix V": lambda: hamiltonian(potential=sh.MatrixPotential(field((2, 2)).requires_grad_()))(T, out_like()),
        "function": lambda: LAP.function(torch.exp)(T.clone().requires_grad_(), out_like()),
        "drop-in": lambda: drop_in(hbar_cog=torch.tensor(0.1, requires_grad=True), out=out_like()),
    },
)
refused("out: array", TypeError, r"`H\(T, out=\.\.\.\)` must be a torch\.Tensor, got an object of type ndarray")(
    lambda: H(T, np.zeros(T.shape))
)

# What only some operators have

family(
    "as_matrix",
    ValueError,
    r"`H\.as_matrix\(\)` must be .*as_linear_operator",
    {
        "too many points": lambda: sh.Hamiltonian(sh.Torus((65, 64))).as_matrix(),
        "elementwise V": lambda: hamiltonian(potential=T.real.contiguous()).as_matrix(),
        "matrix V": lambda: MATRIX.as_matrix(),
    },
)
family(
    "as_linear_operator",
    (TypeError, ValueError),
    r"`H\.as_linear_operator\(channels=\.\.\.\)` must be",
    {
        "a number": lambda: H.as_linear_operator(3),
        "zero": lambda: H.as_linear_operator((0,)),
        "negative": lambda: H.as_linear_operator((-1,)),
        "float": lambda: H.as_linear_operator((2.0,)),
    },
)
family(
    "spectral_bounds",
    sh.NotHermitianError,
    r"`H\.spectral_bounds\(\)` must be called for a Hermitian H, but the potential is not Hermitian",
    {
        "complex V": lambda: SKEW.spectral_bounds(),
        "matrix V": lambda: MATRIX.spectral_bounds(),
        "complex V(t)": lambda: hamiltonian(potential=lambda t: V + 1j * t).spectral_bounds(t=1.0),
    },
)
refused("spectral_bounds is a ValueError", ValueError, "not Hermitian")(lambda: SKEW.spectral_bounds())
family(
    "function",
    ValueError,
    r"`Laplacian\.function\(f=\.\.\.\)` must be (a function that keeps the shape \(10, 9\)|finite on)",
    {
        "another shape": lambda: LAP.function(lambda s: s[0]),
        "one number": lambda: LAP.function(torch.sum),
        "NaN": lambda: LAP.function(lambda s: torch.log(s)),
        "Inf": lambda: LAP.function(lambda s: 1 / s),
        "complex Inf": lambda: LAP.function(lambda s: 1j / s),
    },
)
family(
    "function",
    TypeError,
    r"`Laplacian\.function\(f=\.\.\.\)` must be",
    {
        "returns an array": lambda: LAP.function(lambda s: s.numpy()),
        "returns a number": lambda: LAP.function(lambda _: 1.0),
        "no function": lambda: LAP.function(3.0),
    },
)

# Named potentials

P = sh.potentials
family(
    "library",
    ValueError,
    r"must be (a|one) (positive )?(finite )?(whole )?number",
    {
        "stiffness of three axes": lambda: P.harmonic(TORUS, (1.0, 1.0, 1.0)),
        "stiffness NaN": lambda: P.periodic_harmonic(TORUS, NAN),
        "center of one axis": lambda: P.harmonic(TORUS, 1.0, (0.0,)),
        "center Inf": lambda: P.periodic_harmonic(TORUS, 1.0, INF),
        "width zero": lambda: P.gaussian_well(TORUS, 1.0, 0.0),
        "width negative": lambda: P.periodic_gaussian_barrier(TORUS, 1.0, (1.0, -1.0)),
        "depth NaN": lambda: P.periodic_gaussian_well(TORUS, NAN, 1.0),
        "constant Inf": lambda: P.constant(TORUS, INF),
        "periods of one and a half": lambda: P.cosine_lattice(TORUS, 1.0, 1.5),
        "amplitudes of three axes": lambda: P.cosine_lattice(TORUS, (1.0, 1.0, 1.0)),
    },
)
family(
    "library",
    TypeError,
    r"must be a finite number, got",
    {
        "constant string": lambda: P.constant(TORUS, "1"),
        "height tensor": lambda: P.gaussian_barrier(TORUS, torch.ones(2), 1.0),
    },
)
family(
    "create_potential kind",
    ValueError,
    r"`create_potential\(potential_type=\.\.\.\)` must be one of 'harmonic', .* Unknown potential_type\.",
    {
        "kind": lambda: sh.create_potential((4, 4), 2, "quartic"),
        "kind None": lambda: sh.create_potential((4, 4), 2, None),
    },
)
family(
    "create_potential",
    ValueError,
    r"`create_potential\((spatial_size|tensor_dim|strength|center)=\.\.\.\)` must be",
    {
        "three sizes": lambda: sh.create_potential((4, 4, 4), 2),
        "one size": lambda: sh.create_potential(4, 2),
        "size zero": lambda: sh.create_potential((4, 0), 2),
        "size float": lambda: sh.create_potential((4, 4.0), 2),
        "no channels": lambda: sh.create_potential((4, 4), 0),
        "strength NaN": lambda: sh.create_potential((4, 4), 2, strength=NAN),
        "center of three axes": lambda: sh.create_potential((4, 4), 2, center=(1.0, 1.0, 1.0)),
    },
)
refused(
    "create_potential: strength string", TypeError, r"`create_potential\(strength=\.\.\.\)` must be a finite number"
)(lambda: sh.create_potential((4, 4), 2, strength="1"))
family(
    "create_potential",
    sh.UnsupportedDTypeError,
    r"`create_potential\(dtype=\.\.\.\)` must be complex64, complex128, float32 or float64, got",
    {
        "half": lambda: sh.create_potential((4, 4), 2, dtype=torch.float16),
        "integers": lambda: sh.create_potential((4, 4), 2, dtype=torch.int32),
        "string": lambda: sh.create_potential((4, 4), 2, dtype="complex64"),
    },
)

EVERY_ROW = pytest.mark.parametrize(("call", "error", "match"), ROWS.values())
# `call` must be requirement, got value. Remedy.
FORM = re.compile(r"`[^`]+` must be .+?, (got|but) .+[.]")  # no line breaks: "." takes none


@EVERY_ROW
def test_refused(call, error, match):
    """By name, in one line of one form; the stack of contexts is as before, inside its block and after it."""
    before = context.current_frame()
    with sh.GeometryContext((2.0, 0.5), backend="fd"):
        inside = context.current_frame()
        with pytest.raises(error, match=match) as caught:
            call()
        assert context.current_frame() is inside
        assert torch.is_grad_enabled()
    assert context.current_frame() is before
    message = str(caught.value)
    assert FORM.fullmatch(message), message
    assert len(message) <= 400


def test_the_catalogue_is_long():
    assert len(ROWS) >= 250


def test_an_error_leaves_the_block():
    """An exception passes through a context, and takes the context with it."""
    before = context.current_frame()
    with pytest.raises(ValueError, match="4-D"), sh.GeometryContext((2.0, 0.5)), sh.GeometryContext(backend="spectral"):
        sh.hamiltonian_evolution(T[0])
    assert context.current_frame() is before
    assert context._open_contexts == 0


@pytest.mark.parametrize("made", [H, FD, LAP, MATRIX, LAP.function(torch.exp)], ids=["H", "fd", "lap", "matrix", "f"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda out: out.to(torch.complex64),
        lambda out: out.mT,
        lambda out: out[:, :, :1],
        lambda out: out.conj(),
        lambda out: out.clone().requires_grad_(),
    ],
    ids=["dtype", "strides", "shape", "conjugated", "recorded"],
)
def test_a_refused_out_is_untouched(made, spoil):
    kept = torch.full_like(T, 3.0)
    out = spoil(kept)
    before = out.detach().clone()
    with pytest.raises(ValueError, match="out="):
        made(T, out)
    assert torch.equal(out.detach(), before)
    assert torch.equal(kept, torch.full_like(T, 3.0))


def test_a_field_that_does_not_fit_a_matrix_potential_leaves_out():
    """The potential refuses before the kinetic part is written."""
    X = field((*TORUS.shape, 3))
    out = torch.full_like(X, 3.0)
    with pytest.raises(ValueError, match="matrix potential's length 2"):
        MATRIX(X, out)
    assert torch.equal(out, torch.full_like(X, 3.0))


@pytest.mark.parametrize("made", [H, FD, LAP, MATRIX, LAP.function(torch.exp)], ids=["H", "fd", "lap", "matrix", "f"])
def test_a_refused_overlap_leaves_the_input(made):
    X = T.clone()
    with pytest.raises(ValueError, match="memory of its own"):
        made(X, X)
    assert torch.equal(X, T)


@pytest.mark.parametrize("wrong", [4.0, [4], "4", True], ids=repr)
def test_a_refused_order_spoils_no_later_call(wrong):
    """4.0 == 4 and hashes alike: a cache keyed by arguments must not hand the one out for the other."""
    sh.clear_cache()
    X = field((11, 9, 2, 2))  # a grid that no other call has used
    with pytest.raises(ValueError, match="stencil_order"):
        sh.spatial_laplacian(X, 0.37, stencil_order=wrong)
    expected = sh.Laplacian(sh.Torus((11, 9), spacing=0.37), backend="fd", stencil_order=4)(X)
    assert torch.equal(sh.spatial_laplacian(X, 0.37, stencil_order=4), expected)


def test_refusals_cache_nothing():
    sh.clear_cache()
    for bad in (lambda: H(T.real.half()), lambda: hamiltonian(backend="x"), lambda: sh.Torus((4, 0))):
        with pytest.raises((TypeError, ValueError)):
            bad()
    assert geometry_memo.nbytes == 0


def test_constructed_objects_survive_a_refused_call():
    """One bad field, and the operator still answers as before."""
    expected = H(T)
    for bad in (None, T.real.half(), T[0], on_meta(T)):
        with pytest.raises((TypeError, ValueError)):
            H(bad)
    assert torch.equal(H(T), expected)
