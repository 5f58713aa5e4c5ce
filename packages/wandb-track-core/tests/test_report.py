"""Runs drawn as HTML: what is in it, that all of it is text, and what a browser makes of it."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wandb_track_core
from wandb_track_core.cli import main
from wandb_track_core.offline import _curves, _log, _render, _report, _schema, find_runs, pack, render_run, report

ATTACK = "<script>alert(1)</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def items(values):
    found = [_schema.Item(key=key, value_json=json.dumps(value)) for key, value in values.items()]
    return [item.SerializeToString() for item in found]


def changed(values):
    return {"summary": _schema.Changes(update=values).SerializeToString()}


def write(
    root,
    number,
    rows=(),
    *,
    name="",
    group="flow/1",
    job="train",
    config=(),
    summary=(),
    code=0,
    made=(),
    used=(),
    axes=(),
):
    """An offline run as the client writes it, without the client: each takes it seconds."""
    ident = f"r{number}"
    folder = Path(root, f"offline-run-{number}-{ident}")
    (folder / "files").mkdir(parents=True)
    run = {"run_id": ident, "display_name": name or f"train-{number}", "project": "p", "run_group": group}
    run |= {
        "job_type": job,
        "start_time": {"seconds": 1_700_000_000 + number},
        "config": {"update": items(dict(config))},
    }
    records = [{"run": run}, *({"metric": axis} for axis in axes)]
    for step, row in enumerate(rows):
        values = items({**row, "_step": step})
        records += [{"history": {"item": values, "step": {"num": step}}}, changed(values)]
    records.append(changed(items(dict(summary))))
    for artifact, alias in made:
        records.append({"artifact": {"type": "model", "name": artifact, "digest": alias, "aliases": ["latest", alias]}})
    if code is not None:
        records.append({"exit": {"exit_code": code, "runtime": 5}})
    _log.write(folder / f"run-{ident}.wandb", [_schema.Record(**record).SerializeToString() for record in records])
    if used:
        (folder / "wandb-track").mkdir()
        lines = [json.dumps({"format": 1, "edge": "input", "name": one, "alias": alias}) for one, alias in used]
        (folder / "wandb-track" / "lineage.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def siblings(tmp_path_factory):
    """Twelve branches of a loop, one of which failed, between a load and a join; one run is damaged."""
    root = tmp_path_factory.mktemp("siblings")
    write(root, 0, job="load", name="load", made=[("data", "v1")], summary={"count": 7})
    for number in range(1, 13):
        rows = [{"loss": 2.0 / (step + number), "acc": step / 40} for step in range(30)]
        error = {"exception": {"type": "ValueError", "message": "no luck & <b>"}} if number == 5 else {}
        write(root, number, rows, config={"lr": number / 10, "same": 1}, summary=error, code=int(number == 5))
    for number in (13, 14):
        write(root, number, [{"loss": 1.0 / (step + number)} for step in range(5)], job="tune", name=f"tune-{number}",
              made=[("best", f"b{number}")], used=[("data", "v1")])  # fmt: skip
    damaged = next(write(root, 15, [{"loss": 1.0}] * 30, name="broken").glob("*.wandb"))
    data = damaged.read_bytes()
    damaged.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
    return root


def test_a_run_is_drawn_from_its_folder_and_from_its_tar_and_while_it_is_open(tmp_path):
    """Name, state, exception, curves, summary, config, artifacts, inputs, and how to sync it."""
    rows = [{"loss": 1 / (step + 1)} for step in range(20)]
    summary = {"best": 0.25, "exception": {"type": "ValueError", "message": "no luck"}}
    folder = write(
        tmp_path, 1, rows, config={"lr": 0.1}, summary=summary, code=1, made=[("m", "v3")], used=[("d", "v1")]
    )
    drawn = render_run(folder, links={"in the flow": "https://ui/1", "bad": "javascript:alert(1)"}, is_closed=True)
    for text in (
        "train-1",
        "failed (1)",
        "ValueError: no luck",
        "0.25",
        "lr",
        "<th>m</th><td>v3 · model</td>",
        "<th>d</th><td>v1</td>",
        "wandb-track sync",
    ):
        assert text in drawn
    assert "href='https://ui/1'" in drawn
    assert "javascript:" not in drawn
    assert len(re.findall("<path class='c0 ", drawn)) == 1
    assert "<script" not in drawn
    assert not re.search(r"(src|href)=.(?!https://ui/1|data:)", drawn)
    assert "failed (1)" in render_run(pack(folder, tmp_path / "offline-run-1-r1.tar"))
    assert "wandb-track sync /shared/r1.tar<" in render_run(folder, stored=["/shared/r1.tar"])
    assert "Download <code>s3://b/r1.tar</code>, and sync" in render_run(folder, stored=["s3://b/r1.tar"])
    open_run = write(tmp_path, 2, rows, code=None)
    assert "still open, or killed" in render_run(open_run)


def test_a_run_is_drawn_by_a_package_in_a_zip(tmp_path):
    """As Spark's `--py-files` has it."""
    write(tmp_path, 1)
    package = Path(wandb_track_core.__file__).parent
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", package.parent, package.name)
    code = "from wandb_track_core.offline import find_runs, report; print(len(report(find_runs('.'))))"
    env = {"PYTHONPATH": archive}  # and nothing by which the package in the archive would count for the coverage
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_a_run_holds_is_text(tmp_path):
    """Wherever it stands."""
    rows = [{ATTACK: step, "ok'\"": step} for step in range(3)]
    config = {ATTACK: ATTACK, "a": {"b": ATTACK}}
    summary = {"exception": {"type": ATTACK, "message": ATTACK}, "page": {"_type": ATTACK}}
    edges = {"made": [(ATTACK, ATTACK)], "used": [(ATTACK, "v")]}
    names = {"name": ATTACK, "group": ATTACK, "job": ATTACK}
    folder = write(tmp_path, 1, rows, config=config, summary=summary, **edges, **names)
    write(tmp_path, 2, rows, name=f"' onload='{ATTACK}", group=ATTACK, job=ATTACK)
    assert ATTACK not in render_run(folder)
    page = report(find_runs(tmp_path), title=ATTACK)
    assert page.count("<script>") == 1
    assert "alert(1)" in page
    assert "' onload='" not in page


