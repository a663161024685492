/* Samples are copied with their bytes reversed, for any length of the run. */
#include "test.h"

enum { ROOM = 255 * 12 };

int main(void) {
  uint64_t seed = 20;
  uint8_t from[ROOM], to[ROOM + 1], back[ROOM];
  for (size_t i = 0; i < ROOM; i++)
    from[i] = (uint8_t)test_random(&seed);
  for (uint32_t width = 2; width <= 4; width++) {
    for (size_t length = 0; length <= ROOM; length += width) {
      memset(to, 0xEE, sizeof to);
      weir_pcm_swap(to, from, length, width);
      for (size_t i = 0; i < length; i++) {
        size_t first = i - i % width;
        CHECK_EQ(to[i], from[first + width - 1 - i % width]);
      }
      CHECK_EQ(to[length], 0xEE);
      weir_pcm_swap(back, to, length, width);
      CHECK(memcmp(back, from, length) == 0);
    }
  }
  return 0;
}
