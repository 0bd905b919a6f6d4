"""The message log (R94 to R101): what became of each text, at every level of the portal, and who must act when it did not arrive."""
