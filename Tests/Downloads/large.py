#!/usr/bin/python3
"""Reads an archive that needs Zip64, and prints its entries: name and length.

    large.py [--read] ARCHIVE

Local headers must say what the list says. With --read all bytes are read, and
their CRCs compared, here and by unzip.
"""

import struct
import subprocess
import sys
import zipfile

path = sys.argv[-1]
with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
    for entry in archive.infolist():
        file.seek(entry.header_offset)
        header = struct.unpack("<IHHHHHIIIHH", file.read(30))
        name, extra = file.read(header[9]), file.read(header[10])
        length = header[8]
        if length == 0xFFFFFFFF:
            kind, size, length, packed = struct.unpack("<HHQQ", extra)
            assert (kind, size, length) == (1, 16, packed), entry.filename
        assert header[0] == 0x04034B50 and name.decode() == entry.filename, entry.filename
        assert length == entry.file_size and header[6] == entry.CRC, entry.filename
    names = archive.namelist()
    for entry in archive.infolist() if len(names) < 100 else []:
        print(f"{entry.filename} {entry.file_size}")
    print(len(names))
    if "--read" in sys.argv:
        assert archive.testzip() is None
listed = subprocess.run(["bsdtar", "-tf", path], check=True, capture_output=True).stdout.decode().splitlines()
assert listed == names, "bsdtar lists others"
if "--read" in sys.argv:
    subprocess.run(["unzip", "-tqq", path], check=True, stdout=sys.stderr)
