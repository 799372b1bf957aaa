"""Wheels that hold nothing but what they say of themselves, to try installing with."""

import base64
import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path


def wheel(folder: Path, name: str, version: str, *, needs: Iterable[str] = (), extras: Iterable[str] = ()) -> Path:
    """Write a wheel into ``folder``; ``needs`` are requirements as in ``Requires-Dist``."""
    plain = name.replace("-", "_")
    described = f"{plain}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {need}" for need in needs]
    files = {
        f"{plain}.py": f"VERSION = {version!r}\n",
        f"{described}/METADATA": "\n".join([*lines, "", ""]),
        f"{described}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items())
    path = folder / f"{plain}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**files, f"{described}/RECORD": f"{record}{described}/RECORD,,\n"}.items():
            archive.writestr(inside, text)
    return path


def pinned(path: Path, requirement: str) -> str:
    """A line of a lock file for this wheel."""
    return f"{requirement} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
