/* fifo.c - a ring of values between two counts that only grow. */
#include "weir/fifo.h"

#include <uv.h>

#include "allocation.h"
#include "weir/errors.h"

struct weir_fifo {
  uint64_t *values;
  uint32_t head; /* pushed, and popped so far: their difference is the length */
  uint32_t tail;
  uint32_t mask; /* slots - 1 */
  uint32_t capacity;
  weir_allocator_t allocator;
};

static size_t bytes_of(const weir_fifo_t *fifo) {
  return ((size_t)fifo->mask + 1) * sizeof *fifo->values;
}

int weir_fifo_create(weir_fifo_t **fifo, uint32_t capacity,
                     const weir_allocator_t *allocator) {
  if (capacity > WEIR_FIFO_MAX_CAPACITY) return WEIR_EOPTION;
  if (capacity == 0) capacity = WEIR_FIFO_CAPACITY;
  weir_allocator_t from = weir__allocator(allocator);
  weir_fifo_t *made = weir__allocate(&from, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->allocator = from;
  made->capacity = capacity;
  while (made->mask < capacity - 1)
    made->mask = made->mask << 1 | 1;
  made->values = weir__allocate(&from, bytes_of(made));
  if (made->values == NULL) {
    weir_fifo_destroy(made);
    return UV_ENOMEM;
  }
  *fifo = made;
  return 0;
}

static inline uint32_t length_of(const weir_fifo_t *fifo) {
  return fifo->head - fifo->tail;
}

uint32_t weir_fifo_length(const weir_fifo_t *fifo) {
  return length_of(fifo);
}

int weir_fifo_push(weir_fifo_t *fifo, uint64_t value) {
  if (length_of(fifo) == fifo->capacity) return WEIR_EFULL;
  fifo->values[fifo->head++ & fifo->mask] = value;
  return 0;
}

int weir_fifo_peek(const weir_fifo_t *fifo, uint64_t *value) {
  if (length_of(fifo) == 0) return 0;
  *value = fifo->values[fifo->tail & fifo->mask];
  return 1;
}

int weir_fifo_pop(weir_fifo_t *fifo, uint64_t *value) {
  if (length_of(fifo) == 0) return 0;
  *value = fifo->values[fifo->tail++ & fifo->mask];
  return 1;
}

void weir_fifo_destroy(weir_fifo_t *fifo) {
  if (fifo == NULL) return;
  weir__release(&fifo->allocator, fifo->values, bytes_of(fifo));
  weir__release(&fifo->allocator, fifo, sizeof *fifo);
}
