"""Settings: one typed class, each field documented, read from the environment (`KERERU_…`) and checked at start."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

PREFIX = "KERERU_"


class SettingsProblem(Exception):
    """A setting cannot be understood; the message names it and says what is expected."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator can set. Secrets come from files or the environment, never from the command line."""

    home: Annotated[str, Meta(description="Folder for the embedded database, the key file and stored files.")] = ".kereru"
    host: Annotated[str, Meta(description="Address the web processes listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port the web processes listen on; 0 takes a free one.", ge=0, le=65535)] = 8080
    public_url: Annotated[str, Meta(description="Address under which people and carriers reach this installation; empty: http://localhost:PORT.")] = (
        ""
    )
    insecure_http: Annotated[bool, Meta(description="Serve plain http on addresses other than loopback; push and offline use are then off.")] = False
    web_processes: Annotated[int, Meta(description="How many web processes share the listening socket.", ge=1, le=64)] = 1
    database_url: Annotated[str, Meta(description="PostgreSQL to use, version 17 or newer; empty: the embedded one in `home`.")] = ""
    direct_database_url: Annotated[str, Meta(description="The same database past any pooler, for what needs a connection that stays.")] = ""
    postgres_binaries: Annotated[str, Meta(description="Folder of PostgreSQL's programs for the embedded engine; empty: looked up.")] = ""
    postgres_user: Annotated[str, Meta(description="System user the embedded engine runs as when started by root; empty: looked up.")] = ""
    runtime_folder: Annotated[str, Meta(description="Folder for the embedded engine's socket; its path must be short. Empty: looked up.")] = ""
    stop_s: Annotated[float, Meta(description="How long processes may take over an orderly stop, in seconds, before they are ended.", ge=0.1)] = 60.0
    pool_size: Annotated[int, Meta(description="Database connections per process.", ge=2, le=200)] = 6
    key_file: Annotated[str, Meta(description="File with the master key that seals secrets; empty: HOME/master.key.")] = ""
    intake_folder: Annotated[
        str, Meta(description="Folder of the intake log, which takes webhooks while the database is away; empty: HOME/intake.")
    ] = ""
    intake_bytes: Annotated[int, Meta(description="How many bytes of webhooks each web process keeps in its intake log.", ge=0)] = 256 * 2**20
    files_url: Annotated[
        str,
        Meta(description="Where files are stored: file://, s3://, gs:// or az://, credentials in its usual variables; empty: HOME/files."),
    ] = ""
    media_url: Annotated[str, Meta(description="Address under which carriers and phones fetch files, best a host of its own; empty: public_url.")] = (
        ""
    )
    upload_bytes: Annotated[int, Meta(description="How large a file that people send may be, in bytes.", ge=1024, le=100 * 2**20)] = 5 * 2**20
    smtp_host: Annotated[str, Meta(description="Mail server for alerts.")] = "localhost"
    smtp_port: Annotated[int, Meta(description="Port of the mail server.", ge=1, le=65535)] = 25
    smtp_user: Annotated[str, Meta(description="User name at the mail server; empty: none.")] = ""
    smtp_password: Annotated[str, Meta(description="Password at the mail server.")] = ""
    smtp_starttls: Annotated[bool, Meta(description="Require TLS at the mail server (STARTTLS).")] = False
    mail_from: Annotated[str, Meta(description="Sender of our mails.")] = "Kererū <kereru@localhost>"
    allow_private_hosts: Annotated[
        tuple[str, ...], Meta(description="host:port pairs on private addresses that may be called; only the demo and tests set it.")
    ] = ()
    ca_bundle: Annotated[str, Meta(description="File of certificate authorities for outgoing connections; empty: the system's.")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error.", pattern="^(debug|info|warning|error)$")] = "info"
    session_idle_s: Annotated[int, Meta(description="A sign-in ends after this many seconds without use.", ge=60)] = 14 * 86400
    session_max_s: Annotated[int, Meta(description="A sign-in ends after this many seconds in any case.", ge=60)] = 90 * 86400
    queue_deadline_s: Annotated[
        int, Meta(description="A text that could not be handed over for this long becomes failed, reason not_sent.", ge=10)
    ] = 600
    lease_s: Annotated[float, Meta(description="How long a sender holds a platform without renewing it, in seconds.", ge=1)] = 15.0
    carrier_timeout_s: Annotated[float, Meta(description="Deadline of one call to a carrier, in seconds.", ge=0.1)] = 15.0

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **overrides: object) -> "Settings":
        """Settings from the environment, with `overrides` (the command line) on top. Raises SettingsProblem naming the field."""
        environment = os.environ if environment is None else environment
        values: dict[str, object] = {}
        for field in msgspec.structs.fields(cls):
            raw = environment.get(PREFIX + field.name.upper())
            if raw is not None:
                values[field.name] = raw.split(",") if field.name == "allow_private_hosts" else raw
        values.update({name: value for name, value in overrides.items() if value is not None})
        unknown = sorted(name for name in environment if name.startswith(PREFIX) and name[len(PREFIX) :].lower() not in _names(cls))
        if unknown:
            message = f"{unknown[0]} is not a setting of this version. See docs/reference/settings.md for the list."
            raise SettingsProblem(message)
        for field in msgspec.structs.fields(cls):
            if field.name in values:
                try:
                    msgspec.convert(values[field.name], field.type, strict=False)
                except msgspec.ValidationError as error:
                    raise SettingsProblem(_in_words(field.name, values[field.name], str(error))) from error
        return msgspec.convert(values, cls, strict=False)

    @property
    def home_path(self) -> Path:
        """`home`, absolute."""
        return Path(self.home).expanduser().absolute()

    @property
    def key_path(self) -> Path:
        """Where the master key lies."""
        return Path(self.key_file) if self.key_file else self.home_path / "master.key"

    @property
    def intake_path(self) -> Path:
        """Where the intake logs lie."""
        return Path(self.intake_folder) if self.intake_folder else self.home_path / "intake"

    @property
    def metrics_path(self) -> Path:
        """Where the processes write their figures for each other."""
        return self.home_path / "metrics"

    @property
    def server_url(self) -> str:
        """The database past any pooler: for what listens, migrates or drops."""
        return self.direct_database_url or self.database_url

    @property
    def base_url(self) -> str:
        """The address people and carriers use, without a slash at the end."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")

    @property
    def media_base(self) -> str:
        """The address of links to files, without a slash at the end."""
        return (self.media_url or self.base_url).rstrip("/")

    @property
    def arrivals_path(self) -> Path:
        """Where files lie while they are looked at, before they are stored."""
        return self.home_path / "arrivals"

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over https, which decides cookie names and flags (design §9)."""
        return self.base_url.startswith("https://")


_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_BOUND = re.compile(r"(<=|>=|<|>) (\S+)")
_EXPECTED = re.compile(r"Expected `([a-z]+)`")


def _in_words(name: str, value: object, problem: str) -> str:
    """What is wrong with a setting; its value is said back unless it may be a secret."""
    said = "" if any(word in name for word in ("password", "url", "user")) else f", not {str(value)[:100]!r}"
    if bound := _BOUND.search(problem):
        words = f"{'at most' if '<' in bound[1] else 'at least'} {bound[2]}"
    elif (kind := _EXPECTED.search(problem)) and "matching" not in problem:
        words = _KINDS.get(kind[1], kind[1])
    else:
        words = "one of the values it may have"
    return f"{PREFIX}{name.upper()} should be {words}{said}. See docs/reference/settings.md for what it means."


def _names(cls: type[Settings]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(cls)}
