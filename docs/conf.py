"""Sphinx: the site is built from the repository's root, so that the links that a repository page shows work here, too."""

from insarray import __version__

project = "insarray"
author = "the insarray developers"
copyright = "the insarray developers"  # noqa: A001 - Sphinx's name
release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/*.ipynb", "benchmarks/*.md", "deploy/*.md", "*.md"]
exclude_patterns = ["docs/_build", "**/.ipynb_checkpoints"]

smartquotes = False  # options and values are to be typed as they stand here
autosummary_generate = True
autodoc_typehints = "description"
autodoc_typehints_format = "fully-qualified"
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
default_role = "literal"  # what single backticks mean in the docstrings

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # CI runs the notebooks; the outputs they keep are shown

html_theme = "furo"
html_title = f"insarray {release}"
html_extra_path = ["_extra"]
