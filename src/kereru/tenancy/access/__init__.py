"""Getting in: passwords, second factors, sessions, API keys, throttles. Only hashes of tokens are stored."""
