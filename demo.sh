#!/usr/bin/env bash
# Builds and runs the shop of Samples/Shop on the best RabbitMQ it can find here, and leaves nothing running.
set -uo pipefail
unset CDPATH

usage() {
    cat <<'USAGE'
usage: ./demo.sh [--embedded] [--orders N] [--kill-worker N] [--restart-rabbitmq] [--database sqlite|postgresql] [options of Samples/Shop…]

RabbitMQ is, in this order: RABBITMQ_URL, one on this machine that lets guest in, a container (docker/compose.yaml),
Debian's package (docker/servers.sh). With --embedded, or when there is none of these, the shop runs on the in-memory transport.
PostgreSQL is BROKER_DEMO_POSTGRES (a connection string) or Debian's package.
USAGE
}

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVERS=$ROOT/docker/servers.sh
COMPOSE=(docker compose -f "$ROOT/docker/compose.yaml")
LOCAL_URL=amqp://guest:guest@localhost:5672/

shop_arguments=()
embedded=false restart=false database='' connection_string=''
url='' restart_command=''
started=() compose_started=false shop=''

note() { printf '%s\n' "$*" >&2; }
give_up() { note "demo.sh: $*"; exit 1; }

parse() {
    while (($#)); do
        case $1 in
            -h | --help) usage; exit 0 ;;
            --embedded) embedded=true ;;
            --restart-rabbitmq) restart=true ;;
            --database) (($# > 1)) || give_up "--database needs sqlite or postgresql"; database=$2; shift ;;
            --database=*) database=${1#*=} ;;
            --connection-string) (($# > 1)) || give_up "--connection-string needs a value"; connection_string=$2; shift ;;
            --connection-string=*) connection_string=${1#*=} ;;
            *) shop_arguments+=("$1") ;;
        esac
        shift
    done
    ! $embedded || ! $restart || give_up "--restart-rabbitmq has nothing to restart with --embedded"
}

# ---- RabbitMQ

chosen() { url=$1; note "RabbitMQ: $(sed -E 's#//[^/]*@#//#' <<<"$url") ($2)"; }
native_url() { (eval "$("$SERVERS" env rabbitmq)"; printf '%s' "${BROKER_TEST_RABBITMQ:-}"); }
native_is_up() { "$SERVERS" status rabbitmq >/dev/null 2>&1; }
local_lets_us_in() { "$SERVERS" login localhost 5672 2>/dev/null; }
compose_works() { docker info >/dev/null 2>&1 && "${COMPOSE[@]}" version >/dev/null 2>&1; }
compose_is_up() { compose_works && [[ -n $("${COMPOSE[@]}" ps --status running -q rabbitmq 2>/dev/null) ]]; }

use_native() {
    chosen "$(native_url)" "$1"
    restart_command="$(printf %q "$SERVERS") restart rabbitmq"
}

use_compose() {
    local compose; compose=$(printf '%q ' "${COMPOSE[@]}")
    chosen "$LOCAL_URL" "$1"
    restart_command="${compose}restart rabbitmq && ${compose}up -d --wait rabbitmq"
}

start_compose() {
    note "Starting RabbitMQ in a container…"
    compose_started=true
    "${COMPOSE[@]}" up -d --wait rabbitmq >&2
}

start_native() {
    note "Starting RabbitMQ from Debian's package (some 10 s, and 20 s more if it must be installed)…"
    started+=(rabbitmq)
    "$SERVERS" start rabbitmq >&2
}

choose_rabbitmq() {
    if [[ -n ${RABBITMQ_URL:-} ]]; then
        ! $restart || give_up "--restart-rabbitmq restarts only a RabbitMQ of this repository; unset RABBITMQ_URL to use one"
        chosen "$RABBITMQ_URL" "given in RABBITMQ_URL"
    elif compose_is_up; then
        use_compose "the container of docker/compose.yaml, already running"
    elif ! $restart && local_lets_us_in; then
        chosen "$LOCAL_URL" "it answers on this machine"
    elif native_is_up; then
        use_native "started earlier by docker/servers.sh"
    elif compose_works && start_compose; then
        use_compose "a container of docker/compose.yaml"
    elif start_native; then
        use_native "Debian's package, started by docker/servers.sh"
    elif $restart; then
        give_up "--restart-rabbitmq needs Docker, or root on Debian, to run a RabbitMQ that may be restarted"
    else
        embedded=true
        note "RabbitMQ: none found and none could be started; running embedded, on the in-memory transport"
    fi
    ! $restart || shop_arguments+=(--restart-command "$restart_command")
}

# ---- PostgreSQL

choose_database() {
    [[ -z $database ]] || shop_arguments+=(--database "$database")
    if [[ $database == postgresql && -z $connection_string ]]; then
        if [[ -n ${BROKER_DEMO_POSTGRES:-} ]]; then
            connection_string=$BROKER_DEMO_POSTGRES
            note "PostgreSQL: given in BROKER_DEMO_POSTGRES"
        else
            "$SERVERS" status postgres >/dev/null 2>&1 || started+=(postgres)
            "$SERVERS" start postgres >&2 || give_up "--database postgresql needs PostgreSQL; set BROKER_DEMO_POSTGRES to a connection string"
            connection_string=$(eval "$("$SERVERS" env postgres)"; printf '%s' "$BROKER_TEST_POSTGRES")
            note "PostgreSQL: Debian's package, by docker/servers.sh"
        fi
    fi
    [[ -z $connection_string ]] || shop_arguments+=(--connection-string "$connection_string")
}

# ---- the shop

build() {
    local output began=$SECONDS
    printf 'Building… ' >&2
    # Build servers that wait for more work would outlive the demo.
    output=$(dotnet build "$ROOT/Samples/Shop" -c Release -v q -nologo --disable-build-servers 2>&1) || {
        note "failed"
        printf '%s\n' "$output" >&2
        give_up "the build failed"
    }
    note "$((SECONDS - began)) s"
}

# In a process group of its own, so that its workers can be ended with it whatever happens to it.
run_shop() {
    local leader=()
    command -v setsid >/dev/null && leader=(setsid)
    (trap - INT QUIT; exec ${leader[@]+"${leader[@]}"} dotnet "$ROOT/artifacts/bin/Shop/release/Shop.dll" run "$@") </dev/null &
    shop=$!
    wait "$shop"
}

end_shop() {
    local deadline=$((SECONDS + 10))
    kill -TERM "$shop" 2>/dev/null
    while kill -0 "$shop" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
    kill -KILL -- "-$shop" 2>/dev/null || kill -KILL "$shop" 2>/dev/null
}

finish() {
    local code=$?
    # A second Ctrl-C must not leave half of it running.
    trap '' INT TERM HUP
    [[ -z $shop ]] || end_shop
    if $compose_started; then "${COMPOSE[@]}" stop rabbitmq >/dev/null 2>&1; fi
    ((${#started[@]} == 0)) || "$SERVERS" stop "${started[@]}" >/dev/null 2>&1
    exit "$code"
}

parse "$@"
command -v dotnet >/dev/null || give_up "dotnet is not on PATH; install the .NET SDK of global.json from https://dot.net"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

$embedded || choose_rabbitmq
choose_database
# From the root, because the SDK looks for global.json upwards from where it is called.
(cd "$ROOT" && build) || exit 1
if $embedded; then
    run_shop --embedded ${shop_arguments[@]+"${shop_arguments[@]}"}
else
    run_shop --rabbitmq "$url" ${shop_arguments[@]+"${shop_arguments[@]}"}
fi
