"""One self-contained HTML page of some runs: `python -m shoal.report RUN.h5 --out page.html`.

A section is a module in sections/ with ORDER, TITLE and body(report), which returns Markup, empty where the runs hold
nothing for it.
"""

from shoal.report.page import Report, page

__all__ = ["Report", "page"]
