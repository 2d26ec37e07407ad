/* plan/machine.h - what the running machine says of itself: its cards, its maker, the kernel line,
 * the DHCP server and, on EC2, the cloud
 *
 * It is the disk's own machine only where the disk is in it: in the image, and not where a disk
 * or a tree is looked at on somebody's desk.
 *
 * Source:     os/link.h, node/dmi.h, node/cmdline.h, os/network_lease.h, net/imds.h; AWS's "Detect
 *             whether a host is an EC2 instance" for plan_machine_is_ec2.
 * Units:      none.
 * Ownership:  everything lives in the arena.
 * Errors:     none: what nobody knows stays NULL.
 */
#pragma once

#include "kube/layout.h"
#include "node/cmdline.h"
#include "node/dmi.h"

struct plan_machine {
	const struct dmi *dmi;       /* NULL: not known */
	const char *const *macs;     /* "52:54:00:12:34:56", NULL-terminated; NULL: none */
	const char *line_hostname;   /* of the kernel line's ip= */
	struct kube_texts addresses; /* the static ones of the kernel line's ip= */
	const char *lease_hostname;  /* what a DHCP server calls it */
	const char *cloud_hostname, *cloud_address;
};

/* `line` NULL: what /proc/cmdline below the root says. */
void plan_machine_read(struct plan_machine *machine, struct arena *a, const struct root *root,
	const struct node_cmdline *line);

/* Ask EC2's metadata service, if the maker says that this is EC2: three seconds at most for each
 * of its answers.  `endpoint` as in net/imds.h.  For when there is a network. */
void plan_machine_ask(struct plan_machine *machine, struct arena *a, const char *endpoint);

bool plan_machine_is_ec2(const struct dmi *dmi);
