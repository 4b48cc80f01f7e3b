"""A desk: one folder with its settings, policy, recipes, database and pictures."""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pipeline.answers import SharedAnswers
from pipeline.blobs import blob_place, open_blobs
from pipeline.crew import living
from pipeline.destinations.packs import FOLDER as PACKS_FOLDER
from pipeline.destinations.packs import Pack, known_packs
from pipeline.errors import UsageError
from pipeline.kept_policies import keep_policy
from pipeline.recipes import FOLDER as RECIPES_FOLDER
from pipeline.recipes import Recipe, builtin_folder, load_recipes
from pipeline.rereading import Reread
from pipeline.routing import DEFAULT_FILE as DEFAULT_POLICY
from pipeline.routing import FILE_NAME as POLICY_FILE
from pipeline.routing import Policy, parse_policy_text, policy_text
from pipeline.settings import DEFAULT_FILE as DEFAULT_SETTINGS
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.settings import Settings, read_settings
from pipeline.store import Database, chain

DEFAULT_FOLDER = Path("data/desk")


class Desk:
    """An open desk; policy, recipes, destinations and reasons to reject are always as their files are now.

    Args:
        root: Its folder.
        settings: Read from it.
        db: Its database, with tables of this version.
    """

    def __init__(self, root: Path, settings: Settings, db: Database) -> None:
        self.root = root
        self.settings = settings
        self.db = db
        self.blobs = open_blobs(
            blob_place(settings.blobs, root=root, options=settings.blobs_options, cache_mb=settings.blobs_cache_mb)
        )
        self.answers = SharedAnswers(self.blobs.shelf) if settings.blobs else None
        self._policy = Reread(lambda: [root / POLICY_FILE], self._read_policy)
        self._recipes = Reread(lambda: _own_files(root / RECIPES_FOLDER), lambda: known_recipes(root))
        self._packs = Reread(lambda: _own_files(root / PACKS_FOLDER), lambda: known_packs(root))
        self._reject_reasons = Reread(lambda: [root / SETTINGS_FILE], self._read_reject_reasons)

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        create: bool = False,
        even_moved: bool = False,
        **options: Any,  # noqa: ANN401 - Settings' fields
    ) -> Self:
        """Open the desk in this folder.

        Args:
            root: The folder.
            create: Make the desk if there is none.
            even_moved: Open what is left of a desk that was moved to another database, to look at it.
            options: Override settings; None counts as not given.

        Raises:
            UsageError: There is no desk, or its settings do not fit.
            DeskMoved: It goes on in another database.
        """
        root = root.expanduser().absolute()
        if not (root / SETTINGS_FILE).exists():
            if not create:
                raise UsageError(f"there is no desk in {root}; make one with: picturedesk init {root}")
            create_files(root)
        settings = read_settings(root, **options)
        db = open_database(root, settings)
        db.upgrade()
        if not even_moved:
            chain.check_is_here(db)
        return cls(root, settings, db)

    @property
    def policy(self) -> Policy:
        """What a person must see.

        Raises:
            PolicyError: The file cannot be read as a policy.
        """
        return self._policy.now()

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """The built-in recipes and the desk's own.

        Raises:
            RecipeError: A file cannot be read as a recipe.
        """
        return self._recipes.now()

    @property
    def packs(self) -> Mapping[str, Pack]:
        """What destinations ask for: those that come with the desk, and its own.

        Raises:
            PackError: A file cannot be read as a pack.
        """
        return self._packs.now()

    @property
    def reject_reasons(self) -> tuple[str, ...]:
        """What a reviewer chooses from."""
        return self._reject_reasons.now()

    def read_again(self) -> None:
        """Take up what this process has just written."""
        for each in (self._policy, self._recipes, self._packs, self._reject_reasons):
            each.forget()

    @cached_property
    def tallies(self) -> Database:
        """Counts of what was decided and spent, kept beside the database."""
        from pipeline.store.tallies import open_tallies

        return open_tallies(self.root)

    def is_being_run(self) -> bool:
        """Whether some worker lives that sends what is queued."""
        return bool(living(self.db))

    def close(self) -> None:
        """Let go of the database."""
        self.db.close()
        if "tallies" in self.__dict__:
            self.tallies.close()

    def _read_policy(self) -> Policy:
        path = self.root / POLICY_FILE
        text = policy_text(path)
        policy = parse_policy_text(text, str(path))
        keep_policy(self.root, policy.hash, text)
        return policy

    def _read_reject_reasons(self) -> tuple[str, ...]:
        """As the file says by now; the other settings hold from the start of a process on, and so do their mistakes."""
        try:
            return read_settings(self.root).reject_reasons
        except UsageError:
            return self.settings.reject_reasons


def _own_files(folder: Path) -> Iterator[Path]:
    """What changes if one of a desk's own files does."""
    yield folder
    yield from sorted(folder.glob("*.toml"))


def open_database(root: Path, settings: Settings) -> Database:
    """The database of the desk in this folder; its tables may be of another version.

    Raises:
        UsageError: The setting is no URL of a database.
    """
    try:
        return Database(settings.database or f"sqlite:///{root / 'desk.db'}")
    except ValueError as exc:
        raise UsageError(f"settings of {root}: database: {exc}") from exc


def known_recipes(root: Path) -> Mapping[str, Recipe]:
    """The built-in recipes, and those of the desk in this folder, which may not exist yet."""
    return load_recipes([folder for folder in (builtin_folder(), root / RECIPES_FOLDER) if folder.is_dir()])


def create_files(root: Path) -> None:
    """Make the folder and the files of a new desk; files that exist stay as they are.

    Raises:
        UsageError: The folder cannot be made or written.
    """
    try:
        for folder in (root, root / RECIPES_FOLDER, root / "brand-kit"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in ((SETTINGS_FILE, DEFAULT_SETTINGS), (POLICY_FILE, DEFAULT_POLICY)):
            if not (root / name).exists():
                temporary = root / f".{name}.{os.getpid()}"
                temporary.write_text(text, "utf-8")
                temporary.replace(root / name)
    except OSError as exc:
        raise UsageError(f"{root}: {exc.strerror}; choose a folder that can be written with --desk") from exc
