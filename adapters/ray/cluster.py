"""The Ray cluster that the loaders of this process share: joined or started for the first, left after the last.

A process can be in one cluster. One that the program has joined by itself (`ray.init`) is used and stays; one that was
there before stays too, and only this process leaves it; one that is started here ends with its last user.
"""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

import ray

from dataload.errors import ConfigError, WorkerError

# Paths of sockets have about 100 characters, of which Ray needs about 70.
_MAX_FOLDER = 30
_START_SECONDS = 120.0
_END_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
# Ray ends a program whose cluster has had no head for 60 s.
_HEAD_SECONDS = 15.0
_LOOK_SECONDS = 2.0


class Keeper:
    """Ray on this machine, kept by a process of its own: see `keeper`.

    Args:
        options: arguments of `ray.init`.

    Attributes:
        address: of the head.

    Raises:
        WorkerError: Ray does not start.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        base = tempfile.gettempdir()
        self._folder = tempfile.mkdtemp(prefix="dl-ray-", dir=base if len(base) < _MAX_FOLDER else "/tmp")
        command = "import sys; sys.path[:] = __import__('json').loads(sys.argv.pop(1)); import runpy; "
        command += f"runpy.run_module('{__package__}.keeper', run_name='__main__', alter_sys=True)"
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        path = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", command, path, self._folder, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
        try:
            self.address = self._read_address()
        except BaseException:
            self.close()
            raise

    def _read_address(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        answer = json.loads(line) if line else {"error": f"it did not answer within {_START_SECONDS:g} s, or ended"}
        if "error" in answer:
            raise WorkerError(f"Ray could not be started on this machine: {answer['error']}")
        return str(answer["address"])

    @property
    def alive(self) -> bool:
        """Whether the process runs, and Ray with it."""
        return self._process.poll() is None

    def close(self) -> None:
        """End Ray and wait until all of it is gone."""
        self.forget()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Where the process was killed, nobody else does.
        shutil.rmtree(self._folder, ignore_errors=True)

    def forget(self) -> None:
        """Close this process's end of the pipe."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class Cluster:
    """A cluster that this process is in.

    Attributes:
        ours: whether it was started here; then nobody else uses it.
        address: of its head, host:port.
        users: how many loaders use it.
    """

    def __init__(self, address: str | None, options: dict[str, Any]) -> None:
        self.users = 0
        self._keeper: Keeper | None = None
        self._auth = False
        self._connected = not ray.is_initialized()
        self._answered = self._looked = time.monotonic()
        if self._connected:
            wanted = address or os.environ.get("RAY_ADDRESS") or "local"
            if wanted == "local":
                self._keeper = Keeper(options)
                self._auth = _trust_own_token()
            try:
                _connect(wanted if self._keeper is None else self._keeper.address)
            except BaseException:
                self.close()
                raise
        self.address: str = ray.get_runtime_context().gcs_address
        if not self._connected and address not in (None, "auto", self.address):
            self.close()
            raise ConfigError(
                f"address={address!r} cannot be joined: this process is in the cluster at {self.address} already, and "
                "a process can be in one. Leave the address out, or call ray.shutdown() before"
            )

    @property
    def ours(self) -> bool:
        """Whether it was started here."""
        return self._keeper is not None

    def look(self) -> None:
        """See from time to time whether the cluster still has its head.

        Raises:
            WorkerError: it has not.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        if self._keeper is not None and not self._keeper.alive:
            raise WorkerError("Ray, which was started on this machine for this program, has ended: something killed it")
        if _answers(self.address, 1.0):
            self._answered = time.monotonic()
        elif time.monotonic() - self._answered > _HEAD_SECONDS:
            raise WorkerError(
                f"the head of the Ray cluster at {self.address} has not answered for {_HEAD_SECONDS:g} s: its "
                "machine or its gcs_server has ended. Start the cluster again; the state of the loader goes on after "
                "the last batch"
            )

    def close(self) -> None:
        """Leave the cluster, and end it where it was started here. May be called again."""
        connected, self._connected = self._connected, False
        if connected:
            with suppress(Exception):
                ray.shutdown()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()
        if self._auth:
            self._auth = False
            _set_auth(None)

    def forget(self) -> None:
        """Close what a fork has inherited, so that only the loader's process counts."""
        if self._keeper is not None:
            self._keeper.forget()


