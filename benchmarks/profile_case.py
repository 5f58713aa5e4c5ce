# /// script
# dependencies = ["wandb-track-metaflow", "fastcore"]
# ///
"""Where the time of a Metaflow flow of three small steps goes, by way of tracking: samples of each of its processes.

    python benchmarks/profile_case.py [--variants "by hand,wandb-track"]

Each process looks at its own main thread every 2 ms, from its start to its end, and notes what the thread is doing. The
flow's processes run one after the other, so that the seconds of all add up to about those of the flow; what the
interpreter does before and after is not seen, and neither is what the client's service does meanwhile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from wandb_track_testing.plugin import isolated_env

FLOW = Path(__file__).parent / "tasks" / "metaflow_flow.py"
SAMPLER = """
import atexit, collections, json, os, sys, threading, time
HERE, STEP = os.environ["PROFILE_INTO"], 0.002
seen, main = collections.Counter(), threading.main_thread().ident
NAMES = {
    ("wandb_init.py", "init"): "wandb.init",
    ("wandb_run.py", "finish"): "run.finish",
    ("wandb_setup.py", "_teardown"): "the service's end",
}
def what(frame):
    imported, doing = "", ""
    while frame is not None:
        code = frame.f_code
        path = code.co_filename
        if code.co_name == "<module>" and "site-packages" in path:
            imported = "import of " + path.split("site-packages/")[1].split("/")[0]
        key = os.path.basename(path), code.co_name
        if key in NAMES and "/wandb/" in path:
            doing = NAMES[key]
        elif "wandb_track" in path or "/wandb/integration/" in path:
            doing = doing or "the integration's own code"
        frame = frame.f_back
    return imported or doing or "Metaflow and the step"
def look():
    last = time.perf_counter()
    while True:
        time.sleep(STEP)
        now = time.perf_counter()
        frame = sys._current_frames().get(main)
        seen[what(frame)] += now - last
        last = now
def write():
    with open(os.path.join(HERE, str(os.getpid())), "w") as file:
        json.dump(seen, file)
atexit.register(write)
threading.Thread(target=look, daemon=True).start()
"""


def profile(variant: str) -> Counter[str]:
    """The seconds of each kind of work, over all processes of the flow."""
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder, into = Path(name), Path(name, "profile")
        into.mkdir()
        (folder / "sitecustomize.py").write_text(SAMPLER)
        env = isolated_env(folder, VARIANT=variant, PYTHONPATH=name, PROFILE_INTO=str(into))
        subprocess.run([sys.executable, str(FLOW), "--quiet", "run"], env=env, cwd=name, check=True)
        for file in into.iterdir():
            total.update(json.loads(file.read_text()))
    return total


def main() -> int:
    """Profile each variant, and print what took more than 20 ms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="untracked,peer,by hand,wandb-track", help="which, with commas between")
    variants = parser.parse_args().variants.split(",")
    profiles = {variant: profile(variant) for variant in variants}
    kinds = sorted(
        {kind for each in profiles.values() for kind in each}, key=lambda kind: -profiles[variants[-1]][kind]
    )
    print(f"| seconds in | {' | '.join(variants)} |\n|---|{'---|' * len(variants)}")
    for kind in kinds:
        if max(each[kind] for each in profiles.values()) >= 0.02:
            print(f"| {kind} | {' | '.join(f'{each[kind]:.2f}' for each in profiles.values())} |")
    print(f"| all | {' | '.join(f'{sum(each.values()):.2f}' for each in profiles.values())} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
