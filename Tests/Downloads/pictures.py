#!/usr/bin/python3
"""Makes pictures of every kind that pages can have.

    pictures.py DIRECTORY

writes them there, and to DIRECTORY/facts.tsv a line for each: name, format,
width, height, colour, bits, orientation, alpha, interlaced, and whether a PDF
can hold it as it is. Upright, each shows four quarters, red and green above
blue and white (or their greys), by which a rendering can be checked.

Needs Pillow (Debian: python3-pil).
"""

import os
import random
import struct
import sys
import zlib

from PIL import Image

QUARTERS = [(220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250)]
# What brings an upright picture into the form in which it is stored.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

directory = sys.argv[1]
lines = []


def upright(width, height):
    picture = Image.new("RGB", (width, height))
    for index, colour in enumerate(QUARTERS):
        left, top = index % 2 * (width // 2), index // 2 * (height // 2)
        picture.paste(colour, (left, top, width, height))
        if index % 2 == 0:
            picture.paste(QUARTERS[index], (0, top, width // 2, height))
    return picture


def note(name, kind, size, colour="unknown", bits=0, orientation=1, alpha=0, interlaced=0, pdf=0):
    lines.append([name, kind, size[0], size[1], colour, bits, orientation, alpha, interlaced, pdf])


def path(name):
    return os.path.join(directory, name)


def exif(orientation, order=">"):
    """A block with one foreign entry in front of the orientation."""
    mark = b"MM" if order == ">" else b"II"
    block = mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 2)
    block += struct.pack(order + "HHIHH", 0x0100, 3, 1, 7, 0)
    block += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + block + struct.pack(order + "I", 0)


def jpeg(name, picture, orientation=1, order=">", pdf=1, **options):
    if STORED[orientation] is not None:
        picture = picture.transpose(STORED[orientation])
    if orientation != 1:
        options["exif"] = exif(orientation, order)
    picture.save(path(name), "JPEG", quality=90, subsampling=0, **options)
    colour = {"L": "grey", "RGB": "rgb", "CMYK": "cmyk"}[picture.mode]
    note(name, "jpeg", picture.size, colour, 8, orientation, pdf=pdf)


def edit(name, change):
    with open(path(name), "rb") as file:
        content = file.read()
    with open(path(name), "wb") as file:
        file.write(change(content))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, width, height, kind, bits, row, colour, palette=None, alpha=0, piece=None, extra=b"", interlaced=0,
        pdf=1):
    """Rows of any depth, with a filter of their own each, in pieces of one size."""
    rows = [row(y) for y in range(height)]
    pixel = max(1, bits * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] // 8)
    filtered = bytearray()
    for y, content in enumerate(rows):
        above = rows[y - 1] if y else bytes(len(content))
        sort = y % 3
        filtered.append(sort)
        for x, byte in enumerate(content):
            before = content[x - pixel] if x >= pixel else 0
            filtered.append((byte - (0, before, above[x])[sort]) & 255)
    data = zlib.compress(bytes(filtered), 6)
    size = piece or max(1, len(data))
    with open(path(name), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)))
        if palette:
            file.write(chunk(b"PLTE", palette))
        file.write(extra)
        for start in range(0, len(data), size):
            file.write(chunk(b"IDAT", data[start : start + size]))
        file.write(chunk(b"tEXt", b"Comment\0behind the pixels"))
        file.write(chunk(b"IEND", b""))
    note(name, "png", (width, height), colour, bits, 1, alpha, interlaced, pdf)


