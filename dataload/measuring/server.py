"""A web server of files for measuring and testing: it can be slow, and it can fail in every way that a network has.

    python -m dataload.measuring.server FOLDER --latency 0.03 --faults unavailable=0.02,reset=0.01,cut=0.01,stall=0.005

It runs as a process of its own, since its work must not be that of the program that reads from it. It prints its port,
and ends with its standard input. Ranges, If-Match and HEAD are understood; `/.statistics` says what was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any

FAULTS = ("unavailable", "reset", "cut", "stall")
STATISTICS = "/.statistics"
_PIECE = 64 << 10
_REASONS = {200: "OK", 206: "Partial Content", 404: "Not Found", 412: "Precondition Failed", 416: "Range", 503: "Busy"}


class Server:
    """Serves the files of a folder.

    Args:
        root: the folder.
        latency: seconds before the answer to each request.
        bandwidth: bytes per second of each connection; 0 is as fast as it can.
        faults: how often each of `FAULTS` strikes, 0 to 1: an answer 503, a connection that is reset before the
            answer, one that ends in the middle of it, one that falls silent there.
        ignore_match: whether If-Match is not understood, as by some servers.
        seed: of the faults.
    """

    def __init__(
        self,
        root: Path,
        latency: float = 0,
        bandwidth: float = 0,
        faults: Mapping[str, float] | None = None,
        ignore_match: bool = False,
        seed: int = 0,
    ) -> None:
        self._root = root.resolve()
        self._latency = latency
        self._bandwidth = bandwidth
        self._faults = dict(faults or {})
        self._ignore_match = ignore_match
        self._random = Random(seed)
        self._counted: Counter[str] = Counter()

    async def serve(self, port: int) -> None:
        """Serve on a port of this machine, 0 for any, until the standard input ends."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, limit=1 << 20)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await self._answer(*await _request(reader), writer):
                pass
        writer.close()

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        if path == STATISTICS:
            return await self._send(writer, 200, json.dumps(self._counted).encode())
        self._counted["requests"] += 1
        await asyncio.sleep(self._latency)
        fault = self._fault()
        if fault == "unavailable":
            return await self._send(writer, 503, b"busy")
        if fault == "reset":
            writer.transport.abort()
            return False
        file = self._file(path)
        if file is None:
            return await self._send(writer, 404, b"no such object")
        found = file.stat()
        tag = hashlib.md5(f"{found.st_size} {found.st_mtime_ns}".encode(), usedforsecurity=False).hexdigest()
        about = {"ETag": f'"{tag}"', "Last-Modified": formatdate(found.st_mtime, usegmt=True), "Accept-Ranges": "bytes"}
        if not self._ignore_match and headers.get("if-match", f'"{tag}"') not in ("*", f'"{tag}"'):
            return await self._send(writer, 412, b"replaced")
        span = _range(headers.get("range"), found.st_size)
        if span is None:
            return await self._send(writer, 416, b"")
        start, stop = span
        status = 200 if "range" not in headers else 206
        if status == 206:
            about["Content-Range"] = f"bytes {start}-{stop - 1}/{found.st_size}"
        if method == "HEAD":
            return await self._send(writer, status, b"", about, length=stop - start)
        with file.open("rb") as opened:
            opened.seek(start)
            body = opened.read(stop - start)
        return await self._send(writer, status, body, about, fault)

    def _fault(self) -> str:
        place = self._random.random()
        for name, share in self._faults.items():
            if place < share:
                self._counted[name] += 1
                return name
            place -= share
        return ""

    def _file(self, path: str) -> Path | None:
        file = (self._root / urllib.parse.unquote(path.split("?")[0]).lstrip("/")).resolve()
        return file if file.is_relative_to(self._root) and file.is_file() else None

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        fault: str = "",
        length: int | None = None,
    ) -> bool:
        lines = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {status} {_REASONS[status]}\r\n{head}\r\n".encode())
        if fault in ("cut", "stall"):
            writer.write(body[: len(body) // 2])
            await writer.drain()
            if fault == "stall":
                await asyncio.sleep(3600)
            return False
        step = _PIECE if self._bandwidth else max(len(body), 1)
        for start in range(0, len(body), step):
            writer.write(body[start : start + step])
            await writer.drain()
            if self._bandwidth:
                await asyncio.sleep(len(body[start : start + step]) / self._bandwidth)
        self._counted["bytes"] += len(body)
        return True


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    return method, path, headers


def _range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return where the bytes that are asked for begin and end, or None where there are none."""
    if text is None:
        return 0, size
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        return (max(0, size - int(last)), size) if size else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    return (start, stop) if start < stop else None


class Running:
    """A server that runs.

    Attributes:
        url: of its root, such as http://127.0.0.1:8123.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def statistics(self) -> dict[str, int]:
        """Return how many requests and bytes were served, and how often each fault struck."""
        with urllib.request.urlopen(self.url + STATISTICS, timeout=10) as answer:
            found: dict[str, int] = json.load(answer)
        return found


@contextmanager
def running_server(root: str | os.PathLike[str], *options: str) -> Iterator[Running]:
    """Run a server of a folder in a process of its own, until the block ends.

    Args:
        root: the folder.
        options: as on the command line, such as "--latency=0.03".
    """
    command = [sys.executable, "-m", __name__, os.fspath(root), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server of {os.fspath(root)!r} did not start: see above")
            yield Running(int(line))
        finally:
            process.terminate()


def _shares(text: str) -> dict[str, float]:
    found = {name: float(share) for name, _, share in (part.partition("=") for part in text.split(",") if part)}
    if not set(found) <= set(FAULTS):
        raise argparse.ArgumentTypeError(f"faults are {', '.join(FAULTS)}")
    return found


def main(arguments: list[str] | None = None) -> Any:
    """Serve a folder as the command line says."""
    parser = argparse.ArgumentParser(description="Serve the files of a folder, slowly and with faults where asked for.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0, help="seconds before each answer")
    parser.add_argument("--bandwidth", type=float, default=0, help="bytes per second of each connection")
    parser.add_argument("--faults", type=_shares, default={}, help=f"such as {FAULTS[0]}=0.02,{FAULTS[1]}=0.01")
    parser.add_argument("--ignore-match", action="store_true", help="do not understand If-Match")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    given = parser.parse_args(arguments)
    server = Server(given.root, given.latency, given.bandwidth, given.faults, given.ignore_match, given.seed)
    asyncio.run(server.serve(given.port))


if __name__ == "__main__":
    main()
