"""What the thread sanitizer says about servers built with it (`cmake --preset tsan`). It does not end a process: every report goes
to a file of the process, also of one that is killed later; fixtures in conftest.py fail the test during which one was written."""
import pathlib
import re
import subprocess

SUPPRESSIONS = pathlib.Path(__file__).resolve().parent.parent.parent / "cmake/tsan_suppressions.txt"
COUNT = re.compile(r"^ThreadSanitizer: reported \d+ warnings\n", re.MULTILINE)


def is_instrumented(binary):
    return b"libtsan" in subprocess.run(["ldd", str(binary)], capture_output=True, check=False).stdout


class Reports:
    """The reports of all processes started with `environment`, in one folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.told = {}  # by file: how many bytes `new` has handed out

    def environment(self, given=""):
        """The variables that instrumented processes need. What the caller gave as TSAN_OPTIONS stays, but for where reports go and
        the exit code, which tests look at. With TZ set, glibc need not renew its own, under a lock that the sanitizer does not see."""
        return {"TSAN_OPTIONS": f"{given} suppressions={SUPPRESSIONS} log_path={self.folder / 'report'} exitcode=0".strip(), "TZ": "UTC"}

    def new(self):
        """The text of what was reported since the last call; empty: nothing. (What a process counts at its end is no report.)"""
        text = ""
        for file in sorted(self.folder.iterdir()):
            written = file.read_bytes()
            text += COUNT.sub("", written[self.told.get(file, 0):].decode(errors="replace"))
            self.told[file] = len(written)
        return text.strip()
