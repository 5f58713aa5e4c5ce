"""Reads and writes the framing of the transaction log of the wandb client, the `.wandb` file of a run.

It is a log in LevelDB's framing (its `doc/log_format.md`) behind a header of seven bytes, with CRC-32 (IEEE) as
checksum. Each entry is a message `Record`.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from . import _schema

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32 * 1024
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_CHECKSUMS = {kind: zlib.crc32(bytes((kind,))) for kind in range(256)}

HISTORY, SUMMARY, CONFIG, FILES, ARTIFACT, RUN, EXIT, PREEMPTING = 2, 3, 5, 6, 8, 17, 18, 23
"""Kinds of records: the numbers of their fields in `Record`."""
_TAGS = {kind << 3 | 2 for kind in (HISTORY, SUMMARY, CONFIG, FILES, ARTIFACT)}
UPDATE = 1 << 3 | 2
"""The first byte of each item of a history or summary record, of a dictionary's change that sets something."""
VALUE = b"\x82\x01"
"""What begins the value of an item, its field 16."""
_VARINT = rb"[\x80-\xff]*[\x00-\x7f]"
METRICS = re.compile(
    rb"\n%b([\n\x12]%b(?!_(?!step\x82))[^\x82]*(?:\x82(?!\x01)[^\x82]*)*)\x82\x01%b"
    rb"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity)(?![^\n\x12])" % (_VARINT, _VARINT, _VARINT)
).findall
"""Key and value of each number in a row, but for those that the client adds beside the step.

JSON escapes control characters, so that a value ends where a field begins.
"""


class DamagedError(ValueError):
    """A log is not as it was written: whole records follow on what is no record."""


class UnknownFormatError(DamagedError):
    """A log does not begin as the known clients begin it."""


@contextmanager
def opened(path: Path, at: int = 0, size: int | None = None) -> Iterator[memoryview]:
    """A log's contents, not yet in memory; in a tar, it begins at a place and has a size."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield memoryview(b"")
            return
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # Not closed here: a reader that was left in the middle may still hold a part. It goes with the last one.
        yield memoryview(whole)[at : None if size is None else at + size]


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
    # Spelled out, as `kind_of` is: this reads each record of each run that is listed.
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


def kind_of(message: bytes) -> tuple[int, bytes]:
    """What a `Record` is, and its contents; kind 0 is none of those that have a name here.

    Parsing each record takes several times as long, and long logs consist of records of which nothing is needed.
    """
    at = 0
    # The record's own number comes first, then one of the kinds below 16.
    if message and message[0] == 0x08:
        at = 2
        while message[at - 1] > 0x7F:
            at += 1
    tag = message[at] if at < len(message) else 0
    if tag in _TAGS:
        size = message[at + 1]
        size, at = (size, at + 2) if size < 0x80 else varint(message, at + 1)
        return tag >> 3, message[at : at + size]
    if tag > 0x7F:
        for field, contents in _schema.Record.FromString(message).ListFields():
            return field.number, contents.SerializeToString()
    return 0, b""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in the form in which messages hold lengths, and where it ends."""
    value, byte = data[at], data[at + 1] if data[at] > 0x7F else 0
    if byte < 0x80:
        return (value, at + 1) if value < 0x80 else (value & 0x7F | byte << 7, at + 2)
    value, shift = value & 0x7F | (byte & 0x7F) << 7, 14
    at += 1
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7


def latest(contents: bytes, known: dict[bytes, bytes]) -> bool:
    """Note each item of a summary record as it stands now, in the form in which it is written, by the bytes of its key.

    The client writes a change of the summary for each row of the history: only the last of each item is parsed.

    Args:
        contents: The record.
        known: The latest items so far; `read_latest` reads what they have become.

    Returns:
        Whether that was all: a record that removes something has to be applied instead.
    """
    at, size = 0, len(contents)
    while at < size:
        if contents[at] != UPDATE:
            return False
        length = contents[at + 1]
        if length > 0x7F:
            length, at = varint(contents, at + 1)
        else:
            at += 2
        item = contents[at : at + length]
        known[item.partition(VALUE)[0]] = item
        at += length
    return True


def read_latest(known: dict[bytes, bytes], target: dict[str, Any]) -> None:
    """Apply the items that `latest` noted, and forget them."""
    apply(map(_schema.Item.FromString, known.values()), target)
    known.clear()


def keys_of(item: Any) -> list[str]:
    """The key of an item, and those of dictionaries within it."""
    return list(item.nested_key) or [item.key]


def apply(items: Iterable[Any], target: dict[str, Any], removed: Iterable[Any] = ()) -> None:
    """Make changes to a dictionary, as the client makes them to config and summary."""
    for is_removed, changes in ((False, items), (True, removed)):
        for item in changes:
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
