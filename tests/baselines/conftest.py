import traceback

import pytest
import torch

from jumpgym.baselines.comparison import cluster, sweep
from jumpgym.baselines.comparison.workers import Failure, Workers
from jumpgym.baselines.report import write
from jumpgym.baselines.runs import perform
from jumpgym.baselines.studies import runs


@pytest.fixture
def one_thread():
    """As in a worker: with more threads the sums of PyTorch come out differently, and cost more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class InThisProcess(Workers):
    """Does the work of a pool in the caller's process, since a new one takes seconds to import PyTorch."""

    def run_all(self, work, items):
        perform._reference.cache_clear()  # a new process has read no references
        for item in items:
            try:
                result = work(*item)
            except Exception:
                result = Failure(traceback.format_exc())
            yield item, result


@pytest.fixture
def in_this_process(monkeypatch, one_thread):
    """``compare`` does its runs in this process."""
    monkeypatch.setattr(sweep, "make_workers", lambda *_: InThisProcess(1))


@pytest.fixture(scope="module")
def local_pools_in_this_process():
    """Comparisons without Ray, and studies, do their runs in this process: for shared fixtures."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cluster, runs):
            patch.setattr(module, "Workers", InThisProcess)
        yield


def _without_pictures(scope):
    @pytest.fixture(scope=scope)
    def fixture():
        """Reports have their tables only, since pictures and pages take most of the time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(write, "_render", lambda tables, output: [])
            yield

    return fixture


only_tables = _without_pictures("function")
only_tables_in_this_file = _without_pictures("module")
