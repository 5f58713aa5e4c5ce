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
    from google.protobuf import descriptor_pb2, message_factory
    from google.protobuf.message import DecodeError as DecodeError  # what a message that is damaged raises
except ModuleNotFoundError as error:
    missing = "reading runs needs protobuf, which comes with wandb: pip install 'wandb-track-core[cli]'"
    raise ModuleNotFoundError(missing, name=error.name) from None

_MESSAGES = {
    "Record": "2 History history, 3 bytes summary, 5 Changes config, 6 Files files, 8 Artifact artifact, 17 Run run,"
    "18 Exit exit, 23 Files preempting",
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


def _declare() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="wandb_track.proto", package="wandb_track", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        is_record = name == "Record"
        if is_record:
            message.oneof_decl.add(name="kind")
        for number, kind, field in map(str.split, fields.split(",")):
            is_base = kind.strip("*") in _BASE
            message.field.add(
                name=field,
                number=int(number),
                label=3 if kind.endswith("*") else 1,  # repeated or optional
                type=_BASE.get(kind.strip("*"), 11),  # or a message
                **({} if is_base else {"type_name": f".wandb_track.{kind.strip('*')}"}),
                **({"oneof_index": 0} if is_record else {}),
            )
    messages: dict[str, Any] = message_factory.GetMessages([file])
    return messages


_found = {name.rpartition(".")[2]: message for name, message in _declare().items()}
Record: Any = _found["Record"]
Changes: Any = _found["Changes"]
Entry: Any = _found["Entry"]
Item: Any = _found["Item"]
Run: Any = _found["Run"]
