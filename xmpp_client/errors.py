"""What can go wrong on the client's side, each as a type that says what happened and what to do next.

Text from outside must never reach a terminal unfiltered: `legible` is the only way it gets into a message.
Problem documents are those of RFC 7807 and RFC 8555 §6.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AcmeProblem",
    "BusyError",
    "ChallengeFailed",
    "ClientError",
    "ConfigError",
    "InstallError",
    "Problem",
    "ProtocolError",
    "StateError",
    "TransportError",
    "UnsupportedError",
    "VerificationError",
    "legible",
]

PROBLEM_TEXT = 500
"""Characters of foreign text that are shown at most."""


def legible(text: object, limit: int = PROBLEM_TEXT) -> str:
    """Foreign text made safe for a terminal and a log: no control or invisible character, at most `limit` long.

    Other than `challenges.text.printable` it keeps letters of all scripts: names are shown as U-labels here.
    """
    cleaned = "".join(c if c.isprintable() else " " for c in str(text)[: limit + 1])
    return cleaned if len(cleaned) <= limit else cleaned[: limit - 1] + "…"


class ClientError(Exception):
    """A reason why a command cannot do what it was asked to; str() is one sentence for a person."""

    hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or type(self).hint
        """What to do next; may be empty."""


class ConfigError(ClientError):
    """The configuration file says something it must not, or leaves out something needed."""


class StateError(ClientError):
    """The state directory is not as it should be, or could not be written."""


class BusyError(ClientError):
    """Another process holds the lock of the state directory."""

    hint = "Wait until the other xmpp-cert has ended, then run this again."


class TransportError(ClientError):
    """No usable answer came from the CA: refused, cut off, too slow, too big, or not over verified TLS."""

    hint = "Check the network, `directory` and `ca_bundle`; nothing was changed, so running this again is safe."

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds the CA asks to wait, if it does."""


class ProtocolError(ClientError):
    """The CA's answer breaks RFC 8555, or goes where this client will not follow."""

    hint = "Nothing was installed. Tell the CA's operators what is said above."


class UnsupportedError(ClientError):
    """The CA does not offer what was asked for."""


class VerificationError(ClientError):
    """The certificate that came is not the one that was asked for; it is not installed."""

    hint = "The certificate in use was kept. Tell the CA's operators what is said above."


class InstallError(ClientError):
    """The XMPP server could not be given the new certificate, or does not serve it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document (RFC 7807), its text made legible."""

    type: str
    """The whole URN, or `about:blank`."""
    detail: str
    status: int = 0
    """The HTTP status it came with; 0 where it came inside an object."""
    identifier: str = ""
    """The value of the identifier a subproblem is about (RFC 8555 §6.7.1)."""
    subproblems: tuple[Problem, ...] = field(default=())

    @property
    def kind(self) -> str:
        """The last part of an ACME URN (RFC 8555 §6.7), else the type as it is."""
        return self.type.removeprefix("urn:ietf:params:acme:error:")

    def __str__(self) -> str:
        """One line for a person, with the subproblems."""
        about = f"{self.identifier}: " if self.identifier else ""
        own = f"{about}{self.detail or 'no detail given'} ({self.kind})"
        return "; ".join([own, *map(str, self.subproblems)])


class AcmeProblem(ClientError):  # noqa: N818 - RFC 7807's noun, with the CA it comes from
    """The CA refused a request with a problem document."""

    def __init__(self, problem: Problem, *, retry_after: float | None = None) -> None:
        super().__init__(legible(f"the CA says: {problem}"), hint=_HINTS.get(problem.kind, ""))
        self.problem = problem
        self.retry_after = retry_after
        """Seconds the CA asks to wait, if it does."""


class ChallengeFailed(ClientError):  # noqa: N818 - a challenge that failed, by RFC 8555's noun
    """A validation has failed for good."""

    hint = "Mend what is said above, then run `xmpp-cert issue` again: it begins with a new order."


_HINTS = {
    "rateLimited": "Wait as long as the CA says, then run this again.",
    "caa": "Change the CAA records of the domain, or leave this CA.",
    "unauthorized": "Check that the account key in the state directory is the one that ordered the certificate.",
    "accountDoesNotExist": "Run `xmpp-cert issue` once: it makes the account.",
    "userActionRequired": "Read the CA's terms, then set `agree_terms = true`.",
    "alreadyRevoked": "Nothing is left to do.",
    "rejectedIdentifier": "Take the name out of `domains`, or ask the CA why it refuses it.",
    "serverInternal": "Run this again later.",
}
