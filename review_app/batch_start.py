"""Starting a batch, in two steps: what is brought and wanted, then what it would cost. Nothing is queued in between."""

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pipeline import uploads
from pipeline.desk import Desk
from pipeline.errors import ManifestError, PicturedeskError, UsageError
from pipeline.money import dollars
from pipeline.people import Person
from pipeline.recipes import Parameter, ParameterType
from pipeline.states import Role
from pipeline.uploads import Draft, Quote, Wish
from review_app import workspace

PICTURES, URLS, MANIFEST = "Pictures", "List of URLs", "Manifest"
SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536", "2048x2048")
QUALITIES = ("low", "medium", "high")

_LOCAL = "local"
_NOWHERE = "none: nothing is held against a shop's rules"
_KEPT: dict[str, Any] = {"persist_state": "session"}


def show(desk: Desk, person: Person, *, done: str) -> None:
    """The step that is due.

    Args:
        desk: The desk.
        person: Who is here.
        done: The page's view to go to once the batch is started.
    """
    if not person.may(Role.REQUESTER):
        st.text(f"You may look at batches. To start one takes a {Role.REQUESTER}: ask an admin for that role.")
    elif "draft" in st.session_state:
        draft, quote = st.session_state["draft"]
        _second_step(desk, person, draft, quote, done=done)
    else:
        _first_step(desk, person)


def _first_step(desk: Desk, person: Person) -> None:
    left, right = st.columns([1, 1], gap="large")
    with left:
        name = st.text_input("Name", placeholder="autumn-hats", key="start-name", **_KEPT)
        kinds: dict[str, Any] = {"default": PICTURES, "required": True, "key": "start-from", **_KEPT}
        kind = str(st.segmented_control("From", ["Pictures", "List of URLs", "Manifest"], **kinds))
        brought = _brought(kind)
    with right:
        wish = _wish(desk, is_for_rest=kind == MANIFEST)
    if st.button("Estimate", type="primary", icon=":material/calculate:"):
        try:
            with st.spinner("Reading what was brought"):
                draft = _draft(desk, person, kind, name, brought, wish)
                quote = uploads.estimate(desk, draft, by=person)
        except PicturedeskError as exc:
            st.error("Nothing was started.", icon=":material/error:")
            st.text(str(exc))
        else:
            st.session_state["draft"] = (draft, quote)
            st.session_state["brought"] = st.session_state.get("brought", 0) + 1  # new fields, without files
            _let_go(kind, brought)
            st.rerun()


def _brought(kind: str) -> Any:  # noqa: ANN401 - files or text
    """What was brought; empty or None if nothing was."""
    number = st.session_state.get("brought", 0)
    if kind == PICTURES:
        return st.file_uploader("Pictures", accept_multiple_files=True, key=f"pictures-{number}")
    if kind == URLS:
        about: dict[str, Any] = {"height": 220, "placeholder": "https://...", "key": "start-urls", **_KEPT}
        return st.text_area("One https address to the line", **about).strip()
    types = [suffix.removeprefix(".") for suffix in uploads.MANIFEST_SUFFIXES]
    manifest = st.file_uploader("Manifest: CSV or JSON lines", type=types, key=f"manifest-{number}")
    pictures = st.file_uploader(
        "Pictures that it names by file name", accept_multiple_files=True, key=f"beside-{number}"
    )
    return None if manifest is None else (manifest, pictures)


def _wish(desk: Desk, *, is_for_rest: bool) -> Wish:
    if is_for_rest:
        st.text("For rows of the manifest that say neither:")
    goes = tuple(st.multiselect("Destinations", sorted(desk.packs), placeholder=_NOWHERE, key="start-goes", **_KEPT))
    about: dict[str, Any] = {
        "index": None,
        "placeholder": "none: the instruction below",
        "key": "start-recipe",
        **_KEPT,
    }
    recipe = st.selectbox("Recipe", sorted(desk.recipes), **about)
    if recipe is None:
        example = "replace the background with white"
        about = {"height": 100, "placeholder": example, "key": "start-prompt", **_KEPT}
        prompt = st.text_area("Instruction", **about).strip()
        parameters = {}
    else:
        st.text(desk.recipes[recipe].description.replace("\n", " "))
        prompt = ""
        numbers = desk.packs[goes[0]].numbers if goes else {}
        parameters = {} if is_for_rest else _parameters(recipe, desk.recipes[recipe].parameters, numbers)
    options = {} if is_for_rest else _options(desk)
    return Wish(prompt=prompt or None, recipe=recipe, parameters=parameters, destinations=goes or None, **options)


