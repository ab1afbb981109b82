"""From answers of sources to signals: ranges, quarantine, caps, completeness. Pure: no I/O, no clock."""
