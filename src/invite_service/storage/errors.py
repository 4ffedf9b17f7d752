"""What a transaction can end with besides success, told apart by whether trying again helps."""


class TransactionConflictError(Exception):
    """Another transaction came in between (serialisation failure, deadlock, or a guard that missed).

    Nothing was written; doing the same again, from the beginning, is right.
    """


class DatabaseUnavailableError(Exception):
    """The database cannot be reached, or went away in the middle; whether a commit under way went through is open."""
