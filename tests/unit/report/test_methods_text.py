"""The methods section says what a run did and nothing else, and every reference that it names can be cited."""

import re
from pathlib import Path

import pytest

from ldae.config import load_config
from ldae.report.identifiers import NOBODY
from ldae.report.leaving import fault_of_text
from ldae.report.methods_text import NAMED, methods, references

CONFIG = Path(__file__).parents[3] / "config"
PAPER, DEMO = ("config",), ("config", "small_networks", "demo")
VERSIONS = {"clinica": "7.1", "torch": "9.9"}


def configured(*names: str):
    return load_config(*(CONFIG / f"{name}.yaml" for name in names))


def said(config, *imported: str) -> str:
    return methods(config, VERSIONS, imported).markdown()


def test_the_papers_run_is_described_with_its_numbers_and_versions():
    text, config = said(configured(*PAPER)), configured(*PAPER)
    assert "Alzheimer's Disease Neuroimaging Initiative" in text and "with Clinica 7.1 [@clinica]" in text
    assert f"trained for {config.diffusion.training.steps:,} steps of {config.diffusion.training.batch} scans" in text
    assert "128 × 160 × 128 voxels of 1.5 mm" in text and "PyTorch 9.9 [@pytorch]" in text
    assert "convnext_small [@convnext]" in text and "Synthetic heads" not in text


def test_a_phantom_is_never_called_a_cohort_of_people():
    text = said(configured(*DEMO))
    assert "Synthetic heads" in text and "Alzheimer's Disease Neuroimaging Initiative" not in text
    assert "[@convnext]" not in text and "doi:10.3389/fninf.2021.689675 [@clinica]" in text


def test_what_was_not_done_has_no_sentence_and_no_reference():
    config = configured(*PAPER)
    assert "[@diffae]" in said(config) and "[@lpips]" not in said(config)
    alone = config.model_copy(update={"baselines": False})
    assert "diffusion autoencoder [@diffae]" not in said(alone) and "Preechakul" not in said(alone)
    weights = config.autoencoder.model_copy(update={"perceptual_weights": Path("squeezenet.safetensors")})
    assert "[@lpips]" in said(config.model_copy(update={"autoencoder": weights}))
    given = configured("config", "csv_example")
    assert "[@n4]" not in said(given) and "registered elsewhere" in said(given)
    unlabelled = config.manifest.model_copy(update={"require_diagnosis": False})
    assert "regression" not in said(config.model_copy(update={"manifest": unlabelled}))


def test_imported_networks_are_not_said_to_be_trained():
    text = said(configured(*PAPER), "autoencoder", "representation")
    assert text.count("taken over with the published weights") == 2
    assert "23,040 steps" not in text and "36,000 steps" in text


@pytest.mark.parametrize("names", [PAPER, DEMO, ("config", "oasis3"), ("config", "csv_example")], ids="-".join)
def test_page_text_and_bibtex_name_the_same_and_may_leave(names):
    written = methods(configured(*names), VERSIONS)
    keys = {reference.key for reference in written.cited}
    assert set(re.findall(r"@(\w+)[\];]", written.markdown())) == keys
    assert set(re.findall(r"^@\w+\{(\w+),", written.bibtex(), re.MULTILINE)) == keys | {"ldae_adni"}
    assert all(not NAMED.search(text) for _, text in written.html())
    assert fault_of_text(written.markdown(), NOBODY) is None and fault_of_text(written.bibtex(), NOBODY) is None


def test_every_reference_is_whole_and_can_be_reached():
    for key, reference in references().items():
        assert reference.authors and reference.title and reference.where, key
        assert 1990 < reference.year < 2100
        assert re.fullmatch(r"10\.\d{4,5}/\S+|arXiv:\d{4}\.\d{4,5}", reference.number), key
        assert reference.bibtex.count("{") == reference.bibtex.count("}")
    wang, meijer = references()["ssim"], references()["ldae"]
    assert wang.short == "Wang et al. 2004" and "Wang, Z. and Bovik, A. C." in wang.bibtex
    assert "Meijer, F. J. A. and De Stefano, C." in meijer.bibtex
