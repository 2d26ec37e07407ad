/* plan/schema.h - the plan: what an operator can say, key by key
 *
 * `struct plan` is the plan as the rest of the program sees it; `schema` is the table of
 * every key with its type, its default and one line of help.  Loader, overrides, the
 * printed plan, `etcd-rescue plan --keys` and the manual page go through the table, so a
 * key is known to all of them or to none.
 *
 * A key is written as its path: "s3.endpoint"; "replace[].from" is a key of each item of
 * the list `replace`.  What is not said has the default; a text without a default is NULL.
 *
 * Words in a row: "auto|no" are what the value may be beside its type; a word that ends in
 * ':' is the beginning of a value: a scheme of an address, or "file:" before a path.
 *
 * Source:     design of the plan file; etcd flags for members; dracut for `network`.
 * Units:      durations in seconds, times in seconds since 1970.
 * Ownership:  all texts live in the arena of the loader.
 * Errors:     none here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Each enumeration has the order of its row's words. */
enum plan_addressing { PLAN_ADDRESSING_AUTO, PLAN_ADDRESSING_PATH, PLAN_ADDRESSING_HOST };
enum plan_role {
	PLAN_ROLE_AUTO,
	PLAN_ROLE_RESTORE,
	PLAN_ROLE_SINGLE,
	PLAN_ROLE_JOIN,
	PLAN_ROLE_STAND_ASIDE,
	PLAN_ROLE_PURGE_ONLY,
};
enum plan_drop_keys { PLAN_DROP_KEYS_AUTO, PLAN_DROP_KEYS_NO };
enum plan_survivors { PLAN_SURVIVORS_STOP, PLAN_SURVIVORS_NONE, PLAN_SURVIVORS_PROCEED };
enum plan_other_cluster { PLAN_OTHER_CLUSTER_STOP, PLAN_OTHER_CLUSTER_PROCEED };
enum plan_missing { PLAN_MISSING_WAIT, PLAN_MISSING_PROCEED };
enum plan_handoff {
	PLAN_HANDOFF_AUTO,
	PLAN_HANDOFF_FIRMWARE,
	PLAN_HANDOFF_KEXEC,
	PLAN_HANDOFF_POWEROFF,
	PLAN_HANDOFF_STAY,
};

#define PLAN_BUMP_AUTO UINT64_MAX /* of bump_revision; 0 is "no" */

/* Where something was said; line 0: nowhere, it is the default. */
struct plan_place {
	unsigned line, column;
};

#define PLAN_KERNEL_LINE ((struct plan_place){ UINT32_MAX, 0 })

struct plan_list {
	const char **v;
	size_t n;
};

struct plan_pair { /* a tag and its value */
	const char *name, *value;
};

struct plan_pairs {
	struct plan_pair *v;
	size_t n;
};

struct plan_match { /* what makes a machine this member; each that is said must fit */
	const char *mac, *uuid, *serial, *hostname, *ip;
};

struct plan_member {
	struct plan_place place; /* first, as in every item of a list of groups */
	const char *name, *peer;
	struct plan_match match;
};

struct plan_replace {
	struct plan_place place;
	const char *from, *to;
};

struct plan_members {
	struct plan_member *v;
	size_t n;
};

struct plan_replaces {
	struct plan_replace *v;
	size_t n;
};

