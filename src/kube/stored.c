#include "kube/stored.h"

#include "codec/pb.h"
#include "codec/rfc3339.h"

static struct str text_of(struct span s)
{
	return (struct str){ (const char *)s.p, s.len };
}

/* The first field `number` that holds bytes; empty when there is none. */
static struct span field(struct span message, uint32_t number)
{
	struct cursor in = { .in = message };
	struct codec_pb_field f;
	struct err ignored = { 0 };

	while (!codec_pb_next(&f, &in, &ignored) && f.number) {
		if (f.number == number && f.wire == CODEC_PB_BYTES)
			return f.bytes;
	}
	return (struct span){ 0 };
}

static int64_t seconds(struct span time)
{
	struct cursor in = { .in = time };
	struct codec_pb_field f;
	struct err ignored = { 0 };

	while (!codec_pb_next(&f, &in, &ignored) && f.number) {
		if (f.number == 1 && f.wire == CODEC_PB_VARINT)
			return (int64_t)f.value;
	}
	return 0;
}

static void read_protobuf(struct kube_stored *s, struct span unknown)
{
	const struct span type = field(unknown, 1), raw = field(unknown, 2);

	s->api_version = text_of(field(type, 1));
	s->kind = text_of(field(type, 2));
	s->created = seconds(field(field(raw, 1), 8));
	if (str_is(s->kind, "Lease")) {
		const struct span spec = field(raw, 2);
		s->holder = text_of(field(spec, 1));
		s->renewed = seconds(field(spec, 4));
	}
}

/* The text behind "key":" as the API server writes it, without blanks. */
static struct str json_text(struct span value, const char *key)
{
	struct str rest = text_of(value);
	size_t at, end;

	if (!str_find(&at, rest, str_from(key)))
		return (struct str){ 0 };
	at += str_from(key).len;
	rest = (struct str){ rest.p + at, rest.len - at };
	if (!str_find(&end, rest, STR("\"")))
		return (struct str){ 0 };
	return (struct str){ rest.p, end };
}

static void read_json(struct kube_stored *s, struct span value)
{
	const struct str created = json_text(value, "\"creationTimestamp\":\"");

	s->api_version = json_text(value, "\"apiVersion\":\"");
	s->kind = json_text(value, "\"kind\":\"");
	if (created.len)
		rfc3339_parse(&s->created, created);
}

/* k8s:enc:aescbc:v1:key1: and k8s:enc:kms:v2:name: */
static void read_encrypted(struct kube_stored *s, struct span rest)
{
	struct str text = { (const char *)rest.p, rest.len < 256 ? rest.len : 256 };
	struct str provider, version, key;

	s->encrypted = true;
	if (!str_next(&provider, &text, ':') || !str_next(&version, &text, ':') ||
		!str_next(&key, &text, ':'))
		return;
	s->provider = (struct str){ provider.p, (size_t)(version.p + version.len - provider.p) };
	s->key_name = key;
}

struct kube_stored kube_stored_read(struct span value)
{
	const struct span protobuf = SPAN("k8s\0"), encrypted = SPAN("k8s:enc:");
	struct kube_stored s = { 0 };

	if (span_starts(value, encrypted))
		read_encrypted(
			&s, (struct span){ value.p + encrypted.len, value.len - encrypted.len });
	else if (span_starts(value, protobuf))
		read_protobuf(
			&s, (struct span){ value.p + protobuf.len, value.len - protobuf.len });
	else if (span_starts(value, SPAN("{")))
		read_json(&s, value);
	return s;
}

/* ConfigMap and Secret { 1 ObjectMeta, 2 data: repeated { 1 key, 2 value } } */
struct str kube_stored_data(struct span value, const char *key)
{
	const struct span protobuf = SPAN("k8s\0");
	struct codec_pb_field f;
	struct err ignored = { 0 };

	if (!span_starts(value, protobuf))
		return (struct str){ 0 };
	const struct str kind = kube_stored_read(value).kind;
	if (!str_is(kind, "ConfigMap") && !str_is(kind, "Secret"))
		return (struct str){ 0 };
	struct cursor in = {
		.in = field((struct span){ value.p + protobuf.len, value.len - protobuf.len }, 2)
	};
	while (!codec_pb_next(&f, &in, &ignored) && f.number) {
		if (f.number == 2 && f.wire == CODEC_PB_BYTES &&
			str_is(text_of(field(f.bytes, 1)), key))
			return text_of(field(f.bytes, 2));
	}
	return (struct str){ 0 };
}

struct str kube_stored_resource(struct str *name, struct span key)
{
	static const char *const roots[] = { "/registry/", "/kubernetes.io/", "/openshift.io/" };
	struct str rest = { 0 }, first, second, more;

	for (size_t i = 0; i < sizeof roots / sizeof *roots && !rest.p; i++) {
		const struct str root = str_from(roots[i]);
		if (str_starts(text_of(key), root))
			rest = (struct str){ text_of(key).p + root.len, key.len - root.len };
	}
	*name = (struct str){ 0 };
	if (!rest.p || !str_cut(&first, name, rest, '/'))
		return (struct str){ 0 };
	/* Custom resources have their group in front; services come as specs and endpoints. */
	size_t at;
	if ((str_find(&at, first, STR(".")) || str_is(first, "services")) &&
		str_cut(&second, &more, *name, '/')) {
		*name = more;
		return (struct str){ first.p, first.len + 1 + second.len };
	}
	return first;
}
