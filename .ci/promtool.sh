#!/usr/bin/env bash
# Brings promtool into .cache/bin on a Debian machine, without root and without installing anything; says why where it can't.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
skip() { echo "promtool.sh: $1; checks that need promtool will be skipped" >&2; exit 0; }

command -v promtool >/dev/null && exit 0
[ -x "$bin/promtool" ] && exit 0
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "this is no Debian machine"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || skip "no temporary folder"
# Some suites ship promtool in a package of its own, Debian 12 within prometheus.
for package in promtool prometheus; do
  apt-get -qq download "$package" >apt.log 2>&1 || continue
  dpkg-deb -x "$package"_*.deb root && [ -x root/usr/bin/promtool ] || continue
  mkdir -p "$bin" && cp root/usr/bin/promtool "$bin/promtool.$$" && mv "$bin/promtool.$$" "$bin/promtool" && exit 0
done
skip "apt-get download brought no promtool ($(tail -n 1 apt.log))"
