# shellcheck shell=sh disable=SC2034
# native: this machine with its own C library, for the unit tests under the sanitizers, which
# musl does not have. Nothing of it gets into the image.
triple=$(uname -m)-linux-gnu
target=$triple
asm=''
arch_cflags=''
