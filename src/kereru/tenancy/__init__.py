"""Organisations, people, who they are and what they may: the tree provider → reseller → group → user, sign-ins, sessions, API keys (R186, R195)."""
