"""Whether an error says that the database is not there at the moment: stopped, starting, or cut off."""

import psycopg

#: Beside those of class 08, which are about connections: stopped by somebody, crashed, starting or stopping, full.
_STATES = {"57P01", "57P02", "57P03", "57P05", "53300"}


def database_is_away(error: BaseException | None) -> bool:
    """Whether this error, or what it came from, is that the database could not be talked to. Nothing was written then."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            state = error.sqlstate
            # Without a state it was not the server that spoke: the connection broke, or there was none.
            return state is None or state.startswith("08") or state in _STATES
        error = error.__cause__ or error.__context__
    return False
