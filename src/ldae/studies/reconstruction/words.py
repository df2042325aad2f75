"""What the report says of the reconstructions: where the mean brain beats a network on the paper's own measure."""

from ldae.core.files import read_tsv
from ldae.studies.common.study import ReportSources
from ldae.studies.reconstruction.record import SIMILARITY, SUMMARY

PAPERS = "ssim_w3_paper"


def mean_brain(sources: ReportSources, public: bool) -> str | None:
    """That the mean training brain is as similar to a scan as the autoencoder by the paper's measure, where it is."""
    path = sources.evaluate / SUMMARY
    if not path.is_file():
        return None
    table = read_tsv(path).set_index(["method", "metric"])["value"]
    names = [(method, metric) for metric in (PAPERS, SIMILARITY) for method in ("mean_volume", "ae")]
    if any(name not in table.index for name in names):
        return None
    (mean, ours), (mean_here, ours_here) = (
        (float(table["mean_volume", metric]), float(table["ae", metric])) for metric in (PAPERS, SIMILARITY)
    )
    if not mean >= ours:
        return None
    other = "is below" if mean_here < ours_here else "is above"
    return (
        f"By the paper's measure (SSIM with a window of 3 voxels over the whole box) the mean of the training brains, "
        f"which knows nothing of the scan, reaches {mean:.3f} and the autoencoder {ours:.3f}: smooth volumes and empty "
        f"background are enough for it. In the brain with a window of 11 the mean brain ({mean_here:.3f}) {other} the "
        f"autoencoder ({ours_here:.3f})."
    )