def curve_of(values):
    """A curve of values at the steps 0, 1, 2, ..."""
    curve = _curves.Curve()
    for step, value in enumerate(values):
        curve.add(step, value)
    return curve


def test_a_spike_survives_the_thinning():
    """And the whole is drawn, as densely in its beginning as in its end."""
    curve = curve_of({31_234: 1e6, 40_001: -1e6}.get(step, math.sin(step)) for step in range(50_000))
    points = [*curve.drawn()]
    halves = [sum(x < 25_000 for x, _ in points), sum(x >= 25_000 for x, _ in points)]
    assert min(halves) > 40
    assert max(halves) < 2 * min(halves)
    assert len(points) < 300
    assert (31_234, 1e6) in points
    assert (40_001, -1e6) in points


@pytest.mark.parametrize("length", [257, 429, 5000])
def test_a_curve_of_which_every_third_value_is_infinite_is_drawn(length):
    """Its lowest and highest value and a gap are kept of each part: a part of three points never becomes shorter."""
    points = [*curve_of(math.inf if step % 3 == 0 else step + step % 2 * 9 for step in range(length)).drawn()]
    assert len(points) < 300
    assert {math.isfinite(y) for _, y in points} == {True, False}


def test_nan_is_a_gap_and_a_wide_range_gets_a_logarithmic_axis():
    curve = curve_of((1.0, 0.1, math.nan, math.inf, 0.01, 0.0001))
    drawn = _curves.chart("loss", [("a", 0, curve)])
    (path,) = re.findall("<path class='c0 [^>]* d='([^']*)'", drawn)
    assert path.count("M") == 2
    assert "<small>log</small>" in drawn
    assert "nan" not in drawn.lower()
    for values in ((0.0, 0.0), (1e308, -1e308), (5e-324, 1e308), (math.nan,), (-1.0, 1e-300), (3.0,)):
        drawn = _curves.chart("x", [("a", 0, curve_of(values))])
        assert "nan" not in drawn.lower()
        assert "inf" not in drawn


