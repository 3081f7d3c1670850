"""The one exception of this package that is meant for users."""


class ShoalError(Exception):
    """A fact and what to do: the text is the whole message."""
