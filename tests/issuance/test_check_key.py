"""Which public keys are taken, for certificates and accounts alike (BR 6.1.1.3, 6.1.6)."""

import hashlib
import math
import random
import subprocess
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acme_server.errors import BadPublicKey
from acme_server.issuance.keys import check_key, spki_sha256

E = 65537


def public(n, e=E):
    return rsa.RSAPublicNumbers(e, n).public_key()


def sound(bits):
    """A number with no factor below 1000: what the checks look at does not need primes."""
    small = math.prod(n for n in range(2, 1000) if all(n % d for d in range(2, math.isqrt(n) + 1)))
    draw = random.Random(bits)
    while True:
        n = draw.getrandbits(bits) | 1 << (bits - 1) | 1 << (bits - 2) | 1
        if math.gcd(n, small) == 1:
            return n


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_6_1_6_the_nist_curves_are_taken(curve):
    check_key(ec.generate_private_key(curve).public_key())


@pytest.mark.parametrize("bits", [2048, 2056, 3072, 4096])
def test_6_1_6_rsa_from_2048_to_4096_bits_is_taken(bits):
    check_key(public(sound(bits)))


def test_6_1_6_rsa_as_openssl_makes_it_is_taken(rsa_key):
    check_key(rsa_key.public_key())


OTHER_KINDS = {
    "P-224": (lambda: ec.generate_private_key(ec.SECP224R1()).public_key(), "P-256, P-384 and P-521"),
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()).public_key(), "P-256, P-384 and P-521"),
    "brainpool": (lambda: ec.generate_private_key(ec.BrainpoolP256R1()).public_key(), "P-256, P-384 and P-521"),
    "Ed25519": (lambda: ed25519.Ed25519PrivateKey.generate().public_key(), "not taken yet"),
    "Ed448": (lambda: ed448.Ed448PrivateKey.generate().public_key(), "not taken yet"),
    "X25519": (lambda: x25519.X25519PrivateKey.generate().public_key(), "this kind"),
    "DSA": (lambda: dsa.generate_private_key(2048).public_key(), "this kind"),
    "nothing": (lambda: None, "this kind"),
}


@pytest.mark.parametrize(("make", "reason"), OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_6_1_6_other_kinds_are_refused_clearly(make, reason):
    with pytest.raises(BadPublicKey, match=reason):
        check_key(make())


@pytest.mark.parametrize("bits", [1024, 2040, 2047, 2049, 2050, 4097, 4104, 8192, 16384])
def test_6_1_6_rsa_of_other_sizes_is_refused(bits):
    with pytest.raises(BadPublicKey, match="2048 to 4096"):
        check_key(public(sound(bits)))


@pytest.mark.parametrize("exponent", [3, 17, 65539, (1 << 64) + 1])
def test_6_1_6_rsa_with_another_exponent_is_refused(exponent):
    with pytest.raises(BadPublicKey, match="65537"):
        check_key(public(sound(2048), exponent))


@pytest.mark.parametrize("factor", [3, 5, 7, 167, 743, 751])
def test_6_1_1_3_rsa_with_a_small_factor_is_refused(factor):
    n = sound(2048) // factor * factor
    n += 0 if n % 2 else factor
    with pytest.raises(BadPublicKey, match="small factor"):
        check_key(public(n))


def test_6_1_1_3_rsa_with_factors_close_to_each_other_is_refused():
    p = sound(1024)
    q = p + 2
    while any(q % d == 0 for d in range(3, 1000, 2)):
        q += 2
    with pytest.raises(BadPublicKey, match="too close"):
        check_key(public(p * q))


def test_6_1_1_3_rsa_that_is_a_square_is_refused():
    with pytest.raises(BadPublicKey, match="too close"):
        check_key(public(sound(1024) ** 2))


def test_6_1_1_3_rsa_with_the_roca_defect_is_refused():
    primes = [n for n in range(2, 702) if all(n % d for d in range(2, math.isqrt(n) + 1))]
    product = math.prod(primes)
    draw = random.Random(1)

    def factor():
        """The form of the defect: k * M + (65537^a mod M)."""
        while True:
            p = draw.getrandbits(1024 - product.bit_length()) * product + pow(E, draw.getrandbits(60), product)
            if p.bit_length() == 1024 and all(p % d for d in range(3, 760, 2)):
                return p

    n = 0
    while n.bit_length() != 2048:
        n = factor() * factor()
    with pytest.raises(BadPublicKey, match="ROCA"):
        check_key(public(n))


def test_no_arithmetic_on_numbers_of_any_size():
    class Huge(rsa.RSAPublicKey):
        """A key whose numbers nobody must ask for."""

        key_size = 700_000

        def public_numbers(self):
            raise AssertionError("asked")

        encrypt = verify = recover_data_from_signature = public_bytes = public_numbers
        __eq__ = __copy__ = __deepcopy__ = public_numbers
        __hash__ = None

    with pytest.raises(BadPublicKey, match="2048 to 4096"):
        check_key(Huge())


def test_a_lookalike_that_is_no_pyca_key_is_refused():
    with pytest.raises(BadPublicKey):
        check_key(SimpleNamespace(curve=ec.SECP256R1(), key_size=256))


def test_the_spki_hash_is_the_one_openssl_makes(ec_key):
    pem = ec_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    run = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, capture_output=True, timeout=30, check=True
    )
    assert spki_sha256(ec_key.public_key()) == hashlib.sha256(run.stdout).digest()
