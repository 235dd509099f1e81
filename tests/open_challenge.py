"""A challenge type that proves whatever it is told to, by a POST alone: for rules that hold whichever type proves."""

from __future__ import annotations

from dataclasses import dataclass, field

from challenges.base import Begun, Ca, Error, Identifier, Json, Network, Outbox, Outcome, Task, Tools, Verdict

__all__ = ["OpenChallenge", "opened"]


@dataclass
class OpenChallenge:
    """Implements `challenges.base.ChallengeType`."""

    type: str = "open-01"
    kinds: tuple[str, ...] = ("dns", "ip", "jid")
    """Types of identifiers that it offers itself for."""
    subdomains: bool = True
    wildcards: bool = True
    has_token: bool = True
    error: Error | None = None
    """What a validation comes to; None: valid."""
    offered: list[Identifier] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    """What was validated."""

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        self.offered.append(identifier)
        return {} if identifier.type in self.kinds else None

    def begin(self, task: Task, payload: Json, outbox: Outbox, ca: Ca) -> Begun:
        return Begun(state=task.state, due=True)

    def validate(self, task: Task, network: Network) -> Outcome:
        self.tasks.append(task)
        return Outcome(Verdict.VALID if self.error is None else Verdict.INVALID, self.error)

    def respond(self, task: Task, tools: Tools) -> None:
        return None


def opened(*types: OpenChallenge) -> dict[str, OpenChallenge]:
    """As `Parts.challenges`."""
    return {challenge.type: challenge for challenge in types or (OpenChallenge(),)}
