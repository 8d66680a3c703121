"""The quick checks behind `make check`; `--write-readme` makes README.md from nbs/index.ipynb, `--table` prints the shape of all modules."""
import ast
import hashlib
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NBS, PACKAGE = ROOT / "nbs", ROOT / "twoteacher_rkd"
SEVERAL_DEFINITIONS = {"experiment/03_metrics"}  # notebooks that may define small functions together
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


def exported(cells: list) -> list[tuple[int, int]]:
    "Lines and definitions of each exported cell that defines something."
    found = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source.startswith("#| export"):
            lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#|")]
            definitions = sum(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(source).body)
            if definitions:
                found.append((len(lines), definitions))
    return found


def shapes() -> dict:
    "Module -> exported lines, cells, median and longest exported cell, cells with several definitions."
    table = {}
    for path in sorted(NBS.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        module = PACKAGE / f"{re.sub('^[0-9]+[a-z]?_', '', path.stem)}.py"
        found = exported(cells)
        if found and module.exists():
            sizes = [lines for lines, _ in found]
            several = sum(definitions > 1 for _, definitions in found)
            table[path.stem] = (len(module.read_text(encoding="utf-8").splitlines()), len(cells), statistics.median(sizes), max(sizes), several)
    return table


def too_large() -> list[str]:
    "Notebooks that are longer than a reader's patience."
    wrong = []
    for name, (_, cells, median, longest, several) in shapes().items():
        for value, limit, what in ((cells, 90, "cells"), (median, 22, "lines in its median exported cell"), (longest, 40, "lines in its longest exported cell")):
            if value > limit:
                wrong.append(f"nbs/{name}.ipynb has {value} {what}; at most {limit}: split it.")
        if several and name not in SEVERAL_DEFINITIONS:
            wrong.append(f"nbs/{name}.ipynb has {several} cells with several definitions: one a cell.")
    return wrong


def dead_links() -> list[str]:
    "Links from a notebook to files that are not there."
    wrong = []
    for path in NBS.rglob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                text = re.sub(r"```.*?```|`[^`]*`", "", "".join(cell["source"]), flags=re.S)
                for link in re.findall(r"\]\(([^)\s]+)\)", text):
                    target = link.split("#")[0]
                    if target and not re.match(r"\w+:", link) and not (path.parent / target).exists():
                        wrong.append(f"{path.relative_to(ROOT)} links to {link}, which is not there.")
    return wrong


def readme() -> str:
    "README.md: the front page, with links as seen from the repository's root."
    command = ["jupyter", "nbconvert", "--log-level", "ERROR", "--to", "markdown", "--stdout", str(NBS / "index.ipynb")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\]\((?!https?:|\.\./|#)([^)]+)\)", r"](nbs/\1)", text)
    text = re.sub(r"^```\n(?=import |from )", "```python\n", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text.replace("](../", "](")).strip() + "\n"


def main() -> None:
    if "--write-readme" in sys.argv:
        (ROOT / "README.md").write_text(readme(), encoding="utf-8")
        return
    if "--table" in sys.argv:
        print(f"{'notebook':20}{'lines':>7}{'cells':>7}{'median':>8}{'longest':>9}{'several':>9}")
        for name, values in shapes().items():
            print(f"{name:20}{values[0]:7}{values[1]:7}{values[2]:8g}{values[3]:9}{values[4]:9}")
        return
    wrong = in_sync() + untracked() + orphans() + notebooks() + too_large() + dead_links()
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
