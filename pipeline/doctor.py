"""Checks that a desk can be worked on from this machine, each with what to do if not."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from pipeline import kit_files, tracing
from pipeline.clocks import ahead_s
from pipeline.desk import Desk, open_database
from pipeline.errors import PicturedeskError, UsageError
from pipeline.opening import open_provider
from pipeline.plurals import number_of
from pipeline.pool import WorkPool
from pipeline.provenance.marking import Marker
from pipeline.providers import Provider, provider_names
from pipeline.providers.openai.ai_models import IMAGE_MODELS, ai_model_problems
from pipeline.redacting import redacted
from pipeline.settings import FILE_NAME, read_settings
from pipeline.store import examining, measuring
from pipeline.store.running import queued_providers

_MIN_FREE_GB = 1.0
_LEAST_FREE_GB = 0.032
"""As the runner has it: with less, it sends nothing."""

_POSTGRES = range(15, 19)
_CONNECTIONS = 32
"""What one process may open at most, by `pipeline.store.engines`."""

_CLOCK_S = 2.0
"""Leases and limits by the minute are reckoned to the second."""

_SIGNING_DAYS = 30
"""What a new certificate may take to come."""

_FILES = 256
_NETWORK_FOLDERS = ("nfs", "cifs", "smb", "9p", "fuse.sshfs")
_PROBE = b"\x89PNG picturedesk doctor "


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What.
        level: How it is.
        found: What was found, and what to do if it is not well.
    """

    name: str
    level: Level
    found: str

    @property
    def is_ok(self) -> bool:
        """Whether work can be done."""
        return self.level is not Level.WRONG


class _Doubtful(Exception):
    """It works, and somebody should look at it."""


def open_unchecked(root: Path) -> Desk:
    """The desk in this folder, made if there is none; of one that is there, the database is not asked for anything.

    Settings alone, without a database of their own, are none.

    Raises:
        UsageError: Its settings do not fit.
    """
    root = root.expanduser().absolute()
    if not (root / FILE_NAME).exists():
        return Desk.open(root, create=True)
    settings = read_settings(root)
    if settings.database is None and not (root / "desk.db").exists():
        return Desk.open(root)
    return Desk(root, settings, open_database(root, settings))


def examine(desk: Desk, *, live: bool = False) -> Iterator[Check]:
    """Look at this machine, the desk's database and pictures, the weights and the providers' keys, one by one.

    Args:
        desk: The desk; its database may be away.
        live: Ask the providers, too: for free, and over the network.
    """
    checks: list[tuple[str, Callable[[Desk], str]]] = [
        ("Python", _python),
        ("desk folder", _folder),
        ("database", _database),
        ("tables", _tables),
        ("database's clock", _clock),
        ("pictures", _pictures),
        ("free disk", _disk),
        ("open files", _files),
        ("memory", _memory),
        ("engine", _engine),
        ("policy", _policy),
        ("recipes", _recipes),
        ("destinations", _destinations),
        ("weights", _weights),
        ("detectors", _detectors),
        ("OpenCV", _opencv),
        ("brand kit", _kit),
        ("fonts", _fonts),
        ("traces", _traces),
        ("origin", _origin),
        *((f"help desk {name}", partial(_help_desk, name=name)) for name in desk.settings.tickets),
        *([("inbox", _inbox)] if desk.settings.inbox else []),
        ("webhooks", _webhooks),
        *((f"channel {name}", partial(_channel, name=name)) for name in desk.settings.messages),
        *((f"provider {name}", partial(_provider, name=name, live=live)) for name in _used_providers(desk)),
    ]
    for name, check in checks:
        try:
            yield Check(name, Level.OK, check(desk))
        except _Doubtful as exc:
            yield Check(name, Level.WARNING, redacted(str(exc)))
        except (PicturedeskError, OSError) as exc:
            yield Check(name, Level.WRONG, redacted(str(exc)))


# The database and the pictures.


def _database(desk: Desk) -> str:
    """Whether what it says is written is written, and how far."""
    found = examining.facts(desk.db)
    if not examining.takes_back(desk.db):
        raise UsageError("a write that was taken back was seen, or stayed: this is no database to keep money in")
    said = f"{found.kind} {found.version}, {found.round_trip_s * 1000:.1f} ms for a question"
    if found.kind == "sqlite":
        mount = _mount_of(desk.root)
        if mount.startswith(_NETWORK_FOLDERS):
            raise UsageError(
                f"{said}, in a folder on the network ({mount}): locks do not hold there; move the desk to a disk of "
                "this machine, or set database to a PostgreSQL server"
            )
        if found.settings["journal_mode"] != "wal":
            raise _Doubtful(f"{said}, without write-ahead log: pages wait for the runner; is the folder writable?")
        return said
    if int(found.version.partition(".")[0]) not in _POSTGRES:
        raise _Doubtful(f"{said}: not tested; use PostgreSQL 15 to 18")
    unsafe = [name for name in ("synchronous_commit", "fsync", "full_page_writes") if found.settings[name] == "off"]
    if unsafe:
        raise _Doubtful(
            f"{said}, with {', '.join(f'{name} off' for name in unsafe)}: what was just paid may be forgotten when the "
            "server crashes; switch it on"
        )
    if int(found.settings["max_connections"]) < 2 * _CONNECTIONS:
        raise _Doubtful(
            f"{said}, for {found.settings['max_connections']} connections: a page and a worker may open "
            f"{_CONNECTIONS} each; raise max_connections"
        )
    return said


