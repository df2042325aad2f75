"""The authors' linear probe, with the sign turned: AD is class 0 in their code, positive here."""

from pathlib import Path

import numpy as np

from ldae.core.errors import UserError
from ldae.inference.foreign_weights import read_state_dict, read_tensor
from ldae.studies.common.linear_probes import Probe


def read_published_probe(classifier: Path, mean: Path, std: Path) -> Probe:
    """Their probe as ours: score(y_sem) is the logit of AD.

    Args:
        classifier: state dict with a weight (1, dimension) and a bias (1,); its logit is that of CN.
        mean, std: moments of y_sem (dimension,) by which the features were standardised.

    Raises:
        UserError: a file is refused, or the shapes do not belong together.
    """
    state = read_state_dict(classifier)
    tensors = {name.rsplit(".", 1)[-1]: tensor for name, tensor in state.items()}
    if tensors.keys() != {"weight", "bias"} or len(state) != 2 or tensors["weight"].dim() != 2:
        raise UserError(f"{classifier} is not one linear layer: it holds {', '.join(sorted(state))}.")
    moments = [read_tensor(path).double().flatten().numpy() for path in (mean, std)]
    dimension = tensors["weight"].shape[1]
    if tensors["weight"].shape[0] != 1 or any(len(moment) != dimension for moment in moments):
        raise UserError(
            f"{classifier} ({tuple(tensors['weight'].shape)}), {mean} ({len(moments[0])}) and {std} "
            f"({len(moments[1])}) do not belong together."
        )
    weight, bias = tensors["weight"].double().numpy()[0], float(tensors["bias"])
    return Probe(moments[0], np.asarray(moments[1]), -weight, -bias, 0.0)
