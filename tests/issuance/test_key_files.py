"""Files that hold keys: who may read them, and what is taken from them (security: certbot #1473)."""

import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from acme_server.issuance.signers import UnusableKey, load_key, write_key, write_new


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def pem(key, encryption=None, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_a_key_file_is_0600_whatever_the_umask(mask, tmp_path, ec_key):
    before = os.umask(mask)
    try:
        write_key(tmp_path / "a.key", ec_key)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a.key") == 0o600
    assert (tmp_path / "a.key").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert load_key(tmp_path / "a.key").public_key() == ec_key.public_key()


@pytest.mark.parametrize("kind", ["file", "link", "broken link", "directory"])
def test_nothing_is_ever_overwritten(kind, tmp_path, ec_key):
    path, target = tmp_path / "a.key", tmp_path / "target"
    if kind == "file":
        path.write_bytes(b"old")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(target)
        if kind == "link":
            target.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_key(path, ec_key)
    assert not target.exists() or target.read_bytes() == b"old"


@pytest.mark.parametrize("rights", [0o604, 0o640, 0o660, 0o644, 0o610, 0o602, 0o777], ids=oct)
def test_a_key_that_others_may_use_is_refused(rights, tmp_path, ec_key):
    write_key(tmp_path / "a.key", ec_key)
    (tmp_path / "a.key").chmod(rights)
    with pytest.raises(UnusableKey, match="chmod 600"):
        load_key(tmp_path / "a.key")


@pytest.mark.parametrize("rights", [0o400, 0o600, 0o700], ids=oct)
def test_a_key_of_its_owner_alone_is_taken(rights, tmp_path, rsa_key):
    write_key(tmp_path / "a.key", rsa_key)
    (tmp_path / "a.key").chmod(rights)
    assert isinstance(load_key(tmp_path / "a.key"), rsa.RSAPrivateKey)


def test_the_right_of_the_file_behind_a_link_counts(tmp_path, ec_key):
    write_key(tmp_path / "a.key", ec_key)
    (tmp_path / "link.key").symlink_to(tmp_path / "a.key")
    load_key(tmp_path / "link.key")
    (tmp_path / "a.key").chmod(0o644)
    with pytest.raises(UnusableKey):
        load_key(tmp_path / "link.key")


CONTENTS = {
    "empty": b"",
    "noise": b"\x00\xff" * 100,
    "a certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "encrypted": pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"secret")),
    "ed25519": pem(ed25519.Ed25519PrivateKey.generate()),
    "secp256k1": pem(ec.generate_private_key(ec.SECP256K1())),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_what_holds_no_key_of_ours_is_refused_with_its_name(content, tmp_path):
    write_new(tmp_path / "a.key", content, mode=0o600)
    with pytest.raises(UnusableKey, match=r"a\.key") as refused:
        load_key(tmp_path / "a.key")
    assert "secret" not in str(refused.value)


def test_the_older_pem_form_is_read_too(tmp_path, ec_key):
    write_new(tmp_path / "a.key", pem(ec_key, form=PrivateFormat.TraditionalOpenSSL), mode=0o600)
    assert load_key(tmp_path / "a.key").public_key() == ec_key.public_key()


def test_a_missing_key_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_key(tmp_path / "a.key")
