"""Tables of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from shoal.report.figures import swatch
from shoal.report.text import clean
from shoal.report.variants import Variant

MOST_ROWS = 24  # a longer table scrolls in a frame, below its head


def cell(text: str, kind: str = "") -> Markup:
    """ "94.40 ± 0.06 %" has its deviation in a softer colour. `kind` is a class of the page's style."""
    opening = Markup('<td class="{}">').format(kind) if kind else Markup("<td>")
    parts = re.split(r"( ± [^ ]+)", clean(text), maxsplit=1)
    if len(parts) == 1:
        return opening + Markup("{}</td>").format(parts[0])
    return opening + Markup('{}<span class="pm">{}</span>{}</td>').format(*parts)


def alarming(text: str, alarm: bool) -> Markup:
    return cell(text, "alarm" if alarm else "")


def name(variant: Variant) -> Markup:
    if not variant.is_drawn:
        return Markup('<td class="name">{}</td>').format(clean(variant.label))
    return named(variant.label, variant.style)


def named(label: str, style: int) -> Markup:
    return Markup('<td class="name">{}{}</td>').format(swatch(style), clean(label))


def table(head: Sequence[str], rows: Iterable[Iterable[Markup]], texts: int = 1, kind: str = "") -> Markup:
    """The first `texts` columns hold text. Empty without rows."""
    lines = [Markup("<tr>{}</tr>\n").format(Markup("").join(row)) for row in rows]
    if not lines:
        return Markup("")
    frame = "wide tall" if len(lines) > MOST_ROWS else "wide"
    titles = Markup("").join(
        Markup('<th scope="col" class="{}">{}</th>').format("text" if i < texts else "", clean(title))
        for i, title in enumerate(head)
    )
    return Markup(
        '<div class="{}" tabindex="0"><table class="{}">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n'
    ).format(frame, kind, titles, Markup("").join(lines))


def soft(text: str) -> Markup:
    return Markup('<p class="soft">{}</p>\n').format(clean(text))


def charts(figures: Sequence[Markup], kind: str = "charts") -> Markup:
    drawn = Markup("").join(figures)
    return Markup('<div class="{}">\n{}</div>\n').format(kind, drawn) if drawn else Markup("")


def legend(entries: Iterable[tuple[str, int]]) -> Markup:
    items = Markup("").join(Markup("<li>{}{}</li>").format(swatch(style), clean(label)) for label, style in entries)
    return Markup('<ul class="legend">{}</ul>\n').format(items)


def folded(summary: str, body: Markup, is_open: bool = False) -> Markup:
    return Markup("<details{}><summary>{}</summary>\n{}</details>\n").format(
        Markup(" open") if is_open else "", clean(summary), body
    )
