"""Settings of Sphinx, which builds the handbook from these pages: `nox -s site`."""

project = "zoo"
extensions = ["myst_parser"]
exclude_patterns = ["site"]
html_theme = "furo"
html_title = "zoo"
html_show_sphinx = False
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to source files, which are not part of the site
root_doc = "index"
