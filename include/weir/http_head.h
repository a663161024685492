/*
 * http_head.h - a strict parser for HTTP/1.x request heads.
 *
 * Source: RFC 9112 (syntax), RFC 9110 (fields, methods, Host). Stricter than
 * it asks, on purpose: no obs-fold, no bare LF, no white space before a colon
 * or around a request line's parts, no repeated or conflicting lengths, no
 * Transfer-Encoding other than exactly `chunked`, none at all with
 * Content-Length or in HTTP/1.0, Host exactly once in HTTP/1.1, no control
 * characters anywhere.
 *
 * Pure: nothing is allocated or copied; results point into the input.
 */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_HTTP_HEAD_MAX 16384u   /* bytes of a whole head */
#define WEIR_HTTP_TARGET_MAX 8192u  /* bytes of a request target */
#define WEIR_HTTP_FIELDS_MAX 100u   /* fields in a head */

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
  weir_slice_t host;       /* value of Host; empty when absent (1.0) */
  uint64_t content_length; /* 0 when absent */
  uint8_t has_length;      /* Content-Length was present */
  uint8_t chunked;         /* Transfer-Encoding: chunked */
  uint8_t keep_alive;      /* by version and Connection */
  uint8_t expect_continue; /* Expect: 100-continue in HTTP/1.1 */
  uint8_t upgrade;         /* an Upgrade field was present (ignored) */
} weir_http_head_t;

/*
 * Parses a head at the start of `bytes`. `seen` is how many of them an
 * earlier call has already looked at (0 at first), so that a head that
 * trickles in is not scanned again and again: O(new bytes) until complete.
 *
 * Returns the head's length with its empty line when complete, and fills
 * *head; 0 when more bytes are needed; WEIR_EHTTP, WEIR_EHTTPTOOLARGE (more
 * than WEIR_HTTP_HEAD_MAX bytes or WEIR_HTTP_FIELDS_MAX fields),
 * WEIR_EHTTPTARGET (longer than WEIR_HTTP_TARGET_MAX), WEIR_EHTTPVERSION, WEIR_EHTTPLENGTH, WEIR_EHTTPCODING or WEIR_EHTTPHOST.
 * Bytes that cannot begin a request (a TLS hello) are refused at once, not
 * when the head is full. One empty line before the request line is skipped
 * (RFC 9112 section 2.2).
 */
WEIR_EXTERN WEIR_NODISCARD int weir_http_head_parse(const char *bytes,
                                                    size_t length, size_t seen,
                                                    weir_http_head_t *head);

/* The status code that fits an error of weir_http_head_parse: 400, 414, 431,
 * 501 or 505. */
WEIR_EXTERN int weir_http_head_status(int error);

/* The value of the first field of this name (any case); 0 length and NULL
 * bytes when absent. */
WEIR_EXTERN weir_slice_t weir_http_head_field(const weir_http_head_t *head,
                                              const char *name);

/*
 * Decoder for the chunked transfer coding (RFC 9112 section 7.1), in place:
 * chunk extensions are bounded (256 bytes a chunk) and ignored, trailers are
 * bounded (8 KiB) and dropped. Zero-initialise.
 */
typedef struct weir_http_chunked {
  uint64_t remaining; /* private */
  uint32_t counted;   /* private */
  uint8_t state;      /* private */
} weir_http_chunked_t;

/*
 * Decodes `*length` bytes at `bytes` in place: on return *length is how many
 * bytes of body now stand there. Returns how many input bytes were consumed;
 * *done is set to 1 when the body is complete, and what follows is the next
 * request. WEIR_EHTTP when malformed.
 */
WEIR_EXTERN WEIR_NODISCARD int64_t weir_http_chunked_decode(
    weir_http_chunked_t *decoder, char *bytes, size_t *length, int *done);

WEIR_END_DECLS

#endif
