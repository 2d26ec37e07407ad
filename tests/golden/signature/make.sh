#!/bin/sh
# make.sh - the files beside it, made once with openssl 3.0; running it again makes new keys.
set -eu
cd "$(dirname "$0")"
cp ../../../config/plan.yaml plan.yaml
for key in first second; do
	openssl ecparam -name prime256v1 -genkey -noout -out "$key.key"
	openssl ec -in "$key.key" -pubout -out "$key.pem"
done
openssl ecparam -name secp384r1 -genkey -noout -out p384.key
openssl ec -in p384.key -pubout -out p384.pem
openssl genrsa -out rsa.key 2048
openssl rsa -in rsa.key -pubout -out rsa.pem
openssl dgst -sha256 -sign first.key -out first.sig plan.yaml
openssl dgst -sha256 -sign second.key -out second.sig plan.yaml
openssl dgst -sha384 -sign first.key -out sha384.sig plan.yaml
openssl dgst -sha256 -sign rsa.key -out rsa.sig plan.yaml
openssl base64 -in first.sig -out first.b64
openssl base64 -A -in first.sig -out first.line
openssl req -new -x509 -key first.key -subj /CN=test -days 1 -out certificate.pem
# The private keys are of no use to anybody and stay here only while this runs.
mkdir -p ../../fuzz/corpus/signature
cp first.sig first.b64 rsa.sig ../../fuzz/corpus/signature/
rm ./*.key
