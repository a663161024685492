/* fanout_transform.c - bytes in another form, shared by those in step. */
#include "allocation.h"
#include "fanout_state.h"
#include "weir/pcm.h"

int weir__fanout_make_scratch(weir_fanout_t *fanout) {
  if (fanout->scratch == NULL)
    fanout->scratch = weir__allocate(&fanout->allocator, WEIR__FANOUT_SCRATCH);
  return fanout->scratch != NULL ? 0 : UV_ENOMEM;
}

size_t weir__fanout_transformed(weir_fanout_t *fanout,
                                weir_transform_t transform, uint64_t position,
                                size_t length, const uint8_t **bytes) {
  size_t most = (size_t)weir_log_align(fanout->log, WEIR__FANOUT_SCRATCH);
  struct iovec iov[2];
  int pieces;
  int64_t shown = weir_log_peek(fanout->log, position,
                                length < most ? length : most, iov, &pieces);
  if (shown <= 0) return 0;
  *bytes = fanout->scratch;
  /* Listeners in step ask for the same bytes one after the other. */
  if (fanout->scratch_transform == transform &&
      fanout->scratch_position == position &&
      fanout->scratch_length == (size_t)shown)
    return (size_t)shown;
  uint8_t *to = fanout->scratch;
  for (int i = 0; i < pieces; i++) {
    weir_pcm_swap(to, iov[i].iov_base, iov[i].iov_len, (uint32_t)transform + 1);
    to += iov[i].iov_len;
  }
  fanout->scratch_transform = transform;
  fanout->scratch_position = position;
  fanout->scratch_length = (size_t)shown;
  return (size_t)shown;
}
