/* http_framing.h - what the fields of a head say about its message. */
#ifndef WEIR_HTTP_FRAMING_H
#define WEIR_HTTP_FRAMING_H

#include "weir/http_head.h"

#pragma GCC visibility push(hidden)

/* Judges a head whose lines are all well-formed and whose fields, target and
 * version are set: fills what the fields mean for framing. 0, or
 * WEIR_EHTTPLENGTH, WEIR_EHTTPCODING, WEIR_EHTTPHOST in this order. */
int weir__http_framing(weir_http_head_t *head);

/* The authority of an absolute-form target; no bytes for other forms. */
weir_slice_t weir__http_authority(weir_slice_t target);

/* A host that could be one, with or without a port: 1 or 0. */
int weir__http_host_is_plausible(weir_slice_t host);

#pragma GCC visibility pop

#endif
