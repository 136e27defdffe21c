"""The composition root: the only place that knows adapters and runtime at once.

``wiring`` makes one cell out of its settings and its files, ``daemon`` the process that serves many.
"""
