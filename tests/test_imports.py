"""Who may import whom, read from the sources themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VALUES = {"pipeline.values", "pipeline.states", "pipeline.errors", "pipeline.money"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in ("pipeline", "review_app")}


def starts(names: set[str], *prefixes: str) -> set[str]:
    return {name for name in names if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)}


@pytest.mark.parametrize("path", modules("pipeline"), ids=str)
def test_the_pipeline_knows_no_screen(path: Path) -> None:
    assert not starts(imports(path), "streamlit", "review_app")


@pytest.mark.parametrize("name", ["values", "states", "errors", "money"])
def test_values_states_errors_and_amounts_know_only_each_other(name: str) -> None:
    found = {each for each in ours(ROOT / f"pipeline/{name}.py") if not starts({each}, *VALUES)}
    assert not found


@pytest.mark.parametrize("path", modules("pipeline/providers") + modules("pipeline/detectors"), ids=str)
def test_providers_and_detectors_know_values_and_pictures_only(path: Path) -> None:
    known = ("images", "pool", "prices", "proportions", "retry_after", "wheels", "providers", "detectors")
    assert ours(path) - {"pipeline"} == starts(ours(path), *VALUES, *(f"pipeline.{name}" for name in known))


@pytest.mark.parametrize("path", modules("pipeline"), ids=str)
def test_only_the_store_opens_a_session(path: Path) -> None:
    if "store" in path.parts or "migrations" in path.parts or path.name == "tables.py":
        return
    assert not starts(imports(path), "sqlalchemy", "sqlmodel", "pipeline.tables")


@pytest.mark.parametrize("path", modules("pipeline"), ids=str)
def test_only_the_runner_calls_providers_and_detectors(path: Path) -> None:
    """Its lanes and looker do, and the commands that measure or flag files; others take names and options only."""
    allowed = {
        "asking.py": ("pipeline.providers",),
        "change_trial.py": ("pipeline.detectors",),
        "lanes.py": ("pipeline.providers",),
        "looking.py": ("pipeline.detectors",),
        "flagging.py": ("pipeline.detectors",),
        "intake.py": ("pipeline.providers",),
        "kit_files.py": (
            "pipeline.detectors.brand_names",
            "pipeline.detectors.kit",
            "pipeline.detectors.references",
        ),
        "labels.py": ("pipeline.detectors.evaluate",),
        "opening.py": ("pipeline.providers",),
        "planning.py": ("pipeline.providers",),
        "reflagging.py": ("pipeline.detectors",),
        "review.py": ("pipeline.providers",),
        "suites.py": ("pipeline.detectors",),
        "doctor.py": (
            "pipeline.detectors.weights",
            "pipeline.providers",
        ),
    }
    if {"providers", "detectors", "fake_api"} & set(path.parts):
        return
    found = starts(imports(path), "pipeline.providers", "pipeline.detectors")
    assert found == starts(found, *allowed.get(path.name, ()))


@pytest.mark.parametrize("path", modules("pipeline") + modules("review_app"), ids=str)
def test_only_its_own_modules_import_ray(path: Path) -> None:
    """A Ray process has 560 MB before it does anything: a desk on one machine never imports it."""
    if not path.stem.startswith("ray_"):
        assert not starts(imports(path), "ray")


def test_a_desk_on_one_machine_does_not_load_ray() -> None:
    code = (
        "import sys, pipeline.background, pipeline.engines, review_app.app\n"
        "from pipeline.pool import WorkPool; from pipeline.settings import Settings\n"
        "pipeline.engines.open_engine(Settings(), WorkPool()); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not starts(set(loaded), "ray", "pipeline.engines.ray_actors")


@pytest.mark.parametrize("path", modules("review_app"), ids=str)
def test_the_screen_cannot_spend_money(path: Path) -> None:
    """It imports nothing that sends a request or opens a session."""
    forbidden = (
        "providers",
        "detectors",
        "runner",
        "tables",
        "background",
        "batch_run",
        "flagging",
        "intake",
        "sources",
    )
    assert not starts(imports(path), "httpx", "sqlalchemy", "sqlmodel", *(f"pipeline.{name}" for name in forbidden))


@pytest.mark.parametrize("path", modules("review_app"), ids=str)
def test_no_page_hides_a_module_of_the_standard_library(path: Path) -> None:
    """Streamlit puts the script's folder first on the path."""
    assert path.stem not in sys.stdlib_module_names


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = "import sys, pipeline.cli; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"cv2", "onnxruntime", "onnx", "pandas", "numpy", "PIL", "sqlalchemy", "streamlit", "httpx"}
