"""What the CA does to check a name: the guarded way out, and who uses it. Nothing here answers a request."""
