"""Random voices, and profiles that hold them."""

from pathlib import Path

import numpy as np

from svc.profiles.sqlite import SqliteProfileStore
from svc.types import Band, Profile, Voiceprint

MODEL = "0123456789abcdef"
WIDTH = 24


def voice(seed: int, *, model: str = MODEL, width: int = WIDTH, net_speech_s: float = 3.0) -> Voiceprint:
    """A random direction, the same for the same seed."""
    vector = np.random.default_rng(seed).standard_normal(width)
    return Voiceprint(
        vector=np.asarray(vector / np.linalg.norm(vector), np.float32),
        model_fingerprint=model,
        net_speech_s=net_speech_s,
        band=Band.WIDE,
        snr_db=20.0,
        clipped_share=0.0,
    )


def enrolled(store: SqliteProfileStore, profile_id: str, *seeds: int, tenant: str = "acme") -> Profile:
    """A new profile with one voice per seed."""
    store.create(tenant, profile_id=profile_id, display_name=f"Name of {profile_id}", consent_reference="form 7")
    return store.add_enrolments(tenant, profile_id, [voice(seed) for seed in seeds])


def bytes_on_disk(database: Path) -> bytes:
    """The database, its log and its log's index."""
    return b"".join(file.read_bytes() for file in sorted(database.parent.glob(f"{database.name}*")))


def let_expire(store: SqliteProfileStore, profile_id: str) -> None:
    """Moves a profile's expiry into the past, as waiting would."""
    with store._database.writing() as connection:
        connection.execute("UPDATE profiles SET expires_at_s = created_at_s WHERE profile_id = ?", (profile_id,))
