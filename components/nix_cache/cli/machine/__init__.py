"""This machine: files, folders, child processes and what is printed on the terminal."""
