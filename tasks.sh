#!/usr/bin/env bash
# Every command that checks this project, each written once: bash tasks.sh TASK [TASK ...]
# Runs in the environment that is active, or in .venv where none is.
set -euo pipefail
cd "$(dirname "$0")"
if [ -z "${VIRTUAL_ENV:-}" ] && [ -d .venv ]; then PATH="$PWD/.venv/bin:$PATH"; fi

usage() {
    cat <<'TEXT'
tasks: install     what developers need, into the active environment
       test        the tests (5 minutes on 2 cores)
       lint        style: ruff check, ruff format --check
       types       mypy, strict
       floors      who imports whom: import-linter
       validate    python -m validation --quick; validate-full is the whole suite
       bench-check speed against the committed results
       docs        the documentation, warnings being errors
       slow        pytest -m slow
       mutants     every mutant of tests/mutants/mutations.toml dies
       numbers     measure anew and write all committed numbers (a quiet machine, half an hour)
       check       lint, types, floors
       all         check, test, validate, bench-check, docs
TEXT
}

task() {
    case "$1" in
        install) # dependency groups need a pip of 2025
            python -m pip install --quiet "pip>=25.1"
            python -m pip install --quiet -c constraints.txt -e ".[test]" --group dev
            ;;
        test) python -m pytest ;;
        lint) ruff check . && ruff format --check . ;;
        types) mypy ;;
        floors) lint-imports --no-logo ;;
        validate) python -m validation --quick ;;
        validate-full) python -m validation ;;
        bench-check) spectral-ham bench --check ;;
        docs) sphinx-build -q -W -b html docs docs/_build/html ;;
        slow) python -m pytest -m slow ;;
        mutants) python -m tests.mutants ;;
        numbers)
            python -m validation --out validation-results
            cp validation-results/validation.json docs/data/validation.json
            python -m validation.forced --out docs/data/forced.json
            python -m benchmarks --out benchmarks/results/cpu --figures docs/figures
            python docs/generate.py
            ;;
        check) for each in lint types floors; do task "$each"; done ;;
        all) for each in check test validate bench-check docs; do task "$each"; done ;;
        *) usage >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || { usage; exit 2; }
for name in "$@"; do task "$name"; done
