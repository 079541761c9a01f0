"""One conformance suite for every kind of worker."""

import conformance
import pytest

from dataload.workers import start_workers


@pytest.mark.parametrize(
    ("kind", "count"), [("thread", 0), ("thread", 1), ("thread", 3), ("process", 1), ("process", 2), ("auto", 2)]
)
def test_every_kind_of_worker_keeps_the_contract(kind, count, leaves_nothing):
    conformance.check_workers(lambda pipeline, count: start_workers(kind, count, pipeline), count)
