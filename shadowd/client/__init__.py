"""Finds the server that serves: what a client of a highly available cell needs, and nothing of a daemon.

The stable interface, for programs as for the verbs ``locate`` and ``exec``::

    from shadowd.client import NotLocatedError, locate, torque_list

    servers = torque_list(os.environ)            # argument, PBS_DEFAULT, server_name: whichever is set
    try:
        found = locate(servers, timeout=30)      # the first that answers
    except NotLocatedError as error:
        for sighting in error.sightings:         # all that was tried, each with its reason
            print(sighting.server, sighting.state.value, sighting.reason)
    else:
        print(found.server)                      # h2, or h2:15002

A Grid Engine cell gives its list by ``shadowd.client.gridengine.gridengine_list``; as a takeover rewrites
it, ``locate`` and ``watch`` also take a function that returns the list of the moment.

``locate`` waits through a takeover and a server's start-up, ``survey`` asks everybody once, ``watch`` yields
every change, ``job_name`` and ``acl_hosts`` say what follows from a list. Names in ``__all__`` keep their
meaning from release to release. On the way to an answer only the standard library is loaded, and of that
little: ``locate`` runs in every script that submits a job. Refuses to cache an answer: what was good a
moment ago is asked first, and never believed.
"""

from shadowd.client.locating import Located, Missing, NotLocatedError, locate, survey, watch
from shadowd.client.race import Protocol, Sighting, State
from shadowd.client.servers import Server, acl_hosts, job_name, parse_servers
from shadowd.client.sources import ServerList, torque_list

__all__ = [
    "Located",
    "Missing",
    "NotLocatedError",
    "Protocol",
    "Server",
    "ServerList",
    "Sighting",
    "State",
    "acl_hosts",
    "job_name",
    "locate",
    "parse_servers",
    "survey",
    "torque_list",
    "watch",
]
