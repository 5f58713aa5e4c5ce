"""Reads and writes the transaction log of the wandb client, the `.wandb` file of a run, with nothing but Python.

The client has no public way to ask what lies in a run's folder, and importing it takes longer than reading a thousand
runs. The file is a log in LevelDB's framing (its `doc/log_format.md`) behind a header of seven bytes, with CRC-32
(IEEE) as checksum. Each entry is a message `Record` of the client's published `wandb_internal.proto` in protobuf's
wire format, whose field numbers never change; the few that are used here have names below.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32 * 1024
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

HISTORY, SUMMARY, CONFIG, FILES, ARTIFACT, RUN, EXIT, PREEMPTING = 2, 3, 5, 6, 8, 17, 18, 23
"""Kinds of records: the numbers of their fields in `Record`."""
_KINDS = {HISTORY, SUMMARY, CONFIG, FILES, ARTIFACT, RUN, EXIT, PREEMPTING}
_TAGS = {kind << 3 | _BYTES for kind in _KINDS if kind < 16}
_CHECKSUMS = {kind: zlib.crc32(bytes((kind,))) for kind in range(256)}


class DamagedError(ValueError):
    """A log is not as it was written: whole records follow on what is no record."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: Its number in the message's definition.
        wire: How it is written.
        value: An integer, or the bytes of a text or of a message within.
    """

    number: int
    wire: int
    value: Any

    @property
    def text(self) -> str:
        """The value of a text field."""
        return str(self.value, "utf-8", "replace")


@contextmanager
def opened(path: Path) -> Iterator[bytes | mmap.mmap]:
    """A log's contents, not yet in memory."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield data
        else:
            yield b""


def entries(data: bytes | mmap.mmap, tail: int | None = None) -> Iterator[bytes]:
    """Yield each whole message of a log; what a killed process left half-written is passed over.

    Args:
        data: The file's contents, from the file's beginning.
        tail: Begin within the last so many bytes, at the first message there; None begins at the beginning.

    Raises:
        DamagedError: There is more to read after what cannot be read.
    """
    if data[: len(_HEADER)] != _HEADER:
        if _goes_on(data, len(_HEADER)):
            raise DamagedError(f"byte 0 of {len(data)}")
        return
    at = len(_HEADER)
    if tail is not None and len(data) - tail > at:
        at = -(-(len(data) - tail) // _BLOCK) * _BLOCK
    parts: list[bytes] = []
    is_whole = False
    # Spelled out, as `kind_of` is: this reads each record of each run that is listed.
    head, unpack, crc32, end = _CHUNK.size, _CHUNK.unpack_from, zlib.crc32, len(data) - _CHUNK.size
    while at <= end:
        rest = _BLOCK - at % _BLOCK
        if rest < head:
            at += rest
            continue
        checksum, length, kind = unpack(data, at)
        begun, at = at, at + head + length
        chunk = data[begun + head : at]
        if crc32(chunk, _CHECKSUMS[kind]) != checksum or len(chunk) < length:
            if _goes_on(data, begun + 1):
                raise DamagedError(f"byte {begun} of {len(data)}")
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


def _goes_on(data: bytes | mmap.mmap, at: int) -> bool:
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


def fields(message: bytes) -> Iterator[Field]:
    """Yield the fields of a message in order.

    Raises:
        ValueError: It is no such message.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield Field(number, wire, value)
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        yield Field(number, wire, message[at : at + size])
        at += size


def encode(parts: Iterable[Field]) -> bytes:
    """The message that has these fields."""
    out = bytearray()
    for number, wire, value in parts:
        out += _encode_varint(number << 3 | wire)
        if wire == _VARINT:
            out += _encode_varint(value)
        else:
            out += (_encode_varint(len(value)) if wire == _BYTES else b"") + value
    return bytes(out)


def text_field(number: int, value: str) -> Field:
    """A field that holds a text."""
    return Field(number, _BYTES, value.encode())


def kind_of(message: bytes) -> tuple[int, bytes]:
    """What a `Record` is, and its contents; kind 0 is none of those that have a name here.

    Kinds that nobody here reads (system metrics, console lines) come without contents.
    """
    at = 0
    # Spelled out, because long logs consist of this: the record's number, then one of the kinds below 16.
    if message[:1] == b"\x08":
        at = 1
        while message[at] > 0x7F:
            at += 1
        at += 1
    tag = message[at] if at < len(message) else 0
    if tag in _TAGS:
        size, at = _varint(message, at + 1)
        return tag >> 3, message[at : at + size]
    if tag > 0x7F:
        for field in fields(message):
            if field.number in _KINDS and field.wire == _BYTES:
                return field.number, field.value
    return 0, b""


def replace(message: bytes, kind: int, contents: bytes) -> bytes:
    """A `Record` with other contents."""
    return encode(field._replace(value=contents) if field.number == kind else field for field in fields(message))


_UPDATE = 1 << 3 | _BYTES
_VALUE = b"\x82\x01"
"""What begins the value of an item, its field 16."""


class Item(NamedTuple):
    """A key and a value of config, history or summary.

    Attributes:
        keys: The key, and those of dictionaries within it.
        value: As JSON; None where the item was removed.
    """

    keys: tuple[str, ...]
    value: str | None


def items(contents: bytes, update: int = 1, remove: int | None = 2) -> Iterator[Item]:
    """The items of a config, summary or history record (the latter removes nothing: its field 2 is the step)."""
    for field in fields(contents):
        if field.number in (update, remove):
            yield _item(field.value, is_update=field.number == update)


def latest(contents: bytes, known: dict[bytes, bytes]) -> bool:
    """Note each item of a summary record as it stands now, in the form in which it is written, by the bytes of its key.

    Args:
        contents: The record.
        known: The latest items so far; `read_latest` reads what they have become.

    Returns:
        Whether that was all: a record that removes something has to be applied instead.
    """
    at, size = 0, len(contents)
    while at < size:
        if contents[at] != _UPDATE:
            return False
        length = contents[at + 1]
        if length > 0x7F:
            length, at = _varint(contents, at + 1)
        else:
            at += 2
        item = contents[at : at + length]
        known[item.partition(_VALUE)[0]] = item
        at += length
    return True


def read_latest(known: dict[bytes, bytes]) -> Iterator[Item]:
    """The items that `latest` noted."""
    for item in known.values():
        yield _item(item, is_update=True)


def _item(message: bytes, *, is_update: bool) -> Item:
    key, nested, value = "", [], None
    for field in fields(message):
        if field.number == 1:
            key = field.text
        elif field.number == 2:
            nested.append(field.text)
        elif field.number == 16:
            value = field.text
    return Item(tuple(nested) or (key,), value if is_update else None)


def apply(changes: Iterable[Item], target: dict[str, Any]) -> None:
    """Make changes to a dictionary, as the client makes them to config and summary."""
    for keys, value in changes:
        inner = target
        for key in keys[:-1]:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        if value is None:
            inner.pop(keys[-1], None)
        else:
            inner[keys[-1]] = json.loads(value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    shift = 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
