"""What a run logged beside numbers: small images, tables and histograms, drawn from the files in its folder."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any

from ._curves import histogram, short
from ._runs import OfflineRun

_LARGEST = 1 << 18
_MOST_IMAGES = 8
_ROWS, _COLUMNS = 20, 10
_SIGNATURES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
"""How the images begin that are shown; whatever else a file is called is not."""
_BYTES = 1 << 20
"""Of all images of a run."""


def media(run: OfflineRun) -> str:
    """The media in a run's summary, as HTML. Nobody's own HTML is among them."""
    left = _BYTES
    shown = []
    for key, value in run.summary.items():
        if not isinstance(value, dict) or not isinstance(value.get("_type"), str):
            continue
        try:
            drawn, size = _draw(run, value)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            drawn, size = f"<p class='dim'>cannot be shown: {escape(str(error))}</p>", 0
        if size > left:
            drawn, size = f"<p class='dim'>left out: images of a run are shown up to {_BYTES >> 20} MB</p>", 0
        left -= size
        shown.append(f"<figure class='media'><figcaption>{escape(key)}</figcaption>{drawn}</figure>")
    return f"<div class='grid'>{''.join(shown)}</div>" if shown else ""


def is_media(value: object) -> bool:
    """Whether a value of a summary is media, rather than a dictionary of the user's."""
    return isinstance(value, dict) and isinstance(value.get("_type"), str)


def _draw(run: OfflineRun, value: dict[str, Any]) -> tuple[str, int]:
    kind = value["_type"]
    if kind in ("image-file", "images/separated"):
        paths = [str(path) for path in value.get("filenames", [value.get("path")])]
        images = [_image(run, path) for path in paths[:_MOST_IMAGES]]
        more = f"<p class='dim'>and {len(paths) - _MOST_IMAGES} more</p>" if len(paths) > _MOST_IMAGES else ""
        caption = f"<p>{escape(value['caption'])}</p>" if isinstance(value.get("caption"), str) else ""
        return "".join(images) + caption + more, sum(map(len, images))
    if kind == "table-file":
        contents = _read(run, str(value["path"]))
        return ("<p class='dim'>too large to be shown here</p>", 0) if contents is None else (_table(contents), 0)
    if kind == "histogram":
        counts = [float(count) for count in value["values"]]
        return histogram(counts, [float(edge) for edge in value.get("bins", [])]), 0
    return f"<p class='dim'>{escape(kind)}: not shown here</p>", 0


def _read(run: OfflineRun, path: str) -> bytes | None:
    found = (part.read(f"files/{path}", _LARGEST) for part in reversed(run.fragments))
    return next((contents for contents in found if contents is not None), None)


def _image(run: OfflineRun, path: str) -> str:
    contents = _read(run, path)
    kind = next((kind for start, kind in _SIGNATURES.items() if (contents or b"").startswith(start)), None)
    if contents is None or kind is None:
        return f"<p class='dim'>{escape(path)}: not here, or too large to be shown</p>"
    return f"<img alt='' src='data:image/{kind};base64,{base64.b64encode(contents).decode()}'>"


def _table(contents: bytes) -> str:
    table = json.loads(contents)
    columns, rows = table["columns"], table["data"]
    head = "".join(f"<th>{escape(str(column))}</th>" for column in columns[:_COLUMNS])
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(short(cell)[:80])}</td>' for cell in row[:_COLUMNS])}</tr>" for row in rows[:_ROWS]
    )
    note = f"<p class='dim'>{len(rows)} rows, {len(columns)} columns; at most {_ROWS} and {_COLUMNS} are shown</p>"
    is_cut = len(rows) > _ROWS or len(columns) > _COLUMNS
    return f"<div class='wide'><table><tr>{head}</tr>{body}</table></div>{note if is_cut else ''}"
