"""`salus ledger`: a look at a ledger's files, without the ledger."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.cli.command import add_command, add_noun
from services.cli.output import Output


def add_parser(subparsers: Any) -> None:
    commands = add_noun(subparsers, "ledger", "check a ledger's files")
    fsck = add_command(commands, "fsck", "check every block; exit code 1 where something is damaged", _fsck)
    fsck.add_argument("folder", type=Path, metavar="FOLDER", help="the ledger's data folder, or its blocks")


def _fsck(arguments: argparse.Namespace, output: Output) -> int:
    from services.ledger.fsck import check

    below = arguments.folder / "blocks"
    folder = below if below.is_dir() else arguments.folder
    damages = check(folder)
    sound = None if damages else _height(folder)
    if output.as_json:
        output.record({"sound": not damages, "blocks": sound, "damages": [asdict(each) for each in damages]}, {})
    elif damages:
        rows = [asdict(each) for each in damages]
        output.rows(
            "damages", rows, {"segment": "SEGMENT", "offset": "OFFSET", "block": "BLOCK", "what": "WHAT IS WRONG"}
        )
    else:
        output.say("1 block is sound" if sound == 1 else f"{sound} blocks are sound")
    return 1 if damages else 0


def _height(folder: Path) -> int:
    """How many blocks a sound store holds."""
    from services.ledger.blockstore import HEADER_BYTES, frame_header, segment_name, segments

    first = segments(folder)[-1]
    data = (folder / segment_name(first)).read_bytes()
    height, offset = first, 0
    while offset + HEADER_BYTES <= len(data):
        number, size = frame_header(data[offset : offset + HEADER_BYTES])
        height, offset = number + 1, offset + size
    return height
