#!/bin/sh
# Installs from Debian's packages what some tests need and this machine lacks: a browser, Node, a clock that can be set wrong. Does nothing where
# all is there, where nobody may install (not root, no apt), or with TREGUA_NO_APT=1; the tests then say what they miss.
[ "$(id -u)" = 0 ] && [ -z "$TREGUA_NO_APT" ] && command -v apt-get >/dev/null || exit 0
missing=""
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
command -v npm >/dev/null || missing="$missing nodejs npm"
command -v faketime >/dev/null || missing="$missing faketime"
[ -n "$missing" ] || exit 0
echo "installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 - several words on purpose
{ apt-get update && apt-get install --yes --no-install-recommends $missing; } >/dev/null 2>&1 || echo "could not install$missing" >&2
exit 0
