#include "base/notify.h"
