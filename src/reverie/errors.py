"""The one exception for what a user can mend."""


class UserError(Exception):
    """Something the user can mend: one line that says what is wrong, where, and what to do.

    `usage` tells a mistake in what was asked (exit code 2) from one in what was found (exit code 1).
    """

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage
