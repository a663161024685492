/*
 * response.h - the head of an HTTP response, and of a WAV stream behind it.
 */
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H

#include <stddef.h>

#define RESPONSE_MAX 8192u /* bytes of both heads together */

enum { RESPONSE_MORE = 0, RESPONSE_BAD = -1 };

/*
 * Looks at the bytes from the start of a response. Returns where the body's
 * payload begins (behind a WAV header, if there is one) and sets *status;
 * RESPONSE_MORE when more bytes are needed; RESPONSE_BAD when it is no
 * response, or has a chunked body, which these programs do not read. A status
 * other than 200 ends behind the HTTP head.
 */
int response_parse(const char *bytes, size_t length, int *status);

#endif
