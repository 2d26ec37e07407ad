# shellcheck shell=sh disable=SC2034,SC2154
# cryptsetup, build/ARCH/tools/cryptsetup, for LUKS. Debian's tarball has no configure, and making one
# takes tools that nothing else here needs: what it would find out stands in settings().
after='musl linux-headers popt json-c e2fsprogs lvm2 nettle'
recipe() {
	[ "$ARCH" = x86_64 ] || return 0 # the image's only
	copy_source
	settings >config.h
	CFLAGS="$CFLAGS -fno-pie -fno-asynchronous-unwind-tables -include config.h -Ilib -Isrc -I.
		-Ilib/crypto_backend -Ilib/crypto_backend/argon2"
	set --
	left_out >left_out.c
	for source in lib/*.c lib/*/*.c lib/luks2/hw_opal/*.c lib/crypto_backend/argon2/*.c \
		lib/crypto_backend/argon2/blake2/*.c src/cryptsetup.c src/utils_*.c left_out.c; do
		case $source in
		*/crypto_gcrypt.c | */crypto_kernel.c | */crypto_nss.c | */crypto_openssl.c | */pbkdf2_generic.c | \
			*/tcrypt/*.c | */bitlk/*.c | */fvault2/*.c | */loopaes/*.c | */verity/*.c | \
			*/utils_reencrypt*.c | */argon2/opt.c | */argon2/test.c | */argon2/bench.c | */argon2/genkat.c) continue ;;
		esac
		set -- "$@" "${source%.c}.o"
	done
	{
		# Argon2 is made to take long; no need to make it take longer.
		printf 'lib/crypto_backend/argon2/%%.o: CFLAGS += -O3\n'
		# shellcheck disable=SC2016
		printf 'cryptsetup: %s\n\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)\n' "$*"
	} >makefile.here
	# One option a word, and no line ends.
	# shellcheck disable=SC2086
	make -f makefile.here CC="$CC" CFLAGS="$(printf '%s ' $CFLAGS)" \
		LDFLAGS='-static -no-pie -Wl,--gc-sections -s' \
		LIBS='-lpopt -ljson-c -ldevmapper -luuid -lnettle -lm -lpthread' cryptsetup
	install -D -m 755 cryptsetup "$build/$ARCH/tools/cryptsetup"
}

# left_out: whoever calls into another format than LUKS, or wants to encrypt anew, hears that this
# cannot do it.
left_out() {
	printf '#include <errno.h>\n'
	grep -ohE '\<(TCRYPT|BITLK|FVAULT2|LOOPAES|VERITY)_[A-Za-z_0-9]+\(' lib/setup.c | tr -d '(' |
		grep -vE '_(OK)$' | sort -u | while read -r function; do
		printf 'int %s(void);\nint %s(void) { return -ENOTSUP; }\n' "$function" "$function"
	done
	for function in reencrypt reencrypt_luks1 reencrypt_luks1_in_progress; do
		printf 'int %s(void);\nint %s(void) { return -ENOTSUP; }\n' "$function" "$function"
	done
}

