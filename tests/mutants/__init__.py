"""Mutants: single lines of the package that are broken on purpose, and the tests that must notice."""
