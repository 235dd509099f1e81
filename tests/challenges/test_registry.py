"""Which challenge types there are, and in which order: ours first, those of other packages after them (RFC 8555 §9.7.8)."""

from __future__ import annotations

from challenges import ENTRY_POINTS, registry
from challenges.dns_01 import DNS_01

OURS = ["http-01", "dns-01", "tls-alpn-01", "dns-account-01", "dns-persist-01", "email-01"]


def install(folder, monkeypatch, *names: str) -> None:
    """A package on the path that offers dns-01's object under these names."""
    information = folder / "outside-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1\n")
    lines = [f"{name} = challenges.email_01:EMAIL_01" for name in names]
    (information / "entry_points.txt").write_text("\n".join([f"[{ENTRY_POINTS}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(folder))


def test_ours_stand_in_the_order_of_preference():
    assert list(registry()) == OURS


def test_a_type_of_another_package_comes_after_ours(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "aaa-01")
    assert list(registry()) == [*OURS, "aaa-01"]


def test_a_type_of_another_package_never_replaces_ours(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "dns-01")
    assert registry()["dns-01"] is DNS_01
    assert list(registry()) == OURS
