"""The quick checks behind `make check`; `--write-readme` makes README.md from nbs/index.ipynb."""
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NBS, PACKAGE = ROOT / "nbs", ROOT / "twoteacher_rkd"
WITHOUT_PARAMETERS = {"audit"}  # paper notebooks that take nothing
PRIVATE = re.compile(rf"{re.escape(str(ROOT))}/|/home/|/root/|/tmp/|\b0x[0-9a-f]{{8,}}")  # places of one machine, memory addresses


def files() -> list[Path]:
    return sorted([*NBS.rglob("*.ipynb"), *PACKAGE.rglob("*.py")])


def digests() -> dict:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files() if ".ipynb_checkpoints" not in path.parts}


def in_sync() -> list[str]:
    "Export and clean; what changes was not in sync (and now is)."
    before = digests()
    for command in ("nbdev_export", "nbdev_clean"):
        subprocess.run([command], cwd=ROOT, check=True)
    after = digests()
    return [f"{path.relative_to(ROOT)} was not clean or not in sync with its notebook; it is now: commit it."
            for path in after if before.get(path) != after[path]]


def untracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "--others", "--exclude-standard", "nbs", "twoteacher_rkd"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [f"{name} is not tracked: add it." for name in listed.stdout.splitlines()]


def orphans() -> list[str]:
    "Modules whose notebook is gone."
    wrong = []
    for path in PACKAGE.glob("*.py"):
        source = re.search(r"File to edit: (\S+)\.$", path.read_text(encoding="utf-8"), re.M)
        if path.name not in ("__init__.py", "_modidx.py") and not (source and (PACKAGE / source[1]).exists()):
            wrong.append(f"{path.relative_to(ROOT)} is exported from no notebook: remove it.")
    return wrong


def notebooks() -> list[str]:
    wrong = []
    for path in NBS.rglob("*.ipynb"):
        cells, name = json.loads(path.read_text(encoding="utf-8"))["cells"], path.relative_to(ROOT)
        tagged = sum("parameters" in cell["metadata"].get("tags", []) for cell in cells)
        if path.parent == NBS / "paper" and path.stem not in WITHOUT_PARAMETERS and tagged != 1:
            wrong.append(f"{name} has {tagged} cells tagged 'parameters' instead of one.")
        for cell in cells:
            outputs = [{k: v for k, v in output.get("data", output).items() if not k.startswith("image/")} for output in cell.get("outputs", [])]
            if any(output.get("output_type") == "error" for output in outputs):
                wrong.append(f"{name} stores an error in {cell['id']}.")
            found = PRIVATE.search(json.dumps(outputs))
            if found:
                wrong.append(f"{name} shows {found[0]!r} in the output of {cell['id']}: a place of one machine.")
    return wrong


def readme() -> str:
    "README.md: the front page, with links as seen from the repository's root."
    command = ["jupyter", "nbconvert", "--log-level", "ERROR", "--to", "markdown", "--stdout", str(NBS / "index.ipynb")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\]\((?!https?:|\.\./|#)([^)]+)\)", r"](nbs/\1)", text)
    return re.sub(r"\n{3,}", "\n\n", text.replace("](../", "](")).strip() + "\n"


def main() -> None:
    if "--write-readme" in sys.argv:
        (ROOT / "README.md").write_text(readme(), encoding="utf-8")
        return
    wrong = in_sync() + untracked() + orphans() + notebooks()
    if (ROOT / "README.md").read_text(encoding="utf-8") != readme():
        wrong.append("README.md differs from nbs/index.ipynb: make readme.")
    style = subprocess.run(["ruff", "check", "--quiet", "."], cwd=ROOT)
    if style.returncode:
        wrong.append("ruff found something, see above.")
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"check: {len(wrong)} problem(s)")
    sys.exit(bool(wrong))


main()
