"""A virtual machine to boot the image in, and the hands and eyes to use it with."""
