#!/usr/bin/env bash
# run.sh SCRATCH FILE...: holds FHIR resources against two independent validators of R4. FILEs, one resource a line, or
# a Bundle (.json) as an export writes it. The npm parts go to SCRATCH, again only when the lock changed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$1
shift
die() { printf 'fhir_test: %s\n' "$*" >&2; exit 1; }

for command in node npm; do
  command -v "$command" >/dev/null || die "$command is missing: ./dev test installs it, or apt-get install nodejs npm"
done
files=()
for file in "$@"; do
  [ -s "$file" ] || die "$file is not there or empty: run ctest without -FA, so that the tests that write it run first"
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
cp "$here/validate.mjs" "$scratch/"
cd "$scratch"
node validate.mjs "${files[@]}"