@pytest.mark.parametrize(
    "values", [(1000.001, 1000.0013), (0.1234567, 0.1234569), (123_456_789, 123_459_789), (-2e-9, 3e-9)]
)
def test_the_names_on_an_axis_differ_and_have_room(values):
    drawn = _curves.chart("x", [("a", 0, curve_of(values))])
    names = re.findall("<i [^>]*>([^<]*)</i>", drawn)
    assert len({*names}) == len(names) > 1
    assert f"--room:{max(map(len, names))}ch" in drawn


def test_a_metric_is_drawn_over_that_which_define_metric_named(tmp_path):
    """As W&B draws it: by name or pattern, the last value where a row lacks it; what frameworks log needs it."""
    axes = [
        {"name": "epoch"},
        {"name": "own"},
        {"glob_name": "val/*", "step_metric": "epoch"},
        {"glob_name": "*", "step_metric": "global_step"},
    ]
    rows = [{"early/loss": 9, "own": 1}, {"epoch": 10, "global_step": 500, "val/loss": 1, "own": 2}]
    rows += [{"val/loss": 2, "early/loss": 3}, {"epoch": 30, "global_step": 900, "val/loss": 3, "early/loss": 4}]
    write(tmp_path, 1, rows, axes=axes)
    (run,) = find_runs(tmp_path)
    curves = _curves.read_rows(run).curves()
    assert [*curves["val/loss"].drawn()] == [(10, 1), (10, 2), (30, 3)]
    assert [*curves["early/loss"].drawn()] == [(500, 3), (900, 4)]
    assert [*curves["own"].drawn()] == [(0, 1), (1, 2)]
    drawn = render_run(run.folder)
    assert "val/loss over epoch" in drawn
    assert "early/loss over global_step" in drawn


def test_the_axis_of_a_metric_is_read_as_the_client_writes_it():
    client = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    metric = client.MetricRecord(glob_name="val/*", step_metric="epoch", name="n")
    read = _schema.Record.FromString(client.Record(metric=metric).SerializeToString()).metric
    assert (read.glob_name, read.step_metric, read.name) == ("val/*", "epoch", "n")


def test_steps_are_written_out():
    curve = _curves.Curve()
    for step in (0, 1_234_567):
        curve.add(step, step)
    assert "<span>1234567</span>" in _curves.chart("x", [("a", 0, curve)])


def test_curves_of_one_colour_have_other_dashes():
    assert len({_curves.line_of(number) for number in range(_report._MOST_CURVES)}) == _report._MOST_CURVES


def test_rows_are_read_as_the_history_has_them(tmp_path):
    """By bytes, as by the parser: keys within dictionaries, texts, booleans; attempts go on where the last ended."""
    odd = {"\u00c2\n\x12": 7, "k" * 200: 10**30, "_own": 1, "s": "12"}  # the first holds bytes that begin a field
    rows = [{"a": 1.5, "t": "x" * 300, "b": True, "n.m": 2, **odd}, {"a": math.nan}, {"a": -3e-7}]
    write(tmp_path, 1, rows)
    (run,) = find_runs(tmp_path)
    found = _curves.read_rows(run)
    curves = {key: [*curve.drawn()] for key, curve in found.curves().items()}
    assert found.left_out == 0
    assert {key: [x for x, _ in points] for key, points in curves.items()} == {
        "a": [0, 1, 2],
        "n.m": [0],
        "\u00c2\n\x12": [0],
        "k" * 200: [0],
    }
    assert curves["k" * 200] == [(0, 1e30)]
    assert str([y for _, y in curves["a"]]) == str([row["a"] for row in run.history(["a"])])


