/* kube/encryption.h - which keys the API server of this disk has for what etcd holds encrypted
 *
 *   apiVersion: apiserver.config.k8s.io/v1        k8s:enc:aescbc:v1:key1:...   in etcd
 *   kind: EncryptionConfiguration
 *   resources:
 *   - resources: [secrets]
 *     providers:
 *     - aescbc: {keys: [{name: key1, secret: ...}]}
 *     - identity: {}
 *
 * Only kinds and names are kept; the file's bytes are wiped.
 *
 * Source:     k8s.io/apiserver pkg/apis/apiserver/v1 (EncryptionConfiguration), before 1.13
 *             "v1" EncryptionConfig; the path is --encryption-provider-config, through the
 *             pod's hostPath; OpenShift's lies beside the pod's other resources.
 * Units:      none.
 * Ownership:  texts live in the arena of the set of files.
 * Errors:     ERR_FORMAT "PATH:LINE:COLUMN: why"; ERR_NOTFOUND the file that the API server
 *             wants is not there.
 */
#pragma once

#include "kube/layout.h"

struct kube_encryption_key {
	const char *kind, *name; /* "aescbc", "key1"; the name of a kms; "" for identity */
};

struct kube_encryption {
	const char *path; /* below the root; NULL: this API server is given none */
	struct kube_encryption_key *keys;
	size_t n;
	bool identity; /* what is not encrypted can be read too */
};

/* Below the root, where the API server of this disk looks; NULL: nothing says it encrypts. */
const char *kube_encryption_path(struct kube_files *files);

int kube_encryption(struct kube_encryption *c, struct kube_files *files, struct err *e);

/* The same of a text. */
int kube_encryption_parse(struct kube_encryption *c, struct arena *a, struct str text,
	const char *name, struct err *e);

/* Can an object be read that is stored with this provider ("aescbc v1") and key?  No provider:
 * one that is not encrypted. */
bool kube_encryption_reads(const struct kube_encryption *c, struct str provider, struct str key);
