"""A desk: one folder with its settings, policy, recipes, database and pictures."""

import fcntl
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from pipeline.answers import SharedAnswers
from pipeline.blobs import BlobStore
from pipeline.errors import DeskBusy, UsageError
from pipeline.recipes import Recipe, builtin_folder, load_recipes
from pipeline.routing import DEFAULT_FILE as DEFAULT_POLICY
from pipeline.routing import FILE_NAME as POLICY_FILE
from pipeline.routing import Policy, read_policy
from pipeline.settings import DEFAULT_FILE as DEFAULT_SETTINGS
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.settings import Settings, read_settings
from pipeline.store import Database

DEFAULT_FOLDER = Path("data/desk")

LOCK_NAME = "run.lock"

_LOCK_WITHIN_S = 0.2
"""Somebody may be looking whether it is held, for a moment."""


class Desk:
    """An open desk.

    Args:
        root: Its folder.
        settings: Read from it.
        db: Its database, with tables of this version.
    """

    def __init__(self, root: Path, settings: Settings, db: Database) -> None:
        self.root = root
        self.settings = settings
        self.db = db
        self.blobs = BlobStore(root / (settings.pictures or "pictures"))
        self.answers = SharedAnswers(self.blobs.root / "answers") if settings.pictures else None

    @classmethod
    def open(cls, root: Path, *, create: bool = False, **options: Any) -> Self:  # noqa: ANN401 - Settings' fields
        """Open the desk in this folder.

        Args:
            root: The folder.
            create: Make the desk if there is none.
            options: Override settings; None counts as not given.

        Raises:
            UsageError: There is no desk, or its settings do not fit.
        """
        root = root.expanduser().absolute()
        if not (root / SETTINGS_FILE).exists():
            if not create:
                raise UsageError(f"there is no desk in {root}; make one with: picturedesk init {root}")
            create_files(root)
        settings = read_settings(root, **options)
        db = Database(f"sqlite:///{root / 'desk.db'}")
        db.upgrade()
        return cls(root, settings, db)

    @cached_property
    def policy(self) -> Policy:
        """What a person must see."""
        return read_policy(self.root / POLICY_FILE)

    @cached_property
    def recipes(self) -> Mapping[str, Recipe]:
        """The built-in recipes and the desk's own."""
        return known_recipes(self.root)

    def lock(self) -> FileLock:
        """The lock that the one process holds that sends edits.

        Raises:
            DeskBusy: Another process has it.
        """
        lock = FileLock(self.root / LOCK_NAME)
        try:
            lock.acquire(timeout=_LOCK_WITHIN_S, poll_interval=_LOCK_WITHIN_S / 4)
        except Timeout as exc:
            raise DeskBusy(
                f"another process is running {self.root}; wait for it, or look at its progress with: picturedesk status"
            ) from exc
        return lock

    def is_being_run(self) -> bool:
        """Whether some process holds the lock; who asks is in nobody's way."""
        try:
            file = os.open(self.root / LOCK_NAME, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def close(self) -> None:
        """Let go of the database."""
        self.db.close()


def known_recipes(root: Path) -> Mapping[str, Recipe]:
    """The built-in recipes, and those of the desk in this folder, which may not exist yet."""
    return load_recipes([folder for folder in (builtin_folder(), root / "recipes") if folder.is_dir()])


def create_files(root: Path) -> None:
    """Make the folder and the files of a new desk; files that exist stay as they are.

    Raises:
        UsageError: The folder cannot be made or written.
    """
    try:
        for folder in (root, root / "recipes", root / "brand-kit"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((SETTINGS_FILE, DEFAULT_SETTINGS), (POLICY_FILE, DEFAULT_POLICY)):
            if not (root / name).exists():
                temporary = root / f".{name}.{os.getpid()}"
                temporary.write_text(text, "utf-8")
                temporary.replace(root / name)
    except OSError as exc:
        raise UsageError(f"{root}: {exc.strerror}; choose a folder that can be written with --desk") from exc
