"""Reads values back in a process that did not write them, and says how they differ.

For each folder, a line of standard input, that holds `original.pkl` and what `dump` wrote in `stored`, a line of JSON
is printed: what differs, or nothing, and whether it was read without trust.
"""

import json
import pickle
import sys
import warnings
from pathlib import Path

from same import difference
from wandb_track_serializers import UntrustedError, load

warnings.simplefilter("ignore")
for line in sys.stdin:
    folder = Path(line.rstrip("\n"))
    try:
        original = pickle.loads((folder / "original.pkl").read_bytes())
        try:
            value, is_safe = load(folder / "stored"), True
        except UntrustedError:
            value, is_safe = load(folder / "stored", trusted=True), False
        found = difference(original, value)
    except Exception as error:
        found, is_safe = f"{type(error).__name__}: {error}", False
    sys.stdout.write(json.dumps([found, is_safe]) + "\n")
    sys.stdout.flush()
