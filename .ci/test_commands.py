"""Every command and every piece of Python that README, CONTRIBUTING, the guides and the notebooks' text show.

usage: python .ci/test_commands.py        (two minutes)

Each `rkd` line is read by the command's own parser, also inline ones, so an option that is gone or a value that is not allowed fails. Then it is executed, in
the order of the pages. What is smaller here: `parts/lid` and `data/mvtec/transistor` are a small rendered line, the two files of ImageNet's weights are
untrained, a training has one epoch at 64 pixels, a run's notebook is not executed (test_batch.py does that), nothing is exported in 8-bit integers
(04_export.ipynb does), and a batch is planned (`--dry-run`; test_batch.py makes some).
What this machine lacks (a GPU, an extra) must be refused with its sentence. What is given in a clone is left to first_hour.py, and what downloads gigabytes to
people. Sentences that the troubleshooting guide quotes must be in the package."""
import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from functools import cache
from http.cookiejar import CookieJar
from importlib.util import find_spec
from pathlib import Path

import click
import nbformat
import torch
import torchvision
import typer

from twoteacher_rkd import cli, recipe
from twoteacher_rkd.inspection.watch import status
from twoteacher_rkd.lines.rendering import make_lines
from twoteacher_rkd.utils import InputError

ROOT = Path(__file__).parents[1]
ORDER = ["README.md", *(f"nbs/guides/{name}.md" for name in ("own-images", "region", "threshold", "inspect", "export", "explore", "python", "long-parts", "offline",
                                                             "gpu", "cluster", "reproduce"))]  # as a user comes to them; then the other pages
IN_CLONE = ("make", "source", "pre-commit", "nbdev_export", "nbdev_clean", "nbdev_test")  # .ci/first_hour.py gives these
DOWNLOADS = ("pip", "python -c", "ls")  # .ci/wheel installs the wheel; weights and extras are left to people
SMALL = {"epochs": 1, "image_size": 64}  # what a preset changes besides
LACKING = {"cuda": (torch.cuda.is_available(), "CUDA device(s) here"), "padim": (find_spec("anomalib"), "twoteacher_rkd[peers]"),
           "slurm": (find_spec("snakemake_executor_plugin_slurm"), "twoteacher_rkd[cluster]")}  # a word of a command: can it be done here; the sentence if not
SLOW = "--int8"  # inspection/04_export.ipynb makes such a file
PATIENCE = 300  # seconds; a busy machine may take long


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
    elif program not in ("python", "pip", "source", "pre-commit", "ls"):
        raise Failed(f"{shlex.join(words)}: this test does not know {program}: let it check that")


def check_inline(text: str) -> int:
    "Whether the commands and options that a page names between backticks exist; their number. Raises `Failed`."
    known, found = typer.main.get_command(cli.app).commands, re.findall(r"`rkd ([a-z]+)([^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    for name, rest in found:
        options = {option for parameter in known[name].params for option in (*parameter.opts, *parameter.secondary_opts)} if name in known else set()
        if name not in known or set(re.findall(r"--[a-z][a-z0-9-]*", rest)) - options - {"--help"}:
            raise Failed(f"`rkd {name}{rest}`: there is no such command or option")
    return len(found)


@cache
def first_run(pattern: str) -> str:
    "A run's folder: the one that was there first, whenever a page writes `full-...`."
    found = sorted(Path().glob(pattern.replace("...", "*")))
    if not found:
        raise Failed(f"there is no run {pattern} yet")
    return str(found[0])


def here(words: list[str]) -> list[str]:
    "A command as it is given here."
    words = [first_run(word) if word.endswith("...") else word for word in words]
    more = {"run": ["--device", "cpu"], "advise": ["--device", "cpu"], "bench": ["--device", "cpu", "--rounds", "1"], "lines": ["--size", "64"],
            "paper": [] if {"--dry-run", "--draw-only"} & set(words) else ["--dry-run"]}
    return words + ([] if "--device" in words else more.get(words[1], []))


def execute(words: list[str]) -> None:
    "A command of `rkd`, in this process. Raises `Failed` where it does not do its work, or does not refuse what this machine lacks."
    output, lacking = io.StringIO(), [sentence for word, (there, sentence) in LACKING.items() if word in words and not there]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            typer.main.get_command(cli.app).main(words[1:], standalone_mode=False)
        wrong = "it was not refused" if lacking else ""
    except typer.Exit as left:
        wrong = f"status {left.exit_code}: {output.getvalue()[-600:]}" if left.exit_code else ""
    except (InputError, RuntimeError) as error:
        wrong = "" if lacking and lacking[0] in str(error) else str(error)
    if wrong:
        raise Failed(f"{shlex.join(words)}: {wrong}")


def serve(words: list[str]) -> None:
    "A command that goes on until it is stopped, in a process of its own: a page that opens, or an image that is judged. Raises `Failed`."
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*words, *(["--no-browser"] if words[1] == "explore" else [])], stdout=log, stderr=subprocess.STDOUT,
                                   env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
        started, done = time.monotonic(), False
        while not done and process.poll() is None and time.monotonic() - started < PATIENCE:
            time.sleep(0.3)
            log.seek(0)
            done = opens(log.read()) if words[1] == "explore" else status(Path(words[words.index("--out") + 1]))["judged"] == len(list(Path(words[2]).iterdir()))
        process.terminate()
        process.wait(60)
        log.seek(0)
        if not done:
            raise Failed(f"{shlex.join(words)}: it did not do its work: {log.read()[-600:]}")


