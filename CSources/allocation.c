/* allocation.c - the allocator hook, inside the core. */
#include "allocation.h"

#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *context, size_t bytes) {
  (void)context;
  return malloc(bytes);
}

static void default_release(void *context, void *pointer, size_t bytes) {
  (void)context;
  (void)bytes;
  free(pointer);
}

weir_allocator_t weir__allocator(const weir_allocator_t *given) {
  if (given != NULL) return *given;
  return (weir_allocator_t){default_allocate, default_release, NULL};
}

void *weir__allocate(const weir_allocator_t *allocator, size_t bytes) {
  void *memory = allocator->allocate(allocator->context, bytes);
  if (memory != NULL) memset(memory, 0, bytes);
  return memory;
}

void weir__release(const weir_allocator_t *allocator, void *pointer,
                   size_t bytes) {
  if (pointer != NULL) allocator->release(allocator->context, pointer, bytes);
}
