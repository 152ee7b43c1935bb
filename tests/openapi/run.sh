#!/usr/bin/env bash
# run.sh SCRATCH FILE...: lints docs/openapi.json, and holds against it what the API's test programs were answered:
# FILEs, one exchange a line, as tests/daemon/api/api_world.cc writes them. The npm parts go to SCRATCH, again only when
# the lock changed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
document=$here/../../docs/openapi.json
scratch=$1
shift
die() { printf 'openapi_test: %s\n' "$*" >&2; exit 1; }

for command in node npm; do
  command -v "$command" >/dev/null || die "$command is missing: ./dev test installs it, or apt-get install nodejs npm"
done
files=()
for file in "$@"; do
  [ -s "$file" ] || die "$file is not there or empty: run ctest without -FA, so that the API's tests run first"
  files+=("$(realpath "$file")")
done

mkdir -p "$scratch"
if ! cmp -s "$here/package-lock.json" "$scratch/installed.json"; then
  rm -f "$scratch/installed.json"
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$scratch/"
  (cd "$scratch" && npm ci --silent >npm.log 2>&1) || die "npm ci failed: $(tail -n 3 "$scratch/npm.log")"
  cp "$here/package-lock.json" "$scratch/installed.json"
fi
# Modules are looked for beside the script that imports them.
cp "$here/validate.mjs" "$here/redocly.yaml" "$scratch/"

cd "$scratch"
lint=0
REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true node_modules/.bin/redocly lint "$document" \
  --config redocly.yaml --max-problems 1000 >lint.log 2>&1 || lint=$?
# It passes with warnings.
if [ "$lint" != 0 ] || grep -qE '[1-9][0-9]* warning' lint.log; then
  cat lint.log >&2
  die "docs/openapi.json has faults: see above"
fi
node validate.mjs "$document" "${files[@]}"
