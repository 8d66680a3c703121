"""Sphinx's settings for the site; `.ci/site/build.py` collects its pages, which are built from stored outputs: nothing is executed and nothing is fetched."""
import os

project = "twoteacher_rkd"
author = "The twoteacher_rkd developers"
copyright = "2026, The twoteacher_rkd developers. Apache-2.0"
version = release = os.environ.get("SITE_VERSION", "")
extensions = ["myst_nb", "sphinx.ext.mathjax"]
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "gfm"  # tables that a cell makes
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "text/html", 1), ("html", "text/markdown", 2), ("html", "image/svg+xml", 3), ("html", "image/png", 4), ("html", "image/jpeg", 5)]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure", "myst.header"]
mathjax_path = "mathjax/tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}
html_theme = "sphinx_book_theme"
html_title = "Two-teacher reverse distillation"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/icon.svg"
html_context = {"default_mode": "auto"}
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "home_page_in_toc": True, "show_navbar_depth": 1, "max_navbar_depth": 3, "use_download_button": False, "use_fullscreen_button": False,
    "use_source_button": False, "use_repository_button": False, "use_issues_button": False, "show_toc_level": 2,
    "navbar_persistent": [], "navbar_start": [], "navbar_center": [], "navbar_end": []}
exclude_patterns = ["_build"]
