/* plan/finish_join_record.h - the clusters of the record that this node joins, in their order
 *
 * Each gets its files filled in and its own manifest put in place as soon as its member has been
 * added; whatever else waits is left to finish.c.
 *
 * Source:     plan/finish_join.h, plan/finish_join_files.h.
 * Units:      none; the deadline is that of f->wait.
 * Ownership:  what is found is left in the record.
 * Errors:     those of finish_join, with the name of the cluster.
 */
#pragma once

#include "plan/finish.h"

/* Afterwards each cluster's id and own member stand in the record. */
int finish_join_record(struct finish *f, struct err *e);

/* Is this etcd's own, of a node that joins?  It stays where it waits until its member is added. */
bool finish_join_waits(const struct finish *f, size_t held);
