"""What the neural models share: networks, their losses, and how they are trained."""
