"""The sections of the page Settings; who is no admin reads them. Each has one function ``show(desk, person)``."""
