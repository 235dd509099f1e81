#!/usr/bin/env bash
# Installs what the tests talk to and nobody here wrote: an XMPP server, ACME clients, an ACME server, a resolver.
# It starts no daemon, leaves alone what is there already, and touches nothing outside the package system and .peers/.
# On Debian as root it installs the packages; anywhere else it says which are missing, and the tests that need them are
# skipped by name. The newest certbot comes from PyPI in either case, into an environment of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PACKAGES=(
  acme-tiny bind9-dnsutils bsdextrautils certbot curl dehydrated erlang-p1-acme lego lua-unbound openssl pebble prosody
  uacme unbound
)
COMMANDS=(
  acme-tiny certbot curl dehydrated escript hexdump lego nsupdate openssl pebble prosody uacme ualpn unbound unshare
)
CERTBOT=.peers/certbot
POLICY=/usr/sbin/policy-rc.d

say() { printf 'install-peers: %s\n' "$*"; }

# Twice more after a failure: networks have bad moments.
retry() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    [ "$try" = 3 ] || { say "failed, trying again: $*"; sleep $((try * 5)); }
  done
  say "failed three times: $*"
  return 1
}

missing_packages() {
  local name
  for name in "${PACKAGES[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# policy-rc.d is how Debian asks whether a package may start its daemon; the old one comes back whatever happens.
forbid_daemons() {
  local kept
  kept="$(mktemp -d)"
  if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then mv "$POLICY" "$kept/policy-rc.d"; fi
  # shellcheck disable=SC2064 # the folder's name is wanted as it is now
  trap "rm -f '$POLICY'; [ ! -e '$kept/policy-rc.d' ] || mv '$kept/policy-rc.d' '$POLICY'; rmdir '$kept'" EXIT
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing ${missing[*]}"
  forbid_daemons
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get update -qq
  retry apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# A copy older than a week is brought up to date; one that cannot be is still good enough to test with.
install_certbot() {
  [ -z "$(find "$CERTBOT/.installed" -mtime -7 2>/dev/null)" ] || return 0
  say "installing the newest certbot from PyPI"
  [ -x "$CERTBOT/bin/python" ] || "${PYTHON:-python3}" -m venv "$CERTBOT" || return
  if retry "$CERTBOT/bin/python" -m pip install --quiet --upgrade certbot; then
    touch "$CERTBOT/.installed"
  else
    [ -x "$CERTBOT/bin/certbot" ]
  fi
}

if [ -r /etc/debian_version ] && [ "$(id -u)" = 0 ]; then
  install_packages
else
  for command in "${COMMANDS[@]}"; do
    command -v "$command" >/dev/null || say "no $command here: the tests that need it will be skipped"
  done
fi
install_certbot || say "no certbot from PyPI: the tests that need it will be skipped"
