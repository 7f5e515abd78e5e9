"""The table of ./x bench, without anything that measures: samples of rounds, budgets, verdicts, rows, exit status."""
import collections
import json
import statistics
import sys

# Exit status of a run. argparse uses 2 for options that are refused.
ALL_MET, FAILED, REFUSED, MISSED = 0, 1, 2, 3

COLUMNS = ("figure", "value", "unit", "noise", "reference", "ratio", "budget", "verdict", "details")
NO_REFERENCE = "none"


class Samples:
    """Values of several rounds by name."""

    def __init__(self):
        self.values = collections.defaultdict(list)

    def add(self, name, value):
        self.values[name].append(value)

    def median(self, name):
        return statistics.median(self.values[name])

    def noise(self, name):
        return noise(self.values[name])

    def ratios(self, name, reference):
        """Round by round: what slows a whole round slows both."""
        return ratios(self.values[name], self.values[reference])


def spread(values):
    return max(values) - min(values)


def noise(values):
    """From the least to the greatest, as a part of the median; None of a single value, which tells nothing about it."""
    middle = statistics.median(values)
    return spread(values) / abs(middle) if len(values) > 1 and middle else None


def ratios(values, references):
    if len(values) != len(references):
        raise ValueError(f"{len(values)} rounds beside {len(references)} of the reference")
    return [value / reference for value, reference in zip(values, references)]


class Budget:
    """What a figure is held against: its value, or with `of_ratio` its ratio to the reference."""

    def __init__(self, at_least=None, at_most=None, of_ratio=False, text=None):
        if (at_least is None) == (at_most is None):
            raise ValueError("a budget is a least or a most")
        self.at_least, self.at_most, self.of_ratio = at_least, at_most, of_ratio
        self.text = text or f"{'>=' if at_most is None else '<='} {number(at_least if at_most is None else at_most)}"

    def verdict(self, values):
        """met or missed, by the median; "within noise" where the rounds lie farther apart than the median from the budget."""
        middle = statistics.median(values)
        limit = self.at_least if self.at_most is None else self.at_most
        met = middle >= limit if self.at_most is None else middle <= limit
        if len(values) > 1 and spread(values) > abs(middle - limit):
            return f"within noise ({'met' if met else 'missed'})"
        return "met" if met else "missed"


def number(value):
    """As a person reads it: four digits that count."""
    if isinstance(value, str):
        return value
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


class Report:
    """Rows of the table that is printed."""

    def __init__(self, about=None, echo=sys.stderr):
        self.about, self.echo, self.rows = about or {}, echo, []

    def row(self, figure, values, unit, reference=NO_REFERENCE, ratio=None, budget=None, details="", percent=True):
        """`values` and `ratio`: of all rounds, or one. Ratios are shown in per cent, or as factors."""
        values = listed(values)
        ratio = None if ratio is None else listed(ratio)
        decides = ratio if budget and budget.of_ratio else values
        self.add({
            "figure": figure, "value": round(statistics.median(values), 4), "unit": unit, "noise": noise(values), "reference": reference,
            "ratio": "-" if ratio is None else ratio_text(ratio, "{:.0%}" if percent else "{:.1f}x"), "budget": budget.text if budget else "-",
            "verdict": budget.verdict(decides) if budget else "-", "details": details, "rounds": values, "ratios": ratio or []})

    def note(self, figure, reason):
        """Something that could not be measured, and why; no fault of what is measured."""
        self.without_figure(figure, reason, "not measured")

    def failed(self, figure, reason):
        """A part of the run that failed."""
        self.without_figure(figure, reason, "failed")

    def without_figure(self, figure, reason, verdict):
        self.add({**dict.fromkeys(COLUMNS, "-"), "figure": figure, "noise": None, "verdict": verdict, "details": " ".join(str(reason).split())[:300]})

    def add(self, entry):
        self.rows.append(entry)
        print("  ".join(cells(entry)), file=self.echo, flush=True)  # a long run shows where it is

    def status(self):
        verdicts = [row["verdict"] for row in self.rows]
        return FAILED if "failed" in verdicts or not verdicts else MISSED if "missed" in verdicts else ALL_MET

    def summary(self):
        verdicts = [row["verdict"].split(" (")[0] for row in self.rows if row["budget"] != "-" or row["verdict"] == "failed"]
        return ", ".join(f"{verdicts.count(each)} {each}" for each in ("met", "within noise", "missed", "failed") if each in verdicts) or "no budgets"

    def text(self):
        table = [COLUMNS, *map(cells, self.rows)]
        widths = [max(len(row[i]) for row in table) for i in range(len(COLUMNS))]
        lines = [f"{name}: {value}" for name, value in self.about.items()]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
        return "\n".join([*lines, f"budgets: {self.summary()}"])

    def json(self):
        return json.dumps({**self.about, "rows": self.rows}, indent=2)


def ratio_text(ratio, form):
    """The median, and the least and the greatest of several rounds."""
    text = form.format(statistics.median(ratio))
    return text if len(ratio) == 1 else f"{text} ({form.format(min(ratio))} to {form.format(max(ratio))})"


def cells(row):
    return tuple("-" if row[name] is None or row[name] == "" else f"{row[name]:.0%}" if name == "noise" else
                 number(row[name]) if name == "value" else str(row[name]) for name in COLUMNS)
