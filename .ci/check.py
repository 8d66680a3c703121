"""The quick checks behind `make check`; `--write-readme` makes README.md from nbs/index.ipynb, `--table` prints rooms, modules, their sizes and imports."""
import ast
import hashlib
import json
import re
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
NBS, PACKAGE = ROOT / "nbs", ROOT / "twoteacher_rkd"
ROOMS = ("stopping", "utils", "recipe", "data", "method", "experiment", "drawing", "lines", "inspection", "explorer", "paper", "cli")  # in order of import
SEVERAL_DEFINITIONS = {"experiment/metrics"}  # notebooks that may define small functions together
CHEAP = {  # notebooks of a few seconds, whose stored texts are compared with what they give now
    "stopping", "utils", "data/convert", "data/region", "method/mscam", "method/iaff", "method/student", "experiment/threshold",
    "paper/aggregation", "paper/comparison", "paper/statements", "paper/audit", "paper/table1", "paper/table7", "paper/figure1"}
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


def modules() -> dict:
    "Exported module, such as `method.oce` -> its notebook, in the order of rooms and numbers."
    named = {}
    for path in sorted(NBS.rglob("*.ipynb")):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        if first.startswith("#| default_exp "):
            named[first.removeprefix("#| default_exp ").strip()] = path
    return dict(sorted(named.items(), key=lambda item: (place(item[0]), item[1])))


def place(module: str) -> int:
    "The number of a module's room; the package's own `__init__` comes before all."
    room = module.split(".")[0]
    return ROOMS.index(room) if room in ROOMS else -1


def orphans() -> list[str]:
    "Modules whose notebook is gone."
    kept = {PACKAGE / f"{name.replace('.', '/')}.py" for name in modules()}
    return [f"{path.relative_to(ROOT)} is exported from no notebook: remove it."
            for path in sorted(PACKAGE.rglob("*.py")) if path.name not in ("__init__.py", "_modidx.py") and path not in kept]


