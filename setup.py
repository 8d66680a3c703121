"""Everything about the package is in settings.ini; this file hands it to setuptools."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

config = ConfigParser(delimiters=["="])
config.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]

setup(
    name=settings["lib_name"],
    version=settings["version"],
    description=settings["description"],
    long_description=Path("README.md").read_text(encoding="utf-8") if Path("README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    author=settings["author"],
    keywords=settings["keywords"].split(),
    python_requires=f">={settings['min_python']}",
    packages=find_packages(include=["twoteacher_rkd*"]),
    package_data={"twoteacher_rkd": ["tables/*.csv", "weights/*", "explorer/*.js", "explorer/*.css"]},
    install_requires=settings["requirements"].split(),
    extras_require={
        extra: settings[f"{extra}_requirements"].split() for extra in ("dev", "export", "cluster", "peers")
    },
    entry_points={
        "console_scripts": settings["console_scripts"].split(),
        "nbdev": [f"{settings['lib_name']}={settings['lib_path']}._modidx:d"],
    },
)