def test_media_is_embedded_in_bounds(tmp_path):
    """Images by what they are, tables, histograms; nobody's own HTML; nothing outside of the folder."""
    summary = {
        "img": {"_type": "image-file", "path": "a.png", "caption": ATTACK},
        "fake": {"_type": "image-file", "path": "b.png"},
        "out": {"_type": "image-file", "path": "../../secret.png"},
        "table": {"_type": "table-file", "path": "t.json"},
        "hist": {"_type": "histogram", "values": [1, 5, 2], "bins": [0, 1, 2, 3]},
        "html": {"_type": "html-file", "path": "p.html"},
        "odd": {"_type": "table-file"},
    }
    folder = write(tmp_path, 1, summary=summary)
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (folder / "files" / "a.png").write_bytes(PIXEL)
    (folder / "files" / "b.png").write_text(f"<svg>{ATTACK}</svg>")
    (folder / "files" / "p.html").write_text("<p>of the user")
    (folder / "files" / "t.json").write_text(json.dumps({"columns": ["c"], "data": [[ATTACK]] * 50}))
    drawn = render_run(folder)
    assert drawn.count("data:image/png;base64") == 1
    assert drawn.count("<rect") == 3
    assert "50 rows" in drawn
    assert "of the user" not in drawn
    assert ATTACK not in drawn


def test_a_report_is_one_page_of_all_runs(siblings, capsys, tmp_path):
    """Its last line is the path; siblings are folded, compared, marked; what is broken is shown as broken."""
    target = tmp_path / "report.html"
    assert main(["report", str(siblings), "-o", str(target)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(target)
    page = target.read_text()
    for text in (
        "train compared",
        "tune compared",
        "no luck &amp; &lt;b&gt;",
        "its log is damaged at byte",
        "<title>data: model v1</title>",
    ):
        assert text in page
    head = re.search(r"<thead>.*?</thead>", page)[0]
    assert "lr" in head
    assert "same" not in head
    assert page.count("class='best'") == 2  # of train and of tune
    assert len(page) < 1_500_000


def test_what_a_report_leaves_out_is_said(tmp_path, monkeypatch):
    for name, value in {"MOST_RUNS": 8, "MOST_PARTS": 3, "_MOST_CURVES": 4}.items():
        monkeypatch.setattr(_report, name, value)
    for number in range(10):
        write(tmp_path, number, [{"loss": 1}, {"loss": 2}], code=int(number == 6))
    page = report(find_runs(tmp_path))
    assert "The first 8 of 10 runs are shown" in page
    assert "Not drawn here: 4 of 8 runs." in page
    assert page.count("<details") == 3
    assert "<details id='run6'" in page


BEST = [
    ("val_loss", min), ("MAPE", min), ("err", min), ("word_error_rate", min), ("loss.min", min),
    ("val/accuracy", max), ("acc@5", max), ("mAP50", max), ("metrics/mAP50-95(B)", max), ("roc_auc", max),
    ("f1_macro", max), ("mean_IoU", max), ("R2", max), ("acc.max", max),
    ("loss_scale", None), ("interrupts", None), ("layer2/grad", None), ("previous", None), ("heatmaps", None),
    ("accumulated", None), ("epoch", None),
]  # fmt: skip


@pytest.mark.parametrize(("key", "best"), BEST, ids=[key for key, _ in BEST])
def test_the_best_run_is_marked_only_where_the_name_of_the_metric_tells_which_it_is(key, best):
    assert _report._best(key, [0.25, 0.75]) == (best and best(0.25, 0.75))


def test_what_is_in_dictionaries_has_columns_of_its_own(tmp_path):
    """Such as config in groups, and summaries that `define_metric(summary="max")` makes; exact values are in titles."""
    for number in (1, 2):
        config = {"optim": {"lr": number / 10, "same": 1}, "script": {"task": "t", "attempt": number}}
        summary = {"acc": {"max": 0.98761234 + number * 1e-7}, "exception": {"type": "E", "message": "m"}}
        write(tmp_path, number, config=config, summary=summary)
    page = report(find_runs(tmp_path))
    assert re.findall("<button>(.*?)</button>", page) == ["run", "state", "duration", "optim.lr", "acc.max"]
    assert "class='best' title='0.98761254'>0.987613</td>" in page
    assert "<th>optim.lr</th><td>0.1</td>" in page
    assert "<th>acc.max</th>" in page


def test_the_metrics_that_judge_a_run_come_first_and_are_never_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "_MOST_COLUMNS", 2)
    for number in (1, 2):
        folder = write(tmp_path, number, [{"a": step, "b": step, "c": step, "val/loss": step} for step in range(3)])
    page = report(find_runs(tmp_path)).partition("<details")[0]
    assert "<button>val/loss</button>" in page
    assert "Not shown: 2 of 4 columns." in page
    assert page.index("val/loss over steps") < page.index("a over steps")
    monkeypatch.setattr(_report, "_MOST_CHARTS", 2)
    monkeypatch.setattr(_render, "MOST_CHARTS", 2)
    assert "val/loss over steps" in report(find_runs(tmp_path)).partition("<details")[0]
    assert "val/loss over steps" in render_run(folder)


def test_the_command_that_syncs_a_run_works_in_any_folder(tmp_path, monkeypatch):
    folder = write(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    assert f"wandb-track sync {folder}</code>" in report(find_runs("."))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "under 1 s"), (59.7, "1 min 0 s"), (3599.6, "1 h 0 min"), (7, "7 s")]
)
def test_durations_are_rounded_as_a_whole(tmp_path, seconds, text):
    write(tmp_path, 1, summary={"_runtime": seconds})
    (run,) = find_runs(tmp_path)
    run.duration = seconds
    assert _render.seconds_of(run) == text
    assert [_render.bytes_of(size) for size in (999, 999_600, 1e9)] == ["999 B", "1 MB", "1 GB"]


