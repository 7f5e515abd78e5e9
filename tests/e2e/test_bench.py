"""The pure parts of ./x bench: verdicts, medians, noise, options, exit status, and what its load generators write."""
import argparse
import io
import json
import pathlib
import subprocess
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parent.parent.parent / "bench"
sys.path.insert(0, str(BENCH))

import common  # noqa: E402
import options  # noqa: E402
import peers  # noqa: E402
import run  # noqa: E402
from table import ALL_MET, FAILED, MISSED, Budget, Report, Samples, noise, ratios  # noqa: E402


def quiet():
    return Report(echo=io.StringIO())


def refusal(capsys, *arguments, changes=list):
    with pytest.raises(SystemExit) as stopped:
        options.parse(arguments, changes)
    assert stopped.value.code == 2
    return capsys.readouterr().err


# -- verdicts --------------------------------------------------------------------------------------------------------------

def test_a_budget_is_met_or_missed_by_the_median():
    assert Budget(at_least=0.6).verdict([0.7, 0.71, 0.72]) == "met"
    assert Budget(at_least=0.6).verdict([0.4, 0.41, 0.42]) == "missed"
    assert Budget(at_most=50).verdict([44]) == "met"
    assert Budget(at_most=50).verdict([51]) == "missed"
    assert Budget(at_most=50).verdict([50, 50, 50]) == "met"


def test_rounds_farther_apart_than_the_budget_is_away_decide_nothing():
    assert Budget(at_most=50).verdict([35, 44, 57]) == "within noise (met)"
    assert Budget(at_least=0.6).verdict([0.5, 0.58, 0.61]) == "within noise (missed)"
    assert Budget(at_most=300).verdict([35, 44, 57]) == "met"


def test_a_budget_has_one_limit():
    for limits in ({}, {"at_least": 1, "at_most": 2}):
        with pytest.raises(ValueError):
            Budget(**limits)


def test_noise_is_the_spread_beside_the_median_and_unknown_of_one_round():
    assert noise([90, 100, 120]) == pytest.approx(0.3)
    assert noise([100]) is None
    assert noise([0, 0]) is None


def test_ratios_are_taken_round_by_round():
    samples = Samples()
    for put, bare in ((50, 100), (10, 20), (30, 60)):  # a slow second round
        samples.add("put", put)
        samples.add("bare", bare)
    assert samples.ratios("put", "bare") == [0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="2 rounds beside 1"):
        ratios([1, 2], [1])


def test_a_row_is_judged_by_its_ratio_where_the_budget_says_so():
    report = quiet()
    report.row("PutItem", [50, 10, 30], "/s", "100/s bare", [0.5, 0.5, 0.5], Budget(at_least=0.6, of_ratio=True, text=">= 60%"))
    row = report.rows[0]
    assert (row["value"], row["ratio"], row["verdict"], row["budget"]) == (30, "50% (50% to 50%)", "missed", ">= 60%")
    assert row["noise"] == pytest.approx(4 / 3)


def test_ratios_are_shown_with_their_range():
    report = quiet()
    report.row("PutItem", [50, 60, 40], "/s", "100/s bare", [0.5, 0.6, 0.4], Budget(at_least=0.45, of_ratio=True))
    report.row("start", 40, "ms", "2 ms", 20, percent=False)
    assert [row["ratio"] for row in report.rows] == ["50% (40% to 60%)", "20.0x"]
    assert report.rows[0]["verdict"] == "within noise (met)"
    assert (report.rows[0]["rounds"], report.rows[0]["ratios"]) == ([50, 60, 40], [0.5, 0.6, 0.4])


def test_a_row_without_reference_says_so():
    report = quiet()
    report.row("idle memory", [27, 27.1], "MB", budget=Budget(at_most=30))
    assert report.rows[0]["reference"] == "none"
    assert report.rows[0]["ratio"] == "-"


# -- exit status -----------------------------------------------------------------------------------------------------------