def _tables(desk: Desk) -> str:
    form, newest = measuring.form_of_tables(desk.db), measuring.newest_form()
    if form > newest:
        raise UsageError(f"form {form}, of a newer version than this one ({newest}); update picturedesk here")
    if form < newest:
        raise _Doubtful(f"form {form}; the next command that opens the desk brings them to {newest}: back up first")
    return f"form {form}"


def _clock(desk: Desk) -> str:
    found_s = examining.facts(desk.db).ahead_s
    if abs(found_s) > _CLOCK_S:
        said = f"{abs(found_s):.1f} s {'ahead of' if found_s > 0 else 'behind'} this machine's"
        raise _Doubtful(f"{said}: leases and limits go by it; set both by NTP")
    return "agrees with this machine's"


def _pictures(desk: Desk) -> str:
    """Write, read where it is kept, and remove one."""
    data = _PROBE + os.urandom(16)
    began = time.perf_counter()
    sha256 = desk.blobs.put(data, "image/png")
    try:
        desk.blobs.verify(sha256, "image/png")
    finally:
        desk.blobs.remove(sha256, "image/png")
    return f"{desk.blobs.shelf.title}: written, read and removed in {(time.perf_counter() - began) * 1000:.0f} ms"


# This machine.


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
    if free_gb < _LEAST_FREE_GB:
        raise UsageError(f"{free_gb:.3f} GB; nothing is sent until there is more: free some space")
    if free_gb < _MIN_FREE_GB:
        raise _Doubtful(f"{free_gb:.1f} GB; free some space, or put the desk elsewhere with --desk")
    return f"{free_gb:.1f} GB"


def _files(desk: Desk) -> str:
    """A request takes a connection and a file or two; the page takes one for each browser."""
    if find_spec("resource") is None:
        return "not known on this system"
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = _FILES + 4 * desk.settings.concurrency
    if 0 <= most < needed:
        raise _Doubtful(f"{most} at once, and {needed} may be needed; run: ulimit -n {max(4096, needed)}")
    return "as many as needed" if most < 0 else f"{most} at once"


def _memory(_desk: Desk) -> str:
    if not hasattr(os, "sysconf"):
        return "not known on this system"
    total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    needed_gb = 0.5 * (os.cpu_count() or 1)
    if total_gb < needed_gb:
        raise _Doubtful(f"{total_gb:.1f} GB for {os.cpu_count()} workers; set PICTUREDESK_WORKERS=1")
    return f"{total_gb:.1f} GB"


def _engine(desk: Desk) -> str:
    engine = desk.settings.engine
    if engine == "pool":
        return f"{desk.settings.workers or os.cpu_count()} processes of this machine"
    if find_spec("ray") is None:
        raise UsageError(f'{engine}: Ray is not installed; run: pip install "picturedesk[ray]", or set engine = "pool"')
    return f"Ray, {engine}"


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


def _traces(_desk: Desk) -> str:
    if not tracing.is_wanted():
        return "off"
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise UsageError('wanted, and OpenTelemetry is not installed; run: pip install "picturedesk[telemetry]"')
    return "sent to the collector that the environment names"


def _origin(desk: Desk) -> str:
    """What exported files say of how they were made, and who signs that."""
    settings = desk.settings.provenance
    identity = Marker(settings, desk.root).identity
    if not settings.marks:
        return "exported files say nothing of it"
    if identity is None:
        return "exported files say it in IPTC fields; nobody signs them"
    left = identity.valid_until - datetime.now(UTC)
    said = f"exported files say it, signed by {identity.name} until {identity.valid_until:%Y-%m-%d}"
    if left.days < _SIGNING_DAYS:
        raise _Doubtful(f"{said}: renew that certificate")
    return said


# What the desk goes by.


def _policy(desk: Desk) -> str:
    return f"{desk.policy.hash}, {number_of(len(desk.policy.rules), 'further rule')}"


def _recipes(desk: Desk) -> str:
    return number_of(len(desk.recipes), "recipe")


def _destinations(desk: Desk) -> str:
    oldest = min(pack.dated for pack in desk.packs.values())
    return f"{number_of(len(desk.packs), 'destination')}, their rules held against their sources on {oldest} or later"


