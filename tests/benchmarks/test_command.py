"""The real command, on one small workload, with the frameworks that the tests have."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, timeout=240):
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    data = tmp_path_factory.mktemp("data")
    options = ["--quick", "--goals", "--rounds", 2, "--seconds", 0.1, "--systems", "dataload,torch,tf.data,grain"]
    result = run("table", *options, "--out", out, "--data", data)
    assert result.returncode == 0, result.stdout + result.stderr
    return result, out, json.loads((out / "benchmarks.json").read_text())


def test_dataload_torch_and_tf_data_did_the_same_work_and_were_measured(finished):
    _, _, content = finished
    rows = {row["system"]: row for row in content["rows"]}
    for name in ("dataload thread", "dataload process", "dataload auto", "torch", "tf.data"):
        row = rows[name]
        assert row["figures"], (name, row["note"])
        assert row["figures"]["samples_per_s"] > 0 and row["figures"]["first_batch_s"] > 0
        assert len(row["rounds"]) == 2
    peers = [rows[name]["of_best_peer"] for name in ("torch", "tf.data")]
    assert max(peers) == 1.0 and 0 < min(peers) <= 1.0
    assert rows["limit"]["figures"]["samples_per_s"] > 0 and 0 < rows["torch"]["of_limit"] < 1


def test_the_json_holds_every_round_and_what_it_depends_on(finished):
    _, _, content = finished
    assert {(record["system"], record["round"]) for record in content["rounds"]} >= {("torch", 0), ("torch", 1)}
    assert content["machine"]["cores"] >= 1 and content["machine"]["processor"]
    assert {"python", "numpy", "dataload", "torch"} <= set(content["versions"])
    assert content["command"].startswith("python -m benchmarks table") and content["date"]
    assert {goal["workload"] for goal in content["goals"]} == {"table"}


def test_the_report_is_printed_and_written(finished):
    result, out, _ = finished
    written = (out / "benchmarks.md").read_text()
    for text in (result.stdout, written):
        assert "x best peer" in text and "tf.data" in text
    assert (out / "benchmarks.png").read_bytes().startswith(b"\x89PNG")


def test_goals_are_printed_and_stay_out_of_the_page(finished):
    result, out, _ = finished
    assert "table: 20 x torch" in result.stdout and "must be" in result.stdout
    written = (out / "benchmarks.md").read_text().replace("--goals", "")  # which the command in it names
    assert not {"goal", "goals", "met", "missed"} & set(re.findall(r"\w+", written))


def test_without_asking_for_goals_there_are_none(tmp_path):
    result = run("start", "--quick", "--systems", "dataload", "--out", tmp_path, "--data", tmp_path)
    assert result.returncode == 0 and "dataload process" in result.stdout
    assert "must be" not in result.stdout and "goals" not in json.loads((tmp_path / "benchmarks.json").read_text())


def test_a_peer_that_is_not_installed_says_so(finished):
    from importlib.util import find_spec

    if find_spec("grain"):
        pytest.skip("Grain is installed")
    result, _, content = finished
    notes = {row["system"]: row["note"] for row in content["rows"]}
    assert notes["grain processes"] == "not installed (extra peers)"
    assert "grain processes: not installed (extra peers)" in result.stdout


def test_a_wrong_name_is_refused_with_the_right_ones():
    result = run("spech", timeout=60)
    assert result.returncode == 2 and "'spech' is none of speech" in result.stderr
    result = run("--systems", "dataload,tensorflow", timeout=60)
    assert result.returncode == 2 and "tensorflow is none of" in result.stderr
