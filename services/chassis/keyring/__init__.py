"""The keyring: one key per person, wrapped by a master key, in a database of its own that services share.

Whoever loses the key can read nothing any more, and so erasing a person is deleting a key and leaving a marker.
Identities and links between them are kept as hashes alone.
"""

from services.chassis.keyring.identity import (
    Identified,
    Identifier,
    Identity,
    identified,
    normalised_email,
    normalised_phone,
)
from services.chassis.keyring.ring import Claim, Erased, Key, Keyring, keyring_url, open_keyring

__all__ = [
    "Claim",
    "Erased",
    "Identified",
    "Identifier",
    "Identity",
    "Key",
    "Keyring",
    "identified",
    "keyring_url",
    "normalised_email",
    "normalised_phone",
    "open_keyring",
]
