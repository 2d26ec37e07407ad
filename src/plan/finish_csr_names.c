/* Names and addresses that mean no Node, whoever writes them into one. */
#include <string.h>
#include <strings.h>

#include "codec/address.h"
#include "plan/finish_csr.h"

static bool is_special_4(const uint8_t *b)
{
	static const uint8_t everybody[4] = { 255, 255, 255, 255 };

	return b[0] == 0 || b[0] == 127 || (b[0] == 169 && b[1] == 254) || (b[0] & 0xf0) == 0xe0 ||
	       !memcmp(b, everybody, sizeof everybody);
}

static bool is_special_6(const uint8_t *b)
{
	static const uint8_t zeros[12], mapped[12] = { [10] = 0xff, [11] = 0xff };

	/* ::, ::1 and the addresses of version 4 in their old form are all below ::ffff:0:0 */
	if (!memcmp(b, zeros, sizeof zeros))
		return true;
	if (!memcmp(b, mapped, sizeof mapped))
		return is_special_4(b + sizeof mapped);
	return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

/* In any case of letters. */
static bool is(struct str a, struct str b)
{
	return a.len == b.len && !strncasecmp(a.p, b.p, b.len);
}

static bool is_service(struct str name)
{
	struct str part, rest = name;

	for (size_t n = 0; str_next(&part, &rest, '.'); n++) {
		if (is(part, n ? STR("svc") : STR("kubernetes")))
			return true;
	}
	return false;
}

bool finish_csr_is_nobodys(struct str name)
{
	const struct address address = address_read(name);

	if (address.len)
		return address.len == 4 ? is_special_4(address.bytes) : is_special_6(address.bytes);
	/* A dot at the end makes another text of one name, a star one name of many. */
	return !name.len || name.p[name.len - 1] == '.' || memchr(name.p, '*', name.len) ||
	       is(name, STR("localhost")) || is_service(name);
}
