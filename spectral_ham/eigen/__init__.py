"""Lowest eigenstates and ground states."""
