"""Drills: what an exercise makes fail, which alerts are its own, how it went (E5). Pure."""
