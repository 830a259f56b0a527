"""The pages: their Python runs, their numbers are current, and what they name exists."""

import ast
import doctest
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spectral_ham as sh

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CHANGELOG.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))
DOCTEST_FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of every fenced block of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), flags=re.DOTALL | re.MULTILINE)


def run_blocks(page: str) -> int:
    """Run the Python blocks of a page in one namespace; one with prompts must print what it says. Count them."""
    namespace: dict[str, Any] = {"__name__": "page"}
    sources = blocks(page, "python")
    for number, source in enumerate(sources, start=1):
        name = f"{page}, python block {number}"
        if not source.startswith(">>>"):
            exec(compile(source, name, "exec"), namespace)
            continue
        examples = doctest.DocTestParser().get_doctest(source, namespace, name, page, 0)
        examples.globs = namespace  # the parser copies it, and the next block needs what this one defines
        runner = doctest.DocTestRunner(optionflags=DOCTEST_FLAGS)
        report: list[str] = []
        if runner.run(examples, out=report.append, clear_globs=False).failed:
            pytest.fail("".join(report))
    return len(sources)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_blocks_run(page: str) -> None:
    assert run_blocks(page) > 0


def test_a_wrong_output_in_a_page_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "```python\n>>> value = 2\n```\n\ntext\n\n```python\n>>> value + 1\n4\n```\n"
    monkeypatch.setitem(globals(), "read", lambda _: page)
    with pytest.raises(pytest.fail.Exception, match=r"Expected:\s+4\s+Got:\s+3"):
        run_blocks("page")


def test_readme_has_two_quick_start_commands() -> None:
    quick_start = read("README.md").partition("## Quick start")[2].partition("\n## ")[0]
    commands = blocks("README.md", "bash")
    assert len(commands) == 2
    for command, extra, job in zip(commands, ("validation", "test"), ("validation", "pytest"), strict=True):
        assert command in quick_start
        parts = command.strip().split(" && ")
        assert parts == [
            "python3 -m venv .venv",
            f'.venv/bin/pip install -c constraints.txt -e ".[{extra}]"',
            f".venv/bin/python -m {job}",
        ]


def test_the_tables_of_the_readme_are_current(generate: ModuleType) -> None:
    assert generate.main(["--check"]) == 0, "run `python docs/generate.py`"


def test_every_table_is_on_a_page_and_known(generate: ModuleType) -> None:
    used = [name for page in PAGES for name in re.findall(r"<!-- (?:begin|table):([a-z-]+) -->", read(page))]
    assert sorted(used) == sorted(generate.TABLES)
    assert {page for page in PAGES if "<!-- begin:" in read(page)} == {"README.md"}


def test_an_edited_number_is_stale(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    page.write_text(read("README.md").replace("| H of spectral ", "| H of spectres ", 1), encoding="utf-8")
    monkeypatch.setattr(generate, "README", page)
    assert generate.main(["--check"]) == 1
    assert "README.md is stale" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page)):
        assert (ROOT / page).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_named_tests_exist(page: str) -> None:
    for path, function in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", read(page)):
        assert (ROOT / path).exists(), path
        if function:
            assert function in functions_of(ROOT / path), f"{path}::{function}"


def functions_of(path: Path) -> set[str]:
    return {
        node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    }


def test_every_finding_of_the_review_is_resolved() -> None:
    text = read("docs/review_resolution.md")
    findings = ("1.1", "1.2", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "4.1", "5.1", "5.2", "6.1", "6.2")
    assert [f for f in findings if f"## {f} " not in text] == []
    numbered = {int(n) for n in re.findall(r"^\| 7\.(\d+) \|", text, flags=re.MULTILINE)}
    assert numbered == set(range(1, 15))
    priorities = re.findall(r"^\| (P[0-3]) \|", text, flags=re.MULTILINE)
    assert [priorities.count(p) for p in ("P0", "P1", "P2", "P3")] == [3, 3, 3, 3]


def test_public_names_are_in_the_api_page() -> None:
    page = read("docs/api.md")
    assert [name for name in sh.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_versions_agree() -> None:
    assert f"\nversion: {sh.__version__}\n" in read("CITATION.cff")
    assert re.findall(r"^## \[(\d[^]]*)\]", read("CHANGELOG.md"), flags=re.MULTILINE)[0] == sh.__version__
