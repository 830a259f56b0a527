"""A lock of the operating system on a file beside the restart file: it ends with the process that holds it."""

import contextlib
import os
from pathlib import Path
from typing import IO


class FileLock:
    """An exclusive lock that a killed process cannot leave behind.

    Args:
        path: the file that is locked; it is made, and removed when the lock is given back.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock and return True, or False if another holds it."""
        while True:
            stream = self.path.open("ab")
            if not _lock(stream):
                stream.close()
                return False
            with contextlib.suppress(FileNotFoundError):
                if self.path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                    self._stream = stream
                    return True
            stream.close()  # its last holder removed it between the two calls

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            self._stream.close()
            self._stream = None


def _lock(stream: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
