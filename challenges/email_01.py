"""email-01: a code mailed to the postmaster@ or hostmaster@ of a domain, answered over ACME by the account that asked.

The CA keeps the SHA-256 of the answer, never the code: `token1` exists in the outbox alone, until the mail is sent, and
no error, log or state shows it. Implements docs/reference/email-01.md, in the shape of RFC 8823; RFC 9444 for the
names below.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

from challenges.base import (
    BadResponse,
    Begun,
    Ca,
    Error,
    Identifier,
    Json,
    Mail,
    Network,
    Outbox,
    Outcome,
    Task,
    Tools,
    Verdict,
    base64url,
    key_authorization,
)
from challenges.clock import utc_now
from challenges.mail_code import answer, format_code, new_code
from challenges.mail_responder import MailResponder
from challenges.text import printable
from challenges.transports import mail as transport

__all__ = ["EMAIL_01", "TRIES", "Email01", "Expected", "expected", "judge"]

DOMAINS = 4
"""At most this many domains have mailboxes in one challenge: those nearest to the registrable one."""
TRIES = 3
"""Answers that each mailbox's code may get."""
_LOCAL_PARTS = ("postmaster", "hostmaster")
_ANSWER = re.compile(r"[A-Za-z0-9_-]{43}")
"""base64url of 32 octets."""


