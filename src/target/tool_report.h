/* target/tool_report.h - what the storage tools print as JSON
 *
 * lvm mixes warnings into its report: what stands before the first '{' and behind the last '}'
 * is not looked at.
 *
 * Source:     lvmreport(7); LUKS2 On-Disk Format Specification 1.1, 3.2 (keyslots, kdf).
 * Units:      bytes.
 * Ownership:  everything lives in the arena.
 * Errors:     ERR_FORMAT: no such report.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum { TOOL_REPORT_MAX = 1 << 20 };

struct lvm_pv {
	const char *name; /* "/dev/sda2" */
	const char *vg_uuid, *vg_name, *system_id;
	uint64_t n_missing;
};

struct lvm_lv { /* one of its segments */
	const char *name, *vg_uuid, *segtype;
	bool active;
};

struct lvm_pvs {
	struct lvm_pv *v;
	size_t n;
};

struct lvm_lvs {
	struct lvm_lv *v;
	size_t n;
};

/* `lvm pvs -o pv_name,vg_uuid,vg_name,vg_missing_pv_count,vg_systemid`, those of a group */
int tool_report_pvs(struct lvm_pvs *pvs, struct arena *a, struct str text, struct err *e);

/* `lvm lvs -o vg_uuid,lv_name,segtype,lv_active` */
int tool_report_lvs(struct lvm_lvs *lvs, struct arena *a, struct str text, struct err *e);

struct luks_slot {
	unsigned number;
	uint64_t memory; /* that its key derivation takes; 0: hardly any */
};

struct luks_slots {
	struct luks_slot *v;
	size_t n;
};

/* `cryptsetup luksDump --dump-json-metadata`; sorted by number */
int tool_report_slots(struct luks_slots *slots, struct arena *a, struct str text, struct err *e);
