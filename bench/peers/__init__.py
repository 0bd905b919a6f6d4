"""The peers Kannel and Jasmin, installed in a folder of their own and given the same load as Kererū (`make bench-peers`)."""
