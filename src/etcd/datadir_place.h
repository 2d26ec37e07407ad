/* etcd/datadir_place.h - one new name in the file system: staged beside it, then renamed
 *
 *   <parent>/.etcd-rescue-<random>   while it is made
 *   <parent>/<final>                 when it is published
 *
 * For etcd/datadir.c alone.
 *
 * Source:     rename(2) and fsync(2) on what a power cut leaves.
 * Units:      bytes; ETCD_PLACE_* are lengths of names with their end.
 * Ownership:  the place owns its descriptors, the staged tree and the parent directories it
 *             had to make, until etcd_place_close.
 * Errors:     ERR_USAGE when the name exists already; ERR_IO.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

enum { ETCD_PLACE_PATH = 4096, ETCD_PLACE_NAME = 256 };

struct etcd_datadir_place {
	int parent;
	char final[ETCD_PLACE_NAME], staging[ETCD_PLACE_NAME];
	bool staged, published;
	bool into_existing;         /* `final` is made inside a directory that was there */
	int top;                    /* what holds the first directory we made; -1: none */
	char made[ETCD_PLACE_PATH]; /* the directories we made below it: "a/b" */
};

#define NO_PLACE ((struct etcd_datadir_place){ .parent = -1, .top = -1 })

enum etcd_place_kind {
	ETCD_PLACE_DATA, /* missing, or an empty directory that gets `member` */
	ETCD_PLACE_WAL,  /* missing */
};

/* Look at `path`; with `make` also make missing parents and open the one that counts. */
int etcd_place_find(struct etcd_datadir_place *place, int base, const char *path,
	enum etcd_place_kind kind, bool make, struct err *e);

/* Make the staging directory and open it. */
int etcd_place_stage(int *fd, struct etcd_datadir_place *place, struct err *e);

/* Rename, never over something; then fsync what holds the new names. */
int etcd_place_publish(struct etcd_datadir_place *place, struct err *e);

/* Give the directories we made to somebody. */
int etcd_place_chown(const struct etcd_datadir_place *place, uid_t uid, gid_t gid, struct err *e);

/* Remove what was staged or published, and the parents we made; best effort. */
void etcd_place_remove(struct etcd_datadir_place *place);
void etcd_place_close(struct etcd_datadir_place *place);
