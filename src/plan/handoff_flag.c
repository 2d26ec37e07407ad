/* The word to the server this machine boots from: done, let it start its own disk. */
#include <string.h>

#include "net/http.h"
#include "node/anchors.h"
#include "node/cmdline.h"
#include "os/file.h"
#include "plan/handoff.h"

enum { TIMEOUT_MS = 20000, ANSWER_MAX = 65536 };

/* "52-54-00-12-34-56" of the card that the image came by; NULL: it did not come by network. */
static const char *boot_card(struct arena *a, const struct root *machine)
{
	CLEAN_BUF struct buf text = BUF(NODE_CMDLINE_MAX);
	struct str word, rest;
	struct err none;

	if (file_read(&text, machine, "proc/cmdline", &none))
		return NULL;
	rest = buf_text(&text);
	while (str_word(&word, &rest)) {
		if (!str_starts(word, STR("BOOTIF=")))
			continue;
		struct str mac = { word.p + 7, word.len - 7 };
		/* PXE puts the kind of hardware in front: 01 is Ethernet. */
		if (mac.len == 20)
			mac = (struct str){ mac.p + 3, mac.len - 3 };
		if (mac.len != 17)
			continue;
		char *name = arena_copy(a, mac);
		for (char *c = name; *c; c++)
			*c = (char)(*c == ':' ? '-' : *c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c);
		return strspn(name, "0123456789abcdef-") == 17 ? name : NULL;
	}
	return NULL;
}

/* What is put is asked for again: a server that only listens would boot the image for ever. */
static int put(const char *url, const struct handoff_from *from, struct err *e)
{
	CLEAN_BUF struct buf anchors = BUF(NODE_ANCHORS_MAX);
	CLEAN_BUF struct buf answer = BUF(ANSWER_MAX);
	struct http_response response;
	struct trust trust = { 0 };
	struct http_request request = { .url = url,
		.method = "PUT",
		.body = SPAN("done\n"),
		.trust = &trust,
		.proxy = from->proxy,
		.cap = ANSWER_MAX,
		.total_ms = TIMEOUT_MS };

	if (node_anchors_load(&anchors, from->machine, e))
		return e->code;
	trust.anchors = buf_span(&anchors);
	if (http_get(&response, &request, e))
		return e->code;
	request.method = NULL;
	request.body = (struct span){ NULL, 0 };
	if (http_get_buf(&answer, &response, &request, TIMEOUT_MS, e))
		return err_wrap(e, "the server took the flag and does not give it back");
	if (!str_is(str_trim(buf_text(&answer)), "done"))
		return err_set(
			e, ERR_MISMATCH, "the server took the flag and gives something else back");
	return 0;
}

int handoff_flag(const char **text, struct arena *a, const struct handoff_from *from, struct err *e)
{
	const char *card = boot_card(a, from->machine);

	if (!from->report)
		return err_set(
			e, ERR_UNSUPPORTED, "the plan has no report address to put a flag to");
	if (strpbrk(from->report, "?#"))
		return err_set(e, ERR_UNSUPPORTED,
			"the report address has a query, so nothing can be put below it");
	if (!card)
		return err_set(e, ERR_UNSUPPORTED,
			"this image was not started by network (no BOOTIF= on the kernel line), so "
			"nobody would look for a flag");
	const size_t len = strlen(from->report);
	const char *url = arena_print(a, "%s%sdone/%s", from->report,
		len && from->report[len - 1] == '/' ? "" : "/", card);
	*text = arena_print(a, "the boot server is told that %s is done; it starts the disk", card);
	return from->dry_run ? 0 : put(url, from, e);
}
