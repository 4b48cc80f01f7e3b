"""Detectors that ask a service over the network: the picture leaves this machine, and each question costs money.

They work as the others do, in a worker process and one picture at a time. The desk keeps what was found by picture
and options, so a picture is asked about once.
"""
