/*
 * ts_report.c - lists and counts on a scanner's callbacks.
 *
 * A scanner that has searched too long takes nothing more until it is reset,
 * which makes it forget its programmes and its clock. So programmes are kept
 * here too, and the time of the scanner is added to that of those before.
 */
#include "weir/ts_report.h"

#include <uv.h>

#include "allocation.h"
#include "options.h"
#include "weir/errors.h"

#define REPORT_MAGIC         0x52455054u
#define REPORT_OPTIONS_LEAST sizeof(weir_ts_report_options_t)
#define MOMENTS_BYTES        (WEIR_TS_REPORT_ACCESS_MAX * sizeof(weir_ts_moment_t))

struct weir_ts_report {
  uint32_t magic;
  weir_ts_t *ts;
  weir_allocator_t allocator;
  weir_ts_facts_t facts; /* counters, foreign: at the end only */
  uint64_t passed;       /* bytes that the scanner does not count */
  uint64_t ticks_before; /* of the scanner before its resets */
  uint64_t clocked;      /* packet of the last PCR of the first programme */
  uint64_t ticks;        /* of the scanner, at that one */
  weir_ts_moment_t *moments;
  weir_ts_program_t programs[WEIR_TS_PROGRAMS_MAX];
  weir_ts_lock_t locks[WEIR_TS_REPORT_LOCKS_MAX];
  weir_ts_pid_t pids[WEIR_TS_PIDS];
};

static void on_packets(weir_ts_t *ts, const uint8_t *packets, size_t count,
                       uint64_t first) {
  weir_ts_report_t *report = weir_ts_data(ts);
  (void)first;
  for (; count > 0; count--, packets += WEIR_TS_PACKET) {
    weir_ts_pid_t *pid = &report->pids[(packets[1] & 0x1f) << 8 | packets[2]];
    pid->packets++;
    pid->scrambled += (packets[3] & 0xc0) != 0;
  }
}

static void on_lock(weir_ts_t *ts, uint64_t offset, uint32_t stride) {
  weir_ts_report_t *report = weir_ts_data(ts);
  if (report->facts.locks == WEIR_TS_REPORT_LOCKS_MAX) return;
  report->locks[report->facts.locks++] =
      (weir_ts_lock_t){report->passed + offset, UINT64_MAX, stride};
}

static void on_loss(weir_ts_t *ts, uint64_t offset) {
  weir_ts_report_t *report = weir_ts_data(ts);
  if (report->facts.locks == 0) return;
  weir_ts_lock_t *last = &report->locks[report->facts.locks - 1];
  /* A loss of a lock that the full list lacks is not the last one's. */
  if (last->to == UINT64_MAX) last->to = report->passed + offset;
}

static void on_program(weir_ts_t *ts, const weir_ts_program_t *program,
                       uint64_t packet) {
  weir_ts_report_t *report = weir_ts_data(ts);
  uint32_t index = 0;
  (void)packet;
  while (index < report->facts.programs &&
         report->programs[index].number != program->number)
    index++;
  if (index == WEIR_TS_PROGRAMS_MAX) return;
  if (index == report->facts.programs)
    report->facts.programs++;
  else if (!program->is_known)
    return;
  report->programs[index] = *program;
}

static void on_continuity(weir_ts_t *ts, uint16_t pid, uint8_t expected,
                          uint8_t found, uint64_t packet) {
  weir_ts_report_t *report = weir_ts_data(ts);
  (void)expected, (void)found, (void)packet;
  report->pids[pid].continuity++;
}

static void on_pcr(weir_ts_t *ts, const weir_ts_pcr_t *pcr) {
  weir_ts_report_t *report = weir_ts_data(ts);
  const weir_ts_program_t *first = weir_ts_program(ts, 0);
  uint64_t ticks = weir_ts_duration(ts);
  report->pids[pcr->pid].pcrs++;
  if (first == NULL || pcr->pid != first->pcr_pid) return;
  if (ticks > report->ticks)
    report->facts.timed += pcr->packet - report->clocked;
  report->ticks = ticks;
  report->clocked = pcr->packet;
}

static void on_access(weir_ts_t *ts, const weir_ts_access_t *access) {
  weir_ts_report_t *report = weir_ts_data(ts);
  report->pids[access->pid].access_points++;
  if (report->facts.moments == WEIR_TS_REPORT_ACCESS_MAX) return;
  weir_ts_moment_t *moment = &report->moments[report->facts.moments++];
  moment->access = *access;
  moment->access.offset += report->passed;
  moment->ticks = report->ticks_before + weir_ts_duration(ts);
}

