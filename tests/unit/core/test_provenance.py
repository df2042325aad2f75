"""What the provenance says of models that were trained with other versions of the libraries."""

import json
from importlib.metadata import version

from ldae.core.provenance import run_provenance


def test_a_model_trained_with_other_versions_is_listed(tmp_path):
    """The report is made anew after an upgrade; its models were not."""
    models, now = [], {"torch": version("torch"), "numpy": version("numpy")}
    for stage, versions in {"same": now, "older": now | {"torch": "2.9.0"}, "imported": None}.items():
        folder = tmp_path / stage
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(stage.encode())
        (folder / "model.json").write_text(
            json.dumps({"stage": stage, "digest": stage} | ({"versions": versions} if versions else {}))
        )
        models.append(str(folder / "model.safetensors"))
    provenance = run_provenance([], models)
    assert provenance["Trained with"] == {"older": "torch 2.9.0"}
    assert provenance["Software"]["torch"] == now["torch"] and set(provenance["Models"]) == {
        "same",
        "older",
        "imported",
    }
