/* source/web_html.h - the links of an HTML page, and what stands behind each
 *
 *   <a href="snapshot%20db.gz">snap..</a>   21-Nov-2026 04:00   1048576
 *            `href`                      `behind`, up to the next link, tags taken out
 *
 * No tree is made of it: a page that lists a directory may end anywhere, and its links count as
 * far as they got here.  Comments are passed over; references (&amp; &#x2f;) are resolved.
 *
 * Source:     HTML 5, 13.2.5 as far as start tags go.
 * Units:      bytes.
 * Ownership:  a link holds its texts; `page` borrows.
 * Errors:     none: what is no link, or too long for one, is passed over.
 */
#pragma once

#include "base/str.h"

enum { WEB_HREF_MAX = 4096, WEB_BEHIND_MAX = 512 };

struct web_link {
	char href[WEB_HREF_MAX];
	char behind[WEB_BEHIND_MAX + 4];
	size_t n_behind;
};

/* Take the next link off `*page`; false when there is none. */
bool web_html_link(struct web_link *link, struct str *page);
