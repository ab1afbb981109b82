"""The doors: one file per need and vendor. Everything that touches a socket, a disk, a clock or the environment."""
