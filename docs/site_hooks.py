"""Pages of the site that are made while it is built, each from the one place that says it.

The commands come from the parsers; the model's card, the benchmarks and the changelog lie where
their readers without a site look for them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from fer_fast.cli.reference import reference

if TYPE_CHECKING:
    from typing import Any

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]

COPIED = {
    "benchmarks.md": "bench/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "model-card.md": "python/fer_fast/recognition/assets/MODEL_CARD.md",
}
"""Pages that lie elsewhere in the repository."""

_FILE = re.compile(r"<!-- the file (\S+) -->")
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files of their own."""
    files.append(File.generated(config, "commands.md", content=reference()))
    for page, source in COPIED.items():
        text = with_links_from_docs(ROOT / source)
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the text of a Python file where a page asks for it."""

    def shown(found: re.Match[str]) -> str:
        code = (ROOT / found[1]).read_text(encoding="utf-8")
        return f'```python title="{found[1]}"\n{code}```'

    return _FILE.sub(shown, markdown)


def with_links_from_docs(source: Path) -> str:
    """Return a page whose relative links lead where they did, or where the site has the same."""
    pages = {ROOT / path: page for page, path in COPIED.items()}

    def moved(link: re.Match[str]) -> str:
        target = (source.parent / link[1]).resolve()
        page = pages.get(target)
        if page is None and target.is_relative_to(ROOT / "docs"):
            page = str(target.relative_to(ROOT / "docs"))
        if page is None:
            raise ValueError(f"{source} links to {link[1]}, which the site does not have")
        return f"]({page}"

    return _LINK.sub(moved, source.read_text(encoding="utf-8"))
