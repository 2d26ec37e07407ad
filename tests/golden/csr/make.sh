#!/bin/sh
# make.sh - requests for certificates as a kubelet makes them, and ones that nobody should get; made
# once with openssl 3.5; running it again makes new keys.
set -eu
cd "$(dirname "$0")"

ec() { openssl ecparam -name "$1" -genkey -noout -out key; }

# ask NAME SUBJECT [OPENSSL-OPTION...]
ask() {
	name=$1 subject=$2
	shift 2
	openssl req -new -sha256 -key key -subj "$subject" -out "$name.csr" "$@"
}

node=/O=system:nodes/CN=system:node:m1
san=subjectAltName=DNS:m1,IP:10.0.0.1

ec prime256v1
ask client "$node"
ask serving "$node" -addext "$san"
ask serving-v6 "$node" -addext "subjectAltName=IP:fd00::1"
ask other-node /O=system:nodes/CN=system:node:stranger -addext subjectAltName=DNS:stranger
ask no-node /O=system:nodes/CN=m1
ask masters /O=system:masters/CN=system:node:m1
ask two-organizations /O=system:nodes/O=system:masters/CN=system:node:m1
ask two-names /O=system:nodes/CN=system:node:m1/CN=system:admin
ask unit "$node/OU=more"
ask no-organization /CN=system:node:m1
ask extra-name "$node" -addext "$san,DNS:api.example.org"
ask extra-address "$node" -addext "$san,IP:10.0.0.9"
ask email "$node" -addext "$san,email:root@example.org"
ask uri "$node" -addext "$san,URI:spiffe://m1"
ask ca "$node" -addext basicConstraints=critical,CA:TRUE
ask quiet-ca "$node" -addext basicConstraints=CA:TRUE
ask unknown-extension "$node" -addext 1.2.3.4=ASN1:UTF8:more
ask usage "$node" -addext keyUsage=keyCertSign

# One bit of the signature is another.
openssl req -in client.csr -outform DER -out der
size=$(wc -c <der)
last=$(tail -c 1 der | od -An -tu1 | tr -d ' ')
{ head -c $((size - 1)) der; printf '%b' "\\0$(printf %o $((last ^ 1)))"; } >broken
{
	echo '-----BEGIN CERTIFICATE REQUEST-----'
	openssl base64 -in broken
	echo '-----END CERTIFICATE REQUEST-----'
} >bad-signature.csr
# Which one is it?
cat client.csr masters.csr >two.csr

ec secp384r1
ask client-p384 "$node"
openssl genrsa -out key 2048
ask client-rsa "$node"

# The private keys are of no use to anybody.
rm -f key der broken
cp client.csr serving.csr two-organizations.csr email.csr client-rsa.csr ../../fuzz/corpus/csr/
