"""From a task's identity and the user's arguments to those of `wandb.init`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ._names import legal_tags
from .errors import ArgumentError
from .identity import TaskIdentity

_DERIVED = {
    "name": ("run_name", "WANDB_NAME"),
    "group": ("run_group", "WANDB_RUN_GROUP"),
    "job_type": ("run_job_type", "WANDB_JOB_TYPE"),
}
_RESUMING = ("allow", "must", "auto", True)


def merge(identity: TaskIdentity, given: Mapping[str, Any], settings: Any) -> dict[str, Any]:
    """What `wandb.init` is called with: the user's arguments, completed by what follows from the identity.

    Args:
        identity: The task attempt.
        given: The user's arguments to `wandb.init`; None counts as not given.
        settings: The user's settings, which win over the environment and the identity.
    """
    merged = dict(given)
    for argument, (setting, variable) in _DERIVED.items():
        if given.get(argument) is None and setting_of(settings, setting) is None and not os.environ.get(variable):
            merged[argument] = getattr(identity, argument)
    is_resuming = resume_of(given, settings)
    if given.get("id") is None and setting_of(settings, "run_id") is None:
        moment = chosen("resume_from", given, settings)
        merged["id"] = _run_of(moment) if moment else identity.stable_id if is_resuming else identity.run_id
    if not is_resuming:
        merged["config"] = _config(identity, given.get("config"))
    tags = given.get("tags")
    if tags is None:
        tags = setting_of(settings, "run_tags") or _listed(os.environ.get("WANDB_TAGS"))
    elif isinstance(tags, str):
        raise ArgumentError("tags", "must be a list of str", tags, f"Use tags=[{tags!r}].")
    merged["tags"] = legal_tags((*tags, *identity.tags)) or None
    if not is_resuming:
        notes = given.get("notes") or setting_of(settings, "run_notes") or os.environ.get("WANDB_NOTES")
        merged["notes"] = with_link(identity.link, notes) or None
    return merged


def with_link(link: str, notes: str | None) -> str:
    """The notes with the link as their first line; as they are where they hold it already."""
    return notes or "" if link in (notes or "") else "\n".join(part for part in (link, notes) if part)


def resume_of(given: Mapping[str, Any], settings: Any) -> bool:
    """Whether the run is to continue one that may be there already."""
    return chosen("resume", given, settings) in _RESUMING or bool(chosen("resume_from", given, settings))


def is_disabled(given: Mapping[str, Any], settings: Any) -> bool:
    """Whether tracking is switched off, found out without the client."""
    return bool(chosen("mode", given, settings) == "disabled")


def is_offline(given: Mapping[str, Any], settings: Any) -> bool:
    """Whether no server is to be reached, so that nobody need be asked for a key."""
    return chosen("mode", given, settings) in ("offline", "dryrun")


def setting_of(settings: Any, name: str) -> Any:
    """What the user set in their settings, a dictionary or a `wandb.Settings`; None where they did not."""
    return settings_given(settings).get(name)


def settings_given(settings: Any) -> Mapping[str, Any]:
    """The settings that the user set, by name."""
    if isinstance(settings, Mapping):
        return settings
    return {name: getattr(settings, name) for name in getattr(settings, "model_fields_set", ())}


def chosen(name: str, given: Mapping[str, Any], settings: Any) -> Any:
    """An argument of `wandb.init`, as given, in the settings, or in the environment."""
    places = given.get(name), setting_of(settings, name), os.environ.get(f"WANDB_{name.upper()}")
    return next((value for value in places if value is not None), None)


def _run_of(moment: Any) -> str:
    """The id of the run in a moment of it: "id?_step=3", or the client's own form in a settings object."""
    return str(getattr(moment, "run", None) or str(moment).partition("?")[0])


def _config(identity: TaskIdentity, config: Any) -> Any:
    """The user's config with the identity below its orchestrator's name, unless the user has that name."""
    if config is None or isinstance(config, Mapping):
        return {**identity.config, **(config or {})}
    return config


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(","))
