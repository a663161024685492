/* track_index.c - where decoding can begin. */
#include "track_index.h"

#include <string.h>

#include "allocation.h"

#define POINT_BYTES (WEIR_TRACK_JOINS_MAX * sizeof(weir__point_t))
#define PSI_BYTES   (WEIR__PSI_SETS * sizeof(weir__psi_t))

int weir__index_open(weir__index_t *index, const weir_allocator_t *allocator) {
  memset(index, 0, sizeof *index);
  /* Not zeroed: pages become resident as they are used. */
  index->points = allocator->allocate(allocator->context, POINT_BYTES);
  if (index->points == NULL) return UV_ENOMEM;
  index->psi = allocator->allocate(allocator->context, PSI_BYTES);
  return index->psi != NULL ? 0 : UV_ENOMEM;
}

void weir__index_close(weir__index_t *index,
                       const weir_allocator_t *allocator) {
  weir__release(allocator, index->points, POINT_BYTES);
  weir__release(allocator, index->psi, PSI_BYTES);
}

/* ---- points ---- */

static weir__point_t *at(weir__index_t *index, uint32_t i) {
  return &index->points[(index->start + i) % WEIR_TRACK_JOINS_MAX];
}

static void drop(weir__index_t *index, uint32_t count) {
  index->start = (index->start + count) % WEIR_TRACK_JOINS_MAX;
  index->count -= count;
}

static void thin(weir__index_t *index) {
  uint32_t half = index->count / 2, to = half;
  for (uint32_t from = half; from-- > 0;)
    if (from % 2 == 0) *at(index, --to) = *at(index, from);
  drop(index, to);
}

void weir__index_add(weir__index_t *index, const weir__point_t *point) {
  if (index->count > 0 &&
      at(index, index->count - 1)->position >= point->position)
    return;
  if (index->count == WEIR_TRACK_JOINS_MAX) thin(index);
  weir__point_t *added = at(index, index->count++);
  *added = *point;
  added->psi = index->newest;
  /* A clock that was corrected goes on from where it was. */
  if (index->count > 1 && added->time < at(index, index->count - 2)->time)
    added->time = at(index, index->count - 2)->time;
}

uint32_t weir__index_below(const weir__index_t *index, uint64_t position) {
  uint32_t low = 0, high = index->count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (weir__index_at(index, middle)->position <= position)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

uint32_t weir__index_until(const weir__index_t *index, int64_t time) {
  uint32_t low = 0, high = index->count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (weir__index_at(index, middle)->time <= time)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* ---- PAT and PMTs ---- */

void weir__index_renew(weir__index_t *index, const weir__psi_t *psi) {
  if (index->newest > 0) {
    const weir__psi_t *last = weir__index_psi(index, index->newest);
    if (memcmp(last, psi, sizeof *psi) == 0) return;
  }
  /* One that no point is of is replaced. */
  int is_used =
      index->count > 0 && at(index, index->count - 1)->psi == index->newest;
  if (is_used || index->newest == 0) index->newest++;
  *weir__index_psi(index, index->newest) = *psi;
  while (index->count > 0 &&
         at(index, 0)->psi + WEIR__PSI_SETS <= index->newest)
    drop(index, 1);
}

size_t weir__index_preamble(const weir__index_t *index,
                            const weir__point_t *point, uint8_t *packets) {
  if (point->psi == 0) return 0;
  const weir__psi_t *psi = weir__index_psi(index, point->psi);
  uint8_t next[WEIR__PSI_PIDS];
  for (uint32_t i = 0; i < WEIR__PSI_PIDS; i++)
    next[i] = weir__point_counter(point, i);
  size_t length = psi->packets * WEIR_TS_PACKET;
  memcpy(packets, psi->bytes, length);
  /* From the last on: that has the counter of the stream's last. */
  for (uint32_t i = psi->packets; i-- > 0;) {
    uint8_t *header = packets + i * WEIR_TS_PACKET;
    uint8_t *counter = &next[psi->of[i]];
    header[3] = (uint8_t)((header[3] & 0xf0) | (*counter & 0x0f));
    --*counter;
  }
  return length;
}
