/*
 * weir.h - the public C interface of Weir.
 *
 * This header and the headers it includes are the whole interface. What is
 * not declared here is not API: it may change or go without notice.
 *
 * Rules that hold everywhere unless a function says otherwise:
 *
 *   Threads    Everything belongs to the thread that runs the uv_loop_t it
 *              was created on.
 *   Errors     Functions that can fail return int: 0 (or a count) on success,
 *              a negative value on failure. Negative values are either libuv
 *              codes (UV_ENOMEM, ...) or one of WEIR_ERRNO_MAP; pass them to
 *              weir_strerror().
 *   Options    Option structs begin with `size`: set it to sizeof the struct.
 *              A zero in any other field means its default. They grow at the
 *              end only. Any size from that of the struct's first version on
 *              is accepted: fields that an older host's struct does not have
 *              count as zero, fields of a newer host's that this version does
 *              not know are ignored. A smaller size, or no struct at all, is
 *              WEIR_EOPTION.
 *   Lifetime   Closing or destroying NULL is a harmless no-op. Callbacks may
 *              close what called them.
 *   Handles    Idle handles are unreferenced: Weir never keeps a loop alive.
 *   State      There is no global state, no signal handler, no abort().
 */
#ifndef WEIR_H
#define WEIR_H

#include "weir/allocator.h"
#include "weir/budget.h"
#include "weir/child.h"
#include "weir/disk.h"
#include "weir/errors.h"
#include "weir/fanout.h"
#include "weir/feed.h"
#include "weir/fifo.h"
#include "weir/histogram.h"
#include "weir/http_head.h"
#include "weir/icy.h"
#include "weir/log.h"
#include "weir/mailbox.h"
#include "weir/pcm.h"
#include "weir/queue.h"
#include "weir/source.h"
#include "weir/tone.h"
#include "weir/track.h"
#include "weir/ts.h"
#include "weir/ts_report.h"
#include "weir/version.h"
#include "weir/watchdog.h"

#endif
