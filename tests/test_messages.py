"""Every error that the packages raise says what was given and what to do about it.

python tests/test_messages.py     prints all of them

The messages are read from the syntax tree. What a message takes from a variable is shown in braces; a call that makes
the error, or a part of its text, is followed to the function's `return`.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent / "packages"
_VERBS = (
    "add allow ask bring build call check choose copy decorate download find gather give hand install keep leave let "
    "load log move name pass put raise read remove request say see set start store sync take tell upgrade use wait "
    "write"
).replace(" ", "|")
REMEDY = re.compile(
    rf"(^|[:;,.(|{{/] ?|\b(or|and|to|then) )({_VERBS})\b"
    r"|\b(must|has to|pip install|shows what)\b|; there is \{",
    re.IGNORECASE,
)
"""A clause that begins with what to do, or says what is demanded."""
NAMED = re.compile(r"[{='`]|\(\)|[a-z][A-Z]|pip install")
"""A variable, an argument, a piece of code, a class: what the message is about."""
PROTOCOL = ("AttributeError", "AssertionError", "StopIteration", "NotImplementedError", "KeyError")
"""Errors of Python's own protocols, which no user reads."""
DAMAGE = "IntegrityError"
"""Files, or a manifest, that were damaged or forged. Whatever is wrong with them, there is one thing to do: get them
again from whoever wrote them; the documentation's troubleshooting says so once for all."""
NOTES = ("NotRepresentableError",)
"""Reasons that become part of a longer sentence: "... was pickled: {reason}; reading it will need trusted=True"."""
INNER = {
    ("wandb_track_core/_ledger.py", "ValueError"): "the run's list of faults, which names the line",
    ("wandb_track_core/_ledger.py", "TypeError"): "the run's list of faults, which names the line",
    ("wandb_track_core/_bounded.py", "TimeoutError"): "the policy's line, which ends with the command that syncs",
    ("wandb_track_core/offline/_fragments.py", "tarfile.ReadError"): "the run's list of faults, which names the tar",
    ("wandb_track_core/offline/_log.py", "DamagedError"): "the sync's list of what is damaged, and where",
    ("wandb_track_core/offline/_sync/_rewrite.py", "FileNotFoundError"): "the sync's list of missing files",
    (
        "wandb_track_core/offline/_sync/_server.py",
        "ServerError",
    ): "the sync's list of what is not on the server, and why",
    ("wandb_track_serializers/_files.py", "OSError"): "the IntegrityError that names the file",
    ("wandb_track_serializers/_registry.py", "RegistrationError"): "the warning that names the plug-in",
}
"""Errors that another function of the package puts into words: where they are raised, and where they end up."""


@dataclass
class Message:
    """An error that a package raises.

    Attributes:
        where: File and line.
        error: The class of the error.
        text: Its message as far as the source tells, with variables in braces.
        wraps: Whether it hands on another error, which says what happened.
    """

    where: str
    error: str
    text: str
    wraps: bool

    @property
    def file(self) -> str:
        """The module, below its `src`."""
        return self.where.partition("/src/")[2].partition(":")[0]

    def __str__(self) -> str:
        return f"{self.where}\n    {self.error}: {self.text}"


