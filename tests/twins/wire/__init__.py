"""What the twins share: the socket, what goes over it, and what goes wrong on it. Nothing here knows a vendor."""