def status_of(*values, failed=False):
    report = quiet()
    for value in values:
        report.row("figure", value, "ms", budget=Budget(at_most=50))
    if failed:
        report.failed("part", "why")
    return report.status()


def test_the_exit_status_tells_met_missed_and_failed_apart():
    assert status_of([10, 11]) == ALL_MET == 0
    assert status_of([10, 11], [60, 61]) == MISSED == 3
    assert status_of([10, 11], [60, 61], failed=True) == FAILED == 1
    assert status_of([40, 51, 60]) == ALL_MET  # within noise
    assert status_of() == FAILED  # nothing was measured


def test_a_part_that_fails_is_a_row_and_the_others_are_measured_and_saved(tmp_path):
    report = quiet()

    def breaks(_):
        raise RuntimeError("the server\nwent away")
    run.run_parts(report, [("tail", breaks), ("start", lambda table: table.row("start", [44], "ms", budget=Budget(at_most=50)))])
    run.save(report, argparse.Namespace(save="x", kind="peers", only=None, parts=[]), tmp_path)
    assert report.status() == FAILED
    rows = json.loads((tmp_path / "x-peers.json").read_text())["rows"]
    assert [(row["figure"], row["verdict"]) for row in rows] == [("tail", "failed"), ("start", "met")]
    assert rows[0]["details"] == "RuntimeError: the server went away"
    assert "budgets: 1 met, 1 failed" in (tmp_path / "x-peers.txt").read_text()


def test_kept_results_are_named_after_what_was_measured(tmp_path):
    for arguments in ([], ["--only", "start,log"], ["triggers"], ["triggers", "--only", "idle"], ["--peers"]):
        run.save(quiet(), options.parse([*arguments, "--save", "0.2.0"], list), tmp_path)
    assert {path.name for path in tmp_path.glob("*.json")} == {"0.2.0.json", "0.2.0-log-start.json", "0.2.0-triggers.json", "0.2.0-triggers-idle.json", "0.2.0-peers.json"}


def test_an_interrupted_run_keeps_what_it_has():
    report = quiet()

    def stopped(_):
        raise KeyboardInterrupt
    run.run_parts(report, [("start", lambda table: table.row("start", [44], "ms")), ("tail", stopped), ("log", stopped)])
    assert [row["verdict"] for row in report.rows] == ["-", "failed"]


def test_peers_are_shown_when_millrace_itself_failed():
    report, samples = quiet(), Samples()
    samples.add(("Dynalite 4.0.0", "GetItem"), 100)
    samples.add(("Dynalite 4.0.0", "GetItem", "p99"), 1)
    place = argparse.Namespace(name="Dynalite 4.0.0", keeps="LevelDB, unsynced")
    peers.report_load(report, samples, [argparse.Namespace(name=peers.HERE, keeps="synced"), place], "GetItem")
    assert [(row["value"], row["ratio"]) for row in report.rows] == [(100, "-")]


# -- options ---------------------------------------------------------------------------------------------------------------

def test_every_part_is_measured_unless_some_are_chosen():
    assert options.parse([]).parts == ["throughput", "tail", "latency", "log", "bulk", "start"]
    assert options.parse(["--only", "start,log"]).parts == ["log", "start"]
    assert options.parse(["triggers", "--only", "idle"]).parts == ["idle"]


def test_unknown_parts_are_refused_with_the_names(capsys):
    said = refusal(capsys, "--only", "throughput,typo")
    assert "no part 'typo'; there are throughput, tail, latency, log, bulk, start" in said
    assert "no part 'bulk'; there are latency, rate" in refusal(capsys, "triggers", "--only", "bulk")


@pytest.mark.parametrize("option, value", [("--rounds", "0"), ("--seconds", "0"), ("--load", "10"), ("--rounds", "-1"), ("--seconds", "1.5"), ("--rounds", "many")])
def test_counts_that_measure_nothing_are_refused(capsys, option, value):
    assert "is not a whole number of at least" in refusal(capsys, f"{option}={value}")