def _parameters(recipe: str, wanted: tuple[Parameter, ...], numbers: Mapping[str, str]) -> dict[str, str]:
    """What fills the recipe; empty fields stand for what the destination asks for, or else for its defaults."""
    given = {}
    columns = st.columns(2)
    for number, parameter in enumerate(wanted):
        with columns[number % 2]:
            # Written by whoever wrote the recipe: text, and no label, which would be read as Markdown.
            st.text(parameter.name.replace("_", " ") + (" (needed)" if parameter.required else ""))
            about: dict[str, Any] = {"key": f"parameter-{recipe}-{number}", "label_visibility": "collapsed", **_KEPT}
            if parameter.type is ParameterType.CHOICE:
                index = parameter.choices.index(parameter.default) if parameter.default else None
                given[parameter.name] = st.selectbox("Parameter", parameter.choices, index=index, **about) or ""
            else:
                shown = numbers.get(parameter.from_destination, parameter.default) or parameter.description
                given[parameter.name] = st.text_input("Parameter", placeholder=shown, **about)
    return {name: value for name, value in given.items() if value.strip()}


def _options(desk: Desk) -> dict[str, Any]:
    """Who makes it, where the settings know several."""
    known = uploads.providers(desk)
    provider = known[0]
    if len(known) > 1:
        provider = st.selectbox("Provider", known, key="start-provider", **_KEPT)
    if provider == _LOCAL:
        return {"provider": provider}
    model, size, quality = st.columns(3)
    usual = {name: str(desk.settings.options_of(provider).get(name, "as usual")) for name in ("ai_model", "size")}
    usual["quality"] = str(desk.settings.options_of(provider).get("quality", "as usual"))
    other: dict[str, Any] = {"index": None, "accept_new_options": True, **_KEPT}
    return {
        "provider": provider,
        "ai_model": model.text_input("Model", placeholder=usual["ai_model"], key="start-model", **_KEPT) or None,
        "size": size.selectbox("Size", SIZES, placeholder=usual["size"], key="start-size", **other),
        "quality": quality.selectbox("Quality", QUALITIES, placeholder=usual["quality"], key="start-quality", **other),
    }


def _draft(desk: Desk, person: Person, kind: str, name: str, brought: Any, wish: Wish) -> Draft:  # noqa: ANN401
    if kind == URLS:
        return uploads.draft_urls(desk, name, brought, wish, by=person)
    if kind == PICTURES:
        return uploads.draft_pictures(desk, name, [(each.name, each) for each in brought], wish, by=person)
    if brought is None:
        raise UsageError("there is no manifest; choose one")
    manifest, pictures = brought
    files = [(each.name, each) for each in pictures]
    return uploads.draft_manifest(desk, name, (manifest.name, manifest), files, wish, by=person)


def _let_go(kind: str, brought: Any) -> None:  # noqa: ANN401 - files or text
    """What is on disk leaves the memory: Streamlit would keep uploads until the session ends."""
    context = get_script_run_ctx()
    files = context.uploaded_file_mgr if context is not None else None
    if context is None or kind == URLS or not isinstance(files, MemoryUploadedFileManager):
        return
    for file in brought if kind == PICTURES else (brought[0], *brought[1]):
        files.remove_file(context.session_id, file.file_id)


