"""The report says where the mean training brain is as good as the autoencoder by the paper's own measure."""

from pathlib import Path

import pytest
from result_files import estimates

from ldae.core.files import write_tsv
from ldae.report.html import ReportSources
from ldae.studies.reconstruction.words import mean_brain


def sources(folder: Path, **values: float) -> ReportSources:
    rows = {tuple(name.split("__")): value for name, value in values.items()}
    write_tsv(folder / "reconstruction/summary.tsv", estimates(rows))
    return ReportSources(folder, folder, folder / "t", folder / "e", folder, {})


@pytest.mark.parametrize(("here", "word"), [(0.72, "is below"), (0.81, "is above")])
def test_a_mean_brain_that_wins_is_told_with_both_numbers(tmp_path: Path, here: float, word: str) -> None:
    given = {"mean_volume__ssim_w3_paper": 0.9112, "ae__ssim_w3_paper": 0.9049}
    found = mean_brain(
        sources(tmp_path, **given, mean_volume__ssim_w11_brain=here, ae__ssim_w11_brain=0.768), public=True
    )
    assert "reaches 0.911 and the autoencoder 0.905" in found
    assert f"the mean brain ({here:.3f}) {word} the autoencoder (0.768)" in found


def test_nothing_is_said_where_it_loses_or_was_not_measured(tmp_path: Path) -> None:
    given = {"mean_volume__ssim_w3_paper": 0.90, "ae__ssim_w3_paper": 0.95}
    given |= {"mean_volume__ssim_w11_brain": 0.7, "ae__ssim_w11_brain": 0.9}
    assert mean_brain(sources(tmp_path / "loses", **given), public=False) is None
    assert mean_brain(sources(tmp_path / "alone", ae__ssim_w3_paper=0.9), public=False) is None
    assert mean_brain(ReportSources(*[tmp_path] * 5, {}), public=False) is None
