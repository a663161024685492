/* sink.h - a listener's socket without TLS: what a sink of one's own
 * replaces. */
#ifndef WEIR_SINK_H
#define WEIR_SINK_H

#include "weir/fanout.h"

#pragma GCC visibility push(hidden)

extern const weir_sink_t weir__plain_sink;

#pragma GCC visibility pop

#endif
