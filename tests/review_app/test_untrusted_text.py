"""Streamlit reads Markdown in most of its texts: a prompt with a picture in it would call its author's server.

So whatever is not a constant goes only where nothing is read as Markdown.
"""

import ast
from pathlib import Path

import pytest

from tests.navigation import APP

MARKDOWN = {
    *("markdown", "write", "caption", "title", "header", "subheader", "latex", "toast", "badge", "popover", "tabs"),
    *("error", "warning", "info", "success", "exception", "expander", "status", "spinner", "checkbox", "toggle"),
    *("radio", "pills", "segmented_control", "multiselect", "button", "form_submit_button", "download_button"),
    *("link_button", "page_link", "file_uploader", "image", "metric", "selectbox", "text_input", "text_area"),
    *("progress",),
}
"""Calls whose first argument, label, caption or help is read as Markdown."""

TEXTS = {"label", "body", "help", "caption", "captions", "text", "icon", "title"}
FILES = {"sys.stderr", "file"}
"""What else has a method `write`."""

NUMBERS_ONLY = {"len(rounds)", "done.waiting", "done.decided", "still", "approved", "len(ids)", "edit.round"}


NAMES_ONLY = {"sorted(desk.packs)", "PROFILES", "_MESSAGES"}
"""Lower-case words joined by hyphens or dots: a pack of another name is refused, the others are our own."""


def offences(source: str) -> list[str]:
    """Calls in a file that give something other than a constant to be read as Markdown."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr not in MARKDOWN:
            continue
        if ast.unparse(call.func.value) in FILES:
            continue
        texts = [keyword.value for keyword in call.keywords if keyword.arg in TEXTS]
        if call.func.attr != "progress":
            texts += call.args[:1]
        found += [f"line {call.lineno}: {ast.unparse(call)}" for text in texts if not is_safe(text)]
        if call.func.attr in ("radio", "pills", "segmented_control", "multiselect"):
            given = [*call.args[1:2], *(k.value for k in call.keywords if k.arg in ("options", "format_func"))]
            found += [f"line {call.lineno}: options of {ast.unparse(call)}" for each in given if not is_safe(each)]
    return found


def is_safe(text: ast.expr) -> bool:
    """A constant, a list of constants, or numbers in a constant text."""
    if isinstance(text, ast.List | ast.Tuple):
        return all(is_safe(each) for each in text.elts)
    if isinstance(text, ast.JoinedStr):
        values = [part for part in text.values if isinstance(part, ast.FormattedValue)]
        return all(ast.unparse(part.value) in NUMBERS_ONLY for part in values)
    if isinstance(text, ast.IfExp):
        return is_safe(text.body) and is_safe(text.orelse)
    return isinstance(text, ast.Constant) or ast.unparse(text) in NAMES_ONLY


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_that_others_wrote_is_read_as_markdown(path: Path) -> None:
    assert offences(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: path.name)
def test_no_page_lets_streamlit_encode_a_picture_or_run_html(path: Path) -> None:
    source = path.read_text("utf-8")
    for call in ("st.image(", "unsafe_allow_html", "unsafe_allow_javascript", "components.v1"):
        assert call not in source


@pytest.mark.parametrize(
    "line",
    [
        "st.markdown(prompt)",
        "st.caption(f'asset {name}')",
        "st.error(str(exc))",
        "st.button('Go', help=edit.title)",
        "left.write('a' + name)",
        "st.radio('Output', outputs)",
        "st.radio('Output', ['a'], format_func=name_of)",
    ],
)
def test_the_scan_finds_what_it_looks_for(line: str) -> None:
    assert len(offences(line)) == 1
