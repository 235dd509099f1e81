"""xmpp-ica's certificate authority: an ACME server (RFC 8555) for the names of the XMPP federation."""
