"""Platforms: accounts at carriers, verified before they are saved; what senders and ingress need of them."""

from kereru.provisioning.platforms.directory import CONFIG_CHANNEL, CachedPlatforms
from kereru.provisioning.platforms.model import NewPlatform, Platform, PlatformChanges, SavedPlatform, ingress_url, open_access, open_token

__all__ = [
    "CONFIG_CHANNEL", "CachedPlatforms", "NewPlatform", "Platform", "PlatformChanges", "SavedPlatform", "ingress_url", "open_access", "open_token",
]  # fmt: skip
