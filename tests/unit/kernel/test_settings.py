"""Settings are checked at start, and what is wrong is said in words that name the setting (issue 2 §3)."""

import pytest

from kereru.kernel.settings import Settings, SettingsProblem


def test_settings_come_from_the_environment_and_options_win() -> None:
    environment = {"KERERU_PORT": "8181", "KERERU_SMTP_STARTTLS": "true", "KERERU_ALLOW_PRIVATE_HOSTS": "a:1,b:2", "PATH": "/bin"}
    settings = Settings.load(environment, port=8282, home=None)
    assert (settings.port, settings.smtp_starttls, settings.allow_private_hosts, settings.home) == (8282, True, ("a:1", "b:2"), ".kereru")


@pytest.mark.parametrize(("name", "value", "words"), [
    ("KERERU_PORT", "99999", "KERERU_PORT should be at most 65535, not '99999'."),
    ("KERERU_PORT", "-1", "KERERU_PORT should be at least 0, not '-1'."),
    ("KERERU_PORT", "http", "KERERU_PORT should be a whole number, not 'http'."),
    ("KERERU_LEASE_S", "soon", "KERERU_LEASE_S should be a number, not 'soon'."),
    ("KERERU_INSECURE_HTTP", "maybe", "KERERU_INSECURE_HTTP should be true or false, not 'maybe'."),
    ("KERERU_LOG_LEVEL", "loud", "KERERU_LOG_LEVEL should be one of the values it may have, not 'loud'."),
    ("KERERU_PROT", "1", "KERERU_PROT is not a setting of this version."),
])  # fmt: skip
def test_a_wrong_setting_is_named_in_words(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsProblem) as problem:
        Settings.load({name: value})
    assert str(problem.value).startswith(words)
    assert "docs/reference/settings.md" in str(problem.value)


def test_a_secret_is_not_said_back() -> None:
    """G33: neither a password nor an address with one."""
    for name in ("smtp_password", "database_url"):
        with pytest.raises(SettingsProblem) as problem:
            Settings.load({}, **{name: 5.5j})
        assert "5.5" not in str(problem.value)
