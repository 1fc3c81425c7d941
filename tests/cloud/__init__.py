"""Stores in object storage, on servers of the loopback interface."""
