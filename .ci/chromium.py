"The browser in which explorer and site are tested: Chromium, or Chrome, which GitHub's machines have."
import shutil
import sys


def launch(play, *words):
    "A browser of a Playwright; where there is none, a sentence, and the test ends well."
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        print("Not tested in a browser: there is neither chromium nor google-chrome (.ci/browser installs Chromium on Debian).")
        sys.exit()
    return play.chromium.launch(executable_path=path, args=["--no-sandbox", *words])
