"""`python -m wandb_track_core`: the command `wandb-track`, where no folder of scripts is on the PATH."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
