"""What a run writes: tables, masks, overlays, journal, manifest, report."""
