# SPDX-License-Identifier: MIT
"""The benchmark's tables for people; --output json has the same numbers."""


import re


def marked(title):
    """Options and subcommands as code."""
    return re.sub(r"(?<![\w-])(--[a-z-]+|(?:info|map|check)(?= of|,| on))", r"`\1`", title)


def number(value, digits=2):
    if isinstance(value, int):
        return str(value)
    return f"{value:.{digits}f}"


def milliseconds(summary):
    median = summary["median"]
    return f"{median:.0f}" if median >= 100 else f"{median:.2f}"


def table(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for index, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
        if index == 0:
            print("  ".join("-" * width for width in widths))
    print()


def quantity(size):
    for unit in ("B", "KiB", "MiB"):
        if size < 10000:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.0f} GiB"


def times(cases):
    rows = []
    for case in cases.values():
        if not case["ms"]:
            continue
        ratio = case["ratios"].get("qemu-img")
        spread = f"{ratio['low']:.3f} - {ratio['high']:.3f}" if ratio else "-"
        rows.append([case["title"], str(case["rounds"]), milliseconds(case["ms"]["instar"]),
                     milliseconds(case["ms"]["qemu-img"]) if ratio else "-",
                     f"{ratio['median']:.3f}" if ratio else "-", spread])
        for label in case["ms"]:
            if label not in ("instar", "qemu-img"):
                what = "our --add on an empty image" if label == "reference" else label
                other = case["ratios"][label]
                rows.append([f"    beside it: {what}", "", milliseconds(case["ms"][label]), "",
                             f"{other['median']:.3f}", f"{other['low']:.3f} - {other['high']:.3f}"])
    table(["wall time, median ms", "rounds", "instar", "qemu-img", "ratio", "quartiles"], rows)


def resources(cases):
    rows = []
    for case in cases.values():
        for label, seen in case["seen"].items():
            virtual = label != "qemu-img"
            rows.append([f"{case['title']}: {label}", str(seen["syscalls"]), str(seen["syncs"]),
                         str(seen["image_writes"]), quantity(seen["image_bytes"]),
                         quantity(seen["written_bytes"]), str(seen["punches"]),
                         f"{seen['peak_kib'] / 1024:.1f}",
                         str(seen["guest_pages"]) if virtual else "-",
                         str(seen["guest_resident"]) if virtual else "-",
                         str(seen["kvm_exits"]) if virtual else "-"])
    table(["one run", "calls", "syncs", "writes", "to image", "to files", "punches", "peak MiB",
           "guest faults", "pages", "exits"], rows)


def verdict(row):
    runs = len(row["values"])
    if row["met"] < row["enough"]:
        return "MISSED" if runs == 1 else f"MISSED: met in {row['met']} of {runs}"
    which = "goal" if row["goals"] >= row["enough"] else "bar"
    met = row["goals"] if which == "goal" else row["met"]
    return f"{which} met" if runs == 1 else f"{which} met in {met} of {runs}"


def bars(rows):
    runs = len(rows[0]["values"]) if rows else 1
    heads = ["measured"] if runs == 1 else [f"run {run + 1}" for run in range(runs)]
    table(["number", *heads, "bar", "goal", ""],
          [[row["what"], *(number(value, 3) for value in row["values"]), number(row["bar"]),
            number(row["goal"]), verdict(row)] for row in rows])


def print_markdown(report):
    """The README's tables: every row with the command that prints it."""
    print(describe(report) + "\n")
    print("| what | instar | qemu-img | ratio (quartiles) | command |")
    print("|---|---|---|---|---|")
    for key, case in report["cases"].items():
        if not case["ms"]:
            continue
        ratio = case["ratios"].get("qemu-img")
        peer = f"{milliseconds(case['ms']['qemu-img'])} ms" if ratio else "-"
        spread = (f"{ratio['median']:.3f} ({ratio['low']:.3f} - {ratio['high']:.3f})"
                  if ratio else "-")
        print(f"| {marked(case['title'])} | {milliseconds(case['ms']['instar'])} ms | {peer} | {spread} "
              f"| `./dev bench --case {key}` |")
    runs = f" ({report['runs']} runs)" if report["runs"] > 1 else ""
    print(f"\n| what | measured{runs} | bar | command |")
    print("|---|---|---|---|")
    for row in report["bars"]:
        values = ", ".join(number(value, 3) for value in row["values"])
        print(f"| {marked(row['what'])} | {values} | {number(row['bar'])} "
              f"| `./dev bench --case {row['case']}` |")


def describe(report):
    machine = report["machine"]
    runs = f", {report['runs']} runs" if report["runs"] > 1 else ""
    return (f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, "
            f"{machine['file_system']}, qemu-img {machine['qemu_img']}{runs}"
            f"{', few rounds' if report['quick'] else ''}")


def print_report(report):
    print(describe(report) + "\n")
    times(report["cases"])
    resources(report["cases"])
    bars(report["bars"])
