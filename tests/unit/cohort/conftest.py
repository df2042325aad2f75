import pytest
from any_dataset import Dataset


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return Dataset(tmp_path)
