"""The container files name commands, options, settings, ports, volumes and files that are there.

No container runtime is needed: the files are read, and the command lines parsed by the command itself.
"""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from pipeline.cli import app
from pipeline.settings import Settings, read_settings
from review_app import serving
from review_app.serving import SECRET_VARIABLE

yaml: Any = pytest.importorskip("yaml", reason='pip install "picturedesk[dev]"')
ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "deploy"
OF_THE_COMMAND = {"PICTUREDESK_DESK", SECRET_VARIABLE}
FILLED_IN = {"POSTGRES_PASSWORD": "p", "STORE_PASSWORD": "s", SECRET_VARIABLE: "o"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """As compose reads it: anchors followed, and variables taken from the example's file."""
    example = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "example.env").read_text("utf-8"), re.MULTILINE))
    given = {**example, **FILLED_IN}

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        assert given.get(name) or operator == ":-", f"{name} is needed and not in example.env: {rest}"
        return (given.get(name) or rest).replace("'", "''")

    text = re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, (FOLDER / "compose.yaml").read_text("utf-8"))
    text = re.sub(r"^(\s+PICTUREDESK_SIGN_IN__\w+): (.*)$", r"\1: '\2'", text, flags=re.MULTILINE)
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def options_of(arguments: list[str]) -> dict[str, Any]:
    """What a command line means, by the command's own parser; nothing is carried out."""
    group: Any = typer.main.get_command(app)
    name, *rest = arguments
    parsed: dict[str, Any] = group.commands[name].make_context(name, rest).params
    return parsed


def fields(model: type[BaseModel], prefix: str = "PICTUREDESK_") -> set[str]:
    """The names of all variables that the settings know; of tables, with what is in them."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(f"{prefix}{name}".upper())
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= fields(field.annotation, f"{prefix}{name}__")
    return found


def test_every_command_is_one_that_the_program_has(compose: dict[str, Any]) -> None:
    page, worker = (options_of(compose["services"][name]["command"]) for name in ("page", "worker"))
    assert (page["host"], page["port"], page["worker"], page["browser"]) == ("0.0.0.0", 8501, False, False)
    assert (worker["metrics_host"], worker["metrics_port"], worker["log_format"]) == ("0.0.0.0", 9464, "json")
    default = re.search(r"^CMD (\[.*\])$", (FOLDER / "Containerfile").read_text("utf-8"), re.MULTILINE)
    assert default is not None
    assert options_of(yaml.safe_load(default[1])) == page
    with pytest.raises(Exception, match="No such option"):
        options_of(["worker", "--no-such-option"])


def test_every_variable_is_one_that_the_settings_know(compose: dict[str, Any], tmp_path: Path) -> None:
    known = fields(Settings) | OF_THE_COMMAND
    text = (FOLDER / "Containerfile").read_text("utf-8") + (FOLDER / "example.env").read_text("utf-8")
    environment = compose["services"]["page"]["environment"]
    names = {*re.findall(r"\bPICTUREDESK_\w+", text), *environment, *compose["services"]["worker"]["environment"]}
    ours = {name for name in names if name.startswith("PICTUREDESK_")}
    assert {name for name in ours if name not in known and not name.startswith("PICTUREDESK_BLOBS_OPTIONS__")} == set()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setitem(os.environ, name, str(value))
        settings = read_settings(tmp_path)
        serving.check(settings.sign_in, "0.0.0.0")
    assert settings.database == "postgresql://desk:p@database:5432/desk"
    assert settings.blobs_options["aws_endpoint"] == "http://store:8333"
    assert settings.sign_in.roles


def test_services_find_each_other_and_what_they_keep(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        volumes = {each.partition(":")[0] for each in service.get("volumes", ())}
        assert volumes <= set(compose["volumes"]), name
        for other in service.get("depends_on") if isinstance(service.get("depends_on"), dict) else ():
            if service["depends_on"][other]["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} waits for {other} to be healthy"
    for name, port in (("page", 8501), ("worker", 9464)):
        assert f":{port}/" in services[name]["healthcheck"]["test"][-1]
        assert str(port) in services[name]["command"]
    assert services["page"]["ports"] == ["127.0.0.1:8501:8501"], "no further than to a proxy on this machine"
    assert services["database"]["environment"]["POSTGRES_USER"] == "desk"


def test_the_image_is_built_from_files_that_are_there_and_extras_that_exist() -> None:
    import tomllib

    text = (FOLDER / "Containerfile").read_text("utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = re.search(r'"\.\[([\w,]+)\]"', text)
    assert named is not None
    assert set(named[1].split(",")) <= set(extras)
    allowed = [
        line[1:] for line in (FOLDER / "Containerfile.dockerignore").read_text("utf-8").split() if line[0] == "!"
    ]
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        *sources, _ = shlex.split(line)
        assert [each for each in sources if not (ROOT / each).exists()] == []
        assert set(sources) <= set(allowed), "the build sees only these"
    assert "USER desk" in text
    for file in FOLDER.iterdir():
        # An image's name without a registry before it.
        assert not re.search(r"(image:|FROM) \S*\.\S*/", file.read_text("utf-8")), file.name
