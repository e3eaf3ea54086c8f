"""How the command line takes what must not stand in a command: from a file, from standard input, or typed unseen."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from services.cli.failures import Failure

STANDARD_INPUT = "-"


def take(prompt: str, file: str | None) -> str:
    """The content of `file` ("-" is standard input), or what is typed. Raises Failure where there is neither."""
    if file == STANDARD_INPUT:
        text = sys.stdin.readline()
    elif file is not None:
        text = Path(file).read_text(encoding="utf-8")
    elif sys.stdin.isatty():
        text = getpass.getpass(f"{prompt}: ")
    else:
        raise Failure("SECRET_NEEDED", f"the {prompt.lower()} is needed", "give it in a file, or - for standard input")
    if not (text := text.strip()):
        raise Failure("SECRET_NEEDED", f"the {prompt.lower()} is empty")
    return text


def keep(path: Path, text: str) -> None:
    """Writes a file that its owner alone can read. Raises OSError where there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
