# /// script
# dependencies = ["wandb-track-serializers", "metaflow", "fastcore"]
# ///
"""What capturing one large value costs: the raw library call and one md5, today's integration, and this package.

    python benchmarks/capture.py [--size 1GiB] [--quick] [--repeat 3] [--kinds frame,text,...]

Every measurement is a process of its own; the three ways alternate. Values are made, and libraries and the client
imported, before the clock starts. "floor" is the library's own call with its defaults (for a path one copy) and one md5
of each file of the result, as the client hashes it; "peer" is what `wandb.integration.metaflow` does for the kind up to
`run.log_artifact`; "ours" is `to_artifact` into a folder, as our integrations call it. Ratios come first: of the
floor, and of what the peer takes beyond the floor. Where other work disturbs the clock, compare the CPU time.
Written bytes are the process's own, from /proc/self/io; memory is the most that was private to the process (RssAnon,
looked at every 5 ms) beyond the value itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

KINDS = ("frame", "text", "objects", "words", "frames", "path", "folder", "module", "estimator", "array", "pickle")
FILES = 256  # in the folder


class Plain:
    """What is no other kind, and is pickled."""

    def __init__(self, data: bytearray) -> None:
        self.data = data


WAYS = ("floor", "peer", "ours")
UNITS = {"GiB": 1 << 30, "MiB": 1 << 20}


def make(kind: str, size: int, folder: Path) -> Any:
    """A value of about this many bytes."""
    if kind in ("path", "folder", "pickle"):
        import random

        block = random.Random(0).randbytes(1 << 12)
        if kind == "pickle":
            return Plain(bytearray(block) * (size >> 12))
        path = folder / "value"
        files = [path] if kind == "path" else [path / f"{number}.bin" for number in range(FILES)]
        files[0].parent.mkdir(exist_ok=True)
        for each in files:
            with each.open("wb") as file:
                for _ in range(max(1, (size >> 12) // len(files))):
                    file.write(block)
        return path
    import numpy as np

    random_numbers = np.random.default_rng(0)
    if kind == "array":
        return random_numbers.standard_normal(size // 8)
    if kind == "frames":
        return {f"part {number}": make("frame", size // 5, folder) for number in range(5)}
    if kind == "frame":
        import pandas as pd

        columns = random_numbers.standard_normal((10, size // 80))
        return pd.DataFrame({f"f{number}": column for number, column in enumerate(columns)}, copy=False)
    if kind == "text":
        import pandas as pd

        rows = size // 64
        names = np.array([f"user-{number}" for number in range(20_000)])
        return pd.DataFrame(
            {
                "when": pd.date_range("2024-01-01", periods=rows, freq="s"),
                "id": np.arange(rows),
                "user": names[random_numbers.integers(0, 20_000, rows)],
                "price": np.round(random_numbers.gamma(2, 20, rows), 2),
                "x": random_numbers.standard_normal(rows).astype("float32"),
                "group": pd.Categorical.from_codes(random_numbers.integers(0, 50, rows), [f"g{n}" for n in range(50)]),
                "flag": random_numbers.integers(0, 2, rows).astype(bool),
            }
        )
    if kind == "objects":
        import pandas as pd

        rows = size // 110  # of text of 45 characters, with what Python needs for it
        names = pd.Series([f"name-{number:040d}" for number in range(rows)], dtype=object)
        return pd.DataFrame({"name": names, "number": np.arange(rows)})
    if kind == "words":
        import pandas as pd

        rows = size // 70  # of short text, some of it missing: what Python needs for it is most of it
        words = np.array([f"word {number}" for number in random_numbers.integers(0, 20_000, rows)], dtype=object)
        words[random_numbers.random(rows) < 0.1] = np.nan
        return pd.DataFrame({"word": pd.Series(words, dtype=object)})
    if kind == "module":
        import torch

        side = 1024
        return torch.nn.Sequential(*(torch.nn.Linear(side, side, bias=False) for _ in range(size // (4 * side * side))))
    from sklearn.neighbors import KNeighborsRegressor

    rows = size // 80
    return KNeighborsRegressor(algorithm="brute").fit(random_numbers.standard_normal((rows, 9)), np.zeros(rows))


def floor(kind: str, value: Any, folder: Path) -> None:
    target = folder / "floor"
    if kind in ("frame", "text", "objects", "words"):
        value.to_parquet(target)
    elif kind == "frames":
        target.mkdir()
        for name, frame in value.items():
            frame.to_parquet(target / name)
    elif kind == "path":
        shutil.copyfile(value, target)
    elif kind == "folder":
        shutil.copytree(value, target)
    elif kind == "module":
        import torch

        torch.save(value, target)
    elif kind == "array":
        import numpy as np

        target = target.with_suffix(".npy")
        np.save(target, value)
    else:
        import pickle

        with target.open("wb") as file:
            pickle.dump(value, file)
    for path in target.iterdir() if target.is_dir() else [target]:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            hashlib.md5(view, usedforsecurity=False).hexdigest()


def peer(kind: str, value: Any, folder: Path) -> None:
    from wandb.integration.metaflow import metaflow

    class Run:
        def log_artifact(self, artifact: Any) -> None:
            assert artifact.digest

    for part in value.values() if kind == "frames" else [value]:  # it has no way to store a dict
        metaflow.wandb_track("value", part, datasets=True, models=True, others=True, run=Run())


def ours(kind: str, value: Any, folder: Path) -> None:
    from wandb_track_serializers import to_artifact

    artifact = to_artifact("value", value, datasets=True, models=True, others=True, directory=folder / "ours")
    assert artifact is not None
    assert artifact.digest


def written_bytes() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])


def measure(kind: str, way: str, size: int, folder: Path) -> dict[str, float]:
    """Run one way once, in this process."""
    import wandb  # noqa: F401 (before the clock starts)

    if way == "peer":
        from wandb.integration.metaflow import metaflow  # noqa: F401
    value = make(kind, size, folder)
    globals()[way](kind, make(kind, 1 << 20, folder / "warm"), folder / "warm")
    peak = Peak()
    before = written_bytes()
    used, started = time.process_time(), time.perf_counter()
    globals()[way](kind, value, folder)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    return {"seconds": seconds, "cpu": cpu, "written": written_bytes() - before, "memory": peak.stop()}


class Peak:
    """Watches the process's private memory."""

    def __init__(self) -> None:
        self._begin = self._most = self._now()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._most = max(self._most, self._now())

    @staticmethod
    def _now() -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
        raise OSError("/proc/self/status has no RssAnon")

    def stop(self) -> int:
        """The most bytes beyond those at the beginning."""
        self._done.set()
        self._thread.join()
        return self._most - self._begin


