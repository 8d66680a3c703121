"""Every command and every piece of Python that README, CONTRIBUTING, the guides and the notebooks' text show: python .ci/test_commands.py        (a minute)

Every `rkd` line is read by the command's own parser, so an option that is gone or a value that is not allowed fails. Those of the guides on one's own images
are then executed one after the other in a temporary folder. Substitutions: `parts/lid` is a small rendered line, a training has one epoch at 64 pixels,
the notebook of a run is not executed, and `full-...` is the run that is there. Sentences that the troubleshooting guide quotes must be in the package."""
import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import click
import nbformat
import typer

from twoteacher_rkd import cli, recipe
from twoteacher_rkd.lines.rendering import make_lines

ROOT = Path(__file__).parents[1]
EXECUTED = ["own-images", "region", "threshold", "inspect", "export", "explore"]  # guides, in the order in which a user comes to them
NOT_EXECUTED = {"--watch", "--int8", "convert", "...camera", "padim"}  # endless, slow, about data that is not here, or with the extra `peers`
SMALL = {"epochs": 1, "image_size": 64, "sigma": 1.0}  # what the preset `quick` changes besides


class Failed(Exception):
    "What a page shows, and what is wrong with it."


def pages() -> dict:
    "Name of a page -> its Markdown."
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "nbs/guides").glob("*.md"))]
    text = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files}
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
        cells = nbformat.read(path, 4).cells
        text[path.relative_to(ROOT).as_posix()] = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return text


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def commands(text: str) -> list[list[str]]:
    "The words of each command of a page."
    lines = [line for block in blocks(text, "(?:sh|bash)").copy() for line in block.replace("\\\n", " ").splitlines()]
    return [words for line in lines if (words := shlex.split(line.replace(".venv/bin/", ""), comments=True))]


def check(words: list[str]) -> None:
    "Whether a command could be given. Raises `Failed`."
    program, *rest = words
    if program == "rkd":
        group = typer.main.get_command(cli.app)
        try:
            with group.make_context("rkd", rest[:1] if rest[0].startswith("--") else [], resilient_parsing=True):
                pass
            if not rest[0].startswith("--"):
                group.commands[rest[0]].make_context(rest[0], list(rest[1:]))
        except (click.ClickException, KeyError) as error:
            raise Failed(f"{shlex.join(words)}: {getattr(error, 'message', error)}") from None
    elif program == "make":
        if not re.search(rf"^{re.escape(rest[0])}:", (ROOT / "Makefile").read_text(), re.M):
            raise Failed(f"{shlex.join(words)}: the Makefile has no target {rest[0]}")
    elif program == "python" and rest[0] not in ("-m", "-c") and not (ROOT / rest[0]).exists():
        raise Failed(f"{shlex.join(words)}: there is no {rest[0]}")
    elif program.startswith("nbdev_"):
        missing = [word for word in rest if word.endswith(".ipynb") and not (ROOT / word).exists()]
        if missing or not shutil.which(program):
            raise Failed(f"{shlex.join(words)}: there is no {(missing or [program])[0]}")
    elif program not in ("python", "pip", "source", "pre-commit", "git", "cd", "snakemake"):
        raise Failed(f"{shlex.join(words)}: this test does not know {program}: let it check that")


def there(words: list[str]) -> list[str]:
    "Names of runs as they are here."
    def name(word):
        found = sorted(Path().glob(word.replace("...", "*"))) if word.endswith("...") else [Path(word)]
        if not found:
            raise Failed(f"{shlex.join(words)}: there is no run {word} yet")
        return str(found[0]) if word.endswith("...") else word

    return [name(word) for word in words]


def execute(words: list[str]) -> None:
    "A command of `rkd`, in this process. Raises `Failed` where its status is not 0."
    output, arguments = io.StringIO(), there(words[1:] + (["--device", "cpu"] if words[1] in ("run", "advise") else []))
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            typer.main.get_command(cli.app).main(arguments, standalone_mode=False)
    except typer.Exit as left:
        if left.exit_code:
            raise Failed(f"{shlex.join(words)} ended with status {left.exit_code}: {output.getvalue()[-600:]}") from None
    except Exception as error:
        raise Failed(f"{shlex.join(words)}: {type(error).__name__}: {error}") from None


def follow(text: dict) -> int:
    "Do what the guides on one's own images say, in an empty folder; the number of commands."
    with contextlib.redirect_stderr(io.StringIO()):
        line, = make_lines(Path("lines"), ["washer"], train=40, good=6, each=2)
    Path("parts/lid").mkdir(parents=True)
    shutil.copytree(line / "train/good", "parts/lid/train")
    shutil.copytree(line / "test", "parts/lid/test")
    Path("camera").mkdir()
    shutil.copytree(line / "test/good", "camera/today")
    recipe.PRESETS["quick"] = lambda: recipe.quick_changes() | SMALL
    cli.execute_run_notebook = lambda folder, parameters: None
    done = 0
    for name in EXECUTED:
        for words in commands(text[f"nbs/guides/{name}.md"]):
            if words[0] == "rkd" and not NOT_EXECUTED & set(words) and (words[1] != "explore" or "--static" in words):
                execute(words)
                done += 1
    names: dict = {}
    for block in blocks(text["nbs/guides/python.md"], "python"):
        block = re.sub(r'"(runs/[^"]*\.\.\.)"', lambda found: repr(there([found[1]])[0]), block)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block, "nbs/guides/python.md", "exec"), names)
        done += 1
    return done


def quoted(text: str) -> None:
    "Whether the sentences of the troubleshooting guide are printed by the package. Raises `Failed`."
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "twoteacher_rkd").rglob("*.py"))
    source = re.sub(r"\"\s*\n\s*f?\"", "", source)  # sentences over two lines
    for sentence in re.findall(r"\*\*`([^`]+)`\*\*", text):
        if sentence not in source:
            raise Failed(f"nbs/guides/troubleshooting.md quotes {sentence!r}, which nothing prints.")


def main() -> None:
    text = pages()
    shown = [(page, words) for page, content in text.items() for words in commands(content)]
    for page, words in shown:
        try:
            check(words)
        except Failed as failure:
            raise Failed(f"{page}: {failure}") from None
    quoted(text["nbs/guides/troubleshooting.md"])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        done = follow(text)
        os.chdir(ROOT)
    print(f"{len(shown)} commands on {len({page for page, _ in shown})} pages are as the programs take them; {done} of the guides were executed.")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"{failure}")
