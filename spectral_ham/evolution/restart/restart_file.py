"""The restart file of one run: read once, replaced at intervals, owned by one process."""

import os
import time
import uuid
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham.errors import RestartError, RestartWarning
from spectral_ham.evolution.method_choice import Choice
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.restart import file_format
from spectral_ham.evolution.restart.fingerprint import fingerprint
from spectral_ham.evolution.restart.lock import FileLock

WHERE = "evolve(restart=...)"


class RestartFile:
    """The state of one run on disk, replaced atomically: a kill at any moment leaves the old state or the new one.

    Beside the file ``NAME`` lie ``NAME.previous``, the state before, and while a run holds it ``NAME.lock``.

    Args:
        path: the file; its folder must exist. A symbolic link is followed.
        parts: identify the run; a file of another run is refused, never overwritten.
        every: seconds between two writes.

    Raises:
        RestartError: a path that cannot be written to.
    """

    def __init__(self, path: str | os.PathLike[str], parts: Mapping[str, str], every: float) -> None:
        self.path = _checked_path(path)
        self.parts = dict(parts)
        self.every = every
        self.is_written = True
        self._damaged = False
        self._lock = FileLock(self._beside("lock"))
        self._written = time.monotonic()

    def __enter__(self) -> "RestartFile":
        """Try the folder, and take the lock."""
        try:
            free = self._lock.acquire()
            if free:
                for left in self.path.parent.glob(f".{self.path.name}.*.partial"):
                    left.unlink()
                trial = self._partial()
                trial.write_bytes(b"0")
                trial.unlink()
        except OSError as error:
            self._lock.release()
            raise _error("a path that can be written to", f"{self.path} ({error.strerror})") from error
        if not free:
            remedy = "Another run is writing it: wait until it ends, or name another file."
            raise _error("a file of this run alone", str(self.path), remedy)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def load(self) -> dict[str, Any] | None:
        """Return the state that was written last, or None if there is no file."""
        if not self.path.exists():
            with suppress(FileNotFoundError):
                self._beside("previous").unlink()  # it belongs to a file that the user has removed
            return None
        try:
            state = file_format.read(self.path)
        except (file_format.Damaged, OSError) as damage:
            state = self._previous(damage)
        differing = [
            name for name in {**state["parts"], **self.parts} if state["parts"].get(name) != self.parts.get(name)
        ]
        if differing:
            needs = "the file of this very run"
            remedy = f"What differs: {'; '.join(self._difference(name, state['parts']) for name in differing)}."
            raise _error(needs, str(self.path), remedy + " Name another file, or remove it to start from t0.")
        return state

    def due(self) -> bool:
        """Tell whether the last write is long enough ago."""
        return time.monotonic() - self._written >= self.every

    def write(self, state: Mapping[str, Any]) -> None:
        """Write ``state``; where that fails, warn, and leave what was written before."""
        partial = self._partial()
        try:
            with partial.open("xb") as stream:
                file_format.write(stream, {"parts": self.parts, **state})
                stream.flush()
                os.fsync(stream.fileno())
            self._keep_previous()
            partial.replace(self.path)
            self.is_written = True
        except (OSError, RuntimeError) as error:  # torch wraps what a stream raises
            self.is_written = False
            text = f"`{WHERE}` could not write {self.path} ({error}). The run goes on and tries again."
            warnings.warn(text, RestartWarning, stacklevel=2)
        finally:
            with suppress(OSError):
                partial.unlink()
            self._written = time.monotonic()

    def failure(self) -> RestartError:
        """Return what is raised at the end of a run whose last write failed."""
        remedy = "The exception's `trajectory` holds the finished run."
        return _error("a file that can be written at the end of the run", str(self.path), remedy)

    def _keep_previous(self) -> None:
        if not self.path.exists():
            return
        kept, step = self._beside("damaged" if self._damaged else "previous"), self._partial()
        try:
            os.link(self.path, step)  # so that the newest is there at every moment
        except OSError:
            step.write_bytes(self.path.read_bytes())
        step.replace(kept)
        self._damaged = False

    def _previous(self, damage: Exception) -> dict[str, Any]:
        try:
            state = file_format.read(self._beside("previous"))
        except (file_format.Damaged, OSError):
            remedy = "Name another file, or remove it to start from t0."
            raise _error("a restart file", f"{self.path}: {damage}", remedy) from damage
        self._damaged = True
        text = f"`{WHERE}` found {self.path} damaged ({damage}); the run goes on from the state written before it."
        warnings.warn(text, RestartWarning, stacklevel=2)
        return state

    def _difference(self, name: str, other: Mapping[str, str]) -> str:
        was, now = other.get(name, "absent"), self.parts.get(name, "absent")
        return name if len(was) > 60 or len(now) > 60 else f"{name} was {was}, is {now}"

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def _partial(self) -> Path:
        return self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.partial")


def restart_file(
    path: str | os.PathLike[str], every: float, problem: Problem, choice: Choice, observables: Iterable[str]
) -> RestartFile:
    """Return the restart file of a run with a given step, or with leaps.

    Raises:
        RestartError: a path that no file can have.
        ValueError: a gradient is recorded, or an interval that is not positive.
    """
    if torch.is_grad_enabled() and problem.T.requires_grad:
        raise invalid(WHERE, "None while a gradient is recorded", path, "Call under torch.no_grad().")
    every = as_number("evolve(restart_every=...)", every, positive=True)
    return RestartFile(path, fingerprint(problem, choice, observables), every)


def _checked_path(path: object) -> Path:
    needs = "the path of a file, a str or os.PathLike"
    if not isinstance(path, (str, os.PathLike)) or not isinstance(text := os.fspath(path), str):
        raise invalid(WHERE, needs, path, error=TypeError)
    if not text or "\0" in text:
        raise _error(needs, text)
    try:
        real = Path(os.path.realpath(text))
        is_folder, has_folder = real.is_dir(), real.parent.is_dir()
        real.with_name(f".{real.name}.{'0' * 32}.partial").exists()
    except (OSError, ValueError) as error:
        raise _error("a path that the system takes", f"{text[:60]} ({error.__class__.__name__})") from error
    if is_folder:
        raise _error("a file", f"the folder {text}")
    if not has_folder:
        raise _error("in a folder that exists", text, "Make the folder first.")
    return real


def _error(needs: str, value: object, remedy: str = "") -> RestartError:
    return RestartError(str(invalid(WHERE, needs, value, remedy)))
