/* cmd/source_options.h - the options of every command that takes an address
 *
 * They are the plan's own keys under shorter names: a plan given with --plan comes first, an
 * option on the command line replaces what it says.  No secret is ever an option: they are
 * in files, which are named.
 *
 *   struct options {
 *           struct option_common common;
 *           struct source_options source;     directly behind the common ones
 *           ...
 *   };
 *   static const struct option_row rows[] = { SOURCE_OPTION_ROWS, ..., { 0 } };
 *
 * Source:     plan/schema.h.
 * Units:      bytes.
 * Ownership:  texts borrow from argv or live in the app's arena; the plan, too.
 * Errors:     ERR_USAGE for what makes no sense; those of plan/search.h for --plan.
 */
#pragma once

#include "cmd/applets.h"
#include "plan/choose.h"
#include "plan/settings.h"

struct source_options {
	const char *plan, *endpoint, *region, *addressing, *credentials, *sse_key;
	const char *host_key, *known_hosts, *identity, *ca, *client_cert, *client_key;
	const char *user, *secret_file, *proxy, *snapshot, *node, *folder;
	struct option_list ebs_tags;
	uint64_t streams, part;
	bool allow_dirty;
};

struct source_options_place {
	struct option_common common;
	struct source_options source;
};

#define SOURCE_FIELD(name) offsetof(struct source_options_place, source.name)
#define SOURCE_OPTION_ROWS                                                                         \
	{ "plan", 0, OPTION_TEXT, SOURCE_FIELD(plan), "FILE",                                      \
		"take address, credentials and choice from this plan" },                           \
		{ "snapshot", 0, OPTION_TEXT, SOURCE_FIELD(snapshot), "WHICH",                     \
			"latest, a name, before:TIME, sha256:HEX or version:ID (latest)" },        \
		{ "node", 0, OPTION_TEXT, SOURCE_FIELD(node), "NAME",                              \
			"only snapshots taken on this node" },                                     \
		{ "folder", 0, OPTION_TEXT, SOURCE_FIELD(folder), "NAME",                          \
			"only those in this folder below the address; any, for all of them" },     \
		{ "allow-dirty", 0, OPTION_FLAG, SOURCE_FIELD(allow_dirty), NULL,                  \
			"take halves of pairs, mixed pairs and those marked possibly dirty" },     \
		{ "endpoint", 0, OPTION_TEXT, SOURCE_FIELD(endpoint), "URL",                       \
			"address of an object store that is not AWS" },                            \
		{ "region", 0, OPTION_TEXT, SOURCE_FIELD(region), "NAME",                          \
			"region of the object store or of EC2" },                                  \
		{ "addressing", 0, OPTION_TEXT, SOURCE_FIELD(addressing), "WORD",                  \
			"where the bucket's name goes: auto, path or host (auto)" },               \
		{ "credentials", 0, OPTION_TEXT, SOURCE_FIELD(credentials), "WHERE",               \
			"auto, imds, file, file:PATH, env or none (auto)" },                       \
		{ "sse-key", 0, OPTION_TEXT, SOURCE_FIELD(sse_key), "FILE",                        \
			"key that the objects were encrypted with (SSE-C)" },                      \
		{ "ebs-tag", 0, OPTION_LIST, SOURCE_FIELD(ebs_tags), "NAME=TEXT",                  \
			"tag of the EBS snapshot or its volume; may be repeated" },                \
		{ "host-key", 0, OPTION_TEXT, SOURCE_FIELD(host_key), "SHA256:...",                \
			"fingerprint of the SSH server's key" },                                   \
		{ "known-hosts", 0, OPTION_TEXT, SOURCE_FIELD(known_hosts), "FILE",                \
			"keys of known SSH servers (those of ssh, and the image's own)" },         \
		{ "identity", 0, OPTION_TEXT, SOURCE_FIELD(identity), "FILE",                      \
			"private key to log in with (those of ssh)" },                             \
		{ "ca", 0, OPTION_TEXT, SOURCE_FIELD(ca), "FILE",                                  \
			"further certificate authorities to believe" },                            \
		{ "client-cert", 0, OPTION_TEXT, SOURCE_FIELD(client_cert), "FILE",                \
			"certificate to show to the server" },                                     \
		{ "client-key", 0, OPTION_TEXT, SOURCE_FIELD(client_key), "FILE",                  \
			"its private key" },                                                       \
		{ "user", 0, OPTION_TEXT, SOURCE_FIELD(user), "NAME",                              \
			"user of an https:// server that asks for one" },                          \
		{ "secret-file", 0, OPTION_TEXT, SOURCE_FIELD(secret_file), "FILE",                \
			"holds the password, the passphrase of the key, or a bearer's token" },    \
		{ "proxy", 0, OPTION_TEXT, SOURCE_FIELD(proxy), "URL",                             \
			"proxy for http and https (that of the environment)" },                    \
		{ "streams", 0, OPTION_U64, SOURCE_FIELD(streams), "N",                            \
			"how many parts are read at the same time (4)" },                          \
	{                                                                                          \
		"part-size", 0, OPTION_SIZE, SOURCE_FIELD(part), "SIZE",                           \
			"how large a part is (8M)"                                                 \
	}

/* The plan that options and operand make; the address is the operand, or the plan's. */
int source_options_plan(struct plan *plan, struct app *app, const struct source_options *o,
	const char *address, struct err *e);

/* The same, up to an open choice; `settings` lives as long as it. */
int source_options_open(struct choose *choose, struct settings *settings, struct app *app,
	const struct source_options *o, const char *address, struct err *e);

/* Does this operand name a source, and not a file or directory? */
bool source_options_is_address(const char *operand);
