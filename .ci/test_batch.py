"""`rkd paper` when things go wrong: killed three times, started twice at once, given a damaged image, robbed of a run, left with numbers alone; and the committed runs.

usage: python .ci/test_batch.py        (minutes; small images, untrained teachers, in a temporary folder)
Its exit status is 0, or 1 after a sentence.
"""
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from twoteacher_rkd.lines.rendering import make_lines

RKD = str(Path(sys.executable).with_name("rkd"))
SMALL = ["--weights", "none", "--epochs", "10", "--set", "period=10", "--set", "image_size=64", "--set", "sigma=1", "--device", "cpu", "--cores", "2", "--name", "t"]
ITEMS = ["--only", "table1,figure5", "--seeds", "88,1"]
PATIENCE = 900  # seconds; a busy machine may take long
MARK = "RKD_TEST_BATCH"
NUMBERS = ("metrics.json", "recipe.json", "provenance.json", "history.csv", "scores.csv")


class Failed(Exception):
    "What was expected of a batch, and what it did."


def expect(condition, sentence):
    if not condition:
        raise Failed(sentence)


def start(place, *words):
    "`rkd paper` in a folder of its own, with a mark that all its processes inherit."
    command = [RKD, "paper", "--data-root", "../data", *SMALL, *words]
    return subprocess.Popen(command, cwd=place, env={**os.environ, MARK: str(place)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(place, *words, status=0):
    "The same, to its end; what it printed."
    process = start(place, *words)
    output, errors = process.communicate(timeout=PATIENCE)
    expect(process.returncode == status, f"The exit status of rkd paper was {process.returncode}, not {status}:\n{output[-1500:]}\n{errors[-1500:]}")
    return output + errors


def alive(place):
    "The commands of a batch's processes that still live."
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(place) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:200])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass
    return found


def until(question, sentence, seconds=PATIENCE):
    "Wait until it is so."
    end = time.monotonic() + seconds
    while not question():
        expect(time.monotonic() < end, sentence)
        time.sleep(0.05)


def results(place):
    "Every finished run with the time and the content of its result."
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted((place / "runs").glob("*/*/*/metrics.json")) if path.parent.suffix != ".partial"}


def end(place, process, what, whole_group):
    "Kill a batch, and see that nothing of it goes on."
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not alive(place), f"Killed {what}, the batch left processes running: {alive(place)}", 30)
    print(f"killed {what}: {len(results(place))} runs finished")


def kill(place, moment, what, whole_group):
    "Start the batch, and kill it at a moment."
    process = start(place, *ITEMS)
    until(lambda: moment() or process.poll() is not None, f"The batch never came to the moment '{what}'.")
    expect(process.poll() is None, f"The batch ended before the moment '{what}'.")
    end(place, process, what, whole_group)