class Reader:
    """Reads the messages of one module; `functions` are those of its package, by name."""

    def __init__(self, functions: dict[str, ast.FunctionDef], tree: ast.Module) -> None:
        self.functions = functions
        self.constants: dict[str, list[ast.expr]] = {
            ast.unparse(node.targets[0]): node.value.values
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        }
        self.scope: dict[str, list[ast.expr]] = {}

    def messages(self, tree: ast.Module, where: Path) -> Iterator[Message]:
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._of_function(function, where)

    def _of_function(self, function: ast.FunctionDef | ast.AsyncFunctionDef, where: Path) -> Iterator[Message]:
        self.scope = dict(self.constants)
        for node in _own_nodes(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self.scope.setdefault(ast.unparse(target), []).append(node.value)
            elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
                table = self.constants.get(ast.unparse(node.iter).removesuffix(".items()"), [])
                self.scope[ast.unparse(node.target.elts[-1])] = table
        caught = dict(_caught(function))
        for node in _own_nodes(function):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call | ast.Name):
                continue
            made = node.exc
            if isinstance(made, ast.Name) and made.id[:1].islower():
                continue  # an error that was caught, or made, before
            call = self._made_by(made) if isinstance(made, ast.Call) else None
            error = ast.unparse(call.func if call is not None else made)
            if error.startswith("_") or node in caught.get(error, ()):
                continue  # it ends where it is raised
            text = "" if call is None else self._text_of(call)
            if call is not made and isinstance(made, ast.Call):
                text += f" | {self._text_of(made)}"
            yield Message(f"{where}:{node.lineno}", error, text, isinstance(node.cause, ast.Name))

    def _made_by(self, call: ast.Call) -> ast.Call:
        """The call of an error's class; that in a function's `return`, where a function makes the error."""
        name = ast.unparse(call.func).rpartition(".")[2]
        function = self.functions.get(name)
        if name[:1].isupper() or function is None:
            return call
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
                return self._made_by(node.value)
        return call

    def _text_of(self, call: ast.Call) -> str:
        return " | ".join(self._read(argument) for argument in (*call.args, *(word.value for word in call.keywords)))

    def _read(self, node: ast.expr, depth: int = 3) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
            return "".join(str(p.value) if isinstance(p, ast.Constant) else self._braces(p, depth) for p in parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._read(node.left, depth) + self._read(node.right, depth)
        return self._braces(node, depth)

    def _braces(self, node: ast.expr, depth: int) -> str:
        """A variable, and what it is known to be: what it is assigned, or what a function returns."""
        source = ast.unparse(node)
        known: list[ast.expr] = []
        if depth and isinstance(node, ast.Name | ast.Subscript):
            known = self.scope.get(source.partition("[")[0], [])
        elif depth and isinstance(node, ast.Call):
            function = self.functions.get(ast.unparse(node.func).rpartition(".")[2])
            returned = ast.walk(function) if function is not None else ()
            known = [part.value for part in returned if isinstance(part, ast.Return) and part.value is not None]
        texts = [self._read(value, depth - 1) for value in known]
        said = [text for text in texts if " " in text]
        return f"{{{source}{': ' + ' / '.join(said) if said else ''}}}"


def _caught(function: ast.AST) -> Iterator[tuple[str, list[ast.AST]]]:
    """The errors of Python's that a function catches itself, and what stands within its `try`."""
    for node in _own_nodes(function):
        for handler in node.handlers if isinstance(node, ast.Try) else ():
            base = getattr(builtins, ast.unparse(handler.type or ast.Name("BaseException")), None)
            for name, error in vars(builtins).items():
                if isinstance(base, type) and isinstance(error, type) and issubclass(error, base):
                    yield name, [inner for part in node.body for inner in ast.walk(part)]


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a function, without the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from _own_nodes(child)


def messages(sources: Path = SOURCES) -> list[Message]:
    """All errors below a folder of packages."""
    found: list[Message] = []
    for package in sorted(sources.glob("*/src")):
        trees = {path: ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))}
        functions = {
            node.name: node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
        for path, tree in trees.items():
            found += Reader(functions, tree).messages(tree, path.relative_to(sources))
    return [message for message in found if message.error not in PROTOCOL]


def complaint(message: Message) -> str:
    """What a user would miss in a message; empty where nothing is missing."""
    if (message.file, message.error) in INNER or message.error in NOTES:
        return ""
    if not message.text.strip():
        return "has no message"
    if message.error == "ArgumentError":
        return "" if REMEDY.search(message.text.partition(" | ")[2]) else "has no remedy"
    if not NAMED.search(message.text):
        return "names nothing that was given"
    is_said = message.wraps or message.error == DAMAGE or message.text.startswith("{error}")
    return "" if is_said or REMEDY.search(message.text) else "does not say what to do"


ALL = messages()


def test_there_are_messages_of_each_package():
    assert {message.where.partition("/")[0] for message in ALL} == {path.name for path in SOURCES.iterdir()}


def test_no_exception_from_the_rule_outlives_its_reason():
    known = {(message.file, message.error) for message in ALL}
    assert INNER.keys() <= known


@pytest.mark.parametrize("message", ALL, ids=lambda message: f"{message.where} {message.error}")
def test_an_error_names_what_was_given_and_what_to_do(message):
    assert complaint(message) == "", str(message)


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("raise ValueError", "has no message"),
        ("raise ValueError()", "has no message"),
        ("raise ValueError(f'{x} is wrong')", "does not say what to do"),
        ("raise ValueError('wrong: use another')", "names nothing"),
        ("raise ArgumentError('x', x, 'bad')", "has no remedy"),
    ],
)
def test_a_planted_message_that_helps_nobody_is_found(tmp_path, source, missing):
    planted = tmp_path / "any" / "src" / "module.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(f"def f(x):\n    {source}\n")
    (message,) = messages(tmp_path)
    assert missing in complaint(message)


if __name__ == "__main__":
    for one in ALL:
        sys.stdout.write(f"{one}{f'    ! {complaint(one)}' if complaint(one) else ''}\n")
