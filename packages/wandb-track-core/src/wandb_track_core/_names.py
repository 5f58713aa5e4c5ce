"""What W&B accepts as a name, and how anything else is cleaned and cut without two names becoming one.

Limits: https://docs.wandb.ai/models/ref/python/functions/init for ids and names; the client's own
`validate_artifact_name` and `validate_aliases` for artifacts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ID_LIMIT = 64
"""Characters of a run id. The server takes 128; the client's folder names leave less room for comfort."""
NAME_LIMIT = 128
"""Characters of a run's name, its group, an artifact's name."""
SHORT_LIMIT = 64
"""Characters of a tag or a job type."""

_ALPHANUMERIC = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_LEGAL = _ALPHANUMERIC | frozenset("_.-")
_DIGEST_LENGTH = 12
_DIGEST_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


def legal_id(parts: Sequence[str], limit: int = ID_LIMIT) -> str:
    """Join parts with "-" to an id that W&B accepts, such that different parts give different ids.

    Parts that are legal, and that can be told apart again in the joined text, stay as they are. Otherwise
    illegal characters become "_", the text is cut, and a digest of all parts is added after a dot.

    Args:
        parts: What names the thing, outermost first. A single part may hold "-"; of several, none may
            without a digest being added, because ("a-b", "c") and ("a", "b-c") must differ.
        limit: The most characters, digest included.

    Returns:
        1 to `limit` characters of `[A-Za-z0-9_.-]`, the first a letter or digit.
    """
    joined = "-".join(parts)
    separable = len(parts) == 1 or all(part and "-" not in part for part in parts)
    if separable and _is_legal(joined) and len(joined) <= limit and not _ends_in_digest(joined):
        return joined
    return _cut(clean(joined), _digest(parts), limit)


def legal_artifact_name(name: str) -> str:
    """The name of an artifact for a variable or value called `name`; unchanged where it is legal.

    Returns:
        1 to 128 characters of `[A-Za-z0-9_.-]`.
    """
    if name and len(name) <= NAME_LIMIT and _LEGAL.issuperset(name) and not _ends_in_digest(name):
        return name
    return _cut(clean(name), _digest((name,)), NAME_LIMIT)


def legal_alias(alias: str) -> str:
    """An artifact's alias: as given, without the characters that W&B forbids there ("/", ":")."""
    return alias if not set("/:") & set(alias) else legal_id((alias,), NAME_LIMIT)


def shorten(text: str, limit: int) -> str:
    """A text for people to read, in at most `limit` characters; what was cut is told apart by a digest."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= limit:
        return text
    digest = _digest((text,))
    return f"{text[: limit - len(digest) - 2]}….{digest}"


def legal_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in their order, without repetition and empty ones, each cut to 64 characters."""
    return tuple(dict.fromkeys(shorten(tag, SHORT_LIMIT) for tag in tags if tag))


def _is_legal(text: str) -> bool:
    return bool(text) and text[0] in _ALPHANUMERIC and _LEGAL.issuperset(text)


def clean(text: str) -> str:
    """A text with "_" in the place of what an id or an artifact's name may not hold."""
    return "".join(char if char in _LEGAL else "_" for char in text).lstrip("_.-")


def _cut(cleaned: str, digest: str, limit: int) -> str:
    readable = cleaned[: limit - len(digest) - 1].rstrip("_.-")
    return f"{readable}.{digest}" if readable else digest


def _ends_in_digest(text: str) -> bool:
    """Whether a legal text could be taken for one that a digest was added to (so that it gets one, too)."""
    head, dot, tail = text.rpartition(".")
    looks_like_one = len(tail) == _DIGEST_LENGTH and _DIGEST_ALPHABET.issuperset(tail)
    return looks_like_one and (bool(dot) or not head)


def _digest(parts: Sequence[str]) -> str:
    """60 bits that depend on all parts and on where each ends."""
    import base64
    import hashlib

    whole = b"".join(b"%d:%b" % (len(raw), raw) for raw in (part.encode("utf-8", "surrogatepass") for part in parts))
    return base64.b32encode(hashlib.sha256(whole).digest()).decode()[:_DIGEST_LENGTH].lower()
