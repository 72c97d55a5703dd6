#!/usr/bin/env bash
# Measures mini-smtpd beside other receivers and writes docs/performance.md: about 5 minutes, or one
# with --quick. With --relay it measures sending on alone, beside Postfix, in less than 90 seconds.
# --help lists the flags. Everything happens on 127.0.0.1 and below target/bench.
#
# Needs Linux, Python 3 and smtp-source, which is in Debian's package `postfix`. As root, a Debian
# system gets that package; else install it first. A server that cannot be had is left out, with a line.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$PWD/target/bench
mkdir -p "$work"
say() { printf 'bench: %s\n' "$*" >&2; }

if ! [ -r /proc/self/status ] || ! command -v python3 > /dev/null; then
    say "this needs Linux and Python 3"
    exit 1
fi

case " $* " in
    *' --help '* | *' -h '* | *' --render '*) exec python3 scripts/bench/bench.py "$@" ;;
esac

if ! PATH=$PATH:/usr/sbin command -v smtp-source > /dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        say "installing Debian's package postfix, without starting it"
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections || true
        export DEBIAN_FRONTEND=noninteractive
        {
            apt-get update
            apt-get install --yes --no-install-recommends postfix
        } > "$work/apt.log" 2>&1 || true
    fi
    if ! PATH=$PATH:/usr/sbin command -v smtp-source > /dev/null; then
        say "smtp-source is missing, and nothing can be measured without it: install postfix"
        exit 1
    fi
fi

say "building the servers"
cargo build --quiet --release --bin mini-smtpd
case " $* " in
    *' --relay '*) exec env PYTHONDONTWRITEBYTECODE=1 python3 scripts/bench/relay.py ;;
esac
for crate in floor mailin; do
    # A failure leaves this server out.
    if ! CARGO_TARGET_DIR="$work/cargo" cargo build --quiet --release --locked \
        --manifest-path "scripts/bench/$crate/Cargo.toml" 2> "$work/$crate.log"; then
        say "skipped: $crate cannot be built: see ${work#"$PWD/"}/$crate.log"
        rm -f "$work/cargo/release/bench-$crate"
    fi
done

if ! [ -x "$work/venv/bin/aiosmtpd" ]; then
    say "installing aiosmtpd"
    { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet 'aiosmtpd==1.4.*'; } \
        > "$work/pip.log" 2>&1 || say "aiosmtpd cannot be installed: see ${work#"$PWD/"}/pip.log"
fi

exec env PYTHONDONTWRITEBYTECODE=1 python3 scripts/bench/bench.py "$@"
