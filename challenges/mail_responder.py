"""The client's half of email-01: ask for the mail, read the code, answer.

What the CA offers is hostile input: nothing of it is shown or sent back that is not an address.
Implements docs/reference/email-01.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from challenges.base import Json, MailReader, Task, key_authorization
from challenges.mail_code import answer
from challenges.text import ADDRESS

__all__ = ["MailResponder"]


@dataclass(frozen=True, slots=True)
class MailResponder:
    """The client's half: ask for the mail, read the code, answer."""

    task: Task
    reader: MailReader
    chosen: str | None
    timeout: float
    """Seconds."""

    def present(self) -> Json:
        """Raises ValueError where the mailbox chosen is none that the CA writes to."""
        return {"mailbox": self._mailbox()}

    def wait(self) -> Json | None:
        """Raises TimeoutError and ValueError."""
        mailbox = self._mailbox()
        sender = self.task.offer.get("from")
        if not isinstance(sender, str) or not ADDRESS.fullmatch(sender):
            raise ValueError('the CA\'s challenge has no address as "from"')
        code = self.reader.code(self.task.url, sender, mailbox, self.timeout)
        half = key_authorization(self.task.token, self.task.thumbprint)
        return {"mailbox": mailbox, "response": answer(code, half)}

    def clean_up(self) -> None:
        """Nothing was left anywhere."""

    def _mailbox(self) -> str:
        mailboxes = self.task.offer.get("mailboxes")
        # The CA is hostile input: these addresses are shown to a person.
        if not isinstance(mailboxes, list) or not mailboxes or not all(_is_address(item) for item in mailboxes):
            raise ValueError('the CA\'s challenge has no list of addresses as "mailboxes"')
        if self.chosen is None:
            return str(mailboxes[0])
        if self.chosen not in mailboxes:
            raise ValueError(f"the CA does not write to {self.chosen}, only to {', '.join(mailboxes[:6])}")
        return self.chosen


def _is_address(value: object) -> bool:
    return isinstance(value, str) and ADDRESS.fullmatch(value) is not None
