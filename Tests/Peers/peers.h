/*
 * peers.h - the other parsers of HTTP/1.x that Weir's is compared with.
 *
 * Each answers 1 when the bytes begin with a head it accepts, 0 when it
 * refuses them or waits for more; *why is then its own name for the reason.
 * One file a peer, because their headers define the same names.
 */
#ifndef WEIR_PEERS_H
#define WEIR_PEERS_H

#include <stddef.h>

/* https://github.com/nodejs/http-parser, Debian libhttp-parser-dev. */
int peer_http_parser(const char *bytes, size_t length, const char **why);

/* https://github.com/nodejs/llhttp, Debian node-llhttp (its C sources). */
int peer_llhttp(const char *bytes, size_t length, const char **why);

#endif
