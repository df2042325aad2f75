"""What stands beside the probes of Table 7: what else a code knows, and how many labels it needs."""

from pathlib import Path

from ldae.config import Evaluation, Method
from ldae.core.files import read_tsv, write_tsv
from ldae.core.keys import KEY_TYPES
from ldae.studies.common.inputs import Inputs
from ldae.studies.probes.confounds import confounds
from ldae.studies.probes.features import VoxelPca, code_sets, voxel_gram
from ldae.studies.probes.label_efficiency import label_efficiency
from ldae.studies.probes.measure import probe_groups


def run_probe_checks(
    inputs: Inputs, predictions: Path, settings: Evaluation, seed: int, out: Path, method: Method
) -> None:
    """Write confounds.tsv and label_efficiency.tsv into ``out``.

    Args:
        inputs: opened with the manifest, for the study phase.
        predictions: predictions.tsv of :func:`ldae.studies.probes.measure.run_probes`.
        method: ``probe_split`` is read.
    """
    scans = inputs.scans.assign(probe_group=probe_groups(inputs.scans, method.probe_split))
    codes = code_sets(inputs)
    known = read_tsv(predictions, dtype=KEY_TYPES)
    found = confounds(scans, codes, known, settings.folds, settings.bootstrap, seed)
    write_tsv(out / "confounds.tsv", found)
    sets = codes | {"pca_voxels": VoxelPca(voxel_gram(inputs, settings.batch))}
    write_tsv(out / "label_efficiency.tsv", label_efficiency(scans, sets, settings, seed))
