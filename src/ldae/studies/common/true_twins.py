"""A phantom's head made again: at another stage of the disease, which is the answer that an edit is held to, with
everything else about the subject, age and scanner included, kept; or the same head on another scanner.
"""

import dataclasses
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage

from ldae.config import Phantom
from ldae.core.errors import UserError
from ldae.core.keys import KEY
from ldae.phantom.anatomy import Anatomy, load_anatomy
from ldae.phantom.population import State, Subject, state_at
from ldae.phantom.scan import Scan, amplitudes_for, displacement_of, head_shape, make_scan
from ldae.phantom.visit_schedule import Plan, Visit, plan_cohort
from ldae.studies.common.anatomy import contrast_ends
from ldae.studies.common.inputs import Inputs


@dataclasses.dataclass(frozen=True)
class Twins:
    """The scans of a phantom cohort, made again without noise, pose and inhomogeneity, at any stage of the disease.

    Args:
        inputs: opened with the cohort's truth.
        settings, seed: of the phantom.
        anatomy_path: where ``make_phantom`` keeps the anatomy; built there (20 s) if it is not.
    """

    inputs: Inputs
    settings: Phantom
    seed: int
    anatomy_path: Path

    @cached_property
    def visits(self) -> dict[tuple[str, str], tuple[Plan, Visit]]:
        """(participant_id, session_id) -> the subject's course and the visit."""
        return {
            (plan.subject.participant_id, f"ses-{visit.session}"): (plan, visit)
            for plan in plan_cohort(self.settings, self.seed)
            for visit in plan.visits
        }

    @cached_property
    def anatomy(self) -> Anatomy:
        """The anatomy that the cohort was made from."""
        return load_anatomy(self.anatomy_path)

    def stage(self, row: int) -> float:
        """The true stage of a scan."""
        return float(self.inputs.scans.loc[row, "truth_stage"])

    def ventricle_change(self, row: int, stage: float) -> float:
        """Change of the true ventricles (ml in MNI space), from the phantom's formula and the scan's measured truth."""
        before, after = (self.state(row, other).ventricle_ml for other in (None, stage))
        return float(self.inputs.scans.loc[row, "truth_ventricle_ml_mni"]) * (after / before - 1)

    def pictures(self, row: int, stage: float) -> tuple[np.ndarray, np.ndarray, float]:
        """The clean twin of a scan as it is, and at another stage.

        Returns:
            Two (X, Y, Z) float32 on the cohort's grid, in the scan's brain mask and on its scale of intensities; and
            the volume of the true ventricles at that stage (ml in MNI space).
        """
        scan, own = self.inputs.volumes.volumes(row), self.twin(row, self.stage(row))
        moved = own if stage == self.stage(row) else self.twin(row, stage)
        placed = on_grid(own, self.inputs)
        ends = contrast_ends(placed, self.inputs.grid), contrast_ends(scan, self.inputs.grid)
        both = [placed, placed if moved is own else on_grid(moved, self.inputs)]
        now, then = (
            np.where(scan > 0, np.clip(matched(one, *ends), 0, 1), 0).astype(np.float32)  # equal scales
            for one in both
        )
        return now, then, float(moved.truth["ventricle_ml"]) * float(self.inputs.scans.loc[row, "determinant"])

    def state(self, row: int, stage: float | None = None) -> State:
        """State at the scan, or with another stage on that day."""
        subject, visit = self._at(row, stage)
        return state_at(subject, visit.elapsed_years)

    def twin(self, row: int, stage: float) -> Scan:
        """The scan at a stage, without noise, pose and inhomogeneity."""
        subject, visit = self._at(row, stage)
        return make_scan(
            self.anatomy,
            subject,
            visit.elapsed_years * 12,
            visit.session,
            self.seed,
            self.settings.voxel_mm,
            shape_field=self.shape(row),
            nuisance=False,
            rich=self.settings.variety == "rich",
        )

    def shape(self, row: int) -> np.ndarray:
        """Smooth displacement of the subject's head and gyri."""
        subject, _ = self._at(row, None)
        return head_shape(self.seed, subject.rid, self.settings.torque_mm, self.settings.variety == "rich")

    def displacement(self, row: int) -> np.ndarray:
        """What carries the head to the template on the day of the scan."""
        subject, visit = self._at(row, None)
        amplitudes = amplitudes_for(self.anatomy, subject, state_at(subject, visit.elapsed_years))
        return displacement_of(self.anatomy, self.shape(row), amplitudes)

    def travelled(self, row: int, site: int, session: str, displacement: np.ndarray) -> Scan:
        """The head on the day of the scan, on the scanner of a site (0 to 7), with all that this adds.

        Args:
            session: key of what is drawn anew in every session: pose, contrast, inhomogeneity, gain and noise.
            displacement: of :meth:`displacement`, the same for all scans of a head.
        """
        subject, visit = self._at(row, None)
        return make_scan(
            self.anatomy,
            dataclasses.replace(subject, site=site),
            visit.elapsed_years * 12,
            session,
            self.seed,
            self.settings.voxel_mm,
            displacement=displacement,
            scanner=self.settings.scanner,
            rich=self.settings.variety == "rich",
        )

    def _at(self, row: int, stage: float | None) -> tuple[Subject, Visit]:
        """The subject, with this stage on the day of the scan, and the visit."""
        plan, visit = self._visit(row)
        if stage is None:
            return plan.subject, visit
        baseline = stage - plan.subject.stage_rate * visit.elapsed_years
        return dataclasses.replace(plan.subject, stage=baseline), visit

    def _visit(self, row: int) -> tuple[Plan, Visit]:
        key = tuple(self.inputs.scans.loc[row, KEY])
        if key not in self.visits:
            raise UserError(f"{'_'.join(key)} is not in the phantom of this configuration; run make_phantom again.")
        return self.visits[key]


def on_grid(scan: Scan, inputs: Inputs, order: int = 1) -> np.ndarray:
    """(X, Y, Z) a phantom scan on the grid of the conformed volumes, by its true pose and head size.

    Args:
        order: of the splines between voxels; 1 is trilinear.
    """
    grid = np.asarray(inputs.volumes.meta["affine"], dtype=float)
    place = np.linalg.inv(scan.affine) @ np.linalg.inv(scan.to_template) @ grid
    image = scan.image.astype(np.float32)
    return ndimage.affine_transform(
        image, place[:3, :3], place[:3, 3], output_shape=inputs.grid.shape, order=order, prefilter=order > 1
    )


def matched(volume: np.ndarray, own: tuple[float, float], wanted: tuple[float, float]) -> np.ndarray:
    """Intensities stretched so that fluid and white matter (:func:`contrast_ends`) go from ``own`` to ``wanted``."""
    return (volume - own[0]) * (wanted[1] - wanted[0]) / max(own[1] - own[0], 1e-6) + wanted[0]


def twins_of(inputs: Inputs, phantom: Phantom | None, seed: int, anatomy: str | Path | None) -> Twins | None:
    """Those of a phantom cohort whose truth was read; none of any other.

    Args:
        phantom: its settings.
        anatomy: where make_phantom keeps its anatomy.
    """
    if phantom is None or anatomy is None or not inputs.has_truth:
        return None
    return Twins(inputs, phantom, seed, Path(anatomy))
