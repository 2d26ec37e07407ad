# shellcheck shell=sh disable=SC2034
# aarch64: sourced by initramfs/deps.sh
triple=aarch64-linux-gnu
target=aarch64-linux-musl
asm=aarch64-linux-gnu
# libgcc's out-of-line atomics ask glibc's __getauxval, which musl does not have.
arch_cflags='-mno-outline-atomics'
