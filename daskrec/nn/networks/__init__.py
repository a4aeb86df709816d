"""The networks of the neural models, their losses, and draws by key."""
