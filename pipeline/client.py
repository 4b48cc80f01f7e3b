"""A client of a desk's HTTP API, for other programs: needs httpx and nothing else of this package.

::

    with Client("http://127.0.0.1:8501", os.environ["PICTUREDESK_TOKEN"]) as desk:
        submitted = desk.submit("autumn", [Path("hat.png"), "https://example.com/mug.png"], prompt="White background")
        desk.wait(submitted.batch_id)
        for edit in desk.results(submitted.batch_id, states=["approved"]):
            desk.download(edit, Path("approved"))

A request that got no answer, or one that promises that nothing was done, is sent again under the same idempotency key:
what it did, it did once.
"""

import base64
import itertools
import mimetypes
import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import unquote

import httpx

MOST_PICTURES = 100
"""In one request, as a desk takes by default; more are sent in several."""

_MOST_BYTES = 30_000_000
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LONGEST_PAUSE_S = 60.0
_MADE = ("queued", "in_flight")
_PART = 1 << 20
_MOST_STEM = 180

T = TypeVar("T")


class ApiProblem(Exception):
    """The desk did not do what was asked.

    Attributes:
        status: Of the answer.
        code: A stable name, such as ``conflict``.
        detail: What went wrong.
        next_step: What to do.
        errors: By place in the request, what is wrong there.
    """

    def __init__(self, status: int, said: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(said.get("code", "unknown"))
        self.detail = str(said.get("detail", f"the server answered {status}"))
        self.next_step = str(said.get("next_step", ""))
        self.errors = {str(each["pointer"]): str(each["detail"]) for each in said.get("errors") or ()}
        super().__init__(f"{self.detail} {self.next_step}".strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A picture to edit, with what differs from the rest of its request.

    Attributes:
        file: Where it is; or
        url: a public https URL; or
        data: its bytes.
        asset_id: Your name for it; made of the file's name, the URL or the bytes if None.
        prompt: Or a recipe, instead of the request's.
        mask: A PNG, transparent where the picture is to be edited.
        references: URLs, files or bytes of further pictures.
        destinations: Where it goes, such as ``amazon-main``, instead of the batch's.
        extra: Kept, and exported with it.
    """

    file: Path | None = None
    url: str | None = None
    data: bytes | None = None
    asset_id: str | None = None
    variant: str = ""
    sku: str = ""
    prompt: str | None = None
    recipe: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    provider: str | None = None
    ai_model: str | None = None
    size: str | None = None
    quality: str | None = None
    n: int | None = None
    mask: bytes | Path | None = None
    references: Sequence[str | Path | bytes] = ()
    destinations: Sequence[str] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submitted:
    """What came of a submission; see the API's description of the same name.

    Attributes:
        edits: By name and variant, the last round on it.
    """

    batch_id: int
    batch: str
    added: int
    unchanged: int
    renewed: int
    resumed: int
    kept: tuple[str, ...]
    edits: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a batch's edits are where."""

    queued: int
    in_flight: int
    review: int
    approved: int
    rejected: int
    problems: int
    cancelled: int
    total: int


@dataclass(frozen=True, slots=True)
class Batch:
    """How a batch stands."""

    id: int
    name: str
    standing: str
    counts: Counts
    spent_usd: float
    reserved_usd: float
    budget_usd: float | None
    unpriced: int
    destinations: Sequence[str]
    minutes_left: float | None
    created_at: str
    created_by: str
    stopped: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A stored picture; ``url`` from the server's root on."""

    url: str
    sha256: str
    media_type: str
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that a detector found on an output; boxes are left, top, right, bottom in pixels."""

    kind: str
    change: str
    level: str
    score: float
    label: str
    line: str
    xyxy: Sequence[float]
    source_xyxy: Sequence[float] | None


@dataclass(frozen=True, slots=True)
class Output:
    """A picture that an edit produced."""

    id: int
    name: str
    picture: Picture
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """One round on an asset.

    Attributes:
        error: Why it has no picture: ``code`` and ``message``; None if it has one, or may get one.
    """

    id: int
    batch: Mapping[str, Any]
    asset_id: str
    variant: str
    sku: str
    state: str
    revision: int
    round: int
    parent: int | None
    prompt: str
    recipe: str | None
    provider: str
    ai_model: str | None
    asked_by: str
    cost_usd: float
    unpriced: int
    reasons: Sequence[str]
    error: Mapping[str, str] | None
    source: Picture | None
    outputs: tuple[Output, ...]
    accepted_output: int | None
    escalated_by: str | None
    destinations: Sequence[str]
    extra: Mapping[str, str]
    created_at: str
    updated_at: str

    @property
    def accepted(self) -> Output | None:
        """The output that was approved; None if none was."""
        is_approved = self.state == "approved"
        return next((each for each in self.outputs if is_approved and each.id == self.accepted_output), None)


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a decision.

    Attributes:
        next_round: The edit that takes its place, after a re-prompt.
    """

    edit: int
    state: str
    next_round: int | None


class Client:
    """A desk over HTTP.

    Args:
        url: Where its review page is, such as ``http://127.0.0.1:8501``.
        token: A machine's token: ``picturedesk token make --help``.
        retries: How often a request is sent again at most.
        timeout_s: Of one request.
        transport: Another one than httpx's usual.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: int = 5,
        timeout_s: float = 120,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(headers=headers, timeout=timeout_s, transport=transport)
        self._retries = retries
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def submit(
        self,
        batch: str,
        pictures: Iterable[Source | Path | str],
        *,
        prompt: str | None = None,
        recipe: str | None = None,
        key: str | None = None,
        **options: Any,  # noqa: ANN401 - the request's own fields
    ) -> Submitted:
        """Put pictures into a batch: files, URLs, or `Source`; many in several requests.

        Args:
            batch: Its name; it is made if there is none.
            pictures: What is to be edited.
            prompt: What to do; or
            recipe: the name of a recipe.
            key: Your own name for this: sent again within a day, it counts once.
            options: ``parameters``, ``provider``, ``ai_model``, ``size``, ``quality``, ``n``, ``budget_usd``,
                ``destinations``.

        Raises:
            ApiProblem: Nothing of the request that it is about was taken.
            httpx.TransportError: The desk cannot be reached.
        """
        key = key or uuid.uuid4().hex
        said = _given({"prompt": prompt, "recipe": recipe, **options})
        parts = [
            _submitted(self._post("/batches", {"batch": batch, **said, "pictures": each}, key=f"{key}-{number}"))
            for number, each in enumerate(_requests(pictures))
        ]
        if not parts:
            raise ValueError("expected at least one picture, received none")
        return _joined(parts)

    def batches(self) -> Iterator[Batch]:
        """All batches, newest first."""
        yield from map(_batch, self._pages("/batches", {}))

    def batch(self, batch_id: int) -> Batch:
        """One batch."""
        return _batch(self._get(f"/batches/{batch_id}"))

    def pause(self, batch_id: int) -> None:
        """Send nothing more of a batch."""
        self._post(f"/batches/{batch_id}/pause")

    def resume(self, batch_id: int) -> int:
        """Go on with a batch; gives how many edits are queued again."""
        return int(self._post(f"/batches/{batch_id}/resume")["edits"])

    def cancel(self, batch_id: int) -> int:
        """Cancel what a batch has queued; gives how many edits."""
        return int(self._post(f"/batches/{batch_id}/cancel")["edits"])

    def wait(self, batch_id: int, *, until_decided: bool = False, timeout_s: float = 3600, poll_s: float = 2) -> Batch:
        """Wait until everything in a batch is made; or, with ``until_decided``, until nothing waits for a person.

        Raises:
            TimeoutError: It took longer.
        """
        end = time.monotonic() + timeout_s
        while True:
            found = self.batch(batch_id)
            open_ones = sum(getattr(found.counts, name) for name in (*_MADE, *(("review",) if until_decided else ())))
            if not open_ones:
                return found
            if time.monotonic() >= end:
                raise TimeoutError(
                    f"batch {found.name} is {found.standing}: after {timeout_s:g} s, {open_ones} edits are still open"
                )
            self._sleep(poll_s)

    def results(self, batch_id: int | None = None, *, states: Sequence[str] = ()) -> Iterator[Edit]:
        """Edits, oldest first; without rounds that another one replaced, unless ``states`` names them."""
        query: dict[str, Any] = {} if batch_id is None else {"batch": batch_id}
        for said in self._pages("/edits", {**query, "state": list(states)}):
            if states or said["state"] != "superseded":
                yield _edit(said)

    def edit(self, edit_id: int) -> Edit:
        """One edit."""
        return _edit(self._get(f"/edits/{edit_id}"))

    def decide(self, edit: Edit | int, decision: str, *, key: str | None = None, **said: Any) -> Moved:  # noqa: ANN401
        """Accept, reject, re-prompt, escalate, send-again or undo.

        Args:
            edit: Which one; an `Edit` is decided on only if it still is as it was read.
            decision: One of these words.
            key: Your own name for this.
            said: ``output``, ``reason``, ``note``, ``prompt``, ``on_output``, ``provider``, ``even_exported``; ``mask``
                or ``markup`` as bytes of a PNG.

        Raises:
            ApiProblem: With code ``conflict``, the edit has moved on.
        """
        number, seen = (edit.id, {"revision": edit.revision}) if isinstance(edit, Edit) else (edit, {})
        body = {name: _encoded(value) if isinstance(value, bytes) else value for name, value in said.items()}
        found = self._post(f"/edits/{number}/decisions", {"decision": decision, **seen, **body}, key=key)
        return _read(Moved, found)

    def picture(self, picture: Picture) -> bytes:
        """The bytes of a picture."""
        return self._send("GET", f"{self._root}{picture.url}").content

    def download(self, edit: Edit, folder: Path) -> Path:
        """The approved picture of an edit as a file that is named by its asset; gives its path.

        Where a file cannot be called so, the edit's number is in its name as well.

        Raises:
            ValueError: The edit has no approved picture.
        """
        output = edit.accepted
        if output is None:
            raise ValueError(f"edit {edit.id} is {edit.state} and has no approved picture")
        suffix = mimetypes.guess_extension(output.picture.media_type) or ".bin"
        return self._stream(output.picture.url, folder / f"{_file_stem(edit)}{suffix}")

    def export(
        self,
        to: Path,
        *,
        form: str = "csv",
        batch_id: int | None = None,
        since_last: bool = False,
        profiles: Sequence[str] = (),
        public_url: str | None = None,
        timeout_s: float = 3600,
        poll_s: float = 1,
    ) -> Path | None:
        """What is approved, as csv, jsonl or zip, into a file; None if nothing was, with ``since_last``.

        Args:
            to: The file.
            form: csv, jsonl or zip.
            batch_id: Only this batch.
            since_last: Only what was approved since the last export of the same.
            profiles: Further lists in the ZIP, such as shopify.
            public_url: Where the pictures will be, such as ``https://cdn.example.com/{file}``.
            timeout_s: Wait no longer than this.
            poll_s: Between two looks.

        Raises:
            ApiProblem: It cannot be exported; ``detail`` says why.
            TimeoutError: It took longer.
        """
        wanted: dict[str, Any] = {"batch": batch_id, "since_last": since_last, "public_url": public_url}
        wanted |= {"profiles": list(profiles)}
        said = self._post("/exports", {"form": form, **_given(wanted)})
        end = time.monotonic() + timeout_s
        while said["state"] == "running":
            if time.monotonic() >= end:
                raise TimeoutError(f"export {said['id']}: it is not done after {timeout_s:g} s")
            self._sleep(poll_s)
            said = self._get(f"/exports/{said['id']}")
        if said["state"] != "done":
            raise ApiProblem(409, {"code": "export_failed", "detail": said["error"]})
        return None if said["file"] is None else self._stream(said["file"], to)

    def costs(self, by: str = "batch") -> dict[str, Any]:
        """What the desk cost, as the API says it."""
        return self._get("/costs", {"by": by})

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = self._send("GET", f"{self._root}/api/v1{path}", params=query).json()
        return found

    def _post(self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        more = {} if body is None else {"json": body}
        found: dict[str, Any] = self._send("POST", f"{self._root}/api/v1{path}", headers=headers, **more).json()
        return found

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: dict[str, str] = {}
        while True:
            page = self._get(path, {**query, **cursor})
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def _send(self, method: str, url: str, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
        return self._tried(lambda: self._http.request(method, url, **request))

    def _tried(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        """One request, sent again as long as that may help."""
        for attempt in range(self._retries + 1):
            is_last = attempt == self._retries
            try:
                answer = ask()
            except httpx.TransportError:
                if is_last:
                    raise
                self._pause(attempt, None)
                continue
            if answer.status_code not in _AGAIN or is_last:
                return _checked(answer)
            self._pause(attempt, answer.headers.get("retry-after"))
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, retry_after: str | None) -> None:
        if retry_after is not None and retry_after.isdecimal():
            self._sleep(min(float(retry_after), _LONGEST_PAUSE_S))
        else:
            self._sleep(random.uniform(0.5, 1) * min(0.5 * 2**attempt, _LONGEST_PAUSE_S))  # noqa: S311 - no secret

    def _stream(self, url: str, to: Path) -> Path:
        """A file, under its name only once it is whole."""
        to.parent.mkdir(parents=True, exist_ok=True)
        unfinished = to.with_name(f".{to.name}.{uuid.uuid4().hex[:8]}")

        def fetch() -> httpx.Response:
            with self._http.stream("GET", f"{self._root}{url}") as answer:
                if answer.is_error:
                    answer.read()
                    return answer
                with unfinished.open("wb") as file:
                    for part in answer.iter_bytes(_PART):
                        file.write(part)
            return answer

        try:
            self._tried(fetch)
            unfinished.replace(to)
        finally:
            unfinished.unlink(missing_ok=True)
        return to


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say something; 0 and no are something."""
    return {name: value for name, value in options.items() if value is not None}


def _file_stem(edit: Edit) -> str:
    """An asset's name for a file: with the edit's number where it has to be changed or cut, as another may be, too."""
    name = "--".join(filter(None, (edit.asset_id, edit.variant)))
    safe = "".join(each if each.isalnum() or each in "-_. " else "_" for each in name).strip(". ")
    while len(safe.encode()) > _MOST_STEM:
        safe = safe[:-1]
    if safe == name:
        return name
    return f"{safe}-{edit.id}" if safe else str(edit.id)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        raise ApiProblem(answer.status_code, answer.json() if is_problem else {})
    return answer


def _requests(pictures: Iterable[Source | Path | str]) -> Iterator[list[dict[str, Any]]]:
    """Pictures as the API takes them, as many at once as fit into a request."""
    part, size, taken = list[dict[str, Any]](), 0, set[str]()
    for number, picture in enumerate(pictures, start=1):
        said = _named(_said(picture), number, taken)
        references = sum(len(each.get("base64", "")) for each in said.get("references", ()))
        length = len(said.get("base64", "")) + len(said.get("mask", "")) + references
        if part and (len(part) == MOST_PICTURES or size + length > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(said)
        size += length
    if part:
        yield part


def _said(picture: Source | Path | str) -> dict[str, Any]:
    if isinstance(picture, str):
        picture = Source(url=picture)
    elif isinstance(picture, Path):
        picture = Source(file=picture)
    given = [each for each in (picture.file, picture.url, picture.data) if each is not None]
    if len(given) != 1:
        raise ValueError(f"expected one of file, url and data, received {len(given)} of them")
    plain = ("url", "asset_id", "variant", "sku", "prompt", "recipe", "provider", "ai_model", "size", "quality", "n")
    said = {name: value for name in plain if (value := getattr(picture, name))}
    said |= {name: dict(value) for name in ("parameters", "extra") if (value := getattr(picture, name))}
    if picture.url is None:
        said["base64"] = _encoded(given[0])
        said |= {} if picture.file is None else {"file_name": picture.file.name}
    if picture.mask is not None:
        said["mask"] = _encoded(picture.mask)
    if picture.destinations:
        said["destinations"] = list(picture.destinations)
    if picture.references:
        said["references"] = [
            {"url": each} if isinstance(each, str) else {"base64": _encoded(each)} for each in picture.references
        ]
    return said


def _named(said: dict[str, Any], number: int, taken: set[str]) -> dict[str, Any]:
    """The same; where an earlier picture has the name of its file or URL already, with another one.

    A desk tells apart what comes in one request; it cannot tell files of one name in two requests from one file that
    was changed.
    """
    link = said.get("file_name") or re.split("[?#]", said.get("url", ""))[0]
    name = stem = said.get("asset_id") or Path(unquote(link)).stem
    if "asset_id" not in said and stem:
        for more in itertools.count(number):
            if name not in taken:
                break
            name = said["asset_id"] = f"{stem[:_MOST_STEM]}-{more}"
    taken.add(name)
    return said


def _encoded(data: Any) -> str:  # noqa: ANN401 - bytes, or the path of a file
    return base64.b64encode(data.read_bytes() if isinstance(data, Path) else data).decode()


def _joined(parts: Sequence[Submitted]) -> Submitted:
    edits: dict[tuple[str, str], int] = {}
    for part in parts:
        edits.update(part.edits)
    return Submitted(
        batch_id=parts[0].batch_id,
        batch=parts[0].batch,
        added=sum(part.added for part in parts),
        unchanged=sum(part.unchanged for part in parts),
        renewed=sum(part.renewed for part in parts),
        resumed=sum(part.resumed for part in parts),
        kept=tuple(name for part in parts for name in part.kept),
        edits=edits,
    )


def _submitted(said: Mapping[str, Any]) -> Submitted:
    edits = {(each["asset_id"], each["variant"]): each["edit"] for each in said["items"]}
    told = {"batch_id": said["batch"]["id"], "batch": said["batch"]["name"], "kept": tuple(said["kept"])}
    return _read(Submitted, {**said, **told, "edits": edits})


def _batch(said: Mapping[str, Any]) -> Batch:
    return _read(Batch, {**said, "counts": _read(Counts, said["counts"])})


def _edit(said: Mapping[str, Any]) -> Edit:
    source = None if said["source"] is None else _read(Picture, said["source"])
    return _read(Edit, {**said, "source": source, "outputs": tuple(map(_output, said["outputs"]))})


def _output(said: Mapping[str, Any]) -> Output:
    flags = tuple(_read(Flag, each) for each in said["flags"])
    return _read(Output, {**said, "picture": _read(Picture, said["picture"]), "flags": flags})


def _read(kind: type[T], said: Mapping[str, Any]) -> T:
    """What is known of an answer: a later desk may say more."""
    return kind(**{each.name: said[each.name] for each in fields(kind)})  # type: ignore[arg-type]  # all are dataclasses