# settings: config.h. Sizes and ciphers are upstream's defaults.
settings() {
	cat <<-END
		#define _GNU_SOURCE 1
		#define _FILE_OFFSET_BITS 64
		#define PACKAGE "cryptsetup"
		#define PACKAGE_NAME "cryptsetup"
		#define PACKAGE_VERSION "$(sed -n 's/^AC_INIT(\[cryptsetup\],\[\(.*\)\])/\1/p' configure.ac)"
		#define VERSION PACKAGE_VERSION
		#define HAVE_BYTESWAP_H 1
		#define HAVE_ENDIAN_H 1
		#define HAVE_FCNTL_H 1
		#define HAVE_INTTYPES_H 1
		#define HAVE_MALLOC_H 1
		#define HAVE_STDINT_H 1
		#define HAVE_SYS_IOCTL_H 1
		#define HAVE_SYS_MMAN_H 1
		#define HAVE_SYS_STATVFS_H 1
		#define HAVE_SYS_SYSMACROS_H 1
		#define HAVE_UCHAR_H 1
		#define HAVE_UNISTD_H 1
		#define HAVE_UUID_UUID_H 1
		#define HAVE_DECL_O_CLOEXEC 1
		#define HAVE_POSIX_MEMALIGN 1
		#define HAVE_CLOCK_GETTIME 1
		#define HAVE_POSIX_FALLOCATE 1
		#define HAVE_EXPLICIT_BZERO 1
		#define HAVE_NETTLE_VERSION_H 1
		#define HAVE_DECL_DM_TASK_SECURE_DATA 1
		#define HAVE_DECL_DM_TASK_RETRY_REMOVE 1
		#define HAVE_DECL_DM_TASK_DEFERRED_REMOVE 1
		#define HAVE_DECL_DM_DEVICE_HAS_MOUNTED_FS 1
		#define HAVE_DECL_DM_DEVICE_HAS_HOLDERS 1
		#define HAVE_DECL_DM_DEVICE_GET_NAME 1
		#define HAVE_DECL_DM_DEVICE_GET_TARGET_VERSION 1
		#define HAVE_DECL_DM_UDEV_DISABLE_DISK_RULES_FLAG 1
		#define HAVE_DECL_JSON_OBJECT_OBJECT_ADD_EX 1
		#define HAVE_DECL_JSON_OBJECT_DEEP_COPY 1
		#define ENABLE_AF_ALG 1
		#define USE_INTERNAL_PBKDF2 0
		#define USE_INTERNAL_ARGON2 1
		#define DEFAULT_RNG "/dev/urandom"
		#define DEFAULT_PLAIN_HASH "sha256"
		#define DEFAULT_PLAIN_CIPHER "aes"
		#define DEFAULT_PLAIN_MODE "xts-plain64"
		#define DEFAULT_PLAIN_KEYBITS 256
		#define DEFAULT_LUKS1_HASH "sha256"
		#define DEFAULT_LUKS1_CIPHER "aes"
		#define DEFAULT_LUKS1_MODE "xts-plain64"
		#define DEFAULT_LUKS1_KEYBITS 256
		#define ENABLE_LUKS_ADJUST_XTS_KEYSIZE 1
		#define DEFAULT_LUKS2_PBKDF "argon2id"
		#define DEFAULT_LUKS1_ITER_TIME 2000
		#define DEFAULT_LUKS2_ITER_TIME 2000
		#define DEFAULT_LUKS2_MEMORY_KB 1048576
		#define DEFAULT_LUKS2_PARALLEL_THREADS 4
		#define DEFAULT_LUKS2_KEYSLOT_CIPHER "aes-xts-plain64"
		#define DEFAULT_LUKS2_KEYSLOT_KEYBITS 512
		#define DEFAULT_LUKS_FORMAT CRYPT_LUKS2
		#define DEFAULT_LOOPAES_CIPHER "aes"
		#define DEFAULT_LOOPAES_KEYBITS 256
		#define DEFAULT_KEYFILE_SIZE_MAXKB 8192
		#define DEFAULT_INTEGRITY_KEYFILE_SIZE_MAXKB 4
		#define DEFAULT_PASSPHRASE_SIZE_MAX 512
		#define DEFAULT_VERITY_HASH "sha256"
		#define DEFAULT_VERITY_DATA_BLOCK 4096
		#define DEFAULT_VERITY_HASH_BLOCK 4096
		#define DEFAULT_VERITY_SALT_SIZE 32
		#define DEFAULT_VERITY_FEC_ROOTS 2
		#define DEFAULT_TMPFILESDIR ""
		#define DEFAULT_LUKS2_LOCK_PATH "/run/cryptsetup"
		#define DEFAULT_LUKS2_LOCK_DIR_PERMS 0700
		#define EXTERNAL_LUKS2_TOKENS_PATH ""
	END
}
