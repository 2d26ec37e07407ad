#include "plan/schema.h"

#include <string.h>

#define AT(field)      offsetof(struct plan, field)
#define MEMBER(field)  offsetof(struct plan_member, field)
#define REPLACE(field) offsetof(struct plan_replace, field)
#define GROUP(key, help)                                                                           \
	{                                                                                          \
		key, SCHEMA_GROUP, SCHEMA_NONE, NULL, NULL, 0, help                                \
	}
#define ONE(key, type, words, initial, field, help)                                                \
	{                                                                                          \
		key, SCHEMA_ONE, SCHEMA_##type, words, initial, field, help                        \
	}
#define LIST(key, type, initial, field, help)                                                      \
	{                                                                                          \
		key, SCHEMA_LIST, SCHEMA_##type, NULL, initial, field, help                        \
	}
#define ITEMS(key, field, help)                                                                    \
	{                                                                                          \
		key, SCHEMA_ITEMS, SCHEMA_NONE, NULL, NULL, field, help                            \
	}
#define TAGS(key, field, help)                                                                     \
	{                                                                                          \
		key, SCHEMA_TAGS, SCHEMA_TEXT, NULL, NULL, field, help                             \
	}

/* In the order of config/plan.yaml, groups before their keys. */
/* clang-format off */
const struct schema_row schema[] = {
	ONE("generation", GENERATION, NULL, "1", AT(generation),
		"a higher number restores again; the same or a lower one hands off"),
	ONE("source", URL, "s3:|ebs|ebs:|sftp:|https:|http:|file:|dev:|label:", NULL, AT(source),
		"where the snapshots are: a prefix, of which the newest usable is taken, or one object"),
	GROUP("s3", "the object store of s3:// addresses"),
	ONE("s3.endpoint", URL, "https:|http:", NULL, AT(s3.endpoint),
		"address of an object store that is not AWS"),
	ONE("s3.region", NAME, NULL, NULL, AT(s3.region),
		"region to sign for; not said: asked of the machine, else us-east-1"),
	ONE("s3.addressing", WORD, "auto|path|host", "auto", AT(s3.addressing),
		"where the bucket's name goes: into the path or into the host name"),
	ONE("s3.credentials", CHOICE, "auto|imds|file|file:|env|none", "auto", AT(s3.credentials),
		"where the keys are: instance role, a file on the removable volume, a file by path"),
	ONE("s3.sse-key", FILE, NULL, NULL, AT(s3.sse_key),
		"file of the key that objects were encrypted with (SSE-C)"),
	GROUP("ebs", "snapshots of EC2 volumes"),
	TAGS("ebs.tags", AT(ebs.tags), "tags that the snapshot, or the volume it came from, must have"),
	ONE("ebs.volume-type", CHOICE, "gp2|gp3|io1|io2|st1|sc1|standard", "gp3", AT(ebs.volume_type),
		"type of the volume that is made for reading"),
	ONE("ebs.iops", COUNT, "auto", "auto", AT(ebs.iops),
		"operations a second it is made with; io1 and io2 want a number"),
	ONE("ebs.endpoint", URL, "https:|http:", NULL, AT(ebs.endpoint),
		"address of EC2 where it is not the region's own"),
	GROUP("sftp", "an SSH server of sftp:// addresses"),
	ONE("sftp.host-key", FINGERPRINT, NULL, NULL, AT(sftp.host_key),
		"fingerprint of the server's key; not said: known_hosts of the image"),
	ONE("sftp.known-hosts", FILE, NULL, NULL, AT(sftp.known_hosts),
		"file of the keys of known servers, as ssh has it"),
	ONE("sftp.identity", FILE, NULL, NULL, AT(sftp.identity),
		"file of the private key to log in with"),
	ONE("sftp.secret", FILE, NULL, NULL, AT(sftp.secret),
		"file with the password, or the passphrase of the private key"),
	GROUP("https", "servers of https:// addresses, S3 and gate among them"),
	ONE("https.ca", FILE, NULL, NULL, AT(https.ca),
		"file of further certificate authorities to believe"),
	ONE("https.client-cert", FILE, NULL, NULL, AT(https.client_cert),
		"file of the certificate to show"),
	ONE("https.client-key", FILE, NULL, NULL, AT(https.client_key),
		"file of its private key"),
	ONE("https.user", TEXT, NULL, NULL, AT(https.user),
		"user of a server that asks for one"),
	ONE("https.secret", FILE, NULL, NULL, AT(https.secret),
		"file with the user's password; without a user, the token of a bearer"),
	ONE("snapshot", TEXT, "latest", "latest", AT(snapshot.name),
		"latest, the name of an object, or the keys below"),
	ONE("snapshot.before", TIME, NULL, NULL, AT(snapshot.before),
		"the newest one taken before this time"),
	ONE("snapshot.sha256", SHA256, NULL, NULL, AT(snapshot.sha256),
		"the one with this SHA-256, nothing else"),
	ONE("snapshot.version", TEXT, NULL, NULL, AT(snapshot.version),
		"this version of the object that source names"),
	ONE("snapshot.node", NAME, NULL, NULL, AT(snapshot.node),
		"only those that were taken on this node"),
	ONE("snapshot.folder", TEXT, NULL, NULL, AT(snapshot.folder),
		"only those in this folder below source; any, where several lie there"),
	ONE("snapshot.allow-dirty", BOOL, NULL, NULL, AT(snapshot.allow_dirty),
		"take halves of pairs, mixed pairs and what is marked __POSSIBLY_DIRTY__"),
	ONE("pki", URL, "s3:|sftp:|https:|http:|file:", NULL, AT(pki),
		"etc/kubernetes of a master, for a fresh one; made by etcd-rescue collect"),
	GROUP("cluster", "the restored cluster"),
	ONE("cluster.token", TEXT, NULL, NULL, AT(cluster.token),
		"cluster token; not said: derived from what is restored"),
	ITEMS("cluster.members", AT(cluster.members),
		"its members; not said: discovered, and compared with the snapshot's own list"),
	ONE("cluster.members[].name", NAME, NULL, NULL, MEMBER(name), "name of the member"),
	ONE("cluster.members[].peer", PEER_URL, NULL, NULL, MEMBER(peer), "its peer URL"),
	GROUP("cluster.members[].match", "what makes a machine this member"),
	ONE("cluster.members[].match.mac", MAC, NULL, NULL, MEMBER(match.mac),
		"one of its network cards"),
	ONE("cluster.members[].match.uuid", UUID, NULL, NULL, MEMBER(match.uuid),
		"system UUID of its DMI table"),
	ONE("cluster.members[].match.serial", TEXT, NULL, NULL, MEMBER(match.serial),
		"serial number of its DMI table"),
	ONE("cluster.members[].match.hostname", NAME, NULL, NULL, MEMBER(match.hostname),
		"host name on its disk or from DHCP"),
	ONE("cluster.members[].match.ip", IP, NULL, NULL, MEMBER(match.ip), "one of its addresses"),
	ONE("role", WORD, "auto|restore|single|join|stand-aside|purge-only", "auto", AT(role),
		"what this node does"),
	ONE("recovery-host", NAME, NULL, NULL, AT(recovery_host),
		"the master that restores where one restores and the others follow"),
	ITEMS("replace", AT(replace), "old names and addresses of nodes, and the new ones"),
	ONE("replace[].from", IDENTITY, NULL, NULL, REPLACE(from), "old name or address"),
	ONE("replace[].to", IDENTITY, NULL, NULL, REPLACE(to), "new name or address"),
	ONE("bump-revision", COUNT, "auto|no", "auto", AT(bump_revision),
		"raise all revisions by so many; auto: 1000000000 when the keys are Kubernetes'"),
	ONE("drop-keys", WORD, "auto|no", "auto", AT(drop_keys),
		"drop the leases of masters that are gone"),
	ONE("survivors", WORD, "stop|none|proceed", "stop", AT(survivors),
		"when a master of the old cluster answers; none: I know that nothing old answers"),
	ONE("other-cluster", WORD, "stop|proceed", "stop", AT(other_cluster),
		"when the CA in the snapshot is not the one on the disk"),
	ONE("gate", URL, "none|s3:|https:", "none", AT(gate),
		"where several masters compare what they are about to commit"),
	ONE("missing", WORD, "wait|proceed", "wait", AT(missing),
		"when a master does not come to the gate; the quorum rule holds in any case"),
	ONE("old", CHOICE, "keep|move:", "keep", AT(old),
		"the old data: keep it beside the new, or make room"),
	GROUP("storage", "the disk that holds the control plane"),
	ONE("storage.luks-key", CHOICE, "auto|ask|file:", "auto", AT(storage.luks_key),
		"key of an encrypted disk"),
	ONE("storage.degraded", BOOL, NULL, "no", AT(storage.degraded),
		"start an array that lacks a disk"),
	ONE("storage.clear-immutable", BOOL, NULL, "no", AT(storage.clear_immutable),
		"take immutable flags off files that must be replaced"),
	LIST("network", NETWORK, NULL, AT(network),
		"words of the kernel line's network grammar; not said: DHCP and IPv6 on every card"),
	LIST("ntp", HOST, NULL, AT(ntp), "time servers; not said: those DHCP names"),
	ONE("proxy", URL, "http:|https:", NULL, AT(proxy), "proxy for http and https"),
	ONE("layout", CHOICE, "auto|kubeadm|csm|icp|openshift-4.2|openshift-4.6|salt", "auto",
		AT(layout), "kind of control plane on the disk"),
	GROUP("finish", "what the first boot of the restored system does"),
	ONE("finish.install", BOOL, NULL, "yes", AT(finish.install),
		"lay down what does it, which goes away when it is done"),
	ONE("finish.cronjobs", BOOL, NULL, "yes", AT(finish.cronjobs),
		"replace CronJobs that stopped being scheduled"),
	ONE("finish.stuck-pods", BOOL, NULL, "yes", AT(finish.stuck_pods),
		"delete pods stuck since before the restore"),
	ONE("finish.nodes", BOOL, NULL, "yes", AT(finish.nodes), "delete Node objects of lost masters"),
	ONE("finish.redeploy", BOOL, NULL, "yes", AT(finish.redeploy),
		"force operators to deploy the control plane again"),
	ONE("finish.csr", BOOL, NULL, "yes", AT(finish.csr),
		"approve certificate requests of known nodes"),
	ONE("finish.deadline", DURATION, NULL, "15m", AT(finish.deadline_s),
		"after this everything held back is put in place anyway"),
	ONE("finish.redeploy-deadline", DURATION, NULL, "1h", AT(finish.redeploy_s),
		"how long each operator may take to deploy anew on all masters"),
	ONE("report", URL, "https:|http:", NULL, AT(report), "where to send what happened"),
	ONE("syslog", HOST_PORT, NULL, NULL, AT(syslog), "syslog server for the same; by UDP, or tcp://host:port"),
	ONE("shell", CHOICE, "open|off", "open", AT(shell.word),
		"the rescue shell on the consoles: open, off, or the key below"),
	ONE("shell.password-hash", HASH, NULL, NULL, AT(shell.password_hash),
		"ask for the password with this hash: openssl passwd -6"),
	ONE("handoff", WORD, "auto|firmware|kexec|poweroff|stay", "auto", AT(handoff),
		"how the machine goes back to its own disk"),
	ONE("auto", BOOL, NULL, "no", AT(automatic), "restore without asking at the console"),
};
/* clang-format on */
const size_t schema_n = sizeof schema / sizeof *schema;