def opens(output: str) -> bool:
    "Whether the explorer printed an address; then its page must open."
    address = re.search(r"http://127\.0\.0\.1:\d+/\S+", output)
    if address:
        page = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open(address[0], timeout=PATIENCE).read().decode()
        if "widget-view+json" not in page or "Traceback" in page:
            raise Failed(f"{address[0]} does not show the explorer: {page[-600:]}")
    return bool(address)


def prepare() -> None:
    "What a user has before the first command."
    with contextlib.redirect_stderr(io.StringIO()):
        line, = make_lines(Path("data/mvtec"), ["washer"], train=40, good=6, each=2)
    line = line.rename("data/mvtec/transistor")
    shutil.copytree(line / "train/good", "parts/lid/train")
    shutil.copytree(line / "test", "parts/lid/test")
    shutil.copytree(line / "test/good", "camera/today")
    for name in ("wide_resnet50_2-95faca4d", "resnet34-b627a593"):
        torch.save(getattr(torchvision.models, name.split("-")[0])().state_dict(), f"{name}.pth")
    for number in range(4):
        item = Path(f"KolektorSDD/kos{number:02}")
        item.mkdir(parents=True)
        shutil.copy(line / f"train/good/{number:03}.png", item / "Part0.png")
        shutil.copy(sorted((line / "ground_truth").rglob("*.png"))[number], item / "Part0_label.bmp")


def follow(text: dict) -> int:
    "Do what the pages say, in an empty folder; the number of commands and pieces of Python."
    prepare()
    for preset, changes in recipe.PRESETS.copy().items():
        recipe.PRESETS[preset] = lambda changes=changes: changes() | SMALL
    cli.execute_run_notebook, names, done = lambda folder, given: None, {}, 0  # its kernel would not know what is smaller
    for page in [*ORDER, *(page for page in text if page not in ORDER)]:
        for words in commands(text[page]):
            if words[0] == "rkd" and SLOW not in words:
                started = time.monotonic()
                if "--watch" in words:
                    shutil.copy("parts/lid/train/000.png", "camera/today/new.png")
                (serve if "--watch" in words or words[1] == "explore" and "--static" not in words else execute)(here(words))
                print(f"{time.monotonic() - started:5.1f} s  {page}: {shlex.join(words)}", flush=True)
                done += 1
            elif words[0] == "python" and words[1] != "-c":
                subprocess.run([sys.executable, ROOT / words[1], *words[2:]], check=True, stdout=subprocess.DEVNULL)
                done += 1
            elif words[0] != "rkd" and not shlex.join(words).startswith((*IN_CLONE, *DOWNLOADS)):
                raise Failed(f"{page}: {shlex.join(words)}: nothing executes it")
        for block in blocks(text[page], "python"):
            block = re.sub(r'"(runs/[^"]*\.\.\.)"', lambda found: repr(first_run(found[1])), block)
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block, page, "exec"), names)
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
    inline = sum(check_inline(content) for content in text.values())
    quoted(text["nbs/guides/troubleshooting.md"])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        done = follow(text)
        os.chdir(ROOT)
    print(f"{len(shown)} commands in blocks and {inline} inline are as the programs take them; {done} were executed.")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"{failure}")
