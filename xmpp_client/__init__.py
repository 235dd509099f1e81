"""The ACME client of the XMPP federation: proves names, obtains certificates, installs and renews them.

Importing it must never open a file or a socket, nor load cryptography: every part is imported by name
(`xmpp_client.enrol`, `xmpp_client.lineage`). It implements the client's side of RFC 8555, RFC 9444 and email-01.
"""
