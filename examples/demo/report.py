"""What the demo prints: progress while it works, then what went in, what came out, how it was verified, and figures."""
import sys
import time


class Report:
    def __init__(self, title):
        self.title = title
        self.failures = []
        self.checks = 0
        self.started = time.monotonic()
        self.terminal = sys.stderr.isatty()
        print(f"\n{'── ' + title + ' ':─<100}")

    def progress(self, text):
        """One line that replaces itself on a terminal; nothing elsewhere."""
        if self.terminal:
            print(f"\r\033[K   … {text}", end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def line(self, label, text):
        self.clear()
        print(f"   {label:<14} {text}", flush=True)

    def block(self, text):
        self.clear()
        for line in text.rstrip().splitlines():
            print(f"      │ {line}", flush=True)

    def verify(self, condition, text, detail=""):
        """Counts and prints one verification."""
        self.clear()
        self.checks += 1
        if not condition:
            self.failures.append(text)
        print(f"   {'✓' if condition else '✗ FAILED'} {text}{'' if condition or not detail else f'  [{detail}]'}", flush=True)

    def close(self):
        self.line("took", f"{time.monotonic() - self.started:.1f} s, {self.checks} verifications, {len(self.failures)} failed")
        return not self.failures


class Stopwatch:
    """`with Stopwatch() as watch: ...`, then `watch.rate(n)` is n per second."""

    def __enter__(self):
        self.started = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.started

    def rate(self, count):
        return f"{count / max(self.seconds, 1e-9):,.0f}/s"


def latency(status):
    """Commit-to-function latency of a mapping's status as text."""
    figures = status.get("latency_ms")
    if not figures:
        return "latency is the window's"
    return f"commit to function p50 {figures.get('p50', 0):.1f} ms, p99 {figures.get('p99', 0):.1f} ms"
