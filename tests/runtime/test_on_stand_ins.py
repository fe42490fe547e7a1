"""What the real CUDA provider is seen to do on stand-ins for a device: all but arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_ins import OnStandIns


@pytest.mark.parametrize(("n_faces", "batch_size"), [(10, 2), (101, 7), (1, None), (3000, None)])
def test_every_face_gets_features_of_its_own_over_batches_and_lanes(
    on_stand_ins: OnStandIns, copying_model: Path, n_faces: int, batch_size: int | None
) -> None:
    printed = on_stand_ins(f"""
session = open_session(Path({str(copying_model)!r}), "cuda")
for first in (0, 100):
    features = session.features(numbered({n_faces}, first), batch_size={batch_size})
    print(is_numbered(features, first))
""")
    assert printed.split() == ["True", "True"]
