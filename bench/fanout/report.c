#include "report.h"

#include <stdio.h>

#define STATUSES 600

struct totals {
  uint64_t opened, kept, lost, refused, readers, sampled, slow;
  uint64_t bytes, least, most, complete; /* of readers kept, measured */
  uint64_t found, resyncs, skipped, restarts;
  uint64_t verified, contiguous, misaligned, gaps, torn, corrupt, repeats;
  uint64_t verified_bytes, verified_skipped;
  uint64_t stalled_ended, tricklers_ended, stalled, tricklers;
  uint64_t errors; /* refused without a status */
  uint32_t status[STATUSES];
};

static void add_reader(struct totals *totals, const struct report *report,
                       const struct connection *connection) {
  totals->readers++;
  totals->sampled += connection->sampled;
  if (connection->state == STATE_LOST) totals->lost++;
  if (connection->state != STATE_BODY) return;
  uint64_t bytes = connection->received - connection->begin;
  totals->kept++;
  totals->bytes += bytes;
  if (totals->kept == 1 || bytes < totals->least) totals->least = bytes;
  if (bytes > totals->most) totals->most = bytes;
  if ((double)bytes < 0.97 * report->expect * report->seconds) totals->slow++;
}

static void add_verified(struct totals *totals, const struct verify *verify) {
  if (!verify->started && verify->corrupt == 0) return;
  totals->verified++;
  totals->contiguous += (uint64_t)verify_contiguous(verify);
  totals->misaligned += verify->misaligned;
  totals->gaps += verify->gaps;
  totals->torn += verify->torn;
  totals->corrupt += verify->corrupt;
  totals->repeats += verify->repeats;
  totals->verified_bytes += verify->length;
  totals->verified_skipped += verify->skipped;
}

static void add(struct totals *totals, const struct report *report,
                const struct connection *connection) {
  if (connection->state == STATE_WAITING) return;
  totals->opened++;
  if (connection->state == STATE_REFUSED) {
    totals->refused++;
    if (connection->status > 0 && connection->status < STATUSES)
      totals->status[connection->status]++;
    else
      totals->errors++;
  }
  int ended = connection->state == STATE_LOST;
  if (connection->kind == KIND_READER) add_reader(totals, report, connection);
  if (connection->kind == KIND_STALLED) {
    totals->stalled++;
    totals->stalled_ended += connection->state == STATE_REFUSED;
  }
  if (connection->kind == KIND_TRICKLER) {
    totals->tricklers++;
    totals->tricklers_ended += (uint64_t)ended;
  }
  totals->found += connection->stamps.found;
  totals->resyncs += connection->stamps.resyncs;
  totals->skipped += connection->stamps.skipped;
  totals->restarts += connection->stamps.restarts;
  if (connection->verify != NULL) add_verified(totals, connection->verify);
}

static void print_u64(const char *name, uint64_t value) {
  printf(", \"%s\": %llu", name, (unsigned long long)value);
}

static void print_latency(const char *name, const struct latency *latency) {
  printf(", \"%s\": {\"count\": %llu", name,
         (unsigned long long)latency->count);
  print_u64("mean", latency->count ? latency->sum / latency->count : 0);
  print_u64("p50", latency_quantile(latency, 0.50));
  print_u64("p90", latency_quantile(latency, 0.90));
  print_u64("p99", latency_quantile(latency, 0.99));
  print_u64("p999", latency_quantile(latency, 0.999));
  print_u64("max", latency->max);
  printf("}");
}

static void print_refused(const struct totals *totals) {
  printf(", \"refused\": %llu, \"refused_by\": {\"error\": %llu",
         (unsigned long long)totals->refused,
         (unsigned long long)totals->errors);
  for (int i = 0; i < STATUSES; i++)
    if (totals->status[i] > 0) printf(", \"%d\": %u", i, totals->status[i]);
  printf("}");
}

