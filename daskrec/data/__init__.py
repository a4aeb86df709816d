"""From any frame to user blocks, and from results back to the same kind of frame."""
