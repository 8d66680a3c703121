"""The built site in Chromium, at a desktop's and a phone's width: python .ci/test_site.py [FOLDER] [--shots FOLDER]

Every page that is looked at asks for nothing from another computer, breaks no rule of its policy, and is no wider than the window; formulas are drawn, and
the search finds `aupro`. The exit status is 0, or 1 after a sentence."""
import argparse
import functools
import http.server
import re
import sys
import threading
from pathlib import Path

from chromium import launch
from playwright.sync_api import sync_playwright

PAGES = ["index.html", "tutorials/method.html", "tutorials/own_line.html", "guides/own-images.html", "guides/troubleshooting.html", "guides/glossary.html",
         "reference/rkd.html", "reference/experiment.metrics.html", "method/06_losses.html", "explorer/02_panels.html", "paper/table7.html", "paper/claims.html",
         "paper/summary.html", "tutorials/decisions.html"]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


def look(browser, base, size, pages, shots):
    "What is wrong with some pages at a size."
    wrong = []
    context = browser.new_context(viewport={"width": SIZES[size][0], "height": SIZES[size][1]})
    page = context.new_page()
    page.on("request", lambda request: wrong.append(f"{page.url} asks for {request.url}") if not request.url.startswith((base, "data:", "blob:")) else None)
    page.on("console", lambda message: wrong.append(f"{page.url}: {message.text[:300]}") if message.type == "error" else None)
    page.on("response", lambda answer: wrong.append(f"{answer.url}: status {answer.status}") if answer.status >= 400 else None)
    for name in pages:
        page.goto(f"{base}/{name}", wait_until="load")
        page.wait_for_timeout(300)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 1:
            wrong.append(f"{name} is {wide} pixels wider than a {size}'s window")
        if page.locator(".math").count() and not page.locator("mjx-container").count():
            page.wait_for_timeout(3000)
            if not page.locator("mjx-container").count():
                wrong.append(f"{name} shows formulas as text")
        if page.locator("p", has_text=re.compile(r"\|\s*:[-–]")).count():
            wrong.append(f"{name} shows a table as text")
        if shots:
            page.screenshot(path=shots / f"{size}-{name.replace('/', '-').removesuffix('.html')}.png")
    page.goto(f"{base}/search.html?q=aupro", wait_until="load")
    page.wait_for_timeout(3000)
    found = page.locator("#search-results li a").all_inner_texts()
    if not any("etrics" in title for title in found):
        wrong.append(f"the search for aupro finds {found[:5]}")
    if shots:
        page.screenshot(path=shots / f"{size}-search.png")
    context.close()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1] / "_docs/html")
    parser.add_argument("--shots", type=Path)
    given = parser.parse_args()
    if given.shots:
        given.shots.mkdir(parents=True, exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(given.folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    with sync_playwright() as play:
        browser = launch(play)
        wrong = [sentence for size in SIZES for sentence in look(browser, base, size, PAGES, given.shots)]
        browser.close()
    for sentence in dict.fromkeys(wrong):
        print(sentence, file=sys.stderr)
    print(f"site: {len(set(wrong))} problem(s) on {len(PAGES)} pages at {len(SIZES)} sizes" + "; no request left the machine." * (not wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
