"""Kills, full disks, signals and damaged files: each promise of nbs/tutorials/guarantees.ipynb is tried on real processes and files.

usage: python .ci/faults.py [--full] [--only run,signals,mutants,export,explore] [--write FILE]
The first trial that fails ends it: the exit status is 0, or 1 after a sentence. A row of its tables is printed when all its trials held.
Processes are killed, and disks are full, at their writes: an audit hook of Python counts every file that is opened for writing, renamed or removed.
"""
import argparse
import errno
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import psutil
import test_batch
import torch
from PIL import Image
from safetensors.torch import save_file

from twoteacher_rkd.data.datasets import find_category, list_categories
from twoteacher_rkd.data.images import load_masks
from twoteacher_rkd.data.pictures import read_image
from twoteacher_rkd.experiment import features, runner, training
from twoteacher_rkd.experiment.runs import RUN_STAGES, Run, damaged, keep_threshold, run_folder
from twoteacher_rkd.experiment.threshold import run_threshold
from twoteacher_rkd.inspection import export
from twoteacher_rkd.lines.rendering import make_lines
from twoteacher_rkd.method.model import build
from twoteacher_rkd.method.teachers import make_teacher
from twoteacher_rkd.recipe import make_recipe
from twoteacher_rkd.utils import InputError

RKD = str(Path(sys.executable).with_name("rkd"))
RECIPE = make_recipe("quick", image_size=64, epochs=2, sigma=1.0, precision="fp32", variant="rd4ad", weights=("none",))
FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


class Failed(Exception):
    "A promise that was not kept."


def expect(condition, sentence):
    if not condition:
        raise Failed(sentence)


