# /// script
# dependencies = ["wandb-track-serializers"]
# [tool.nox]
# without = ["torch", "pandas"]
# ///
"""Prints the table of everything that is serialized: written in one process, read back in another, compared there.

    python show_table.py

The second process, of another hash seed, also writes each value once more and compares the bytes. Rows of libraries
that are not installed are marked; the exit code is 1 if any other row fails.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from table import BASE, ROWS
from wandb_track_serializers import Manifest, UntrustedError, dump, kind_of, load, to_summary


def write(root: Path) -> None:
    for number, row in enumerate(ROWS.values()):
        if not row.missing:
            dump(row.make(), root / str(number), "value", format=row.format)


def compare(root: Path) -> dict[str, str]:
    results = {}
    for number, (name, row) in enumerate(ROWS.items()):
        if row.missing:
            results[name] = f"not installed: {row.missing}"
            continue
        original = row.make()
        if row.trusted:
            try:
                load(root / str(number))
            except UntrustedError:
                pass
            else:
                results[name] = "READ WITHOUT TRUST"
                continue
        equal = row.same(original, load(root / str(number), trusted=row.trusted)) and kind_of(original) == row.kind
        files = [path.suffix for path in (root / str(number) / "files").iterdir()]
        results[name] = "equal" if equal and (not row.file or files == [row.file]) else "DIFFERENT"
        first = Manifest.from_text((root / str(number) / "wandb_track.json").read_text())
        if dump(original, root / f"{number} again", "value", format=row.format).files == first.files:
            results[name] += ", same bytes"
        elif row.deterministic:
            results[name] += ", OTHER BYTES"
    for name, (make, wanted) in BASE.items():
        try:
            value = make()
        except ModuleNotFoundError as error:
            results[name] = f"not installed: {error.name}"
            continue
        equal = to_summary(value) == wanted and {*map(kind_of, value), kind_of(value)} == {"summary"}
        results[name] = "as expected" if equal else "DIFFERENT"
    return results


def main() -> int:
    logging.disable(logging.WARNING)
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["compare"]:
        print(json.dumps(compare(Path(sys.argv[2]))))
        return 0
    with tempfile.TemporaryDirectory() as root:
        for seed, step in enumerate(("write", "compare")):
            done = subprocess.run(
                [sys.executable, __file__, step, root],
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
    results: dict[str, str] = json.loads(done.stdout)
    print(f"{'value':33}{'artifact':10}{'file':18}{'trusted=':10}another process")
    for name, result in results.items():
        row = ROWS.get(name)
        where = (
            (row.kind, f"name{row.file}" if row.file else "the tree", str(row.trusted)) if row else ("summary", "", "")
        )
        print(f"{name:33}{where[0]:10}{where[1]:18}{where[2]:10}{result}")
    return int(any(word.isupper() for result in results.values() for word in result.replace(",", "").split()))


if __name__ == "__main__":
    sys.exit(main())
