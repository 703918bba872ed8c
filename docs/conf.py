"""The configuration of the documentation's site, which `make docs` builds from the pages beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib import __version__

project = "Sluice"
author = "The Sluice authors"
release = version = __version__
extensions = ["myst_parser"]
exclude_patterns = ["how-to/upload-from-a-browser"]  # a program

# As on a forge, where the pages are read, too: a heading's anchor is made of its words.
myst_heading_anchors = 4
# Pages that programs write have tables under headings of the third level; CSV has no colours.
suppress_warnings = ["myst.header", "misc.highlighting_failure"]

html_theme = "furo"
html_title = f"Sluice {release}"
html_show_sphinx = False
html_show_copyright = False
