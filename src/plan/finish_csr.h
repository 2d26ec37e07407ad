/* plan/finish_csr.h - certificates for the kubelets that the snapshot knows, and for nobody else
 *
 * Approved is what waits, and only
 *
 *   kube-apiserver-client-kubelet   asked for by OpenShift's node-bootstrapper, for a node that is
 *                                   not ready, and for one key of each node in a run; or by the
 *                                   node itself; without any other name
 *   kubelet-serving                 asked for by the node itself, with names and addresses that its
 *                                   Node object has and no other's, at least one: a node writes its
 *                                   own addresses, and may lie, so that none is localhost, a
 *                                   service's, or an address that means no single machine
 *
 * each for system:node:NAME of the organization system:nodes, NAME being a Node of the snapshot,
 * with the usages of its kind and no others.  Where there is no signerName (before 1.18) the usages
 * tell the kind.  What was made FINISH_CSR_AGE_S before the restore or earlier is of another time:
 * a kubelet asks again.  Everything else is left alone, and told once; each approval is a warning.
 *
 * What remains: the bootstrapper's token is on every node, and whoever has it and asks first
 * becomes a node that is known and not ready.
 *
 * Source:     certificates.k8s.io v1 (1.19), v1beta1; OpenShift's cluster-machine-approver for who
 *             asks; kube-controller-manager's signers for what may be asked.
 * Units:      seconds; milliseconds since the machine started, where the name says so.
 * Ownership:  finish_csr_free gives the watch's memory back; the rest lives in the arena given.
 * Errors:     those of plan/finish_api.h.
 */
#pragma once

#include "kube/csr.h"
#include "plan/finish_clean.h"

enum { FINISH_CSR_AGE_S = 15 * 60 };

struct finish_csr_told;
struct finish_csr_key;

/* Over all rounds. */
struct finish_csrs {
	struct arena keep;
	struct finish_csr_told *told;
	struct finish_csr_key *keys; /* that the bootstrapper got a certificate for */
	size_t n_told, approved;
	const char *version; /* of the API; NULL: not known yet */
	int64_t looked_ms, changed_ms;
};

void finish_csr_free(struct finish_csrs *csrs);

/* One look, but not too soon after the last one; what fails, fails again at the next. */
void finish_csr_meanwhile(struct finish_clean *c);

/* Until nothing new has come for the patience of `c`. */
int finish_csr(struct finish_clean *c, struct err *e);

/* The judges; NULL: it is to be approved. */
struct finish_csr_request {
	bool serving, bootstrap;
	const char *node;
	struct kube_csr asked;
};

bool finish_csr_waits(const struct doc_node *object);
const char *finish_csr_read(struct finish_csr_request *request, struct arena *a,
	const struct finish_record *record, const struct doc_node *object);
/* `node`: its Node object; NULL: there is none. */
const char *finish_csr_judge(const struct finish_csr_request *request, const struct doc_node *node);
/* For the bootstrapper: has its node another key already?  And keeps the one that it got. */
const char *finish_csr_judge_key(
	const struct finish_csrs *csrs, const struct finish_csr_request *request);
void finish_csr_keep_key(struct finish_csrs *csrs, const struct finish_csr_request *request);
/* Is it the name or the address of no Node at all? */
bool finish_csr_is_nobodys(struct str name);
/* `other`: any Node object; its own is no matter. */
const char *finish_csr_judge_other(
	const struct finish_csr_request *request, const struct doc_node *other);
