"""A skip is a failure where CI=true, unless its reason is in the table."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from skips import MAY_STAY

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent
MODULES = {
    "test_module.py": "import pytest\npytest.importorskip('nowhere_to_be_found')\n\ndef test_it():\n    pass\n",
    "test_function.py": "import pytest\n\ndef test_it():\n    pytest.importorskip('nowhere_to_be_found')\n",
    "test_fixture.py": (
        "import pytest\n\n@pytest.fixture\ndef file():\n    pytest.skip('no such file')\n\ndef test_it(file): ...\n"
    ),
    "test_mark.py": "import pytest\n\n@pytest.mark.skipif(True, reason='no C compiler')\ndef test_it():\n    pass\n",
    "test_nothing.py": "import pytest\n\n@pytest.mark.parametrize('x', [])\ndef test_it(x):\n    pass\n",
    "test_gpu.py": "import pytest\n\n@pytest.mark.skipif(True, reason='needs a GPU')\ndef test_it():\n    pass\n",
}


@pytest.fixture
def run(tmp_path):
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)

    def run(ci, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "CI": ci}
        environment.pop("PYTEST_ADDOPTS", None)
        command = [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:randomly", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "xdist"])
def test_in_ci_a_skip_is_a_failure_unless_it_is_in_the_table(run, workers):
    result = run("true", "--continue-on-collection-errors", *workers)
    assert result.returncode == 1, result.stdout
    assert "1 failed, 1 skipped, 4 errors" in result.stdout
    for name in set(MODULES) - {"test_gpu.py"}:
        assert re.search(rf"^(FAILED|ERROR) {name}", result.stdout, re.MULTILINE), result.stdout
    assert "1 x needs a GPU (no GPU here)" in result.stdout
    assert "1 in all, 1 of them may stay" in result.stdout


def test_elsewhere_it_is_counted(run):
    result = run("")
    assert result.returncode == 0, result.stdout
    assert "6 in all, 1 of them may stay" in result.stdout
    assert "1 x no such file (a failure where CI=true)" in result.stdout


def test_every_line_of_the_table_is_the_reason_of_a_skip():
    sources = [path.read_text() for path in TESTS.rglob("*.py") if path.name not in ("test_skips.py", "skips.py")]
    for pattern in "|".join(MAY_STAY).split("|"):
        assert any(f'"{pattern}"' in text for text in sources), pattern