static void print_json(const struct report *report,
                       const struct totals *totals) {
  printf("{\"event\": \"report\", \"seconds\": %.3f", report->seconds);
  print_u64("opened", totals->opened);
  print_u64("readers", totals->readers);
  print_u64("kept", totals->kept);
  print_u64("lost", totals->lost);
  print_u64("lost_before", report->lost_before);
  print_refused(totals);
  print_u64("slow", totals->slow);
  print_u64("bytes", totals->bytes);
  printf(
      ", \"bytes_per_reader\": {\"least\": %llu, \"mean\": %.0f, "
      "\"most\": %llu}",
      (unsigned long long)totals->least,
      totals->kept ? (double)totals->bytes / (double)totals->kept : 0,
      (unsigned long long)totals->most);
  print_u64("stalled", totals->stalled);
  print_u64("stalled_ended", totals->stalled_ended);
  print_u64("tricklers", totals->tricklers);
  print_u64("tricklers_ended", totals->tricklers_ended);
  print_u64("sample", report->sample);
  print_u64("sampled", totals->sampled);
  print_u64("stamps", totals->found);
  print_u64("resyncs", totals->resyncs);
  print_u64("skipped_bytes", totals->skipped);
  print_u64("restarts", totals->restarts);
  print_latency("latency_ns", report->latency);
  print_latency("join_ns", report->join);
  printf(", \"verified\": {\"listeners\": %llu",
         (unsigned long long)totals->verified);
  print_u64("contiguous", totals->contiguous);
  print_u64("misaligned", totals->misaligned);
  print_u64("gaps", totals->gaps);
  print_u64("torn", totals->torn);
  print_u64("corrupt_bytes", totals->corrupt);
  print_u64("repeats", totals->repeats);
  print_u64("bytes", totals->verified_bytes);
  print_u64("skipped_bytes", totals->verified_skipped);
  printf("}, \"client_cpu_seconds\": %.4f}\n", report->cpu);
  fflush(stdout);
}

static void print_for_people(const struct report *report,
                             const struct totals *totals) {
  const struct latency *latency = report->latency;
  fprintf(stderr,
          "%llu of %llu readers kept, %llu lost, %llu refused, "
          "%.1f MB in %.1f s, client %.0f %% of a core\n",
          (unsigned long long)totals->kept, (unsigned long long)totals->readers,
          (unsigned long long)totals->lost, (unsigned long long)totals->refused,
          (double)totals->bytes / 1e6, report->seconds,
          report->seconds > 0 ? 100 * report->cpu / report->seconds : 0);
  if (latency->count > 0)
    fprintf(stderr,
            "latency p50 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms "
            "(%llu stamps, 1 of %u readers)\n",
            (double)latency_quantile(latency, 0.5) / 1e6,
            (double)latency_quantile(latency, 0.99) / 1e6,
            (double)latency_quantile(latency, 0.999) / 1e6,
            (double)latency->max / 1e6, (unsigned long long)latency->count,
            report->sample);
  if (totals->verified > 0)
    fprintf(stderr,
            "verified %llu bodies, %llu contiguous; %llu gaps (%llu torn), "
            "%llu corrupt bytes\n",
            (unsigned long long)totals->verified,
            (unsigned long long)totals->contiguous,
            (unsigned long long)totals->gaps, (unsigned long long)totals->torn,
            (unsigned long long)totals->corrupt);
}

void report_print(const struct report *report, int quiet) {
  struct totals totals = {0};
  for (uint32_t i = 0; i < report->count; i++)
    add(&totals, report, &report->connections[i]);
  print_json(report, &totals);
  if (!quiet) print_for_people(report, &totals);
}

int report_verified(const struct report *report, const char *path) {
  FILE *file = fopen(path, "w");
  if (file == NULL) return -1;
  for (uint32_t i = 0; i < report->count; i++) {
    const struct verify *verify = report->connections[i].verify;
    if (verify == NULL) continue;
    fprintf(
        file,
        "{\"listener\": %u, \"status\": %d, \"start\": %llu, \"length\": %llu, "
        "\"contiguous\": %s, \"skipped\": %llu, \"torn\": %llu, "
        "\"corrupt\": %llu, \"gaps\": [",
        i, report->connections[i].status, (unsigned long long)verify->start,
        (unsigned long long)verify->length,
        verify_contiguous(verify) ? "true" : "false",
        (unsigned long long)verify->skipped, (unsigned long long)verify->torn,
        (unsigned long long)verify->corrupt);
    for (uint64_t g = 0; g < verify->gaps && g < VERIFY_GAPS; g++)
      fprintf(file, "%s{\"at\": %llu, \"from\": %llu, \"to\": %llu}",
              g > 0 ? ", " : "", (unsigned long long)verify->gap[g].at,
              (unsigned long long)verify->gap[g].from,
              (unsigned long long)verify->gap[g].to);
    fprintf(file, "]}\n");
  }
  return fclose(file);
}
