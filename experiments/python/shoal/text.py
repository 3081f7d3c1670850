"""Numbers as people read them: the same forms as in the table that `shoal run` prints."""

import math

import numpy as np

NONE = "-"


def percent(mean: float, deviation: float = math.nan) -> str:
    if not math.isfinite(mean):
        return NONE
    return f"{100 * mean:.2f} ± {100 * deviation:.2f} %" if math.isfinite(deviation) else f"{100 * mean:.2f} %"


def number(mean: float, deviation: float = math.nan) -> str:
    """With as many decimals as show two digits of the deviation."""
    if not math.isfinite(mean):
        return NONE
    if not math.isfinite(deviation) or deviation == 0 or abs(mean) >= 1e6:
        return f"{mean:.4g}"
    decimals = int(np.clip(1 - math.floor(math.log10(deviation)), 0, 8))
    return f"{mean:.{decimals}f} ± {deviation:.{decimals}f}"


def count(mean: float) -> str:
    return NONE if not math.isfinite(mean) else f"{mean:.2g}" if mean < 10 else f"{mean:.0f}"


def duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return NONE
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 0.995 else f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def size(amount: float) -> str:
    """Bytes, in decimal units."""
    if not math.isfinite(amount):
        return NONE
    if amount < 1000:
        return f"{amount:.0f} B"
    units = ["kB", "MB", "GB", "TB", "PB", "EB"]
    amount /= 1000
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}"


def p_value(p: float) -> str:
    if not math.isfinite(p):
        return NONE
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def plain(text: str) -> str:
    """Without control characters, which neither tables nor pictures can show."""
    return "".join(" " if ord(letter) < 32 or 127 <= ord(letter) < 160 else letter for letter in str(text))
