/*
 * ts_report.h - what a whole transport stream holds: a scanner (ts.h) with
 * lists and counts on top, for looking into files.
 *
 * Memory is constant: about 2.6 MiB, whatever the length of the stream. What
 * does not fit into a list is counted only. One stretch without packets that
 * is longer than WEIR_TS_SEARCH_MAX ends a scanner; it does not end a report
 * that has found packets before.
 */
#ifndef WEIR_TS_REPORT_H
#define WEIR_TS_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "allocator.h"
#include "ts.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_TS_REPORT_ACCESS_MAX 65536u /* access points that are listed */
#define WEIR_TS_REPORT_LOCKS_MAX  1024u  /* locks that are listed */

typedef struct weir_ts_report weir_ts_report_t;

typedef struct weir_ts_report_options {
  size_t size;
  const weir_allocator_t *allocator; /* NULL: malloc, free */
} weir_ts_report_options_t;

/* The packets of one PID. */
typedef struct weir_ts_pid {
  uint64_t packets;
  uint64_t scrambled;     /* by transport_scrambling_control */
  uint64_t continuity;    /* errors */
  uint64_t pcrs;          /* program clock references */
  uint64_t access_points; /* listed or not */
} weir_ts_pid_t;

/* Packets that lie at one stride. */
typedef struct weir_ts_lock {
  uint64_t from;   /* offset of the first sync byte in the input */
  uint64_t to;     /* where searching went on; UINT64_MAX: to the end */
  uint32_t stride; /* 188, 192 or 204 */
} weir_ts_lock_t;

/* An access point, and when it is: ticks from the first PCR of the first
 * programme to the last one before the event, summed as weir_ts_duration()
 * does. */
typedef struct weir_ts_moment {
  weir_ts_access_t access;
  uint64_t ticks;
} weir_ts_moment_t;

typedef struct weir_ts_facts {
  weir_ts_counters_t counters;
  uint64_t trailing; /* of the skipped bytes, those at the very end; 0 when
                        the last packets were found there only */
  uint64_t duration; /* ticks, as weir_ts_duration() counts them */
  uint64_t timed;    /* packets in that time */
  uint32_t programs; /* lengths of the lists */
  uint32_t locks;
  uint32_t moments;
  weir_ts_foreign_t foreign; /* after WEIR_ENOTTS, what it looks like */
} weir_ts_facts_t;

/* UV_ENOMEM, WEIR_EOPTION. */
WEIR_EXTERN WEIR_NODISCARD int weir_ts_report_create(
    weir_ts_report_t **report, const weir_ts_report_options_t *options);
/* NULL is a no-op. */
WEIR_EXTERN void weir_ts_report_destroy(weir_ts_report_t *report);

/* Takes the next bytes. 0, or WEIR_ENOTTS when no packet was found in the
 * first WEIR_TS_SEARCH_MAX of them. O(length). */
WEIR_EXTERN int weir_ts_report_push(weir_ts_report_t *report, const void *bytes,
                                    size_t length);

/* The input has ended. 0, or WEIR_ENOTTS when there was no packet in it. */
WEIR_EXTERN int weir_ts_report_end(weir_ts_report_t *report);

WEIR_EXTERN void weir_ts_report_facts(const weir_ts_report_t *report,
                                      weir_ts_facts_t *facts);

/* What was counted of a PID below WEIR_TS_PIDS; NULL beyond. Valid as long as
 * the report, as are those that follow. */
WEIR_EXTERN const weir_ts_pid_t *weir_ts_report_pid(
    const weir_ts_report_t *report, uint32_t pid);

/* Every programme that any PAT named, with its last PMT, in the order of their
 * first mention; WEIR_TS_PROGRAMS_MAX at most. NULL beyond. */
WEIR_EXTERN const weir_ts_program_t *weir_ts_report_program(
    const weir_ts_report_t *report, uint32_t index);

/* NULL beyond. */
WEIR_EXTERN const weir_ts_lock_t *weir_ts_report_lock(
    const weir_ts_report_t *report, uint32_t index);
WEIR_EXTERN const weir_ts_moment_t *weir_ts_report_moment(
    const weir_ts_report_t *report, uint32_t index);

WEIR_END_DECLS

#endif
