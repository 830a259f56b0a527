"""Operators on fields: the Laplacian, functions of it, the Hamiltonian."""
