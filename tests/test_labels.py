"""Labelled pictures: a table, or folders named by what is in them."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.labels import read_labels
from pipeline.values import Kind

FACE, TEXT, LOGO = Kind.FACE, Kind.TEXT, Kind.LOGO


def folders(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_a_table_says_yes_no_or_nothing(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("\ufefffile,face,text,logo,note\nsub/a.png,y,n,a,x\nb.png, N ,Y,y,\n", "utf-8")
    first, second = read_labels(table)
    assert (first.name, first.path) == ("sub/a.png", tmp_path / "sub" / "a.png")
    assert first.holds == {FACE: True, TEXT: False}
    assert second.holds == {FACE: False, TEXT: True, LOGO: True}
    assert read_labels(tmp_path) == [first, second], "a folder with a labels.csv is that table"


def test_a_folder_is_what_its_name_says(tmp_path: Path) -> None:
    folders(
        tmp_path, "face/a.jpg", "Face+Text/deep/b.PNG", "none/c.webp", "none/.hidden.png", "none/notes.txt", ".git/x"
    )
    assert {picture.name: picture.holds for picture in read_labels(tmp_path)} == {
        "face/a.jpg": {FACE: True, TEXT: False, LOGO: False},
        "Face+Text/deep/b.PNG": {FACE: True, TEXT: True, LOGO: False},
        "none/c.webp": {FACE: False, TEXT: False, LOGO: False},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,face\na.png,y\n", "expected rows with the columns file, face, text, logo"),
        ("file,face,text,logo\n", "expected rows"),
        ("file,face,text,logo\na.png,y,yes,n\n", r"labels.csv, line 2, text: found 'yes'; expected y, n, or a"),
        ("file,face,text,logo\na.png,y,n\n", r"line 2, logo: found None; expected y, n, or a"),
        ("file,face,text,logo\n,y,n,n\n", "line 2: found no file"),
    ],
)
def test_a_table_that_says_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "found no labelled pictures; expected labels.csv, or folders face, text, logo"),
        (("face/notes.txt",), "found no labelled pictures"),
        (("face/a.png", "cats/b.png"), r"cats: found a folder 'cats'; expected face, text, logo"),
        (("none+face/a.png",), r"found a folder 'none\+face'"),
        (("a.png",), r"a.png: a picture without a label; put it into a folder face"),
    ],
)
def test_folders_that_say_something_else_are_refused(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_labels(folders(tmp_path, *files))


def test_a_path_that_is_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone: No such file or directory; give a CSV file of labels, or a folder"):
        read_labels(tmp_path / "gone")
