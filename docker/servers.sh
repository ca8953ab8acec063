#!/usr/bin/env bash
# The servers of docker/compose.yaml without a container engine: Debian's packages, on loopback, with ports and data folders of their own.
set -uo pipefail
umask 022
unset CDPATH
PATH=$PATH:/usr/sbin:/sbin

usage() {
    cat <<'USAGE'
usage: docker/servers.sh start|stop|restart|status|env [NAME…]
       docker/servers.sh kill NAME…          SIGKILL, as a crash would
       docker/servers.sh ctl ARGUMENT…       rabbitmqctl against our own RabbitMQ
       docker/servers.sh login HOST PORT     does a RabbitMQ there let guest in?
       docker/servers.sh install PACKAGE…    Debian packages, without starting what they bring
       docker/servers.sh cluster …           three RabbitMQ nodes, and what can happen to them; 'cluster help' tells more

NAME is rabbitmq, postgres, mariadb, redis or etcd; all of them when none is given. etcd are three nodes, each also by itself: etcd-n1, etcd-n2, etcd-n3.
Data and logs: ${BROKER_SERVERS_DIR:-/tmp/broker-servers}. Ports: BROKER_RABBITMQ_PORT, BROKER_POSTGRES_PORT and so on.
USAGE
}

SELF=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/servers.sh
# shellcheck source=cluster.sh
. "${SELF%/*}/cluster.sh"
ROOT=${BROKER_SERVERS_DIR:-/tmp/broker-servers}
[[ $ROOT == /* ]] || ROOT=$PWD/$ROOT
ALL=(rabbitmq postgres mariadb redis etcd)
ETCD=(etcd-n1 etcd-n2 etcd-n3)

# Below 32768: from there on Linux gives ports to outgoing connections, and one of those would keep a server that restarts from its own.
port_of() {
    case $1 in
        rabbitmq) echo "${BROKER_RABBITMQ_PORT:-27672}" ;;
        postgres) echo "${BROKER_POSTGRES_PORT:-27432}" ;;
        mariadb) echo "${BROKER_MARIADB_PORT:-27306}" ;;
        redis) echo "${BROKER_REDIS_PORT:-27379}" ;;
        etcd) echo "${BROKER_ETCD_PORT:-27479}" ;;
        etcd-n*) echo $(($(port_of etcd) + 2 * (${1#etcd-n} - 1))) ;;
        epmd) echo "${BROKER_EPMD_PORT:-27369}" ;;
        cluster-*) cluster_port_of "$1" ;;
    esac
}

# The port between nodes of one kind: RabbitMQ's distribution, etcd's peers.
inner_port_of() {
    case $1 in
        rabbitmq | etcd-n*) echo $(($(port_of "$1") + 1)) ;;
        cluster-*) cluster_inner_port_of "$1" ;;
    esac
}

package_of() {
    case $1 in postgres) echo postgresql ;; etcd-*) echo etcd-server ;; *) echo "$1-server" ;; esac
}

user_of() {
    case $1 in epmd | cluster-*) echo rabbitmq ;; mariadb) echo mysql ;; etcd-*) echo etcd ;; *) echo "$1" ;; esac
}

complain() { printf '%-9s %s\n' "$1" "$2" >&2; }
fail() { complain "$1" "$2"; exit 1; }
say() { printf '%-9s %s\n' "$1" "$2"; }
now() { date +%s%N; }
since() { local tenths=$((($(now) - $1) / 100000000)); echo "$((tenths / 10)).$((tenths % 10)) s"; }
is_root() { [[ $(id -u) == 0 ]]; }

# ---- packages

postgres_bin() { printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1; }

is_installed() {
    case $1 in
        rabbitmq | cluster-*) [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] ;;
        postgres) [[ -x $(postgres_bin)/postgres ]] ;;
        mariadb) command -v mariadbd mariadb-install-db >/dev/null ;;
        redis) command -v redis-server >/dev/null ;;
        etcd-*) command -v etcd >/dev/null ;;
    esac
}

install_missing() {
    local name packages=()
    for name; do is_installed "$name" || [[ " ${packages[*]} " == *" $(package_of "$name") "* ]] || packages+=("$(package_of "$name")"); done
    ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
}

# In a session of its own: Ctrl-C must not leave dpkg half-way.
apt() {
    DEBIAN_FRONTEND=noninteractive setsid --wait timeout 300 apt-get -q -o DPkg::Lock::Timeout=120 "$@" </dev/null >>"$ROOT/apt.log" 2>&1
}

install_packages() (
    if ! is_root || ! command -v apt-get >/dev/null; then
        fail install "needs root and apt-get; install by hand: apt-get install --no-install-recommends $*"
    fi
    local began; began=$(now)
    exec 9>"$ROOT/install.lock"
    flock -w 600 9 || fail install "another installation has been running for ten minutes"
    # Debian starts what it installs, on the default port, unless told not to.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    say install "$*"
    : >"$ROOT/apt.log"
    if ! apt install -y --no-install-recommends "$@"; then
        apt update
        apt install -y --no-install-recommends "$@" || {
            tail -n 5 "$ROOT/apt.log" >&2
            fail install "apt-get could not install $*; see $ROOT/apt.log"
        }
    fi
    say install "done in $(since "$began")"
)

# ---- processes: only those in our pid files are ever signalled

# A pid alone may belong to anyone after a crash or a reboot; with its start time and the boot it names one process for good. Empty for a zombie.
identity() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] || return 1
    echo "$(</proc/sys/kernel/random/boot_id) ${fields[19]}"
}

pid_of() {
    local pid known
    { read -r pid && read -r known; } 2>/dev/null <"$ROOT/$1/pid" || return 1
    [[ $(identity "$pid") == "$known" ]] || return 1
    echo "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

# Becomes the command, as the server's own user: PostgreSQL refuses root, and RabbitMQ's and Debian's wrappers would `su`.
become() {
    local name=$1; shift
    local user; user=$(user_of "$name")
    if is_root; then
        exec setpriv --reuid="$user" --regid="$user" --init-groups env HOME="$ROOT/$name" "$@"
    else
        exec env HOME="$ROOT/$name" "$@"
    fi
}

# A server keeps none of the caller's descriptors, or `servers.sh start | tee` would never end and our lock would never be free.
close_descriptors() {
    local fd
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        ((fd <= 2 || fd == 255)) || eval "exec $fd>&-"
    done
}

spawn() {
    local name=$1; shift
    # A script's background jobs ignore SIGINT and SIGQUIT; a server should not inherit that.
    (trap - INT QUIT; close_descriptors; become "$name" setsid "$@") </dev/null >>"$ROOT/$name/log" 2>&1 &
    printf '%s\n%s\n' "$!" "$(identity "$!")" >"$ROOT/$name/pid"
}

await_end() {
    local name=$1 deadline=$((SECONDS + $2))
    while is_running "$name"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# ---- is it there, and is it the right thing?

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The threads of a killed server may outlive it for a moment, and keep its port.
await_silence() {
    local deadline=$((SECONDS + $2))
    while is_listening "$(port_of "$1")"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

exchange() (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf '%b' "$2" >&3
    timeout 2 head -c "$3" <&3
) 2>/dev/null

hex() { od -An -v -tx1 | tr -d ' \n'; }

# Class and method of the next AMQP frame.
amqp_method() {
    local header payload
    header=$(timeout 3 head -c 7 <&3 | hex)
    [[ $header == 01* && ${#header} == 14 ]] || return 1
    payload=$(timeout 3 head -c $((16#${header:6:8} + 1)) <&3 | hex)
    echo "${payload:0:8}"
}

# connection.start, start-ok as guest, connection.tune: as far as only a RabbitMQ that accepts us goes. `rabbitmqctl` would cost a second a call.
amqp_login() (
    exec 3<>"/dev/tcp/$1/$2" || exit 1
    printf 'AMQP\0\0\11\1' >&3
    [[ $(amqp_method) == 000a000a ]] || exit 1
    printf '\1\0\0\0\0\0\44\0\12\0\13\0\0\0\0\5PLAIN\0\0\0\14\0guest\0guest\5en_US\316' >&3
    [[ $(amqp_method) == 000a001e ]]
) 2>/dev/null

answers() {
    local port; port=$(port_of "$1")
    case $1 in
        epmd | cluster-epmd) is_listening "$port" ;;
        rabbitmq | cluster-*) amqp_login 127.0.0.1 "$port" ;;
        postgres) "$(postgres_bin)/pg_isready" -q -t 2 -h 127.0.0.1 -p "$port" ;;
        mariadb) mariadb-admin --no-defaults -h 127.0.0.1 -P "$port" -u broker -pbroker --connect-timeout=2 ping >/dev/null 2>&1 ;;
        redis) [[ $(exchange "$port" 'PING\r\n' 5) == +PONG ]] ;;
        etcd-*) [[ $(exchange "$port" 'GET /health HTTP/1.0\r\n\r\n' 1000) == *'"true"'* ]] ;;
    esac
}

is_up() { is_running "$1" && answers "$1"; }

# ---- how each one is started

launch_epmd() { spawn epmd epmd -address 127.0.0.1 -port "$(port_of epmd)"; }

# Everything RabbitMQ and its tools would otherwise look for in /etc, /var or on the default ports.
rabbitmq_environment() {
    local name=$1 data=$ROOT/$1 loopback='-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false'
    local port; port=$(inner_port_of "$name")
    export ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME=broker@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
    export RABBITMQ_CONF_ENV_FILE=$data/none RABBITMQ_CONFIG_FILE=$data/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE=$data/plugins
    export RABBITMQ_MNESIA_BASE=$data/data RABBITMQ_LOG_BASE=$data/logs RABBITMQ_GENERATED_CONFIG_DIR=$data/generated
    # Erlang's threads would spin for a while before they sleep: on two cores they take that time from whom they wait for.
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="$loopback +sbwt none +sbwtdcpu none +sbwtdio none" RABBITMQ_CTL_ERL_ARGS=$loopback RABBITMQ_DIST_PORT=$port
    export RABBITMQ_CTL_DIST_PORT_MIN=$((port + 100)) RABBITMQ_CTL_DIST_PORT_MAX=$((port + 140))
    ERL_EPMD_PORT=$(port_of epmd)
    RABBITMQ_NODE_PORT=$(port_of "$name")
    # With it the start script becomes the Erlang VM, so that our pid is the server's; -noinput then has to be said.
    export ERL_EPMD_PORT RABBITMQ_NODE_PORT RABBITMQ_ALLOW_INPUT=1
}

launch_rabbitmq() (
    cd "$ROOT/rabbitmq" || exit 1
    [[ -s .erlang.cookie ]] || head -c 20 /dev/urandom | hex >.erlang.cookie
    chmod 400 .erlang.cookie
    [[ -e plugins ]] || echo '[].' >plugins
    cat >rabbitmq.conf <<CONF
listeners.tcp.default = 127.0.0.1:$(port_of rabbitmq)
loopback_users = none
disk_free_limit.absolute = 256MB
vm_memory_high_watermark.absolute = 2GB
log.file.level = warning
CONF
    is_root && chown rabbitmq:rabbitmq .erlang.cookie plugins rabbitmq.conf
    launch epmd || exit 1
    rabbitmq_environment rabbitmq
    spawn rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server -noinput
)

launch_postgres() {
    local data=$ROOT/postgres/data bin; bin=$(postgres_bin)
    create_once postgres "$bin/initdb" -D "$data.new" -U postgres --auth=trust --no-locale -E UTF8 || return 1
    drop_stale_postmaster_pid "$data/postmaster.pid"
    spawn postgres "$bin/postgres" -D "$data" -p "$(port_of postgres)" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c max_connections=1000 -c max_prepared_transactions=200 -c wal_level=logical -c shared_buffers=1GB -c max_wal_size=4GB
}

# After a reboot its pid may belong to somebody else, and PostgreSQL would refuse. A dead pid stays: PostgreSQL then looks for orphans of the crash.
drop_stale_postmaster_pid() {
    local pid
    { read -r pid <"$1"; } 2>/dev/null && [[ -e /proc/$pid && $(<"/proc/$pid/comm") != postgres ]] && rm -f "$1"
    return 0
}

launch_mariadb() {
    local data=$ROOT/mariadb
    create_once mariadb mariadb-install-db --no-defaults --datadir="$data/data.new" --auth-root-authentication-method=normal --skip-test-db || return 1
    cat >"$data/init.sql" <<'SQL'
create user if not exists broker@'127.0.0.1' identified by 'broker';
grant all privileges on *.* to broker@'127.0.0.1' with grant option;
SQL
    spawn mariadb mariadbd --no-defaults --datadir="$data/data" --socket="$data/socket" --bind-address=127.0.0.1 --port="$(port_of mariadb)" \
        --init-file="$data/init.sql" --skip-name-resolve --max-connections=300 --log-bin="$data/data/binlog" --binlog-format=ROW --server-id=1 \
        --binlog-row-image=MINIMAL --innodb-buffer-pool-size=1G --innodb-log-file-size=1G
}

launch_redis() {
    spawn redis redis-server --bind 127.0.0.1 --port "$(port_of redis)" --dir "$ROOT/redis" --save '' --appendonly yes
}

# Three nodes, so that a majority decides and each may be away. A node alone has no leader and is not up.
launch_etcd-n1() { launch_etcd_node etcd-n1; }
launch_etcd-n2() { launch_etcd_node etcd-n2; }
launch_etcd-n3() { launch_etcd_node etcd-n3; }

launch_etcd_node() {
    local client peer node members=()
    client=http://127.0.0.1:$(port_of "$1")
    peer=http://127.0.0.1:$(inner_port_of "$1")
    for node in "${ETCD[@]}"; do members+=("$node=http://127.0.0.1:$(inner_port_of "$node")"); done
    # The nodes remember each other's ports: other ports are another cluster, with data of its own.
    spawn "$1" etcd --name "$1" --data-dir "$ROOT/$1/data-$(port_of etcd)" --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "$(IFS=,; echo "${members[*]}")" \
        --initial-cluster-token "broker-$(port_of etcd)" --logger zap --log-outputs stderr
}

# A data folder appears whole or not at all, also when its creation is interrupted.
create_once() {
    local name=$1 data=$ROOT/$1/data; shift
    [[ ! -d $data ]] || return 0
    rm -rf "$data.new"
    (become "$name" timeout 120 "$@") </dev/null >>"$ROOT/$name/log" 2>&1 && mv "$data.new" "$data"
}

own_folder() {
    local folder=$ROOT/$1 user; user=$(user_of "$1")
    mkdir -p "$folder"
    ! is_root || chown "$user:$user" "$folder"
    (become "$1" test -w "$folder") || fail "$1" "user $user cannot write to $folder; choose another BROKER_SERVERS_DIR"
}

launch() {
    local name=$1 port setting=${1^^}
    is_running "$name" && return 0
    setting=${setting%%-*}
    for port in $(port_of "$name") $(inner_port_of "$name"); do
        ! is_listening "$port" || fail "$name" "port $port is taken by a server that is not ours; stop that one, or set BROKER_${setting}_PORT"
    done
    own_folder "$name"
    "launch_$name"
}

# ---- commands, for one server

start() {
    local name=$1 began deadline=$((SECONDS + 90))
    began=$(now)
    is_installed "$name" || fail "$name" "is not installed; as root: apt-get install --no-install-recommends $(package_of "$name")"
    if is_up "$name"; then
        say "$name" "is up already on 127.0.0.1:$(port_of "$name")"
        return 0
    fi
    launch "$name" || fail "$name" "could not be prepared; see $ROOT/$name/log"
    until answers "$name"; do
        if ! is_running "$name"; then
            # A killed PostgreSQL's last backends may outlive it for a moment and hold its shared memory.
            if [[ $name == postgres ]] && ((SECONDS < deadline - 75)); then
                sleep 0.5
                launch postgres
                continue
            fi
            tail -n 5 "$ROOT/$name/log" >&2
            fail "$name" "ended while it was starting; see $ROOT/$name/log"
        fi
        ((SECONDS < deadline)) || fail "$name" "does not answer on 127.0.0.1:$(port_of "$name") after 90 s; see $ROOT/$name/log"
        sleep 0.1
    done
    is_running "$name" || fail "$name" "ended while it was starting; see $ROOT/$name/log"
    say "$name" "up in $(since "$began") on 127.0.0.1:$(port_of "$name")"
}

# PostgreSQL's SIGTERM waits for its clients; SIGINT does not.
stop_signal_of() { case $1 in postgres) echo INT ;; *) echo TERM ;; esac; }

stop_process() {
    local name=$1 pid
    pid=$(pid_of "$name") || return 1
    kill -s "$(stop_signal_of "$name")" "$pid"
    if ! await_end "$name" 30; then
        complain "$name" "did not stop within 30 s: killed"
        kill -s KILL "$pid"
        await_end "$name" 10
    fi
    rm -f "$ROOT/$name/pid"
}

stop() {
    local name=$1 began; began=$(now)
    if stop_process "$name"; then say "$name" "down in $(since "$began")"; else say "$name" "was not running"; fi
    # epmd outlives its node.
    [[ $name != rabbitmq ]] || stop_process epmd || true
}

restart() { stop "$1" && start "$1"; }

crash() {
    local pid
    pid=$(pid_of "$1") || fail "$1" "is not running"
    kill -s KILL "$pid"
    { await_end "$1" 10 && await_silence "$1" 10; } || fail "$1" "is still there 10 s after SIGKILL"
    say "$1" "killed"
}

status() {
    local pid state=down
    if pid=$(pid_of "$1"); then
        state=starting
        answers "$1" && state=up
    fi
    printf '%-9s %-8s pid %-8s port %s\n' "$1" "$state" "${pid:--}" "$(port_of "$1")"
    [[ $state == up ]]
}

etcd_exports() {
    local node endpoints=()
    for node in "${ETCD[@]}"; do is_up "$node" && endpoints+=("http://127.0.0.1:$(port_of "$node")"); done
    ((${#endpoints[@]} == 0)) || echo "export BROKER_TEST_ETCD='$(IFS=,; echo "${endpoints[*]}")'"
}

exports() {
    local port; port=$(port_of "$1")
    [[ $1 != etcd ]] || { etcd_exports; return 0; }
    is_up "$1" || return 0
    case $1 in
        rabbitmq) echo "export BROKER_TEST_RABBITMQ='amqp://guest:guest@127.0.0.1:$port/'" ;;
        postgres) echo "export BROKER_TEST_POSTGRES='Host=127.0.0.1;Port=$port;Username=postgres;Database=postgres'" ;;
        mariadb) echo "export BROKER_TEST_MARIADB='Server=127.0.0.1;Port=$port;User ID=broker;Password=broker;Database=mysql'" ;;
        redis) echo "export BROKER_TEST_REDIS='127.0.0.1:$port'" ;;
    esac
}

ctl() {
    is_running rabbitmq || fail rabbitmq "is not running; start it: docker/servers.sh start rabbitmq"
    rabbitmq_environment rabbitmq
    become rabbitmq /usr/lib/rabbitmq/bin/rabbitmqctl "$@"
}

# ---- commands, for several

# Each server in a process of its own, one change at a time for each: RabbitMQ alone takes longer than all the others together.
in_parallel() {
    local action=$1 name job jobs=() code=0; shift
    for name; do
        (
            exec 9>"$ROOT/$name.lock"
            flock -w 180 9 || fail "$name" "is being started or stopped by another process for three minutes"
            "$action" "$name"
        ) &
        jobs+=("$!")
    done
    trap 'kill "${jobs[@]}" 2>/dev/null; exit 130' INT TERM HUP
    for job in "${jobs[@]}"; do wait "$job" || code=1; done
    return "$code"
}

one_by_one() {
    local action=$1 name code=0; shift
    for name; do "$action" "$name" || code=1; done
    return "$code"
}

own_root() {
    mkdir -p "$ROOT" 2>/dev/null
    [[ -O $ROOT && -w $ROOT ]] || fail servers "$ROOT cannot be used: it must be a folder of user $(id -un); set BROKER_SERVERS_DIR"
    cd "$ROOT" || exit 1
}

known() {
    local name
    for name; do
        case " ${ALL[*]} ${ETCD[*]} " in *" $name "*) ;; *) fail servers "does not know '$name'; known: ${ALL[*]}" ;; esac
    done
}

# etcd stands for its nodes.
processes_of() {
    local name
    for name; do if [[ $name == etcd ]]; then printf '%s\n' "${ETCD[@]}"; else echo "$name"; fi; done
}

main() {
    local command=${1:-} names=()
    (($# == 0)) || shift
    case $command in
        ctl | login | install | cluster) ;;
        kill) (($#)) || fail servers "kill needs the name of a server: ${ALL[*]}"; known "$@" ;;
        start | stop | restart | status | env) (($#)) || set -- "${ALL[@]}"; known "$@" ;;
        '' | -h | --help | help) usage; return ;;
        *) usage >&2; return 2 ;;
    esac
    [[ $command == login ]] || own_root
    case $command in
        start | stop | restart | kill | status)
            mapfile -t names < <(processes_of "$@")
            set -- "${names[@]}"
            ;;
    esac
    case $command in
        start) install_missing "$@"; in_parallel start "$@" ;;
        stop) in_parallel stop "$@" ;;
        restart) in_parallel restart "$@" ;;
        kill) one_by_one crash "$@" ;;
        status) one_by_one status "$@" ;;
        env) one_by_one exports "$@"; echo "export BROKER_SERVERS='$SELF'" ;;
        ctl) ctl "$@" ;;
        login) (($# == 2)) || fail servers "login needs a host and a port"; amqp_login "$1" "$2" ;;
        install) install_packages "$@" ;;
        cluster) cluster "$@" ;;
    esac
}

main "$@"
