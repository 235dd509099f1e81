"""Signers that are no pyca keys but behave as one, as an HSM's would, and some that misbehave."""

from cryptography.hazmat.primitives.asymmetric import ec


class ForeignKey(ec.EllipticCurvePrivateKey):
    """Behaves as a pyca key, as an HSM's would; `sign` is each test's."""

    def __init__(self, key):
        self._key = key

    @property
    def curve(self):
        return self._key.curve

    @property
    def key_size(self):
        return self._key.key_size

    def public_key(self):
        return self._key.public_key()

    def sign(self, data, signature_algorithm):
        return self._key.sign(data, signature_algorithm)

    def exchange(self, *_):
        raise NotImplementedError

    private_numbers = private_bytes = exchange

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


class NoSigner(ForeignKey):
    def sign(self, data, signature_algorithm):
        raise AssertionError("used")


class Forger(ForeignKey):
    """Signs something else than it is given."""

    def sign(self, data, signature_algorithm):
        return self._key.sign(data.replace(b"example", b"victims"), signature_algorithm)


class Noise(ForeignKey):
    def sign(self, data, signature_algorithm):
        return b"no signature"
