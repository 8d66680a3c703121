"""The explorer in a real browser: served by `rkd explore` on a small run over an embedded line, stepped, moved, fed and photographed.

usage: python .ci/test_explorer.py [PICTURES]        (in Chromium or Chrome: see .ci/browser)
Writes PICTURES/explorer-*.png, if a folder is given. Leaves with 0, or with 1 and a sentence.
"""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from PIL import Image
from chromium import launch
from playwright.sync_api import sync_playwright

from twoteacher_rkd.data.datasets import find_category
from twoteacher_rkd.lines.rendering import make_lines
from twoteacher_rkd.recipe import make_recipe
from twoteacher_rkd.experiment.runner import run
from twoteacher_rkd.experiment.runs import seal

PICTURES = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
QUIET = ("--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")  # no request but to the explorer
SIZES = {"laptop": (1366, 768), "desktop": (1920, 1080), "phone": (390, 2200)}  # a phone's width; as high as the page is
WEBSOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
HOSTILE = 'x" onload="document.title=1"><img src=x onerror="document.title=1"><script>document.title=1</script>'  # a name; it must stay one
PATIENCE = 180_000  # milliseconds; a busy machine may take long to start a kernel


class Failed(Exception):
    "What was expected of the explorer, and what it did."


def expect(condition, sentence):
    if not condition:
        raise Failed(sentence)


