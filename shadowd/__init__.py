"""Failover for a cluster's one master daemon; the version and nothing else lives here."""

__version__ = "0.1.0"
