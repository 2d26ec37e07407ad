# shellcheck shell=sh disable=SC2034,SC2154
after='musl'
recipe() {
	fast
	copy_source
	make libbz2.a CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS -D_FILE_OFFSET_BITS=64"
	rm libbz2.a
	"$AR" "$ARFLAGS" libbz2.a blocksort.o huffman.o crctable.o randtable.o compress.o decompress.o bzlib.o
	install -m 644 libbz2.a "$sys/lib/"
	install -m 644 bzlib.h "$sys/include/"
}