def one(kind: str, way: str, size: int) -> dict[str, float]:
    """Measure one way in a process and folder of its own."""
    with tempfile.TemporaryDirectory(prefix="capture-") as folder:
        (Path(folder) / "warm").mkdir()
        places = {name: f"{folder}/{name}" for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR")}
        quiet = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "WANDB_MODE": "offline", "HOME": folder}
        done = subprocess.run(
            [sys.executable, __file__, "--measure", kind, way, str(size), folder],
            env={**os.environ, **places, **quiet},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{kind} {way} failed:\n{done.stderr}")
        return dict(json.loads(done.stdout.splitlines()[-1]))


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians over the rounds, and of the ratios within each."""
    results = {}
    for way in WAYS:
        runs = [each[way] for each in rounds]
        result = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        result["spread"] = max(run["seconds"] for run in runs) - min(run["seconds"] for run in runs)
        for name, unit in (("of_floor", "seconds"), ("cpu_of_floor", "cpu")):
            result[name] = statistics.median(each[way][unit] / each["floor"][unit] for each in rounds)
        results[way] = result
    peers = results["peer"]["seconds"] - results["floor"]["seconds"]
    if peers > 0:
        results["ours"]["of_peers_overhead"] = (results["ours"]["seconds"] - results["floor"]["seconds"]) / peers
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", default="1GiB", help="of each value, in GiB or MiB")
    parser.add_argument("--quick", action="store_true", help="64 MiB, once")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        kind, way, size, folder = given.measure
        print(json.dumps(measure(kind, way, int(size), Path(folder))))
        return
    if given.quick:
        given.size, given.repeat = "64MiB", 1
    size = int(float(given.size[:-3]) * UNITS[given.size[-3:]])
    results: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{given.size} of each kind, medians of {given.repeat}")
    heads = ("of floor", "CPU of floor", "of peer's overhead", "seconds", "spread", "CPU", "written", "memory")
    print(f"{'kind':10}{'way':6}" + "".join(f"{head:>{max(9, len(head) + 2)}}" for head in heads))
    for kind in given.kinds.split(","):
        rounds = [{way: one(kind, way, size) for way in WAYS} for _ in range(given.repeat)]
        results[kind] = summary(rounds)
        for way, result in results[kind].items():
            beyond = result.get("of_peers_overhead")
            cells = (
                f"{result['of_floor']:.2f}",
                f"{result['cpu_of_floor']:.2f}",
                "" if beyond is None else f"{beyond:.2f}",
                f"{result['seconds']:.2f}",
                f"{result['spread']:.2f}",
                f"{result['cpu']:.2f}",
                f"{result['written'] / size:.2f}x",
                f"{result['memory'] / size:.2f}x",
            )
            columns = zip(heads, cells, strict=True)
            print(
                f"{kind:10}{way:6}" + "".join(f"{cell:>{max(9, len(head) + 2)}}" for head, cell in columns), flush=True
            )
    for head, figure, aim in (("of floor", "of_floor", 1.2), ("memory beyond the value", "memory", 0.2)):
        found = {kind: result["ours"][figure] / (size if figure == "memory" else 1) for kind, result in results.items()}
        worst = max(found, key=found.__getitem__)
        print(f"most {head}: {found[worst]:.2f} ({worst}); the aim is {aim}")
    if given.json:
        given.json.write_text(json.dumps({"size": size, "repeat": given.repeat, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
