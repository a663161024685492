/* libuv as Swift sees it. */
#include <uv.h>
