/* A log's options are checked, its defaults are the documented ones, and
 * without memory nothing is left behind. */
#include "test.h"

typedef struct purse {
  int left; /* allocations that succeed */
  int live;
} purse_t;

static void *take(void *context, size_t bytes) {
  purse_t *purse = context;
  if (purse->left == 0) return NULL;
  purse->left--;
  purse->live++;
  return malloc(bytes);
}

static void give_back(void *context, void *pointer, size_t bytes) {
  purse_t *purse = context;
  CHECK(pointer != NULL && bytes > 0);
  purse->live--;
  free(pointer);
}

static int create(size_t capacity, uint32_t unit) {
  weir_log_options_t options = {
      .size = sizeof options, .capacity = capacity, .unit = unit};
  weir_log_t *log = NULL;
  int error = weir_log_create(&log, &options);
  CHECK((error == 0) == (log != NULL));
  weir_log_destroy(log);
  return error;
}

int main(void) {
  weir_log_t *log = NULL;
  CHECK_EQ(weir_log_create(&log, NULL), WEIR_EOPTION);
  weir_log_options_t options = {.size = sizeof options - 1};
  CHECK_EQ(weir_log_create(&log, &options), WEIR_EOPTION);
  struct {
    weir_log_options_t known;
    uint64_t later; /* a newer host's field */
  } newer = {{.size = sizeof newer, .capacity = 4096}, 42};
  CHECK_EQ(weir_log_create(&log, &newer.known), 0);
  CHECK_EQ(weir_log_capacity(log), 4096);
  weir_log_destroy(log);
  log = NULL;
  CHECK_EQ(create(15, 1), WEIR_EOPTION);
  CHECK_EQ(create(16, 1), 0);
  CHECK_EQ(create(16 * 188 - 1, 188), WEIR_EOPTION);
  CHECK_EQ(create(0, WEIR_LOG_MAX_UNIT), 0);
  CHECK_EQ(create(0, WEIR_LOG_MAX_UNIT + 1), WEIR_EOPTION);
  CHECK_EQ(create(WEIR_LOG_MAX_CAPACITY + 1, 1), WEIR_EOPTION);
  weir_log_destroy(NULL);

  options = (weir_log_options_t){.size = sizeof options};
  CHECK_EQ(weir_log_create(&log, &options), 0);
  CHECK_EQ(weir_log_capacity(log), 1 << 20);
  CHECK_EQ(weir_log_unit(log), 1);
  CHECK_EQ(weir_log_align(log, 12345), 12345);
  weir_log_destroy(log);

  for (int left = 0; left < 3; left++) {
    purse_t purse = {left, 0};
    weir_allocator_t allocator = {take, give_back, &purse};
    options.allocator = &allocator;
    int error = weir_log_create(&log, &options);
    CHECK_EQ(error, left < 2 ? UV_ENOMEM : 0);
    if (error == 0) weir_log_destroy(log);
    CHECK_EQ(purse.live, 0);
  }
  return 0;
}
