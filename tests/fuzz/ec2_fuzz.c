/* Any bytes as what EC2 and the metadata service answer: values that are harmless, or one error. */
#include <stdlib.h>
#include <string.h>

#include "net/imds.h"
#include "source/ec2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void harmless(const char *word)
{
	if (!word)
		abort();
	for (; *word; word++) {
		if (*word < ' ' || *word > '~')
			abort();
	}
}

static void no_other_error(int bad)
{
	if (bad && bad != ERR_FORMAT && bad != ERR_SPACE && bad != ERR_AUTH)
		abort();
}

static void volumes(struct span xml)
{
	struct arena a = ARENA(64 << 20);
	struct ec2_volume *v;
	const char *more;
	struct err e = { 0 };
	size_t n;

	const int bad = ec2_read_volumes(&v, &n, &more, &a, xml, &e);
	no_other_error(bad);
	for (size_t i = 0; !bad && i < n; i++) {
		harmless(v[i].id);
		harmless(v[i].state);
		harmless(v[i].zone);
		if (strlen(v[i].id) >= EC2_ID)
			abort();
		for (size_t k = 0; k < v[i].n_attached; k++)
			harmless(v[i].attached[k].device);
		ec2_tag(v[i].tags, v[i].n_tags, "etcd-rescue");
	}
	arena_free(&a);
}

static void snapshots(struct span xml)
{
	struct arena a = ARENA(64 << 20);
	struct ec2_snapshot *v;
	const char *more;
	struct err e = { 0 };
	size_t n;

	const int bad = ec2_read_snapshots(&v, &n, &more, &a, xml, &e);
	no_other_error(bad);
	for (size_t i = 0; !bad && i < n; i++) {
		harmless(v[i].id);
		harmless(v[i].volume);
		harmless(v[i].progress);
	}
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span xml = { data, size };
	const struct str json = { (const char *)data, size };
	struct imds_identity id = { 0 };
	struct imds_credentials keys = { 0 };
	char code[64], message[256], made[EC2_ID];
	struct err e = { 0 };

	volumes(xml);
	snapshots(xml);
	no_other_error(ec2_read_created(made, xml, &e));
	ec2_read_refusal(code, message, xml);
	harmless(code);
	harmless(message);
	if (!imds_read_identity(&id, json, &e))
		harmless(id.region);
	if (!imds_read_credentials(&keys, json, &e)) {
		harmless(keys.access);
		harmless(keys.secret);
		harmless(keys.session);
	}
	return 0;
}
