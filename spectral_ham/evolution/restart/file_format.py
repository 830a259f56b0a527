"""The bytes of a restart file: a line that names the format, torch's archive, and a SHA-256 over both."""

import hashlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

FORMAT = b"spectral_ham restart 3\n"
FAMILY = b"spectral_ham restart "
DIGEST_BYTES = 32


class Damaged(Exception):
    """The bytes are not those of a restart file of this format; the message says in what way."""


class _Hashing(io.RawIOBase):
    """Hands on what is written, and hashes it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._stream.write(data)


def write(stream: BinaryIO, content: Mapping[str, Any]) -> None:
    """Write ``content``: numbers, strings, lists, mappings and tensors, each tensor with its own numbers alone."""
    hashing = _Hashing(stream)
    hashing.write(FORMAT)
    torch.save(_alone(content, {}), cast(IO[bytes], hashing))
    stream.write(hashing.digest.digest())


def read(path: Path) -> dict[str, Any]:
    """Return what was written. Nothing is interpreted before every byte has been found as it was written.

    Raises:
        Damaged: the file is empty, truncated, altered, foreign, or of another version.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if not data:
        raise Damaged("it is empty")
    if not data.startswith(FORMAT):
        line = data[:40].split(b"\n")[0]
        raise Damaged(f"its format is {line!r}" if line.startswith(FAMILY) else "it is of another kind")
    if hashlib.sha256(data[:-DIGEST_BYTES]).digest() != data[-DIGEST_BYTES:]:
        raise Damaged("its digest does not match: it is truncated or altered")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of how it restores what it saved
        content: dict[str, Any] = torch.load(io.BytesIO(data[len(FORMAT) : -DIGEST_BYTES]), weights_only=True)
    return content


def _alone(value: Any, seen: dict[int, torch.Tensor]) -> Any:
    """Return ``value`` with tensors detached, and views copied, so that no larger storage is saved with them."""
    if isinstance(value, torch.Tensor):
        if id(value) not in seen:
            plain = value.detach().resolve_conj().resolve_neg()
            seen[id(value)] = plain if plain.untyped_storage().nbytes() == plain.nbytes else plain.clone()
        return seen[id(value)]
    if isinstance(value, Mapping):
        return {key: _alone(item, seen) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_alone(item, seen) for item in value]
    return value
