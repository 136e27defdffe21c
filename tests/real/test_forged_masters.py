"""A local user without rights runs what looks like a master of a real Grid Engine cell."""

import json

import pytest

from tests.lab.gridengine import Cell
from tests.lab.lanes import QUICK
from tests.lab.ours import Ours, one_master
from tests.lab.outsiders import LARGE, crowd, public, setuid_sleep
from tests.lab.processes import alive
from tests.lab.pulse import Pulse

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.mark.parametrize("setuid", [False, True], ids=["nobody", "setuid"])
def test_the_number_of_a_dead_master_that_anybody_got_is_no_master(cell: Cell, *, setuid: bool) -> None:
    """Under its name, in the spool, with the cell's environment: not adopted, and there is a new master."""
    cell.start_qmaster("a")
    cell.kill_qmaster("a")
    with public() as top:
        program = setuid_sleep(top, "sge_qmaster")
        (top / "sge_qmaster").chmod(0o4755 if setuid else 0o755)
        with crowd(1, cell.env, program=program, cwd=cell.spool, enter=cell.lab["a"].argv) as (pid,):
            (cell.spool / "qmaster.pid").write_text(f"{pid}\n")
            daemon = Ours(cell, cell.lab["a"], dict(QUICK)).start()
            daemon.wait_said("master.confirmed", 120)
            assert not daemon.said("master.adopted"), daemon.story()
            assert alive(pid)
            assert cell.active() == "a"


def test_a_real_master_is_replaced_beside_hundreds_that_carry_its_marks(cell: Cell) -> None:
    """They keep no dead master alive and delay nothing; nobody touches them."""
    cell.start_qmaster("a")
    cell.kill_qmaster("a")
    with Pulse(cell):
        daemon = Ours(cell, cell.lab["a"], dict(QUICK)).start()
        daemon.wait_said("master.confirmed", 120)
        (claim,) = (cell.spool / "shadowd" / "claims").glob("*.json")
        nonce = json.loads(claim.read_bytes())["nonce"]
        marks = {"SHADOWD_EPOCH": str(int(claim.stem)), "SHADOWD_NONCE": nonce, "SHADOWD_ROLE": "master"}
        with crowd(200, LARGE | marks, enter=cell.lab["a"].argv) as pids:
            cell.kill_qmaster("a")
            daemon.wait_said("master.ended", 20)
            assert one_master(cell, "a", 90) == "a"
            assert all(map(alive, pids))
