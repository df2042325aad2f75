"""The method's own choices."""

from typing import Literal

from pydantic import Field

from ldae.config.section import Section


class Method(Section):
    """Where paper, code and good sense differ. ``mode`` sets every switch of :mod:`ldae.config.switches` that is not
    given, those of other sections too; docs/differences.md lists them."""

    mode: Literal["paper", "authors_code"] = Field(
        "paper", description="the paper as written, its slips repaired | what the authors' code does, bugs included"
    )
    posterior: Literal["sample", "mean", "frozen"] = Field(
        "sample", description="latents: resampled in training, mean in evaluation | always the mean | one sample a scan"
    )
    scale_factor: Literal["training_split", "first_batch"] = Field(
        "training_split", description="latents are divided by their spread over the training split | over one batch"
    )
    clamp_z0: bool = Field(False, description="clamp predicted z_0 to [-1, 1] while sampling")
    shift_at_sampling: Literal["sqrt", "training"] = Field(
        "sqrt", description="coefficient of G while sampling: sqrt(1-a_t) (DDIM of PDAE) | the training coefficient"
    )
    validation_reference: Literal["original", "autoencoder"] = Field(
        "original", description="what a validation sample of stage 3 is compared with: the scan | its reconstruction"
    )
    probe_split: Literal["subject", "scan"] = Field("subject", description="folds that choose a probe's penalty")
    positive_class: Literal["AD", "CN"] = Field(
        "AD", description="whose recall, precision and F1 come first in the tables of probes"
    )
    manipulation_scale: Literal["calibrated", "sqrt_dimension"] = Field(
        "calibrated", description="step along the probe: to a stated probability | alpha sqrt(dimension), alpha 2.5"
    )
