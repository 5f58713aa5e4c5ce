"""Takes the picture of the demo's report that README and documentation show.

python tests/picture.py PICTURE     a PNG; needs playwright and Chromium
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

DEMO = Path(__file__).parent.parent / "examples" / "demo.py"
WIDTH, HEIGHT = 1400, 900


def main(picture: Path) -> None:
    """Run the demo of both orchestrators, and photograph the top of its report."""
    with tempfile.TemporaryDirectory(prefix="wandb-track-picture-") as folder:
        environment = {**os.environ, "WANDB_DIR": folder, "WANDB_MODE": "offline"}
        subprocess.run([sys.executable, DEMO, "flyte", "metaflow"], env=environment, cwd=folder, check=True)
        with sync_playwright() as playwright:
            found = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto((Path(folder) / "wandb-track-report.html").as_uri())
            picture.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=picture)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