def outputs(place):
    "Content of everything that a reader sees: tables, pictures, and the metrics less the seconds."
    files = [*(place / "reports/t/tables").iterdir(), *(place / "reports/t/figures").glob("*.png")]
    said = {path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    for path, (_, content) in results(place).items():
        said[path.relative_to(place).as_posix()] = {key: value for key, value in json.loads(content).items() if not key.endswith("_seconds")}
    return said


def test_killed(place):
    "Three times killed, a batch ends as one that was not, and no finished run is made again."
    whole, killed = place / "whole", place / "killed"
    whole.mkdir()
    killed.mkdir()
    finish(whole, *ITEMS)
    known, logs = {}, killed / "reports/t/.batch/logs"
    moments = [
        (lambda: any((killed / "runs").glob("*/*/*.partial/checkpoint.pt")), "in training", False),
        (lambda: len(results(killed)) > len(known), "between a result and its notebook", True),
        (lambda: any(logs.glob("table1.log")), "while drawing", False),
    ]
    for moment, what, whole_group in moments:
        kill(killed, moment, what, whole_group)
        now = results(killed)
        expect(all(now.get(path) == value for path, value in known.items()), f"A finished run changed before '{what}'.")
        known = now
    finish(killed, *ITEMS)
    expect(all(results(killed)[path] == value for path, value in known.items()), "A finished run was made again at the end.")
    ours, other = outputs(killed), outputs(whole)
    expect(ours == other, f"The batch that was killed differs from the other in {[name for name in ours.keys() | other.keys() if ours.get(name) != other.get(name)]}.")
    before = {path: path.stat().st_mtime_ns for path in (killed / "reports/t").rglob("*") if path.suffix in (".ipynb", ".html")}
    finish(killed, *ITEMS)
    expect(before == {path: path.stat().st_mtime_ns for path in before}, "Asked for once more, a finished batch drew something again.")
    return whole


def test_twice(place):
    "The second of two batches on one folder says so."
    shutil.rmtree(place / "reports/t/.batch/logs")
    first = start(place, *ITEMS, "--seeds", "88,1,2")
    until(lambda: any((place / "reports/t/.batch/logs/mvtec").rglob("*.log")), "The first batch did not start a run.")
    said = finish(place, *ITEMS, status=1)
    expect("Another batch is at work on 'runs'" in said and "Traceback" not in said, f"The second batch said: {said[-500:]}")
    first.terminate()
    first.communicate()
    until(lambda: not alive(place), "Terminated, the batch left processes running.", 30)


def test_damaged(place):
    "A damaged image costs its category's run; the rest is made, and after the repair that run alone."
    image = sorted((place.parent / "data/mvtec/cable/train/good").iterdir())[0]
    content = image.read_bytes()
    image.write_bytes(content[:100])
    said = finish(place, "--only", "table1", status=1)
    image.write_bytes(content)
    expect("failed: cable full, seed 88: " in said and image.name in said and "Traceback" not in said, f"The summary does not name the damaged image: {said[-700:]}")
    folder, = (place / "runs/mvtec/cable").glob("full-*")
    left = sorted(path.name for path in folder.iterdir())
    expect(left == ["error.txt", "run.failed.ipynb"], f"The failed run's folder holds {left}.")
    good = results(place)
    expect(len(good) == 1, f"{len(good)} runs were made, not one.")
    table = (place / "reports/t/tables/table1.csv").read_text()
    expect("mvtec/bottle/full-" in table and "mvtec/cable/" not in table, f"The table does not show the one run that was made, or shows another:\n{table[:1500]}")
    expect("cable full, seed 88" in (place / "reports/t/index.html").read_text(), "The page does not name the run that failed.")
    finish(place, "--only", "table1")
    mended = results(place)
    expect(len(mended) == 2 and all(mended[path] == value for path, value in good.items()), "After the repair something else than the failed run was made.")


def test_removed(place):
    "A run that is taken away is made again, and what was drawn from it is drawn again."
    before, page = results(place), place / "reports/t/index.html"
    gone = next(path for path in before if "cable" in path.parts)
    shutil.rmtree(gone.parent)
    said = finish(place, "--only", "table1", "--dry-run")
    expect("2 runs: 1 finished, 1 to do" in said and "to draw: table1, report." in said, f"The plan does not name the run that is gone and what depends on it:\n{said}")
    drawn = page.stat().st_mtime_ns
    finish(place, "--only", "table1")
    after = results(place)
    expect([path for path in before if after.get(path) != before[path]] == [gone], "Something else than the removed run was made, or that was not.")
    expect(page.stat().st_mtime_ns > drawn, "The page was not made again.")
    said = finish(place, "--only", "table1", "--dry-run")
    expect("0 to do." in said and "0 to draw." in said and "index.html, as it should be." in said, f"Something is left to do:\n{said}")


def rows(place):
    "Table 1 as its CSV file has it."
    with (place / "reports/t/tables/table1.csv").open(newline="") as file:
        return {row["row"]: row for row in csv.DictReader(file)}


def test_drawn(whole, place):
    "Runs that keep their numbers alone are drawn without images; nothing is made beside them."
    for path in results(whole):
        folder = place / path.parent.relative_to(whole)
        folder.mkdir(parents=True)
        for name in NUMBERS:
            shutil.copy(path.with_name(name), folder)
    before = sorted((place / "runs").rglob("*"))
    finish(place, "--draw-only", "--data-root", "", "--only", "summary,table1,table7,figure3,figure4,figure5", "--seeds", "88,1")
    expect(sorted((place / "runs").rglob("*")) == before, "To draw only changed the folder of runs.")
    ours, other = rows(place), rows(whole)
    expect(list(ours) == ["bottle", "cable", "mean of the 2 categories"], f"The table is not about the categories that were run: {list(ours)}.")
    same = all(ours[name][key] == other[name][key] for name in ("bottle", "cable") for key in ("ours_image_auroc", "low_image_auroc", "runs"))
    expect(same, "The same runs give another table.")
    page = (place / "reports/t/index.html").read_text()
    expect("has no maps.npz, so no map can be shown" in page and "not run" in page, "The page does not say what is missing.")


def test_evidence(place):
    "The committed runs give the committed tables, and a ledger of the claims."
    place.mkdir()
    evidence = Path(__file__).parents[1] / "nbs/paper/evidence"
    command = ["--draw-only", "--name", "real", "--seeds", "5", "--only", "claims,table7", "--runs", str(evidence / "runs"), "--preset", "paper",
               "--teachers", "resnet50,resnet18", "--weights", "resnet50_layer1-3@7654639e1c7b,resnet18_layer1-3@04e9ea9fc33a", "--epochs", "16",
               "--set", "precision=bf16", "--set", "period=0",
               "--set", "frozen_norms=0.25"]
    done = subprocess.run([RKD, "paper", *command], cwd=place, capture_output=True, text=True)
    expect(done.returncode == 0, f"The committed runs cannot be drawn:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    drawn, committed = ((folder / "tables/table7.md").read_text() for folder in (place / "reports/real", evidence))
    expect(drawn == committed, "The committed runs give another Table 7 than the committed one.")
    expect("not decidable with these data" in (place / "reports/real/claims.ipynb").read_text(), "The ledger of the claims has no verdicts.")


def make_data(place):
    "Two embedded lines under the names of two categories."
    for line, name in zip(make_lines(place / "lines", ["brick", "washer"], size=64, train=8, good=4, each=2), ("bottle", "cable"), strict=True):
        shutil.copytree(line, place / "data/mvtec" / name)


def main():
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        make_data(place)
        whole = test_killed(place)
        test_drawn(whole, place / "drawn")
        test_evidence(place / "evidence")
        test_twice(whole)
        (place / "damaged").mkdir()
        test_damaged(place / "damaged")
        test_removed(place / "damaged")
    print("A batch survives being killed, is alone on its runs, goes on past a damaged image, makes a missing run again, draws what is left of one, "
          "and draws the committed table from the committed runs.")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"{failure}")
