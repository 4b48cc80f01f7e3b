"""Detectors' tables of the settings: what they may hold, and that they reach whoever looks."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline import detectors
from pipeline.detectors import check_options
from pipeline.detectors.picture import Picture
from pipeline.detectors.suite import SuiteOptions, fingerprints, frozen_tables, load_suite
from pipeline.errors import UsageError
from pipeline.settings import read_settings
from pipeline.suites import suite_of
from pipeline.values import Detection


class Recorder:
    """A stranger's detector, which keeps what it was told."""

    name = "recorder"
    version = "1"
    told: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, options: Mapping[str, Any]) -> None:
        Recorder.told = dict(options)

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        return []


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(detectors.BUILT_IN, "recorder", f"{__name__}:Recorder")
    return "recorder"


def desk_with(folder: Path, text: str) -> SuiteOptions:
    (folder / "picturedesk.toml").write_text(text, "utf-8")
    return suite_of(folder, read_settings(folder))


def test_a_detector_gets_its_whole_table_and_where_weights_and_logos_are(tmp_path: Path, recorder: str) -> None:
    toml = 'detectors = ["recorder"]\ncache = "/weights"\n[detector_options.recorder]\nboxes = [1, 2.5]\nword = "ü"\n'
    suite = desk_with(tmp_path, toml)
    load_suite(pickle.loads(pickle.dumps(suite)))
    assert Recorder.told == {"boxes": [1, 2.5], "word": "ü", "cache_dir": "/weights", "kit": None}
    assert hash(suite) == hash(desk_with(tmp_path, toml))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            '[detector_options.text]\nflagg = "sk-secret"\n',
            "detector_options.text has no option 'flagg'; there are: flag",
        ),
        (
            '[detector_options.logos]\nsize = "sk-secret"\n',
            "logos has no option 'size'; there are: flag, marks, runtime",
        ),
        ("[detector_options.text]\nflag = 1.5\n", r"text\.flag: found 1.5; expected a number from 0 to 1"),
        ("[detector_options.faces]\nflag = true\n", r"faces\.flag: found True; expected a number"),
        ('[detector_options.faces]\nflag = "nan"\n', r"faces\.flag: found 'nan'; expected a number"),
        ("[detector_options.tigers]\nflag = 1\n", "tigers: there is no such detector; there are: faces, text, logos"),
        ('[detector_options.text]\ncache_dir = "/x"\n', "text has no option 'cache_dir'; set cache"),
        ('detectors = ["tigers"]\n', "unknown detector 'tigers'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_before_a_picture_is_looked_at(
    tmp_path: Path, table: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        desk_with(tmp_path, table)
    assert "secret" not in str(caught.value)


def test_a_number_from_the_environment_is_text_and_fits() -> None:
    check_options("faces", {"flag": "0.5", "cache_dir": "/weights", "kit": None})


def test_the_fingerprint_names_the_options_of_the_detectors_in_use() -> None:
    def of(**tables: Any) -> dict[str, str]:
        return fingerprints(SuiteOptions("/weights", detectors=("text",), tables=frozen_tables(tables)))

    assert of(text={"flag": 0.5}) != of()
    assert of(text={"flag": 0.5}) != of(text={"flag": 0.6})
    assert of(faces={"flag": 0.5}) == of()


def test_the_fingerprint_names_the_model_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(ai_model: str, key: str) -> dict[str, str]:
        monkeypatch.setenv("OPENAI_API_KEY", key)
        tables = frozen_tables({"vision": {"ai_model": ai_model}})
        return fingerprints(SuiteOptions("/weights", detectors=("vision",), tables=tables))

    assert of("one", "sk-1") == of("one", "sk-2")
    assert of("one", "sk-1") != of("other", "sk-1")
