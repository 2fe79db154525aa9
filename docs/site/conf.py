"""The site: README and docs/ as pages, with the reference generated from the code. `bash scripts/docs.sh` builds it.

The sources are the Markdown files that also read well where the repository is shown: links are relative paths, and the
navigation is what docs/index.md links. A comment such as `<!-- generated: knobs -->` is replaced by what `reference.py` makes.
"""

import re
from typing import Any

import navigation
import reference

import kit

project = "Kaggle baseline kit"
release = version = kit.__version__
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/reference/*.md", "skills/*/*.md"]
exclude_patterns = ["build", "data", "runs", ".*", "kit", "tests", "scripts", "kernels", "competitions", "docs/site"]
extensions = ["myst_parser", "sphinx.ext.autodoc"]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3  # links such as images.md#a-probe, as GitHub names them
highlight_language = "text"  # most blocks are commands with what they print
default_role = "literal"  # docstrings write `code` as Markdown does
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # what Lightning says of its own methods is in its documentation
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True  # as the code writes them
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = project
pygments_dark_style = "github-dark"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["root"]  # the site's first address leads to docs/index.html
html_copy_source = html_show_sphinx = html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}

GENERATED = re.compile(r"<!-- generated: (\w+) -->")


def setup(app: Any) -> None:
    app.connect("source-read", complete)
    app.connect("autodoc-process-signature", readable)


def complete(app: Any, page: str, source: list[str]) -> None:
    """Put the generated parts into a page, and the navigation into the first one."""
    source[0] = GENERATED.sub(lambda found: getattr(reference, found[1])(), source[0])
    if page == root_doc:
        source[0] += navigation.toctrees(source[0])


def readable(app: Any, what: str, name: str, value: Any, options: Any, arguments: str | None, returned: str | None) -> tuple:
    """A signature with `Run` for the name that the front door imports it by, and no inner words for a default."""
    return arguments and arguments.replace("_Run", "Run").replace("=<factory>", " = ..."), returned
