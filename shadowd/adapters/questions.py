"""What a master of each kind is asked over TCP, and which reply is a master's.

The reply must be one that only the master's protocol has, for any user may listen on the port that a dead
one left (``shadowd.adapters.calling``). Apart from the probe, because clients ask the same.

**Grid Engine**: the greeting that ``qping`` sends (commlib's CM message, framed by
``<gmsh><dl>LENGTH</dl></gmsh>``) and, in the same packet, the farewell (CCM). Measured with sge_qmaster
8.1.9, 20 times each: it replies a CRM message in 0.2 to 7 ms, then CCRM, closes, and logs nothing, if it is
heard out: whoever closes after the CRM is an error line in its log when the machine is busy. Where it
does not like a name in the greeting, the CRM says "access denied", which is as good an answer. Without the
farewell, or with ``<ct>stream</ct>``, its log gets an error line. To a frame whose content is no message it
closes the connection, as any stranger may. Stopped by SIGSTOP it is silent, and after five connections new
ones hang unaccepted. With ``security_mode csp`` its port speaks TLS (not measured): there any byte and a
close count.

**TORQUE**: a Disconnect request (59) of version 2 of the batch protocol by a user "shadowd", in DIS encoding.
It changes nothing. pbs_server 6.1 closes the connection in order within 0.1 to 1.1 ms and logs nothing; a
Connect request (0), which earlier releases reject with a reply, it answers with nothing, and keeps the
connection (TORQUE.md, "Seen with shadowd itself"). A frozen server is silent. A reply of the batch protocol,
a rejection say, counts too.

**Anything else** is asked what the configuration says (``send`` and ``expect`` of ``[cell.probe]``). Without
that nobody can tell what an answer is: whoever does anything only *listens*.
"""

from shadowd.adapters.calling import Question

TORQUE = Question(b"+2+22+59+7shadowd+0", b"+2+", close_answers=True)
_NOISE = b"?\r\n\r\n"
"""What makes most servers say or do something."""
ANYTHING = Question(_NOISE, b"", close_answers=True)
"""For a port whose protocol nobody here speaks, and where a client has to go by what there is: any byte
counts, and a close."""
_FAREWELL = b'<ccm version="0.1"></ccm>'
_HEADER = (
    b'<mih version="0.1"><mid>1</mid><dl>25</dl><df>ccm</df><mat>nak</mat><tag>0</tag><rid>0</rid></mih>'
)


def greeting(host: str, own: str) -> Question:
    """Return what a Grid Engine master on ``host`` is asked by this host, whose name is ``own``."""
    names = [name.encode("ascii", "replace") for name in (host, own)]
    if any(set(name) & set(b'<>&"') for name in names):
        names = [b"", b""]  # no host names: it says so, and that is an answer
    to, by = names
    connect = (
        b'<cm version="0.4"><df>bin</df><ct>message</ct><dst host="%b" comp="qmaster" id="1"></dst>'
        b'<rdata host="%b" comp="qping" id="0"></rdata><port>0</port><ac>enabled</ac></cm>' % (to, by)
    )
    return Question(_framed(connect) + _framed(_HEADER) + _FAREWELL, b"<crm ", hears_out=True)


def site(send: str | None, expect: str | None) -> Question:
    """Return what the configuration asks of a port; without ``expect`` nothing is known to be an answer."""
    request = _NOISE if send is None else send.encode()
    return Question(request, expect.encode() if expect else None)


def _framed(message: bytes) -> bytes:
    return b"<gmsh><dl>%d</dl></gmsh>%b" % (len(message), message)
