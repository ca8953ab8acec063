#!/usr/bin/env bash
# Runs the steps of the Dockerfile where there is no Docker, and tries what they made as the container would:
# publish, a folder without anything that only a developer needs, a user without rights and with nothing to write to, the health check, SIGTERM.
# docker/try-image.sh [folder]; needs Linux, the .NET SDK, setpriv, and a RabbitMQ named by BROKER_TEST_RABBITMQ.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rabbitmq=${BROKER_TEST_RABBITMQ:?Set it to the URI of a RabbitMQ, for example by: eval "$(docker/servers.sh env)"}
work=${1:-$(mktemp -d)}
[[ ${1:-} ]] || trap 'rm -rf "$work"' EXIT
fail() { echo "try-image: $*" >&2; exit 1; }

ARTIFACTS=$work/artifacts "$root/docker/publish.sh" "$work/app"
[[ -f $work/app/Broker.dll ]] || fail "nothing was published"
unwanted=$(find "$work/app" \( -name '*.pdb' -o -name '*.xml' -o -name '*.cs' -o -name '*.csproj' -o -name 'appsettings*.json' -o -name '*Tests*' -o -name 'Outbox.Testing*' -o -path '*/runtimes/win*' -o -path '*/runtimes/osx*' \))
[[ -z $unwanted ]] || fail "the image would hold: $unwanted"
echo "published: $(find "$work/app" -type f | wc -l) files, $(du -sh "$work/app" | cut -f1)"

# As the image: the user without rights that has the number of the image's, a home that is not there, files that belong to root.
mkdir -p "$work/data"
chmod 755 "$work" "$work/app"
chmod -R a+rX "$work/app"
become_user() { exec env -i PATH="$PATH" HOME=/nonexistent DOTNET_EnableDiagnostics=0 DOTNET_ROOT="${DOTNET_ROOT:-}" \
    Broker__Http__Urls="http://*:$port" Broker__RabbitMq__Uri="$rabbitmq" Broker__Sources__orders__Database=Sqlite Broker__Sources__orders__ConnectionString="Data Source=$work/data/orders.db" \
    "${lower[@]}" "$@"; }
as_user() { (become_user "$@"); }
lower=()
if [[ $(id -u) == 0 ]]; then
    chown 1654:1654 "$work/data"
    lower=(setpriv --reuid=1654 --regid=1654 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all --)
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
dotnet=$(command -v dotnet)
cd "$work/app"

as_user "$dotnet" Broker.dll schema --source orders --create
# Without a shell in between: what is started is the worker itself.
become_user "$dotnet" Broker.dll run > "$work/log" 2>&1 &
worker=$!
trap 'kill -9 $worker 2> /dev/null || true; [[ ${1:-} ]] || rm -rf "$work"' EXIT
for _ in $(seq 60); do
    healthy=$(as_user "$dotnet" Broker.dll health 2> "$work/health") && break
    kill -0 $worker 2> /dev/null || fail "the worker has ended: $(cat "$work/log")"
    sleep 0.5
done
[[ ${healthy:-} ]] || fail "the health check never succeeded: $(cat "$work/health") $(cat "$work/log")"
[[ $(id -u) != 0 || $(stat -c %u "/proc/$worker") == 1654 ]] || fail "the worker runs as the user $(stat -c %u "/proc/$worker")"
echo "healthy as the user $(stat -c %u "/proc/$worker")"

began=$(date +%s%N)
kill -TERM $worker
code=0
wait $worker || code=$?
took=$((($(date +%s%N) - began) / 1000000))
[[ $code == 0 ]] || fail "SIGTERM ended it with exit code $code: $(cat "$work/log")"
[[ $took -lt 10000 ]] || fail "SIGTERM took $took ms"
echo "SIGTERM: exit code 0 after $took ms"
