"""The site: python .ci/site/build.py [--out _docs]        (needs pip install -e ".[docs]"; the first time also npm, for MathJax)

The pages are the notebooks with their stored outputs, the guides, one page for each module, made from the comments beside its parameters, and one for each
command. A page without a place in the contents, a dead link, or a source on another computer ends the build with status 1."""
import argparse
import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from configparser import ConfigParser
from pathlib import Path
from urllib.parse import unquote

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
NBS, PACKAGE = ROOT / "nbs", ROOT / "twoteacher_rkd"
MATHJAX, MATHJAX_SHA256 = "mathjax@3.2.2", "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09"
POLICY = (  # in the head of every page
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
          "connect-src 'self'; base-uri 'self'; form-action 'self'")
ROOMS = {"method": "The method", "experiment": "How a run is made and measured", "data": "Images and data sets", "lines": "The embedded inspection lines",
         "inspection": "A detector at work", "explorer": "The explorer", "drawing": "Pictures", "paper": "The paper's tables as a batch"}
RESULTS = ["summary", *(f"table{n}" for n in range(1, 8)), *(f"figure{n}" for n in range(1, 6)), "claims", "audit", "plus", "peers", "cost", "report", "run"]
TUTORIALS = ["method", "own_line"]
OUTSIDE = {"CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog", ".github/SECURITY.md": "security"}  # pages of the root -> their names among the guides
GUIDES = ["install", "own-images", "region", "long-parts", "threshold", "inspect", "export", "explore", "python", "reproduce", "cluster", "gpu", "offline"]


# --- Notebooks ---
def is_hidden(source: str) -> bool:
    "Whether a cell is not for readers."
    return bool(re.search(r"^#\| *(hide|default_exp)\b", source, re.M)) or "nbdev_export()" in source


def imports_only(source: str) -> bool:
    "Whether a cell imports and does nothing else."
    return bool(re.fullmatch(r"((from|import) .*|set_style\(\)|\s*)(\n((from|import) .*|set_style\(\)|\s*))*", source))


def fitted_link(target: str, folder: Path) -> str | None:
    "A link as the site needs it; None where it leads to a folder, which the site does not have."
    path, _, anchor = target.partition("#")
    if re.match(r"\w+:", target):
        return target
    place, anchor = (folder / unquote(path)).resolve(), f"#{anchor.lower()}" if anchor else ""
    if not path:
        return anchor
    if place.is_dir():
        return None
    if NBS in place.parents:
        return path + anchor if folder == NBS or NBS in folder.parents else "/" + place.relative_to(NBS).as_posix() + anchor
    name = place.relative_to(ROOT).as_posix()
    return f"/guides/{OUTSIDE[name]}.md" if name in OUTSIDE else "/" + name


