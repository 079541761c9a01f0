"""The cache on disk by itself: what was put is what is got, or nothing, whoever dies and whatever is damaged."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataload.cache.folder import clear, make_room, survey
from dataload.cache.ranges import Ranges
from dataload.cache.segments import DATA, INDEX
from dataload.cache.store import Cache
from dataload.errors import ConfigError
from dataload.sizes import byte_size


def value(key, size=400_000):
    return random.Random(key).randbytes(size)


def size_on_disk(folder):
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # Another process drops segments meanwhile.
            total += path.stat().st_size
    return total


def files(folder, suffix):
    return sorted(path for path in folder.iterdir() if path.suffix == suffix)


def whole(cache, key, start, stop):
    """The bytes of a range where all of them are there, checked for lying side by side; else None."""
    parts = cache.parts(key, start, stop)
    assert [part.start for part in parts] == [start, *(part.stop for part in parts[:-1])]
    assert not parts or parts[-1].stop == stop
    if any(part.data is None for part in parts):
        return None
    return b"".join(part.data for part in parts)


VALUES = {key: value(key, 200_000) for key in range(4)}
STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 190_000), st.integers(1, 90_000), st.integers(0, 2)),
    max_size=40,
)


@given(STEPS)
def test_what_is_got_is_what_was_put_and_the_size_is_kept(steps):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Three that use the folder at once, as three processes do.
        caches = [Cache(folder, 300_000) for _ in range(3)]
        for puts, key, start, length, who in steps:
            expected = VALUES[key][start : start + length]
            if puts:
                caches[who].put(b"%d" % key, expected, start)
                assert size_on_disk(folder) <= 300_000
            found = caches[(who + puts) % 3].parts(b"%d" % key, start, start + len(expected))
            for part in found:
                assert part.data is None or part.data == VALUES[key][part.start : part.stop]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(1, 30)), max_size=40), st.integers(0, 50))
def test_ranges_are_found_whole_in_several_parts_or_not_at_all(added, start):
    ranges, there, held = Ranges(), set(), {}
    for place, (adds, begin, length) in enumerate(added):
        if adds:
            ranges.add(1, begin, begin + length, place)
            held[place] = (begin, begin + length)
    there = {at for begin, end in held.values() for at in range(begin, end)}
    found = ranges.find(1, start, start + 40)
    assert [one.start for one in found] == [start, *(one.stop for one in found[:-1])] and found[-1].stop == start + 40
    for one in found:
        if one.place < 0:
            assert not there & set(range(one.start, one.stop))
        else:
            assert held[one.place][0] <= one.start < one.stop <= held[one.place][1]
    for place, (begin, _) in held.items():
        ranges.remove(1, begin, place)
    assert len(ranges) == 0


def test_any_range_of_a_value_is_answered_by_what_was_put(tmp_path):
    cache = Cache(tmp_path, 10_000_000)
    cache.put(b"a", value(1))
    cache.put(b"b", value(2)[1000:5000], 1000)
    cache.put(b"b", value(2)[4000:9000], 4000)
    for other in (cache, Cache(tmp_path, 10_000_000)):
        assert whole(other, b"a", 70_000, 300_001) == value(1)[70_000:300_001]
        assert whole(other, b"b", 1500, 8999) == value(2)[1500:8999]
        assert [part.data is None for part in other.parts(b"b", 0, 10_000)] == [True, False, False, True]
        assert whole(other, b"c", 0, 1) is None and other.get(b"c") is None
    cache.put(b"d", b"small")
    assert Cache(tmp_path, 10_000_000).get(b"d") == b"small"


def test_a_tail_that_was_torn_at_any_byte_is_dropped_and_what_lies_before_it_is_there(tmp_path):
    cache = Cache(tmp_path, 10_000_000)
    cache.put(b"first", b"f" * 100)
    whole_index = files(tmp_path, INDEX)[0].stat().st_size
    cache.put(b"second", b"s" * 100)
    (index,), (data,) = files(tmp_path, INDEX), files(tmp_path, DATA)
    del cache
    entries, kept = index.read_bytes(), data.read_bytes()
    for end in range(len(entries)):
        index.write_bytes(entries[:end])
        data.write_bytes(kept)
        found = Cache(tmp_path, 10_000_000)
        assert found.get(b"second") is None
        assert found.get(b"first") == (b"f" * 100 if end >= whole_index else None)
        found.put(b"second", b"s" * 100)
        assert found.get(b"second") == Cache(tmp_path, 10_000_000).get(b"second") == b"s" * 100
        del found
        for path in tmp_path.iterdir():
            if path not in (index, data):
                path.unlink()
    index.write_bytes(entries)
    for end in range(201):
        data.write_bytes(kept[:end])
        found = Cache(tmp_path, 10_000_000)
        assert found.get(b"first") == (b"f" * 100 if end >= 100 else None)
        assert found.get(b"second") == (b"s" * 100 if end >= 200 else None)


@pytest.mark.slow
def test_a_bit_that_is_flipped_anywhere_is_never_returned(tmp_path):
    cache = Cache(tmp_path, 10_000_000)
    cache.put(b"a", value(1, 150))
    cache.put(b"b", value(2, 150))
    del cache
    for path in (*files(tmp_path, INDEX), *files(tmp_path, DATA)):
        good = path.read_bytes()
        # Behind the data is room for more of them.
        for bit in range(8 * (300 if path.suffix == DATA else len(good))):
            with path.open("r+b") as file:
                file.seek(bit // 8)
                file.write(bytes([good[bit // 8] ^ 1 << bit % 8]))
            found = Cache(tmp_path, 10_000_000)
            got = [found.get(b"a"), found.get(b"b")]
            assert got[0] in (None, value(1, 150)) and got[1] in (None, value(2, 150))
            assert None in got
            with path.open("r+b") as file:
                file.write(good)


def test_a_damaged_part_is_put_anew_and_then_got(tmp_path):
    cache = Cache(tmp_path, 10_000_000)
    cache.put(b"a", b"x" * 1000)
    path = files(tmp_path, DATA)[0]
    with path.open("r+b") as file:
        file.write(b"y")
    assert cache.get(b"a") is None
    cache.put(b"a", b"x" * 1000)
    assert cache.get(b"a") == b"x" * 1000


def test_what_was_used_longest_ago_goes_first(tmp_path):
    cache = Cache(tmp_path, 1_000_000)
    for key in range(9):
        cache.put(b"%d" % key, value(key, 100_000))
    for number, path in enumerate(files(tmp_path, INDEX)):
        os.utime(path, (number, number))
    reader = Cache(tmp_path, 1_000_000)
    assert whole(reader, b"0", 0, 100_000) == value(0, 100_000)
    for key in range(9, 12):
        cache.put(b"%d" % key, value(key, 100_000))
    assert whole(cache, b"0", 0, 100_000) == value(0, 100_000)
    assert whole(cache, b"1", 0, 100_000) is None
    assert whole(cache, b"11", 0, 100_000) == value(11, 100_000)


def test_a_value_that_would_drive_out_all_others_is_not_kept(tmp_path):
    cache = Cache(tmp_path, 1_000_000)
    cache.put(b"small", b"x" * 1000)
    cache.put(b"large", bytes(600_000))
    assert cache.get(b"small") == b"x" * 1000 and whole(cache, b"large", 0, 1) is None


def test_a_segment_that_its_writer_left_is_written_on_by_the_next(tmp_path):
    for key in range(20):
        cache = Cache(tmp_path, 100_000_000)
        cache.put(b"%d" % key, value(key, 1000))
        del cache
    assert len(files(tmp_path, INDEX)) == 1
    assert all(Cache(tmp_path, 100_000_000).get(b"%d" % key) == value(key, 1000) for key in range(20))


WRITER = """
import random, sys
from pathlib import Path
from dataload.cache.store import Cache
cache, draw = Cache(Path(sys.argv[1]), 3_000_000), random.Random(int(sys.argv[2]))
print("ready", flush=True)
while True:
    key = draw.randrange(60)
    expected = random.Random(key).randbytes(60_000)
    found = cache.parts(b"%d" % key, 0, 60_000)
    assert all(part.data in (None, expected[part.start:part.stop]) for part in found), key
    cache.put(b"%d" % key, expected[: draw.randrange(1, 60_000)])
