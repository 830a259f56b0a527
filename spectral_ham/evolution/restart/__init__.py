"""Restart files: a long run that was killed goes on where it was last written."""

from spectral_ham.evolution.restart.fingerprint import fingerprint
from spectral_ham.evolution.restart.restart_file import RestartFile, restart_file

__all__ = ["RestartFile", "fingerprint", "restart_file"]
