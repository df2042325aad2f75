"""Writes the generated pages and pictures of the documentation (`make docs`); tests keep them in step."""

from pathlib import Path

import layers_picture

from ldae.report.differences import differences_page

PAGES = {"differences.md": differences_page, "images/layers.svg": layers_picture.picture}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(__file__).parent / name).write_text(page(), encoding="utf-8")