def quarter(x, y, width, height):
    return (x >= width // 2) + 2 * (y >= height // 2)


def pack(numbers, bits):
    """Numbers of 1, 2, 4, 8 or 16 bits as a row."""
    if bits == 16:
        return b"".join(struct.pack(">H", number) for number in numbers)
    row, held, filled = bytearray(), 0, 0
    for number in numbers:
        held, filled = held << bits | number, filled + bits
        if filled == 8:
            row.append(held)
            held, filled = 0, 0
    if filled:
        row.append(held << 8 - filled)
    return bytes(row)


def grey_row(width, height, bits):
    levels = [level * ((1 << bits) - 1) // 3 for level in (0, 1, 2, 3)]
    return lambda y: pack([levels[quarter(x, y, width, height)] for x in range(width)], bits)


def rgb_row(width, height, bits):
    factor = 257 if bits == 16 else 1

    def row(y):
        return pack(
            [part * factor for x in range(width) for part in QUARTERS[quarter(x, y, width, height)]], bits)

    return row


def jpegs():
    for orientation in STORED:
        jpeg(f"exif{orientation}.jpg", upright(120, 80), orientation, ">" if orientation % 2 else "<")
    jpeg("grey.jpg", upright(97, 131).convert("L"))
    jpeg("rgb.jpg", upright(203, 301))
    jpeg("progressive.jpg", upright(150, 150), progressive=True)
    jpeg("cmyk.jpg", upright(160, 90).convert("CMYK"))
    jpeg("cmyk-exif6.jpg", upright(160, 90).convert("CMYK"), 6)
    jpeg("photo.jpeg", Image.effect_noise((640, 480), 90).convert("RGB"), pdf=2)
    jpeg("one.jpg", Image.new("RGB", (1, 1), (9, 9, 9)), pdf=2)
    jpeg("tall.jpg", Image.new("RGB", (2, 16000), (9, 9, 9)), pdf=2)
    # The frame far behind the beginning, markers with fill bytes in front.
    jpeg("far.jpg", upright(64, 96))
    segments = b"".join(b"\xff\xff\xff\xe2" + struct.pack(">H", 65535) + bytes(65533) for _ in range(9))
    edit("far.jpg", lambda content: content[:2] + segments + content[2:])
    # 12 bits by its header: no PDF can have that.
    jpeg("twelve.jpg", upright(32, 32), pdf=0)
    edit("twelve.jpg", lambda content: content.replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"))
    lines[-1][5] = 12


def pngs():
    for bits in (1, 2, 4, 8, 16):
        png(f"grey{bits}.png", 75, 51, 0, bits, grey_row(75, 51, bits), "grey", pdf=1 if bits > 1 else 2)
    png("rgb8.png", 121, 77, 2, 8, rgb_row(121, 77, 8), "rgb", piece=100)
    png("rgb16.png", 33, 77, 2, 16, rgb_row(33, 77, 16), "rgb", piece=7)
    colours = b"".join(bytes(colour) for colour in QUARTERS)
    for bits in (2, 4, 8):
        png(f"indexed{bits}.png", 61, 43, 3, bits,
            lambda y, bits=bits: pack([quarter(x, y, 61, 43) for x in range(61)], bits), "indexed", colours)
    row = lambda y: pack([quarter(x, y, 61, 43) for x in range(61)], 8)
    png("opaque.png", 61, 43, 3, 8, row, "indexed", colours, extra=chunk(b"tRNS", b"\xff\xff"))
    png("clear.png", 61, 43, 3, 8, row, "indexed", colours, 1, extra=chunk(b"tRNS", b"\xff\x00"), pdf=0)
    png("keyed.png", 75, 51, 0, 8, grey_row(75, 51, 8), "grey", None, 1, extra=chunk(b"tRNS", b"\0\0"), pdf=0)
    png("alpha.png", 9, 9, 6, 8, lambda y: bytes(36), "rgb", None, 1, pdf=0)
    png("grey-alpha.png", 9, 9, 4, 8, lambda y: bytes(18), "grey", None, 1, pdf=0)
    # One pixel is in order whichever way its rows are woven.
    png("interlaced.png", 1, 1, 2, 8, lambda y: b"\1\2\3", "rgb", interlaced=1, pdf=0)
    noise = random.Random(1)
    png("noise.png", 300, 400, 2, 8, lambda y: noise.randbytes(900), "rgb", piece=8192, pdf=2)


def others():
    picture = upright(90, 70)
    picture.save(path("lossy.webp"), "WEBP", quality=80)
    note("lossy.webp", "webp", picture.size)
    picture.save(path("lossless.webp"), "WEBP", lossless=True)
    note("lossless.webp", "webp", picture.size)
    clear = picture.convert("RGBA")
    clear.putalpha(100)
    clear.save(path("alpha.webp"), "WEBP", quality=80)
    note("alpha.webp", "webp", picture.size, alpha=1)
    picture.save(path("picture.gif"), "GIF")
    note("picture.gif", "gif", picture.size)


def avif():
    """Boxes as they are in such files: properties of a whole and of a tile, and pixels behind."""

    def box(kind, content):
        return struct.pack(">I", 8 + len(content)) + kind + content

    size = lambda width, height: box(b"ispe", struct.pack(">III", 0, width, height))
    properties = box(b"ipco", box(b"av1C", b"\x81\0\x0c\0") + size(64, 64) + size(512, 384))
    meta = box(b"meta", b"\0\0\0\0" + box(b"hdlr", bytes(24)) + box(b"iprp", properties + box(b"ipma", bytes(9))))
    with open(path("picture.avif"), "wb") as file:
        file.write(box(b"ftyp", b"mif1\0\0\0\0mif1avif") + box(b"free", b"") + meta)
        file.write(struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 16 + 999) + bytes(999))
    note("picture.avif", "avif", (512, 384))


os.makedirs(directory, exist_ok=True)
jpegs()
pngs()
others()
avif()
with open(path("facts.tsv"), "w") as file:
    for line in lines:
        file.write("\t".join(map(str, line)) + "\n")