def test_runs_of_one_name_are_told_apart_by_their_ids(tmp_path):
    """As the elements of a local map task are."""
    for number in (1, 2):
        write(tmp_path, number, [{"loss": 1}, {"loss": 2}], name="one")
    page = report(find_runs(tmp_path))
    assert page.count("one r1</a>") == page.count("one r2</a>") == 1
    assert page.count("<title>one r1</title>") == 1


def test_names_in_the_lineage_are_cut_in_their_middle(tmp_path):
    """The names of tables begin with that of their run, all alike."""
    write(tmp_path, 1, made=[("run-flow-1795772256422981-train-7-0-preds", "v1")])
    assert ">run-flow-1…-7-0-preds</text>" in report(find_runs(tmp_path))


def test_a_folder_without_runs_has_no_report(tmp_path, capsys):
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "r.html")]) == 1
    assert f"no offline runs found in {tmp_path}" in capsys.readouterr().err


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is missing")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(
                f"no Chromium: install Debian's package, or run `playwright install chromium` ({error.message})"
            )
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_it(browser, siblings, tmp_path, width, scheme):
    """No request leaves the page, the console is clean, nothing is too wide; sort, legend and picking work."""
    root = tmp_path / "runs"
    shutil.copytree(siblings, root)
    write(root, 20, [{ATTACK: 1}, {ATTACK: 2}], name=ATTACK, group=ATTACK, config={"a": ATTACK})
    target = tmp_path / "report.html"
    target.write_text(report(find_runs(root)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests, console = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: console.append(message.text))
    page.on("pageerror", lambda error: console.append(str(error)))
    page.on("dialog", lambda dialog: console.append(dialog.message))
    page.goto(target.as_uri())

    names = "[...document.querySelectorAll('.runs')[0].tBodies[0].rows].map(row => row.cells[1].textContent)"
    head = page.locator(".runs").first.locator("th button", has_text="lr")
    head.click()
    assert page.evaluate(names)[:3] == ["train-1", "train-2", "train-3"]
    head.click()
    assert page.evaluate(names)[:3] == ["train-12", "train-11", "train-10"]

    compared = page.locator(".siblings").first
    curve = compared.locator("figure").first.locator("path[data-s='0']")
    button = compared.locator(".legend button").first
    assert curve.is_visible()
    button.click()
    assert not curve.is_visible()
    button.click()
    assert curve.is_visible()
    page.get_by_label("pick train-2", exact=True).check()
    assert compared.locator("path.picked").count() == 2

    compared.locator(".plot").last.hover()
    assert re.search(r"train-\d+: [\d.]+ at \d+", compared.locator("output").last.inner_text())

    page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert console == []
    page.evaluate("document.querySelectorAll('details').forEach((part, number) => part.open = number == 5)")
    keep(page, f"report-{width}-{scheme}.png")
    page.close()


@pytest.fixture
def shown(browser, tmp_path):
    """Shows a report of what is below `runs`; the page has no errors."""
    pages, errors = [], []

    def show(**options):
        target = tmp_path / "report.html"
        target.write_text(report(find_runs(tmp_path / "runs")), encoding="utf-8")
        page = browser.new_page(**options)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(target.as_uri())
        return page

    yield show
    for page in pages:
        page.close()
    assert errors == []


def test_runs_are_filtered_with_their_curves_and_parts(shown, tmp_path):
    for number, name in enumerate(("adam", "sgd", "sgd")):
        config = {"optim": {"name": name}, "lr": number}
        write(tmp_path / "runs", number, [{"loss": 1}, {"loss": 2}], config=config, code=int(number == 2))
    write(tmp_path / "runs", 7, group="flow/2")
    page = shown()
    page.get_by_label("filter runs").fill("SGD failed")
    assert page.locator(".runs tbody tr:visible").count() == 1
    assert page.locator(".plot path[data-s]:visible").get_attribute("data-s") == "2"
    assert page.locator(".legend button[data-s]:visible").inner_text() == "train-2"
    assert page.locator("details:visible").get_attribute("id") == "run2"
    assert page.locator("h2:visible").inner_text() == "flow/1"
    page.get_by_label("filter runs").fill("")
    assert page.locator("h2:visible").count() == 2
    assert page.locator(".plot path[data-s]:visible").count() == 3


def test_all_curves_are_hidden_and_shown_at_once(shown, tmp_path):
    for number in range(3):
        write(tmp_path / "runs", number, [{"loss": 1}, {"loss": 2}])
    page = shown()
    curves = page.locator(".siblings .plot path[data-s]:visible")
    page.get_by_role("button", name="all / none").click()
    assert curves.count() == 0
    page.locator(".legend button").nth(1).click()
    assert curves.count() == 1
    page.get_by_role("button", name="all / none").click()
    assert curves.count() == 3


def test_values_under_the_pointer_are_those_that_were_logged(shown, tmp_path):
    """Also by a finger, which leaves the chart when it is lifted, and of large steps and narrow ranges."""
    rows = [{"narrow": 1000.001 + step * 1e-7, "wide": 10.0**-step} for step in range(13)]
    write(tmp_path / "runs", 1, rows)
    page = shown(has_touch=True)
    for plot, value in zip(page.locator(".plot").all(), ("1000.0010003 at 3", "0.001 at 3"), strict=True):
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] * 3 / 12, box["y"] + 50)
        assert page.locator("output").evaluate_all("all => all.map((one) => one.textContent).join('')").endswith(value)