class Writes:
    "Counts the writes below a folder, and does something at one of them, or from one on."
    def __init__(self, root, moment=None, action=None):
        self.root, self.moment, self.action, self.names = str(root), moment, action, []

    def __call__(self, event, args):
        if event == "open" and isinstance(args[0], str | Path) and ((args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
            path = args[0]
        elif event in ("os.rename", "os.remove", "os.mkdir"):
            path = args[1] if event == "os.rename" else args[0]
        else:
            return
        path = os.fsdecode(path) if isinstance(path, str | bytes | Path) else ""
        if path.startswith(self.root) and not path.endswith(".lock"):
            self.names.append(f"{event.removeprefix('os.')} {Path(path).name}")
            if self.moment is not None and len(self.names) > self.moment:
                self.action(event)


def kill_now(event):
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full(event):
    if event == "open":
        raise FULL_DISK


def child(work, root, moment=None, action=None):
    "Do some work in a forked process. Its exit status, what it printed, its writes."
    reading, writing = os.pipe()
    if number := os.fork():
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        return status, *(json.loads(text) if text.endswith("]") else ("", []))
    os.close(reading)
    status, writes, printed = 0, Writes(root, moment, action), io.StringIO()
    try:
        with redirect_stderr(printed), redirect_stdout(printed):
            sys.addaudithook(writes)
            work()
    except (InputError, RuntimeError, OSError) as error:
        status = 2 if isinstance(error, InputError) else 1
        print(f"error: {error}", file=printed)
    except BaseException as error:
        status = 3
        print(f"{type(error).__name__}: {error}", file=printed)
    writes.moment = None
    with os.fdopen(writing, "w") as pipe:
        json.dump([printed.getvalue(), writes.names], pipe)
    os._exit(status)


def content(folder):
    "What must be equal: all results, less what tells a time."
    run = Run(folder)
    names = {"model.safetensors", "scores.csv", "normals.csv", "threshold.json", "region.png"}
    return {**{path.name: path.read_bytes() for path in folder.iterdir() if path.name in names},
            "maps": run.maps.tobytes(), "history": run.history.drop(columns="seconds").to_csv(),
            "metrics": {name: value for name, value in run.metrics.items() if not name.endswith("seconds")}, "fingerprint": run.provenance["fingerprint"]}


class Scenario:
    "One kind of work on a run: how its folder is before, and what is done."
    def __init__(self, name, root, before, category, rate=None):
        self.name, self.root, self.before, self.category, self.rate = name, root, before, category, rate

    def work(self, out):
        features.MEMORY_SHARE = 0  # features go into a file
        runner.check_room = lambda *_: None  # which would notice the full disk before anything is written
        os.environ["XDG_CACHE_HOME"] = str(out / "cache")
        folder = runner.run(RECIPE, self.category, out / "runs", "cpu")
        if self.rate:
            keep_threshold(run_threshold(Run(folder).normals, self.rate), folder)

    def fresh(self, name):
        "A folder as it is before the work."
        out = self.root / name
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(self.before, out) if self.before else out.mkdir()
        return out

    def undisturbed(self):
        "Its writes, and its result."
        out = self.fresh(f"{self.name} undisturbed")
        status, printed, names = child(lambda: self.work(out), out)
        expect(status == 0, f"{self.name}: undisturbed, it ended with status {status}: {printed}")
        folder = run_folder(out / "runs", self.category, RECIPE)
        renamed = {name.removeprefix("rename ") for name in names if name.startswith("rename ")}
        written = {path.name for path in folder.iterdir()} if not self.before else set()
        expect(written <= renamed, f"{self.name}: {sorted(written - renamed)} took their names without being written whole beside.")
        return names, content(folder)

    def disturb(self, moment, action, result):
        "Disturb the work at one write, look, and do it again."
        out = self.fresh("disturbed")
        folder = run_folder(out / "runs", self.category, RECIPE)
        status, printed, _ = child(lambda: self.work(out), out, moment, action)
        killed = action is kill_now
        expect(status in ((-signal.SIGKILL,) if killed else (0, 1, 2)), f"{self.name}: at write {moment} it ended with status {status}: {printed}")
        named = any(words in printed for words in ("is full", "No space left", "cannot be written"))
        expect(killed or status == 0 or named, f"{self.name}: with a full disk it said {printed!r}.")
        if (folder / "metrics.json").exists() and not any(damaged(folder, stage) for stage in RUN_STAGES):
            now = content(folder) | {"threshold.json": result["threshold.json"]}  # it may still be the earlier one
            expect(now == result or now["fingerprint"] != result["fingerprint"], f"{self.name}: at write {moment} it looked finished and was not.")
        status, printed, _ = child(lambda: self.work(out), out)
        expect(status == 0, f"{self.name}: after write {moment} the same work ended with status {status}: {printed}")
        now = content(folder)
        expect(now == result, f"{self.name}: after write {moment} {[name for name in result if now.get(name) != result[name]]} differ.")
        left = [path.name for path in out.rglob("*") if ".draft" in path.name or path.suffix == ".partial"]
        expect(not left, f"{self.name}: after write {moment} {left} were left.")


def scenarios(root):
    "A new run; other test images and a region; a threshold chosen anew."
    make_lines(root / "lines", names=["gravel"], size=64, train=32, good=8, each=4)
    category = find_category(root / "lines", "gravel")
    new = Scenario("new run", root, None, category)
    yield new
    before = root / "new run undisturbed"
    shutil.copytree(root / "lines", root / "other")
    sorted((root / "other/gravel/test/good").iterdir())[0].unlink()
    region = Image.new("L", (64, 64))
    region.paste(255, (0, 0, 64, 40))
    region.save(root / "other/gravel/region.png")
    yield Scenario("re-evaluation", root, before, find_category(root / "other", "gravel"))
    yield Scenario("threshold", root, before, category, 0.05)


def try_run(root, full):
    "Kills and full disks at the writes of a run, of the cache of features, of a re-evaluation, of a threshold."
    table = []
    for scenario in scenarios(root):
        names, result = scenario.undisturbed()
        for what, action in (("killed", kill_now), ("disk full", disk_full)):
            moments = range(len(names)) if full else range(random.Random(88).randrange(9), len(names), 18 if what == "killed" else 27)
            for moment in moments:
                scenario.disturb(moment, action, result)
            table.append({"work": scenario.name, "what": what, "writes": len(names), "tried": len(moments)})
    return table


def try_signals(root, full):
    "SIGINT and SIGTERM at any time of the command `rkd run`."
    make_lines(root / "lines", names=["gravel"], size=64, train=32, good=8, each=4)
    words = "--category gravel --preset quick --variant rd4ad --weights none --device cpu --threads 1 --epochs 12 --set image_size=64 --set sigma=1 --set precision=fp32"
    command = [RKD, "run", "--data-root", root / "lines", *words.split()]
    def run(out, number=None, after=0.0, again=False):
        process = subprocess.Popen([*map(str, command), "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if number is None:
            output, errors = process.communicate()
            return process.returncode, 0.0, errors
        time.sleep(after)
        process.send_signal(number)
        if again:
            time.sleep(0.1)  # two of a kind at the same moment are one
            process.send_signal(number)
        sent = time.monotonic()
        _, errors = process.communicate()
        return process.returncode, time.monotonic() - sent, errors
    began = time.monotonic()
    expect(run(root / "whole")[0] == 0, "An undisturbed `rkd run` failed.")
    span, seconds, stopped = time.monotonic() - began, [], Counter()
    whole = next((root / "whole").glob("*/*/*/metrics.json")).parent
    chance = random.Random(88)
    for trial in range(20 if full else 1):
        number = (signal.SIGINT, signal.SIGTERM)[trial % 2]
        status, waited, errors = run(root / f"s{trial}", number, chance.uniform(0.35, 0.95) * span)
        expect(status in (0, 128 + number), f"`rkd run` ended with {status} after signal {number}: {errors[-500:]}")
        expect(status == 0 or f"stopped by {number.name}" in errors, f"`rkd run` stopped without a sentence: {errors[-500:]}")
        expect("Traceback" not in errors, f"`rkd run` stopped with a traceback: {errors[-1500:]}")
        stopped[status] += 1
        seconds.append(waited if status else 0.0)
        expect(run(root / f"s{trial}")[0] == 0, "`rkd run` did not go on after it was stopped.")
        expect(content(root / f"s{trial}" / whole.relative_to(root / "whole")) == content(whole), "A run that was stopped and went on differs from one that was not.")
        shutil.rmtree(root / f"s{trial}")
    status, waited, _ = run(root / "twice", signal.SIGINT, 0.6 * span, again=True)
    return [{"work": "rkd run", "signals": sum(stopped.values()) - stopped[0], "finished before": stopped[0],
             "seconds to stop, median": round(float(np.median(seconds)), 2), "seconds to stop, most": round(max(seconds), 2),
             "a second signal, seconds": round(waited, 2)}]


OTHER = (b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b'""', b"0", b"99999999999999999999", b"true", b"\x00", b"[" * 3000, b"../../x", b"\xff\xfe", b",", b"\n")


def mutate(content, draw):
    "Other bytes: cut off, emptied, some changed, a piece doubled or lost, a number or a word replaced, nested, other text."
    at = draw.randrange(len(content) + 1)
    kind = draw.randrange(10)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes(draw.randrange(256) for _ in range(draw.choice((1, 4, 64)))) + content[at:]
    if kind == 2:
        return content[:at] + content[min(len(content), at + draw.choice((1, 7, 100, 5000))):]
    if kind == 3:
        return content[:at] + content[max(0, at - draw.choice((10, 1000))):]
    if kind in (4, 5, 6):
        changed = bytearray(content)
        for _ in range(draw.choice((1, 2, 20))):
            if changed:
                changed[draw.randrange(min(len(changed), draw.choice((64, 1024, 10**9))))] ^= 1 << draw.randrange(8)
        return bytes(changed)
    places = [match.span() for match in re.finditer(rb"-?[0-9.]+|true|false|null|[A-Za-z_]{3,}", content[:20000])]
    if kind in (7, 8) and places:
        start, end = draw.choice(places)
        return content[:start] + draw.choice(OTHER) + content[end:]
    return draw.choice((b"", b"[" * 100_000, b"{" * 5000, b"\x00" * 100, b"null", b"\xef\xbb\xbf" + content, content * 2, content.replace(b"\n", b"\r\n"), content[::-1]))


def readers(root):
    "Every kind of file that is read back or given by a user: name -> file and how it is read."
    lines = root / "lines"
    make_lines(lines, names=["gravel"], size=64, train=32, good=4, each=2)
    category = find_category(lines, "gravel")
    folder = runner.run(RECIPE, category, root / "runs", "cpu")
    own = build(RECIPE)
    optimizer = torch.optim.Adam(own.trainable(), fused=True)
    training.save_checkpoint(root / "checkpoint.pt", own, optimizer, [], "identity")
    torch.save(own.teachers[0].state_dict(), root / "weights.pth")
    save_file(own.teachers[0].state_dict(), root / "weights.safetensors")
    def row(sample, split):
        mask = sample.mask.relative_to(lines).as_posix() if sample.mask else ""
        return f"{sample.image.relative_to(lines).as_posix()},{split},{sample.defect_type},{mask}\n"
    rows = [row(sample, split) for split in ("train", "test") for sample in getattr(category, split)]
    (lines / "parts.csv").write_text("path,split,label,mask\n" + "".join(rows))
    mask = next(sample for sample in category.test if sample.mask)
    picture = Image.open(mask.image)
    formats = {"png": {}, "jpg": {}, "bmp": {}, "tif": {"compression": "tiff_lzw"}, "webp": {}, "gif": {}, "ppm": {}}
    for suffix, options in formats.items():
        picture.save(root / f"picture.{suffix}", **options)
    shutil.copytree(folder, root / "mutated")
    names = ("metrics.json", "provenance.json", "recipe.json", "history.csv", "scores.csv", "normals.csv", "maps.npz", "threshold.json")
    attributes = {name: name.partition(".")[0] for name in names}
    yield from ((name, root / "mutated" / name, lambda name=name: getattr(Run(root / "mutated"), attributes[name])) for name in attributes)
    yield "model.safetensors", root / "mutated/model.safetensors", lambda: Run(root / "mutated").model("cpu")
    yield "checkpoint", root / "checkpoint.pt", lambda: training.load_checkpoint(root / "checkpoint.pt", own, optimizer, "identity")
    for suffix in ("pth", "safetensors"):
        yield f"weights, .{suffix}", root / f"weights.{suffix}", lambda suffix=suffix: make_teacher("compact_bottleneck", str(root / f"weights.{suffix}"))
    yield "CSV of a category", lines / "parts.csv", lambda: [find_category(lines, name, "csv") for name in list_categories(lines, "csv")]
    yield from ((f"image, .{suffix}", root / f"picture.{suffix}", lambda suffix=suffix: read_image(root / f"picture.{suffix}")) for suffix in formats)
    yield "mask", mask.mask, lambda: load_masks([mask], 64)


def read_mutants(path, read, count):
    "What became of mutated files: how many could be read, how many were refused with a sentence."
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + 2**30, resource.RLIM_INFINITY))
    draw, whole, results, most = random.Random(88), path.read_bytes(), Counter(), 0.0
    def too_long(*_):
        raise Failed("took more than 20 s")
    signal.signal(signal.SIGALRM, too_long)
    for number in range(count):
        path.write_bytes(mutate(whole, draw))
        began = time.monotonic()
        signal.alarm(20)
        try:
            read()
            results["read"] += 1
        except InputError as error:
            results["refused"] += 1
            if len(str(error)) > 20_000 or not str(error).strip():
                print(f"mutant {number}: no sentence: {str(error)[:300]!r}")
        except BaseException as error:
            print(f"mutant {number}: {type(error).__name__}: {str(error)[:300]}")
            results["other errors"] += 1
        signal.alarm(0)
        most = max(most, time.monotonic() - began)
    path.write_bytes(whole)
    print(json.dumps({**results, "longest, s": round(most, 1)}))


def try_mutants(root, full):
    "Damaged files of every kind, each read in a process that may take one gigabyte more."
    table = []
    for name, path, reader in list(readers(root)):
        status, printed, _ = child(lambda path=path, reader=reader: read_mutants(path, reader, 1000 if full else 40), root / "nowhere")
        expect(status == 0 and printed, f"The reader of {name} ended with status {status}: {printed[-500:]}")
        counts = json.loads(printed.splitlines()[-1])
        wrong = [line for line in printed.splitlines() if line.startswith("mutant")]
        expect(not wrong, f"{len(wrong)} mutants of {name} were neither read nor refused with a sentence: {wrong[:3]}")
        read, refused = counts.get("read", 0), counts.get("refused", 0)
        table.append({"file": name, "mutants": read + refused, "read": read, "refused": refused, "longest, s": counts["longest, s"]})
    return table


def try_export(root, full):
    "Kills of `rkd export` at its writes: the file is the earlier one, the new one, or none."
    make_lines(root / "lines", names=["gravel"], size=64, train=32, good=4, each=2)
    folder = runner.run(RECIPE, find_category(root / "lines", "gravel"), root / "runs", "cpu")
    run, samples = Run(folder), [sample for sample in find_category(root / "lines", "gravel").test[:2]]
    target = root / "out/detector.onnx"
    def work():
        export.export_onnx(run.model("cpu"), run.recipe, 1.0, target, {}, samples)
    status, printed, names = child(work, root / "out")
    expect(status == 0, f"The export failed: {printed}")
    trials = 10 if full else 1
    for trial in range(trials):
        status, printed, _ = child(work, root / "out", (trial * len(names)) // trials, kill_now)
        expect(status == -signal.SIGKILL, f"The export ended with {status}: {printed}")
        expect(export.run_onnx(target), "A killed export left a file that is not whole.")  # raises where the seal is broken
        expect(child(work, root / "out")[0] == 0, "The export did not work after a kill.")
        expect([path.name for path in (root / "out").iterdir()] == ["detector.onnx"], f"An export left {sorted(path.name for path in (root / 'out').iterdir())}.")
    return [{"work": "export", "what": "killed", "writes": len(names), "tried": trials}]


def try_explore(root, full):
    "Kills of `rkd explore`: the run is as it was, and no process is left."
    make_lines(root / "lines", names=["gravel"], size=64, train=32, good=4, each=2)
    folder = runner.run(RECIPE, find_category(root / "lines", "gravel"), root / "runs", "cpu")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    trials, chance = 10 if full else 1, random.Random(88)
    command = [RKD, "explore", "--run", folder, "--data-root", root / "lines", "--no-browser"]
    for _ in range(trials):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        expect("The explorer is at" in process.stdout.readline(), "`rkd explore` did not start.")
        time.sleep(chance.uniform(0, 4))
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        expect(not alive, f"A killed explorer left {[child.cmdline() for child in alive]}.")
        expect({path.name: path.read_bytes() for path in folder.iterdir()} == before, "A killed explorer changed the run.")
    return [{"work": "rkd explore", "what": "killed", "tried": trials}]


def try_paper(root, full):
    "Kills of `rkd paper` at random times, up to five in a row, and disks that are full from some moment on (needs root). The short form is test_batch.py."
    if not full:
        return []
    test_batch.make_data(root)
    items, chance, table = ["--only", "table1", "--seeds", "88,", "--epochs", "4", "--set", "period=4"], random.Random(88), []
    def fresh(name):
        (root / name).mkdir()
        return root / name
    whole, began = fresh("whole"), time.monotonic()
    test_batch.finish(whole, *items)
    span, result = time.monotonic() - began, test_batch.outputs(whole)
    def check(place, what):
        test_batch.finish(place, *items)
        now = test_batch.outputs(place)
        expect(now == result, f"rkd paper, {what}: {[name for name in result.keys() | now.keys() if now.get(name) != result.get(name)]} differ.")
    killed = batches = 0
    while killed < 20:
        place, batches = fresh(f"killed{batches}"), batches + 1
        for _ in range(5):
            known, process = test_batch.results(place), test_batch.start(place, *items)
            try:
                process.communicate(timeout=chance.uniform(0.05, 0.7) * span)
                break  # it came to its end before
            except subprocess.TimeoutExpired:
                test_batch.end(place, process, "at random", chance.random() < 0.5)
            killed, now = killed + 1, test_batch.results(place)
            expect(all(now.get(path) == value for path, value in known.items()), "A finished run of a batch changed.")
        check(place, "killed again and again")
    table.append({"work": "rkd paper", "what": "killed", "tried": killed})
    for trial in range(10):
        place, size = fresh(f"disk{trial}"), 2**31
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
        try:
            process, errors = test_batch.start(place, *items), ""
            try:
                process.wait(timeout=(trial + 0.5) / 10 * span)
            except subprocess.TimeoutExpired:
                with suppress(OSError), (place / "filler").open("wb") as filler:
                    os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(place).free)
                _, errors = process.communicate(timeout=test_batch.PATIENCE)
            expect(process.returncode in (0, 1, 2) and "Traceback" not in errors, f"On a full disk rkd paper ended with {process.returncode}: {errors[-1500:]}")
            if process.returncode == 0:
                expect(test_batch.outputs(place) == result, "On a full disk rkd paper ended with 0 and other results.")
            (place / "filler").unlink(missing_ok=True)
            check(place, "on a disk that was full")
            print(f"full disk, status {process.returncode}: {errors.strip()[-300:]!r}", flush=True)
        finally:
            subprocess.run(["umount", "-l", place], check=True)
    return [*table, {"work": "rkd paper", "what": "disk full", "tried": 10}]


PARTS = {"run": try_run, "signals": try_signals, "mutants": try_mutants, "export": try_export, "explore": try_explore, "paper": try_paper}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    tables = json.loads(asked.write.read_text()) if asked.write and asked.write.exists() else {}
    for name in asked.only.split(","):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                tables[name] = [{**row, "form": "full" if asked.full else "short"} for row in PARTS[name](Path(folder), asked.full)]
            except (Failed, test_batch.Failed) as failed:
                sys.exit(f"failed: {failed}")
        for row in tables[name]:
            print(f"{name}: {', '.join(f'{key} {value}' for key, value in row.items())}")
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        if asked.write:
            asked.write.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
