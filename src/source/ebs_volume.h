/* source/ebs_volume.h - a volume out of a snapshot, for as long as we look at it
 *
 *   make     CreateVolume in our zone, tagged etcd-rescue=INSTANCE in the same call
 *   attach   on a free name, to us
 *   remove   DetachVolume, wait, DeleteVolume
 *   sweep    remove all that earlier runs of this instance have left
 *
 * The tag comes with the volume or not at all, so there is no moment at which a killed run
 * leaves one that the next cannot find.  Nothing is detached or deleted whose tag, asked for
 * just before, does not name this instance.  Each step looks at the volume's state and acts
 * on that, whatever the last answer was: one that was lost, doubled or too early changes
 * nothing.
 *
 * Policy that suffices: ec2:DescribeSnapshots, DescribeVolumes, CreateVolume and AttachVolume;
 * CreateTags on condition ec2:CreateAction=CreateVolume; DetachVolume and DeleteVolume may be
 * on condition of the tag aws:ResourceTag/etcd-rescue.
 *
 * Source:     Amazon EBS user guide, "volume lifecycle" and "device names".
 * Units:      milliseconds.
 * Ownership:  a struct on the caller's stack; `ec2` is borrowed. Only ebs_volume_remove gives
 *             the volume back.
 * Errors:     those of ec2.h; ERR_DECLINED for a volume that lost its tag or is somewhere
 *             else; ERR_NET when a state is not reached in five minutes.
 */
#pragma once

#include "net/imds.h"
#include "source/ec2.h"

#define EBS_TAG "etcd-rescue"

struct ebs_volume {
	struct ec2 *ec2;
	const struct imds_identity *here;
	char id[EC2_ID]; /* empty: none */
	char device[16]; /* as EC2 calls it: "/dev/sdf" */
	uint64_t size;
	bool asked;    /* one was asked for, whether or not its id is known */
	bool seen;     /* DescribeVolumes has shown it */
	int64_t doubt; /* before that (monotonic) "no such volume" may mean "not known yet" */
};

int ebs_volume_make(struct ebs_volume *volume, const char *snapshot, struct err *e);
int ebs_volume_attach(struct ebs_volume *volume, struct err *e);
int ebs_volume_remove(struct ebs_volume *volume, struct err *e);

/* Goes on past one that cannot be removed, then tells of the first; *left counts them all. */
int ebs_volume_sweep(
	size_t *left, struct ec2 *ec2, const struct imds_identity *here, struct err *e);
