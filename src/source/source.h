/* source/source.h - a place where snapshots are: what lies there, and the bytes of one thing
 *
 *   source_open     an address and how to get in: nothing is asked of the network yet
 *   source_list     what lies below the address; one object where the address names one
 *   source_read     the bytes of one of them, as a stream, in order, resumed by itself
 *   source_close
 *
 *   s3://BUCKET[/PREFIX]     an object, or all that begins with the prefix
 *   https://HOST/PATH        an object, or with a '/' at the end an index page
 *   http://...               the same in the clear
 *   sftp://[USER@]HOST[:PORT]/PATH   a file or a directory; /~/ begins at the home directory
 *   file:/PATH, /PATH        a file or a directory below the root
 *   dev:/dev/NAME[:/PATH], label:LABEL[:/PATH]   the same on a disk of this machine
 *   ebs:                     snapshots of EBS volumes with the tags of the settings: places
 *   ebs:SNAPSHOT-ID[:/PATH]  the files on one of them; list and read make, attach and mount a
 *                            volume of it, source_close takes that away again
 *
 * Each kind is one file with a `struct source_kind`, one row of the table in source.c.
 *
 * Source:     design of the plan file (keys s3, ebs, sftp, https, proxy).
 * Units:      bytes; seconds since 1970, UTC.
 * Ownership:  settings are borrowed and outlive the source; what is listed lives in the
 *             arena that was given; streams and sources are closed by who opened them, the
 *             streams first.
 * Errors:     ERR_USAGE for an address that makes no sense; ERR_NOTFOUND nothing there;
 *             ERR_AUTH refused; ERR_NET not reached; ERR_MISMATCH other bytes than promised;
 *             each names in one line what to change. No text ever holds a secret.
 */
#pragma once

#include "base/arena.h"
#include "base/event.h"
#include "base/stream.h"
#include "net/trust.h"
#include "os/root.h"

enum source_addressing { SOURCE_ADDRESSING_AUTO, SOURCE_ADDRESSING_PATH, SOURCE_ADDRESSING_HOST };

struct source_tag {
	const char *name, *value;
};

struct source_settings {
	const char *url;
	struct root *root;         /* of the machine we run on: files, devices, credentials */
	const struct trust *trust; /* for every TLS connection */
	const char *proxy;         /* as of net/http.h */
	const struct listener *listener;
	bool image; /* we are the rescue image: may set the clock, not the host's */
	struct {
		const char *endpoint,
			*region; /* NULL: AWS, and what the address, environment or server say */
		const char *credentials; /* "imds", "file:PATH", "env", NULL: every way in order */
		enum source_addressing addressing;
		const char
			*sse_key; /* file with the 32 bytes of SSE-C, plain or base64; NULL: none */
		const char *version; /* of the object; NULL: the newest */
	} s3;
	struct {
		const struct source_tag *tags;
		size_t n_tags;
		const char *volume_type; /* NULL: "gp3" */
		uint64_t iops;           /* 0: the type's own */
		const char *endpoint;    /* NULL: the region's; tests have their own */
	} ebs;
	struct {
		const char *host_key;    /* "SHA256:...", or NULL: known_hosts */
		const char *known_hosts; /* NULL: ~/.ssh and the image's own */
		const char *identity;    /* file of the private key; NULL: the usual ones */
		const char *secret;      /* password or the key's passphrase; NULL: none */
	} sftp;
	struct {
		const char *user, *secret; /* basic; user NULL and a secret: bearer */
	} https;
	unsigned streams; /* parallel ranges; 0: 4 */
	uint64_t part;    /* bytes of a range; 0: 8 MiB */
};

struct source_object {
	const char *
		name; /* below the address, as people know it; "" where the address is the object */
	const char *url; /* the whole address, without userinfo and query: what source_read opens */
	uint64_t size;   /* UINT64_MAX: not told */
	int64_t modified;    /* 0: not told */
	const char *etag;    /* NULL: none */
	const char *version; /* NULL: none */
	const char *note;    /* of the place: storage class, id of an EBS snapshot; NULL: none */
	const char *unfit;   /* why it cannot be taken: "still being made, 45%"; NULL: it can */
	bool place; /* no bytes but a place of its own: source_open its url and list that */
};

struct source_objects {
	struct source_object *v;
	size_t n;
	bool cut; /* there was more than the limit */
};

struct source;

int source_open(struct source **source, const struct source_settings *settings, struct err *e);
/* Newest last is not promised: the order is the place's own. */
int source_list(
	struct source *source, struct source_objects *objects, struct arena *a, struct err *e);
int source_read(struct source *source, struct stream *stream, const struct source_object *object,
	struct err *e);
void source_close(struct source *source);

/* One kind of place.  `open` allocates what it needs and puts it first in a struct of its own. */
struct source_kind {
	const char *scheme; /* "s3", "https", ... */
	int (*open)(struct source **source, const struct source_settings *settings, struct err *e);
	int (*list)(struct source *source, struct source_objects *objects, struct arena *a,
		struct err *e);
	int (*read)(struct source *source, struct stream *stream,
		const struct source_object *object, struct err *e);
	void (*close)(struct source *source);
};

struct source {
	const struct source_kind *kind;
	const struct source_settings *settings;
};

extern const struct source_kind source_s3, source_http, source_https, source_sftp, source_file,
	source_dev, source_label, source_ebs;
