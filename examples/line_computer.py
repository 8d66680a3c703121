"""Images in, verdicts out, on a computer with onnxruntime, Pillow and NumPy: python line_computer.py detector.onnx IMAGE_OR_FOLDER [--threshold 1.5]"""
import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

FORMAT = "2"  # of the files that this program reads
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def read_image(path: Path) -> np.ndarray:  # uint8 (1, H, W, 3)
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"its mode is {image.mode}, not 8-bit grey or RGB")
    return np.asarray(image.convert("RGB"))[None]


parser = argparse.ArgumentParser(description="Call images normal or defective. The status is 1 if some could not be read.")
parser.add_argument("detector", help="an .onnx file that `rkd export` wrote")
parser.add_argument("images", type=Path, help="an image, or a folder of them")
parser.add_argument("--threshold", type=float, help="the lowest score of a defect; the file's own if not given")
given = parser.parse_args()
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
try:
    session = onnxruntime.InferenceSession(given.detector, options, providers=["CPUExecutionProvider"])
except Exception as error:
    parser.exit(2, f"{given.detector} is missing, damaged or no ONNX file ({str(error).splitlines()[0]}): export it again.\n")
facts = session.get_modelmeta().custom_metadata_map
if facts.get("twoteacher_rkd_format") != FORMAT:
    parser.exit(2, f"{given.detector} has format {facts.get('twoteacher_rkd_format')}, and this program reads format {FORMAT}: export it again.\n")
digest = facts.get("sha256", "missing")  # of the file with zeros in the digest's place
if hashlib.sha256(Path(given.detector).read_bytes().replace(digest.encode(), b"0" * 64)).hexdigest() != digest:
    parser.exit(2, f"{given.detector} is damaged: its SHA-256 is not the one that was exported. Copy it again, or export it again.\n")
if given.threshold is not None and not np.isfinite(given.threshold):
    parser.exit(2, f"--threshold {given.threshold} is no number that a score can reach: give a finite one.\n")
found = given.images.iterdir() if given.images.is_dir() else [given.images]
paths = sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
if not paths:
    parser.exit(2, f"There is no image in {given.images}: give a file or folder with {' '.join(SUFFIXES)}.\n")
override = {} if given.threshold is None else {"threshold": np.array(given.threshold, np.float32)}
unreadable = 0
for path in paths:
    try:
        image = read_image(path)
    except Exception as error:
        print(f"{path} cannot be used as an image ({error}): replace or remove it.", file=sys.stderr)
        unreadable = 1
        continue
    score, defect = session.run(["score", "defect"], {"images": image, **override})
    print(f"{path.name} {score[0]:.4f} {'defect' if defect[0] else 'normal'}", flush=True)
sys.exit(unreadable)
