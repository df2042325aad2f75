"""A tiny trained model in its results folder, made once, and exported."""

from pathlib import Path

import pytest
from trained import write_results

from ldae.core.runtime import limit_threads
from ldae.inference.model import LDAE
from ldae.report.export_model import export_model


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Path:
    """The results folder; beside it ``sub-20_ses-M000_T1w.nii.gz``, the raw scan of one of its test subjects."""
    limit_threads()
    return write_results(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def exported(results, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere") / "model"
    export_model(results, folder, unchecked=True)
    return folder


@pytest.fixture(scope="session")
def model(exported) -> LDAE:
    return LDAE.load(exported)


@pytest.fixture(scope="session")
def raw(results) -> Path:
    return results.parent / "sub-20_ses-M000_T1w.nii.gz"


@pytest.fixture(scope="session")
def scan(model, raw):
    return model.preprocess(raw)