def _digest(response: str) -> str:
    return hashlib.sha256(response.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer is judged by."""

    digest: str
    """SHA-256 of the right answer, hexadecimal."""
    tries: int
    """Answers that are left, this one included."""


def expected(task: Task, mailbox: str) -> Expected:
    """What the code in that mailbox asks for. Raises KeyError where none was sent."""
    box = task.state["mailboxes"][mailbox]
    return Expected(digest=box["digest"], tries=box["tries"])


def judge(wanted: Expected, evidence: str) -> Outcome:
    """VALID for the right answer; `evidence` is the SHA-256 of the one that came, hexadecimal."""
    if hmac.compare_digest(wanted.digest, evidence):
        return Outcome(Verdict.VALID, assurance="mail")
    left = wanted.tries - 1
    if left <= 0:
        detail = "This answer does not fit the code that was mailed, and it was the last try: start a new order"
        return Outcome(Verdict.INVALID, Error("incorrectResponse", detail))
    tries = "1 try" if left == 1 else f"{left} tries"
    detail = f"This answer does not fit the code that was mailed for this challenge and account: {tries} left"
    return Outcome(Verdict.WAITING, Error("incorrectResponse", detail))


# The state: {"expires": time, "mailboxes": {mailbox: {"digest", "tries", "ended"}}, "pending": {"mailbox", "digest"}}.
# "ended" is None, or why a mailbox takes no answers; "pending" is there while an answer waits to be judged.


def _with_mailbox(state: Json, mailbox: str, **changes: object) -> Json:
    boxes = state["mailboxes"]
    return state | {"mailboxes": boxes | {mailbox: boxes.get(mailbox, {}) | changes}}


def _without_pending(state: Json) -> Json:
    return {key: value for key, value in state.items() if key != "pending"}


def _end_of(state: Json) -> datetime:
    """When the challenge's life is over, and `validate` has to say so."""
    return datetime.fromisoformat(state["expires"])


@dataclass(frozen=True, slots=True)
class Email01:
    """The challenge type; an instance holds where chance and time come from."""

    type: ClassVar[str] = "email-01"
    subdomains: ClassVar[bool] = True
    """Whoever reads the postmaster's mail of a name speaks for the names below it (RFC 9444)."""
    wildcards: ClassVar[bool] = False
    """A wildcard is for the names of one zone, so only its DNS speaks for them."""
    has_token: ClassVar[bool] = True

    random: Callable[[int], bytes] = secrets.token_bytes
    """Number of octets -> that many, unpredictable."""
    now: Callable[[], datetime] = utc_now
    life: timedelta = timedelta(hours=1)
    """How long after its first mail a challenge takes answers; at most a day."""

    def __post_init__(self) -> None:
        if not timedelta(0) < self.life <= timedelta(hours=24):
            raise ValueError("a mailed code lives at most 24 hours")

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        """The mailboxes are built from the name, never from anything that an applicant or a registry says."""
        if identifier.type != "dns" or identifier.value.startswith("*.") or ca.mail_from is None:
            return None
        registrable = ca.registrable(identifier.value)
        if registrable is None:
            return None
        return {"from": ca.mail_from, "mailboxes": _mailboxes(identifier.value, registrable)}

    def begin(self, task: Task, payload: Json, outbox: Outbox, ca: Ca) -> Begun:
        """`{}` or `{"mailbox"}` sends a code, `{"response"}` answers one. Raises BadResponse."""
        state = task.state or {"expires": self._end(task).isoformat(), "mailboxes": {}}
        if self._has_ended(state):
            return Begun(state, due=True)  # `validate` says so
        if "response" in payload:
            return Begun(_take_answer(task, state, payload), due=True, again=_end_of(state))
        mailbox = _mailbox_of(task, payload)
        if mailbox in state["mailboxes"]:  # one mail per mailbox and challenge
            return Begun(state, due=False, again=_end_of(state))
        code = new_code(self.random)
        outbox.mail(self._mail(task, mailbox, code, ca, _end_of(state)))
        digest = _digest(answer(code, key_authorization(task.token, task.thumbprint)))
        state = _with_mailbox(state, mailbox, digest=digest, tries=TRIES, ended=None)
        return Begun(state, due=False, again=_end_of(state))

    def validate(self, task: Task, network: Network) -> Outcome:  # evidence came by POST
        """Judge the answer that waits; without one, end the challenge when its life is over."""
        pending = task.state.get("pending")
        if pending is None:
            return self._nothing_pending(task)
        wanted = expected(task, pending["mailbox"])
        outcome = judge(wanted, pending["digest"])
        left = wanted.tries if outcome.verdict is Verdict.VALID else wanted.tries - 1
        state = _with_mailbox(_without_pending(task.state), pending["mailbox"], tries=left)
        again = _end_of(state) if outcome.verdict is Verdict.WAITING else None
        evidence = {"mailbox": pending["mailbox"], "tries_left": left}
        return replace(outcome, state=state, again=again, evidence=evidence)

    def undeliverable(self, task: Task, mail: Mail, detail: str) -> Outcome:
        """A 5xx ends that mailbox only; the challenge is over when all of its mailboxes have ended."""
        reply = printable(detail, 200)
        state = _with_mailbox(task.state, mail.to, ended=reply)
        evidence = {"mailbox": mail.to, "undeliverable": reply}
        refused = f"{mail.to} does not take mail: {reply}"
        left = [box for box in task.offer["mailboxes"] if not _is_ended(state, box)]
        if not left:
            error = Error("connection", f"{refused}. No other mailbox is left; prove the name in another way")
            return Outcome(Verdict.INVALID, error, state=state, evidence=evidence)
        error = Error("connection", f"{refused}. Try the other mailbox: {', '.join(left[:3])}")
        return Outcome(Verdict.WAITING, error, state=state, again=_end_of(state), evidence=evidence)

    def respond(self, task: Task, tools: Tools) -> MailResponder | None:
        return None if tools.mail is None else MailResponder(task, tools.mail, tools.mailbox, tools.timeout)

    def _end(self, task: Task) -> datetime:
        end = self.now() + self.life
        return end if task.expires is None else min(end, task.expires)

    def _has_ended(self, state: Json) -> bool:
        return self.now() >= _end_of(state)

    def _nothing_pending(self, task: Task) -> Outcome:
        if task.state and self._has_ended(task.state):
            detail = f"The code was good until {task.state['expires']}; start a new order for a new one"
            return Outcome(Verdict.INVALID, Error("incorrectResponse", detail))
        again = _end_of(task.state) if task.state else None
        return Outcome(
            Verdict.WAITING, Error("incorrectResponse", "No answer to a mailed code has come yet"), again=again
        )

    def _mail(self, task: Task, mailbox: str, code: str, ca: Ca, expires: datetime) -> Mail:
        content = transport.ChallengeMail(
            ca=ca.name,
            sender=task.offer["from"],
            recipient=mailbox,
            challenge_url=task.url,
            identifier=task.identifier.value,
            names=task.names or (task.identifier.value,),
            thumbprint=task.thumbprint,
            code=format_code(code),
            sent=self.now(),
            expires=expires,
            report_to=ca.report_to,
            message_id=base64url(self.random(18)),
        )
        return Mail(to=mailbox, sender=content.sender, content=transport.compose(content))


def _mailboxes(name: str, registrable: str) -> list[str]:
    """Of the parents up to the registrable domain, nearest first, postmaster@ before hostmaster@.

    The name itself is left out unless it is the registrable one: mail to a host without an MX record goes to the host
    (RFC 5321 §5.1), and who runs one host of a domain must not get the code. No MX record is looked up here.
    """
    labels = name.split(".")
    above = len(labels) - len(registrable.split("."))
    domains = [".".join(labels[depth:]) for depth in range(1, above + 1)] or [name]
    domains = domains[-DOMAINS:]
    return [f"{local}@{domain}" for domain in domains for local in _LOCAL_PARTS]


def _is_ended(state: Json, mailbox: str) -> bool:
    box = state["mailboxes"].get(mailbox)
    return box is not None and box["ended"] is not None


def _mailbox_of(task: Task, payload: Json) -> str:
    """The mailbox a POST speaks of, the first one if it speaks of none. Raises BadResponse."""
    mailboxes = task.offer["mailboxes"]
    mailbox = payload.get("mailbox", mailboxes[0])
    if not isinstance(mailbox, str) or mailbox not in mailboxes:
        raise BadResponse('"mailbox" must be one of the "mailboxes" of this challenge')
    return mailbox


def _take_answer(task: Task, state: Json, payload: Json) -> Json:
    """The state with an answer that waits to be judged. Raises BadResponse."""
    response = payload["response"]
    if not isinstance(response, str) or not _ANSWER.fullmatch(response):
        raise BadResponse('"response" must be base64url without padding of a SHA-256: 43 characters')
    if "pending" in state:
        raise BadResponse("an answer is being judged: poll the challenge before sending another")
    mailbox = _answered_mailbox(task, state, payload)
    if _is_ended(state, mailbox):
        raise BadResponse(f"{mailbox} did not take the mail with the code: use another mailbox")
    return state | {"pending": {"mailbox": mailbox, "digest": _digest(response)}}


def _answered_mailbox(task: Task, state: Json, payload: Json) -> str:
    """The mailbox whose code is answered: the one said, or the only one that a code went to. Raises BadResponse."""
    mailed = list(state["mailboxes"])
    if "mailbox" not in payload and len(mailed) > 1:
        raise BadResponse('codes went to several mailboxes: say which by "mailbox"')
    mailbox = _mailbox_of(task, payload) if "mailbox" in payload or not mailed else mailed[0]
    if mailbox not in mailed:
        raise BadResponse('no code has been sent there: first POST {"mailbox": ...} without "response"')
    return mailbox


EMAIL_01 = Email01()
