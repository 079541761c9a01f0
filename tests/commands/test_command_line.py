import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from commands.runs import QUICK, command

import dataload as package

pytestmark = pytest.mark.slow

FAILING = """
from dataload import Loader

def halve(value):
    if value == 5:
        raise ValueError("five cannot be halved")
    return value / 2

loader = Loader(list(range(8)), transforms=halve, batch_size=4)
"""


def test_version_prints_the_version(dataload):
    done = dataload("--version")
    assert (done.returncode, done.stdout) == (0, f"dataload {package.__version__}\n")


def test_help_shows_the_commands_and_examples(dataload):
    done = dataload("--help")
    assert done.returncode == 0
    for text in ("demo", "bench", "pack", "info", "index", "examples:", "dataload bench train:loader", "exit codes"):
        assert text in done.stdout
    assert "--workers" in dataload("bench", "--help").stdout


def test_no_command_is_wrong_usage_and_shows_the_help(dataload):
    done = dataload()
    assert done.returncode == 2
    assert done.stderr.startswith("usage: dataload")


def test_import_dataload_loads_no_command_and_help_loads_no_library():
    program = "import sys, dataload; print(*[name for name in sys.modules if name.startswith('dataload.commands')])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == ""
    program = """
import sys
from dataload.commands import main
try:
    main(["--help"])
except SystemExit:
    print("LOADED", *{"rich", "matplotlib", "scipy", "torch", "tensorflow"} & set(sys.modules))
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True).endswith("LOADED\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench"], "required: PATH|module:attribute"),
        (["bench", "x", "--workers", "two"], "'two' is not a list of numbers of workers, such as 0,1,2"),
        (["bench", "x", "--workers", "0,-1"], "'0,-1' is not a list"),
        (["bench", "x", "--worker", "fork"], "'fork' is not thread, process"),
        (["bench", "x", "--batch-size", "0"], "'0' is not a whole number of at least 1"),
        (["bench", "x", "--seconds", "nan"], "'nan' is not a number of seconds above 0"),
        (["bench", "nowhere"], "there is no folder nowhere"),
        (["bench", "no_such_module:loader"], "there is no module no_such_module"),
        (["bench", "json.nothing:loader"], "there is no module json.nothing"),
        (["bench", "json:loader"], "json has no attribute loader"),
        (["bench", "json:__name__"], "json:__name__ is of type str, neither a Loader nor a function"),
        (["bench", "os:getcwd"], "os:getcwd() returned str, not a Loader"),
        (["bench", "json:dumps", "--sample-rate", "8000"], "--sample-rate is for folders"),
        (["demo", "--files", "59"], "'59' is not a whole number of at least 60"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(dataload, arguments, message):
    done = dataload(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_file_in_place_of_a_folder_is_wrong_usage(dataload, recordings):
    done = dataload("bench", recordings / "a.wav")
    assert done.returncode == 2
    assert "is a file" in done.stderr


def test_a_folder_without_audio_fails_with_1(dataload, tmp_path):
    (tmp_path / "empty").mkdir()
    done = dataload("bench", "empty")
    assert done.returncode == 1
    assert "empty has no audio files (.wav, .flac, .ogg, .mp3)" in done.stderr


def test_a_damaged_file_fails_with_1_and_names_the_file(dataload, recordings):
    (recordings / "more" / "d.wav").write_bytes(b"RIFF is what it says, but no more")
    done = dataload("bench", recordings, "--workers", "0", *QUICK)
    assert done.returncode == 1
    assert "d.wav" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", [["--workers", "0"], ["--workers", "1", "--worker", "process"]])
def test_an_error_in_user_code_fails_with_1_and_tells_the_message_and_where(dataload, module, workers):
    module(FAILING)
    done = dataload("bench", "mine:loader", *workers, *QUICK)
    assert done.returncode == 1
    assert "dataload bench: error: ValueError: five cannot be halved" in done.stderr
    assert "halve" in done.stderr  # from the note that the loader adds
    assert "Traceback" not in done.stderr


def test_verbose_shows_the_traceback(dataload, module):
    module(FAILING)
    done = dataload("bench", "mine:loader", "--workers", "0", "--verbose", *QUICK)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "in halve" in done.stderr


def test_an_import_that_is_missing_inside_the_users_module_is_their_error_and_not_wrong_usage(dataload, module):
    module("import no_such_package\n")
    done = dataload("bench", "mine:loader")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'no_such_package'" in done.stderr


def test_a_plot_without_matplotlib_fails_at_once_and_names_the_extra(dataload, recordings):
    done = dataload("bench", recordings, "--plot", "out.png", without=["matplotlib"])
    assert done.returncode == 1
    assert 'pip install "dataload[bench]"' in done.stderr
    assert "measuring" not in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent to the process group")
@pytest.mark.parametrize("worker", ["thread", "process"])
def test_ctrl_c_exits_with_130_and_leaves_nothing_running(tmp_path, module, worker):
    module("""
import time
from dataload import Loader

def slow(value):
    time.sleep(0.05)
    return value

loader = Loader(list(range(1000)), transforms=slow, batch_size=2)
""")
    arguments = ("bench", "mine:loader", "--workers", "2", "--worker", worker, "--seconds", "1", "--rounds", "99")
    process = subprocess.Popen(
        command(*arguments),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert re.match("Loader", process.stdout.readline())
        children = []
        deadline = time.monotonic() + 30
        while worker == "process" and not children and time.monotonic() < deadline:
            children = psutil.Process(process.pid).children(recursive=True)
        assert bool(children) == (worker == "process")
        time.sleep(0.3)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
