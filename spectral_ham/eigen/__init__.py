"""Eigenstates and ground states."""
