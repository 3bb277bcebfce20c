"""Ways to tell those who operate the sidecar; one file each."""
