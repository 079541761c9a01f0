"""An S3 server and an Azure blob server from npm, which `make servers` installs."""

import base64
import hashlib
import hmac
import os
import queue
import re
import shutil
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from dataload.storage.places import place

ROOT = Path(__file__).resolve().parents[1]
BEFORE = Path(__file__).parent / "servers" / "end_with_stdin.cjs"
# The only account of each; azurite's is in its manual.
S3RVER = "S3RVER"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_PORT = re.compile(r"listen(?:ing|s) on (?:http://)?127\.0\.0\.1:(\d+)")
_SECONDS = 60


def _script(name):
    script = ROOT / ".servers" / "node_modules" / ".bin" / name
    if script.exists() and shutil.which("node"):
        return script
    if shutil.which("npm") is None or os.environ.get("NPM_CANNOT_INSTALL"):
        pytest.skip("needs a server from npm")
    return pytest.skip(f"{name} is not installed: make servers")


@contextmanager
def listening(name, *options):
    """Run a server until the block ends; give its address."""
    command = ["node", "--require", str(BEFORE), str(_script(name)), *map(str, options)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, **pipes) as process:
        lines = queue.SimpleQueue()
        # To its end: a server whose output nobody reads stops.
        threading.Thread(target=_hand_on, args=(process.stdout, lines), daemon=True).start()
        try:
            said = ""
            while (found := _PORT.search(said)) is None:
                line = lines.get(timeout=_SECONDS)
                assert line, f"{name} did not start: {said}"
                said += line
            yield f"http://127.0.0.1:{found.group(1)}"
        finally:
            process.kill()


def _hand_on(output, lines):
    for line in output:
        lines.put(line)
    lines.put("")


class Container:
    """A container of an Azure blob server, with the interface of `stores.Bucket`."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.url = f"az://{name}"

    def put(self, name, data):
        at = place(f"{self.url}/{name}", self.options)
        at.store.write(at.name, [data])

    def delete(self, name):
        from obstore import delete, store

        delete(store.from_url(self.url, client_options={"allow_http": True}, **self.options), name)

    def upload(self, folder, prefix):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def _make_container(address, name):
    """Make a container, which obstore cannot, by a signed request."""
    version = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = "".join(f"{header}:{value}\n" for header, value in version.items())
    text = f"PUT{chr(10) * 12}{lines}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
    signed = {**version, "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"}
    url = f"{address}/{ACCOUNT}/{name}?restype=container"
    with urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=signed), timeout=30):
        pass


@pytest.fixture(scope="session")
def s3rver(tmp_path_factory):
    """Another S3 server; called with a name it makes a bucket."""
    import boto3
    from stores import Bucket

    folder = tmp_path_factory.mktemp("s3rver")
    with listening("s3rver", "-d", folder, "-a", "127.0.0.1", "-p", 0, "--silent", "--no-vhost-buckets") as endpoint:
        keys = {"aws_access_key_id": S3RVER, "aws_secret_access_key": S3RVER}
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        options = {
            "endpoint": endpoint,
            "access_key_id": S3RVER,
            "secret_access_key": S3RVER,
            "region": "us-east-1",
        }

        def make(name):
            client.create_bucket(Bucket=name)
            return Bucket(client, name, options)

        yield make


@pytest.fixture(scope="session")
def azurite():
    """An Azure blob server; called with a name it makes a container."""
    options = ["--blobHost", "127.0.0.1", "--blobPort", 0, "--skipApiVersionCheck", "--inMemoryPersistence"]
    with listening("azurite-blob", *options, "--disableTelemetry", "--silent") as address:

        def make(name):
            _make_container(address, name)
            return Container(
                name,
                {"account_name": ACCOUNT, "account_key": ACCOUNT_KEY, "endpoint": f"{address}/{ACCOUNT}"},
            )

        yield make
