#include "ui/menu.h"

#include <stdio.h>
#include <string.h>

static const struct {
	char letter;
	const char *word, *text;
} rows[MENU_ASKS] = {
	[MENU_NOTHING] = { '-', "nothing", "" },
	[MENU_RESTORE] = { 'r', "restore", "restore now, by this plan" },
	[MENU_PLAN] = { 'p', "plan", "show the plan" },
	[MENU_SOURCE] = { 'e', "source", "enter another source: address, keys, network" },
	[MENU_SNAPSHOT] = { 'c', "snapshot", "choose another snapshot of the same source" },
	[MENU_AGAIN] = { 'l', "look", "look again: a stick was plugged in, a cable mended" },
	[MENU_DISK] = { 'b', "disk", "boot this machine's own disk; changes nothing on it" },
	[MENU_SHELL] = { 's', "shell", "a shell on this console                     <- Enter" },
	[MENU_KEY] = { '!', "key", "" },
};

static const char *const modes[] = {
	[MENU_BUSY] = "busy",
	[MENU_COUNTDOWN] = "countdown",
	[MENU_WAITING] = "waiting",
};

static bool offered(const struct menu_state *state, enum menu_choice choice)
{
	return state->offers >> choice & 1;
}

const char *menu_word(enum menu_choice choice)
{
	return rows[choice].word;
}

int menu_print(struct buf *out, const struct menu_state *state, struct err *e)
{
	if (buf_print(out, e, "\n---- etcd-rescue: what shall be done? %s\n%s\n",
		    "---------------------------------", state->head))
		return e->code;
	for (enum menu_choice c = MENU_RESTORE; c < MENU_CHOICES; c++) {
		if (offered(state, c) &&
			buf_print(out, e, "   %c   %s\n", rows[c].letter, rows[c].text))
			return e->code;
	}
	return buf_print(out, e, "\nA letter, then Enter%s: ",
		offered(state, MENU_SHELL) ? " (press Enter for a shell)" : "");
}

enum menu_choice menu_pick(const struct menu_state *state, struct str line)
{
	line = str_trim(line);
	if (!line.len)
		return offered(state, MENU_SHELL) ? MENU_SHELL : MENU_NOTHING;
	for (enum menu_choice c = MENU_RESTORE; c < MENU_CHOICES; c++) {
		const bool named = (line.len == 1 && (line.p[0] | 0x20) == rows[c].letter) ||
				   str_is(line, rows[c].word);
		if (named && offered(state, c))
			return c;
	}
	return MENU_NOTHING;
}

size_t menu_state_write(char *text, const struct menu_state *state)
{
	char letters[MENU_CHOICES + 1];
	size_t n = 0;

	for (enum menu_choice c = MENU_RESTORE; c < MENU_CHOICES; c++) {
		if (offered(state, c))
			letters[n++] = rows[c].letter;
	}
	letters[n] = '\0';
	const int len = snprintf(text, MENU_MESSAGE, "state %s offers=%s seconds=%u who=%s\n%s",
		modes[state->mode], letters, state->seconds, state->who, state->head);
	return len < MENU_MESSAGE ? (size_t)len : MENU_MESSAGE - 1;
}

size_t menu_ask_write(char *text, const struct menu_ask *ask)
{
	return (size_t)snprintf(text, MENU_MESSAGE, "ask %s %s %s", rows[ask->choice].word,
		ask->who[0] ? ask->who : "-", ask->file);
}

static int senseless(struct err *e)
{
	return err_set(e, ERR_FORMAT, "a message between boot and console makes no sense");
}

/* A word that fits, without what would steer a terminal. */
static bool take(char *to, size_t room, struct str word)
{
	if (word.len >= room)
		return false;
	for (size_t i = 0; i < word.len; i++)
		to[i] = word.p[i] > ' ' && word.p[i] < 0x7f ? word.p[i] : '?';
	to[word.len] = '\0';
	return true;
}

static bool value_of(struct str *value, struct str *rest, struct str key)
{
	struct str word;

	if (!str_word(&word, rest) || !str_starts(word, key))
		return false;
	*value = (struct str){ word.p + key.len, word.len - key.len };
	return true;
}

int menu_state_read(struct menu_state *state, struct str text, struct err *e)
{
	struct menu_state s = { 0 };
	struct str line, head, word, mode, offers, seconds, who;
	uint64_t number;
	size_t m = 0;

	str_cut(&line, &head, text, '\n');
	if (!str_word(&word, &line) || !str_is(word, "state") || !str_word(&mode, &line) ||
		!value_of(&offers, &line, STR("offers=")) ||
		!value_of(&seconds, &line, STR("seconds=")) ||
		!value_of(&who, &line, STR("who=")) || !take(s.who, sizeof s.who, who) ||
		!str_u64(&number, seconds, 10, 86400) || head.len >= sizeof s.head)
		return senseless(e);
	while (m < sizeof modes / sizeof *modes && !str_is(mode, modes[m]))
		m++;
	if (m == sizeof modes / sizeof *modes)
		return senseless(e);
	s.mode = (enum menu_mode)m;
	s.seconds = (unsigned)number;
	for (size_t i = 0; i < offers.len; i++) {
		for (enum menu_choice c = MENU_RESTORE; c < MENU_CHOICES; c++)
			s.offers |= rows[c].letter == offers.p[i] ? 1u << c : 0;
	}
	for (size_t i = 0; i < head.len; i++) {
		const char c = head.p[i];
		s.head[i] = c == '\n' || (c >= ' ' && c < 0x7f) ? c : '?';
	}
	*state = s;
	return 0;
}

int menu_ask_read(struct menu_ask *ask, struct str text, struct err *e)
{
	struct menu_ask a = { 0 };
	struct str word, name, who, file = { "", 0 };
	enum menu_choice c = MENU_RESTORE;

	if (!str_word(&word, &text) || !str_is(word, "ask") || !str_word(&name, &text) ||
		!str_word(&who, &text) || !take(a.who, sizeof a.who, who))
		return senseless(e);
	if (str_word(&file, &text) && !take(a.file, sizeof a.file, file))
		return senseless(e);
	while (c < MENU_ASKS && !str_is(name, rows[c].word))
		c++;
	if (c == MENU_ASKS)
		return senseless(e);
	a.choice = c;
	*ask = a;
	return 0;
}
