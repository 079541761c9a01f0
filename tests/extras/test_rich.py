"""What the commands show and draw where rich and matplotlib are installed (the extra `bench`)."""

import io
import os

import pytest
from commands.runs import QUICK, at_a_terminal

from dataload.commands import main
from dataload.terminal import PlainTerminal, RichTerminal, open_terminal


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_rich_draws_for_a_terminal_and_plain_text_goes_anywhere_else():
    assert isinstance(open_terminal(Screen()), RichTerminal)
    assert isinstance(open_terminal(io.StringIO()), PlainTerminal)


def test_rich_prints_every_cell_and_text_with_brackets_as_it_is():
    stream = Screen()
    terminal = open_terminal(stream)
    terminal.table(("worker", "samples/s"), [("none", "5")])
    terminal.line('pip install "dataload[bench]"')
    with terminal.progress("reading", 1) as advance:
        advance()
    for text in ("worker", "samples/s", "none", 'pip install "dataload[bench]"', "reading", "1/1"):
        assert text in stream.getvalue()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_at_a_terminal_rich_draws(recordings, tmp_path):
    text = at_a_terminal("bench", recordings, "--workers", "0,1", *QUICK, folder=tmp_path)
    assert "┃" in text
    assert "samples/s" in text
    assert "use num_workers=" in text


def test_plot_draws_a_picture_in_the_format_of_its_name(recordings, tmp_path):
    for name, start in (("bench.png", b"\x89PNG"), ("bench.svg", b"<?xml")):
        path = tmp_path / name
        assert main(["bench", str(recordings), "--workers", "0,1", "--plot", str(path), *QUICK]) == 0
        assert path.read_bytes().startswith(start)
