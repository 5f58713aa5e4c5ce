"""Puts `top_level.txt` into the wheel's metadata, which Hatch leaves out.

Metaflow finds an installed extension by it. Without it, another extension in the same folder hides ours.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TopLevel(BuildHookInterface[Any]):
    """Names the import packages of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have the file copied to where installers and Metaflow look."""
        info = f"{self.build_config.builder.artifact_project_id}.dist-info"
        build_data["force_include"]["top_level.txt"] = f"{info}/top_level.txt"
