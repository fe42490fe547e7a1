"""Libraries that stand in for the NVIDIA driver, CUDA and cuDNN, built by the C compiler.

ONNX Runtime's real CUDA provider runs on them: its choice of kernels, memory, bindings, streams and
profiler are true, what a convolution computes is not. Each .c file holds what needs thought; every
other function that the provider asks for is made up here and returns 0.
"""

from __future__ import annotations

import mmap
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

OnStandIns = Callable[..., str]
"""Runs a script, with variables of its environment, and returns what it prints."""

_HERE = Path(__file__).parent
_LIBRARIES = {
    "libcuda.so.1": "cuda.c",
    "libcudart.so.13": "cudart.c",
    "libcublas.so.13": "cublas.c",
    "libcublasLt.so.13": "cublaslt.c",
    "libcurand.so.10": "curand.c",
    "libcudnn.so.9": "cudnn.c",
}
_DEFINED = re.compile(r"^\w[\w \*]*?\b(\w+)\s*\([^;{]*\)\s*\{|^OPAQUE\((\w+)\)", re.MULTILINE)
PROVIDER = "libonnxruntime_providers_cuda.so"


def what_is_missing(capi: Path) -> str:
    """Say why the stand-ins cannot be built for the ONNX Runtime of a folder; empty if they can."""
    if not (capi / PROVIDER).exists():
        return f"the installed onnxruntime has no {PROVIDER}"
    lacking = [program for program in ("cc", "nm") if shutil.which(program) is None]
    return f"{' and '.join(lacking)} cannot be found" if lacking else ""


def build(capi: Path, folder: Path) -> Path:
    """Write the libraries that `capi`'s provider asks for into `folder` and return it."""
    wanted = _functions_asked_for(capi / PROVIDER)
    for library, name in _LIBRARIES.items():
        source = (_HERE / name).read_text()
        known = {n for found in _DEFINED.findall(source) for n in found if n}
        known |= {f"cudnn{deed}{n}" for n in known for deed in ("Create", "Destroy")}
        rest = sorted(wanted.get(library, set()) - known)
        made_up = "".join(f"int {function}() {{ return 0; }}\n" for function in rest)
        (folder / name).write_text(f"{source}\n{made_up}")
        (folder / "versions").write_text(f"{library} {{ global: *; }};\n")
        # The provider asks the driver and cuDNN for symbols without a version.
        versioned = library not in ("libcuda.so.1", "libcudnn.so.9")
        subprocess.run(
            ["cc", "-std=gnu11", "-O1", "-w", "-shared", "-fPIC", "-pthread"]
            + [f"-Wl,-soname,{library}", "-o", str(folder / library), str(folder / name)]
            + ([f"-Wl,--version-script={folder / 'versions'}"] if versioned else []),
            check=True,
        )
    return folder


def _functions_asked_for(provider: Path) -> dict[str, set[str]]:
    """Return, for each library, the functions that the provider links to or looks up by name."""
    listed = subprocess.run(
        ["nm", "-D", "--undefined-only", "--with-symbol-versions", str(provider)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wanted: dict[str, set[str]] = {}
    for symbol in (line.split()[-1] for line in listed.splitlines()):
        name, _, library = symbol.partition("@")
        if library.startswith("libcu"):
            wanted.setdefault(library, set()).add(name)
        elif re.match(r"cu[A-Z]", name):
            wanted.setdefault("libcuda.so.1", set()).add(name)
    with provider.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        names = re.findall(rb"\0(cudnn[A-Z]\w+)(?=\0)", content)
    wanted["libcudnn.so.9"] = {name.decode() for name in names}
    return wanted
