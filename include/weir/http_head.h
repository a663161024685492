/*
 * http_head.h - a strict parser for HTTP/1.x request heads.
 *
 * Source: RFC 9112 (syntax), RFC 9110 (fields, methods, Host). Stricter than
 * it asks, on purpose: no obs-fold, no bare CR or LF, no white space before a
 * colon or around a request line's parts, no control characters anywhere (HTAB
 * is white space in a value, but not beside a length or a coding), no repeated
 * or conflicting lengths, no Transfer-Encoding other than exactly `chunked`,
 * none at all with Content-Length or in HTTP/1.0, Host exactly once in
 * HTTP/1.1.
 *
 *   Target   "/path?query", "http://host/path", "https://host/path", or "*"
 *            for OPTIONS; CONNECT is refused. Characters are those of
 *            RFC 3986 without "#", and ^ ` { | } which browsers leave bare;
 *            bytes above 0x7F, backslash, quotation mark, < and > must be
 *            escaped. Whether escapes and dot segments are sound is for who
 *            decodes the path.
 *   Host     a name of letters, digits and "-._~", or an IPv6 address in
 *            brackets, with or without a port; never empty. When the target
 *            has an authority, the same.
 *   Length   at most INT64_MAX.
 *   Version  1.0 and 1.1; ICE/1.0 of Icecast's SOURCE counts as 1.0.
 *
 * A method is any token: one that is not known is for the server to answer
 * with 501 (RFC 9110 section 9.1).
 *
 * Pure: nothing is allocated or copied; results point into the input.
 */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_HTTP_HEAD_MAX   16384u /* bytes of a whole head */
#define WEIR_HTTP_METHOD_MAX 32u    /* bytes of a method */
#define WEIR_HTTP_TARGET_MAX 8192u  /* bytes of a request target */
#define WEIR_HTTP_FIELDS_MAX 100u   /* fields in a head */
#define WEIR_HTTP_NAME_MAX   256u   /* bytes of a field's name */

/* A run of bytes in the input; not NUL-terminated. */
typedef struct weir_slice {
  const char *bytes;
  size_t length;
} weir_slice_t;

typedef struct weir_http_field {
  weir_slice_t name;  /* as sent; compare without case */
  weir_slice_t value; /* without surrounding white space */
} weir_http_field_t;

typedef struct weir_http_head {
  weir_slice_t method; /* a token, case-sensitive */
  weir_slice_t target; /* origin-form, absolute-form, or "*" */
  uint32_t minor;      /* HTTP/1.minor: 0 or 1 */
  uint32_t field_count;
  weir_http_field_t fields[WEIR_HTTP_FIELDS_MAX];
  /* What the fields mean for framing: */
  weir_slice_t host;       /* the target's authority, else the value of Host;
                              NULL bytes when there is neither (1.0) */
  uint64_t content_length; /* 0 when absent */
  uint8_t has_length;      /* Content-Length was present */
  uint8_t chunked;         /* Transfer-Encoding: chunked */
  uint8_t keep_alive;      /* by version and Connection */
  uint8_t expect_continue; /* Expect: 100-continue in HTTP/1.1 */
  uint8_t upgrade;         /* an Upgrade field was present (ignored) */
} weir_http_head_t;

/*
 * Parses a head at the start of `bytes`. `seen` is how many of them an
 * earlier call has already looked at and answered with 0 (0 at first), so
 * that a head that trickles in is not scanned again and again: a call costs
 * O(new bytes) and a look back that is bounded (512 bytes, and the search for
 * the end of the request line).
 *
 * Returns the head's length with its empty line when complete, and fills
 * *head, which is scratch until then: it need not be the same one in each
 * call. 0 when more bytes are needed. Otherwise what is wrong, as soon as
 * there is a byte that cannot stand where it stands (the first of a TLS
 * hello), or for what the fields mean together, at the head's end:
 *
 *   WEIR_EHTTP          not the syntax of an HTTP/1.x request
 *   WEIR_EHTTPTOOLARGE  over WEIR_HTTP_HEAD_MAX, _FIELDS_MAX or _NAME_MAX
 *   WEIR_EHTTPTARGET    over WEIR_HTTP_TARGET_MAX
 *   WEIR_EHTTPVERSION   HTTP, but neither 1.0 nor 1.1
 *   WEIR_EHTTPLENGTH    a Content-Length that is no number or repeated, or
 *                       with Transfer-Encoding; the latter in HTTP/1.0
 *   WEIR_EHTTPCODING    a Transfer-Encoding other than `chunked`
 *   WEIR_EHTTPHOST      Host missing, repeated, implausible, or not that of
 *                       the target
 *
 * The answer to the same bytes is the same whatever pieces they came in.
 * One empty line before the request line is skipped and counted (RFC 9112
 * section 2.2).
 */
WEIR_EXTERN WEIR_NODISCARD int weir_http_head_parse(const char *bytes,
                                                    size_t length, size_t seen,
                                                    weir_http_head_t *head);

/* The status code that fits an error of weir_http_head_parse: 400, 414, 431,
 * 501 or 505. */
WEIR_EXTERN int weir_http_head_status(int error);

/* The value of the first field of this name (any case); NULL bytes when
 * absent, bytes and 0 length when empty. */
WEIR_EXTERN weir_slice_t weir_http_head_field(const weir_http_head_t *head,
                                              const char *name);

/*
 * Decoder for the chunked transfer coding (RFC 9112 section 7.1), in place:
 * chunk extensions are bounded (WEIR_HTTP_EXTENSION_MAX bytes a chunk) and
 * ignored, trailers are bounded (WEIR_HTTP_TRAILERS_MAX) and dropped; both
 * must be well-formed lines. A chunk is at most INT64_MAX bytes.
 * Zero-initialise.
 */
#define WEIR_HTTP_EXTENSION_MAX 256u
#define WEIR_HTTP_TRAILERS_MAX  8192u

typedef struct weir_http_chunked {
  uint64_t remaining; /* private */
  uint32_t counted;   /* private */
  uint8_t state;      /* private */
} weir_http_chunked_t;

/*
 * Decodes `*length` bytes at `bytes` in place: on return *length is how many
 * bytes of body now stand there. Returns how many input bytes were consumed:
 * all of them, unless the body ended before. *done is then 1, and what follows
 * is the next request; it stays so, and further calls consume nothing.
 * WEIR_EHTTP when malformed or over a bound, from then on always; *length is
 * then 0: no byte of a body that cannot be told apart from the next request
 * is used.
 */
WEIR_EXTERN WEIR_NODISCARD int64_t weir_http_chunked_decode(
    weir_http_chunked_t *decoder, char *bytes, size_t *length, int *done);

WEIR_END_DECLS

#endif
