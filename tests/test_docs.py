"""The pages that are written from the code are what the code says, and no link leads nowhere."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.detectors.inference import NetworkOptions
from pipeline.detectors.options import DetectorOptions
from pipeline.detectors.remote.google import GoogleOptions
from pipeline.detectors.remote.rekognition import RekognitionOptions
from pipeline.detectors.remote.vision import VisionOptions
from pipeline.providers.compatible import CompatibleOptions
from pipeline.providers.openai.batch import OpenAIBatchOptions
from pipeline.providers.openai.images import OpenAIOptions
from pipeline.providers.openoctopus import OpenOctopusOptions
from pipeline.providers.options import ServiceOptions
from tests import command_line_page, errors_page, local_edits_page
from tests.bench import plan

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_about_the_command_line_is_what_the_command_says() -> None:
    written = (ROOT / "docs" / "command-line.md").read_text("utf-8")
    assert command_line_page.page() == written, "run: python -m tests.command_line_page > docs/command-line.md"


def test_the_page_about_local_edits_is_what_the_provider_says() -> None:
    written = (ROOT / "docs" / "local-edits.md").read_text("utf-8")
    assert local_edits_page.page() == written, "run: python -m tests.local_edits_page > docs/local-edits.md"


def test_the_page_about_errors_is_what_runs_that_go_wrong_say() -> None:
    written = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert errors_page.page() == written, "run: python -m tests.errors_page > docs/errors.md"


@pytest.mark.parametrize("kind", [OpenAIOptions, OpenAIBatchOptions, OpenOctopusOptions, CompatibleOptions])
def test_every_option_of_a_provider_is_on_its_page(kind: type[ServiceOptions]) -> None:
    written = (ROOT / "docs" / "providers.md").read_text("utf-8")
    assert [name for name in kind.model_fields if f"`{name}`" not in written] == []


@pytest.mark.parametrize("kind", [GoogleOptions, RekognitionOptions, VisionOptions, NetworkOptions])
def test_every_option_of_a_further_detector_is_on_its_page(kind: type[DetectorOptions]) -> None:
    written = (ROOT / "docs" / "detectors-extra.md").read_text("utf-8")
    names = [field.name for field in fields(kind)]
    assert [name for name in names if f"`{name}`" not in written and f"\n{name} = " not in written] == []


def test_the_provider_on_the_page_is_the_one_that_is_tested() -> None:
    source = (ROOT / "tests" / "documented_provider.py").read_text("utf-8").partition("# begin\n")[2]
    assert f"```python\n{source}```" in (ROOT / "docs" / "providers.md").read_text("utf-8")


def test_the_plan_on_the_page_is_what_the_simulation_says() -> None:
    given = plan.Assumptions()
    course = plan.simulate(given, plan.cores(given))
    said = "\n".join((*plan.said_before(given), *plan.said_after(given, course, plan.cores(given))))
    assert said in (ROOT / "docs" / "scale.md").read_text("utf-8"), "run: python -m tests.bench.plan"


def test_the_cluster_on_kubernetes_has_the_ray_that_is_tested() -> None:
    manifest = (ROOT / "docs" / "deploy" / "kuberay.yaml").read_text("utf-8")
    (version,) = re.findall(r'rayVersion: "(.+)"', manifest)
    assert f"\nray=={version}\n" in (ROOT / ".ci" / "constraints.txt").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_the_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
