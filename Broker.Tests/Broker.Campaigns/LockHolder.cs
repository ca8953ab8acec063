using System.Data.Common;
using System.Globalization;
using Newtonsoft.Json;
using Outbox.Etcd;
using Outbox.Locks;
using Outbox.Redis;
using Outbox.Sql;
using StackExchange.Redis;

namespace Broker.Campaigns;

/// <summary>A process of its own that holds a lock and writes what it is told to, to be frozen and killed.</summary>
internal static class LockHolder
{
    /// <summary>The hidden verb that makes a process one of these.</summary>
    public const string Verb = "lock-holder";

    /// <summary>Where its lock is kept, and the database that it guards.</summary>
    internal sealed record Place(string Kind, string Server, string Prefix, string Engine, string ConnectionString);

    /// <summary>What it is to do; travels on its standard input.</summary>
    internal sealed record Settings(Place Place, string Name, double LeaseSeconds);

    /// <summary>Takes the lock, says <c>held token</c>, and answers each number on its standard input with what became of a guarded write: written, refused or failed.</summary>
    public static async Task<int> RunAsync()
    {
        var settings = JsonConvert.DeserializeObject<Settings>((await Console.In.ReadLineAsync())!)!;
        if (!SqlDialect.TryParse(settings.Place.Engine, out var dialect))
            throw new InvalidOperationException($"'{settings.Place.Engine}' is no engine.");
        await using var dataSource = DataSources.Create(dialect, settings.Place.ConnectionString);
        var locks = Connect(settings, dataSource, dialect);
        await using var held = await locks.AcquireAsync(settings.Name, TimeSpan.FromSeconds(30));
        Console.WriteLine($"held {held.Token}");
        while (await Console.In.ReadLineAsync() is { } line)
            Console.WriteLine($"{await WriteAsync(held, dataSource, int.Parse(line, CultureInfo.InvariantCulture))} {line}");
        return 0;
    }

    private static IDistributedLocks Connect(Settings settings, DbDataSource dataSource, SqlDialect dialect)
    {
        var (place, lease) = (settings.Place, TimeSpan.FromSeconds(settings.LeaseSeconds));
        return place.Kind switch
        {
            "redis" => new RedisLocks(ConnectionMultiplexer.Connect(place.Server), new RedisLockOptions { Lease = lease, KeyPrefix = place.Prefix }),
            "etcd" => new EtcdLocks(place.Server.Split(','), new EtcdLockOptions { Lease = lease, KeyPrefix = place.Prefix }),
            _ => new LeasedLocks(new DatabaseLocks(dataSource, dialect, TimeProvider.System), new LockOptions { Lease = lease }, TimeProvider.System),
        };
    }

    private static async Task<string> WriteAsync(IDistributedLock held, DbDataSource dataSource, int id)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await held.GuardAsync(transaction);
            await connection.Command("INSERT INTO writes (id, token) VALUES (@id, @token)", transaction).With("id", id).With("token", held.Token).ExecuteAsync(CancellationToken.None);
            await transaction.CommitAsync();
            return "written";
        }
        catch (LockLostException)
        {
            return "refused";
        }
        catch (DbException exception)
        {
            return $"failed ({SqlErrors.TextOf(exception)})";
        }
    }
}
