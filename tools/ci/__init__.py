"""What the workflows run: a stack previewed, deployed and checked, and a report without its values.

Pulumi's GitHub action installs the engine, and no more than that, for two reasons. Its updates skip
the preview, so a policy would stop them halfway. Its comments need a token that can write in the
job that has the stack's secrets and runs the pull request's code; and they print what the engine
prints, values included.
"""
