"""Real stores for tests: S3 servers, an Azure server, a web server that fails, and fsspec's memory."""

import json
import logging
import shutil
from pathlib import Path

import pytest
from npm_servers import azurite, s3rver

from dataload.measuring.server import running_server
from dataload.storage.places import place

KEY = "a-secret-that-must-not-be-seen"
SPEECH = Path(__file__).parent / "data" / "speech"
CLIPS = sorted(path.name for path in SPEECH.glob("*.wav"))[:48]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A folder of clips, some of them in a folder below."""
    root = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(CLIPS):
        target = root / ("more" if number % 3 == 0 else ".") / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(SPEECH / name, target)
    return root


class Bucket:
    """A bucket of an S3 server.

    Attributes:
        url: of the bucket.
        options: how it is reached.
    """

    def __init__(self, client, name, options):
        self.client, self.name, self.options = client, name, options
        self.url = f"s3://{name}"

    def put(self, name, data):
        self.client.put_object(Bucket=self.name, Key=name, Body=data)

    def delete(self, name):
        self.client.delete_object(Bucket=self.name, Key=name)

    def upload(self, folder, prefix):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.fixture(scope="session")
def s3():
    """An S3 server; called with a name it makes a bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format("127.0.0.1", server.get_host_and_port()[1])
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="key", aws_secret_access_key=KEY, region_name="us-east-1"
    )
    options = {"endpoint": endpoint, "access_key_id": "key", "secret_access_key": KEY, "region": "us-east-1"}

    def make(name):
        client.create_bucket(Bucket=name)
        return Bucket(client, name, options)

    yield make
    server.stop()


@pytest.fixture(scope="session")
def bucket(s3, clip_folder):
    """A bucket with the clips under `recordings`."""
    made = s3("clips")
    made.upload(clip_folder, "recordings")
    return made


@pytest.fixture(scope="session", params=["s3", "s3rver", "azurite"])
def make_bucket(request):
    """A server of each kind that has buckets; called with a name it makes one."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def clips(make_bucket, clip_folder):
    """A bucket of each kind of server, with the clips under `recordings`."""
    made = make_bucket("some-clips")
    made.upload(clip_folder, "recordings")
    return made


@pytest.fixture
def memory():
    """The root of a file system of fsspec in memory, which is empty; stores of other processes do not see it."""
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield "memory://root"
    fs.store.clear()


def upload(url, folder, options=None):
    """Write the files of a folder into a store."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            at = place(f"{url}/{path.relative_to(folder).as_posix()}", options)
            at.store.write(at.name, [path.read_bytes()])


def dumped(value):
    """Return everything that a value may show of itself."""
    return json.dumps(value, default=repr) if isinstance(value, dict) else repr(value)


__all__ = [
    "CLIPS",
    "KEY",
    "azurite",
    "bucket",
    "clip_folder",
    "clips",
    "dumped",
    "make_bucket",
    "memory",
    "running_server",
    "s3",
    "s3rver",
    "upload",
]
