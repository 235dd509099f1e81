"""What makes the CA a community's: the audit chain (members, notices, reports come beside it)."""
