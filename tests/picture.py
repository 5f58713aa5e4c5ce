# /// script
# dependencies = [
#     "wandb-track-flyte",
#     "wandb-track-metaflow",
#     "scikit-learn>=1.3",
#     "pandas>=2.0",
#     "pyarrow>=14",
#     "playwright>=1.45",
# ]
# [tool.nox]
# arguments = ["docs/images/report.png"]
# ///
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
WIDTH, MARGIN = 1280, 6


def main(picture: Path) -> None:
    """Run the demo of both orchestrators, and photograph its report down to the first comparison of siblings."""
    with tempfile.TemporaryDirectory(prefix="wandb-track-picture-") as folder:
        environment = {**os.environ, "WANDB_DIR": folder, "WANDB_MODE": "offline"}
        subprocess.run([sys.executable, DEMO, "flyte", "metaflow"], env=environment, cwd=folder, check=True)
        with sync_playwright() as playwright:
            found = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": WIDTH})
            page.goto((Path(folder) / "wandb-track-report.html").as_uri())
            last = page.locator(".siblings").first.bounding_box()
            height = last["y"] + last["height"] + MARGIN
            picture.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": WIDTH, "height": height}, full_page=True)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
