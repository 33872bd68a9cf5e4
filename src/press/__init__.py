"""The machinery that turns chapters into the book: run, gather, build, update, verify."""


class BookError(Exception):
    """A problem whose one message names the file, the place and the mend; the command line prints it and exits 1."""
