#!/usr/bin/env bash
# hooks_test.sh SIGNETD OBJECT...: what is shipped cannot be told to crash and has no clock that can be moved. The
# objects are those sources of signetd that hold the hooks, compiled as the release compiles them; signetd, as the suite
# builds it, has them, which shows that they would be found.
set -euo pipefail
signetd=${1:?path of the signetd binary}
shift
fail() { printf 'hooks_test: %s\n' "$*" >&2; exit 1; }

# hooks_in FILE...: which of them it has, or calls.
hooks_in() { nm -C "$@" | grep -oE 'signet::(arm_crash|crash_points|map_clock_offset|crash::reached)\(' | sort -u; }

[ "$(hooks_in "$signetd" | wc -l)" = 4 ] || fail "a hook is not found where it is: $(hooks_in "$signetd")"
[ $# = 3 ] || fail "three objects, not $#"
found=$(hooks_in "$@" || true)
[ -z "$found" ] || fail "built without tests there is still: $found"
preset=$(jq -r '.configurePresets[] | select(.name == "release") | .cacheVariables.BUILD_TESTING' \
  "$(dirname "$0")/../CMakePresets.json")
[ "$preset" = OFF ] || fail "the release is built with tests"
