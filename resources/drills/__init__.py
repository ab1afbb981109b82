"""Drills on real storage: started, watched, ended and reported, whatever happens to who started them (E5)."""
