"""What the neural models share: networks, training, inference."""
