"""Run the stand-in server on its own: ``python -m wandb_track_testing.standin --port 0``."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading

from ._server import StandIn


def main() -> None:
    """Serve until SIGINT or SIGTERM; the first line printed is the URL, the state follows at the end."""
    parser = argparse.ArgumentParser(prog="wandb_track_testing.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--entity", default="acme", help="the entity of runs that name none")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    with StandIn(port=given.port, entity=given.entity, latency=given.latency) as server:
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        sys.stdout.write(json.dumps(server.snapshot(), indent=1) + "\n")


if __name__ == "__main__":
    main()
