#!/usr/bin/env bash
# Builds and runs the shop of Samples/Shop on the best RabbitMQ it can find here, and leaves nothing running.
set -uo pipefail
unset CDPATH

usage() {
    cat <<'USAGE'
usage: ./demo.sh [--embedded] [--orders N] [--kill-worker N] [--restart-rabbitmq] [--database ENGINE] [options of Samples/Shop…]

RabbitMQ is, in this order: RABBITMQ_URL, one on this machine that lets guest in, a container (docker/compose.yaml),
Debian's package (docker/servers.sh). With --embedded, or when there is none of these, the shop runs on the in-memory transport.
ENGINE is sqlite (the default), sqlserver, postgresql or mysql. Its server is --connection-string, or BROKER_DEMO_SQLSERVER, BROKER_DEMO_POSTGRES
or BROKER_DEMO_MARIADB, or Debian's package; SQL Server, which Debian does not have, is a container.
USAGE
}

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVERS=$ROOT/docker/servers.sh
COMPOSE=(docker compose -f "$ROOT/docker/compose.yaml")
LOCAL_URL=amqp://guest:guest@localhost:5672/

shop_arguments=()
embedded=false restart=false database='' connection_string=''
url='' restart_command=''
started=() compose_started=() shop=''

note() { printf '%s\n' "$*" >&2; }
give_up() { note "demo.sh: $*"; exit 1; }

parse() {
    while (($#)); do
        case $1 in
            -h | --help) usage; exit 0 ;;
            --embedded) embedded=true ;;
            --restart-rabbitmq) restart=true ;;
            --database) (($# > 1)) || give_up "--database needs sqlite, sqlserver, postgresql or mysql"; database=$2; shift ;;
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
    compose_started+=(rabbitmq)
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

# ---- the database server

choose_database() {
    local engine
    [[ -z $database ]] || shop_arguments+=(--database "$database")
    if [[ -n $connection_string ]]; then
        shop_arguments+=(--connection-string "$connection_string")
        return
    fi
    engine=$(tr '[:upper:]' '[:lower:]' <<<"$database")
    case $engine in
        sqlserver) given_server SQLSERVER || compose_sqlserver || give_up "--database sqlserver needs Docker, or a server: set BROKER_DEMO_SQLSERVER to a connection string" ;;
        postgresql) given_server POSTGRES || native_server postgres || give_up "--database $engine needs PostgreSQL; set BROKER_DEMO_POSTGRES to a connection string" ;;
        mysql | mariadb) given_server MARIADB || native_server mariadb || give_up "--database $engine needs MySQL or MariaDB; set BROKER_DEMO_MARIADB to a connection string" ;;
    esac
}

# The shop is told through its environment: command lines can be read by everyone on the machine.
given_server() {
    local demo=BROKER_DEMO_$1 test=BROKER_TEST_$1
    if [[ -n ${!demo:-} ]]; then
        export "$test=${!demo}"
        note "Database server: given in $demo"
    elif [[ -n ${!test:-} ]]; then
        note "Database server: given in $test"
    else
        return 1
    fi
}

native_server() {
    "$SERVERS" status "$1" >/dev/null 2>&1 || started+=("$1")
    "$SERVERS" start "$1" >&2 || return 1
    eval "$("$SERVERS" env "$1")"
    note "Database server: $1 of Debian's packages, by docker/servers.sh"
}

compose_sqlserver() {
    compose_works || return 1
    if [[ -z $("${COMPOSE[@]}" ps --status running -q sqlserver 2>/dev/null) ]]; then
        note "Starting SQL Server in a container…"
        compose_started+=(sqlserver)
        "${COMPOSE[@]}" up -d --wait sqlserver >&2 || return 1
    fi
    export BROKER_TEST_SQLSERVER="Server=127.0.0.1,1433;User ID=sa;Password=${MSSQL_SA_PASSWORD:-Broker-2022};TrustServerCertificate=true"
    note "Database server: the container of docker/compose.yaml"
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
    ((${#compose_started[@]} == 0)) || "${COMPOSE[@]}" stop "${compose_started[@]}" >/dev/null 2>&1
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
