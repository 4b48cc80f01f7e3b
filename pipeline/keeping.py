"""Pictures into the blob store, in a worker process: decoded whole, so that nothing broken gets any further.

Pure but for the store, which names a picture by its bytes, so all of it may be repeated. A worker imports this module
and little else: what a run needs besides would make it start a second later.
"""

from pathlib import Path

from pipeline.blobs import BlobPlace, open_blobs
from pipeline.compositing import composite
from pipeline.errors import EditFailed, PictureError
from pipeline.images import PictureLimits, prepare_markup, prepare_mask, prepare_picture, read_size
from pipeline.sources import ImportedSource, import_source, read_file
from pipeline.values import PictureFacts

COMPOSITED_FROM = "composited_from"
"""The note of an output that was put back into its source: the sha256 of what the provider returned."""


def keep_source(
    data: bytes | None, uri: str, place: BlobPlace, limits: PictureLimits, first_frame: bool
) -> ImportedSource:
    """Read an asset's source; ``data`` if it is here already, else from the path ``uri``.

    Raises:
        PictureError: It is not a picture that the desk takes.
    """
    return import_source(data, uri, place=place, limits=limits, first_frame=first_frame)


def keep_further(
    data: bytes | None, uri: str, role: str, size_wh: tuple[int, int] | None, place: BlobPlace, limits: PictureLimits
) -> PictureFacts:
    """Read a ``reference``, or a ``mask`` or ``markup`` for a source of that size.

    Raises:
        EditFailed: It cannot be used.
    """
    try:
        if data is None:
            data = read_file(uri, limits)
        if size_wh is None:
            prepared = prepare_picture(data, limits=limits)
            kept, media_type, found_wh = prepared.data, prepared.media_type, prepared.size_wh
        else:
            prepare = prepare_mask if role == "mask" else prepare_markup
            kept, media_type, found_wh = prepare(data, size_wh), "image/png", size_wh
    except PictureError as exc:
        code = exc.code if exc.code.startswith(f"{role}_") else f"{role}_{exc.code}"
        raise EditFailed(code, f"{role} {Path(uri).name}: {exc}") from exc
    return PictureFacts(open_blobs(place).put(kept, media_type), media_type, found_wh, len(kept))


def keep_composite(place: BlobPlace, base: PictureFacts, output: PictureFacts, mask: PictureFacts) -> PictureFacts:
    """Keep an output put back into the picture that it was made from.

    Raises:
        PictureError: It has another shape.
    """
    blobs = open_blobs(place)
    data = composite(*(blobs.read(each.sha256, each.media_type) for each in (base, output, mask)))
    return PictureFacts(blobs.put(data, "image/png"), "image/png", base.size_wh, len(data))


def keep_output(place: BlobPlace, data: bytes) -> PictureFacts:
    """Keep what a provider made.

    Raises:
        PictureError: It is no whole picture.
    """
    media_type, size_wh = read_size(data)
    return PictureFacts(open_blobs(place).put_in_any_case(data, media_type), media_type, size_wh, len(data))
