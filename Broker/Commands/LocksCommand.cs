using System.CommandLine;
using System.Globalization;
using Broker.Relay;
using Outbox.Etcd;
using Outbox.Locks;
using Outbox.Redis;
using Spectre.Console;
using StackExchange.Redis;

namespace Broker.Commands;

/// <summary><c>broker locks</c>: shows who holds which lock, and takes one away.</summary>
internal static class LocksCommand
{
    public static Command Create() => new("locks", "Show the locks that services hold, or take one away from its holder.") { List(), Steal() };

    private static Command List()
    {
        var (config, source, json, place) = (CommonOptions.Config(), CommonOptions.Source(), CommonOptions.Json(), new Place());
        var all = new Option<bool>("--all") { Description = "Every lease of the source's database by its full name: also those of relays, jobs, consumers and partitioned work." };
        var list = place.AddTo(new Command("list", "Show the locks that are held: by whom, with which token, since when, for how long without a renewal, and how many processes wait.") { config, source, all, json });
        list.SetAction((parsed, cancellationToken) => CommonOptions.WithSourceAsync(parsed.GetValue(config), parsed.GetValue(source)!, async (settings, dataSource) =>
        {
            var desk = new LockDesk(dataSource, settings.Dialect, DeadLetterDesk.ThisUser);
            var found = await place.TryAsync(parsed, locks => locks.ListAsync(cancellationToken))
                ?? (parsed.GetValue(all) ? await desk.ListLeasesAsync(cancellationToken) : await desk.ListAsync(cancellationToken));
            Write(settings.Name, found, parsed.GetValue(json));
            return ExitCodes.Ok;
        }));
        return list;
    }

    private static Command Steal()
    {
        var (config, source, place) = (CommonOptions.Config(), CommonOptions.Source(), new Place());
        var name = new Argument<string>("name") { Description = "The lock." };
        var reason = new Option<string>("--reason") { Description = "Why. It is kept in dead_letter_actions of the source's database, with your name and the time.", HelpName = "text", Required = true };
        var steal = place.AddTo(new Command("steal", "Take a lock away from its holder, whose guarded writes fail from then on, and leave it free. The exit code is 1 if nobody holds it.") { name, config, source, reason });
        steal.SetAction((parsed, cancellationToken) => CommonOptions.WithSourceAsync(parsed.GetValue(config), parsed.GetValue(source)!, async (settings, dataSource) =>
        {
            var asked = parsed.GetValue(name)!;
            var desk = new LockDesk(dataSource, settings.Dialect, DeadLetterDesk.ThisUser);
            var isStolen = await place.TryAsync(parsed, async locks =>
            {
                var stolen = await locks.StealAsync(asked, DeadLetterDesk.ThisUser, cancellationToken);
                if (stolen)
                    await desk.RecordAsync(asked, parsed.GetValue(reason)!, cancellationToken);
                return (bool?)stolen;
            }) ?? await desk.StealAsync(asked, parsed.GetValue(reason)!, cancellationToken);
            if (isStolen)
                Console.WriteLine($"Lock '{asked}' is taken away from its holder, and free.");
            else
                await Console.Error.WriteLineAsync($"broker: nobody holds a lock '{asked}'. See 'broker locks list --source {settings.Name}'.");
            return isStolen ? ExitCodes.Ok : ExitCodes.Failed;
        }));
        return steal;
    }

    private static void Write(string source, IReadOnlyList<LockStanding> locks, bool asJson)
    {
        if (asJson)
        {
            Output.WriteJson(new { source, locks = locks.Select(l => new { l.Name, l.Owner, l.Token, l.Since, ExpiresInSeconds = Math.Round(l.ExpiresIn.TotalSeconds, 3), l.Waiters }) });
            return;
        }
        if (locks.Count == 0)
        {
            Console.WriteLine($"Source '{source}': no lock is held.");
            return;
        }
        var table = Output.Table("name", "holder", "|token", "since (UTC)", "|expires in s", "|waiters");
        foreach (var l in locks)
        {
            table.AddRow(
                Output.Cell(l.Name), Output.Cell(l.Owner), Output.Cell(l.Token.ToString(CultureInfo.InvariantCulture)), Output.Cell(Output.Time(l.Since)),
                Output.Cell(l.ExpiresIn.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)), Output.Cell(l.Waiters));
        }
        Output.Write(table);
    }

    /// <summary>Locks that are kept elsewhere than in the source's database.</summary>
    private sealed class Place
    {
        private readonly Option<string?> _redis = new("--redis") { Description = "Locks in this Redis instead of the database.", HelpName = "host:port" };
        private readonly Option<string?> _etcd = new("--etcd") { Description = "Locks in this etcd instead of the database.", HelpName = "uri,…" };
        private readonly Option<string> _prefix = new("--key-prefix") { Description = "KeyPrefix of the locks in Redis or etcd.", HelpName = "text", DefaultValueFactory = _ => "outbox" };

        public Command AddTo(Command command)
        {
            foreach (var option in (Option[])[_redis, _etcd, _prefix])
                command.Options.Add(option);
            return command;
        }

        /// <summary>Asks Redis or etcd; null if neither is meant.</summary>
        public async Task<T?> TryAsync<T>(ParseResult parsed, Func<IDistributedLocks, Task<T>> askAsync)
        {
            var prefix = parsed.GetValue(_prefix)!;
            try
            {
                if (parsed.GetValue(_redis) is { } redis)
                {
                    await using var connection = await ConnectionMultiplexer.ConnectAsync(redis);
                    await using var locks = new RedisLocks(connection, new RedisLockOptions { KeyPrefix = prefix });
                    return await askAsync(locks);
                }
                if (parsed.GetValue(_etcd) is { } etcd)
                {
                    await using var locks = new EtcdLocks(etcd.Split(','), new EtcdLockOptions { KeyPrefix = prefix });
                    return await askAsync(locks);
                }
            }
            catch (Exception exception) when (exception is RedisException or Grpc.Core.RpcException or TimeoutException)
            {
                throw new Outbox.OutboxConfigurationException($"{(parsed.GetValue(_redis) is null ? "--etcd" : "--redis")} does not answer: {exception.Message.Split('\n')[0].TrimEnd('.')}.", exception);
            }
            return default;
        }
    }
}
