"""The examples of the README run: those that are no fragments, which are marked in the line before."""

import importlib
import re
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_of_the_readme_run_and_track(bench, tmp_path, monkeypatch):
    examples = re.findall(r"^\n```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert examples
    monkeypatch.syspath_prepend(tmp_path)
    for number, example in enumerate(examples):
        (tmp_path / f"readme_{number}.py").write_text(example)
        importlib.import_module(f"readme_{number}")
    assert sys.modules["readme_0"].training(epochs=2) == 0.5
    run = bench.run()
    assert run.values("loss") == [1.0, 0.5]
    assert run.config["rate"] == 0.1
    assert run.tags == ["baseline"]