"""


@pytest.mark.slow
def test_processes_that_are_killed_while_they_write_leave_nothing_wrong_and_block_nobody(tmp_path):
    running = []
    draw = random.Random(0)
    try:
        for number in range(8):
            running.append(
                subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number)], stdout=subprocess.PIPE)
            )
            assert running[-1].stdout.readline() == b"ready\n"
            time.sleep(draw.uniform(0.05, 0.3))
            # An entry is there a moment before its room is given back.
            assert size_on_disk(tmp_path) <= 3_000_000 + 3_000_000 // 64
            if len(running) > 3:
                victim = running.pop(0)
                assert victim.poll() is None  # Nothing wrong was found.
                victim.send_signal(signal.SIGKILL)
                victim.communicate()
        assert all(process.poll() is None for process in running)
    finally:
        for process in running:
            process.kill()
            process.communicate()
    cache = Cache(tmp_path, 3_000_000)
    there = 0
    for key in range(60):
        for part in cache.parts(b"%d" % key, 0, 60_000):
            assert part.data in (None, value(key, 60_000)[part.start : part.stop])
            there += part.data is not None
    assert there > 10
    cache.put(b"after", b"them")
    assert cache.get(b"after") == b"them"


def test_threads_of_one_cache_get_what_each_other_put(tmp_path):
    cache, wrong = Cache(tmp_path, 2_000_000), []

    def work(seed):
        draw = random.Random(seed)
        for _ in range(60):
            key = draw.randrange(30)
            found = whole(cache, b"%d" % key, 0, 50_000)
            if found not in (None, value(key, 50_000)):
                wrong.append(key)
            cache.put(b"%d" % key, value(key, 50_000))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and size_on_disk(tmp_path) <= 2_000_000


def test_a_disk_that_cannot_be_written_to_is_one_warning_and_what_is_there_is_got(tmp_path, caplog):
    folder = tmp_path / "cache"
    folder.mkdir()
    cache = Cache(folder, 1_000_000)
    cache.put(b"a", b"there")
    del cache
    # As full as a disk can be made: a file of data may not be longer than this.
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from dataload.cache.store import Cache\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        f"cache = Cache(Path({str(folder)!r}), 1_000_000)\n"
        "for key in range(5): cache.put(b'%d' % key, bytes(5000))\n"
        "assert cache.get(b'a') == b'there' and cache.get(b'0') is None\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written to (File too large): this process reads on") == 1


def test_a_folder_that_is_deleted_or_cleared_meanwhile_is_made_again(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    cache = Cache(folder, 1_000_000)
    for _ in range(2):
        cache.put(b"a", b"there")
        assert cache.get(b"a") == b"there" and survey(folder).values
        (folder / "other").write_text("stays")
        clear(folder)
        assert cache.get(b"b") is None and cache.get(b"a") is None and not survey(folder).segments
        assert (folder / "other").exists()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    cache.put(b"a", b"there")
    assert cache.get(b"a") == b"there"


def test_files_are_for_their_owner_alone(tmp_path):
    Cache(tmp_path, 1_000_000).put(b"a", b"there")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_who_holds_the_lock_and_does_not_go_on_stops_nobody(tmp_path):
    import fcntl

    with (tmp_path / "cache.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        cache = Cache(tmp_path, 1_000_000)
        cache.put(b"a", b"there")
        assert cache.get(b"a") is None
        assert not make_room(tmp_path, 1, 1000, lambda: None)
    cache.put(b"a", b"there")
    assert cache.get(b"a") == b"there"


@pytest.mark.parametrize("text", ["", "lots", "-1MB", "0", "0.1", "1 XB", "GB"])
def test_a_size_that_is_none_is_an_error(text):
    with pytest.raises(ConfigError, match="is not a number of bytes above 0, such as 500MB or 1GiB"):
        byte_size(text)
