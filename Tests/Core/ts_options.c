/* Memory is taken once and given back; settings may all be missing; with
 * on_packets alone nothing else is known. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;

typedef struct heap {
  size_t calls, bytes, refused;
} heap_t;

static void *take(void *context, size_t bytes) {
  heap_t *heap = context;
  heap->calls++;
  if (heap->refused) return NULL;
  heap->bytes += bytes;
  return malloc(bytes);
}

static void give(void *context, void *pointer, size_t bytes) {
  ((heap_t *)context)->bytes -= bytes;
  free(pointer);
}

static size_t packets;

static void on_packets(weir_ts_t *ts, const uint8_t *bytes, size_t count,
                       uint64_t first) {
  CHECK(weir_ts_data(ts) == &packets);
  CHECK_EQ(first, packets);
  /* In place, wherever the chunk has them whole. */
  CHECK(count == 1 || bytes >= build.bytes);
  packets += count;
}

int main(void) {
  heap_t heap = {0};
  weir_allocator_t allocator = {take, give, &heap};
  weir_ts_options_t options = {.size = sizeof options, .allocator = &allocator};
  weir_ts_t *ts = NULL;
  weir_ts_counters_t counters;
  build_start(&build, 188, 1);
  build_garbage(&build, 100);
  build_pictures(&build, 40);

  CHECK_EQ(weir_ts_create(&ts, NULL), WEIR_EOPTION);
  options.size = 8;
  CHECK_EQ(weir_ts_create(&ts, &options), WEIR_EOPTION);
  options.size = sizeof options;
  heap.refused = 1;
  CHECK_EQ(weir_ts_create(&ts, &options), UV_ENOMEM);
  CHECK(ts == NULL);
  heap = (heap_t){0};

  /* No callback at all. */
  CHECK_EQ(weir_ts_create(&ts, &options), 0);
  CHECK_EQ(heap.calls, 1);
  CHECK(heap.bytes < 128 * 1024);
  CHECK_EQ(weir_ts_push(ts, build.bytes, build.length), 0);
  CHECK_EQ(weir_ts_end(ts), 0);
  weir_ts_counters(ts, &counters);
  CHECK_EQ(counters.packets, build.count);
  CHECK_EQ(counters.sections, 0);
  CHECK_EQ(weir_ts_programs(ts), 0);
  CHECK_EQ(weir_ts_continuity(ts, 0x101), -1);
  CHECK_EQ(weir_ts_continuity(ts, 0xffff), -1);
  weir_ts_destroy(ts);
  CHECK_EQ(heap.calls, 1);
  CHECK_EQ(heap.bytes, 0);

  options.settings.on_packets = on_packets;
  options.data = &packets;
  CHECK_EQ(weir_ts_create(&ts, &options), 0);
  CHECK_EQ(weir_ts_push(ts, NULL, 0), 0);
  CHECK_EQ(weir_ts_end(ts), 0); /* of nothing */
  for (size_t at = 0; at < build.length; at += 1316) {
    size_t some = build.length - at < 1316 ? build.length - at : 1316;
    CHECK_EQ(weir_ts_push(ts, build.bytes + at, some), 0);
  }
  CHECK_EQ(weir_ts_end(ts), 0);
  CHECK_EQ(packets, build.count);
  weir_ts_destroy(ts);
  weir_ts_destroy(NULL);
  CHECK_EQ(heap.bytes, 0);
  build_free(&build);
  return 0;
}
