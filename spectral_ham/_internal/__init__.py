"""Checks, types and the memo: what every floor may use."""
