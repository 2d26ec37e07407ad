/* kube/kubeconfig.h - a kubeconfig with everything in it: made, and read
 *
 * Source:     k8s.io/client-go tools/clientcmd/api/v1, as its writer orders the keys.
 * Units:      none.
 * Ownership:  texts live in the arena.
 * Errors:     ERR_FORMAT what is no kubeconfig.  No text holds a key or a token.
 */
#pragma once

#include "base/buf.h"
#include "kube/file.h"

struct kube_kubeconfig {
	const char *cluster, *server, *user;
	struct str ca, cert, key; /* PEM */
	bool preferences;         /* printed: an empty map of this name, as up to 1.33 */
	/* read: where they are instead; NULL: not said */
	const char *ca_file, *cert_file, *key_file, *token_file;
	const char *token;       /* read: for "Authorization: Bearer"; NULL: none */
	const char *server_name; /* read: by which the server's certificate calls it; NULL: URL's */
};

int kube_kubeconfig_print(struct buf *out, const struct kube_kubeconfig *config, struct err *e);
int kube_kubeconfig_read(struct kube_kubeconfig *config, struct kube_file *file, struct err *e);
