"""Reads and writes the framing of the transaction log of the wandb client, the `.wandb` file of a run.

It is a log in LevelDB's framing (its `doc/log_format.md`) behind a header of seven bytes, with CRC-32 (IEEE) as
checksum. Each entry is a message `Record`.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from . import _schema

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32 * 1024
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_CHECKSUMS = {kind: zlib.crc32(bytes((kind,))) for kind in range(256)}
VALUE = b"\x82\x01"
"""What begins the value of an item, its field 16. The value's length follows, and JSON."""


class DamagedError(ValueError):
    """A log is not as it was written: whole records follow on what is no record."""


class UnknownFormatError(DamagedError):
    """A log does not begin as the known clients begin it."""


def contents_of(path: Path, at: int = 0, size: int | None = None) -> memoryview:
    """A log's contents, not yet in memory; in a tar, it begins at a place and has a size."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return whole[at : None if size is None else at + size]


def entries(data: bytes | memoryview, tail: int | None = None) -> Iterator[bytes]:
    """Yield each whole message of a log; what a killed process left half-written is passed over.

    Args:
        data: The file's contents, from the file's beginning.
        tail: Begin within the last so many bytes, at the first message there; None begins at the beginning.

    Raises:
        UnknownFormatError: It has another header.
        DamagedError: There is more to read after what cannot be read.
    """
    if not _HEADER.startswith(bytes(data[: len(_HEADER)])):
        raise UnknownFormatError("unknown format, written by another version of wandb: use that version's `wandb sync`")
    at = len(_HEADER)
    if tail is not None and len(data) - tail > at:
        at = -(-(len(data) - tail) // _BLOCK) * _BLOCK
    parts: list[bytes] = []
    is_whole = False
    # Spelled out: this reads each record of each run that is listed.
    head, unpack, crc32 = _CHUNK.size, _CHUNK.unpack_from, zlib.crc32
    while at < len(data):
        start = at - at % _BLOCK
        block = bytes(data[start : start + _BLOCK])
        here, end = at - start, len(block) - head
        while here <= end:
            checksum, length, kind = unpack(block, here)
            begun, here = here, here + head + length
            chunk = block[begun + head : here]
            if crc32(chunk, _CHECKSUMS[kind]) != checksum or len(chunk) < length:
                if _goes_on(data, start + begun + 1):
                    raise DamagedError(f"its log is damaged at byte {start + begun} of {len(data)}")
                return
            if kind == _WHOLE:
                yield chunk
            elif kind == _FIRST:
                parts, is_whole = [chunk], True
            elif is_whole:
                parts.append(chunk)
                if kind == _LAST:
                    yield b"".join(parts)
                    is_whole = False
        at = start + _BLOCK


def _goes_on(data: bytes | memoryview, at: int) -> bool:
    """Whether there is a whole chunk at a place, anywhere after it in the same block, or where a later one begins."""
    next_block = -(-at // _BLOCK) * _BLOCK
    for place in chain(range(at, next_block), range(next_block, len(data), _BLOCK)):
        begun = place + _CHUNK.size
        if begun > len(data):
            break
        checksum, length, kind = _CHUNK.unpack_from(data, place)
        is_possible = place % _BLOCK + _CHUNK.size + length <= _BLOCK and begun + length <= len(data)
        if is_possible and zlib.crc32(data[begun : begun + length], _CHECKSUMS[kind]) == checksum:
            return True
    return False


def write(path: Path, messages: Iterable[bytes]) -> None:
    """Write a log of messages."""
    with path.open("wb") as file:
        at = file.write(_HEADER)
        for message in messages:
            begun, kinds, is_last = 0, (_WHOLE, _FIRST), False
            while not is_last:
                rest = _BLOCK - at % _BLOCK
                if rest < _CHUNK.size:
                    at += file.write(bytes(rest))
                    continue
                chunk = message[begun : begun + rest - _CHUNK.size]
                begun += len(chunk)
                is_last = begun == len(message)
                kind = kinds[0] if is_last else kinds[1]
                kinds = (_LAST, _MIDDLE)
                checksum = zlib.crc32(chunk, _CHECKSUMS[kind])
                at += file.write(_CHUNK.pack(checksum, len(chunk), kind) + chunk)


def records(messages: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """The kind of each message, which is the name of its field in `Record`, and its contents; others are left out."""
    for record in map(_schema.Record.FromString, messages):
        if kind := record.WhichOneof("kind"):
            yield kind, getattr(record, kind)


def keys_of(item: Any) -> list[str]:
    """The key of an item, and those of dictionaries within it."""
    return list(item.nested_key) or [item.key]


def apply(target: dict[str, Any], items: Iterable[bytes], removed: Iterable[bytes] = ()) -> None:
    """Make changes to a dictionary, as the client makes them to config and summary."""
    for is_removed, changes in ((False, items), (True, removed)):
        for item in map(_schema.Item.FromString, changes):
            *parents, last = keys_of(item)
            inner = target
            for key in parents:
                if not isinstance(inner.get(key), dict):
                    inner[key] = {}
                inner = inner[key]
            if is_removed:
                inner.pop(last, None)
            else:
                inner[last] = json.loads(item.value_json)
