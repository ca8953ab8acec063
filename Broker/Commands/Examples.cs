namespace Broker.Commands;

/// <summary>What people type, shown by <c>--help</c> and in docs/cli.md.</summary>
internal static class Examples
{
    private static readonly Dictionary<string, string[]> ByCommand = new(StringComparer.Ordinal)
    {
        [""] = ["broker run --config appsettings.json", "broker status --watch", "broker dead-letters list --source stock"],
        ["run"] = ["broker run", "broker run --roles relay", "broker run --config /etc/broker/appsettings.json", "Broker__RabbitMq__Uri=amqps://relay:…@rabbit/shop broker run"],
        ["status"] = ["broker status", "broker status --watch 5", "broker status --json | jq '.sources[] | select(.oldestSeconds > 60).name'"],
        ["message"] = ["broker message 0198f3c2-7a41-7c55-9d6e-2b1f6f0c1a11", "broker message 0198f3c2-7a41-7c55-9d6e-2b1f6f0c1a11 --json"],
        ["dead-letters"] = ["broker dead-letters list --source stock", "broker dead-letters redrive --source stock --type stock.audited.v1"],
        ["dead-letters list"] = ["broker dead-letters list --source stock", "broker dead-letters list --source stock --side relay --text 'no queue' --since 2h", "broker dead-letters list --source stock --sort failure --descending --limit 20", "broker dead-letters list --source stock --after 4711 --json"],
        ["dead-letters show"] = ["broker dead-letters show 7 --source stock", "broker dead-letters show 7 --source stock --full --json"],
        ["dead-letters redrive"] = ["broker dead-letters redrive --source stock --type stock.audited.v1", "broker dead-letters redrive --source stock --text 'no queue is bound' --since 1d --dry-run", "broker dead-letters redrive --source stock --id 7 --body mended.json --reason 'quantity was negative'"],
        ["dead-letters discard"] = ["broker dead-letters discard --source stock --key 7f3a --reason 'test data'", "broker dead-letters discard --source stock --all --reason 'environment was reset' --yes"],
        ["dead-letters history"] = ["broker dead-letters history --source stock", "broker dead-letters history --source stock --id 7 --json"],
        ["deferred"] = ["broker deferred list --source stock"],
        ["deferred list"] = ["broker deferred list --source stock", "broker deferred list --source stock --consumer billing --state failed", "broker deferred list --source stock --key order-7 --json"],
        ["in-doubt"] = ["broker in-doubt list"],
        ["in-doubt list"] = ["broker in-doubt list", "broker in-doubt list --coordinator transfers --json"],
        ["in-doubt show"] = ["broker in-doubt show obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x"],
        ["in-doubt commit"] = ["broker in-doubt commit obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x --reason 'the customer has its receipt'"],
        ["in-doubt rollback"] = ["broker in-doubt rollback obx.transfers.k3x9q2.1.tncg5c.03d6m1f0z2b8c7q4h5j9n1w2x --reason 'nobody was told'"],
        ["in-doubt restored"] = ["broker in-doubt restored --coordinator transfers --reason 'ledger restored to 14:00'"],
        ["sagas"] = ["broker sagas list --source orders --status parked"],
        ["sagas list"] = ["broker sagas list --source orders", "broker sagas list --source orders --saga checkout --status parked --json"],
        ["sagas show"] = ["broker sagas show checkout 0198f3c2-7a41-7c55-9d6e-2b1f6f0c1a11 --source orders", "broker sagas show checkout order-7 --source orders --json"],
        ["sagas retry"] = ["broker sagas retry checkout order-7 --source orders --reason 'the bank is back'"],
        ["sagas give-up"] = ["broker sagas give-up checkout order-7 --source orders --reason 'refunded by hand, case 4711'"],
        ["schema"] = ["broker schema --database PostgreSql > outbox.sql", "broker schema --source orders --create", "broker schema --source orders --check", "broker schema --source orders --set-partitions 8"],
        ["replay"] = ["broker replay --source orders --from 2026-01-01 --to 2026-02-01 --to-queue stock", "broker replay --source orders --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --to-queue stock --type orders.order-placed.v1"],
        ["health"] = ["broker health", "broker health --live", "broker health --url http://localhost:8080/health/ready"],
        ["dashboard"] = ["broker dashboard hash-password"],
        ["dashboard hash-password"] = ["broker dashboard hash-password", "broker dashboard hash-password < password.txt"],
        ["bench"] = ["broker bench relay --database PostgreSql"],
        ["bench relay"] = ["broker bench relay --messages 100000 --bytes 1024", "broker bench relay --database MySql --keys 1000 --json relay.json --chart relay.svg"],
        ["bench inbox"] = ["broker bench inbox", "broker bench inbox --database SqlServer"],
        ["bench end-to-end"] = ["broker bench end-to-end"],
        ["bench latency"] = ["broker bench latency"],
        ["bench commits"] = ["broker bench commits"],
        ["bench retention"] = ["broker bench retention --database PostgreSql"],
        ["bench saga"] = ["broker bench saga", "broker bench saga --concurrency 1 --database MySql"],
        ["bench idle"] = ["broker bench idle"],
        ["bench two-phase"] = ["broker bench two-phase", "broker bench two-phase --database Sqlite --second MySql"],
        ["bench locks"] = ["broker bench locks", "broker bench locks --database MySql --workers 8"],
        ["locks"] = ["broker locks list --source orders"],
        ["locks list"] = ["broker locks list --source orders", "broker locks list --source orders --all --json", "broker locks list --source orders --redis redis.internal:6379", "broker locks list --source orders --json | jq '.locks[] | select(.waiters > 0).name'"],
        ["locks steal"] = ["broker locks steal nightly-settlement --source orders --reason 'its host is gone'"],
    };

    /// <summary>The commands that have examples, as they are typed after the program's name.</summary>
    public static IEnumerable<string> Commands => ByCommand.Keys;

    /// <summary>The examples of a command.</summary>
    public static IReadOnlyList<string> Of(string command) => ByCommand.GetValueOrDefault(command) ?? [];
}