def test_a_chart_is_read_with_the_keyboard(shown, tmp_path):
    for number in (1, 2):
        write(tmp_path / "runs", number, [{"loss": 1 / (step + number)} for step in range(4)])
    page = shown()
    plot, output = page.locator(".siblings .plot").first, page.locator(".siblings output").first
    plot.focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
        seen.append(output.inner_text())
    assert seen == [
        "train-1: 1 at 0",
        "train-1: 0.5 at 1",
        "train-2: 0.333333 at 1",
        "train-2: 0.5 at 0",
        "train-2: 0.5 at 0",
    ]
    page.keyboard.press("Tab")
    assert output.inner_text() == ""


def test_what_is_no_number_is_sorted_last(shown, tmp_path):
    for number, loss in enumerate((math.nan, 0.5, -2.0)):
        write(tmp_path / "runs", number, summary={"loss": loss})
    page = shown()
    head = page.get_by_role("button", name="loss")
    for expected in (["-2", "0.5", "nan"], ["0.5", "-2", "nan"]):
        head.click()
        cells = page.locator(".runs tbody tr td:last-child").all_inner_texts()
        assert [cell.replace(" ★", "") for cell in cells] == expected


def test_a_closed_part_opens_each_time_that_its_run_is_clicked(shown, tmp_path):
    for number in range(3):
        write(tmp_path / "runs", number)
    page = shown()
    part = page.locator("#run1")
    for _ in range(2):
        page.get_by_role("link", name="train-1").click()
        assert part.get_attribute("open") is not None
        part.locator("summary").click()


