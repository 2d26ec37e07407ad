/* Which plan there is, and what a person does next. */
#include <string.h>

#include "cmd/boot.h"
#include "plan/search.h"

/* Of an object store it is the store's clock that signatures are measured by. */
static const char *server_of(const struct plan *plan)
{
	const bool is_s3 = plan->source && str_starts(str_from(plan->source), STR("s3:"));

	return is_s3 && plan->s3.endpoint ? plan->s3.endpoint : plan->source;
}

static void search(struct boot *b, bool offline, struct err *e)
{
	const struct search_machine machine = {
		.root = b->root,
		.line = &b->cmdline,
		.blocks = b->blocks,
		/* Media of another root cannot be mounted here. */
		.n_blocks = b->other_root ? 0 : b->n_blocks,
		.offline = offline,
	};
	struct delivery *d = arena_alloc(b->arena, sizeof *d);

	*e = (struct err){ 0 };
	search_plan(d, b->arena, &machine, e);
	b->delivery = d;
	b->plan_found = !e->code;
	b->plan_trouble =
		e->code && e->code != ERR_NOTFOUND ? arena_copy(b->arena, str_from(e->text)) : NULL;
	b->plan_ntp = b->plan_found ? d->plan.ntp.v : NULL;
	b->n_plan_ntp = b->plan_found ? d->plan.ntp.n : 0;
	b->plan_source = b->plan_found ? server_of(&d->plan) : NULL;
}

void boot_search_local_plan(struct boot *b, const char *const **words, size_t *n_words)
{
	struct err e;

	*words = NULL;
	*n_words = 0;
	/* A plan that comes by an address has to wait for the network. */
	if (b->cmdline.plan)
		return;
	search(b, true, &e);
	if (b->plan_found) {
		*words = b->delivery->plan.network.v;
		*n_words = b->delivery->plan.network.n;
	}
}

static void tell_places(const struct boot *b)
{
	for (size_t i = 0; i < DELIVERY_WAYS; i++) {
		const struct delivery_place *p = &b->delivery->places[i];
		if (p->state == DELIVERY_REFUSED)
			event_warning(b->listener, "plan", "%s: refused: %s", p->where, p->why);
		else if (p->state == DELIVERY_LEFT)
			event_info(b->listener, "plan",
				"%s: there too, but another plan came first", p->where);
	}
	if (b->delivery->unheard)
		event_warning(b->listener, "plan",
			"not heard on the kernel line, since this image takes signed plans only: "
			"%s",
			b->delivery->unheard);
}

/* /init has opened the shells long before there was a plan to read. */
static void tell_shell(const struct boot *b)
{
	const char *word = b->delivery->plan.shell.word;

	if ((word && !strcmp(word, "open")) ||
		root_exists(b->root, "etc/etcd-rescue/shell-password"))
		return;
	event_warning(b->listener, "plan",
		"its key 'shell' does not close the shells of this image; ./build.sh customise "
		"--shell-password does");
}

void boot_search_plan(struct boot *b)
{
	struct err e = { 0 };

	event_step(b->listener, "plan", "looking for one");
	/* What was found before the network was up stays; what was not may be found now. */
	if (!b->plan_found)
		search(b, false, &e);
	tell_places(b);
	if (b->plan_found) {
		event_done(b->listener, "plan",
			arena_print(b->arena, "%s (%s)%s%s", b->delivery->name,
				delivery_way_word(b->delivery->way),
				b->delivery->signed_by ? ", signed by " : ", not signed",
				b->delivery->signed_by ? b->delivery->signed_by : ""));
		tell_shell(b);
	} else if (b->plan_trouble) {
		event_failed(b->listener, "plan", b->plan_trouble);
	} else {
		event_done(b->listener, "plan", "there is none");
	}
}

static const char *next_word(const struct boot *b)
{
	if (b->image.state == IMAGE_INCOMPLETE || (b->image.state == IMAGE_UNKNOWN && !b->dry))
		return "boot-again";
	if (b->plan_trouble)
		return "correct-the-plan";
	return b->plan_found ? "check-the-plan" : "give-a-plan";
}

int boot_print_next(struct buf *out, const struct boot *b, struct err *e)
{
	const char *word = next_word(b);

	if (!strcmp(word, "boot-again"))
		return buf_print(out, e,
			"next      This image is damaged.  Boot it again or from another medium;\n"
			"          nothing will be restored with it.\n");
	if (!strcmp(word, "correct-the-plan"))
		return buf_print(out, e,
			"next      The plan cannot be used:\n"
			"            %s\n"
			"          etcd-rescue plan --check FILE checks a corrected one,\n"
			"          etcd-rescue plan --keys lists what a plan can say.\n",
			b->plan_trouble);
	if (!strcmp(word, "check-the-plan"))
		return buf_print(out, e,
			"next      The plan is good; etcd-rescue plan shows it with all defaults,\n"
			"          etcd-rescue run carries it out.\n");
	return buf_print(out, e,
		"next      There is no plan, so nothing will be restored.  Give one of these:\n"
		"            rescue.plan=https://HOST/plan.yaml     on the kernel line\n"
		"            plan.yaml on a CD or a USB stick under 4 GiB, labelled RESCUE, then\n"
		"                                                   look again\n"
		"            an address typed at the menu           enter another source\n"
		"            an image with the plan in it, made by ./build.sh customise\n"
		"          etcd-rescue plan --keys lists what a plan can say.\n");
}

void boot_json_plan(struct json *j, const struct boot *b)
{
	const struct delivery *d = b->delivery;

	json_key(j, "plan");
	json_open(j, '{');
	json_key_bool(j, "found", b->plan_found);
	json_key_text(j, "way", b->plan_found ? delivery_way_word(d->way) : NULL);
	json_key_text(j, "name", b->plan_found ? d->name : NULL);
	json_key_text(j, "signed_by", b->plan_found ? d->signed_by : NULL);
	json_key(j, "may_run_unattended");
	if (b->plan_found)
		json_bool(j, d->may_run_unattended);
	else
		json_null(j);
	json_key_text(j, "why_attended", b->plan_found ? d->why_attended : NULL);
	json_key_text(j, "trouble", b->plan_trouble);
	json_close(j, '}');
	json_key_text(j, "next", next_word(b));
}
