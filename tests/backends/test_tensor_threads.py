"""A thread that keeps to some cores leaves all others alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from svc.backends.tensor_threads import multiply_on


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_other_threads_keep_their_cores() -> None:
    torch.set_num_threads(2)
    with ThreadPoolExecutor(1) as early, ThreadPoolExecutor(1) as kept:
        assert early.submit(torch.get_num_threads).result() == 2
        kept.submit(multiply_on, 1).result()
        with ThreadPoolExecutor(1) as late:
            threads = [pool.submit(torch.get_num_threads).result() for pool in (kept, early, late)]
    assert [*threads, torch.get_num_threads()] == [1, 2, 2, 2]
