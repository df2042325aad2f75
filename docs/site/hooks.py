"""Hooks of mkdocs: README.md is the first page, and what a page links to outside of docs/ stays as its name.

A link to a page, a picture or a heading of docs/ that is not there ends the build (`strict` in mkdocs.yml).
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code)")  # of Sphinx, in docstrings; its target follows
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """README.md as index.md, its links seen from docs/."""
    text = (Path(config.docs_dir).parent / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    text = LINK.sub(lambda link: link[0] if in_docs(link[2], Path(config.docs_dir)) else link[1], text)
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A link that leaves docs/ becomes its words; the code is not part of the site."""
    here = (Path(config.docs_dir) / page.file.src_uri).parent

    def kept(link: re.Match[str]) -> str:
        target = link[2].partition("#")[0]
        inside = (
            "://" in target or not target or (here / target).resolve().is_relative_to(Path(config.docs_dir).resolve())
        )
        return link[0] if inside else link[1]

    return LINK.sub(kept, markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Docstrings name other functions with Sphinx's roles: the name stays."""
    return ROLE.sub("", html)


def in_docs(target: str, docs: Path) -> bool:
    """Whether a link of README.md, seen from docs/, leads to a page of docs/ or elsewhere on the web."""
    path = target.partition("#")[0]
    return "://" in target or not path or (docs / path).exists()
