"""What is wrong with the encoding of a request's body."""

from __future__ import annotations


class BodyTooLarge(ValueError):
    """The output exceeds the limit; decompression stopped there."""


class BadEncoding(ValueError):
    """The body does not have the stated Content-Encoding."""


class UnknownEncoding(ValueError):
    """The Content-Encoding is not supported."""
