"""Unpacks Qt resource files (.rcc), in which GCompris keeps its photographs: FOLDER OUT.

The format is that of Qt's rcc, versions 1 to 3: a tree of nodes, names in UTF-16, data by length
(https://github.com/qt/qtbase/blob/dev/src/corelib/io/qresource.cpp).
"""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_COMPRESSED, _FOLDER = 1 | 4, 2


def read_resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of each file that is stored as it is; compressed ones are drawings, and are left out.

    Raises:
        ValueError: These are no Qt resources.
    """
    magic, version, tree, contents, names = struct.unpack(">4sIIII", data[:20])
    if magic != b"qres":
        raise ValueError(f"expected Qt resources that start with qres, received {magic!r}")
    node_bytes = 14 if version == 1 else 22

    def name_at(offset: int) -> str:
        length = struct.unpack_from(">H", data, names + offset)[0]
        start = names + offset + 6
        return data[start : start + 2 * length].decode("utf-16-be")

    def walk(node: int, prefix: str) -> Iterator[tuple[str, bytes]]:
        name, flags, first, second = struct.unpack_from(">IHII", data, tree + node * node_bytes)
        path = f"{prefix}/{name_at(name)}" if node else ""
        if flags & _FOLDER:
            for child in range(second, second + first):
                yield from walk(child, path)
        elif not flags & _COMPRESSED:
            length = struct.unpack_from(">I", data, contents + second)[0]
            yield path, data[contents + second + 4 : contents + second + 4 + length]

    yield from walk(0, "")


def main() -> None:
    """Unpacks all resource files of a folder, keeping the paths in them."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    for resources in sorted(folder.rglob("*.rcc")):
        for path, content in read_resources(resources.read_bytes()):
            target = out / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


if __name__ == "__main__":
    main()
