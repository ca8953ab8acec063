# shellcheck shell=bash
# Part of servers.sh: three RabbitMQ nodes in one cluster, to be killed, frozen and cut off. Ports: epmd BROKER_CLUSTER_PORT, AMQP the next three.

CLUSTER=(n1 n2 n3)

cluster_usage() {
    cat <<'USAGE'
usage: docker/servers.sh cluster start|stop|status|env
       docker/servers.sh cluster kill|start-node|stop-node NODE   SIGKILL; start again; an orderly end
       docker/servers.sh cluster freeze|thaw NODE                 SIGSTOP, SIGCONT
       docker/servers.sh cluster isolate NODE | heal              cut it off from the other two, until healed
       docker/servers.sh cluster alarm NODE | clear-alarm NODE    a disk that is full, by the node's limit
       docker/servers.sh cluster leader QUEUE [VHOST]             the node that leads a quorum queue
       docker/servers.sh cluster ctl NODE ARGUMENT…               rabbitmqctl there

NODE is n1, n2 or n3. Ports: BROKER_CLUSTER_PORT (27900, epmd's) and the next 60.
USAGE
}

cluster_base() { echo "${BROKER_CLUSTER_PORT:-27900}"; }
cluster_number() { echo "${1##*-n}"; }

# Called by port_of and inner_port_of for cluster-epmd, cluster-n1 and so on.
cluster_port_of() {
    case $1 in
        cluster-epmd) cluster_base ;;
        *) echo $(($(cluster_base) + $(cluster_number "$1"))) ;;
    esac
}

cluster_inner_port_of() { case $1 in cluster-n*) echo $(($(cluster_base) + 10 + $(cluster_number "$1"))) ;; esac; }

launch_cluster-epmd() { spawn cluster-epmd epmd -address 127.0.0.1 -port "$(port_of cluster-epmd)"; }

launch_cluster-n1() { launch_cluster_node cluster-n1; }
launch_cluster-n2() { launch_cluster_node cluster-n2; }
launch_cluster-n3() { launch_cluster_node cluster-n3; }

cluster_environment() {
    local number base; number=$(cluster_number "$1"); base=$(cluster_base)
    rabbitmq_environment "$1"
    export RABBITMQ_NODENAME=n$number@localhost
    ERL_EPMD_PORT=$(port_of cluster-epmd)
    export ERL_EPMD_PORT
    export RABBITMQ_CTL_DIST_PORT_MIN=$((base + 21)) RABBITMQ_CTL_DIST_PORT_MAX=$((base + 60))
}

launch_cluster_node() (
    local name=$1 node
    cd "$ROOT/$name" || exit 1
    install_cookie || exit 1
    [[ -e plugins ]] || echo '[].' >plugins
    {
        cat <<CONF
listeners.tcp.default = 127.0.0.1:$(port_of "$name")
loopback_users = none
disk_free_limit.absolute = 256MB
vm_memory_high_watermark.absolute = 1GB
log.file.level = warning
net_ticktime = 10
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
CONF
        for node in "${CLUSTER[@]}"; do echo "cluster_formation.classic_config.nodes.${node#n} = $node@localhost"; done
    } >rabbitmq.conf
    ! is_root || chown rabbitmq:rabbitmq .erlang.cookie plugins rabbitmq.conf
    cluster_environment "$name"
    spawn "$name" /usr/lib/rabbitmq/bin/rabbitmq-server -noinput
)

# The same in each node's home. Erlang wants it readable by its owner alone, so it is replaced, not written.
install_cookie() { rm -f .erlang.cookie && install -m 400 "$ROOT/cluster-cookie" .erlang.cookie; }

cluster_ctl() (
    local name=cluster-$1; shift
    is_running "$name" || fail "$name" "is not running; start it: docker/servers.sh cluster start-node ${name#cluster-}"
    cluster_environment "$name"
    become "$name" timeout 60 /usr/lib/rabbitmq/bin/rabbitmqctl -q "$@"
)

cluster_start() {
    local node deadline=$((SECONDS + 60))
    install_missing rabbitmq
    [[ -s $ROOT/cluster-cookie ]] || (umask 077; head -c 20 /dev/urandom | hex >"$ROOT/cluster-cookie")
    # Alone: three that find none would each start one.
    is_running cluster-epmd || launch cluster-epmd || return 1
    in_parallel start "${CLUSTER[@]/#/cluster-}" || return 1
    until [[ $(cluster_ctl n1 eval 'length(rabbit_nodes:all_running()).' 2>/dev/null) == "${#CLUSTER[@]}" ]]; do
        ((SECONDS < deadline)) || fail cluster "its nodes are up but do not form one cluster; see $ROOT/cluster-n*/logs"
        sleep 0.5
    done
    say cluster "of ${#CLUSTER[@]} nodes is up"
}

