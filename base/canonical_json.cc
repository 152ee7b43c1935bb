#include "base/canonical_json.h"