const struct schema_row *schema_row(struct str key)
{
	for (size_t i = 0; i < schema_n; i++) {
		if (str_is(key, schema[i].key))
			return &schema[i];
	}
	return NULL;
}

struct plan_place plan_said(const struct plan *plan, const char *key)
{
	const struct schema_row *row = schema_row(str_from(key));

	return row ? plan->said[row - schema] : (struct plan_place){ 0 };
}

/* What stands before the last name of a key: "s3." of "s3.endpoint". */
static struct str group_of(struct str key)
{
	while (key.len && key.p[key.len - 1] != '.')
		key.len--;
	return key;
}

bool schema_below(const char *key, struct str group)
{
	return str_equal(group_of(str_from(key)), group);
}

bool schema_has_keys(const struct schema_row *row)
{
	const size_t len = strlen(row->key);
	const struct schema_row *below = row + 1;

	return below < schema + schema_n && !strncmp(below->key, row->key, len) &&
	       below->key[len] == '.';
}

const char *schema_nearest(struct str key)
{
	const struct str group = group_of(key);
	const struct str name = { key.p + group.len, key.len - group.len };
	const char *nearest = NULL;
	size_t best = name.len / 3 + 2;

	for (size_t i = 0; i < schema_n; i++) {
		const struct str known = str_from(schema[i].key), its_group = group_of(known);
		const struct str last = { known.p + its_group.len, known.len - its_group.len };
		/* The right name in another group is as far as one letter off in this one. */
		const size_t d = str_distance(name, last) + (str_equal(group, its_group) ? 0 : 1);
		if (d < best && (str_equal(group, its_group) || d == 1)) {
			best = d;
			nearest = schema[i].key;
		}
	}
	return nearest;
}

