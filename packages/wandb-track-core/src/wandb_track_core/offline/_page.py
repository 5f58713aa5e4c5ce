"""The style and the script of a page of runs."""

from __future__ import annotations

from importlib.resources import files

STYLE = files(__package__).joinpath("_page.css").read_text(encoding="utf-8")
SCRIPT = files(__package__).joinpath("_page.js").read_text(encoding="utf-8")
