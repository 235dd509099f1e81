"""Which public keys are taken, for certificates and accounts alike (BR 6.1.1.3, 6.1.6; RFC 8032 §5.1.3)."""

import hashlib
import math
import random
import subprocess
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from raw_csr import oid, rsa_spki, seq

from acme_server.errors import BadCSR, BadPublicKey
from acme_server.issuance.csr import read_csr
from acme_server.issuance.der import BIT_STRING, encode
from acme_server.issuance.keys import check_key, check_modulus, spki_sha256

E = 65537
PRIME = 2**2048 - 1557


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
    "Ed448": (lambda: ed448.Ed448PrivateKey.generate().public_key(), "this kind"),
    "X448": (lambda: x448.X448PrivateKey.generate().public_key(), "this kind"),
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


P = (1 << 255) - 19
D = -121665 * pow(121666, -1, P) % P


def root(square):
    """A square root by p = 5 mod 8 (RFC 8032 §5.1.3), or None."""
    for candidate in (pow(square, (P + 3) // 8, P), pow(square, (P + 3) // 8, P) * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == square % P:
            return candidate
    return None


def decoded(y, sign):
    """The point of an encoding, or None."""
    x = root((y * y - 1) * pow(D * y * y + 1, -1, P))
    return None if x is None else (P - x if x % 2 != sign and x else x, y)


def doubled(point):
    """RFC 8032 §5.1.4 for two equal points, in affine coordinates."""
    x, y = point
    product = D * x * x * y * y % P
    return 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P


def ed25519_key(y, sign=0):
    return ed25519.Ed25519PublicKey.from_public_bytes((y | sign << 255).to_bytes(32, "little"))


def order_8():
    """The y whose point doubled twice is (0, -1): 2 y^2 = 1 - d y^4, from the doubled point's y being 0."""
    squares = [(-1 + sign * root(1 + D)) * pow(D, -1, P) % P for sign in (1, -1)]
    return [y for square in squares if (half := root(square)) for y in (half, P - half)]


SMALL = [0, 1, P - 1, *order_8()]


def test_8032_the_small_order_points_are_all_eight():
    points = {decoded(y, sign) for y in SMALL for sign in (0, 1)} - {None}
    assert len(points) == 8
    for point in points:
        assert doubled(doubled(doubled(point))) == (0, 1)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", SMALL, ids=hex)
def test_8032_an_ed25519_key_of_small_order_is_refused(y, sign):
    with pytest.raises(BadPublicKey, match="small order"):
        check_key(ed25519_key(y, sign))


def test_8032_a_key_of_small_order_would_let_anybody_sign():
    """Why it is ours to refuse: the library takes the key, and a signature that nobody made."""
    assert ed25519_key(1).verify(b"\1" + bytes(63), b"anything") is None  # it raises where a signature is wrong


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", [P, P + 1, P + 2, P + 18, (1 << 255) - 1], ids=hex)
def test_8032_5_1_3_an_ed25519_key_that_is_not_canonical_is_refused(y, sign):
    with pytest.raises(BadPublicKey, match="canonical"):
        check_key(ed25519_key(y, sign))


@given(st.integers(0, P - 1), st.integers(0, 1))
def test_8032_5_1_3_an_ed25519_key_is_taken_where_it_is_a_point_and_not_a_small_one(y, sign):
    if decoded(y, sign) is not None and y not in SMALL:
        check_key(ed25519_key(y, sign))
    else:
        with pytest.raises(BadPublicKey, match="Ed25519"):
            check_key(ed25519_key(y, sign))


def test_8032_ed25519_as_openssl_makes_it_is_taken():
    for _ in range(50):
        check_key(ed25519.Ed25519PrivateKey.generate().public_key())


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


def test_an_rsa_key_whose_modulus_is_a_prime_comes_into_no_certificate():
    with pytest.raises(BadPublicKey, match="prime"):
        check_modulus(public(PRIME))
    check_modulus(rsa.generate_private_key(65537, 2048).public_key())
    check_modulus(ec.generate_private_key(ec.SECP256R1()).public_key())


def test_2_2_a_csr_signed_by_such_a_key_is_refused():
    # Who knows the modulus knows the private exponent: the inverse of e by n - 1.
    information = seq(b"\x02\x01\x00", seq(), rsa_spki(PRIME, E), b"\xa0\x00")
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(information).digest()
    padded = int.from_bytes(b"\0\1".ljust(256 - len(digest) - 1, b"\xff") + b"\0" + digest, "big")
    signature = pow(padded, pow(E, -1, PRIME - 1), PRIME).to_bytes(256, "big")
    algorithm = seq(oid("1.2.840.113549.1.1.11"), b"\5\0")
    with pytest.raises(BadCSR, match="prime"):
        read_csr(seq(information, algorithm, encode(BIT_STRING, b"\0" + signature)))
