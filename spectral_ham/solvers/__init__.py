"""Iterative solvers, each once, under its name: they know callables and tensors, no Hamiltonian."""
