#!/usr/bin/env bash
# Builds everything and runs the tests against real servers: ./test.sh [dotnet test arguments…]
# The last line counts the tests. Without a server its tests are skipped, except where CI=true: there nothing may be missing.
set -uo pipefail
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

SERVERS=(rabbitmq postgres mariadb redis etcd)
RESULTS=$PWD/artifacts/test-results
STARTED=()
# What goes on beside this script, by its process.
BESIDE=()
BUILD=

on_ci() { [[ ${CI:-} == true ]]; }
note() { printf '%s\n' "$*" >&2; }
give_up() { note "test.sh: $*"; exit 1; }

# On CI a run that silently skips half of the tests would look green.
missing() { on_ci && give_up "$*"; note "warning: $*; the tests that need it are skipped"; }

is_given() {
    local variable; variable=BROKER_TEST_$(tr '[:lower:]' '[:upper:]' <<<"$1")
    [[ -n ${!variable:-} ]]
}

start_servers() {
    local name wanted=()
    for name in "${SERVERS[@]}"; do
        is_given "$name" && continue
        wanted+=("$name")
        docker/servers.sh status "$name" >/dev/null 2>&1 || STARTED+=("$name")
    done
    ((${#wanted[@]})) || return 0
    docker/servers.sh start "${wanted[@]}" || missing "a server could not be started"
    eval "$(docker/servers.sh env "${wanted[@]}")"
}

# Clients in other languages, for the tests of the wire format and of the tables, a browser for those of the dashboard, and what reads the files for Prometheus and Docker.
provide_clients() {
    local packages=()
    /usr/bin/python3 -c 'import pika' 2>/dev/null || packages+=(python3-pika)
    /usr/bin/python3 -c 'import psycopg2' 2>/dev/null || packages+=(python3-psycopg2)
    [[ -x /usr/bin/chromium || -x /usr/bin/google-chrome ]] || packages+=(chromium)
    /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || packages+=(python3-prometheus-client)
    command -v sqlite3 >/dev/null || packages+=(sqlite3)
    command -v psql >/dev/null || packages+=(postgresql-client)
    command -v mysql >/dev/null || packages+=(default-mysql-client)
    command -v promtool >/dev/null || packages+=(prometheus)
    docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || packages+=(docker-compose)
    ((${#packages[@]} == 0)) || docker/servers.sh install "${packages[@]}" || missing "${packages[*]} could not be installed"
}

# Beside what is installed and started meanwhile, which takes about as long on a bare machine.
begin_build() {
    note "Building…"
    dotnet build Broker.sln -c Release -v q -nologo --disable-build-servers >"$RESULTS/build.log" 2>&1 </dev/null &
    BUILD=$!
}

end_build() {
    local code=0
    wait "$BUILD" || code=$?
    BUILD=
    ((code == 0)) || { cat "$RESULTS/build.log"; give_up "the build failed"; }
}

# dotnet_test NAME ARGUMENT…: one run of the tests, whose results are called NAME.
dotnet_test() {
    local name=$1
    shift
    # Build nodes that wait for more work would outlive the run.
    MSBUILDDISABLENODEREUSE=1 dotnet test Broker.Tests -c Release --no-build --nologo \
        --logger 'console;verbosity=normal' --logger "trx;LogFilePrefix=$name" --results-directory "$RESULTS" "$@"
}

# What a filter leaves out.
none_of() { sed 's/~/!~/g; s/|/\&/g' <<<"$1"; }

# Most tests wait for servers and processes, so LANES parts go on beside each other, each in a process of its own, the longest first.
# Two of them keep two cores busy; a third makes tests wait for each other.
# Those that restart a server, or need a machine that is not busy, come after them.
LANES=2
CONSUMERS='FullyQualifiedName~.DeferralTests|FullyQualifiedName~.KeySequenceTests|FullyQualifiedName~.ConsumerTests|FullyQualifiedName~.BatchTests|FullyQualifiedName~.ReceiptTests'
COMMANDS='FullyQualifiedName~.BenchTests.|FullyQualifiedName~.CommandLineTests'
WORKERS='FullyQualifiedName~.ImageTests|FullyQualifiedName~.SampleTests|FullyQualifiedName~.ProcessTraceTests|FullyQualifiedName~.JobStorageTests|FullyQualifiedName~.ConfigurationReloadTests|FullyQualifiedName~.EndToEnd.Worker|FullyQualifiedName~.EndToEnd.Dashboard'
PARTS=(
    crash 'TestCategory!=Alone&FullyQualifiedName~.Crash.'
    end-to-end "FullyQualifiedName~.EndToEnd.&$(none_of "$CONSUMERS|$COMMANDS|$WORKERS")"
    commands "$COMMANDS"
    workers "$WORKERS"
    consumers "$CONSUMERS"
    conformance 'TestCategory!=Alone&FullyQualifiedName~.Conformance.'
    others 'TestCategory!=Alone&FullyQualifiedName!~.Crash.&FullyQualifiedName!~.EndToEnd.&FullyQualifiedName!~.Conformance.'
)

run_tests() {
    local code=0 at
    if (($#)); then
        dotnet_test tests "$@"
        return
    fi
    for ((at = 0; at < ${#PARTS[@]}; at += 2)); do
        ((${#BESIDE[@]} < LANES)) || await_part || code=$?
        note "Running ${PARTS[at]}…"
        dotnet_test "${PARTS[at]}" --filter "${PARTS[at + 1]}" >"$RESULTS/${PARTS[at]}.log" 2>&1 </dev/null &
        BESIDE[$!]=${PARTS[at]}
    done
    while ((${#BESIDE[@]})); do
        await_part || code=$?
    done
    dotnet_test alone --filter 'TestCategory=Alone' || code=$?
    return "$code"
}

# Waits until one of the parts that go on has ended, and shows what it said.
await_part() {
    local code=0 ended
    wait -n -p ended "${!BESIDE[@]}" || code=$?
    cat "$RESULTS/${BESIDE[ended]}.log"
    unset "BESIDE[$ended]"
    return "$code"
}

# Adds up one attribute of <Counters total="12" executed="11" passed="11" …/> over all result files.
sum_of() {
    cat "$RESULTS"/*.trx 2>/dev/null | grep -o '<Counters [^>]*' | grep -o " $1=\"[0-9]*\"" | tr -cd '0-9\n' | awk '{ sum += $1 } END { print sum + 0 }'
}

# What failed and why, once more at the end, where it is not lost between a thousand lines.
failures() {
    cat "$RESULTS"/*.trx 2>/dev/null | awk '
        function value(line, name) { return match(line, " " name "=\"[^\"]*\"") ? substr(line, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "" }
        function plain(text) { gsub(/&quot;/, "\"", text); gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&amp;/, "\\&", text); return text }
        /<UnitTestResult / { id = /outcome="Failed"/ ? value($0, "testId") : ""; if (id != "") order[++count] = id; lines = 0; inside = 0 }
        id != "" && /<Message>/ { inside = 1; sub(/.*<Message>/, "") }
        inside && lines < 12 { text = $0; sub(/<\/Message>.*/, "", text); if (text != "") { why[id] = why[id] "      " plain(text) "\n"; lines++ } }
        /<\/Message>/ { inside = 0 }
        /<UnitTest / { test = value($0, "id"); title[test] = value($0, "name") }
        /<TestMethod / { class[test] = value($0, "className") }
        END { for (i = 1; i <= count; i++) printf "  %s.%s\n%s", plain(class[order[i]]), plain(title[order[i]]), why[order[i]] }'
}

finish() {
    local code=$? passed failed skipped
    trap '' INT TERM HUP
    local job
    for job in "${!BESIDE[@]}" $BUILD; do
        { kill "$job"; wait "$job"; } 2>/dev/null
    done
    ((${#STARTED[@]} == 0)) || docker/servers.sh stop "${STARTED[@]}" >/dev/null
    passed=$(sum_of passed)
    failed=$(($(sum_of failed) + $(sum_of error) + $(sum_of timeout) + $(sum_of aborted)))
    # VSTest leaves notExecuted at 0: what neither passed nor failed was skipped.
    skipped=$(($(sum_of total) - passed - failed))
    if ((failed == 0)) && ((code != 0 || passed + skipped == 0)); then
        # A crashed test host, a failed build or a filter that matches nothing.
        ((passed + skipped == 0)) || note "test.sh: no test failed, but the run did (exit code $code)"
        failed=1
    fi
    ((failed == 0 || code != 0)) || code=1
    ((failed == 0)) || { echo "Failed:"; failures; }
    echo "$passed passed, $failed failed, $skipped skipped"
    exit "$code"
}

# Hundreds of short processes: none lives long enough for what the compiler measures in it to pay.
export DOTNET_TieredPGO=0

rm -rf "$RESULTS"
mkdir -p "$RESULTS"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) || give_up "bash $BASH_VERSION is too old; 5.1 or later is needed"
command -v dotnet >/dev/null || give_up "dotnet is not on PATH; install the .NET SDK of global.json from https://dot.net"
begin_build
start_servers
provide_clients
end_build
run_tests "$@"
