"""`python -m demo`: the story from the beginning to the end, in a folder of its own.

Status 0: all went as it should; 1: a step went wrong, with the reason and the end of the log; 128 and the signal's
number when it was stopped. Whatever happens, what it has started has ended before it does.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from demo import signals
from demo.narrator import Narrator, StepError
from demo.site import Site
from demo.story import Story

TAIL = 12
"""Lines of each log that are shown when a step went wrong."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="xmpp-ica, end to end, on loopback.")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="put all files here, and keep them")
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each step, to look around")
    options = parser.parse_args()
    if options.keep and options.keep.exists() and (not options.keep.is_dir() or any(options.keep.iterdir())):
        parser.error(f"{options.keep} is there already, and not an empty folder")
    return options


def _explain(error: Exception, site: Site) -> None:
    """The reason and the ends of the logs; the error of a server that did not start brings its own."""
    lines = [f"\nThe demo went wrong: {error}"]
    for log in (site.ca / "serve.log", site.prosody / "prosody.log"):
        if log.exists() and not isinstance(error, RuntimeError):
            lines += [f"The end of {log}:", *log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]]
    lines.append(f"All files are kept in {site.folder}")
    text = "\n".join(lines)
    Console(stderr=True).print(text, style="red", markup=False, highlight=False, emoji=False, soft_wrap=True)


def _tell(site: Site, *, pause: bool) -> bool:
    """The story; False when a step went wrong, which is explained then."""
    console, began = Console(), time.monotonic()
    try:
        with ExitStack() as running:
            try:
                Story(site, Narrator(console, pause=pause), running).tell()
            finally:
                signals.ignore()
    except (StepError, RuntimeError, OSError) as error:
        _explain(error, site)
        return False
    console.print(f"\nDone in {time.monotonic() - began:.0f} s, and nothing is left running.", highlight=False)
    return True


def main() -> None:
    """Run it and end with its status. A folder of our own is removed, unless there is something to look into."""
    options = _options()
    signals.unwind()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="xmpp-ica-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    well = True
    try:
        well = _tell(Site(folder.resolve()), pause=options.pause)
    finally:
        if well and not options.keep:
            shutil.rmtree(folder)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
