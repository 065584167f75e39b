"""What can be wrong with an artifact."""


class ArtifactError(Exception):
    """A version that cannot be trusted or read; the message names the file and what is wrong with it."""
