import io

import pytest

from dataload.terminal import PlainTerminal, open_terminal


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_plain_table_aligns_the_first_column_left_and_the_others_right():
    stream = io.StringIO()
    PlainTerminal(stream).table(("worker", "samples/s"), [("none", "5"), ("process", "12345")])
    assert stream.getvalue().splitlines() == [
        "worker   samples/s",
        "-------  ---------",
        "none             5",
        "process      12345",
    ]


def test_progress_into_a_file_is_one_line_without_control_characters():
    stream = io.StringIO()
    with open_terminal(stream).progress("making files", 3) as advance:
        for _ in range(3):
            advance()
    text = stream.getvalue()
    assert text.startswith("making files ... done in ")
    assert text.count("\n") == 1
    assert text.replace("\n", "").isprintable()


def test_progress_that_an_error_ends_says_stopped_and_lets_the_error_through():
    stream = io.StringIO()
    with pytest.raises(KeyError), PlainTerminal(stream).progress("reading", 3):
        raise KeyError
    assert "reading ... stopped" in stream.getvalue()


def test_a_plain_bar_on_a_terminal_fills_up_and_is_replaced_by_the_outcome():
    stream = Screen()
    with PlainTerminal(stream).progress("reading", 4) as advance:
        for _ in range(4):
            advance()
    assert "\rreading [############............] 2/4" in stream.getvalue()
    assert "\rreading ... done in " in stream.getvalue()
