"""An issuer's key that is no pyca key but behaves as one, as an HSM's would, and asks the test at each signature."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Signer"]


class Signer(ec.EllipticCurvePrivateKey):
    """An issuer's key with hooks before and after it signs a certificate, and before a CRL."""

    def __init__(self, key):
        self.key = key
        self.before = lambda content: None
        self.after = lambda: None
        self.before_crl = lambda content: None
        self.signed = []

    def sign(self, data, signature_algorithm):
        if b"\x55\x1d\x11" in data:  # a certificate with subjectAltName, no CRL
            self.before(data)
            self.signed.append(data)
            signature = self.key.sign(data, signature_algorithm)
            self.after()
            return signature
        self.before_crl(data)
        return self.key.sign(data, signature_algorithm)

    def public_key(self):
        return self.key.public_key()

    @property
    def curve(self):
        return self.key.curve

    @property
    def key_size(self):
        return self.key.key_size

    def _never(self, *_):
        raise NotImplementedError

    exchange = private_numbers = private_bytes = _never

    def __copy__(self):
        return self

    def __deepcopy__(self, _memo):
        return self
