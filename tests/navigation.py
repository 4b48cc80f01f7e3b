"""The pages that the navigation names, read from it, so that a test meets a new page without being told."""

import ast
from dataclasses import dataclass
from pathlib import Path

import review_app

APP = Path(review_app.__file__).parent


@dataclass(frozen=True)
class NamedPage:
    """A page of the navigation.

    Attributes:
        name: Of its file in app_pages/, without the ending.
        title: As the navigation and the page itself have it.
        path: In the address; "" for the first page.
    """

    name: str
    title: str
    path: str

    def __str__(self) -> str:
        return self.name


def pages() -> list[NamedPage]:
    """All pages, the first one first."""
    calls = [call for call in ast.walk(ast.parse((APP / "navigation.py").read_text("utf-8"))) if _is_page(call)]
    found = [_page(call) for call in calls if isinstance(call, ast.Call)]
    assert {page.name for page in found} == {path.stem for path in (APP / "app_pages").glob("*.py")} - {"__init__"}
    return sorted(found, key=lambda page: page.path != "")


def _is_page(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "st.Page"


def _page(call: ast.Call) -> NamedPage:
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    name = Path(ast.literal_eval(call.args[0])).stem
    return NamedPage(name, given["title"], "" if given.get("default") else given.get("url_path", name))