static void on_foreign(weir_ts_t *ts, weir_ts_foreign_t looks_like) {
  weir_ts_report_t *report = weir_ts_data(ts);
  report->facts.foreign = looks_like;
}

int weir_ts_report_create(weir_ts_report_t **report,
                          const weir_ts_report_options_t *options) {
  weir_ts_report_options_t read;
  int error =
      weir__options_read(&read, sizeof read, options, REPORT_OPTIONS_LEAST);
  if (error < 0) return error;
  weir_allocator_t allocator = weir__allocator(read.allocator);
  weir_ts_report_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  weir_ts_options_t scanner = {
      .size = sizeof scanner,
      .settings = {.on_packets = on_packets,
                   .on_lock = on_lock,
                   .on_loss = on_loss,
                   .on_program = on_program,
                   .on_continuity = on_continuity,
                   .on_pcr = on_pcr,
                   .on_access = on_access,
                   .on_foreign = on_foreign},
      .allocator = &allocator,
      .data = made,
  };
  made->magic = REPORT_MAGIC;
  made->allocator = allocator;
  /* Not zeroed: pages become resident as they are written. */
  made->moments = allocator.allocate(allocator.context, MOMENTS_BYTES);
  error =
      made->moments != NULL ? weir_ts_create(&made->ts, &scanner) : UV_ENOMEM;
  if (error < 0) {
    weir_ts_report_destroy(made);
    return error;
  }
  *report = made;
  return 0;
}

void weir_ts_report_destroy(weir_ts_report_t *report) {
  if (report == NULL || report->magic != REPORT_MAGIC) return;
  report->magic = 0;
  weir_ts_destroy(report->ts);
  weir__release(&report->allocator, report->moments, MOMENTS_BYTES);
  weir__release(&report->allocator, report, sizeof *report);
}

/* Where the scanner gives up may lie in bytes that it held back of an earlier
 * push: these are passed over. */
int weir_ts_report_push(weir_ts_report_t *report, const void *bytes,
                        size_t length) {
  const uint8_t *from = bytes;
  weir_ts_counters_t before, after;
  while (length > 0) {
    weir_ts_counters(report->ts, &before);
    int error = weir_ts_push(report->ts, from, length);
    if (error == 0) return 0;
    weir_ts_counters(report->ts, &after);
    if (after.locks == 0) return error;
    size_t taken = 0;
    if (after.bytes > before.bytes)
      taken = (size_t)(after.bytes - before.bytes);
    else
      report->passed += before.bytes - after.bytes;
    report->ticks_before += weir_ts_duration(report->ts);
    report->ticks = 0;
    weir_ts_reset(report->ts);
    from += taken;
    length -= taken;
  }
  return 0;
}

int weir_ts_report_end(weir_ts_report_t *report) {
  weir_ts_counters_t before, after;
  weir_ts_counters(report->ts, &before);
  int error = weir_ts_end(report->ts);
  weir_ts_counters(report->ts, &after);
  /* What a lock at the very end skips lies before it. */
  if (after.locks == before.locks)
    report->facts.trailing = after.skipped - before.skipped;
  return after.locks == 0 ? error : 0;
}

void weir_ts_report_facts(const weir_ts_report_t *report,
                          weir_ts_facts_t *facts) {
  *facts = report->facts;
  weir_ts_counters(report->ts, &facts->counters);
  facts->counters.bytes += report->passed;
  facts->counters.skipped += report->passed;
  facts->duration = report->ticks_before + weir_ts_duration(report->ts);
}

const weir_ts_pid_t *weir_ts_report_pid(const weir_ts_report_t *report,
                                        uint32_t pid) {
  return pid < WEIR_TS_PIDS ? &report->pids[pid] : NULL;
}

const weir_ts_program_t *weir_ts_report_program(const weir_ts_report_t *report,
                                                uint32_t index) {
  return index < report->facts.programs ? &report->programs[index] : NULL;
}

const weir_ts_lock_t *weir_ts_report_lock(const weir_ts_report_t *report,
                                          uint32_t index) {
  return index < report->facts.locks ? &report->locks[index] : NULL;
}

const weir_ts_moment_t *weir_ts_report_moment(const weir_ts_report_t *report,
                                              uint32_t index) {
  return index < report->facts.moments ? &report->moments[index] : NULL;
}
