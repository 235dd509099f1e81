"""Proving an order's identifiers: choose a challenge for each authorization, answer it, wait for the CA's verdict.

What a responder has put up must always be taken down again, whatever happens; a wrong answer must not be sent twice.
RFC 8555 §7.5, §7.5.1 and §8; RFC 9444 §4.2; the tries of email-01 are in docs/reference/email-01.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from challenges.base import ChallengeType, Json, MailReader, Responder, Task, Tools
from xmpp_client.errors import (
    AcmeProblem,
    ChallengeFailed,
    Problem,
    ProtocolError,
    TransportError,
    UnsupportedError,
    legible,
)
from xmpp_client.names import below
from xmpp_client.orders import Authorization, ChallengeObject, Order, Status
from xmpp_client.progress import Progress
from xmpp_client.session import Session, passing

__all__ = ["Means", "prove", "wait_until"]

WATCH = 20.0
"""Seconds between two looks at a challenge whose code has not come yet."""


@dataclass(frozen=True, slots=True)
class Means:
    """What proofs are made with."""

    tools: Tools
    challenges: Mapping[str, ChallengeType]
    """Wire name -> type."""
    preference: tuple[str, ...]
    """Wire names, best first."""
    names: tuple[str, ...]
    """Values of the identifiers ordered."""


def prove(session: Session, order: Order, means: Means, progress: Progress) -> None:
    """Make every authorization of the order valid. Raises a ClientError of any kind."""
    with ExitStack() as stack:
        proofs = []
        for url in order.state.authorizations:
            authorization = Authorization(session, url)
            _check(authorization, means.names)
            if authorization.state.status is not Status.VALID:
                proof = _Proof(session, authorization, means, progress)
                stack.callback(proof.clean_up)
                proofs.append(proof)
        for proof in proofs:
            proof.present()
        for proof in proofs:
            proof.complete()
    if order.state.status is Status.PENDING:
        order.refresh()


def wait_until(session: Session, handle: Order | Authorization, done: Callable[[], bool]) -> None:
    """Refresh the handle until `done`, as slowly as the CA asks. Raises TransportError when the time is over."""
    attempt = 0
    while not done():
        session.sleep(session.policy.pause(attempt, handle.retry_after))
        handle.refresh()
        attempt += 1


def _check(authorization: Authorization, names: tuple[str, ...]) -> None:
    """The authorization is one we asked for, and can still be proven. Raises ProtocolError, ChallengeFailed."""
    state = authorization.state
    value = state.identifier.value
    covers = value in names or (state.subdomains and any(below(name, value) for name in names))
    if not covers:
        raise ProtocolError(f"the CA wants a proof for {value!r}, which was not ordered")
    if state.status not in (Status.PENDING, Status.VALID):
        raise ChallengeFailed(f"the authorization of {value} is {state.status}: {state.error or 'no reason given'}")


class _Proof:
    """One authorization on its way from pending to valid."""

    def __init__(self, session: Session, authorization: Authorization, means: Means, progress: Progress) -> None:
        self._session = session
        self._authorization = authorization
        self._progress = progress
        self._name = authorization.state.identifier.value
        self._challenge, self._responder = self._choose(means)
        self._told: Problem | None = self._challenge.error
        self._unanswered = ""
        """Why the last look was in vain; empty where it was not."""

    def present(self) -> None:
        """The quick part, for all authorizations before any of them is waited for."""
        try:
            payload = self._responder.present()
        except ValueError as error:
            raise ChallengeFailed(legible(error)) from error
        self._challenge = self._authorization.answer(self._challenge, payload)
        self._told = self._challenge.error
        self._progress.step(f"asked the CA to check {self._name} by {self._challenge.type}{_where(payload)}")

    def complete(self) -> None:
        """The slow part. Raises ChallengeFailed, TransportError."""
        sent: list[Json] = []
        while (payload := self._second_answer()) is not None:
            if payload in sent:
                raise ChallengeFailed(
                    f"the code for {self._name} is the one that the CA has already refused",
                    hint="Run `xmpp-cert issue` again for a new code.",
                )
            sent.append(payload)
            self._challenge = self._authorization.answer(self._challenge, payload)
            refused = self._refusal()
            if refused is None:
                break
            self._progress.trouble(f"wrong answer: {refused}")
        self._progress.waiting(f"the CA checks {self._name}")
        if self._challenge.status in (Status.VALID, Status.INVALID):
            self._authorization.refresh()
        wait_until(self._session, self._authorization, self._is_decided)
        self._raise_unless_valid()
        self._progress.step(f"proved {self._name} by {self._challenge.type}")

    def clean_up(self) -> None:
        """Take down what `present` put up."""
        self._responder.clean_up()

    def _choose(self, means: Means) -> tuple[ChallengeObject, Responder]:
        """The first type of the preference that is offered and that the tools can answer."""
        offered = {c.type: c for c in self._authorization.state.challenges if c.token}
        for kind in means.preference:
            challenge = offered.get(kind)
            if challenge is None or challenge.status not in (Status.PENDING, Status.PROCESSING):
                continue
            responder = means.challenges[kind].respond(self._task(challenge, means.names), self._watched(means.tools))
            if responder is not None:
                return challenge, responder
        raise UnsupportedError(
            f"{self._name} cannot be proven: the CA offers {', '.join(offered) or 'nothing usable'}, "
            f"and this configuration can do {', '.join(means.preference)}",
            hint="Add what one of the offered types needs: `webroot` for http-01, [certificate.mail] for email-01.",
        )

    def _task(self, challenge: ChallengeObject, names: tuple[str, ...]) -> Task:
        state = self._authorization.state
        return Task(
            identifier=state.identifier,
            token=challenge.token,
            thumbprint=self._session.key.thumbprint,
            url=challenge.url,
            offer=challenge.offer,
            names=names,
            expires=state.expires,
        )

    def _watched(self, tools: Tools) -> Tools:
        return tools if tools.mail is None else replace(tools, mail=_WatchedMail(tools.mail, self._session, self._look))

    def _look(self) -> None:
        """While a code is waited for: does the challenge still live? Raises ChallengeFailed.

        That the CA cannot say so just now is told, and ends nothing.
        """
        try:
            self._authorization.refresh()
        except (TransportError, AcmeProblem) as error:
            if not passing(error):
                raise
            if str(error) != self._unanswered:
                self._progress.trouble(str(error))
            self._unanswered = str(error)
            return
        self._unanswered = ""
        self._refresh_challenge()
        if self._is_decided():
            self._raise_unless_valid()
        if self._challenge.error not in (None, self._told):
            self._told = self._challenge.error
            self._progress.trouble(f"{self._name}: {self._told}")

    def _second_answer(self) -> Json | None:
        try:
            return self._responder.wait()
        except TimeoutError as error:
            raise ChallengeFailed(
                legible(error),
                hint="Find out where the mail is, then run `xmpp-cert issue` again.",
            ) from error
        except ValueError as error:
            raise ChallengeFailed(legible(error)) from error

    def _refusal(self) -> Problem | None:
        """Wait for the verdict on the answer just sent: None where it was right, else why it was wrong.

        The challenge may show the last answer's error until the CA has judged this one: only a new error counts.
        """
        attempt = 0
        while self._challenge.status in (Status.PENDING, Status.PROCESSING):
            if self._challenge.error not in (None, self._told):
                self._told = self._challenge.error
                return self._told
            self._session.sleep(self._session.policy.pause(attempt, self._authorization.retry_after))
            self._authorization.refresh()
            self._refresh_challenge()
            attempt += 1
        return None

    def _refresh_challenge(self) -> None:
        same = [c for c in self._authorization.state.challenges if c.url == self._challenge.url]
        if same:
            self._challenge = same[0]

    def _is_decided(self) -> bool:
        return self._authorization.state.status is not Status.PENDING

    def _raise_unless_valid(self) -> None:
        state = self._authorization.state
        if state.status is not Status.VALID:
            raise ChallengeFailed(f"{self._name} was not proven: {state.error or f'it is {state.status}'}")


class _WatchedMail:
    """A mail reader that is interrupted now and then to see whether the challenge still lives."""

    def __init__(self, reader: MailReader, session: Session, look: Callable[[], None]) -> None:
        self._reader = reader
        self._session = session
        self._look = look

    def code(self, challenge_url: str, sender: str, mailbox: str, timeout: float) -> str:
        """As the reader it wraps; raises ChallengeFailed when the challenge has ended meanwhile."""
        clock = self._session.clock
        end = clock.monotonic() + timeout
        while True:
            try:
                with self._uncounted():
                    return self._reader.code(
                        challenge_url, sender, mailbox, min(WATCH, max(end - clock.monotonic(), 0.0))
                    )
            except TimeoutError:
                if clock.monotonic() >= end:
                    raise
            with self._uncounted():  # a CA that pauses must not use up the time for what comes after
                self._look()

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        """What is done here takes nothing of the session's time."""
        clock = self._session.clock
        began = clock.monotonic()
        try:
            yield
        finally:
            self._session.extend(clock.monotonic() - began)


def _where(payload: Json) -> str:
    mailbox = payload.get("mailbox")
    return f"; the code goes to {legible(mailbox, 320)}" if mailbox else ""
