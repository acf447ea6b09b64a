# SPDX-License-Identifier: MIT
"""The benchmark as a picture: docs/bench/speed.svg, which README.md shows."""

import math
from xml.sax.saxutils import escape

from cases import DELAYS_MS

WIDTH = 880
LABELS = 330        # of it, for what was measured
VALUES = 120        # and for numbers behind the bars
ROW = 38
HEAD = 78
OURS, THEIRS, INK, FAINT = "#0b6e8f", "#b9b3a6", "#222222", "#dddddd"

BARS = ("add-empty", "add-three", "add-ten-dense", "disable-512m", "add-preallocated",
        "merge-dense", "merge-512m", "remove-scan", "remove-all-seventy", "thousand-edits",
        "crowd-add", "info-ten-dense", "check-preallocated")
SLOW = (("add-empty", "first bitmap of an image"), ("add-three", "image with 3 bitmaps"))


def text(x, y, words, size=13, anchor="start", weight="normal", fill=INK):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{fill}">{escape(words)}</text>')


def line(x1, y1, x2, y2, stroke=FAINT, width=1.0, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{stroke}" stroke-width="{width}"{dashes}/>')


def bar(x, y, width, fill):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="13" rx="2" '
            f'fill="{fill}"/>')


def duration(ms):
    if ms >= 10000:
        return f"{ms / 1000:.0f} s"
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 100 else f"{ms:.1f} ms"


# ---- wall times -------------------------------------------------------------------


def wall_times(cases, top):
    """Bars on a logarithmic scale; what they take in height, too."""
    shown = [(cases[key]["title"], cases[key]["ms"]) for key in BARS
             if key in cases and cases[key]["ms"]]
    if not shown:
        return [], 0
    times = [summary["median"] for _, ms in shown
             for label, summary in ms.items() if label in ("instar", "qemu-img")]
    low = math.floor(math.log10(min(times)))
    high = math.ceil(math.log10(max(times)))
    room = WIDTH - LABELS - VALUES

    def place(ms):
        return LABELS + (math.log10(ms) - low) / max(high - low, 1) * room

    bottom = top + HEAD + ROW * len(shown)
    out = [text(20, top + 26, "Wall time of one command, median", 16, weight="bold"),
           text(20, top + 46, "logarithmic: each line is ten times the one before it", 12)]
    for power in range(low, high + 1):
        x = place(10 ** power)
        out += [line(x, top + HEAD - 8, x, bottom),
                text(x, top + HEAD - 14, duration(10 ** power), 11, "middle")]
    for number, (title, ms) in enumerate(shown):
        y = top + HEAD + ROW * number
        out.append(text(20, y + 17, title.split(" (")[0], 12))
        for label, offset, fill in (("instar", 0, OURS), ("qemu-img", 15, THEIRS)):
            if label in ms:
                end = place(ms[label]["median"])
                out += [bar(LABELS, y + offset, end - LABELS, fill),
                        text(end + 6, y + offset + 11, duration(ms[label]["median"]), 11)]
    out += [bar(WIDTH - 190, top + 14, 13, OURS), text(WIDTH - 172, top + 25, "instar", 12),
            bar(WIDTH - 110, top + 14, 13, THEIRS), text(WIDTH - 92, top + 25, "qemu-img", 12)]
    return out, HEAD + ROW * len(shown) + 20


# ---- slow disks ---------------------------------------------------------------


def ratios(cases, key):
    """[(milliseconds added to each sync, ratio with its quartiles)]"""
    names = [(0, key), *((delay, f"{key}-{delay}ms") for delay in DELAYS_MS)]
    return [(delay, cases[name]["ratios"]["qemu-img"]) for delay, name in names if name in cases]


def slow_disks(cases, top):
    series = [(title, ratios(cases, key)) for key, title in SLOW]
    if any(len(points) < 2 for _, points in series):
        return [], 0
    left, right, height = 80, WIDTH - 220, 200
    most = max(ratio["high"] for _, points in series for _, ratio in points)
    most = math.ceil(most * 2) / 2
    longest = max(DELAYS_MS)
    base = top + HEAD + height

    def x_of(delay):
        return left + delay / longest * (right - left)

    def y_of(ratio):
        return base - ratio / most * height

    out = [text(20, top + 26, "--add on slower disks: instar's time : qemu-img's", 16,
                weight="bold"),
           text(20, top + 46, "below 1 instar is faster; the bars are quartiles", 12)]
    for half in range(int(most * 2) + 1):
        y = y_of(half / 2)
        one = half == 2
        out += [line(left, y, right, y, INK if one else FAINT, 1, "4 3" if one else ""),
                text(left - 8, y + 4, f"{half / 2:.1f}", 11, "end")]
    for delay in (0, *DELAYS_MS):
        out.append(text(x_of(delay), base + 18, f"+{delay} ms", 11, "middle"))
    out.append(text((left + right) / 2, base + 36, "added to every sync", 12, "middle"))
    for (title, points), colour in zip(series, ("#b5541c", OURS)):
        path = " ".join(f"{x_of(delay):.1f},{y_of(ratio['median']):.1f}"
                        for delay, ratio in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for delay, ratio in points:
            x = x_of(delay)
            out += [line(x, y_of(ratio["low"]), x, y_of(ratio["high"]), colour, 2),
                    f'<circle cx="{x:.1f}" cy="{y_of(ratio["median"]):.1f}" r="4" '
                    f'fill="{colour}"/>']
        out.append(text(right + 12, y_of(points[-1][1]["median"]) + 4,
                        f"{title}: {points[-1][1]['median']:.2f}", 12, fill=colour))
    return out, HEAD + height + 60


def draw(report):
    """The SVG's text."""
    cases = report["cases"]
    body, height = wall_times(cases, 0)
    more, taken = slow_disks(cases, height)
    height += taken + 30
    machine = report["machine"]
    foot = (f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel'].split('-')[0]}, "
            f"qemu-img {machine['qemu_img']}; ./dev bench")
    return "\n".join([
        "<!-- SPDX-License-Identifier: MIT -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img" '
        'aria-label="instar and qemu-img: wall times">',
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
        *body, *more, text(20, height - 12, foot, 11, fill="#666666"), "</svg>", ""])
