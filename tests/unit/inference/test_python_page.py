"""docs/python.md: its code is executed, block after block, beside a model and a scan."""

import re
import shutil
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


def test_the_code_of_the_page_runs(exported, raw, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(exported)
    shutil.copy(raw, tmp_path / "sub-01_T1w.nii.gz")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert "unreadable: EOFError" in said and "reaches from 0 to" in said
    assert (tmp_path / "towards_ad.nii.gz").is_file() and names["half"].generated
