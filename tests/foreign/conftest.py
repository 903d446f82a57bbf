"""``fair_esm_reference.py`` runs in fair-esm's own environment; here its ``import esm`` fails or finds another esm."""

collect_ignore = ["fair_esm_reference.py"]
