"""What leaves the outbox and how: one module for each kind of message. No database here."""
