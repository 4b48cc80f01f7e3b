"""Checks that this machine can run a desk, each with what to do if not."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import packages_distributions
from pathlib import Path

from pipeline import kit_files
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.opening import open_provider
from pipeline.pool import WorkPool
from pipeline.providers import provider_names
from pipeline.providers.openai.ai_models import IMAGE_MODELS, ai_model_problems
from pipeline.store.running import queued_providers

_MIN_FREE_GB = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What.
        is_ok: Whether it is as it should be.
        found: What was found, and what to do if it is not well.
    """

    name: str
    is_ok: bool
    found: str


def examine(desk: Desk) -> Iterator[Check]:
    """Look at Python, the desk's folder and files, the weights and the libraries, one by one."""
    checks: list[tuple[str, Callable[[Desk], str]]] = [
        ("Python", _python),
        ("desk folder", _folder),
        ("free disk", _disk),
        ("policy", _policy),
        ("recipes", _recipes),
        ("weights", _weights),
        ("detectors", _detectors),
        ("OpenCV", _opencv),
        ("brand kit", _kit),
        ("memory", _memory),
        *((f"provider {name}", partial(_provider, name=name)) for name in _used_providers(desk)),
    ]
    for name, check in checks:
        try:
            yield Check(name, is_ok=True, found=check(desk))
        except (PicturedeskError, OSError) as exc:
            yield Check(name, is_ok=False, found=str(exc))


def _used_providers(desk: Desk) -> list[str]:
    """The providers over the network that this desk's settings or queue name."""
    named = {desk.settings.provider, *desk.settings.providers, *queued_providers(desk.db)} - {"local"}
    return sorted(named & set(provider_names()))


def _provider(desk: Desk, *, name: str) -> str:
    """Options and key; for OpenAI also whether our table of models is still right, by its own list."""
    return asyncio.run(_asked(desk, name))


async def _asked(desk: Desk, name: str) -> str:
    provider = open_provider(desk, name, WorkPool(1))
    try:
        ask = getattr(provider, "living_ai_models", None)
        if ask is None:
            return "its options can be read"
        found: dict[str, str | None] = await ask()
    finally:
        await provider.aclose()
    problems = ai_model_problems(found)
    if problems:
        raise PicturedeskError("; ".join(problems))
    return f"the key is good for {len([each for each in found if each.startswith(IMAGE_MODELS)])} image models"


def _python(_desk: Desk) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise PicturedeskError(f"{version} is not tested; use Python 3.11, 3.12 or 3.13")
    return version


def _folder(desk: Desk) -> str:
    with tempfile.NamedTemporaryFile(dir=desk.root):
        return str(desk.root)


def _disk(desk: Desk) -> str:
    free_gb = shutil.disk_usage(desk.root).free / 1e9
    if free_gb < _MIN_FREE_GB:
        raise PicturedeskError(f"{free_gb:.1f} GB; free some space, or put the desk elsewhere with --desk")
    return f"{free_gb:.1f} GB"


def _policy(desk: Desk) -> str:
    return f"{desk.policy.hash}, {len(desk.policy.rules)} further rules"


def _recipes(desk: Desk) -> str:
    return f"{len(desk.recipes)} recipes"


def _weights(desk: Desk) -> str:
    from pipeline.detectors.weights import default_cache_dir, installed_weights

    folder = desk.settings.cache or default_cache_dir()
    return ", ".join(path.name for path in installed_weights(Path(folder)))


def _detectors(desk: Desk) -> str:
    """Their options, and the keys of those that ask a service; none is asked, as each question costs money."""
    from pipeline.suites import suite_of

    return ", ".join(suite_of(desk.root, desk.settings).detectors)


def _kit(desk: Desk) -> str:
    """A reference that is too simple finds nothing by itself; its name in words.txt still does, where it is written."""
    folder = kit_files.kit_folder(desk)
    if not folder.is_dir():
        return "none"
    lost = kit_files.too_simple(desk)
    if lost:
        raise PicturedeskError(
            f"{', '.join(lost)}: too simple to be found by the look; put a more detailed picture of it, such as the "
            f"mark with its lettering, or its name into words.txt, in {folder}"
        )
    return f"{folder}"


def _opencv(_desk: Desk) -> str:
    """Several distributions own the folder cv2; pip sees no conflict, and the last one installed wins."""
    owners = sorted(set(packages_distributions().get("cv2", [])))
    if owners != ["opencv-python-headless"]:
        others = " ".join(owner for owner in owners if owner != "opencv-python-headless")
        raise PicturedeskError(
            f"found {', '.join(owners) or 'none'}; run: pip uninstall -y {others} && "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        )
    return owners[0]


def _memory(_desk: Desk) -> str:
    if not hasattr(os, "sysconf"):
        return "not known on this system"
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    needed_gb = 0.5 * (os.cpu_count() or 1)
    if total_gb < needed_gb:
        raise PicturedeskError(f"{total_gb:.1f} GB for {os.cpu_count()} workers; set PICTUREDESK_WORKERS=1")
    return f"{total_gb:.1f} GB"
