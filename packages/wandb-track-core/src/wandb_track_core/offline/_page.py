"""The style and the script of a page of runs."""

from __future__ import annotations

from pathlib import Path

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
