#include "net/transfer.h"

#include <string.h>
#include <time.h>

#include "codec/rfc3339.h"

/* libcurl hands on mbedTLS's sentences, or its names where those were left out. */
static int certificate_error(struct err *e, const char *why)
{
	char now[RFC3339_SIZE];

	rfc3339_format(now, (int64_t)time(NULL));
	if (strcasestr(why, "EXPIRED"))
		return err_set(e, ERR_AUTH,
			"the server's certificate is not valid at this machine's time (%s): it has "
			"expired, and needs renewal there unless the clock here is wrong",
			now);
	if (strcasestr(why, "FUTURE"))
		return err_set(e, ERR_AUTH,
			"the server's certificate is not valid at this machine's time (%s): it "
			"begins later; set the clock",
			now);
	if (strcasestr(why, "CN_MISMATCH") || strcasestr(why, "does not match"))
		return err_set(e, ERR_AUTH, "the server's certificate is for another name");
	if (strcasestr(why, "NOT_TRUSTED") || strcasestr(why, "not correctly signed"))
		return err_set(e, ERR_AUTH,
			"no certificate authority known here signed the server's certificate; "
			"name the file of yours with --ca (https.ca in a plan)");
	return err_set(e, ERR_AUTH, "the server's certificate is not accepted: %s", why);
}

/* What a proxy says, to CONNECT or to a request it should hand on. */
static int proxy_refusal(struct err *e, unsigned status)
{
	if (status == 407)
		return err_set(e, ERR_AUTH,
			"the proxy refuses us (status 407): it wants a user and password; set "
			"https_proxy and http_proxy, or proxy in a plan, to "
			"http://USER:PASSWORD@HOST:PORT");
	if (status < 500)
		return err_set(e, ERR_AUTH,
			"the proxy refuses us (status %u): this server has to be allowed there, or "
			"named in no_proxy",
			status);
	return err_set(e, ERR_NET, "the proxy does not reach the server (status %u)", status);
}

int transfer_error(struct transfer *t, CURLcode code)
{
	const char *why = *t->why ? t->why : curl_easy_strerror(code);
	long status = 0;

	switch (code) {
	case CURLE_WRITE_ERROR: /* look_at_answer or the sink has said why */
		return t->e->code ? (int)t->e->code : err_set(t->e, ERR_NET, "%s", why);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_error(t->e, why);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return err_set(t->e, ERR_AUTH, "the server has another key than the one pinned");
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(t->e, ERR_AUTH, "%s", why);
	case CURLE_UNSUPPORTED_PROTOCOL: /* also of a first line that makes no sense */
		curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
		if (status / 100 != 3)
			return err_set(t->e, ERR_NET, "this is no answer in HTTP/1");
		return err_set(t->e, ERR_UNSUPPORTED,
			"the server sends us on to an address that is neither http nor https, or "
			"from https to http");
	case CURLE_TOO_MANY_REDIRECTS:
		return err_set(t->e, ERR_MISMATCH, "more than %d redirections", TRANSFER_REDIRECTS);
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_PROXY:
		curl_easy_getinfo(t->curl, CURLINFO_USED_PROXY, &status);
		if (!status)
			return err_set(t->e, ERR_NET, "%s", why);
		return err_set(t->e, ERR_NET,
			"the proxy is not reached (%s); is its address right in --proxy, the "
			"plan or the environment?",
			why);
	case CURLE_URL_MALFORMAT:
		return err_set(t->e, ERR_FORMAT, "%s", why);
	case CURLE_SSL_CONNECT_ERROR:
		if (!strcasestr(why, "invalid SSL record"))
			return err_set(t->e, ERR_NET, "%s", why);
		return err_set(t->e, ERR_FORMAT,
			"the server speaks no TLS on this port; is it http:// there?");
	default:
		/* The proxy's own answer to CONNECT, before there was any of the server. */
		curl_easy_getinfo(t->curl, CURLINFO_HTTP_CONNECTCODE, &status);
		if (status >= 300)
			return proxy_refusal(t->e, (unsigned)status);
		/* An end without a goodbye, for which mbedTLS has no word. */
		if (strstr(why, "(-0x0000)"))
			why = "the connection ended in the middle";
		return err_set(t->e, ERR_NET, "%s", why);
	}
}

int transfer_refusal(struct err *e, unsigned status)
{
	switch (status) {
	case 401:
	case 403:
		return err_set(e, ERR_AUTH, "the server refuses us (status %u)", status);
	case 407:
		return proxy_refusal(e, status);
	case 404:
	case 410:
		return err_set(e, ERR_NOTFOUND, "there is no such thing (status %u)", status);
	case 408:
	case 425:
	case 429:
		return err_set(e, ERR_NET, "the server is busy (status %u)", status);
	default:
		return err_set(e, status >= 500 ? ERR_NET : ERR_MISMATCH,
			"the server answers with status %u", status);
	}
}
