"""What the challenge types have in common whose proof the server fetches: a POST asks it to look (RFC 8555 §8).

Nothing here fetches or judges.
"""

from __future__ import annotations

from typing import ClassVar

from challenges.base import Begun, Ca, Json, Outbox, Task

__all__ = ["Pull"]


class Pull:
    """A base of challenge types."""

    __slots__ = ()
    has_token: ClassVar[bool] = True

    def begin(self, task: Task, payload: Json, outbox: Outbox, ca: Ca) -> Begun:
        """Any JSON object will do: `{}` by RFC 8555 §7.5.1, members of older drafts are ignored."""
        return Begun(state=task.state, due=True)
