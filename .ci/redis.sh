#!/usr/bin/env bash
# Brings redis-server into .cache/bin on a Debian machine, without root and without installing anything; says why where it can't.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
lib=$PWD/.cache/redis-lib
skip() { echo "redis.sh: $1; tests that need Redis will be skipped" >&2; exit 0; }

command -v redis-server >/dev/null && exit 0
"$bin/redis-server" --version >/dev/null 2>&1 && exit 0
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || skip "this is no Debian machine"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || skip "no temporary folder"
apt-get -qq download redis-tools >apt.log 2>&1 || skip "apt-get download brought no redis-tools ($(tail -n 1 apt.log))"
dpkg-deb -x redis-tools_*.deb root
server=$(find root/usr/bin -name 'redis-check-rdb' | head -n 1)
[ -n "$server" ] || skip "the package holds no server"
# Debian builds the server and its checker as one program, which looks at the name that it is called by.
mkdir -p "$bin" "$lib"

# Libraries that this machine lacks come from the packages that the server's own package names; libc is everywhere.
missing=$(ldd "$server" | awk '/not found/ {print $1}')
if [ -n "$missing" ]; then
  for package in $(dpkg-deb -f redis-tools_*.deb Depends | tr ',' '\n' | sed 's/^ *//; s/[ (|].*//' | grep '^lib' | grep -v '^libc6$'); do
    apt-get -qq download "$package" >apt.log 2>&1 && dpkg-deb -x "$package"_*.deb root
  done
  for name in $missing; do find root -name "$name" -exec cp -L {} "$lib/" \;; done
fi
cp "$server" "$lib/redis-server.$$" && mv "$lib/redis-server.$$" "$lib/redis-server"
printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$lib" "$lib/redis-server" >"$bin/redis-server.$$"
chmod +x "$bin/redis-server.$$" && mv "$bin/redis-server.$$" "$bin/redis-server"
"$bin/redis-server" --version >/dev/null 2>&1 || { rm -f "$bin/redis-server"; skip "it does not run here ($(ldd "$lib/redis-server" | grep 'not found' | head -n 1))"; }
