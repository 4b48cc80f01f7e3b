"""The simple keys of a policy as fields; each writes into the text, which stays the one truth."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from pipeline.routing import MEANINGS, Policy

Put = Callable[[str, Any], None]


def show(policy: Policy | None, put: Put) -> None:
    """The fields, as the text says; not to be changed while it is no policy.

    Args:
        policy: What the text says; None if it is no policy.
        put: Writes another value of a key into the text.
    """
    if policy is not None:
        st.session_state.update({_key(name): value for name, value in _values(policy).items()})
    options: dict[str, Any] = {"disabled": policy is None}

    def field(name: str, read: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
        def changed() -> None:
            put(name, read(st.session_state[_key(name)]))

        return {"key": _key(name), "help": MEANINGS[name], "on_change": changed, **options}

    st.toggle("Review everything", **field("review_everything"))
    kept, lost = field("always_review"), field("may_be_lost")
    st.pills(
        "Review even what the edit kept",
        ["logo", "text", "face", "quality", "detector"],
        selection_mode="multi",
        wrap=True,
        **kept,
    )
    st.pills(
        "May be lost without a look",
        ["logo", "text", "face", "quality", "detector"],
        selection_mode="multi",
        wrap=True,
        **lost,
    )
    left, right = st.columns(2)
    percent: dict[str, Any] = {"min_value": 0.0, "max_value": 100.0, "step": 1.0, "format": "%g"}
    left.number_input("Sample (%)", **percent, **field("sample_share", _share))
    right.number_input("Stop if bad (%)", placeholder="never", **percent, **field("most_bad", _share))
    left.number_input("Approvals", min_value=1, max_value=100, **field("approvals"))
    right.number_input("Most rounds", min_value=1, max_value=100, **field("most_rounds"))
    _legend()


def _legend() -> None:
    """The documented keys, beside the text."""
    with st.expander("What each key says"):
        st.text("\n\n".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items()).replace("`", ""))
        st.markdown(
            "Always reviewed, whatever stands here: what an edit introduced or altered, a detector that failed, "
            "several outputs to choose from, and a recipe that says so."
        )
    with st.expander("Further rules"):
        st.code(_RULES, language="toml")
        st.markdown(
            "An edit comes to people if any rule holds. `all`, `any` and `not` combine conditions. `kind`, `change`, "
            "`level`, `label`, `score` hold if one flag fits them all; `recipe`, `provider`, `outputs`, `cost_usd`, "
            "`round` look at the edit. Numbers take `at_least`, `at_most`, `above`, `below`."
        )


_RULES = """\
[[rule]]
name = "dear, or a logo that we are sure of"
when = { any = [{ cost_usd = { above = 0.5 } }, { kind = "logo", level = "sure" }] }
"""


def _values(policy: Policy) -> dict[str, Any]:
    return {
        "review_everything": policy.review_everything,
        "always_review": sorted(kind.value for kind in policy.always_review),
        "may_be_lost": sorted(kind.value for kind in policy.may_be_lost),
        "sample_share": policy.sample_share * 100,
        "most_bad": None if policy.most_bad is None else policy.most_bad * 100,
        "approvals": policy.approvals,
        "most_rounds": policy.most_rounds,
    }


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)


def _key(name: str) -> str:
    return f"policy_field_{name}"
