from seqmodels import __version__

project = "seqmodels"
author = "the seqmodels developers"
copyright = "2026, the seqmodels developers"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Hidden Markov models and recurrent networks side by side", "page_width": "1000px"}


def setup(app):
    app.connect("autodoc-skip-member", skip)


def skip(app, what, name, obj, skip, options):
    """Leave out scikit-learn's metadata routing, and fitted attributes, which the class's docstring lists."""
    routing = name == "get_metadata_routing" or (name.startswith("set_") and name.endswith("_request"))
    return True if routing or name.endswith("_") else skip
