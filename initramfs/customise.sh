#!/bin/sh
# initramfs/customise.sh - a plan, keys and settings into a finished image; nothing is rebuilt
. "${0%/*}/lib.sh"
. "$top/initramfs/pe.sh"
. "$top/initramfs/embed.sh"

usage() {
	cat <<-'END'
	usage: ./build.sh customise --iso FILE | --uki FILE | --initrd   --output FILE  [WHAT...]

	  --iso FILE       out/etcd-rescue.iso or out/etcd-rescue-firmware.iso, for BIOS and UEFI
	  --uki FILE       out/etcd-rescue.efi
	  --initrd         only the additional initrd, for PXE and iPXE (see out/boot.ipxe)
	  --output FILE    the new image; written whole or not at all

	  --plan FILE              the plan, checked by out/etcd-rescue plan --check
	  --plan-sig FILE          its signature: openssl dgst -sha256 -sign KEY -out FILE PLAN
	  --key PUBLIC.pem         public key plans must be signed with; may be repeated
	  --ca FILE                trust these certificates too; may be repeated
	  --known-hosts FILE       host keys of sftp servers
	  --network FILE           lines in dracut's grammar: ip=... vlan=... bond=... nameserver=...
	  --shell-password HASH    ask for a password at the consoles (openssl passwd -6); off: no shell
	  --cmdline "ARGS"         more arguments on the kernel's line
	  --firmware FILE          out/firmware.img into a UKI or initrd; an ISO has its own variant
	  --sign KEY CERT          sign the UKI for Secure Boot with your own key

	Nothing secret goes into an image: private keys, passwords and presigned URLs are refused.
	Needs on this machine: cpio and zstd, for an ISO xorriso, for --sign sbsign.
	END
}

wrong() {
	say "customise: $*; see ./build.sh customise --help"
	exit 2
}

# readable OPTION FILE: a file of sane size without a private key in it.
readable() {
	[ -f "$2" ] || die "$1: $2 is not a file"
	[ -r "$2" ] || die "$1: $2 cannot be read"
	[ -s "$2" ] || die "$1: $2 is empty"
	[ "$(stat -Lc %s "$2")" -le 4194304 ] || die "$1: $2 is larger than 4 MiB: that is not what belongs here"
	if grep -aq 'BEGIN [A-Z ]*PRIVATE KEY' "$2"; then
		die "$1: $2 holds a private key; no secret goes into an image"
	fi
}

# add SOURCE TARGET: into the archive, below /etc/etcd-rescue.
add() {
	mkdir -p "$custom/$(dirname "$2")"
	cp "$1" "$custom/$2"
	chmod 600 "$custom/$2"
	any=yes
}

# add_many OPTION FILE FOLDER: keys and CAs keep their names.
add_many() {
	many_name=$(basename "$2")
	case $many_name in *.pem) ;; *) many_name=$many_name.pem ;; esac
	[ ! -e "$custom/$3/$many_name" ] || die "$1: two files are named $many_name; rename one"
	add "$2" "$3/$many_name"
}

add_plan() {
	readable --plan "$1"
	# What no plan may hold, whoever signed it: credentials and URLs that are credentials.
	plan_secret=$(grep -naiE \
		'^[^#]*((secret|secret-key|secret-access-key|access-key|session-token|password|passphrase|private-key)["'\'']?[[:space:]]*:[[:space:]]*[^[:space:]#]|X-Amz-Signature=|X-Amz-Credential=|[?&]Signature=|[a-z]://[^/@[:space:]]*:[^/@[:space:]]*@)' \
		"$1" | head -n 1 | cut -d: -f1)
	[ -z "$plan_secret" ] ||
		die "--plan: $1:$plan_secret: looks like a secret; a plan names where credentials are (imds, file:PATH), it does not hold them"
	if [ -x "$out/etcd-rescue" ] && "$out/etcd-rescue" plan --help >/dev/null 2>&1; then
		"$out/etcd-rescue" plan --check "$1" >"$stage/check" 2>&1 || {
			cat "$stage/check" >&2
			die "--plan: $1 is not a valid plan (see above)"
		}
	else
		say "warning: $1 goes in unchecked: out/etcd-rescue cannot run here"
	fi
	add "$1" plan.yaml
	plan=$1
}

add_key() {
	readable --key "$1"
	grep -q 'BEGIN PUBLIC KEY' "$1" ||
		die "--key: $1 is not a public key in PEM; openssl pkey -in PRIVATE.pem -pubout makes one"
	if command -v openssl >/dev/null 2>&1; then
		openssl pkey -pubin -in "$1" -noout -text 2>/dev/null | grep -q 'prime256v1' ||
			die "--key: $1 is not an ECDSA P-256 key; openssl ecparam -name prime256v1 -genkey makes one"
	fi
	add_many --key "$1" keys
}

