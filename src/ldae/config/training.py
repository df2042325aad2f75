"""The one training loop, how a network is computed, and how a training is launched."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from ldae.config.section import Positive, Revision, Section

NOT_COMPUTED = (  # may differ between the parts of one training; what init_from leads to is told by its digest
    "micro_batch",
    "compute",
    "refit",
    "deterministic",
    "init_from",
    "init_seen_test",
)


class Compute(Section):
    """How a network is computed. Every switch keeps parameters, their names and the result up to rounding."""

    transposed_upsampling: bool = Field(
        True, description="nearest-neighbour upsampling and its convolution as one transposed convolution"
    )
    recompute_norms: bool = Field(
        True, description="GroupNorm, its scales and SiLU are computed again in the backward pass, not kept"
    )
    compile_norms: bool = Field(
        False, description="GroupNorm, its scales and SiLU as one compiled kernel; to be measured on the GPU at hand"
    )
    time_table: bool = Field(True, description="sinusoidal embeddings of all timesteps made once")
    half_trunk: bool = Field(True, description="with bf16: the frozen UNet of stage 3 is stored in bf16, never cast")
    checkpoint_backbone: bool = Field(
        False,
        description="blocks of the semantic backbone, or of the baseline DAE, are computed again in the backward pass "
        "(+1/3 of its work)",
    )
    channels_last: bool = Field(False, description="weights in channels-last order; to be measured on the GPU at hand")

    @classmethod
    def plain(cls) -> "Compute":
        """No rewrite: every layer as its library has it, bit for bit."""
        return cls(transposed_upsampling=False, recompute_norms=False, time_table=False, half_trunk=False)


class Training(Section):
    """One loop serves all stages. A step is one optimizer step on one effective batch."""

    steps: Positive = Field(description="optimizer steps")
    batch: Positive = Field(description="scans per optimizer step (the effective batch)")
    micro_batch: Positive = Field(description="scans per forward pass; divides batch")
    learning_rate: float = Field(gt=0, le=1, description="of AdamW, after the warm-up")
    warmup_steps: int = Field(0, ge=0, description="optimizer steps over which the learning rate grows linearly from 0")
    schedule: Literal["constant", "cosine"] = Field("constant", description="of the learning rate, after the warm-up")
    weight_decay: float = Field(0.0, ge=0, le=10, description="of AdamW")
    clip_norm: float = Field(1.0, gt=0, description="global gradient norm, on unscaled gradients")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="per update of the average; 0 = no average")
    ema_updates: Positive = Field(1, description="updates of the average per optimizer step; their code: 4 in stage 3")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the forward and backward pass; weights are fp32")
    validate_every: Positive = Field(description="steps between validations (and checkpoints)")
    validation_steps: Positive = Field(
        20, description="DDIM steps with which a validation decodes scans from noise and y_sem (stage 3 and the DAE)"
    )
    skip_nonfinite: int = Field(
        5,
        ge=0,
        description="steps in a row whose loss or gradient is not finite that are left out before the run stops",
    )
    deterministic: bool = Field(
        False,
        description="on a GPU only algorithms that give the same bytes at every run (slower; not measured yet)",
    )
    compute: Compute = Compute()
    refit: Literal["when_asked", "when_changed"] = Field(
        "when_asked",
        description="what happens when training or validation scans were added, left out or changed: the delivered "
        "model stays until `ldae refit`, or another is trained and the old one is moved aside",
    )
    init_from: Path | None = Field(
        None,
        description="the training starts from the weights of this model: a results folder of another run, its "
        "train/<stage>, or a folder that `ldae export-model` wrote",
    )
    init_seen_test: Literal["refuse", "allow"] = Field(
        "refuse",
        description="where those weights had test subjects of this run; allow: the report says contaminated",
    )
    revision: Revision = 1

    @model_validator(mode="after")
    def _batch_divides(self) -> "Training":
        if self.batch % self.micro_batch:
            raise ValueError(f"batch {self.batch} is not a multiple of micro_batch {self.micro_batch}")
        return self

    def not_shared(self, processes: int) -> str | None:
        """Why so many processes cannot share a batch evenly, in words; none: they can."""
        if not self.batch % (processes * self.micro_batch):
            return None
        each = self.batch // processes
        smaller = max((n for n in range(1, self.micro_batch) if each % n == 0), default=0)
        advice = f"set micro_batch {smaller}, or use fewer GPUs" if smaller and not self.batch % processes else ""
        return (
            f"batch {self.batch} cannot be shared by {processes} processes with micro_batch {self.micro_batch}; "
            f"{advice or 'use another number of GPUs'}"
        )


class Gpu(Section):
    """What the GPUs are taken to be when a run is planned. Nothing that is computed depends on it."""

    memory_gb: Positive | None = Field(
        None,
        description="GB on the label of the smallest GPU (config/gpu_40gb.yaml and its like set it): before anything "
        "runs, every rule is counted to fit; null: nothing is counted",
    )


class Launch(Section):
    """How a training is run, not what it computes: a change plans no job and is no reason to refuse a checkpoint."""

    device: Literal["auto", "gpu", "cpu"] = Field(
        "auto",
        description="of every rule with a network. auto: the GPU that there is, and an end with one sentence where a "
        "job was given one and cannot use it; gpu: nothing but a GPU; cpu: none",
    )
    stop_margin_seconds: float = Field(
        120, ge=0, description="stop and save when less is left of the job's time limit (more when steps take longer)"
    )
    pictures_every: int = Field(1, ge=0, description="validations between two pictures in checkpoints/; 0 = none")
    tensorboard: bool = Field(
        False, description="curves for TensorBoard in checkpoints/; needs `pip install tensorboard`"
    )
    keep_last_state: bool = Field(
        True,
        description="the state after the last step (weights, optimizer, averages) stays beside the delivered model, so "
        "that steps can be raised later; as large as a checkpoint",
    )


def computed(settings: BaseModel) -> dict[str, Any]:
    """The settings of a training that shape a model, as plain values."""
    section = settings.model_dump(mode="json")
    section["training"] = {name: value for name, value in section["training"].items() if name not in NOT_COMPUTED}
    return section
