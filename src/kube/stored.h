/* kube/stored.h - an object as the API server stores it in etcd
 *
 *	"k8s\0" then protobuf Unknown { 1 TypeMeta { 1 apiVersion, 2 kind }, 2 raw }
 *	raw: the object; field 1 is its ObjectMeta { 1 name, 3 namespace, 8 creation { 1 s } }
 *	"{...}": JSON, as custom resources are kept
 *	"k8s:enc:PROVIDER:vN:KEY:" then ciphertext
 *
 * Only what a preview shows is decoded; an object that cannot be read is of unknown
 * kind, not an error, for etcd holds what anyone put there.
 *
 * Source:     k8s.io/apimachinery pkg/runtime/serializer/protobuf; apiserver
 *             pkg/storage/value/encrypt; api/coordination/v1/generated.proto.
 * Units:      seconds since 1970; 0: not known.
 * Ownership:  texts borrow the value.
 * Errors:     none.
 */
#pragma once

#include <stdbool.h>

#include "base/span.h"
#include "base/str.h"

struct kube_stored {
	struct str api_version, kind;
	struct str provider, key_name; /* when encrypted: "aescbc v1", "key1" */
	bool encrypted;
	int64_t created;
	/* of a Lease */
	struct str holder;
	int64_t renewed;
};

struct kube_stored kube_stored_read(struct span value);

/* An entry of a ConfigMap's or Secret's data; empty when it is none, encrypted, or has no such
 * entry. */
struct str kube_stored_data(struct span value, const char *key);

/* What kind of thing a key names: "pods" of /registry/pods/ns/name, "apps.example.org/foos"
 * of custom resources; empty when the key is none of an API server's. `*name` is what
 * follows. */
struct str kube_stored_resource(struct str *name, struct span key);
