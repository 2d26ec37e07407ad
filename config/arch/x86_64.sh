# shellcheck shell=sh disable=SC2034
# x86_64: sourced by initramfs/deps.sh
triple=x86_64-linux-gnu    # Debian's compiler and binutils: $triple-gcc
target=x86_64-linux-musl   # what configure scripts are told
asm=x86_64-linux-gnu       # the directory of linux-libc-dev that holds asm/
arch_cflags=''
