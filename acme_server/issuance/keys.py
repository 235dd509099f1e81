"""The one check of a public key: of accounts, of key changes, of CSRs and of revocations alike.

It never judges who holds the key, only whether the key is of a kind and a strength we take; it must stay cheap for
P-256, which is the usual case. CA/Browser Forum BR 6.1.1.3 and 6.1.6, NIST SP 800-56A §5.6.2.3 (points of the NIST
curves: by pyca), RFC 8032 §5.1.3 (points of Ed25519: here, for pyca takes any 32 octets).
"""

from __future__ import annotations

import functools
import hashlib
import math

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acme_server.errors import BadPublicKey

__all__ = ["PublicKey", "check_key", "check_modulus", "spki_sha256"]

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
"""The kinds a certificate of ours may hold."""

_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_RSA_BITS = range(2048, 4097, 8)
_RSA_EXPONENT = 65537
_FERMAT_ROUNDS = 100
"""BR 6.1.1.3: at least 100 rounds of Fermat's factorization."""


def _primes(below: int) -> tuple[int, ...]:
    return tuple(n for n in range(2, below) if all(n % d for d in range(2, math.isqrt(n) + 1)))


_SMALL = _primes(752)
_SMALL_PRODUCT = math.prod(_SMALL)


def _powers(prime: int) -> frozenset[int]:
    """The residues that powers of 65537 leave by `prime`."""
    return frozenset(pow(_RSA_EXPONENT, exponent, prime) for exponent in range(prime - 1))


_ROCA = tuple(
    (prime, powers)
    for prime, powers in ((prime, _powers(prime)) for prime in _SMALL if 2 < prime <= 167)  # noqa: PLR2004
    if len(powers) < prime - 1
)
"""CVE-2017-15361: both factors of such a modulus are powers of 65537 by each of the first primes, and so is the
modulus; where those powers are not all residues, that tells. A sound key passes all of them once in some 2^28."""


_FIELD = (1 << 255) - 19
_CURVE = -121665 * pow(121666, -1, _FIELD) % _FIELD
"""RFC 8032 §5.1: p and d of -x² + y² = 1 + d x² y²."""
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y of the eight points whose order divides 8: under such a key anybody can sign some or all messages."""
_ED25519_SIGN = 1 << 255
"""The bit of an encoded point that is not y but the sign of x."""


def check_key(public_key: object) -> None:
    """Raise BadPublicKey unless this is P-256, P-384, P-521, a sound Ed25519 or a sound RSA key.

    RSA: 2048 to 4096 bits, e = 65537.
    """
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name not in _CURVES:
            raise BadPublicKey("Of elliptic curves only P-256, P-384 and P-521 are taken.")
    elif isinstance(public_key, rsa.RSAPublicKey):
        _check_rsa(public_key)
    elif isinstance(public_key, ed25519.Ed25519PublicKey):
        _check_ed25519(public_key)
    else:
        raise BadPublicKey("Keys of this kind are not taken; use P-256, Ed25519 or RSA.")


def spki_sha256(public_key: PublicKey) -> bytes:
    """SHA-256 of the DER SubjectPublicKeyInfo: the name by which two keys are compared and blocked."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _check_rsa(public_key: rsa.RSAPublicKey) -> None:
    """The size comes first: no arithmetic on a number of any length. Raises BadPublicKey."""
    if public_key.key_size not in _RSA_BITS:
        raise BadPublicKey("An RSA key must have 2048 to 4096 bits, a multiple of 8.")
    numbers = public_key.public_numbers()
    if numbers.e != _RSA_EXPONENT:
        raise BadPublicKey(f"An RSA key must have the public exponent {_RSA_EXPONENT}.")
    if math.gcd(numbers.n, _SMALL_PRODUCT) != 1:
        raise BadPublicKey("This RSA key has a small factor: whoever made it, make a new one elsewhere.")
    if all(numbers.n % prime in powers for prime, powers in _ROCA):
        raise BadPublicKey("This RSA key looks like one of a device with the ROCA defect (CVE-2017-15361).")
    if _close_factors(numbers.n):
        raise BadPublicKey("The two factors of this RSA key are too close to each other.")


def _check_ed25519(public_key: ed25519.Ed25519PublicKey) -> None:
    """RFC 8032 §5.1.3: decoding has to succeed, in one way. Raises BadPublicKey."""
    y = int.from_bytes(public_key.public_bytes_raw(), "little") & ~_ED25519_SIGN
    if y >= _FIELD:
        raise BadPublicKey("This Ed25519 key is not in its canonical encoding (RFC 8032 §5.1.3).")
    if y in _SMALL_ORDER:
        raise BadPublicKey("This Ed25519 key is a point of small order: anybody could sign for it.")
    # x² = (y² - 1) / (d y² + 1): a quotient is a square where the product is one (Euler's criterion).
    if pow((y * y - 1) * (_CURVE * y * y + 1), (_FIELD - 1) // 2, _FIELD) != 1:
        raise BadPublicKey("This Ed25519 key is no point of the curve (RFC 8032 §5.1.3).")


def check_modulus(public_key: PublicKey) -> None:
    """Raise BadPublicKey for an RSA key whose modulus is a prime: everybody can compute its private key.

    Apart from `check_key`, because it takes 16 ms for 2048 bits and 115 for 4096: too much for whoever asks. It is for
    keys that come into certificates, when their order is ready and the CSR is signed by them.
    """
    if isinstance(public_key, rsa.RSAPublicKey) and _is_prime(public_key.public_numbers().n):
        raise BadPublicKey("The modulus of this RSA key is a prime number: whoever made it, make a new one elsewhere.")


@functools.lru_cache(maxsize=256)
def _is_prime(number: int) -> bool:
    """By Fermat's test, which all primes pass, and of other numbers of that size none that anybody has found."""
    return pow(2, number - 1, number) == 1


def _close_factors(modulus: int) -> bool:
    """Whether Fermat's method finds factors of an odd number within the rounds we give it."""
    start = math.isqrt(modulus - 1) + 1
    for middle in range(start, start + _FERMAT_ROUNDS):
        rest = middle * middle - modulus
        # Squares end in few bit patterns: most candidates need no root.
        if (rest & 63) in _SQUARES and math.isqrt(rest) ** 2 == rest:
            return True
    return False


_SQUARES = frozenset(n * n & 63 for n in range(64))
