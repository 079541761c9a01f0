"""Worker processes run what the program would run, however that was started, and nothing that lies around."""

import itertools
import os
import subprocess
import sys

import pytest
from programs import FIND, ROOT, program, python

from dataload import Loader
from dataload.errors import WorkerError

pytestmark = pytest.mark.slow


@pytest.fixture
def traps(tmp_path):
    """A folder with files named like modules that every program needs; they say so when they are run."""
    folder = tmp_path / "traps"
    folder.mkdir()
    for name in ("json", "queue", "numpy", "pickle", "socket", "cloudpickle", "threading", "dataload"):
        (folder / f"{name}.py").write_text(
            f"open({str(tmp_path)!r} + '/sprung-{name}', 'w').close()\nraise SystemExit(7)\n"
        )
    yield folder
    assert not list(tmp_path.glob("sprung-*"))


LOOP = """
import os
import numpy as np
from dataload import Loader
{chdir}
print([int(batch[0]) for batch in Loader(range(3), transforms=np.negative, num_workers=1, worker="process")])
"""
RIGHT = "[0, -1, -2]\n"


@pytest.mark.parametrize("flags", [["-I"], ["-P"], ["-E", "-s"], ["-S", "-P"]], ids=str)
def test_a_script_elsewhere_does_not_run_what_lies_in_the_current_folder(flags, traps, tmp_path):
    # -S: without site-packages; what is needed of them is on the path that the program sets.
    site = f"sys.path += {[entry for entry in sys.path if 'site-packages' in entry]!r}\n"
    script = program(tmp_path / "app", site + LOOP.format(chdir=""))
    assert python(*flags, script, cwd=traps) == RIGHT


@pytest.mark.parametrize("safe", [[], ["-P"]], ids=str)
@pytest.mark.parametrize("start", ["-c", "-m", "stdin"])
def test_a_program_that_is_in_a_folder_by_now_does_not_run_what_lies_there(start, safe, traps, tmp_path):
    # What the program itself imports from now on lies there: it has imported all that it needs.
    code = LOOP.format(chdir=f"import dataload.workers.process; os.chdir({str(traps)!r})")
    if start == "-c":
        assert python(*safe, "-c", FIND + code, cwd=tmp_path) == RIGHT
    elif start == "stdin":
        assert python(*safe, "-", cwd=tmp_path, text=FIND + code) == RIGHT
    else:
        program(tmp_path / "app", code)
        path = os.pathsep.join([str(ROOT), str(tmp_path / "app")])
        assert python(*safe, "-m", "prog", cwd=tmp_path, PYTHONPATH=path) == RIGHT


FLAGS = """
import sys, warnings
from dataload import Loader
def flags(_=None):
    import sys, warnings
    shown = {name: getattr(sys.flags, name) for name in dir(sys.flags)
             if not name.startswith("_") and name not in ("n_fields", "n_sequence_fields", "n_unnamed_fields",
                                                          "safe_path", "count", "index", "interactive", "inspect")}
    return shown, sys.warnoptions, dict(sys._xoptions), __debug__
with Loader([0], transforms=flags, num_workers=1, worker="process", collate_fn=list) as loader:
    (((*found,),),) = loader
assert found == [*flags()], (found, flags())
print("good")
"""


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-O"],
        ["-OO", "-B"],
        ["-W", "error", "-W", "ignore::ImportWarning"],
        ["-X", "dev"],
        ["-X", "utf8"],
        ["-I"],
        ["-E", "-s", "-b"],
        ["-X", "faulthandler", "-X", "int_max_str_digits=5000"],
    ],
    ids=" ".join,
)
def test_the_flags_of_the_interpreter_reach_the_workers(flags, tmp_path):
    assert python(*flags, program(tmp_path, FLAGS), cwd=tmp_path) == "good\n"


def test_entries_of_the_path_that_are_no_text_are_left_out(tmp_path):
    code = """
    import sys
    from pathlib import Path
    from dataload import Loader
    sys.path += [Path("/somewhere"), None, 5, b"/bytes"]
    print([int(b[0]) for b in Loader(range(3), transforms=lambda x: -x, num_workers=1, worker="process")])
    """
    assert python(program(tmp_path, code), cwd=tmp_path) == RIGHT


def test_a_module_beside_the_program_is_found_also_after_the_program_has_moved(tmp_path):
    (tmp_path / "beside.py").write_text("def negative(x): return -x\n")
    code = """
    import os
    import beside
    from dataload import Loader
    os.chdir("/")
    print([int(b[0]) for b in Loader(range(3), transforms=beside.negative, num_workers=1, worker="process")])
    """
    assert python(program(tmp_path, code), cwd=tmp_path) == RIGHT


def test_a_frozen_program_does_not_start_itself(monkeypatch, leaves_nothing):
    started = []
    monkeypatch.setattr(subprocess.Popen, "__init__", lambda *args, **kwargs: started.append(args))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(WorkerError, match="frozen program, which would start itself: use worker='thread'"):
        next(iter(Loader(range(3), num_workers=1, worker="process")))
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(WorkerError, match=r"sys\.executable is not set: set it, or use worker='thread'"):
        next(iter(Loader(range(3), num_workers=1, worker="process")))
    assert not started


CLOSED = """
import os, sys
from dataload import Loader
def chat(value):
    print("to standard output", value, flush=True)
    print("to standard error", value, file=sys.stderr, flush=True)
    for number in (1, 2):
        try: os.write(number, b"from native code")
        except OSError: pass
    return -value
def found():
    with Loader(range(8), transforms=chat, batch_size=2, num_workers=2, worker="process") as loader:
        return [int(i) for batch in loader for i in batch]
right = [-i for i in range(8)]
good = found() == right
# A worker that is started when the streams are closed by now.
for number in (0, 1, 2):
    try: os.close(number)
    except OSError: pass
good = good and found() == right
open(sys.argv[1], "w").write("good" if good else "wrong")
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the shell of POSIX")
@pytest.mark.parametrize(
    "streams", [c for n in (1, 2, 3) for c in itertools.combinations(("<", ">", "2>"), n)], ids=str
)
def test_standard_streams_that_are_closed_are_no_sockets(streams, tmp_path):
    script = program(tmp_path, CLOSED)
    closed = " ".join(f"{stream}&-" for stream in streams)
    command = f'exec "{sys.executable}" "{script}" "{tmp_path}/result" {closed}'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (tmp_path / "result").read_text() == "good", done.stderr
