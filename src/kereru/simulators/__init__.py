"""The outside world in one process: carriers, phones and a mailbox.

Owns everything Kererū is rehearsed and tested against when no real account is at hand. Each carrier is written from its public
documentation alone and never imports the code that talks to it. Promises: the carriers' own paths behave as documented, every
request to them is in the ledger, every fault a test asks for really happens on the wire, and memory stays bounded.
"""
