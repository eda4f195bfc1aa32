"""Progress as lines and as bars, on a clock and a stream of the test's own."""

import io
import itertools

import pytest

from towerbridge.progress import Bars, Lines, progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_lines_tell_every_ten_seconds_how_far_how_fast_and_how_long(clock):
    stream = io.StringIO()
    with Lines(stream, clock) as lines:
        lines.start("embed text", 1000)
        for _ in range(5):
            clock.now += 5
            lines.advance(50)
    # After 10 s: 100 of 1000, ten a second, 900 left = 90 s. After 20 s: 200. At the end: 250 in 25 s.
    assert stream.getvalue().splitlines() == [
        "  embed text: 100 of 1,000 (10 %), 10/s, 90 s to go",
        "  embed text: 200 of 1,000 (20 %), 10/s, 80 s to go",
        "  embed text: 250 in 25 s (10/s)",
    ]


def test_a_stretch_ends_where_the_next_begins_and_short_ones_are_not_told(clock):
    stream = io.StringIO()
    with Lines(stream, clock) as lines:
        lines.start("items", 10)
        lines.advance(10)
        clock.now += 2
        lines.start("users", None)
        lines.advance(10)
        clock.now += 0.5
    assert stream.getvalue() == "  items: 10 in 2.0 s (5.0/s)\n"


def test_many_short_stretches_are_told_every_ten_seconds(clock):
    stream = io.StringIO()
    with Lines(stream, clock) as lines:
        for epoch in range(1, 9):
            lines.start(f"epoch {epoch}", 10)
            lines.advance(10)
            clock.now += 4
    # Ends at 4, 8, …, 32 s: the first, then the first that is 10 s after it (16), then 28.
    assert [line.split(":")[0].strip() for line in stream.getvalue().splitlines()] == [
        "epoch 1", "epoch 4", "epoch 7",
    ]  # fmt: skip


def test_figures_are_told_at_the_end_of_a_line_until_there_are_newer_ones(clock):
    stream = io.StringIO()
    with Lines(stream, clock) as lines:
        lines.start("towers", 1000)
        for loss in (6.12345, 5.5):
            clock.now += 10
            lines.note(epoch=3, loss=loss)
            lines.advance(100)
        lines.start("ranker", 10)
        clock.now += 10
        lines.advance(10)
    assert stream.getvalue().splitlines() == [
        "  towers: 100 of 1,000 (10 %), 10/s, 90 s to go; epoch 3, loss 6.123",
        "  towers: 200 of 1,000 (20 %), 10/s, 80 s to go; epoch 3, loss 5.5",
        "  towers: 200 in 20 s (10/s); epoch 3, loss 5.5",
        "  ranker: 10 of 10 (100 %), 1.0/s, 0.0 s to go",
        "  ranker: 10 in 10 s (1.0/s)",
    ]


def test_an_unknown_total_has_no_share_and_no_end(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    lines.start("rows", None)
    clock.now += 20
    lines.advance(4000)
    assert stream.getvalue() == "  rows: 4,000, 200/s\n"


def test_an_error_is_not_reported_as_a_finished_stretch(clock):
    stream = io.StringIO()

    def interrupted():
        with Lines(stream, clock) as lines:
            lines.start("rows", 10)
            lines.advance(1)
            clock.now += 5
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == ""


def test_nothing_done_yet_divides_by_nothing(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    lines.start("rows", 10)
    clock.now += 11
    lines.advance(0)
    assert stream.getvalue() == "  rows: 0 of 10 (0 %), 0.0/s\n"


def test_bars_draw_and_clean_up():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Bars(stream) as bars:
        for label, total in itertools.product(("first", "second"), (3, None)):
            bars.start(label, total)
            bars.advance(2)
            bars.note(loss=0.125)
    assert "second" in stream.getvalue()
    assert "loss 0.125" in stream.getvalue()


def test_a_pipe_gets_lines(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(progress(), Lines)
