"""CAs inside the test's process."""

from tests.in_process import _copies, ca, ca_folder, mail_sink, make_ca, shared_ca

__all__ = ["_copies", "ca", "ca_folder", "mail_sink", "make_ca", "shared_ca"]
