#include "base/stream.h"
