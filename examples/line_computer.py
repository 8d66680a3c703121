"""Images in, verdicts out, on the computer beside the line: python line_computer.py DETECTOR IMAGE_OR_FOLDER [--threshold 1.5]

DETECTOR is what `rkd export` wrote: an .onnx file (needs onnxruntime), or an .xml file with its .bin (needs openvino). Besides, only NumPy and Pillow (11 or
newer) are needed. Images are read and resized as in training, to the bit: `Picture` and `fitted` are a short form of twoteacher_rkd.data.pictures and .images,
which this computer does not have; the notebook tutorials/conformance compares the two. The status is 0 if all images were judged, 1 if some could not be
used (they are named and the others are judged), 2 if the detector or the arguments are wrong."""
import argparse
import hashlib
import json
import os
import stat
import sys
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

FORMAT, FULL = "3", 65535  # of a detector's file; white in images of 16 bits where the file does not tell
SUFFIXES = ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .gif .ppm .pgm .pbm .pnm".split()
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP", "GIF", "PPM")
MOST_BYTES, MOST_PIXELS, MOST_SIDE, MOST_MEMORY = 2**29, 89_478_485, 2**16, 400 * 10**6  # of a file; of an image; of a side; bytes for decoding
WHOLE, BAND = 2**24, 2**22  # pixels: a larger image is resized in bands of this size
TURNS = {2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
         6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90}  # EXIF orientation -> how to turn
TRANSPOSED = {1: 5, 2: 8, 3: 7, 4: 6, 5: 1, 6: 4, 7: 3, 8: 2}  # orientation -> that of the transposed image
Image.MAX_IMAGE_PIXELS = None  # MOST_PIXELS is the limit here


