#!/usr/bin/python3
"""Has archives read by the programs that people have, and compares what they find with the pages.

    archives.py [--every-page] LIST

A line of LIST is KIND (zip or pdf), an archive and a file that says what must
be in it, with tabs between. That file has a line for each entry: its name and
the file whose bytes it must have; or, for an archive inside, its name, KIND
and the file that says what must be in that. A PDF's lines are `-` and the
picture. The title of a PDF is its first line: `title` and the text.

Needs unzip, bsdtar, qpdf, mutool, pdfinfo, pdftoppm, pdfimages and Pillow.
"""

import os
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

from PIL import Image, ImageChops, ImageOps, ImageStat

problems = []
counts = {"archives": 0, "entries": 0, "documents": 0, "pages": 0, "rendered": 0}
every_page = "--every-page" in sys.argv


def require(condition, what):
    if not condition:
        problems.append(what)


def run(*command, name, allowed=(0,)):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode("utf-8", "replace")
    require(done.returncode in allowed, f"{name}: {command[0]} ends with {done.returncode}: {text[-400:]}")
    return text


def read(path):
    with open(path, "rb") as file:
        return file.read()


def expectation(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def entries_in_order(name, content):
    """As one reads who cannot seek: every header must be complete."""
    position, found = 0, []
    while content[position : position + 4] == b"PK\x03\x04":
        version, flags, method, time, date, crc, packed, size, length, extra = struct.unpack_from(
            "<HHHHHIIIHH", content, position + 4)
        require(method == 0, f"{name}: method {method}")
        require(flags == 1 << 11, f"{name}: flags {flags}")
        require(packed == size, f"{name}: lengths differ")
        position += 30
        entry = content[position : position + length].decode("utf-8")
        position += length + extra
        require(zlib.crc32(content[position : position + size]) == crc, f"{name}: CRC of {entry} in front of it")
        found.append((entry, content[position : position + size]))
        position += size
    require(content[position : position + 4] in (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06"),
            f"{name}: something at {position}")
    return found


def check_zip(name, path, lines, inside=False):
    counts["archives"] += 1
    content = read(path)
    found = entries_in_order(name, content)
    require([entry for entry, _ in found] == [line[0] for line in lines],
            f"{name}: entries {[entry for entry, _ in found]}, not {[line[0] for line in lines]}")
    with zipfile.ZipFile(path) as archive:
        require(archive.testzip() is None, f"{name}: zipfile")
        require(archive.namelist() == [entry for entry, _ in found], f"{name}: the list differs from the entries")
    if found:
        run("unzip", "-tqq", path, name=name)
        run("bsdtar", "-tf", path, name=name)
        with tempfile.TemporaryDirectory() as place:
            run("bsdtar", "-xf", path, "-C", place, name=name)
            unpacked = sum(len(files) for _, _, files in os.walk(place))
            require(unpacked == len(found), f"{name}: bsdtar unpacks {unpacked} of {len(found)}")
    names = [entry.lower() for entry, _ in found]
    require(len(set(names)) == len(names), f"{name}: names are not unique")
    for (entry, data), line in zip(found, lines):
        counts["entries"] += 1
        if len(line) == 2:
            require(line[1] == "*" or data == read(line[1]), f"{name}: bytes of {entry}")
            continue
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            check(f"{name}/{entry}", line[1], file.name, expectation(line[2]))


def check_pdf(name, path, lines):
    counts["documents"] += 1
    title = lines[0][1]
    pictures = [line[1] for line in lines[1:]]
    text = run("qpdf", "--check", path, name=name)
    require("No syntax or stream encoding errors" in text, f"{name}: qpdf: {text}")
    require("WARNING" not in text, f"{name}: qpdf: {text}")
    text = run("mutool", "info", "-M", path, name=name)
    require("error" not in text and "warning" not in text, f"{name}: mutool: {text}")
    text = run("pdfinfo", "-enc", "UTF-8", path, name=name)
    require(re.search(r"^Pages: +%d$" % len(pictures), text, re.M), f"{name}: pdfinfo: {text}, not {len(pictures)}")
    if title:
        require(f"Title:           {title}\n" in text, f"{name}: pdfinfo: {text}, not {title!r}")
    numbers = range(1, len(pictures) + 1) if every_page else sorted({1, len(pictures)})
    for number in numbers:
        check_page(name, path, number, pictures[number - 1])
    counts["pages"] += len(pictures)


def check_page(name, path, number, picture):
    with tempfile.TemporaryDirectory() as place:
        page = ["-f", str(number), "-l", str(number), path]
        said = run("pdftoppm", "-r", "72", *page, f"{place}/page", name=name)
        require(said == "", f"{name}: pdftoppm of page {number}: {said}")
        said = run("mutool", "draw", "-q", "-r", "72", "-o", f"{place}/other.ppm", path, str(number), name=name)
        # Debian's has been built without.
        said = said.replace("warning: ICC support is not available\n", "")
        require(said == "", f"{name}: mutool of page {number}: {said}")
        if picture.endswith((".jpg", ".jpeg")):
            run("pdfimages", "-all", *page, f"{place}/raw", name=name)
            raw = [file for file in os.listdir(place) if file.startswith("raw")]
            require(len(raw) == 1 and read(f"{place}/{raw[0]}") == read(picture),
                    f"{name}: page {number} does not have the bytes of {picture}")
        with Image.open(picture) as original:
            original.info.pop("transparency", None)
            upright = ImageOps.exif_transpose(original)
            tolerance = 60 if upright.mode == "CMYK" else 6
            if upright.mode.startswith("I"):
                upright = upright.point(lambda level: level / 257).convert("L")
            upright = upright.convert("RGB")
        for file in sorted(os.listdir(place)):
            if not file.endswith(".ppm") or file.startswith("raw"):
                continue
            with Image.open(f"{place}/{file}") as rendered:
                shown = rendered.convert("RGB")
            # Large and tiny pictures are scaled to what a page can be.
            wished = upright.resize(shown.size, Image.Resampling.NEAREST)
            if max(upright.size) <= 14400 and min(upright.size) >= 3:
                require(shown.size == upright.size, f"{name}: page {number} is {shown.size}, not {upright.size}")
            difference = max(ImageStat.Stat(ImageChops.difference(shown, wished)).mean)
            require(difference <= tolerance, f"{name}: page {number} differs from {picture} by {difference}")
            counts["rendered"] += 1


def check(name, kind, path, lines):
    if kind == "zip":
        check_zip(name, path, lines)
    else:
        check_pdf(name, path, lines)


for kind, path, expected in expectation(sys.argv[-1]):
    check(os.path.basename(path), kind, path, expectation(expected))
print(" ".join(f"{value} {name}" for name, value in counts.items()))
for problem in problems[:20]:
    print("PROBLEM", problem)
sys.exit(1 if problems or not counts["archives"] + counts["documents"] else 0)
