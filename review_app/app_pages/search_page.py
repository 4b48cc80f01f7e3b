"""Search: every edit, whatever its state. The filters stand in the address, and each line leads to its asset."""

from typing import Any

import streamlit as st

from pipeline.states import EditState
from pipeline.store import reading, searching
from pipeline.store.reading import EditFilter
from pipeline.values import Change, Kind
from review_app import paging, workspace

MOST_COUNTED = 10_000  # counting on would read through all edits of the desk

desk = workspace.desk()


def chosen_filter() -> EditFilter:
    """What the fields above the table say."""
    name, batch_column, state_column, provider_column = st.columns([2, 1, 1, 1])
    kind_column, change_column, recipe_column = st.columns(3)
    has = name.text_input("Asset name contains", icon=":material/search:", key="name", bind="query-params")
    states = [state.value for state in EditState]
    batch = batch_column.selectbox("Batch", reading.batch_names(desk.db), **_any("batch"))
    state = state_column.selectbox("State", states, format_func=_words, **_any("state"))
    known = sorted({desk.settings.provider, *desk.settings.providers})
    provider = provider_column.selectbox("Provider", known, accept_new_options=True, **_any("provider"))
    kind = kind_column.selectbox("Flag", [kind.value for kind in Kind], **_any("flag"))
    change = change_column.selectbox("What the edit did to it", [change.value for change in Change], **_any("change"))
    recipe = recipe_column.selectbox("Recipe", sorted(desk.recipes), **_any("recipe"))
    return EditFilter(
        states=frozenset({EditState(state)} if state else ()),
        batch_id=reading.batch_id(desk.db, batch) if batch else None,
        kind=Kind(kind) if kind else None,
        change=Change(change) if change else None,
        recipe=recipe,
        provider=provider,
        name_has=(has or "").strip() or None,
    )


def _any(name: str) -> dict[str, Any]:
    return {"index": None, "placeholder": "any", "key": name, "bind": "query-params"}


def _words(state: str) -> str:
    return state.replace("_", " ")


def how_many(wanted: EditFilter) -> str:
    """The number of edits, or that there are more than are counted."""
    count = reading.count_edits(desk.db, wanted, most=MOST_COUNTED + 1)
    if count > MOST_COUNTED:
        return f"More than {MOST_COUNTED:,} edits, newest first."
    return "1 edit." if count == 1 else f"{count:,} edits, newest first."


def show(lines: list[searching.EditLine]) -> None:
    """The table."""
    st.dataframe(
        [
            {
                "open": f"asset?asset={line.asset_id}",
                "output": line.output_sha256 and workspace.preview_url(line.output_sha256),
                "asset": f"{line.name} ({line.variant})" if line.variant else line.name,
                "batch": line.batch,
                "state": _words(line.state),
                "round": line.round,
                "flags": ", ".join(line.flags),
                "recipe": line.recipe or "",
                "provider": line.provider,
                "changed (UTC)": line.updated_at.strftime("%Y-%m-%d %H:%M"),
            }
            for line in lines
        ],
        column_config={
            "open": st.column_config.LinkColumn("", display_text=":material/open_in_new:", width=40),
            "output": st.column_config.ImageColumn(width=64),
            "asset": st.column_config.TextColumn(width=160),
            "flags": st.column_config.TextColumn(width=220),
        },
        hide_index=True,
        row_height=56,
        height=620 if len(lines) > 10 else "content",
    )


st.title("Search")
wanted = chosen_filter()
lines = searching.search(desk.db, wanted, before=paging.begin_before(wanted), limit=paging.ROWS)
st.text(how_many(wanted))
if lines:
    show(lines)
paging.turn_buttons(wanted, lines[-1].edit_id if len(lines) == paging.ROWS else None)
