"""Pack onnxruntime-gpu for a machine with one kind of GPU and no package index.

The wheel holds code for every architecture, most of it for language models. Here stays that of ONNX
Runtime's own kernels for one architecture (`--all`: all code for it), without what inference does
not need. A pack for measuring only: users install the ordinary wheel.

    python pack_onnxruntime.py VERSION OUT.tar.xz [--arch 90] [--all] [--wheel FILE]

Needs the program `zstd`: libraries that nvcc 13 writes hold compressed code.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_34_x86_64")
NOT_NEEDED = (
    *("tensorrt", "transformers/", "quantization/", "tools/", "datasets/", "backend/"),
    "libonnxruntime.so",
)
CORE = (b"_ZN11onnxruntime4cuda", b"fpgeneric_cu")
"""What the names of its own kernels hold: its namespace, and the file of those outside it."""

ZSTD = b"\x28\xb5\x2f\xfd"
FATBIN = b"\x50\xed\x55\xba"
FEWEST = 20
"""Pieces of code below which the library's layout must have changed."""


def entries(library: bytearray) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield each piece of GPU code: its header, start, size, size when packed, architecture."""
    at = 0
    while (at := library.find(FATBIN, at)) >= 0:
        version, header = struct.unpack_from("<HH", library, at + 4)
        (size,) = struct.unpack_from("<Q", library, at + 8)
        if (version, header) != (1, 16):
            at += len(FATBIN)
            continue
        entry, end = at + header, at + header + size
        while entry < end:
            _, _, head, length = struct.unpack_from("<HHIQ", library, entry)
            (packed,) = struct.unpack_from("<I", library, entry + 16)
            (arch,) = struct.unpack_from("<I", library, entry + 28)
            yield entry, entry + head, length, packed or length, arch
            entry += head + length
        at = end


def keep(library: bytearray, arch: int, everything: bool) -> int:
    """Blank all GPU code but what is needed, and return how many pieces stay."""
    other = 75 if arch != 75 else 80
    kept = 0
    for entry, start, length, packed, found in entries(library):
        code = bytes(library[start : start + packed])
        if found == arch and not everything and code.startswith(ZSTD):
            unpacked = subprocess.run(["zstd", "-dcq"], input=code, capture_output=True, check=True)
            code = unpacked.stdout
        if found == arch and (everything or any(name in code for name in CORE)):
            kept += 1
            continue
        library[start : start + length] = bytes(length)
        if found == arch:
            # The driver passes over code for another GPU, and would trip over code that is blank.
            struct.pack_into("<I", library, entry + 28, other)
    return kept


def download(version: str, folder: str) -> Path:
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    target = ["--python-version=3.12", "--implementation=cp", *platforms, "-d", folder]
    subprocess.run([*pip, *target, f"onnxruntime-gpu=={version}"], check=True)
    return next(Path(folder).glob("*.whl"))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version")
    parser.add_argument("out", type=Path)
    parser.add_argument("--arch", type=int, default=90, help="compute capability times ten")
    parser.add_argument("--all", action="store_true", help="keep all code for it")
    parser.add_argument("--wheel", type=Path, help="instead of downloading it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or download(options.version, folder)
        site = Path(folder, "site")
        with zipfile.ZipFile(wheel) as archive:
            names = [
                name
                for name in archive.namelist()
                if not any(part in name for part in NOT_NEEDED)
                or (name.endswith("__init__.py") and name.count("/") <= 2)
            ]
            archive.extractall(site, names)
        (provider,) = site.rglob("libonnxruntime_providers_cuda.so")
        library = bytearray(provider.read_bytes())
        kept = keep(library, options.arch, options.all)
        if kept < FEWEST:
            print(f"only {kept} pieces of code found: the library's layout has changed")
            return 1
        provider.write_bytes(library)
        with tarfile.open(options.out, "w:xz", preset=6) as packed:
            packed.add(site, arcname=".")
    print(f"{options.out}: {kept} pieces of code, {options.out.stat().st_size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
