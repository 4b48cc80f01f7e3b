"""Who is at the page: who signed in, or on a desk where nobody signs in, the user of this machine."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from pipeline.errors import Unauthorized
from pipeline.people import canonical, local_person
from pipeline.settings import SignIn
from pipeline.states import Role
from review_app.tickets import Session


def session(settings: SignIn) -> Session:
    """Who is at this page.

    Raises:
        Unauthorized: Nobody who may be; says why.
    """
    if settings.is_local:
        person = local_person()
        return Session(person.name, person.role, int(time.time()), is_alone=True)
    name, granted = identity(settings, st.user.to_dict())
    return Session(name, granted, int(time.time()))


def identity(settings: SignIn, user: Mapping[str, Any]) -> tuple[str, Role | None]:
    """The name of somebody who signed in, and the role that their groups grant, if they grant any.

    Args:
        settings: Of the desk.
        user: What Streamlit says of them: claims of the provider, or headers of the proxy.

    Raises:
        Unauthorized: Nobody signed in, or they may not come in.
    """
    name = canonical(str(user.get("email") or ""))
    if not name or user.get("is_logged_in") is False:
        raise Unauthorized("nobody is signed in; sign in first")
    if str(user.get("email_verified")).lower() == "false":  # some providers say so in a word
        raise Unauthorized(f"{name}: the sign-in did not verify this address; verify it there")
    domain = name.rpartition("@")[2]
    if settings.allowed_domains and domain not in {each.lower() for each in settings.allowed_domains}:
        raise Unauthorized(f"{name}: this desk is not open to {domain}; ask an admin for it in allowed_domains")
    return name, _granted(settings, _groups(user.get(settings.groups_claim)))


def _granted(settings: SignIn, groups: Iterable[str]) -> Role | None:
    found = [settings.roles[group] for group in groups if group in settings.roles]
    return max(found, key=tuple(Role).index) if found else settings.default_role


def _groups(said: object) -> list[str]:
    if isinstance(said, str):
        return [each.strip() for each in said.split(",")]
    return [str(each) for each in said] if isinstance(said, list | tuple) else []
