/*
 * disk.c - two lanes on the thread pool.
 *
 * An operation belongs to whoever queues it: nothing is allocated here. One at
 * a time of each lane is with the pool.
 */
#include "disk.h"

#include "allocation.h"
#include "weir/errors.h"

#define DISK_MAGIC 0x57454453u

int weir_disk_create(uv_loop_t *loop, weir_disk_t **disk,
                     const weir_allocator_t *allocator) {
  if (loop == NULL) return WEIR_EOPTION;
  weir_allocator_t from = weir__allocator(allocator);
  weir_disk_t *made = weir__allocate(&from, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = DISK_MAGIC;
  made->allocator = from;
  for (int i = 0; i < WEIR__LANES; i++) {
    made->lanes[i].disk = made;
    made->lanes[i].work.data = &made->lanes[i];
    weir__link_init(&made->lanes[i].waiting);
  }
  for (uint32_t i = 0; i < WEIR_DISK_BLOCKS; i++)
    weir__link_init(&made->blocks[i].waiters);
  made->limit = UINT64_MAX;
  weir__link_init(&made->copies);
  weir__link_init(&made->done);
  weir__link_init(&made->waiters);
  (void)uv_timer_init(loop, &made->soon);
  made->soon.data = made;
  *disk = made;
  return 0;
}

void weir_disk_set_limit(weir_disk_t *disk, uint64_t bytes) {
  disk->limit = bytes;
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle) {
  weir_disk_t *disk = handle->data;
  void (*closed)(void *) = disk->closed;
  void *data = disk->data;
  for (uint32_t i = 0; i < WEIR_DISK_BLOCKS; i++)
    weir__release(&disk->allocator, disk->blocks[i].bytes, WEIR_DISK_BLOCK);
  weir__release(&disk->allocator, disk->scratch, WEIR_DISK_BLOCK);
  disk->magic = 0;
  weir__release(&disk->allocator, disk, sizeof *disk);
  if (closed != NULL) closed(data);
}

static void close_when_idle(weir_disk_t *disk) {
  if (disk->closing && disk->operations == 0)
    uv_close((uv_handle_t *)&disk->soon, on_closed);
}

void weir_disk_close(weir_disk_t *disk, void (*closed)(void *data),
                     void *data) {
  if (disk == NULL || disk->magic != DISK_MAGIC || disk->closing) return;
  disk->closing = 1;
  disk->closed = closed;
  disk->data = data;
  close_when_idle(disk);
}

/* ---- running ---- */

static void tell(weir_disk_t *disk, weir__operation_t *operation) {
  operation->done(operation);
  disk->operations--;
}

static void on_work(uv_work_t *work) {
  weir__lane_t *lane = work->data;
  lane->running->result = lane->running->work(lane->running);
}

static void run_next(weir__lane_t *lane);

static void on_worked(uv_work_t *work, int status) {
  weir__lane_t *lane = work->data;
  weir__operation_t *operation = lane->running;
  (void)status; /* never cancelled */
  lane->running = NULL;
  tell(lane->disk, operation);
  run_next(lane);
  close_when_idle(lane->disk);
}

static void run_next(weir__lane_t *lane) {
  if (lane->running != NULL || weir__link_is_empty(&lane->waiting)) return;
  lane->running = (weir__operation_t *)lane->waiting.next;
  weir__link_remove(&lane->running->link);
  (void)uv_queue_work(lane->disk->soon.loop, &lane->work, on_work, on_worked);
}

void weir__disk_queue(weir_disk_t *disk, weir__lane_name_t lane,
                      weir__operation_t *operation) {
  disk->operations++;
  weir__link_append(&disk->lanes[lane].waiting, &operation->link);
  run_next(&disk->lanes[lane]);
}

int weir__disk_cancel(weir_disk_t *disk, weir__operation_t *operation) {
  if (weir__link_is_empty(&operation->link)) return 0;
  weir__link_remove(&operation->link);
  disk->operations--;
  return 1;
}

static void on_soon(uv_timer_t *soon) {
  weir_disk_t *disk = soon->data;
  weir__link_t now; /* those that these beget come in the next turn */
  weir__link_init(&now);
  weir__link_move(&disk->done, &now);
  while (!weir__link_is_empty(&now)) {
    weir__operation_t *operation = (weir__operation_t *)now.next;
    weir__link_remove(&operation->link);
    tell(disk, operation);
  }
  close_when_idle(disk);
}

void weir__disk_soon(weir_disk_t *disk, weir__operation_t *operation) {
  disk->operations++;
  weir__link_append(&disk->done, &operation->link);
  (void)uv_timer_start(&disk->soon, on_soon, 0, 0);
}

uint64_t weir__disk_generation(weir_disk_t *disk) {
  return ++disk->generations;
}
