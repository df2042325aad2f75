"""Writes the generated pages of the documentation (`make docs`); a test keeps them in step."""

from pathlib import Path

from ldae.report.differences import differences_page

PAGES = {"differences.md": differences_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        Path(__file__).with_name(name).write_text(page(), encoding="utf-8")