def rkd(*words, status=0, cwd=None):
    "Run the command and return its output; anything but the expected status is a failure."
    command = [str(Path(sys.executable).with_name("rkd")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    said = (done.stdout + done.stderr).strip()
    expect(done.returncode == status, f"rkd {words[0]} left with {done.returncode}, not {status}: {said[-500:]}")
    return said


class Server:
    "`rkd explore` in a process of its own, stopped whatever happens."

    def __init__(self, *words):
        self.words = [str(Path(sys.executable).with_name("rkd")), "explore", *map(str, words), "--no-browser"]

    def __enter__(self):
        self.log = tempfile.TemporaryFile("w+")
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(self.words, stdout=self.log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        started = time.monotonic()
        while time.monotonic() - started < PATIENCE / 1000 and self.process.poll() is None:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=\w+", self.output())
            if found:
                self.address, self.port = found[0], int(found[1])
                return self
            time.sleep(0.2)
        self.__exit__()
        raise Failed(f"rkd explore printed no address: {self.output()[-500:]}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def output(self):
        self.log.seek(0)
        return self.log.read()


def prepare(folder):
    "A line, two runs on it, and files to drop in."
    category_folder = make_lines(folder / "lines", ["washer"])[0]
    washer = find_category(folder / "lines", category_folder.name)
    runs = [run(make_recipe("quick", variant=variant, epochs=1), washer, folder / "runs", "cpu") for variant in ("full", "rd4ad")]
    (folder / "notes.png").write_text("this is no image")
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    (folder / "huge.png").write_bytes(bytes(51 * 2**20))
    return runs


class User:
    "A page in the browser and what a user does with it."

    def __init__(self, browser, address):
        self.page, self.errors = browser.new_page(viewport={"width": 1366, "height": 768}), []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.errors.append(f"a request to {request.url}")
                     if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")) else None)
        self.page.goto(address, timeout=PATIENCE)
        self.page.wait_for_selector(".rkd-explorer[data-ready]", timeout=PATIENCE)
        self.page.wait_for_selector(".rkd-row img", timeout=PATIENCE)

    def counts(self):
        cells = self.page.locator(".rkd-side [data-count]")
        return {cells.nth(i).get_attribute("data-count"): int(cells.nth(i).inner_text()) for i in range(cells.count())}

    def name(self):
        return self.page.locator(".rkd-side .rkd-name").inner_text()

    def until(self, question, sentence, seconds=60):
        "Wait until the page is as expected; the answer, or a failure with the sentence."
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = question()
            if answer:
                return answer
            self.page.wait_for_timeout(50)
        status = self.page.locator(".rkd-status").inner_text()
        raise Failed(f"{sentence} The page says: {status!r}; console: {self.errors}")

    def says(self, words):
        self.until(lambda: words in self.page.locator(".rkd-status").inner_text(), f"The page did not say {words!r}.")

    def drop(self, path):
        with self.page.expect_file_chooser() as chooser:
            self.page.locator(".rkd-upload button").click()
        chooser.value.set_files(path)

    def tab(self, title):
        self.page.get_by_role("tab", name=title).click()

    def photograph(self, name):
        "Pictures at all sizes, and the layout checked in each."
        for size, (width, height) in SIZES.items():
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.mouse.move(2, 2)
            self.page.wait_for_timeout(400)
            self.page.evaluate("document.querySelector('.rkd-data-root input').value = 'lines'")  # no machine's path in a picture
            check_layout(self.page, width, f"{name} at {width} x {height}")
            if PICTURES:
                self.page.screenshot(path=PICTURES / f"explorer-{name}-{size}.png")
        self.page.set_viewport_size({"width": 1366, "height": 768})
        self.page.wait_for_timeout(200)


PARTS = (".rkd-headline", ".rkd-status", ".rkd-side", ".rkd-stack", ".rkd-reading", ".rkd-tabs")


def positions(page):
    "Where the parts of the page lie: left, top, right, bottom."
    boxes = [page.locator(part).first.bounding_box() for part in PARTS]
    return {part: (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for part, box in zip(PARTS, boxes, strict=True)}


def check_layout(page, width, where):
    "Nothing overlaps, nothing is wider than the window, no text of a control is cut."
    found = positions(page)
    for part, (left, _, right, _) in found.items():
        expect(left >= 0 and right <= width + 1, f"{where}: {part} reaches from {left:.0f} to {right:.0f}, beyond the window.")
    for first, a in found.items():
        for second, b in found.items():
            apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
            expect(first == second or apart, f"{where}: {first} and {second} overlap.")
    wide = page.evaluate("document.documentElement.scrollWidth")
    expect(wide <= width, f"{where}: the page is {wide} pixels wide and has to be scrolled sideways.")
    cut = page.evaluate("""[...document.querySelectorAll(
        '.rkd-explorer button, .rkd-exact-threshold input, .rkd-explorer [role=tab], .rkd-side label, .rkd-explorer td, .rkd-explorer figcaption')]
        .filter(e => e.offsetParent && e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.innerText || e.value)""")
    expect(not cut, f"{where}: {cut} is cut off.")


def check_steps(user, scores):
    "Arrows, J and K and the buttons step through the images in their order."
    order = scores.sort_values("score", ascending=False, kind="stable").image.tolist()
    user.page.locator(".rkd-order select").select_option("highest score first")
    user.until(lambda: user.name() == order[0], f"Sorted by score the first image should be {order[0]}, not {user.name()}.")
    before = positions(user.page)
    for key, position in (("j", 1), ("ArrowRight", 2), ("J", 3), ("k", 2), ("ArrowLeft", 1)):
        user.page.evaluate("document.activeElement.blur()")
        user.page.keyboard.press(key)
        user.until(lambda position=position: user.name() == order[position], f"Key {key} should lead to {order[position]}.")
    user.page.locator(".rkd-next").click()
    user.until(lambda: user.name() == order[2], "The button 'next' did not step.")
    expect(positions(user.page) == before, "Parts of the page moved while stepping through images.")
    user.page.locator(".rkd-defect-type select").select_option("good")
    user.until(lambda: "/good/" in user.name(), "Choosing 'good' did not show a good image.")
    user.page.locator(".rkd-defect-type select").select_option("all test images")
    user.page.locator(".rkd-order select").select_option("worst error first")


def check_threshold(user, scores):
    "The counts follow the threshold, by buttons and by the slider's keys."
    normal, defective = scores.score[scores.label == 0], scores.score[scores.label == 1]
    user.page.locator(".rkd-no-alarm").click()
    clear, near = int((defective > normal.max()).sum()), int((normal >= defective.min()).sum())
    highest = {"found": clear, "missed": len(defective) - clear, "false alarm": 0, "passed": len(normal)}
    user.until(lambda: user.counts() == highest, f"Without false alarms the counts should be {highest}.")
    user.page.locator(".rkd-no-miss").click()
    lowest = {"found": len(defective), "missed": 0, "false alarm": near, "passed": len(normal) - near}
    user.until(lambda: user.counts() == lowest, f"Without misses the counts should be {lowest}.")
    before, charts = positions(user.page), user.page.locator(".rkd-charts").inner_html()
    handle = user.page.locator(".rkd-threshold [role=slider]")
    handle.focus()
    user.page.keyboard.press("End")
    nothing = {"found": 0, "missed": len(defective), "false alarm": 0, "passed": len(normal)}
    user.until(lambda: user.counts() == nothing, f"With the slider at its end the counts should be {nothing}.")
    expect(user.page.locator(".rkd-charts").inner_html() != charts, "The marks on the curves did not follow the threshold.")
    for _ in range(3):
        user.page.keyboard.press("PageDown")
    user.until(lambda: user.counts() != nothing or not user.errors, "The slider's keys did not move the threshold.")
    user.page.keyboard.press("Home")
    everything = {"found": len(defective), "missed": 0, "false alarm": len(normal), "passed": 0}
    user.until(lambda: user.counts() == everything, f"With the slider at its start the counts should be {everything}.")
    expect(positions(user.page) == before, "Parts of the page moved with the threshold.")
    exact = user.page.locator(".rkd-exact-threshold input")
    exact.fill(f"{defective.min() + 1e-4:.4f}")
    exact.press("Enter")
    user.until(lambda: user.counts()["missed"] >= 1, "A threshold typed as a number was not taken up.")
    exact.fill("0")
    exact.press("Enter")
    user.until(lambda: user.counts() == everything, f"At threshold 0 the counts should be {everything}.")
    drawn = user.page.locator(".rkd-outlines path").count()
    expect(drawn >= 2, "At the lowest threshold nothing is outlined.")
    user.page.locator(".rkd-no-miss").click()
    user.until(lambda: user.counts() == lowest, "The button 'no miss' did not work again.")


def check_reading(user):
    "Hover and click read values; labels and texts are there for a screen reader."
    box = user.page.locator(".rkd-map").first.bounding_box()
    user.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    value = user.page.locator("[data-reading=value]")
    user.until(value.count, "Hovering over the heatmap read no value.")
    first = user.page.locator(".rkd-reading").inner_text()
    user.page.mouse.click(box["x"] + 5, box["y"] + 5)
    user.until(lambda: user.page.locator(".rkd-reading").inner_text() != first, "A click elsewhere read no other value.")
    user.page.keyboard.press("Escape")
    for css in ("threshold", "position", "opacity"):
        label = user.page.locator(f".rkd-{css} [role=slider]").get_attribute("aria-label")
        expect(label, f"The slider {css} has no label for screen readers.")
    opacity = user.page.locator(".rkd-opacity [role=slider]")
    opacity.focus()
    user.page.keyboard.press("Home")
    user.until(lambda: user.page.evaluate("getComputedStyle(document.querySelector('.rkd-stack .rkd-heat')).opacity") == "0", "The overlay did not follow the opacity.")
    for _ in range(11):
        user.page.keyboard.press("ArrowRight")
    user.until(lambda: user.page.evaluate("getComputedStyle(document.querySelector('.rkd-stack .rkd-heat')).opacity") == "0.55", "The opacity did not return.")
    silent = user.page.evaluate("[...document.querySelectorAll('.rkd-row img')].filter(e => !e.hasAttribute('alt')).length")
    expect(silent == 0, f"{silent} images have no alternative text.")


def check_view(user):
    "A click makes a panel wide, the wheel zooms around the pointer, dragging moves, all panels share it, and Escape ends it."
    def seen():
        return user.page.evaluate("['--x', '--y', '--zoom'].map(name => Number(document.querySelector('.rkd-explorer').style.getPropertyValue(name)) || 0)")

    def panels():
        return user.page.evaluate("[...document.querySelectorAll('.rkd-stack .rkd-row')].map(row => [...row.children].filter(e => e.offsetParent).length)")
    small = user.page.locator(".rkd-map").first.bounding_box()
    expect(panels() == [4, 4], f"There should be four panels in two layers, not {panels()}.")
    user.page.mouse.click(small["x"] + 9, small["y"] + 9)
    user.until(lambda: panels() == [1, 1], "A click did not make a panel large.")
    large = user.page.locator(".rkd-map").first.bounding_box()
    expect(large["width"] > 1.8 * small["width"], f"The large panel is {large['width']:.0f} pixels wide, the small one {small['width']:.0f}.")
    if PICTURES:
        user.page.screenshot(path=PICTURES / "explorer-large.png")
    x, y = large["x"] + large["width"] * 0.75, large["y"] + large["height"] * 0.25

    def reads():
        "Whether the reading names the place under the pointer, nudged once more: three quarters to the right, one down."
        user.page.mouse.move(x + 1, y)
        user.page.mouse.move(x, y)
        words = user.page.locator(".rkd-reading").inner_text().replace(",", "").split()
        return len(words) > 6 and abs(int(words[1]) / int(words[5]) - 0.75) < 0.02 and abs(int(words[3]) / int(words[5]) - 0.25) < 0.02
    user.until(reads, "The large panel does not read the place under the pointer.")
    user.page.mouse.wheel(0, -400)
    zoomed = user.until(lambda: seen()[2] > 2 and seen(), f"The wheel did not zoom: {seen()}.")
    expect(abs(zoomed[0] + 0.75 * (zoomed[2] - 1)) < 0.02, f"The wheel did not zoom around the pointer: {zoomed}.")
    user.until(reads, "After zooming the same place reads another one.")
    user.page.mouse.down()
    user.page.mouse.move(x + 60, y + 30, steps=4)
    user.page.mouse.up()
    user.until(lambda: seen()[0] > zoomed[0] + 0.02, f"Dragging did not move the view: {zoomed}, then {seen()}.")
    expect(panels() == [1, 1], "Dragging made the panel small.")
    user.page.mouse.click(x, y)
    user.until(lambda: panels() == [4, 4], "A second click did not make the panel small.")
    moved = user.page.evaluate("new Set([...document.querySelectorAll('.rkd-stack .rkd-box > img')].map(e => getComputedStyle(e).transform.split(',')[0])).size")
    expect(moved == 1 and seen()[2] > 2, "The panels do not share one view.")
    user.page.keyboard.press("Escape")
    user.until(lambda: seen() == [0, 0, 1], "Escape did not show everything again.")


def check_own_image(user, folder, scores):
    "An image of one's own is scored; what is none, moves or is huge is refused with a sentence."
    user.tab("Your own image")
    row = scores.iloc[0]
    user.drop(folder / "lines" / "washer" / row.image)
    score = user.page.locator("[data-own=score]")
    user.until(score.count, "The uploaded image was not scored.", seconds=PATIENCE / 1000)
    expect(abs(float(score.inner_text()) - row.score) < 2e-3, f"The image scored {score.inner_text()}, but {row.score} in the run.")
    user.photograph("own-image")
    for name, words in (("notes.png", "is not an image in a format that is read"), ("moving.png", "it holds several pages or frames, not one picture"),
                        ("huge.png", "more than the 50 MB that can be sent")):
        user.drop(folder / name)
        user.says(words)
    before = user.name()
    user.page.locator(".rkd-next").click()
    user.until(lambda: user.name() != before, "The explorer did not step any more after files that it refused.")


def check_inside(user, other):
    "The scales, the teachers' shares, and the second run."
    user.tab("Scales and teachers")
    user.page.locator(".rkd-compute").click()
    user.until(lambda: user.page.locator(".rkd-five figure").count() == 5, "Scales and shares were not shown.", seconds=PATIENCE / 1000)
    user.photograph("scales")
    user.tab("Second run")
    user.until(lambda: other.name in user.page.locator(".rkd-tabs").inner_text(), "The second run is not shown.")
    user.photograph("compare")
    user.tab("Curves")


def check_bad_input(folder, run, port):
    "Wrong runs and a used port: one sentence and status 2."
    (folder / "partial").mkdir()
    outside = run.with_name("outside")
    shutil.copytree(run, outside)
    scores = pd.read_csv(run / "scores.csv")
    scores.assign(image=[str(folder / "secret.png"), *scores.image[1:]]).to_csv(outside / "scores.csv", index=False)
    seal(outside, ("scores.csv",))
    for words, sentence in {
        ("--run", folder / "partial"): "is not a finished run",
        ("--run", outside, "--data-root", folder / "lines"): "lies outside of the category's folder",
        ("--run", run, "--port", port): f"Port {port} is in use",
        ("--runs", folder / "lines"): "There is no run below",
    }.items():
        said = rkd("explore", *words, "--no-browser", status=2)
        expect(sentence in said and "Traceback" not in said, f"rkd explore {words} should say {sentence!r}, but said: {said[-300:]}")


def ask(server, path, headers):
    "A request as any program can send it: status, cookies and body."
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE / 1000)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        cookies = "; ".join(value.split(";")[0] for name, value in answer.getheaders() if name == "Set-Cookie")
        return answer.status, cookies, b"" if answer.status == 101 else answer.read()
    finally:
        connection.close()


def check_strangers(server):
    "Another host's name is refused even with the right token, and a websocket of another origin even with the right cookie."
    own, foreign = f"127.0.0.1:{server.port}", f"evil.example:{server.port}"
    page = "/?" + server.address.split("?")[1]
    for host, expected in ((own, 200), (f"localhost:{server.port}", 200), (foreign, 403), (f"127.0.0.1.evil.example:{server.port}", 403)):
        status, _, _ = ask(server, page, {"Host": host})
        expect(status == expected, f"With the right token and Host {host} the explorer answered {status}, not {expected}.")
    _, cookie, body = ask(server, page, {"Host": own})
    kernel = re.search(rb'"kernelId": ?"([^"]+)"', body)[1].decode()
    for path in (f"/api/kernels/{kernel}/channels", f"/voila/query/{kernel}"):
        for host, origin, expected in ((own, f"http://{own}", 101), (own, "http://evil.example", 403), (own, "null", 403), (foreign, f"http://{foreign}", 403)):
            status, _, _ = ask(server, path, {**WEBSOCKET, "Host": host, "Origin": origin, "Cookie": cookie})
            expect(status == expected, f"The websocket {path} with Host {host} and Origin {origin} answered {status}, not {expected}.")
    status, _, _ = ask(server, f"/api/kernels/{kernel}/channels", {**WEBSOCKET, "Host": own, "Origin": f"http://{own}"})
    expect(status == 403, f"Without a cookie the websocket to the kernel answered {status}, not 403.")


def hostile_run(folder, run):
    "A copy of a run whose category, images, defect types and folder are named like HTML."
    copy = run.parent / HOSTILE.replace("/", "")
    shutil.copytree(run, copy)
    scores = pd.read_csv(copy / "scores.csv")
    scores.assign(kind=HOSTILE, image=[f"{HOSTILE}{number}" for number in range(len(scores))]).to_csv(copy / "scores.csv", index=False)
    seal(copy, ("scores.csv",))
    provenance = json.loads((copy / "provenance.json").read_text())
    (copy / "provenance.json").write_text(json.dumps({**provenance, "category": HOSTILE}))
    return copy


def check_hostile(browser, folder, run):
    "Names stay names: on the page, as a second run, as an upload and in the contact sheet, whose policy runs no script even where one got in."
    copy = hostile_run(folder, run)
    with Server("--run", copy, "--run", run) as server:
        user = User(browser, server.address)
        user.until(lambda: user.name().startswith(HOSTILE), f"The image's name should be shown as it is, not as {user.name()!r}.")
        title = user.page.title()
        user.tab("Second run")
        user.page.locator(".rkd-next").click()
        user.tab("Your own image")
        shutil.copy(folder / "lines" / "washer" / pd.read_csv(run / "scores.csv").image[0], folder / HOSTILE.replace("/", ""))
        user.drop(folder / HOSTILE.replace("/", ""))
        user.until(user.page.locator("[data-own=score]").count, "The image with a hostile name was not scored.", seconds=PATIENCE / 1000)
        expect(user.page.title() == title and not user.errors, f"A name was run as a script: {user.page.title()!r}, {user.errors}")
    sheet = folder / "sheet.html"
    rkd("explore", "--run", copy, "--static", sheet)
    text, policy = sheet.read_text(), re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')
    injected = text.replace("<main>", f"<main>{HOSTILE}", 1)
    for content, runs in ((text, False), (injected, False), (policy.sub("", injected), True)):
        sheet.write_text(content)
        page = browser.new_page()
        page.goto(sheet.as_uri())
        page.wait_for_timeout(500)
        expect((page.title() == "1") == runs, f"A script in the contact sheet {'did not run without' if runs else 'ran in spite of'} the policy: {page.title()!r}.")
        shown = page.evaluate("getComputedStyle(document.querySelector('.heat')).backgroundImage.slice(0, 9)")
        expect(shown == 'url("data', f"The contact sheet shows no heatmap: {shown!r}.")
        if PICTURES and content == text:
            page.screenshot(path=PICTURES / "sheet-hostile.png")
        page.close()


CATEGORY = '<img src=x onerror="document.title=1">'  # a folder's name


def check_report(browser, folder, run):
    "A category's name is text in the report, and the report's policy runs no script."
    copy = folder / "hostile/mvtec" / CATEGORY / run.name
    shutil.copytree(run, copy)
    provenance = json.loads((copy / "provenance.json").read_text())
    (copy / "provenance.json").write_text(json.dumps({**provenance, "category": CATEGORY}))
    rkd("paper", "--preset", "quick", "--epochs", 1, "--draw-only", "--runs", "hostile", "--only", "summary,table1,figure5", "--name", "hostile", cwd=folder)
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "reports/hostile/index.html").as_uri())
    page.wait_for_timeout(1000)
    expect(page.title() != "1", "A category's name was run as a script in the report.")
    expect(CATEGORY in page.inner_text("body"), "The report does not show the category's name as text.")
    foreign = [url for url in asked if not url.startswith(("file:", "data:"))]
    expect(not foreign, f"The report asked for {foreign[:3]}.")
    if PICTURES:
        page.screenshot(path=PICTURES / "report-hostile.png", full_page=True)
    page.close()


def main():
    if PICTURES:
        PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as play:
        browser, folder = launch(play, *QUIET), Path(temporary)
        full, rd4ad = prepare(folder)
        scores = pd.read_csv(full / "scores.csv")
        words = ("--run", full, "--run", rd4ad, "--data-root", folder / "lines")
        with Server(*words) as server:
            answer = browser.new_page().request.get(f"http://127.0.0.1:{server.port}/", max_redirects=0)
            expect(answer.status in (302, 403), f"Without the token the explorer answered {answer.status}.")
            user = User(browser, server.address)
            check_steps(user, scores)
            check_threshold(user, scores)
            check_reading(user)
            check_view(user)
            user.photograph("curves")
            check_inside(user, rd4ad)
            check_own_image(user, folder, scores)
            check_strangers(server)
            check_bad_input(folder, full, server.port)
            with Server("--run", rd4ad) as second:
                expect(second.port != server.port, "Two explorers share one port.")
                other = User(browser, second.address)
                other.says("Images were not found")
                expect(user.name() and not other.errors, f"The second explorer's console has errors: {other.errors}")
            expect(not user.errors, f"The browser's console has errors: {user.errors}")
        check_hostile(browser, folder, full)
        check_report(browser, folder, full)
        browser.close()
    print("The explorer works in the browser.")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"{failure}")
