"""The architecture, read from the source, beside what import-linter checks: who may mention what, sizes, imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import spectral_ham

PACKAGE = Path(spectral_ham.__file__).parent
REPOSITORY = PACKAGE.parent

MAX_LINES, MAX_BODY = 250, 50
FACTORIES = {
    "arange", "as_tensor", "empty", "empty_strided", "eye", "fftfreq", "full", "linspace", "logspace", "normal",
    "ones", "rand", "randint", "randn", "range", "rfftfreq", "scalar_tensor", "tensor", "zeros",
}  # fmt: skip


def module_name(path):
    """Return the name below ``spectral_ham``: "execution.fourier", "execution" for the package, "" for the top."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def package_imports(tree):
    """Yield (module below spectral_ham, imported name or None), wherever in the file the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from ((n.removeprefix("spectral_ham").lstrip("."), None) for n in names if top(n) == "spectral_ham")
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if top(node.module) == "spectral_ham":
                parent = node.module.removeprefix("spectral_ham").lstrip(".")
                for alias in node.names:
                    inner = f"{parent}.{alias.name}".lstrip(".")
                    yield (inner, None) if inner in SOURCES else (parent, alias.name)


def top(module):
    return module.split(".")[0]


def mentions(tree, dotted):
    """Tell whether code (not prose) names ``dotted``, as an attribute or in an import."""
    parent, _, last = dotted.rpartition(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == dotted:
            return True
        if isinstance(node, ast.Import) and any(f"{alias.name}.".startswith(f"{dotted}.") for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            if f"{node.module}.".startswith(f"{dotted}."):
                return True
            if node.module == parent and any(alias.name == last for alias in node.names):
                return True
    return False


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("torch.fft", {"execution.fft"}),
        ("torch.autograd.Function", {"execution.autograd", "propagators.splitting.reversible"}),
        ("torch.library.custom_op", {"execution.compile"}),
        ("object.__setattr__", {"_internal.frozen"}),
        ("numba", {"execution.numba.jit", "execution.numba.layout_kernels", "execution.numba.stencil_kernels"}),
        ("functools.lru_cache", {"execution.numba.jit", "execution.planner"}),
        ("spectral_ham.backends.BACKENDS", set()),
        ("spectral_ham.drop_in.context.current_frame", {"drop_in.functions"}),
    ],
)
def test_one_file_alone_mentions(what, where):
    assert {name for name, tree in TREES.items() if mentions(tree, what)} == where


def test_mentions_finds_all_spellings():
    for code in (
        "torch.fft.fft2(x)",
        "import torch.fft",
        "from torch import fft",
        "from torch.fft import fft2",
        "f = torch.fft",
    ):
        assert mentions(ast.parse(code), "torch.fft")
    for code in ("'torch.fft'", "import torch", "torch.ffts(x)", "from torch.fftpack import x"):
        assert not mentions(ast.parse(code), "torch.fft")


FLOORS = ("backends", "execution", "operators", "potentials", "drop_in")
FLAGGED = [name for name in SOURCES if name.split(".")[0] in FLOORS]


def test_the_flag_is_compared_in_the_registry_alone():
    """No ``if backend == "fd"`` in the library: what depends on the backend asks its description."""
    compared = [
        f"{name}: {ast.unparse(node)}"
        for name in FLAGGED
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Compare | ast.match_case)
        and any(isinstance(part, ast.Constant) and part.value in ("spectral", "fd") for part in ast.walk(node))
    ]
    assert not compared


def factory_calls_without_dtype(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FACTORIES:
            owner = ast.unparse(node.func.value)
            if top(owner) == "torch" and not any(keyword.arg == "dtype" for keyword in node.keywords):
                yield node


def test_no_tensor_is_made_in_the_default_dtype():
    """By default torch takes float32: 2π/N, built in it, is wrong by 1e-7 and looks right."""
    found = [
        f"{name}, line {node.lineno}: {ast.unparse(node)}"
        for name, tree in TREES.items()
        for node in factory_calls_without_dtype(tree)
    ]
    assert not found


def test_the_dtype_lint_sees():
    for code in ("torch.arange(4)", "torch.full((2,), 1.0, device=d)", "torch.fft.fftfreq(4)", "torch.tensor(1.0)"):
        assert list(factory_calls_without_dtype(ast.parse(code)))
    for code in ("torch.arange(4, dtype=torch.float64)", "torch.empty_like(T)", "np.arange(4)", "math.full()"):
        assert not list(factory_calls_without_dtype(ast.parse(code)))


def forbidden(tree, *, prints):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node, "assert"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node, "bare except"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called == "print" and not prints:
                yield node, "print"
            elif called.endswith(".item"):
                yield node, ".item()"
            elif called in ("exec", "eval"):
                yield node, called


def test_nothing_forbidden():
    found = [
        f"{name}, line {node.lineno}: {what}"
        for name, tree in TREES.items()
        for node, what in forbidden(tree, prints=name.startswith("cli"))
    ]
    assert not found


def test_forbidden_sees():
    code = "assert x\nprint(x)\ny = x.item()\ntry:\n    pass\nexcept:\n    pass\neval('1')"
    assert {what for _, what in forbidden(ast.parse(code), prints=False)} == {
        "assert",
        "print",
        ".item()",
        "bare except",
        "eval",
    }


def test_files_and_functions_are_short():
    """A function's lines are counted without its docstring."""
    found = []
    for name, path in SOURCES.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MAX_LINES:
            found.append(f"{name}: {len(lines)} lines")
        found += [f"{name}, line {n}: {line}" for n, line in enumerate(lines, 1) if "TODO" in line or "FIXME" in line]
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.FunctionDef):
                prose = len((ast.get_docstring(node, clean=False) or "").splitlines())
                if node.end_lineno - node.lineno + 1 - prose > MAX_BODY:
                    found.append(f"{name}: {node.name}")
    assert not found


@pytest.mark.parametrize("folder", ["validation", "benchmarks", "docs"])
def test_what_stands_outside_uses_public_names(folder):
    private = [
        f"{path.relative_to(REPOSITORY)}: {module}.{attribute}"
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        for module, attribute in package_imports(ast.parse(path.read_text(encoding="utf-8")))
        if any(part.startswith("_") and not part.startswith("__") for part in f"{module}.{attribute}".split("."))
    ]
    assert not private


NEW_MODULES = """
import sys, torch
before = set(sys.modules)
import spectral_ham
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""


def test_importing_loads_nothing_heavy():
    """Beyond torch and the standard library, nothing: scipy, matplotlib, tabulate and tqdm are loaded where used."""
    command = [sys.executable, "-c", NEW_MODULES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    loaded = set(done.stdout.split())
    assert "spectral_ham" in loaded
    assert loaded - {"spectral_ham", "torch", "lazy_loader", "packaging"} <= sys.stdlib_module_names
