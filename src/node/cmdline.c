#include "node/cmdline.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "node/network_words.h"

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Take the next word off `rest`, split into key and value (p NULL: no '='). */
static bool next_word(struct str *key, struct str *value, struct str *rest)
{
	while (rest->len && is_space(*rest->p)) {
		rest->p++;
		rest->len--;
	}
	if (!rest->len)
		return false;

	const bool quoted = *rest->p == '"';
	const char *start = rest->p + quoted;
	const size_t room = rest->len - quoted;
	size_t len = 0, equals = 0;
	for (bool inside = quoted; len < room && (inside || !is_space(start[len])); len++) {
		/* An '=' in front of everything does not split: the kernel counts from 1. */
		if (!equals && start[len] == '=')
			equals = len;
		if (start[len] == '"')
			inside = !inside;
	}
	rest->p = start + len;
	rest->len = room - len;

	if (quoted && len && start[len - 1] == '"')
		len--;
	*key = (struct str){ start, equals ? equals : len };
	*value = (struct str){ NULL, 0 };
	if (equals) {
		/* `k="` has its one quote dropped from both ends: nothing is left. */
		*value = (struct str){ start + equals + 1, len > equals ? len - equals - 1 : 0 };
		if (value->len && *value->p == '"') {
			value->p++;
			value->len--;
			if (value->len && value->p[value->len - 1] == '"')
				value->len--;
		}
	}
	return true;
}

static bool same_key(struct str a, const char *b)
{
	size_t i = 0;

	for (; i < a.len && b[i]; i++) {
		const char c = a.p[i] == '-' ? '_' : a.p[i], d = b[i] == '-' ? '_' : b[i];
		if (c != d)
			return false;
	}
	return i == a.len && !b[i];
}

static const struct {
	const char *key;
	size_t field;
} rescue_keys[] = {
	{ "rescue.plan", offsetof(struct node_cmdline, plan) },
	{ "rescue.source", offsetof(struct node_cmdline, source) },
	{ "rescue.snapshot", offsetof(struct node_cmdline, snapshot) },
	{ "rescue.auto", offsetof(struct node_cmdline, automatic) },
	{ "rescue.handoff", offsetof(struct node_cmdline, handoff) },
	{ "rescue.wait", offsetof(struct node_cmdline, wait) },
	{ "rescue.menu", offsetof(struct node_cmdline, menu) },
	{ "rescue.ntp", offsetof(struct node_cmdline, ntp) },
	{ "rescue.proxy", offsetof(struct node_cmdline, proxy) },
};
enum { N_RESCUE_KEYS = sizeof rescue_keys / sizeof *rescue_keys };

static void refuse(struct node_cmdline *c, struct arena *a, const char *text)
{
	if (c->n_refused == NODE_CMDLINE_LIST)
		c->n_more++;
	else
		c->refused[c->n_refused++] = arena_copy(a, str_from(text));
}

static void refuse_key(struct node_cmdline *c, struct arena *a, struct str key)
{
	const char *nearest = rescue_keys[0].key;
	struct err e;

	for (size_t i = 1; i < N_RESCUE_KEYS; i++) {
		if (str_distance(key, str_from(rescue_keys[i].key)) <
			str_distance(key, str_from(nearest)))
			nearest = rescue_keys[i].key;
	}
	err_set(&e, ERR_USAGE, "%.*s: no such key; did you mean %s?",
		key.len > 64 ? 64 : (int)key.len, key.p, nearest);
	refuse(c, a, e.text);
}

static void take_rescue_key(
	struct node_cmdline *c, struct arena *a, struct str key, struct str value)
{
	for (size_t i = 0; i < N_RESCUE_KEYS; i++) {
		if (!same_key(key, rescue_keys[i].key))
			continue;
		const char *text = arena_copy(a, value.p ? value : STR(""));
		/* The last one said counts, as for the kernel's own keys. */
		memcpy((char *)c + rescue_keys[i].field, &text, sizeof text);
		return;
	}
	refuse_key(c, a, key);
}

int node_cmdline_parse(struct node_cmdline *c, struct arena *a, struct str line, struct err *e)
{
	struct str key, value;

	if (line.len > NODE_CMDLINE_MAX)
		return err_set(e, ERR_FORMAT, "kernel line: %zu bytes, more than %d", line.len,
			(int)NODE_CMDLINE_MAX);
	*c = (struct node_cmdline){ 0 };
	for (struct str rest = line; next_word(&key, &value, &rest);) {
		bool known = false;
		struct err why;

		if (str_starts(key, STR("rescue."))) {
			take_rescue_key(c, a, key, value);
		} else if (str_is(key, "console") && value.len) {
			if (c->n_consoles < NODE_CMDLINE_LIST)
				c->console[c->n_consoles++] = arena_copy(a, value);
		} else if (network_word(&c->network, &known, a, key, value, &why)) {
			refuse(c, a, why.text);
		}
	}
	network_words_end(&c->network);
	struct str server, rest = str_from(c->ntp);
	while (str_next(&server, &rest, ',')) {
		struct err why;
		if (network_ntp(&c->network, a, server, &why))
			refuse(c, a, why.text);
	}
	return 0;
}

int node_cmdline_network(struct network *n, struct arena *a, struct str words, struct err *e)
{
	struct str line, key, value;

	if (words.len > NODE_CMDLINE_MAX)
		return err_set(
			e, ERR_FORMAT, "%zu bytes, more than %d", words.len, (int)NODE_CMDLINE_MAX);
	while (str_next(&line, &words, '\n')) {
		struct str comment;
		str_cut(&line, &comment, line, '#');
		while (next_word(&key, &value, &line)) {
			bool known = false;
			if (network_word(n, &known, a, key, value, e))
				return e->code;
			if (!known)
				return err_set(e, ERR_USAGE,
					"%.*s: not a word of the network; known are ip= bond= "
					"vlan= nameserver= rd.route= ifname= BOOTIF= bootdev=",
					key.len > 64 ? 64 : (int)key.len, key.p);
		}
	}
	network_words_end(n);
	return 0;
}
