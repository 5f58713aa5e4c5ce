"""The messages of the wandb client's transaction log, as far as they are used here.

They are those of the client's published `wandb_internal.proto`, whose field numbers never change. They are declared
again because `import wandb.proto` imports all of the client, which takes longer than reading a thousand runs. Fields
that are not listed here survive a parse and a serialization. Each `Item` of a history or a change stays in the form in
which it is written, and so does the summary's `Changes`: of most of them nothing is needed, and parsing all of them
takes longer than all else.
"""

from __future__ import annotations

from typing import Any

try:
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.message import DecodeError as DecodeError  # what a message that is damaged raises
except ModuleNotFoundError as error:
    missing = "reading runs needs protobuf, which comes with wandb: pip install 'wandb-track-core[cli]'"
    raise ModuleNotFoundError(missing, name=error.name) from None

_MESSAGES = {
    "Record": "2 History history, 3 bytes summary, 5 Changes config, 6 Files files, 8 Artifact artifact,"
    "12 Metric metric, 17 Run run, 18 Exit exit, 23 Files preempting",
    "Metric": "1 string name, 2 string glob_name, 4 string step_metric",
    "Item": "1 string key, 2 string* nested_key, 16 string value_json",
    "History": "1 bytes* item, 2 Step step",
    "Step": "1 int64 num",
    "Changes": "1 bytes* update, 2 bytes* remove",
    "Run": "1 string run_id, 2 string entity, 3 string project, 4 Changes config, 5 Changes summary,"
    "6 string run_group, 7 string job_type, 8 string display_name, 9 string notes, 10 string* tags,"
    "14 int64 starting_step, 17 Time start_time, 24 bool resume",
    "Time": "1 int64 seconds, 2 int32 nanos",
    "Exit": "1 int32 exit_code, 2 int32 runtime",
    "Files": "1 File* files",
    "File": "1 string path",
    "Artifact": "2 string project, 3 string entity, 4 string type, 5 string name, 6 string digest,"
    "10 bool use_after_commit, 11 string* aliases, 12 Manifest manifest",
    "Manifest": "4 Entry* contents, 5 string manifest_file_path",
    "Entry": "1 string path, 2 string digest, 3 string ref, 4 int64 size, 6 string local_path",
}
_BASE = {"string": 9, "bytes": 12, "int64": 3, "int32": 5, "bool": 8}


def _field(number: int, value: int | str | bytes) -> bytes:
    """A field in the wire format (https://protobuf.dev/programming-guides/encoding)."""
    if isinstance(value, int):
        return bytes((number << 3, value))
    contents = value.encode() if isinstance(value, str) else value
    low, high = len(contents) & 127, len(contents) >> 7
    return bytes((number << 3 | 2, low | 128, high) if high else (number << 3 | 2, low)) + contents


def _declare() -> dict[str, Any]:
    """The classes of the messages, by name.

    What declares them, a `FileDescriptorProto` of protobuf's `descriptor.proto`, is encoded by hand: to import that
    takes as long as reading some thousand rows.
    """
    file = _field(1, "wandb_track.proto") + _field(2, "wandb_track") + _field(12, "proto3")
    for name, fields in _MESSAGES.items():
        message = _field(1, name)
        for number, kind, field in map(str.split, fields.split(",")):
            base = _BASE.get(kind.strip("*"))
            label = 3 if kind.endswith("*") else 1  # repeated or optional
            declared = _field(1, field) + _field(3, int(number)) + _field(4, label) + _field(5, base or 11)
            declared += b"" if base else _field(6, f".wandb_track.{kind.strip('*')}")
            message += _field(2, declared + (_field(9, 0) if name == "Record" else b""))
        file += _field(4, message + (_field(8, _field(1, "kind")) if name == "Record" else b""))
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file)
    factory: Any = message_factory
    # protobuf before 4.22 has it as a method.
    class_of = getattr(factory, "GetMessageClass", None) or factory.MessageFactory(pool).GetPrototype
    return {name: class_of(pool.FindMessageTypeByName(f"wandb_track.{name}")) for name in _MESSAGES}


_found = _declare()
Record: Any = _found["Record"]
Changes: Any = _found["Changes"]
Entry: Any = _found["Entry"]
Item: Any = _found["Item"]
Run: Any = _found["Run"]
