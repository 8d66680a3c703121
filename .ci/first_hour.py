"""A stranger's first hour: every command that README and CONTRIBUTING show for a clone, given in a fresh clone and an empty home, in their order, with times.

usage: python3.13 .ci/first_hour.py        (half an hour and 7 GB; the Python that runs this is the one that is tried; needs nothing but git and make)
Its exit status is 0, or 1 after the command that failed. Commands about images of one's own are executed by test_commands.py."""
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md")


def given() -> list[str]:
    "The lines of the pages' shell blocks that need no images of one's own."
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]
    return [line for line in lines if "parts" not in line.split()]


def first_page(clone: Path, started: float) -> None:
    "Print when the demo's page has its first heatmap."
    page = clone / "reports/demo/index.html"
    while clone.exists() and not (page.exists() and "data:image" in page.read_text(encoding="utf-8", errors="replace")):
        time.sleep(0.5)
    if clone.exists():
        print(f"  {time.monotonic() - started:.0f} s after the start, {page.relative_to(clone)} has a picture", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        home, clone = Path(place, "home"), Path(place, "clone")
        home.mkdir()
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        script = "\n".join(f"echo '$' {shlex.quote(line)}\nSECONDS=0\n{line}\necho \"  $SECONDS s\"" for line in given())
        script += "\ntest -z \"$(git status --porcelain)\" || { echo 'git sees something new:'; git status --short; exit 1; }"
        clean = {"HOME": str(home), "LANG": "C.UTF-8", "PATH": f"{Path(sys.executable).resolve().parent}:/usr/local/bin:/usr/bin:/bin"}
        threading.Thread(target=first_page, args=(clone, time.monotonic()), daemon=True).start()
        print(f"Python {sys.version.split()[0]}", flush=True)
        sys.exit(subprocess.run(["bash", "-e", "-c", script], cwd=clone, env=clean).returncode and 1)


if __name__ == "__main__":
    main()
