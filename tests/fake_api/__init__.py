"""The fake service, and the official client on it."""
