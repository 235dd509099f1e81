"""Scenes are played side by side, several at a time, and each test waits for its own and judges what came of it.

A scene is what a test's parameter `scene` is: a frozen value that is called with a lab (`tests.interop.lab`) and returns
what is to be judged. Only scenes of selected tests are played.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import _copies, ca_folder, make_ca
from tests.interop.lab import lab
from tests.peers.openssl import OpenSsl

__all__ = ["_copies", "ca_folder", "make_ca", "openssl", "played"]

AT_A_TIME = 6
"""Clients sleep most of their time, so this is more than there are processors."""


def _scenes(session: pytest.Session) -> list[Hashable]:
    """Those of the selected tests, in their order, each once."""
    calls = [item.callspec for item in session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    return list(dict.fromkeys(call.params["scene"] for call in calls if "scene" in call.params))


@pytest.fixture(scope="session")
def played(
    request: pytest.FixtureRequest, peer: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Any], Any]]:
    """What came of a scene: `played(scene)` waits for it. Raises what it raised."""

    def play(scene: Any, folder: Path) -> Any:
        with lab(folder, peer) as place:
            return scene(place)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results: dict[Hashable, Future[Any]] = {
            scene: pool.submit(play, scene, tmp_path_factory.mktemp("scene")) for scene in _scenes(request.session)
        }
        yield lambda scene: results[scene].result()
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def openssl(peer: Callable[[str], Path]) -> OpenSsl:
    return OpenSsl(peer("openssl"))
