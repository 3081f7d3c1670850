"""Puts the sections that have something to show on one page."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.resources import files

from jinja2 import Environment
from markupsafe import Markup

from shoal.report import sections
from shoal.report.figures import Counter, palette
from shoal.report.studies import Studies, studies_of
from shoal.report.text import clean, plural, shortened
from shoal.report.variants import LONGEST_LABEL, Variant, variants_of
from shoal.run_file import Run


@dataclass
class Report:
    """What the sections look at."""

    runs: Sequence[Run]
    variants: list[Variant]
    counter: Counter = field(default_factory=Counter)  # of pictures

    @cached_property
    def studies(self) -> Studies:
        return studies_of(self.variants)


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    body: Markup


def sections_of(report: Report) -> list[Section]:
    """Every module in sections/ that has something to show, by its ORDER. A module has TITLE and body(report)."""
    modules = [
        import_module(f"{sections.__name__}.{module.name}") for module in pkgutil.iter_modules(sections.__path__)
    ]
    modules.sort(key=lambda module: (module.ORDER, module.__name__))
    made = [Section(module.__name__.rpartition(".")[2], module.TITLE, module.body(report)) for module in modules]
    return [section for section in made if section.body]


def counts(report: Report) -> str:
    cells = [len(variant.cells) for variant in report.variants]
    seeds = f"{plural(cells[0], 'seed')} each" if len(set(cells)) == 1 else plural(sum(cells), "cell")
    sources = f", from {plural(len(report.runs), 'run file')}" if len(report.runs) > 1 else ""
    return f"{plural(len(report.variants), 'variant')}, {seeds}{sources}"


def warnings(runs: Sequence[Run]) -> list[str]:
    found = []
    for run in runs:
        if run.in_progress:
            found.append(f"{run.path}: the run has not ended. The page shows its rounds so far.")
        elif not run.sealed:
            found.append(f"{run.path}: has no valid seal. A program other than Shoal wrote or changed the file.")
    return found


def style() -> str:
    light, dark = palette("light"), palette("dark")
    colours = (
        f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f"@media print {{ :root {{ {light} }} }}\n"
    )
    return colours + (files("shoal.report") / "page.css").read_text("utf-8")


def page(runs: Sequence[Run]) -> str:
    """One HTML page of these runs; it loads nothing."""
    report = Report(runs, variants_of(runs))
    folder = files("shoal.report")
    template = Environment(autoescape=True, trim_blocks=True).from_string((folder / "page.html.j2").read_text("utf-8"))
    return template.render(
        title=shortened(clean(", ".join(dict.fromkeys(run.name for run in runs))), LONGEST_LABEL),
        counts=counts(report),
        hash=clean(runs[0].hash) if len(runs) == 1 else "",
        warnings=[clean(text) for text in warnings(runs)],
        sections=sections_of(report),
        style=Markup(style()),
        script=Markup((folder / "page.js").read_text("utf-8")),
    )
