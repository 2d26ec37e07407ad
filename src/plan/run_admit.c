/* With what the first boot of an OpenShift 4.2 survivor is let in where its disk has nothing that
 * would do: a certificate for a day, signed by the CA in the snapshot that signs those of the
 * control plane's own clients.  It goes the way of all the first boot's files. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "etcd/snapshot.h"
#include "kube/cert.h"
#include "kube/kubeconfig.h"
#include "os/clock.h"
#include "os/file.h"
#include "plan/finish_api.h"
#include "plan/run.h"

enum { LIFETIME = 24 * 3600, CONFIG_MAX = 1 << 20 };

#define MASTERS   "system:masters"
#define OPERATOR  "openshift-kube-apiserver-operator/"
#define SIGNER    OPERATOR "kube-control-plane-signer"
#define SERVING   OPERATOR "localhost-serving-signer"
#define SERVER_CA "kube-apiserver-pod-*/configmaps/kube-apiserver-server-ca/ca-bundle.crt"

static const char step[] = "rewrite";

/* Is there a master whose Node is to go, and nothing on the disk that may do it? */
static bool is_needed(const struct run *r, const struct finish_record *record)
{
	const struct kube_files *files = &r->site.target.files;
	const char *inside;

	if (r->rewrite.node.layout != &kube_layout_openshift42 || !record->wanted.nodes ||
		!run_restores(r) || (!finish_alone(record) && !record->lost.n))
		return false;
	for (size_t i = 0; i < record->kubeconfigs.n; i++) {
		const struct root *root = kube_below(&inside, files, record->kubeconfigs.v[i]);
		if (finish_config_would_do(r->arena, root, inside, MASTERS, time(NULL)))
			return false;
	}
	return true;
}

/* Who is at localhost:6443: as the API server's own pod says, else as the snapshot does. */
static int find_server_ca(struct str *pem, struct run *r, const struct bolt_db *db, struct err *e)
{
	static const char path[] = "etc/kubernetes/static-pod-resources/" SERVER_CA;
	CLEAN_BUF struct buf text = BUF(CONFIG_MAX);
	const char *inside;
	const struct root *root = kube_below(&inside, &r->site.target.files, path);
	const char *newest = finish_config_newest(r->arena, root, inside);
	struct kube_ca *ca = NULL;
	struct err none = { 0 };

	if (newest && !file_read(&text, root, newest, &none) && text.len) {
		*pem = (struct str){ arena_copy(r->arena, buf_text(&text)), text.len };
		return 0;
	}
	const int bad = run_signer_ca(&ca, pem, r->arena, db, SERVING, e);
	kube_ca_close(ca);
	return bad;
}

static int issue(struct buf *text, struct run *r, const struct bolt_db *db, struct err *e)
{
	const struct kube_leaf leaf = { .common_name = "system:etcd-rescue",
		.organization = MASTERS,
		.client = true,
		.now = time(NULL),
		.lifetime = LIFETIME,
		.algorithm = "ECDSA-P256" };
	struct kube_kubeconfig config = {
		.cluster = "localhost", .server = "https://localhost:6443", .user = leaf.common_name
	};
	struct kube_ca *ca = NULL;
	const char *cert;
	char *key = NULL;
	struct str unused;

	int bad = find_server_ca(&config.ca, r, db, e) ||
		  run_signer_ca(&ca, &unused, r->arena, db, SIGNER, e) ||
		  kube_leaf_issue(&cert, &key, r->arena, ca, &leaf, e);
	kube_ca_close(ca);
	if (!bad) {
		config.cert = str_from(cert);
		config.key = str_from(key);
		bad = kube_kubeconfig_print(text, &config, e);
	}
	if (key)
		explicit_bzero(key, strlen(key));
	return bad;
}

static int make(struct buf *text, struct run *r, struct err *e)
{
	CLEAN_SNAPSHOT struct etcd_snapshot_file file = NO_SNAPSHOT;
	struct clock_state clock;

	clock_check(&clock, r->machine);
	if (!clock.believable)
		return err_set(e, ERR_MISMATCH,
			"the clock cannot be right; set it (etcd-rescue clock), or name a "
			"time server in the plan (ntp:)");
	return etcd_snapshot_open(&file, r->clusters[0].stage.fd, RUN_NEW_DATA, e) ||
			       issue(text, r, &file.db, e)
		       ? e->code
		       : 0;
}

int run_admit(struct run *r, struct finish_record *record, struct err *e)
{
	CLEAN_BUF struct buf text = BUF(CONFIG_MAX);
	const struct commit_place place = { "",
		arena_print(r->arena, "%s/" FINISH_KUBECONFIG, r->site.state) };
	struct err why = { 0 };

	if (!is_needed(r, record))
		return 0;
	if (make(&text, r, &why)) {
		event_warning(r->listener, step,
			"the first boot may find nothing that lets it delete the lost masters' "
			"Nodes (oc delete node does it): no kubeconfig of the disk has a valid "
			"certificate of " MASTERS ", and none can be issued: %s",
			why.text);
		return 0;
	}
	const struct commit_file file = {
		.place = place, .content = buf_span(&text), .mode = 0600, .passing = true
	};
	const int bad = commit_add_file(&r->commit, &file, e);
	explicit_bzero(text.p, text.len);
	if (bad)
		return e->code;
	const char *there = arena_print(r->arena, "%s/" FINISH_KUBECONFIG, run_state_there(r));
	kube_add_text(&record->kubeconfigs, r->arena, there);
	kube_add_text(&record->files, r->arena, there);
	event_info(r->listener, step,
		"no kubeconfig of the disk has a valid certificate of " MASTERS
		": the first boot gets one for 24 hours, issued by " SIGNER " of the snapshot");
	return 0;
}
