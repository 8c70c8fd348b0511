"""The shell hook: a shell of the target asks the bastion before each command, and no file there is touched.

`boot` makes the command that starts such a shell; `bash.sh` and `zsh.sh` are what it runs first; `messages` reads
what they send through the terminal and words the answers.
"""
