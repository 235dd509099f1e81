"""Making certificates: what may stand in one, who signs it, and the list of those taken back.

`issuer` makes certificates in two steps out of a `profiles.Request`, each looked at by `lint` and, where its shape is
new, through `shapes` by pkilint; `csr` and `keys` judge what a client brought; `authority` and `signers` keep our own
keys; `crl` makes the revocation list. Nothing here knows of HTTP or SQL.
"""