@pytest.mark.parametrize("width", [390, 1400])
def test_long_names_and_wide_tables_stay_readable(shown, tmp_path, width):
    """The name of a run stays in view while its row is scrolled; words are not broken into letters."""
    summary = {f"layer_{number}/very/long/name/of/a/metric/that/goes/on": number for number in range(20)}
    folder = write(tmp_path / "runs", 1, summary=summary | {"table": {"_type": "table-file", "path": "t.json"}})
    cells = [f"column {number}" for number in range(10)]
    (folder / "files" / "t.json").write_text(json.dumps({"columns": cells, "data": [["words"] * 10] * 30}))
    page = shown(viewport={"width": width, "height": 900})
    page.locator(".wide:has(.runs)").evaluate("(table) => { table.scrollLeft = 1000; }")
    name, table = page.locator(".runs td a").bounding_box(), page.locator(".wide:has(.runs)").bounding_box()
    assert name["x"] >= table["x"]
    heads = page.locator(".runs th button").evaluate_all("all => all.map((one) => one.getBoundingClientRect().right)")
    cells = page.locator(".runs th:has(button)").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().right)"
    )
    assert all(head <= cell for head, cell in zip(heads, cells, strict=True))
    assert page.locator(".media td").first.bounding_box()["height"] < 40
    assert page.locator(".media .wide").bounding_box()["height"] <= 420
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def keep(page, name):
    """Keep a picture of a whole page, where the session `browser` says."""
    if kept := os.environ.get("WANDB_TRACK_SCREENSHOTS"):
        page.screenshot(path=Path(kept, name), full_page=True)


def test_a_printed_page_is_light_whole_and_no_wider_than_its_paper(browser, siblings, tmp_path):
    target = tmp_path / "report.html"
    target.write_text(report(find_runs(siblings)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 760, "height": 1080}, color_scheme="dark")
    page.goto(target.as_uri())
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('.wt')).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 760
    assert not page.locator(".runs input").first.is_visible()
    assert page.locator(".legend").first.is_visible()  # it tells whose curve is whose
    keep(page, "report-print.png")
    page.close()


def test_only_a_page_of_its_own_is_dark(browser, tmp_path):
    """A Deck is white in any browser."""
    drawn = render_run(write(tmp_path, 1))
    target = tmp_path / "deck.html"
    page = browser.new_page(color_scheme="dark")
    for around, colour in ((drawn, "rgb(17, 21, 28)"), (f"<div>{drawn}</div>", "rgb(255, 255, 255)")):
        target.write_text(f"<!doctype html><meta charset='utf-8'>{around}", encoding="utf-8")
        page.goto(target.as_uri())
        assert page.evaluate("getComputedStyle(document.querySelector('.wt')).backgroundColor") == colour
    page.close()


@pytest.mark.parametrize("width", [400, 1400])
def test_a_card_fits_into_its_frame(browser, tmp_path, width):
    """As a card is, and as a Deck's tab is: within a page of somebody else's."""
    rows = [{"loss": 1 / (step + 1), "accuracy": step / 40} for step in range(40)]
    config = {"lr": 0.1, "flyte": {"task": "train", "attempt": 0, "url": "https://flyte.test/1"}}
    drawn = render_run(write(tmp_path, 1, rows, config=config, made=[("model", "v1")]))
    target = tmp_path / "card.html"
    target.write_text(f"<!doctype html><meta charset='utf-8'>{drawn}", encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 700})
    page.goto(target.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_role("link", name="Open in Flyte").get_attribute("href") == "https://flyte.test/1"
    keep(page, f"card-{width}.png")
    page.close()
