"""What the workflows run: a stack previewed, deployed, looked at, and what is told of it."""