def imports(module: str) -> list[str]:
    "The modules of the package that a module imports, at its top or inside functions."
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    here, listed = ("twoteacher_rkd." + module).split("."), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            start = ".".join(here[: len(here) - node.level] + [node.module or ""]).strip(".") if node.level else node.module
            listed |= {start, *(f"{start}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            listed |= {name.name for name in node.names}
    return [name for name in modules() if f"twoteacher_rkd.{name}" in listed and name != module]


def backward() -> list[str]:
    "Imports from a later room, or from a later notebook of the same one."
    order = list(modules())
    return [f"twoteacher_rkd.{name} imports twoteacher_rkd.{other}, which comes after it: turn the import around, or move what is needed."
            for name in order if name != "__init__" for other in imports(name) if order.index(other) > order.index(name)]


def notebooks() -> list[str]:
    wrong = []
    for path in NBS.rglob("*.ipynb"):
        book, name = json.loads(path.read_text(encoding="utf-8")), path.relative_to(ROOT)
        cells, extra = book["cells"], sorted(set(book["metadata"]) - {"kernelspec", "language_info"})
        if extra:
            wrong.append(f"{name} stores {', '.join(extra)} in its metadata, such as the state of widgets: remove it.")
        tagged = sum("parameters" in cell["metadata"].get("tags", []) for cell in cells)
        if path.parent == NBS / "paper" and not path.stem[0].isdigit() and path.stem not in WITHOUT_PARAMETERS and tagged != 1:
            wrong.append(f"{name} has {tagged} cells tagged 'parameters' instead of one.")
        if tagged and any(re.search(r"^#\| *(eval: *false|notest)", "".join(cell["source"]), re.M) for cell in cells):
            wrong.append(f"{name} has a cell for nbdev_test not to run, but papermill runs every cell: let a parameter decide.")
        for cell in cells:
            outputs = [{k: v for k, v in output.get("data", output).items() if not k.startswith("image/")} for output in cell.get("outputs", [])]
            if any(output.get("output_type") == "error" for output in outputs):
                wrong.append(f"{name} stores an error in {cell['id']}.")
            found = PRIVATE.search(json.dumps(outputs))
            if found:
                wrong.append(f"{name} shows {found[0]!r} in the output of {cell['id']}: a place of one machine.")
    return wrong


def texts(cell: dict) -> str:
    "What a cell printed or returned, as text."
    outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr" and not {"image/png", "image/svg+xml"} & set(output.get("data", {}))]
    parts = [output.get("text") or output.get("data", {}).get("text/markdown") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "".join(part if isinstance(part, str) else "".join(part) for part in parts)


def stale(path: Path) -> list[str]:
    "Cells of a notebook that give another text now than the one that is stored. What needs data that are not here says `skipped:`."
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(path, 4)
    stored = {cell.id: texts(cell) for cell in book.cells if cell.cell_type == "code" and not re.search(r"^#\| *(eval: *false|notest)|nbdev_export", cell.source, re.M)}
    for cell in book.cells:
        if cell.cell_type == "code" and cell.id not in stored:
            cell.source = ""
    NotebookClient(book, timeout=600, kernel_name="python3", extra_arguments=["--log-level=ERROR"], resources={"metadata": {"path": str(path.parent)}}).execute()
    return [f"{path.relative_to(ROOT)} stores an output in {cell.id} that is not what the cell gives now: execute the notebook and commit it."
            for cell in book.cells if cell.id in stored and texts(cell) != stored[cell.id] and not texts(cell).startswith("skipped:")]


def outdated() -> list[str]:
    "Stored outputs of the cheap notebooks that are no longer true. The others are executed by nbdev_test, which does not compare."
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(stale, [path for path in sorted(NBS.rglob("*.ipynb")) if plain_name(path) in CHEAP]), [])


def plain_name(path: Path) -> str:
    "Room and name of a notebook, without its number."
    return re.sub(r"(^|/)\d+_", r"\1", path.relative_to(NBS).with_suffix("").as_posix())


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
    "Notebook -> exported lines, cells, median and longest exported cell, cells with several definitions."
    table = {}
    for module, path in modules().items():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        definitions = exported(cells)
        if definitions:
            sizes, lines = [lines for lines, _ in definitions], (PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8").splitlines()
            name = path.relative_to(NBS).with_suffix("").as_posix()
            table[name] = (len(lines), len(cells), statistics.median(sizes), max(sizes), sum(several > 1 for _, several in definitions))
    return table


def too_large() -> list[str]:
    "Notebooks that are longer than a reader's patience."
    wrong = []
    for name, (_, cells, median, longest, several) in shapes().items():
        for value, limit, what in ((cells, 90, "cells"), (median, 22, "lines in its median exported cell"), (longest, 40, "lines in its longest exported cell")):
            if value > limit:
                wrong.append(f"nbs/{name}.ipynb has {value} {what}; at most {limit}: split it.")
        if several and plain_name(NBS / f"{name}.ipynb") not in SEVERAL_DEFINITIONS:
            wrong.append(f"nbs/{name}.ipynb has {several} cells with several definitions: one a cell.")
    return wrong


def print_table() -> None:
    "Rooms and modules in the order of import: exported lines, cells, and the rooms (of other rooms) or modules (of its own) that each imports."
    sizes, room = shapes(), ""
    print(f"{'module':30}{'lines':>7}{'cells':>7}  imports")
    for module, path in modules().items():
        lines, cells, *_ = sizes.get(path.relative_to(NBS).with_suffix("").as_posix(), (0, 0))
        own = module.split(".")[0]
        if own != room:
            print(f"{own}/" if "." in module else own)
            room = own
        others = [other for other in imports(module) if other not in ("utils", "recipe")]
        shown = dict.fromkeys(other.split(".")[1] if other.split(".")[0] == own and "." in other else f"{other.split('.')[0]}/" for other in others)
        print(f"  {module.split('.')[-1]:28}{lines:7}{cells:7}  {' '.join(shown)}")
    lines, cells = (sum(row[i] for row in sizes.values()) for i in (0, 1))
    print(f"{'all':30}{lines:7}{cells:7}")


def dead_links() -> list[str]:
    "Links from a notebook or a Markdown page to files that are not there."
    wrong = []
    pages = {path: path.read_text(encoding="utf-8") for path in [*NBS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / ".github").glob("*.md")]}
    for path in NBS.rglob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        pages[path] = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for path, text in pages.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)):
            target = link.split("#")[0]
            if target and not re.match(r"\w+:", link) and not (path.parent / target).exists():
                wrong.append(f"{path.relative_to(ROOT)} links to {link}, which is not there.")
    return wrong


def readme() -> str:
    "README.md: the front page, with links as seen from the repository's root."
    book = json.loads((NBS / "index.ipynb").read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if "".join(cell["source"]).startswith("#| echo: false"):  # what it shows, without its code
            cell.update(cell_type="markdown", source=texts(cell))
            del cell["outputs"], cell["execution_count"]
    command = ["jupyter", "nbconvert", "--log-level", "ERROR", "--to", "markdown", "--stdin", "--stdout"]
    text = subprocess.run(command, input=json.dumps(book), capture_output=True, text=True, check=True).stdout
    text = re.sub(r"\]\((?!https?:|\.\./|#)([^)]+)\)", r"](nbs/\1)", text)
    text = re.sub(r"^```\n(?=import |from )", "```python\n", text, flags=re.M)
    return re.sub(r"\n{3,}", "\n\n", text.replace("](../", "](")).strip() + "\n"


def main() -> None:
    if "--write-readme" in sys.argv:
        (ROOT / "README.md").write_text(readme(), encoding="utf-8")
        return
    if "--table" in sys.argv:
        print_table()
        return
    wrong = in_sync() + untracked() + orphans() + backward() + notebooks() + too_large() + dead_links() + outdated()
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
