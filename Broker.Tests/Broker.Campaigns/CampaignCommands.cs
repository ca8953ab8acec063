using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace Broker.Campaigns;

/// <summary>The campaigns as commands, with a seed and a duration.</summary>
internal static class CampaignCommands
{
    public static Command Nodes()
    {
        var plan = new NodesCampaign.Plan();
        var database = new Option<string>("--database") { Description = "PostgreSql, MySql or Sqlite.", DefaultValueFactory = _ => plan.Dialect.Name };
        var nodes = new Option<int>("--nodes") { Description = "Worker processes.", DefaultValueFactory = _ => plan.Nodes };
        var partitions = new Option<int>("--partitions") { Description = "Partitions of the outbox.", DefaultValueFactory = _ => plan.Partitions };
        var lease = new Option<double>("--lease") { Description = "LeaseDuration in seconds.", DefaultValueFactory = _ => plan.Lease.TotalSeconds };
        var clocks = new Option<bool>("--clocks") { Description = "Let the clocks of two nodes be five minutes fast and slow, by libfaketime." };
        var (seconds, seed, rate) = (Seconds(60), Seed(), Rate(plan.Rate));
        var command = new Command("nodes", "Workers over one database, killed, frozen, stopped and started again.") { database, nodes, partitions, lease, clocks, seconds, seed, rate };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new NodesCampaign(plan with
        {
            Dialect = Database.Engine(parsed.GetValue(database)!),
            Nodes = parsed.GetValue(nodes),
            Partitions = parsed.GetValue(partitions),
            Lease = TimeSpan.FromSeconds(parsed.GetValue(lease)),
            MovesClocks = parsed.GetValue(clocks),
            Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            Seed = parsed.GetValue(seed),
            Rate = parsed.GetValue(rate),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    public static Command Cluster()
    {
        var plan = new ClusterCampaign.Plan();
        var database = new Option<string>("--database") { Description = "PostgreSql, MySql or Sqlite.", DefaultValueFactory = _ => plan.Dialect.Name };
        var only = new Option<string[]>("--only") { Description = $"What happens: {string.Join(", ", plan.Happenings)}.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [.. plan.Happenings.Select(h => h.ToString())] };
        var (seconds, seed, rate) = (Seconds(plan.Duration.TotalSeconds), Seed(), Rate(plan.Rate));
        var command = new Command("cluster", "A worker and a quorum queue on three RabbitMQ nodes of docker/servers.sh: killed, frozen, cut off, full, restarted.") { database, only, seconds, seed, rate };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new ClusterCampaign(plan with
        {
            Dialect = Database.Engine(parsed.GetValue(database)!),
            Happenings = [.. parsed.GetValue(only)!.Select(h => Enum.Parse<ClusterCampaign.Happening>(h, ignoreCase: true))],
            Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            Seed = parsed.GetValue(seed),
            Rate = parsed.GetValue(rate),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    public static Command Isolation()
    {
        var plan = new IsolationCampaign.Plan();
        var sources = new Option<int>("--sources") { Description = "Databases, on PostgreSQL, MariaDB and SQLite.", DefaultValueFactory = _ => plan.Sources };
        var rounds = new Option<int>("--rounds") { Description = "How often it changes between quiet and disturbed.", DefaultValueFactory = _ => plan.Rounds };
        var (seconds, seed, rate) = (Seconds(plan.Duration.TotalSeconds), Seed(), Rate(plan.Rate));
        var command = new Command("isolation", "Many databases in one worker, of which one is locked and one unreachable.") { sources, rounds, seconds, seed, rate };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new IsolationCampaign(plan with
        {
            Sources = parsed.GetValue(sources),
            Rounds = parsed.GetValue(rounds),
            Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            Seed = parsed.GetValue(seed),
            Rate = parsed.GetValue(rate),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    public static Command Consumers()
    {
        var plan = new ConsumersCampaign.Plan();
        var database = new Option<string>("--database") { Description = "PostgreSql, MySql or Sqlite.", DefaultValueFactory = _ => plan.Dialect.Name };
        var messages = new Option<int>("--messages") { Description = "Transfers; each arrives one to five times.", DefaultValueFactory = _ => plan.Messages };
        var processes = new Option<int>("--processes") { Description = "Consumer processes.", DefaultValueFactory = _ => plan.Processes };
        var concurrency = new Option<int>("--concurrency") { Description = "Accounts that each of them handles at once.", DefaultValueFactory = _ => plan.Concurrency };
        var batch = new Option<int>("--batch") { Description = "Messages of one transaction.", DefaultValueFactory = _ => plan.Batch };
        var partitions = new Option<int>("--partitions") { Description = "Queues that the processes share.", DefaultValueFactory = _ => plan.Partitions };
        var between = new Option<double>("--between") { Description = "Mean seconds between two kills.", DefaultValueFactory = _ => plan.Between.TotalSeconds };
        var away = new Option<double>("--away") { Description = "Seconds during which the consumers cannot reach their database; not with Sqlite." };
        var failing = new Option<bool>("--failing") { Description = "Whether one in 500 fails until it is redriven, and one in 50 twice.", DefaultValueFactory = _ => plan.SomeFail };
        var seed = Seed();
        var command = new Command("consumers", "Consumer processes of one queue or of partitioned ones, killed while they book transfers that arrive several times.") { database, messages, processes, concurrency, batch, partitions, between, away, failing, seed };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new ConsumersCampaign(plan with
        {
            Dialect = Database.Engine(parsed.GetValue(database)!),
            Messages = parsed.GetValue(messages),
            Processes = parsed.GetValue(processes),
            Concurrency = parsed.GetValue(concurrency),
            Batch = parsed.GetValue(batch),
            Partitions = parsed.GetValue(partitions),
            Away = TimeSpan.FromSeconds(parsed.GetValue(away)),
            Between = TimeSpan.FromSeconds(parsed.GetValue(between)),
            SomeFail = parsed.GetValue(failing),
            Seed = parsed.GetValue(seed),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    public static Command Sagas()
    {
        var plan = new SagasCampaign.Plan();
        var database = new Option<string>("--database") { Description = "PostgreSql, MySql or Sqlite.", DefaultValueFactory = _ => plan.Dialect.Name };
        var sagas = new Option<int>("--sagas") { Description = "Sagas.", DefaultValueFactory = _ => plan.Sagas };
        var processes = new Option<int>("--processes") { Description = "Processes of each of the three services.", DefaultValueFactory = _ => plan.Processes };
        var copied = new Option<double>("--copied") { Description = "The share of messages that come once more, later.", DefaultValueFactory = _ => plan.Copied };
        var between = new Option<double>("--between") { Description = "Mean seconds between two kills.", DefaultValueFactory = _ => plan.Between.TotalSeconds };
        var seed = Seed();
        var command = new Command("sagas", "Checkouts over three services that refuse, break and are killed, with a relay that is, too, and messages that are copied and come late.") { database, sagas, processes, copied, between, seed };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new SagasCampaign(plan with
        {
            Dialect = Database.Engine(parsed.GetValue(database)!),
            Sagas = parsed.GetValue(sagas),
            Processes = parsed.GetValue(processes),
            Copied = parsed.GetValue(copied),
            Between = TimeSpan.FromSeconds(parsed.GetValue(between)),
            Seed = parsed.GetValue(seed),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    public static Command Outage()
    {
        var plan = new OutageCampaign.Plan();
        var database = new Option<string>("--database") { Description = "PostgreSql, MySql or Sqlite.", DefaultValueFactory = _ => plan.Dialect.Name };
        var (seconds, seed, rate) = (Seconds(plan.Duration.TotalSeconds), Seed(), Rate(plan.Rate));
        var command = new Command("outage", "The broker is away while writers go on.") { database, seconds, seed, rate };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new OutageCampaign(plan with
        {
            Dialect = Database.Engine(parsed.GetValue(database)!),
            Duration = TimeSpan.FromSeconds(parsed.GetValue(seconds)),
            Seed = parsed.GetValue(seed),
            Rate = parsed.GetValue(rate),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    public static Command Transfers()
    {
        var plan = new TransfersCampaign.Plan();
        var runs = new Option<int>("--runs") { Description = "Transfers.", DefaultValueFactory = _ => plan.Runs };
        var processes = new Option<int>("--processes") { Description = "Coordinator processes at once.", DefaultValueFactory = _ => plan.Processes };
        var decide = new Option<string>("--decide-in") { Description = "Where decisions are kept: ledger (PostgreSQL), warehouse (MariaDB) or etcd.", DefaultValueFactory = _ => plan.DecideIn };
        decide.AcceptOnlyFromAmong("ledger", "warehouse", "etcd");
        var hands = new Option<bool>("--hands") { Description = "Whether a person finishes some branches by hand.", DefaultValueFactory = _ => plan.WithHands };
        var seed = Seed();
        var command = new Command("transfers", "Two-phase commits between PostgreSQL and MariaDB, whose coordinators are killed at every step while sessions end, replies are lost and deadlines pass.") { runs, processes, decide, hands, seed };
        command.SetAction((parsed, cancellationToken) => RunAsync(say => new TransfersCampaign(plan with
        {
            Runs = parsed.GetValue(runs),
            Processes = parsed.GetValue(processes),
            DecideIn = parsed.GetValue(decide)!,
            WithHands = parsed.GetValue(hands),
            Seed = parsed.GetValue(seed),
        }, say).RunAsync(cancellationToken)));
        return command;
    }

    private static Option<double> Seconds(double standard) => new("--seconds") { Description = "For how long.", DefaultValueFactory = _ => standard };

    private static Option<int> Seed() => new("--seed") { Description = "What happens and when: the same seed, the same plan.", DefaultValueFactory = _ => 1 };

    private static Option<double> Rate(double standard) => new("--rate") { Description = "Transactions a second.", DefaultValueFactory = _ => standard };

    private static async Task<int> RunAsync(Func<Action<string>, Task<Verdict>> campaign)
    {
        var watch = Stopwatch.StartNew();
        var verdict = await campaign(text => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{watch.Elapsed.TotalSeconds,7:0.0} s  {text}")));
        Console.WriteLine(verdict.Faults.Count == 0 ? "every promise kept" : "FAULTS");
        foreach (var fault in verdict.Faults.Take(30))
            Console.WriteLine("  " + fault);
        return verdict.Faults.Count > 0 ? 1 : 0;
    }
}