struct plan {
	uint64_t generation;
	const char *source;
	struct {
		const char *endpoint, *region, *credentials, *sse_key;
		enum plan_addressing addressing;
	} s3;
	struct {
		struct plan_pairs tags;
		const char *volume_type;
		uint64_t iops; /* UINT64_MAX: auto, the type's own */
		const char *endpoint;
	} ebs;
	struct {
		const char *host_key, *known_hosts, *identity, *secret;
	} sftp;
	struct {
		const char *ca, *client_cert, *client_key, *user, *secret;
	} https;
	struct {
		const char *name; /* "latest", or the name of an object */
		int64_t before;   /* 0: not said */
		const char *sha256, *version, *node, *folder;
		bool allow_dirty;
	} snapshot;
	const char *pki;
	struct {
		const char *token;
		struct plan_members members;
	} cluster;
	enum plan_role role;
	const char *recovery_host;
	struct plan_replaces replace;
	uint64_t bump_revision;
	enum plan_drop_keys drop_keys;
	enum plan_survivors survivors;
	enum plan_other_cluster other_cluster;
	const char *gate; /* "none" or an address */
	enum plan_missing missing;
	const char *old; /* "keep", "move:/path" */
	struct {
		const char *luks_key; /* "auto", "ask" or "file:/path" */
		bool degraded, clear_immutable;
	} storage;
	struct plan_list network, ntp;
	const char *proxy, *layout;
	struct {
		bool install, cronjobs, stuck_pods, nodes, redeploy, csr;
		uint64_t deadline_s, redeploy_s;
	} finish;
	const char *report, *syslog;
	struct {
		const char *word; /* "open" or "off"; NULL: by password */
		const char *password_hash;
	} shell;
	enum plan_handoff handoff;
	bool automatic;          /* auto: */
	struct plan_place *said; /* of each row of the schema */
};

enum schema_shape {
	SCHEMA_ONE,   /* one value */
	SCHEMA_LIST,  /* [a, b] */
	SCHEMA_TAGS,  /* any names, each with a text */
	SCHEMA_GROUP, /* the keys below it */
	SCHEMA_ITEMS, /* a list of groups */
};

enum schema_type {
	SCHEMA_NONE,
	SCHEMA_WORD,       /* enum: one of the words */
	SCHEMA_BOOL,       /* bool */
	SCHEMA_COUNT,      /* uint64_t; the words auto and no are UINT64_MAX and 0 */
	SCHEMA_GENERATION, /* uint64_t, from 1 */
	SCHEMA_TIME,       /* int64_t */
	SCHEMA_DURATION,   /* uint64_t */
	/* all below are texts: const char * */
	SCHEMA_TEXT,
	SCHEMA_NAME,     /* of a host, a member, a region */
	SCHEMA_CHOICE,   /* nothing but words; those with a colon go on with a path or address */
	SCHEMA_URL,      /* the words with a colon are the schemes */
	SCHEMA_PEER_URL, /* http or https, host and port, no path */
	SCHEMA_FILE,     /* "/path" or "file:/path"; kept as "/path" */
	SCHEMA_HOST,     /* name or address */
	SCHEMA_HOST_PORT,
	SCHEMA_IDENTITY, /* name or address of a node */
	SCHEMA_IP,
	SCHEMA_MAC,         /* kept in lower case with colons */
	SCHEMA_UUID,        /* kept in lower case */
	SCHEMA_SHA256,      /* kept in lower case */
	SCHEMA_FINGERPRINT, /* SHA256:43 letters, of an SSH host key */
	SCHEMA_HASH,        /* of a password, as crypt(5) writes it */
	SCHEMA_NETWORK,     /* one word of the kernel line's network grammar */
};

struct schema_row {
	const char *key;
	enum schema_shape shape;
	enum schema_type type;
	const char *words;   /* "a|b|c:"; NULL: none */
	const char *initial; /* as a person would write it; NULL: no default */
	size_t field;        /* in struct plan; below a list of groups: in its item */
	const char *help;
};

extern const struct schema_row schema[];
extern const size_t schema_n;

/* Where the key of a row was said. */
struct plan_place plan_said(const struct plan *plan, const char *key);

/* The row of a key, or NULL. */
const struct schema_row *schema_row(struct str key);

/* The known key closest to an unknown one, the same group first; NULL: nothing is near. */
const char *schema_nearest(struct str key);

/* Is `key` directly below `group`?  "" is the top. */
bool schema_below(const char *key, struct str group);

/* Does a value of this row take the keys of a group instead? */
bool schema_has_keys(const struct schema_row *row);

/* What a value looks like: "yes or no", "https://host:port". */
const char *schema_type_name(enum schema_type type);