def _second_step(desk: Desk, person: Person, draft: Draft, quote: Quote, *, done: str) -> None:
    st.subheader("Estimate")
    st.text(f"{draft.batch}{': added to the batch of that name' if quote.is_known else ', a new batch'}")
    _figures(quote)
    if quote.lines:
        _show_lines(quote)
    if quote.problems:
        _show_problems(quote)
    usd = _budget(person, quote) if quote.edits else None
    with st.container(horizontal=True):
        args = [desk, draft, quote, usd, done]
        about: dict[str, Any] = {"type": "primary", "on_click": _start, "args": args, "disabled": not quote.edits}
        st.button("Start the good rows" if quote.bad else "Start", icon=":material/play_arrow:", **about)
        st.button("Back", icon=":material/arrow_back:", on_click=_forget, args=[draft])
    if (message := st.session_state.get("start-problem")) is not None:
        st.error("Nothing was started.", icon=":material/error:")
        st.text(message)


def _figures(quote: Quote) -> None:
    cost = dollars(quote.low_microusd, quote.unpriced)
    if quote.high_microusd != quote.low_microusd:
        cost = f"{dollars(quote.low_microusd)} to {dollars(quote.high_microusd, quote.unpriced)}"
    minutes = max((line.minutes for line in quote.lines if line.minutes is not None), default=None)
    edits, price, already, bad, time = st.columns([1, 2, 1, 1, 1])
    edits.metric("edits to make", f"{quote.edits:,}")
    price.metric("cost", cost.replace("$", "\\$"))  # two of them would set what is between as a formula
    if quote.unchanged:
        already.metric("there already", f"{quote.unchanged:,}")
    if quote.bad:
        bad.metric("bad rows", f"{quote.bad:,}")
    if minutes is not None:
        time.metric("at the rate limit", f"{math.ceil(minutes):,} min")


def _show_lines(quote: Quote) -> None:
    st.dataframe(
        [
            {
                "provider": line.provider,
                "model": line.ai_model,
                "edits": line.edits,
                "at least": dollars(line.low_microusd, line.unpriced),
                "at most": dollars(line.high_microusd, line.unpriced),
                "minutes at the rate limit": "" if line.minutes is None else f"{line.minutes:.1f}",
            }
            for line in quote.lines
        ],
        hide_index=True,
    )


def _show_problems(quote: Quote) -> None:
    st.warning("These rows cannot be made as they are.", icon=":material/warning:")
    rows = [
        {"line": each.lines, "column": each.column, "found": each.found, "expected": each.expected}
        for each in quote.problems[:1_000]
    ]
    st.dataframe(rows, hide_index=True, height=320 if len(rows) > 8 else "content")


def _budget(person: Person, quote: Quote) -> float | None:
    """What the batch may cost: the high estimate, unless somebody said it before."""
    if quote.unpriced:
        st.text("The price of some edits is not known, so a budget would hold them back; the desk's own caps hold.")
        return None
    if quote.is_known and not person.may(Role.APPROVER):
        said = "nothing was said" if quote.budget_microusd is None else dollars(quote.budget_microusd)
        st.text(f"Budget of the batch: {said}. To change it takes an {Role.APPROVER}.")
        return None
    known = quote.budget_microusd or 0
    proposed = math.ceil((quote.high_microusd + known) / 10_000) / 100
    usd = st.number_input(
        "Budget in US dollars, all runs of the batch together",
        min_value=0.0,
        value=proposed or None,
        placeholder="none",
        step=1.0,
        key="start-budget",
        width=420,
    )
    return None if usd is None else float(usd)


def _start(desk: Desk, draft: Draft, quote: Quote, usd: float | None, done: str) -> None:
    st.session_state.pop("start-problem", None)
    try:
        uploads.start(desk, draft, budget_usd=usd, by=workspace.person(), skip_bad=bool(quote.bad))
    except ManifestError:
        st.session_state["start-problem"] = "What was brought has changed since; estimate it again."
    except PicturedeskError as exc:
        st.session_state["start-problem"] = str(exc)
    else:
        del st.session_state["draft"]
        st.session_state["view"] = done
        for name in ("start-name", "start-urls", "start-prompt"):
            st.session_state.pop(name, None)


def _forget(draft: Draft) -> None:
    uploads.discard(draft)
    st.session_state.pop("draft", None)
    st.session_state.pop("start-problem", None)
