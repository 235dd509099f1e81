"""What the client's tests share: a CA, a configuration, and the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.client.fake_ca import FakeCa, running
from xmpp_client.cli import cli
from xmpp_client.clock import Clock
from xmpp_client.keys import account_key
from xmpp_client.session import RetryPolicy, Session

FOUR = ("example.org", "conference.example.org", "upload.example.org", "xn--bcher-kva.example.org")


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[FakeCa]:
    folder = tmp_path / "ca"
    folder.mkdir()
    with running(folder, maildir=tmp_path / "Maildir", webroot=tmp_path / "www") as server:
        yield server


@pytest.fixture
def quick() -> RetryPolicy:
    """Patience for a CA in the same process."""
    return RetryPolicy(first=0.01, most=0.05, total=20.0)


@pytest.fixture
def session(ca: FakeCa, tmp_path: Path, quick: RetryPolicy) -> Session:
    return Session(ca.directory, account_key(tmp_path / "account.pem"), trust=ca.trust, policy=quick)


@dataclass
class FrozenClock:
    """Seconds that pass only when somebody sleeps."""

    seconds: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def clock(self) -> Clock:
        return Clock(monotonic=lambda: self.seconds, sleep=self.sleep)


@pytest.fixture
def frozen() -> FrozenClock:
    return FrozenClock()


@dataclass
class Site:
    """A configured client."""

    path: Path
    """The configuration."""
    state: Path

    def run(self, *args: str, text: str | bytes = "") -> Result:
        return CliRunner().invoke(cli, ["--config", str(self.path), *args], input=text)

    @property
    def live(self) -> Path:
        return self.state / "live" / "example.org"


@pytest.fixture
def site(ca: FakeCa, tmp_path: Path) -> Callable[..., Site]:
    """Write a configuration for the fake CA; the parameters are TOML lines of the one certificate."""

    def write(*lines: str, top: str = "", domains: tuple[str, ...] = (*FOUR[:3], "bücher.example.org")) -> Site:
        names = ", ".join(f'"{name}"' for name in domains)
        mail = ["[certificate.mail]", 'reader = "maildir"', f'path = "{tmp_path / "Maildir"}"', "timeout = 5"]
        content = [
            f'directory = "{ca.directory}"', f'ca_bundle = "{ca.trust}"', f'root = "{ca.root}"',
            'contact = ["mailto:admin@example.org"]', f'state = "{tmp_path / "state"}"', top,
            "[[certificate]]", f"domains = [{names}]", *(lines or ('profile = "xmpp"', *mail)),
        ]  # fmt: skip
        path = tmp_path / "config.toml"
        path.write_text("\n".join(content) + "\n", "utf-8")
        return Site(path, tmp_path / "state")

    return write