def fitted_markdown(text: str, folder: Path, files: set) -> str:
    "Markdown with the links of the site; what is linked and is no page is added to `files`."
    def replace(found):
        bang, words, target = found[1], found[2], found[3]
        link = fitted_link(target, folder)
        if link is None:
            return words
        place = (folder / unquote(target.partition("#")[0])).resolve()
        if not re.match(r"\w+:|#", target) and place.suffix not in (".ipynb", ".md"):
            files.add(place)
        return f"{bang}[{words}]({link})"

    parts = re.split(r"(```.*?```|`[^`\n]*`)", text, flags=re.S)  # code stays as it is
    if not any("](" in part for part in parts[::2]):
        return text
    return re.sub(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", replace, text)


def notebook_page(path: Path, files: set) -> str:
    "A notebook for readers: without directives, hidden cells and their outputs."
    book, result_page = json.loads(path.read_text(encoding="utf-8")), path.parent == NBS / "paper" and not path.stem[0].isdigit()
    kept = []
    for cell in book["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            if is_hidden(source):
                continue
            if re.search(r"^#\| *echo: *false", source, re.M):
                cell["metadata"]["tags"] = ["remove-input"]
            source = re.sub(r"^#\|.*\n?", "", source, flags=re.M).strip("\n")
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
            for output in cell["outputs"]:
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        else:
            source = fitted_markdown(source, path.parent, files)
        if source:
            cell["source"] = source.splitlines(True)
            kept.append(cell)
    for cell in kept:
        if cell["cell_type"] == "code" and "remove-input" not in cell["metadata"].get("tags", []) and (result_page or imports_only("".join(cell["source"]))):
            cell["metadata"]["tags"] = ["hide-input"]  # a click shows it
    book["cells"] = kept
    book["metadata"] = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    return json.dumps(book)


# --- Reference: modules ---
def comments(source: str) -> dict:
    "Line -> the comment at its end."
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT and not token.line.lstrip().startswith("#")}


def escape(text: str) -> str:
    "Text for a cell of a Markdown table."
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("$", "\\$")


def code(text: str) -> str:
    return f"`` {text.replace('|', chr(92) + '|')} ``" if "`" in text else f"`{text.replace('|', chr(92) + '|')}`"


def first_words(node) -> str:
    return " ".join((ast.get_docstring(node) or "").split())


def parameters(node, beside: dict) -> list:
    "Rows of a function's parameters: name, type, default, comment."
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults = dict(zip([arg.arg for arg in positional[len(positional) - len(node.args.defaults):]], node.args.defaults, strict=True))
    defaults |= {arg.arg: default for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default}
    starred = [(f"*{node.args.vararg.arg}", node.args.vararg)] if node.args.vararg else []
    named = [(arg.arg, arg) for arg in positional] + starred + [(arg.arg, arg) for arg in node.args.kwonlyargs]
    return [(name, ast.unparse(arg.annotation) if arg.annotation else "", ast.unparse(defaults[arg.arg]) if arg.arg in defaults else "", beside.get(arg.lineno, ""))
            for name, arg in named if name not in ("self", "cls")]


def table(rows: list) -> str:
    if not rows:
        return ""
    lines = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| {code(name)} | {code(kind) if kind else ''} | {code(default) if default else ''} | {escape(comment)} |" for name, kind, default, comment in rows]
    return "\n".join(lines) + "\n\n"


def returned(node, beside: dict) -> str:
    "What a function gives, with the comment beside it."
    line = next((number for number in range(node.body[0].lineno - 1, node.lineno - 1, -1) if number in beside), 0)
    rows = {arg.lineno for arg in (*node.args.args, *node.args.kwonlyargs)}
    comment = beside.get(line, "") if line and (line not in rows or len(rows) == 1 == line - node.lineno + 1) else ""
    kind = ast.unparse(node.returns) if node.returns and ast.unparse(node.returns) != "None" else ""
    return f"Returns {code(kind) if kind else ''}{': ' if kind and comment else ''}{escape(comment)}\n\n" if kind or comment else ""


def entry(node, beside: dict, level: int = 2, owner: str = "") -> str:
    "A function or a class with its public methods."
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        fields = [(item.target.id, ast.unparse(item.annotation), ast.unparse(item.value) if item.value else "", beside.get(item.lineno, ""))
                  for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not item.target.id.startswith("_")]
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
        start = "".join(table(parameters(item, beside)) for item in methods if item.name == "__init__")
        inner = "".join(entry(item, beside, level + 1, node.name + ".") for item in methods if not item.name.startswith("_") and ast.get_docstring(item))
        return f"{'#' * level} {node.name}\n\n*class*{f' of {code(bases)}' if bases else ''}. {escape(first_words(node))}\n\n{table(fields)}{start}{inner}"
    kind = "*property*. " if any(ast.unparse(item).endswith("property") for item in node.decorator_list) else ""
    arguments = "" if kind else f"({', '.join(row[0] for row in parameters(node, beside))})"
    call = code(node.name + arguments) + ". " if arguments else ""
    return f"{'#' * level} {owner}{node.name}\n\n{kind}{call}{escape(first_words(node))}\n\n{table(parameters(node, beside))}{returned(node, beside)}"


def module_page(path: Path, notebook: Path) -> str:
    "The reference of a module, from the comments beside its parameters."
    source = path.read_text(encoding="utf-8")
    tree, beside = ast.parse(source), comments(source)
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    body = "".join(entry(node, beside) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"))
    link = "/" + notebook.relative_to(NBS).as_posix()
    return f"# {name.removeprefix('twoteacher_rkd.')}\n\n{escape(first_words(tree))}\n\nDefined, explained and tested in [the notebook]({link}).\n\n{body}"


def module_notebooks() -> dict:
    "Module -> its notebook, in reading order."
    named = {}
    for path in sorted(NBS.rglob("*.ipynb")):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        if first.startswith("#| default_exp "):
            named[first.removeprefix("#| default_exp ").strip()] = path
    return named


# --- Reference: commands ---
def command_page() -> str:
    "Every command of `rkd` with its options."
    import typer

    from twoteacher_rkd.cli import app

    group = typer.main.get_command(app)
    text = ["# The command rkd\n\nExit status: 0 done, 1 the work failed, 2 wrong use or wrong input. Messages name the file and the remedy.\n"]
    for name, command in sorted(group.commands.items()):
        rows = []
        for item in command.params:
            if item.name != "help":
                words = ", ".join([*item.opts, *item.secondary_opts]) if item.param_type_name == "option" else item.name.upper()
                default = "" if item.required else item.default() if callable(item.default) else item.default
                shown = "required" if item.required else "" if default in (None, "", [], (), False, ()) else getattr(default, "value", str(default))
                rows.append(f"| {code(words)} | {code(shown) if shown and shown != 'required' else shown} | {escape(getattr(item, 'help', '') or '')} |")
        text.append(f"## rkd {name}\n\n{escape(' '.join((command.help or '').split()))}\n\n| option | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(text)


# --- The contents ---
def tree(entries: list, caption: str = "", hidden: bool = True, depth: int = 1) -> str:
    options = [f":caption: {caption}"] * bool(caption) + [":hidden:"] * hidden + [f":maxdepth: {depth}"]
    return "\n".join(["```{toctree}", *options, "", *entries, "```", ""])


def room_page(title: str, words: str, entries: list) -> str:
    return f"# {title}\n\n{words}\n\n{tree(entries, hidden=False)}"


def write_contents(source: Path, modules: dict) -> None:
    "The pages that list other pages, and the contents on the first page."
    pages, top = {}, {name: path for name, path in modules.items() if path.parent == NBS}
    for room, title in ROOMS.items():
        listed = [f"/{room}/{path.stem}" for path in sorted((NBS / room).glob("*.ipynb")) if path.stem[0].isdigit()] + ["/explore"] * (room == "explorer")
        names = [name for name, path in modules.items() if path.parent.name == room]
        pages[f"explanation/{room}"] = room_page(title, "Each notebook explains one piece, defines it, draws it and tests it.", listed)
        pages[f"reference/{room}"] = room_page(f"twoteacher_rkd.{room}", f"Modules of the room *{title}*.", [f"/reference/{name}" for name in names])
    pages["explanation/top"] = room_page("Recipe, utilities, command", "What all rooms use.", [f"/{path.stem}" for path in top.values()])
    pages["reference/top"] = room_page("twoteacher_rkd", "The package itself, and the modules outside its rooms.",
                                       [f"/reference/{'package' if name == '__init__' else name}" for name in top])
    papers = [path.stem for path in sorted((NBS / "paper").glob("*.ipynb")) if not path.stem[0].isdigit()]
    papers.sort(key=lambda name: RESULTS.index(name) if name in RESULTS else len(RESULTS))
    pages["explanation/results"] = room_page("Results", "Every table and figure, each claim of the paper with a verdict, and what a training costs.",
                                             [*(f"/paper/{name}" for name in papers), "/paper/evidence/run"])
    others = [path.stem for path in sorted((NBS / "tutorials").glob("*.ipynb")) if path.stem not in TUTORIALS]
    pages["explanation/questions"] = room_page("Questions", "What the paper leaves open, how much trainings differ, and what holds when something goes wrong.",
                                               [f"/tutorials/{name}" for name in others])
    for name, text in pages.items():
        target = source / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    trees = [tree([f"/tutorials/{name}" for name in TUTORIALS], "Tutorials"), tree([f"/guides/{name}" for name in GUIDES], "How-to guides"),
             tree(["/guides/troubleshooting", "/guides/glossary", "/reference/rkd", "/reference/top", *(f"/reference/{room}" for room in ROOMS)], "Reference"),
             tree(["/guides/trust", "/explanation/results", "/explanation/questions", *(f"/explanation/{room}" for room in ROOMS), "/explanation/top",
                   *(f"/guides/{page}" for page in OUTSIDE.values())], "Explanation")]
    index = source / "index.ipynb"
    book = json.loads(index.read_text(encoding="utf-8"))
    book["cells"].append({"cell_type": "markdown", "id": "contents", "metadata": {}, "source": "\n".join(trees)})
    index.write_text(json.dumps(book), encoding="utf-8")


def collect(source: Path, mathjax: Path) -> None:
    "Everything that Sphinx reads."
    shutil.rmtree(source, ignore_errors=True)
    files, modules = set(), module_notebooks()
    for path in sorted([*NBS.rglob("*.ipynb"), *(NBS / "guides").glob("*.md")]):
        if ".ipynb_checkpoints" not in path.parts:
            target = source / path.relative_to(NBS)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = notebook_page(path, files) if path.suffix == ".ipynb" else fitted_markdown(path.read_text(encoding="utf-8"), path.parent, files)
            target.write_text(text, encoding="utf-8")
    for path in files:
        if path.is_file():  # Sphinx reports the others as dead links
            target = source / path.relative_to(NBS if NBS in path.parents else ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (source / "reference").mkdir(exist_ok=True)
    for name, notebook in modules.items():
        page = source / "reference" / f"{'package' if name == '__init__' else name}.md"
        page.write_text(module_page(PACKAGE / f"{name.replace('.', '/')}.py", notebook), encoding="utf-8")
    (source / "reference/rkd.md").write_text(command_page(), encoding="utf-8")
    for path, page in OUTSIDE.items():
        (source / f"guides/{page}.md").write_text(fitted_markdown((ROOT / path).read_text(encoding="utf-8"), (ROOT / path).parent, files), encoding="utf-8")
    write_contents(source, modules)
    shutil.copy(HERE / "conf.py", source)
    (source / "static/mathjax").mkdir(parents=True)
    shutil.copy(mathjax, source / "static/mathjax")
    for path in [*HERE.glob("*.css"), *HERE.glob("*.svg")]:
        shutil.copy(path, source / "static")


def fetch_mathjax(folder: Path) -> Path:
    "MathJax's file with all that the pages need, from npm the first time; its content is checked."
    kept = folder / "mathjax/tex-svg-full.js"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as place:
            subprocess.run(["npm", "pack", "--silent", MATHJAX], cwd=place, check=True, stdout=subprocess.DEVNULL)
            archive, = Path(place).glob("*.tgz")
            if hashlib.sha256(archive.read_bytes()).hexdigest() != MATHJAX_SHA256:
                sys.exit(f"{MATHJAX} is not the file that was expected: look at its new content, then change MATHJAX_SHA256.")
            with tarfile.open(archive) as content:
                data = content.extractfile("package/es5/tex-svg-full.js").read()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(data)
    return kept


# --- What was built ---
def finish(html: Path) -> list[str]:
    "Give every page its policy; the links that lead nowhere and the sources on other computers."
    wrong, known = [], {path.resolve() for path in html.rglob("*")}
    for page in (path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts):
        text = re.sub(r"(href=\"(?![a-z]+:)[^\"#]*)\.ipynb", r"\1.html", page.read_text(encoding="utf-8"))  # links in stored outputs
        policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        text = re.sub(r"<meta charset=\"utf-8\" ?/?>", lambda found, policy=policy: found[0] + policy, text, count=1, flags=re.I)
        page.write_text(text, encoding="utf-8")
        for attribute, link in re.findall(r"\b(href|src)=\"([^\"]*)\"", re.sub(r"<pre>.*?</pre>|<code.*?</code>", "", text, flags=re.S)):
            path = unquote(link.split("#")[0].split("?")[0])
            if attribute == "src" and re.match(r"(https?:)?//", link):
                wrong.append(f"{page.relative_to(html)} takes {link} from another computer.")
            elif path and not re.match(r"[a-z]+:|//", link) and (page.parent / path).resolve() not in known:
                wrong.append(f"{page.relative_to(html)} links to {link}, which is not there.")
    return sorted(set(wrong))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "_docs", help="folder for the pages (html), their sources (source) and MathJax")
    out = parser.parse_args().out.absolute()
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    collect(out / "source", fetch_mathjax(out))
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-d", str(out / "doctrees"), str(out / "source"), str(out / "html")]
    built = subprocess.run(command, env={**os.environ, "SITE_VERSION": config["DEFAULT"]["version"]})
    wrong = finish(out / "html") if (out / "html").exists() else []
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    if built.returncode or wrong:
        sys.exit(1)
    print(out / "html/index.html")


main()
