"""Everything about the package is in settings.ini; this file hands it to setuptools, and puts the notebooks that the commands need into the wheel."""
import json
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
CARRIED = (  # in nbs/, for `twoteacher_rkd.utils.notebooks_folder`
    "index.ipynb", "explore.ipynb", "guides/*.md", "paper/*.ipynb", "paper/manifest.yaml", "paper/Snakefile", "paper/profiles/**/*.yaml",
    "paper/evidence/*.csv", "paper/evidence/*.json", "paper/evidence/runs/**/*", "paper/evidence/peers/**/*", "paper/evidence/why/**/provenance.json")
config = ConfigParser(delimiters=["="])
config.read(HERE / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]


class WithNotebooks(build_py):
    "Collect the notebooks that the commands execute, without stored outputs and without those that define modules, beside the modules of a wheel."

    def run(self):
        super().run()
        if not self.editable_mode:
            for source in sorted({path for pattern in CARRIED for path in (HERE / "nbs").glob(pattern) if path.is_file()}):
                target = Path(self.build_lib, settings["lib_path"], "notebooks", source.relative_to(HERE / "nbs"))
                if source.suffix != ".ipynb" or not source.name[0].isdigit():
                    self.mkpath(str(target.parent))
                    carry(source, target)


def carry(source: Path, target: Path) -> None:
    "Copy a file; of a notebook, all but its outputs."
    if source.suffix != ".ipynb":
        shutil.copyfile(source, target)
        return
    book = json.loads(source.read_text(encoding="utf-8"))
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    target.write_text(json.dumps(book, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    author=settings["author"],
    keywords=settings["keywords"].split(),
    url=settings["git_url"] or None,
    license_files=["LICENSE"],
    classifiers=["Intended Audience :: Science/Research", "Intended Audience :: Manufacturing", "Topic :: Scientific/Engineering :: Image Recognition",
                 *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14))],
    cmdclass={"build_py": WithNotebooks},
    python_requires=f">={settings['min_python']}",
    packages=find_packages(include=["twoteacher_rkd*"]),
    package_data={"twoteacher_rkd": ["tables/*.csv", "weights/*", "explorer/*.js", "explorer/*.css"]},
    install_requires=settings["requirements"].split(),
    extras_require={
        extra: settings[f"{extra}_requirements"].split() for extra in ("dev", "export", "cluster", "peers", "docs")
    },
    entry_points={
        "console_scripts": settings["console_scripts"].split(),
        "nbdev": [f"{settings['lib_name']}={settings['lib_path']}._modidx:d"],
    },
)