const char *schema_type_name(enum schema_type type)
{
	static const char *const names[] = {
		[SCHEMA_NONE] = "",
		[SCHEMA_WORD] = "word",
		[SCHEMA_BOOL] = "yes or no",
		[SCHEMA_COUNT] = "number",
		[SCHEMA_GENERATION] = "number from 1",
		[SCHEMA_TIME] = "time",
		[SCHEMA_DURATION] = "duration",
		[SCHEMA_TEXT] = "text",
		[SCHEMA_NAME] = "name",
		[SCHEMA_CHOICE] = "word",
		[SCHEMA_URL] = "address",
		[SCHEMA_PEER_URL] = "peer URL",
		[SCHEMA_FILE] = "file",
		[SCHEMA_HOST] = "host",
		[SCHEMA_HOST_PORT] = "host:port",
		[SCHEMA_IDENTITY] = "name or IP address",
		[SCHEMA_IP] = "IP address",
		[SCHEMA_MAC] = "MAC address",
		[SCHEMA_UUID] = "UUID",
		[SCHEMA_SHA256] = "SHA-256",
		[SCHEMA_FINGERPRINT] = "fingerprint",
		[SCHEMA_HASH] = "password hash",
		[SCHEMA_NETWORK] = "network word",
	};

	return names[type];
}
