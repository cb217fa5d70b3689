import pytest
import torch


@pytest.fixture
def one_thread():
    """As in a worker: with more threads the sums of PyTorch come out differently, and cost more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
