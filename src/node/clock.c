#include "node/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "net/http.h"
#include "net/url.h"

enum {
	DATE_MS = 20000,
	AGREE_S = 60,    /* two Dates of one server, a moment apart */
	WORTH_MS = 2000, /* a Date is whole seconds, and came a while ago */
	SHOWN_MAX = 32768,
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* The server's time now, as far as whole seconds tell. */
static int ask_date(int64_t *to_ms, const struct node_clock_wish *wish, const struct trust *trust,
	struct err *e)
{
	struct http_response response;
	struct err why;
	const struct http_request request = {
		.url = wish->url,
		.trust = trust,
		.proxy = wish->proxy,
		.head = true,
		.total_ms = DATE_MS,
	};

	/* A refusal has a Date as well as a welcome has. */
	if (http_get(&response, &request, &why) && !response.date) {
		*e = why;
		return e->code;
	}
	if (!response.date)
		return err_set(e, ERR_NET, "the answer has no Date");
	/* It was made half a round trip ago, half a second into its second. */
	*to_ms = response.date * 1000 + 500;
	return 0;
}

static int step_to(struct node_clock *result, int64_t to_ms, struct err *e)
{
	const int64_t off = to_ms - now_ms();
	int64_t done;

	if (llabs(off) < WORTH_MS) { /* nothing a Date could make better */
		result->off_ms = off;
		return 0;
	}
	if (clock_step(&done, to_ms, e))
		return e->code;
	result->off_ms += done;
	return 0;
}

/* Before the clock is right no certificate is: look at the Date, set the clock by it, and
 * ask again with everything checked.  Only then it counts. */
static int date_of_unverified(struct node_clock *result, const struct node_clock_wish *wish,
	const struct clock_state *state, struct err *e)
{
	struct trust blind = *wish->trust;
	const int64_t before = now_ms();
	struct timespec start, end;
	int64_t to_ms, again_ms, ignored;
	struct err why;

	blind.only_date = true;
	if (ask_date(&to_ms, wish, &blind, e))
		return e->code;
	if (to_ms / 1000 < state->floor)
		return err_set(e, ERR_AUTH, "the server's own Date is older than this image");
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (step_to(result, to_ms, e))
		return e->code;
	const int bad = ask_date(&again_ms, wish, wish->trust, e);
	if (!bad && llabs(again_ms - now_ms()) <= AGREE_S * 1000LL)
		return 0;
	if (llabs(to_ms - before) < WORTH_MS) /* the clock is right, and was not touched */
		return bad ? bad : err_set(e, ERR_AUTH, "it tells two times in one minute");
	/* Whoever answered is not the one we trust: as it was, and at least the floor. */
	clock_gettime(CLOCK_MONOTONIC, &end);
	int64_t back = before + (end.tv_sec - start.tv_sec) * 1000LL;
	if (back < state->floor * 1000)
		back = state->floor * 1000;
	clock_step(&ignored, back, &why);
	result->off_ms = 0;
	return err_set(e, ERR_AUTH, "its certificate is not valid at the time it tells");
}

static int from_date(struct node_clock *result, const struct node_clock_wish *wish,
	const struct clock_state *state, struct err *e)
{
	struct url url;
	int64_t to_ms;

	if (url_parse(&url, str_from(wish->url), e))
		return e->code;
	if (!ask_date(&to_ms, wish, wish->trust, e)) {
		if (to_ms / 1000 < state->floor)
			return err_set(e, ERR_NET, "its Date is older than this image");
		return step_to(result, to_ms, e);
	}
	if (e->code != ERR_AUTH || !url_scheme_is(&url, "https") || !wish->trust)
		return e->code;
	return date_of_unverified(result, wish, state, e);
}

static void tell(const struct node_clock *result, const struct listener *listener)
{
	char now[32];
	const int64_t off = llabs(result->off_ms);

	clock_print(now, now_ms() / 1000);
	if (off < WORTH_MS)
		event_info(listener, "clock", "%s, right within %d s by %s", now, WORTH_MS / 1000,
			result->from);
	else
		event_info(listener, "clock", "%s, set by %s; it was %" PRId64 ".%03d s %s", now,
			result->from, off / 1000, (int)(off % 1000),
			result->off_ms > 0 ? "behind" : "ahead");
}

int node_clock_set(struct node_clock *result, const struct node_clock_wish *wish,
	const struct root *root, const struct listener *listener, struct err *e)
{
	struct arena shown = ARENA(SHOWN_MAX);
	struct clock_state state;
	struct err ntp;
	char now[32], floor[32];

	*result = (struct node_clock){ 0 };
	clock_check(&state, root);
	clock_print(now, state.now);
	clock_print(floor, state.floor);
	if (!state.believable)
		event_warning(listener, "clock",
			"the clock says %s, which cannot be: this image is of %s", now, floor);
	if (!clock_ntp(&result->off_ms, wish->ntp, wish->n_ntp, &ntp)) {
		result->set = true;
		result->from = wish->ntp[0];
	} else if (wish->n_ntp) {
		event_warning(listener, "clock", "%s", ntp.text);
	}
	if (!result->set && wish->url) {
		const char *name = url_text_shown(&shown, wish->url);
		if (from_date(result, wish, &state, e)) {
			err_wrap(e, "clock: no time from %s", name);
		} else {
			result->set = true;
			result->from = wish->url;
		}
	} else if (!result->set) {
		*e = ntp;
		err_wrap(e, "clock");
	}
	if (result->set) {
		struct node_clock said = *result;
		said.from = wish->url && result->from == wish->url
				    ? url_text_shown(&shown, wish->url)
				    : result->from;
		tell(&said, listener);
	} else {
		struct err why;
		/* Nobody can tell: the image's own day is nearer to the truth than 1970. */
		if (state.now < state.floor &&
			!clock_step(&result->off_ms, state.floor * 1000, &why))
			event_warning(listener, "clock", "set to the day of this image, %s", floor);
	}
	arena_free(&shown);
	return result->set ? 0 : (int)e->code;
}
