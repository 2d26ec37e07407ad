#include "target/crypttab.h"

#include <string.h>

#include "base/ascii.h"
#include "target/mounts.h"

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		const char c = s.p[i];
		if (!ascii_is_digit(c) && !((c | 32) >= 'a' && (c | 32) <= 'z') &&
			(!c || !strchr("_.+-", c)))
			return false;
	}
	return s.len && s.len < 128 && s.p[0] != '.' && s.p[0] != '-';
}

/* "UUID=.." as /etc/fstab has it, or a path below /dev */
static const char *device_of(struct arena *a, struct str s)
{
	struct str key, value;

	if (str_cut(&key, &value, s, '=') && value.len > 2 && value.p[0] == '"' &&
		value.p[value.len - 1] == '"')
		return arena_print(a, "%.*s=%.*s", STR_ARG(key), (int)value.len - 2, value.p + 1);
	return s.len && s.len < TARGET_PATH_MAX && !memchr(s.p, 0, s.len) ? arena_copy(a, s) : NULL;
}

static void parse_key(struct crypttab_line *line, struct arena *a, struct str field)
{
	struct str path, device;

	/* systemd: "/key:LABEL=stick"; no path of a key has a ':' otherwise. */
	const bool elsewhere = str_cut(&path, &device, field, ':') && device.len;
	line->key = str_starts(path, STR("/dev/")) ? NULL : target_path(a, path);
	line->on = elsewhere && line->key ? device_of(a, device) : NULL;
}

void crypttab_parse(struct crypttab *tab, struct arena *a, struct str text)
{
	struct str line, field[3];

	*tab = (struct crypttab){ arena_array(a, CRYPTTAB_MAX, sizeof *tab->v), 0 };
	while (str_next(&line, &text, '\n') && tab->n < CRYPTTAB_MAX) {
		size_t n = 0;
		while (n < 3 && str_word(&field[n], &line))
			n++;
		if (n < 2 || field[0].p[0] == '#' || !is_name(field[0]))
			continue;
		struct crypttab_line one = { .device = device_of(a, field[1]) };
		if (!one.device)
			continue;
		one.name = arena_copy(a, field[0]);
		if (n == 3)
			parse_key(&one, a, field[2]);
		tab->v[tab->n++] = one;
	}
}