# check_signature: a plan that the image itself would refuse is refused here already.
check_signature() {
	if [ ! -d "$custom/keys" ]; then
		[ -z "$signature" ] || die '--plan-sig: without --key nothing checks the signature; give the public key too'
		return 0
	fi
	[ -n "$plan" ] || {
		[ -z "$signature" ] || die '--plan-sig: there is no --plan it could belong to'
		return 0
	}
	[ -n "$signature" ] ||
		die '--key: an image with a key takes signed plans only; give --plan-sig, or leave the plan out'
	command -v openssl >/dev/null 2>&1 || return 0
	for check_key in "$custom"/keys/*.pem; do
		if openssl dgst -sha256 -verify "$check_key" -signature "$signature" "$plan" >/dev/null 2>&1; then
			return 0
		fi
	done
	die "--plan-sig: $signature is not a signature of $plan by any of the keys given"
}

add_network() {
	readable --network "$1"
	network_bad=$(awk '!/^[[:space:]]*(#|$)/ { for (i = 1; i <= NF; i++)
		if ($i !~ /^(ip|bond|vlan|nameserver|BOOTIF|bootdev|ifname|rd\.(route|peerdns|bootif|neednet|net\.[a-z0-9.]+))=./) {
			print NR ": " $i; exit } }' "$1")
	[ -z "$network_bad" ] || die "--network: $1:$network_bad: not a word of the network (ip= bond= vlan= nameserver= rd.route= ifname= ...)"
	add "$1" network
}

# Dollar signs of crypt's hashes, not of the shell.
# shellcheck disable=SC2016
set_password() {
	case $1 in
	off | '$5$'?*'$'?* | '$6$'?*'$'?* | '$2'[aby]'$'?*) ;;
	*) die '--shell-password: neither a hash ($5$, $6$ or $2b$; openssl passwd -6 makes one) nor off' ;;
	esac
	case $1 in *[:\ ]*) die '--shell-password: the hash holds a blank or a colon' ;; esac
	printf '%s\n' "$1" >"$stage/password"
	add "$stage/password" shell-password
	[ "$1" = off ] || private=yes
}

set_cmdline() {
	case $1 in
	*[!A-Za-z0-9\ =.,:_/@%+?\&~\$\{\}\[\]-]*)
		die "--cmdline: only letters, digits, blanks and = . , : _ / @ % + ? & ~ [ ] { } \$ - may stand there" ;;
	*BEGIN* | *X-Amz-Signature* | *password=* | *secret=* | *://*:*@*)
		die '--cmdline: looks like a secret; every process can read the kernel line' ;;
	esac
	cmdline=$1
}

main() {
	kind='' input='' output='' plan='' signature='' cmdline='' firmware='' key='' certificate=''
	any='' private=''
	begin customise
	custom=$stage/custom/etc/etcd-rescue
	mkdir -p "$custom"
	while [ $# -gt 0 ]; do
		case $1 in
		--help | -h)
			usage
			return ;;
		--initrd) [ -z "$kind" ] || wrong "--$kind and --initrd: one of them"
			kind=initrd
			shift
			continue ;;
		--sign) [ $# -ge 3 ] || wrong '--sign needs KEY and CERT'
			key=$2 certificate=$3
			shift 3
			continue ;;
		esac
		[ $# -ge 2 ] || wrong "${1:-option} needs a value, or is unknown"
		case $2 in --*) wrong "$1 needs a value, or is unknown" ;; esac
		case $1 in
		--iso | --uki) [ -z "$kind" ] || wrong "--$kind and $1: one of them"
			kind=${1#--} input=$2 ;;
		--output) output=$2 ;;
		--plan) add_plan "$2" ;;
		--plan-sig) readable --plan-sig "$2"
			signature=$2
			add "$2" plan.yaml.sig ;;
		--key) add_key "$2" ;;
		--ca) readable --ca "$2"
			grep -q 'BEGIN CERTIFICATE' "$2" || die "--ca: $2 holds no certificate in PEM"
			add_many --ca "$2" ca ;;
		--known-hosts) readable --known-hosts "$2"
			grep -qE '^[^# ]+ +(ssh|ecdsa|sk)-[a-z0-9@.-]+ +[A-Za-z0-9+/=]+' "$2" ||
				die "--known-hosts: $2 has no line \"host type key\"; ssh-keyscan prints them"
			add "$2" known_hosts ;;
		--network) add_network "$2" ;;
		--shell-password) set_password "$2" ;;
		--cmdline) set_cmdline "$2" ;;
		--firmware) firmware=$2 ;;
		*) wrong "unknown option $1" ;;
		esac
		shift 2
	done
	[ -n "$kind" ] || wrong 'one of --iso FILE, --uki FILE or --initrd is needed'
	[ -n "$output" ] || wrong '--output FILE is needed'
	[ "$kind" = uki ] || [ -z "$key" ] || wrong '--sign is for --uki; the ISO starts by Debian'\''s signatures'
	[ "$kind" != initrd ] || [ -z "$cmdline" ] || wrong '--cmdline: with PXE the kernel line is in the boot script'
	[ "$kind" != iso ] || [ -z "$firmware" ] || wrong '--firmware: take out/etcd-rescue-firmware.iso instead'
	[ -n "$any$cmdline$key$firmware" ] || wrong 'nothing to put in'
	check_signature
	[ -z "$input" ] || [ -f "$input" ] || die "--$kind: $input is not a file; ./build.sh image makes it"
	[ -z "$firmware" ] || [ -f "$firmware" ] || die "--firmware: $firmware is not a file; ./build.sh image makes it"
	[ -d "$(dirname "$output")" ] || die "--output: the folder $(dirname "$output") does not exist"
	"into_$kind"
	say "customise: $output is ready"
}

main "$@"