def _help_desk(desk: Desk, *, name: str) -> str:
    """Whether its recipe and credentials are there; it is not asked."""
    from pipeline.tickets import load_help_desk
    from pipeline.tickets.receiving import tools_of
    from pipeline.tickets.working import check_recipe

    options = desk.settings.tickets[name]
    check_recipe(desk, name, options)
    load_help_desk(name, options, tools_of(desk)).close()
    return f"{options.kind} at {options.address}, recipe {options.recipe}"


def _inbox(desk: Desk) -> str:
    from pipeline.inbox import InboxWork

    assert desk.settings.inbox is not None
    waiting = number_of(InboxWork(desk, desk.settings.inbox).count_waiting(), "file")
    return f"{waiting} to be taken from {desk.settings.inbox.place}"


def _webhooks(desk: Desk) -> str:
    """Whether what happens is told; nobody is asked."""
    from pipeline.webhooks import endpoints

    if found := endpoints.doubtful(desk):
        raise _Doubtful(f"{'; '.join(found)}; see: picturedesk webhooks dead")
    return "nothing waits in vain"


def _channel(desk: Desk, *, name: str) -> str:
    from pipeline.webhooks import channels

    return channels.check(desk, name)


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
        raise UsageError(
            f"{', '.join(lost)}: too simple to be found by the look; put a more detailed picture of it, such as the "
            f"mark with its lettering, or its name into words.txt, in {folder}"
        )
    idle = kit_files.idle(desk)
    if idle:
        raise _Doubtful(
            f"{', '.join(idle)}: has too little detail to be looked for, others of its label are; replace it by a "
            f"larger or more detailed picture, or remove it from {folder}"
        )
    return f"{folder}"


def _fonts(desk: Desk) -> str:
    font = desk.settings.options_of("local").get("font")
    if not font:
        return "the built-in one: Latin letters only; set font under [providers.local] for other scripts"
    from PIL import ImageFont

    try:
        return " ".join(filter(None, ImageFont.truetype(str(font), 16).getname()))
    except OSError as exc:
        raise UsageError(
            f"{font} cannot be read as a font ({exc}); set font under [providers.local] to another"
        ) from exc


# The providers.


def _used_providers(desk: Desk) -> list[str]:
    """The providers over the network that this desk's settings or queue name."""
    try:
        queued = queued_providers(desk.db)
    except PicturedeskError:  # said by its own check
        queued = []
    named = {desk.settings.provider, *desk.settings.providers, *queued} - {"local"}
    return sorted(named & set(provider_names()))


def _provider(desk: Desk, *, name: str, live: bool) -> str:
    """Options and key; asked live, for OpenAI also whether our table of models is still right, by its own list."""
    return asyncio.run(_asked(desk, name) if live else _looked_at(desk, name))


async def _looked_at(desk: Desk, name: str) -> str:
    provider = open_provider(desk, name, WorkPool(1))
    try:
        _check_key(provider)
    finally:
        await provider.aclose()
    return "its options can be read, and its key is set; with --live it is asked"


async def _asked(desk: Desk, name: str) -> str:
    provider = open_provider(desk, name, WorkPool(1))
    try:
        _check_key(provider)
        ask = getattr(provider, "living_ai_models", None)
        found: dict[str, str | None] = {} if ask is None else await ask()
        clock = await _clock_of(provider)
    finally:
        await provider.aclose()
    if ask is None:
        return f"its key is set{clock}"
    problems = ai_model_problems(found)
    if problems:
        raise UsageError("; ".join(problems))
    return f"the key is good for {len([each for each in found if each.startswith(IMAGE_MODELS)])} image models{clock}"


def _check_key(provider: Provider) -> None:
    check = getattr(provider, "check_key", None)
    if check is not None:
        check()


async def _clock_of(provider: Provider) -> str:
    """What its clock says, by the date of any answer; it counts seconds."""
    url = getattr(getattr(provider, "options", None), "base_url", None)
    if url is None:
        return ""
    import httpx

    asked = datetime.now(UTC)
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.head(url)
        said = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError) as exc:
        raise _Doubtful(f"its address gave no date ({type(exc).__name__}); is there a proxy between?") from exc
    found_s = ahead_s(said, asked=asked, answered=datetime.now(UTC))
    if abs(found_s) > _CLOCK_S + 1:
        way = "ahead of" if found_s > 0 else "behind"
        raise _Doubtful(f"its clock is {abs(found_s):.0f} s {way} this machine's: set this one's by NTP")
    return ", and its clock agrees with this machine's"


def _mount_of(folder: Path) -> str:
    """The kind of file system, such as ext4; "" where that is not known."""
    try:
        lines = Path("/proc/mounts").read_text("utf-8").splitlines()
    except OSError:
        return ""
    mounts = [(fields[1], fields[2]) for fields in map(str.split, lines) if len(fields) > 2]
    within = [(place, kind) for place, kind in mounts if folder.resolve().is_relative_to(place.replace("\\040", " "))]
    return max(within, default=("", ""), key=lambda each: len(each[0]))[1]
