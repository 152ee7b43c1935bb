#!/usr/bin/env bash
# systemd_test.sh SIGNETD SOURCE_DIR: the units in SOURCE_DIR/systemd are sound and their sandbox is whole.
# Runs without systemd running. Fails when `systemd-analyze verify` says anything, when the service's exposure is above
# 1.2, or when one of these checks would not have noticed a broken unit.
set -euo pipefail
signetd=$(realpath "${1:?path of the signetd binary}") source_dir=${2:?source folder}
threshold=12 # tenths: 1.2
export LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 SYSTEMD_PAGER=cat

scratch=$(mktemp -d "${TMPDIR:-/tmp}/signet-units.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
fail() { printf 'systemd_test: %s\n' "$*" >&2; exit 1; }

[ -x "$signetd" ] || fail "$signetd is no executable"
# `verify` refuses a unit whose binary is not installed, so the built one stands in for it. A copy by a plain name: a
# build folder may lie below a path that a unit would have to quote.
ln -s "$signetd" "$scratch/signetd"
mkdir "$scratch/good"
for unit in "$source_dir"/systemd/*.service "$source_dir"/systemd/*.socket; do
  sed "s|/usr/bin/signetd|$scratch/signetd|" "$unit" >"$scratch/good/$(basename "$unit")"
done
grep -qF "ExecStart=$scratch/signetd run" "$scratch/good/signetd.service" ||
  fail "signetd.service does not start /usr/bin/signetd run"

# A key that systemd does not know is only a warning to it; to us it is a fault, so silence is asked for.
verify() {
  local said status=0
  said=$(systemd-analyze verify --man=no --recursive-errors=no "$1"/*.service "$1"/*.socket 2>&1) || status=$?
  [ -z "$said" ] || printf '%s\n' "$said"
  [ "$status" = 0 ] && [ -z "$said" ]
}
# security FOLDER [UNIT]
security() { systemd-analyze security --offline=true --threshold="$threshold" "$1/${2:-signetd.service}"; }
score() { grep -o 'Overall exposure level.*' || true; }

verify "$scratch/good" || fail "systemd-analyze verify refuses the units"
for unit in signetd.service signet-witness.service; do
  status=0
  security "$scratch/good" "$unit" >"$scratch/report" 2>&1 || status=$?
  [ "$status" = 0 ] || { cat "$scratch/report"; fail "the exposure of $unit is above the threshold"; }
  echo "$unit: $(score <"$scratch/report")"
done

# refused NAME CHECK SED_SCRIPT: a copy changed by the script must not pass the check.
refused() {
  local copy="$scratch/$1"
  cp -r "$scratch/good" "$copy"
  sed -i -E "$3" "$copy/signetd.service"
  ! cmp -s "$scratch/good/signetd.service" "$copy/signetd.service" || fail "$1: the planted fault changed nothing"
  if "$2" "$copy" >"$scratch/report" 2>&1; then fail "$1: passed, so this check finds nothing"; fi
  echo "refused as it should be: $1: $(score <"$scratch/report")"
}
refused "without the sandbox" security '/^(NoNewP|Capab|Protect|Private|Restrict|SystemCall|Lock|MemoryDeny|Device)/d'
refused "without the system call filter" security '/^SystemCallFilter=/d'
refused "as root" security '/^(DynamicUser|PrivateUsers|CapabilityBoundingSet)=/d'
refused "with a binary that is not there" verify 's|^ExecStart=.*|ExecStart=/nowhere/signetd run|'
refused "with a misspelt key" verify 's|^ProtectHome=|ProtectHomes=|'
