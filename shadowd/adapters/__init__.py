"""The world, one technology a file: each adapter implements a port of ``shadowd.ports``, or helps one to.

Why a floor of its own: everything that can hang, lie or be half written is met here and turned into a
value of ``shadowd.core.values`` before it travels up. Adapters are read and replaced one at a time, so
they know neither the runtime nor the configuration; ``app`` puts them together. They decide nothing:
no adapter judges silence, starts a bid or retries beyond the one reopening that NFS.md asks for.
"""
