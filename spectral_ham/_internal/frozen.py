"""The base of frozen dataclasses that check their arguments before they keep them."""


class Frozen:
    """Gives a frozen dataclass one way to set its fields: `_set`, from its own ``__init__`` or ``__post_init__``."""

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)
