/* fanout_transform.c - bytes in another form, shared by those in step. */
#include "allocation.h"
#include "fanout_state.h"
#include "weir/pcm.h"

int weir__fanout_make_scratch(weir_fanout_t *fanout) {
  if (fanout->scratch == NULL)
    fanout->scratch = weir__allocate(&fanout->allocator, WEIR__FANOUT_SCRATCH);
  return fanout->scratch != NULL ? 0 : UV_ENOMEM;
}

const uint8_t *weir__fanout_transformed(weir_fanout_t *fanout,
                                        weir_transform_t transform,
                                        uint64_t position,
                                        const struct iovec *iov, int pieces) {
  size_t length = 0;
  for (int i = 0; i < pieces; i++)
    length += iov[i].iov_len;
  /* Listeners in step ask for the same bytes one after the other. */
  if (fanout->scratch_transform == transform &&
      fanout->scratch_position == position && fanout->scratch_length == length)
    return fanout->scratch;
  uint8_t *to = fanout->scratch;
  for (int i = 0; i < pieces; i++) {
    weir_pcm_swap(to, iov[i].iov_base, iov[i].iov_len, (uint32_t)transform + 1);
    to += iov[i].iov_len;
  }
  fanout->scratch_transform = transform;
  fanout->scratch_position = position;
  fanout->scratch_length = length;
  return fanout->scratch;
}