@pytest.mark.parametrize("arguments", [["--quick"], ["--peers", "--only", "start"], ["--peers", "--long"], ["triggers", "--load", "5000"], ["triggers", "--long"],
                                       ["triggers", "--seconds", "5"], ["triggers", "--peers"]])
def test_options_that_would_be_ignored_are_refused(capsys, arguments):
    said = refusal(capsys, *arguments)
    assert "does not apply" in said or "is for the write path" in said


def test_figures_of_changed_files_are_not_kept(capsys):
    assert "src/a.cc" in refusal(capsys, "--save", "0.2.0", changes=lambda: ["src/a.cc"])
    assert options.parse(["--save", "0.2.0"], list).save == "0.2.0"
    assert "letters" in refusal(capsys, "--save", "../x")


def test_a_commit_with_changed_files_is_marked(monkeypatch):
    monkeypatch.setattr(options, "changed_files", lambda: [])
    clean = options.commit()
    monkeypatch.setattr(options, "changed_files", lambda: ["x"])
    assert options.commit() == f"{clean}+changes"


def test_help_and_refusals_need_nothing_installed_or_built():
    x = BENCH.parent / "x"
    shown = subprocess.run([x, "bench", "--help"], capture_output=True, text=True, check=False, timeout=10)
    assert shown.returncode == 0 and "exit status" in shown.stdout and "==>" not in shown.stderr
    refused = subprocess.run([x, "bench", "--only", "typo"], capture_output=True, text=True, check=False, timeout=10)
    assert refused.returncode == 2 and "there are throughput" in refused.stderr and "==>" not in refused.stderr


# -- bodies and figures of a server ----------------------------------------------------------------------------------------

def test_bodies_have_their_size_and_differ():
    assert len(common.body(960)) == 960 and common.body(960).startswith("%BODY%")
    assert common.body(1) == "x"
    assert len(common.cut(1, 960)) == 960
    assert common.cut(1, 960) != common.cut(2, 960)


def test_half_of_a_body_is_a_copy_of_the_other_half():
    text = common.pool_text()
    assert len(text) == 4 << 20
    assert all(text[at:at + 50] == text[at + 50:at + 100] for at in range(0, 10_000, 100))
    assert len({text[at:at + 50] for at in range(0, 100_000, 100)}) == 1000


METRICS = """millrace_storage_running_compactions {compactions}
millrace_storage_running_flushes {flushes}
millrace_storage_items_pending_compaction_bytes 0
millrace_storage_log_pending_compaction_bytes {pending}
"""


def test_merges_are_over_when_none_runs_and_none_is_due():
    assert common.merge_debt(METRICS.format(compactions=0, flushes=0, pending=0)) == 0
    assert common.merge_debt(METRICS.format(compactions=1, flushes=0, pending=0)) > 0
    assert common.merge_debt(METRICS.format(compactions=0, flushes=0, pending=4096)) > 0
    with pytest.raises(RuntimeError, match="does not tell"):
        common.merge_debt("millrace_storage_writable 1\n")


def test_merges_are_no_part_of_what_requests_cost():
    cpu = {"io": 2.0, "committer": 1.0, "merges": 5.0, "flushes": 0.5}
    assert common.foreground(cpu) == 3.0
    assert common.shares({"io": 1.0, "committer": 1.0}, {"io": 2.0, "committer": 1.0}, 10) == "io 10%"


def test_the_threads_of_a_server_have_names(server):
    common.wait_until(lambda: {"io", "committer", "control", "merges", "flushes"} <= set(common.cpu_by_thread(server.process)), "the threads to name themselves")


def test_pinned_versions_of_peers_are_compared_with_what_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    assert peers.name_and_version("@dynoxide/linux-x64@1.2.1") == ("@dynoxide/linux-x64", "1.2.1")
    assert peers.name_and_version("dynalite@4.0.0") == ("dynalite", "4.0.0")
    assert peers.installed_version("dynalite") is None
    folder = tmp_path / "node_modules/dynalite"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"version": "3.9.9"}')
    assert peers.installed_version("dynalite") == "3.9.9"
