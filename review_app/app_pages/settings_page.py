"""Settings: what a person must see, recipes, the brand kit, who may do what, who is told, and the rest."""

from collections.abc import Callable

import streamlit as st

from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import Role
from review_app import workspace
from review_app.settings import brand_kit, general, notices, people, policy, recipes, webhooks

_SHOW: dict[str, Callable[[Desk, Person], None]] = {
    "Policy": policy.show,
    "Recipes": recipes.show,
    "Brand kit": brand_kit.show,
    "People": people.show,
    "Webhooks": webhooks.show,
    "General": general.show,
}

desk = workspace.desk()
person = workspace.person()

st.title("Settings")
section = st.segmented_control(
    "Section",
    ["Policy", "Recipes", "Brand kit", "People", "Webhooks", "General"],
    required=True,
    default="Policy",
    key="section",
    bind="query-params",
    label_visibility="collapsed",
)
if not person.may(Role.ADMIN):
    st.info("You can look at these settings; an admin changes them.")
notices.show()
_SHOW[section](desk, person)
