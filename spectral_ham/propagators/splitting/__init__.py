"""Splittings: e^{zH} as a product of kinetic and potential exponentials."""
