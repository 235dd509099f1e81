"""RFC 8555's handlers: `handler(SignedRequest, Services) -> Reply`, with no web framework and no SQL."""
