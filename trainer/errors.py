"""What can go wrong in training that its user can put right."""


class TrainerError(Exception):
    """Bad input; the message is one line that says what is wrong. The command line exits with `status`."""

    status = 2


class TargetMissedError(TrainerError):
    """A model or the vote ended below the recipe's target; nothing was published."""

    status = 1


class DivergedError(TrainerError):
    """The loss of a model became no number, by settings that cannot train it."""

    status = 1


class RefusedError(TrainerError):
    """A fine-tuned model is worse than the version that it started from, and was not published."""

    status = 1
