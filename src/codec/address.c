#include "codec/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct address address_read(struct str text)
{
	struct address address = { 0 };
	char copy[INET6_ADDRSTRLEN];

	if (text.len > 1 && text.p[0] == '[' && text.p[text.len - 1] == ']')
		text = (struct str){ text.p + 1, text.len - 2 };
	if (!text.len || text.len >= sizeof copy || memchr(text.p, 0, text.len))
		return address;
	memcpy(copy, text.p, text.len);
	copy[text.len] = 0;
	if (inet_pton(AF_INET, copy, address.bytes) == 1)
		address.len = 4;
	else if (inet_pton(AF_INET6, copy, address.bytes) == 1)
		address.len = 16;
	else
		address = (struct address){ 0 };
	return address;
}

bool address_same(struct str a, struct str b)
{
	const struct address x = address_read(a), y = address_read(b);

	if (x.len || y.len)
		return x.len == y.len && !memcmp(x.bytes, y.bytes, x.len);
	return a.len == b.len && (!a.len || !strncasecmp(a.p, b.p, a.len));
}
