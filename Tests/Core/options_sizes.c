/* An option struct of another version is read: what an older host's lacks is
 * zero, what a newer host's has beyond is left out. */
#include <stddef.h>

#include "options.h"
#include "test.h"

typedef struct first {
  size_t size;
  uint32_t a;
  void *b;
} first_t;

typedef struct second {
  size_t size;
  uint32_t a;
  void *b;
  uint64_t c;
} second_t;

#define LEAST WEIR__OPTIONS_TO(second_t, b)

int main(void) {
  int thing;
  second_t read;
  memset(&read, 0xa5, sizeof read);
  second_t untouched = read;

  CHECK_EQ(LEAST, sizeof(first_t));
  CHECK_EQ(weir__options_read(&read, sizeof read, NULL, LEAST), WEIR_EOPTION);
  first_t first = {sizeof first - 1, 7, &thing};
  CHECK_EQ(weir__options_read(&read, sizeof read, &first, LEAST), WEIR_EOPTION);
  first.size = 0;
  CHECK_EQ(weir__options_read(&read, sizeof read, &first, LEAST), WEIR_EOPTION);
  CHECK(memcmp(&read, &untouched, sizeof read) == 0);

  /* An older host. */
  first.size = sizeof first;
  CHECK_EQ(weir__options_read(&read, sizeof read, &first, LEAST), 0);
  CHECK(read.a == 7 && read.b == &thing && read.c == 0);

  /* The same version. */
  second_t second = {sizeof second, 8, &thing, 9};
  CHECK_EQ(weir__options_read(&read, sizeof read, &second, LEAST), 0);
  CHECK(read.a == 8 && read.b == &thing && read.c == 9);

  /* A newer host: nothing is written past what is known. */
  struct {
    first_t known;
    uint64_t guard;
  } room = {.guard = 0x5af3};
  CHECK_EQ(weir__options_read(&room.known, sizeof room.known, &second, LEAST),
           0);
  CHECK(room.known.a == 8 && room.known.b == &thing && room.guard == 0x5af3);
  return 0;
}