cluster_stop() {
    local node pid
    for node in "${CLUSTER[@]}"; do
        # A frozen process would not hear that it shall end.
        ! pid=$(pid_of "cluster-$node") || kill -s CONT "$pid"
    done
    in_parallel stop "${CLUSTER[@]/#/cluster-}"
    stop_process cluster-epmd || true
    rm -f "$ROOT"/cluster-isolated
}

cluster_signal() {
    local pid
    pid=$(pid_of "cluster-$1") || fail "cluster-$1" "is not running"
    kill -s "$2" "$pid"
}

# A peer whose cookie it does not believe cannot connect, nor be connected to.
cluster_isolate() {
    cluster_ctl "$1" eval '[begin erlang:set_cookie(N, nope), erlang:disconnect_node(N) end || N <- ['"$(cluster_peers "$1")"']], ok.' >/dev/null || return 1
    echo "$1" >>"$ROOT/cluster-isolated"
    say "cluster-$1" "is cut off from the others"
}

cluster_heal() {
    local node
    [[ -e $ROOT/cluster-isolated ]] || return 0
    while read -r node; do
        is_running "cluster-$node" || continue
        cluster_ctl "$node" eval '[erlang:set_cookie(N, erlang:get_cookie()) || N <- ['"$(cluster_peers "$node")"']], ok.' >/dev/null || return 1
        say "cluster-$node" "reaches the others again"
    done <"$ROOT/cluster-isolated"
    rm -f "$ROOT/cluster-isolated"
}

cluster_peers() {
    local node peers=()
    for node in "${CLUSTER[@]}"; do [[ $node == "$1" ]] || peers+=("$node@localhost"); done
    (IFS=,; echo "${peers[*]}")
}

cluster_leader() {
    local node leader
    for node in "${CLUSTER[@]}"; do
        leader=$(cluster_ctl "$node" eval '{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"'"${2:-/}"'">>, queue, <<"'"$1"'">>)), element(2, amqqueue:get_pid(Q)).' 2>/dev/null) || continue
        leader=${leader//\'/}
        [[ $leader == n[0-9]@* ]] || continue
        echo "${leader%@*}"
        return 0
    done
    fail cluster "no node knows a quorum queue '$1'"
}

cluster_env() {
    local node hosts=()
    for node in "${CLUSTER[@]}"; do
        is_running "cluster-$node" && hosts+=("127.0.0.1:$(port_of "cluster-$node")")
    done
    ((${#hosts[@]})) || return 0
    echo "export BROKER_TEST_CLUSTER='amqp://guest:guest@${hosts[0]}/'"
    echo "export BROKER_TEST_CLUSTER_HOSTS='$(IFS=,; echo "${hosts[*]}")'"
}

cluster() {
    local command=${1:-}
    (($# == 0)) || shift
    case $command in
        kill | start-node | stop-node | freeze | thaw | isolate | alarm | clear-alarm | ctl)
            case " ${CLUSTER[*]} " in *" ${1:-none} "*) ;; *) fail cluster "$command needs the name of a node: ${CLUSTER[*]}" ;; esac ;;
        leader) (($#)) || fail cluster "leader needs the name of a quorum queue" ;;
    esac
    case $command in
        start) cluster_start ;;
        stop) cluster_stop ;;
        status) one_by_one status "${CLUSTER[@]/#/cluster-}" ;;
        env) cluster_env; echo "export BROKER_SERVERS='$SELF'" ;;
        kill) crash "cluster-$1" ;;
        start-node) in_parallel start "cluster-$1" ;;
        stop-node) in_parallel stop "cluster-$1" ;;
        freeze) cluster_signal "$1" STOP; say "cluster-$1" "frozen" ;;
        thaw) cluster_signal "$1" CONT; say "cluster-$1" "thawed" ;;
        isolate) cluster_isolate "$1" ;;
        heal) cluster_heal ;;
        alarm) cluster_ctl "$1" set_disk_free_limit 900GB >/dev/null && say "cluster-$1" "its disk counts as full" ;;
        clear-alarm) cluster_ctl "$1" set_disk_free_limit 256MB >/dev/null && say "cluster-$1" "its disk has room again" ;;
        leader) cluster_leader "$@" ;;
        ctl) cluster_ctl "$@" ;;
        '' | -h | --help | help) cluster_usage ;;
        *) cluster_usage >&2; return 2 ;;
    esac
}