def _connect(address: str) -> None:
    if address.startswith("ray://"):
        raise ConfigError(
            f"address={address!r} is one of Ray Client, which cannot hand over memory: run the program on a machine of "
            "the cluster (ray start --address=HOST:6379 makes this one part of it) and give HOST:6379 or 'auto'"
        )
    if address != "auto" and not _answers(address, _CONNECT_SECONDS):
        raise WorkerError(
            f"there is no Ray cluster at {address!r}: nothing answers there. `ray start --head` starts one, "
            "RAY_ADDRESS or RayWorkers(address=) names it, and address='local' starts one on this machine for this "
            "program"
        )
    try:
        # Ray warns of what is meant here: that it is asked on another thread than the main one, and of tokens.
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=True)
    except Exception as error:
        raise WorkerError(
            f"the Ray cluster at {address!r} cannot be joined ({type(error).__name__}: {error}). Its machines need the "
            "Python and Ray of this one, and this machine must be one of them: ray start --address=HOST:6379"
        ) from error


def _answers(address: str, seconds: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), seconds):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _trust_own_token() -> bool:
    """Let this process show the user's token, which a cluster that is started here asks for, as Ray has it by default.

    Ray does so in a process that starts a cluster itself, and not in one that joins it by its address.
    """
    return "RAY_AUTH_MODE" not in os.environ and _set_auth("token")


def _set_auth(mode: str | None) -> bool:
    config = getattr(import_module("ray._raylet"), "Config", None)
    if config is None or not hasattr(import_module("ray._raylet"), "AuthenticationTokenLoader"):
        return False  # a Ray without tokens
    if mode is None:
        os.environ.pop("RAY_AUTH_MODE", None)
    else:
        os.environ["RAY_AUTH_MODE"] = mode
    config.initialize("")
    return True


_lock = threading.Lock()
_current: Cluster | None = None
_forked = False


def join(address: str | None, options: dict[str, Any]) -> Cluster:
    """Return the cluster, for one more user.

    Args:
        address: host:port of the head; "auto" finds one on this machine, "local" starts one. None means the one that
            this process is in, else RAY_ADDRESS, else "local".
        options: arguments of `ray.init` for one that is started.

    Raises:
        WorkerError: nothing answers at the address, or it cannot be joined or started; this is a fork.
        ConfigError: the process is in another one.
    """
    global _current
    if _forked:
        raise WorkerError(
            "this process is a fork of one that was connected to Ray, whose threads it lacks: start it by "
            "multiprocessing's 'spawn' or 'forkserver', or use worker='process' here"
        )
    with _lock:
        if _current is not None and not ray.is_initialized():  # The program has left it meanwhile.
            _current.close()
            _current = None
        if _current is None:
            _current = Cluster(address, options)
        elif address not in (None, "auto", _current.address) and not (address == "local" and _current.ours):
            raise ConfigError(
                f"address={address!r} cannot be joined: another loader of this process uses the cluster at "
                f"{_current.address}, and a process can be in one. Close that loader before"
            )
        _current.users += 1
        return _current


def leave(cluster: Cluster) -> None:
    """Be one user less; the last one closes it."""
    global _current
    with _lock:
        cluster.users -= 1
        if cluster.users > 0:
            return
        if _current is cluster:
            _current = None
        cluster.close()


def _forget() -> None:
    # The lock may be held by a thread that the fork does not have.
    global _lock, _current, _forked
    _lock = threading.Lock()
    _forked = _forked or ray.is_initialized()
    if _current is not None:
        _current.forget()
        _current = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
