#include "plan/machine.h"

#include <string.h>
#include <strings.h>

#include "net/imds.h"
#include "os/file.h"
#include "os/link.h"
#include "os/network_lease.h"

enum { ANSWER_MS = 3000, ANSWER_MAX = 256 };

static bool begins(const char *text, const char *with)
{
	return text && !strncasecmp(text, with, strlen(with));
}

/* Nitro says it in words; Xen in the UUID, and in the version of its firmware. */
bool plan_machine_is_ec2(const struct dmi *d)
{
	return begins(d->vendor, "Amazon EC2") || begins(d->bios_vendor, "Amazon EC2") ||
	       (begins(d->uuid, "ec2") && begins(d->vendor, "Xen")) ||
	       (d->bios_version && strstr(d->bios_version, ".amazon"));
}

static void read_line(struct plan_machine *m, struct arena *a, const struct root *root,
	const struct node_cmdline *line)
{
	CLEAN_BUF struct buf text = BUF(NODE_CMDLINE_MAX);
	struct err none = { 0 };

	if (!line) {
		struct node_cmdline *own = arena_alloc(a, sizeof *own);
		if (file_read(&text, root, "/proc/cmdline", &none) ||
			node_cmdline_parse(own, a, buf_text(&text), &none))
			return;
		line = own;
	}
	for (size_t i = 0; i < line->network.n_ip; i++) {
		const struct network_ip *ip = &line->network.ip[i];
		if (ip->client)
			kube_add_text(&m->addresses, a, ip->client);
		if (ip->hostname && !m->line_hostname)
			m->line_hostname = ip->hostname;
	}
}

void plan_machine_read(struct plan_machine *m, struct arena *a, const struct root *root,
	const struct node_cmdline *line)
{
	struct dmi *dmi = arena_alloc(a, sizeof *dmi);
	struct link *links = NULL;
	struct err none = { 0 };
	size_t n = 0, kept = 0;

	*m = (struct plan_machine){ .dmi = dmi };
	dmi_read(dmi, a, root);
	if (link_list(&links, &n, a, root, &none))
		n = 0; /* a machine without cards is one, too */
	const char **macs = arena_array(a, n + 1, sizeof *macs);
	for (size_t i = 0; i < n; i++) {
		const char *name = network_lease_value(a, root, links[i].name, "hostname");
		if (!links[i].loopback && links[i].mac[0])
			macs[kept++] = links[i].mac;
		if (name && *name && !m->lease_hostname)
			m->lease_hostname = name;
	}
	m->macs = macs;
	read_line(m, a, root, line);
}

/* One line of an answer; what is none says nothing. */
static const char *ask(struct imds *imds, struct arena *a, const char *path)
{
	CLEAN_BUF struct buf body = BUF(ANSWER_MAX);
	struct err none = { 0 };

	if (imds_get(&body, imds, path, &none))
		return NULL;
	const struct str text = str_trim(buf_text(&body));
	for (size_t i = 0; i < text.len; i++) {
		const char c = text.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '-' && c != '.' && c != ':')
			return NULL;
	}
	return text.len ? arena_copy(a, text) : NULL;
}

void plan_machine_ask(struct plan_machine *m, struct arena *a, const char *endpoint)
{
	struct err none = { 0 };
	struct imds imds;

	if (!m->dmi || !plan_machine_is_ec2(m->dmi) || imds_open(&imds, endpoint, &none))
		return;
	imds.limit_ms = ANSWER_MS;
	m->cloud_hostname = ask(&imds, a, "/latest/meta-data/local-hostname");
	m->cloud_address = ask(&imds, a, "/latest/meta-data/local-ipv4");
	imds_close(&imds);
}
