"""What a bucket refuses in the middle, or answers from another region, and indexes that are of other shards."""

import http.server
import shutil
import threading
import urllib.request

import pytest

from dataload import FileSource, Loader, TarSource
from dataload.errors import ConfigError, StorageError
from dataload.shards.index import write_index
from dataload.shards.pack import Packing

pytestmark = pytest.mark.timeout(120)


def size(path):
    return len(path.read_bytes())


def require_keys(endpoint, after):
    """Let the server look at keys after so many requests, as one does whose keys have expired."""
    url, headers = f"{endpoint}/moto-api/reset-auth", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, str(after).encode(), headers)).close()


@pytest.mark.parametrize(("worker", "num_workers"), [("thread", 0), ("process", 2)])
def test_keys_that_expire_in_the_middle_are_an_error_that_names_object_and_mend(bucket, worker, num_workers):
    source = FileSource(f"{bucket.url}/recordings", "**/*.wav", storage_options=bucket.options, size=size)
    with Loader(source, batch_size=4, num_workers=num_workers, worker=worker, prefetch_factor=1) as loader:
        try:
            batches = iter(loader)
            next(batches)
            require_keys(bucket.options["endpoint"], 0)
            with pytest.raises(
                StorageError, match=r"s3://clips/recordings/.*\.wav: access is refused \(403\).*expired"
            ) as caught:
                list(batches)
        finally:
            require_keys(bucket.options["endpoint"], "inf")
        assert bucket.options["secret_access_key"] not in str(caught.value) + repr(loader)
        # With keys that are good again the epoch goes on behind the last batch that came.
        with Loader(source, batch_size=4) as again, Loader(source, batch_size=4) as whole:
            again.load_state_dict(loader.state_dict())
            rest = [batch["size"].tolist() for batch in again]
            expected = [batch["size"].tolist() for batch in whole]
            assert rest == expected[-len(rest) :] and len(rest) == len(expected) - loader.stats.batch


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A bucket that is in another region, as S3 says so to one kind of request and another."""

    status, body = 301, "<Error><Code>PermanentRedirect</Code><Message>use another endpoint</Message></Error>"

    def do_GET(self):
        body = self.body.encode()
        self.send_response(self.status)
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Malformed(Elsewhere):
    status, body = 400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"


@pytest.mark.parametrize("answer", [Elsewhere, Malformed])
def test_a_bucket_in_another_region_is_named(answer, bucket):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {**bucket.options, "endpoint": f"http://127.0.0.1:{server.server_port}", "timeout": 5}
        try:
            with pytest.raises(StorageError, match=r"s3://clips/.*check region and endpoint"):
                FileSource("s3://clips/recordings", storage_options=options)
        finally:
            server.shutdown()


def test_an_index_of_other_shards_or_of_replaced_ones_is_refused(s3, clip_folder, tmp_path):
    bucket = s3("indexed")
    clips = FileSource(clip_folder, "*.wav", audio=lambda path: path.read_bytes())
    for folder in ("one", "two"):
        Packing(clips, str(tmp_path), size=100_000, name=folder).run()
        bucket.upload(tmp_path, folder)
        shutil.rmtree(tmp_path)
    index = f"{bucket.url}/two/dataload-index.arrow"
    options = {"storage_options": bucket.options, "audio": "audio"}
    write_index(TarSource(f"{bucket.url}/two/*.tar", **options)._index, index, bucket.options)
    assert len(TarSource(f"{bucket.url}/two/*.tar", index=index, **options)) == len(clips)
    with pytest.raises(ConfigError, match=r"s3://indexed/two/dataload-index\.arrow.*s3://indexed/one"):
        TarSource(f"{bucket.url}/one/*.tar", index=index, **options)
    name = sorted(one["Key"] for one in bucket.client.list_objects(Bucket="indexed", Prefix="two/")["Contents"])[-1]
    assert name.endswith(".tar")
    bucket.put(name, b"\0" * 10_240)
    with pytest.raises(ConfigError, match=r"s3://indexed/two/dataload-index\.arrow.*dataload index"):
        TarSource(f"{bucket.url}/two/*.tar", index=index, **options)
