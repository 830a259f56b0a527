"""The list of mutants is current, long enough, and every one of them died when it was last run."""

import json
import subprocess
import sys

import pytest

from tests.mutants.__main__ import HERE, REPOSITORY, mutations


def test_every_mutation_names_one_place(tmp_path):
    """Else the list has fallen behind the package."""
    for mutation in mutations():
        target = tmp_path / mutation.name / mutation.file
        target.parent.mkdir(parents=True)
        target.write_text((REPOSITORY / mutation.file).read_text(encoding="utf-8"), encoding="utf-8")
        mutation.apply(tmp_path / mutation.name)
        assert [test for test in mutation.tests if not (REPOSITORY / test.split("::")[0]).exists()] == []


def test_every_mutant_has_died():
    """The committed outcome is that of the committed list."""
    outcome = json.loads((HERE / "outcome.json").read_text(encoding="utf-8"))
    assert outcome == {mutation.name: "died" for mutation in mutations()}
    assert len(outcome) >= 60


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_mutant_dies():
    """Ten minutes."""
    run = subprocess.run([sys.executable, "-m", "tests.mutants"], cwd=REPOSITORY, check=False)
    assert run.returncode == 0
