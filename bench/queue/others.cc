/* others.cc - the C++ library's deque, and moodycamel's queue. */
#include <cstdlib>
#include <deque>

#include "contenders.h"

namespace {

void *deque_create(uint32_t) {
  return new std::deque<uint64_t>;
}

int deque_push(void *queue, uint64_t id, uint8_t, uint64_t) {
  static_cast<std::deque<uint64_t> *>(queue)->push_back(id);
  return 1;
}

uint64_t deque_pop(void *queue, uint64_t) {
  auto &deque = *static_cast<std::deque<uint64_t> *>(queue);
  if (deque.empty()) std::abort();
  uint64_t id = deque.front();
  deque.pop_front();
  return id;
}

void deque_destroy(void *queue) {
  delete static_cast<std::deque<uint64_t> *>(queue);
}

double hold_deque(work_t *work) {
  return hold(work, deque_create, deque_push, deque_pop, deque_destroy);
}

}  // namespace

const contender_t std_deque = {"std::deque", hold_deque};

#if __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>

namespace {

// With a token of its producer and one of its consumer, which it is faster by.
struct camel {
  moodycamel::ConcurrentQueue<uint64_t> queue;
  moodycamel::ProducerToken producer;
  moodycamel::ConsumerToken consumer;

  explicit camel(uint32_t capacity)
      : queue(capacity), producer(queue), consumer(queue) {
  }
};

void *camel_create(uint32_t capacity) {
  return new camel(capacity);
}

int camel_push(void *queue, uint64_t id, uint8_t, uint64_t) {
  auto &camel = *static_cast<struct camel *>(queue);
  return camel.queue.enqueue(camel.producer, id);
}

uint64_t camel_pop(void *queue, uint64_t) {
  auto &camel = *static_cast<struct camel *>(queue);
  uint64_t id;
  if (!camel.queue.try_dequeue(camel.consumer, id)) std::abort();
  return id;
}

void camel_destroy(void *queue) {
  delete static_cast<struct camel *>(queue);
}

double hold_camel(work_t *work) {
  return hold(work, camel_create, camel_push, camel_pop, camel_destroy);
}

}  // namespace

const contender_t camel_queue = {"moodycamel", hold_camel};
#else
const contender_t camel_queue = {};
#endif
