"""Writes the generated pages and pictures of the documentation, and the schema of the configuration (`make docs`).

Tests keep them in step.
"""

from pathlib import Path

import layers_picture

from ldae.config import load_config
from ldae.config.described import configuration_page, schema_text
from ldae.report.differences import differences_page
from ldae.report.glossary import metrics_page
from ldae.report.outputs import outputs_page

DOCS = Path(__file__).parent
CONFIG = DOCS.parent / "config"
PAGES = {
    DOCS / "differences.md": differences_page,
    DOCS / "configuration.md": lambda: configuration_page(load_config(CONFIG / "config.yaml").section()),
    DOCS / "metrics.md": metrics_page,
    DOCS / "outputs.md": outputs_page,
    DOCS / "images/layers.svg": layers_picture.picture,
    CONFIG / "schema.json": schema_text,
}

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