def bands(width, height):
    step = max(1, BAND // width)
    return [(top, min(top + step, height)) for top in range(0, height, step)]


class Picture:  # an image as it is stored; `rows` gives parts of it in 8-bit RGB, the right way up
    def __init__(self, file, white):
        image = Image.open(file, formats=FORMATS)
        args = image.tile[0][3] if image.tile else ""
        raw = args if isinstance(args, str) else str((*args, "")[0])  # how pixels are stored, such as RGB;16B
        deep = ";16" in raw and not image.mode.startswith("I")  # colours of 16 bits: Pillow decodes the high bytes
        packed = image.format == "TIFF" and image.info.get("compression") != "raw" or image.info.get("progressive")
        memory = image.width * image.height * ((16 if image.format == "WEBP" else 10 if packed else 4) + 4 * (deep and white < FULL))
        if image.width * image.height > MOST_PIXELS or max(image.size) > MOST_SIDE or memory > MOST_MEMORY:
            raise ValueError(f"its {image.width} x {image.height} pixels are too many, or need too much memory while they are decoded")
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise ValueError("it holds several pages or frames, not one picture")
        if image.mode == "F" or image.format == "TIFF" and raw in tuple("RGBCMYK") and max(image.tag_v2.get(258, (8,))) > 8:
            raise ValueError("its values are floating-point, or planes of 16 bits; save it as PNG")
        self.low = self.low_bytes(file, image, raw) if deep and 255 < white < FULL else None
        image.load()
        smallest, largest = image.getextrema() if image.mode.startswith("I") else (0, 255)
        if deep:
            largest = max(image.getchannel(name).getextrema()[1] for name in image.getbands() if name != "A") << 8
        if smallest < 0 or largest > FULL or white == 255 < largest:
            raise ValueError(f"its values reach from {smallest} to {largest}, beyond the {8 if white == 255 else 16} bits of the training images")
        turn = image.getexif().get(0x0112, 1)
        self.image, self.turn = image, turn if turn in TRANSPOSED else 1
        self.scale = np.minimum((np.arange(FULL + 1, dtype=np.uint32) * 255 + white // 2) // white, 255).astype(np.uint8)
        self.transparent = image.has_transparency_data and self.partly_transparent()

    def low_bytes(self, file, image, raw):  # told that the two bytes come in the other order, Pillow decodes the low ones
        low = Image.open(file, formats=(image.format,))
        swapped = raw[:-1] + {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}[raw[-1]]
        low.tile = [tile._replace(args=swapped if isinstance(tile.args, str) else (swapped, *tile.args[1:])) for tile in low.tile]
        low.load()
        return low

    def partly_transparent(self):  # transparent parts become black; an alpha channel that is 0 everywhere is ignored
        parts = (self.image.crop((0, top, self.image.width, bottom)).convert("RGBA").getchannel("A") for top, bottom in bands(*self.image.size))
        least, most = zip(*(part.getextrema() for part in parts), strict=True)
        return min(least) < 255 and max(most) > 0

    def size(self, turn):
        return self.image.size[::-1] if turn >= 5 else self.image.size

    def rows(self, turn, top, bottom):
        width, height = self.size(turn)
        if turn in (3, 4, 7, 8):
            top, bottom = height - bottom, height - top
        box = (top, 0, bottom, width) if turn >= 5 else (0, top, width, bottom)
        image, low = (part and (part.crop(box).transpose(TURNS[turn]) if turn in TURNS else part.crop(box)) for part in (self.image, self.low))
        if image.mode.startswith("I"):
            return Image.fromarray(self.scale[np.asarray(image)]).convert("RGB")
        alpha = image.getchannel("A") if low and self.transparent else None
        if low:
            image = Image.fromarray(self.scale[np.asarray(image.convert("RGB")).astype(np.uint16) << 8 | np.asarray(low.convert("RGB"))])
        if alpha:
            image.putalpha(alpha)
        if self.transparent:
            image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA"))
        return image.convert("RGB")


def centred(image, across, down):  # on the ground of `letterbox`
    if image.size == (across, down):
        return image
    ground = Image.new("RGB", (across, down), (124, 116, 104))
    ground.paste(image, ((across - image.width) // 2, (down - image.height) // 2))
    return ground


def narrowed(rows, width, height, across, side):  # one of the two passes of Pillow's resizing, in bands; transposed
    narrow = Image.new("RGB", (side, height))
    for top, bottom in bands(across, height):
        narrow.paste(centred(rows(top, bottom), across, bottom - top).resize((side, bottom - top), Image.Resampling.BILINEAR), (0, top))
    return narrow.transpose(Transpose.TRANSPOSE)


def ground(size, canvas, letterbox):  # width and height of what is resized: for `letterbox` of the canvas's shape
    return tuple(max(size[k], -(-size[1 - k] * canvas[k] // canvas[1 - k])) if letterbox else size[k] for k in (0, 1))


def fitted(picture, turn, canvas, letterbox):  # the image as the model gets it
    width, height = picture.size(turn)
    across, down = ground((width, height), canvas, letterbox)
    if across * down <= WHOLE:
        return centred(picture.rows(turn, 0, height), across, down).resize(canvas, Image.Resampling.BILINEAR)
    if across > width or (not letterbox and height > width):
        return fitted(picture, TRANSPOSED[turn], canvas[::-1], letterbox).transpose(Transpose.TRANSPOSE)
    narrow = narrowed(lambda top, bottom: picture.rows(turn, top, bottom), width, height, across, canvas[0])
    return narrowed(lambda top, bottom: narrow.crop((0, top, narrow.width, bottom)), *narrow.size, down, canvas[1])


def check_shape(size, drawn):  # drawn: width and height for which the region of interest was drawn; None: there is none
    if drawn and abs(size[0] * drawn[1] - size[1] * drawn[0]) > max(sum(size), sum(drawn)) / 2:
        raise ValueError("it has {} x {} pixels, and the region was drawn for {} x {}, another shape".format(*size, *drawn))


def read_input(path, white, canvas, letterbox, drawn=None):  # uint8 (1, H, W, 3), and which part of the canvas the image reaches
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        status = os.fstat(file.fileno())
        if not (stat.S_ISREG(status.st_mode) and 0 < status.st_size <= MOST_BYTES):
            raise ValueError(f"it is no regular file of 1 to {MOST_BYTES} bytes")
        picture, reached = Picture(file, white), (slice(None), slice(None))
        size = picture.size(picture.turn)
        check_shape(size, drawn)
        if letterbox:
            edges = [((longest - extent) // 2, extent, longest, side) for extent, longest, side in zip(size, ground(size, canvas, True), canvas, strict=True)]
            reached = tuple(slice(side * first // longest, -(-side * (first + extent) // longest)) for first, extent, longest, side in edges[::-1])
        return np.asarray(fitted(picture, picture.turn, canvas, letterbox))[None], reached


def load(path):  # a function from images to maps, and what the file tells about itself
    if path.suffix == ".xml":
        import openvino
        network = openvino.Core().read_model(path)
        facts = {name: value if isinstance(value, str) else value.astype(str) for name, value in network.get_rt_info(["twoteacher_rkd"]).value.items()}
        compiled = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": facts["precision"]})  # OpenVINO's own choice moves the scores
        return lambda images: compiled(images)["map"], facts
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["map"], {"images": images})[0], session.get_modelmeta().custom_metadata_map


def digest(path, known):  # SHA-256 with zeros in the digest's place; OpenVINO's weights are in a second file
    weights = path.with_suffix(".bin").read_bytes() if path.suffix == ".xml" else b""
    return hashlib.sha256(path.read_bytes().replace(known.encode(), b"0" * 64) + weights).hexdigest()


def find_images(where):  # each image file once; what may hide images: folders, and images that cannot be opened; all else that is there
    paths, closed, others, seen = [], [], [], set()
    for path in sorted(where.iterdir()) if where.is_dir() else [where]:
        hidden, named = path.name.startswith("."), path.suffix.lower() in SUFFIXES
        image = named and not hidden and os.path.isfile(path)
        identity = (path.stat().st_dev, path.stat().st_ino) if image else None
        (paths if image and identity not in seen else closed if not (image or hidden) and (named or path.is_dir()) else others).append(path)
        seen.add(identity)
    return paths, closed, others


def main():
    parser = argparse.ArgumentParser(description="Call images normal or defective. The status is 1 if some could not be used.")
    parser.add_argument("detector", type=Path, help="an .onnx or .xml file that `rkd export` wrote")
    parser.add_argument("images", type=Path, help="an image, or a folder of them")
    parser.add_argument("--threshold", type=float, help="the lowest score of a defect; the file's own if not given")
    given = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        maps_of, facts = load(given.detector)
    except ImportError as error:
        parser.exit(2, f"{given.detector} needs the package {error.name}: pip install {error.name}.\n")
    except Exception as error:
        parser.exit(2, f"{given.detector} is missing, damaged or no detector ({str(error).splitlines()[0]}): export it again.\n")
    if facts.get("twoteacher_rkd_format") != FORMAT:
        parser.exit(2, f"{given.detector} has format {facts.get('twoteacher_rkd_format')}, and this program reads format {FORMAT}: export it again.\n")
    if digest(given.detector, facts.get("sha256", "missing")) != facts.get("sha256"):
        parser.exit(2, f"{given.detector} is damaged: its SHA-256 is not the one that was exported. Copy it again, or export it again.\n")
    threshold = np.float32(facts["threshold"] if given.threshold is None else given.threshold)
    if not np.isfinite(threshold):
        parser.exit(2, f"The threshold is {threshold}, no number that a score can reach: give a finite --threshold.\n")
    try:
        paths, closed, others = find_images(given.images)
    except OSError as error:
        parser.exit(2, f"{given.images} cannot be read ({error.strerror}): check its permissions.\n")
    if not paths:
        parser.exit(2, f"There is no image in {given.images}: give a file or folder with {' '.join(SUFFIXES)}.\n")
    white, canvas, letterbox = int(facts.get("white", FULL)), tuple(map(int, facts["canvas"].split("x"))), json.loads(facts["recipe"]).get("aspect") == "letterbox"
    drawn = tuple(map(int, facts["region_size"].split("x"))) if "region_size" in facts else None
    unused = int(bool(closed))
    for path in paths:
        try:
            image, reached = read_input(path, white, canvas, letterbox, drawn)
            values = maps_of(image)[0]  # the exported region of interest is applied in it, and lies within the images
            score = (values[reached] if facts["scored"] == "everywhere" else values).max()
            if not np.isfinite(score):
                raise ValueError(f"its score is {score}")
        except Exception as error:
            reason = f"it is none of {', '.join(FORMATS)}" if isinstance(error, UnidentifiedImageError) else str(error) or type(error).__name__
            print(f"{path} cannot be used as an image ({reason}): replace or remove it.", file=sys.stderr)
            unused = 1
        else:
            print(f"{path.name} {score:.4f} {'defect' if score >= threshold else 'normal'}", flush=True)
    for names, what in ((closed, "are folders, or images that cannot be opened, and were not judged"), (others, "are no images, or seen before")):
        if names:
            print(f"{len(names)} of {len(paths) + len(closed) + len(others)} entries {what}: {', '.join(path.name for path in names)}", file=sys.stderr)
    sys.exit(unused)


if __name__ == "__main__":
    main()
