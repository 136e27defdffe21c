"""What people look at: what every host of a cell last said, put together, judged and printed.

Built from files alone, so that it works while the daemon does not, and from the standard library alone,
because monitoring calls it every minute. Everything read is hostile until it was checked; whatever is
wrong with it becomes a named problem on the screen, never a traceback. This package refuses to change
anything and to decide anything that the daemon decides.

Its values are named tuples and no dataclasses: making seventeen of those costs 10 ms at each start.
"""
