"""That a race in a process is noticed by the fixtures that look for one (races.py)."""
import os
import shutil
import subprocess

import pytest

from races import Reports, is_instrumented

RACE = """
#include <thread>
int counter = 0;
void count() { for (int i = 0; i < 1000; ++i) ++counter; }
int main(int argc, char**) {
  if (argc > 1) return 0;
  std::thread other(count);
  count();
  other.join();
}
"""


@pytest.fixture(scope="module")
def racing(tmp_path_factory):
    """A program with a race; with an argument it has none."""
    compiler = shutil.which("g++")
    if not compiler:
        pytest.skip("no g++ here")
    folder = tmp_path_factory.mktemp("racing")
    (folder / "race.cc").write_text(RACE)
    subprocess.run([compiler, "-g1", "-O0", "-fsanitize=thread", "-o", str(folder / "race"), str(folder / "race.cc")], check=True)
    return folder / "race"


def test_a_race_is_told_once_and_does_not_change_how_the_process_ends(racing, tmp_path):
    assert is_instrumented(racing) and not is_instrumented(shutil.which("true"))
    reports = Reports(tmp_path)
    environment = {**os.environ, **reports.environment("exitcode=66 history_size=2")}
    assert subprocess.run([str(racing), "without"], env=environment, check=False).returncode == 0
    assert reports.new() == ""
    result = subprocess.run([str(racing)], env=environment, capture_output=True, check=False)
    assert result.returncode == 0 and result.stderr == b""
    assert "WARNING: ThreadSanitizer: data race" in (told := reports.new()) and "count()" in told
    assert reports.new() == ""
