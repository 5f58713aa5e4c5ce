"""What a step's code reads from the flow, and whether it left that as it was."""

from __future__ import annotations

import dis
import pickle
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha1
from types import CodeType, FrameType
from typing import Any, NamedTuple

from ._clock import alarm_stopped
from ._datastore import content_keys, datastore_of, looks_without_reading, pass_down

_WATCHED = ("__getattr__", "__delattr__")


class Read(NamedTuple):
    """A variable that was read.

    Attributes:
        name: The variable.
        key: The content key of what was read.
        value: What was read.
        datastore: Where it was read from.
        print: The value's fingerprint when it was read; None where it has none.
    """

    name: str
    key: str
    value: Any
    datastore: Any
    print: bytes | None


class Reads:
    """Watches a flow class's `__getattr__`, which Metaflow calls for each variable that is not in memory yet.

    The flow of the step and those of a join's inputs are of one class. `hasattr(self, "x")`, `self.next(foreach="x")`
    and `merge_artifacts` load variables without anybody reading them; these are put aside until somebody does.

    Attributes:
        kept: By name, the content key of what was read, not changed, and is stored again with the task.
    """

    def __init__(self, flow: Any) -> None:
        self.kept: dict[str, str] = {}
        self._class = type(flow)
        self._own = {name: vars(self._class)[name] for name in _WATCHED if name in vars(self._class)}
        self._look: Callable[[Any, str], Any] = self._class.__getattr__
        self._delete: Any = self._class.__delattr__
        self._quiet_code = looks_without_reading()
        self._reads: dict[tuple[str, int], Read] = {}
        self._unread: dict[tuple[int, str], Any] = {}
        self._is_watching = False

    def start(self) -> None:
        """Begin to watch."""
        reads = self

        def watched(flow: Any, name: str) -> Any:
            return reads._look_up(flow, name, sys._getframe(1))

        def forget(flow: Any, name: str) -> None:
            if (id(flow), name) in reads._unread:
                del reads._unread[id(flow), name]
            else:
                reads._delete(flow, name)

        for name, function in zip(_WATCHED, (watched, forget), strict=True):
            setattr(self._class, name, function)
        self._is_watching = True

    def stop(self) -> None:
        """Leave the class as it was. A second call does nothing."""
        if self._is_watching:
            self._is_watching = False
            for name in _WATCHED:
                if name in self._own:
                    setattr(self._class, name, self._own[name])
                else:
                    delattr(self._class, name)

    def versions(self) -> list[Read]:
        """What was read: one for each name and content key."""
        return list({(read.name, read.key): read for read in self._reads.values()}.values())

    def settle(self, flow: Any, let_go: bool) -> set[str]:
        """Tell what was read and not changed from what the step set.

        Args:
            flow: The step's flow object.
            let_go: Whether to let go of what was not changed, so that the task has it under the content key that it
                came with. Metaflow would pickle it again. The bytes of an estimator, a module, or a set differ from
                those that it was loaded from, though nothing changed. In a branch it has to be stored as it would be
                without tracking: a join refuses to merge variables that have different keys.

        Returns:
            The variables that the step did not set: all of these but the ones that a join took from an input.
        """
        unset = set()
        for name, value in list(vars(flow).items()):
            read = self._reads.get((name, id(value)))
            if read is not None and read.print is not None and fingerprint(value) == read.print:
                if not let_go:
                    self.kept[name] = read.key
                if read.datastore is datastore_of(flow):
                    unset.add(name)
                elif let_go:
                    pass_down(flow, read.datastore, name)
                if let_go:
                    del vars(flow)[name]
        return unset

    def _look_up(self, flow: Any, name: str, caller: FrameType) -> Any:
        unread = (id(flow), name)
        value = self._unread.pop(unread) if unread in self._unread else self._look(flow, name)
        datastore = datastore_of(flow)
        key = None if name.startswith("_") or datastore is None else content_keys(datastore).get(name)
        if key is None:
            return value
        if caller.f_code in self._quiet_code or caller.f_lasti in _hasattr_calls(caller.f_code):
            vars(flow).pop(name, None)
            self._unread[unread] = value
        else:
            vars(flow)[name] = value
            with alarm_stopped():  # which would otherwise end the fingerprint, not the step
                self._reads[name, id(value)] = Read(name, key, value, datastore, fingerprint(value))
        return value


def fingerprint(value: Any) -> bytes | None:
    """A hash of all that a value holds, comparable within this process; None where it cannot be pickled."""
    digest = sha1(usedforsecurity=False)
    try:
        _HashingPickler(digest).dump(value)
    except Exception:
        return None
    return digest.digest()


class _HashingPickler(pickle.Pickler):
    """Pickles into a hash: nothing is kept, and the buffers of large arrays are not even copied."""

    def __init__(self, digest: Any) -> None:
        self.write = digest.update
        super().__init__(self, protocol=5, buffer_callback=lambda buffer: digest.update(buffer.raw()))

    def persistent_id(self, value: Any) -> Any:
        """Take a text by its letters: whether two equal ones are the same object differs from one load to the next."""
        return value.encode("utf-8", "surrogatepass") if type(value) is str else None

    def reducer_override(self, value: Any) -> Any:
        """Take a tensor by its contents: its own pickle holds the address of its memory."""
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            return NotImplemented
        contents = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        form = f"{type(value)} {value.dtype} {value.device} {value.shape} {value.stride()} {value.requires_grad}"
        return dict, (form, vars(value)), contents


@cache
def _hasattr_calls(code: CodeType) -> frozenset[int]:
    """Where in a function's code `hasattr` is called: nothing else tells it from `getattr`."""
    calls = set()
    name = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval in ("hasattr", "getattr"):
            name = instruction.argval
        elif instruction.opname.startswith("CALL"):
            if name == "hasattr":
                calls.add(instruction.offset)
            name = None
    return frozenset(calls)
