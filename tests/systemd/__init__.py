"""The units under a real systemd, in a small Debian of their own."""
